//! The one place where the local host reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Log time: the wall clock, which may jump, held so that it never goes back.
#[derive(Debug)]
pub(crate) struct LogClock {
    last_us: i64,
}

impl LogClock {
    /// `last_ms` is the time of the last entry in the log.
    pub(crate) const fn after(last_ms: i64) -> Self {
        Self { last_us: last_ms * 1_000 }
    }

    fn now_us(&mut self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_us = self.last_us.max(now.as_micros() as i64);
        self.last_us
    }

    /// Milliseconds of the Unix epoch.
    pub(crate) fn now_ms(&mut self) -> i64 {
        self.now_us() / 1_000
    }

    /// How long until a time in milliseconds; zero when it has passed.
    pub(crate) fn until(&mut self, at_ms: i64) -> Duration {
        let now_us = self.now_us();
        Duration::from_micros((at_ms * 1_000).saturating_sub(now_us).max(0) as u64)
    }
}
