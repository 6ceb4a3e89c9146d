//! The container of a clustered service: what stands between a consensus module and an application.
//!
//! An application implements [`ClusteredService`]; [`Container`] joins the log that the local consensus module names,
//! applies every agreed entry in order, takes and loads snapshots through the local archive, and acknowledges. The
//! same entries reach every member in the same order, so the application's state must be a function of them alone: no
//! clock, no randomness, nothing of how an offer ended.
//!
//! One container serves one consensus module for its life: when either ends, both do, and are started again together.

mod attended;
mod config;
mod container;
mod context;
mod control;
mod counting;
mod log;
mod mark_file;
mod module;
mod sessions;
mod snapshot;

pub use config::{ContainerConfig, ContainerError, Ended};
pub use container::Container;
pub use mark_file::{MarkFileError, SERVICE_NAME_BYTES_MAX};

use crate::codec::cluster::{CloseReason, TimeUnit};
use crate::transport::OfferError;
use thiserror::Error;

/// What a member is to its cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Follows a leader, or knows none.
    #[default]
    Follower,
    /// Stands for election.
    Candidate,
    /// Sequences the log and answers clients.
    Leader,
}

/// A client's session, as every member knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSession {
    /// Its number, never used again.
    pub id: i64,
    /// Where replies go.
    pub response_stream_id: i32,
    /// Where replies go.
    pub response_channel: String,
    /// Who the authenticator says that it is; empty without one.
    pub encoded_principal: Vec<u8>,
}

/// A leader's term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadershipTerm {
    /// Its number; grows.
    pub id: i64,
    /// Where it begins in the log.
    pub base_log_position: i64,
    /// Who leads.
    pub leader_member_id: i32,
    /// Unit of all timestamps.
    pub time_unit: TimeUnit,
}

/// Why a service cannot go on: the container ends, and with it the member.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ServiceError(pub String);

/// Why a snapshot was not written. The state is untouched; the container acknowledges the failure and goes on.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct SnapshotError(pub String);

/// Where a snapshot's bytes go; in the archive when [`write`](Self::write) has returned for all and the container has
/// waited for it.
pub trait SnapshotWriter {
    /// Appends one message of at most [`message_bytes_max`](Self::message_bytes_max) bytes. Waits for room.
    ///
    /// # Errors
    ///
    /// When the archive ended or is out of space.
    fn write(&mut self, message: &[u8]) -> Result<(), SnapshotError>;
    /// Longest message.
    fn message_bytes_max(&self) -> usize;
    /// Shows the driver that the container lives. To be called in long work between messages: a container that is not
    /// heard for the driver's client liveness timeout is taken for dead, and with it the member. What goes wrong is told
    /// by the next [`write`](Self::write).
    fn keep_alive(&mut self) {}
}

/// Where a snapshot's bytes come from: the messages as they were written, in order.
pub trait SnapshotReader {
    /// The next message in `into`; false at the end of the recording. A recording that was cut short ends early without
    /// an error here: an application's own last message should say that it is the last.
    ///
    /// # Errors
    ///
    /// When the archive ended or reports a damaged recording.
    fn read(&mut self, into: &mut Vec<u8>) -> Result<bool, ServiceError>;
    /// As [`SnapshotWriter::keep_alive`]; what goes wrong ends the container once it was started.
    fn keep_alive(&mut self) {}
}

/// An application.
///
/// Callbacks are called on the container's thread, one at a time. What changes the log (timers, closing sessions) goes
/// through [`Cluster`] and happens on every member alike; [`Cluster::send`] reaches a client on the leader only.
///
/// The log may be changed in what an entry causes, and nowhere else: `on_session_open`, `on_session_close`,
/// `on_message`, `on_timer` and `on_new_term`.
pub trait ClusteredService {
    /// Called once, before anything else; with a snapshot if there is one to begin from.
    ///
    /// # Errors
    ///
    /// When the snapshot cannot be read: the member does not start.
    fn on_start(
        &mut self,
        cluster: &mut dyn Cluster,
        snapshot: Option<&mut dyn SnapshotReader>,
    ) -> Result<(), ServiceError>;

    /// A client's session opened.
    fn on_session_open(&mut self, cluster: &mut dyn Cluster, session: &ClientSession, timestamp: i64);

    /// A client's session closed.
    fn on_session_close(
        &mut self,
        cluster: &mut dyn Cluster,
        session: &ClientSession,
        timestamp: i64,
        reason: CloseReason,
    );

    /// A client's message, or one that this service offered itself (`session_id` is then no session's).
    fn on_message(&mut self, cluster: &mut dyn Cluster, session_id: i64, timestamp: i64, payload: &[u8]);

    /// A timer fired. It may fire twice around a change of leader.
    fn on_timer(&mut self, cluster: &mut dyn Cluster, correlation_id: i64, timestamp: i64);

    /// Write the state as of this entry.
    ///
    /// # Errors
    ///
    /// When it could not be written.
    fn on_take_snapshot(
        &mut self,
        cluster: &mut dyn Cluster,
        snapshot: &mut dyn SnapshotWriter,
    ) -> Result<(), SnapshotError>;

    /// The member's role changed. Nothing may be offered here.
    fn on_role_change(&mut self, role: Role) {
        let _ = role;
    }

    /// A leader's term began.
    fn on_new_term(&mut self, cluster: &mut dyn Cluster, term: &LeadershipTerm) {
        let _ = (cluster, term);
    }

    /// The member is ending in order. Nothing may be offered here.
    fn on_terminate(&mut self) {}

    /// Called in each duty cycle, between entries, with the transport's time. For what is not part of the replicated
    /// state: sending what was held back, telling operators how things are. `Cluster` refuses what changes the log.
    /// Returns how much was done.
    fn do_background_work(&mut self, cluster: &mut dyn Cluster) -> usize {
        let _ = cluster;
        0
    }

    /// Whether the container is to end; asked in each duty cycle.
    fn should_stop(&self) -> bool {
        false
    }
}

/// What became of a message to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the client's stream.
    Yes,
    /// This member does not lead: it computes the same messages and sends none.
    NotLeader,
    /// The client does not take it, and may later.
    Refused(OfferError),
    /// There is no such session.
    NoSession,
}

/// What a service may ask of its cluster.
pub trait Cluster {
    /// This member; -1 before it joined a log.
    fn member_id(&self) -> i32;
    /// Its role now. State must not depend on it.
    fn role(&self) -> Role;
    /// Where the entry that is being applied ends in the log.
    fn log_position(&self) -> i64;
    /// Time of the entry that is being applied, in [`time_unit`](Self::time_unit).
    fn time(&self) -> i64;
    /// Unit of [`time`](Self::time) and of deadlines.
    fn time_unit(&self) -> TimeUnit;
    /// Term of the entry that is being applied.
    fn leadership_term_id(&self) -> i64;
    /// The open session with a number.
    fn session(&self, session_id: i64) -> Option<&ClientSession>;
    /// All open sessions, ascending.
    fn session_ids(&self) -> Vec<i64>;

    /// Sends to a client, on the leader. Never waits; state must not depend on what it returns.
    fn send(&mut self, session_id: i64, parts: &[&[u8]]) -> Sent;

    /// Lets `deadline` (cluster time) be appended to the log as a timer event; moves it if it is scheduled already.
    /// Every member asks its own consensus module, the leader's acts. Waits until the module has taken it.
    ///
    /// # Panics
    ///
    /// In callbacks that may not change the log.
    fn schedule_timer(&mut self, correlation_id: i64, deadline: i64);

    /// Drops a timer. As [`schedule_timer`](Self::schedule_timer).
    ///
    /// # Panics
    ///
    /// In callbacks that may not change the log.
    fn cancel_timer(&mut self, correlation_id: i64);

    /// Closes a client's session, by an entry of the log. Asking again before it is closed has no effect.
    ///
    /// # Panics
    ///
    /// In callbacks that may not change the log.
    fn close_session(&mut self, session_id: i64);

    /// Appends a message of the service itself to the log; every replica must offer the same ones in the same order.
    /// Waits until the module has taken it.
    ///
    /// # Panics
    ///
    /// In callbacks that may not change the log.
    fn offer(&mut self, parts: &[&[u8]]);

    /// Milliseconds of the wall clock, for operators' figures only.
    fn epoch_ms(&self) -> i64;
}
