//! A game says who hears of what by its types; what it says wrongly has no manifest. A rule of its own is a system that
//! writes an audience.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use ecs_state::{
    ContentError, EntityId, Game, Input, Interest, InvalidCommand, MatchSetup, PlayerId, Reach, Registry, Replicated,
    Simulation, Ticking, spawn,
};
use protocol::manifest::{ComponentRule, Nearness, Rule, SideField};

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq)]
#[replicated(number = 2, sync = "interpolate")]
struct Place {
    #[replicated(scale = 100, step = 5)]
    x: i32,
    #[replicated(quantize = 100, step = 10)]
    y: f32,
    height: [i16; 2],
}

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 3)]
struct Team(u8);

/// A buoy calls. Those hear it who have a ship near it, or, once it sinks, everybody: no edge could know.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 4)]
struct Call {
    sinks: bool,
    teams: u32,
}

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 6)]
struct Flag;

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 7)]
struct Unregistered {
    teams: u8,
}

#[derive(Resource, Clone)]
struct Nothing;

/// Ships and buoys; the number chooses what is said of interest.
struct Sea<const CASE: u8>;

const SOUND: u8 = 0;
const SILENT: u8 = 1;
const TYPO_IN_AXIS: u8 = 2;
const TYPO_IN_AUDIENCE: u8 = 3;
const UNREGISTERED: u8 = 4;
const NO_AXES: u8 = 5;
const WRONG_KIND: u8 = 6;
const TYPO_IN_SIDE: u8 = 7;

impl<const CASE: u8> Game for Sea<CASE> {
    const NAME: &'static str = "sea";
    const RULES_VERSION: u32 = 1;
    const COMMAND_SCHEMA: &'static [u8] = &[];
    const TICKING: Ticking = Ticking::Rate { millihertz: 10_000 };
    const REJECTIONS: &'static [(u8, &'static str)] = &[];

    type Command = i32;
    type Content = Nothing;

    fn register(registry: &mut Registry) {
        registry.component::<Place>().component::<Team>().component::<Call>().component::<Flag>();
    }

    fn interest() -> Option<Interest> {
        let sound = Interest::new()
            .near::<Place>(&["x", "y"], Reach::Radius(3_000))
            .margin(200)
            .side::<Team>("value")
            .audience::<Call>("teams")
            .always::<Flag>()
            .team_rows::<Team>();
        match CASE {
            SOUND => Some(sound),
            SILENT => None,
            TYPO_IN_AXIS => Some(sound.near::<Place>(&["x", "z"], Reach::Radius(1))),
            TYPO_IN_AUDIENCE => Some(Interest::new().audience::<Call>("team")),
            UNREGISTERED => Some(sound.audience::<Unregistered>("teams")),
            NO_AXES => Some(sound.near::<Place>(&[], Reach::Radius(1))),
            WRONG_KIND => Some(Interest::new().near::<Call>(&["sinks", "teams"], Reach::Radius(1))),
            _ => Some(Interest::new().side::<Flag>("value")),
        }
    }

    fn systems() -> ScheduleConfigs<ScheduleSystem> {
        (sail, sink, call).chain()
    }

    fn decode_command(payload: &[u8]) -> Result<i32, InvalidCommand> {
        let bytes = payload.try_into().map_err(|_| InvalidCommand("four bytes".to_owned()))?;
        Ok(i32::from_le_bytes(bytes))
    }

    fn load_content(_: &[u8]) -> Result<Nothing, ContentError> {
        Ok(Nothing)
    }

    fn open(world: &mut World) {
        let at = Place { x: 0, y: 0.0, height: [0; 2] };
        spawn(world, PlayerId(0), (at, Call { sinks: false, teams: 0 }));
    }

    fn join(world: &mut World, player: PlayerId) {
        let at = Place { x: 10_000 * player.0 as i32, y: 0.0, height: [0; 2] };
        spawn(world, player, (at, Team(player.0 as u8 % 2)));
    }

    fn leave(_: &mut World, _: PlayerId) {}
}

fn sail(
    mut inbox: ResMut<'_, ecs_state::Inbox<i32>>,
    mut ships: Query<'_, '_, (&ecs_state::Identity, &mut Place), With<Team>>,
) {
    for order in inbox.iter_mut() {
        for (_, mut place) in ships.iter_mut().filter(|(identity, _)| identity.owner == order.player) {
            place.x = order.command;
        }
    }
}

fn sink(context: Res<'_, ecs_state::StepContext>, mut calls: Query<'_, '_, &mut Call>) {
    for mut call in &mut calls {
        let sinks = context.tick >= 5;
        let teams = call.teams;
        call.set_if_neq(Call { sinks, teams });
    }
}

/// The game's own rule.
fn call(ships: Query<'_, '_, (&Place, &Team), Without<Call>>, mut calls: Query<'_, '_, (&Place, &mut Call)>) {
    for (at, mut call) in &mut calls {
        let near = ships.iter().filter(|(place, _)| (place.x - at.x).abs() < 500);
        let near = near.fold(0, |teams, (_, team)| teams | 1 << team.0);
        let told = Call { teams: if call.sinks { u32::MAX } else { near }, ..*call };
        call.set_if_neq(told);
    }
}

fn refusal<const CASE: u8>() -> String {
    Simulation::<Sea<CASE>>::manifest().unwrap_err().to_string()
}

#[test]
fn what_a_game_says_by_types_stands_in_its_manifest_by_number() {
    let manifest = Simulation::<Sea<SOUND>>::manifest().unwrap();
    let interest = manifest.interest().unwrap();
    let reach = Reach::Radius(3_000);
    assert_eq!(interest.nearness, Some(Nearness { component: 2, axes: vec![0, 1], reach, margin: 200 }));
    assert_eq!(interest.side, Some(SideField { component: 3, field: 0 }));
    let rule = |component, rule| ComponentRule { component, rule };
    assert_eq!(interest.rules, [rule(3, Rule::TeamRows), rule(4, Rule::Audience { field: 1 }), rule(6, Rule::Always)]);
    let steps = manifest.layouts()[1].fields.iter().map(|field| (field.name.as_str(), field.scale, field.step));
    assert!(steps.eq([("x", 100, 5), ("y", 100, 10), ("height.0", 1, 1), ("height.1", 1, 1)]));
}

#[test]
fn a_game_that_says_nothing_has_no_hints() {
    assert_eq!(Simulation::<Sea<SILENT>>::manifest().unwrap().interest(), None);
}

#[test]
fn what_is_said_wrongly_has_no_manifest_and_is_named() {
    let cases = [
        (refusal::<TYPO_IN_AXIS>(), "Game::interest: Place has no field z: name one of x, y, height.0, height.1"),
        (refusal::<TYPO_IN_AUDIENCE>(), "Game::interest: Call has no field team: name one of sinks, teams"),
        (refusal::<UNREGISTERED>(), "Game::interest: Unregistered is not registered: add it in Game::register"),
        (refusal::<NO_AXES>(), "Game::interest: a place without axes"),
        (refusal::<WRONG_KIND>(), "Call.sinks, which is Bool"),
        (refusal::<TYPO_IN_SIDE>(), "Game::interest: Flag has no field value: name one of another component's"),
    ];
    for (found, expected) in cases {
        assert!(found.contains(expected), "{found}\nlacks {expected}");
    }
}

#[test]
fn hints_change_nothing_about_a_match() {
    let setup = || MatchSetup { match_id: 1, seed: 1, content: [].into() };
    let mut hinted = Simulation::<Sea<SOUND>>::open(setup(), 0).unwrap();
    let mut plain = Simulation::<Sea<SILENT>>::open(setup(), 0).unwrap();
    for tick in 1..200 {
        let command = Input::Command { player: 1, payload: (tick as i32 * 7 % 900).to_le_bytes().to_vec() };
        let inputs = if tick == 1 { vec![Input::Join { player: 1 }] } else { vec![command] };
        let (one, other) = (hinted.step(tick * 100, &inputs), plain.step(tick * 100, &inputs));
        assert_eq!(one, other);
        let exact = hinted.columns().field(EntityId(3), "Place", "x").unwrap();
        assert_eq!(exact, if tick == 1 { 10_000 } else { tick * 7 % 900 }, "steps are for those who are told");
    }
    assert_eq!(hinted.keyframe().encode(), plain.keyframe().encode());
}

#[test]
fn the_games_own_rule_writes_the_audience() {
    let setup = MatchSetup { match_id: 1, seed: 1, content: [].into() };
    let mut sea = Simulation::<Sea<SOUND>>::open(setup, 0).unwrap();
    let sail = |player, x: i32| Input::Command { player, payload: x.to_le_bytes().to_vec() };
    let ticks = [
        (vec![Input::Join { player: 1 }, Input::Join { player: 2 }], 0b00),
        (vec![sail(1, 100)], 0b10),
        (vec![sail(2, -100)], 0b11),
        (vec![sail(1, 900)], 0b01),
        (vec![sail(2, 900)], i64::from(u32::MAX)),
    ];
    for (tick, (inputs, teams)) in ticks.into_iter().enumerate() {
        sea.step(tick as i64 * 100, &inputs);
        assert_eq!(sea.columns().field(EntityId(2), "Call", "teams"), Some(teams), "tick {}", tick + 1);
    }
}
