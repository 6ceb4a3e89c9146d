//! Packets that were written, and what each told.

use std::collections::VecDeque;

use protocol::limits::BASE_AGE_TICKS_MAX;

/// Packets of one player, from the oldest of which anything may still come.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Number of the newest, from 1.
    newest: u32,
    records: VecDeque<Record>,
    told: VecDeque<Told>,
    /// How many tellings were before the first of `told`.
    passed: u64,
    lost: u64,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    tick: u32,
    /// The first tick of which something is held only when it comes.
    holds_from: u32,
    first: u64,
    count: u32,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unknown,
    Late,
    Came,
}

/// A telling: of one row, or that an entity is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// Where the entity's row states are.
    pub(super) chunk: u32,
    /// Place of the component; [`Told::ALL`]: the entity is gone.
    pub(super) kind: u16,
}

impl Told {
    pub(super) const ALL: u16 = u16::MAX;
}

/// What something is learnt of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Learnt {
    /// A packet, before what it told.
    Packet,
    Row(Told),
}

/// What became of a telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Came,
    Lost {
        /// The first tick of which something was to be held only when it came.
        holds_from: u32,
    },
}

impl Flight {
    /// Notes a telling of the packet that is being written.
    pub(super) fn tell(&mut self, told: Told) {
        self.told.push_back(told);
    }

    /// Ends a packet with all that was told since the one before; gives its number. `holds_from` is the first tick of
    /// which something is held only when it comes.
    pub(super) fn close(&mut self, tick: u32, holds_from: u32) -> u32 {
        let end = self.passed + self.told.len() as u64;
        let first = self.records.back().map_or(self.passed, |record| record.first + u64::from(record.count));
        self.records.push_back(Record { tick, holds_from, first, count: (end - first) as u32, fate: Fate::Unknown });
        self.newest += 1;
        self.newest
    }

    /// The first tick that is held only when a packet comes of which nothing is known.
    pub(super) fn oldest_unknown(&self) -> Option<u32> {
        self.records.iter().filter(|record| record.fate == Fate::Unknown).map(|record| record.holds_from).min()
    }

    /// What was told again with a tick: something since tick `from` is held only when its packets come. Whether one of
    /// them will not.
    pub(super) fn owe(&mut self, tick: u32, from: u32) -> bool {
        let mut is_lost = false;
        for record in self.records.iter_mut().filter(|record| record.tick == tick) {
            record.holds_from = record.holds_from.min(from);
            is_lost |= record.fate == Fate::Late;
        }
        is_lost
    }

    /// Packets that counted as lost.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes an acknowledgement: the low bits of the newest that came, and which of the 64 before it did not. What is
    /// `reorder` ticks older than it counts as lost.
    pub(super) fn ack(&mut self, seq: u16, missing: u64, reorder: u32, mut learn: impl FnMut(Learnt, u32, Outcome)) {
        let behind = u32::from((self.newest as u16).wrapping_sub(seq));
        // What was never written, or is too old to be known.
        let Some(seq) = self.newest.checked_sub(behind).filter(|seq| *seq > 0) else { return };
        let first = self.newest - self.records.len() as u32 + 1;
        for number in seq.saturating_sub(64).max(first)..=seq {
            if number < seq && missing >> (seq - 1 - number) & 1 == 1 {
                continue;
            }
            self.decide((number - first) as usize, Outcome::Came, &mut learn);
        }
        let newest = seq.checked_sub(first).and_then(|place| self.records.get(place as usize));
        self.lose_until(newest.map_or(0, |record| record.tick.saturating_sub(reorder)), &mut learn);
        self.forget(0);
    }

    /// All that was written came: what carries it loses nothing.
    pub(super) fn ack_all(&mut self, mut learn: impl FnMut(Learnt, u32, Outcome)) {
        for place in 0..self.records.len() {
            self.decide(place, Outcome::Came, &mut learn);
        }
        self.forget(0);
    }

    /// Gives up on packets of which nothing was heard for `timeout` ticks.
    pub(super) fn expire(&mut self, now: u32, timeout: u32, mut learn: impl FnMut(Learnt, u32, Outcome)) {
        self.lose_until(now.saturating_sub(timeout + 1), &mut learn);
        self.forget(now.saturating_sub(BASE_AGE_TICKS_MAX));
    }

    /// Gives up on packets up to a tick.
    fn lose_until(&mut self, tick: u32, learn: &mut impl FnMut(Learnt, u32, Outcome)) {
        for place in 0..self.records.len() {
            let Record { tick: of, holds_from, .. } = self.records[place];
            if of > tick {
                break;
            }
            self.decide(place, Outcome::Lost { holds_from }, learn);
        }
    }

    fn decide(&mut self, place: usize, outcome: Outcome, learn: &mut impl FnMut(Learnt, u32, Outcome)) {
        let Some(record) = self.records.get_mut(place) else { return };
        let fate = match (record.fate, outcome) {
            (Fate::Unknown | Fate::Late, Outcome::Came) => Fate::Came,
            (Fate::Unknown, Outcome::Lost { .. }) => {
                self.lost += 1;
                Fate::Late
            }
            _ => return,
        };
        record.fate = fate;
        let record = *record;
        learn(Learnt::Packet, record.tick, outcome);
        let from = (record.first - self.passed) as usize;
        for told in self.told.range(from..from + record.count as usize) {
            learn(Learnt::Row(*told), record.tick, outcome);
        }
    }

    /// Forgets the oldest: those that came, and those before tick `tick`, of which it matters no more.
    fn forget(&mut self, tick: u32) {
        while let Some(record) = self.records.front() {
            if record.fate != Fate::Came && !(record.fate == Fate::Late && record.tick < tick) {
                break;
            }
            self.passed += u64::from(record.count);
            self.told.drain(..record.count as usize);
            self.records.pop_front();
        }
    }
}
