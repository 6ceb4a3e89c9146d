//! How an edge stands with its cluster, for those who ask.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// The cluster session as it is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ClusterStanding {
    /// Number of the cluster session; absent when there is none.
    pub session: Option<i64>,
    /// Who leads; absent while nobody is known to.
    pub leader: Option<i32>,
    /// The last leadership term that was heard of.
    pub term: Option<i64>,
    /// Cluster sessions so far.
    pub sessions_total: u64,
    /// Times that another member began to lead.
    pub leader_changes_total: u64,
}

/// Written by the session's thread.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<ClusterStanding>);

impl Standing {
    pub(super) fn get(&self) -> ClusterStanding {
        *self.lock()
    }

    pub(super) fn note_leader(&self, session: i64, leader: i32, term: i64) {
        let mut standing = self.lock();
        standing.sessions_total += 1;
        (standing.session, standing.leader, standing.term) = (Some(session), Some(leader), Some(term));
    }

    pub(super) fn note_no_leader(&self) {
        self.lock().leader = None;
    }

    pub(super) fn note_new_leader(&self, leader: i32, term: i64) {
        let mut standing = self.lock();
        standing.leader_changes_total += 1;
        (standing.leader, standing.term) = (Some(leader), Some(term));
    }

    pub(super) fn note_closed(&self) {
        let mut standing = self.lock();
        (standing.session, standing.leader) = (None, None);
    }

    fn lock(&self) -> MutexGuard<'_, ClusterStanding> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
