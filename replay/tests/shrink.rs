//! What is left of a shrunk match is what it takes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod played;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use ecs_state::{
    ContentError, EntityId, Game, Inbox, Input, InvalidCommand, MatchRng, PlayerId, Registry, Replicated, Ticking,
};
use protocol::Columns;
use replay::{ShrinkError, Shrunk, Source, Symptom, shrink};
use snapshots::{MatchFileWriter, Origin, Step};

/// A door with two locks and a trap.
#[derive(Resource, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 1)]
struct Door {
    first_key: bool,
    /// The second key fits after the first.
    is_open: bool,
    knocks: u32,
    guests: u32,
}

#[derive(Resource, Clone)]
struct NoContent;

struct House;

const KNOCK: u8 = 0;
const FIRST: u8 = 1;
const SECOND: u8 = 2;
const TRAP: u8 = 3;

impl Game for House {
    const NAME: &'static str = "house";
    const RULES_VERSION: u32 = 1;
    const COMMAND_SCHEMA: &'static [u8] = &[];
    const TICKING: Ticking = Ticking::Rate { millihertz: 10_000 };
    const REJECTIONS: &'static [(u8, &'static str)] = &[];

    type Command = u8;
    type Content = NoContent;

    fn register(registry: &mut Registry) {
        registry.resource::<Door>();
    }

    fn systems() -> ScheduleConfigs<ScheduleSystem> {
        turn.into_configs()
    }

    fn decode_command(payload: &[u8]) -> Result<u8, InvalidCommand> {
        payload.first().copied().ok_or_else(|| InvalidCommand("empty".to_owned()))
    }

    fn load_content(_: &[u8]) -> Result<NoContent, ContentError> {
        Ok(NoContent)
    }

    fn open(world: &mut World) {
        world.insert_resource(Door::default());
    }

    fn join(world: &mut World, _: PlayerId) {
        world.resource_mut::<Door>().guests += 1;
    }

    fn leave(world: &mut World, _: PlayerId) {
        world.resource_mut::<Door>().guests -= 1;
    }
}

fn turn(mut inbox: ResMut<'_, Inbox<u8>>, mut door: ResMut<'_, Door>) {
    for order in inbox.iter_mut() {
        match order.command {
            // Nobody turns a key in an empty house.
            FIRST if door.guests > 0 => door.first_key = true,
            SECOND if door.first_key => door.is_open = true,
            TRAP if door.is_open => panic!("the floor gives way"),
            _ => door.knocks += 1,
        }
    }
}

fn house(seed: u64, planted: &[(u64, u8)]) -> Arc<Source> {
    played::source_of::<House>(&play(seed, planted).finish())
}

/// 500 commands over as many ticks, some of which are what is asked for.
fn play(seed: u64, planted: &[(u64, u8)]) -> MatchFileWriter {
    let takes_in = |tick| {
        let mut inputs = Vec::new();
        if [1, 3, 5].contains(&tick) {
            inputs.push(Input::Join { player: tick as u32 });
        }
        if tick == 200 {
            inputs.push(Input::Leave { player: 3 });
        }
        let planted = planted.iter().find(|(at, _)| *at == tick).map(|(_, command)| *command);
        let kind = planted.unwrap_or(KNOCK);
        let player = 1 + MatchRng::new(seed, tick, "who").below(5);
        inputs.push(Input::Command { player, payload: vec![kind, tick as u8] });
        inputs
    };
    played::write::<House>(seed, b"", 500, takes_in)
}

fn is_open(columns: &Columns) -> bool {
    columns.field(EntityId(1), "Door", "is_open") == Some(1)
}

fn check(source: &Arc<Source>, symptom: Symptom<'_>, jobs: usize) -> Result<Shrunk, ShrinkError> {
    shrink::<House>(source, symptom, jobs, &AtomicBool::new(false), |_| {})
}

const OPENS: Symptom<'static> = Symptom::Holds(&|seen| is_open(seen.now));

fn ticks(shrunk: &Shrunk) -> Vec<(u64, &str)> {
    shrunk.kept.iter().map(|input| (input.tick, input.text.as_str())).collect()
}

#[test]
fn two_commands_among_five_hundred_are_what_is_left() {
    for (seed, first, second) in [(1, 40, 460), (2, 7, 9), (3, 250, 499), (4, 101, 102)] {
        let source = house(seed, &[(first, FIRST), (second, SECOND)]);
        let shrunk = check(&source, OPENS, 2).unwrap();
        assert_eq!((shrunk.commands, shrunk.commands_before, shrunk.tick), (2, second as usize, second));
        assert!(shrunk.is_minimal && shrunk.tries < 200, "{shrunk:?}");
        let commands: Vec<_> =
            shrunk.kept.iter().filter(|input| input.text != "join").map(|input| input.tick).collect();
        assert_eq!(commands, [first, second]);
        assert_eq!(shrunk.kept.len(), 3, "one guest is enough, and it does not leave: {:?}", ticks(&shrunk));
        let alone = check(&source, OPENS, 1).unwrap();
        assert_eq!(shrunk.kept, alone.kept, "however many are played side by side");
    }
}

#[test]
fn what_is_left_is_a_match_that_shows_it_and_none_of_it_can_go() {
    let source = house(5, &[(40, FIRST), (300, FIRST), (310, SECOND), (311, SECOND)]);
    let shrunk = check(&source, OPENS, 2).unwrap();
    let small = played::source_of::<House>(&shrunk.file);
    let again = check(&small, OPENS, 2).unwrap();
    assert_eq!(again.kept, shrunk.kept);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.wlm");
    std::fs::write(&path, &shrunk.file).unwrap();
    assert_eq!(replay::verify::<House>(&path, |_, _| {}).unwrap().mismatches, 0);
    assert_eq!(small.last_tick(), shrunk.tick);
}

#[test]
fn a_panic_of_the_rules_is_reproduced_by_what_is_left() {
    let report = std::panic::take_hook();
    let planted = [(90, FIRST), (200, SECOND)];
    let whole = house(6, &planted);
    // What panics is never recorded whole: the last tick is put there by hand.
    let mut writer = play(6, &planted);
    let inputs = vec![Input::Command { player: 1, payload: vec![TRAP] }];
    let origins = vec![Origin { session: 1, seq: 900, position: 900_000 }];
    writer.step(Step { time_ms: 20_000, inputs, origins, hash: 0, columns: Vec::new() });
    let panics = played::source_of::<House>(&writer.finish());
    std::panic::set_hook(Box::new(|_| {}));
    let shrunk = check(&panics, Symptom::Panic, 2);
    let nothing = check(&whole, Symptom::Panic, 2);
    std::panic::set_hook(report);
    let shrunk = shrunk.unwrap();
    assert_eq!(shrunk.panic.as_deref(), Some("the floor gives way"));
    assert_eq!((shrunk.commands, shrunk.tick), (3, 501), "{:?}", ticks(&shrunk));
    assert_eq!(played::source_of::<House>(&shrunk.file).last_tick(), 501);
    assert!(matches!(nothing, Err(ShrinkError::DoesNotShow { first: 0, last: 500 })));
}

#[test]
fn what_needs_no_command_or_never_shows_is_said() {
    let source = house(7, &[]);
    assert!(matches!(check(&source, OPENS, 2), Err(ShrinkError::DoesNotShow { first: 0, last: 500 })));
    let always = Symptom::Holds(&|_| true);
    assert!(matches!(check(&source, always, 2), Err(ShrinkError::HoldsAtOnce { tick: 0 })));
    let late = Symptom::Holds(&|seen| seen.tick == 400);
    let shrunk = check(&source, late, 2).unwrap();
    assert_eq!((shrunk.commands, shrunk.kept.len(), shrunk.tick), (0, 0, 400));
}

#[test]
fn a_search_that_is_stopped_gives_the_best_so_far() {
    let source = house(8, &[(100, FIRST), (400, SECOND)]);
    let stop = AtomicBool::new(false);
    let shrunk = shrink::<House>(&source, OPENS, 1, &stop, |so_far| {
        stop.store(so_far.inputs < 200, Ordering::Relaxed);
    });
    let shrunk = shrunk.unwrap();
    assert!(!shrunk.is_minimal && (3..200).contains(&shrunk.kept.len()), "{}", shrunk.kept.len());
    let small = played::source_of::<House>(&shrunk.file);
    assert!(check(&small, OPENS, 2).is_ok(), "it still shows");
}
