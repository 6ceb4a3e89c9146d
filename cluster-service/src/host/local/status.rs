//! What a host is doing, for people and monitors.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

/// One match.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MatchStatus {
    /// Its number.
    pub id: u64,
    /// The operator's word for it.
    pub label: String,
    /// Ticks in 1,000 seconds; 0 when it steps on command.
    pub tick_millihertz: u32,
    /// The last tick.
    pub tick: u64,
    /// Players in it.
    pub players: u32,
    /// Entities in it.
    pub entities: usize,
    /// State hash after the last tick, in hexadecimal.
    pub hash: String,
    /// Log time of its opening, in milliseconds of the Unix epoch.
    pub opened_ms: i64,
}

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

/// The last durations of something, for percentiles.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<u32>);

impl Recent {
    /// About half a minute of ticks.
    const KEPT: usize = 1_024;

    pub(crate) fn note(&mut self, took: Duration) {
        if self.0.len() == Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Median and 99th percentile in milliseconds; zeros when nothing was noted.
    pub(crate) fn percentiles_ms(&self) -> (f64, f64) {
        let mut sorted: Vec<u32> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let at = |part: f64| {
            let index = (sorted.len() as f64 * part) as usize;
            sorted.get(index.min(sorted.len().saturating_sub(1))).map_or(0.0, |us| f64::from(*us) / 1_000.0)
        };
        (at(0.5), at(0.99))
    }
}
