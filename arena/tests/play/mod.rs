//! A match to make claims about: the one place where tests touch the API.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use arena::components::{Intent, Kind, Loadout, Position, Score, Seat};
use arena::{Arena, Command, Rejection};
use ecs_state::match_math::angle_of;
use ecs_state::{Input, MatchSetup, OutcomeCode, Replicated, Simulation, StepOutput};

pub(crate) const BALANCE: &str = include_str!("../../../assets/arena/balance.toml");

pub(crate) struct Match {
    pub(crate) simulation: Simulation<Arena>,
    waiting: Vec<Input>,
}

pub(crate) fn setup(seed: u64, content: Vec<u8>) -> MatchSetup {
    MatchSetup { match_id: 1, seed, content: content.into() }
}

pub(crate) fn map(teams: usize, rows: &[&str]) -> String {
    let rows: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
    format!("[map]\nname = \"test\"\nteams = {teams}\ntile_cm = 200\nrows = [{}]\n", rows.join(", "))
}

/// The shipped balance without chance and without shields at spawns.
pub(crate) fn exact_balance() -> String {
    BALANCE.replace("spread_degrees = 2", "spread_degrees = 0").replace("spawn_shield = 25", "spawn_shield = 0")
}

impl Match {
    /// Two teams on a map of these rows.
    pub(crate) fn on(rows: &[&str]) -> Self {
        Self::with(&map(2, rows), &exact_balance())
    }

    pub(crate) fn with(map: &str, balance: &str) -> Self {
        let content = arena::content(map, balance);
        let simulation = Simulation::open(setup(7, content), 0).expect("the content is whole");
        Self::of(simulation)
    }

    pub(crate) fn of(simulation: Simulation<Arena>) -> Self {
        Self { simulation, waiting: Vec::new() }
    }

    /// Players 1 to `count` join; odd ones are of team 0.
    pub(crate) fn joined(mut self, count: u32) -> Self {
        self.waiting.extend((1..=count).map(|player| Input::Join { player }));
        self.step();
        self
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.waiting.push(input);
    }

    pub(crate) fn step(&mut self) -> StepOutput {
        let inputs = std::mem::take(&mut self.waiting);
        self.simulation.step(self.simulation.tick() as i64 * 33, &inputs)
    }

    pub(crate) fn steps(&mut self, count: u64) {
        for _ in 0..count {
            self.step();
        }
    }

    /// Steps until something holds; it must do so within a minute.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..1_800 {
            if holds(self) {
                return;
            }
            self.step();
        }
        panic!("a minute has passed and it does not hold: {what}");
    }

    /// One command in one tick.
    pub(crate) fn order(&mut self, player: u32, command: Command) -> OutcomeCode {
        self.waiting.push(Input::Command { player, payload: command.encode() });
        *self.step().outcomes.last().expect("one command, one outcome")
    }

    pub(crate) fn apply(&mut self, player: u32, command: Command) {
        assert_eq!(self.order(player, command), OutcomeCode::APPLIED, "{command:?}");
    }

    pub(crate) fn refuse(&mut self, player: u32, command: Command, why: Rejection) {
        assert_eq!(self.order(player, command), why.code(), "{command:?}, expected {why:?}");
    }

    /// Looks at another player and presses the trigger.
    pub(crate) fn attack(&mut self, player: u32, other: u32) {
        let (from, to) = (self.body::<Position>(player), self.body::<Position>(other));
        self.apply(player, Command::Aim { angle: angle_of(to.x - from.x, to.y - from.y) });
        self.apply(player, Command::Fire { held: true });
    }

    /// All rows of a component.
    pub(crate) fn all<T: Replicated>(&self) -> BTreeMap<u32, T> {
        let columns = self.simulation.columns();
        let index = columns.manifest().index_of(T::NUMBER).expect("it is registered");
        columns.column(index).iter().map(|(id, row)| (id.0, T::take(row))).collect()
    }

    pub(crate) fn score(&self) -> Score {
        self.all::<Score>()[&1]
    }

    pub(crate) fn seat(&self, player: u32) -> Seat {
        self.all::<Seat>().into_values().find(|seat| seat.player.0 == player).expect("the player has a seat")
    }

    pub(crate) fn is_alive(&self, player: u32) -> bool {
        self.seat(player).avatar.0 != 0
    }

    /// A component of a player's body.
    pub(crate) fn body<T: Replicated + Copy>(&self, player: u32) -> T {
        self.all::<T>()[&self.seat(player).avatar.0]
    }

    pub(crate) fn ammo(&self, player: u32) -> (u16, u16) {
        let loadout = self.body::<Loadout>(player);
        (loadout.ammo, loadout.reserve)
    }

    pub(crate) fn trigger(&self, player: u32) -> u8 {
        self.body::<Intent>(player).trigger
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.all::<Kind>().into_values().filter(|other| *other == kind).count()
    }
}
