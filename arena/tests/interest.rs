//! Players hear of what a screen shows, and of nothing beyond.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod play;

use arena::components::METRE;
use arena::{Arena, SIGHT_MARGIN_METRES, SIGHT_METRES};
use ecs_state::Simulation;
use protocol::manifest::{Reach, Rule, Visibility};

#[test]
fn what_is_in_sight_fills_a_wide_screen() {
    let manifest = Simulation::<Arena>::manifest().unwrap();
    let near = manifest.interest().unwrap().nearness.as_ref().unwrap();
    let metres = |metres: u32| metres * METRE as u32;
    let Reach::Rectangle(halves) = &near.reach else { panic!("a screen is no circle") };
    assert_eq!(halves[..], SIGHT_METRES.map(metres));
    assert_eq!(near.margin, metres(SIGHT_MARGIN_METRES));
    let [across, up] = SIGHT_METRES;
    assert!(9 * across <= 16 * up, "a screen as wide as {across} m is higher than {up} m");
    let axes = near
        .axes
        .iter()
        .map(|axis| &manifest.layouts()[manifest.index_of(near.component).unwrap()].fields[usize::from(*axis)]);
    assert!(axes.map(|field| field.name.as_str()).eq(["x", "y"]));
}

#[test]
fn seats_and_the_score_are_known_from_everywhere_and_nothing_else() {
    let manifest = Simulation::<Arena>::manifest().unwrap();
    let rules = &manifest.interest().unwrap().rules;
    let named = rules
        .iter()
        .map(|rule| (manifest.layouts()[manifest.index_of(rule.component).unwrap()].name.as_str(), rule.rule));
    assert!(named.eq([("Seat", Rule::Always), ("Score", Rule::Always)]));
}

#[test]
fn what_a_player_carries_and_wants_is_told_to_nobody_else() {
    let manifest = Simulation::<Arena>::manifest().unwrap();
    let class = |name| manifest.layout_of(name).unwrap().1.visibility;
    assert_eq!(["Loadout", "Tally"].map(class), [Visibility::Owner; 2]);
    assert_eq!(["Intent", "Wound", "Drone"].map(class), [Visibility::Server; 3]);
}

/// A match as it is played: who stands at a spawn hears of few, and of everyone's seat.
#[test]
fn most_of_a_match_is_out_of_sight() {
    let simulation = play_a_while();
    let columns = simulation.columns();
    let (position, layout) = columns.manifest().layout_of("Position").unwrap();
    let at = |row: &[u8]| [0, 1].map(|axis| layout.fields[axis].read(row));
    let places: Vec<_> = columns.column(position).iter().map(|(_, row)| at(row)).collect();
    let near = |from: [i64; 2], to: [i64; 2]| {
        (0..2).all(|axis| (from[axis] - to[axis]).abs() <= i64::from(SIGHT_METRES[axis]) * i64::from(METRE))
    };
    let seen: usize = places.iter().map(|from| places.iter().filter(|to| near(*from, **to)).count()).sum();
    let share = seen as f64 / (places.len() * places.len()) as f64;
    assert!((0.1..0.5).contains(&share), "{share} of a match is in sight");
}

fn play_a_while() -> Simulation<Arena> {
    let mut simulation = Simulation::<Arena>::open(play::setup(1, arena::content_with_population(300)), 0).unwrap();
    let joins: Vec<_> = (1..=20).map(|player| ecs_state::Input::Join { player }).collect();
    for tick in 1..=90 {
        simulation.step(tick * 33, if tick == 1 { &joins[..] } else { &[] });
    }
    simulation
}
