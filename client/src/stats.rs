//! What a player's connection did, in numbers.

use std::time::{Duration, Instant};

use crate::mirror::MirrorCounts;
use crate::outstanding::OutstandingCounts;

/// Counters of one player since the join. Durations are of the client's monotonic clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Deltas applied.
    pub deltas: u64,
    /// Baselines applied.
    pub baselines: u64,
    /// Hashes compared with the server's.
    pub hash_checks: u64,
    /// Comparisons that failed; each led to a resync.
    pub hash_mismatches: u64,
    /// Baselines asked for, for whatever reason.
    pub resyncs: u64,
    /// Times the session was taken back after a lost connection.
    pub resumes: u64,
    /// Connections lost.
    pub losses: u64,
    /// Commands sent, each sending counted.
    pub commands_sent: u64,
    /// Of these, those that were sent before.
    pub commands_resent: u64,
    /// Outcomes given to callers.
    pub outcomes: u64,
    /// Outcomes that came again and were ignored.
    pub outcomes_duplicate: u64,
    /// UDP payload bytes sent, all connections together.
    pub bytes_up: u64,
    /// UDP payload bytes received, all connections together.
    pub bytes_down: u64,
    /// Longest time between two deltas or baselines, lost connections included. In a match that
    /// steps on command it says how long nothing happened.
    pub delta_gap_max: Duration,
    /// Longest time without an outcome while at least one command had none.
    pub ack_gap_max: Duration,
    /// Round trip of the connection as QUIC measures it; zero while there is none.
    pub rtt: Duration,
}

/// The part of [`Stats`] that needs a clock or a connection to count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) resyncs: u64,
    pub(crate) resumes: u64,
    pub(crate) losses: u64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    delta_gap_max: Duration,
    ack_gap_max: Duration,
    last_delta: Option<Instant>,
    /// Since when an outcome is awaited.
    ack_awaited: Option<Instant>,
}

impl Counters {
    pub(crate) fn note_state(&mut self, now: Instant) {
        if let Some(last) = self.last_delta.replace(now) {
            self.delta_gap_max = self.delta_gap_max.max(now.saturating_duration_since(last));
        }
    }

    pub(crate) fn note_command(&mut self, now: Instant) {
        self.ack_awaited.get_or_insert(now);
    }

    /// Outcomes came; `more` says whether others are awaited still.
    pub(crate) fn note_outcomes(&mut self, now: Instant, more: bool) {
        if let Some(since) = self.ack_awaited.take() {
            self.ack_gap_max = self.ack_gap_max.max(now.saturating_duration_since(since));
        }
        self.ack_awaited = more.then_some(now);
    }

    pub(crate) fn stats(&self, mirror: MirrorCounts, commands: OutstandingCounts) -> Stats {
        Stats {
            deltas: mirror.deltas,
            baselines: mirror.baselines,
            hash_checks: mirror.hash_checks,
            hash_mismatches: mirror.hash_mismatches,
            resyncs: self.resyncs,
            resumes: self.resumes,
            losses: self.losses,
            commands_sent: commands.sent,
            commands_resent: commands.resent,
            outcomes: commands.delivered,
            outcomes_duplicate: commands.duplicates,
            bytes_up: self.bytes_up,
            bytes_down: self.bytes_down,
            delta_gap_max: self.delta_gap_max,
            ack_gap_max: self.ack_gap_max,
            rtt: Duration::ZERO,
        }
    }
}
