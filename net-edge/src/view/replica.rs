//! What can be told of a match now, and what could be told at the ticks before.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::Columns;
use protocol::bytes::ReadError;
use protocol::columns::row_hash;
use protocol::delta::{Named, visit};
use protocol::limits::BASE_AGE_TICKS_MAX;
use protocol::manifest::{Layout, Manifest, Visibility};

/// One match as players are told of it: quantised, with the values that its rows had in the last ticks.
#[derive(Debug)]
pub struct Replica {
    manifest: Arc<Manifest>,
    tick: u64,
    /// Entities that exist, ascending.
    entities: Vec<u32>,
    slots_by_id: HashMap<u32, u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Row of each component by slot: `slot * components + place`; [`NONE`] if there is none.
    rows: Vec<u32>,
    kinds: Vec<Kind>,
    /// By tick modulo their number: what rows were before that tick, and which entities it changed.
    past: Vec<Past>,
    scratch: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// 0: nobody's.
    id: u32,
    owner: u32,
}

/// Rows of one component.
#[derive(Debug)]
struct Kind {
    is_told: bool,
    width: usize,
    values: Vec<u8>,
    metas: Vec<Meta>,
    free: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Meta {
    /// Tick since which it has this value, and since which it is there at all.
    version: u64,
    created: u64,
    /// Bit `i`: it changed at `version - i`.
    history: u64,
    hash: u64,
    before: Link,
}

/// Where the value before is kept.
#[derive(Debug, Clone, Copy)]
struct Link {
    tick: u64,
    entry: u32,
}

#[derive(Debug, Default)]
struct Past {
    tick: u64,
    entries: Vec<Entry>,
    values: Vec<u8>,
    changed: Vec<u32>,
    unsure: Vec<Unsure>,
}

/// A value that a row had until a tick.
#[derive(Debug)]
struct Entry {
    version: u64,
    before: Link,
    offset: u32,
}

pub(super) const NONE: u32 = u32::MAX;
const NO_LINK: Link = Link { tick: u64::MAX, entry: 0 };
const PAST_TICKS: usize = BASE_AGE_TICKS_MAX as usize + 1;

/// A row that was dropped while its entity stayed, or that another player may know from now on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unsure {
    pub(super) entity: u32,
    pub(super) kind: u16,
    /// Whose the entity was before.
    pub(super) owner: u32,
}

/// When a row changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changes {
    pub(super) created: u64,
    pub(super) version: u64,
    /// Bit `i`: at `version - i`.
    pub(super) history: u64,
}

/// A row as it is now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Its place among the rows of its component, for as long as it exists.
    pub(super) place: u32,
    pub(super) hash: u64,
    pub(super) value: &'a [u8],
}

impl Replica {
    /// Begins with a whole state. Rows of class server are left out.
    #[must_use]
    pub fn new(columns: &Columns, tick: u64) -> Self {
        let manifest = Arc::clone(columns.manifest());
        let kind = |layout: &Layout| Kind {
            is_told: layout.visibility != Visibility::Server,
            width: layout.width,
            values: Vec::new(),
            metas: Vec::new(),
            free: Vec::new(),
        };
        let mut replica = Self {
            kinds: manifest.layouts().iter().map(kind).collect(),
            manifest,
            tick,
            entities: Vec::new(),
            slots_by_id: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            rows: Vec::new(),
            past: (0..PAST_TICKS).map(|_| Past { tick: u64::MAX, ..Past::default() }).collect(),
            scratch: Vec::new(),
        };
        replica.open(tick);
        for place in 0..replica.kinds.len() {
            for (id, row) in columns.column(place).iter() {
                replica.set(place, id.0, row);
            }
        }
        replica.close(tick);
        replica
    }

    /// Takes the ticks up to this one: `after` is the exact state after it, the deltas are those that led there, of
    /// everyone and of owners for each tick. Several ticks are taken as one: what was in between is told to nobody, and
    /// the ticks before the last have changed nothing. Costs what the deltas name.
    ///
    /// # Errors
    /// When a delta is none. The replica must be made anew then.
    pub fn advance(&mut self, after: &Columns, deltas: &[(&[u8], &[u8])], tick: u64) -> Result<(), ReadError> {
        for passed in (self.tick + 1).max(tick.saturating_sub(PAST_TICKS as u64))..tick {
            self.open(passed);
        }
        self.open(tick);
        let manifest = Arc::clone(&self.manifest);
        for delta in deltas.iter().flat_map(|(everyone, owner)| [*everyone, *owner]) {
            visit(&manifest, delta, |place, entity, named| match (named, after.column(place).row(entity)) {
                (Named::Removed, None) if place == 0 => self.drop_entity(entity.0),
                (Named::Removed, None) => self.drop_row(place, entity.0),
                (_, Some(row)) => self.set(place, entity.0, row),
                // Named and gone: the entity was removed with it.
                (_, None) => {}
            })?;
        }
        self.close(tick);
        Ok(())
    }

    /// What the rows mean.
    #[must_use]
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The tick that can be told.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }

    /// Entities that exist, ascending.
    #[must_use]
    pub fn entities(&self) -> &[u32] {
        &self.entities
    }

    /// Entities that a tick changed, ascending: new ones and those that are gone among them. `None` if that is no
    /// longer known.
    #[must_use]
    pub fn changed(&self, tick: u64) -> Option<&[u32]> {
        let past = &self.past[tick as usize % PAST_TICKS];
        (past.tick == tick).then_some(&past.changed)
    }

    pub(super) const fn kind_count(&self) -> usize {
        self.kinds.len()
    }

    /// Whether players may hear of rows of a component at all.
    pub(super) fn is_told(&self, kind: usize) -> bool {
        self.kinds[kind].is_told
    }

    pub(super) fn slot(&self, entity: u32) -> Option<u32> {
        self.slots_by_id.get(&entity).copied()
    }

    pub(super) fn is_in(&self, slot: u32, entity: u32) -> bool {
        self.slots.get(slot as usize).is_some_and(|slot| slot.id == entity)
    }

    /// Who owns the entity in a slot; 0: nobody.
    pub(super) fn owner(&self, slot: u32) -> u32 {
        self.slots[slot as usize].owner
    }

    /// The row of the entity in a slot.
    #[inline]
    pub(super) fn row(&self, slot: u32, kind: usize) -> Option<Row<'_>> {
        let place = self.rows[slot as usize * self.kinds.len() + kind];
        (place != NONE).then(|| {
            let meta = &self.kinds[kind].metas[place as usize];
            Row { place, hash: meta.hash, value: self.kinds[kind].value(place) }
        })
    }

    /// Whether a row of a component is there, and since which tick it is as it is.
    #[inline]
    pub(super) fn version(&self, slot: u32, kind: usize) -> Option<u64> {
        let place = self.rows[slot as usize * self.kinds.len() + kind];
        (place != NONE).then(|| self.kinds[kind].metas[place as usize].version)
    }

    /// When the row of the entity in a slot changed; `None` if there is none.
    #[inline]
    pub(super) fn changes(&self, slot: u32, kind: usize) -> Option<Changes> {
        let place = self.rows[slot as usize * self.kinds.len() + kind];
        (place != NONE).then(|| {
            let Meta { version, created, history, .. } = self.kinds[kind].metas[place as usize];
            Changes { created, version, history }
        })
    }

    /// What a tick dropped or gave to others. `None` if that is no longer known.
    pub(super) fn unsure(&self, tick: u64) -> Option<&[Unsure]> {
        let past = &self.past[tick as usize % PAST_TICKS];
        (past.tick == tick).then_some(&past.unsure)
    }

    pub(super) fn value(&self, kind: usize, place: u32) -> &[u8] {
        self.kinds[kind].value(place)
    }

    /// The value that a row had at a tick; `None` if it was not there or that is no longer known.
    #[inline]
    pub(super) fn value_at(&self, kind: usize, place: u32, tick: u64) -> Option<&[u8]> {
        let kind = &self.kinds[kind];
        let meta = &kind.metas[place as usize];
        if meta.version <= tick {
            return Some(kind.value(place));
        }
        let mut link = meta.before;
        loop {
            let past = &self.past[link.tick as usize % PAST_TICKS];
            if past.tick != link.tick || link.tick == NO_LINK.tick {
                return None;
            }
            let entry = &past.entries[link.entry as usize];
            if entry.version <= tick {
                return Some(&past.values[entry.offset as usize..][..kind.width]);
            }
            link = entry.before;
        }
    }

    // ---- taking in what changes -----------------------------------------------------------------

    fn open(&mut self, tick: u64) {
        assert!(tick != NO_LINK.tick, "the last number is no tick");
        self.tick = tick;
        let past = &mut self.past[tick as usize % PAST_TICKS];
        past.tick = tick;
        past.entries.clear();
        past.values.clear();
        past.changed.clear();
        past.unsure.clear();
    }

    fn close(&mut self, tick: u64) {
        let past = &mut self.past[tick as usize % PAST_TICKS];
        past.changed.sort_unstable();
        past.changed.dedup();
        let Self { past, entities, slots_by_id, .. } = self;
        let changed = &past[tick as usize % PAST_TICKS].changed;
        let is_gone = |id: &u32| changed.binary_search(id).is_ok() && !slots_by_id.contains_key(id);
        if changed.iter().any(|id| !slots_by_id.contains_key(id)) {
            entities.retain(|id| !is_gone(id));
        }
    }

    fn set(&mut self, kind: usize, entity: u32, exact: &[u8]) {
        if !self.kinds[kind].is_told {
            return;
        }
        let mut row = std::mem::take(&mut self.scratch);
        row.clear();
        row.extend_from_slice(exact);
        let layout = &self.manifest.layouts()[kind];
        for field in layout.fields.iter().filter(|field| field.step > 1) {
            field.write(&mut row, field.quantise(field.read(exact)));
        }
        let number = layout.number;
        if let Some(slot) = self.slot_for(kind, entity, &row) {
            self.put(slot, kind, number, entity, &row);
        }
        self.scratch = row;
    }

    /// The slot of an entity; a row of the entity itself makes one, and says who owns it.
    fn slot_for(&mut self, kind: usize, entity: u32, row: &[u8]) -> Option<u32> {
        let known = self.slots_by_id.get(&entity).copied();
        if kind != 0 {
            return known;
        }
        let owner = u32::from_le_bytes([row[0], row[1], row[2], row[3]]);
        if let Some(slot) = known {
            let before = std::mem::replace(&mut self.slots[slot as usize].owner, owner);
            if before != owner {
                let is_owners = |layout: &Layout| layout.visibility == Visibility::Owner;
                let owners = (0u16..).zip(self.manifest.layouts()).filter(|(_, layout)| is_owners(layout));
                self.past[self.tick as usize % PAST_TICKS].unsure.extend(owners.map(|(kind, _)| Unsure {
                    entity,
                    kind,
                    owner: before,
                }));
            }
            return known;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { id: 0, owner: 0 });
            self.rows.resize(self.slots.len() * self.kinds.len(), NONE);
            self.slots.len() as u32 - 1
        });
        self.slots[slot as usize] = Slot { id: entity, owner };
        self.slots_by_id.insert(entity, slot);
        let at = self.entities.partition_point(|id| *id < entity);
        self.entities.insert(at, entity);
        Some(slot)
    }

    fn put(&mut self, slot: u32, kind: usize, number: u16, entity: u32, row: &[u8]) {
        let tick = self.tick;
        let at = slot as usize * self.kinds.len() + kind;
        let kind = &mut self.kinds[kind];
        let past = &mut self.past[tick as usize % PAST_TICKS];
        let hash = row_hash(entity, number, row);
        let place = self.rows[at];
        if place == NONE {
            self.rows[at] = kind.add(row, Meta { version: tick, created: tick, history: 1, hash, before: NO_LINK });
            past.changed.push(entity);
            return;
        }
        let old = &mut kind.values[place as usize * kind.width..][..kind.width];
        if old == row {
            return;
        }
        let meta = &mut kind.metas[place as usize];
        // A row that changes twice in a tick has no value in between.
        if meta.version < tick {
            let offset = past.values.len() as u32;
            past.values.extend_from_slice(old);
            let entry = past.entries.len() as u32;
            past.entries.push(Entry { version: meta.version, before: meta.before, offset });
            meta.before = Link { tick, entry };
            let passed = u32::try_from(tick - meta.version).unwrap_or(u32::MAX);
            meta.history = meta.history.checked_shl(passed).unwrap_or(0) | 1;
        }
        (meta.version, meta.hash) = (tick, hash);
        old.copy_from_slice(row);
        past.changed.push(entity);
    }

    fn drop_row(&mut self, kind: usize, entity: u32) {
        let Some(slot) = self.slots_by_id.get(&entity).copied() else { return };
        let owner = self.owner(slot);
        let at = slot as usize * self.kinds.len() + kind;
        let place = std::mem::replace(&mut self.rows[at], NONE);
        if place != NONE {
            self.kinds[kind].free.push(place);
            let past = &mut self.past[self.tick as usize % PAST_TICKS];
            past.changed.push(entity);
            past.unsure.push(Unsure { entity, kind: kind as u16, owner });
        }
    }

    fn drop_entity(&mut self, entity: u32) {
        for kind in 0..self.kinds.len() {
            self.drop_row(kind, entity);
        }
        if let Some(slot) = self.slots_by_id.remove(&entity) {
            self.slots[slot as usize] = Slot { id: 0, owner: 0 };
            self.free.push(slot);
        }
    }
}

impl Kind {
    #[inline]
    fn value(&self, place: u32) -> &[u8] {
        &self.values[place as usize * self.width..][..self.width]
    }

    fn add(&mut self, row: &[u8], meta: Meta) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.metas.push(meta);
            self.values.resize(self.metas.len() * self.width, 0);
            self.metas.len() as u32 - 1
        });
        self.metas[place as usize] = meta;
        self.values[place as usize * self.width..][..self.width].copy_from_slice(row);
        place
    }
}
