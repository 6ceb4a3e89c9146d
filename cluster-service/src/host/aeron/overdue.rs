//! Whether a timer is overdue, by a clock that nobody sets.
//!
//! Timers of a cluster fire by the clock of its leader. When that is set back, or a new leader's is behind, they wait; the
//! next entry tells the service, which sets them anew. A member that leads sees to it that there is one although nobody
//! speaks: it reports the hash of no match, which is an entry and nothing else.

use std::time::{Duration, Instant};

use crate::TickHash;

/// What a busy member may be late by is less; waiting for it costs a match nothing unless a clock was set.
const LATE_MAX: Duration = Duration::from_secs(1);

/// A report of no match: matches have numbers from 1 on.
pub(super) const NO_REPORT: TickHash = TickHash { match_id: 0, tick: 0, hash: 0 };

#[derive(Debug)]
pub(super) struct Overdue {
    /// When the last entry was applied, or an entry asked for.
    since: Instant,
    waited: Duration,
}

impl Overdue {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, waited: Duration::ZERO }
    }

    /// An entry was applied.
    pub(super) const fn note_entry(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// Whether to ask for an entry; `due_in_ms` is how long after the last one the first timer is due. True once in
    /// [`LATE_MAX`] until one comes.
    pub(super) fn is_to_ask(&mut self, now: Instant, due_in_ms: Option<i64>) -> bool {
        let Some(due_in_ms) = due_in_ms else { return false };
        let due_in = Duration::from_millis(due_in_ms.max(0) as u64);
        let since_entry = self.waited + now.saturating_duration_since(self.since);
        let since_asked = now.saturating_duration_since(self.since);
        let is_to_ask = since_entry >= due_in.saturating_add(LATE_MAX) && since_asked >= LATE_MAX;
        if is_to_ask {
            (self.since, self.waited) = (now, since_entry);
        }
        is_to_ask
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Overdue;

    #[test]
    fn an_entry_is_asked_for_once_a_second_from_a_second_after_the_timer_was_due_until_one_comes() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut overdue = Overdue::new(began);
        let asked = |overdue: &mut Overdue, from_ms: u64, until_ms: u64| -> Vec<u64> {
            (from_ms..until_ms).step_by(100).filter(|ms| overdue.is_to_ask(at(*ms), Some(400))).collect()
        };
        assert_eq!(asked(&mut overdue, 0, 4_000), [1_400, 2_400, 3_400]);
        overdue.note_entry(at(4_000));
        assert_eq!(asked(&mut overdue, 4_000, 6_000), [5_400]);
        assert!(!overdue.is_to_ask(at(60_000), None), "without a timer nothing is overdue");
        assert!(!overdue.is_to_ask(at(60_000), Some(i64::MAX)));
    }
}
