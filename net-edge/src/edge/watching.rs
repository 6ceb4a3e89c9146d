//! Which matches this edge follows, and when it begins and ceases to.

use std::time::{Duration, Instant};

use protocol::cluster::{IngressMessageT, MatchBaseline, MatchClosed, UnwatchMatchT, WatchMatchT, decode_egress};
use protocol::limits::{REWATCH_MS, UNWATCH_MS};
use protocol::manifest::Manifest;
use protocol::outcome::CloseCode;

use super::commands::CommandSchema;
use super::mirror::{Known, Mirror, Stray};
use super::views::Views;
use super::{Action, ConnectionId, Edge, LinkState, Moment, Wake};

pub(super) struct Watched {
    /// `None` when nothing is known.
    pub(super) mirror: Option<Mirror>,
    /// Whether ticks may be missing: the mirror is what it was at its tick, and a baseline is on its way.
    pub(super) awaits_baseline: bool,
    pub(super) players: Vec<ConnectionId>,
    /// Of those who are told what is new to them; `None` when nobody is.
    pub(super) views: Option<Views>,
    /// When a baseline was last asked for.
    asked: Instant,
    /// A baseline is needed, and this is when it may be asked for.
    ask_at: Option<Instant>,
    idle_since: Option<Instant>,
}

impl Watched {
    pub(super) fn tick(&self) -> u64 {
        self.mirror.as_ref().map_or(0, Mirror::tick)
    }

    pub(super) fn end_view(&mut self, id: ConnectionId) {
        if let Some(views) = &mut self.views {
            views.end(id);
            if views.is_empty() {
                self.views = None;
            }
        }
    }
}

impl Edge {
    /// Takes one message of the service.
    pub fn handle_egress(&mut self, now: Moment, message: &[u8]) {
        let egress = match decode_egress(message) {
            Ok(egress) => egress,
            Err(error) => {
                // A delta that was lost so is noticed by the next: ticks have no gaps.
                tracing::error!(%error, "a message of the service cannot be read");
                return self.counters.egress_errors.add(1);
            }
        };
        if let Some(delta) = egress.message_as_match_delta() {
            self.handle_delta(now, &delta);
        } else if let Some(outcomes) = egress.message_as_session_outcomes() {
            self.handle_outcomes(now, &outcomes);
        } else if let Some(baseline) = egress.message_as_match_baseline() {
            self.handle_baseline(now, &baseline);
        } else if let Some(joined) = egress.message_as_session_joined() {
            self.handle_joined(now, &joined);
        } else if let Some(refused) = egress.message_as_session_refused() {
            self.handle_refused(now, &refused);
        } else if let Some(ended) = egress.message_as_session_ended() {
            self.handle_ended(now, &ended);
        } else if let Some(closed) = egress.message_as_match_closed() {
            self.handle_match_closed(now, &closed);
        } else if let Some(told) = egress.message_as_open_matches() {
            self.handle_open_matches(&told);
        } else if let Some(accepted) = egress.message_as_edge_accepted() {
            self.handle_accepted(now, accepted.manifest().bytes());
        } else if let Some(refused) = egress.message_as_edge_refused() {
            tracing::error!(reason = refused.reason().unwrap_or_default(), "the service refuses this edge");
            self.actions.push_back(Action::DropLink);
        }
    }

    fn handle_accepted(&mut self, now: Moment, bytes: &[u8]) {
        if self.link == LinkState::Up {
            // Said twice, when hello was.
            return;
        }
        let read = Manifest::decode(bytes).map_err(|error| error.to_string());
        let read = read.and_then(|manifest| {
            let schema = CommandSchema::decode(manifest.command_schema()).map_err(|error| error.to_string())?;
            Ok((manifest, schema))
        });
        match read {
            Ok((manifest, schema)) => {
                tracing::info!(
                    game = manifest.game(),
                    rules = manifest.rules_version(),
                    "the service accepts this edge"
                );
                let is_other = self.manifest.as_ref().is_some_and(|known| known.hash() != manifest.hash());
                self.manifest = Some(manifest.into());
                self.schema = schema;
                if is_other {
                    // What players hold does not fit any more: they come back and are given the new one.
                    self.send_players_away(now);
                    self.matches.clear();
                }
                self.begin_link(now);
            }
            Err(error) => {
                tracing::error!(error, "the service's manifest cannot be used");
                self.counters.egress_errors.add(1);
                self.actions.push_back(Action::DropLink);
            }
        }
    }

    // ---- players come and go --------------------------------------------------------------------

    pub(super) fn enter_match(&mut self, now: Moment, match_id: u64, id: ConnectionId) {
        match self.matches.get_mut(&match_id) {
            Some(watched) => {
                watched.players.push(id);
                watched.idle_since = None;
            }
            None => {
                let watched = Watched {
                    mirror: None,
                    awaits_baseline: true,
                    players: vec![id],
                    views: None,
                    asked: now.at,
                    ask_at: None,
                    idle_since: None,
                };
                self.matches.insert(match_id, watched);
                self.watch(match_id);
            }
        }
        self.begin_if_ready(now, match_id, id);
    }

    pub(super) fn leave_match(&mut self, now: Moment, match_id: u64, id: ConnectionId) {
        let Some(watched) = self.matches.get_mut(&match_id) else { return };
        watched.players.retain(|player| *player != id);
        watched.end_view(id);
        if watched.players.is_empty() {
            watched.idle_since = Some(now.at);
            self.wake_at(now.at + Duration::from_millis(UNWATCH_MS), Wake::Match(match_id));
        }
    }

    // ---- the mirror begins, and begins again ----------------------------------------------------

    fn handle_baseline(&mut self, now: Moment, baseline: &MatchBaseline<'_>) {
        let match_id = baseline.match_id();
        let (Some(watched), Some(manifest)) = (self.matches.get_mut(&match_id), &self.manifest) else { return };
        match watched.mirror.as_ref().map(|mirror| mirror.compare(baseline)) {
            Some(Known::Newer) => return,
            Some(Known::Same) => return self.keep_mirror(now, match_id),
            Some(Known::Wrong) => self.counters.hash_mismatches.add(1),
            Some(Known::Older) | None => {}
        }
        match Mirror::new(manifest, baseline) {
            Ok(mirror) => {
                (watched.mirror, watched.views) = (Some(mirror), None);
                (watched.awaits_baseline, watched.ask_at) = (false, None);
                for id in watched.players.clone() {
                    self.drop_stream(id);
                    self.begin_if_ready(now, match_id, id);
                }
            }
            Err(stray) => self.handle_stray(now, match_id, &stray),
        }
    }

    /// Nothing was missed: who follows goes on, and hears now what had to wait.
    fn keep_mirror(&mut self, now: Moment, match_id: u64) {
        let Some(watched) = self.matches.get_mut(&match_id) else { return };
        (watched.awaits_baseline, watched.ask_at) = (false, None);
        for id in watched.players.clone() {
            match self.player(id).is_some_and(|player| player.stream.is_some()) {
                true => self.tell_outcomes(match_id, id),
                false => self.begin_if_ready(now, match_id, id),
            }
        }
    }

    /// Another member leads: what was told meanwhile is lost.
    pub(super) fn watch_again(&mut self, now: Moment) {
        let mut ids: Vec<u64> = self.matches.keys().copied().collect();
        ids.sort_unstable();
        for match_id in ids {
            let Some(watched) = self.matches.get_mut(&match_id) else { continue };
            (watched.awaits_baseline, watched.asked, watched.ask_at) = (true, now.at, None);
            self.watch(match_id);
        }
    }

    /// The mirror is wrong: nobody hears of it any more until a baseline came.
    pub(super) fn handle_stray(&mut self, now: Moment, match_id: u64, stray: &Stray) {
        tracing::error!(match_id, %stray, "a mirror is not the cluster's; asking for a baseline");
        if matches!(stray, Stray::Hash { .. }) {
            self.counters.hash_mismatches.add(1);
        } else {
            self.counters.egress_errors.add(1);
        }
        let Some(watched) = self.matches.get_mut(&match_id) else { return };
        (watched.mirror, watched.views, watched.awaits_baseline) = (None, None, true);
        let players = watched.players.clone();
        let at = now.at.max(watched.asked + Duration::from_millis(REWATCH_MS));
        watched.ask_at = Some(at);
        for id in players {
            self.drop_stream(id);
            self.set_mirror_deadline(now, id);
        }
        self.wake_at(at, Wake::Match(match_id));
        self.check_match(now, match_id);
    }

    pub(super) fn check_match(&mut self, now: Moment, match_id: u64) {
        let Some(watched) = self.matches.get_mut(&match_id) else { return };
        let idle_until = watched.idle_since.map(|since| since + Duration::from_millis(UNWATCH_MS));
        if idle_until.is_some_and(|until| until <= now.at) {
            self.matches.remove(&match_id);
            let mut unwatch = UnwatchMatchT::default();
            unwatch.match_id = match_id;
            self.note(IngressMessageT::UnwatchMatch(Box::new(unwatch)));
        } else if watched.ask_at.is_some_and(|at| at <= now.at) {
            watched.ask_at = None;
            watched.asked = now.at;
            self.watch(match_id);
        }
    }

    fn watch(&mut self, match_id: u64) {
        let mut watch = WatchMatchT::default();
        watch.match_id = match_id;
        self.uplink.push(IngressMessageT::WatchMatch(Box::new(watch)));
    }

    fn handle_match_closed(&mut self, now: Moment, closed: &MatchClosed<'_>) {
        let Some(watched) = self.matches.remove(&closed.match_id()) else { return };
        for id in watched.players {
            self.close_and(now, id, CloseCode::NoMatch.into(), false);
        }
    }
}
