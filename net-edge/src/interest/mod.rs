//! Who hears of which entity, as the manifest's hints have it.
//!
//! A [`Lens`] follows the verified state of one match and answers what a player may see now. It keeps the places of
//! entities in a grid, so that a look costs what is near and not what there is. Responsible for entities, and for rows
//! that go to one team; rows of class owner are the mirror's business. Not responsible for what a player holds already.
//!
//! | question | answered in |
//! |---|---|
//! | what the columns say of an entity | `facts` |
//! | near whom something is | `grid` |
//! | how far is near | `extent` |
//! | who can be told of an entity that is everywhere, and in which order | `lists` |
//! | what players have in the match | `players` |
//!
//! Start from [`Lens::look`]. `protocol::manifest::Interest` says what the hints mean together.
//!
//! Invariants:
//! - What a look gives depends on the columns, on what the player held, and on where its entities were when it last had
//!   any; never on what other players see.
//! - An entity is in the grid exactly when who is near may hear of it, and in the lists exactly when its place does not
//!   matter and somebody but its owner may hear of it.

mod extent;
mod facts;
mod grid;
mod lists;
mod players;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use protocol::manifest::{Manifest, Rule};
use protocol::{Columns, EntityId};

use self::extent::{Extent, Zone};
use self::facts::{Facts, Sources, Told};
use self::grid::{Grid, Spot};
use self::lists::{Lists, merge};
use self::players::Players;

/// What players of one match may hear of. `look` and its like take `&self`: several threads may ask at once.
#[derive(Debug)]
pub struct Lens {
    sources: Sources,
    extent: Extent,
    is_everything: bool,
    /// By place of a component: whether its rows go to one team.
    team_rows: Vec<bool>,
    has_team_rows: bool,
    /// Place of each entity in `facts`.
    index: IdMap<u32, u32>,
    /// By slot; those of entities that are gone wait in `free`.
    facts: Vec<Facts>,
    free: Vec<u32>,
    grid: Grid,
    lists: Lists,
    players: Players,
    rows_epoch: u64,
    /// Slots of the entities touched, and players whose entities were; kept for their memory.
    touched: Vec<u32>,
}

impl Lens {
    /// A lens for matches of this game. It knows no entity until [`Lens::reset`].
    #[must_use]
    pub fn new(manifest: &Arc<Manifest>) -> Self {
        let interest = manifest.interest();
        let is_team_rows = |number| {
            let mut rules = interest.iter().flat_map(|interest| &interest.rules);
            rules.any(|rule| rule.component == number && rule.rule == Rule::TeamRows)
        };
        let team_rows: Vec<_> = manifest.layouts().iter().map(|layout| is_team_rows(layout.number)).collect();
        let extent = Extent::new(interest.and_then(|interest| interest.nearness.as_ref()));
        Self {
            sources: Sources::new(manifest),
            is_everything: interest.is_none_or(protocol::manifest::Interest::is_everything),
            has_team_rows: team_rows.contains(&true),
            team_rows,
            index: IdMap::default(),
            facts: Vec::new(),
            free: Vec::new(),
            grid: Grid::new(&extent),
            extent,
            lists: Lists::default(),
            players: Players::default(),
            rows_epoch: 0,
            touched: Vec::new(),
        }
    }

    /// Whether everybody hears of everything. Then there is no need to ask, and [`Lens::reset`] and [`Lens::note`] need
    /// not be called.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.is_everything
    }

    /// Begins anew from a whole state. Where a player was last heard of is remembered while it has nothing in it.
    pub fn reset(&mut self, columns: &Columns) {
        self.index.clear();
        self.facts.clear();
        self.free.clear();
        self.grid.clear();
        self.lists.clear();
        self.players.clear_own();
        self.turn_rows();
        let ids: Vec<u32> = columns.column(0).iter().map(|(id, _)| id.0).collect();
        self.note(columns, &ids);
    }

    /// Takes in what one tick changed. `columns` is the state after it, `touched` the entities that the tick's deltas
    /// name, ascending: those that are new, changed, or gone. Costs what is touched, not what there is.
    pub fn note(&mut self, columns: &Columns, touched: &[u32]) {
        let mut slots = std::mem::take(&mut self.touched);
        slots.clear();
        for id in touched {
            match self.sources.read(columns, EntityId(*id)) {
                Some(facts) => slots.push(self.put(facts)),
                None => self.drop_entity(*id),
            }
        }
        self.follow_players();
        for slot in &slots {
            self.place(*slot);
        }
        self.touched = slots;
    }

    /// Gives the entities that a player may hear of now, ascending. `held` are those that it heard of before,
    /// ascending: they stay while they are within the margin.
    ///
    /// Costs what is near and what is everywhere. Allocates only while `out` is too short.
    pub fn look(&self, player: u32, held: &[u32], out: &mut Vec<u32>) {
        out.clear();
        let known = self.players.get(player);
        let team = known.and_then(|known| known.team);
        let focuses = known.map_or(&[][..], |known| &known.focuses);
        for focus in focuses {
            self.grid.around(*focus, &self.extent, |spot| {
                let is_admitted = spot.owner != player
                    && spot.audience.admits(team)
                    && match self.extent.zone(*focus, spot.at) {
                        Zone::Near => true,
                        Zone::Margin => held.binary_search(&spot.id).is_ok(),
                        Zone::Far => false,
                    };
                if is_admitted {
                    out.push(spot.id);
                }
            });
        }
        for id in known.map_or(&[][..], |known| &known.own) {
            // What the lists tell this player of is not told twice.
            if self.fact(*id).is_none_or(|facts| !facts.is_listed_for(team)) {
                out.push(*id);
            }
        }
        out.sort_unstable();
        if focuses.len() > 1 {
            out.dedup();
        }
        merge(out, self.lists.everybody());
        merge(out, team.map_or(&[][..], |team| self.lists.team(team)));
    }

    /// Whether a player that hears of an entity hears of its row of the component at this place of the manifest's list.
    #[inline]
    #[must_use]
    pub fn admits_row(&self, player: u32, entity: u32, component: usize) -> bool {
        if !self.team_rows.get(component).copied().unwrap_or_default() {
            return true;
        }
        let team = self.players.get(player).and_then(|known| known.team);
        self.fact(entity).is_some_and(|facts| facts.owner == player || (team.is_some() && facts.side == team))
    }

    /// Changes when [`Lens::admits_row`] may answer otherwise for an entity and a player that were there before.
    #[must_use]
    pub const fn rows_epoch(&self) -> u64 {
        self.rows_epoch
    }

    /// Where a player looks from: the places of its entities, or the last ones while it has none that is somewhere.
    /// The third coordinate is 0 where places have two; unsigned coordinates of 32 bits have 2^31 taken off.
    #[must_use]
    pub fn focuses(&self, player: u32) -> &[[i32; 3]] {
        self.players.get(player).map_or(&[][..], |known| &known.focuses)
    }

    /// How far an entity is from the nearest place that a player looks from, in numbers of the fields, rounded down;
    /// 0 for what is nowhere, `u32::MAX` for a player that looks from nowhere.
    #[must_use]
    pub fn distance(&self, player: u32, entity: u32) -> u32 {
        let Some(at) = self.fact(entity).and_then(|facts| facts.at) else { return 0 };
        self.focuses(player).iter().map(|focus| grid::distance(*focus, at)).min().unwrap_or(u32::MAX)
    }

    fn fact(&self, entity: u32) -> Option<&Facts> {
        self.index.get(&entity).map(|slot| &self.facts[*slot as usize])
    }

    // ---- following the state --------------------------------------------------------------------

    /// Takes in what is known of an entity; gives its slot. Where it is told comes later: it depends on its owner.
    fn put(&mut self, mut facts: Facts) -> u32 {
        let Some(slot) = self.index.get(&facts.id).copied() else {
            return self.put_new(facts);
        };
        let known = self.facts[slot as usize];
        if known.owner != facts.owner {
            self.players.remove(known.owner, facts.id);
            self.players.add(facts.owner, facts.id);
            self.turn_rows();
        } else if known.at != facts.at || known.own_side != facts.own_side {
            self.players.stir(facts.owner);
        }
        // What was told, and to whom, is withdrawn once it is known what is told now.
        (facts.told, facts.side, facts.is_placed) = (known.told, known.side, known.is_placed);
        self.facts[slot as usize] = facts;
        slot
    }

    fn put_new(&mut self, facts: Facts) -> u32 {
        self.players.add(facts.owner, facts.id);
        let slot = self.free.pop().unwrap_or(self.facts.len() as u32);
        self.index.insert(facts.id, slot);
        if slot as usize == self.facts.len() {
            self.facts.push(facts);
        } else {
            self.facts[slot as usize] = facts;
        }
        slot
    }

    fn drop_entity(&mut self, id: u32) {
        let Some(slot) = self.index.remove(&id) else { return };
        let facts = self.facts[slot as usize];
        self.players.remove(facts.owner, id);
        self.withdraw(slot);
        self.free.push(slot);
    }

    /// Brings the players up to date whose entities were touched. A player's side is that of its entities, and an
    /// entity without a side is on its owner's.
    fn follow_players(&mut self) {
        while let Some(player) = self.players.next_stirred() {
            let Self { players, index, facts, .. } = self;
            let changed = players.follow(player, |id| index.get(&id).map(|slot| &facts[*slot as usize]));
            if !changed {
                continue;
            }
            self.turn_rows();
            for place in 0..self.players.get(player).map_or(0, |known| known.own.len()) {
                let id = self.players.get(player).expect("it was there for its length").own[place];
                if let Some(slot) = self.index.get(&id).copied() {
                    self.place(slot);
                }
            }
        }
    }

    /// Puts an entity where those find it who may hear of it.
    fn place(&mut self, slot: u32) {
        let facts = self.facts[slot as usize];
        let side = facts.own_side.or_else(|| self.players.get(facts.owner).and_then(|known| known.team));
        if facts.is_placed && side != facts.side {
            self.turn_rows();
        }
        let told = facts.told_on(side);
        if told != facts.told {
            self.withdraw(slot);
            self.lists.add(told, facts.id);
        }
        if let (true, Some(at)) = (told.is_near, facts.at) {
            self.grid.put(slot, Spot { at, id: facts.id, owner: facts.owner, audience: told.audience });
        }
        let known = &mut self.facts[slot as usize];
        (known.side, known.told, known.is_placed) = (side, told, true);
    }

    fn withdraw(&mut self, slot: u32) {
        let facts = &mut self.facts[slot as usize];
        self.grid.remove(slot);
        self.lists.remove(facts.told, facts.id);
        facts.told = Told::default();
    }

    fn turn_rows(&mut self) {
        self.rows_epoch += u64::from(self.has_team_rows);
    }
}

#[cfg(test)]
impl Lens {
    /// Room that is allocated, in things of each kind.
    fn room(&self) -> Vec<usize> {
        let own = [self.facts.capacity(), self.free.capacity(), self.touched.capacity(), self.index.capacity()];
        own.into_iter().chain(self.grid.room()).chain(self.lists.room()).chain(self.players.room()).collect()
    }
}

type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Entities, players and teams have small numbers that no player chooses: spreading them is enough.
#[derive(Debug, Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
