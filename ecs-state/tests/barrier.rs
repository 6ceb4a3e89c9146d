//! What the keyframe barrier keeps, what it loses, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![expect(clippy::disallowed_methods, reason = "mistakes made on purpose, and a process started with an environment")]

mod brawl;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bevy_ecs::lifecycle::HookContext;
use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use bevy_ecs::world::DeferredWorld;
use brawl::plant::Hazard;
use brawl::script::Script;
use brawl::{Quick, setup};
use ecs_state::{
    ContentError, EntityId, EntityIndex, Game, Inbox, Input, InvalidCommand, Keyframe, KeyframeError, MatchSetup,
    PlayerId, Registry, Replicated, Simulation, Ticking, despawn, spawn,
};
use proptest::prelude::*;

/// What the game below is told to do, by one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Deed {
    Spawn,
    SpawnAndDespawn,
    AddUnknownComponent,
    AddUnknownResource,
    ChangeUnseen,
    WriteNan,
    AddTransient,
    AddHooked,
    DespawnMatch,
    RemoveScore,
    AddUnnumbered,
}

const DEEDS: [Deed; 11] = [
    Deed::Spawn,
    Deed::SpawnAndDespawn,
    Deed::AddUnknownComponent,
    Deed::AddUnknownResource,
    Deed::ChangeUnseen,
    Deed::WriteNan,
    Deed::AddTransient,
    Deed::AddHooked,
    Deed::DespawnMatch,
    Deed::RemoveScore,
    Deed::AddUnnumbered,
];

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq)]
#[replicated(number = 1)]
struct Heat(f32);

/// Counts itself in the score whenever it is inserted: also when a world is rebuilt.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 2)]
#[component(on_insert = count_hooked)]
struct Hooked;

#[derive(Resource, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 3, visibility = "server")]
struct Score {
    points: u32,
    sparks: u32,
}

#[derive(Component)]
struct Spark;

#[derive(Component)]
struct Unknown;

#[derive(Resource)]
struct UnknownResource;

#[derive(Resource, Clone)]
struct Nothing;

fn count_hooked(mut world: DeferredWorld<'_>, _: HookContext) {
    if let Some(mut score) = world.get_resource_mut::<Score>() {
        score.points += 1;
    }
}

fn obey(world: &mut World) {
    let deeds: Vec<_> = world.resource_mut::<Inbox<Deed>>().iter_mut().map(|order| order.command).collect();
    let heated = world.resource::<EntityIndex>().get(EntityId(2)).expect("it opens with the match");
    for deed in deeds {
        match deed {
            Deed::Spawn => _ = spawn(world, PlayerId(0), Heat(1.0)),
            Deed::SpawnAndDespawn => {
                let id = spawn(world, PlayerId(0), Heat(1.0));
                assert!(despawn(world, id));
            }
            Deed::AddUnknownComponent => _ = world.entity_mut(heated).insert(Unknown),
            Deed::AddUnknownResource => world.insert_resource(UnknownResource),
            Deed::ChangeUnseen => {
                world.get_mut::<Heat>(heated).expect("it has heat").bypass_change_detection().0 = 7.0;
            }
            Deed::WriteNan => world.get_mut::<Heat>(heated).expect("it has heat").0 = f32::NAN,
            Deed::AddTransient => _ = world.entity_mut(heated).insert(Spark),
            Deed::AddHooked => _ = world.entity_mut(heated).insert(Hooked),
            Deed::DespawnMatch => _ = despawn(world, EntityId(1)),
            Deed::RemoveScore => _ = world.remove_resource::<Score>(),
            Deed::AddUnnumbered => _ = world.spawn(Heat(3.0)),
        }
    }
}

/// Counts what is transient into what is state.
fn count_sparks(sparks: Query<'_, '_, &Spark>, score: Option<ResMut<'_, Score>>) {
    if let Some(mut score) = score {
        score.sparks = sparks.iter().count() as u32;
    }
}

fn heat_up(mut heats: Query<'_, '_, &mut Heat>) {
    heats.iter_mut().for_each(|mut heat| heat.0 += 1.0);
}

fn heat_twice(mut heats: Query<'_, '_, &mut Heat>) {
    heats.iter_mut().for_each(|mut heat| heat.0 *= 2.0);
}

/// A game of one heated entity. `ORDERED` is as it should be.
struct Stove<const ORDERED: bool>;

type Ordered = Stove<true>;

impl<const ORDERED: bool> Game for Stove<ORDERED> {
    const NAME: &'static str = "stove";
    const RULES_VERSION: u32 = 1;
    const COMMAND_SCHEMA: &'static [u8] = &[];
    const TICKING: Ticking = Ticking::Rate { millihertz: 400 };
    const REJECTIONS: &'static [(u8, &'static str)] = &[];
    type Command = Deed;
    type Content = Nothing;

    fn register(registry: &mut Registry) {
        registry.component::<Heat>().component::<Hooked>().resource::<Score>().transient::<Spark>();
    }

    fn systems() -> ScheduleConfigs<ScheduleSystem> {
        if ORDERED { (obey, count_sparks).chain() } else { (heat_up, heat_twice).into_configs() }
    }

    fn decode_command(payload: &[u8]) -> Result<Deed, InvalidCommand> {
        let deed = payload.first().and_then(|byte| DEEDS.get(usize::from(*byte)));
        deed.copied().ok_or_else(|| InvalidCommand("one byte".to_owned()))
    }

    fn load_content(_: &[u8]) -> Result<Nothing, ContentError> {
        Ok(Nothing)
    }

    fn open(world: &mut World) {
        world.insert_resource(Score::default());
        spawn(world, PlayerId(0), Heat(1.0));
    }

    fn join(_: &mut World, _: PlayerId) {}

    fn leave(_: &mut World, _: PlayerId) {}
}

const BARRIER: u64 = 4;

fn open() -> Simulation<Ordered> {
    assert_eq!(Simulation::<Ordered>::barrier_ticks(), BARRIER);
    Simulation::open(stove_setup(), 0).unwrap()
}

fn stove_setup() -> MatchSetup {
    MatchSetup { match_id: 0, seed: 1, content: Arc::new([]) }
}

fn command(deed: Deed) -> Input {
    Input::Command { player: 1, payload: vec![deed as u8] }
}

fn step_to_barrier(simulation: &mut Simulation<Ordered>) {
    while !simulation.step(0, &[]).is_barrier {}
}

/// The words with which the process would stop.
fn panic_of(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it must not go on");
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// The words with which a deed ends the process, at once or at the barrier.
fn panic_at_once(deed: Deed) -> String {
    let mut simulation = open();
    panic_of(move || _ = simulation.step(0, &[command(deed)]))
}

fn panic_at_the_barrier(deed: Deed) -> String {
    let mut simulation = open();
    simulation.step(0, &[command(deed)]);
    panic_of(move || step_to_barrier(&mut simulation))
}

#[test]
fn state_that_no_keyframe_holds_is_named_at_once() {
    let words = panic_at_once(Deed::AddUnknownComponent);
    assert!(words.contains("barrier::Unknown is in the world but neither registered nor transient"), "{words}");
    let words = panic_at_once(Deed::AddUnknownResource);
    assert!(words.contains("barrier::UnknownResource is in the world"), "{words}");
}

#[test]
fn a_change_behind_change_detections_back_is_found_at_the_barrier() {
    let words = panic_at_the_barrier(Deed::ChangeUnseen);
    assert!(words.contains("Heat of entity 2 differs between the world and its columns"), "{words}");
}

#[test]
fn a_resource_that_is_gone_is_found_at_the_barrier() {
    let words = panic_at_the_barrier(Deed::RemoveScore);
    assert!(words.contains("Score: the world has 0 rows, its columns 1"), "{words}");
}

#[test]
fn a_hook_that_changes_state_as_a_world_is_rebuilt_is_found() {
    let words = panic_at_the_barrier(Deed::AddHooked);
    assert!(words.contains("Score of entity 1 differs") && words.contains("after a rebuild"), "{words}");
}

#[test]
fn nan_is_refused() {
    let words = panic_at_once(Deed::WriteNan);
    assert!(words.contains("a replicated f32 is NaN"), "{words}");
}

#[test]
fn the_entity_that_carries_the_resources_stays() {
    let words = panic_at_once(Deed::DespawnMatch);
    assert!(words.contains("entity 1 carries the match's resources"), "{words}");
}

#[test]
fn systems_whose_order_is_open_are_refused() {
    let mut simulation = Simulation::<Stove<false>>::open(stove_setup(), 0).unwrap();
    let words = panic_of(move || _ = simulation.step(0, &[]));
    assert!(words.to_lowercase().contains("ambigu"), "{words}");
}

#[test]
fn what_is_transient_is_gone_after_a_barrier_and_not_before() {
    let mut simulation = open();
    let mut sparks = vec![];
    for tick in 1..=2 * BARRIER {
        let inputs = if tick == 1 { vec![command(Deed::AddTransient)] } else { vec![] };
        simulation.step(0, &inputs);
        sparks.push(simulation.columns().field(EntityId(1), "Score", "sparks").unwrap());
    }
    assert_eq!(sparks, [1, 1, 1, 1, 0, 0, 0, 0]);
}

#[test]
fn an_entity_without_a_number_is_no_state_and_gone_after_a_barrier() {
    let mut simulation = open();
    let before = simulation.step(0, &[]).hash();
    assert_eq!(simulation.step(0, &[command(Deed::AddUnnumbered)]).hash(), before);
    step_to_barrier(&mut simulation);
    assert_eq!(simulation.columns().entity_count(), 2);
}

#[test]
fn numbers_of_entities_go_on_after_a_restore_and_are_never_given_twice() {
    let mut lived = open();
    lived.step(0, &[command(Deed::Spawn), command(Deed::SpawnAndDespawn), command(Deed::SpawnAndDespawn)]);
    step_to_barrier(&mut lived);
    let mut restored = Simulation::<Ordered>::restore(stove_setup(), Arc::clone(lived.keyframe())).unwrap();
    for simulation in [&mut lived, &mut restored] {
        simulation.step(0, &[command(Deed::Spawn)]);
        let newest = simulation.columns().column(0).iter().last().unwrap().0;
        assert_eq!(newest, EntityId(6), "3 lives, 4 and 5 were");
    }
    assert_eq!(lived.columns(), restored.columns());
}

#[test]
fn matches_reach_their_barriers_at_different_ticks() {
    for match_id in 0..2 * BARRIER {
        let mut simulation = Simulation::<Ordered>::open(MatchSetup { match_id, ..stove_setup() }, 0).unwrap();
        step_to_barrier(&mut simulation);
        assert_eq!(simulation.tick() % BARRIER, (BARRIER - match_id % BARRIER) % BARRIER);
        assert_eq!(simulation.keyframe().tick, simulation.tick());
    }
}

// ---- damage ---------------------------------------------------------------------------------

fn keyframe_of_a_brawl() -> Vec<u8> {
    let script = Script::new(5, 40);
    let mut simulation = Simulation::<Quick>::open(setup(5, Hazard::None), 0).unwrap();
    (1..=40).for_each(|tick| _ = simulation.step(script.at(tick).0, script.at(tick).1));
    simulation.keyframe().encode()
}

fn restore(bytes: &[u8]) -> Result<Simulation<Quick>, KeyframeError> {
    Simulation::restore(setup(5, Hazard::None), Arc::new(Keyframe::decode(bytes)?))
}

/// The bytes with a checksum that fits them, as a careful forger would write them.
fn sealed(body: &[u8]) -> Vec<u8> {
    [body, &xxhash_rust::xxh3::xxh3_64(body).to_le_bytes()].concat()
}

fn body(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() - 8]
}

#[test]
fn a_keyframe_with_any_flipped_bit_is_refused() {
    let whole = keyframe_of_a_brawl();
    assert_eq!(restore(&whole).unwrap().keyframe().encode(), whole);
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(restore(&bytes), Err(KeyframeError::Checksum { .. })), "bit {bit}");
    }
}

#[test]
fn a_keyframe_cut_anywhere_is_refused() {
    let whole = keyframe_of_a_brawl();
    for length in 0..whole.len() {
        assert!(restore(&whole[..length]).is_err(), "{length} bytes");
        assert!(restore(&sealed(&body(&whole)[..length.min(whole.len() - 9)])).is_err(), "{length} bytes, sealed");
    }
    let longer = sealed(&[body(&whole), &[0]].concat());
    assert!(matches!(restore(&longer), Err(KeyframeError::Encoding(_))));
}

/// With a checksum that fits, the rows are still covered by the hash; what a flip may change is the tick,
/// the time and the next number, and a world restored from those is a world.
#[test]
fn a_sealed_keyframe_with_any_flipped_bit_is_refused_or_has_the_same_rows() {
    let whole = keyframe_of_a_brawl();
    let rows = restore(&whole).unwrap().columns().clone();
    let mut kept = 0;
    for bit in 0..body(&whole).len() * 8 {
        let mut bytes = body(&whole).to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(simulation) = restore(&sealed(&bytes)) {
            assert_eq!(*simulation.columns(), rows, "bit {bit}");
            kept += 1;
        }
    }
    assert!(kept <= 8 * 8, "{kept} flips went unseen, more than tick, time and number have bits");
}

#[test]
fn a_keyframe_whose_next_number_is_taken_is_refused() {
    let whole = keyframe_of_a_brawl();
    let (tick, time_ms, _, sums, columns): (u64, i64, u32, [u64; 3], [Vec<u8>; 3]) =
        postcard::from_bytes(body(&whole)).unwrap();
    let forged = postcard::to_stdvec(&(tick, time_ms, 2u32, sums, columns)).unwrap();
    let error = restore(&sealed(&forged)).err().unwrap();
    assert!(matches!(error, KeyframeError::NoWorld { .. }), "{error}");
}

#[test]
fn a_keyframe_of_another_game_is_refused() {
    let foreign = open().keyframe().encode();
    assert!(matches!(restore(&foreign), Err(KeyframeError::Columns { .. } | KeyframeError::Hash { .. })));
    let unknown = MatchSetup { content: Arc::new(*b"no such content"), ..setup(5, Hazard::None) };
    let keyframe = Arc::new(Keyframe::decode(&keyframe_of_a_brawl()).unwrap());
    assert!(matches!(Simulation::<Quick>::restore(unknown, keyframe), Err(KeyframeError::Content(_))));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_keyframe(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(restore(&bytes).is_err());
        prop_assert!(restore(&sealed(&bytes)).is_err());
    }
}

// ---- the cure -------------------------------------------------------------------------------

/// A world restored from what another holds *without* that other one passing a barrier: the control that shows
/// that this game needs barriers, and that the comparison sees when they are missing.
#[test]
fn without_the_barrier_a_restored_world_goes_another_way() {
    let differing = (1..=20).filter(|seed| {
        let script = Script::new(*seed, 200);
        let setup = setup(*seed, Hazard::None);
        let mut lived = Simulation::<Quick>::open(setup.clone(), 0).unwrap();
        // The last tick before a barrier: the next one is as far away as it can be.
        while !lived.step(script.at(lived.tick() + 1).0, script.at(lived.tick() + 1).1).is_barrier || lived.tick() < 100
        {
        }
        for _ in 0..5 {
            lived.step(script.at(lived.tick() + 1).0, script.at(lived.tick() + 1).1);
        }
        let next_entity = lived.columns().field(EntityId(1), "Newest", "id").unwrap() as u32 + 1;
        let columns = lived.columns();
        let classes = [0, 1, 2].map(|class| {
            let class = [
                protocol::manifest::Visibility::Everyone,
                protocol::manifest::Visibility::Owner,
                protocol::manifest::Visibility::Server,
            ][class];
            protocol::delta::encode_full(columns, class, |_| true)
        });
        let written = (lived.tick(), lived.time_ms(), next_entity, columns.sums(), classes);
        let keyframe = Keyframe::decode(&sealed(&postcard::to_stdvec(&written).unwrap())).unwrap();
        let mut restored = Simulation::<Quick>::restore(setup, Arc::new(keyframe)).unwrap();
        assert_eq!(*restored.columns(), *lived.columns());
        (0..8).any(|_| {
            let (time_ms, inputs) = script.at(lived.tick() + 1);
            lived.step(time_ms, inputs) != restored.step(time_ms, inputs)
        })
    });
    assert_eq!(differing.count(), 20);
}

/// The other process: prints the hash of a fixed run when it is asked to.
const ASKED: &str = "WORLDLOG_TEST_PRINT_HASH";

fn hash_of_a_run() -> String {
    let script = Script::new(77, 300);
    let mut simulation = Simulation::<Quick>::open(setup(77, Hazard::None), 0).unwrap();
    let hashes = (1..=300).map(|tick| simulation.step(script.at(tick).0, script.at(tick).1).hash());
    let folded = hashes.fold(0u64, |fold, hash| fold.rotate_left(5) ^ hash);
    format!("hash={folded:016x}")
}

#[test]
fn another_process_with_another_environment_computes_the_same() {
    if std::env::var_os(ASKED).is_some() {
        println!("{}", hash_of_a_run());
        return;
    }
    let name = "another_process_with_another_environment_computes_the_same";
    for (language, zone, threads, padding) in [("C", "UTC", "1", 0), ("tr_TR.UTF-8", "Asia/Kathmandu", "7", 30_000)] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture", "--test-threads", threads])
            .env_clear()
            .envs([(ASKED, "1"), ("LANG", language), ("LC_ALL", language), ("TZ", zone), ("RUST_MIN_STACK", "9000000")])
            .env("PADDING", "x".repeat(padding))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&hash_of_a_run()), "{text}");
    }
}
