//! What may be seen is no leak, and what may not is one, once it stays.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use protocol::delta::Writer;
use protocol::manifest::{ComponentRule, FieldKind, Layout, Nearness, SideField, Sync, Visibility};

use super::*;

const ME: u32 = 9;
const PLACE: u16 = 1;
const TEAM: u16 = 2;
const SECRET: u16 = 3;

/// One entity: whose, where, on which side.
#[derive(Clone, Copy, Default)]
struct Thing {
    owner: u32,
    place: Option<(i32, i32)>,
    team: Option<u8>,
    is_secret: bool,
}

fn manifest() -> Arc<Manifest> {
    let numbers = |names: [&str; 2], kind| names.map(|name| (name.to_owned(), kind, 1));
    let layouts = vec![
        Layout::entity(),
        Layout::new(PLACE, "Place", Visibility::Everyone, Sync::Plain, numbers(["x", "y"], FieldKind::I32)),
        Layout::new(TEAM, "Team", Visibility::Everyone, Sync::Plain, [("team".to_owned(), FieldKind::U8, 1)]),
        Layout::new(SECRET, "Secret", Visibility::Everyone, Sync::Plain, []),
    ];
    let nearness = Nearness { component: PLACE, axes: vec![0, 1], reach: Reach::Radius(100), margin: 10 };
    let interest = Interest {
        nearness: Some(nearness),
        side: Some(SideField { component: TEAM, field: 0 }),
        rules: vec![ComponentRule { component: SECRET, rule: Rule::Team }],
    };
    let manifest = Manifest::new("audited", 1, 30_000, layouts, Vec::new(), &[]).unwrap();
    Arc::new(manifest.with_interest(&interest).unwrap())
}

/// A mirror with these things, numbered from 1.
fn mirror(things: &[Thing]) -> Columns {
    let mut columns = Columns::new(manifest());
    let mut writer = Writer::new();
    writer.begin(&mut columns, &[]);
    let row_of = |place: u16, thing: &Thing| match place {
        0 => Some(thing.owner.to_le_bytes().to_vec()),
        PLACE => thing.place.map(|(x, y)| [x.to_le_bytes(), y.to_le_bytes()].concat()),
        TEAM => thing.team.map(|team| vec![team]),
        _ => thing.is_secret.then(Vec::new),
    };
    for index in 0..4 {
        let (mut present, mut rows) = (Vec::new(), Vec::new());
        for (id, thing) in (1..).zip(things) {
            if let Some(row) = row_of(index, thing) {
                present.push((id, present.len() as u32));
                rows.extend(row);
            }
        }
        writer.component(&mut columns, usize::from(index), &present, &rows, &[]);
    }
    columns
}

/// Looks at this mirror for so many ticks; gives the leaks.
fn check(things: &[Thing], ticks: u64) -> u64 {
    let mut audit = Audit::new(&manifest(), PlayerId(ME));
    let mirror = mirror(things);
    (100..100 + ticks).for_each(|tick| audit.look(&mirror, Tick(tick)));
    audit.leaks()
}

const LONG: u64 = 40;

fn me() -> Thing {
    Thing { owner: ME, place: Some((0, 0)), team: Some(1), ..Thing::default() }
}

fn at(x: i32, y: i32) -> Thing {
    Thing { place: Some((x, y)), ..Thing::default() }
}

#[test]
fn what_is_near_or_nowhere_is_no_leak() {
    assert_eq!(check(&[me(), at(100, 0), at(-70, 70), at(0, 112), Thing::default()], LONG), 0);
}

#[test]
fn what_is_far_is_a_leak_each() {
    assert_eq!(check(&[me(), at(113, 0), at(-90, 90), at(5, 5)], LONG), 2);
}

#[test]
fn what_is_far_for_a_moment_is_no_leak() {
    assert_eq!(check(&[me(), at(500, 0)], 30), 0);
    assert_eq!(check(&[me(), at(500, 0)], 31), 1);
}

#[test]
fn coming_back_in_time_starts_the_second_anew() {
    let mut audit = Audit::new(&manifest(), PlayerId(ME));
    let (far, near) = (mirror(&[me(), at(500, 0)]), mirror(&[me(), at(50, 0)]));
    for tick in 0..200 {
        audit.look(if tick % 20 == 0 { &near } else { &far }, Tick(tick));
    }
    assert_eq!(audit.leaks(), 0);
}

#[test]
fn what_the_other_team_alone_may_know_is_a_leak_wherever_it_is() {
    let secret = |team| Thing { team: Some(team), is_secret: true, ..at(10, 10) };
    assert_eq!(check(&[me(), secret(1)], LONG), 0);
    assert_eq!(check(&[me(), secret(2)], LONG), 1);
}

#[test]
fn a_player_without_a_body_still_looks_from_where_it_was() {
    let mut audit = Audit::new(&manifest(), PlayerId(ME));
    audit.look(&mirror(&[me(), at(50, 0)]), Tick(1));
    let dead = mirror(&[Thing { owner: ME, team: Some(1), ..Thing::default() }, at(50, 0), at(300, 0)]);
    (2..60).for_each(|tick| audit.look(&dead, Tick(tick)));
    assert_eq!(audit.leaks(), 1);
}
