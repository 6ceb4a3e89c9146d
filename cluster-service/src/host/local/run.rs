//! The thread of a local host: gather, make durable, apply, tell.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ecs_state::Game;
use protocol::ClusterSessionId;
use protocol::limits::{INGRESS_BYTES_MAX, LOG_BATCH_BYTES, LOG_HOLD_MS_MAX};
use wal_db::WalStore;

use super::clock::HostClock;
use super::config::{LocalConfig, snapshot_file, snapshot_folder};
use super::handle::{EgressSink, HostError, Inbox, Word};
use super::log::{CommandLog, LogError};
use super::recovery::Recovered;
use super::snapshots::list_snapshots;
use super::status::HostStatus;
use crate::host::figures::{Recent, match_status};
use crate::host::record::{Kept, Record};
use crate::host::timers::Timers;
use crate::snapshot::Snapshot;
use crate::{Outbox, Service, TickHash};

/// How often the figures for people are brought up to date.
const STATUS_EVERY: Duration = Duration::from_millis(100);

pub(crate) struct Runner<G: Game, S: WalStore = wal_db::FileStore> {
    config: LocalConfig,
    service: Service<G>,
    log: CommandLog<S>,
    timers: Timers,
    position: u64,
    unlogged: Vec<TickHash>,
    inbox: Inbox,
    status: Arc<Mutex<HostStatus>>,
    clock: HostClock,
    /// What the clock showed when it was last read, or at the last entry before this process.
    read_ms: i64,
    sinks: BTreeMap<ClusterSessionId, Box<dyn EgressSink>>,
    /// Entries that are not durable yet.
    gathered: Vec<Kept>,
    gathered_bytes: usize,
    /// Whether something among them cannot wait for the next tick.
    is_urgent: bool,
    /// When the first of them came, by the clock.
    gathered_since_ms: i64,
    is_stopping: bool,
    snapshot_replies: Vec<SyncSender<Result<PathBuf, HostError>>>,
    snapshots: SnapshotPlan,
    figures: HostStatus,
    syncs: Recent,
    applies: Recent,
    status_at: Instant,
    _lock: File,
}

/// When the next snapshot is due, and the one that is being written.
struct SnapshotPlan {
    last_at: Instant,
    last_log_bytes: u64,
    last_position: u64,
    writing: Option<JoinHandle<Result<PathBuf, String>>>,
    replies: Vec<SyncSender<Result<PathBuf, HostError>>>,
}

impl<G: Game, S: WalStore> Runner<G, S> {
    pub(crate) fn new(
        config: LocalConfig,
        recovered: Recovered<G, S>,
        inbox: Inbox,
        status: Arc<Mutex<HostStatus>>,
    ) -> Self {
        let now = Instant::now();
        let mut gathered = Vec::new();
        // Edges and tools of the process before are gone; their players wait to be resumed.
        gathered.extend(recovered.service.cluster_sessions().iter().map(|gone| Kept::Close { session: gone.0 }));
        let snapshots = SnapshotPlan {
            last_at: now,
            last_log_bytes: recovered.log.bytes(),
            last_position: recovered.report.snapshot_position,
            writing: None,
            replies: Vec::new(),
        };
        Self {
            config,
            clock: HostClock::start(),
            read_ms: recovered.service.clock_ms(),
            service: recovered.service,
            log: recovered.log,
            timers: recovered.timers,
            position: recovered.position,
            unlogged: recovered.unlogged,
            inbox,
            status,
            sinks: BTreeMap::new(),
            gathered_bytes: 0,
            is_urgent: !gathered.is_empty(),
            gathered,
            gathered_since_ms: 0,
            is_stopping: false,
            snapshot_replies: Vec::new(),
            snapshots,
            figures: HostStatus::default(),
            syncs: Recent::default(),
            applies: Recent::default(),
            status_at: now,
            _lock: recovered.lock,
        }
    }

    pub(crate) fn run(mut self) -> Result<(), LogError> {
        let ended = self.serve();
        if let Err(error) = &ended {
            tracing::error!(%error, "the log cannot be written; the host stops, and nobody is told of what is not durable");
            self.figures.failure = Some(error.to_string());
        }
        self.collect_snapshot(true);
        self.publish_status(Instant::now());
        ended
    }

    fn serve(&mut self) -> Result<(), LogError> {
        while !self.is_stopping {
            self.gather();
            self.commit_if_due()?;
            self.snapshot_if_due()?;
            let now = Instant::now();
            if now >= self.status_at {
                self.publish_status(now);
            }
        }
        // What was offered before is still taken; hashes of the last ticks go into the log with it.
        self.commit()?;
        self.begin_snapshot();
        Ok(())
    }

    // ---- gather -----------------------------------------------------------------------------------

    /// Waits for something to do, then takes all that is there.
    fn gather(&mut self) {
        let wait = if self.is_urgent { Duration::ZERO } else { self.time_until_due() };
        match self.inbox.recv_timeout(wait) {
            Ok(word) => self.take(word),
            Err(RecvTimeoutError::Timeout) => return,
            Err(RecvTimeoutError::Disconnected) => self.is_stopping = true,
        }
        while self.gathered_bytes < LOG_BATCH_BYTES
            && let Ok(word) = self.inbox.try_recv()
        {
            self.take(word);
        }
    }

    /// Reads the clock. One that was set back would let all that waits for a time wait longer, so that moves with it; the
    /// next entry tells the service.
    fn read_clock(&mut self) -> i64 {
        let now_ms = self.clock.now_ms();
        let back_ms = now_ms.saturating_sub(self.read_ms).min(0);
        if back_ms < 0 {
            self.timers.shift(back_ms);
            self.gathered_since_ms += back_ms;
        }
        self.read_ms = now_ms;
        now_ms
    }

    fn time_until_due(&mut self) -> Duration {
        self.read_clock();
        let mut wait = STATUS_EVERY;
        if let Some(at_ms) = self.timers.next_ms() {
            wait = wait.min(self.clock.until(at_ms));
        }
        if !self.gathered.is_empty() {
            wait = wait.min(self.clock.until(self.gathered_since_ms + LOG_HOLD_MS_MAX));
        }
        wait
    }

    fn take(&mut self, word: Word) {
        match word {
            Word::Open { session, sink } => {
                self.sinks.insert(session, sink);
                self.push(Kept::Open { session: session.0 }, true);
            }
            Word::Offer { session, message } => {
                // Whoever was closed for being slow is not heard any more, and what no member would
                // read does not get into the log.
                if self.sinks.contains_key(&session) && message.len() <= INGRESS_BYTES_MAX {
                    let is_urgent = !self.service.can_wait(&message);
                    self.push(Kept::Message { session: session.0, bytes: message }, is_urgent);
                }
            }
            Word::Close { session } => {
                if self.sinks.remove(&session).is_some() {
                    self.push(Kept::Close { session: session.0 }, true);
                }
            }
            Word::Snapshot { reply } => self.snapshot_replies.push(reply),
            Word::Stop => self.is_stopping = true,
        }
    }

    fn push(&mut self, kept: Kept, is_urgent: bool) {
        if self.gathered.is_empty() {
            self.gathered_since_ms = self.read_clock();
        }
        self.gathered_bytes += kept.size();
        self.gathered.push(kept);
        self.is_urgent |= is_urgent;
    }

    // ---- make durable, apply, tell ----------------------------------------------------------------

    fn commit_if_due(&mut self) -> Result<(), LogError> {
        let now_ms = self.read_clock();
        let due = self.timers.take_due(now_ms);
        for id in &due {
            self.push(Kept::Timer { id: *id }, true);
        }
        let has_waited = !self.gathered.is_empty() && now_ms >= self.gathered_since_ms + LOG_HOLD_MS_MAX;
        if self.is_urgent || has_waited || self.gathered_bytes >= LOG_BATCH_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), LogError> {
        if self.gathered.is_empty() && self.unlogged.is_empty() {
            return Ok(());
        }
        let record = Record {
            first_position: self.position + 1,
            time_ms: self.read_clock(),
            entries: std::mem::take(&mut self.gathered),
            hashes: std::mem::take(&mut self.unlogged),
        };
        self.gathered_bytes = 0;
        self.is_urgent = false;
        let begun = Instant::now();
        self.figures.log_bytes = self.log.commit(&record)?;
        let durable = Instant::now();
        self.syncs.note(durable - begun);
        self.figures.syncs += 1;
        self.figures.entries += record.entries.len() as u64;
        self.position = record.last_position();
        let mut outbox = Outbox::default();
        for entry in record.entries() {
            self.service.on_entry(&entry, &mut outbox);
        }
        self.timers.apply(&outbox.timers);
        self.figures.ticks += outbox.ticks.len() as u64;
        self.unlogged.append(&mut outbox.ticks);
        let closes = std::mem::take(&mut outbox.closes);
        self.tell(outbox);
        for session in closes {
            if self.sinks.remove(&session).is_some() {
                self.push(Kept::Close { session: session.0 }, true);
            }
        }
        self.applies.note(durable.elapsed());
        Ok(())
    }

    fn tell(&mut self, outbox: Outbox) {
        for (to, message) in outbox.messages {
            for session in to {
                let is_taken = self.sinks.get_mut(&session).is_none_or(|sink| sink.send(&message).is_ok());
                if !is_taken {
                    tracing::warn!(session = session.0, "an edge does not take what it is sent; its session is closed");
                    self.figures.slow_edges += 1;
                    self.sinks.remove(&session);
                    self.push(Kept::Close { session: session.0 }, true);
                }
            }
        }
    }

    // ---- snapshots --------------------------------------------------------------------------------

    fn snapshot_if_due(&mut self) -> Result<(), LogError> {
        self.collect_snapshot(false);
        if self.snapshots.writing.is_some() {
            return Ok(());
        }
        let plan = &self.snapshots;
        let grown = self.log.bytes().saturating_sub(plan.last_log_bytes);
        let is_due = plan.last_at.elapsed() >= self.config.snapshot_every || grown >= self.config.snapshot_log_bytes;
        if (is_due && grown > 0) || !self.snapshot_replies.is_empty() {
            // Entries that were offered before the wish belong into the snapshot.
            self.commit()?;
            self.begin_snapshot();
        }
        Ok(())
    }

    /// Copies what a snapshot needs; the rest happens beside the ticks.
    fn begin_snapshot(&mut self) {
        self.collect_snapshot(true);
        let snapshot: Snapshot = self.service.write_snapshot(self.position, self.log.bytes());
        self.snapshots.last_at = Instant::now();
        self.snapshots.last_log_bytes = self.log.bytes();
        self.snapshots.replies = std::mem::take(&mut self.snapshot_replies);
        self.snapshots.last_position = snapshot.position();
        let config = self.config.clone();
        let write = move || write_snapshot(&config, &snapshot);
        match std::thread::Builder::new().name("worldlog-snapshot".to_owned()).spawn(write) {
            Ok(writing) => self.snapshots.writing = Some(writing),
            Err(error) => self.answer_snapshot(Err(error.to_string())),
        }
    }

    /// Takes in a snapshot that was written; waits for it when told to.
    fn collect_snapshot(&mut self, wait: bool) {
        if self.snapshots.writing.as_ref().is_some_and(|writing| wait || writing.is_finished()) {
            let writing = self.snapshots.writing.take().expect("looked at above");
            let written = writing.join().unwrap_or_else(|_| Err("its thread panicked".to_owned()));
            self.answer_snapshot(written);
        }
    }

    fn answer_snapshot(&mut self, written: Result<PathBuf, String>) {
        match &written {
            Ok(_) => {
                self.figures.snapshots += 1;
                self.figures.last_snapshot_position = self.snapshots.last_position;
            }
            // The log holds everything; only the next start takes longer.
            Err(error) => tracing::warn!(%error, "a snapshot was not written"),
        }
        for reply in self.snapshots.replies.drain(..) {
            let _ = reply.send(written.clone().map_err(HostError::Snapshot));
        }
    }

    // ---- for people -------------------------------------------------------------------------------

    pub(super) fn publish_status(&mut self, now: Instant) {
        self.status_at = now + STATUS_EVERY;
        self.figures.position = self.position;
        self.figures.log_bytes = self.log.bytes();
        self.figures.time_ms = self.service.now_ms();
        (self.figures.sync_ms_p50, self.figures.sync_ms_p99) = self.syncs.percentiles_ms();
        (self.figures.apply_ms_p50, self.figures.apply_ms_p99) = self.applies.percentiles_ms();
        self.figures.sessions = self.service.session_count();
        self.figures.cluster_sessions = self.sinks.len();
        self.figures.last_snapshot_position = self.figures.last_snapshot_position.max(match self.snapshots.writing {
            Some(_) => 0,
            None => self.snapshots.last_position,
        });
        self.figures.matches = self.service.matches().map(|(id, open)| match_status(id, open)).collect();
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = self.figures.clone();
    }
}

/// Writes a snapshot and removes those that are no longer needed.
fn write_snapshot(config: &LocalConfig, snapshot: &Snapshot) -> Result<PathBuf, String> {
    let path = snapshot_file(&config.data, snapshot.position());
    std::fs::create_dir_all(snapshot_folder(&config.data)).map_err(|error| format!("{}: {error}", path.display()))?;
    snapshots::write_file(&path, &snapshot.encode()).map_err(|error| error.to_string())?;
    let all = list_snapshots(&config.data).map_err(|error| error.to_string())?;
    let surplus = all.len().saturating_sub(config.snapshots_kept.max(2));
    for old in &all[..surplus] {
        if let Err(error) = std::fs::remove_file(&old.path) {
            tracing::warn!(path = %old.path.display(), %error, "an old snapshot stays");
        }
    }
    Ok(path)
}
