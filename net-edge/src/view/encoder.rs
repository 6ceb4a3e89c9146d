//! What changes of rows look like in bits: worked out once a tick for all players who hold the same.

use protocol::bits::{BitWriter, bit_length, code_bits};
use protocol::manifest::{FieldKind, Layout};
use protocol::update::{Base, Changes, Course, changed_fields, difference, put_changed, put_full};

use super::replica::Replica;

/// The rows of one tick of one replica in bits. Each thread that writes views of a match has one.
///
/// Invariant: within a tick a row that differs from the same tellings has the same bits.
#[derive(Debug, Default)]
pub struct Encoder {
    tick: Option<u64>,
    bits: BitWriter,
    /// Open addressing; an entry is of this tick if its stamp is.
    entries: Vec<Entry>,
    stamp: u32,
    count: usize,
    kinds: Vec<Code>,
    /// Whole updates; those before `shared_count` are of this tick.
    shared: Vec<Shared>,
    shared_count: usize,
    /// How often anything was shared.
    #[cfg(test)]
    pub(super) hits: u64,
}

/// What players have in common who see everything and of whom nothing odd is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plain {
    /// Bit `i`: they hold what the tick `i` before this one changed.
    pub(super) came: u64,
    pub(super) part_bits: usize,
    /// Whether what is under way is told too, and the hash of all.
    pub(super) all: bool,
}

/// The updates of such players, but for the headers.
#[derive(Debug, Default)]
pub(super) struct Shared {
    plain: Option<Plain>,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<std::ops::Range<usize>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    stamp: u32,
    kind: u32,
    row: u32,
    since: Since,
    piece: Piece,
}

/// What a row is told as a difference to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    /// Tick of the telling; the last number: in full.
    pub(super) base: u64,
    /// Ticks from a telling before it; 0: its course does not count.
    pub(super) span: u32,
}

impl Since {
    pub(super) const FULL: Self = Self { base: u64::MAX, span: 0 };
}

impl Default for Since {
    fn default() -> Self {
        Self::FULL
    }
}

/// A row in bits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Piece {
    /// Fields that are told; 0 in full.
    pub(super) mask: u64,
    start: u32,
    pub(super) len: u32,
}

/// How rows of one component are told, and what was learnt of them.
#[derive(Debug)]
struct Code {
    /// All but `uses`, which is for each packet to say.
    changes: Changes,
    /// Fields that most changed rows name: naming them costs less than another mask.
    usual: u64,
    /// How often differences had each length, for each field: to the base, and to where it was heading.
    lengths: Vec<[[u32; 65]; 2]>,
    /// How often each field changed, in how many rows.
    named: Vec<u32>,
    rows: u32,
}

/// Order of code that differences begin with.
const FIRST_ORDER: u8 = 6;
/// Largest order that travels.
const ORDER_MAX: u32 = 31;
const PLAIN: usize = 0;
const COURSE: usize = 1;

impl Encoder {
    /// An encoder for views of one replica.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes sure that what is kept is of the replica's tick.
    pub(super) fn follow(&mut self, replica: &Replica) {
        if self.tick == Some(replica.tick()) {
            return;
        }
        self.tick = Some(replica.tick());
        self.bits.clear();
        (self.count, self.shared_count) = (0, 0);
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.entries.fill(Entry::default());
            self.stamp = 1;
        }
        if self.entries.is_empty() {
            self.entries.resize(FIRST_ENTRIES, Entry::default());
        }
        if self.kinds.is_empty() {
            self.kinds.extend(replica.manifest().layouts().iter().map(Code::new));
        }
        for code in &mut self.kinds {
            code.learn();
        }
    }

    /// How rows of a component are told this tick.
    pub(super) fn changes(&self, kind: usize) -> &Changes {
        &self.kinds[kind].changes
    }

    /// What was written this tick for players of whom the same holds.
    pub(super) fn shared(&mut self, plain: Plain) -> Option<&Shared> {
        let found = self.shared[..self.shared_count].iter().find(|shared| shared.plain == Some(plain));
        #[cfg(test)]
        {
            self.hits += u64::from(found.is_some());
        }
        found
    }

    /// Room for what is written for them now.
    pub(super) fn share(&mut self, plain: Plain) -> Option<&mut Shared> {
        if self.shared_count == SHARED_MAX {
            return None;
        }
        if self.shared.len() == self.shared_count {
            self.shared.push(Shared::default());
        }
        let shared = &mut self.shared[self.shared_count];
        self.shared_count += 1;
        shared.plain = Some(plain);
        shared.bytes.clear();
        shared.parts.clear();
        Some(shared)
    }

    /// The words of a piece, from which its bits are taken.
    pub(super) fn words(&self, piece: &Piece) -> &[u64] {
        &self.bits.words()[piece.start as usize..]
    }

    /// A row in bits; `None` if what it should differ from is no longer known.
    pub(super) fn piece(&mut self, replica: &Replica, kind: usize, row: u32, since: Since) -> Option<Piece> {
        let mut at = self.find(kind, row, since);
        let entry = &self.entries[at];
        if entry.stamp == self.stamp {
            return Some(entry.piece);
        }
        let piece = self.encode(replica, kind, row, since)?;
        self.count += 1;
        if self.count * 4 > self.entries.len() * 3 {
            self.grow();
            at = self.find(kind, row, since);
        }
        self.entries[at] = Entry { stamp: self.stamp, kind: kind as u32, row, since, piece };
        Some(piece)
    }

    fn find(&self, kind: usize, row: u32, since: Since) -> usize {
        let key = u64::from(row) << 8 ^ (kind as u64) << 48 ^ since.base << 16 ^ u64::from(since.span);
        let mask = self.entries.len() - 1;
        let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        loop {
            let entry = &self.entries[at];
            let is_it = entry.row == row && entry.kind == kind as u32 && entry.since == since;
            if entry.stamp != self.stamp || is_it {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.entries);
        self.entries.resize(old.len() * 2, Entry::default());
        for entry in old.into_iter().filter(|entry| entry.stamp == self.stamp) {
            let at = self.find(entry.kind as usize, entry.row, entry.since);
            self.entries[at] = entry;
        }
    }

    fn encode(&mut self, replica: &Replica, kind: usize, row: u32, since: Since) -> Option<Piece> {
        let layout = &replica.manifest().layouts()[kind];
        let now = replica.value(kind, row);
        let start = self.bits.align() as u32;
        let from = self.bits.len();
        let mask = if since == Since::FULL {
            put_full(&mut self.bits, layout, now);
            0
        } else {
            let value = replica.value_at(kind, row, planted::base(since.base))?;
            let course = course_of(replica, kind, row, since);
            if since.span != 0 && course.is_none() && self.kinds[kind].changes.predicts {
                return None;
            }
            let code = &mut self.kinds[kind];
            let mask = code.note(layout, now, value, course);
            let base = Base { row: value, course: course.filter(|_| code.changes.predicts) };
            put_changed(&mut self.bits, layout, &code.changes, mask, now, &base);
            mask
        };
        Some(Piece { mask, start, len: (self.bits.len() - from) as u32 })
    }
}

/// Where a row was heading. Looked at also while it is told without: what that costs is compared.
fn course_of(replica: &Replica, kind: usize, row: u32, since: Since) -> Option<Course<'_>> {
    let before = since.base.checked_sub(u64::from(since.span)).filter(|_| since.span != 0)?;
    let row = replica.value_at(kind, row, planted::course(before))?;
    Some(Course { row, age: (replica.tick() - since.base) as u32, span: since.span })
}

const FIRST_ENTRIES: usize = 1024;
/// More than this, and they have so little in common that looking costs more than it saves.
const SHARED_MAX: usize = 16;

impl Code {
    fn new(layout: &Layout) -> Self {
        Self {
            changes: Changes { k: [FIRST_ORDER; 64], ..Changes::default() },
            usual: 0,
            lengths: vec![[[0; 65]; 2]; layout.fields.len()],
            named: vec![0; layout.fields.len()],
            rows: 0,
        }
    }

    /// Notes how a row changes; gives the fields to tell.
    fn note(&mut self, layout: &Layout, now: &[u8], base: &[u8], course: Option<Course<'_>>) -> u64 {
        let needed = changed_fields(layout, now, base);
        let mask = if needed != 0 && needed & !self.usual == 0 { self.usual } else { needed };
        self.rows += 1;
        for (bit, field) in layout.fields.iter().enumerate() {
            // A Bool that is told has changed, and a float is long: neither is told without need.
            let is_short = !matches!(field.kind, FieldKind::Bool | FieldKind::F32);
            self.named[bit] += (needed >> bit) as u32 & u32::from(is_short);
            if mask >> bit & 1 == 1 {
                let plain = Base { row: base, course: None };
                let Some(difference_plain) = difference(field, now, &plain) else { continue };
                self.lengths[bit][PLAIN][bit_length(difference_plain) as usize] += 1;
                let heading = difference(field, now, &Base { row: base, course }).unwrap_or(difference_plain);
                self.lengths[bit][COURSE][bit_length(heading) as usize] += 1;
            }
        }
        mask
    }

    /// Chooses how to tell rows of the next tick from how those until now would have been told best.
    fn learn(&mut self) {
        if self.rows == 0 {
            return;
        }
        let best = |lengths: &[[u32; 65]; 2], how: usize| {
            let costs = (0..=ORDER_MAX).map(|k| {
                let counts = lengths[how].iter().zip(0u32..).filter(|(count, _)| **count > 0);
                (counts.map(|(count, length)| u64::from(*count) * u64::from(code_bits(length, k))).sum::<u64>(), k)
            });
            costs.min().expect("there are orders")
        };
        let cost = |how: usize| self.lengths.iter().map(|lengths| best(lengths, how).0).sum::<u64>();
        self.changes.predicts = cost(COURSE) < cost(PLAIN);
        let how = usize::from(self.changes.predicts);
        for (bit, lengths) in self.lengths.iter_mut().enumerate() {
            if lengths[how].iter().any(|count| *count > 0) {
                self.changes.k[bit] = best(lengths, how).1 as u8;
            }
            lengths.as_flattened_mut().iter_mut().for_each(|count| *count /= 2);
        }
        self.usual = 0;
        for (bit, named) in self.named.iter_mut().enumerate() {
            self.usual |= u64::from(*named * 2 > self.rows) << bit;
            *named /= 2;
        }
        self.rows /= 2;
    }
}

/// Faults that the fuzz test plants to see that they would be found.
pub(super) mod planted {
    #[cfg(test)]
    thread_local! {
        pub(in crate::view) static OFF_BY_ONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
        pub(in crate::view) static COURSE_OFF_BY_ONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    /// The tick whose value is taken as the base: this one, unless a test wants to see what one tick off does.
    #[inline]
    pub(in crate::view) fn base(tick: u64) -> u64 {
        #[cfg(test)]
        if OFF_BY_ONE.get() {
            return tick.saturating_sub(1);
        }
        tick
    }

    /// Likewise the tick from which a row's course is taken.
    #[inline]
    pub(in crate::view) fn course(tick: u64) -> u64 {
        #[cfg(test)]
        if COURSE_OFF_BY_ONE.get() {
            return tick.saturating_sub(1);
        }
        tick
    }
}
