//! How often something may happen.

use std::time::{Duration, Instant};

/// A token bucket that counts in time: each token costs a span, and a full bucket holds `burst` spans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    cost: Duration,
    room: Duration,
    /// When the bucket is full again. In the past: it is full.
    full_at: Instant,
}

impl Bucket {
    /// A full bucket of `burst` tokens that refills at `per_second`.
    pub(crate) fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        let cost = Duration::from_secs(1) / per_second.max(1);
        Self { cost, room: cost * burst, full_at: now }
    }

    /// Takes one token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let missing = self.full_at.saturating_duration_since(now);
        if missing + self.cost > self.room {
            return false;
        }
        self.full_at = now + missing + self.cost;
        true
    }

    /// Whether nothing was taken for so long that a new bucket would be the same.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_passes_at_once_and_the_rate_afterwards() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 10, 4);
        assert_eq!((0..6).filter(|_| bucket.take(start)).count(), 4);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..20).filter(|_| bucket.take(later)).count(), 4, "a full bucket holds no more than its burst");
        let taken = (1..=100).filter(|step| bucket.take(later + Duration::from_millis(step * 10))).count();
        assert_eq!(taken, 10, "one second refills ten");
        assert!(!bucket.is_full(later + Duration::from_secs(1)) && bucket.is_full(later + Duration::from_secs(3)));
    }
}
