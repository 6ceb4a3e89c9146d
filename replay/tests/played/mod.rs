//! Matches that a test plays itself, as files.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arena::{Arena, Command};
use ecs_state::{Game, Input, MatchRng, MatchSetup, Simulation};
use replay::Source;
use snapshots::{MatchFileWriter, MatchHeader, Origin, Step};

/// Plays a match and gives its file; `takes_in` says what each tick takes in, with numbers from 1.
pub fn file_of<G: Game>(seed: u64, content: &[u8], ticks: u64, takes_in: impl FnMut(u64) -> Vec<Input>) -> Vec<u8> {
    write::<G>(seed, content, ticks, takes_in).finish()
}

/// The same, before it is finished.
pub fn write<G: Game>(
    seed: u64,
    content: &[u8],
    ticks: u64,
    mut takes_in: impl FnMut(u64) -> Vec<Input>,
) -> MatchFileWriter {
    let setup = MatchSetup { match_id: 7, seed, content: content.into() };
    let mut simulation = Simulation::<G>::open(setup, 1_000).unwrap();
    let header = MatchHeader {
        game: G::NAME.to_owned(),
        rules_version: G::RULES_VERSION,
        manifest: Simulation::<G>::manifest().unwrap().bytes().to_vec(),
        match_id: 7,
        label: "played".to_owned(),
        seed,
        opened_ms: 1_000,
        content_hash: xxhash_rust::xxh3::xxh3_64(content),
        fork: None,
    };
    let mut writer = MatchFileWriter::new(&header, content);
    writer.keyframe(simulation.keyframe());
    let mut seqs = BTreeMap::<u32, u64>::new();
    for tick in 1..=ticks {
        let time_ms = 1_000 + tick as i64 * 33;
        let inputs = takes_in(tick);
        let output = simulation.step(time_ms, &inputs);
        let mut origins = Vec::new();
        for input in &inputs {
            if let Input::Command { player, .. } = input {
                let seq = seqs.entry(*player).or_default();
                *seq += 1;
                let position = (tick * 1_000 + origins.len() as u64) as i64;
                origins.push(Origin { session: u64::from(*player), seq: *seq, position });
            }
        }
        let columns = Step::column_hashes(simulation.columns());
        writer.step(Step { time_ms, inputs, origins, hash: output.hash(), columns });
        if output.is_barrier {
            writer.keyframe(simulation.keyframe());
        }
    }
    writer
}

/// The same, to be played.
pub fn source_of<G: Game>(file: &[u8]) -> Arc<Source> {
    Arc::new(Source::decode::<G>(Path::new("played.wlm"), file).unwrap())
}

/// What players of the arena ask for in a tick: they come in the first ticks, and then do anything.
pub fn any_arena_inputs(seed: u64, players: u32, tick: u64) -> Vec<Input> {
    let mut rng = MatchRng::new(seed, tick, "script");
    let mut inputs = Vec::new();
    if tick <= u64::from(players) {
        inputs.push(Input::Join { player: tick as u32 });
    }
    for player in 1..=players.min(tick as u32) {
        if rng.below(3) > 0 {
            continue;
        }
        let part = |rng: &mut MatchRng| rng.below(255) as i32 as i8;
        let command = match rng.below(8) {
            0..=2 => Command::Move { x: part(&mut rng).max(-127), y: part(&mut rng).max(-127) },
            3..=4 => Command::Aim { angle: rng.bits() as u16 },
            5..=6 => Command::Fire { held: rng.below(3) > 0 },
            _ => Command::Reload,
        };
        inputs.push(Input::Command { player, payload: command.encode() });
    }
    inputs
}

/// A match of the arena in which players do anything.
pub fn arena(seed: u64, players: u32, ticks: u64) -> Vec<u8> {
    let content = arena::content_with_population(30);
    file_of::<Arena>(seed, &content, ticks, |tick| any_arena_inputs(seed, players, tick))
}
