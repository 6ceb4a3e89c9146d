//! What happened in a cluster, out of the log of one member: matches as files.
//!
//! Of a stopped member its directories are read, without changing them; of a running one its archive replays the log, no
//! further than members have agreed. Either way the entries run through a service again, as they did on every member,
//! and what it comes to is compared with what members reported while they played.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aeron_cluster::archive::{
    ArchiveClient, ArchiveConfig, ArchiveDir, ArchiveError, ReadError, RecordChecksum, RecordingCounter, RecordingLog,
    RecordingReader, ReplayExtent, ReplayStream,
};
use aeron_cluster::codec::CodecError;
use aeron_cluster::codec::cluster::{LogMessage, MARK_END, SnapshotMessage, TimeUnit};
use aeron_cluster::counters::{COMMIT_POSITION, of_cluster};
use aeron_cluster::service::{ServiceError, SnapshotReader};
use aeron_cluster::transport::Transport;
use ecs_state::{Game, RegistryError};
use thiserror::Error;

use super::entry::log_entry;
use super::snapshot;
use crate::host::figures::match_status;
use crate::host::local::Recorder;
use crate::{ExportError, Exported, MatchStatus, Outbox, Service, StartError};

/// Stream of the log on stock members.
const LOG_STREAM: i32 = 100;
/// A part of the log's channel on stock members.
const LOG_CHANNEL: &str = "alias=log";
/// Where the log is replayed for us: this member's memory, on a stream that members do not use themselves.
const REPLAY_CHANNEL: &str = "aeron:ipc";
const REPLAY_STREAM: i32 = 1_103;
/// Ours is the only service of a member.
pub const SERVICE_COUNT: usize = 1;

/// The directories of a member that has stopped, or a copy of them.
#[derive(Debug, Clone)]
pub struct MemberFiles {
    /// Its archive (`aeron.archive.dir`).
    pub archive: PathBuf,
    /// Its consensus module (`aeron.cluster.dir`).
    pub cluster: PathBuf,
    /// The checksum that its archive writes.
    pub checksum: RecordChecksum,
}

/// How far to read a stopped member's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HistoryExtent {
    /// All that it has. After anything but an orderly shutdown its last entries may be such that members never agreed
    /// on: then a file can end with ticks that nobody was told of.
    #[default]
    Whole,
    /// Up to where its index says that members had agreed: ends of terms, and snapshots.
    Agreed,
}

/// Why a log was not read. Nothing was changed or written.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// A stopped member's files.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A running member's archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no log yet, or no consensus module.
    #[error("{what}: there is no log; start the member once, or name another")]
    NoLog {
        /// Where was looked.
        what: String,
    },
    /// The log's beginning was purged, and there is no snapshot to begin with.
    #[error(
        "the log begins at {start} and no snapshot that is whole lets one begin there; read the directories of a member \
         that has one"
    )]
    NoBeginning {
        /// Where it begins.
        start: i64,
    },
    /// The match was opened in the part of the log that was purged.
    #[error(
        "match {match_id} was opened before this member's log begins; its file can only be made from a copy of the log from \
         before it was purged"
    )]
    BegunBefore {
        /// The match.
        match_id: u64,
    },
    /// An entry is none.
    #[error("the entry that ends at {position} of the log: {source}")]
    Entry {
        /// Where it ends.
        position: i64,
        /// Why not.
        #[source]
        source: CodecError,
    },
    /// The snapshot to begin with cannot be used.
    #[error("{0}")]
    Snapshot(String),
    /// The game cannot be run at all.
    #[error(transparent)]
    Game(#[from] RegistryError),
    /// There is no such match, it comes to another state than members reported, or the file cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl From<ServiceError> for HistoryError {
    fn from(error: ServiceError) -> Self {
        Self::Snapshot(error.0)
    }
}

/// Writes a match out of a stopped member's log to a file. When the log's beginning was purged, reading begins with the
/// oldest snapshot that is whole, and only matches that were opened after it can be written.
///
/// # Errors
/// See [`HistoryError`].
pub fn export_member_match<G: Game>(
    files: &MemberFiles,
    extent: HistoryExtent,
    match_id: u64,
    out: &std::path::Path,
) -> Result<Exported, HistoryError> {
    let (mut rerun, mut log) = open_files::<G>(files, extent)?;
    rerun.record(match_id)?;
    rerun.run(&mut log)?;
    rerun.finish(out, files.archive.clone())
}

/// The matches that are open at the end of a stopped member's log.
///
/// # Errors
/// See [`HistoryError`].
pub fn list_member_matches<G: Game>(
    files: &MemberFiles,
    extent: HistoryExtent,
) -> Result<Vec<MatchStatus>, HistoryError> {
    let (mut rerun, mut log) = open_files::<G>(files, extent)?;
    rerun.run(&mut log)?;
    Ok(rerun.matches())
}

/// Writes a match out of a running member's log to a file, as far as members have agreed at this moment. Uses one
/// replay of the member's archive, and its processor time, while it runs; a follower is as good as the leader.
///
/// # Errors
/// See [`HistoryError`].
pub fn export_running_match<G: Game>(
    transport: &mut dyn Transport,
    archive: &ArchiveConfig,
    cluster_id: i32,
    match_id: u64,
    out: &std::path::Path,
) -> Result<Exported, HistoryError> {
    let mut log = Live::open(transport, archive, cluster_id)?;
    let mut rerun = Rerun::<G>::new()?;
    rerun.record(match_id)?;
    rerun.run(&mut log)?;
    let what = format!("log of cluster {cluster_id}, recording {}", log.recording_id);
    log.close();
    rerun.finish(out, PathBuf::from(what))
}

// ---- where entries come from --------------------------------------------------------------------------

/// Messages of a log, with the positions after them.
trait Log {
    fn next(&mut self, into: &mut Vec<u8>) -> Result<Option<i64>, HistoryError>;
}

impl Log for RecordingReader {
    fn next(&mut self, into: &mut Vec<u8>) -> Result<Option<i64>, HistoryError> {
        Ok(Self::next(self, into)?)
    }
}

fn open_files<G: Game>(
    files: &MemberFiles,
    extent: HistoryExtent,
) -> Result<(Rerun<G>, RecordingReader), HistoryError> {
    let index = RecordingLog::read(&files.cluster)?;
    let no_log = || HistoryError::NoLog { what: files.cluster.display().to_string() };
    let recording_id = index.log_recording_id().ok_or_else(no_log)?;
    let archive = ArchiveDir::open(&files.archive, files.checksum)?;
    let start = archive.recording(recording_id)?.start_position;
    let until = (extent == HistoryExtent::Agreed).then(|| index.committed_position().max(start));
    if start == 0 {
        return Ok((Rerun::new()?, archive.read(recording_id, None, until)?));
    }
    let snapshots = index.snapshots(SERVICE_COUNT);
    let oldest = snapshots.into_iter().find(|snapshot| snapshot.log_position >= start);
    let oldest = oldest.ok_or(HistoryError::NoBeginning { start })?;
    let rerun = Rerun::from_snapshot(archive.read(oldest.recording_ids[1], None, None)?)?;
    Ok((rerun, archive.read(recording_id, Some(oldest.log_position), until)?))
}

/// The log of a running member.
struct Live<'a> {
    transport: &'a mut dyn Transport,
    archive: ArchiveClient,
    recording_id: i64,
    stream: ReplayStream,
    /// What was agreed at the beginning.
    until: i64,
}

impl<'a> Live<'a> {
    fn open(transport: &'a mut dyn Transport, config: &ArchiveConfig, cluster_id: i32) -> Result<Self, HistoryError> {
        let no_log = || HistoryError::NoLog { what: format!("cluster {cluster_id} on this driver") };
        let commit = of_cluster(transport.counters(), COMMIT_POSITION, cluster_id).ok_or_else(no_log)?;
        let until = transport.counters().value(commit.id);
        let mut archive = ArchiveClient::connect(transport, config)?;
        let most = aeron_cluster::archive::DESCRIPTORS_MAX;
        let logs = archive.list_recordings_for_uri(transport, 0, most, LOG_CHANNEL, LOG_STREAM)?;
        let archive_id = archive.archive_id();
        let is_active = |id: i64| RecordingCounter::find_by_recording(transport.counters(), id, archive_id).is_some();
        let log = logs.into_iter().rev().find(|log| is_active(log.recording_id)).ok_or_else(no_log)?;
        if log.start_position > 0 {
            return Err(HistoryError::NoBeginning { start: log.start_position });
        }
        let replay = archive.bounded_replay(
            transport,
            log.recording_id,
            None,
            ReplayExtent::All,
            commit.id,
            REPLAY_CHANNEL,
            REPLAY_STREAM,
        )?;
        let stream = ReplayStream::open(transport, &mut archive, replay)?;
        Ok(Self { transport, archive, recording_id: log.recording_id, stream, until })
    }

    fn close(self) {
        let Self { transport, mut archive, stream, .. } = self;
        // It would end by itself once nobody reads; this frees it for others at once.
        if let Err(error) = archive.stop_replay(transport, stream.replay().replay_session_id) {
            tracing::debug!(%error, "the replay was not stopped");
        }
        drop(stream);
        archive.close(transport);
    }
}

impl Log for Live<'_> {
    fn next(&mut self, into: &mut Vec<u8>) -> Result<Option<i64>, HistoryError> {
        if self.stream.position() >= self.until {
            return Ok(None);
        }
        Ok(self.stream.next(self.transport, &mut self.archive, into)?)
    }
}

/// The service's part of a snapshot's recording.
struct Recorded {
    reader: RecordingReader,
}

impl SnapshotReader for Recorded {
    fn read(&mut self, into: &mut Vec<u8>) -> Result<bool, ServiceError> {
        match self.reader.next(into) {
            Ok(position) => Ok(position.is_some()),
            Err(error) => Err(ServiceError(error.to_string())),
        }
    }
}

// ---- what follows from them ---------------------------------------------------------------------------

/// A service that takes the entries of a log again.
struct Rerun<G: Game> {
    service: Service<G>,
    unit: TimeUnit,
    recorder: Option<Recorder>,
    /// The match that is recorded, its hashes that no member has reported yet, and those that members dispute.
    match_id: u64,
    computed: BTreeMap<u64, u64>,
    disputed: BTreeMap<u64, u64>,
    checked: u64,
}

impl<G: Game> Rerun<G> {
    fn new() -> Result<Self, HistoryError> {
        Ok(Self::of(Service::new()?, TimeUnit::default()))
    }

    fn of(service: Service<G>, unit: TimeUnit) -> Self {
        let (computed, disputed) = (BTreeMap::new(), BTreeMap::new());
        Self { service, unit, recorder: None, match_id: 0, computed, disputed, checked: 0 }
    }

    /// Skips the container's part of a snapshot, then restores the service's.
    fn from_snapshot(mut reader: RecordingReader) -> Result<Self, HistoryError> {
        let mut bytes = Vec::new();
        loop {
            let ended = || HistoryError::Snapshot("the snapshot's recording ends before its contents begin".to_owned());
            let position = reader.next(&mut bytes)?.ok_or_else(ended)?;
            let message = SnapshotMessage::decode(&bytes).map_err(|source| HistoryError::Entry { position, source })?;
            if let Some(SnapshotMessage::Marker(marker)) = message
                && marker.mark == MARK_END
            {
                let file = snapshot::read(&mut Recorded { reader })?;
                return Ok(Self::of(snapshot::restore(&file, &mut || {})?.0, marker.time_unit));
            }
        }
    }

    /// Follows a match, which must not have begun yet: a match file begins with the match.
    fn record(&mut self, match_id: u64) -> Result<(), HistoryError> {
        if (1..=self.service.last_match).contains(&match_id) {
            return Err(HistoryError::BegunBefore { match_id });
        }
        self.match_id = match_id;
        self.recorder = Some(Recorder::new(match_id));
        Ok(())
    }

    fn run(&mut self, log: &mut dyn Log) -> Result<(), HistoryError> {
        let (mut bytes, mut outbox) = (Vec::new(), Outbox::default());
        while let Some(position) = log.next(&mut bytes)? {
            let message = LogMessage::decode(&bytes).map_err(|source| HistoryError::Entry { position, source })?;
            let Some(message) = message else { continue };
            if let LogMessage::NewTerm { time_unit, .. } = message {
                self.unit = time_unit;
            }
            let Some(entry) = log_entry(&message, position, self.unit) else { continue };
            self.service.on_entry(&entry, &mut outbox);
            self.compare(&outbox);
            if let Some(recorder) = &mut self.recorder {
                recorder.see(&self.service, &outbox);
            }
            outbox.clear();
        }
        Ok(())
    }

    /// Holds what members reported of the match against what it came to here.
    fn compare(&mut self, outbox: &Outbox) {
        let Self { service, match_id, computed, disputed, checked, .. } = self;
        computed.extend(outbox.ticks.iter().filter(|ran| ran.match_id == *match_id).map(|ran| (ran.tick, ran.hash)));
        for (_, tick) in outbox.reported.iter().filter(|(id, _)| id == match_id) {
            let Some(ours) = computed.get(tick) else { continue };
            let said = service.reports().of(*match_id, *tick);
            if said.iter().any(|said| said.hash == *ours) {
                computed.remove(tick);
                disputed.remove(tick);
                *checked += 1;
            } else if let Some(first) = said.first() {
                // One member may be wrong; another's report may follow.
                disputed.insert(*tick, first.hash);
            }
        }
    }

    fn finish(self, out: &std::path::Path, log: PathBuf) -> Result<Exported, HistoryError> {
        let Self { match_id, computed, disputed, recorder, checked, service, .. } = self;
        if let Some((tick, expected)) = disputed.into_iter().next() {
            let found = computed.get(&tick).copied().expect("what is disputed was computed");
            return Err(ExportError::Log(StartError::Diverged { match_id, tick, expected, found }).into());
        }
        let exported = recorder.and_then(|recorder| recorder.finish(out, checked).transpose()).transpose();
        let last = service.last_match;
        let exported = exported.map_err(ExportError::from)?;
        Ok(exported.ok_or(ExportError::NoMatch { match_id, log, last })?)
    }

    fn matches(&self) -> Vec<MatchStatus> {
        self.service.matches().map(|(id, open)| match_status(id, open)).collect()
    }
}
