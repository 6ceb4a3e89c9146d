//! The service in a member of an Aeron cluster.
//!
//! [`AeronHost`] is what the container of a stock member runs: entries of the agreed log go into the [`Service`], what
//! comes out goes to timers and edges. [`run_member`] is the whole process around it.
//!
//! Responsible for what one member does beside the state: sending as leader, noticing that it diverged, telling people
//! how it is. Not responsible for agreement, timers and the archive (`aeron-cluster` and the stock member).
//!
//! Invariants:
//! - The state follows from the log alone. What this member was configured with, its role and what becomes of what it
//!   sends are kept in this module, outside of [`Service`].
//! - A member that finds its state to differ from most others' applies nothing more, takes no snapshot, and stops.

mod desync;
mod egress;
mod entry;
mod history;
mod overdue;
mod reporter;
mod run;
mod snapshot;
mod snapshot_plan;
mod status;
mod vigil;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aeron_cluster::codec::cluster::CloseReason;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, LeadershipTerm, Role, ServiceError, SnapshotError, SnapshotReader,
    SnapshotWriter,
};
use ecs_state::{Game, RegistryError};
use protocol::limits::EDGE_KEY_BYTES;

pub use entry::log_entry;
pub use history::{
    HistoryError, HistoryExtent, MemberFiles, SERVICE_COUNT, export_member_match, export_running_match,
    list_member_matches,
};
pub use run::{MemberService, RunError, run_member};
pub use snapshot_plan::SnapshotPlan;
pub use status::{AeronStatus, AeronView};
pub use vigil::{Desync, Verdict};

use super::figures::{Recent, match_status};
use crate::{Event, Outbox, Service, TimerId, fingerprint};
use desync::Bundle;
use egress::Egress;
use overdue::{NO_REPORT, Overdue};
use vigil::Vigil;

/// How often the figures for people are brought up to date.
const STATUS_EVERY: Duration = Duration::from_millis(100);
/// Bundles that one process writes: they are as large as snapshots.
const BUNDLES_MAX: usize = 4;

/// What one member's host is told. None of it becomes state.
#[derive(Debug, Clone)]
pub struct AeronHostConfig {
    /// Which member this is.
    pub member: u32,
    /// All members.
    pub members: BTreeSet<u32>,
    /// The member's folder; bundles of a divergence go below it.
    pub folder: PathBuf,
    /// By which edges prove that they are ours; compared with the log's.
    pub edge_key: [u8; EDGE_KEY_BYTES],
}

/// The service of one member, as its container runs it.
pub struct AeronHost<G: Game> {
    config: AeronHostConfig,
    service: Service<G>,
    outbox: Outbox,
    egress: Egress,
    vigil: Vigil,
    view: AeronView,
    position: u64,
    term: i64,
    entries: u64,
    ticks: u64,
    applies: Recent,
    overdue: Overdue,
    bundles: usize,
    /// A bundle that is being written beside the log.
    writing: Option<JoinHandle<()>>,
    is_key_known: bool,
    failure: Option<String>,
    status_at: Instant,
}

impl<G: Game> AeronHost<G> {
    /// A host without state; the container gives it its snapshot.
    ///
    /// # Errors
    /// When the game registers its components wrongly.
    pub fn new(config: AeronHostConfig) -> Result<Self, RegistryError> {
        let view = AeronView::default();
        view.update(|status| {
            (status.member, status.role, status.pid) = (config.member, role_name(Role::Follower), std::process::id());
        });
        Ok(Self {
            service: Service::new()?,
            outbox: Outbox::default(),
            egress: Egress::default(),
            vigil: Vigil::new(config.member, config.members.clone()),
            config,
            view,
            position: 0,
            term: 0,
            entries: 0,
            ticks: 0,
            applies: Recent::default(),
            overdue: Overdue::new(Instant::now()),
            bundles: 0,
            writing: None,
            is_key_known: false,
            failure: None,
            status_at: Instant::now(),
        })
    }

    /// The state as it is.
    #[must_use]
    pub const fn service(&self) -> &Service<G> {
        &self.service
    }

    /// What others may see of it, from other threads too.
    #[must_use]
    pub fn view(&self) -> AeronView {
        self.view.clone()
    }

    /// Why it stopped by itself, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn apply(&mut self, cluster: &mut dyn Cluster, timestamp: i64, event: Event<'_>) {
        if self.failure.is_some() {
            return;
        }
        let begun = Instant::now();
        self.overdue.note_entry(begun);
        let unit = cluster.time_unit();
        let entry = entry::entry(cluster.log_position(), timestamp, unit, event);
        self.position = entry.position.0;
        self.entries += 1;
        let mut outbox = std::mem::take(&mut self.outbox);
        self.service.on_entry(&entry, &mut outbox);
        for (TimerId(id), at_ms) in &outbox.timers {
            match at_ms {
                Some(at_ms) => cluster.schedule_timer(*id as i64, entry::from_ms(*at_ms, unit)),
                None => cluster.cancel_timer(*id as i64),
            }
        }
        for (to, message) in &outbox.messages {
            for session in to {
                self.egress.send(cluster, *session, message);
            }
        }
        // These follow from the state, so every member asks; only after what was said to them.
        for session in &outbox.closes {
            cluster.close_session(session.0 as i64);
        }
        self.egress.close_given_up(cluster);
        let has_ticked = !outbox.ticks.is_empty();
        self.watch(&outbox);
        outbox.clear();
        self.outbox = outbox;
        if has_ticked {
            self.applies.note(begun.elapsed());
        }
    }

    // ---- what is noticed beside the state ---------------------------------------------------------

    fn watch(&mut self, outbox: &Outbox) {
        self.ticks += outbox.ticks.len() as u64;
        for tick in &outbox.ticks {
            if self.vigil.note(tick) {
                self.view.report(*tick);
            }
        }
        for (match_id, tick) in &outbox.reported {
            let said = self.service.reports().of(*match_id, *tick);
            if let Some(desync) = self.vigil.compare(*match_id, *tick, said) {
                self.on_desync(&desync);
            }
        }
        if !self.is_key_known
            && let Some(key) = self.service.edge_key()
        {
            self.is_key_known = true;
            self.check_key(&key);
        }
    }

    /// The state does not depend on this member's secret, so a wrong one has done no harm yet; but its owner believes
    /// that it is in force.
    fn check_key(&mut self, key: &[u8; EDGE_KEY_BYTES]) {
        if *key != self.config.edge_key {
            let (log, ours) = (fingerprint(key), fingerprint(&self.config.edge_key));
            self.fail(format!(
                "the log knows edges by key {log}, this member's secret is of key {ours}: give all members and edges the \
                 same secret file (cluster.secret_file), the one that the cluster began with"
            ));
        }
    }

    fn on_desync(&mut self, desync: &Desync) {
        let Desync { match_id, tick, ours, others, verdict, .. } = desync;
        tracing::error!(match_id, tick, ours, ?others, ?verdict, "members computed different states");
        self.view.update(|status| status.desync = Some(desync.clone()));
        let bundle = || Bundle::new(&self.config.folder, desync, &self.service, self.position);
        if *verdict != Verdict::ThisMember {
            if self.may_write_aside() {
                let bundle = bundle();
                self.write_aside(bundle);
            }
            return;
        }
        let bundle = bundle();
        // One of this tick may be on its way, from before it was known who is wrong.
        if let Some(writing) = self.writing.take() {
            let _ = writing.join();
        }
        let kept = match bundle.write() {
            Ok(()) => format!("see {}", bundle.folder().display()),
            Err(error) => format!("what it computed was not kept: {error}"),
        };
        self.fail(format!(
            "match {match_id} came to {ours} at tick {tick} here, and to another state on most members: this member \
             stops before it tells anybody more; {kept}. A restart rebuilds its state from snapshot and log; if it \
             stops again, its snapshot is wrong too: restore the member from another"
        ));
    }

    fn may_write_aside(&self) -> bool {
        self.bundles < BUNDLES_MAX && self.writing.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Who goes on must not wait for a disk.
    fn write_aside(&mut self, bundle: Bundle) {
        self.bundles += 1;
        let write = move || {
            if let Err(error) = bundle.write() {
                tracing::warn!(%error, "a bundle of a divergence was not written");
            }
        };
        self.writing = std::thread::Builder::new().name("worldlog-desync".to_owned()).spawn(write).ok();
    }

    fn fail(&mut self, reason: String) {
        tracing::error!("{reason}");
        self.view.update(|status| status.failure = Some(reason.clone()));
        self.failure = Some(reason);
    }

    fn publish(&mut self, cluster: &dyn Cluster) {
        let matches: Vec<_> = self.service.matches().map(|(id, open)| match_status(id, open)).collect();
        self.vigil.prune(|match_id| matches.iter().any(|open| open.id == match_id));
        let (apply_ms_p50, apply_ms_p99) = self.applies.percentiles_ms();
        let (position, term, entries, ticks) = (self.position, self.term, self.entries, self.ticks);
        let (egress_held_bytes, lagging_edges) = (self.egress.held_bytes(), self.egress.lagging());
        let (sessions, cluster_sessions) = (self.service.session_count(), self.service.cluster_sessions().len());
        let (time_ms, hash_mismatches) = (self.service.now_ms(), self.vigil.mismatches());
        self.view.update(|status| {
            status.role = role_name(cluster.role());
            (status.position, status.term, status.entries, status.ticks) = (position, term, entries, ticks);
            (status.apply_ms_p50, status.apply_ms_p99) = (apply_ms_p50, apply_ms_p99);
            (status.egress_held_bytes, status.lagging_edges) = (egress_held_bytes, lagging_edges);
            (status.sessions, status.cluster_sessions) = (sessions, cluster_sessions);
            (status.time_ms, status.hash_mismatches) = (time_ms, hash_mismatches);
            status.matches = matches;
        });
    }
}

impl<G: Game> ClusteredService for AeronHost<G> {
    fn on_start(
        &mut self,
        _cluster: &mut dyn Cluster,
        snapshot: Option<&mut dyn SnapshotReader>,
    ) -> Result<(), ServiceError> {
        let Some(reader) = snapshot else { return Ok(()) };
        let file = snapshot::read(reader)?;
        let (service, header) = snapshot::restore(&file, &mut || reader.keep_alive())?;
        self.service = service;
        self.position = header.position;
        self.view.update(|status| status.snapshot_position = header.position);
        let (matches, sessions) = (header.matches, header.sessions);
        tracing::info!(position = header.position, matches, sessions, "the service came back from a snapshot");
        if let Some(key) = self.service.edge_key() {
            self.is_key_known = true;
            self.check_key(&key);
        }
        self.failure.clone().map_or(Ok(()), |failure| Err(ServiceError(failure)))
    }

    fn on_session_open(&mut self, cluster: &mut dyn Cluster, session: &ClientSession, timestamp: i64) {
        if let Some(session) = entry::client(session.id) {
            self.apply(cluster, timestamp, Event::SessionOpen { session });
        }
    }

    fn on_session_close(
        &mut self,
        cluster: &mut dyn Cluster,
        session: &ClientSession,
        timestamp: i64,
        reason: CloseReason,
    ) {
        if let Some(session) = entry::client(session.id) {
            tracing::debug!(session = session.0, ?reason, "a cluster session is closed");
            self.egress.forget(session);
            self.apply(cluster, timestamp, Event::SessionClose { session });
        }
    }

    fn on_message(&mut self, cluster: &mut dyn Cluster, session_id: i64, timestamp: i64, payload: &[u8]) {
        if let Some(session) = entry::client(session_id) {
            self.apply(cluster, timestamp, Event::Message { session, bytes: payload });
        }
    }

    fn on_timer(&mut self, cluster: &mut dyn Cluster, correlation_id: i64, timestamp: i64) {
        self.apply(cluster, timestamp, entry::timer(correlation_id));
    }

    fn on_take_snapshot(
        &mut self,
        cluster: &mut dyn Cluster,
        snapshot: &mut dyn SnapshotWriter,
    ) -> Result<(), SnapshotError> {
        if let Some(failure) = &self.failure {
            return Err(SnapshotError(failure.clone()));
        }
        let begun = Instant::now();
        // The action itself is an entry: the snapshot is of all before it, and it brings about nothing.
        let position = cluster.log_position() as u64;
        let file = self.service.write_snapshot(position, 0).encode_in_steps(&mut || snapshot.keep_alive());
        snapshot::write(&file, snapshot)?;
        let took = begun.elapsed();
        self.view.update(|status| {
            (status.snapshot_position, status.snapshot_ms) = (position, took.as_secs_f64() * 1_000.0);
        });
        Ok(())
    }

    fn on_role_change(&mut self, role: Role) {
        tracing::info!(?role, "this member's role");
        // Followers send nothing; a new leader's streams begin anew.
        self.egress.clear();
        self.view.update(|status| status.role = role_name(role));
    }

    fn on_new_term(&mut self, _cluster: &mut dyn Cluster, term: &LeadershipTerm) {
        self.term = term.id;
        tracing::info!(term = term.id, leader = term.leader_member_id, "a term begins");
    }

    fn do_background_work(&mut self, cluster: &mut dyn Cluster) -> usize {
        let sent = if self.failure.is_none() { self.egress.drain(cluster) } else { 0 };
        let now = Instant::now();
        if now >= self.status_at {
            self.status_at = now + STATUS_EVERY;
            self.publish(cluster);
            let due_in_ms = self.service.next_timer_ms().map(|at_ms| at_ms.saturating_sub(self.service.now_ms()));
            if cluster.role() == Role::Leader && self.overdue.is_to_ask(now, due_in_ms) {
                self.view.report(NO_REPORT);
            }
        }
        sent
    }

    fn should_stop(&self) -> bool {
        self.failure.is_some()
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}
