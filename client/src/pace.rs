//! How fast a client may speak, and how long it waits between attempts. Time is an argument.

use std::time::{Duration, Instant};

use protocol::limits::{FRAMES_BURST, FRAMES_PER_SECOND};

/// Frames that may be sent now. An edge closes connections that send more than its limits, so the
/// client stays a little below them and puts what waits into one frame.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the bucket would be full again; the classic virtual-time form of a token bucket.
    full_at: Instant,
}

impl Pace {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// When the next frame may go.
    pub(crate) fn next_at(&self) -> Instant {
        let ahead = FRAME_INTERVAL * (BURST - 1);
        // Early in the life of the machine's clock there may be no such instant; then it is now.
        self.full_at.checked_sub(ahead).unwrap_or(self.full_at)
    }

    /// Takes one frame's worth if there is any.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.next_at() > now {
            return false;
        }
        self.full_at = self.full_at.max(now) + FRAME_INTERVAL;
        true
    }
}

/// Waits between attempts to connect: 50 ms, doubling to 1 s, each shortened by up to half so that
/// players of a fallen edge do not come back in step.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next wait; `random` is any number.
    pub(crate) fn next_delay(&mut self, random: u64) -> Duration {
        let full = (BACKOFF_FIRST * 2u32.pow(self.attempts.min(10))).min(BACKOFF_MAX);
        self.attempts += 1;
        let half = full / 2;
        full - half.mul_f64((random >> 11) as f64 / (1u64 << 53) as f64)
    }

    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// A tenth below the edge's limit.
const FRAME_INTERVAL: Duration = Duration::from_micros(1_000_000 * 10 / 9 / FRAMES_PER_SECOND as u64);
/// Likewise.
const BURST: u32 = FRAMES_BURST * 9 / 10;
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_in_a_hurry_stays_below_the_edges_limits() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut sent = 0u32;
        for ms in 0..10_000u64 {
            while pace.take(start + Duration::from_millis(ms)) {
                sent += 1;
            }
            assert!(f64::from(sent) <= f64::from(FRAMES_BURST) + f64::from(FRAMES_PER_SECOND) * ms as f64 / 1e3);
        }
        assert!(sent >= FRAMES_PER_SECOND * 10 * 9 / 10, "{sent} frames in ten seconds");
        let now = pace.next_at();
        assert!(pace.take(now) && !pace.take(now));
    }

    #[test]
    fn waits_double_to_a_second_and_are_shortened_by_half_at_most() {
        let mut backoff = Backoff::default();
        for full_ms in [50, 100, 200, 400, 800, 1_000, 1_000] {
            let mut other = Backoff { attempts: backoff.attempts };
            let (longest, shortest) = (backoff.next_delay(0), other.next_delay(u64::MAX));
            assert_eq!(longest, Duration::from_millis(full_ms));
            assert!(shortest >= longest / 2 && shortest < longest);
        }
    }
}
