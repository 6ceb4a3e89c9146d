//! The one place where the local host reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A wall clock that is ahead by less is not followed: it is being adjusted, or was read late.
const JUMP_US: i64 = 1_000_000;

/// Log time: the wall clock as it was at the start, going on with the steady clock. When the wall
/// clock jumps ahead (also: the machine slept) log time follows; when it jumps back, log time goes on.
#[derive(Debug)]
pub(crate) struct LogClock {
    origin: Instant,
    origin_us: i64,
}

impl LogClock {
    /// `last_ms` is the time of the last entry in the log.
    pub(crate) fn after(last_ms: i64) -> Self {
        Self { origin: Instant::now(), origin_us: wall_us().max(last_ms.saturating_mul(1_000)) }
    }

    fn now_us(&mut self) -> i64 {
        self.read(Instant::now(), wall_us())
    }

    fn read(&mut self, now: Instant, wall_us: i64) -> i64 {
        let steady_us = self.origin_us + now.saturating_duration_since(self.origin).as_micros() as i64;
        if wall_us < steady_us + JUMP_US {
            return steady_us;
        }
        (self.origin, self.origin_us) = (now, wall_us);
        wall_us
    }

    /// Milliseconds of the Unix epoch.
    pub(crate) fn now_ms(&mut self) -> i64 {
        self.now_us() / 1_000
    }

    /// How long until a time in milliseconds; zero when it has passed.
    pub(crate) fn until(&mut self, at_ms: i64) -> Duration {
        let now_us = self.now_us();
        Duration::from_micros(at_ms.saturating_mul(1_000).saturating_sub(now_us).max(0) as u64)
    }
}

fn wall_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_time_follows_a_wall_clock_that_jumps_ahead_and_goes_on_when_it_jumps_back() {
        let origin = Instant::now();
        let after = |ms| origin + Duration::from_millis(ms);
        let mut clock = LogClock { origin, origin_us: 1_000_000 };
        assert_eq!(clock.read(after(20), 1_020_500), 1_020_000, "steady, not the wall's jitter");
        assert_eq!(clock.read(after(40), 61_000_000), 61_000_000, "the machine slept for a minute");
        assert_eq!(clock.read(after(50), 1_050_000), 61_010_000, "the wall clock was set back");
        assert_eq!(clock.read(after(3_000), 0), 63_960_000, "ticks go on meanwhile");
    }

    #[test]
    fn log_time_begins_after_the_last_entry_of_the_log() {
        let far_ahead_ms = wall_us() / 1_000 + 3_600_000;
        let mut clock = LogClock::after(far_ahead_ms);
        assert!(clock.now_ms() >= far_ahead_ms);
        assert!(clock.until(far_ahead_ms + 60_000) > Duration::from_secs(50));
        assert_eq!(clock.until(far_ahead_ms - 1), Duration::ZERO);
    }
}
