//! When matches with a rate step: one timer for all of them.

use serde::{Deserialize, Serialize};

/// Ticks counted from an origin in log time, so that no rounding adds up: tick *k* is due
/// `k / rate` after the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticker {
    origin_ms: i64,
    done: u64,
}

impl Ticker {
    pub(crate) const fn starting_at(now_ms: i64) -> Self {
        Self { origin_ms: now_ms, done: 0 }
    }

    /// When the next tick is due, rounded up to whole milliseconds.
    pub(crate) const fn next_ms(&self, millihertz: u32) -> i64 {
        self.origin_ms + ((self.done + 1) * 1_000_000).div_ceil(millihertz as u64) as i64
    }

    /// Counts a tick at `now_ms`. Ticks that should have run before are skipped, never made up for:
    /// after an outage a game goes on, it does not rush.
    pub(crate) fn advance(&mut self, now_ms: i64, millihertz: u32) {
        let elapsed_ms = now_ms.saturating_sub(self.origin_ms).max(0) as u64;
        let due = elapsed_ms * u64::from(millihertz) / 1_000_000;
        self.done = (self.done + 1).max(due);
    }
}

#[cfg(test)]
mod tests {
    use super::Ticker;

    #[test]
    fn an_hour_has_as_many_ticks_as_it_should_and_none_drifts() {
        let mut ticker = Ticker::starting_at(1_000);
        for tick in 1..=108_000u64 {
            let due = ticker.next_ms(30_000);
            assert_eq!(due, 1_000 + (tick * 1_000).div_ceil(30) as i64);
            ticker.advance(due, 30_000);
        }
        assert_eq!(ticker.next_ms(30_000), 1_000 + 3_600_000 + 34);
    }

    #[test]
    fn an_outage_is_skipped_not_replayed() {
        let mut ticker = Ticker::starting_at(0);
        ticker.advance(34, 30_000);
        ticker.advance(10_000, 30_000);
        assert_eq!(ticker.next_ms(30_000), 10_034);
    }

    #[test]
    fn a_late_tick_does_not_shift_the_next() {
        let mut ticker = Ticker::starting_at(0);
        ticker.advance(60, 30_000);
        assert_eq!(ticker.next_ms(30_000), 67);
    }
}
