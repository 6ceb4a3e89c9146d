//! Messages of the service that are longer than one message of the stream to an edge.
//!
//! A message of at most [`EGRESS_PART_BYTES_MAX`] bytes travels as it is. A longer one travels in parts, in order and
//! with nothing between them in that edge's stream:
//!
//! ```text
//! "WLPT" | length of the whole: u32 | where this part begins: u32 | its bytes
//! ```
//!
//! A FlatBuffer with identifier has that at bytes 4 to 8 and its root's offset before it, so that none begins with
//! `WLPT`: it would be a root beyond every bound. A stream that begins anew (another leader) drops what was begun.

use std::borrow::Cow;

use thiserror::Error;

use crate::limits::{EGRESS_PART_BYTES_MAX, SERVER_FRAME_BYTES_MAX};

const MAGIC: [u8; 4] = *b"WLPT";
/// Before each part's bytes.
pub const PART_HEADER_BYTES: usize = 12;
const PART_PAYLOAD_BYTES: usize = EGRESS_PART_BYTES_MAX - PART_HEADER_BYTES;

/// Whether a message must travel in parts.
#[must_use]
pub const fn is_divided(message: &[u8]) -> bool {
    message.len() > EGRESS_PART_BYTES_MAX
}

/// The part that begins at `offset` of a message that is divided: its header and bytes. `None` past the end.
#[must_use]
pub fn part(message: &[u8], offset: usize) -> Option<([u8; PART_HEADER_BYTES], &[u8])> {
    let rest = message.get(offset..).filter(|rest| !rest.is_empty())?;
    let mut header = [0; PART_HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&(message.len() as u32).to_le_bytes());
    header[8..].copy_from_slice(&(offset as u32).to_le_bytes());
    Some((header, &rest[..rest.len().min(PART_PAYLOAD_BYTES)]))
}

/// Why a part was not taken. The cluster session is of no use any more: what it says can no longer be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PartError {
    /// Shorter than its header, without bytes, or more than the whole.
    #[error("a part of {bytes} bytes at {offset} of {whole} is none; the member is of another build")]
    Malformed {
        /// Of this part.
        bytes: usize,
        /// Where it says that it begins.
        offset: usize,
        /// Of the whole.
        whole: usize,
    },
    /// Parts are missing before it.
    #[error("a part begins at byte {found} where byte {expected} was due; open a new cluster session")]
    Gap {
        /// Where the next part should begin.
        expected: usize,
        /// Where this one begins.
        found: usize,
    },
}

/// Puts parts together again.
#[derive(Debug, Default)]
pub struct Assembly {
    whole: usize,
    bytes: Vec<u8>,
}

impl Assembly {
    /// Takes the next message of the stream; gives one that is complete. At most
    /// [`SERVER_FRAME_BYTES_MAX`] bytes are held.
    ///
    /// # Errors
    /// When it is a part that does not follow the one before.
    pub fn take<'a>(&mut self, message: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, PartError> {
        if !message.starts_with(&MAGIC) {
            self.clear();
            return Ok(Some(Cow::Borrowed(message)));
        }
        let number = |at: usize| {
            let bytes = message.get(at..at + 4)?;
            Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
        };
        let (whole, offset) = (number(4).unwrap_or(0), number(8).unwrap_or(0));
        let bytes = message.get(PART_HEADER_BYTES..).unwrap_or_default();
        let is_sound = !bytes.is_empty() && whole <= SERVER_FRAME_BYTES_MAX && offset + bytes.len() <= whole;
        if !is_sound {
            self.clear();
            return Err(PartError::Malformed { bytes: message.len(), offset, whole });
        }
        if offset == 0 {
            self.clear();
            self.whole = whole;
        }
        if (self.whole, self.bytes.len()) != (whole, offset) {
            let expected = self.bytes.len();
            self.clear();
            return Err(PartError::Gap { expected, found: offset });
        }
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() < whole {
            return Ok(None);
        }
        self.whole = 0;
        Ok(Some(Cow::Owned(std::mem::take(&mut self.bytes))))
    }

    /// Forgets what was begun: the stream begins anew.
    pub fn clear(&mut self) {
        (self.whole, self.bytes) = (0, Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::{Assembly, PartError, is_divided, part};
    use crate::limits::{EGRESS_PART_BYTES_MAX, SERVER_FRAME_BYTES_MAX};

    fn parts(message: &[u8]) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        let mut offset = 0;
        while let Some((header, bytes)) = part(message, offset) {
            parts.push([&header[..], bytes].concat());
            offset += bytes.len();
        }
        parts
    }

    fn message(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn a_long_message_comes_out_of_its_parts_as_it_went_in() {
        for bytes in [EGRESS_PART_BYTES_MAX + 1, 3 * EGRESS_PART_BYTES_MAX, 5_000_000] {
            let whole = message(bytes);
            assert!(is_divided(&whole));
            let parts = parts(&whole);
            assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= EGRESS_PART_BYTES_MAX));
            let mut assembly = Assembly::default();
            let (last, first) = parts.split_last().unwrap();
            for part in first {
                assert_eq!(assembly.take(part), Ok(None));
            }
            assert_eq!(assembly.take(last).unwrap().unwrap(), whole);
        }
    }

    #[test]
    fn a_short_message_is_its_own_part() {
        let whole = message(EGRESS_PART_BYTES_MAX);
        assert!(!is_divided(&whole));
        assert_eq!(Assembly::default().take(&whole).unwrap().unwrap(), whole);
    }

    #[test]
    fn a_stream_that_begins_anew_drops_what_was_begun() {
        let (one, two) = (message(600_000), message(700_000));
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(&parts(&one)[0]), Ok(None));
        assert_eq!(assembly.take(b"whole").unwrap().as_deref(), Some(&b"whole"[..]));
        assert_eq!(assembly.take(&parts(&one)[0]), Ok(None));
        let all: Vec<_> =
            parts(&two).iter().filter_map(|part| assembly.take(part).unwrap().map(|m| m.to_vec())).collect();
        assert_eq!(all, [two]);
    }

    #[test]
    fn a_missing_part_is_reported_not_papered_over() {
        let whole = message(1_000_000);
        let parts = parts(&whole);
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(&parts[0]), Ok(None));
        let expected = parts[0].len() - super::PART_HEADER_BYTES;
        let found = 2 * expected;
        assert_eq!(assembly.take(&parts[2]), Err(PartError::Gap { expected, found }));
        assert!(matches!(assembly.take(&parts[1]), Err(PartError::Gap { expected: 0, .. })));
    }

    #[test]
    fn parts_that_lie_about_their_length_are_refused() {
        let mut part = parts(&message(1_000_000)).remove(0);
        part[4..8].copy_from_slice(&(SERVER_FRAME_BYTES_MAX as u32 + 1).to_le_bytes());
        assert!(matches!(Assembly::default().take(&part), Err(PartError::Malformed { .. })));
        part[4..8].copy_from_slice(&10u32.to_le_bytes());
        assert!(matches!(Assembly::default().take(&part), Err(PartError::Malformed { .. })));
        for cut in 4..=super::PART_HEADER_BYTES {
            assert!(matches!(Assembly::default().take(&part[..cut]), Err(PartError::Malformed { .. })), "{cut}");
        }
    }
}
