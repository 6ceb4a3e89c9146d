//! What members say of their states: the last hash reports of each match.
//!
//! Part of the state, so that a member that starts from a snapshot can still compare what it computes with what the
//! others said. Nothing in the state follows from them: whether a member is the odd one is judged by each host for
//! itself.

use std::collections::{BTreeMap, VecDeque};

use protocol::limits::{HASH_REPORTS_KEPT, MEMBERS_MAX};
use serde::{Deserialize, Serialize};

/// What one member computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberHash {
    /// Its number.
    pub member: u32,
    /// State hash after the tick.
    pub hash: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TickReports {
    tick: u64,
    /// The first word of each member counts; in the order of the log.
    said: Vec<MemberHash>,
}

/// The last reports of all matches: at most [`HASH_REPORTS_KEPT`] ticks of each, [`MEMBERS_MAX`] members of each tick.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reports(BTreeMap<u64, VecDeque<TickReports>>);

impl Reports {
    /// What was said of one tick of one match, in the order of the log; empty for a tick too long ago.
    #[must_use]
    pub fn of(&self, match_id: u64, tick: u64) -> &[MemberHash] {
        let of_match = self.0.get(&match_id).into_iter().flatten();
        of_match.filter(|reports| reports.tick == tick).map(|reports| &reports.said[..]).next().unwrap_or_default()
    }

    pub(crate) fn note(&mut self, member: u32, match_id: u64, tick: u64, hash: u64) {
        let ticks = self.0.entry(match_id).or_default();
        let place = ticks.partition_point(|reports| reports.tick < tick);
        if ticks.get(place).is_none_or(|reports| reports.tick != tick) {
            // What comes later than all that are kept is of no use any more.
            if place == 0 && ticks.len() == HASH_REPORTS_KEPT {
                return;
            }
            ticks.insert(place, TickReports { tick, said: Vec::new() });
        }
        let said = &mut ticks[place].said;
        if said.len() < MEMBERS_MAX && said.iter().all(|other| other.member != member) {
            said.push(MemberHash { member, hash });
        }
        if ticks.len() > HASH_REPORTS_KEPT {
            ticks.pop_front();
        }
    }

    pub(crate) fn forget(&mut self, match_id: u64) {
        self.0.remove(&match_id);
    }
}

#[cfg(test)]
mod tests {
    use protocol::limits::{HASH_REPORTS_KEPT, MEMBERS_MAX};

    use super::Reports;

    #[test]
    fn the_first_word_of_a_member_counts() {
        let mut reports = Reports::default();
        reports.note(0, 1, 64, 7);
        reports.note(0, 1, 64, 8);
        reports.note(1, 1, 64, 8);
        let said: Vec<_> = reports.of(1, 64).iter().map(|said| (said.member, said.hash)).collect();
        assert_eq!(said, [(0, 7), (1, 8)]);
    }

    #[test]
    fn however_much_is_said_a_bounded_part_is_kept() {
        let mut reports = Reports::default();
        for tick in (0..1_000u64).rev().chain(0..1_000) {
            for member in 0..100 {
                reports.note(member, 1, tick, tick);
            }
        }
        assert_eq!(reports.0[&1].len(), HASH_REPORTS_KEPT);
        assert!(reports.0[&1].iter().all(|reports| reports.said.len() == MEMBERS_MAX));
        assert_eq!(reports.of(1, 999)[0].hash, 999);
        assert!(reports.of(1, 3).is_empty());
    }
}
