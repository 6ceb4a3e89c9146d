//! A fixed run gives the numbers it always gave.
//!
//! When a change of rules of `ecs-state` (order of capture, hash, randomness, encoding) moves them,
//! matches recorded before replay differently: say so in CHANGELOG.md and raise the format versions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod brawl;

use brawl::plant::Hazard;
use brawl::script::Script;
use brawl::{DAZED, NOBODY_NEAR, Quick, TOO_MANY_BOMBS, setup};
use ecs_state::{OutcomeCode, Simulation};
use xxhash_rust::xxh3::Xxh3;

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
struct Numbers {
    state: u64,
    everything_said: u64,
    keyframe_bytes: usize,
    entities: usize,
}

const GOLDEN: Numbers = Numbers {
    state: 3_697_203_889_554_775_606,
    everything_said: 4_916_033_098_866_657_985,
    keyframe_bytes: 1_072,
    entities: 86,
};

fn play(ticks: u64, mut each: impl FnMut(&ecs_state::StepOutput)) -> Simulation<Quick> {
    let script = Script::new(2_026, ticks);
    let mut simulation = Simulation::<Quick>::open(setup(2_026, Hazard::None), 0).unwrap();
    for tick in 1..=ticks {
        let (time_ms, inputs) = script.at(tick);
        each(&simulation.step(time_ms, inputs));
    }
    simulation
}

#[test]
fn a_fixed_run_gives_the_numbers_it_always_gave() {
    let mut said = Xxh3::new();
    let simulation = play(500, |output| {
        said.update(&output.everyone);
        said.update(&output.owner);
        output.outcomes.iter().for_each(|outcome| said.update(&outcome.0.to_le_bytes()));
        output.sums.iter().for_each(|sum| said.update(&sum.to_le_bytes()));
    });
    let numbers = Numbers {
        state: simulation.columns().total_hash(),
        everything_said: said.digest(),
        keyframe_bytes: simulation.keyframe().encode().len(),
        entities: simulation.columns().entity_count(),
    };
    assert_eq!(numbers, GOLDEN);
}

#[test]
fn the_run_holds_what_it_is_to_prove() {
    let mut outcomes = std::collections::BTreeMap::<u16, usize>::new();
    let (mut barriers, mut asked_to_wake) = (0, 0);
    let simulation = play(500, |output| {
        output.outcomes.iter().for_each(|code| *outcomes.entry(code.0).or_default() += 1);
        barriers += usize::from(output.is_barrier);
        asked_to_wake += usize::from(output.wake_after_ms.is_some());
    });
    let wanted = [DAZED, TOO_MANY_BOMBS, NOBODY_NEAR].map(OutcomeCode::game);
    for code in wanted.into_iter().chain([OutcomeCode::APPLIED, OutcomeCode::MALFORMED]) {
        let count = outcomes.get(&code.0).copied().unwrap_or_default();
        assert!(count >= 3, "{code:?} came {count} times of {outcomes:?}");
    }
    assert_eq!(barriers, 31);
    assert!(asked_to_wake > 50, "{asked_to_wake}");
    // Dazed ones come and go: the rejections show that they were.
    for name in ["Body", "Coin", "Purse", "Fuse", "Fighter", "Tally", "Newest"] {
        let (index, _) = simulation.columns().manifest().layout_of(name).unwrap();
        assert!(!simulation.columns().column(index).is_empty(), "{name}");
    }
    let newest = simulation.columns().field(protocol::EntityId(1), "Newest", "id").unwrap();
    assert!(newest > 3 * simulation.columns().entity_count() as i64, "few entities came and went: {newest}");
}
