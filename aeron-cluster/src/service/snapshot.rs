//! Snapshots, through the local archive.
//!
//! ```text
//! SnapshotMarker BEGIN │ ClientSession, ascending … │ SnapshotMarker END │ the application's messages … │ end of stream
//! ```
//!
//! A snapshot is taken when its recording is as long as what was written: only then is it acknowledged. It is read as
//! the messages that were written; nothing else says that it is whole, so applications end theirs with a message of
//! their own.

use std::time::Duration;

use super::attended::Attended;
use super::context::{Context, Standing};
use super::{
    ClientSession, ClusteredService, ContainerConfig, ContainerError, ServiceError, SnapshotError, SnapshotReader,
    SnapshotWriter,
};
use crate::archive::{
    ArchiveClient, ArchiveConfig, ArchiveError, ErrorCode, ReplayExtent, ReplayStream, SourceLocation,
};
use crate::codec::cluster::{
    MARK_BEGIN, MARK_END, SERVICE_SNAPSHOT_TYPE, SnapshotMarker, SnapshotMessage, TimeUnit, major,
};
use crate::transport::{OfferError, Publication, Transport, TransportError, await_publication, uri};

/// How long the archive may take no byte of a snapshot before it counts as failed: as long as its answers may take.
const STALL_LIMIT: Duration = Duration::from_secs(10);
/// How often housekeeping comes between an application's messages.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_millis(1);

fn connect(transport: &mut Attended, config: &ContainerConfig) -> Result<ArchiveClient, ArchiveError> {
    let archive = ArchiveConfig {
        request_channel: config.archive_channel.clone(),
        request_stream_id: config.archive_stream_id,
        response_channel: config.archive_channel.clone(),
        response_stream_id: config.archive_response_stream_id(),
        client_info: format!("cluster {} service {}", config.cluster_id, config.service_id),
        ..ArchiveConfig::default()
    };
    ArchiveClient::connect(transport, &archive)
}

/// Keeps client and archive session alive inside long work of an application.
struct Housekeeping {
    last: Duration,
}

impl Housekeeping {
    fn between(&mut self, transport: &mut Attended, archive: &mut ArchiveClient) -> Result<(), ArchiveError> {
        let now = transport.now();
        if now - self.last < HOUSEKEEPING_INTERVAL {
            return Ok(());
        }
        self.last = now;
        archive.poll(transport)
    }
}

// ---- taking -------------------------------------------------------------------------------------------

/// Why a snapshot was not taken.
pub(super) enum TakeError {
    /// The member cannot go on: its driver is gone, or its disk is full.
    Fatal(ContainerError),
    /// There is none this time. To be acknowledged as such, and the log goes on.
    Failed(String),
}

impl From<ArchiveError> for TakeError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Transport(error) => error.into(),
            // A log that cannot grow any more is no log.
            ArchiveError::Answered { code: ErrorCode::StorageSpace, .. } => Self::Fatal(error.into()),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<TransportError> for TakeError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::DriverGone { .. } | TransportError::Stopped { .. } => Self::Fatal(error.into()),
            TransportError::Refused { .. } | TransportError::Timeout { .. } => Self::Failed(error.to_string()),
        }
    }
}

/// Writes the state as of the entry that was applied last, and waits until the archive has it. Gives the recording id.
pub(super) fn take<S: ClusteredService>(
    config: &ContainerConfig,
    transport: &mut Attended,
    standing: &mut Standing,
    service: &mut S,
) -> Result<i64, TakeError> {
    let mut archive = connect(transport, config)?;
    let taken = record(config, transport, &mut archive, standing, service);
    archive.close(transport);
    taken
}

fn record<S: ClusteredService>(
    config: &ContainerConfig,
    transport: &mut Attended,
    archive: &mut ArchiveClient,
    standing: &mut Standing,
    service: &mut S,
) -> Result<i64, TakeError> {
    // Publications of one client with one channel are one: a number of its own makes this a stream of its own.
    let number = (transport.next_correlation_id() as i32).to_string();
    let channel = uri::with_param(&config.snapshot_channel, "session-id", &number);
    let publication = await_publication(transport, &channel, config.snapshot_stream_id)?;
    let begin = publication.position();
    archive.start_recording(transport, &channel, config.snapshot_stream_id, SourceLocation::Local, true)?;
    let counter = archive.await_recording(transport, publication.session_id())?;
    let epoch_ms = transport.epoch_ms();
    let housekeeping = Housekeeping { last: transport.now() };
    let mut writer = Writer { transport, archive, publication, housekeeping, failure: None };
    write_container(&mut writer, standing, config.app_version);
    if writer.failure.is_none() {
        let taken = service.on_take_snapshot(&mut Context::reading(standing, epoch_ms), &mut writer);
        if let (Err(error), None) = (taken, &writer.failure) {
            writer.failure = Some(TakeError::Failed(error.to_string()));
        }
    }
    let Writer { transport, archive, publication, failure, .. } = writer;
    if let Some(failure) = failure {
        return Err(failure);
    }
    debug_assert!(publication.position() > begin);
    archive.await_recorded(transport, &counter, publication.position())?;
    Ok(counter.recording_id)
}

/// Writes what the container itself has to keep.
fn write_container(writer: &mut Writer<'_>, standing: &Standing, app_version: i32) {
    let marker = |mark| SnapshotMarker {
        type_id: SERVICE_SNAPSHOT_TYPE,
        log_position: standing.log_position,
        leadership_term_id: standing.leadership_term_id,
        mark,
        time_unit: standing.time_unit,
        app_version,
    };
    let sessions = standing.sessions.iter().map(|session| SnapshotMessage::Session {
        cluster_session_id: session.id,
        response_stream_id: session.response_stream_id,
        response_channel: &session.response_channel,
        encoded_principal: &session.encoded_principal,
    });
    let begin = std::iter::once(SnapshotMessage::Marker(marker(MARK_BEGIN)));
    let end = std::iter::once(SnapshotMessage::Marker(marker(MARK_END)));
    let mut bytes = Vec::new();
    for message in begin.chain(sessions).chain(end) {
        bytes.clear();
        message.encode(&mut bytes);
        // The failure is kept in the writer.
        if writer.write(&bytes).is_err() {
            return;
        }
    }
}

struct Writer<'a> {
    transport: &'a mut Attended,
    archive: &'a mut ArchiveClient,
    publication: Box<dyn Publication>,
    housekeeping: Housekeeping,
    /// The first failure; an application that goes on after it has no snapshot all the same.
    failure: Option<TakeError>,
}

impl Writer<'_> {
    fn offer(&mut self, message: &[u8]) -> Result<(), TakeError> {
        self.housekeeping.between(self.transport, self.archive)?;
        let deadline = self.transport.now() + STALL_LIMIT;
        loop {
            match self.publication.offer(&[message]) {
                Ok(_) => return Ok(()),
                Err(OfferError::AdminAction) => {}
                Err(OfferError::BackPressured) => {
                    self.archive.poll_error()?;
                    if self.transport.now() >= deadline {
                        return Err(TakeError::Failed(format!("the archive took nothing for {STALL_LIMIT:?}")));
                    }
                    self.transport.idle(0)?;
                }
                Err(error) => {
                    // When the archive says why, that is the reason.
                    self.archive.poll_error()?;
                    return Err(TakeError::Failed(format!("the snapshot's stream to the archive: {error}")));
                }
            }
        }
    }
}

impl SnapshotWriter for Writer<'_> {
    fn write(&mut self, message: &[u8]) -> Result<(), SnapshotError> {
        if self.failure.is_none() {
            self.failure = self.offer(message).err();
        }
        match &self.failure {
            None => Ok(()),
            Some(TakeError::Fatal(error)) => Err(SnapshotError(error.to_string())),
            Some(TakeError::Failed(reason)) => Err(SnapshotError(reason.clone())),
        }
    }

    fn message_bytes_max(&self) -> usize {
        self.publication.max_message_length()
    }

    fn keep_alive(&mut self) {
        if self.failure.is_none() {
            self.failure = self.housekeeping.between(self.transport, self.archive).err().map(TakeError::from);
        }
    }
}

// ---- loading ------------------------------------------------------------------------------------------

/// Reads a snapshot: sessions into `standing`, the rest is the service's to read in its `on_start`.
pub(super) fn load<S: ClusteredService>(
    config: &ContainerConfig,
    transport: &mut Attended,
    standing: &mut Standing,
    service: &mut S,
    recording_id: i64,
) -> Result<(), ContainerError> {
    let mut archive = connect(transport, config)?;
    let loaded = replay(config, transport, &mut archive, standing, service, recording_id);
    archive.close(transport);
    loaded
}

fn replay<S: ClusteredService>(
    config: &ContainerConfig,
    transport: &mut Attended,
    archive: &mut ArchiveClient,
    standing: &mut Standing,
    service: &mut S,
    recording_id: i64,
) -> Result<(), ContainerError> {
    let (channel, stream_id) = (&config.replay_channel, config.replay_stream_id);
    let replay = archive.replay(transport, recording_id, Some(0), ReplayExtent::All, channel, stream_id)?;
    let mut stream = ReplayStream::open(transport, archive, replay)?;
    read_container(config, transport, archive, &mut stream, standing, recording_id)?;
    let epoch_ms = transport.epoch_ms();
    let housekeeping = Housekeeping { last: transport.now() };
    let mut reader = Reader { transport, archive, stream, housekeeping, failure: None };
    let started = service.on_start(&mut Context::reading(standing, epoch_ms), Some(&mut reader));
    match reader.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(started?),
    }
}

fn read_container(
    config: &ContainerConfig,
    transport: &mut Attended,
    archive: &mut ArchiveClient,
    stream: &mut ReplayStream,
    standing: &mut Standing,
    recording_id: i64,
) -> Result<(), ContainerError> {
    let damaged = |reason: String| ContainerError::Snapshot { recording_id, reason };
    let mut begin: Option<TimeUnit> = None;
    let mut bytes = Vec::new();
    while let Some(position) = stream.next(transport, archive, &mut bytes)? {
        let message = SnapshotMessage::decode(&bytes).map_err(|source| ContainerError::Message {
            stream: "the snapshot",
            position,
            source,
        })?;
        match (message, begin) {
            (Some(SnapshotMessage::Marker(marker)), None) if marker.mark == MARK_BEGIN => {
                check_marker(config, &marker).map_err(|error| {
                    error.unwrap_or_else(|| {
                        damaged(format!("its type is {}, a service's is {SERVICE_SNAPSHOT_TYPE}", marker.type_id))
                    })
                })?;
                begin = Some(marker.time_unit);
            }
            (Some(SnapshotMessage::Marker(marker)), Some(time_unit)) if marker.mark == MARK_END => {
                standing.time_unit = time_unit;
                return Ok(());
            }
            (Some(SnapshotMessage::Marker(marker)), _) => {
                return Err(damaged(format!("mark {} at {position} is out of place", marker.mark)));
            }
            (Some(_), None) => return Err(damaged(format!("no begin before {position}"))),
            (
                Some(SnapshotMessage::Session {
                    cluster_session_id,
                    response_stream_id,
                    response_channel,
                    encoded_principal,
                }),
                Some(_),
            ) => {
                let session = ClientSession {
                    id: cluster_session_id,
                    response_stream_id,
                    response_channel: response_channel.to_owned(),
                    encoded_principal: encoded_principal.to_owned(),
                };
                if !standing.sessions.insert(session) {
                    return Err(ContainerError::SessionTwice { session_id: cluster_session_id, position });
                }
            }
            (None, _) => {}
        }
    }
    Err(damaged("it ends before the container's part does".into()))
}

/// Whether a snapshot is one of this service; `Err(None)` when it is none of a service.
fn check_marker(config: &ContainerConfig, marker: &SnapshotMarker) -> Result<(), Option<ContainerError>> {
    if marker.type_id != SERVICE_SNAPSHOT_TYPE {
        return Err(None);
    }
    let (ours, found) = (config.app_version, marker.app_version);
    if major(ours) != major(found) {
        return Err(Some(ContainerError::AppVersion { ours, found, place: "the snapshot" }));
    }
    Ok(())
}

struct Reader<'a> {
    transport: &'a mut Attended,
    archive: &'a mut ArchiveClient,
    stream: ReplayStream,
    housekeeping: Housekeeping,
    failure: Option<ArchiveError>,
}

impl Reader<'_> {
    fn next(&mut self, into: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        self.housekeeping.between(self.transport, self.archive)?;
        Ok(self.stream.next(self.transport, self.archive, into)?.is_some())
    }
}

impl SnapshotReader for Reader<'_> {
    fn read(&mut self, into: &mut Vec<u8>) -> Result<bool, ServiceError> {
        if self.failure.is_none() {
            match self.next(into) {
                Ok(is_there) => return Ok(is_there),
                Err(error) => self.failure = Some(error),
            }
        }
        Err(ServiceError(self.failure.as_ref().map(ToString::to_string).unwrap_or_default()))
    }

    fn keep_alive(&mut self) {
        if self.failure.is_none() {
            self.failure = self.housekeeping.between(self.transport, self.archive).err();
        }
    }
}
