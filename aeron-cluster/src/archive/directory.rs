//! An archive's directory, read while nobody writes it.

use std::path::PathBuf;

use super::catalog;
use super::reading::{ReadError, RecordChecksum};
use super::recording_reader::RecordingReader;
use crate::codec::archive::RecordingDescriptor;

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
