//! A corpus that this build plays as it was played is identical; a planted change of the rules is found where it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod played;

use std::fs;
use std::path::{Path, PathBuf};

use arena::Arena;
use arena::components::Health;
use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use ecs_state::{
    ContentError, Game, Identity, Inbox, Input, InvalidCommand, MatchRng, PlayerId, Registry, Replicated, StepContext,
    Ticking, spawn,
};
use replay::{RegressError, RegressReport, Regression, Value, regress};
use tempfile::{TempDir, tempdir};

/// What a player has picked.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 1)]
struct Basket {
    fruits: u32,
    picks: u32,
}

/// How ripe a tree is.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 2)]
struct Tree {
    fruits: u32,
    ripeness: u32,
}

#[derive(Resource, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 3)]
struct Season {
    days: u64,
}

#[derive(Resource, Clone)]
struct NoContent;

/// An orchard, whose rules are changed by `BUG`.
struct Orchard<const BUG: u8>;

const NO_BUG: u8 = 0;
/// The tenth pick of a player gives one more.
const GREEDY_PICK: u8 = 1;
/// Trees no longer shed.
const NO_SHED: u8 = 2;
/// Trees grow faster after a while.
const FAST_GROWTH: u8 = 3;
/// A rule has nothing to do with it: days are counted double in the end.
const LONG_DAYS: u8 = 4;
/// Joining players bring something along.
const RICH_JOIN: u8 = 5;
/// A rule panics.
const PANICS: u8 = 6;

const LATE: u64 = 1_100;

impl<const BUG: u8> Game for Orchard<BUG> {
    const NAME: &'static str = "orchard";
    const RULES_VERSION: u32 = 1 + BUG as u32;
    const COMMAND_SCHEMA: &'static [u8] = &[];
    const TICKING: Ticking = Ticking::Rate { millihertz: 10_000 };
    const REJECTIONS: &'static [(u8, &'static str)] = &[];

    type Command = ();
    type Content = NoContent;

    fn register(registry: &mut Registry) {
        registry.component::<Basket>().component::<Tree>().resource::<Season>();
    }

    fn systems() -> ScheduleConfigs<ScheduleSystem> {
        (grow::<BUG>, pick::<BUG>, shed::<BUG>, pass::<BUG>).chain()
    }

    fn decode_command(_: &[u8]) -> Result<(), InvalidCommand> {
        Ok(())
    }

    fn load_content(_: &[u8]) -> Result<NoContent, ContentError> {
        Ok(NoContent)
    }

    fn open(world: &mut World) {
        world.insert_resource(Season::default());
        for _ in 0..5 {
            spawn(world, PlayerId(0), Tree { fruits: 20, ripeness: 0 });
        }
    }

    fn join(world: &mut World, player: PlayerId) {
        let fruits = if BUG == RICH_JOIN && player.0 == 3 { 1 } else { 0 };
        spawn(world, player, Basket { fruits, picks: 0 });
    }

    fn leave(_: &mut World, _: PlayerId) {}
}

fn grow<const BUG: u8>(context: Res<'_, StepContext>, mut trees: Query<'_, '_, (&Identity, &mut Tree)>) {
    for (identity, mut tree) in &mut trees {
        // One tree at a time, so that trees are written in every tick.
        if u64::from(identity.id().0) % 5 == context.tick % 5 {
            tree.ripeness += if BUG == FAST_GROWTH && context.tick >= LATE { 2 } else { 1 };
        }
    }
}

fn pick<const BUG: u8>(
    mut inbox: ResMut<'_, Inbox<()>>,
    mut baskets: Query<'_, '_, (&Identity, &mut Basket)>,
    mut trees: Query<'_, '_, &mut Tree>,
) {
    for order in inbox.iter_mut() {
        let Some((_, mut basket)) = baskets.iter_mut().find(|(identity, _)| identity.owner == order.player) else {
            continue;
        };
        let Some(mut tree) = trees.iter_mut().find(|tree| tree.fruits > 0) else { continue };
        tree.fruits -= 1;
        basket.picks += 1;
        basket.fruits += if BUG == GREEDY_PICK && basket.picks == 10 { 2 } else { 1 };
    }
}

/// Every hundredth tick what is too ripe falls.
fn shed<const BUG: u8>(context: Res<'_, StepContext>, mut trees: Query<'_, '_, &mut Tree>) {
    if !context.tick.is_multiple_of(100) || BUG == NO_SHED {
        return;
    }
    for mut tree in &mut trees {
        tree.fruits += 3;
    }
}

fn pass<const BUG: u8>(context: Res<'_, StepContext>, mut season: ResMut<'_, Season>) {
    assert!(BUG != PANICS || context.tick != 555, "no day has this number");
    season.days += if BUG == LONG_DAYS && context.tick == LATE { 2 } else { 1 };
}

const TICKS: u64 = 1_250;

/// A match of three players who pick now and then.
fn orchard(seed: u64) -> Vec<u8> {
    played::file_of::<Orchard<NO_BUG>>(seed, b"", TICKS, |tick| {
        let mut inputs = Vec::new();
        if tick <= 3 {
            inputs.push(Input::Join { player: tick as u32 });
        }
        let mut rng = MatchRng::new(seed, tick, "picks");
        if rng.below(5) == 0 {
            inputs.push(Input::Command { player: 1 + rng.below(3), payload: vec![0] });
        }
        inputs
    })
}

/// The tick of the first tenth pick of anybody.
fn tenth_pick(file: &[u8]) -> u64 {
    let source = played::source_of::<Orchard<NO_BUG>>(file);
    let mut picks = [0; 4];
    for tick in 1..=TICKS {
        for input in &source.step_of(tick).unwrap().inputs {
            // Player 2 comes in tick 2.
            if let Input::Command { player, .. } = input
                && u64::from(*player) <= tick
            {
                picks[*player as usize] += 1;
            }
        }
        if picks.contains(&10) {
            return tick;
        }
    }
    panic!("nobody picks ten times");
}

fn corpus(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn check<G: Game>(folder: &Path, jobs: usize) -> RegressReport {
    let mut told = Vec::new();
    let report = regress::<G>(folder, jobs, |progress| told.push(progress)).unwrap();
    assert_eq!(told.last().map(|last| (last.matches_done, last.bytes_done)), Some((report.matches, told[0].bytes)));
    assert!(told.is_sorted_by_key(|progress| (progress.bytes_done, progress.matches_done)), "it goes on: {told:?}");
    assert_eq!(report.matches, report.identical + report.different.len() + report.unplayable.len());
    report
}

fn only<G: Game>(file: &[u8]) -> Regression {
    let folder = corpus(&[("a.wlm", file)]);
    let [one, two] = [1, 3].map(|jobs| check::<G>(folder.path(), jobs).different.remove(0));
    assert_eq!(one, two, "however many segments are played side by side");
    one
}

#[test]
fn the_same_rules_are_identical() {
    let files: Vec<_> = (0..5).map(orchard).collect();
    let names = ["a.wlm", "b.wlm", "c.wlm", "d.wlm", "e.wlm"];
    let named: Vec<_> = names.into_iter().zip(files.iter().map(Vec::as_slice)).collect();
    let folder = corpus(&named);
    for jobs in [1, 2, 7] {
        let report = check::<Orchard<NO_BUG>>(folder.path(), jobs);
        assert_eq!((report.matches, report.identical, report.ticks), (5, 5, 5 * TICKS));
    }
    let recorded = PathBuf::from("../assets/matches");
    let report = regress::<Arena>(&recorded, 2, |_| {}).unwrap();
    assert!(report.matches > 0 && report.identical == report.matches, "{report:?}");
}

#[test]
fn a_planted_change_of_the_rules_is_named_with_tick_system_and_component() {
    for seed in 20..24 {
        let file = orchard(seed);
        let found = |regression: &Regression| {
            (regression.tick, regression.system.clone().unwrap(), regression.component.clone().unwrap())
        };
        let is = |tick: u64, system: &str, component: &str| (tick, system.to_owned(), component.to_owned());
        let regression = only::<Orchard<GREEDY_PICK>>(&file);
        assert_eq!(found(&regression), is(tenth_pick(&file), "regress::pick", "Basket"), "{regression:?}");
        assert_eq!((regression.recorded_rules, regression.components.len()), (1, 1));
        let regression = only::<Orchard<LONG_DAYS>>(&file);
        assert_eq!(found(&regression), is(LATE, "regress::pass", "Season"), "{regression:?}");
        let regression = only::<Orchard<RICH_JOIN>>(&file);
        assert_eq!(found(&regression), is(3, "join", "Basket"), "{regression:?}");
        let regression = only::<Orchard<FAST_GROWTH>>(&file);
        assert_eq!(found(&regression), is(LATE, "regress::grow", "Tree"), "{regression:?}");
        let ([sure, others @ ..], [value]) = (&regression.suspects[..], &regression.values[..]) else {
            panic!("{regression:?}")
        };
        assert!(sure.is_certain && others.iter().any(|other| other.system == "regress::shed"), "{regression:?}");
        let ripeness = |value: &Option<Value>| if let Some(Value::Int(number)) = value { *number } else { panic!() };
        assert_eq!((value.field.as_str(), ripeness(&value.b) - ripeness(&value.a)), ("ripeness", 1));
    }
}

/// The arena with one more rule: at a tick the first body can take more.
struct Bent;

const BLEEDS: u64 = 777;

impl Game for Bent {
    const NAME: &'static str = Arena::NAME;
    const RULES_VERSION: u32 = Arena::RULES_VERSION + 1;
    const COMMAND_SCHEMA: &'static [u8] = Arena::COMMAND_SCHEMA;
    const TICKING: Ticking = Arena::TICKING;
    const REJECTIONS: &'static [(u8, &'static str)] = Arena::REJECTIONS;

    type Command = <Arena as Game>::Command;
    type Content = <Arena as Game>::Content;

    fn register(registry: &mut Registry) {
        Arena::register(registry);
    }

    fn systems() -> ScheduleConfigs<ScheduleSystem> {
        (Arena::systems(), bleed).chain()
    }

    fn decode_command(payload: &[u8]) -> Result<Self::Command, InvalidCommand> {
        Arena::decode_command(payload)
    }

    fn load_content(content: &[u8]) -> Result<Self::Content, ContentError> {
        Arena::load_content(content)
    }

    fn open(world: &mut World) {
        Arena::open(world);
    }

    fn join(world: &mut World, player: PlayerId) {
        Arena::join(world, player);
    }

    fn leave(world: &mut World, player: PlayerId) {
        Arena::leave(world, player);
    }
}

fn bleed(context: Res<'_, StepContext>, mut bodies: Query<'_, '_, (&Identity, &mut Health)>) {
    if context.tick == BLEEDS {
        let (_, mut health) = bodies.iter_mut().min_by_key(|(identity, _)| identity.id()).expect("somebody is there");
        health.max += 1;
    }
}

#[test]
fn a_rule_that_is_new_in_the_arena_is_named_over_recorded_matches() {
    let corpora = [played::arena(50, 8, 900), played::arena(51, 8, 900)];
    let folder = corpus(&[("a.wlm", &corpora[0]), ("b.wlm", &corpora[1])]);
    let report = check::<Bent>(folder.path(), 2);
    assert_eq!(report.different.len(), 2, "{report:?}");
    for regression in report.different {
        assert_eq!((regression.tick, regression.component.as_deref()), (BLEEDS, Some("Health")), "{regression:?}");
        assert_eq!(regression.system.as_deref(), Some("regress::bleed"), "{regression:?}");
        assert!(regression.suspects[0].is_certain, "{regression:?}");
    }
}

#[test]
fn a_rule_that_no_longer_does_something_is_among_those_who_may_have() {
    let regression = only::<Orchard<NO_SHED>>(&orchard(30));
    assert_eq!((regression.tick, regression.component.as_deref()), (100, Some("Tree")));
    assert!(!regression.suspects.is_empty(), "{regression:?}");
}

#[test]
fn a_rule_that_panics_is_a_difference() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let regression = only::<Orchard<PANICS>>(&orchard(31));
    std::panic::set_hook(report);
    assert_eq!(regression.tick, 555);
    assert!(regression.reason.unwrap().contains("no day has this number"));
}

#[test]
fn files_that_cannot_be_played_are_named_and_do_not_stop_the_others() {
    let whole = orchard(40);
    let arena = played::arena(1, 2, 60);
    let folder = corpus(&[
        ("a.wlm", &whole[..whole.len() / 2]),
        ("b.wlm", &whole),
        ("c.wlm", b"no match"),
        ("d.wlm", &arena),
        ("notes.txt", b"not looked at"),
    ]);
    let report = check::<Orchard<NO_BUG>>(folder.path(), 2);
    assert_eq!((report.matches, report.identical), (4, 1));
    for unplayable in &report.unplayable {
        assert!(unplayable.error.contains(unplayable.file.file_name().unwrap().to_str().unwrap()), "{unplayable:?}");
    }
    let empty = tempdir().unwrap();
    let error = regress::<Orchard<NO_BUG>>(empty.path(), 1, |_| {}).unwrap_err();
    assert!(matches!(error, RegressError::Empty { .. }), "{error}");
    let error = regress::<Orchard<NO_BUG>>(&empty.path().join("nothing"), 1, |_| {}).unwrap_err();
    assert!(matches!(error, RegressError::Folder { .. }), "{error}");
}
