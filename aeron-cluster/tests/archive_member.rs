//! The archive client, the control toggle and the readers of files against a stock archive and a stock member.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod java;

use std::path::{Path, PathBuf};
use std::time::Duration;

use aeron_cluster::archive::{
    ArchiveClient, ArchiveConfig, ArchiveDir, ArchiveError, Next, RecordChecksum, RecordingCounter, RecordingEnd,
    RecordingLog, ReplayExtent, ReplayStream, SourceLocation,
};
use aeron_cluster::codec::cluster::LogMessage;
use aeron_cluster::counters::{COMMIT_POSITION, Toggle, of_cluster};
use aeron_cluster::toggle::{ControlRequest, ControlToggle, ToggleError};
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use aeron_cluster::transport::{Publication, Transport, await_publication, wait_for};
use java::{Dirs, Java};

const LIMIT: Duration = Duration::from_secs(60);
const SEGMENT: i64 = 64 << 10;
const STREAM: i32 = 200;
const REPLAY_STREAM: i32 = 201;

fn archive_properties(dirs: &Dirs, ports: &[u16]) -> Vec<(&'static str, String)> {
    let mut properties = java::driver_properties(&dirs.aeron("member"));
    properties.retain(|(name, _)| !name.ends_with("term.buffer.length"));
    properties.extend([
        ("aeron.term.buffer.length", "64k".into()),
        ("aeron.ipc.term.buffer.length", "64k".into()),
        ("aeron.archive.threading.mode", "SHARED".into()),
        ("aeron.archive.dir", dirs.data().join("archive").display().to_string()),
        ("aeron.archive.control.channel", format!("aeron:udp?endpoint=127.0.0.1:{}", ports[0])),
        ("aeron.archive.local.control.channel", "aeron:ipc?term-length=64k".into()),
        ("aeron.archive.control.response.channel", "aeron:udp?endpoint=127.0.0.1:0".into()),
        ("aeron.archive.replication.channel", "aeron:udp?endpoint=127.0.0.1:0".into()),
        ("aeron.archive.recording.events.enabled", "false".into()),
        ("aeron.archive.record.checksum", "CRC-32C".into()),
        ("aeron.archive.replay.checksum", "CRC-32C".into()),
        ("aeron.archive.segment.file.length", "64k".into()),
    ]);
    properties
}

fn transport(dirs: &Dirs, member: &Java) -> AeronTransport {
    let config = AeronConfig { connect_limit: LIMIT, ..AeronConfig::new(dirs.aeron("member")) };
    AeronTransport::connect(&config).unwrap_or_else(|error| panic!("{error}\n{}", member.log()))
}

/// The archive comes up after its driver, so the first attempt may be too early.
fn connect(transport: &mut AeronTransport, info: &str, member: &Java) -> ArchiveClient {
    let config = ArchiveConfig { client_info: info.into(), timeout: LIMIT, ..ArchiveConfig::default() };
    ArchiveClient::connect(transport, &config).unwrap_or_else(|error| panic!("{error}\n{}", member.log()))
}

fn message(number: usize) -> Vec<u8> {
    // Every tenth is of several frames.
    let size = if number % 10 == 9 { 4_000 } else { 900 };
    (0..size).map(|at| (at * 3 + number) as u8).collect()
}

fn publish(transport: &mut AeronTransport, stream: &mut dyn Publication, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let bytes = message(number);
        wait_for(transport, "room", LIMIT, |_| match stream.offer(&[&bytes]) {
            Ok(_) => Ok::<_, ArchiveError>(Some(())),
            Err(error) if error.is_retryable() => Ok(None),
            Err(error) => panic!("{error}"),
        })
        .unwrap();
    }
}

/// Reads messages `numbers` of [`message`].
fn read(
    transport: &mut AeronTransport,
    archive: &mut ArchiveClient,
    stream: &mut ReplayStream,
    numbers: std::ops::Range<usize>,
) {
    let mut bytes = Vec::new();
    for number in numbers {
        stream.next(transport, archive, &mut bytes).unwrap().unwrap_or_else(|| panic!("it ends before {number}"));
        assert_eq!(bytes, message(number), "message {number}");
    }
}

/// The messages of a recording in the files of an archive that has ended.
fn read_files(archive_dir: &Path, recording_id: i64) -> (Vec<Vec<u8>>, i64, RecordingEnd) {
    let archive = ArchiveDir::open(archive_dir, RecordChecksum::Crc32c).unwrap();
    let mut reader = archive.read(recording_id, None, None).unwrap();
    let (mut all, mut bytes) = (Vec::new(), Vec::new());
    while reader.next(&mut bytes).unwrap().is_some() {
        all.push(bytes.clone());
    }
    (all, reader.position(), reader.end().unwrap())
}

fn replay(
    transport: &mut AeronTransport,
    archive: &mut ArchiveClient,
    recording_id: i64,
    position: Option<i64>,
    extent: ReplayExtent,
) -> ReplayStream {
    let replay = archive.replay(transport, recording_id, position, extent, "aeron:ipc", REPLAY_STREAM).unwrap();
    ReplayStream::open(transport, archive, replay).unwrap()
}

#[test]
fn a_stock_archive_records_replays_and_deletes_for_two_clients_at_once() {
    let dirs = Dirs::new("archive");
    let properties = archive_properties(&dirs, &java::free_ports(1));
    let mut java = Java::start(dirs.data(), "archive", "io.aeron.archive.ArchivingMediaDriver", &properties, &[]);
    let mut transport = transport(&dirs, &java);
    let mut one = connect(&mut transport, "writes", &java);
    let mut other = connect(&mut transport, "reads", &java);
    assert_eq!(one.archive_id(), other.archive_id());
    assert_eq!(one.list_recordings(&mut transport, 0, 10).unwrap(), []);

    // Recording, and following it while it grows.
    let mut stream = await_publication(&mut transport, "aeron:ipc", STREAM).unwrap();
    let session = stream.session_id();
    let channel = format!("aeron:ipc?session-id={session}");
    let subscription = one.start_recording(&mut transport, &channel, STREAM, SourceLocation::Local, true).unwrap();
    let counter = one.await_recording(&mut transport, session).unwrap();
    let id = counter.recording_id;
    publish(&mut transport, &mut *stream, 0..300);
    one.await_recorded(&mut transport, &counter, stream.position()).unwrap();
    assert_eq!(one.recording_position(&mut transport, id).unwrap(), Some(stream.position()));
    assert_eq!(one.stop_position(&mut transport, id).unwrap(), None);
    let mut live = replay(&mut transport, &mut other, id, None, ReplayExtent::All);
    read(&mut transport, &mut other, &mut live, 0..300);
    assert_eq!(live.poll(&mut other, &mut Vec::new()).unwrap(), Next::Nothing);
    publish(&mut transport, &mut *stream, 300..320);
    read(&mut transport, &mut other, &mut live, 300..320);
    let middle = live.position();

    // What there is now has an end; so has a part.
    let mut now = replay(&mut transport, &mut one, id, None, ReplayExtent::Now);
    read(&mut transport, &mut one, &mut now, 0..320);
    assert_eq!(now.next(&mut transport, &mut one, &mut Vec::new()).unwrap(), None);

    // A bound is kept: at a counter's value, though more is written.
    let bound = transport.allocate_counter(9_999, &[], "bound of a test").unwrap();
    let mut bytes = Vec::new();
    let first_end = {
        let mut first = replay(&mut transport, &mut one, id, None, ReplayExtent::Bytes(4_096));
        first.next(&mut transport, &mut one, &mut bytes).unwrap().unwrap()
    };
    transport.counters().set(bound, 10 * first_end);
    let bounded =
        one.bounded_replay(&mut transport, id, None, ReplayExtent::All, bound, "aeron:ipc", REPLAY_STREAM).unwrap();
    let mut bounded = ReplayStream::open(&mut transport, &mut one, bounded).unwrap();
    read(&mut transport, &mut one, &mut bounded, 0..9);
    for _ in 0..200 {
        transport.idle(0).unwrap();
        assert_eq!(bounded.poll(&mut one, &mut bytes).unwrap(), Next::Nothing);
    }
    assert!(bounded.position() <= 10 * first_end);
    one.stop_replay(&mut transport, bounded.replay().replay_session_id).unwrap();
    drop(bounded);

    // The beginning goes, while it is recorded and followed.
    let start = SEGMENT * 2;
    assert_eq!(one.purge_segments(&mut transport, id, start).unwrap(), 2);
    assert_eq!(one.start_position(&mut transport, id).unwrap(), start);
    let gone = one.replay(&mut transport, id, Some(0), ReplayExtent::All, "aeron:ipc", REPLAY_STREAM).unwrap_err();
    assert!(matches!(gone, ArchiveError::Answered { .. }), "{gone}");

    // It stops, and whoever follows comes to its end.
    publish(&mut transport, &mut *stream, 320..330);
    one.await_recorded(&mut transport, &counter, stream.position()).unwrap();
    let stop = stream.position();
    one.stop_recording_subscription(&mut transport, subscription).unwrap();
    read(&mut transport, &mut other, &mut live, 320..330);
    assert_eq!(live.next(&mut transport, &mut other, &mut Vec::new()).unwrap(), None);
    assert_eq!(one.stop_position(&mut transport, id).unwrap(), Some(stop));
    assert_eq!(counter.position(transport.counters()), None);
    let listed = one.list_recordings_for_uri(&mut transport, 0, 10, "ipc", STREAM).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].start_position, listed[0].stop_position, listed[0].session_id), (start, stop, session));
    assert_eq!(one.find_last_matching(&mut transport, 0, "ipc", STREAM, session).unwrap(), Some(id));
    assert_eq!(one.find_last_matching(&mut transport, 0, "ipc", STREAM, session + 1).unwrap(), None);

    // The end goes.
    drop(live);
    one.stop_all_replays(&mut transport, Some(id)).unwrap();
    one.truncate_recording(&mut transport, id, middle).unwrap();
    assert_eq!(one.max_recorded_position(&mut transport, id).unwrap(), middle);

    // A second one is deleted.
    drop(stream);
    let mut short = await_publication(&mut transport, "aeron:ipc", STREAM + 5).unwrap();
    one.start_recording(&mut transport, "aeron:ipc", STREAM + 5, SourceLocation::Local, true).unwrap();
    let counter = one.await_recording(&mut transport, short.session_id()).unwrap();
    publish(&mut transport, &mut *short, 0..3);
    one.await_recorded(&mut transport, &counter, short.position()).unwrap();
    let active = one.purge_recording(&mut transport, counter.recording_id).unwrap_err();
    assert!(matches!(active, ArchiveError::Answered { .. }), "{active}");
    drop(short);
    let stopped = |transport: &mut dyn Transport| {
        transport.work()?;
        Ok::<_, ArchiveError>(counter.position(transport.counters()).is_none().then_some(()))
    };
    wait_for(&mut transport, "end of a recording", LIMIT, stopped).unwrap();
    assert_eq!(one.purge_recording(&mut transport, counter.recording_id).unwrap(), 1);
    assert_eq!(one.list_recording(&mut transport, counter.recording_id).unwrap(), None);
    let unknown = one.start_position(&mut transport, counter.recording_id).unwrap_err();
    assert!(matches!(unknown, ArchiveError::NoRecording { .. }), "{unknown}");

    // One is recorded while the archive is killed.
    let mut open = await_publication(&mut transport, "aeron:ipc", STREAM + 6).unwrap();
    one.start_recording(&mut transport, "aeron:ipc", STREAM + 6, SourceLocation::Local, true).unwrap();
    let counter = one.await_recording(&mut transport, open.session_id()).unwrap();
    publish(&mut transport, &mut *open, 0..150);
    let end = open.position();
    one.await_recorded(&mut transport, &counter, end).unwrap();
    other.close(&mut transport);
    java.kill();
    let files = dirs.data().join("archive");
    let (read, position, how) = read_files(&files, counter.recording_id);
    assert_eq!((read.len(), position, how), (150, end, RecordingEnd::Unclean));
    assert!((0..150).all(|number| read[number] == message(number)));
    let (read, position, how) = read_files(&files, id);
    assert_eq!((position, how), (middle, RecordingEnd::Complete));
    let skipped = 320 - read.len();
    assert!(read.len() > 100 && (0..read.len()).all(|number| read[number] == message(skipped + number)));
}

/// A member of a cluster of one, with a service of Aeron's samples in a process of its own.
fn member(dirs: &Dirs) -> (Java, Java) {
    let ports = java::free_ports(4);
    let mut properties = archive_properties(dirs, &ports);
    let cluster_dir = ("aeron.cluster.dir", dirs.data().join("cluster").display().to_string());
    let [archive, ingress, consensus, log] = ports[..] else { panic!("four ports") };
    let own = format!("127.0.0.1:{ingress},127.0.0.1:{consensus},127.0.0.1:{log},127.0.0.1:0,127.0.0.1:{archive}");
    properties.extend([
        cluster_dir.clone(),
        ("aeron.cluster.member.id", "0".into()),
        ("aeron.cluster.members", format!("0,{own}")),
        ("aeron.cluster.appointed.leader.id", "0".into()),
        ("aeron.cluster.ingress.channel", "aeron:udp".into()),
        ("aeron.cluster.log.channel", "aeron:udp?term-length=64k".into()),
        ("aeron.cluster.replication.channel", "aeron:udp?endpoint=127.0.0.1:0".into()),
    ]);
    let member = Java::start(dirs.data(), "member", "io.aeron.cluster.ClusteredMediaDriver", &properties, &[]);
    let service = [
        ("aeron.dir", dirs.aeron("member").display().to_string()),
        cluster_dir,
        ("aeron.cluster.service.class.name", "io.aeron.samples.cluster.tutorial.BasicAuctionClusteredService".into()),
        ("aeron.archive.control.channel", "aeron:ipc?term-length=64k".into()),
        ("aeron.archive.control.response.channel", "aeron:ipc?term-length=64k".into()),
        ("aeron.driver.timeout", "60000".into()),
    ];
    let class = "io.aeron.cluster.service.ClusteredServiceContainer";
    (member, Java::start(dirs.data(), "service", class, &service, &[]))
}

#[test]
fn a_members_log_is_followed_to_its_commit_position_and_is_the_same_in_its_files() {
    let dirs = Dirs::new("member-log");
    let (mut java, service) = member(&dirs);
    let mut transport = transport(&dirs, &java);
    let logs = |java: &Java| format!("{}\n{}", java.log(), service.log());
    let neutral = |transport: &mut dyn Transport| {
        let toggle = ControlToggle::find(transport.counters(), 0).ok();
        Ok::<_, ToggleError>(toggle.filter(|toggle| toggle.value(transport.counters()).ok() == Some(Toggle::Neutral)))
    };
    let toggle =
        wait_for(&mut transport, "leader", LIMIT, neutral).unwrap_or_else(|error| panic!("{error}\n{}", logs(&java)));
    let mut archive = connect(&mut transport, "follows", &java);

    let log = archive.list_recordings_for_uri(&mut transport, 0, 10, "alias=log", 100).unwrap().pop().unwrap();
    let commit = of_cluster(transport.counters(), COMMIT_POSITION, 0).unwrap();
    let id = log.recording_id;
    let counter = RecordingCounter::find_by_recording(transport.counters(), id, archive.archive_id()).unwrap();
    let replay = archive
        .bounded_replay(&mut transport, id, None, ReplayExtent::All, commit.id, "aeron:ipc", REPLAY_STREAM)
        .unwrap();
    let mut live = ReplayStream::open(&mut transport, &mut archive, replay).unwrap();
    let (mut entries, mut bytes) = (Vec::new(), Vec::new());
    let mut next = |transport: &mut AeronTransport, archive: &mut ArchiveClient| {
        let position = live.next(transport, archive, &mut bytes).unwrap().expect("the log goes on");
        assert!(position <= transport.counters().value(commit.id));
        assert!(position <= counter.position(transport.counters()).unwrap());
        entries.push((bytes.clone(), position));
        position
    };
    next(&mut transport, &mut archive);
    assert_eq!(toggle.snapshot(&mut transport, LIMIT).unwrap(), 1);
    let snapshot = next(&mut transport, &mut archive);
    toggle.suspend(&mut transport, LIMIT).unwrap();
    next(&mut transport, &mut archive);
    assert!(matches!(toggle.snapshot(&mut transport, LIMIT), Err(ToggleError::Suspended)));
    toggle.resume(&mut transport, LIMIT).unwrap();
    next(&mut transport, &mut archive);
    assert_eq!(toggle.snapshot(&mut transport, LIMIT).unwrap(), 2);
    let second = next(&mut transport, &mut archive);
    let recordings = archive.list_recordings(&mut transport, 0, 100).unwrap();
    assert_eq!(recordings.len(), 5, "the log, and two parts of each snapshot");

    toggle.request(transport.counters(), ControlRequest::Shutdown).unwrap();
    let last = next(&mut transport, &mut archive);
    toggle.await_end(&mut transport, LIMIT).unwrap_or_else(|error| panic!("{error}\n{}", logs(&java)));
    let begun = transport.now();
    while java.is_running() && transport.now() - begun < LIMIT {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!java.is_running(), "{}", logs(&java));

    let cluster: PathBuf = dirs.data().join("cluster");
    let index = RecordingLog::read(&cluster).unwrap();
    assert_eq!((index.log_recording_id(), index.committed_position()), (Some(id), last));
    let newest = index.latest_snapshot(1).unwrap();
    assert_eq!(newest.log_position, last);
    for position in [snapshot, second] {
        assert!(index.entries.iter().any(|entry| entry.service_id == 0 && entry.log_position == Some(position)));
    }
    let (read, end, how) = read_files(&dirs.data().join("archive"), id);
    assert_eq!((end, how), (last, RecordingEnd::Complete));
    assert_eq!(read, entries.iter().map(|(bytes, _)| bytes.clone()).collect::<Vec<_>>());
    assert!(matches!(LogMessage::decode(&read[0]), Ok(Some(LogMessage::NewTerm { .. }))));
}
