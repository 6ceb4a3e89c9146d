//! Updates that clients in other languages must read as this one does: `client/ts/test/updates.txt`.
//!
//! A seeded match is told over a link that loses, doubles and reorders. Each line is a word and what it needs:
//! `manifest BYTES`, `baseline ERA TICK HASH COLUMNS OWN`, then for each packet in the order of its arrival
//! `update BYTES RESULT HASH ACK`: what came of it, the hash of the view afterwards, and the acknowledgement due.
//! `WORLDLOG_WRITE=1` writes the file anew.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::bits::{BitWriter, bit_length};
use protocol::bytes::{put_varint, zigzag};
use protocol::columns::row_hash;
use protocol::manifest::{Field, FieldKind, FieldSpec, Layout, Manifest, Sync, Visibility};
use protocol::update::{AGE_OLDEST, Base, Changes, Course, Form, Header, changed_fields, put_changed, put_component};
use protocol::update::{gap_order, put_full};
use protocol::view::{Applied, Beginning, View};

const ERA: u32 = 258;
const START: u64 = 65_500;
const TICKS: u64 = 220;

#[test]
fn updates_for_clients_in_other_languages_are_read_as_they_say() {
    let told = Telling::new(7).tell();
    let path = PathBuf::from("../client/ts/test/updates.txt");
    if std::env::var_os("WORLDLOG_WRITE").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == told, "the format changed: run this with WORLDLOG_WRITE=1");
}

/// xorshift: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

fn manifest() -> Arc<Manifest> {
    use FieldKind::{Bool, Entity, F32, I8, I16, I32, I64, Player, U8, U16, U32, U64};
    let layout = |number, name: &str, visibility, fields: &[(FieldKind, u32)]| {
        let specs = fields.iter().enumerate().map(|(place, (kind, step))| FieldSpec {
            name: format!("f{place}"),
            kind: *kind,
            scale: 1,
            step: *step,
        });
        Layout::of(number, name, visibility, Sync::Interpolate, specs)
    };
    let layouts = vec![
        Layout::entity(),
        layout(2, "Place", Visibility::Everyone, &[(I32, 4), (I32, 4), (U16, 128)]),
        layout(3, "Hidden", Visibility::Server, &[(U8, 1)]),
        layout(
            5,
            "All",
            Visibility::Everyone,
            &[(Bool, 1), (U8, 1), (U16, 1), (U32, 10), (U64, 1), (I8, 1), (I16, 3), (I64, 1), (F32, 1), (Entity, 1)],
        ),
        layout(6, "Wide", Visibility::Everyone, &[(U64, 1000), (I64, 7)]),
        layout(9, "Purse", Visibility::Owner, &[(U32, 1), (Player, 1)]),
    ];
    Arc::new(Manifest::new("telling", 1, 30_000, layouts, Vec::new(), &[]).unwrap())
}

/// One row as the edge knows it.
#[derive(Default)]
struct Row {
    value: Vec<u8>,
    /// Tick, value, and the packet that told it; the baseline is packet 0.
    told: Vec<(u64, Vec<u8>, usize)>,
}

struct Packet {
    bytes: Vec<u8>,
    number: usize,
    arrives: Vec<u64>,
}

struct Telling {
    dice: Dice,
    manifest: Arc<Manifest>,
    rows: BTreeMap<(u32, usize), Row>,
    /// Absences that nobody acknowledged: entity, place (0 for the entity itself), packets that told them.
    absent: BTreeMap<(u32, usize), Vec<usize>>,
    came: Vec<bool>,
    flying: Vec<Packet>,
    seq: u16,
    next_entity: u32,
    out: String,
}

impl Telling {
    fn new(seed: u64) -> Self {
        let mut telling = Self {
            dice: Dice(0x9e37_79b9_7f4a_7c15 ^ seed),
            manifest: manifest(),
            rows: BTreeMap::new(),
            absent: BTreeMap::new(),
            came: vec![true],
            flying: Vec::new(),
            seq: 0,
            next_entity: 1,
            out: String::new(),
        };
        (0..12).for_each(|_| telling.spawn());
        telling
    }

    fn tell(mut self) -> String {
        let _ = writeln!(self.out, "manifest {}", hex(self.manifest.bytes()));
        let [columns, own] = [Visibility::Everyone, Visibility::Owner].map(|class| self.full(class));
        let hash = self.hash();
        let _ = writeln!(self.out, "baseline {ERA} {START} {hash:016x} {} {}", hex(&columns), hex(&own));
        let beginning = Beginning { era: ERA, tick: START, hash, columns: &columns, own: &own, kept: &[] };
        let mut view = View::begin(&self.manifest, &beginning, None).unwrap();
        for row in self.rows.values_mut() {
            row.told.push((START, row.value.clone(), 0));
        }
        for tick in START + 1..=START + TICKS {
            self.arrive(tick, &mut view);
            self.change();
            self.write(tick);
        }
        self.arrive(u64::MAX, &mut view);
        self.out
    }

    // ---- the match ----------------------------------------------------------------------------------

    fn spawn(&mut self) {
        let entity = self.next_entity;
        self.next_entity += 1 + self.dice.below(5) as u32;
        for place in [0, 1, 3, 4, 5] {
            if place < 2 || self.dice.one_in(2) {
                self.put(entity, place);
            }
        }
    }

    fn put(&mut self, entity: u32, place: usize) {
        let layout = self.manifest.layouts()[place].clone();
        let mut value = vec![0; layout.width];
        for field in &layout.fields {
            let number = self.number(field);
            field.write(&mut value, number);
        }
        self.rows.insert((entity, place), Row { value, told: Vec::new() });
    }

    fn number(&mut self, field: &Field) -> i64 {
        let bits = 8 * field.kind.width() as u32;
        let number = match field.kind {
            FieldKind::Bool => self.dice.below(2) as i64,
            FieldKind::F32 => i64::from((self.dice.below(9) as f32 / 2.0).to_bits()),
            _ if self.dice.one_in(3) => self.dice.below(50) as i64,
            kind => {
                let raw = self.dice.below(u64::MAX) >> self.dice.below(64);
                let shift = 64 - bits;
                if kind.is_signed() { (raw << shift) as i64 >> shift } else { (raw << shift >> shift) as i64 }
            }
        };
        field.quantise(number)
    }

    fn change(&mut self) {
        let rows: Vec<_> = self.rows.keys().copied().collect();
        for (entity, place) in rows {
            let layout = self.manifest.layouts()[place].clone();
            if place > 0 && self.dice.one_in(60) {
                self.rows.remove(&(entity, place));
                self.absent.insert((entity, place), Vec::new());
                continue;
            }
            for field in &layout.fields {
                let moves = place == 1 && !entity.is_multiple_of(3);
                if moves || self.dice.one_in(5) {
                    let old = field.read(&self.rows[&(entity, place)].value);
                    let by = (entity as i64 % 7 - 3) * 40 + self.dice.below(9) as i64;
                    let is_small = !matches!(field.kind, FieldKind::Bool | FieldKind::F32) && !self.dice.one_in(30);
                    let near = old.wrapping_add(by);
                    let number =
                        if is_small && fits(field.kind, near) { field.quantise(near) } else { self.number(field) };
                    let row = self.rows.get_mut(&(entity, place)).unwrap();
                    field.write(&mut row.value, number);
                }
            }
        }
        if self.dice.one_in(6) {
            self.spawn();
        }
        if self.dice.one_in(7) {
            let entities: Vec<_> = self.rows.keys().filter(|(_, place)| *place == 0).map(|(id, _)| *id).collect();
            let entity = entities[self.dice.below(entities.len() as u64) as usize];
            self.rows.retain(|(id, _), _| *id != entity);
            self.absent.retain(|(id, _), _| *id != entity);
            self.absent.insert((entity, 0), Vec::new());
        }
    }

    fn hash(&self) -> u64 {
        let numbers = |place: usize| self.manifest.layouts()[place].number;
        let hashes = self.rows.iter().map(|((entity, place), row)| row_hash(*entity, numbers(*place), &row.value));
        hashes.fold(0, u64::wrapping_add)
    }

    fn full(&self, class: Visibility) -> Vec<u8> {
        let (mut out, mut count) = (Vec::new(), 0);
        for (place, layout) in self.manifest.layouts().iter().enumerate().filter(|(_, one)| one.visibility == class) {
            let rows: Vec<_> = self.rows.iter().filter(|((_, at), _)| *at == place).collect();
            if rows.is_empty() {
                continue;
            }
            count += 1;
            put_varint(&mut out, u64::from(layout.number));
            put_varint(&mut out, 0);
            put_varint(&mut out, rows.len() as u64);
            let mut last = 0;
            for ((entity, _), row) in rows {
                put_varint(&mut out, u64::from(entity - last));
                last = *entity;
                for field in &layout.fields {
                    let number = field.read(&row.value);
                    match field.kind {
                        FieldKind::F32 => out.extend_from_slice(&(number as u32).to_le_bytes()),
                        kind if kind.is_signed() => put_varint(&mut out, zigzag(number)),
                        _ => put_varint(&mut out, number as u64),
                    }
                }
            }
            put_varint(&mut out, 0);
        }
        let mut all = Vec::new();
        put_varint(&mut all, count);
        all.extend_from_slice(&out);
        all
    }

    // ---- the link -----------------------------------------------------------------------------------

    fn arrive(&mut self, now: u64, view: &mut View) {
        for place in 0..self.flying.len() {
            let due = self.flying[place].arrives.iter().filter(|at| **at <= now).count();
            self.flying[place].arrives.retain(|at| *at > now);
            for _ in 0..due {
                let packet = &self.flying[place];
                let applied = match view.apply(&packet.bytes).unwrap() {
                    Applied::New { is_checked: true, .. } => "checked",
                    Applied::New { .. } => "new",
                    Applied::Duplicate => "duplicate",
                    Applied::Late => "late",
                    Applied::OtherEra => "other-era",
                };
                self.came[packet.number] |= matches!(applied, "new" | "checked");
                let ack = view.ack().map_or_else(String::new, |ack| hex(&ack.encode()));
                let _ = writeln!(
                    self.out,
                    "update {} {applied} {:016x} {ack}",
                    hex(&packet.bytes),
                    view.columns().total_hash()
                );
            }
        }
        self.flying.retain(|packet| !packet.arrives.is_empty());
        let came = &self.came;
        self.absent.retain(|_, told| !told.iter().any(|number| came[*number]));
    }

    fn send(&mut self, tick: u64, bytes: Vec<u8>) {
        let number = self.came.len();
        self.came.push(false);
        // A third is lost, and for a while everything, so that bases grow old.
        let is_dark = (START + 90..START + 160).contains(&tick) && !self.dice.one_in(20);
        let count = if is_dark || self.dice.one_in(3) { 0 } else { 1 + u64::from(self.dice.one_in(8)) };
        let arrives = (0..count).map(|_| tick + 1 + self.dice.below(3)).collect();
        self.flying.push(Packet { bytes, number, arrives });
    }

    // ---- updates ------------------------------------------------------------------------------------

    fn write(&mut self, tick: u64) {
        let tells_all = self.dice.one_in(3);
        let hash = self.hash();
        let came = self.came.clone();
        let is_known = |row: &Row| {
            row.told.iter().rev().any(|(_, value, packet)| came[*packet] && *value == row.value)
                && row.told.last().is_some_and(|(_, value, _)| *value == row.value)
        };
        let wanted: Vec<_> = self.rows.iter().filter(|(_, row)| !is_known(row)).map(|(at, _)| *at).collect();
        // Rows of an entity go together: none comes without its entity.
        let entities: std::collections::BTreeSet<u32> = wanted.iter().map(|(entity, _)| *entity).collect();
        let parts = if tells_all { 1 + self.dice.below(2) as u8 } else { 1 };
        let told: Vec<u32> = entities.into_iter().filter(|_| tells_all || !self.dice.one_in(4)).collect();
        for part in 0..parts {
            let mine: Vec<_> = wanted
                .iter()
                .filter(|(entity, _)| told.contains(entity) && (entity % u32::from(parts)) as u8 == part)
                .copied()
                .collect();
            self.seq += 1;
            let has_absences = part == 0 && !self.absent.is_empty();
            let header = Header {
                era: ERA as u8,
                seq: self.seq,
                tick: tick as u16,
                part,
                parts,
                settled_age: None,
                has_hash: tells_all && part + 1 == parts,
                has_absences,
            };
            let mut bits = BitWriter::new();
            if header.has_hash {
                bits.put(hash, 64);
            }
            if has_absences {
                self.put_absences(&mut bits);
            }
            self.put_rows(&mut bits, tick, &mine);
            let mut bytes = header.encode().to_vec();
            bits.write_to(&mut bytes);
            self.send(tick, bytes);
        }
    }

    fn put_absences(&mut self, bits: &mut BitWriter) {
        let number = self.came.len();
        let gone: Vec<u32> = self.absent.keys().filter(|(_, place)| *place == 0).map(|(id, _)| *id).collect();
        let mut lost = BTreeMap::<u32, Vec<usize>>::new();
        for (entity, place) in self.absent.keys().filter(|(_, place)| *place > 0) {
            lost.entry(*entity).or_default().push(*place);
        }
        let k = self.dice.below(5) as u32;
        bits.put(u64::from(k), 5);
        bits.put_code(gone.len() as u64, 2);
        let mut last = 0;
        for entity in gone {
            bits.put_code(u64::from(entity - last - 1), k);
            last = entity;
        }
        bits.put_code(lost.len() as u64, 2);
        last = 0;
        for (entity, places) in lost {
            bits.put_code(u64::from(entity - last - 1), k);
            last = entity;
            bits.put_code(places.len() as u64 - 1, 0);
            let mut next = 0;
            for place in places {
                bits.put_code((place - next) as u64, 1);
                next = place + 1;
            }
        }
        self.absent.values_mut().for_each(|told| told.push(number));
    }

    fn put_rows(&mut self, bits: &mut BitWriter, tick: u64, rows: &[(u32, usize)]) {
        let mut listed: Vec<usize> = rows.iter().map(|(_, place)| *place).collect();
        listed.sort_unstable();
        listed.dedup();
        let mut changes = BTreeMap::new();
        bits.put_code(listed.len() as u64, 2);
        let mut next = 0;
        for place in &listed {
            let layout = &self.manifest.layouts()[*place];
            let mut change = Changes { predicts: self.dice.one_in(2), uses: 0, k: [0; 64] };
            change.uses = (1u64 << layout.fields.len()) - 1;
            change.k.iter_mut().for_each(|k| *k = self.dice.below(9) as u8);
            let change = (!self.dice.one_in(6)).then_some(change);
            put_component(bits, place - next, layout, change.as_ref());
            next = place + 1;
            changes.insert(*place, change);
        }
        if listed.is_empty() {
            return;
        }
        let mut entities: Vec<u32> = rows.iter().map(|(entity, _)| *entity).collect();
        entities.dedup();
        let k = gap_order(entities.len(), *entities.last().unwrap());
        bits.put(u64::from(k), 5);
        bits.put_code(entities.len() as u64, 4);
        let mut set: Vec<bool> = listed.iter().map(|_| true).collect();
        let mut forms = BTreeMap::<usize, Form>::new();
        let mut last = 0;
        for entity in entities {
            bits.put_code(u64::from(entity - last - 1), k);
            last = entity;
            let has: Vec<bool> = listed.iter().map(|place| rows.contains(&(entity, *place))).collect();
            bits.put_bit(has == set);
            if has != set {
                has.iter().for_each(|has| bits.put_bit(*has));
            }
            set = has;
            for place in listed.iter().filter(|place| rows.contains(&(entity, **place))) {
                self.put_row(bits, tick, entity, *place, changes[place].as_ref(), forms.entry(*place).or_default());
            }
        }
    }

    fn put_row(
        &mut self,
        bits: &mut BitWriter,
        tick: u64,
        entity: u32,
        place: usize,
        changes: Option<&Changes>,
        before: &mut Form,
    ) {
        let number = self.came.len();
        let layout = self.manifest.layouts()[place].clone();
        let row = &self.rows[&(entity, place)];
        let held: Vec<_> = row.told.iter().filter(|(_, _, packet)| self.came[*packet]).collect();
        // Only what came before everything still on its way is sure to be the newest at its tick.
        let old = held.iter().rfind(|(told, ..)| told + u64::from(AGE_OLDEST) <= tick);
        let young = held.iter().rfind(|(told, ..)| tick - told < u64::from(AGE_OLDEST));
        let (form, base, course) = match (changes, young, old) {
            (Some(changes), Some((told, base, _)), _) => {
                let age = (tick - told) as u32;
                let earlier = held
                    .iter()
                    .rfind(|(early, ..)| early < told && tick - early <= u64::from(AGE_OLDEST) && changes.predicts);
                let span = earlier.map_or(0, |(early, ..)| (told - early) as u32);
                let mask = changed_fields(&layout, &row.value, base);
                (Form { age, span, mask }, Some(base), earlier.map(|(_, course, _)| course))
            }
            (Some(_), None, Some((_, base, _))) => {
                (Form { age: AGE_OLDEST, span: 0, mask: changed_fields(&layout, &row.value, base) }, Some(base), None)
            }
            _ => (Form::default(), None, None),
        };
        form.put(bits, before, changes);
        *before = form;
        match (base, changes) {
            (Some(base), Some(changes)) => {
                let course = course.map(|row| Course { row, age: form.age, span: form.span });
                put_changed(bits, &layout, changes, form.mask, &row.value, &Base { row: base, course });
            }
            _ => put_full(bits, &layout, &row.value),
        }
        debug_assert!(bit_length(u64::from(form.age)) <= 6);
        let row = self.rows.get_mut(&(entity, place)).unwrap();
        row.told.push((tick, row.value.clone(), number));
    }
}

fn fits(kind: FieldKind, number: i64) -> bool {
    let bits = 8 * kind.width() as u32;
    let low = if kind.is_signed() { -1 << (bits.min(63) - 1) } else { 0 };
    bits == 64 || (low..low + (1i64 << bits)).contains(&number)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
