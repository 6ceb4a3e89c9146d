//! What changed between two states, as bytes; and a whole state, which is what changed since nothing.
//!
//! ```text
//! delta     := count:varint component*                       components ascending by number
//! component := number:varint removed inserted changed
//! removed   := count:varint (gap:varint)*
//! inserted  := count:varint (gap:varint field*)*             every field
//! changed   := count:varint (gap:varint mask:varint field*)* the fields whose bit is set
//! ```
//!
//! Entities of a list ascend; a gap is the distance to the one before, the first counted from 0.
//! A field of `inserted` is its number, of `changed` the wrapping difference to the number before;
//! `F32` is its four bytes in both. An entity removed from component 0 loses all its rows.
//!
//! [`Writer`] computes a delta while it brings [`Columns`] up to date; [`apply`] does the same to a mirror.

use crate::EntityId;
use crate::bytes::{ReadError, Reader, put_varint, unzigzag, zigzag};
use crate::columns::{Column, Columns, row_hash};
use crate::limits::ENTITIES_MAX;
use crate::manifest::{Field, FieldKind, Layout, Visibility};

use std::sync::Arc;

/// Collects one component after another into the deltas of one tick, one for each class.
#[derive(Debug, Default)]
pub struct Writer {
    classes: [Section; crate::columns::CLASSES],
    despawned: Vec<u32>,
    inserted_ids: Vec<u32>,
    inserted_rows: Vec<u8>,
    inserted: Vec<u8>,
    changed: Vec<u8>,
    removed: Vec<u32>,
}

#[derive(Debug, Default)]
struct Section {
    components: u64,
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer; its buffers are reused from tick to tick.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a tick: entities that no longer exist leave all columns. `despawned` ascends.
    pub fn begin(&mut self, columns: &mut Columns, despawned: &[u32]) {
        for section in &mut self.classes {
            section.components = 0;
            section.bytes.clear();
        }
        self.despawned.clear();
        self.despawned.extend(despawned.iter().filter(|id| columns.columns[0].row(EntityId(**id)).is_some()));
        columns.drop_entities(&self.despawned);
    }

    /// Takes the rows of one component that may have changed and the entities that lost it; both
    /// ascend, `present` holds `(entity, place of its row in rows)`. Components must come in the
    /// order of the manifest.
    pub fn component(
        &mut self,
        columns: &mut Columns,
        index: usize,
        present: &[(u32, u32)],
        rows: &[u8],
        removed: &[u32],
    ) {
        let manifest = Arc::clone(&columns.manifest);
        let layout = &manifest.layouts()[index];
        self.inserted_ids.clear();
        self.inserted_rows.clear();
        self.changed.clear();
        self.removed.clear();
        self.removed.extend(removed.iter().filter(|id| columns.columns[index].row(EntityId(**id)).is_some()));
        columns.remove_rows(index, layout, &self.removed);

        let mut changed_count = 0u64;
        let (mut from, mut last) = (0, 0);
        for (id, place) in present {
            let new = &rows[*place as usize * layout.width..][..layout.width];
            let column = &mut columns.columns[index];
            from = column.seek(from, *id);
            if column.ids.get(from) == Some(id) {
                let old = &mut column.rows[from * layout.width..][..layout.width];
                if old == new {
                    continue;
                }
                put_varint(&mut self.changed, u64::from(id - last));
                last = *id;
                put_changes(&mut self.changed, layout, old, new);
                changed_count += 1;
                column.sum = column.sum.wrapping_sub(row_hash(*id, layout.number, old));
                column.sum = column.sum.wrapping_add(row_hash(*id, layout.number, new));
                old.copy_from_slice(new);
            } else {
                self.inserted_ids.push(*id);
                self.inserted_rows.extend_from_slice(new);
            }
        }
        columns.insert_rows(index, layout, &self.inserted_ids, &self.inserted_rows);
        self.close_component(index, layout, changed_count);
    }

    fn close_component(&mut self, index: usize, layout: &Layout, changed_count: u64) {
        // Column 0 alone names despawned entities; other columns follow from it.
        let removed = if index == 0 { &self.despawned } else { &self.removed };
        if removed.is_empty() && self.inserted_ids.is_empty() && changed_count == 0 {
            return;
        }
        let section = &mut self.classes[layout.visibility as usize];
        section.components += 1;
        put_varint(&mut section.bytes, u64::from(layout.number));
        put_ids(&mut section.bytes, removed);
        self.inserted.clear();
        let mut last = 0;
        for (place, id) in self.inserted_ids.iter().enumerate() {
            put_varint(&mut self.inserted, u64::from(id - last));
            last = *id;
            put_row(&mut self.inserted, layout, &self.inserted_rows[place * layout.width..][..layout.width]);
        }
        put_varint(&mut section.bytes, self.inserted_ids.len() as u64);
        section.bytes.extend_from_slice(&self.inserted);
        put_varint(&mut section.bytes, changed_count);
        section.bytes.extend_from_slice(&self.changed);
    }

    /// The delta of one class, once all components were given.
    #[must_use]
    pub fn finish(&self, class: Visibility) -> Vec<u8> {
        let section = &self.classes[class as usize];
        let mut out = Vec::with_capacity(section.bytes.len() + 2);
        put_varint(&mut out, section.components);
        out.extend_from_slice(&section.bytes);
        out
    }
}

/// Encodes all rows of one class: the delta from nothing. `admit` says which entities to include.
#[must_use]
pub fn encode_full(columns: &Columns, class: Visibility, admit: impl Fn(EntityId) -> bool) -> Vec<u8> {
    encode_rows(&columns.manifest, class, |place, put| {
        columns.columns[place].iter().filter(|(id, _)| admit(*id)).for_each(|(id, row)| put(id, row));
    })
}

/// Encodes rows as the delta from nothing. `rows` is asked for each component of the class, by its place, and puts
/// its entities, ascending, with their canonical bytes.
#[must_use]
pub fn encode_rows(
    manifest: &crate::manifest::Manifest,
    class: Visibility,
    rows: impl Fn(usize, &mut dyn FnMut(EntityId, &[u8])),
) -> Vec<u8> {
    let mut body = Vec::new();
    let mut components = 0;
    let mut bytes = Vec::new();
    for (place, layout) in manifest.layouts().iter().enumerate() {
        if layout.visibility != class {
            continue;
        }
        bytes.clear();
        let (mut count, mut last) = (0u64, 0);
        rows(place, &mut |id, row| {
            put_varint(&mut bytes, u64::from(id.0 - last));
            last = id.0;
            put_row(&mut bytes, layout, row);
            count += 1;
        });
        if count > 0 {
            components += 1;
            put_varint(&mut body, u64::from(layout.number));
            put_varint(&mut body, 0);
            put_varint(&mut body, count);
            body.extend_from_slice(&bytes);
            put_varint(&mut body, 0);
        }
    }
    let mut out = Vec::with_capacity(body.len() + 2);
    put_varint(&mut out, components);
    out.extend_from_slice(&body);
    out
}

/// Rewrites a delta of one class so that it speaks only of entities that `admit` accepts.
///
/// `before` is the state that the delta applies to; a despawned entity is judged by it.
/// Returns `None` when nothing is left.
///
/// # Errors
/// When `delta` is not a delta of this manifest.
pub fn filter(
    manifest: &crate::manifest::Manifest,
    delta: &[u8],
    admit: impl Fn(EntityId) -> bool,
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut reader = Reader::new(delta);
    let count = read_component_count(&mut reader, manifest)?;
    let mut body = Vec::new();
    let mut components = 0;
    for _ in 0..count {
        let index = read_component(&mut reader, manifest, None)?;
        let layout = &manifest.layouts()[index];
        let mut lists: [(u64, Vec<u8>); 3] = Default::default();
        for (list, (kept, bytes)) in lists.iter_mut().enumerate() {
            let rows = read_count(&mut reader)?;
            let (mut id, mut last) = (0, 0);
            for row in 0..rows {
                id = read_gap(&mut reader, id, row == 0)?;
                let start = reader.offset();
                match list {
                    0 => {}
                    1 => skip_fields(&mut reader, layout, u64::MAX)?,
                    _ => {
                        let mask = reader.varint()?;
                        skip_fields(&mut reader, layout, mask)?;
                    }
                }
                if admit(EntityId(id)) {
                    put_varint(bytes, u64::from(id - last));
                    bytes.extend_from_slice(&delta[start..reader.offset()]);
                    last = id;
                    *kept += 1;
                }
            }
        }
        if lists.iter().any(|(kept, _)| *kept > 0) {
            components += 1;
            put_varint(&mut body, u64::from(layout.number));
            for (kept, bytes) in lists {
                put_varint(&mut body, kept);
                body.extend_from_slice(&bytes);
            }
        }
    }
    reader.finish()?;
    if components == 0 {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(body.len() + 2);
    put_varint(&mut out, components);
    out.extend_from_slice(&body);
    Ok(Some(out))
}

/// What a delta says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// It is gone; in component 0, with all rows of its entity.
    Removed,
    /// It is new.
    Inserted,
    /// It is another.
    Changed,
}

/// Tells `visit` of each row that a delta names: its component's place in the manifest's list, its entity, and what
/// became of it. Components ascend, within one first the removed, then the inserted, then the changed, each ascending.
///
/// # Errors
/// When `delta` is not a delta of this manifest. What came before the error has been visited.
pub fn visit(
    manifest: &crate::manifest::Manifest,
    delta: &[u8],
    mut visit: impl FnMut(usize, EntityId, Named),
) -> Result<(), ReadError> {
    let mut reader = Reader::new(delta);
    for _ in 0..read_component_count(&mut reader, manifest)? {
        let index = read_component(&mut reader, manifest, None)?;
        let layout = &manifest.layouts()[index];
        for named in [Named::Removed, Named::Inserted, Named::Changed] {
            let mut id = 0;
            for row in 0..read_count(&mut reader)? {
                id = read_gap(&mut reader, id, row == 0)?;
                match named {
                    Named::Removed => {}
                    Named::Inserted => skip_fields(&mut reader, layout, u64::MAX)?,
                    Named::Changed => {
                        let mask = reader.varint()?;
                        skip_fields(&mut reader, layout, mask)?;
                    }
                }
                visit(index, EntityId(id), named);
            }
        }
    }
    reader.finish()
}

/// Applies a delta of one class to a mirror.
///
/// # Errors
/// When the bytes are not a delta that fits the mirror. The mirror is then in an unknown state and
/// must be replaced by a baseline.
pub fn apply(columns: &mut Columns, class: Visibility, delta: &[u8]) -> Result<(), ReadError> {
    let manifest = Arc::clone(&columns.manifest);
    let mut reader = Reader::new(delta);
    let count = read_component_count(&mut reader, &manifest)?;
    let mut previous = None;
    for _ in 0..count {
        let index = read_component(&mut reader, &manifest, previous)?;
        previous = Some(index);
        let layout = &manifest.layouts()[index];
        if layout.visibility != class {
            return Err(reader.error("the component is of another class"));
        }
        apply_removed(&mut reader, columns, index, layout)?;
        let inserted = read_inserted(&mut reader, columns, index, layout)?;
        apply_changed(&mut reader, columns, index, layout)?;
        columns.insert_rows(index, layout, &inserted.0, &inserted.1);
    }
    reader.finish()?;
    if columns.entity_count() > ENTITIES_MAX {
        return Err(reader.error("more entities than allowed"));
    }
    Ok(())
}

fn apply_removed(
    reader: &mut Reader<'_>,
    columns: &mut Columns,
    index: usize,
    layout: &Layout,
) -> Result<(), ReadError> {
    let count = read_count(reader)?;
    let mut ids = Vec::with_capacity(count);
    let mut id = 0;
    for row in 0..count {
        id = read_gap(reader, id, row == 0)?;
        ids.push(id);
    }
    if !ids.iter().all(|id| columns.columns[index].row(EntityId(*id)).is_some()) {
        return Err(reader.error("a removed row does not exist"));
    }
    if index == 0 {
        columns.drop_entities(&ids);
    } else {
        columns.remove_rows(index, layout, &ids);
    }
    Ok(())
}

fn read_inserted(
    reader: &mut Reader<'_>,
    columns: &Columns,
    index: usize,
    layout: &Layout,
) -> Result<(Vec<u32>, Vec<u8>), ReadError> {
    let count = read_count(reader)?;
    let mut ids = Vec::with_capacity(count);
    let mut rows = vec![0u8; count.saturating_mul(layout.width)];
    let (mut id, mut at, mut entity_at) = (0, 0, 0);
    for place in 0..count {
        id = read_gap(reader, id, place == 0)?;
        let row = &mut rows[place * layout.width..][..layout.width];
        for field in &layout.fields {
            let number = read_field(reader, field, None)?;
            field.write(row, number);
        }
        at = columns.columns[index].seek(at, id);
        if columns.columns[index].ids.get(at) == Some(&id) {
            return Err(reader.error("an inserted row exists already"));
        }
        if index != 0 {
            entity_at = columns.columns[0].seek(entity_at, id);
            if columns.columns[0].ids.get(entity_at) != Some(&id) {
                return Err(reader.error("a row belongs to no entity"));
            }
        }
        ids.push(id);
    }
    Ok((ids, rows))
}

fn apply_changed(
    reader: &mut Reader<'_>,
    columns: &mut Columns,
    index: usize,
    layout: &Layout,
) -> Result<(), ReadError> {
    let count = read_count(reader)?;
    let (mut id, mut at) = (0, 0);
    let column: &mut Column = &mut columns.columns[index];
    for row in 0..count {
        id = read_gap(reader, id, row == 0)?;
        at = column.seek(at, id);
        if column.ids.get(at) != Some(&id) {
            return Err(reader.error("a changed row does not exist"));
        }
        let mask = read_mask(reader, layout)?;
        let row = &mut column.rows[at * layout.width..][..layout.width];
        column.sum = column.sum.wrapping_sub(row_hash(id, layout.number, row));
        for (bit, field) in layout.fields.iter().enumerate() {
            if mask & (1 << bit) != 0 {
                let number = read_field(reader, field, Some(field.read(row)))?;
                field.write(row, number);
            }
        }
        column.sum = column.sum.wrapping_add(row_hash(id, layout.number, row));
    }
    Ok(())
}

// ---- the parts ----------------------------------------------------------------------------------

fn put_ids(out: &mut Vec<u8>, ids: &[u32]) {
    put_varint(out, ids.len() as u64);
    let mut last = 0;
    for id in ids {
        put_varint(out, u64::from(id - last));
        last = *id;
    }
}

#[inline]
fn put_number(out: &mut Vec<u8>, field: &Field, number: i64) {
    match field.kind {
        FieldKind::F32 => out.extend_from_slice(&(number as u32).to_le_bytes()),
        kind if kind.is_signed() => put_varint(out, zigzag(number)),
        _ => put_varint(out, number as u64),
    }
}

fn put_row(out: &mut Vec<u8>, layout: &Layout, row: &[u8]) {
    for field in &layout.fields {
        put_number(out, field, field.read(row));
    }
}

fn put_changes(out: &mut Vec<u8>, layout: &Layout, old: &[u8], new: &[u8]) {
    let mut mask = 0u64;
    for (bit, field) in layout.fields.iter().enumerate() {
        let range = field.offset..field.offset + field.kind.width();
        if old[range.clone()] != new[range] {
            mask |= 1 << bit;
        }
    }
    put_varint(out, mask);
    for (bit, field) in layout.fields.iter().enumerate() {
        if mask & (1 << bit) != 0 {
            match field.kind {
                FieldKind::F32 => put_number(out, field, field.read(new)),
                _ => put_varint(out, zigzag(field.read(new).wrapping_sub(field.read(old)))),
            }
        }
    }
}

/// Reads one number; with `before`, a difference to it.
#[inline]
fn read_field(reader: &mut Reader<'_>, field: &Field, before: Option<i64>) -> Result<i64, ReadError> {
    let number = match (field.kind, before) {
        (FieldKind::F32, _) => {
            let bytes = reader.take(4)?;
            i64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        }
        (_, Some(before)) => before.wrapping_add(unzigzag(reader.varint()?)),
        (kind, None) if kind.is_signed() => unzigzag(reader.varint()?),
        (_, None) => reader.varint()? as i64,
    };
    if !field.admits(number) {
        return Err(reader.error("a number is out of its field's range"));
    }
    Ok(number)
}

fn skip_fields(reader: &mut Reader<'_>, layout: &Layout, mask: u64) -> Result<(), ReadError> {
    for (bit, field) in layout.fields.iter().enumerate() {
        if mask & (1 << bit) != 0 {
            if field.kind == FieldKind::F32 {
                reader.take(4)?;
            } else {
                reader.varint()?;
            }
        }
    }
    Ok(())
}

fn read_mask(reader: &mut Reader<'_>, layout: &Layout) -> Result<u64, ReadError> {
    let mask = reader.varint()?;
    let allowed = if layout.fields.len() == 64 { u64::MAX } else { (1 << layout.fields.len()) - 1 };
    if mask == 0 || mask & !allowed != 0 {
        return Err(reader.error("a mask names no field, or one that does not exist"));
    }
    Ok(mask)
}

fn read_component_count(reader: &mut Reader<'_>, manifest: &crate::manifest::Manifest) -> Result<u64, ReadError> {
    reader.varint_max(manifest.layouts().len() as u64, "more components than the manifest has")
}

fn read_component(
    reader: &mut Reader<'_>,
    manifest: &crate::manifest::Manifest,
    previous: Option<usize>,
) -> Result<usize, ReadError> {
    let number = reader.varint_max(u64::from(u16::MAX), "a component number exceeds 16 bits")?;
    let index = manifest.index_of(number as u16).ok_or(reader.error("the manifest has no such component"))?;
    if previous.is_some_and(|previous| previous >= index) {
        return Err(reader.error("components are not in ascending order"));
    }
    Ok(index)
}

/// A count of things of at least one byte each, so that it cannot ask for more memory than was sent.
fn read_count(reader: &mut Reader<'_>) -> Result<usize, ReadError> {
    let count = reader.varint_max(ENTITIES_MAX as u64, "more rows than entities are allowed")? as usize;
    if count > reader.remaining() {
        return Err(reader.error("a count exceeds the bytes that are left"));
    }
    Ok(count)
}

fn read_gap(reader: &mut Reader<'_>, before: u32, first: bool) -> Result<u32, ReadError> {
    let gap = reader.varint_max(u64::from(u32::MAX), "a gap exceeds 32 bits")? as u32;
    if gap == 0 && !first {
        return Err(reader.error("an entity is named twice"));
    }
    let id = before.checked_add(gap).ok_or(reader.error("an entity id exceeds 32 bits"))?;
    if id == 0 {
        return Err(reader.error("entity 0 means none"));
    }
    Ok(id)
}
