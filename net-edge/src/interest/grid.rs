//! Where entities are, by cells: who asks what is around a place looks at a few cells and not at all entities.
//!
//! A cell's side is the largest power of two that is not longer than reach and margin, so that at most five cells of
//! each axis are looked at. Cells share a fixed number of chains, in which entities are linked: moving an entity
//! allocates nothing, and empty cells cost nothing.

use super::extent::Extent;
use super::facts::Audience;

/// A place: coordinates as they stand in the fields, where need be less 2^31.
pub(super) type At = [i32; 3];

/// What a look needs to know of an entity in the grid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) at: At,
    pub(super) id: u32,
    pub(super) owner: u32,
    pub(super) audience: Audience,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    spot: Spot,
    next: u32,
    /// [`LOOSE`] when the slot is not in the grid.
    before: u32,
}

/// Entities by cell. Slots are the caller's.
#[derive(Debug)]
pub(super) struct Grid {
    shifts: [u32; 3],
    /// First slot of each chain; as many as a power of two.
    heads: Vec<u32>,
    links: Vec<Link>,
    count: usize,
}

const NONE: u32 = u32::MAX;
const LOOSE: u32 = u32::MAX - 1;
const HEADS_MIN: usize = 64;

impl Grid {
    pub(super) fn new(extent: &Extent) -> Self {
        // An axis that is not used is one cell.
        let shift = |far: i64| if far == 0 { 31 } else { far.ilog2().min(31) };
        Self { shifts: extent.far().map(shift), heads: vec![NONE; HEADS_MIN], links: Vec::new(), count: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.heads.fill(NONE);
        self.links.clear();
        self.count = 0;
    }

    /// Puts an entity into its cell, or moves it there.
    pub(super) fn put(&mut self, slot: u32, spot: Spot) {
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, Link { spot, next: NONE, before: LOOSE });
        }
        let known = &mut self.links[index];
        let has_moved = cell(self.shifts, known.spot.at) != cell(self.shifts, spot.at);
        if known.before != LOOSE && !has_moved {
            known.spot = spot;
            return;
        }
        self.remove(slot);
        self.links[index].spot = spot;
        self.count += 1;
        if self.count > self.heads.len() {
            self.link_all_anew();
        } else {
            self.link(slot);
        }
    }

    /// Takes an entity out, if it is in.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(Link { spot, next, before }) = self.links.get(slot as usize).copied() else { return };
        match before {
            LOOSE => return,
            NONE => {
                let chain = self.chain(cell(self.shifts, spot.at));
                self.heads[chain] = next;
            }
            before => self.links[before as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].before = before;
        }
        self.links[slot as usize].before = LOOSE;
        self.count -= 1;
    }

    /// Calls `each` for what may be within reach and margin of a place; what is, is the caller's to see.
    #[inline]
    pub(super) fn around(&self, from: At, extent: &Extent, mut each: impl FnMut(&Spot)) {
        if self.count == 0 {
            return;
        }
        let far = extent.far();
        let border = |axis: usize, by: i64| {
            let at = (i64::from(from[axis]) + by).clamp(i32::MIN.into(), i32::MAX.into());
            at as i32 >> self.shifts[axis]
        };
        let range = |axis: usize| border(axis, -far[axis])..=border(axis, far[axis]);
        for z in range(2) {
            for y in range(1) {
                for x in range(0) {
                    let wanted = [x, y, z];
                    let mut slot = self.heads[self.chain(wanted)];
                    while slot != NONE {
                        let link = &self.links[slot as usize];
                        // Other cells may share the chain.
                        if cell(self.shifts, link.spot.at) == wanted {
                            each(&link.spot);
                        }
                        slot = link.next;
                    }
                }
            }
        }
    }

    fn link(&mut self, slot: u32) {
        let chain = self.chain(cell(self.shifts, self.links[slot as usize].spot.at));
        let next = std::mem::replace(&mut self.heads[chain], slot);
        if next != NONE {
            self.links[next as usize].before = slot;
        }
        let link = &mut self.links[slot as usize];
        (link.next, link.before) = (next, NONE);
    }

    /// Doubles the chains, so that they stay short.
    fn link_all_anew(&mut self) {
        let chains = 2 * self.heads.len();
        self.heads.clear();
        self.heads.resize(chains, NONE);
        // The one that is about to be put counts, but is still loose.
        for slot in 0..self.links.len() as u32 {
            if self.links[slot as usize].before != LOOSE {
                self.link(slot);
            }
        }
    }

    const fn chain(&self, cell: [i32; 3]) -> usize {
        let mut hash = 0u64;
        let mut axis = 0;
        while axis < 3 {
            hash = (hash ^ cell[axis] as u32 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 32;
            axis += 1;
        }
        hash as usize & (self.heads.len() - 1)
    }

    #[cfg(test)]
    pub(super) const fn room(&self) -> [usize; 2] {
        [self.heads.capacity(), self.links.capacity()]
    }
}

const fn cell(shifts: [u32; 3], at: At) -> [i32; 3] {
    [at[0] >> shifts[0], at[1] >> shifts[1], at[2] >> shifts[2]]
}

/// In numbers of the fields, rounded.
pub(super) fn distance(from: At, to: At) -> u32 {
    let square = |axis: usize| (f64::from(from[axis]) - f64::from(to[axis])).powi(2);
    (square(0) + square(1) + square(2)).sqrt() as u32
}
