//! What the members say of themselves, and who leads.

use std::path::Path;

use serde::Deserialize;

/// `status.json` of a member, which its service writes five times a second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) role: String,
    /// Grows with each election.
    pub(super) term: i64,
    /// Up to where the member has applied the log, in bytes.
    pub(super) position: i64,
    /// Of the service that wrote it.
    pub(super) pid: u32,
    /// Ticks of all matches together.
    pub(super) ticks: u64,
    pub(super) snapshot_position: i64,
}

impl Status {
    /// What a member says, if the service that runs now has said it.
    pub(super) fn read(path: &Path, service_pid: Option<u32>) -> Option<Self> {
        let status: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (Some(status.pid) == service_pid).then_some(status)
    }
}

/// Who leads, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Leadership {
    current: Option<(usize, i64)>,
}

impl Leadership {
    /// Looks at what all members say. Gives the leader and its term when they are others than before. Of two that
    /// think they lead, the one of the later term does: the other has not been told yet.
    pub(super) fn see(&mut self, members: &[Option<Status>]) -> Option<(usize, i64)> {
        let leaders = members.iter().enumerate().filter_map(|(id, status)| {
            let status = status.as_ref().filter(|status| status.role == "leader")?;
            Some((id, status.term))
        });
        let found = leaders.max_by_key(|(_, term)| *term)?;
        // A term has one leader: who leads in the term of another has won an election, and is about to begin its own.
        let is_news = self.current.is_none_or(|(_, term)| found.1 > term);
        if is_news {
            self.current = Some(found);
        }
        is_news.then_some(found)
    }

    /// Who leads.
    pub(super) const fn current(&self) -> Option<(usize, i64)> {
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(role: &str, term: i64) -> Option<Status> {
        Some(Status { role: role.to_owned(), term, ..Status::default() })
    }

    #[test]
    fn a_new_leader_is_told_once() {
        let mut leadership = Leadership::default();
        assert_eq!(leadership.see(&[status("follower", 0), None]), None);
        assert_eq!(leadership.see(&[status("follower", 1), status("leader", 1)]), Some((1, 1)));
        assert_eq!(leadership.see(&[status("follower", 1), status("leader", 1)]), None);
        assert_eq!(leadership.see(&[None, None]), None, "nobody leads for a moment");
        assert_eq!(leadership.current(), Some((1, 1)));
        assert_eq!(leadership.see(&[status("leader", 1), None]), None, "elected, its term is about to begin");
        assert_eq!(leadership.see(&[status("leader", 2), None]), Some((0, 2)));
        assert_eq!(leadership.see(&[status("leader", 3), None]), Some((0, 3)), "elected again");
    }

    #[test]
    fn who_slept_through_an_election_does_not_lead() {
        let mut leadership = Leadership::default();
        assert_eq!(leadership.see(&[status("leader", 1), status("leader", 2)]), Some((1, 2)));
        assert_eq!(leadership.see(&[status("leader", 1), None]), None, "its term is over");
    }

    #[test]
    fn what_an_ended_service_said_counts_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        std::fs::write(&path, r#"{"member":0,"role":"leader","term":3,"position":9,"pid":7,"jvm_alive":true}"#)
            .unwrap();
        assert_eq!(Status::read(&path, Some(7)).map(|status| (status.term, status.position)), Some((3, 9)));
        assert_eq!(Status::read(&path, Some(8)), None);
        assert_eq!(Status::read(&path, None), None);
        std::fs::write(&path, r#"{"member":0,"#).unwrap();
        assert_eq!(Status::read(&path, Some(7)), None, "half a file says nothing");
    }
}
