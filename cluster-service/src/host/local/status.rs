//! What a host is doing, for people and monitors.

use serde::Serialize;

use crate::host::figures::MatchStatus;

/// A local host. Figures are of this process unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HostStatus {
    /// Position of the last entry.
    pub position: u64,
    /// Log time of the last entry, in milliseconds of the Unix epoch.
    pub time_ms: i64,
    /// Length of the log file.
    pub log_bytes: u64,
    /// Entries appended.
    pub entries: u64,
    /// Records appended, each synced once.
    pub syncs: u64,
    /// Median time of the last appends with their sync, in milliseconds.
    pub sync_ms_p50: f64,
    /// 99th percentile of the same.
    pub sync_ms_p99: f64,
    /// Median time of the last groups of entries, from durable to told, in milliseconds.
    pub apply_ms_p50: f64,
    /// 99th percentile of the same.
    pub apply_ms_p99: f64,
    /// Ticks run, all matches together.
    pub ticks: u64,
    /// Snapshots taken.
    pub snapshots: u64,
    /// Position of the last snapshot, of this or an earlier process.
    pub last_snapshot_position: u64,
    /// Player sessions, connected or waiting to be resumed.
    pub sessions: usize,
    /// Edges and tools that are connected.
    pub cluster_sessions: usize,
    /// Connections that were closed because they did not take what they were sent.
    pub slow_edges: u64,
    /// Open matches.
    pub matches: Vec<MatchStatus>,
    /// Why the host stopped, if it did by itself.
    pub failure: Option<String>,
}
