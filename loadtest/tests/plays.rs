//! Bots play whole matches of the arena, in virtual time and without a network.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arena::{Arena, Command};
use ecs_state::{Input, MatchSetup, Simulation};
use loadtest::Bot;
use protocol::{OutcomeCode, PlayerId, Tick};

const TICKS_PER_SECOND: u64 = 30;
/// From the tick in which a bot thinks to the one that runs its commands.
const DELAY_TICKS: usize = 2;

struct Match {
    simulation: Simulation<Arena>,
    bots: BTreeMap<u32, Bot>,
    /// On their way to the server.
    pipe: Vec<Vec<(u32, Command)>>,
    applied: BTreeMap<u32, u64>,
    refused: BTreeMap<u16, u64>,
    sent: Vec<Command>,
}

impl Match {
    fn new(content: Vec<u8>, bots: u32, commands_per_second: f64) -> Self {
        let setup = MatchSetup { match_id: 1, seed: 5, content: Arc::from(content) };
        let simulation = Simulation::<Arena>::open(setup, 0).unwrap();
        let manifest = Simulation::<Arena>::manifest().unwrap();
        let bot = |player| Bot::new(&manifest, PlayerId(player), commands_per_second, player.into()).unwrap();
        Self {
            simulation,
            bots: (1..=bots).map(|player| (player, bot(player))).collect(),
            pipe: vec![Vec::new(); DELAY_TICKS],
            applied: BTreeMap::new(),
            refused: BTreeMap::new(),
            sent: Vec::new(),
        }
    }

    fn play(&mut self, seconds: u64) {
        for _ in 0..seconds * TICKS_PER_SECOND {
            self.step();
        }
        // What is on its way arrives, and nothing more is said.
        for _ in 0..=DELAY_TICKS {
            let arrived = self.arrive();
            self.pipe.push(Vec::new());
            self.run(&arrived);
        }
    }

    fn step(&mut self) {
        let arrived = self.arrive();
        let mut said = Vec::new();
        let tick = Tick(self.simulation.tick());
        for (player, bot) in &mut self.bots {
            let commands = bot.think(self.simulation.columns(), tick, 32).unwrap();
            said.extend(commands.into_iter().map(|command| (*player, command)));
        }
        self.sent.extend(said.iter().map(|(_, command)| *command));
        self.pipe.push(said);
        self.run(&arrived);
    }

    fn arrive(&mut self) -> Vec<(u32, Command)> {
        self.pipe.remove(0)
    }

    fn run(&mut self, arrived: &[(u32, Command)]) {
        let mut inputs = Vec::new();
        if self.simulation.tick() == 0 {
            inputs.extend(self.bots.keys().map(|player| Input::Join { player: *player }));
        }
        inputs.extend(
            arrived.iter().map(|(player, command)| Input::Command { player: *player, payload: command.encode() }),
        );
        let output = self.simulation.step((self.simulation.tick() as i64 + 1) * 1_000 / 30, &inputs);
        for ((player, command), outcome) in arrived.iter().zip(output.outcomes) {
            if outcome == OutcomeCode::APPLIED {
                *self.applied.entry(*player).or_default() += 1;
            } else {
                *self.refused.entry(outcome.0).or_default() += 1;
                self.bots.get_mut(player).unwrap().handle_rejection(*command);
            }
        }
    }

    fn sum_of_seats(&self, field: &str) -> i64 {
        let columns = self.simulation.columns();
        let (seats, _) = columns.manifest().layout_of("Seat").unwrap();
        columns.column(seats).iter().filter_map(|(seat, _)| columns.field(seat, "Seat", field)).sum()
    }
}

#[test]
fn bots_find_and_kill_each_other() {
    let mut played = Match::new(arena::default_content(), 16, 15.0);
    played.play(60);
    let (kills, deaths) = (played.sum_of_seats("kills"), played.sum_of_seats("deaths"));
    println!(
        "16 bots, 60 s: {kills} kills, {deaths} deaths, {} commands, refused {:?}",
        played.sent.len(),
        played.refused
    );
    assert!(kills >= 8, "{kills} kills in a minute");
}

#[test]
fn bots_say_something_but_no_more_than_allowed_and_are_seldom_refused() {
    let mut played = Match::new(arena::default_content(), 16, 15.0);
    played.play(30);
    let per_second = played.sent.len() as f64 / (16.0 * 30.0);
    assert!((3.0..=15.1).contains(&per_second), "{per_second} commands a second and bot");
    let refused: u64 = played.refused.values().sum();
    assert!((refused as f64) < 0.05 * played.sent.len() as f64, "{refused} of {} refused", played.sent.len());
    assert!(!played.refused.contains_key(&OutcomeCode::MALFORMED.0));
}

#[test]
fn what_a_bot_was_told_is_what_the_match_counts() {
    let mut played = Match::new(arena::default_content(), 8, 30.0);
    played.play(20);
    for (player, bot) in &mut played.bots {
        let tally = bot.tally(played.simulation.columns()).unwrap();
        assert_eq!(tally, Some(played.applied[player]), "player {player}");
    }
}

#[test]
fn a_lonely_bot_shoots_at_drones() {
    let mut played = Match::new(arena::content_with_population(200), 1, 15.0);
    played.play(60);
    assert!(played.sent.contains(&Command::Fire { held: true }));
}
