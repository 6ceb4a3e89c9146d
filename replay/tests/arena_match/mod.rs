//! Matches of the arena that tests play themselves, as sources.

#![allow(dead_code, reason = "each test binary includes this file and uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::PathBuf;
use std::sync::Arc;

use arena::{Arena, Command};
use ecs_state::{Game, Input, MatchRng, MatchSetup, Simulation};
use protocol::Columns;
use replay::Source;
use snapshots::{MatchFile, MatchFileWriter, MatchHeader, Step};

/// A match that is being recorded.
pub(crate) struct Recording {
    pub(crate) simulation: Simulation<Arena>,
    writer: MatchFileWriter,
    /// What the next tick takes in.
    pub(crate) waiting: Vec<Input>,
    /// Player, and how many commands each has given.
    counts: std::collections::BTreeMap<u32, u64>,
    /// Commands so far.
    commands: i64,
    origins: Vec<snapshots::Origin>,
}

impl Recording {
    pub(crate) fn new(seed: u64, content: &[u8]) -> Self {
        // Keyframes stand somewhere else in each match.
        let match_id = seed * 37 % 300;
        let simulation = Simulation::<Arena>::open(MatchSetup { match_id, seed, content: content.into() }, 0).unwrap();
        let header = MatchHeader {
            game: Arena::NAME.to_owned(),
            rules_version: Arena::RULES_VERSION,
            manifest: Simulation::<Arena>::manifest().unwrap().bytes().to_vec(),
            match_id,
            label: "test".to_owned(),
            seed,
            opened_ms: 0,
            content_hash: xxhash_rust::xxh3::xxh3_64(content),
            fork: None,
        };
        let mut writer = MatchFileWriter::new(&header, content);
        writer.keyframe(simulation.keyframe());
        let (waiting, origins, counts) = Default::default();
        Self { simulation, writer, waiting, counts, commands: 0, origins }
    }

    pub(crate) fn join(&mut self, player: u32) {
        self.waiting.push(Input::Join { player });
    }

    /// Gives a command to the next tick; its sequence number.
    pub(crate) fn order(&mut self, player: u32, command: Command) -> u64 {
        let seq = self.counts.entry(player).or_default();
        *seq += 1;
        self.commands += 1;
        self.origins.push(snapshots::Origin {
            session: u64::from(player) + 1_000,
            seq: *seq,
            position: self.commands * 64,
        });
        self.waiting.push(Input::Command { player, payload: command.encode() });
        *seq
    }

    pub(crate) fn tick(&self) -> u64 {
        self.simulation.tick()
    }

    pub(crate) fn columns(&self) -> &Columns {
        self.simulation.columns()
    }

    pub(crate) fn step(&mut self) {
        let (inputs, origins) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.origins));
        let time_ms = self.simulation.tick() as i64 * 33;
        let output = self.simulation.step(time_ms, &inputs);
        let columns = Step::column_hashes(self.columns());
        self.writer.step(Step { time_ms, inputs, origins, hash: output.hash(), columns });
        if output.is_barrier {
            self.writer.keyframe(self.simulation.keyframe());
        }
    }

    pub(crate) fn steps(&mut self, count: u64) {
        for _ in 0..count {
            self.step();
        }
    }

    /// The value of a field of the body of a player.
    pub(crate) fn body(&self, player: u32) -> u32 {
        let columns = self.columns();
        let (seats, _) = columns.manifest().layout_of("Seat").unwrap();
        let mut rows = columns.column(seats).iter();
        let seat = rows.find(|(seat, _)| columns.owner(*seat) == Some(player)).unwrap().0;
        columns.field(seat, "Seat", "avatar").unwrap() as u32
    }

    pub(crate) fn field(&self, entity: u32, component: &str, field: &str) -> Option<i64> {
        self.columns().field(ecs_state::EntityId(entity), component, field)
    }

    pub(crate) fn finish(self) -> Arc<Source> {
        let path = PathBuf::from("match.wlm");
        let file = MatchFile::decode(&path, &self.writer.finish()).unwrap();
        Arc::new(Source::from_file::<Arena>(path, file).unwrap())
    }
}

/// A match in which players run and shoot as a seed has it.
pub(crate) fn brawl(seed: u64, players: u32, ticks: u64) -> Arc<Source> {
    let mut recording = Recording::new(seed, &arena::default_content());
    for tick in 1..=ticks {
        let mut rng = MatchRng::new(seed, tick, "brawl");
        for player in 1..=players {
            if tick == u64::from(player) {
                recording.join(player);
            }
            if tick > u64::from(player) && rng.below(4) == 0 {
                recording.order(player, any(&mut rng));
            }
        }
        recording.step();
    }
    recording.finish()
}

pub(crate) fn any(rng: &mut MatchRng) -> Command {
    match rng.below(8) {
        0..=2 => Command::Move { x: rng.between(-127, 127) as i8, y: rng.between(-127, 127) as i8 },
        3 | 4 => Command::Aim { angle: rng.bits() as u16 },
        5 => Command::Fire { held: true },
        6 => Command::Fire { held: rng.below(3) > 0 },
        _ if rng.below(2) == 0 => Command::Reload,
        _ => Command::Use,
    }
}
