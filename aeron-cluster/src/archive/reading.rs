//! What all readers of a stopped archive's files share: how its records are checked, and why a file is not read.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The checksum that an archive writes into each record, as it was configured (`aeron.archive.record.checksum`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordChecksum {
    /// None, or one that this crate does not know: damage inside of records goes unseen.
    None,
    /// CRC-32C.
    #[default]
    Crc32c,
}

impl RecordChecksum {
    pub(super) fn differs(self, bytes: &[u8], stored: i32) -> bool {
        match self {
            Self::None => false,
            Self::Crc32c => crc32c::crc32c(bytes).cast_signed() != stored,
        }
    }
}

/// Why files of an archive were not read. They are never changed.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// The catalog is damaged, or another format.
    #[error("{}: byte {offset}: {reason}; restore it from a copy or another member's backup", .path.display())]
    Catalog {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: usize,
        /// What is wrong there.
        reason: String,
    },
    /// There is no such recording.
    #[error("{}: there is no recording {recording_id}; it may have been purged", .directory.display())]
    NoRecording {
        /// The archive.
        directory: PathBuf,
        /// Which.
        recording_id: i64,
    },
    /// The catalog describes a recording that there cannot be.
    #[error("recording {recording_id}: {reason}; the catalog is damaged, restore it from a copy")]
    Descriptor {
        /// Which.
        recording_id: i64,
        /// What is impossible.
        reason: String,
    },
    /// Asked for what the recording does not hold.
    #[error(
        "recording {recording_id} begins at {start} and {position} is not a position in it; it may have been purged"
    )]
    Position {
        /// Which.
        recording_id: i64,
        /// Where it begins.
        start: i64,
        /// Where it was to be read.
        position: i64,
    },
    /// The recording is damaged before its end: what follows cannot be trusted.
    #[error(
        "{}: byte {offset}, position {position} of recording {recording_id}: {reason}. This is damage, not a torn end; \
         nothing was changed. Another member holds the same log: read it there, or restore this member from it",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: i64,
        /// Which recording.
        recording_id: i64,
        /// Where in the recording.
        position: i64,
        /// What is wrong there.
        reason: String,
    },
}

impl ReadError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
