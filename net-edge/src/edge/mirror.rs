//! The state of one match as this edge knows it: classes everyone and owner, verified at every tick.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::sync::Arc;

use protocol::bytes::{ReadError, Reader, unzigzag};
use protocol::cluster::{MatchBaseline, MatchDelta};
use protocol::delta::{apply, encode_full, filter};
use protocol::manifest::{Manifest, Visibility};
use protocol::{Columns, EntityId};
use thiserror::Error;

#[derive(Debug)]
pub(super) struct Mirror {
    columns: Columns,
    tick: u64,
    position: u64,
    /// Of a recording that was moved: players may hold later ticks.
    is_rewound: bool,
    /// All rows of class everyone, once somebody needed them at this tick.
    full: Option<Vec<u8>>,
}

/// How a mirror stands to a baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// At an earlier tick, or where a recording was moved from.
    Older,
    /// At the same tick, with the same state.
    Same,
    /// At the same tick, with another state.
    Wrong,
    /// At a later tick.
    Newer,
}

/// Why a mirror cannot go on. It must be replaced.
#[derive(Debug, Error)]
pub(super) enum Stray {
    #[error("tick {found} came where {expected} was due")]
    Gap { expected: u64, found: u64 },
    #[error("class {class:?}: {source}")]
    Bytes { class: Visibility, source: ReadError },
    #[error("tick {tick}, class {class:?}: hash {found:#018x}, the cluster has {expected:#018x}")]
    Hash { tick: u64, class: Visibility, expected: u64, found: u64 },
}

impl Mirror {
    pub(super) fn new(manifest: &Arc<Manifest>, baseline: &MatchBaseline<'_>) -> Result<Self, Stray> {
        let columns = Columns::new(Arc::clone(manifest));
        let (tick, position, is_rewound) = (baseline.tick(), baseline.position(), baseline.rewound());
        let mut mirror = Self { columns, tick, position, is_rewound, full: None };
        mirror.apply(baseline.everyone().bytes(), baseline.owner().bytes())?;
        mirror.check(baseline.hash_everyone(), baseline.hash_owner())?;
        Ok(mirror)
    }

    /// What a baseline says of this mirror.
    pub(super) fn compare(&self, baseline: &MatchBaseline<'_>) -> Known {
        // A recording that was moved may have any tick, at a later position.
        if baseline.rewound() && baseline.position() > self.position {
            return Known::Older;
        }
        match self.tick.cmp(&baseline.tick()) {
            Ordering::Greater => Known::Newer,
            Ordering::Less => Known::Older,
            Ordering::Equal => match self.check(baseline.hash_everyone(), baseline.hash_owner()) {
                Ok(()) => Known::Same,
                Err(_) => Known::Wrong,
            },
        }
    }

    /// Takes the next tick. Gives the players whose own rows are no longer told by a delta, because an entity
    /// changed its owner.
    pub(super) fn advance(&mut self, delta: &MatchDelta<'_>) -> Result<Vec<u32>, Stray> {
        if delta.tick() != self.tick + 1 {
            return Err(Stray::Gap { expected: self.tick + 1, found: delta.tick() });
        }
        self.full = None;
        let bytes = |source| Stray::Bytes { class: Visibility::Everyone, source };
        let handed_over = owner_changes(delta.everyone().bytes()).map_err(bytes)?;
        let mut owners: Vec<u32> = handed_over.iter().filter_map(|entity| self.columns.owner(*entity)).collect();
        let had_rows = self.any_own_rows(&handed_over);
        self.apply(delta.everyone().bytes(), delta.owner().bytes())?;
        (self.tick, self.position) = (delta.tick(), delta.position());
        self.check(delta.hash_everyone(), delta.hash_owner())?;
        if !had_rows && !self.any_own_rows(&handed_over) {
            return Ok(Vec::new());
        }
        owners.extend(handed_over.iter().filter_map(|entity| self.columns.owner(*entity)));
        owners.retain(|owner| *owner != 0);
        Ok(owners)
    }

    fn apply(&mut self, everyone: &[u8], owner: &[u8]) -> Result<(), Stray> {
        for (class, delta) in [(Visibility::Everyone, everyone), (Visibility::Owner, owner)] {
            apply(&mut self.columns, class, delta).map_err(|source| Stray::Bytes { class, source })?;
        }
        Ok(())
    }

    fn check(&self, everyone: u64, owner: u64) -> Result<(), Stray> {
        let sums = self.columns.sums();
        for (class, expected) in [(Visibility::Everyone, everyone), (Visibility::Owner, owner)] {
            let found = sums[class as usize];
            if found != expected {
                return Err(Stray::Hash { tick: self.tick, class, expected, found });
            }
        }
        Ok(())
    }

    fn any_own_rows(&self, entities: &[EntityId]) -> bool {
        let layouts = self.columns.manifest().layouts().iter().enumerate();
        let mut own = layouts.filter(|(_, layout)| layout.visibility == Visibility::Owner);
        !entities.is_empty()
            && own.any(|(index, _)| entities.iter().any(|entity| self.columns.column(index).row(*entity).is_some()))
    }

    pub(super) const fn tick(&self) -> u64 {
        self.tick
    }

    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    pub(super) const fn is_rewound(&self) -> bool {
        self.is_rewound
    }

    pub(super) fn hash(&self) -> u64 {
        self.columns.hash(Visibility::Everyone)
    }

    pub(super) const fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(super) const fn manifest(&self) -> &Arc<Manifest> {
        self.columns.manifest()
    }

    /// All rows of class everyone. Encoded once a tick, however many players ask.
    pub(super) fn everyone(&mut self) -> &[u8] {
        let columns = &self.columns;
        self.full.get_or_insert_with(|| encode_full(columns, Visibility::Everyone, |_| true))
    }

    /// All rows of class owner of one player.
    pub(super) fn own(&self, player: u32) -> Vec<u8> {
        encode_full(&self.columns, Visibility::Owner, |entity| self.columns.owner(entity) == Some(player))
    }
}

/// A delta of class owner, to be told to each player in part.
pub(super) struct OwnRows<'a> {
    manifest: &'a Manifest,
    delta: &'a [u8],
    /// Owner of each row, in the order in which [`filter`] asks: looked up once, not for every player.
    owners: Vec<u32>,
}

impl<'a> OwnRows<'a> {
    /// `mirror` is at the tick of the delta: new entities have their owner by then.
    pub(super) fn new(mirror: &'a Mirror, delta: &'a [u8]) -> Self {
        let owners = RefCell::new(Vec::new());
        let note = |entity| {
            owners.borrow_mut().push(mirror.columns.owner(entity).unwrap_or_default());
            false
        };
        // The mirror took this delta, so it can be read.
        let _ = filter(mirror.manifest(), delta, note);
        Self { manifest: mirror.manifest(), delta, owners: owners.into_inner() }
    }

    /// What one player hears; `None` for nothing.
    pub(super) fn of(&self, player: u32) -> Option<Vec<u8>> {
        if !self.owners.contains(&player) {
            return None;
        }
        let place = Cell::new(0);
        let is_own = |_| {
            let row = place.replace(place.get() + 1);
            self.owners.get(row) == Some(&player)
        };
        filter(self.manifest, self.delta, is_own).ok().flatten()
    }
}

/// Entities that a delta of class everyone gives another owner: what it changes in component 0.
fn owner_changes(delta: &[u8]) -> Result<Vec<EntityId>, ReadError> {
    let mut reader = Reader::new(delta);
    let mut changed = Vec::new();
    if reader.varint()? == 0 || reader.varint()? != 0 {
        return Ok(changed);
    }
    for _ in 0..reader.varint()? {
        reader.varint()?;
    }
    for _ in 0..reader.varint()? {
        reader.varint()?;
        reader.varint()?;
    }
    let mut entity = 0u64;
    for _ in 0..reader.varint()? {
        entity = entity.wrapping_add(reader.varint()?);
        let _mask = reader.varint()?;
        let _difference = unzigzag(reader.varint()?);
        changed.push(EntityId(entity as u32));
    }
    Ok(changed)
}
