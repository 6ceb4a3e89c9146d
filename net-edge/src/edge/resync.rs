//! Baselines: the beginning of a state stream, for who comes, who asks, and who has fallen behind.

use std::sync::Arc;
use std::time::Duration;

use protocol::limits::{BACKLOG_BYTES_MAX, BEHIND_MS_MAX, LOG_ANSWER_MS_MAX, RESYNCS_PER_SECOND, SEND_WINDOW_BYTES};
use protocol::outcome::CloseCode;
use protocol::session::{BaselineT, Resync, ServerMessageT, encode_server};

use super::session::{Connection, Player, Stage, Stream};
use super::views::{Carrier, Views};
use super::{Action, Backlog, ConnectionId, Edge, Moment, Refusal};

impl Player {
    /// Whether the state stream is there and keeps up.
    pub(super) fn takes_more(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let waits = stream.backlog.bytes();
        if waits == 0 {
            stream.allowance = QUEUE_BYTES_MAX;
        }
        waits <= stream.allowance
    }

    pub(super) fn note_queued(&self, bytes: usize) {
        if let Some(stream) = &self.stream {
            stream.backlog.add(bytes);
        }
    }
}

impl Edge {
    pub(super) fn handle_resync(&mut self, now: Moment, id: ConnectionId, resync: &Resync<'_>) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Stage::Playing(player) = &mut connection.stage else { return Ok(()) };
        if !connection.resyncs.take(now.at) {
            let detail = format!("above {RESYNCS_PER_SECOND} Resync a second");
            return Err(Refusal { code: CloseCode::TooFast, detail });
        }
        let (tick, expected, found) = (resync.tick(), resync.expected(), resync.found());
        tracing::warn!(connection = id.0, tick, expected, found, "a player's mirror went astray");
        self.counters.resyncs.add(1);
        // Without a stream a baseline is on its way already.
        if player.stream.take().is_some() {
            let match_id = player.match_id;
            self.begin_if_ready(now, match_id, id);
        }
        Ok(())
    }

    /// The player gets nothing until a baseline can be sent. Outcomes stay in the ring.
    pub(super) fn drop_stream(&mut self, id: ConnectionId) {
        let Some(player) = self.player(id) else { return };
        player.stream = None;
        player.fresh.clear();
        let match_id = player.match_id;
        if let Some(watched) = self.matches.get_mut(&match_id) {
            watched.end_view(id);
        }
    }

    /// Begins a state stream, or sees to it that the wait for one has an end.
    pub(super) fn begin_if_ready(&mut self, now: Moment, match_id: u64, id: ConnectionId) {
        let watched = self.matches.get(&match_id).filter(|watched| !watched.awaits_baseline);
        // When ticks came that views are still to be told, it begins after that.
        let watched = watched.filter(|watched| !watched.views.as_ref().is_some_and(Views::is_behind));
        let mirror = watched.and_then(|watched| watched.mirror.as_ref());
        let Some((tick, position, is_rewound)) =
            mirror.map(|mirror| (mirror.tick(), mirror.position(), mirror.is_rewound()))
        else {
            return self.put_off(now, id);
        };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Stage::Playing(player) = &connection.stage else { return };
        if is_rewound || player.seen.position <= position && player.seen.tick <= tick {
            self.begin(match_id, id);
        } else if !matches!(connection.deadline, Some((_, CloseCode::Behind))) {
            self.set_deadline(id, now.at + Duration::from_millis(BEHIND_MS_MAX), CloseCode::Behind);
        }
    }

    /// The player waits for a baseline. Who was not told a tick is told no later one before that comes.
    fn put_off(&mut self, now: Moment, id: ConnectionId) {
        if let Some(player) = self.player(id)
            && player.stream.take().is_some()
        {
            player.fresh.clear();
            self.counters.fallen_behind.add(1);
        }
        if self.connections.get(&id).is_some_and(|connection| connection.deadline.is_none()) {
            self.set_mirror_deadline(now, id);
        }
    }

    /// A mirror must come in time.
    pub(super) fn set_mirror_deadline(&mut self, now: Moment, id: ConnectionId) {
        if self.player(id).is_some_and(|player| !player.is_leaving) {
            self.set_deadline(id, now.at + Duration::from_millis(LOG_ANSWER_MS_MAX), CloseCode::Internal);
        }
    }

    fn begin(&mut self, match_id: u64, id: ConnectionId) {
        let Some(watched) = self.matches.get_mut(&match_id) else { return };
        let Some(mirror) = &mut watched.mirror else { return };
        let Some(Connection { stage: Stage::Playing(player), deadline, path, .. }) = self.connections.get_mut(&id)
        else {
            return;
        };
        let mut baseline = BaselineT::default();
        (baseline.tick, baseline.position, baseline.rewound) = (mirror.tick(), mirror.position(), mirror.is_rewound());
        let manifest = mirror.manifest();
        match Carrier::of(manifest, player.takes_datagrams && path.datagram_bytes_max > 0) {
            None => {
                baseline.hash = mirror.hash();
                baseline.own = mirror.own(player.player);
                baseline.columns = mirror.everyone().to_vec();
            }
            Some(carrier) => {
                let views = watched.views.get_or_insert_with(|| Views::new(mirror.columns(), mirror.tick()));
                player.era += 1;
                let held = std::mem::take(&mut player.seen.rows);
                let held = Some(&held[..]).filter(|held| !held.is_empty());
                let parts = views.begin(id, (player.player, carrier), (player.era, *path), held);
                (baseline.era, baseline.hash) = (player.era, parts.hash);
                (baseline.columns, baseline.own) = (parts.columns, parts.own);
                baseline.kept = held.is_some().then_some(parts.kept);
            }
        }
        baseline.outcomes = Some(player.ring.iter().map(|outcome| outcome.unpack()).collect());
        let frame = encode_server(ServerMessageT::Baseline(Box::new(baseline)));
        if player.stream.is_some() {
            self.counters.fallen_behind.add(1);
        }
        self.counters.baselines.add(1);
        self.counters.sent_bytes.add(frame.len());
        let backlog = Arc::new(Backlog::default());
        backlog.add(frame.len());
        player.fresh.clear();
        player.stream = Some(Stream { backlog: Arc::clone(&backlog), allowance: QUEUE_BYTES_MAX + frame.len() });
        if !player.is_leaving {
            *deadline = None;
        }
        self.actions.push_back(Action::Begin { to: id, baseline: frame.into(), backlog });
    }
}

/// What may wait at the edge beside what QUIC holds for sending.
const QUEUE_BYTES_MAX: usize = BACKLOG_BYTES_MAX - SEND_WINDOW_BYTES as usize;
