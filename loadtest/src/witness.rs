//! How old the rows of a mirror are, by what other bots of the swarm have seen of the same entities.
//!
//! A mirror may show a tick and still hold a row of an earlier one: the packet with the newer row was lost. Nobody tells a
//! bot of that; but a bot that was luckier has seen the newer row. A row's age is the time since any bot first
//! saw the one that replaced it; 0 while it is the newest that anybody saw. Entities that nobody else sees have age 0.
//!
//! Times are microseconds since any fixed instant; this module reads no clock.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use client::Mirror;
use hdrhistogram::Histogram;
use protocol::manifest::Manifest;
use xxhash_rust::xxh3::xxh3_64;

use crate::account::new_histogram;

/// What all bots saw of where entities are.
#[derive(Debug, Default)]
pub(crate) struct Witness(Mutex<HashMap<u32, Sightings>>);

/// Rows of one entity, the newest last.
type Sightings = VecDeque<Sighting>;

#[derive(Debug, Clone, Copy)]
struct Sighting {
    /// The earliest tick that told any bot this row.
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

    /// Looks at a mirror that is in sync.
    pub(crate) fn look(&mut self, mirror: &Mirror, now_us: i64, witness: &Witness) {
        self.looks += 1;
        let Some(column) = self.column.filter(|_| self.looks.is_multiple_of(self.looks_every)) else { return };
        let mut seen = witness.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (entity, row) in mirror.columns().column(column).iter() {
            // Without a view each tick tells all rows.
            let told = mirror.view().map_or(Some(mirror.tick().0), |view| view.told(entity, column));
            let Some(told) = told else { continue };
            let sightings = seen.entry(entity.0).or_default();
            if let Some(age) = note(sightings, told, xxh3_64(row), now_us) {
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

/// Notes a row that tick `told` told; gives its age, or `None` for an entity that rests, and for a row that is older than
/// what is known. Rows are told apart by when they were told: an entity may come back to where it was.
fn note(sightings: &mut Sightings, told: u64, row_hash: u64, now_us: i64) -> Option<u64> {
    let moves = sightings.len() > 1 && sightings.back().is_some_and(|newest| now_us - newest.at_us < MOVES_US);
    let next = sightings.partition_point(|sighting| sighting.tick <= told);
    let is_row = |place: usize| sightings.get(place).is_some_and(|sighting| sighting.row_hash == row_hash);
    let next = if next.checked_sub(1).is_some_and(is_row) {
        next
    } else if is_row(next) {
        sightings[next].tick = told;
        next + 1
    } else if next == sightings.len() {
        if sightings.len() == SIGHTINGS_MAX {
            sightings.pop_front();
        }
        sightings.push_back(Sighting { tick: told, row_hash, at_us: now_us });
        sightings.len()
    } else {
        return None;
    };
    moves.then(|| sightings.get(next).map_or(0, |newer| (now_us - newer.at_us).max(0) as u64))
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
        // It still holds the row of tick 7.
        assert_eq!(note(&mut watched(), 7, 107, 10 * TICK_US), Some(2 * TICK_US as u64));
    }

    #[test]
    fn an_entity_that_comes_back_to_where_it_was_is_where_it_is() {
        let mut seen = watched();
        assert_eq!(note(&mut seen, 11, 107, 11 * TICK_US), Some(0));
        assert_eq!(note(&mut seen, 11, 107, 12 * TICK_US), Some(0));
        assert_eq!(note(&mut seen, 10, 110, 12 * TICK_US), Some(TICK_US as u64), "it left");
    }

    #[test]
    fn a_row_that_was_told_again_later_is_the_same() {
        let mut seen = watched();
        assert_eq!(note(&mut seen, 14, 111, 14 * TICK_US), Some(0));
        assert_eq!(note(&mut seen, 11, 111, 15 * TICK_US), Some(0));
        assert_eq!(note(&mut seen, 10, 110, 15 * TICK_US), Some(TICK_US as u64));
    }

    #[test]
    fn an_entity_that_rests_says_nothing() {
        assert_eq!(note(&mut watched(), 7, 107, 90 * TICK_US), None);
    }

    #[test]
    fn a_row_that_nobody_knows_is_not_guessed_at() {
        assert_eq!(note(&mut watched(), 9, 999, 10 * TICK_US), None);
    }
}
