//! The container's state machine.
//!
//! ```text
//! start: streams to the module ─ recovery counter ─ snapshot, if any ─ on_start ─ ack 0
//!
//!            JoinLog: open, ack                    the log is read up to its end
//!   waiting ────────────────────► applying entries ────────────────────────────► waiting
//!      └── termination position reached, module gone, asked to stop: on_terminate ──┘► ended
//! ```
//!
//! The consensus module counts acknowledgements: each has to come in its turn, once, with the position that the module
//! expects, for the life of the process.

use std::time::Duration;

use super::attended::Attended;
use super::context::{Context, Standing};
use super::control::{Control, Order};
use super::counting::Counting;
use super::log::{Dispatch, FLAG_STANDBY_SNAPSHOT, Log, PendingJoin, adopt_sessions, connect_session};
use super::mark_file::MarkFile;
use super::module::Module;
use super::snapshot::{self, TakeError};
use super::{ClusteredService, ContainerConfig, ContainerError, Ended, Role};
use crate::archive::ArchiveError;
use crate::codec::NULL_VALUE;
use crate::counters::{COMMIT_POSITION, RECOVERY_STATE, key_i32, key_i64};
use crate::transport::{Assembler, CounterRecord, Transport, TransportError};

/// How often housekeeping comes between entries; as stock containers.
const TICK: Duration = Duration::from_millis(1);
/// After how long of waiting for the consensus module that is said.
const WAIT_NOTICE_INTERVAL: Duration = Duration::from_secs(10);

/// A service beside its consensus module. Make it, then [`run`](Self::run) it.
pub struct Container<S: ClusteredService> {
    config: ContainerConfig,
    service: S,
    transport: Attended,
    standing: Standing,
    counting: Counting,
    /// From the start to the end.
    links: Option<Links>,
    log: Option<Log>,
    /// What is incomplete stays when the log is opened anew: the new stream goes on at the same position, and the rest
    /// of a message may come in it.
    assembler: Assembler,
    pending_join: Option<PendingJoin>,
    termination_position: Option<i64>,
    requested_ack_position: Option<i64>,
    /// Flags of actions that this member takes part in, beside those for all.
    standby_flags: i32,
    ticked_at: Option<Duration>,
    has_started: bool,
    ended: Option<Ended>,
}

/// The streams between module and service.
struct Links {
    module: Module,
    control: Control,
}

/// What the module recovered from, and the service is to.
struct Recovery {
    leadership_term_id: i64,
    log_position: i64,
    timestamp: i64,
}

impl<S: ClusteredService> Container<S> {
    /// A container that has done nothing yet.
    pub fn new(config: ContainerConfig, transport: Box<dyn Transport>, service: S) -> Self {
        Self {
            config,
            service,
            transport: Attended::new(transport),
            standing: Standing { member_id: -1, leadership_term_id: NULL_VALUE, ..Standing::default() },
            counting: Counting::default(),
            links: None,
            log: None,
            assembler: Assembler::default(),
            pending_join: None,
            termination_position: None,
            requested_ack_position: None,
            standby_flags: 0,
            ticked_at: None,
            has_started: false,
            ended: None,
        }
    }

    /// Starts, and goes on until the member ends or somebody asks for it.
    ///
    /// Waits through [`Transport::idle`], whose strategy decides between latency and processor time.
    ///
    /// # Errors
    ///
    /// When the service cannot go on. The process must end then, and with it the member: a container cannot join a
    /// running consensus module again.
    pub fn run(&mut self) -> Result<Ended, ContainerError> {
        self.start()?;
        loop {
            if let Some(ended) = self.ended {
                return Ok(ended);
            }
            let work_count = self.duty_cycle()?;
            if self.ended.is_none()
                && let Err(error) = self.transport.idle(work_count)
            {
                self.settle(error.into())?;
            }
        }
    }

    /// Finds the consensus module, recovers the service's state and acknowledges it. Waits for the module; that may
    /// take as long as it does to start. Has no effect a second time.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); the module is told that the service did not start.
    pub fn start(&mut self) -> Result<(), ContainerError> {
        if self.has_started || self.ended.is_some() {
            return Ok(());
        }
        match self.begin() {
            Ok(()) => Ok(()),
            Err(error) => self.settle(error),
        }
    }

    /// One round: housekeeping when it is due, what is agreed of the log, background work. Returns how much was done.
    /// Never waits, but for the module to take a message, or the archive to take a snapshot.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn duty_cycle(&mut self) -> Result<usize, ContainerError> {
        self.start()?;
        if self.ended.is_some() {
            return Ok(0);
        }
        let began = self.transport.now();
        let done = self.cycle();
        self.counting.cycle_took(&self.transport, self.transport.now() - began);
        match done {
            Ok(work_count) => Ok(work_count),
            Err(error) => self.settle(error).map(|()| 0),
        }
    }

    /// How it ended, once it has.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// The service.
    pub fn service(&self) -> &S {
        &self.service
    }

    /// The service; not to be changed in what follows from the log.
    pub fn service_mut(&mut self) -> &mut S {
        &mut self.service
    }

    fn cycle(&mut self) -> Result<usize, ContainerError> {
        let now = self.transport.now();
        let mut work_count = 0;
        if self.ticked_at.is_none_or(|at| now - at >= TICK) {
            self.ticked_at = Some(now);
            work_count += self.tick()?;
        }
        if self.ended.is_none() {
            work_count += adopt_sessions(&mut self.standing, &mut self.transport)?;
            work_count += self.poll_log()?;
            let epoch_ms = self.transport.epoch_ms();
            let mut context = Context::reading(&mut self.standing, epoch_ms);
            work_count += self.service.do_background_work(&mut context);
            if self.service.should_stop() {
                self.end(Ended::Stopped);
            }
        }
        Ok(work_count)
    }

    // ---- start and end --------------------------------------------------------------------------------

    fn begin(&mut self) -> Result<(), ContainerError> {
        let now_ms = self.transport.epoch_ms();
        self.transport.attend_mark_file(MarkFile::create(&self.config, now_ms)?);
        self.counting = Counting::allocate(&mut self.transport, &self.config)?;
        let commit = self.await_counter(COMMIT_POSITION, 0)?;
        self.transport.attend_module(commit);
        let ContainerConfig { control_channel, service_stream_id, module_stream_id, service_id, .. } = &self.config;
        let control = Control::connect(&mut self.transport, control_channel, *service_stream_id)?;
        let module = Module::connect(&mut self.transport, control_channel, *module_stream_id, *service_id)?;
        self.links = Some(Links { module, control });
        let recovered = self.recover();
        let relevant_id = if recovered.is_ok() { self.transport.client_id() } else { NULL_VALUE };
        let acknowledged = self.ack(self.standing.log_position, relevant_id);
        recovered.and(acknowledged)?;
        let now_ms = self.transport.epoch_ms();
        if let Some(mark_file) = self.transport.mark_file() {
            mark_file.set_ready(now_ms)?;
        }
        self.has_started = true;
        Ok(())
    }

    /// Waits for a counter of the module's, whose key has the cluster id at an offset.
    fn await_counter(&mut self, type_id: i32, cluster_id_at: usize) -> Result<CounterRecord, ContainerError> {
        let cluster_id = self.config.cluster_id;
        let mut notice_at = self.transport.now() + WAIT_NOTICE_INTERVAL;
        loop {
            let is_it = |record: &CounterRecord| key_i32(&record.key, cluster_id_at) == Some(cluster_id);
            if let Some(record) = self.transport.counters().find(type_id, &is_it) {
                return Ok(record);
            }
            if self.transport.now() >= notice_at {
                notice_at += WAIT_NOTICE_INTERVAL;
                tracing::warn!(type_id, cluster_id, "still no consensus module on this media driver; waiting for it");
            }
            self.transport.idle(0)?;
        }
    }

    fn recover(&mut self) -> Result<(), ContainerError> {
        let record = self.await_counter(RECOVERY_STATE, 24)?;
        let Self { config, transport, standing, service, .. } = self;
        let recovery = Recovery::read(&record);
        standing.log_position = recovery.log_position;
        standing.cluster_time = recovery.timestamp;
        standing.leadership_term_id = recovery.leadership_term_id;
        match recovery.recording_id(&record, config.service_id)? {
            Some(recording_id) => snapshot::load(config, transport, standing, service, recording_id),
            None => {
                let epoch_ms = transport.epoch_ms();
                Ok(service.on_start(&mut Context::reading(standing, epoch_ms), None)?)
            }
        }
    }

    /// Decides what an error means: an orderly end, or the end of everything.
    fn settle(&mut self, error: ContainerError) -> Result<(), ContainerError> {
        let is_stop = matches!(
            error,
            ContainerError::Transport(TransportError::Stopped { .. })
                | ContainerError::Archive(ArchiveError::Transport(TransportError::Stopped { .. }))
        );
        // What failed because the module is gone is no failure of its own.
        if self.transport.is_module_gone() {
            self.end(Ended::ModuleGone);
        } else if is_stop {
            self.end(Ended::Stopped);
        } else {
            self.transport.note_error(&format!("the service ends: {}", with_sources(&error)));
            self.release();
            return Err(error);
        }
        Ok(())
    }

    fn end(&mut self, ended: Ended) {
        if self.has_started {
            self.service.on_terminate();
        }
        let is_awaited = matches!(ended, Ended::Terminated | Ended::TerminatedUnexpectedly);
        if let (true, Some(links)) = (is_awaited, &mut self.links) {
            let Standing { log_position, cluster_time, .. } = self.standing;
            links.module.ack_last(&mut self.transport, log_position, cluster_time);
        }
        self.release();
        self.ended = Some(ended);
    }

    /// Gives up all streams, and the mark.
    fn release(&mut self) {
        self.log = None;
        self.links = None;
        self.standing.sessions.disconnect();
        if let Some(Err(error)) = self.transport.mark_file().map(MarkFile::end) {
            tracing::warn!("{error}");
        }
    }

    // ---- housekeeping ---------------------------------------------------------------------------------

    /// What comes at most once in a [`TICK`], in this order.
    fn tick(&mut self) -> Result<usize, ContainerError> {
        let mut work_count = self.transport.work()?;
        if self.transport.is_module_gone() {
            self.end(Ended::ModuleGone);
            return Ok(1);
        }
        if let Some(order) = self.links.as_mut().map_or(Ok(None), |links| links.control.poll())? {
            work_count += 1;
            self.take_order(order);
        }
        if self.log.is_none()
            && let Some(join) = self.pending_join.take()
        {
            self.join_log(&join)?;
            work_count += 1;
        }
        let position = self.standing.log_position;
        if let Some(asked) = self.termination_position
            && position >= asked
        {
            if position > asked {
                self.transport.note_error(&format!("asked to end at {asked}, being at {position}"));
            }
            self.end(if position == asked { Ended::Terminated } else { Ended::TerminatedUnexpectedly });
            return Ok(work_count + 1);
        }
        if let Some(asked) = self.requested_ack_position
            && position >= asked
        {
            if position > asked {
                self.transport.note_error(&format!("asked to acknowledge {asked}, being at {position}"));
            }
            self.requested_ack_position = None;
            self.ack(position, NULL_VALUE)?;
            work_count += 1;
        }
        Ok(work_count)
    }

    fn take_order(&mut self, order: Order) {
        match order {
            Order::Join(join) => {
                if let Some(log) = &mut self.log {
                    log.end_at(join.log_position);
                }
                self.pending_join = Some(join);
            }
            Order::TerminateAt(position) => self.termination_position = Some(position),
            Order::AckAt(position) => self.requested_ack_position = Some(position),
        }
    }

    fn ack(&mut self, log_position: i64, relevant_id: i64) -> Result<(), ContainerError> {
        let timestamp = self.standing.cluster_time;
        let Some(links) = &mut self.links else { return Ok(()) };
        links.module.ack(&mut self.transport, log_position, timestamp, relevant_id)
    }

    // ---- the log --------------------------------------------------------------------------------------

    fn join_log(&mut self, join: &PendingJoin) -> Result<(), ContainerError> {
        if join.role != Role::Leader {
            self.standing.sessions.disconnect();
        }
        self.standby_flags = if join.is_standby { FLAG_STANDBY_SNAPSHOT } else { 0 };
        let expected = self.standing.log_position;
        self.log = Some(Log::open(&mut self.transport, join, self.config.service_id, expected)?);
        self.ack(join.log_position, NULL_VALUE)?;
        self.standing.member_id = join.member_id;
        if let Some(Err(error)) = self.transport.mark_file().map(|mark| mark.set_member_id(join.member_id)) {
            tracing::warn!("{error}");
        }
        if join.role == Role::Leader {
            self.lead(join.is_startup)?;
        }
        tracing::info!(position = join.log_position, role = ?join.role, channel = %join.log_channel, "joined the log");
        self.set_role(join.role);
        Ok(())
    }

    /// Sessions that a starting leader finds are about to be closed: nobody hears them any more.
    fn lead(&mut self, is_startup: bool) -> Result<(), ContainerError> {
        if self.config.is_responder && !is_startup {
            let open: Vec<i64> = self.standing.sessions.iter().map(|session| session.id).collect();
            for session_id in open {
                connect_session(&mut self.standing, &mut self.transport, session_id)?;
            }
        }
        self.standing.sessions.reset_closing();
        Ok(())
    }

    fn set_role(&mut self, role: Role) {
        if self.standing.role != role {
            self.standing.role = role;
            self.service.on_role_change(role);
        }
    }

    fn poll_log(&mut self) -> Result<usize, ContainerError> {
        let (Some(log), Some(links)) = (&mut self.log, &mut self.links) else { return Ok(0) };
        // Freed meanwhile, the counter may be somebody else's already; the next tick ends the container.
        let Some(commit_position) = self.transport.commit_position() else { return Ok(0) };
        let began = self.transport.now();
        let mut dispatch = Dispatch {
            service: &mut self.service,
            standing: &mut self.standing,
            transport: &mut self.transport,
            module: &mut links.module,
            is_responder: self.config.is_responder,
            app_version: self.config.app_version,
            standby_flags: self.standby_flags,
            is_snapshot_due: false,
            began,
        };
        let polled = log
            .poll(&mut self.assembler, commit_position, &mut |message, position| dispatch.on_entry(message, position));
        let is_snapshot_due = dispatch.is_snapshot_due;
        if let Some(failure) = self.standing.failure.take() {
            return Err(failure);
        }
        if is_snapshot_due {
            self.take_snapshot()?;
        } else if polled == 0 && log.is_done() {
            self.close_log();
            return Ok(1);
        }
        Ok(polled)
    }

    fn close_log(&mut self) {
        let Some(log) = self.log.take() else { return };
        // Padding after the last entry counts, and a closed image may have forgotten where it was.
        self.standing.log_position = self.standing.log_position.max(log.position());
        tracing::info!(position = self.standing.log_position, "left the log");
        self.standing.sessions.disconnect();
        self.set_role(Role::Follower);
    }

    /// Every member takes one, or says that it could not: the module waits for either, and takes no ingress meanwhile.
    fn take_snapshot(&mut self) -> Result<(), ContainerError> {
        let began = self.transport.now();
        let Self { config, transport, standing, service, .. } = self;
        let relevant_id = match snapshot::take(config, transport, standing, service) {
            Ok(recording_id) => recording_id,
            Err(TakeError::Fatal(error)) => return Err(error),
            Err(TakeError::Failed(reason)) => {
                let position = standing.log_position;
                transport.note_error(&format!("no snapshot at {position}: {reason}"));
                NULL_VALUE
            }
        };
        let took = self.transport.now() - began;
        self.counting.snapshot_took(&self.transport, took);
        tracing::info!(position = self.standing.log_position, recording_id = relevant_id, ?took, "snapshot");
        self.ack(self.standing.log_position, relevant_id)
    }
}

impl Recovery {
    /// ```text
    /// 0 leadershipTermId i64   8 logPosition i64   16 timestamp i64   24 clusterId i32   28 serviceCount i32
    /// 32 snapshot recording id i64 of each service
    /// ```
    /// Without a snapshot the term is -1, and there are 0 services.
    fn read(record: &CounterRecord) -> Self {
        let field = |offset| key_i64(&record.key, offset).unwrap_or(NULL_VALUE);
        Self { leadership_term_id: field(0), log_position: field(8), timestamp: field(16) }
    }

    /// The service's snapshot, if there is one to begin from.
    fn recording_id(&self, record: &CounterRecord, service_id: i32) -> Result<Option<i64>, ContainerError> {
        if self.leadership_term_id == NULL_VALUE {
            return Ok(None);
        }
        let service_count = key_i32(&record.key, 28).unwrap_or(0);
        if !(0..service_count).contains(&service_id) {
            return Err(ContainerError::NotInSnapshot { service_id, service_count });
        }
        Ok(key_i64(&record.key, 32 + 8 * service_id as usize))
    }
}

/// An error with what caused it, as one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
