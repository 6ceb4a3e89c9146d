//! What players have in the match, and so where they look from and on whose side they are.

use std::collections::VecDeque;

use super::IdMap;
use super::facts::Facts;
use super::grid::At;
use super::lists;

/// What is known of a player.
#[derive(Debug, Default)]
pub(super) struct Player {
    /// Its entities, ascending.
    pub(super) own: Vec<u32>,
    /// Places of those that are somewhere; the last ones while none is.
    pub(super) focuses: Vec<At>,
    /// Of its lowest entity that has a side; the last one while none has.
    pub(super) team: Option<i64>,
    is_stirred: bool,
    /// Which departure it was when its last entity went.
    departure: u64,
}

/// Players, from their first entity on.
#[derive(Debug, Default)]
pub(super) struct Players {
    known: IdMap<u32, Player>,
    /// Those whose entities were touched.
    stirred: Vec<u32>,
    /// Those who had no entity any more, the earliest first.
    departed: VecDeque<(u32, u64)>,
    departures: u64,
}

/// Players without an entity of whom it is remembered where they were. More than a match has, so that nobody who may
/// come back is forgotten; less than would matter.
const DEPARTED_MAX: usize = 4 * protocol::limits::PLAYERS_PER_MATCH_MAX;

impl Players {
    pub(super) fn get(&self, player: u32) -> Option<&Player> {
        self.known.get(&player)
    }

    /// The player has this entity from now on. Player 0 is nobody.
    pub(super) fn add(&mut self, player: u32, id: u32) {
        if player != 0 {
            lists::add(&mut self.known.entry(player).or_default().own, id);
            self.stir(player);
        }
    }

    /// The player no longer has this entity.
    pub(super) fn remove(&mut self, player: u32, id: u32) {
        let Some(known) = self.known.get_mut(&player) else { return };
        lists::remove(&mut known.own, id);
        if known.own.is_empty() {
            self.depart(player);
        }
        self.stir(player);
    }

    /// Something about the player's entities changed.
    pub(super) fn stir(&mut self, player: u32) {
        if let Some(known) = self.known.get_mut(&player)
            && !std::mem::replace(&mut known.is_stirred, true)
        {
            self.stirred.push(player);
        }
    }

    pub(super) fn next_stirred(&mut self) -> Option<u32> {
        self.stirred.pop()
    }

    /// Looks again at a player's entities. Returns whether it changed sides.
    pub(super) fn follow<'a>(&mut self, player: u32, fact: impl Fn(u32) -> Option<&'a Facts>) -> bool {
        let Some(known) = self.known.get_mut(&player) else { return false };
        known.is_stirred = false;
        let Player { own, focuses, .. } = known;
        let facts = || own.iter().filter_map(|id| fact(*id));
        if facts().any(|facts| facts.at.is_some()) {
            focuses.clear();
            focuses.extend(facts().filter_map(|facts| facts.at));
        }
        let team = facts().find_map(|facts| facts.own_side);
        let has_changed = team.is_some() && team != known.team;
        known.team = team.or(known.team);
        has_changed
    }

    /// Nobody has anything; where players were is remembered.
    pub(super) fn clear_own(&mut self) {
        let mut had: Vec<u32> =
            self.known.iter().filter(|(_, known)| !known.own.is_empty()).map(|(player, _)| *player).collect();
        had.sort_unstable();
        for player in had {
            self.known.get_mut(&player).expect("it was just found").own.clear();
            self.depart(player);
        }
    }

    fn depart(&mut self, player: u32) {
        self.departures += 1;
        if let Some(known) = self.known.get_mut(&player) {
            known.departure = self.departures;
        }
        self.departed.push_back((player, self.departures));
        if self.departed.len() > DEPARTED_MAX
            && let Some((player, departure)) = self.departed.pop_front()
            && self.known.get(&player).is_some_and(|known| known.own.is_empty() && known.departure == departure)
        {
            self.known.remove(&player);
        }
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> [usize; 5] {
        let own = self.known.values().map(|known| known.own.capacity()).sum();
        let focuses = self.known.values().map(|known| known.focuses.capacity()).sum();
        [self.known.capacity(), self.stirred.capacity(), self.departed.capacity(), own, focuses]
    }
}
