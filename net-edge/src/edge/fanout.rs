//! What each player hears of a tick: updates of its view, or the delta that all share and what is theirs alone; then
//! their outcomes.

use bytes::Bytes;
use protocol::OutcomeCode;
use protocol::cluster::{MatchDelta, SessionOutcome, SessionOutcomes};
use protocol::outcome::CloseCode;
use protocol::session::{OutcomeT, OutcomesT, OwnDeltaT, ServerMessageT, encode_delta, encode_server};

use super::admission::to_player;
use super::mirror::{OwnRows, Stray};
use super::session::{Connection, Player, Stage};
use super::views::Carrier;
use super::{Action, ConnectionId, Edge, Frames, Moment, Refusal};

impl Edge {
    pub(super) fn handle_delta(&mut self, now: Moment, delta: &MatchDelta<'_>) {
        self.counters.ticks.add(1);
        for outcome in delta.outcomes().into_iter().flatten() {
            self.note_outcome(now, outcome);
        }
        let match_id = delta.match_id();
        let Some(watched) = self.matches.get_mut(&match_id) else { return };
        let awaits_baseline = watched.awaits_baseline;
        let Some(mirror) = &mut watched.mirror else { return };
        // A leader that fell may still be heard when its successor is.
        if delta.tick() <= mirror.tick() {
            return;
        }
        match mirror.advance(delta) {
            Ok(handed_over) => self.fan_out(now, delta, &handed_over),
            // Ticks went unheard between two leaders: the baseline that is on its way has them.
            Err(Stray::Gap { .. }) if awaits_baseline => {}
            Err(stray) => self.handle_stray(now, match_id, &stray),
        }
    }

    /// Tells the tick to those who are told tick by tick, and has it told to the others. `handed_over` are players whose
    /// own rows a delta cannot tell this time.
    fn fan_out(&mut self, now: Moment, delta: &MatchDelta<'_>, handed_over: &[u32]) {
        let match_id = delta.match_id();
        let Some(watched) = self.matches.get_mut(&match_id) else { return };
        let Some(mirror) = &watched.mirror else { return };
        let (everyone, owner) = (delta.everyone().bytes(), delta.owner().bytes());
        if let Some(views) = &mut watched.views {
            views.note_tick(everyone, owner, delta.tick());
            for id in &watched.players {
                match self.connections.get_mut(id) {
                    Some(Connection { stage: Stage::Playing(player), .. }) if views.is_spent(*id) => {
                        player.stream = None
                    }
                    Some(Connection { stage: Stage::Playing(player), .. }) if player.has_fresh_outcomes() => {
                        views.call_for_update(*id);
                    }
                    _ => {}
                }
            }
            if self.unwritten.insert(match_id, now).is_some() {
                self.counters.ticks_joined.add(1);
            }
            if views.len() == watched.players.len() {
                return;
            }
        }
        // Written once somebody needs it.
        let mut shared = None;
        let own_rows = OwnRows::new(mirror, owner);
        let (mut sent_bytes, mut told) = (0, 0);
        // Players who need more than the tick.
        let mut others: Vec<ConnectionId> = Vec::new();
        for id in &watched.players {
            let Some(Connection { stage: Stage::Playing(player), .. }) = self.connections.get_mut(id) else { continue };
            if watched.views.as_ref().is_some_and(|views| views.has(*id)) {
                continue;
            }
            if handed_over.contains(&player.player) {
                player.stream = None;
            }
            if !player.takes_more() {
                others.push(*id);
                continue;
            }
            let encode = || encode_delta(delta.tick(), delta.position(), delta.hash_everyone(), everyone);
            let frames = Frames {
                delta: shared.get_or_insert_with(|| Bytes::from(encode())).clone(),
                own: own_rows.of(player.player).map_or_else(Bytes::new, |columns| own_frame(delta.tick(), columns)),
                outcomes: player.take_outcomes(),
                ..Frames::default()
            };
            told += 1;
            sent_bytes += frames.len();
            player.note_queued(frames.len());
            self.actions.push_back(Action::State { to: *id, frames });
        }
        self.counters.sent_bytes.add(sent_bytes);
        self.counters.deltas.add(told);
        for id in others {
            self.begin_if_ready(now, match_id, id);
        }
    }

    /// Tells each view what is new to it, and begins those that waited for that. Several ticks that were there by then are
    /// told as one: an edge that is behind tells less often, and what it tells is new.
    pub(super) fn tell_views(&mut self, now: Moment, match_id: u64) {
        let Some(watched) = self.matches.get_mut(&match_id) else { return };
        let Some(mirror) = &watched.mirror else { return };
        if let Some(views) = &mut watched.views {
            views.write(mirror.columns()).expect("the mirror took these bytes");
        }
        let (mut sent_bytes, mut told) = (0, 0);
        let mut others: Vec<ConnectionId> = Vec::new();
        for id in &watched.players {
            let Some(Connection { stage: Stage::Playing(player), .. }) = self.connections.get_mut(id) else { continue };
            let written = watched.views.as_mut().and_then(|views| views.take(*id));
            if written.is_none() && player.stream.is_some() {
                continue;
            }
            if !player.takes_more() {
                others.push(*id);
                continue;
            }
            let Some((carrier, packets)) = written else { continue };
            let mut frames = Frames::default();
            let mut datagrams = None;
            match carrier {
                Carrier::Datagrams => datagrams = Some(packets),
                Carrier::Stream => frames.updates.extend(packets),
            }
            // Meanwhile another member may have begun to lead, and outcomes come from ticks that nobody told yet.
            if !watched.awaits_baseline {
                frames.outcomes = player.take_outcomes();
            }
            told += 1;
            // Frames first: their connection is woken first then, and what it writes shares a packet with the datagram.
            if !frames.is_empty() {
                sent_bytes += frames.len();
                player.note_queued(frames.len());
                self.actions.push_back(Action::State { to: *id, frames });
            }
            for bytes in datagrams.into_iter().flatten() {
                sent_bytes += bytes.len();
                self.actions.push_back(Action::Datagram { to: *id, bytes });
            }
        }
        self.counters.sent_bytes.add(sent_bytes);
        self.counters.deltas.add(told);
        for id in others {
            self.begin_if_ready(now, match_id, id);
        }
    }

    // ---- outcomes -------------------------------------------------------------------------------

    /// Outcomes that no tick carries are told at once.
    pub(super) fn handle_outcomes(&mut self, now: Moment, outcomes: &SessionOutcomes<'_>) {
        let mut ids: Vec<ConnectionId> =
            outcomes.outcomes().iter().filter_map(|outcome| self.note_outcome(now, outcome)).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            if let Some(match_id) = self.player(id).map(|player| player.match_id) {
                self.tell_outcomes(match_id, id);
            }
        }
    }

    /// Tells the outcomes that wait for a frame, unless their ticks may be ones that this edge has not heard of: an
    /// outcome is told after its effects.
    pub(super) fn tell_outcomes(&mut self, match_id: u64, id: ConnectionId) {
        if self.matches.get(&match_id).is_some_and(|watched| watched.awaits_baseline) {
            return;
        }
        let Some(player) = self.player(id) else { return };
        let frames = Frames { outcomes: player.take_outcomes(), ..Frames::default() };
        if !frames.is_empty() {
            player.note_queued(frames.len());
            self.counters.sent_bytes.add(frames.len());
            self.actions.push_back(Action::State { to: id, frames });
        }
    }

    /// Gives the connection that the outcome is for. The service tells those of all sessions of a match.
    fn note_outcome(&mut self, now: Moment, outcome: &SessionOutcome) -> Option<ConnectionId> {
        let id = self.sessions.get(&outcome.session()).copied()?;
        let detail = format!("command {}", outcome.seq());
        match OutcomeCode(outcome.code()) {
            // The answer to a number that is none: the session is there.
            OutcomeCode::GAP if outcome.tick() == 0 => {}
            OutcomeCode::GAP => {
                let detail = format!("the log holds commands up to {}", outcome.seq());
                self.close(now, id, Refusal { code: CloseCode::SequenceGap, detail });
            }
            // Of another epoch: an earlier connection of this edge sent it.
            OutcomeCode::STALE_EPOCH if self.player(id).is_none_or(|player| player.epoch != outcome.tick() as u32) => {}
            OutcomeCode::STALE_EPOCH => {
                self.close_and(now, id, Refusal { code: CloseCode::Superseded, detail }, false);
            }
            OutcomeCode::NO_SESSION => {
                let is_leaving = self.player(id).is_some_and(|player| player.is_leaving);
                let code = if is_leaving { CloseCode::Left } else { CloseCode::NoSession };
                self.close_and(now, id, Refusal { code, detail }, false);
            }
            _ => {
                let took = self.player(id)?.note_outcome(now.at, to_player(outcome));
                took.into_iter().for_each(|took| self.counters.acks.record(took));
                return Some(id);
            }
        }
        None
    }
}

impl Player {
    fn has_fresh_outcomes(&self) -> bool {
        !self.fresh.is_empty()
    }

    fn take_outcomes(&mut self) -> Bytes {
        if self.fresh.is_empty() {
            return Bytes::new();
        }
        let mut outcomes = OutcomesT::default();
        outcomes.outcomes = self.fresh.drain(..).map(|outcome| -> OutcomeT { outcome.unpack() }).collect();
        encode_server(ServerMessageT::Outcomes(Box::new(outcomes))).into()
    }
}

fn own_frame(tick: u64, columns: Vec<u8>) -> Bytes {
    let mut own = OwnDeltaT::default();
    (own.tick, own.columns) = (tick, columns);
    encode_server(ServerMessageT::OwnDelta(Box::new(own))).into()
}
