//! Updates of one tick for one player, in as many parts as it takes.

use std::ops::Range;

use protocol::EntityId;
use protocol::bits::BitWriter;
use protocol::limits::UPDATE_PARTS_MAX;
use protocol::update::{Changes, Form, HEADER_BYTES, Header, gap, gap_order, put_component};

use super::encoder::{Encoder, Shared};
use super::flight::Told;
use super::plan::{Item, Plan};
use super::player::{AdmitsRow, NOTHING_OWED, PlayerView};
use super::regular::REGULAR;
use super::replica::Replica;

/// How much a player may be sent with one tick.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Bytes of all parts. What does not fit waits, and something always fits.
    pub bytes: usize,
    /// Bytes of one part: what a datagram takes, at least 512.
    pub packet_bytes: usize,
}

/// Packets being written. Kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Packets {
    bytes: Vec<u8>,
    parts: Vec<Range<usize>>,
    listed: Vec<Listed>,
    /// Place in `listed` by component, and what is told of it.
    kinds: Vec<Use>,
    components: BitWriter,
    part: Part,
}

#[derive(Debug)]
struct Listed {
    kind: usize,
    changes: Option<Changes>,
    form: Form,
}

#[derive(Debug, Clone, Copy, Default)]
struct Use {
    listed: u16,
    is_told: bool,
    has_changes: bool,
    uses: u64,
}

#[derive(Debug, Default)]
struct Part {
    gone: List,
    lost: List,
    entities: List,
    set: Vec<bool>,
    set_now: Vec<bool>,
    /// The whole packet behind its header.
    whole: BitWriter,
}

/// Entities that ascend, in bits.
#[derive(Debug, Default)]
struct List {
    bits: BitWriter,
    count: usize,
    last: u32,
}

/// Orders of the gaps of this tick.
#[derive(Debug, Clone, Copy)]
struct Orders {
    absences: u32,
    entities: u32,
}

/// Counts, orders and the hash, at most.
const FRAMING_BITS: usize = 64 + 2 * 5 + 3 * 42;

impl List {
    fn clear(&mut self) {
        self.bits.clear();
        (self.count, self.last) = (0, 0);
    }

    fn begin(&mut self, entity: u32, k: u32) {
        self.bits.put_code(gap(EntityId(entity), self.last), k);
    }

    fn end(&mut self, entity: u32) {
        self.last = entity;
        self.count += 1;
    }
}

impl PlayerView {
    /// Writes what the player is to be told of the replica's tick, each part to `out`; nothing if it has been told that
    /// tick already, or if there is nothing to say. `distance` says how far an entity is, in any unit: when not all fits,
    /// that and the ticks it has waited decide, after the player's own entities.
    ///
    /// Costs what changed in the view, and once a second what is seen. Allocates nothing once its buffers have grown.
    pub fn write(
        &mut self,
        replica: &Replica,
        encoder: &mut Encoder,
        budget: &Budget,
        admits_row: AdmitsRow<'_>,
        distance: &dyn Fn(u32) -> u32,
        out: &mut dyn FnMut(&[u8]),
    ) {
        let now = replica.tick().saturating_sub(self.start) as u32 + 1;
        if replica.tick() <= self.start || now <= self.written {
            return;
        }
        encoder.follow(replica);
        self.expire(now);
        self.compact();
        self.note_irregular(replica, now, admits_row);
        let all = now >= self.hash_due;
        self.settle();
        let part_bits = budget.packet_bytes.max(PART_BYTES_MIN) * 8;
        let plain = self.plain(replica, now, part_bits, all);
        if let Some(shared) = plain.and_then(|plain| encoder.shared(plain))
            && shared.bytes.len() <= budget.bytes
        {
            return self.write_shared(shared, now, all, out);
        }
        self.make_plan(replica, encoder, admits_row, all);
        let fits = self.fit_plan(replica, budget.bytes, admits_row, distance);
        if self.plan.items.is_empty() && !all && !std::mem::take(&mut self.is_wanted) {
            return self.note_written(now);
        }
        let mut packets = std::mem::take(&mut self.packets);
        let mut plan = std::mem::take(&mut self.plan);
        let listed = packets.list_components(replica, encoder, &mut plan, part_bits / 2);
        self.let_wait(replica, plan.items.iter().filter(|item| !item.is_whole).copied(), admits_row);
        let packed = self.pack(&mut packets, &plan, (replica, encoder), part_bits, now, admits_row);
        let hash = (all && fits && listed && packed).then(|| self.hash(replica, admits_row));
        if all {
            // Where not all fits, trying at each tick would cost as much each time.
            self.hash_due = now + if hash.is_some() { self.hash_ticks } else { self.hash_ticks.div_ceil(4) };
        }
        let orders = plan.orders();
        let is_all = packets.parts.is_empty();
        self.close_part(&mut packets, orders, now, hash, is_all);
        self.note_written(now);
        let is_plain = plan.items.iter().all(|item| self.tracked[item.place as usize].chunk == REGULAR);
        if let Some(plain) = plain.filter(|_| is_plain && fits && listed && packed)
            && let Some(shared) = encoder.share(plain)
        {
            for part in &packets.parts {
                let from = shared.bytes.len();
                shared.bytes.extend_from_slice(&packets.bytes[part.start + HEADER_BYTES..part.end]);
                shared.parts.push(from..shared.bytes.len());
            }
        }
        let count = packets.parts.len();
        for part in &packets.parts {
            packets.bytes[part.start + 6] |= (count as u8 - 1) << 4;
            out(&packets.bytes[part.clone()]);
        }
        (self.packets, self.plan) = (packets, plan);
    }

    /// Writes what was written for another player of whom the same holds.
    fn write_shared(&mut self, shared: &Shared, now: u32, all: bool, out: &mut dyn FnMut(&[u8])) {
        self.is_wanted = false;
        if all {
            self.hash_due = now + self.hash_ticks;
        }
        let mut packets = std::mem::take(&mut self.packets);
        for (place, part) in shared.parts.iter().enumerate() {
            let settled = self.settled_with(now, shared.parts.len() == 1);
            let seq = self.close_packet(now);
            let has_hash = all && place + 1 == shared.parts.len();
            let header = Header { has_hash, ..self.header(now, seq, settled, place, shared.parts.len()) };
            packets.bytes.clear();
            packets.bytes.extend_from_slice(&header.encode());
            packets.bytes.extend_from_slice(&shared.bytes[part.clone()]);
            out(&packets.bytes);
        }
        self.packets = packets;
        self.note_written(now);
    }

    /// Up to which tick all is held by whom the packet reaches that is written next: if it is all of its tick, it brings
    /// that, and what it tells again.
    fn settled_with(&self, now: u32, is_all: bool) -> u32 {
        if !is_all {
            return self.settled;
        }
        let waits = if self.pending.is_empty() { NOTHING_OWED } else { self.debts.owed };
        let unknown = self.flight.oldest_unknown().unwrap_or(NOTHING_OWED);
        self.settled.max(waits.min(unknown).min(now + 1) - 1)
    }

    /// Of an update without hash and absences.
    fn header(&self, now: u32, seq: u16, settled: u32, part: usize, parts: usize) -> Header {
        Header {
            era: self.era as u8,
            seq,
            tick: (self.start + u64::from(now) - 1) as u16,
            part: part as u8,
            parts: parts as u8,
            settled_age: u8::try_from(now - settled).ok(),
            has_hash: false,
            has_absences: false,
        }
    }

    /// Puts the items into parts, all but the last of which are closed. Whether all of them fitted.
    fn pack(
        &mut self,
        packets: &mut Packets,
        plan: &Plan,
        (replica, encoder): (&Replica, &Encoder),
        part_bits: usize,
        now: u32,
        admits_row: AdmitsRow<'_>,
    ) -> bool {
        let kinds = replica.kind_count();
        let orders = plan.orders();
        packets.bytes.clear();
        packets.parts.clear();
        packets.open();
        for (place, item) in plan.items.iter().enumerate() {
            if packets.put(plan, item, encoder, orders, part_bits) {
                self.note_told(plan, item, now, kinds);
                continue;
            }
            let is_last = packets.parts.len() + 1 == UPDATE_PARTS_MAX;
            if !is_last && !packets.is_empty() {
                self.close_part(packets, orders, now, None, false);
                packets.open();
            }
            // An entity that no part holds is told in pieces, a tick after the other.
            let fitting = if is_last { None } else { packets.put_some(plan, item, encoder, orders, part_bits) };
            let is_all = fitting.is_some_and(|fitting| fitting.rows == item.rows && fitting.lost == item.lost);
            if !is_all {
                self.let_wait(replica, plan.items[place..].iter().copied(), admits_row);
            }
            if let Some(fitting) = &fitting {
                self.note_told(plan, fitting, now, kinds);
            }
            if !is_all {
                return false;
            }
        }
        true
    }

    fn note_told(&mut self, plan: &Plan, item: &Item, now: u32, kinds: usize) {
        // It may have become tracked since it was planned.
        let chunk = self.tracked[item.place as usize].chunk;
        if chunk == REGULAR {
            return;
        }
        let states = &mut self.states[chunk as usize * kinds..][..kinds];
        let known = &mut self.chunks[chunk as usize];
        let is_first = known.first == 0;
        let mut is_odd = false;
        if item.is_gone {
            states.iter_mut().for_each(|state| state.tell(now, true));
            self.flight.tell(Told { chunk, kind: Told::ALL });
            is_odd = true;
        }
        for row in &plan.rows[item.rows.0 as usize..item.rows.1 as usize] {
            let state = &mut states[row.kind as usize];
            is_odd |= !row.is_fresh && !is_first;
            state.tell(now, false);
            self.flight.tell(Told { chunk, kind: row.kind });
        }
        for kind in &plan.lost[item.lost.0 as usize..item.lost.1 as usize] {
            states[*kind as usize].tell(now, true);
            self.flight.tell(Told { chunk, kind: *kind });
            is_odd = true;
        }
        if is_first {
            known.first = now;
        }
        if is_odd {
            known.irregular = now;
        }
    }

    /// A tick is written, if there was anything to write.
    fn note_written(&mut self, now: u32) {
        self.fates.note_written(now - self.written);
        self.written = now;
        if self.pending.is_empty() {
            self.debts.owed = NOTHING_OWED;
        }
    }

    /// Ends a packet; gives the low bits of its number.
    fn close_packet(&mut self, now: u32) -> u16 {
        self.fates.note_packet(now);
        self.flight.close(now, self.debts.owed.min(self.written + 1)) as u16
    }

    /// Ends a part, which `is_all` of the tick or not; the count of parts is put in when it is known.
    fn close_part(&mut self, packets: &mut Packets, orders: Orders, now: u32, hash: Option<u64>, is_all: bool) {
        let settled = self.settled_with(now, is_all);
        let seq = self.close_packet(now);
        let part = &mut packets.part;
        // How many parts there are is put in when that is known.
        let header = Header {
            has_hash: hash.is_some(),
            has_absences: part.gone.count + part.lost.count > 0,
            ..self.header(now, seq, settled, packets.parts.len(), 1)
        };
        let start = packets.bytes.len();
        packets.bytes.extend_from_slice(&header.encode());
        let whole = &mut part.whole;
        whole.clear();
        if let Some(hash) = hash {
            whole.put(hash, 64);
        }
        if header.has_absences {
            whole.put(u64::from(orders.absences), 5);
            for list in [&part.gone, &part.lost] {
                whole.put_code(list.count as u64, 2);
                whole.append_bits(&list.bits);
            }
        }
        if part.entities.count > 0 {
            whole.append_bits(&packets.components);
            whole.put(u64::from(orders.entities), 5);
            whole.put_code(part.entities.count as u64, 4);
            whole.append_bits(&part.entities.bits);
        } else {
            whole.put_code(0, 2);
        }
        whole.write_to(&mut packets.bytes);
        packets.parts.push(start..packets.bytes.len());
    }
}

/// A part holds any one row, with what goes before it.
const PART_BYTES_MIN: usize = 512;

impl Plan {
    /// Orders that are short for the entities of this plan.
    fn orders(&self) -> Orders {
        let with_rows = self.items.iter().filter(|item| item.rows.0 < item.rows.1);
        let absent = self.items.iter().filter(|item| item.rows.0 == item.rows.1);
        let order = |items: (usize, u32)| gap_order(items.0, items.1);
        let count = |(count, _): (usize, u32), item: &Item| (count + 1, item.id);
        Orders { absences: order(absent.fold((0, 0), count)), entities: order(with_rows.fold((0, 0), count)) }
    }
}

impl Packets {
    /// Finds which components the plan tells of, and writes what goes before their rows. Rows with which that would
    /// become longer than `bits` are taken off their items, which are not whole then. Whether there are none.
    fn list_components(&mut self, replica: &Replica, encoder: &Encoder, plan: &mut Plan, bits: usize) -> bool {
        let layouts = replica.manifest().layouts();
        self.kinds.clear();
        self.kinds.resize(layouts.len(), Use::default());
        let (mut taken, mut has_room) = (0, true);
        for item in &mut plan.items {
            for place in item.rows.0..item.rows.1 {
                let row = &plan.rows[place as usize];
                let known = &mut self.kinds[row.kind as usize];
                if !known.is_told {
                    taken += 16 + 6 * layouts[row.kind as usize].fields.len();
                    if taken > bits.max(16 + 6 * protocol::limits::FIELDS_MAX + 32) {
                        item.rows.1 = place;
                        item.is_whole = false;
                        has_room = false;
                        break;
                    }
                }
                known.is_told = true;
                known.has_changes |= row.form.age != 0;
                known.uses |= row.form.mask;
            }
        }
        self.listed.clear();
        for (kind, known) in self.kinds.iter_mut().enumerate().filter(|(_, known)| known.is_told) {
            known.listed = self.listed.len() as u16;
            let changes = known.has_changes.then(|| Changes { uses: known.uses, ..*encoder.changes(kind) });
            self.listed.push(Listed { kind, changes, form: Form::default() });
        }
        self.components.clear();
        self.components.put_code(self.listed.len() as u64, 2);
        let mut next = 0;
        for listed in &self.listed {
            let layout = &layouts[listed.kind];
            put_component(&mut self.components, listed.kind - next, layout, listed.changes.as_ref());
            next = listed.kind + 1;
        }
        has_room
    }

    fn open(&mut self) {
        self.part.gone.clear();
        self.part.lost.clear();
        self.part.entities.clear();
        self.part.set.clear();
        self.part.set.resize(self.listed.len(), true);
        for listed in &mut self.listed {
            listed.form = Form::default();
        }
    }

    const fn is_empty(&self) -> bool {
        self.part.gone.count + self.part.lost.count + self.part.entities.count == 0
    }

    const fn bits(&self) -> usize {
        let part = &self.part;
        let lists = part.gone.bits.len() + part.lost.bits.len() + part.entities.bits.len();
        HEADER_BYTES * 8 + FRAMING_BITS + self.components.len() + lists
    }

    /// Puts an item into this part. If it does not fit, the part is as before but for the forms, and must be closed.
    fn put(&mut self, plan: &Plan, item: &Item, encoder: &Encoder, orders: Orders, part_bits: usize) -> bool {
        let part = &mut self.part;
        let before = (part.gone.bits.len(), part.lost.bits.len(), part.entities.bits.len());
        let has_rows = item.rows.0 < item.rows.1;
        let has_lost = item.lost.0 < item.lost.1;
        if item.is_gone {
            part.gone.begin(item.id, orders.absences);
        }
        if has_lost {
            part.lost.begin(item.id, orders.absences);
            let lost = &plan.lost[item.lost.0 as usize..item.lost.1 as usize];
            part.lost.bits.put_code(lost.len() as u64 - 1, 0);
            let mut next = 0;
            for kind in lost {
                part.lost.bits.put_code(u64::from(kind - next), 1);
                next = kind + 1;
            }
        }
        if has_rows {
            self.put_rows(plan, item, encoder, orders.entities);
        }
        let fits = self.bits() <= part_bits;
        let part = &mut self.part;
        if fits {
            if item.is_gone {
                part.gone.end(item.id);
            }
            if has_lost {
                part.lost.end(item.id);
            }
            if has_rows {
                part.entities.end(item.id);
                std::mem::swap(&mut part.set, &mut part.set_now);
            }
        } else {
            part.gone.bits.truncate(before.0);
            part.lost.bits.truncate(before.1);
            part.entities.bits.truncate(before.2);
        }
        fits
    }

    /// Puts as much of an item as fits into this part; `None`: nothing does.
    fn put_some(
        &mut self,
        plan: &Plan,
        item: &Item,
        encoder: &Encoder,
        orders: Orders,
        part_bits: usize,
    ) -> Option<Item> {
        let mut part = *item;
        loop {
            if self.put(plan, &part, encoder, orders, part_bits) {
                return Some(part);
            }
            for listed in &mut self.listed {
                listed.form = Form::default();
            }
            if part.rows.1 > part.rows.0 {
                part.rows.1 -= 1;
            } else if part.lost.1 > part.lost.0 + 1 {
                part.lost.1 -= 1;
            } else {
                return None;
            }
        }
    }

    fn put_rows(&mut self, plan: &Plan, item: &Item, encoder: &Encoder, k: u32) {
        let Self { part, listed, kinds, .. } = self;
        part.entities.begin(item.id, k);
        let rows = &plan.rows[item.rows.0 as usize..item.rows.1 as usize];
        part.set_now.clear();
        part.set_now.resize(listed.len(), false);
        for row in rows {
            part.set_now[kinds[row.kind as usize].listed as usize] = true;
        }
        let bits = &mut part.entities.bits;
        let is_same = part.set_now == part.set;
        bits.put_bit(is_same);
        if !is_same {
            part.set_now.iter().for_each(|has| bits.put_bit(*has));
        }
        for row in rows {
            let listed = &mut listed[kinds[row.kind as usize].listed as usize];
            row.form.put(bits, &listed.form, listed.changes.as_ref());
            listed.form = row.form;
            bits.append(encoder.words(&row.piece), row.piece.len as usize);
        }
    }
}
