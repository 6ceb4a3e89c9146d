//! The log on disk.
//!
//! A log of the crate `wal-db`, opened strictly: an append-only file of records with CRC-32C. The
//! first record says what the file is; the file gets its name only with it, so that a file without
//! one is not ours. Each further record is made durable before the next is begun, which is what
//! makes a torn tail and damage in the middle two different things: whole records follow the latter.
//!
//! Records hold what players sent, and a player could send what looks like a whole record: after a
//! crash a torn one would pass for damage. So their bytes are masked with a number that each log
//! draws for itself and nobody is told.
//!
//! ```text
//! first record  := "WLLG" | version: u16 | LogHeader | mask: 8 bytes
//! other records := Record, each byte xor mask[place mod 8]
//! ```

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use protocol::limits::LOG_FRAME_BYTES_MAX;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use wal_db::{Lsn, OpenPolicy, Wal, WalConfig, WalError, WalStore};

use crate::host::record::Record;

/// First bytes of the first record.
const MAGIC: [u8; 4] = *b"WLLG";
/// Format of records and messages; raised when another build would read them otherwise.
const VERSION: u16 = 3;
/// wal-db's record header: checksum and length.
const RECORD_HEADER_BYTES: usize = 8;

/// What a log is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogHeader {
    pub(crate) game: String,
    pub(crate) rules_version: u32,
    pub(crate) manifest_hash: u64,
}

/// Why a log was not opened, read or written. Nothing that was in it is lost.
#[derive(Debug, Error)]
pub enum LogError {
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
    /// Not a log of ours.
    #[error(
        "{}: byte 0: this is no Worldlog log, or its beginning is damaged; it was not changed. \
         Choose another data folder, or move the file away to begin a new log", .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by another build.
    #[error("{}: byte 12: log format {found} is not {VERSION}, which this build reads; use the build that wrote it",
        .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// Written by another game, or other rules of this one.
    #[error("{}: the log is of {found}, this build plays {ours}; start it with the build that wrote it, or choose another data folder",
        .path.display())]
    OtherRules {
        /// The file.
        path: PathBuf,
        /// The log's.
        found: String,
        /// Ours.
        ours: String,
    },
    /// Damaged before its last record.
    #[error(
        "{}: byte {offset}: {reason}, and whole entries follow: this is damage, not a torn end. Nothing was changed. \
         Restore the file from a copy; a snapshot in the snapshots folder holds the state up to its own position",
        .path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the damaged record begins.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
}

impl LogError {
    fn of<'a>(path: &'a Path, operation: &'static str) -> impl FnOnce(WalError) -> Self + 'a {
        move |error| match error {
            WalError::Corruption { offset, reason } => {
                Self::Corrupt { path: path.to_owned(), offset, reason: reason.to_owned() }
            }
            WalError::Io { source, .. } => Self::Io { path: path.to_owned(), operation, source },
            other => Self::Io { path: path.to_owned(), operation, source: io::Error::other(other.to_string()) },
        }
    }

    pub(crate) fn io<'a>(path: &'a Path, operation: &'static str) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { path: path.to_owned(), operation, source }
    }
}

/// A log that can be read from an offset on.
pub(crate) struct CommandLog<S: WalStore = wal_db::FileStore> {
    path: PathBuf,
    wal: Wal<S>,
    header_end: u64,
    mask: Mask,
    buffer: Vec<u8>,
}

type Mask = [u8; 8];

/// Masks bytes, or takes the mask off.
fn apply_mask(mask: Mask, bytes: &mut [u8]) {
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(mask)).to_ne_bytes();
    }
    rest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

fn config() -> WalConfig {
    WalConfig::new().with_max_record_size(LOG_FRAME_BYTES_MAX).with_open_policy(OpenPolicy::Strict)
}

impl CommandLog {
    /// Opens a log to write, or begins one. A torn tail is cut; see [`CommandLog::torn_tail_bytes`].
    pub(crate) fn open(path: &Path, header: &LogHeader) -> Result<Self, LogError> {
        if !path.exists() {
            begin(path, header)?;
        }
        let (header_end, mask) = check_header(path, header)?;
        let wal = Wal::open_with(path, config()).map_err(LogError::of(path, "opening"))?;
        Ok(Self { path: path.to_owned(), wal, header_end, mask, buffer: Vec::new() })
    }
}

impl CommandLog<ReadOnly> {
    /// Opens a log only to read it; a host may be writing it meanwhile. What is torn at its end, or
    /// just being written, is left out.
    pub(crate) fn open_to_read(path: &Path, header: &LogHeader) -> Result<Self, LogError> {
        let (header_end, mask) = check_header(path, header)?;
        let store = ReadOnly::open(path)?;
        let wal = Wal::with_store_and_config(store, config()).map_err(LogError::of(path, "opening"))?;
        Ok(Self { path: path.to_owned(), wal, header_end, mask, buffer: Vec::new() })
    }
}

impl<S: WalStore> CommandLog<S> {
    /// A log in a store of the caller's, without a header: for tests of what a failing disk does.
    #[cfg(test)]
    pub(crate) fn in_store(store: S) -> Self {
        let wal = Wal::with_store_and_config(store, config()).expect("an empty store");
        Self { path: PathBuf::from("test"), wal, header_end: 0, mask: Mask::default(), buffer: Vec::new() }
    }

    /// Appends a record and makes it durable. Gives where the log goes on after it.
    pub(crate) fn commit(&mut self, record: &Record) -> Result<u64, LogError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut buffer = postcard::to_extend(record, buffer).expect("plain data always encodes");
        apply_mask(self.mask, &mut buffer);
        let written = self.wal.append_and_sync(&buffer).map_err(LogError::of(&self.path, "appending"));
        self.buffer = buffer;
        written.map(|_| self.wal.len())
    }

    /// Bytes that a crash left of an entry that nobody was told of.
    pub(crate) fn torn_tail_bytes(&self) -> u64 {
        self.wal.truncated_on_open()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.wal.len()
    }

    /// Where the first record after the header begins.
    pub(crate) const fn begin(&self) -> u64 {
        self.header_end
    }

    /// The records from an offset on.
    pub(crate) fn records_from(&self, offset: u64) -> Result<impl Iterator<Item = Result<Record, LogError>>, LogError> {
        let records = self.wal.iter_from(Lsn::new(offset)).map_err(LogError::of(&self.path, "reading"))?;
        let mut bytes = Vec::new();
        Ok(records.map(move |record| {
            let record = record.map_err(LogError::of(&self.path, "reading"))?;
            bytes.clear();
            bytes.extend_from_slice(record.data());
            apply_mask(self.mask, &mut bytes);
            postcard::from_bytes::<Record>(&bytes).map_err(|error| LogError::Corrupt {
                path: self.path.clone(),
                offset: record.lsn().get(),
                reason: format!("the record does not decode ({error})"),
            })
        }))
    }
}

fn header_payload(header: &LogHeader) -> Vec<u8> {
    let mut payload = MAGIC.to_vec();
    payload.extend_from_slice(&VERSION.to_le_bytes());
    let mut payload = postcard::to_extend(header, payload).expect("plain data always encodes");
    // The standard library's seeds are what the system gives of chance without another crate.
    let mask: Mask = RandomState::new().hash_one(VERSION).to_le_bytes();
    payload.extend_from_slice(&mask);
    payload
}

/// Writes a log that holds only the header, under its name only when it is whole.
fn begin(path: &Path, header: &LogHeader) -> Result<(), LogError> {
    let fresh = path.with_extension("new");
    let failed = LogError::io(path, "beginning the log");
    let folder = path.parent().expect("a log is in a folder");
    let made = std::fs::create_dir_all(folder).and_then(|()| match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    });
    made.map_err(failed)?;
    let wal = Wal::open_with(&fresh, config()).map_err(LogError::of(path, "beginning the log"))?;
    let _start = wal.append_and_sync(&header_payload(header)).map_err(LogError::of(path, "beginning the log"))?;
    drop(wal);
    std::fs::rename(&fresh, path)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(LogError::io(path, "beginning the log"))
}

/// Checks what the file is before anything could be cut from it; gives where the header ends, and the mask.
fn check_header(path: &Path, ours: &LogHeader) -> Result<(u64, Mask), LogError> {
    let foreign = || LogError::Foreign { path: path.to_owned() };
    let mut start = Vec::new();
    let file = File::open(path).map_err(LogError::io(path, "opening"))?;
    file.take(HEADER_BYTES_MAX).read_to_end(&mut start).map_err(LogError::io(path, "reading"))?;
    let length = start.get(4..RECORD_HEADER_BYTES).ok_or_else(foreign)?;
    let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
    let end = RECORD_HEADER_BYTES.saturating_add(length);
    let payload = start.get(RECORD_HEADER_BYTES..end).ok_or_else(foreign)?;
    let (magic, rest) = payload.split_at_checked(MAGIC.len()).ok_or_else(foreign)?;
    let (version, rest) = rest.split_at_checked(2).ok_or_else(foreign)?;
    let version = u16::from_le_bytes(version.try_into().expect("two bytes"));
    if magic != MAGIC {
        return Err(foreign());
    }
    // The record's checksum is wal-db's to check, which does so when the log is opened; a header
    // that it would cut must not get that far.
    let crc = u32::from_le_bytes(start[..4].try_into().expect("four bytes"));
    if crc32c::crc32c(&start[4..end]) != crc {
        return Err(foreign());
    }
    if version != VERSION {
        return Err(LogError::Version { path: path.to_owned(), found: version });
    }
    let (found, mask) = postcard::take_from_bytes::<LogHeader>(rest).map_err(|_| foreign())?;
    let mask = mask.try_into().map_err(|_| foreign())?;
    if found != *ours {
        let shown = |header: &LogHeader| {
            format!("{} rules {} (manifest {:#018x})", header.game, header.rules_version, header.manifest_hash)
        };
        return Err(LogError::OtherRules { path: path.to_owned(), found: shown(&found), ours: shown(ours) });
    }
    Ok((end as u64, mask))
}

const HEADER_BYTES_MAX: u64 = 4 * 1024;

/// A file that is never written. Its length is what it was when it was opened; cutting a torn tail
/// only shortens the view.
pub(crate) struct ReadOnly {
    file: File,
    len: std::sync::atomic::AtomicU64,
}

impl ReadOnly {
    fn open(path: &Path) -> Result<Self, LogError> {
        let file = File::open(path).map_err(LogError::io(path, "opening"))?;
        let len = file.metadata().map_err(LogError::io(path, "opening"))?.len();
        Ok(Self { file, len: len.into() })
    }
}

impl WalStore for ReadOnly {
    fn write_at(&self, _: u64, _: &[u8]) -> wal_db::Result<()> {
        Err(WalError::from(io::Error::new(io::ErrorKind::Unsupported, "the log is open to be read")))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> wal_db::Result<usize> {
        let left = self.len()?.saturating_sub(offset);
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut read = 0;
        while read < wanted {
            match self.file.read_at(&mut buffer[read..wanted], offset + read as u64)? {
                0 => break,
                bytes => read += bytes,
            }
        }
        Ok(read)
    }

    fn truncate(&self, len: u64) -> wal_db::Result<()> {
        self.len.store(len, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> wal_db::Result<()> {
        Ok(())
    }

    fn len(&self) -> wal_db::Result<u64> {
        Ok(self.len.load(std::sync::atomic::Ordering::Relaxed))
    }
}
