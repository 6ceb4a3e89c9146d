//! What time it is in the log.
//!
//! Each entry carries the clock of whoever led when it was appended. Such a clock can be set back, or be behind the one
//! of the leader before; what matches and sessions go by must not. So log time counts how much the clock went ahead
//! from entry to entry, and nothing where it went back. It counts all of a step ahead: whether a clock was set or
//! nobody had anything to say for an hour cannot be told apart.

use serde::{Deserialize, Serialize};

/// Log time and the clock, as of the last entry; both in milliseconds of the Unix epoch, equal until the clock steps back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogClock {
    /// Log time: never goes back.
    pub(crate) now_ms: i64,
    /// As the last entry says.
    pub(crate) clock_ms: i64,
}

impl LogClock {
    /// Takes the time of the next entry; true when the clock went back.
    pub(crate) fn advance(&mut self, clock_ms: i64) -> bool {
        let ahead_ms = clock_ms.saturating_sub(self.clock_ms);
        self.now_ms = self.now_ms.saturating_add(ahead_ms.max(0));
        self.clock_ms = clock_ms;
        ahead_ms < 0
    }

    /// What the clock shows at a log time, if it goes on as it is.
    pub(crate) const fn clock_at(&self, at_ms: i64) -> i64 {
        at_ms.saturating_sub(self.now_ms).saturating_add(self.clock_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::LogClock;

    #[test]
    fn log_time_counts_what_the_clock_goes_ahead_and_nothing_else() {
        let mut clock = LogClock::default();
        let said = [10_000, 10_050, 4_000, 4_000, 4_050, 3_000, 9_000];
        let heard = said.map(|clock_ms| (clock.advance(clock_ms), clock.now_ms));
        let (ahead, back) = (false, true);
        assert_eq!(
            heard,
            [
                (ahead, 10_000),
                (ahead, 10_050),
                (back, 10_050),
                (ahead, 10_050),
                (ahead, 10_100),
                (back, 10_100),
                (ahead, 16_100)
            ]
        );
        assert_eq!(clock.clock_at(16_100 + 33), 9_033);
    }

    #[test]
    fn no_time_that_an_entry_could_carry_is_too_much() {
        let mut clock = LogClock::default();
        for clock_ms in [i64::MAX, i64::MIN, i64::MAX, 0, i64::MIN] {
            let before_ms = clock.now_ms;
            clock.advance(clock_ms);
            assert!(clock.now_ms >= before_ms);
            let _ = clock.clock_at(i64::MAX);
        }
    }
}
