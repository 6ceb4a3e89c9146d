//! Members of a cluster in memory: each applies the same entries through the host of a real member.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

pub mod fake;

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use aeron_cluster::codec::cluster::{CloseReason, TimeUnit};
use aeron_cluster::service::{ClusteredService, Role, ServiceError, SnapshotError, SnapshotReader, SnapshotWriter};
use cluster_service::{AeronHost, AeronHostConfig, EdgeKey, Event, LogEntry, TickHash};
use ecs_state::Game;
use fake::Fake;

/// A recording of a snapshot.
#[derive(Debug, Default, Clone)]
pub struct Tape(pub VecDeque<Vec<u8>>);

impl SnapshotWriter for Tape {
    fn write(&mut self, message: &[u8]) -> Result<(), SnapshotError> {
        self.0.push_back(message.to_vec());
        Ok(())
    }

    fn message_bytes_max(&self) -> usize {
        300
    }
}

impl SnapshotReader for Tape {
    fn read(&mut self, into: &mut Vec<u8>) -> Result<bool, ServiceError> {
        let Some(message) = self.0.pop_front() else { return Ok(false) };
        *into = message;
        Ok(true)
    }
}

pub struct Member<G: Game> {
    pub host: AeronHost<G>,
    pub cluster: Fake,
    pub hashes: Vec<TickHash>,
}

impl<G: Game> Member<G> {
    /// Member `number` of `count`, whose folder is `folder`.
    pub fn new(number: u32, count: u32, folder: &Path) -> Self {
        Self::with_key(number, count, folder, &EdgeKey::in_process())
    }

    pub fn with_key(number: u32, count: u32, folder: &Path, key: &EdgeKey) -> Self {
        let config = AeronHostConfig {
            member: number,
            members: (0..count).collect::<BTreeSet<_>>(),
            folder: folder.to_owned(),
            edge_key: key.public(),
        };
        let cluster = Fake { member: number as i32, ..Fake::default() };
        Self { host: AeronHost::new(config).unwrap(), cluster, hashes: Vec::new() }
    }

    pub fn lead(mut self) -> Self {
        self.cluster.role = Role::Leader;
        self.host.on_role_change(Role::Leader);
        self
    }

    pub fn with_unit(mut self, unit: TimeUnit) -> Self {
        self.cluster.unit = unit;
        self
    }

    /// Starts, from a snapshot or without.
    pub fn start(&mut self, snapshot: Option<Tape>) -> Result<(), ServiceError> {
        self.cluster.may_change_log = false;
        let mut snapshot = snapshot;
        self.host.on_start(&mut self.cluster, snapshot.as_mut().map(|tape| tape as &mut dyn SnapshotReader))
    }

    /// Applies the next entry. A timer must have been set, and be due.
    pub fn apply(&mut self, entry: &LogEntry<'_>) {
        let per_ms = match self.cluster.unit {
            TimeUnit::Millis => 1,
            TimeUnit::Micros => 1_000,
            TimeUnit::Nanos => 1_000_000,
        };
        let timestamp = entry.time_ms * per_ms;
        let (host, cluster) = (&mut self.host, &mut self.cluster);
        (cluster.position, cluster.time, cluster.may_change_log) = (entry.position.0 as i64, timestamp, true);
        match entry.event {
            Event::SessionOpen { session } => {
                let session = cluster.open(session.0 as i64);
                host.on_session_open(cluster, &session, timestamp);
            }
            Event::SessionClose { session } => {
                if let Some(session) = cluster.sessions.remove(&(session.0 as i64)) {
                    host.on_session_close(cluster, &session, timestamp, CloseReason::ServiceAction);
                }
            }
            Event::Message { session, bytes } => host.on_message(cluster, session.0 as i64, timestamp, bytes),
            Event::Timer { id } => {
                let deadline = cluster.timers.remove(&(id.0 as i64));
                // Who stopped sets no timers any more; its container would not bring it entries either.
                let is_due = deadline.is_some_and(|at| at <= timestamp) || host.should_stop();
                assert!(is_due, "{id:?} at {timestamp}, set for {deadline:?}");
                host.on_timer(cluster, id.0 as i64, timestamp);
            }
        }
        cluster.may_change_log = false;
        host.do_background_work(cluster);
        self.note_hashes();
    }

    fn note_hashes(&mut self) {
        for (match_id, open) in self.host.service().matches() {
            let tick = open.simulation().tick();
            let is_new =
                self.hashes.iter().rev().find(|hash| hash.match_id == match_id).is_none_or(|last| last.tick < tick);
            if is_new && tick > 0 {
                self.hashes.push(TickHash { match_id, tick, hash: open.simulation().columns().total_hash() });
            }
        }
    }

    pub fn snapshot(&mut self) -> Result<Tape, SnapshotError> {
        let mut tape = Tape::default();
        self.host.on_take_snapshot(&mut self.cluster, &mut tape)?;
        Ok(tape)
    }
}
