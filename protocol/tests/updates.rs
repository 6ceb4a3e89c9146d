//! Bytes that are no update are refused, whatever they are; acknowledgements come back.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::sync::Arc;

use proptest::prelude::*;
use protocol::manifest::{FieldKind, FieldSpec, Layout, Manifest, Sync, Visibility};
use protocol::update::{Ack, Base, Course, Decoder, Form, Header, Receiver};
use protocol::view::{Applied, Beginning, View};

fn manifest() -> Arc<Manifest> {
    use FieldKind::{Bool, Entity, F32, I8, I16, I32, I64, Player, U8, U16, U32, U64};
    let kinds = [Bool, U8, U16, U32, U64, I8, I16, I32, I64, F32, Entity, Player];
    let field = |(place, kind): (usize, FieldKind)| {
        let step = if kind.has_steps() { place as u32 } else { 1 };
        FieldSpec { name: format!("{kind:?}"), kind, scale: 1, step }
    };
    let layouts = vec![
        Layout::entity(),
        Layout::of(3, "All", Visibility::Everyone, Sync::Plain, kinds.into_iter().enumerate().map(field)),
        Layout::new(4, "Own", Visibility::Owner, Sync::Plain, [("gold".to_owned(), FieldKind::U32, 1)]),
        Layout::new(5, "Secret", Visibility::Server, Sync::Plain, [("plan".to_owned(), FieldKind::U8, 1)]),
    ];
    Arc::new(Manifest::new("bytes", 1, 30_000, layouts, Vec::new(), &[]).unwrap())
}

/// Holds a row of ones and zeros of whatever is asked for.
struct Anything {
    ones: Vec<u8>,
    zeros: Vec<u8>,
    widths: Vec<usize>,
}

impl Receiver for Anything {
    fn hash(&mut self, _hash: u64) {}

    fn gone(&mut self, entity: u32) {
        assert!(entity > 0);
    }

    fn lost(&mut self, entity: u32, place: usize) {
        assert!(entity > 0 && place > 0 && place < 3);
    }

    fn base(&mut self, _entity: u32, place: usize, form: &Form) -> Option<Base<'_>> {
        let width = self.widths[place];
        let course = (form.span > 0).then(|| Course { row: &self.zeros[..width], age: form.age, span: form.span });
        Some(Base { row: &self.ones[..width], course })
    }

    fn row(&mut self, entity: u32, place: usize, row: &[u8]) {
        assert!(entity > 0 && place < 3 && row.len() == self.widths[place]);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_update_or_refused(mut bytes: Vec<u8>, state: u8) {
        let manifest = manifest();
        let widths = manifest.layouts().iter().map(|layout| layout.width).collect();
        let mut anything = Anything { ones: vec![1; 64], zeros: vec![0; 64], widths };
        bytes.splice(0..0, [1, 1, 1, 0, 1, 0, 0, state]);
        let _ = Decoder::default().read(&manifest, &bytes, &mut anything);
        let beginning = Beginning { era: 1, tick: 0, hash: 0, columns: &[0], own: &[0], kept: &[] };
        let _ = View::begin(&manifest, &beginning, None).unwrap().apply(&bytes);
    }

    #[test]
    fn acknowledgements_come_back(era: u8, seq: u16, missing: u64) {
        let ack = Ack { era, seq, missing };
        prop_assert_eq!(Ack::decode(&ack.encode()), Ok(ack));
    }

    #[test]
    fn headers_come_back(era: u8, seq: u16, tick: u16, part in 0u8..16, more in 0u8..16, age in 0u8..63, flags in 0u8..4) {
        let parts = (part + 1).max(more);
        let header = Header {
            era, seq, tick, part, parts,
            settled_age: Some(age),
            has_hash: flags & 1 != 0,
            has_absences: flags & 2 != 0,
        };
        prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
    }
}

/// An update that tells nothing.
fn empty(seq: u16, tick: u16) -> Vec<u8> {
    let header =
        Header { era: 1, seq, tick, part: 0, parts: 1, settled_age: None, has_hash: false, has_absences: false };
    let mut bytes = header.encode().to_vec();
    bytes.push(0);
    bytes
}

#[test]
fn what_came_is_acknowledged_and_what_did_not_is_missing() {
    let beginning = Beginning { era: 1, tick: 65_500, hash: 0, columns: &[0], own: &[0], kept: &[] };
    let mut view = View::begin(&manifest(), &beginning, None).unwrap();
    assert_eq!(view.ack(), None);
    for (seq, tick) in [(1, 65_501), (2, 65_502), (5, 65_505), (4, 65_504)] {
        let applied = view.apply(&empty(seq, tick)).unwrap();
        assert_eq!(applied, Applied::New { tick: u64::from(tick), is_complete: true, is_checked: false });
    }
    assert_eq!(view.apply(&empty(4, 65_504)).unwrap(), Applied::Duplicate);
    assert_eq!(view.ack(), Some(Ack { era: 1, seq: 5, missing: 0b10 }));
    // The low bits of the tick begin anew at 65,536.
    let applied = view.apply(&empty(90, 54)).unwrap();
    assert_eq!(applied, Applied::New { tick: 65_590, is_complete: true, is_checked: false });
    assert_eq!(view.apply(&empty(3, 65_503)).unwrap(), Applied::Late);
    assert_eq!(view.ack(), Some(Ack { era: 1, seq: 90, missing: u64::MAX }));
}
