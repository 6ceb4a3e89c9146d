//! What a tick is said to have brought about is what the rules did.

mod play;

use std::collections::BTreeMap;

use arena::components::{Health, Loadout, Pickup, Seat, Wound};
use arena::{Arena, Command};
use ecs_state::{Game, Moment};
use play::{Match, exact_balance, map};

const HALL: &[&str] = &["############", "#1........2#", "############"];

/// Steps once; what the step is said to have brought about.
fn step(game: &mut Match) -> Vec<Moment> {
    let before = game.simulation.columns().clone();
    game.step();
    Arena::moments(&before, game.simulation.columns())
}

/// Steps until something of a kind is told; all moments of that tick.
fn until(game: &mut Match, kind: &str) -> Vec<Moment> {
    for _ in 0..1_800 {
        let told = step(game);
        if told.iter().any(|moment| moment.kind == kind) {
            return told;
        }
    }
    panic!("a minute has passed without a {kind}");
}

fn only<'a>(told: &'a [Moment], kind: &str) -> &'a Moment {
    let mut of_kind = told.iter().filter(|moment| moment.kind == kind);
    let first = of_kind.next().unwrap_or_else(|| panic!("no {kind} in {told:?}"));
    assert!(of_kind.next().is_none(), "more than one {kind} in {told:?}");
    first
}

#[test]
fn a_quiet_tick_tells_nothing() {
    let mut game = Match::on(HALL).joined(2);
    for _ in 0..30 {
        assert_eq!(step(&mut game), []);
    }
}

#[test]
fn a_hit_names_both_players_and_what_was_lost() {
    let mut game = Match::on(HALL).joined(2);
    game.attack(1, 2);
    let told = until(&mut game, "hit");
    let hit = only(&told, "hit");
    assert_eq!((hit.entity, hit.player, hit.by, hit.value), (game.seat(2).avatar.0, 2, 1, 14));
    let [x, _] = hit.at.expect("a body has a place");
    assert!((20.0..22.0).contains(&x), "player 2 stands in the eleventh tile of 2 m, not at {x} m");
}

#[test]
fn a_hit_on_a_shield_counts_what_the_shield_lost() {
    let balance = exact_balance().replace("spawn_shield = 0", "spawn_shield = 20");
    let mut game = Match::with(&map(2, HALL), &balance).joined(2);
    game.attack(1, 2);
    assert_eq!(only(&until(&mut game, "hit"), "hit").value, 14);
    assert_eq!(only(&until(&mut game, "hit"), "hit").value, 14, "6 of the shield and 8 of the health");
    assert_eq!(game.body::<Health>(2), Health { points: 92, max: 100, shield: 0 });
}

#[test]
fn a_death_names_the_killer_and_comes_with_its_hit_and_points() {
    let mut game = Match::on(HALL).joined(2);
    let body = game.seat(2).avatar.0;
    game.attack(1, 2);
    let told = until(&mut game, "death");
    let death = only(&told, "death");
    assert_eq!((death.entity, death.player, death.by), (body, 2, 1));
    assert!(death.at.is_some());
    // 100 points and 14 for each hit: seven leave 2.
    assert_eq!((only(&told, "hit").by, only(&told, "hit").value), (1, 2));
    assert_eq!((only(&told, "score").player, only(&told, "score").value), (1, 5));
    assert!(!game.is_alive(2));
}

#[test]
fn two_who_shoot_each_other_dead_in_one_tick_are_each_others_killers() {
    let mut game = Match::on(HALL).joined(2);
    game.attack(1, 2);
    game.attack(2, 1);
    let mut deaths = Vec::new();
    for _ in 0..600 {
        deaths.extend(step(&mut game).into_iter().filter(|moment| moment.kind == "death"));
    }
    assert!(!deaths.is_empty());
    for death in deaths {
        assert_eq!(death.by, 3 - death.player, "{death:?}");
    }
}

#[test]
fn a_killer_who_left_is_known_by_the_shot() {
    let mut game = Match::on(&["###############", "#1...........2#", "###############"]).joined(3);
    game.attack(1, 2);
    game.until("one more hit kills", |game| game.body::<Health>(2).points <= 14);
    let shots_fly = |game: &Match| game.count(arena::components::Kind::PROJECTILE) > 0;
    game.until("a shot is under way", shots_fly);
    game.input(ecs_state::Input::Leave { player: 1 });
    let death = only(&until(&mut game, "death"), "death").clone();
    assert_eq!((death.player, death.by), (2, 1));
}

#[test]
fn leaving_is_no_death() {
    let mut game = Match::on(HALL).joined(2);
    game.input(ecs_state::Input::Leave { player: 2 });
    assert_eq!(step(&mut game), []);
}

#[test]
fn a_drone_that_breaks_dies_by_a_player_and_is_one_itself() {
    let rows = map(2, HALL);
    let mut game = Match::with(&format!("population = 6\n{rows}"), &exact_balance()).joined(2);
    game.apply(1, Command::Aim { angle: 0 });
    game.apply(1, Command::Fire { held: true });
    let mut told = until(&mut game, "death");
    told.retain(|moment| moment.kind == "death" && moment.player == 0);
    assert!(told.iter().all(|death| death.by == 1) && !told.is_empty(), "{told:?}");
}

#[test]
fn what_was_taken_names_the_taker_and_what_it_is() {
    let game = |rows: &[&str]| Match::on(rows).joined(2);
    let mut weapon = game(&["#############", "#.1C......2.#", "#############"]);
    weapon.apply(1, Command::Move { x: 127, y: 0 });
    weapon.steps(4);
    weapon.input(ecs_state::Input::Command { player: 1, payload: Command::Use.encode() });
    let told = until(&mut weapon, "pickup");
    let taken = only(&told, "pickup");
    assert_eq!(weapon.body::<Loadout>(1).weapon, 2);
    let (pickup, _) = weapon.all::<Pickup>().into_iter().next().expect("the map has one");
    assert_eq!((taken.entity, taken.player, taken.value), (pickup, 1, 6));
}

#[test]
fn rounds_end_and_begin_once_and_nobody_dies_of_it() {
    let balance =
        exact_balance().replace("seconds = 180", "seconds = 10").replace("pause_seconds = 8", "pause_seconds = 2");
    let mut game = Match::with(&map(2, HALL), &balance).joined(4);
    let mut told = Vec::new();
    for _ in 0..35 * 30 {
        told.extend(step(&mut game));
    }
    assert!(told.iter().all(|moment| moment.kind == "round"), "{told:?}");
    let rounds: Vec<_> = told.iter().map(|moment| moment.value).collect();
    assert_eq!(rounds, [-1, 2, -2, 3, -3]);
}

#[test]
fn over_a_whole_fight_kills_deaths_and_points_add_up_to_those_of_the_seats() {
    let rows = ["###########", "#1.......2#", "#1.......2#", "#1.......2#", "###########"];
    let mut game = Match::on(&rows).joined(8);
    let mut sums: BTreeMap<u32, (u32, u32, i64)> = BTreeMap::new();
    let mut hurt = 0;
    for turn in 0..3_000u64 {
        let player = 1 + (turn % 8) as u32;
        let other = 1 + ((turn / 8 + turn + 1) % 8) as u32;
        if game.is_alive(player) && game.is_alive(other) && game.seat(player).team != game.seat(other).team {
            game.input(ecs_state::Input::Command { player, payload: aim(&game, player, other).encode() });
            game.input(ecs_state::Input::Command { player, payload: Command::Fire { held: true }.encode() });
        }
        let wounds = game.all::<Wound>();
        let told = step(&mut game);
        for moment in &told {
            match moment.kind {
                "death" => {
                    sums.entry(moment.player).or_default().1 += 1;
                    sums.entry(moment.by).or_default().0 += 1;
                }
                "score" => sums.entry(moment.player).or_default().2 += moment.value,
                "hit" => hurt += 1,
                _ => {}
            }
        }
        let living = game.all::<Wound>().into_iter().filter(|(body, wound)| wounds.get(body) != Some(wound));
        let struck: Vec<_> = living.filter(|(_, wound)| wound.tick != 0).collect();
        for (body, wound) in struck {
            assert!(told.iter().any(|hit| (hit.kind, hit.entity, hit.by) == ("hit", body, wound.by.0)), "{told:?}");
        }
    }
    assert_eq!(game.score().round, 1, "the claim is about one round");
    for seat in game.all::<Seat>().into_values() {
        let sum = sums.get(&seat.player.0).copied().unwrap_or_default();
        assert_eq!(sum, (seat.kills.into(), seat.deaths.into(), seat.score.into()), "{seat:?}");
    }
    assert!(hurt > 50 && sums.values().any(|(kills, ..)| *kills > 1), "there was no fight: {hurt} hits, {sums:?}");
}

fn aim(game: &Match, player: u32, other: u32) -> Command {
    use arena::components::Position;
    let (from, to) = (game.body::<Position>(player), game.body::<Position>(other));
    Command::Aim { angle: ecs_state::match_math::angle_of(to.x - from.x, to.y - from.y) }
}
