//! What stands in a host's log: one record for each group of entries that became durable together.

use protocol::{ClusterSessionId, LogPosition};
use serde::{Deserialize, Serialize};

use crate::{Event, LogEntry, TickHash, TimerId};

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kept {
    Open {
        session: u64,
    },
    Close {
        session: u64,
    },
    Message {
        session: u64,
        #[serde(with = "whole")]
        bytes: Vec<u8>,
    },
    Timer {
        id: TimerId,
    },
}

impl Kept {
    pub(crate) fn event(&self) -> Event<'_> {
        match self {
            Self::Open { session } => Event::SessionOpen { session: ClusterSessionId(*session) },
            Self::Close { session } => Event::SessionClose { session: ClusterSessionId(*session) },
            Self::Message { session, bytes } => Event::Message { session: ClusterSessionId(*session), bytes },
            Self::Timer { id } => Event::Timer { id: *id },
        }
    }

    /// About how many bytes it takes.
    pub(crate) const fn size(&self) -> usize {
        match self {
            Self::Message { bytes, .. } => bytes.len() + 16,
            _ => 16,
        }
    }
}

/// Entries that became durable together. Positions count entries: the first has `first_position`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) first_position: u64,
    pub(crate) time_ms: i64,
    pub(crate) entries: Vec<Kept>,
    /// What the ticks of the records before came to when they ran. A restore must come to the same.
    pub(crate) hashes: Vec<TickHash>,
}

impl Record {
    pub(crate) fn entries(&self) -> impl Iterator<Item = LogEntry<'_>> {
        (self.first_position..).zip(&self.entries).map(|(position, kept)| LogEntry {
            position: LogPosition(position),
            time_ms: self.time_ms,
            event: kept.event(),
        })
    }

    /// Position of the last entry.
    pub(crate) const fn last_position(&self) -> u64 {
        self.first_position + self.entries.len() as u64 - 1
    }
}

/// Bytes as one piece: the same form as a sequence, without asking for each.
mod whole {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
}
