//! Shooting, dying and coming back.

mod play;

use arena::components::{Health, Intent, Kind, Loadout, Position, Shot};
use arena::{Command, Rejection};
use play::Match;

const HALL: &[&str] = &["############", "#1........2#", "############"];
const FIRE: Command = Command::Fire { held: true };
const RELEASE: Command = Command::Fire { held: false };

#[test]
fn a_projectile_hurts_an_enemy() {
    let mut game = Match::on(HALL).joined(2);
    game.attack(1, 2);
    game.until("player 2 is hurt", |game| game.body::<Health>(2).points < 100);
    assert_eq!(game.body::<Health>(2), Health { points: 86, max: 100, shield: 0 });
    assert_eq!(game.body::<Health>(1).points, 100, "the shooter is not hurt");
}

#[test]
fn a_shield_is_taken_before_health() {
    let whole = Health { shield: 20, ..Health::full(100) };
    assert_eq!(whole.hurt(14), Health { points: 100, max: 100, shield: 6 });
    assert_eq!(whole.hurt(14).hurt(14), Health { points: 92, max: 100, shield: 0 });
    assert_eq!(whole.hurt(u16::MAX).points, 0);
}

#[test]
fn a_wall_stops_a_projectile() {
    let mut game = Match::on(&["#########", "#1..#..2#", "#.......#", "#########"]).joined(2);
    game.apply(1, Command::Aim { angle: 0 });
    game.apply(1, FIRE);
    let tile = 512;
    for _ in 0..60 {
        game.step();
        let shots = game.all::<Shot>();
        let places = game.all::<Position>();
        assert!(shots.keys().all(|shot| places[shot].x < 4 * tile), "a shot is in or behind the wall");
    }
    assert_eq!(game.body::<Health>(2).points, 100);
}

#[test]
fn a_shot_that_crosses_many_tiles_in_a_tick_meets_the_wall_and_the_player_all_the_same() {
    let rail = |rows: &[&str]| {
        let mut game = Match::on(rows).joined(2);
        game.apply(1, Command::Move { x: 127, y: 0 });
        game.steps(4);
        game.apply(1, Command::Use);
        assert_eq!(game.body::<Loadout>(1).weapon, 2);
        game.apply(1, Command::Move { x: 0, y: 0 });
        game.steps(15);
        game.attack(1, 2);
        game.steps(10);
        game.body::<Health>(2).points
    };
    assert_eq!(rail(&["#############", "#.1C......2.#", "#############"]), 15, "no wall");
    assert_eq!(rail(&["#############", "#.1C..#...2.#", "#...........#", "#############"]), 100, "a wall");
}

#[test]
fn a_team_mate_is_not_hit() {
    let mut game = Match::on(HALL).joined(3);
    assert_eq!(game.seat(3).team, game.seat(1).team);
    game.attack(1, 3);
    game.steps(60);
    assert_eq!(game.body::<Health>(3).points, 100);
}

#[test]
fn a_dead_player_respawns_at_a_spawn_of_its_team() {
    let mut game = Match::on(HALL).joined(2);
    game.attack(1, 2);
    game.until("player 2 is dead", |game| !game.is_alive(2));
    assert_eq!(game.count(Kind::AVATAR), 1);
    assert_eq!((game.seat(1).kills, game.seat(1).score, game.seat(2).deaths), (1, 5, 1));
    assert_eq!(game.score().teams, [5, 0, 0, 0]);
    for command in [Command::Move { x: 1, y: 0 }, Command::Aim { angle: 1 }, FIRE, Command::Reload, Command::Use] {
        game.refuse(2, command, Rejection::Dead);
    }
    game.apply(1, RELEASE);
    let back = game.seat(2).respawn_at;
    game.until("player 2 lives", |game| game.is_alive(2));
    assert_eq!(game.simulation.tick(), back);
    let at = game.body::<Position>(2);
    assert_eq!((at.x / 512, at.y / 512), (10, 1), "the spawn of team 1");
    assert_eq!(game.body::<Health>(2).points, 100);
    assert_eq!(game.body::<Intent>(2), Intent::default());
}

#[test]
fn a_weapon_that_cools_down_refuses_by_name_and_a_held_one_shoots_when_it_is_ready() {
    let mut game = Match::on(HALL).joined(1);
    game.apply(1, FIRE);
    assert_eq!(game.ammo(1), (23, 96));
    game.refuse(1, FIRE, Rejection::CoolingDown);
    assert_eq!(game.trigger(1), Intent::HELD, "a refused press changes nothing");
    game.steps(4);
    assert_eq!(game.ammo(1), (22, 96), "five ticks from shot to shot");
    game.apply(1, RELEASE);
    game.steps(30);
    assert_eq!(game.ammo(1), (22, 96));
}

#[test]
fn a_tap_within_one_tick_shoots_once() {
    let mut game = Match::on(HALL).joined(1);
    for command in [FIRE, RELEASE] {
        game.input(ecs_state::Input::Command { player: 1, payload: command.encode() });
    }
    game.steps(30);
    assert_eq!((game.ammo(1), game.trigger(1)), ((23, 96), Intent::RELEASED));
}

#[test]
fn an_empty_magazine_is_filled_from_the_reserve_until_there_is_none() {
    let balance = play::exact_balance().replace("magazine = 24", "magazine = 2").replace("reserve = 96", "reserve = 3");
    let mut game = Match::with(&play::map(2, HALL), &balance).joined(1);
    game.refuse(1, Command::Reload, Rejection::MagazineFull);
    game.apply(1, FIRE);
    game.until("the magazine is empty", |game| game.ammo(1) == (0, 3));
    assert!(game.body::<Loadout>(1).reloading);
    game.refuse(1, Command::Reload, Rejection::CoolingDown);
    game.until("the magazine is filled", |game| game.ammo(1).1 == 1);
    game.until("all is spent", |game| game.ammo(1) == (0, 0));
    assert_eq!(game.trigger(1), Intent::RELEASED);
    game.refuse(1, FIRE, Rejection::NoAmmo);
    game.refuse(1, Command::Reload, Rejection::NoAmmo);
}

#[test]
fn a_reload_asked_for_takes_its_time() {
    let mut game = Match::on(HALL).joined(1);
    game.apply(1, FIRE);
    game.apply(1, RELEASE);
    game.apply(1, Command::Reload);
    game.refuse(1, FIRE, Rejection::CoolingDown);
    game.until("the magazine is full", |game| game.ammo(1) == (24, 95));
    game.apply(1, FIRE);
}
