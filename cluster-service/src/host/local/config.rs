//! Settings of a local host.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Settings of a local host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalConfig {
    /// The folder that holds log and snapshots; made when it is not there.
    pub data: PathBuf,
    /// Time between snapshots. A longer one makes starting slower, a shorter one writes more.
    pub snapshot_every: Duration,
    /// A snapshot is also taken when the log grew by so many bytes since the last.
    pub snapshot_log_bytes: u64,
    /// How many snapshots are kept; at least 2, so that there is one to fall back on.
    pub snapshots_kept: usize,
}

impl LocalConfig {
    /// A snapshot every minute or 64 MiB of log; the last three are kept.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            snapshot_every: Duration::from_secs(60),
            snapshot_log_bytes: 64 * 1024 * 1024,
            snapshots_kept: 3,
        }
    }
}

pub(crate) fn lock_file(data: &Path) -> PathBuf {
    data.join("lock")
}

pub(crate) fn log_file(data: &Path) -> PathBuf {
    data.join("log").join("commands.wal")
}

pub(crate) fn snapshot_folder(data: &Path) -> PathBuf {
    data.join("snapshots")
}

pub(crate) fn snapshot_file(data: &Path, position: u64) -> PathBuf {
    snapshot_folder(data).join(format!("{position:020}.wls"))
}
