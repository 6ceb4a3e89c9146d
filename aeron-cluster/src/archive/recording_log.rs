//! `recording.log`: a consensus module's index of its log's terms and its snapshots.
//!
//! ```text
//!  0             8                 16                     24            32          40          44     48
//!  +-------------+-----------------+----------------------+-------------+-----------+-----------+------+--------+
//!  | recordingId | leadershipTerm  | termBaseLogPosition  | logPosition | timestamp | serviceId | type | unused |
//!  +-------------+-----------------+----------------------+-------------+-----------+-----------+------+--------+
//!   64 bytes; a standby member's snapshots have `u32 length, endpoint` at 48 and end at the next multiple of 64.
//!   type: 0 term, 1 snapshot, 2 snapshot of a standby; its highest bit: not valid any more.
//! ```

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::reading::ReadError;

/// The name of the file, in a member's cluster directory.
pub const RECORDING_LOG_FILE: &str = "recording.log";

/// Longest file that is read: a quarter of a million terms and snapshots.
const FILE_BYTES_MAX: u64 = 16 << 20;
const ENTRY_BYTES: usize = 64;
const ENDPOINT_OFFSET: usize = 48;
const INVALID_FLAG: u32 = 1 << 31;
/// The consensus module among services.
const MODULE: i32 = -1;

/// What an entry is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A leader's term.
    Term,
    /// A snapshot of the consensus module or of a service.
    Snapshot,
    /// The same, on a standby member.
    StandbySnapshot,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingLogEntry {
    /// Of the log, or of the snapshot.
    pub recording_id: i64,
    /// Which term.
    pub leadership_term_id: i64,
    /// Where the term begins in the log.
    pub term_base_log_position: i64,
    /// Where the term ends, `None` while it goes on; or where the snapshot is of.
    pub log_position: Option<i64>,
    /// In the unit of the cluster's clock.
    pub timestamp: i64,
    /// Of a snapshot; -1 is the consensus module.
    pub service_id: i32,
    /// What it is of.
    pub kind: EntryKind,
    /// False once an operator or the module has withdrawn it.
    pub is_valid: bool,
}

/// A snapshot of all of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotGroup {
    /// In which term.
    pub leadership_term_id: i64,
    /// Where in the log.
    pub log_position: i64,
    /// Recording of the consensus module's part, then of each service's.
    pub recording_ids: Vec<i64>,
}

/// All entries, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingLog {
    /// The entries.
    pub entries: Vec<RecordingLogEntry>,
}

impl RecordingLog {
    /// Reads the file of a member's cluster directory. It is not changed.
    ///
    /// # Errors
    ///
    /// [`ReadError::Io`] when there is none, [`ReadError::Catalog`] when it is damaged or cut off.
    pub fn read(cluster_dir: &Path) -> Result<Self, ReadError> {
        let path = cluster_dir.join(RECORDING_LOG_FILE);
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(ReadError::io(&path))?;
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(ReadError::io(&path))?;
        Self::parse(&path, &bytes)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ReadError> {
        let mut entries = Vec::new();
        let mut offset = 0;
        while offset < bytes.len() {
            let (entry, length) = parse_entry(&bytes[offset..]).map_err(|reason| ReadError::Catalog {
                path: PathBuf::from(path),
                offset,
                reason,
            })?;
            entries.push(entry);
            offset += length;
        }
        Ok(Self { entries })
    }

    /// The recording of the log; `None` before a leader was ever elected.
    pub fn log_recording_id(&self) -> Option<i64> {
        self.valid(EntryKind::Term).last().map(|entry| entry.recording_id)
    }

    /// Up to where the log is known to be agreed: the ends of terms, and snapshots. The log may go on behind it, with
    /// entries that were agreed, too, and at its very end with some that were not.
    pub fn committed_position(&self) -> i64 {
        let ends = self.valid(EntryKind::Term).chain(self.valid(EntryKind::Snapshot));
        ends.filter_map(|entry| entry.log_position).max().unwrap_or(0)
    }

    /// The newest snapshot that the consensus module and all services have taken at one position.
    pub fn latest_snapshot(&self, service_count: usize) -> Option<SnapshotGroup> {
        self.snapshots(service_count).pop()
    }

    /// All snapshots that the consensus module and all services have taken at one position, oldest first.
    pub fn snapshots(&self, service_count: usize) -> Vec<SnapshotGroup> {
        let mut modules: Vec<_> = self.valid(EntryKind::Snapshot).filter(|entry| entry.service_id == MODULE).collect();
        modules.sort_by_key(|entry| (entry.log_position, entry.leadership_term_id));
        modules.into_iter().filter_map(|module| self.group_of(module, service_count)).collect()
    }

    fn group_of(&self, module: &RecordingLogEntry, service_count: usize) -> Option<SnapshotGroup> {
        let of_service = |service: usize| {
            self.valid(EntryKind::Snapshot).filter(|entry| entry.service_id == service as i32).find(|entry| {
                (entry.leadership_term_id, entry.log_position) == (module.leadership_term_id, module.log_position)
            })
        };
        let services: Option<Vec<_>> = (0..service_count).map(|id| Some(of_service(id)?.recording_id)).collect();
        Some(SnapshotGroup {
            leadership_term_id: module.leadership_term_id,
            log_position: module.log_position?,
            recording_ids: std::iter::once(module.recording_id).chain(services?).collect(),
        })
    }

    fn valid(&self, kind: EntryKind) -> impl Iterator<Item = &RecordingLogEntry> {
        self.entries.iter().filter(move |entry| entry.is_valid && entry.kind == kind)
    }
}

/// The first entry of `bytes`, and its length.
fn parse_entry(bytes: &[u8]) -> Result<(RecordingLogEntry, usize), String> {
    let head: &[u8; ENTRY_BYTES] =
        bytes.first_chunk().ok_or_else(|| format!("an entry of {} bytes is cut off", bytes.len()))?;
    let long = |at: usize| i64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
    let int = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let kind = match int(44) & !INVALID_FLAG {
        0 => EntryKind::Term,
        1 => EntryKind::Snapshot,
        2 => EntryKind::StandbySnapshot,
        other => return Err(format!("entries of type {other} are not known")),
    };
    let mut length = ENTRY_BYTES;
    if kind == EntryKind::StandbySnapshot {
        let endpoint = int(ENDPOINT_OFFSET) as usize;
        length = (ENDPOINT_OFFSET + 4 + endpoint).next_multiple_of(ENTRY_BYTES);
        if length > bytes.len() {
            return Err(format!("an entry with an endpoint of {endpoint} bytes is cut off"));
        }
    }
    let entry = RecordingLogEntry {
        recording_id: long(0),
        leadership_term_id: long(8),
        term_base_log_position: long(16),
        log_position: Some(long(24)).filter(|position| *position >= 0),
        timestamp: long(32),
        service_id: int(40).cast_signed(),
        kind,
        is_valid: int(44) & INVALID_FLAG == 0,
    };
    Ok((entry, length))
}
