//! What a member's service is doing, for people, monitors and whoever supervises it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use snapshots::FileError;

use super::vigil::Desync;
use crate::{MatchStatus, TickHash};

/// The service of one member. Figures are of this process unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AeronStatus {
    /// Which member.
    pub member: u32,
    /// `leader`, `candidate` or `follower`; of who applies the log of a start, `follower`.
    pub role: &'static str,
    /// Leader's term of the last entry.
    pub term: i64,
    /// Where the last entry ends in the log.
    pub position: u64,
    /// Log time of the last entry, in milliseconds of the Unix epoch.
    pub time_ms: i64,
    /// Of the process.
    pub pid: u32,
    /// Entries applied.
    pub entries: u64,
    /// Ticks run, all matches together.
    pub ticks: u64,
    /// Position of the last snapshot that was written or read; 0 for none.
    pub snapshot_position: u64,
    /// How long the last snapshot kept the log from being applied, in milliseconds.
    pub snapshot_ms: f64,
    /// Median time of applying the last entries that ran ticks, in milliseconds.
    pub apply_ms_p50: f64,
    /// 99th percentile of the same.
    pub apply_ms_p99: f64,
    /// Open matches.
    pub matches: Vec<MatchStatus>,
    /// Player sessions, connected or waiting to be resumed.
    pub sessions: usize,
    /// Edges and tools that are connected to the cluster.
    pub cluster_sessions: usize,
    /// Bytes that wait for edges; on the leader.
    pub egress_held_bytes: usize,
    /// Cluster sessions that were closed because they did not take what they were sent; as leader.
    pub lagging_edges: u64,
    /// Hash reports of this member that were given to the cluster.
    pub hash_reports: u64,
    /// Times another member came to another hash.
    pub hash_mismatches: u64,
    /// The last time.
    pub desync: Option<Desync>,
    /// Why the service stopped, if it did by itself.
    pub failure: Option<String>,
}

/// What the host's thread shares with those beside it.
#[derive(Debug, Clone, Default)]
pub struct AeronView(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    status: Mutex<AeronStatus>,
    /// The newest hash of each match that was not reported yet: what a replay passes by in a hurry is not worth telling.
    unreported: Mutex<BTreeMap<u64, TickHash>>,
}

impl AeronView {
    /// What it is doing, at most a tenth of a second old while it works.
    #[must_use]
    pub fn status(&self) -> AeronStatus {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut AeronStatus)) {
        change(&mut self.0.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn report(&self, tick: TickHash) {
        self.0.unreported.lock().unwrap_or_else(PoisonError::into_inner).insert(tick.match_id, tick);
    }

    /// Takes what is to be reported.
    pub(super) fn take_reports(&self) -> Vec<TickHash> {
        std::mem::take(&mut *self.0.unreported.lock().unwrap_or_else(PoisonError::into_inner)).into_values().collect()
    }

    /// Gives back what could not be reported, unless there is newer.
    pub(super) fn give_back(&self, tick: TickHash) {
        self.0.unreported.lock().unwrap_or_else(PoisonError::into_inner).entry(tick.match_id).or_insert(tick);
    }
}

/// Replaces a status file whole, so that whoever reads it never sees a part. It is not synced: after a crash of the
/// machine nobody needs it.
pub(super) fn write_status(path: &Path, status: &AeronStatus) -> Result<(), FileError> {
    let failed = |operation| move |source| FileError::Io { path: path.to_owned(), operation, source };
    let fresh = path.with_extension("json.new");
    let text = serde_json::to_vec(status).expect("plain data always encodes");
    std::fs::write(&fresh, text).map_err(failed("writing"))?;
    std::fs::rename(&fresh, path).map_err(failed("renaming the finished file"))
}
