//! The catalog: which recordings an archive has.
//!
//! ```text
//!  0         4        8                 16          20        32
//!  +---------+--------+-----------------+-----------+---------+--------------------------------+
//!  | version | length | nextRecordingId | alignment | unused  | record │ record │ … │ zeros    |
//!  +---------+--------+-----------------+-----------+---------+--------------------------------+
//!
//!  record:   length of what follows │ state │ checksum │ unused to 32 │ descriptor, padding
//! ```

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::reading::{ReadError, RecordChecksum};
use crate::codec::archive::RecordingDescriptor;

/// The name of the file.
pub(super) const FILE_NAME: &str = "archive.catalog";

/// Longest catalog that is read: a million recordings. Archives begin with 1 MiB and double it.
const CATALOG_BYTES_MAX: u64 = 256 << 20;
const HEADER_BYTES: usize = 32;
const RECORD_HEADER_BYTES: usize = 32;
/// The format that is read; minor and patch may differ.
const VERSION_MAJOR: i32 = 3;
/// Distance of records in catalogs that say nothing of alignment; the first is as far from the beginning.
const OLD_RECORD_BYTES: usize = 1024;
/// A record that is there; others were deleted or never finished.
const STATE_VALID: i32 = 1;

/// Reads all recordings that are there, in order of their ids.
pub(super) fn read(directory: &Path, checksum: RecordChecksum) -> Result<Vec<RecordingDescriptor>, ReadError> {
    let path = directory.join(FILE_NAME);
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(ReadError::io(&path))?;
    file.take(CATALOG_BYTES_MAX).read_to_end(&mut bytes).map_err(ReadError::io(&path))?;
    let damaged = |offset: usize, reason: String| ReadError::Catalog { path: path.clone(), offset, reason };
    let field = |offset: usize| Some(i32::from_le_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?));
    let version = field(0).ok_or_else(|| damaged(0, "it is cut off".into()))?;
    if version >> 16 != VERSION_MAJOR {
        let (major, minor) = (version >> 16, version >> 8 & 0xff);
        return Err(damaged(0, format!("version {major}.{minor} where {VERSION_MAJOR}.x is read")));
    }
    let alignment = field(16).ok_or_else(|| damaged(16, "it is cut off".into()))?;
    let mut offset = if alignment == 0 { OLD_RECORD_BYTES } else { HEADER_BYTES };
    let mut recordings: Vec<RecordingDescriptor> = Vec::new();
    // The rest of the file is room for more.
    while let Some(length) = field(offset).filter(|length| *length > 0) {
        let length = length as usize;
        let (state, stored) = (field(offset + 4), field(offset + 8));
        let begin = offset + RECORD_HEADER_BYTES;
        let (Some(state), Some(stored), Some(record)) = (state, stored, bytes.get(begin..begin + length)) else {
            return Err(damaged(offset, format!("a record of {length} bytes goes beyond the end of the file")));
        };
        if state == STATE_VALID {
            if stored != 0 && checksum.differs(record, stored) {
                return Err(damaged(offset, "the record's checksum does not match".into()));
            }
            let descriptor =
                RecordingDescriptor::from_catalog(record).map_err(|error| damaged(offset, error.to_string()))?;
            if recordings.last().is_some_and(|before| before.recording_id >= descriptor.recording_id) {
                return Err(damaged(offset, format!("recording {} is out of order", descriptor.recording_id)));
            }
            recordings.push(descriptor);
        }
        offset = if alignment == 0 { offset + OLD_RECORD_BYTES } else { begin + length };
    }
    Ok(recordings)
}
