//! An archive's directory, read while nobody writes it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::catalog;
use super::recording_reader::RecordingReader;
use crate::codec::archive::RecordingDescriptor;

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

/// An archive's directory. Nothing in it is changed, locked or mapped.
///
/// For a stopped archive, or a copy. A running one can be read, too, without harm to it; but where its active recordings
/// end is then a matter of the moment, and [`ArchiveClient`](super::ArchiveClient) knows better.
#[derive(Debug)]
pub struct ArchiveDir {
    path: PathBuf,
    checksum: RecordChecksum,
    recordings: Vec<RecordingDescriptor>,
}

impl ArchiveDir {
    /// Reads the catalog of a directory.
    ///
    /// # Errors
    ///
    /// [`ReadError::Io`] when there is none, [`ReadError::Catalog`] when it is damaged.
    pub fn open(path: impl Into<PathBuf>, checksum: RecordChecksum) -> Result<Self, ReadError> {
        let path = path.into();
        let recordings = catalog::read(&path, checksum)?;
        Ok(Self { path, checksum, recordings })
    }

    /// All recordings that are there, in order of their ids.
    pub fn recordings(&self) -> &[RecordingDescriptor] {
        &self.recordings
    }

    /// A recording.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoRecording`].
    pub fn recording(&self, recording_id: i64) -> Result<&RecordingDescriptor, ReadError> {
        self.recordings
            .iter()
            .find(|recording| recording.recording_id == recording_id)
            .ok_or_else(|| ReadError::NoRecording { directory: self.path.clone(), recording_id })
    }

    /// The messages of a recording: from a position, which is the beginning of a frame, or its start; up to a position,
    /// which then has to be there, or its end.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoRecording`], [`ReadError::Descriptor`], [`ReadError::Position`].
    pub fn read(&self, recording_id: i64, from: Option<i64>, until: Option<i64>) -> Result<RecordingReader, ReadError> {
        RecordingReader::new(&self.path, self.recording(recording_id)?, self.checksum, from, until)
    }
}
