//! The canonical form of a match: for each component, rows in entity order.
//!
//! Members, edges and clients hold the same structure; only the set of visibility classes differs.
//! A member captures its world into it, keyframes and baselines are its encoding, and the state
//! hash is kept beside it, row by row.
//!
//! Invariants:
//! - Rows of a column are in ascending order of entity.
//! - An entity has a row in column 0 exactly as long as it exists; no other column has rows of
//!   entities that do not exist.
//! - The hash of a column is the wrapping sum of [`row_hash`] over its rows; that of a class the sum of its columns'.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::EntityId;
use crate::manifest::{Layout, Manifest, Visibility};

/// Classes of visibility, each with a hash of its own.
pub const CLASSES: usize = 3;

/// Hash of one row: xxh3-64, seed 0, over entity (u32), component number (u16) and the row's
/// canonical bytes, all little-endian.
#[inline]
#[must_use]
pub fn row_hash(entity: u32, component: u16, row: &[u8]) -> u64 {
    if row.len() <= NARROW_BYTES {
        hash_in::<{ 6 + NARROW_BYTES }>(entity, component, row)
    } else {
        hash_in::<{ 6 + 8 * crate::limits::FIELDS_MAX }>(entity, component, row)
    }
}

/// Most rows are no wider: clearing room for the widest would take longer than hashing these.
const NARROW_BYTES: usize = 58;

#[inline]
fn hash_in<const N: usize>(entity: u32, component: u16, row: &[u8]) -> u64 {
    let mut buffer = [0u8; N];
    buffer[..4].copy_from_slice(&entity.to_le_bytes());
    buffer[4..6].copy_from_slice(&component.to_le_bytes());
    buffer[6..6 + row.len()].copy_from_slice(row);
    xxh3_64(&buffer[..6 + row.len()])
}

/// Rows of one component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    pub(crate) ids: Vec<u32>,
    pub(crate) rows: Vec<u8>,
    pub(crate) width: usize,
    /// Wrapping sum of [`row_hash`] over the rows.
    pub(crate) sum: u64,
}

impl Column {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Hash of the rows: the wrapping sum of [`row_hash`].
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.sum
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Canonical bytes of a row by its index.
    #[inline]
    pub(crate) fn row_at(&self, index: usize) -> &[u8] {
        &self.rows[index * self.width..][..self.width]
    }

    /// Canonical bytes of an entity's row.
    #[inline]
    #[must_use]
    pub fn row(&self, entity: EntityId) -> Option<&[u8]> {
        self.ids.binary_search(&entity.0).ok().map(|index| self.row_at(index))
    }

    /// Entities and their canonical bytes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (EntityId, &[u8])> {
        // A column without fields has rows of no bytes, which `chunks_exact` cannot count.
        self.ids.iter().enumerate().map(|(index, id)| (EntityId(*id), self.row_at(index)))
    }

    /// First index at or after `from` whose id is not below `id`. Doubles its stride, so that a
    /// walk in ascending order costs little more than the distance walked.
    #[inline]
    pub(crate) fn seek(&self, from: usize, id: u32) -> usize {
        let ids = &self.ids[from..];
        let mut bound = 1;
        while bound < ids.len() && ids[bound] < id {
            bound *= 2;
        }
        let low = bound / 2;
        let high = (bound + 1).min(ids.len());
        from + low + ids[low.min(high)..high].partition_point(|other| *other < id)
    }
}

/// What became of a row that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Added,
    Changed,
    Same,
    /// There is no such entity; nothing was done.
    Orphan,
}

/// All columns of one match, as far as their holder may know them.
#[derive(Debug, Clone)]
pub struct Columns {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) columns: Vec<Column>,
}

impl PartialEq for Columns {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns
    }
}

impl Columns {
    /// An empty match.
    #[must_use]
    pub fn new(manifest: Arc<Manifest>) -> Self {
        let columns =
            manifest.layouts().iter().map(|layout| Column { width: layout.width, ..Column::default() }).collect();
        Self { manifest, columns }
    }

    /// What the columns mean.
    #[must_use]
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The column at a place of the manifest's component list.
    #[must_use]
    pub fn column(&self, index: usize) -> &Column {
        &self.columns[index]
    }

    /// Entities that exist.
    #[must_use]
    pub fn entity_count(&self) -> usize {
        self.columns[0].len()
    }

    /// Hash of one class of visibility.
    #[must_use]
    pub fn hash(&self, class: Visibility) -> u64 {
        self.sums()[class as usize]
    }

    /// Hash of all classes: what members compare.
    #[must_use]
    pub fn total_hash(&self) -> u64 {
        self.columns.iter().fold(0, |sum, column| sum.wrapping_add(column.sum))
    }

    /// All hashes computed anew from the rows. Equal to what is kept, unless memory or this module is wrong.
    #[must_use]
    pub fn recomputed_sums(&self) -> [u64; CLASSES] {
        let mut sums = [0u64; CLASSES];
        for (layout, column) in self.manifest.layouts().iter().zip(&self.columns) {
            let sum = &mut sums[layout.visibility as usize];
            for (id, row) in column.iter() {
                *sum = sum.wrapping_add(row_hash(id.0, layout.number, row));
            }
        }
        sums
    }

    /// The hashes that are kept: everyone, owner, server.
    #[must_use]
    pub fn sums(&self) -> [u64; CLASSES] {
        let mut sums = [0u64; CLASSES];
        for (layout, column) in self.manifest.layouts().iter().zip(&self.columns) {
            let sum = &mut sums[layout.visibility as usize];
            *sum = sum.wrapping_add(column.sum);
        }
        sums
    }

    /// Owner of an entity: the first field of column 0. 0 is nobody.
    #[must_use]
    pub fn owner(&self, entity: EntityId) -> Option<u32> {
        self.columns[0].row(entity).map(|row| u32::from_le_bytes([row[0], row[1], row[2], row[3]]))
    }

    /// One field of one entity, as the number on the wire.
    #[must_use]
    pub fn field(&self, entity: EntityId, component: &str, field: &str) -> Option<i64> {
        let (index, layout) = self.manifest.layout_of(component)?;
        let field = layout.fields.iter().find(|candidate| candidate.name == field)?;
        self.columns[index].row(entity).map(|row| field.read(row))
    }

    /// Hash of an entity's rows: the wrapping sum of [`row_hash`] over those that are here.
    #[must_use]
    pub fn entity_hash(&self, entity: EntityId) -> u64 {
        let rows = self.manifest.layouts().iter().zip(&self.columns);
        let hashes = rows.filter_map(|(layout, column)| Some(row_hash(entity.0, layout.number, column.row(entity)?)));
        hashes.fold(0, u64::wrapping_add)
    }

    /// The same rows of those entities that `keeps` accepts.
    #[must_use]
    pub fn part(&self, keeps: impl Fn(EntityId) -> bool) -> Self {
        let mut part = Self::new(Arc::clone(&self.manifest));
        let columns = self.columns.iter().zip(&mut part.columns).zip(self.manifest.layouts());
        for ((from, to), layout) in columns {
            for (id, row) in from.iter().filter(|(id, _)| keeps(*id)) {
                to.ids.push(id.0);
                to.rows.extend_from_slice(row);
                to.sum = to.sum.wrapping_add(row_hash(id.0, layout.number, row));
            }
        }
        part
    }

    /// Adds or replaces a row of an entity that is here, or the entity itself (`index` 0). `row` has the width of its
    /// component. Gives what was there before.
    pub(crate) fn put_row(&mut self, index: usize, entity: u32, row: &[u8]) -> Put {
        let number = self.manifest.layouts()[index].number;
        if index != 0 && self.columns[0].ids.binary_search(&entity).is_err() {
            return Put::Orphan;
        }
        let column = &mut self.columns[index];
        let hash = row_hash(entity, number, row);
        match column.ids.binary_search(&entity) {
            Ok(at) => {
                let old = &mut column.rows[at * column.width..][..column.width];
                if old == row {
                    return Put::Same;
                }
                column.sum = column.sum.wrapping_sub(row_hash(entity, number, old)).wrapping_add(hash);
                old.copy_from_slice(row);
                Put::Changed
            }
            Err(at) => {
                column.ids.insert(at, entity);
                let from = at * column.width;
                column.rows.splice(from..from, row.iter().copied());
                column.sum = column.sum.wrapping_add(hash);
                Put::Added
            }
        }
    }

    /// Removes a row; whether there was one.
    pub(crate) fn take_row(&mut self, index: usize, entity: u32) -> bool {
        let number = self.manifest.layouts()[index].number;
        let column = &mut self.columns[index];
        let Ok(at) = column.ids.binary_search(&entity) else { return false };
        column.sum = column.sum.wrapping_sub(row_hash(entity, number, column.row_at(at)));
        column.ids.remove(at);
        column.rows.drain(at * column.width..(at + 1) * column.width);
        true
    }

    /// Forgets everything of one entity, in every column.
    pub(crate) fn drop_entities(&mut self, ascending: &[u32]) {
        if ascending.is_empty() {
            return;
        }
        let manifest = Arc::clone(&self.manifest);
        for index in 0..self.columns.len() {
            self.remove_rows(index, &manifest.layouts()[index], ascending);
        }
    }

    /// Removes the rows of those entities of `ascending` that have one; returns how many had.
    pub(crate) fn remove_rows(&mut self, index: usize, layout: &Layout, ascending: &[u32]) -> usize {
        let column = &mut self.columns[index];
        let (mut read, mut write, mut found) = (0, 0, 0);
        for id in ascending {
            let at = column.seek(read, *id);
            column.shift(read..at, &mut write);
            read = at;
            if column.ids.get(at) == Some(id) {
                column.sum = column.sum.wrapping_sub(row_hash(*id, layout.number, column.row_at(at)));
                read = at + 1;
                found += 1;
            }
        }
        if found > 0 {
            column.shift(read..column.ids.len(), &mut write);
            column.ids.truncate(write);
            column.rows.truncate(write * column.width);
        }
        found
    }

    /// Adds rows of entities that have none here; both slices ascending, `rows` one row each.
    pub(crate) fn insert_rows(&mut self, index: usize, layout: &Layout, ids: &[u32], rows: &[u8]) {
        let column = &mut self.columns[index];
        let width = column.width;
        for (place, id) in ids.iter().enumerate() {
            column.sum = column.sum.wrapping_add(row_hash(*id, layout.number, &rows[place * width..][..width]));
        }
        if column.ids.last() < ids.first() {
            column.ids.extend_from_slice(ids);
            column.rows.extend_from_slice(rows);
            return;
        }
        // Merge from the back, in place: each old row moves once.
        let (mut old, mut new) = (column.ids.len(), ids.len());
        column.ids.resize(old + new, 0);
        column.rows.resize((old + new) * width, 0);
        while new > 0 {
            let at = old + new - 1;
            if old > 0 && column.ids[old - 1] > ids[new - 1] {
                old -= 1;
                column.ids[at] = column.ids[old];
                column.rows.copy_within(old * width..(old + 1) * width, at * width);
            } else {
                new -= 1;
                column.ids[at] = ids[new];
                column.rows[at * width..][..width].copy_from_slice(&rows[new * width..][..width]);
            }
        }
    }
}

impl Column {
    /// Moves a range of rows down to `write`, which advances past them.
    fn shift(&mut self, range: std::ops::Range<usize>, write: &mut usize) {
        let count = range.len();
        if *write != range.start {
            let width = self.width;
            self.ids.copy_within(range.clone(), *write);
            self.rows.copy_within(range.start * width..range.end * width, *write * width);
        }
        *write += count;
    }
}
