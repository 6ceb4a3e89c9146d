//! What an entry brought about, for the host to carry out.

use std::sync::Arc;

use protocol::ClusterSessionId;
use protocol::cluster::{EgressMessageT, encode_egress};
use serde::{Deserialize, Serialize};

use crate::TimerId;

/// The state hash after one tick of one match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickHash {
    /// The match.
    pub match_id: u64,
    /// The tick.
    pub tick: u64,
    /// Hash of all classes.
    pub hash: u64,
}

/// Filled by the service, emptied by the host. Nothing that a host does with it comes back to the
/// service, so nothing in the state can depend on it.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Messages and whom they go to, in order. A message for several is encoded once.
    pub messages: Vec<(Vec<ClusterSessionId>, Arc<[u8]>)>,
    /// Timers to set (time of the clock, in milliseconds) or, with `None`, to drop.
    pub timers: Vec<(TimerId, Option<i64>)>,
    /// Cluster sessions to close, by entries of the log; each may be named again until it is closed.
    pub closes: Vec<ClusterSessionId>,
    /// Match and tick of hash reports that were taken.
    pub reported: Vec<(u64, u64)>,
    /// Ticks that ran.
    pub ticks: Vec<TickHash>,
}

impl Outbox {
    /// Sends to one.
    pub(crate) fn send(&mut self, to: ClusterSessionId, message: EgressMessageT) {
        self.send_all(vec![to], message);
    }

    /// Sends to several.
    pub(crate) fn send_all(&mut self, to: Vec<ClusterSessionId>, message: EgressMessageT) {
        if !to.is_empty() {
            self.messages.push((to, encode_egress(message).into()));
        }
    }

    pub(crate) fn schedule(&mut self, id: TimerId, at_ms: i64) {
        self.timers.push((id, Some(at_ms)));
    }

    pub(crate) fn cancel(&mut self, id: TimerId) {
        self.timers.push((id, None));
    }

    pub(crate) fn close(&mut self, session: ClusterSessionId) {
        self.closes.push(session);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.timers.clear();
        self.closes.clear();
        self.reported.clear();
        self.ticks.clear();
    }
}
