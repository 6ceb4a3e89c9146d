//! Commands on their way, and what became of them.
//!
//! Numbers the commands of one session, hands them out for sending, again after each resume, and
//! gives each command's outcome to its waiter once. No sockets and no clocks.
//!
//! ```text
//!            first                                next
//!   answered │ answered, or not, or too early     │ not yet given
//!   ─────────┼────────────────┬───────────────────┼──────────────►  seq
//!                             cursor: next to send on this connection
//! ```
//!
//! Invariants:
//! - `next - first` is at most [`COMMANDS_UNACKED_MAX`]: whatever is sent again lies within the
//!   ring of outcomes that the service keeps.
//! - A waiter leaves this structure once: with its outcome, or when the session ends.

use std::collections::VecDeque;

use protocol::OutcomeCode;
use protocol::limits::{CLIENT_FRAME_BYTES_MAX, COMMANDS_PER_FRAME_MAX, COMMANDS_UNACKED_MAX};
use protocol::session;
use thiserror::Error;

/// The commands of one session that have no delivered outcome. `W` is told the outcome.
#[derive(Debug)]
pub(crate) struct Outstanding<W> {
    entries: VecDeque<Entry<W>>,
    first: u32,
    cursor: u32,
    /// Whether commands may be sent: not before the server said what it holds.
    open: bool,
    /// Highest number that ever had an outcome.
    answered: u32,
    counts: OutstandingCounts,
}

/// What happened to commands so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OutstandingCounts {
    pub(crate) sent: u64,
    pub(crate) resent: u64,
    pub(crate) delivered: u64,
    pub(crate) duplicates: u64,
}

#[derive(Debug)]
struct Entry<W> {
    payload: Vec<u8>,
    waiter: Option<W>,
    answer: Option<Answer>,
    sent: bool,
}

/// The server's word on one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) seq: u32,
    pub(crate) code: OutcomeCode,
    pub(crate) tick: u64,
    pub(crate) position: u64,
}

impl From<&session::Outcome> for Answer {
    fn from(outcome: &session::Outcome) -> Self {
        Self {
            seq: outcome.seq(),
            code: OutcomeCode(outcome.code()),
            tick: outcome.tick(),
            position: outcome.position(),
        }
    }
}

/// Commands to send in one frame, numbered from `first_seq` without gaps.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) first_seq: u32,
    pub(crate) payloads: Vec<Vec<u8>>,
}

/// What [`Outstanding::settle`] gives back.
#[derive(Debug)]
pub(crate) struct Settled<W> {
    /// In order of their numbers.
    pub(crate) answers: Vec<(W, Answer)>,
    /// How many more commands may be pushed now.
    pub(crate) freed: usize,
}

/// Why a command was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    /// The window is full; the payload comes back.
    Full(Vec<u8>),
    /// 2^32 commands were sent.
    Exhausted,
}

/// The server's idea of the session contradicts what it told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the server holds commands up to {last_seq}; {lowest} to {highest} are possible")]
pub(crate) struct Contradiction {
    pub(crate) last_seq: u32,
    pub(crate) lowest: u32,
    pub(crate) highest: u32,
}

impl<W> Outstanding<W> {
    pub(crate) fn new() -> Self {
        Self {
            entries: VecDeque::with_capacity(COMMANDS_UNACKED_MAX),
            first: 1,
            cursor: 1,
            open: false,
            answered: 0,
            counts: OutstandingCounts::default(),
        }
    }

    pub(crate) const fn counts(&self) -> OutstandingCounts {
        self.counts
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether everything pushed was handed out on this connection.
    pub(crate) fn is_all_sent(&self) -> bool {
        self.open && self.cursor == self.next()
    }

    fn next(&self) -> u32 {
        self.first + self.entries.len() as u32
    }

    /// Takes a command; gives its number.
    pub(crate) fn push(&mut self, payload: Vec<u8>, waiter: W) -> Result<u32, PushError> {
        if self.entries.len() >= COMMANDS_UNACKED_MAX {
            return Err(PushError::Full(payload));
        }
        let seq = self.next();
        if seq > u32::MAX - COMMANDS_UNACKED_MAX as u32 {
            return Err(PushError::Exhausted);
        }
        self.entries.push_back(Entry { payload, waiter: Some(waiter), answer: None, sent: false });
        Ok(seq)
    }

    /// The connection is gone: what was sent may or may not have arrived.
    pub(crate) fn handle_lost(&mut self) {
        self.open = false;
    }

    /// The server took the player (back). After a resume nothing is sent before the baseline, whose
    /// outcomes may answer what would be sent.
    pub(crate) fn handle_joined(&mut self, last_seq: u32, resumed: bool) -> Result<(), Contradiction> {
        let (lowest, highest) = if resumed { (self.answered, self.next() - 1) } else { (0, 0) };
        if last_seq < lowest || last_seq > highest {
            return Err(Contradiction { last_seq, lowest, highest });
        }
        if !resumed {
            self.handle_baseline();
        }
        Ok(())
    }

    /// A baseline came, and its outcomes were given to [`Self::handle_answer`]. On the first of a
    /// connection, all that is still without outcome goes out again.
    pub(crate) fn handle_baseline(&mut self) {
        if !self.open {
            self.open = true;
            self.cursor = self.first;
        }
    }

    /// Takes an outcome. Those already known are counted and ignored.
    pub(crate) fn handle_answer(&mut self, answer: Answer) {
        // These speak of the session, not of the command with this number; the edge closes the
        // connection with the code that says what to do.
        if matches!(answer.code, OutcomeCode::GAP | OutcomeCode::STALE_EPOCH | OutcomeCode::NO_SESSION) {
            return;
        }
        let place = answer.seq.checked_sub(self.first);
        match place.and_then(|place| self.entries.get_mut(place as usize)) {
            Some(entry) if entry.answer.is_none() => {
                entry.answer = Some(answer);
                self.answered = self.answered.max(answer.seq);
            }
            _ => self.counts.duplicates += 1,
        }
    }

    /// Gives the outcomes of ticks that the mirror shows, so that whoever is told can see the effect.
    pub(crate) fn settle(&mut self, shows: impl Fn(u64) -> bool) -> Settled<W> {
        let mut answers = Vec::new();
        for entry in &mut self.entries {
            if let Some(answer) = entry.answer.filter(|answer| shows(answer.tick))
                && let Some(waiter) = entry.waiter.take()
            {
                answers.push((waiter, answer));
            }
        }
        self.counts.delivered += answers.len() as u64;
        let done = self.entries.iter().take_while(|entry| entry.waiter.is_none()).count();
        self.entries.drain(..done);
        self.first += done as u32;
        self.cursor = self.cursor.max(self.first);
        Settled { answers, freed: done }
    }

    /// The next commands to send on this connection; call until `None`.
    pub(crate) fn poll_batch(&mut self) -> Option<Batch> {
        if !self.open {
            return None;
        }
        let from = (self.cursor - self.first) as usize;
        let skipped = self.entries.iter().skip(from).take_while(|entry| entry.answer.is_some()).count();
        let first_seq = self.cursor + skipped as u32;
        let mut payloads = Vec::new();
        let mut bytes = FRAME_OVERHEAD_BYTES;
        for entry in self.entries.iter_mut().skip(from + skipped) {
            bytes += entry.payload.len() + COMMAND_OVERHEAD_BYTES;
            let full = bytes > CLIENT_FRAME_BYTES_MAX || payloads.len() == COMMANDS_PER_FRAME_MAX;
            if full || entry.answer.is_some() {
                break;
            }
            self.counts.sent += 1;
            self.counts.resent += u64::from(entry.sent);
            entry.sent = true;
            payloads.push(entry.payload.clone());
        }
        self.cursor = first_seq + payloads.len() as u32;
        if payloads.is_empty() { None } else { Some(Batch { first_seq, payloads }) }
    }

    /// The session is over. Gives every waiter left, with the outcome where one is known.
    pub(crate) fn end(&mut self) -> Vec<(W, Option<Answer>)> {
        self.open = false;
        let entries = std::mem::take(&mut self.entries);
        self.first += entries.len() as u32;
        self.cursor = self.first;
        entries.into_iter().filter_map(|entry| entry.waiter.map(|waiter| (waiter, entry.answer))).collect()
    }
}

/// Root, union and list of a frame of commands, generously.
const FRAME_OVERHEAD_BYTES: usize = 128;
/// Table, length, padding and offset of one command in a frame, generously.
const COMMAND_OVERHEAD_BYTES: usize = 28;

#[cfg(test)]
mod tests;
