//! When a cluster takes its next snapshot.
//!
//! The leader's process asks its own consensus module, which lets every member take one at the same position. Each
//! process keeps its own account, so that whoever leads next goes on by it.

use std::time::Duration;

use aeron_cluster::toggle::{ControlRequest, ControlToggle};
use aeron_cluster::transport::Transport;

use super::status::AeronStatus;

/// When a snapshot is due. Longer is less work, and a start that runs more of the log again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// Time between two; `None` for none by time.
    pub every: Option<Duration>,
    /// Bytes of log between two; `None` for none by size.
    pub log_bytes: Option<u64>,
}

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Wait after asking: one that failed must not follow the other without a pause.
const AGAIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct SnapshotKeeper {
    plan: SnapshotPlan,
    cluster_id: i32,
    look_at: Duration,
    /// The last one that was seen, and since when.
    last: Option<(u64, Duration)>,
    not_before: Duration,
}

impl SnapshotKeeper {
    pub(super) const fn new(plan: SnapshotPlan, cluster_id: i32) -> Self {
        Self { plan, cluster_id, look_at: Duration::ZERO, last: None, not_before: Duration::ZERO }
    }

    /// Asks for a snapshot when one is due and this member leads. `now` counts from any moment, the same for each look: a
    /// transport's own time would not do, as the keeper outlives transports.
    pub(super) fn look(&mut self, now: Duration, transport: &dyn Transport, status: impl FnOnce() -> AeronStatus) {
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK_EVERY;
        let status = status();
        if !self.is_due(now, &status) {
            return;
        }
        self.not_before = now + AGAIN;
        let counters = transport.counters();
        let asked = ControlToggle::find(counters, self.cluster_id)
            .and_then(|toggle| toggle.request(counters, ControlRequest::Snapshot));
        match asked {
            Ok(()) => tracing::info!(position = status.position, "a snapshot is due; the cluster is asked for it"),
            Err(error) => tracing::warn!(%error, "a snapshot is due, and was not to be had"),
        }
    }

    fn is_due(&mut self, now: Duration, status: &AeronStatus) -> bool {
        let (_, since) = match self.last {
            Some(last) if last.0 == status.snapshot_position => last,
            _ => *self.last.insert((status.snapshot_position, now)),
        };
        let grown = status.position.saturating_sub(status.snapshot_position);
        let by_time = self.plan.every.is_some_and(|every| now - since >= every) && grown > 0;
        let by_size = self.plan.log_bytes.is_some_and(|bytes| grown >= bytes);
        status.role == "leader" && now >= self.not_before && (by_time || by_size)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AGAIN, SnapshotKeeper, SnapshotPlan};
    use crate::AeronStatus;

    fn keeper(every_s: Option<u64>, log_bytes: Option<u64>) -> SnapshotKeeper {
        SnapshotKeeper::new(SnapshotPlan { every: every_s.map(Duration::from_secs), log_bytes }, 0)
    }

    fn status(role: &'static str, position: u64, snapshot_position: u64) -> AeronStatus {
        AeronStatus { role, position, snapshot_position, ..AeronStatus::default() }
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000 + seconds)
    }

    #[test]
    fn a_snapshot_is_due_by_time_once_the_log_has_grown() {
        let mut keeper = keeper(Some(60), None);
        assert!(!keeper.is_due(at(0), &status("leader", 500, 0)));
        assert!(!keeper.is_due(at(59), &status("leader", 500, 0)));
        assert!(keeper.is_due(at(60), &status("leader", 500, 0)));
        // It was taken: the time begins anew.
        assert!(!keeper.is_due(at(61), &status("leader", 600, 500)));
        assert!(keeper.is_due(at(121), &status("leader", 600, 500)));
        assert!(!keeper.is_due(at(500), &status("leader", 500, 500)));
    }

    #[test]
    fn a_snapshot_is_due_by_size() {
        let mut keeper = keeper(None, Some(1_000));
        assert!(!keeper.is_due(at(0), &status("leader", 1_499, 500)));
        assert!(keeper.is_due(at(1), &status("leader", 1_500, 500)));
    }

    #[test]
    fn only_the_leader_asks_and_a_new_one_goes_on_by_its_own_account() {
        let mut keeper = keeper(Some(60), None);
        assert!(!keeper.is_due(at(0), &status("follower", 500, 0)));
        assert!(!keeper.is_due(at(70), &status("follower", 500, 0)));
        assert!(keeper.is_due(at(71), &status("leader", 500, 0)));
    }

    #[test]
    fn one_that_was_asked_for_is_not_asked_for_again_at_once() {
        let mut keeper = keeper(None, Some(1));
        assert!(keeper.is_due(at(0), &status("leader", 500, 0)));
        keeper.not_before = at(0) + AGAIN;
        assert!(!keeper.is_due(at(29), &status("leader", 500, 0)));
        assert!(keeper.is_due(at(30), &status("leader", 500, 0)));
    }
}
