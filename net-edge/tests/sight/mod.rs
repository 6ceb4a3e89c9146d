//! A world for claims about interest: entities as a map, their columns, and who may see what by the letter of the rules.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::Columns;
use protocol::delta::Writer;
use protocol::manifest::{
    ComponentRule, FieldKind, Interest, Layout, Manifest, Nearness, Reach, Rule, SideField, Sync, Visibility,
};

/// Places of components in the manifest, which are their numbers too.
pub const PLACE: usize = 1;
pub const SIDE: usize = 2;
pub const BEACON: usize = 3;
pub const STASH: usize = 4;
pub const MARK: usize = 5;
pub const SIGNAL: usize = 6;
pub const CLOAK: usize = 7;
pub const PLAN: usize = 8;
pub const PEBBLE: usize = 9;

/// An entity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thing {
    pub owner: u32,
    pub at: Option<[i64; 3]>,
    pub side: Option<u8>,
    pub beacon: bool,
    pub stash: bool,
    pub mark: bool,
    pub signal: Option<u64>,
    pub cloak: bool,
    pub plan: bool,
    pub pebble: Option<u8>,
}

pub type World = BTreeMap<u32, Thing>;

/// A game with a component for each rule. The second axis has no sign, the third is narrow.
pub fn manifest(axes: usize, reach: Reach, margin: u32) -> Arc<Manifest> {
    let class = Visibility::Everyone;
    let layout = |number: usize, name: &str, fields: &[(&str, FieldKind)]| {
        let fields = fields.iter().map(|(name, kind)| ((*name).to_owned(), *kind, 1));
        Layout::new(number as u16, name, class, Sync::Plain, fields)
    };
    let layouts = vec![
        Layout::entity(),
        layout(
            PLACE,
            "Place",
            &[("kind", FieldKind::U8), ("x", FieldKind::I32), ("y", FieldKind::U32), ("z", FieldKind::I16)],
        ),
        layout(SIDE, "Side", &[("team", FieldKind::U8)]),
        layout(BEACON, "Beacon", &[]),
        layout(STASH, "Stash", &[]),
        layout(MARK, "Mark", &[]),
        layout(SIGNAL, "Signal", &[("teams", FieldKind::U64)]),
        layout(CLOAK, "Cloak", &[]),
        layout(PLAN, "Plan", &[]),
        layout(PEBBLE, "Pebble", &[("weight", FieldKind::U8)]),
    ];
    let rule = |component: usize, rule| ComponentRule { component: component as u16, rule };
    let interest = Interest {
        nearness: Some(Nearness { component: PLACE as u16, axes: (1..=axes as u8).collect(), reach, margin }),
        side: Some(SideField { component: SIDE as u16, field: 0 }),
        rules: vec![
            rule(BEACON, Rule::Always),
            rule(STASH, Rule::Owner),
            rule(MARK, Rule::Team),
            rule(SIGNAL, Rule::Audience { field: 0 }),
            rule(CLOAK, Rule::Near),
            rule(PLAN, Rule::TeamRows),
        ],
    };
    let plain = Manifest::new("sight", 1, 20_000, layouts, Vec::new(), &[]).unwrap();
    Arc::new(plain.with_interest(&interest).unwrap())
}

/// The columns of a world, kept up to date as a cluster would.
pub struct State {
    pub columns: Columns,
    writer: Writer,
    told: World,
}

impl State {
    pub fn new(manifest: &Arc<Manifest>) -> Self {
        Self { columns: Columns::new(Arc::clone(manifest)), writer: Writer::new(), told: World::new() }
    }

    /// Gives the entities that this changed, ascending.
    pub fn follow(&mut self, world: &World) -> Vec<u32> {
        let ids: BTreeSet<u32> = world.keys().chain(self.told.keys()).copied().collect();
        let gone: Vec<u32> = self.told.keys().filter(|id| !world.contains_key(id)).copied().collect();
        self.writer.begin(&mut self.columns, &gone);
        for index in 0..self.columns.manifest().layouts().len() {
            let (mut present, mut rows, mut removed) = (Vec::new(), Vec::new(), Vec::new());
            for id in &ids {
                match world.get(id).and_then(|thing| row(thing, index)) {
                    Some(bytes) => {
                        present.push((*id, present.len() as u32));
                        rows.extend(bytes);
                    }
                    None => removed.push(*id),
                }
            }
            self.writer.component(&mut self.columns, index, &present, &rows, &removed);
        }
        let touched = ids.into_iter().filter(|id| world.get(id) != self.told.get(id)).collect();
        self.told.clone_from(world);
        touched
    }
}

fn row(thing: &Thing, index: usize) -> Option<Vec<u8>> {
    let marker = |has: bool| has.then(Vec::new);
    match index {
        0 => Some(thing.owner.to_le_bytes().to_vec()),
        PLACE => thing.at.map(|[x, y, z]| {
            [&[7][..], &(x as i32).to_le_bytes(), &(y as u32).to_le_bytes(), &(z as i16).to_le_bytes()].concat()
        }),
        SIDE => thing.side.map(|team| vec![team]),
        BEACON => marker(thing.beacon),
        STASH => marker(thing.stash),
        MARK => marker(thing.mark),
        SIGNAL => thing.signal.map(|teams| teams.to_le_bytes().to_vec()),
        CLOAK => marker(thing.cloak),
        PLAN => marker(thing.plan),
        _ => thing.pebble.map(|weight| vec![weight]),
    }
}

/// What the rules say, entity by entity, for each player.
#[derive(Default)]
pub struct Letter {
    /// Where each player's entities were when it last had any that was somewhere.
    pub focuses: BTreeMap<u32, Vec<[i64; 3]>>,
    pub teams: BTreeMap<u32, u8>,
}

impl Letter {
    /// Remembers where players are.
    pub fn follow(&mut self, world: &World) {
        let players: BTreeSet<u32> = world.values().map(|thing| thing.owner).filter(|owner| *owner != 0).collect();
        for player in players {
            let own = || world.values().filter(|thing| thing.owner == player);
            let places: Vec<_> = own().filter_map(|thing| thing.at).collect();
            if !places.is_empty() {
                self.focuses.insert(player, places);
            }
            if let Some(team) = own().find_map(|thing| thing.side) {
                self.teams.insert(player, team);
            }
        }
    }

    pub fn side(&self, thing: &Thing) -> Option<u8> {
        thing.side.or_else(|| self.teams.get(&thing.owner).copied())
    }

    pub fn is_team_mate(&self, player: u32, thing: &Thing) -> bool {
        self.side(thing).is_some_and(|side| self.teams.get(&player) == Some(&side))
    }

    /// Whether the player may hear of an entity.
    pub fn admits(&self, near: &Nearness, player: u32, thing: &Thing, is_held: bool) -> bool {
        if thing.owner == player {
            return true;
        }
        let margin = if is_held { i64::from(near.margin) } else { 0 };
        let is_near = || {
            let from = self.focuses.get(&player).map_or(&[][..], |places| places);
            thing.at.is_some_and(|at| from.iter().any(|from| is_within(near, *from, at, margin)))
        };
        let has_rule = thing.beacon || thing.stash || thing.mark || thing.signal.is_some() || thing.cloak;
        let must_be_near = thing.cloak || (!has_rule && thing.at.is_some());
        let hears = |bits: u64| {
            let team = self.teams.get(&player).copied().unwrap_or(255);
            team < 64 && bits & (1 << team) != 0
        };
        !thing.stash
            && (!thing.mark || self.is_team_mate(player, thing))
            && thing.signal.is_none_or(hears)
            && (!must_be_near || is_near())
    }
}

pub fn is_within(near: &Nearness, from: [i64; 3], at: [i64; 3], margin: i64) -> bool {
    let apart = |axis: usize| (from[axis] - at[axis]).abs();
    let axes = near.axes.len();
    match &near.reach {
        Reach::Radius(radius) => {
            let reach = i128::from(i64::from(*radius) + margin);
            (0..axes).map(|axis| i128::from(apart(axis)).pow(2)).sum::<i128>() <= reach * reach
        }
        Reach::Rectangle(halves) => (0..axes).all(|axis| apart(axis) <= i64::from(halves[axis]) + margin),
    }
}
