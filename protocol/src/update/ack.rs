//! What a client says of updates, and when.

use std::time::{Duration, Instant};

use crate::bytes::{ReadError, Reader, put_varint};
use crate::limits::{ACK_RIDE_MS, ACK_WAIT_MS};

use super::ACK_TYPE;

/// What a client says of the updates that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Low byte of the era.
    pub era: u8,
    /// The newest that came.
    pub seq: u16,
    /// Bit `i`: `seq - 1 - i` has not come.
    pub missing: u64,
}

impl Ack {
    /// Longest encoded form, in bytes.
    pub const BYTES_MAX: usize = 14;

    /// The bytes that travel in a datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES_MAX);
        out.extend_from_slice(&[ACK_TYPE, self.era]);
        out.extend_from_slice(&self.seq.to_le_bytes());
        put_varint(&mut out, self.missing);
        out
    }

    /// Reads a datagram from a client.
    ///
    /// # Errors
    /// When the bytes are no acknowledgement.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let head = reader.take(4)?;
        if head[0] != ACK_TYPE {
            return Err(ReadError { offset: 0, reason: "the type is not that of an acknowledgement" });
        }
        let missing = reader.varint()?;
        reader.finish()?;
        Ok(Self { era: head[1], seq: u16::from_le_bytes([head[2], head[3]]), missing })
    }
}

/// When a client says of updates that they came: soon, and in the packet of a command where one is about to go.
#[derive(Debug, Clone, Copy, Default)]
pub struct AckPace {
    /// Since when an update waits, and how many do.
    waits: Option<Instant>,
    count: u32,
    /// When a command last went.
    command: Option<Instant>,
}

impl AckPace {
    /// An update came.
    pub fn note_update(&mut self, now: Instant) {
        self.waits.get_or_insert(now);
        self.count += 1;
    }

    /// A command, or anything else, goes to the edge.
    pub const fn note_command(&mut self, now: Instant) {
        self.command = Some(now);
    }

    /// When an acknowledgement is due if nothing else goes before; `None`: there is nothing to say.
    ///
    /// Who sends commands often waits for the next one. Otherwise every second update is acknowledged, and none waits
    /// longer than [`ACK_WAIT_MS`]. With `has_gap` an update is missing, and the edge should know at once.
    #[must_use]
    pub fn due(&self, has_gap: bool) -> Option<Instant> {
        let since = self.waits?;
        let ride = Duration::from_millis(ACK_RIDE_MS);
        let rides = !has_gap && self.command.is_some_and(|command| command + ride + ride / 2 > since);
        match (rides, self.count) {
            (true, _) => Some(since + ride),
            (false, 1) if !has_gap => Some(since + Duration::from_millis(ACK_WAIT_MS)),
            (false, _) => Some(since),
        }
    }

    /// All that came was acknowledged.
    pub const fn note_ack(&mut self) {
        (self.waits, self.count) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn who_only_listens_acknowledges_every_second_update() {
        let (mut pace, begun) = (AckPace::default(), Instant::now());
        assert_eq!(pace.due(false), None);
        pace.note_update(begun);
        assert_eq!(pace.due(false), Some(begun + at(ACK_WAIT_MS)));
        pace.note_update(begun + at(33));
        assert!(pace.due(false) <= Some(begun + at(33)), "at once");
        pace.note_ack();
        assert_eq!(pace.due(false), None);
    }

    #[test]
    fn who_sends_commands_lets_them_take_it_along() {
        let (mut pace, begun) = (AckPace::default(), Instant::now());
        pace.note_command(begun);
        pace.note_update(begun + at(10));
        pace.note_update(begun + at(43));
        assert_eq!(pace.due(false), Some(begun + at(10 + ACK_RIDE_MS)));
        assert!(pace.due(true) <= Some(begun + at(43)), "but not when an update is missing");
        pace.note_ack();
        let later = begun + at(1_000);
        pace.note_update(later);
        assert_eq!(pace.due(false), Some(later + at(ACK_WAIT_MS)), "nor when there was none for a while");
    }
}
