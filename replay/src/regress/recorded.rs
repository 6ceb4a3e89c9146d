//! What the rows of the first different tick should have been.
//!
//! The file has the state's hash, and of each component the low bits of its own. Hashes are sums over rows, so that a
//! row that is wrong can be found by trying: with which other value would all sums be as recorded? That works when each
//! component that differs does so in one row, which is how most changes of rules show first, and when the value is near
//! or small. Sixty-four bits agree by chance once in far more tries than are made.

use std::collections::BTreeMap;

use ecs_state::{Trace, Write};
use protocol::Columns;
use protocol::columns::row_hash;
use protocol::manifest::{Field, FieldKind, Layout};

use crate::Difference;
use crate::value::field_value;

/// Rows of a component that are tried.
const ROWS_MAX: usize = 200;
/// A wide number is tried this far on each side.
const NEAR: i64 = 4_096;
/// Two numbers of one row are tried this far on each side.
const NEAR_PAIR: i64 = 48;
/// Ways for one component that are kept for trying with those of the others.
const WAYS_MAX: usize = 4_096;
/// Combinations of ways that are tried.
const COMBINATIONS_MAX: usize = 5_000_000;

/// A row as it may have been.
#[derive(Clone)]
struct Way {
    component: usize,
    entity: u32,
    /// `None`: it was not there.
    row: Option<Vec<u8>>,
    /// By how much the hash changes.
    delta: u64,
}

/// What differs, and who wrote it.
pub(super) struct Recorded {
    /// `a` is what was recorded, `b` what this build has.
    pub(super) differences: Vec<Difference>,
    /// The system that wrote what differs; of several the one that ran first.
    pub(super) system: String,
}

/// Looks for what was recorded. `differing` are the components that differ.
pub(super) fn recorded(
    ours: &Columns,
    trace: &Trace,
    recorded_hash: u64,
    recorded_columns: &[u16],
    differing: &[usize],
) -> Option<Recorded> {
    let needed = recorded_hash.wrapping_sub(ours.total_hash());
    let ways: Vec<Vec<Way>> = differing
        .iter()
        .map(|component| {
            let needed_low = recorded_columns[*component].wrapping_sub(ours.column(*component).hash() as u16);
            let alone = differing.len() == 1;
            ways(ours, trace, *component, |delta| if alone { delta == needed } else { delta as u16 == needed_low })
        })
        .collect();
    let mut left = COMBINATIONS_MAX;
    let found = combine(&ways, needed, &mut left)?;
    let layouts = ours.manifest().layouts();
    let differences = found.iter().flat_map(|way| differences(ours, &layouts[way.component], way)).collect();
    let first = found.iter().filter_map(|way| writer(trace, &layouts[way.component], way, ours)).min()?;
    Some(Recorded { differences, system: trace.writes[first].system.clone() })
}

/// One way for each component, so that together they make up the difference.
fn combine<'w>(ways: &'w [Vec<Way>], needed: u64, left: &mut usize) -> Option<Vec<&'w Way>> {
    let Some((first, rest)) = ways.split_first() else { return (needed == 0).then(Vec::new) };
    for way in first {
        *left = left.checked_sub(1)?;
        if let Some(mut others) = combine(rest, needed.wrapping_sub(way.delta), left) {
            others.insert(0, way);
            return Some(others);
        }
    }
    None
}

/// Other values of the rows that were written, of those that `is_fit` accepts.
fn ways(ours: &Columns, trace: &Trace, component: usize, is_fit: impl Fn(u64) -> bool) -> Vec<Way> {
    let layout = &ours.manifest().layouts()[component];
    let mut before: BTreeMap<u32, Option<&Vec<u8>>> = BTreeMap::new();
    for write in trace.writes.iter().filter(|write| write.component == component) {
        before.entry(write.entity.0).or_insert(write.old.as_ref());
    }
    let mut fit = Vec::new();
    for (entity, old) in before.into_iter().take(ROWS_MAX) {
        let Some(row) = ours.column(component).row(protocol::EntityId(entity)) else { continue };
        let hash = row_hash(entity, layout.number, row);
        let mut consider = |other: Option<&[u8]>| {
            let delta = other.map_or(0, |other| row_hash(entity, layout.number, other)).wrapping_sub(hash);
            if is_fit(delta) && other != Some(row) && fit.len() < WAYS_MAX {
                fit.push(Way { component, entity, row: other.map(<[u8]>::to_vec), delta });
            }
        };
        // What was written should not have been.
        consider(old.map(Vec::as_slice));
        let mut tried = row.to_vec();
        for field in &layout.fields {
            each_value(field, row, NEAR, |number| {
                field.write(&mut tried, number);
                consider(Some(&tried));
            });
            field.write(&mut tried, field.read(row));
        }
        for (place, one) in layout.fields.iter().enumerate() {
            for other in &layout.fields[place + 1..] {
                each_value(one, row, NEAR_PAIR, |number| {
                    one.write(&mut tried, number);
                    each_value(other, row, NEAR_PAIR, |number| {
                        other.write(&mut tried, number);
                        consider(Some(&tried));
                    });
                });
                tried.copy_from_slice(row);
            }
        }
    }
    fit
}

/// Values that a field may have had: all of a narrow one when `near` reaches that far, else those near its value.
fn each_value(field: &Field, row: &[u8], near: i64, mut each: impl FnMut(i64)) {
    let number = field.read(row);
    let (low, high) = match field.kind {
        FieldKind::Bool => (0, 1),
        FieldKind::U8 => (0, 255),
        FieldKind::I8 => (-128, 127),
        FieldKind::U16 => (0, 65_535),
        FieldKind::I16 => (-32_768, 32_767),
        FieldKind::U32 | FieldKind::Entity | FieldKind::Player => (0, u32::MAX.into()),
        FieldKind::I32 => (i32::MIN.into(), i32::MAX.into()),
        // Bits of a float near each other are numbers near each other.
        FieldKind::F32 => (0, 0x7f80_0000),
        FieldKind::U64 => (0, i64::MAX),
        FieldKind::I64 => (i64::MIN, i64::MAX),
    };
    let is_narrow = near == NEAR && field.kind.width() <= 2;
    let around = |end: i64, by: i64| if is_narrow { end } else { number.saturating_add(by).clamp(low, high) };
    (around(low, -near)..=around(high, near)).for_each(&mut each);
}

fn differences(ours: &Columns, layout: &Layout, way: &Way) -> Vec<Difference> {
    let row = ours.column(way.component).row(protocol::EntityId(way.entity));
    let fields = layout.fields.iter().filter_map(|field| {
        let a = way.row.as_ref().map(|row| field_value(field, row));
        let b = row.map(|row| field_value(field, row));
        let (component, name) = (layout.name.clone(), field.name.clone());
        (a != b).then_some(Difference { entity: way.entity, component, field: name, a, b })
    });
    fields.collect()
}

/// The place in the trace of the write that made the row what it should not be: the last that touched a field that is
/// wrong.
fn writer(trace: &Trace, layout: &Layout, way: &Way, ours: &Columns) -> Option<usize> {
    let row = ours.column(way.component).row(protocol::EntityId(way.entity))?;
    let is_wrong = |field: &&Field| way.row.as_ref().is_none_or(|other| field.read(other) != field.read(row));
    let wrong: Vec<_> = layout.fields.iter().filter(is_wrong).collect();
    let touches = |write: &Write| {
        let value = |row: &Option<Vec<u8>>, field: &Field| row.as_ref().map(|row| field.read(row));
        wrong.iter().any(|field| value(&write.old, field) != value(&write.new, field))
    };
    trace
        .writes
        .iter()
        .rposition(|write| write.component == way.component && write.entity.0 == way.entity && touches(write))
}
