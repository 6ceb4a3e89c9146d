//! What one bot knows of its commands: the side of the books that the match is compared with.
//!
//! ```text
//!  sent ──► applied ──┐
//!       ├─► rejected  │   applied > tally            the match lost what it had acknowledged
//!       ├─► unknown ──┴─► applied + unknown < tally  the match ran something twice
//!       └─► waiting
//! ```
//!
//! Times are spans since any fixed instant; this module reads no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The commands of one bot and what became of them.
#[derive(Debug, Clone)]
pub struct Account {
    sent: u64,
    applied: u64,
    unknown: u64,
    rejections: BTreeMap<String, u64>,
    latency_us: Histogram<u64>,
    /// Since when an outcome is awaited, or the last one came while others were awaited.
    awaited_since: Option<Duration>,
    gap_max: Duration,
}

/// What an account says against the match's own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Commands acknowledged as applied that the match does not hold.
    pub lost: u64,
    /// Commands that the match holds and nothing accounts for.
    pub duplicates: u64,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            sent: 0,
            applied: 0,
            unknown: 0,
            rejections: BTreeMap::new(),
            latency_us: new_histogram(),
            awaited_since: None,
            gap_max: Duration::ZERO,
        }
    }
}

impl Account {
    /// A command was submitted.
    pub fn note_sent(&mut self, now: Duration) {
        self.sent += 1;
        self.awaited_since.get_or_insert(now);
    }

    /// The outcome of a command that was submitted at `sent`: it ran.
    pub fn note_applied(&mut self, sent: Duration, now: Duration) {
        self.applied += 1;
        self.note_outcome(sent, now);
    }

    /// The outcome of a command that was submitted at `sent`: the rules said no.
    pub fn note_rejected(&mut self, name: &str, sent: Duration, now: Duration) {
        count(&mut self.rejections, name, 1);
        self.note_outcome(sent, now);
    }

    /// The outcome of a command will never be known; it may have run.
    pub fn note_unknown(&mut self, now: Duration) {
        self.unknown += 1;
        self.end_gap(now);
    }

    /// Commands submitted.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Commands acknowledged as applied.
    #[must_use]
    pub const fn applied(&self) -> u64 {
        self.applied
    }

    /// Commands acknowledged as rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejections.values().sum()
    }

    /// Commands with an outcome: applied or rejected.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.applied + self.rejected()
    }

    /// Commands whose outcome will never be known.
    #[must_use]
    pub const fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Commands whose outcome is awaited.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.sent - self.acked() - self.unknown
    }

    /// Rejections by name.
    #[must_use]
    pub const fn rejections(&self) -> &BTreeMap<String, u64> {
        &self.rejections
    }

    /// From submission to outcome, in microseconds.
    #[must_use]
    pub const fn latency_us(&self) -> &Histogram<u64> {
        &self.latency_us
    }

    /// Longest time without an outcome while one was awaited; the time up to `now` included.
    #[must_use]
    pub fn longest_gap(&self, now: Duration) -> Duration {
        let open = self.awaited_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.gap_max.max(open)
    }

    /// Compares with the number of applied commands that the final state holds. A command of
    /// unknown outcome excuses one that the match holds too many; it never excuses a missing one.
    #[must_use]
    pub const fn verdict(&self, tally: u64) -> Verdict {
        Verdict {
            lost: self.applied.saturating_sub(tally),
            duplicates: tally.saturating_sub(self.applied + self.unknown),
        }
    }

    fn note_outcome(&mut self, sent: Duration, now: Duration) {
        let micros = u64::try_from(now.saturating_sub(sent).as_micros()).unwrap_or(u64::MAX).min(LATENCY_US_MAX);
        self.latency_us.record(micros).expect("the histogram resizes itself");
        self.end_gap(now);
    }

    fn end_gap(&mut self, now: Duration) {
        self.gap_max = self.longest_gap(now);
        self.awaited_since = (self.waiting() > 0).then_some(now);
    }
}

/// A day; keeps the histogram small whatever clocks do.
const LATENCY_US_MAX: u64 = 24 * 3_600 * 1_000_000;

/// Microseconds with three significant digits; grows with what it is given.
pub(crate) fn new_histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three significant digits are within what the histogram takes")
}

pub(crate) fn count(counts: &mut BTreeMap<String, u64>, name: &str, more: u64) {
    match counts.get_mut(name) {
        Some(count) => *count += more,
        None => {
            counts.insert(name.to_owned(), more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Five commands applied, one rejected, and as many unknown as asked for.
    fn account(unknown: u64) -> Account {
        let mut account = Account::default();
        for at in 0..6 + unknown {
            account.note_sent(ms(at));
        }
        for at in 0..5 {
            account.note_applied(ms(at), ms(at + 20));
        }
        account.note_rejected("dead", ms(5), ms(30));
        (0..unknown).for_each(|_| account.note_unknown(ms(40)));
        account
    }

    #[test]
    fn a_match_that_holds_what_was_acknowledged_is_clean() {
        assert_eq!(account(0).verdict(5), Verdict::default());
        assert_eq!((account(0).sent(), account(0).acked(), account(0).rejected(), account(0).waiting()), (6, 6, 1, 0));
    }

    #[test]
    fn a_swallowed_command_is_lost_and_a_doubled_one_is_a_duplicate() {
        assert_eq!(account(0).verdict(4), Verdict { lost: 1, duplicates: 0 });
        assert_eq!(account(0).verdict(6), Verdict { lost: 0, duplicates: 1 });
        assert_eq!(account(0).verdict(0), Verdict { lost: 5, duplicates: 0 });
    }

    #[test]
    fn an_applied_rejection_shows_as_a_duplicate() {
        // The rules said no, and yet the match counts it.
        assert_eq!(account(0).verdict(5 + 1).duplicates, 1);
    }

    #[test]
    fn unknown_outcomes_excuse_as_many_surplus_commands_and_no_missing_one() {
        assert_eq!(account(2).verdict(5), Verdict::default());
        assert_eq!(account(2).verdict(7), Verdict::default());
        assert_eq!(account(2).verdict(8), Verdict { lost: 0, duplicates: 1 });
        assert_eq!(account(2).verdict(4), Verdict { lost: 1, duplicates: 0 });
    }

    #[test]
    fn a_gap_is_time_without_an_outcome_while_one_is_awaited() {
        let mut account = Account::default();
        account.note_sent(ms(1_000));
        account.note_sent(ms(1_010));
        account.note_applied(ms(1_000), ms(1_030));
        assert_eq!(account.longest_gap(ms(1_030)), ms(30));
        account.note_applied(ms(1_010), ms(1_100));
        assert_eq!(account.longest_gap(ms(1_100)), ms(70));
        // Nothing is awaited now, however long.
        assert_eq!(account.longest_gap(ms(9_000)), ms(70));
        account.note_sent(ms(9_000));
        assert_eq!(account.longest_gap(ms(9_500)), ms(500), "a gap that has not ended counts");
        account.note_unknown(ms(9_800));
        assert_eq!(account.longest_gap(ms(20_000)), ms(800));
    }

    #[test]
    fn latency_runs_from_submission_to_outcome() {
        let mut account = Account::default();
        for at in 0..100u64 {
            account.note_sent(ms(at));
            account.note_applied(ms(at), ms(at + if at == 99 { 500 } else { 10 }));
        }
        let latency = account.latency_us();
        assert_eq!(latency.len(), 100);
        assert!(latency.value_at_quantile(0.5).abs_diff(10_000) <= 10);
        assert!(latency.max().abs_diff(500_000) <= 500);
    }
}
