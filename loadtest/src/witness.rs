//! How old the rows of a mirror are, by what other bots of the swarm have seen of the same entities.
//!
//! A mirror may show a tick and still hold a row of an earlier one: the packet with the newer row was lost. Nobody tells a
//! bot of that; but a bot that was luckier has seen the newer row. A row's age is the time since any bot first
//! saw the one that replaced it; 0 while it is the newest that anybody saw. Entities that nobody else sees have age 0.
//!
//! Times are microseconds since any fixed instant; this module reads no clock.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use hdrhistogram::Histogram;
use protocol::manifest::Manifest;
use protocol::{Columns, Tick};
use xxhash_rust::xxh3::xxh3_64;

use crate::account::new_histogram;

/// What all bots saw of where entities are.
#[derive(Debug, Default)]
pub(crate) struct Witness(Mutex<HashMap<u32, Sightings>>);

/// Rows of one entity, the newest last.
type Sightings = VecDeque<Sighting>;

#[derive(Debug, Clone, Copy)]
struct Sighting {
    tick: u64,
    row_hash: u64,
    /// When it was first seen by anybody.
    at_us: i64,
}

/// How old one bot's rows were.
#[derive(Debug)]
pub(crate) struct RowAges {
    /// Place of the component that is watched; none when entities are nowhere.
    column: Option<usize>,
    looks_every: u64,
    looks: u64,
    age_us: Histogram<u64>,
}

impl RowAges {
    /// Watches where entities are. Of more than 64 bots each looks less often, so that all together cost the same.
    pub(crate) fn new(manifest: &Manifest, bots: usize) -> Self {
        let nearness = manifest.interest().and_then(|interest| interest.nearness.as_ref());
        let by_hint = nearness.and_then(|near| manifest.index_of(near.component));
        let column = by_hint.or_else(|| manifest.layout_of("Position").map(|(place, _)| place));
        Self { column, looks_every: bots.div_ceil(64).max(1) as u64, looks: 0, age_us: new_histogram() }
    }

    /// Looks at a mirror that is in sync and shows this tick.
    pub(crate) fn look(&mut self, columns: &Columns, tick: Tick, now_us: i64, witness: &Witness) {
        self.looks += 1;
        let Some(column) = self.column.filter(|_| self.looks.is_multiple_of(self.looks_every)) else { return };
        let mut seen = witness.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (entity, row) in columns.column(column).iter() {
            let sightings = seen.entry(entity.0).or_default();
            if let Some(age) = note(sightings, tick.0, xxh3_64(row), now_us) {
                self.age_us.record(age).expect("the histogram resizes itself");
            }
        }
        if self.looks.is_multiple_of(FORGET_LOOKS) {
            seen.retain(|_, sightings| sightings.back().is_some_and(|newest| now_us - newest.at_us < FORGET_US));
        }
    }

    /// Microseconds, of each look at each entity that moved in the last second.
    pub(crate) const fn age_us(&self) -> &Histogram<u64> {
        &self.age_us
    }
}

/// Gives the row's age; `None` for an entity that rests, and for a row that is not known and not new.
fn note(sightings: &mut Sightings, tick: u64, row_hash: u64, now_us: i64) -> Option<u64> {
    let newest = sightings.back().copied();
    let known = sightings.iter().rposition(|sighting| sighting.row_hash == row_hash);
    let is_newer = newest.is_none_or(|newest| newest.tick < tick);
    if known.is_none() && is_newer {
        if sightings.len() == SIGHTINGS_MAX {
            sightings.pop_front();
        }
        sightings.push_back(Sighting { tick, row_hash, at_us: now_us });
    }
    let moves = sightings.len() > 1 && newest.is_some_and(|newest| now_us - newest.at_us < MOVES_US);
    if !moves {
        return None;
    }
    match known {
        Some(place) => Some(sightings.get(place + 1).map_or(0, |next| (now_us - next.at_us).max(0) as u64)),
        None if is_newer => Some(0),
        None => None,
    }
}

/// Two seconds of an entity that moves at 30 Hz. What is older counts as not known.
const SIGHTINGS_MAX: usize = 64;
const MOVES_US: i64 = 1_000_000;
const FORGET_US: i64 = 10_000_000;
const FORGET_LOOKS: u64 = 1_024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const TICK_US: i64 = 50_000;

    /// An entity that two bots watched for ten ticks.
    fn watched() -> Sightings {
        let mut sightings = Sightings::new();
        for tick in 1..=10 {
            for bot in 0..2 {
                let age = note(&mut sightings, tick, 100 + tick, tick as i64 * TICK_US + bot);
                assert!(age.is_none_or(|age| age == 0));
            }
        }
        sightings
    }

    #[test]
    fn the_newest_row_that_anybody_saw_is_fresh() {
        assert_eq!(note(&mut watched(), 10, 110, 10 * TICK_US + 900), Some(0));
        assert_eq!(note(&mut watched(), 11, 111, 11 * TICK_US), Some(0));
    }

    #[test]
    fn a_row_is_as_old_as_the_sight_of_its_successor() {
        // It shows tick 10 and still holds the row of tick 7.
        assert_eq!(note(&mut watched(), 10, 107, 10 * TICK_US), Some(2 * TICK_US as u64));
    }

    #[test]
    fn an_entity_that_rests_says_nothing() {
        assert_eq!(note(&mut watched(), 90, 107, 90 * TICK_US), None);
    }

    #[test]
    fn a_row_that_nobody_knows_is_not_guessed_at() {
        assert_eq!(note(&mut watched(), 9, 999, 10 * TICK_US), None);
    }
}
