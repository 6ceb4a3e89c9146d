//! How a container finds its consensus module, and how it ends.

use std::path::PathBuf;

use thiserror::Error;

use super::ServiceError;
use super::mark_file::MarkFileError;
use crate::archive::ArchiveError;
use crate::codec::CodecError;
use crate::codec::cluster::APP_VERSION;
use crate::transport::{OfferError, TransportError};

/// How a container finds its consensus module and archive. Defaults are those of a stock member.
///
/// Channels and streams must be what the member's Java process was told; the name of its property stands beside each.
#[derive(Clone, Debug)]
pub struct ContainerConfig {
    /// Cluster id (`aeron.cluster.id`).
    pub cluster_id: i32,
    /// Service id, 0 to 9, below `aeron.cluster.service.count`.
    pub service_id: i32,
    /// For operators, in the mark file; at most [`super::SERVICE_NAME_BYTES_MAX`] bytes.
    pub service_name: String,
    /// The member's cluster directory; the service's mark file goes there (`aeron.cluster.dir`).
    pub cluster_dir: PathBuf,
    /// The member's media driver, for the mark file (`aeron.dir`).
    pub aeron_dir: PathBuf,
    /// Channel between module and service, both ways (`aeron.cluster.control.channel`). An eighth of its term length
    /// bounds what a service may offer.
    pub control_channel: String,
    /// Module to service (`aeron.cluster.service.stream.id`).
    pub service_stream_id: i32,
    /// Service to module (`aeron.cluster.consensus.module.stream.id`).
    pub module_stream_id: i32,
    /// Channel of the archive's local control requests (`aeron.archive.local.control.channel`).
    pub archive_channel: String,
    /// Stream of the archive's local control requests (`aeron.archive.local.control.stream.id`).
    pub archive_stream_id: i32,
    /// Where snapshots are written to the archive (`aeron.cluster.snapshot.channel`); must be IPC. An eighth of its term
    /// length, at most 16 MiB, bounds one message of a snapshot.
    pub snapshot_channel: String,
    /// As above (`aeron.cluster.snapshot.stream.id`).
    pub snapshot_stream_id: i32,
    /// Where the archive replays snapshots (`aeron.cluster.replay.channel`); must be IPC.
    pub replay_channel: String,
    /// As above (`aeron.cluster.replay.stream.id`).
    pub replay_stream_id: i32,
    /// Whether the leader opens publications to clients (`aeron.cluster.service.responder`); without, every
    /// [`Cluster::send`](super::Cluster::send) is refused as not connected.
    pub is_responder: bool,
    /// Version of the application, `major << 16 | minor << 8 | patch`. Its major must be the consensus module's, which is
    /// 0 on a stock one: version the application's messages yourself.
    pub app_version: i32,
}

impl Default for ContainerConfig {
    fn default() -> Self {
        Self {
            cluster_id: 0,
            service_id: 0,
            service_name: String::new(),
            cluster_dir: PathBuf::from("aeron-cluster"),
            aeron_dir: PathBuf::new(),
            control_channel: "aeron:ipc?term-length=128k".into(),
            service_stream_id: 104,
            module_stream_id: 105,
            archive_channel: "aeron:ipc?term-length=64k".into(),
            archive_stream_id: 10,
            snapshot_channel: "aeron:ipc?alias=snapshot".into(),
            snapshot_stream_id: 106,
            replay_channel: "aeron:ipc".into(),
            replay_stream_id: 103,
            is_responder: true,
            app_version: APP_VERSION,
        }
    }
}

impl ContainerConfig {
    /// Stream of the archive's answers: `clusterId * 100 + 100 + 20 + serviceId + 1`, as stock containers have it, so
    /// that no two clients of a member's archive share one.
    pub fn archive_response_stream_id(&self) -> i32 {
        self.cluster_id * 100 + 120 + self.service_id + 1
    }
}

/// How a container came to an orderly end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At the position that the consensus module named: an operator ends the member.
    Terminated,
    /// The consensus module ends for a reason of its own and let the service know.
    TerminatedUnexpectedly,
    /// The consensus module is gone.
    ModuleGone,
    /// The process was asked to stop, or [`ClusteredService::should_stop`](super::ClusteredService::should_stop) said so.
    Stopped,
}

/// Why a container cannot go on. Its process must end: a container cannot join a running consensus module again.
#[derive(Debug, Error)]
pub enum ContainerError {
    /// The driver is gone or refused something.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A container of this service runs already, or its mark file cannot be written.
    #[error(transparent)]
    MarkFile(#[from] MarkFileError),
    /// The archive did not give the snapshot, or has no space left for another one.
    #[error("the archive, for a snapshot")]
    Archive(#[from] ArchiveError),
    /// The service cannot go on.
    #[error("the service: {0}")]
    Service(#[from] ServiceError),
    /// The consensus module takes no messages any more.
    #[error("sending {what} to the consensus module on stream {stream_id}: {source}")]
    Module {
        /// Which message.
        what: &'static str,
        /// On which stream.
        stream_id: i32,
        /// What the publication says.
        source: OfferError,
    },
    /// A message is not what is spoken on its stream.
    #[error("{stream} at position {position}: {source}")]
    Message {
        /// The log, the control stream or the snapshot.
        stream: &'static str,
        /// Where the message ends.
        position: i64,
        /// What is wrong with it.
        source: CodecError,
    },
    /// The log that is to be read does not begin where the state ends; a restart rebuilds the state.
    #[error("the log was to go on at {expected}, and begins at {found}: restart the member to rebuild its state")]
    NotContiguous {
        /// Up to where the log is applied.
        expected: i64,
        /// Where the stream begins.
        found: i64,
    },
    /// The log has a session twice.
    #[error("session {session_id} opened again at {position}: the log or the snapshot is damaged")]
    SessionTwice {
        /// Its number.
        session_id: i64,
        /// Where.
        position: i64,
    },
    /// Another application.
    #[error("application version {found:#x} in {place} where this service is {ours:#x}: run the matching build")]
    AppVersion {
        /// Ours.
        ours: i32,
        /// Theirs.
        found: i32,
        /// The log or the snapshot.
        place: &'static str,
    },
    /// The recording is not the beginning of a service's snapshot.
    #[error("recording {recording_id} is no snapshot of a service: {reason}")]
    Snapshot {
        /// Which recording.
        recording_id: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// The snapshot that the consensus module begins from has none of this service.
    #[error(
        "the snapshot is one of {service_count} services, and has none of service {service_id}: run the services that \
         took it, or begin without it (ClusterTool invalidate-latest-snapshot on all members)"
    )]
    NotInSnapshot {
        /// Ours.
        service_id: i32,
        /// Those in the snapshot.
        service_count: i32,
    },
}
