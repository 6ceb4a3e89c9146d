//! A bot plays: it finds its enemy, aims where it will be, and keeps to its rate.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use arena::components::METRE;
use protocol::delta::Writer;
use protocol::manifest::{Field, FieldKind, Layout, Sync, Visibility};

use super::space::{Vector, apart};
use super::*;

/// The components of the arena that a bot reads.
fn manifest() -> Arc<Manifest> {
    use FieldKind::{Bool, Entity, I32, Player, U8, U16, U32, U64};
    let everyone: [(&str, &[(&str, FieldKind)]); 10] = [
        ("Kind", &[("kind", U8)]),
        ("Position", &[("x", I32), ("y", I32)]),
        ("Velocity", &[("x", I32), ("y", I32)]),
        ("Facing", &[("angle", U16)]),
        ("Health", &[("points", U16), ("max", U16)]),
        ("Seat", &[("player", Player), ("team", U8), ("avatar", Entity)]),
        ("Tally", &[("applied", U32)]),
        ("Shot", &[("by", Player)]),
        ("Pickup", &[("item", U8), ("back_at", U64)]),
        ("Score", &[("over", Bool)]),
    ];
    let loadout: (_, &[_]) = ("Loadout", &[("ammo", U16), ("reserve", U16), ("reloading", Bool), ("ready_at", U64)]);
    let layout = |number, (name, fields): (&str, &[(&str, FieldKind)]), visibility| {
        let fields = fields.iter().map(|(name, kind)| ((*name).to_owned(), *kind, 1));
        Layout::new(number, name, visibility, Sync::Plain, fields)
    };
    let mut layouts = vec![Layout::entity()];
    layouts.extend((1..).zip(everyone).map(|(number, component)| layout(number, component, Visibility::Everyone)));
    layouts.push(layout(11, loadout, Visibility::Owner));
    Arc::new(Manifest::new("arena", 1, 30_000, layouts, vec![], &[]).unwrap())
}

/// A match drawn by hand.
struct Ground {
    columns: Columns,
    rows: BTreeMap<&'static str, BTreeMap<u32, Vec<i64>>>,
}

const ME: PlayerId = PlayerId(1);
const AVATAR: u32 = 10;

impl Ground {
    /// Me in the middle, looking along the x axis.
    fn new() -> Self {
        let mut ground = Self { columns: Columns::new(manifest()), rows: BTreeMap::new() };
        ground.put(1, "Score", &[0]);
        ground.seat(2, ME.0, 0, AVATAR).avatar(AVATAR, (0, 0), (0, 0));
        ground.put(2, "Tally", &[42]).put(AVATAR, "Loadout", &[30, 90, 0, 0]);
        ground
    }

    fn put(&mut self, entity: u32, component: &'static str, fields: &[i64]) -> &mut Self {
        self.rows.entry("Entity").or_default().insert(entity, vec![0]);
        self.rows.entry(component).or_default().insert(entity, fields.to_vec());
        self
    }

    fn seat(&mut self, entity: u32, player: u32, team: i64, avatar: u32) -> &mut Self {
        self.put(entity, "Seat", &[player.into(), team, avatar.into()])
    }

    /// Lengths in metres.
    fn avatar(&mut self, entity: u32, place: (i64, i64), velocity: (i64, i64)) -> &mut Self {
        let metre = i64::from(METRE);
        self.put(entity, "Kind", &[1]).put(entity, "Health", &[100, 100]).put(entity, "Facing", &[0]);
        self.put(entity, "Position", &[place.0 * metre, place.1 * metre]);
        self.put(entity, "Velocity", &[velocity.0 * metre, velocity.1 * metre])
    }

    fn enemy(&mut self, number: u32, place: (i64, i64), velocity: (i64, i64)) -> &mut Self {
        self.seat(100 + number, 50 + number, 1, 200 + number).avatar(200 + number, place, velocity)
    }

    fn columns(&mut self) -> &Columns {
        let manifest = Arc::clone(self.columns.manifest());
        let mut writer = Writer::new();
        writer.begin(&mut self.columns, &[]);
        for (index, layout) in manifest.layouts().iter().enumerate() {
            let Some(rows) = self.rows.get(layout.name.as_str()) else { continue };
            let present: Vec<_> = rows.keys().zip(0..).map(|(entity, place)| (*entity, place)).collect();
            let bytes: Vec<u8> = rows.values().flat_map(|fields| row(layout, fields)).collect();
            writer.component(&mut self.columns, index, &present, &bytes, &[]);
        }
        &self.columns
    }
}

fn row(layout: &Layout, numbers: &[i64]) -> Vec<u8> {
    let bytes = |(field, number): (&Field, &i64)| number.to_le_bytes()[..field.kind.width()].to_vec();
    assert_eq!(layout.fields.len(), numbers.len(), "{}", layout.name);
    layout.fields.iter().zip(numbers).flat_map(bytes).collect()
}

fn bot(commands_per_second: f64, seed: u64) -> Bot {
    Bot::new(&manifest(), ME, commands_per_second, seed).unwrap()
}

/// What a bot of this seed says in 300 ticks, in which my avatar turns and walks as it wishes.
fn play(bot: &mut Bot, ground: &mut Ground, ticks: u64) -> Vec<Command> {
    let mut said = Vec::new();
    for tick in 1..=ticks {
        let commands = bot.think(ground.columns(), Tick(tick), 32).unwrap();
        for command in &commands {
            match *command {
                Command::Aim { angle } => ground.put(AVATAR, "Facing", &[angle.into()]),
                Command::Move { x, y } => ground.put(AVATAR, "Velocity", &[16 * i64::from(x), 16 * i64::from(y)]),
                _ => ground,
            };
        }
        let velocity = ground.rows["Velocity"][&AVATAR].clone();
        let place = ground.rows.get_mut("Position").unwrap().get_mut(&AVATAR).unwrap();
        place.iter_mut().zip(velocity).for_each(|(place, velocity)| *place += velocity / 30);
        said.extend(commands);
    }
    said
}

fn last_aim(commands: &[Command]) -> Option<u16> {
    let mut aims =
        commands.iter().filter_map(|command| if let Command::Aim { angle } = command { Some(*angle) } else { None });
    aims.next_back()
}

#[test]
fn equal_seeds_that_see_equal_matches_say_the_same() {
    let said = |seed| {
        let mut ground = Ground::new();
        ground.enemy(1, (15, 5), (-2, 3)).enemy(2, (-20, 8), (0, 0));
        play(&mut bot(15.0, seed), &mut ground, 300)
    };
    assert_eq!(said(7), said(7));
    assert_ne!(said(7), said(8), "other seeds make other bots");
}

#[test]
fn a_bot_aims_at_the_nearest_enemy_and_shoots_when_it_looks_there() {
    for degrees in (0..360).step_by(15) {
        let place = Vector::towards((degrees * 65_536 / 360) as u16) * 10.0;
        let mut ground = Ground::new();
        ground.enemy(1, (place.x.round() as i64, place.y.round() as i64), (0, 0));
        ground.enemy(2, (-place.x.round() as i64 * 2, -place.y.round() as i64 * 2), (0, 0));
        let wanted = Vector::new(place.x.round(), place.y.round()).angle();
        let mut bot = bot(300.0, degrees as u64);
        let first = bot.think(ground.columns(), Tick(1), 32).unwrap();
        let aim = last_aim(&first).unwrap();
        assert!(apart(aim, wanted) < 400, "{degrees} degrees: {aim} instead of {wanted}");
        ground.put(AVATAR, "Facing", &[aim.into()]);
        let second = bot.think(ground.columns(), Tick(2), 32).unwrap();
        assert!(
            second.contains(&Command::Fire { held: true }) || first.contains(&Command::Fire { held: true }),
            "{degrees} degrees: {second:?}"
        );
    }
}

#[test]
fn a_bot_aims_where_a_moving_enemy_will_be() {
    let mut ground = Ground::new();
    ground.enemy(1, (15, 0), (0, 6));
    // One of my own shots, 40 m/s, tells how fast they fly.
    ground.put(300, "Shot", &[ME.0.into()]).avatar(300, (3, 0), (40, 0));
    let aim = last_aim(&bot(300.0, 1).think(ground.columns(), Tick(1), 32).unwrap()).unwrap();
    let time = 15.0 / 40.0;
    let wanted = Vector::new(15.0, 6.0 * time).angle();
    assert!(apart(aim, wanted) < 500, "{aim} instead of {wanted}");
    assert!(apart(aim, 0) > 1_000, "it is not aimed at as it stands");
}

#[test]
fn a_bot_lets_go_of_the_trigger_when_nobody_is_left() {
    let mut ground = Ground::new();
    ground.enemy(1, (10, 0), (0, 0));
    let mut bot = bot(300.0, 1);
    let said: Vec<_> = (1..10).flat_map(|tick| bot.think(ground.columns(), Tick(tick), 32).unwrap()).collect();
    assert!(said.contains(&Command::Fire { held: true }));
    ground.seat(101, 51, 1, 0);
    let said: Vec<_> = (10..20).flat_map(|tick| bot.think(ground.columns(), Tick(tick), 32).unwrap()).collect();
    assert!(said.contains(&Command::Fire { held: false }));
}

#[test]
fn weapons_rest_when_the_round_is_over_or_the_magazine_is_empty() {
    let mut over = Ground::new();
    over.enemy(1, (10, 0), (0, 0)).put(1, "Score", &[1]);
    let mut empty = Ground::new();
    empty.enemy(1, (10, 0), (0, 0)).put(AVATAR, "Loadout", &[0, 90, 0, 0]);
    for (ground, wanted) in [(&mut over, None), (&mut empty, Some(Command::Reload))] {
        let mut bot = bot(300.0, 1);
        let said: Vec<_> = (1..60).flat_map(|tick| bot.think(ground.columns(), Tick(tick), 32).unwrap()).collect();
        assert!(!said.contains(&Command::Fire { held: true }));
        assert_eq!(said.iter().find(|command| **command == Command::Reload).copied(), wanted);
    }
}

#[test]
fn a_hurt_bot_goes_for_health() {
    let mut ground = Ground::new();
    ground.enemy(1, (10, 0), (0, 0)).put(AVATAR, "Health", &[20, 100]);
    ground.avatar(400, (0, -12), (0, 0)).put(400, "Pickup", &[1, 0]);
    let said = bot(300.0, 1).think(ground.columns(), Tick(1), 32).unwrap();
    assert!(said.contains(&Command::Move { x: 0, y: -127 }), "{said:?}");
}

#[test]
fn a_dead_bot_is_silent_and_a_new_body_is_told_everything_again() {
    let mut ground = Ground::new();
    ground.enemy(1, (10, 0), (0, 0));
    let mut bot = bot(300.0, 1);
    let first = bot.think(ground.columns(), Tick(1), 32).unwrap().len();
    ground.seat(2, ME.0, 0, 0);
    assert_eq!(bot.think(ground.columns(), Tick(2), 32).unwrap(), []);
    ground.seat(2, ME.0, 0, 11).avatar(11, (0, 0), (0, 0));
    assert!(first > 0 && bot.think(ground.columns(), Tick(3), 32).unwrap().len() >= first);
}

#[test]
fn a_bot_thinks_once_a_tick_and_keeps_to_its_rate_and_window() {
    let mut ground = Ground::new();
    ground.enemy(1, (15, 5), (-2, 3));
    let mut again = bot(300.0, 1);
    assert!(!again.think(ground.columns(), Tick(5), 32).unwrap().is_empty());
    assert_eq!(again.think(ground.columns(), Tick(5), 32).unwrap(), []);
    assert_eq!(again.think(ground.columns(), Tick(4), 32).unwrap(), []);
    assert_eq!(bot(300.0, 1).think(ground.columns(), Tick(1), 0).unwrap(), []);
    for rate in [2.0, 5.0, 15.0] {
        let said = play(&mut bot(rate, 3), &mut ground, 900).len() as f64;
        assert!(said <= 30.0 * rate + (rate / 5.0).max(1.0), "{rate} a second: {said} in 30 s");
    }
}

#[test]
fn the_tally_is_that_of_the_own_seat() {
    let mut ground = Ground::new();
    ground.enemy(1, (15, 5), (0, 0)).put(101, "Tally", &[7]);
    assert_eq!(bot(1.0, 1).tally(ground.columns()), Ok(Some(42)));
    let mut stranger = Bot::new(&manifest(), PlayerId(99), 1.0, 1).unwrap();
    assert_eq!(stranger.tally(ground.columns()), Ok(None));
    assert_eq!(stranger.think(ground.columns(), Tick(1), 32), Ok(vec![]));
}

#[test]
fn another_game_is_named() {
    let chess = Arc::new(Manifest::new("chess", 1, 0, vec![Layout::entity()], vec![], &[]).unwrap());
    let error = Bot::new(&chess, ME, 1.0, 1).unwrap_err();
    assert_eq!(error.to_string(), "the game chess has no Kind.kind; these bots play the arena alone");
}
