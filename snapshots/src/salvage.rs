//! Damaged match files, up to the damage.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::chunk::Fault;
use crate::match_file::KIND;
use crate::{ChunkFile, FileError, MatchFile, read_file};

/// What could be read of a match file.
#[derive(Debug)]
pub struct Salvaged {
    /// The match up to the damage: a segment whose steps are not whole ends with its keyframe.
    pub file: MatchFile,
    /// `None` when the file is whole.
    pub damage: Option<Damage>,
}

/// The first damage in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Where the damaged part begins, in bytes.
    pub offset: u64,
    /// The place of the chunk that is damaged or missing, from 0; `None` in the first bytes of the file.
    pub chunk: Option<u32>,
    /// What is wrong, with the file's name.
    pub reason: String,
    /// Ticks before it.
    pub readable_ticks: u64,
    /// The last tick that can be played.
    pub last_tick: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, readable_ticks, last_tick, .. } = self;
        write!(f, "{reason}; {readable_ticks} ticks before that are whole, up to tick {last_tick}")
    }
}

impl MatchFile {
    /// Reads a match file up to the first damage. What is given was checked as [`MatchFile::open`] does.
    ///
    /// # Errors
    /// When the system refuses, or header, content or the first keyframe are not whole.
    pub fn salvage(path: &Path) -> Result<Salvaged, FileError> {
        Self::salvaged(path, read_file(path)?)
    }

    /// As [`MatchFile::salvage`], of bytes; `path` is for errors.
    ///
    /// # Errors
    /// When header, content or the first keyframe are not whole.
    pub fn decode_salvaging(path: &Path, bytes: &[u8]) -> Result<Salvaged, FileError> {
        Self::salvaged(path, bytes.to_vec())
    }

    fn salvaged(path: &Path, bytes: Vec<u8>) -> Result<Salvaged, FileError> {
        let lost = |error| FileError::Lost(Box::new(error));
        let (mut chunks, fault) = ChunkFile::decode_sound(path, bytes, KIND).map_err(lost)?;
        let (file, found) = match Self::opening(&mut chunks) {
            Ok(mut file) => match file.take_segments(&mut chunks) {
                Ok(()) => (Some(file), None),
                Err(error) if file.segments.is_empty() => (None, Some(error)),
                Err(error) => (Some(file), Some(error)),
            },
            Err(error) => (None, Some(error)),
        };
        let fault = match (fault, found.map(|error| chunks.fault(error))) {
            (_, Some(found)) if found.error.offset() < chunks.end() => Some(found),
            // What was missing is from the fault on.
            (fault, missing) => fault.or(missing),
        };
        let Some(file) = file else {
            return Err(lost(fault.expect("a file without a segment has a fault").error));
        };
        let readable_ticks = file.ticks();
        let last_tick = file.segments[0].keyframe.tick.saturating_add(readable_ticks);
        let damage = fault.map(|Fault { chunk, error }| Damage {
            offset: error.offset(),
            chunk,
            reason: error.to_string(),
            readable_ticks,
            last_tick,
        });
        Ok(Salvaged { file, damage })
    }
}
