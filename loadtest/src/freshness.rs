//! How old what a mirror shows is.
//!
//! Clients are not told when an edge had a tick, so it is reckoned: ticks are a fixed time apart, and the fastest
//! delivery that any bot of the process saw lately says where they lie. Freshness is what a delivery took beyond that
//! one; it leaves out what all of them took, half a round trip of the best link.
//!
//! Times are microseconds since any fixed instant; this module reads no clock.

use std::sync::{Mutex, PoisonError};

use hdrhistogram::Histogram;
use protocol::Tick;

use crate::account::new_histogram;

/// Where ticks lie in time, as all bots of a swarm see it.
#[derive(Debug, Default)]
pub(crate) struct TickClock(Mutex<Floor>);

/// The lowest of (arrival - tick's length x tick), over one to two windows: a server that stood still is forgotten.
#[derive(Debug, Clone, Copy, Default)]
struct Floor {
    window: i64,
    before: Option<i64>,
    now: Option<i64>,
}

impl TickClock {
    /// Notes an arrival; gives how much later it was than the fastest.
    fn lateness_us(&self, raw: i64, now_us: i64) -> i64 {
        let mut floor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = now_us / WINDOW_US;
        if window != floor.window {
            let before = floor.now.filter(|_| window == floor.window + 1);
            *floor = Floor { window, before, now: None };
        }
        floor.now = Some(floor.now.map_or(raw, |now| now.min(raw)));
        let lowest = floor.before.into_iter().chain(floor.now).min().unwrap_or(raw);
        raw - lowest
    }
}

/// How fresh one bot's mirror was.
#[derive(Debug)]
pub(crate) struct Freshness {
    tick_us: f64,
    shown: Option<Tick>,
    since_us: i64,
    late_us: Histogram<u64>,
}

impl Freshness {
    /// `millihertz` is the manifest's; 0, on command, has nothing to measure.
    pub(crate) fn new(millihertz: u32) -> Self {
        let tick_us = if millihertz == 0 { 0.0 } else { 1e9 / f64::from(millihertz) };
        Self { tick_us, shown: None, since_us: 0, late_us: new_histogram() }
    }

    /// The mirror shows this tick now. Ticks that it never showed came with it, and so late.
    pub(crate) fn note(&mut self, tick: Tick, now_us: i64, clock: &TickClock) {
        if self.tick_us == 0.0 {
            return;
        }
        let Some(before) = self.shown.replace(tick) else {
            self.since_us = now_us;
            return;
        };
        let first = (before.0 + 1).max(tick.0.saturating_sub(TICKS_MAX));
        for due in first..=tick.0 {
            let late = clock.lateness_us(now_us - (due as f64 * self.tick_us) as i64, now_us);
            // By then the fastest delivery is known.
            if now_us - self.since_us >= WARM_UP_US {
                self.late_us.record(late.max(0) as u64).expect("the histogram resizes itself");
            }
        }
    }

    /// Microseconds of each tick.
    pub(crate) const fn late_us(&self) -> &Histogram<u64> {
        &self.late_us
    }
}

/// Arrivals of one to two of these say which is the fastest.
const WINDOW_US: i64 = 10_000_000;
const WARM_UP_US: i64 = 1_000_000;
/// A mirror that was out for longer counts as if it had been out so long: five minutes at 30 Hz.
const TICKS_MAX: u64 = 9_000;

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_US: i64 = 50_000;

    /// Shows `ticks` to one bot, each this late.
    fn shown(ticks: impl IntoIterator<Item = (u64, i64)>) -> Histogram<u64> {
        let (clock, mut freshness) = (TickClock::default(), Freshness::new(20_000));
        for (tick, late) in ticks {
            freshness.note(Tick(tick), tick as i64 * TICK_US + late, &clock);
        }
        freshness.late_us().clone()
    }

    fn is_near(found: u64, expected: i64) -> bool {
        found.abs_diff(expected as u64) <= expected as u64 / 500 + 1
    }

    #[test]
    fn what_comes_as_fast_as_the_fastest_is_fresh() {
        let late = shown((1..200).map(|tick| (tick, 7_000)));
        assert_eq!((late.max(), late.len()), (0, 199 - 20));
    }

    #[test]
    fn a_late_tick_is_as_old_as_it_is_late() {
        let late = shown((1..200).map(|tick| (tick, 7_000 + if tick % 10 == 0 { 30_000 } else { 0 })));
        assert!(is_near(late.max(), 30_000) && late.value_at_quantile(0.5) == 0);
    }

    #[test]
    fn a_tick_that_never_came_is_as_old_as_its_successor_makes_it() {
        let late = shown((1..200).filter(|tick| tick % 10 != 0).map(|tick| (tick, 0)));
        assert!(is_near(late.max(), TICK_US), "{}", late.max());
        assert_eq!(late.iter_recorded().filter(|value| value.value_iterated_to() > 0).count(), 1);
    }

    #[test]
    fn a_server_that_stood_still_is_forgotten() {
        // From tick 300 on all come three seconds later.
        let late = shown((1..1_200).map(|tick| (tick, if tick < 300 { 0 } else { 3_000_000 })));
        let stale = late.len() - late.count_between(0, 1_000);
        assert!((1..=2 * (WINDOW_US / TICK_US) as u64).contains(&stale), "{stale}");
    }

    #[test]
    fn bots_share_one_clock() {
        let clock = TickClock::default();
        let [mut near, mut far] = [(); 2].map(|()| Freshness::new(20_000));
        for tick in 1..100 {
            near.note(Tick(tick), tick as i64 * TICK_US + 1_000, &clock);
            far.note(Tick(tick), tick as i64 * TICK_US + 41_000, &clock);
        }
        assert_eq!(near.late_us().max(), 0);
        assert!(is_near(far.late_us().value_at_quantile(0.5), 40_000));
    }
}
