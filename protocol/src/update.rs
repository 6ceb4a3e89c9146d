//! What is new for one player, in a packet that may be lost, doubled or late.
//!
//! An update is a string of bits: bit `i` is bit `i % 8` (lowest first) of byte `i / 8`. A number of `n` bits has its
//! lowest bit first. Zero bits fill the last byte.
//!
//! ```text
//! update     := header [hash:64] [absences] components [entities]   hash if header says so, absences likewise;
//!                                                                   entities unless there are no components
//! header     := type:8 = 1   era:8   seq:16   tick:16   part:4 parts-1:4   settled:6 has-hash:1 has-absences:1
//! absences   := k:5 gone lost
//! gone       := count:code(2) gap:code(k)*                          entities the player no longer sees
//! lost       := count:code(2) (gap:code(k) n-1:code(0) place:code(1)*)*   entities and the n components they lost
//! components := count:code(2) component*
//! component  := place:code(1) has-changes:1 [changes]
//! changes    := predicts:1 uses:1*                                  one bit for each field of the component
//!               k:5*                                                for each field it uses, but Bool and F32
//! entities   := k:5 count:code(4) entity*
//! entity     := gap:code(k) same-set:1 [has:1*]                     unless same-set: one bit for each component above
//!               row*                                                for each component it has
//! row        := same-form:1 [form] full | changed
//! form       := same-times:1 [age:6 [span:6]] [mask:1*]             age unless same-times; span if the component
//!                                                                   predicts and age is not 0; mask unless age is 0:
//!                                                                   one bit for each field that is used
//! full       := field*                                              all fields
//! changed    := difference*                                         fields of the mask
//! ```
//!
//! - `code(k)` of a number `v` that has `l` bits (0 has none): with `c = max(0, l - k)`, `c` ones and a zero, then the
//!   low `n` bits of `v`, `n = k` if `c = 0`, else `k + c - 1`: the highest one is not written. `v` has at most 64 bits.
//! - A gap is the number minus the one before in its list minus 1; before the first entity stands 0. `place`s are
//!   places in the manifest's list of components, and before the first stands -1.
//! - `era` is the low byte of the baseline's. `seq` counts the updates of an era from 1, modulo 2^16. `tick` is the low
//!   16 bits of the tick that is told, to be read as the one nearest to the newest tick known.
//! - `settled` is how many ticks before `tick` all is known to be held by whom this update reaches; 63: more than 62, or
//!   not known.
//! - `hash` stands in the last part of a tick, if at all. It is the hash of the view at that tick: who has all parts of the tick,
//!   and of no later one, compares.
//! - The set before the first entity is all components above; the form before a component's first row is `age` 0,
//!   `span` 0, no field in the mask. Both are of this update alone. A form with `age` 0 or without `span` sets what it
//!   has not to 0 (span) or none (mask).
//! - `age` 0: the row is told in full. 1 to 62: it differs from what was told at `tick - age`, which the client has
//!   acknowledged. 63: from the newest value told at or before `tick - 63`, a baseline counting as a telling.
//!   `age + span` does not exceed 63 where `span` is not 0: what was told at `tick - age - span` was acknowledged too.
//! - Numbers are told as quotients `q` by the field's step; U64 without a sign, others with.
//! - `field`: Bool is 1 bit; F32 is 1 bit, and if that is 1, its 32 bits (else it is 0.0); others have the count of bits
//!   `l` of `q` (zigzag if the kind is signed) in 4, 5, 6, 7 bits for kinds of 1, 2, 4, 8 bytes, then the low `l - 1` bits.
//! - `difference`: Bool has no bits, and is the other value; F32 is its 32 bits; others are `code(k)` of the zigzag of
//!   `q - p` modulo 2^64, where `p` is the base's quotient `b`. If `span` is not 0 and the kind is an integer of at most
//!   4 bytes (neither Entity nor Player), `p = b + (b - b') * age / span`, the quotient rounded towards 0, `b'` from what
//!   was told at `tick - age - span`. Fields out of the mask are as in the base.
//!
//! How a client reads it:
//!
//! - An update of another era, one doubled, one of a tick 64 or more below the newest or not above the baseline's, or
//!   one whose `seq` is 65 or more below the newest, does nothing.
//! - Of each row it knows the tick of the newest telling, of its value or its absence. A telling that is not newer is
//!   passed over (its value is kept as a base); `gone` is the absence of all rows of an entity.
//! - It holds the values of the last 126 ticks, and the newest one before them, as bases.
//! - It sends an acknowledgement for every second update, and within 50 ms of one:
//!
//! ```text
//! ack := type:8 = 2   era:8   seq:16   missing:varint       seq is the newest that came;
//!                                                           bit i of missing: seq - 1 - i has not come, i < 64
//! ```

mod ack;

pub use ack::{Ack, AckPace};

use thiserror::Error;

use crate::EntityId;
use crate::bits::{BitReader, BitWriter, bit_length};
use crate::bytes::{ReadError, Reader, unzigzag, zigzag};
use crate::limits::{BASE_AGE_TICKS_MAX, ENTITIES_MAX, UPDATE_PARTS_MAX};
use crate::manifest::{Field, FieldKind, Layout, Manifest};

/// First byte of an update.
pub const UPDATE_TYPE: u8 = 1;
/// First byte of an acknowledgement.
pub const ACK_TYPE: u8 = 2;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 8;
/// An age, a span or a settled age that means something else, see the format.
pub const AGE_OLDEST: u32 = BASE_AGE_TICKS_MAX;

/// The first eight bytes of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Low byte of the baseline's era.
    pub era: u8,
    /// Number of the update in its era, modulo 2^16.
    pub seq: u16,
    /// Low bits of the tick that is told.
    pub tick: u16,
    /// Which part of the tick this is, from 0.
    pub part: u8,
    /// How many there are, 1 to [`UPDATE_PARTS_MAX`].
    pub parts: u8,
    /// Ticks before `tick` up to which all is known to be held; `None`: more than 62, or not known.
    pub settled_age: Option<u8>,
    /// Whether a hash follows.
    pub has_hash: bool,
    /// Whether absences follow.
    pub has_absences: bool,
}

impl Header {
    /// The bytes that travel.
    #[must_use]
    pub const fn encode(&self) -> [u8; HEADER_BYTES] {
        let (seq, tick) = (self.seq.to_le_bytes(), self.tick.to_le_bytes());
        let settled = match self.settled_age {
            Some(age) if (age as u32) < AGE_OLDEST => age,
            _ => AGE_OLDEST as u8,
        };
        let state = settled | (self.has_hash as u8) << 6 | (self.has_absences as u8) << 7;
        [UPDATE_TYPE, self.era, seq[0], seq[1], tick[0], tick[1], self.part | (self.parts - 1) << 4, state]
    }

    /// Reads the first bytes of an update.
    ///
    /// # Errors
    /// When there are too few, they are of another type, or the part is none of the parts.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let head = reader.take(HEADER_BYTES)?;
        if head[0] != UPDATE_TYPE {
            return Err(ReadError { offset: 0, reason: "the type is not that of an update" });
        }
        let (part, parts, settled) = (head[6] & 15, (head[6] >> 4) + 1, head[7] & 63);
        if part >= parts {
            return Err(ReadError { offset: 6, reason: "the part is none of the parts" });
        }
        Ok(Self {
            era: head[1],
            seq: u16::from_le_bytes([head[2], head[3]]),
            tick: u16::from_le_bytes([head[4], head[5]]),
            part,
            parts,
            settled_age: (u32::from(settled) < AGE_OLDEST).then_some(settled),
            has_hash: head[7] & 64 != 0,
            has_absences: head[7] & 128 != 0,
        })
    }
}

// ---- rows ---------------------------------------------------------------------------------------

/// How the changes of one component are told in one update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    /// Whether rows may be told as differences to where they were heading.
    pub predicts: bool,
    /// Fields that rows may name.
    pub uses: u64,
    /// Order of the code of each field, at most 31.
    pub k: [u8; 64],
}

impl Default for Changes {
    fn default() -> Self {
        Self { predicts: false, uses: 0, k: [0; 64] }
    }
}

/// What a row is told as a difference to.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The row as it was told.
    pub row: &'a [u8],
    /// The row as it was told some time earlier, from which its course is known.
    pub course: Option<Course<'a>>,
}

/// Two tellings of a row, and how far it has gone since.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// The earlier one.
    pub row: &'a [u8],
    /// Ticks since the later one.
    pub age: u32,
    /// Ticks from the earlier to the later.
    pub span: u32,
}

/// Whether numbers of this kind have a code of their own in what changed.
#[inline]
const fn is_number(kind: FieldKind) -> bool {
    !matches!(kind, FieldKind::Bool | FieldKind::F32)
}

/// Whether numbers of this kind go on as they went.
#[inline]
const fn has_course(kind: FieldKind) -> bool {
    is_number(kind) && !matches!(kind, FieldKind::Entity | FieldKind::Player) && kind.width() <= 4
}

/// A field's number in steps.
#[inline]
fn quotient(field: &Field, row: &[u8]) -> i64 {
    let number = field.read(row);
    match (field.step, field.kind) {
        (0 | 1, _) => number,
        (step, FieldKind::U64) => (number as u64 / u64::from(step)) as i64,
        (step, _) => number / i64::from(step),
    }
}

/// Writes a number given in steps; false when the field has no such value.
#[inline]
fn put_quotient(field: &Field, row: &mut [u8], quotient: i64) -> bool {
    let number = match (field.step, field.kind) {
        (0 | 1, _) => Some(quotient),
        (step, FieldKind::U64) => (quotient as u64).checked_mul(u64::from(step)).map(|number| number as i64),
        (step, _) => quotient.checked_mul(i64::from(step)),
    };
    let Some(number) = number.filter(|number| field.admits(*number)) else { return false };
    field.write(row, number);
    true
}

/// What the number is expected to be.
#[inline]
fn expected(field: &Field, base: &Base<'_>) -> i64 {
    let last = quotient(field, base.row);
    match base.course {
        Some(course) if has_course(field.kind) => {
            let gone = last - quotient(field, course.row);
            last + gone * i64::from(course.age) / i64::from(course.span)
        }
        _ => last,
    }
}

/// The number that [`put_changed`] writes in `code(k)` for a field; `None` for kinds that it writes otherwise.
#[inline]
#[must_use]
pub fn difference(field: &Field, now: &[u8], base: &Base<'_>) -> Option<u64> {
    is_number(field.kind).then(|| zigzag(quotient(field, now).wrapping_sub(expected(field, base))))
}

/// Fields in which two rows of a component differ.
#[inline]
#[must_use]
pub fn changed_fields(layout: &Layout, now: &[u8], base: &[u8]) -> u64 {
    let mut mask = 0;
    for (bit, field) in layout.fields.iter().enumerate() {
        let range = field.offset..field.offset + field.kind.width();
        mask |= u64::from(now[range.clone()] != base[range]) << bit;
    }
    mask
}

/// Bits of the count of bits of a number told in full.
#[inline]
const fn size_bits(kind: FieldKind) -> u32 {
    match kind.width() {
        1 => 4,
        2 => 5,
        4 => 6,
        _ => 7,
    }
}

/// Appends a row in full.
pub fn put_full(out: &mut BitWriter, layout: &Layout, row: &[u8]) {
    for field in &layout.fields {
        match field.kind {
            FieldKind::Bool => out.put(field.read(row) as u64, 1),
            FieldKind::F32 => {
                let bits = field.read(row) as u64;
                out.put_bit(bits != 0);
                out.put(bits, if bits == 0 { 0 } else { 32 });
            }
            kind => {
                let quotient = quotient(field, row);
                let number = if kind.is_signed() { zigzag(quotient) } else { quotient as u64 };
                let length = bit_length(number);
                out.put(u64::from(length), size_bits(kind));
                out.put(number, length.saturating_sub(1));
            }
        }
    }
}

/// Reads a row in full into `row`, which has the layout's width.
fn read_full(bits: &mut BitReader<'_>, layout: &Layout, row: &mut [u8]) -> Result<(), ReadError> {
    for field in &layout.fields {
        let is_value = match field.kind {
            FieldKind::Bool => put_quotient(field, row, bits.take(1)? as i64),
            FieldKind::F32 => {
                let number = if bits.bit()? { bits.take(32)? } else { 0 };
                put_quotient(field, row, number as i64)
            }
            kind => {
                let length = bits.take(size_bits(kind))? as u32;
                if length > 8 * kind.width() as u32 {
                    return Err(bits.error("a number has more bits than its kind"));
                }
                let number = if length == 0 { 0 } else { bits.take(length - 1)? | 1 << (length - 1) };
                put_quotient(field, row, if kind.is_signed() { unzigzag(number) } else { number as i64 })
            }
        };
        if !is_value {
            return Err(bits.error("a number is out of its field's range"));
        }
    }
    Ok(())
}

/// Appends the fields of `mask`, a part of `changes.uses`, as differences. A Bool in the mask must have changed.
pub fn put_changed(out: &mut BitWriter, layout: &Layout, changes: &Changes, mask: u64, now: &[u8], base: &Base<'_>) {
    for (bit, field) in layout.fields.iter().enumerate() {
        if mask >> bit & 1 == 0 {
            continue;
        }
        match difference(field, now, base) {
            Some(number) => out.put_code(number, u32::from(changes.k[bit])),
            None if field.kind == FieldKind::F32 => out.put(field.read(now) as u64, 32),
            None => {}
        }
    }
}

/// Reads the fields of `mask` into `row`, which holds the base; without a base, passes over them.
fn read_changed(
    bits: &mut BitReader<'_>,
    layout: &Layout,
    changes: &Changes,
    mask: u64,
    row: &mut [u8],
    base: Option<&Base<'_>>,
) -> Result<(), ReadError> {
    for (bit, field) in layout.fields.iter().enumerate() {
        if mask >> bit & 1 == 0 {
            continue;
        }
        let read = match field.kind {
            FieldKind::Bool => 0,
            FieldKind::F32 => bits.take(32)?,
            _ => bits.code(u32::from(changes.k[bit]))?,
        };
        let Some(base) = base else { continue };
        let quotient = match field.kind {
            FieldKind::Bool => 1 - (field.read(base.row) & 1),
            FieldKind::F32 => read as i64,
            _ => expected(field, base).wrapping_add(unzigzag(read)),
        };
        if !put_quotient(field, row, quotient) {
            return Err(bits.error("a number is out of its field's range"));
        }
    }
    Ok(())
}

/// Appends one bit for each field of `uses`: whether `mask` has it.
#[inline]
pub fn put_mask(out: &mut BitWriter, mask: u64, uses: u64) {
    if uses & uses.wrapping_add(1) == 0 {
        out.put(mask, uses.count_ones());
        return;
    }
    let mut left = uses;
    while left != 0 {
        out.put(mask >> left.trailing_zeros(), 1);
        left &= left - 1;
    }
}

fn read_mask(bits: &mut BitReader<'_>, uses: u64) -> Result<u64, ReadError> {
    let (mut mask, mut left) = (0, uses);
    while left != 0 {
        mask |= bits.take(1)? << left.trailing_zeros();
        left &= left - 1;
    }
    Ok(mask)
}

/// Appends what an update says of one component before its rows: its place, counted from after the one before, and how
/// its changes are told.
pub fn put_component(out: &mut BitWriter, gap: usize, layout: &Layout, changes: Option<&Changes>) {
    out.put_code(gap as u64, 1);
    out.put_bit(changes.is_some());
    let Some(changes) = changes else { return };
    out.put_bit(changes.predicts);
    out.put(changes.uses, layout.fields.len() as u32);
    for (bit, field) in layout.fields.iter().enumerate() {
        if changes.uses >> bit & 1 == 1 && is_number(field.kind) {
            out.put(u64::from(changes.k[bit]), 5);
        }
    }
}

fn read_component(bits: &mut BitReader<'_>, layout: &Layout) -> Result<Option<Changes>, ReadError> {
    if !bits.bit()? {
        return Ok(None);
    }
    let mut changes = Changes { predicts: bits.bit()?, ..Changes::default() };
    changes.uses = bits.take(layout.fields.len() as u32)?;
    for (bit, field) in layout.fields.iter().enumerate() {
        if changes.uses >> bit & 1 == 1 && is_number(field.kind) {
            changes.k[bit] = bits.take(5)? as u8;
        }
    }
    Ok(Some(changes))
}

/// When the values were told that a row differs from, and which fields it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Form {
    /// Ticks before this one; 0: in full; [`AGE_OLDEST`]: the newest told so many or more ticks ago.
    pub age: u32,
    /// Ticks before that; 0: the row is told without its course.
    pub span: u32,
    /// Fields; 0 in full.
    pub mask: u64,
}

impl Form {
    /// Appends this form, given the one of the component's row before. `changes` may be absent for rows in full.
    #[inline]
    pub fn put(&self, out: &mut BitWriter, before: &Self, changes: Option<&Changes>) {
        let is_same = self == before;
        out.put_bit(is_same);
        if is_same {
            return;
        }
        let same_times = (self.age, self.span) == (before.age, before.span);
        out.put_bit(same_times);
        if !same_times {
            out.put(u64::from(self.age), 6);
        }
        let Some(changes) = changes.filter(|_| self.age != 0) else { return };
        if !same_times && changes.predicts {
            out.put(u64::from(self.span), 6);
        }
        put_mask(out, self.mask, changes.uses);
    }

    fn read(bits: &mut BitReader<'_>, before: &Self, changes: Option<&Changes>) -> Result<Self, ReadError> {
        if bits.bit()? {
            return Ok(*before);
        }
        let same_times = bits.bit()?;
        let age = if same_times { before.age } else { bits.take(6)? as u32 };
        if age == 0 {
            return Ok(Self::default());
        }
        let Some(changes) = changes else {
            return Err(bits.error("a row changes of a component that has no changes"));
        };
        let span = match (same_times, changes.predicts) {
            (true, _) => before.span,
            (false, true) => bits.take(6)? as u32,
            (false, false) => 0,
        };
        if span != 0 && age + span > AGE_OLDEST {
            return Err(bits.error("a course begins too long ago"));
        }
        Ok(Self { age, span, mask: read_mask(bits, changes.uses)? })
    }
}

// ---- reading ------------------------------------------------------------------------------------

/// Why an update was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an update is damaged or of another game: {0}")]
pub struct UpdateError(#[from] pub ReadError);

/// Who takes what an update says.
pub trait Receiver {
    /// The hash that was announced.
    fn hash(&mut self, hash: u64);
    /// The player no longer sees an entity.
    fn gone(&mut self, entity: u32);
    /// An entity has no row of the component at this place of the manifest's list.
    fn lost(&mut self, entity: u32, place: usize);
    /// What a row differs from; `None` passes over the row.
    fn base(&mut self, entity: u32, place: usize, form: &Form) -> Option<Base<'_>>;
    /// A row; `form.age` is 0 if it was told in full.
    fn row(&mut self, entity: u32, place: usize, row: &[u8]);
}

/// Reads updates; keeps its memory from one to the next.
#[derive(Debug, Default)]
pub struct Decoder {
    listed: Vec<Listed>,
    set: Vec<bool>,
    row: Vec<u8>,
}

#[derive(Debug)]
struct Listed {
    place: usize,
    changes: Option<Changes>,
    form: Form,
}

impl Decoder {
    /// Reads all of an update but its header.
    ///
    /// # Errors
    /// When the bytes are no update of this game. What came before the error has been given to the receiver.
    pub fn read(&mut self, manifest: &Manifest, bytes: &[u8], to: &mut impl Receiver) -> Result<(), UpdateError> {
        let header = Header::decode(bytes)?;
        let mut bits = BitReader::new(&bytes[HEADER_BYTES..]);
        if header.has_hash {
            to.hash(bits.take(64)?);
        }
        if header.has_absences {
            read_absences(&mut bits, manifest, to)?;
        }
        self.read_components(&mut bits, manifest)?;
        if !self.listed.is_empty() {
            self.read_entities(&mut bits, manifest, to)?;
        }
        Ok(bits.finish()?)
    }

    fn read_components(&mut self, bits: &mut BitReader<'_>, manifest: &Manifest) -> Result<(), ReadError> {
        self.listed.clear();
        let (count, mut next) = (bits.code(2)?, 0);
        for _ in 0..count {
            let place = read_place(bits, &mut next, manifest)?;
            let changes = read_component(bits, &manifest.layouts()[place])?;
            self.listed.push(Listed { place, changes, form: Form::default() });
        }
        Ok(())
    }

    fn read_entities(
        &mut self,
        bits: &mut BitReader<'_>,
        manifest: &Manifest,
        to: &mut impl Receiver,
    ) -> Result<(), ReadError> {
        let k = bits.take(5)? as u32;
        let count = read_count(bits, 4)?;
        self.set.clear();
        self.set.resize(self.listed.len(), true);
        let mut entity = 0;
        for _ in 0..count {
            entity = read_gap(bits, k, entity)?;
            if !bits.bit()? {
                for has in &mut self.set {
                    *has = bits.bit()?;
                }
                if !self.set.contains(&true) {
                    return Err(bits.error("an entity is named without a row"));
                }
            }
            for (listed, _) in self.listed.iter_mut().zip(&self.set).filter(|(_, has)| **has) {
                listed.form = Form::read(bits, &listed.form, listed.changes.as_ref())?;
                let layout = &manifest.layouts()[listed.place];
                self.row.clear();
                self.row.resize(layout.width, 0);
                if listed.form.age == 0 {
                    read_full(bits, layout, &mut self.row)?;
                    to.row(entity, listed.place, &self.row);
                    continue;
                }
                let changes = listed.changes.as_ref().expect("forms with an age have changes");
                let base = to.base(entity, listed.place, &listed.form);
                if let Some(base) = &base {
                    self.row.copy_from_slice(base.row);
                }
                read_changed(bits, layout, changes, listed.form.mask, &mut self.row, base.as_ref())?;
                if base.is_some() {
                    to.row(entity, listed.place, &self.row);
                }
            }
        }
        Ok(())
    }
}

fn read_absences(bits: &mut BitReader<'_>, manifest: &Manifest, to: &mut impl Receiver) -> Result<(), ReadError> {
    let k = bits.take(5)? as u32;
    let mut entity = 0;
    for _ in 0..read_count(bits, 2)? {
        entity = read_gap(bits, k, entity)?;
        to.gone(entity);
    }
    entity = 0;
    for _ in 0..read_count(bits, 2)? {
        entity = read_gap(bits, k, entity)?;
        let (count, mut next) = (bits.code(0)?, 0);
        if count >= manifest.layouts().len() as u64 {
            return Err(bits.error("more components than the manifest has"));
        }
        for _ in 0..=count {
            let place = read_place(bits, &mut next, manifest)?;
            if place == 0 {
                return Err(bits.error("an entity that stays lost itself"));
            }
            to.lost(entity, place);
        }
    }
    Ok(())
}

/// Reads the place of a component that players may know of; `next` is the lowest it may be.
fn read_place(bits: &mut BitReader<'_>, next: &mut usize, manifest: &Manifest) -> Result<usize, ReadError> {
    let gap = bits.code(1)?;
    let place = usize::try_from(gap).ok().and_then(|gap| gap.checked_add(*next));
    let place = place.filter(|place| *place < manifest.layouts().len());
    let place = place.ok_or(bits.error("the manifest has no such component"))?;
    if manifest.layouts()[place].visibility == crate::manifest::Visibility::Server {
        return Err(bits.error("the component is the server's alone"));
    }
    *next = place + 1;
    Ok(place)
}

/// A count of things of at least one bit each.
fn read_count(bits: &mut BitReader<'_>, k: u32) -> Result<u64, ReadError> {
    let count = bits.code(k)?;
    if count > bits.remaining() as u64 || count > ENTITIES_MAX as u64 {
        return Err(bits.error("a count exceeds the bits that are left"));
    }
    Ok(count)
}

fn read_gap(bits: &mut BitReader<'_>, k: u32, before: u32) -> Result<u32, ReadError> {
    let gap = bits.code(k)?;
    let id = u32::try_from(gap).ok().and_then(|gap| before.checked_add(gap)?.checked_add(1));
    id.ok_or(bits.error("an entity id exceeds 32 bits"))
}

/// The gap between two entities of a list.
#[inline]
#[must_use]
pub const fn gap(entity: EntityId, before: u32) -> u64 {
    (entity.0 - before - 1) as u64
}

/// The order of code that is short for gaps of a list of `count` entities whose last is `last`.
#[must_use]
pub const fn gap_order(count: usize, last: u32) -> u32 {
    let mean = if count == 0 { 0 } else { last as u64 / count as u64 };
    let k = bit_length(mean).saturating_sub(1);
    if k > 31 { 31 } else { k }
}

const _: () = assert!(UPDATE_PARTS_MAX == 16 && BASE_AGE_TICKS_MAX == 63, "what the header and forms have bits for");
