//! The way of commands into the log: all that arrive together share a message, and nothing overtakes.
//!
//! A command that comes after a pause leaves at once; while they come faster than that, those of a millisecond share
//! a message. So batching costs nothing where there is nothing to batch.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::cluster::{CommandBatchT, CommandHeadT, IngressMessageT, encode_ingress};
use protocol::limits::{UPLINK_BACKLOG_BYTES_MAX, UPLINK_BATCH_BYTES, UPLINK_WAIT_MS_MAX};

pub(super) struct Uplink {
    batch: CommandBatchT,
    /// When the batch must be on its way.
    due: Option<Instant>,
    /// Before that, the next batch waits for company.
    not_before: Option<Instant>,
    messages: VecDeque<Vec<u8>>,
    /// Bytes of `messages`.
    waiting_bytes: usize,
    is_backlogged: bool,
    /// Nobody is there to take anything. What waits is not given out, and thrown away with [`Uplink::clear`].
    is_paused: bool,
}

impl Uplink {
    pub(super) fn new() -> Self {
        Self {
            batch: CommandBatchT::default(),
            due: None,
            not_before: None,
            messages: VecDeque::new(),
            waiting_bytes: 0,
            is_backlogged: false,
            is_paused: false,
        }
    }

    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Adds a command to the batch.
    pub(super) fn command(&mut self, now: Instant, session: u32, epoch: u32, seq: u32, payload: &[u8]) {
        let mut head = CommandHeadT::default();
        (head.session, head.epoch, head.seq, head.bytes) = (session, epoch, seq, payload.len() as u32);
        self.batch.heads.push(head);
        self.batch.payload.extend_from_slice(payload);
        if self.due.is_none() {
            let due = self.not_before.map_or(now, |at| at.max(now));
            self.due = Some(due);
            self.not_before = Some(due + Duration::from_millis(UPLINK_WAIT_MS_MAX));
        }
        if self.batch.heads.len() * HEAD_BYTES + self.batch.payload.len() >= UPLINK_BATCH_BYTES {
            self.flush();
        }
    }

    /// Sends a message of its own, after all commands before it.
    pub(super) fn push(&mut self, message: IngressMessageT) {
        self.flush();
        self.enqueue(message);
    }

    /// Closes the batch.
    pub(super) fn flush(&mut self) {
        self.due = None;
        if !self.batch.heads.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            self.enqueue(IngressMessageT::CommandBatch(Box::new(batch)));
        }
    }

    fn enqueue(&mut self, message: IngressMessageT) {
        let message = encode_ingress(message);
        self.waiting_bytes += message.len();
        self.messages.push_back(message);
    }

    pub(super) fn next_message(&mut self) -> Option<Vec<u8>> {
        if self.is_backlogged || self.is_paused {
            return None;
        }
        let message = self.messages.pop_front()?;
        self.waiting_bytes -= message.len();
        Some(message)
    }

    pub(super) const fn set_backlogged(&mut self, is_backlogged: bool) {
        self.is_backlogged = is_backlogged;
    }

    /// Whether players must not add to what waits.
    pub(super) const fn is_full(&self) -> bool {
        self.waiting_bytes > UPLINK_BACKLOG_BYTES_MAX
    }

    /// Gives out nothing until [`Uplink::clear`].
    pub(super) const fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Forgets everything: whom it was for is gone.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }
}

const HEAD_BYTES: usize = 16;
