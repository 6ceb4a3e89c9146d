//! A small match of the tests' game, as its file.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use ecs_state::{Game, Input, MatchRng, MatchSetup, Simulation};
use snapshots::{MatchFile, MatchFileWriter, MatchHeader, Segment, Step, Steps};

use crate::games::any_command;

/// Plays a match from a seed: what a file of it must hold, and the file.
pub fn play<G: Game>(seed: u64, ticks: u64, content: &[u8]) -> (MatchFile, Vec<u8>) {
    let setup = MatchSetup { match_id: 4, seed, content: content.into() };
    let mut simulation = Simulation::<G>::open(setup, 1_000).unwrap();
    let header = MatchHeader {
        game: G::NAME.to_owned(),
        rules_version: G::RULES_VERSION,
        manifest: Simulation::<G>::manifest().unwrap().bytes().to_vec(),
        match_id: 4,
        label: "golden".to_owned(),
        seed,
        opened_ms: 1_000,
        content_hash: xxhash_rust::xxh3::xxh3_64(content),
        fork: None,
    };
    let mut writer = MatchFileWriter::new(&header, content);
    let mut segments = vec![Segment { keyframe: (**simulation.keyframe()).clone(), steps: Steps::default() }];
    writer.keyframe(simulation.keyframe());
    for tick in 1..=ticks {
        let mut rng = MatchRng::new(seed, tick, "script");
        let mut inputs: Vec<_> = (0..rng.below(4))
            .map(|_| Input::Command { player: 1 + rng.below(2), payload: any_command(&mut rng) })
            .collect();
        if tick <= 2 {
            inputs.insert(0, Input::Join { player: tick as u32 });
        }
        let time_ms = 1_000 + tick as i64 * 33;
        let output = simulation.step(time_ms, &inputs);
        let step = Step {
            time_ms,
            inputs,
            origins: Vec::new(),
            hash: output.hash(),
            columns: Step::column_hashes(simulation.columns()),
        };
        writer.step(step.clone());
        segments.last_mut().unwrap().steps.push(step);
        if output.is_barrier {
            writer.keyframe(simulation.keyframe());
            segments.push(Segment { keyframe: (**simulation.keyframe()).clone(), steps: Steps::default() });
        }
    }
    (MatchFile { header, content: content.to_vec(), segments }, writer.finish())
}

/// Writes a match file of what it should hold.
pub fn write(file: &MatchFile) -> Vec<u8> {
    let mut writer = MatchFileWriter::new(&file.header, &file.content);
    for segment in &file.segments {
        writer.keyframe(&segment.keyframe);
        segment.steps.iter().for_each(|step| writer.step(step.clone()));
    }
    writer.finish()
}
