//! Lets bots play a match of the arena as fast as the machine can, and writes it as a match file.
//!
//! The same arguments give the same file, byte for byte: time is counted, not measured, and bots are seeded. Players
//! come one after the other, see as far as players do, answer after a moment as people do, and now and then one
//! leaves and another comes. `cargo xtask record` builds and runs this.

#![expect(clippy::print_stdout, reason = "what was recorded is the answer, and belongs on stdout")]

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;

use arena::components::METRE;
use arena::{Arena, Command, SIGHT_METRES, TICKS_PER_SECOND};
use ecs_state::{Game, Input, MatchRng, MatchSetup, Simulation};
use loadtest::Bot;
use protocol::{Columns, PlayerId, Tick};
use snapshots::{MatchFileWriter, MatchHeader, Origin, Step, write_file};

/// Where log time begins: the first moment of 2026, UTC.
const OPENED_MS: i64 = 1_767_225_600_000;
/// Most commands a second of one player, as those of `worldlog swarm`.
const COMMANDS_PER_SECOND: f64 = 15.0;
/// Between two joins.
const JOIN_TICKS: u64 = 15;
/// Between two players who leave.
const LEAVE_TICKS: u64 = 3 * 60 * TICKS_PER_SECOND as u64;
/// Most ticks from what a player saw to the tick that takes in the answer.
const REACTION_TICKS_MAX: u32 = 4;
/// Sessions of players are numbered on from here.
const FIRST_SESSION: u64 = 1_000;
/// From one command to the next in the log: about what an entry of one command takes there.
const ENTRY_BYTES: i64 = 160;
/// Most commands of a player that wait at once.
const WAITING_MAX: usize = 32;

const USAGE: &str =
    "usage: record --minutes M --players P --seed S --out FILE.wlm [--population DRONES] [--label WORD]";

fn main() -> ExitCode {
    let done = Arguments::read(std::env::args().skip(1)).and_then(|arguments| record(&arguments));
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("record: {error}");
            ExitCode::from(2)
        }
    }
}

/// What to record.
#[derive(Debug)]
struct Arguments {
    minutes: f64,
    players: u32,
    seed: u64,
    population: u32,
    label: String,
    out: PathBuf,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self {
            minutes: 1.0,
            players: 8,
            seed: 1,
            population: 0,
            label: "recorded".to_owned(),
            out: PathBuf::new(),
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value; {USAGE}"))?;
            match word.as_str() {
                "--minutes" => read.minutes = number(&word, &value)?,
                "--players" => read.players = number(&word, &value)?,
                "--seed" => read.seed = number(&word, &value)?,
                "--population" => read.population = number(&word, &value)?,
                "--label" => read.label = value,
                "--out" => read.out = value.into(),
                _ => return Err(format!("{word} is not known; {USAGE}")),
            }
        }
        let is_sound = read.minutes > 0.0 && read.minutes <= 600.0 && (1..=1_000).contains(&read.players);
        if !is_sound || read.out.as_os_str().is_empty() {
            return Err(format!("minutes up to 600, players from 1 to 1000, and a file are needed; {USAGE}"));
        }
        Ok(read)
    }
}

fn number<T: std::str::FromStr>(word: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{word}: {value:?} is no number that fits; {USAGE}"))
}

fn record(arguments: &Arguments) -> Result<String, String> {
    let ticks = (arguments.minutes * 60.0 * f64::from(TICKS_PER_SECOND)) as u64;
    let content = match arguments.population {
        0 => arena::default_content(),
        drones => arena::content_with_population(drones),
    };
    let setup = MatchSetup { match_id: 1, seed: arguments.seed, content: content.clone().into() };
    let mut simulation = Simulation::<Arena>::open(setup, OPENED_MS).map_err(|error| error.to_string())?;
    let header = MatchHeader {
        game: Arena::NAME.to_owned(),
        rules_version: Arena::RULES_VERSION,
        manifest: simulation.columns().manifest().bytes().to_vec(),
        match_id: 1,
        label: arguments.label.clone(),
        seed: arguments.seed,
        opened_ms: OPENED_MS,
        content_hash: xxhash_rust::xxh3::xxh3_64(&content),
        fork: None,
    };
    let mut writer = MatchFileWriter::new(&header, &content);
    writer.keyframe(simulation.keyframe());
    let mut crowd = Crowd::new(arguments);
    let mut deaths = 0;
    for tick in 1..=ticks {
        let time_ms = OPENED_MS + (tick * 1_000 / TICKS_PER_SECOND as u64) as i64;
        let said = crowd.say(&simulation, tick)?;
        let before = simulation.columns().clone();
        let output = simulation.step(time_ms, &said.inputs);
        let told = Arena::moments(&before, simulation.columns());
        deaths += told.iter().filter(|moment| moment.kind == "death").count();
        crowd.hear(&said.commands, &output.outcomes);
        writer.step(Step {
            time_ms,
            inputs: said.inputs,
            origins: said.origins,
            hash: output.hash(),
            columns: Step::column_hashes(simulation.columns()),
        });
        if output.is_barrier {
            writer.keyframe(simulation.keyframe());
        }
    }
    let bytes = writer.finish();
    write_file(&arguments.out, &bytes).map_err(|error| error.to_string())?;
    let player_hours = f64::from(arguments.players) * arguments.minutes / 60.0;
    Ok(format!(
        "{}: {ticks} ticks, {} commands, {deaths} deaths, {} bytes, {:.3} MB per player-hour, hash {:016x}",
        arguments.out.display(),
        crowd.commands,
        bytes.len(),
        bytes.len() as f64 / 1e6 / player_hours,
        simulation.columns().total_hash(),
    ))
}

/// What a tick takes in.
#[derive(Default)]
struct Said {
    inputs: Vec<Input>,
    /// Where a log would have held the commands.
    origins: Vec<Origin>,
    /// Who said which of the commands, in order.
    commands: Vec<(PlayerId, Command)>,
}

/// A player at the table.
struct Guest {
    player: PlayerId,
    bot: Bot,
    /// Number of its last command.
    seq: u64,
    /// Said, and not yet due; by the tick that takes it in.
    waiting: VecDeque<(u64, Command)>,
    reaction: MatchRng,
}

/// Everybody who plays.
struct Crowd {
    wanted: usize,
    seed: u64,
    guests: Vec<Guest>,
    next_player: u32,
    commands: u64,
    /// Where the log would be.
    position: i64,
}

impl Crowd {
    fn new(arguments: &Arguments) -> Self {
        Self {
            wanted: arguments.players as usize,
            seed: arguments.seed,
            guests: Vec::new(),
            next_player: 1,
            commands: 0,
            position: 0,
        }
    }

    /// What the next tick takes in, from what was seen at the last one.
    fn say(&mut self, simulation: &Simulation<Arena>, tick: u64) -> Result<Said, String> {
        let mut said = Said::default();
        if tick.is_multiple_of(LEAVE_TICKS) && self.guests.len() == self.wanted {
            said.inputs.push(Input::Leave { player: self.guests.remove(0).player.0 });
        } else if tick % JOIN_TICKS == 1 && self.guests.len() < self.wanted {
            let guest = self.arrive(simulation)?;
            said.inputs.push(Input::Join { player: guest.player.0 });
            self.guests.push(guest);
        }
        for guest in &mut self.guests {
            guest.think(simulation, tick)?;
            while let Some((_, command)) = guest.waiting.pop_front_if(|(due, _)| *due <= tick) {
                said.inputs.push(Input::Command { player: guest.player.0, payload: command.encode() });
                said.commands.push((guest.player, command));
                guest.seq += 1;
                self.position += ENTRY_BYTES;
                let session = FIRST_SESSION + u64::from(guest.player.0);
                said.origins.push(Origin { session, seq: guest.seq, position: self.position });
            }
        }
        self.commands += said.commands.len() as u64;
        Ok(said)
    }

    fn arrive(&mut self, simulation: &Simulation<Arena>) -> Result<Guest, String> {
        let player = PlayerId(self.next_player);
        self.next_player += 1;
        let seed = self.seed.wrapping_add(u64::from(player.0));
        let manifest = simulation.columns().manifest();
        let bot = Bot::new(manifest, player, COMMANDS_PER_SECOND, seed).map_err(|error| error.to_string())?;
        Ok(Guest { player, bot, seq: 0, waiting: VecDeque::new(), reaction: MatchRng::new(seed, 0, "reaction") })
    }

    fn hear(&mut self, commands: &[(PlayerId, Command)], outcomes: &[ecs_state::OutcomeCode]) {
        for ((player, command), outcome) in commands.iter().zip(outcomes) {
            let guest = self.guests.iter_mut().find(|guest| guest.player == *player);
            if let Some(guest) = guest.filter(|_| !outcome.is_applied()) {
                guest.bot.handle_rejection(*command);
            }
        }
    }
}

impl Guest {
    fn think(&mut self, simulation: &Simulation<Arena>, tick: u64) -> Result<(), String> {
        let seen = in_sight(simulation.columns(), self.player);
        let room = WAITING_MAX - self.waiting.len();
        let said = self.bot.think(&seen, Tick(tick - 1), room).map_err(|error| error.to_string())?;
        for command in said {
            let due = tick + u64::from(self.reaction.below(REACTION_TICKS_MAX));
            // What is said later never arrives earlier: one player's commands keep their order.
            let soonest = self.waiting.back().map_or(due, |(due, _)| *due);
            self.waiting.push_back((due.max(soonest), command));
        }
        Ok(())
    }
}

/// What a player may see: what is near its body, and what has no place.
fn in_sight(columns: &Columns, player: PlayerId) -> Columns {
    let manifest = columns.manifest();
    let index = |name| manifest.layout_of(name).expect("the arena has it").0;
    let (positions, seats) = (columns.column(index("Position")), columns.column(index("Seat")));
    let place = |entity| {
        let field = |name| columns.field(entity, "Position", name);
        Some((field("x")?, field("y")?))
    };
    let body = seats.iter().find_map(|(seat, _)| {
        let is_mine = columns.field(seat, "Seat", "player") == Some(i64::from(player.0));
        is_mine.then(|| columns.field(seat, "Seat", "avatar")).flatten()
    });
    let eye = body.and_then(|body| place(protocol::EntityId(body as u32)));
    let [across, up] = SIGHT_METRES.map(|metres| i64::from(metres) * i64::from(METRE));
    columns.part(|entity| {
        if positions.row(entity).is_none() {
            return true;
        }
        let (Some((x, y)), Some((my_x, my_y))) = (place(entity), eye) else { return false };
        (x - my_x).abs() <= across && (y - my_y).abs() <= up
    })
}
