//! Why a file was not read or written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a file was not read or written. It was not changed.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system refused.
    #[error("{}: {operation}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// Another kind of file, or none of ours.
    #[error("{}: byte 0: this is no {expected} (it begins with {found:?}); check the path", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
        /// Its first bytes.
        found: String,
    },
    /// Written by a newer build.
    #[error(
        "{}: byte 4: format {found} is newer than {supported}, the newest this build reads; use a newer build",
        .path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// Ours.
        supported: u16,
    },
    /// Written by an older build, in a format that is not read any more.
    #[error(
        "{}: byte 4: format {found} is older than {oldest}, the oldest this build reads; use the build that wrote it",
        .path.display()
    )]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// The oldest of ours.
        oldest: u16,
    },
    /// It ends too early.
    #[error("{}: byte {offset}: the file ends inside {part}; it was cut off, take another copy", .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the missing part begins.
        offset: u64,
        /// What is missing.
        part: &'static str,
    },
    /// Damaged in storage or transit.
    #[error(
        "{}: byte {offset}: chunk {chunk} has checksum {found:#018x}, expected {expected:#018x}; it is damaged, take another copy",
        .path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Where the chunk begins.
        offset: u64,
        /// Its place.
        chunk: u32,
        /// As written.
        expected: u64,
        /// As computed.
        found: u64,
    },
    /// Whole, but not what it should hold.
    #[error("{}: byte {offset}: {reason}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// So damaged that nothing of it can be played.
    #[error("{0}; nothing of it can be salvaged: that takes header, content and first keyframe, each whole")]
    Lost(#[source] Box<FileError>),
}

impl FileError {
    /// Where in the file it is wrong, in bytes; 0 where the system refused.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match self {
            Self::Io { .. } | Self::Foreign { .. } => 0,
            Self::Version { .. } | Self::TooOld { .. } => 4,
            Self::Truncated { offset, .. } | Self::Checksum { offset, .. } | Self::Content { offset, .. } => *offset,
            Self::Lost(why) => why.offset(),
        }
    }
}
