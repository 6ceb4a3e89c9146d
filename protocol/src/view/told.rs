//! What was told of the rows of one component, and when.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::update::{AGE_OLDEST, Form};

/// A map by entity.
pub(super) type Identity<T> = HashMap<u32, T, BuildHasherDefault<Spread>>;

/// Spreads numbers that are small and close together.
#[derive(Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// Tellings of the rows of one component. Ticks count from the baseline, which is 0.
#[derive(Debug)]
pub(super) struct Told {
    /// Bytes of an entry of a history: its tick, then the row.
    stride: usize,
    rows: Identity<Row>,
}

/// A row that was told since the baseline.
#[derive(Debug, Default)]
struct Row {
    newest: u32,
    is_absent: bool,
    /// Entries ascending by tick; none while the row is absent.
    history: Vec<u8>,
}

/// Bytes of a tick.
const TICK_BYTES: usize = 4;
/// Entries that no update can name may pile up so high before they are thrown away.
const SPARE_ENTRIES: usize = 32;

impl Told {
    pub(super) fn new(width: usize) -> Self {
        Self { stride: TICK_BYTES + width, rows: Identity::default() }
    }

    /// Tick of the newest telling; `None` if there was none since the baseline.
    pub(super) fn newest(&self, entity: u32) -> Option<u32> {
        self.rows.get(&entity).map(|row| row.newest)
    }

    /// Notes what tick `now` tells of a row; `held` is what is there. Whether it is news.
    pub(super) fn tell(&mut self, entity: u32, now: u32, row: &[u8], held: Option<&[u8]>, oldest: u32) -> bool {
        let stride = self.stride;
        let known = self.rows.entry(entity).or_insert_with(|| {
            let mut history = Vec::new();
            if let Some(held) = held {
                put(&mut history, 0, held);
            }
            Row { newest: 0, is_absent: held.is_none(), history }
        });
        if now <= known.newest {
            known.note_late(stride, now, row);
            return false;
        }
        known.newest = now;
        known.is_absent = false;
        known.drop_before(stride, oldest);
        put(&mut known.history, now, row);
        true
    }

    /// Notes that tick `now` tells of a row's absence. Whether it is news.
    pub(super) fn lose(&mut self, entity: u32, now: u32) -> bool {
        let known = self.rows.entry(entity).or_default();
        if now <= known.newest {
            return false;
        }
        known.newest = now;
        known.is_absent = true;
        known.history.clear();
        true
    }

    /// Forgets a row that was not told after tick `now`; whether that is so.
    pub(super) fn forget(&mut self, entity: u32, now: u32) -> bool {
        if self.rows.get(&entity).is_some_and(|row| row.newest > now) {
            return false;
        }
        self.rows.remove(&entity);
        true
    }

    /// The rows that a form names, seen from tick `now`.
    pub(super) fn find(&self, entity: u32, now: u32, form: &Form) -> Option<(&[u8], Option<&[u8]>)> {
        let known = self.rows.get(&entity)?;
        let at = now.checked_sub(form.age)?;
        let (told, row) = known.at_or_before(self.stride, at)?;
        if form.age != AGE_OLDEST && told != at {
            return None;
        }
        if form.span == 0 {
            return Some((row, None));
        }
        let before = at.checked_sub(form.span)?;
        let (told, course) = known.at_or_before(self.stride, before)?;
        (told == before).then_some((row, Some(course)))
    }

    /// Forgets rows that are absent since before `oldest`.
    pub(super) fn sweep(&mut self, oldest: u32) {
        self.rows.retain(|_, row| !row.is_absent || row.newest >= oldest);
    }
}

impl Row {
    fn tick(&self, stride: usize, entry: usize) -> u32 {
        let bytes = &self.history[entry * stride..][..TICK_BYTES];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// The newest entry that is not after `tick`.
    fn at_or_before(&self, stride: usize, tick: u32) -> Option<(u32, &[u8])> {
        let entry = (0..self.history.len() / stride).rev().find(|entry| self.tick(stride, *entry) <= tick)?;
        Some((self.tick(stride, entry), &self.history[entry * stride + TICK_BYTES..(entry + 1) * stride]))
    }

    /// Keeps a value as a base that came after a newer one.
    fn note_late(&mut self, stride: usize, now: u32, row: &[u8]) {
        if self.is_absent {
            return;
        }
        let entries = self.history.len() / stride;
        let place = (0..entries).rev().find(|entry| self.tick(stride, *entry) <= now).map_or(0, |entry| entry + 1);
        if place > 0 && self.tick(stride, place - 1) == now {
            return;
        }
        let mut entry = Vec::with_capacity(stride);
        put(&mut entry, now, row);
        self.history.splice(place * stride..place * stride, entry);
    }

    /// Throws away entries that are older than the newest one not after `oldest`, once there are many.
    fn drop_before(&mut self, stride: usize, oldest: u32) {
        let entries = self.history.len() / stride;
        if entries > SPARE_ENTRIES && self.tick(stride, SPARE_ENTRIES) <= oldest {
            self.history.drain(..SPARE_ENTRIES * stride);
        }
    }
}

fn put(history: &mut Vec<u8>, tick: u32, row: &[u8]) {
    history.extend_from_slice(&tick.to_le_bytes());
    history.extend_from_slice(row);
}
