//! Of a write whose cause the test knows, because it made it, the answer names exactly that command.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod arena_match;

use std::sync::Arc;

use arena::{Arena, Command};
use arena_match::{Recording, any};
use ecs_state::MatchRng;
use ecs_state::match_math::angle_of;
use protocol::EntityId;
use replay::{FieldPath, Source, Value, Why, WhyOptions, WriterKind, why};

const BALANCE: &str = include_str!("../../assets/arena/balance.toml");

/// Players 1 and 2 have the upper hall with 5, who never shoots; 3 and 4 the lower one. From one to the other it is a
/// longer way than any of these matches lasts.
const ROWS: [&str; 9] = [
    "##############################",
    "#..............###############",
    "#..1C.......2................#",
    "#..............#############.#",
    "############################.#",
    "#..............#############.#",
    "#..3.......4.................#",
    "#..............###############",
    "##############################",
];

const FIRE: Command = Command::Fire { held: true };
const RELEASE: Command = Command::Fire { held: false };

fn content(population: u32) -> Vec<u8> {
    let rows: Vec<_> = ROWS.iter().map(|row| format!("{row:?}")).collect();
    let map = format!(
        "population = {population}\n[map]\nname = \"halls\"\nteams = 4\ntile_cm = 200\nrows = [{}]\n",
        rows.join(", ")
    );
    let exact =
        BALANCE.replace("spread_degrees = 2", "spread_degrees = 0").replace("spawn_shield = 25", "spawn_shield = 0");
    arena::content(&map, &exact)
}

/// A match in which players 3, 4 and 5 do what they like and cannot matter to 1 and 2.
struct Duel {
    recording: Recording,
    rng: MatchRng,
}

impl Duel {
    fn new(seed: u64) -> Self {
        let mut duel = Self { recording: Recording::new(seed, &content(0)), rng: MatchRng::new(seed, 0, "duel") };
        (1..=5).for_each(|player| duel.recording.join(player));
        duel.wait(20);
        duel
    }

    /// Up to `most` ticks, and one at least.
    fn wait(&mut self, most: u32) {
        for _ in 0..=self.rng.below(most) {
            self.step();
        }
    }

    fn step(&mut self) {
        if self.recording.tick() > 0 {
            for player in 3..=5 {
                let command = any(&mut self.rng);
                let shoots = matches!(command, Command::Fire { .. } | Command::Use);
                if self.rng.below(2) == 0 && !(player == 5 && shoots) {
                    self.recording.order(player, command);
                }
            }
        }
        self.recording.step();
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Recording) -> bool) {
        for _ in 0..600 {
            if holds(&self.recording) {
                return;
            }
            self.step();
        }
        panic!("20 seconds have passed and it does not hold: {what}");
    }

    fn order(&mut self, player: u32, command: Command) -> u64 {
        self.recording.order(player, command)
    }

    /// Something that changes where player 1 or 2 looks and nothing else.
    fn look_around(&mut self, player: u32) {
        let angle = self.rng.bits() as u16;
        self.order(player, Command::Aim { angle });
    }

    fn aim(&mut self, player: u32, other: u32) {
        let place = |player, axis| {
            let body = self.recording.body(player);
            self.recording.field(body, "Position", axis).unwrap() as i32
        };
        let [x, y] = ["x", "y"].map(|axis| place(other, axis) - place(player, axis));
        self.order(player, Command::Aim { angle: angle_of(x, y) });
    }

    fn seat(&self, player: u32) -> u32 {
        let columns = self.recording.columns();
        let (seats, _) = columns.manifest().layout_of("Seat").unwrap();
        let mut rows = columns.column(seats).iter();
        rows.find(|(seat, _)| columns.owner(*seat) == Some(player)).unwrap().0.0
    }

    fn asked(self, kind: &'static str, field: String, player: u32, seq: u64) -> Asked {
        let tick = self.recording.tick();
        Asked { kind, source: self.recording.finish(), tick, field, player, seq }
    }
}

/// A question, and what the test knows of the answer.
struct Asked {
    kind: &'static str,
    source: Arc<Source>,
    tick: u64,
    field: String,
    player: u32,
    seq: u64,
}

fn ask(source: &Arc<Source>, tick: u64, field: &str, depth: usize) -> Why {
    let path = FieldPath::parse(field, source.manifest()).unwrap();
    why::<Arena>(source, tick, &path, WhyOptions { depth, ..WhyOptions::default() }, |_| {}).unwrap()
}

/// One shot that hits; the shooter looks elsewhere since, and who is hit walks into it.
fn hit(seed: u64) -> Asked {
    let mut duel = Duel::new(seed);
    duel.aim(1, 2);
    let shot = duel.order(1, FIRE);
    duel.step();
    duel.order(1, RELEASE);
    let walks = duel.rng.below(2) == 0;
    if walks {
        let x = [-127, 127][duel.rng.below(2) as usize];
        duel.order(2, Command::Move { x, y: 0 });
    }
    duel.step();
    let body = duel.recording.body(2);
    duel.look_around(1);
    duel.until("player 2 is hit", |recording| recording.field(body, "Health", "points") < Some(100));
    if duel.rng.below(2) == 0 {
        duel.look_around(2);
        duel.wait(10);
    }
    duel.asked("hit", format!("{body}.Health.points"), 1, shot)
}

/// A trigger that is held until the other is dead.
fn kill(seed: u64) -> Asked {
    let mut duel = Duel::new(seed);
    duel.aim(1, 2);
    duel.step();
    let body = duel.recording.body(2);
    let shot = duel.order(1, FIRE);
    let seats = [duel.seat(1), duel.seat(2)];
    for _ in 0..20 {
        duel.order(1, Command::Move { x: 0, y: 0 });
        duel.look_around(2);
        duel.step();
    }
    duel.until("player 2 is dead", |recording| recording.field(seats[1], "Seat", "avatar") == Some(0));
    let field = match duel.rng.below(4) {
        0 => format!("{}.Seat.kills", seats[0]),
        1 => format!("{}.Seat.deaths", seats[1]),
        2 => "1.Score.teams.0".to_owned(),
        _ => format!("{body}.Health.points"),
    };
    duel.wait(5);
    duel.asked("kill", field, 1, shot)
}

/// A walk, or another direction of it.
fn walk(seed: u64) -> Asked {
    let mut duel = Duel::new(seed);
    let mut last = duel.order(1, Command::Move { x: 127, y: 0 });
    duel.wait(10);
    if duel.rng.below(2) == 0 {
        let x = duel.rng.between(20, 90) as i8;
        last = duel.order(1, Command::Move { x, y: 0 });
        duel.wait(10);
    }
    duel.look_around(1);
    duel.wait(5);
    let field = ["Position.x", "Velocity.x"][usize::from(duel.rng.below(4) == 0)];
    let body = duel.recording.body(1);
    duel.asked("walk", format!("{body}.{field}"), 1, last)
}

/// The same wish in each tick: the first one set it going.
fn repeated(seed: u64) -> Asked {
    let mut duel = Duel::new(seed);
    let first = duel.order(1, Command::Move { x: 127, y: 0 });
    for _ in 0..3 + duel.rng.below(6) {
        duel.step();
        duel.order(1, Command::Move { x: 127, y: 0 });
    }
    duel.step();
    let body = duel.recording.body(1);
    duel.asked("repeated", format!("{body}.Position.x"), 1, first)
}

/// A magazine that is filled when its time has come.
fn reload(seed: u64) -> Asked {
    let mut duel = Duel::new(seed);
    duel.order(1, Command::Aim { angle: 16_384 });
    duel.order(1, FIRE);
    duel.wait(30);
    duel.order(1, RELEASE);
    duel.wait(30);
    duel.until("the weapon is ready", |_| true);
    let body = duel.recording.body(1);
    for _ in 0..10 {
        duel.step();
    }
    let reload = duel.order(1, Command::Reload);
    duel.step();
    if duel.rng.below(3) == 0 {
        return duel.asked("reload", format!("{body}.Loadout.reloading"), 1, reload);
    }
    duel.until("the magazine is full", |recording| recording.field(body, "Loadout", "ammo") == Some(24));
    let field = ["ammo", "reserve"][duel.rng.below(2) as usize];
    duel.asked("reload", format!("{body}.Loadout.{field}"), 1, reload)
}

fn turn(seed: u64) -> Asked {
    let mut duel = Duel::new(seed);
    duel.look_around(2);
    duel.step();
    let aim = duel.order(2, Command::Aim { angle: 12_345 });
    duel.step();
    duel.order(2, Command::Reload);
    duel.wait(40);
    let body = duel.recording.body(2);
    duel.asked("turn", format!("{body}.Facing.angle"), 2, aim)
}

/// A weapon that is taken as soon as it is in reach.
fn take(seed: u64) -> Asked {
    let mut duel = Duel::new(seed);
    duel.order(1, Command::Move { x: 127, y: 0 });
    let body = duel.recording.body(1);
    let mut last = 0;
    while duel.recording.field(body, "Loadout", "weapon") != Some(2) {
        last = duel.order(1, Command::Use);
        duel.step();
        assert!(last < 60, "the weapon lies on the way");
    }
    let columns = duel.recording.columns();
    let (pickups, _) = columns.manifest().layout_of("Pickup").unwrap();
    let pickup = columns.column(pickups).iter().next().unwrap().0;
    let field =
        if duel.rng.below(2) == 0 { format!("{body}.Loadout.weapon") } else { format!("{}.Pickup.back_at", pickup.0) };
    duel.wait(20);
    duel.asked("take", field, 1, last)
}

/// A shot in flight, which nobody commands any more.
fn flight(seed: u64) -> Asked {
    let mut duel = Duel::new(seed);
    duel.order(1, Command::Aim { angle: 0 });
    duel.step();
    let fire = duel.order(1, FIRE);
    duel.step();
    duel.order(1, RELEASE);
    for _ in 0..2 + duel.rng.below(6) {
        duel.look_around(1);
        duel.step();
    }
    let columns = duel.recording.columns();
    let (shots, _) = columns.manifest().layout_of("Shot").unwrap();
    let is_ours = |id: &EntityId| columns.field(*id, "Shot", "by") == Some(1);
    let shot = columns.column(shots).iter().map(|(id, _)| id).find(is_ours).unwrap();
    duel.asked("flight", format!("{}.Position.x", shot.0), 1, fire)
}

#[test]
fn each_of_a_hundred_questions_is_answered_with_the_command_that_did_it() {
    let kinds = [hit, kill, walk, reload, turn, take, flight, repeated, hit, kill];
    for seed in 0..100 {
        let Asked { kind, source, tick, field, player, seq } = kinds[seed as usize % kinds.len()](seed);
        let answer = ask(&source, tick, &field, 1);
        let writer = answer.writers.first().unwrap_or_else(|| panic!("seed {seed}, {kind}: nothing wrote {field}"));
        let command = writer.command.as_ref().map(|command| (command.player, command.seq));
        assert_eq!(command, Some((player, Some(seq))), "seed {seed}, {kind}, tick {tick}: {answer:#?}");
        let command = writer.command.as_ref().unwrap();
        assert!(command.alone && command.tick <= writer.tick && writer.tick <= tick, "seed {seed}: {answer:#?}");
        assert!(command.position.is_some() && command.session == Some(1_000 + u64::from(player)));
    }
}

#[test]
fn writers_are_told_newest_first_and_fit_together() {
    let Asked { source, tick, .. } = kill(1);
    let dead = ask(&source, tick, "1.Score.teams.0", 1).writers[0].tick;
    let mut reel = replay::Reel::<Arena>::new(Arc::clone(&source)).unwrap();
    reel.seek(dead - 1).unwrap();
    let (health, _) = source.manifest().layout_of("Health").unwrap();
    let weak = reel
        .columns()
        .column(health)
        .iter()
        .map(|(id, _)| id)
        .min_by_key(|id| reel.columns().field(*id, "Health", "points"));
    let answer = ask(&source, tick, &format!("{}.Health.points", weak.unwrap().0), 100);
    assert_eq!(answer.value, None, "the body is gone");
    let told: Vec<_> = answer.writers.iter().map(|writer| (writer.system.as_str(), writer.old, writer.new)).collect();
    let hits = [100, 86, 72, 58, 44, 30, 16, 2, 0].map(|points| Some(Value::Int(points)));
    assert_eq!(told[0], ("combat::bury_players", hits[8], None));
    for (place, told) in told[1..9].iter().enumerate() {
        assert_eq!(*told, ("projectiles::fly", hits[7 - place], hits[8 - place]));
    }
    assert_eq!(told[9], ("seats::respawn", None, hits[0]));
    assert_eq!(told.len(), 10, "nothing before it was there");
    assert!(answer.writers.is_sorted_by(|newer, older| newer.tick >= older.tick));
}

#[test]
fn who_comes_back_does_so_without_a_command_after_a_death_that_has_one() {
    for seed in 0..4 {
        let mut duel = Duel::new(seed);
        let seat = duel.seat(2);
        // Out of the line of fire of where it was, so that its own step matters to its death.
        for y in [127, 0] {
            duel.order(2, Command::Move { x: 0, y });
            for _ in 0..8 {
                duel.step();
            }
        }
        duel.aim(1, 2);
        let shot = duel.order(1, FIRE);
        duel.step();
        duel.until("player 2 is dead", |recording| recording.field(seat, "Seat", "avatar") == Some(0));
        let died = duel.recording.tick();
        duel.until("player 2 is back", |recording| recording.field(seat, "Seat", "avatar") != Some(0));
        let Asked { source, tick, field, .. } = duel.asked("back", format!("{seat}.Seat.avatar"), 0, 0);
        let writers = ask(&source, tick, &field, 2).writers;
        let [back, death] = &writers[..] else { panic!("{writers:#?}") };
        assert_eq!((back.system.as_str(), &back.command, back.kind), ("seats::respawn", &None, WriterKind::Rule));
        assert_eq!((back.follows, death.tick), (Some(died), died), "seed {seed}");
        let cause = death.command.as_ref().unwrap();
        assert_eq!((cause.player, cause.seq, death.system.as_str()), (1, Some(shot), "combat::bury_players"));
    }
}

#[test]
fn who_joins_is_the_reason_for_what_it_gets() {
    let duel = Duel::new(5);
    let (seat, body) = (duel.seat(3), duel.recording.body(3));
    let source = duel.recording.finish();
    for field in [format!("{seat}.Seat.player"), format!("{body}.Team.team")] {
        let writers = ask(&source, source.last_tick(), &field, 5).writers;
        let [writer] = &writers[..] else { panic!("{field}: {writers:#?}") };
        assert_eq!((writer.tick, &writer.command, writer.old), (1, &None, None));
        assert_eq!((writer.kind, writer.player), (WriterKind::Join, 3), "{field}");
    }
}

#[test]
fn machines_and_clocks_have_no_command() {
    let mut recording = Recording::new(8, &content(12));
    (1..=5).for_each(|player| recording.join(player));
    for tick in 1..400 {
        recording.step();
        if tick % 7 == 0 {
            recording.order(1 + tick % 2, Command::Move { x: 40, y: 20 });
        }
    }
    let columns = recording.columns();
    let (drones, _) = columns.manifest().layout_of("Drone").unwrap();
    let drones: Vec<_> = columns.column(drones).iter().map(|(id, _)| id.0).collect();
    let source = recording.finish();
    let mut written = 0;
    for drone in drones {
        for field in ["Velocity.x", "Position.y", "Drone.until"] {
            for writer in ask(&source, 400.min(source.last_tick()), &format!("{drone}.{field}"), 2).writers {
                assert_eq!((writer.command, writer.player), (None, 0), "{drone}.{field}");
                written += 1;
            }
        }
    }
    assert!(written >= 24, "{written} writes of drones");
}

#[test]
fn of_a_wish_that_is_told_twice_the_first_is_named_as_one_of_several() {
    let mut duel = Duel::new(3);
    let first = duel.order(1, Command::Aim { angle: 4_321 });
    duel.order(1, Command::Aim { angle: 4_321 });
    duel.step();
    let Asked { source, tick, field, .. } = duel.asked("twice", String::new(), 0, 0);
    assert_eq!(field, "");
    let body = {
        let mut reel = replay::Reel::<Arena>::new(Arc::clone(&source)).unwrap();
        reel.seek(tick).unwrap();
        let (facings, _) = source.manifest().layout_of("Facing").unwrap();
        let aims = |id: &EntityId| reel.columns().field(*id, "Facing", "angle") == Some(4_321);
        reel.columns().column(facings).iter().map(|(id, _)| id).find(aims).unwrap()
    };
    let answer = ask(&source, tick, &format!("{}.Facing.angle", body.0), 1);
    let command = answer.writers[0].command.as_ref().unwrap();
    assert_eq!((command.seq, command.alone), (Some(first), false));
}

#[test]
fn a_tick_that_is_not_there_is_refused_and_what_nothing_wrote_has_no_writers() {
    let source = Duel::new(1).recording.finish();
    let path = FieldPath::parse("1.Score.round", source.manifest()).unwrap();
    let error = why::<Arena>(&source, 99_999, &path, WhyOptions::default(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("tick 99999 is not in the match, which has ticks 0 to"), "{error}");
    let answer = ask(&source, source.last_tick(), "1.Score.round", 5);
    assert_eq!((answer.writers.len(), answer.looked_back_to, answer.value), (0, 0, Some(Value::Int(1))));
    assert_eq!(ask(&source, 0, "1.Score.round", 5).writers, []);
    assert_eq!(ask(&source, 1, "77777.Health.points", 5).value, None);
}
