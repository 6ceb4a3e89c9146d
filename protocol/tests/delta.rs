//! Deltas carry a mirror to the same state, and bytes that are no delta are refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use protocol::delta::{self, Writer};
use protocol::manifest::{FieldKind, Layout, Manifest, Sync, Visibility};
use protocol::{Columns, EntityId};

fn manifest() -> Arc<Manifest> {
    let field = |name: &str, kind| (name.to_owned(), kind, 1);
    let all = [
        FieldKind::Bool,
        FieldKind::U8,
        FieldKind::U16,
        FieldKind::U32,
        FieldKind::U64,
        FieldKind::I8,
        FieldKind::I16,
        FieldKind::I32,
        FieldKind::I64,
        FieldKind::F32,
    ];
    let layouts = vec![
        Layout::entity(),
        Layout::new(
            3,
            "Place",
            Visibility::Everyone,
            Sync::Interpolate,
            [field("x", FieldKind::I32), field("y", FieldKind::I32)],
        ),
        Layout::new(4, "Marker", Visibility::Everyone, Sync::Plain, []),
        Layout::new(
            9,
            "Everything",
            Visibility::Everyone,
            Sync::Plain,
            all.iter().map(|kind| (format!("{kind:?}"), *kind, 1)),
        ),
        Layout::new(12, "Purse", Visibility::Owner, Sync::Plain, [field("gold", FieldKind::U32)]),
        Layout::new(13, "Secret", Visibility::Server, Sync::Plain, [field("plan", FieldKind::U8)]),
    ];
    Arc::new(Manifest::new("test", 1, 30_000, layouts, vec![], &[]).unwrap())
}

/// Rows of each component by entity: the plainest form of a state.
type Model = Vec<BTreeMap<u32, Vec<u8>>>;

#[derive(Debug, Clone)]
enum Change {
    Spawn(u32, u32),
    Despawn(u32),
    Set(u32, usize, u64),
    Unset(u32, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let entity = 1u32..40;
    prop_oneof![
        3 => (entity.clone(), 0u32..4).prop_map(|(e, o)| Change::Spawn(e, o)),
        1 => entity.clone().prop_map(Change::Despawn),
        8 => (entity.clone(), 1usize..6, any::<u64>()).prop_map(|(e, c, v)| Change::Set(e, c, v)),
        2 => (entity, 1usize..6).prop_map(|(e, c)| Change::Unset(e, c)),
    ]
}

/// A row of the right width, with values that the kinds admit.
fn row(layout: &Layout, seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (place, field) in layout.fields.iter().enumerate() {
        let value = seed.rotate_left(place as u32 * 7);
        let word = match field.kind {
            FieldKind::Bool => value & 1,
            // Clears a bit of the exponent and sets one of the fraction: neither NaN nor zero.
            FieldKind::F32 => value & !(1 << 30) | 1,
            _ => value,
        };
        bytes.extend_from_slice(&word.to_le_bytes()[..field.kind.width()]);
    }
    bytes
}

fn alter(model: &mut Model, manifest: &Manifest, change: &Change) {
    match *change {
        Change::Spawn(entity, owner) => {
            model[0].insert(entity, owner.to_le_bytes().to_vec());
        }
        Change::Despawn(entity) => {
            for column in model.iter_mut() {
                column.remove(&entity);
            }
        }
        Change::Set(entity, component, value) => {
            if model[0].contains_key(&entity) {
                model[component].insert(entity, row(&manifest.layouts()[component], value));
            }
        }
        Change::Unset(entity, component) => {
            model[component].remove(&entity);
        }
    }
}

/// Brings columns from one model to the next and returns the deltas of the three classes.
fn write(writer: &mut Writer, columns: &mut Columns, before: &Model, after: &Model) -> [Vec<u8>; 3] {
    let gone = |index: usize| -> Vec<u32> {
        before[index].keys().filter(|id| !after[index].contains_key(id)).copied().collect()
    };
    writer.begin(columns, &gone(0));
    for (index, model) in after.iter().enumerate() {
        let mut present = Vec::new();
        let mut rows = Vec::new();
        for (place, (id, row)) in model.iter().enumerate() {
            present.push((*id, place as u32));
            rows.extend_from_slice(row);
        }
        writer.component(columns, index, &present, &rows, &gone(index));
    }
    [Visibility::Everyone, Visibility::Owner, Visibility::Server].map(|class| writer.finish(class))
}

fn check_equals_model(columns: &Columns, model: &Model) {
    for (index, rows) in model.iter().enumerate() {
        let found: Vec<_> = columns.column(index).iter().map(|(id, row)| (id.0, row.to_vec())).collect();
        let expected: Vec<_> = rows.iter().map(|(id, row)| (*id, row.clone())).collect();
        assert_eq!(found, expected, "column {index}");
    }
    assert_eq!(columns.sums(), columns.recomputed_sums());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_mirror_follows_every_tick(ticks in prop::collection::vec(prop::collection::vec(change(), 0..25), 1..25)) {
        let manifest = manifest();
        let mut model: Model = vec![BTreeMap::new(); 6];
        let mut columns = Columns::new(Arc::clone(&manifest));
        let mut mirror = Columns::new(Arc::clone(&manifest));
        let mut writer = Writer::new();
        for changes in &ticks {
            let before = model.clone();
            changes.iter().for_each(|change| alter(&mut model, &manifest, change));
            let deltas = write(&mut writer, &mut columns, &before, &model);
            check_equals_model(&columns, &model);
            for (class, delta) in [Visibility::Everyone, Visibility::Owner, Visibility::Server].iter().zip(&deltas) {
                delta::apply(&mut mirror, *class, delta).unwrap();
            }
            prop_assert_eq!(&mirror, &columns);
        }
        // A baseline is the same state at once.
        let mut fresh = Columns::new(Arc::clone(&manifest));
        for class in [Visibility::Everyone, Visibility::Owner, Visibility::Server] {
            delta::apply(&mut fresh, class, &delta::encode_full(&columns, class, |_| true)).unwrap();
        }
        prop_assert_eq!(&fresh, &columns);
    }

    #[test]
    fn a_filtered_delta_speaks_of_admitted_entities_alone(changes in prop::collection::vec(change(), 0..60)) {
        let manifest = manifest();
        let mut model: Model = vec![BTreeMap::new(); 6];
        let before = model.clone();
        changes.iter().for_each(|change| alter(&mut model, &manifest, change));
        let mut columns = Columns::new(Arc::clone(&manifest));
        let deltas = write(&mut Writer::new(), &mut columns, &before, &model);
        let odd = |id: EntityId| id.0 % 2 == 1;
        let mut mirror = Columns::new(Arc::clone(&manifest));
        if let Some(bytes) = delta::filter(&manifest, &deltas[0], odd).unwrap() {
            delta::apply(&mut mirror, Visibility::Everyone, &bytes).unwrap();
        }
        let mut expected = Columns::new(manifest);
        let full = delta::encode_full(&columns, Visibility::Everyone, odd);
        delta::apply(&mut expected, Visibility::Everyone, &full).unwrap();
        prop_assert_eq!(mirror, expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut mirror = Columns::new(manifest());
        let _ = delta::apply(&mut mirror, Visibility::Everyone, &bytes);
        let _ = delta::filter(&manifest(), &bytes, |_| true);
    }

    #[test]
    fn a_changed_byte_is_an_error_or_another_hash(
        changes in prop::collection::vec(change(), 20..60), place: prop::sample::Index, bit in 0u8..8,
    ) {
        let manifest = manifest();
        let mut model: Model = vec![BTreeMap::new(); 6];
        let before = model.clone();
        changes.iter().for_each(|change| alter(&mut model, &manifest, change));
        let mut columns = Columns::new(Arc::clone(&manifest));
        let deltas = write(&mut Writer::new(), &mut columns, &before, &model);
        let mut bytes = deltas[0].clone();
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut mirror = Columns::new(manifest);
        if delta::apply(&mut mirror, Visibility::Everyone, &bytes).is_ok() {
            prop_assert_ne!(mirror.hash(Visibility::Everyone), columns.hash(Visibility::Everyone));
        }
    }
}

#[test]
fn a_count_cannot_ask_for_memory_that_was_not_sent() {
    let mut mirror = Columns::new(manifest());
    // One component, number 0, nothing removed, 900,000 inserted rows and no byte of them.
    let mut bytes = vec![1, 0, 0];
    protocol::bytes::put_varint(&mut bytes, 900_000);
    let error = delta::apply(&mut mirror, Visibility::Everyone, &bytes).unwrap_err();
    assert_eq!(error.reason, "a count exceeds the bytes that are left");
}
