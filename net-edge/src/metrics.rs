//! What an edge counts: once for its status page, once for the exporter.
//!
//! Counters are named `worldlog_edge_…_total`; none carries a player, so that their number is fixed.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use metrics::{Counter, Gauge};
use protocol::outcome::CloseCode;

/// Numbers of one edge since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeStats {
    /// Connections that are open now.
    pub connections: u64,
    /// Players in a match now.
    pub players: u64,
    /// Connections that completed their handshake.
    pub connections_total: u64,
    /// Connections that the endpoint turned away before their handshake.
    pub turned_away_total: u64,
    /// Connections whose address had to be validated first.
    pub retries_total: u64,
    /// Players who joined or came back.
    pub joins_total: u64,
    /// Bytes of frames from players.
    pub received_bytes_total: u64,
    /// Bytes of frames to players.
    pub sent_bytes_total: u64,
    /// Commands passed on to the log.
    pub commands_total: u64,
    /// Messages into the log.
    pub ingress_total: u64,
    /// Ticks of all matches that reached a mirror.
    pub ticks_total: u64,
    /// Of these, ticks that views told together with a later one, because the edge was behind.
    pub ticks_joined_total: u64,
    /// Delta frames to players, each counted for each player.
    pub deltas_total: u64,
    /// Baseline frames to players.
    pub baselines_total: u64,
    /// State streams replaced because the player had fallen behind.
    pub fallen_behind_total: u64,
    /// Baselines that players asked for.
    pub resyncs_total: u64,
    /// Mirrors whose hash was not the cluster's.
    pub hash_mismatches_total: u64,
    /// Messages of the service that could not be read.
    pub egress_errors_total: u64,
    /// Times that another member began to lead.
    pub leader_changes_total: u64,
    /// Players' sessions that were taken over into a new cluster session, without a word to the player.
    pub taken_over_total: u64,
    /// From the arrival of a command to its outcome.
    pub ack: AckLatency,
    /// Closes by this edge, for each code that occurred.
    pub closes_total: Vec<(CloseCode, u64)>,
}

/// How long commands waited at this edge for their outcome, since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AckLatency {
    /// Outcomes measured.
    pub count: u64,
    /// Half took at most this.
    pub p50: Duration,
    /// 99 in 100 took at most this.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// A histogram in microseconds, to 1 in 100.
pub(crate) struct Acks {
    histogram: Mutex<Histogram<u64>>,
    exported: metrics::Histogram,
}

impl fmt::Debug for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Acks {
    fn new() -> Self {
        let histogram = Histogram::new_with_max(ACK_MICROS_MAX, 2).expect("its bounds are in order");
        Self { histogram: Mutex::new(histogram), exported: metrics::histogram!("worldlog_edge_ack_seconds") }
    }

    pub(crate) fn record(&self, took: Duration) {
        self.exported.record(took.as_secs_f64());
        self.histogram.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(took.as_micros() as u64);
    }

    fn get(&self) -> AckLatency {
        let histogram = self.histogram.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
        AckLatency { count: histogram.len(), p50: at(0.5), p99: at(0.99), max: Duration::from_micros(histogram.max()) }
    }
}

const ACK_MICROS_MAX: u64 = 60_000_000;

#[derive(Debug)]
pub(crate) struct Counted {
    value: AtomicU64,
    exported: Counter,
}

impl Counted {
    const fn new(exported: Counter) -> Self {
        Self { value: AtomicU64::new(0), exported }
    }

    pub(crate) fn add(&self, count: usize) {
        self.value.fetch_add(count as u64, Ordering::Relaxed);
        self.exported.increment(count as u64);
    }

    fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug)]
pub(crate) struct Level {
    value: AtomicU64,
    exported: Gauge,
}

impl Level {
    const fn new(exported: Gauge) -> Self {
        Self { value: AtomicU64::new(0), exported }
    }

    pub(crate) fn set(&self, value: usize) {
        self.value.store(value as u64, Ordering::Relaxed);
        self.exported.set(value as f64);
    }

    fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// The counters of one edge, shared by its core and its shell.
#[derive(Debug)]
pub struct Counters {
    pub(crate) connections: Level,
    pub(crate) players: Level,
    pub(crate) connected: Counted,
    pub(crate) turned_away: Counted,
    pub(crate) retries: Counted,
    pub(crate) joins: Counted,
    pub(crate) received_bytes: Counted,
    pub(crate) sent_bytes: Counted,
    pub(crate) commands: Counted,
    pub(crate) ingress: Counted,
    pub(crate) ticks: Counted,
    pub(crate) ticks_joined: Counted,
    pub(crate) deltas: Counted,
    pub(crate) baselines: Counted,
    pub(crate) fallen_behind: Counted,
    pub(crate) resyncs: Counted,
    pub(crate) hash_mismatches: Counted,
    pub(crate) egress_errors: Counted,
    pub(crate) leader_changes: Counted,
    pub(crate) taken_over: Counted,
    pub(crate) acks: Acks,
    closes: Vec<(CloseCode, Counted)>,
}

impl Counters {
    /// Counters at zero, registered with the recorder that is installed by now.
    #[must_use]
    pub fn new() -> Self {
        let counted = |counter| Counted::new(counter);
        Self {
            connections: Level::new(metrics::gauge!("worldlog_edge_connections")),
            players: Level::new(metrics::gauge!("worldlog_edge_players")),
            connected: counted(metrics::counter!("worldlog_edge_connections_total")),
            turned_away: counted(metrics::counter!("worldlog_edge_turned_away_total")),
            retries: counted(metrics::counter!("worldlog_edge_retries_total")),
            joins: counted(metrics::counter!("worldlog_edge_joins_total")),
            received_bytes: counted(metrics::counter!("worldlog_edge_received_bytes_total")),
            sent_bytes: counted(metrics::counter!("worldlog_edge_sent_bytes_total")),
            commands: counted(metrics::counter!("worldlog_edge_commands_total")),
            ingress: counted(metrics::counter!("worldlog_edge_ingress_total")),
            ticks: counted(metrics::counter!("worldlog_edge_ticks_total")),
            ticks_joined: counted(metrics::counter!("worldlog_edge_ticks_joined_total")),
            deltas: counted(metrics::counter!("worldlog_edge_deltas_total")),
            baselines: counted(metrics::counter!("worldlog_edge_baselines_total")),
            fallen_behind: counted(metrics::counter!("worldlog_edge_fallen_behind_total")),
            resyncs: counted(metrics::counter!("worldlog_edge_resyncs_total")),
            hash_mismatches: counted(metrics::counter!("worldlog_edge_hash_mismatches_total")),
            egress_errors: counted(metrics::counter!("worldlog_edge_egress_errors_total")),
            leader_changes: counted(metrics::counter!("worldlog_edge_leader_changes_total")),
            taken_over: counted(metrics::counter!("worldlog_edge_taken_over_total")),
            acks: Acks::new(),
            closes: (0..).map_while(CloseCode::from_number).map(|code| (code, counted(close_counter(code)))).collect(),
        }
    }

    pub(crate) fn closed(&self, code: CloseCode) {
        self.closes[code as usize].1.add(1);
    }

    /// All numbers as they are now.
    #[must_use]
    pub fn snapshot(&self) -> EdgeStats {
        EdgeStats {
            connections: self.connections.get(),
            players: self.players.get(),
            connections_total: self.connected.get(),
            turned_away_total: self.turned_away.get(),
            retries_total: self.retries.get(),
            joins_total: self.joins.get(),
            received_bytes_total: self.received_bytes.get(),
            sent_bytes_total: self.sent_bytes.get(),
            commands_total: self.commands.get(),
            ingress_total: self.ingress.get(),
            ticks_total: self.ticks.get(),
            ticks_joined_total: self.ticks_joined.get(),
            deltas_total: self.deltas.get(),
            baselines_total: self.baselines.get(),
            fallen_behind_total: self.fallen_behind.get(),
            resyncs_total: self.resyncs.get(),
            hash_mismatches_total: self.hash_mismatches.get(),
            egress_errors_total: self.egress_errors.get(),
            leader_changes_total: self.leader_changes.get(),
            taken_over_total: self.taken_over.get(),
            ack: self.acks.get(),
            closes_total: self
                .closes
                .iter()
                .map(|(code, count)| (*code, count.get()))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

fn close_counter(code: CloseCode) -> Counter {
    metrics::counter!("worldlog_edge_closes_total", "code" => format!("{code:?}"))
}
