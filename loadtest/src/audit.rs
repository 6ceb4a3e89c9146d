//! Whether a mirror holds what interest forbids.
//!
//! Reckons with nothing but the mirror and the manifest's hints: what an edge told of a place, it told while the place
//! was near, so nothing that a mirror holds is ever far for long. A leak is an entity that was forbidden for a whole
//! second: packets under way and places that are told late have settled by then. What is told for less cannot be told
//! apart from that, from here.

use std::collections::{BTreeMap, BTreeSet};

use protocol::manifest::{Field, Interest, Manifest, Reach, Rule};
use protocol::{Columns, EntityId, PlayerId, Tick};

/// Looks at one player's mirror.
#[derive(Debug)]
pub(crate) struct Audit {
    player: u32,
    /// `None` when everybody hears of everything.
    hints: Option<Hints>,
    /// Where the player's entities are, or were when it last had any that are somewhere.
    focuses: Vec<Place>,
    team: Option<i64>,
    /// Entities that are forbidden, and since which tick.
    suspects: BTreeMap<u32, Tick>,
    leaks: BTreeSet<u32>,
    patience_ticks: u64,
}

type Place = [i64; 3];

#[derive(Debug)]
struct Hints {
    position: Option<Position>,
    side: Option<(usize, Field)>,
    /// Place of the component and its rule.
    rules: Vec<(usize, Rule)>,
}

#[derive(Debug)]
struct Position {
    column: usize,
    axes: Vec<Field>,
    reach: Reach,
    /// The margin, and what places are rounded by.
    slack: i64,
}

impl Audit {
    pub(crate) fn new(manifest: &Manifest, player: PlayerId) -> Self {
        let hints = manifest.interest().filter(|interest| !interest.is_everything());
        Self {
            player: player.0,
            hints: hints.map(|interest| Hints::new(interest, manifest)),
            focuses: Vec::new(),
            team: None,
            suspects: BTreeMap::new(),
            leaks: BTreeSet::new(),
            patience_ticks: u64::from(manifest.tick_millihertz().div_ceil(1_000)).max(1),
        }
    }

    /// Looks at a mirror that is in sync.
    pub(crate) fn look(&mut self, columns: &Columns, tick: Tick) {
        let Some(hints) = &self.hints else { return };
        let mine = |id: &EntityId| columns.owner(*id) == Some(self.player);
        let own: Vec<_> = columns.column(0).iter().map(|(id, _)| id).filter(mine).collect();
        let focuses: Vec<_> = own.iter().filter_map(|id| hints.place(columns, *id)).collect();
        if !focuses.is_empty() {
            self.focuses = focuses;
        }
        self.team = own.iter().find_map(|id| hints.own_side(columns, *id)).or(self.team);
        let mut suspects = BTreeMap::new();
        for (id, _) in columns.column(0).iter() {
            if columns.owner(id) == Some(self.player) || hints.admit(columns, id, &self.focuses, self.team) {
                continue;
            }
            let since = self.suspects.get(&id.0).copied().unwrap_or(tick);
            if tick.0.saturating_sub(since.0) >= self.patience_ticks {
                self.leaks.insert(id.0);
            }
            suspects.insert(id.0, since);
        }
        self.suspects = suspects;
    }

    /// Entities that were forbidden for a second.
    pub(crate) fn leaks(&self) -> u64 {
        self.leaks.len() as u64
    }
}

impl Hints {
    fn new(interest: &Interest, manifest: &Manifest) -> Self {
        let index = |number| manifest.index_of(number).expect("a manifest's hints name its components");
        let field = |number, field: u8| manifest.layouts()[index(number)].fields[usize::from(field)].clone();
        let position = interest.nearness.as_ref().map(|near| {
            let axes: Vec<_> = near.axes.iter().map(|axis| field(near.component, *axis)).collect();
            let step = axes.iter().map(|axis| i64::from(axis.step)).max().unwrap_or(1);
            let slack = i64::from(near.margin) + 2 * step;
            Position { column: index(near.component), axes, reach: near.reach.clone(), slack }
        });
        let rules = interest.rules.iter().filter(|rule| rule.rule != Rule::TeamRows);
        Self {
            position,
            side: interest.side.map(|side| (index(side.component), field(side.component, side.field))),
            rules: rules.map(|rule| (index(rule.component), rule.rule)).collect(),
        }
    }

    fn place(&self, columns: &Columns, id: EntityId) -> Option<Place> {
        let position = self.position.as_ref()?;
        let row = columns.column(position.column).row(id)?;
        let mut place = [0; 3];
        place.iter_mut().zip(&position.axes).for_each(|(at, axis)| *at = axis.read(row));
        Some(place)
    }

    fn own_side(&self, columns: &Columns, id: EntityId) -> Option<i64> {
        let (column, field) = self.side.as_ref()?;
        columns.column(*column).row(id).map(|row| field.read(row))
    }

    /// Whether every rule of the entity admits the player. What cannot be known from the mirror admits.
    fn admit(&self, columns: &Columns, id: EntityId, focuses: &[Place], team: Option<i64>) -> bool {
        let place = self.place(columns, id);
        let is_near = || place.is_some_and(|place| self.is_near(place, focuses));
        let mut has_rule = false;
        for (column, rule) in &self.rules {
            let Some(row) = columns.column(*column).row(id) else { continue };
            has_rule = true;
            let admits = match rule {
                Rule::Near => is_near(),
                Rule::Always | Rule::TeamRows => true,
                Rule::Owner => false,
                // Of an owner who is not seen the side is not known.
                Rule::Team => self.own_side(columns, id).is_none_or(|side| Some(side) == team),
                Rule::Audience { field } => {
                    let layout = &columns.manifest().layouts()[*column];
                    let bits = layout.fields[usize::from(*field)].read(row) as u64;
                    team.is_some_and(|team| (0..64).contains(&team) && bits >> team & 1 == 1)
                }
            };
            if !admits {
                return false;
            }
        }
        has_rule || place.is_none() || is_near()
    }

    fn is_near(&self, place: Place, focuses: &[Place]) -> bool {
        let Some(position) = &self.position else { return true };
        // Before it had a place of its own there is nothing to compare with.
        focuses.is_empty() || focuses.iter().any(|focus| position.reaches(*focus, place))
    }
}

impl Position {
    fn reaches(&self, focus: Place, place: Place) -> bool {
        let apart = |axis: usize| (focus[axis] - place[axis]).unsigned_abs();
        match &self.reach {
            Reach::Radius(radius) => {
                let most = u128::from(u64::from(*radius) + self.slack.unsigned_abs());
                let square = |number: u64| u128::from(number) * u128::from(number);
                (0..3).map(|axis| square(apart(axis))).sum::<u128>() <= most * most
            }
            Reach::Rectangle(halves) => {
                let within = |(axis, half): (usize, &u32)| apart(axis) <= u64::from(*half) + self.slack.unsigned_abs();
                halves.iter().enumerate().all(within)
            }
        }
    }
}

#[cfg(test)]
mod tests;
