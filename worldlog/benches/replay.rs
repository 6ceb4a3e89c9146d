//! How fast a recorded match of the arena is verified, every hash compared: times real time.
//!
//! `cargo xtask bench replay`. A minute of 64 bots among 1,000 entities is played without a network,
//! written to a file and verified; beside it, the floor: stepping the same inputs and comparing nothing.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use arena::Arena;
use ecs_state::{Game, Input, MatchSetup, PlayerId, Simulation, Tick};
use loadtest::Bot;
use snapshots::{MatchFile, MatchFileWriter, MatchHeader, Step, write_file};

const PLAYERS: u32 = 64;
/// With 64 players, their bodies, pick-ups and shots, about 1,000 entities.
const DRONES: u32 = 850;
const SECONDS: u64 = 60;
const ROUNDS: usize = 5;

fn main() {
    // `cargo bench` passes --bench; `cargo test` would pass something else and only wants to see it start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.wlm");
    let (entities, commands) = record(&path);
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("{SECONDS} s of {PLAYERS} players, {entities} entities, {commands} commands: {bytes} bytes");
    for _ in 0..ROUNDS {
        let floor = step_only(&path);
        let report = replay::verify::<Arena>(&path, |_, _| {}).unwrap();
        assert_eq!(report.mismatches, 0);
        println!(
            "verified {} hashes in {:.3} s: {:.0} times real time; stepping alone {floor:.3} s, ratio {:.2}",
            report.hashes_checked,
            report.seconds,
            report.times_realtime,
            report.seconds / floor
        );
    }
}

/// Plays and writes a match; gives how many entities it had in the end and how many commands it took.
fn record(path: &Path) -> (usize, usize) {
    let content = arena::content_with_population(DRONES);
    let setup = MatchSetup { match_id: 1, seed: 7, content: content.as_slice().into() };
    let mut simulation = Simulation::<Arena>::open(setup, 0).unwrap();
    let manifest = Simulation::<Arena>::manifest().unwrap();
    let header = MatchHeader {
        game: Arena::NAME.to_owned(),
        rules_version: Arena::RULES_VERSION,
        manifest: manifest.bytes().to_vec(),
        match_id: 1,
        label: "bench".to_owned(),
        seed: 7,
        opened_ms: 0,
        content_hash: xxhash_rust::xxh3::xxh3_64(&content),
        fork: None,
    };
    let mut writer = MatchFileWriter::new(&header, &content);
    writer.keyframe(simulation.keyframe());
    let mut bots: BTreeMap<u32, Bot> = (1..=PLAYERS)
        .map(|player| (player, Bot::new(&manifest, PlayerId(player), 30.0, u64::from(player)).unwrap()))
        .collect();
    let mut inputs: Vec<Input> = (1..=PLAYERS).map(|player| Input::Join { player }).collect();
    let mut commands = 0;
    for tick in 1..=SECONDS * 30 {
        let time_ms = (tick * 1_000 / 30) as i64;
        let output = simulation.step(time_ms, &inputs);
        let columns = Step::column_hashes(simulation.columns());
        writer.step(Step {
            time_ms,
            inputs: std::mem::take(&mut inputs),
            origins: Vec::new(),
            hash: output.hash(),
            columns,
        });
        if output.is_barrier {
            writer.keyframe(simulation.keyframe());
        }
        for (player, bot) in &mut bots {
            for command in bot.think(simulation.columns(), Tick(tick), 8).unwrap() {
                inputs.push(Input::Command { player: *player, payload: command.encode() });
                commands += 1;
            }
        }
    }
    write_file(path, &writer.finish()).unwrap();
    (simulation.columns().entity_count(), commands)
}

fn step_only(path: &Path) -> f64 {
    let file = MatchFile::open(path).unwrap();
    let setup = MatchSetup { match_id: 1, seed: file.header.seed, content: file.content.as_slice().into() };
    let mut simulation = Simulation::<Arena>::restore(setup, file.segments[0].keyframe.clone().into()).unwrap();
    let begun = Instant::now();
    for step in file.segments.iter().flat_map(|segment| &segment.steps) {
        std::hint::black_box(simulation.step(step.time_ms, &step.inputs));
    }
    begun.elapsed().as_secs_f64()
}
