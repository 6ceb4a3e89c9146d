//! The one place of this crate that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::edge::Moment;

pub(crate) fn now() -> Moment {
    Moment { at: Instant::now(), unix_ms: unix_ms() }
}

pub(crate) fn unix_seconds() -> u64 {
    unix_ms() as u64 / 1_000
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
