//! A tick that is traced is the tick that was played, and what it wrote is all that became different.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod arena_match;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arena::Arena;
use protocol::Columns;
use replay::Reel;

type Rows = BTreeMap<(usize, u32), Vec<u8>>;

fn rows(columns: &Columns) -> Rows {
    let layouts = 0..columns.manifest().layouts().len();
    layouts.flat_map(|index| columns.column(index).iter().map(move |(id, row)| ((index, id.0), row.to_vec()))).collect()
}

#[test]
fn traced_ticks_are_the_recorded_ones_and_their_writes_are_what_changed() {
    let mut systems = BTreeSet::new();
    for seed in [1, 2, 3] {
        // Past two keyframe barriers.
        let source = arena_match::brawl(seed, 8, 700);
        let mut reel = Reel::<Arena>::tracing(Arc::clone(&source)).unwrap();
        let mut known = rows(reel.columns());
        while let Some(trace) = reel.trace_step() {
            let tick = reel.tick();
            let recorded = source.step_of(tick).unwrap().hash;
            assert_eq!(reel.columns().total_hash(), recorded, "seed {seed}, tick {tick}");
            for write in trace.writes {
                let place = (write.component, write.entity.0);
                assert_ne!(write.old, write.new);
                let old = match &write.new {
                    Some(row) => known.insert(place, row.clone()),
                    None => known.remove(&place),
                };
                assert_eq!(old, write.old, "seed {seed}, tick {tick}: {} at {place:?}", write.system);
                systems.insert(write.system);
            }
            assert_eq!(known, rows(reel.columns()), "seed {seed}, tick {tick}");
        }
        assert_eq!(reel.tick(), 700);
    }
    let expected = [
        "combat::shoot",
        "join",
        "movement::walk",
        "orders::count",
        "orders::obey",
        "projectiles::fly",
        "seats::respawn",
    ];
    for name in expected {
        assert!(systems.contains(name), "{name} wrote nothing; {systems:?} did");
    }
}

#[test]
fn some_ticks_may_be_traced_and_others_not() {
    let source = arena_match::brawl(4, 8, 700);
    let mut reel = Reel::<Arena>::tracing(Arc::clone(&source)).unwrap();
    for tick in [650, 40, 299, 300, 301, 600] {
        reel.seek(tick - 1).unwrap();
        assert!(!reel.trace_step().unwrap().writes.is_empty());
        for _ in 0..20 {
            reel.step().unwrap();
            assert_eq!(reel.columns().total_hash(), source.step_of(reel.tick()).unwrap().hash, "after {tick}");
        }
    }
}
