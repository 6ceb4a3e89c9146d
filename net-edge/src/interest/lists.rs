//! Entities of which players hear wherever they are, each list ascending.

use super::IdMap;
use super::facts::{Audience, Told};

/// Entities whose place does not matter, by who hears of them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    everybody: Vec<u32>,
    teams: IdMap<i64, Vec<u32>>,
}

/// Lists of teams that are kept for their memory while nothing is in them.
const EMPTY_LISTS_MAX: usize = 256;

impl Lists {
    pub(super) fn clear(&mut self) {
        self.everybody.clear();
        self.teams.clear();
    }

    pub(super) fn everybody(&self) -> &[u32] {
        &self.everybody
    }

    pub(super) fn team(&self, team: i64) -> &[u32] {
        self.teams.get(&team).map_or(&[], Vec::as_slice)
    }

    /// Adds an entity to the lists of those who hear of it wherever it is.
    pub(super) fn add(&mut self, told: Told, id: u32) {
        match told {
            Told { is_near: true, .. } | Told { audience: Audience::Nobody, .. } => {}
            Told { audience: Audience::Everybody, .. } => add(&mut self.everybody, id),
            Told { audience: Audience::Team(team), .. } => add(self.teams.entry(team).or_default(), id),
            Told { audience: Audience::Teams(bits), .. } => {
                each_bit(bits).for_each(|team| add(self.teams.entry(team).or_default(), id));
            }
        }
    }

    /// Takes an entity out of the lists that [`Lists::add`] put it into.
    pub(super) fn remove(&mut self, told: Told, id: u32) {
        match told {
            Told { is_near: true, .. } | Told { audience: Audience::Nobody, .. } => {}
            Told { audience: Audience::Everybody, .. } => remove(&mut self.everybody, id),
            Told { audience: Audience::Team(team), .. } => self.remove_from_team(team, id),
            Told { audience: Audience::Teams(bits), .. } => {
                each_bit(bits).for_each(|team| self.remove_from_team(team, id));
            }
        }
    }

    fn remove_from_team(&mut self, team: i64, id: u32) {
        let Some(list) = self.teams.get_mut(&team) else { return };
        remove(list, id);
        if list.is_empty() && self.teams.len() > EMPTY_LISTS_MAX {
            self.teams.remove(&team);
        }
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> [usize; 3] {
        let teams = self.teams.values().map(Vec::capacity).sum();
        [self.everybody.capacity(), self.teams.capacity(), teams]
    }
}

fn each_bit(bits: u64) -> impl Iterator<Item = i64> {
    (0..64).filter(move |team| bits >> team & 1 == 1)
}

/// New entities have the highest numbers, and go to the end at once.
pub(super) fn add(list: &mut Vec<u32>, id: u32) {
    if list.last().is_none_or(|last| *last < id) {
        list.push(id);
    } else if let Err(place) = list.binary_search(&id) {
        list.insert(place, id);
    }
}

pub(super) fn remove(list: &mut Vec<u32>, id: u32) {
    if let Ok(place) = list.binary_search(&id) {
        list.remove(place);
    }
}

/// Merges entities into a list that holds none of them; both ascend. In place, from the back.
pub(super) fn merge(list: &mut Vec<u32>, more: &[u32]) {
    let (mut old, mut new) = (list.len(), more.len());
    list.extend_from_slice(more);
    while old > 0 && new > 0 {
        let at = old + new - 1;
        if list[old - 1] > more[new - 1] {
            old -= 1;
            list[at] = list[old];
        } else {
            new -= 1;
            list[at] = more[new];
        }
    }
    list[..new].copy_from_slice(&more[..new]);
}
