//! Walking, taking things, drones.

mod play;

use arena::components::{Drone, Health, Kind, Loadout, Pickup, Position, Velocity};
use arena::{Command, Rejection};
use play::Match;

const YARD: &[&str] = &["##########", "#........#", "#1......2#", "#........#", "##########"];
const TILE: i32 = 512;

#[test]
fn a_player_gains_speed_up_to_its_wish_and_friction_takes_it() {
    let mut game = Match::on(YARD).joined(1);
    game.apply(1, Command::Move { x: 127, y: 0 });
    let first = game.body::<Velocity>(1).x;
    game.steps(10);
    let full = game.body::<Velocity>(1);
    assert!(0 < first && first < full.x, "{first}, then {full:?}");
    assert_eq!(full, Velocity { x: 700 * 256 / 100, y: 0 });
    game.apply(1, Command::Move { x: 0, y: 0 });
    assert!(game.body::<Velocity>(1).x > 0, "it does not stop at once");
    game.steps(15);
    assert_eq!(game.body::<Velocity>(1), Velocity::default());
}

#[test]
fn a_diagonal_wish_is_not_faster() {
    let mut game = Match::on(YARD).joined(1);
    game.apply(1, Command::Move { x: 127, y: 0 });
    game.steps(9);
    let straight = game.body::<Velocity>(1).x;
    game.apply(1, Command::Move { x: 127, y: 127 });
    game.steps(4);
    let Velocity { x, y } = game.body::<Velocity>(1);
    assert!(y > 0 && ecs_state::match_math::length(x, y) <= straight.unsigned_abs(), "{x}, {y}");
}

#[test]
fn a_wall_stops_a_player_and_lets_it_slide() {
    let mut game = Match::on(YARD).joined(1);
    game.apply(1, Command::Move { x: -100, y: 78 });
    game.steps(60);
    let radius = 102;
    assert_eq!(game.body::<Position>(1), Position { x: TILE + radius, y: 4 * TILE - radius }, "the upper left corner");
    assert_eq!(game.body::<Velocity>(1), Velocity::default());
}

#[test]
fn a_direction_out_of_range_is_refused() {
    let mut game = Match::on(YARD).joined(1);
    game.refuse(1, Command::Move { x: -128, y: 0 }, Rejection::BadDirection);
    game.refuse(1, Command::Move { x: 0, y: -128 }, Rejection::BadDirection);
    assert_eq!(game.body::<Velocity>(1), Velocity::default());
}

#[test]
fn what_is_of_no_use_is_left_lying_and_what_is_taken_comes_back() {
    let mut game = Match::on(&["##########", "#1h......2", "##########"]).joined(2);
    let (pickup, _) = game.all::<Pickup>().into_iter().next().expect("health lies on the map");
    let is_there = |game: &Match| game.all::<Pickup>()[&pickup].is_there();
    game.apply(1, Command::Move { x: 127, y: 0 });
    game.steps(6);
    game.apply(1, Command::Move { x: 0, y: 0 });
    game.steps(10);
    assert!(is_there(&game), "a healthy player leaves it");
    game.attack(2, 1);
    game.until("it is taken", |game| !is_there(game));
    game.apply(2, Command::Fire { held: false });
    assert!(game.body::<Health>(1).points > 86);
    let back = game.all::<Pickup>()[&pickup].back_at;
    game.until("it is back", is_there);
    assert_eq!(game.simulation.tick(), back);
}

#[test]
fn a_weapon_is_taken_on_demand_and_only_within_reach() {
    let mut game = Match::on(&["##########", "#1B.....2#", "##########"]).joined(2);
    game.refuse(2, Command::Use, Rejection::NothingInReach);
    assert_eq!(game.body::<Loadout>(1).weapon, 0, "it is not taken in passing");
    game.apply(1, Command::Move { x: 127, y: 0 });
    game.steps(5);
    game.apply(1, Command::Use);
    assert_eq!(game.body::<Loadout>(1).weapon, 1);
    game.refuse(1, Command::Use, Rejection::NothingInReach);
    game.apply(1, Command::Fire { held: true });
    assert_eq!(game.count(Kind::PROJECTILE), 7, "pellets of the scatter gun");
}

#[test]
fn drones_move_within_the_walls_and_some_rest() {
    let content = format!("population = 50\n{}", play::map(2, YARD));
    let mut game = Match::with(&content, &play::exact_balance());
    let before = game.all::<Position>();
    game.steps(200);
    let after = game.all::<Position>();
    assert_eq!(game.all::<Drone>().len(), 50);
    let moved = before.iter().filter(|(id, at)| after[id] != **at).count();
    assert!(moved > 25, "{moved} moved");
    let resting = game.all::<Velocity>().into_values().filter(|velocity| *velocity == Velocity::default()).count();
    assert!((10..50).contains(&resting), "{resting} rest");
    for at in after.into_values() {
        assert!((TILE..9 * TILE).contains(&at.x) && (TILE..4 * TILE).contains(&at.y), "{at:?} is in a wall");
    }
}

#[test]
fn a_drone_that_is_shot_makes_a_point_and_is_replaced() {
    let content = format!("population = 60\n{}", play::map(2, YARD));
    let mut game = Match::with(&content, &play::exact_balance()).joined(1);
    game.apply(1, Command::Fire { held: true });
    game.until("a drone is broken", |game| game.score().teams[0] > 0);
    assert_eq!((game.seat(1).score, game.seat(1).kills), (1, 0));
    game.apply(1, Command::Fire { held: false });
    game.steps(30);
    game.until("all drones are back", |game| game.count(Kind::DRONE) == 60);
}
