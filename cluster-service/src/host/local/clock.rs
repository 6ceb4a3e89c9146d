//! The one place where the local host reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A wall clock that differs by less is not followed: it is being adjusted, or was read late.
const JUMP_US: i64 = 1_000_000;

/// The wall clock as it was at the start, going on with the steady clock. When the wall clock jumps (also: the machine
/// slept) it is followed, ahead and back: tokens are judged by the same clock that their issuer has.
#[derive(Debug)]
pub(crate) struct HostClock {
    origin: Instant,
    origin_us: i64,
}

impl HostClock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now(), origin_us: wall_us() }
    }

    fn now_us(&mut self) -> i64 {
        self.read(Instant::now(), wall_us())
    }

    fn read(&mut self, now: Instant, wall_us: i64) -> i64 {
        let steady_us = self.origin_us + now.saturating_duration_since(self.origin).as_micros() as i64;
        if (wall_us - steady_us).abs() < JUMP_US {
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
    fn the_clock_is_steady_and_follows_the_walls_when_that_is_set() {
        let origin = Instant::now();
        let after = |ms| origin + Duration::from_millis(ms);
        let mut clock = HostClock { origin, origin_us: 1_000_000 };
        assert_eq!(clock.read(after(20), 1_020_500), 1_020_000, "steady, not the wall's jitter");
        assert_eq!(clock.read(after(30), 1_010_000), 1_030_000, "nor back by a little");
        assert_eq!(clock.read(after(40), 61_000_000), 61_000_000, "the machine slept for a minute");
        assert_eq!(clock.read(after(50), 1_050_000), 1_050_000, "the wall clock was set back");
        assert_eq!(clock.read(after(3_000), 4_000_000), 4_000_000, "and goes on from there");
    }

    #[test]
    fn what_has_passed_is_due_at_once() {
        let mut clock = HostClock::start();
        let now_ms = clock.now_ms();
        assert!(clock.until(now_ms + 60_000) > Duration::from_secs(50));
        assert_eq!(clock.until(now_ms - 1), Duration::ZERO);
    }
}
