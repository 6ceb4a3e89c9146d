//! A world that lived through, one that was restored and one that caught up step alike, for ever.
//!
//! `WORLDLOG_SOAK=1` plays ten times as many seeds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![expect(clippy::disallowed_methods, reason = "how many seeds to play is read from the environment")]

mod brawl;

use std::sync::Arc;

use brawl::plant::Hazard;
use brawl::script::Script;
use brawl::{OnCommand, Quick, setup};
use ecs_state::{Game, Keyframe, Simulation, StepOutput};
use protocol::Columns;
use protocol::delta;
use protocol::manifest::Visibility;

/// Ticks for which worlds must stay equal after they met.
const FURTHER: u64 = 1_000;

/// A world that lived through, and everything it said.
struct Life<G: Game> {
    script: Script,
    setup: ecs_state::MatchSetup,
    outputs: Vec<StepOutput>,
    /// Encoded, by tick, from the one at which the match opened.
    keyframes: Vec<(u64, Vec<u8>)>,
    game: std::marker::PhantomData<G>,
}

impl<G: Game> Life<G> {
    fn live(seed: u64, ticks: u64, hazard: Hazard) -> Self {
        let (script, setup) = (Script::new(seed, ticks), setup(seed, hazard));
        let mut simulation = Simulation::<G>::open(setup.clone(), 0).expect("the content is the game's");
        let mut keyframes = vec![(0, simulation.keyframe().encode())];
        let outputs = (1..=ticks)
            .map(|tick| {
                let output = step(&mut simulation, &script);
                if output.is_barrier {
                    keyframes.push((tick, simulation.keyframe().encode()));
                }
                output
            })
            .collect();
        Self { script, setup, outputs, keyframes, game: std::marker::PhantomData }
    }

    fn output(&self, tick: u64) -> &StepOutput {
        &self.outputs[tick as usize - 1]
    }

    fn keyframe_at(&self, tick: u64) -> Option<&[u8]> {
        self.keyframes.iter().find(|(other, _)| *other == tick).map(|(_, bytes)| &bytes[..])
    }

    fn restore(&self, keyframe: &[u8]) -> Simulation<G> {
        let keyframe = Keyframe::decode(keyframe).expect("it was just written");
        Simulation::restore(self.setup.clone(), Arc::new(keyframe)).expect("it is of this game")
    }
}

fn step<G: Game>(simulation: &mut Simulation<G>, script: &Script) -> StepOutput {
    let (time_ms, inputs) = script.at(simulation.tick() + 1);
    simulation.step(time_ms, inputs)
}

/// Steps a world to `until` and gives the first tick at which it says anything else than the life it was
/// taken from: hashes, deltas, outcomes, requests to wake, keyframes.
fn first_difference<G: Game>(life: &Life<G>, simulation: &mut Simulation<G>, until: u64) -> Option<u64> {
    (simulation.tick() + 1..=until).find(|tick| {
        let output = step(simulation, &life.script);
        let keyframe = output.is_barrier.then(|| simulation.keyframe().encode());
        output != *life.output(*tick) || keyframe.as_deref() != life.keyframe_at(*tick)
    })
}

/// The world that is restored from each keyframe instead of going through the barrier.
fn first_difference_of_the_ever_restored<G: Game>(life: &Life<G>) -> Option<u64> {
    let ends = life.keyframes[1..].iter().map(|(tick, _)| *tick).chain([life.outputs.len() as u64]);
    life.keyframes.iter().zip(ends).find_map(|((_, keyframe), end)| {
        let mut simulation = life.restore(keyframe);
        first_difference(life, &mut simulation, end)
    })
}

/// The world that is restored from a snapshot: a keyframe and the inputs since.
fn first_difference_of_the_restored<G: Game>(life: &Life<G>, snapshot_tick: u64) -> Option<u64> {
    let before = life.keyframes.iter().rev().find(|(tick, _)| *tick <= snapshot_tick);
    let (_, keyframe) = before.expect("one at tick 0");
    let mut simulation = life.restore(keyframe);
    first_difference(life, &mut simulation, snapshot_tick + FURTHER)
}

/// A mirror that hears of what players may know, as clients and edges do.
fn first_difference_of_the_mirror<G: Game>(life: &Life<G>) -> Option<u64> {
    let classes = [Visibility::Everyone, Visibility::Owner];
    let mut mirror = Columns::new(Simulation::<G>::manifest().expect("the game is sound"));
    let opened = life.restore(&life.keyframes[0].1);
    for class in classes {
        delta::apply(&mut mirror, class, &delta::encode_full(opened.columns(), class, |_| true)).unwrap();
    }
    life.outputs.iter().find_map(|output| {
        delta::apply(&mut mirror, Visibility::Everyone, &output.everyone).unwrap();
        delta::apply(&mut mirror, Visibility::Owner, &output.owner).unwrap();
        let equal = classes.iter().all(|class| mirror.hash(*class) == output.sums[*class as usize]);
        let kept = output.tick % 64 != 0 || mirror.recomputed_sums() == mirror.sums();
        (!equal || !kept).then_some(output.tick)
    })
}

/// The claim, for one seed. Gives the first tick at which it does not hold.
fn check<G: Game>(seed: u64, hazard: Hazard) -> Option<u64> {
    let barrier = Simulation::<G>::barrier_ticks();
    let life = Life::<G>::live(seed, FURTHER + 8 * barrier, hazard);
    // At any distance from a barrier, and at one exactly.
    let between = barrier + seed % (4 * barrier);
    let (at, _) = life.keyframes[1 + seed as usize % 6];
    first_difference_of_the_restored(&life, between)
        .or_else(|| first_difference_of_the_restored(&life, at))
        .or_else(|| first_difference_of_the_ever_restored(&life))
        .or_else(|| first_difference_of_the_mirror(&life))
}

fn seeds(count: u64) -> impl Iterator<Item = u64> {
    1..=count * if std::env::var_os("WORLDLOG_SOAK").is_some() { 10 } else { 1 }
}

#[test]
fn worlds_that_lived_were_restored_or_caught_up_are_equal_at_every_tick() {
    for seed in seeds(200) {
        assert_eq!(check::<Quick>(seed, Hazard::None), None, "seed {seed}");
    }
}

#[test]
fn the_same_holds_on_command() {
    for seed in seeds(12) {
        assert_eq!(check::<OnCommand>(seed, Hazard::None), None, "seed {seed}");
    }
}

#[test]
fn a_world_restored_from_any_keyframe_goes_on_alike_for_a_thousand_ticks() {
    for seed in seeds(3) {
        let life = Life::<Quick>::live(seed, 2 * FURTHER, Hazard::None);
        let in_time = life.keyframes.iter().filter(|(tick, _)| *tick <= FURTHER);
        for (tick, _) in in_time {
            assert_eq!(first_difference_of_the_restored(&life, *tick), None, "seed {seed}, keyframe {tick}");
        }
    }
}

#[test]
fn every_planted_hazard_is_found() {
    for hazard in Hazard::all() {
        for seed in 1..=5 {
            let found = check::<Quick>(seed, hazard.clone());
            assert!(found.is_some(), "{}, seed {seed}: not found", hazard.name());
        }
    }
}
