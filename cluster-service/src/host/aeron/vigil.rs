//! Whether this member's states are those of the others.
//!
//! Each member says through the log what its states came to; here a member compares what the others said with what it
//! computed itself. The comparison is beside the state: every member has the same reports, and each its own hashes.

use std::collections::{BTreeMap, BTreeSet};

use protocol::limits::{HASH_REPORT_TICKS, HASH_REPORTS_KEPT};
use serde::Serialize;

use crate::{MemberHash, TickHash};

/// Two members computed different states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Desync {
    /// The match.
    pub match_id: u64,
    /// The tick.
    pub tick: u64,
    /// Which member says so.
    pub member: u32,
    /// What it computed, in hexadecimal.
    pub ours: String,
    /// What others computed, in hexadecimal, by member.
    pub others: BTreeMap<u32, String>,
    /// Who is wrong, as far as this member can tell.
    pub verdict: Verdict,
}

/// Who is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// This member: most others agree on another state.
    ThisMember,
    /// Another one: most members agree with this one.
    AnotherMember,
    /// No majority agrees on anything.
    Nobody,
}

#[derive(Debug)]
pub(super) struct Vigil {
    member: u32,
    members: BTreeSet<u32>,
    /// Of each match, the last ticks that are reported.
    own: BTreeMap<u64, BTreeMap<u64, u64>>,
    /// (match, tick, member) of each difference that was told.
    told: BTreeSet<(u64, u64, u32)>,
    mismatches: u64,
}

impl Vigil {
    pub(super) fn new(member: u32, members: BTreeSet<u32>) -> Self {
        Self { member, members, own: BTreeMap::new(), told: BTreeSet::new(), mismatches: 0 }
    }

    /// Differences that were found.
    pub(super) const fn mismatches(&self) -> u64 {
        self.mismatches
    }

    /// Takes a tick that ran; true when it is one that is reported.
    pub(super) fn note(&mut self, tick: &TickHash) -> bool {
        let is_reported = tick.tick.is_multiple_of(HASH_REPORT_TICKS);
        if is_reported {
            let of_match = self.own.entry(tick.match_id).or_default();
            of_match.insert(tick.tick, tick.hash);
            while of_match.len() > HASH_REPORTS_KEPT {
                of_match.pop_first();
            }
        }
        is_reported
    }

    /// Keeps what is of open matches and recent ticks.
    pub(super) fn prune(&mut self, is_open: impl Fn(u64) -> bool) {
        self.own.retain(|match_id, _| is_open(*match_id));
        let own = &self.own;
        self.told.retain(|(match_id, tick, _)| own.get(match_id).is_some_and(|ticks| ticks.contains_key(tick)));
    }

    /// Compares what was said of a tick with what was computed here. `None` when there is nothing new to say: all agree,
    /// the tick ran before this process began, or it was told.
    pub(super) fn compare(&mut self, match_id: u64, tick: u64, said: &[MemberHash]) -> Option<Desync> {
        let ours = *self.own.get(&match_id)?.get(&tick)?;
        let others = || said.iter().filter(|said| said.member != self.member && self.members.contains(&said.member));
        let mut counts: BTreeMap<u64, usize> = BTreeMap::from([(ours, 1)]);
        for other in others() {
            *counts.entry(other.hash).or_default() += 1;
        }
        let majority = self.members.len() / 2 + 1;
        let agreed = counts.iter().find(|(_, count)| **count >= majority).map(|(hash, _)| *hash);
        let verdict = match agreed {
            Some(hash) if hash == ours => Verdict::AnotherMember,
            Some(_) => Verdict::ThisMember,
            None => Verdict::Nobody,
        };
        let different: Vec<u32> = others().filter(|other| other.hash != ours).map(|other| other.member).collect();
        let others: BTreeMap<u32, String> = others().map(|other| (other.member, hex(other.hash))).collect();
        let fresh = different.into_iter().filter(|member| self.told.insert((match_id, tick, *member))).count();
        self.mismatches += fresh as u64;
        // With the word of one more member it may turn out who is wrong, so each is told.
        (fresh > 0).then(|| Desync { match_id, tick, member: self.member, ours: hex(ours), others, verdict })
    }
}

fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::{Verdict, Vigil};
    use crate::{MemberHash, TickHash};

    /// What member 0 of so many makes of what the others said, when its own hash is 1.
    fn judged(members: u32, said: &[(u32, u64)]) -> Option<Verdict> {
        let mut vigil = Vigil::new(0, (0..members).collect());
        assert!(vigil.note(&TickHash { match_id: 1, tick: 64, hash: 1 }));
        let said: Vec<_> = said.iter().map(|(member, hash)| MemberHash { member: *member, hash: *hash }).collect();
        vigil.compare(1, 64, &said).map(|desync| desync.verdict)
    }

    #[test]
    fn the_odd_one_knows_that_it_is_once_a_majority_agrees_on_another_state() {
        assert_eq!(judged(3, &[(1, 2)]), Some(Verdict::Nobody));
        assert_eq!(judged(3, &[(1, 2), (2, 2)]), Some(Verdict::ThisMember));
        assert_eq!(judged(5, &[(1, 2), (2, 2), (3, 1)]), Some(Verdict::Nobody));
        assert_eq!(judged(5, &[(1, 2), (2, 2), (3, 1), (4, 2)]), Some(Verdict::ThisMember));
    }

    #[test]
    fn a_member_that_most_agree_with_goes_on() {
        assert_eq!(judged(3, &[(1, 1), (2, 2)]), Some(Verdict::AnotherMember));
        assert_eq!(judged(3, &[(1, 1), (2, 1)]), None);
    }

    #[test]
    fn when_all_differ_nobody_is_right() {
        assert_eq!(judged(3, &[(1, 2), (2, 3)]), Some(Verdict::Nobody));
    }

    #[test]
    fn alone_there_is_nothing_to_compare_and_strangers_have_no_vote() {
        assert_eq!(judged(1, &[(0, 1)]), None);
        assert_eq!(judged(1, &[(0, 9), (1, 2), (7, 2)]), None);
        assert_eq!(judged(3, &[(7, 2), (8, 2)]), None);
    }

    #[test]
    fn a_difference_is_told_once_and_a_tick_that_did_not_run_here_never() {
        let mut vigil = Vigil::new(0, (0..3).collect());
        vigil.note(&TickHash { match_id: 1, tick: 64, hash: 1 });
        assert!(!vigil.note(&TickHash { match_id: 1, tick: 65, hash: 1 }));
        let said = [MemberHash { member: 1, hash: 2 }];
        assert!(vigil.compare(1, 64, &said).is_some());
        assert!(vigil.compare(1, 64, &said).is_none());
        assert!(vigil.compare(1, 128, &said).is_none() && vigil.compare(2, 64, &said).is_none());
        let all = [MemberHash { member: 1, hash: 2 }, MemberHash { member: 2, hash: 2 }];
        assert_eq!(vigil.compare(1, 64, &all).map(|desync| desync.verdict), Some(Verdict::ThisMember));
        assert_eq!(vigil.mismatches(), 2);
    }
}
