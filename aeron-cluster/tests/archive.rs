//! What a client of an archive makes of what the archive says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod scripted_archive;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use aeron_cluster::archive::{
    ArchiveClient, ArchiveConfig, ArchiveError, ErrorCode, Next, RecordingCounter, RecordingDescriptor, Replay,
    ReplayExtent, ReplayStream, SourceLocation,
};
use aeron_cluster::codec::archive::{ArchiveMessage, ClientMessage, Request, ResponseCode, Signal, encode_connect};
use aeron_cluster::counters::RECORDING_POSITION;
use aeron_cluster::transport::memory::{Driver, MemoryTransport};
use aeron_cluster::transport::{OfferError, Transport, TransportError, await_publication};
use scripted_archive::{ARCHIVE_ID, Archive, Script};

/// A client of an archive that follows `script`.
fn connect(driver: &Driver, script: impl Script + 'static) -> (MemoryTransport, ArchiveClient) {
    Archive::start(driver, script);
    let mut transport = driver.client();
    let client = ArchiveClient::connect(&mut transport, &ArchiveConfig::default()).unwrap();
    (transport, client)
}

fn descriptor(recording_id: i64) -> RecordingDescriptor {
    RecordingDescriptor {
        recording_id,
        start_timestamp: 1,
        stop_timestamp: -1,
        start_position: 64,
        stop_position: -1,
        initial_term_id: -9,
        segment_file_length: 1 << 20,
        term_buffer_length: 1 << 16,
        mtu_length: 1408,
        session_id: 7,
        stream_id: 100,
        stripped_channel: "aeron:ipc".into(),
        original_channel: "aeron:ipc?alias=log".into(),
        source_identity: "aeron:ipc".into(),
    }
}

// ---- sessions -------------------------------------------------------------------------------------------

#[test]
fn a_client_learns_which_archive_it_speaks_to() {
    let driver = Driver::new();
    let (_transport, client) = connect(&driver, |archive: &mut Archive, _: i64, request: &Request<'_>| {
        panic!("{request:?} was not asked for by {}", archive.control_session_id)
    });
    assert_eq!(client.archive_id(), ARCHIVE_ID);
}

#[test]
fn two_clients_of_one_archive_hear_only_their_own_answers() {
    let driver = Driver::new();
    Archive::start(&driver, |archive: &mut Archive, correlation_id: i64, request: &Request<'_>| {
        let Request::StartPosition { recording_id } = request else { panic!("{request:?}") };
        archive.ok(correlation_id, *recording_id * 32);
    });
    let mut transport = driver.client();
    let mut one = ArchiveClient::connect(&mut transport, &ArchiveConfig::default()).unwrap();
    let mut other = ArchiveClient::connect(&mut transport, &ArchiveConfig::default()).unwrap();
    assert_ne!(one.control_session_id(), other.control_session_id());
    for recording in 1..4 {
        assert_eq!(one.start_position(&mut transport, recording).unwrap(), recording * 32);
        assert_eq!(other.start_position(&mut transport, recording + 10).unwrap(), (recording + 10) * 32);
    }
}

#[test]
fn answers_that_are_repeated_or_others_are_not_taken_for_the_awaited_one() {
    let driver = Driver::new();
    let (mut transport, mut client) =
        connect(&driver, |archive: &mut Archive, correlation_id: i64, _: &Request<'_>| {
            let ours = archive.control_session_id;
            archive.respond(ours + 1, correlation_id, 1, ResponseCode::Ok, "");
            archive.respond(ours, correlation_id - 1, 2, ResponseCode::Ok, "");
            archive.say(&ArchiveMessage::Ping { control_session_id: ours });
            archive.ok(correlation_id, 3);
        });
    assert_eq!(client.max_recorded_position(&mut transport, 0).unwrap(), 3);
    client.poll(&mut transport).unwrap();
}

#[test]
fn a_challenge_is_answered_with_the_credentials() {
    let driver = Driver::new();
    let archive = Archive::new(&driver).challenging(b"who?");
    let seen = archive.connects();
    archive.run(|archive: &mut Archive, correlation_id: i64, request: &Request<'_>| {
        assert_eq!(*request, Request::ChallengeResponse { encoded_credentials: b"secret" });
        archive.ok(correlation_id, archive.control_session_id);
    });
    let mut transport = driver.client();
    let credentials = b"secret".to_vec();
    let config = ArchiveConfig { credentials, client_info: "a test".into(), ..ArchiveConfig::default() };
    let client = ArchiveClient::connect(&mut transport, &config).unwrap();
    assert_eq!(client.archive_id(), ARCHIVE_ID);
    let seen = seen.borrow();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].0.starts_with("aeron:ipc?term-length=64k|session-id="), "{seen:?}");
    assert_eq!(seen[0].1, "a test");
}

#[test]
fn a_refused_client_is_told_why() {
    let driver = Driver::new();
    Archive::new(&driver).refusing(10, "not you").run(|_: &mut Archive, _: i64, _: &Request<'_>| {});
    let mut transport = driver.client();
    let refused = ArchiveClient::connect(&mut transport, &ArchiveConfig::default()).err().unwrap();
    let ArchiveError::Answered { code: ErrorCode::AuthenticationRejected, message, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!(message, "not you");
    assert!(!refused.is_retryable());
}

#[test]
fn without_an_archive_connecting_ends_with_the_time_it_may_take() {
    let driver = Driver::new();
    let mut transport = driver.client();
    let begun = transport.now();
    let failed = ArchiveClient::connect(&mut transport, &ArchiveConfig::default()).err().unwrap();
    assert!(matches!(failed, ArchiveError::Transport(TransportError::Timeout { .. })), "{failed}");
    let took = transport.now() - begun;
    assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&took), "{took:?}");
}

#[test]
fn an_archive_that_goes_silent_is_a_timeout_and_one_that_goes_away_a_lost_session() {
    let driver = Driver::new();
    let (mut transport, mut client) = connect(&driver, |_: &mut Archive, _: i64, _: &Request<'_>| {});
    let silent = client.start_position(&mut transport, 1).unwrap_err();
    assert!(matches!(silent, ArchiveError::Transport(TransportError::Timeout { .. })), "{silent}");

    let driver = Driver::new();
    let (mut transport, mut client) = connect(&driver, |archive: &mut Archive, _: i64, _: &Request<'_>| archive.go());
    let gone = client.start_position(&mut transport, 1).unwrap_err();
    assert!(matches!(gone, ArchiveError::Disconnected { .. }), "{gone}");
    assert!(client.poll(&mut transport).is_err(), "it stays lost");
}

#[test]
fn a_request_waits_for_room() {
    let driver = Driver::new();
    let (mut transport, mut client) =
        connect(&driver, |archive: &mut Archive, correlation_id: i64, _: &Request<'_>| {
            archive.ok(correlation_id, 5);
        });
    driver.fail_offers(10, &[OfferError::BackPressured, OfferError::AdminAction, OfferError::BackPressured]);
    assert_eq!(client.start_position(&mut transport, 1).unwrap(), 5);
}

#[test]
fn a_session_that_is_closed_is_closed_at_the_archive() {
    let driver = Driver::new();
    let archive = Archive::new(&driver);
    let closed = archive.closed();
    archive.run(|_: &mut Archive, _: i64, _: &Request<'_>| {});
    let mut transport = driver.client();
    let client = ArchiveClient::connect(&mut transport, &ArchiveConfig::default()).unwrap();
    let session = client.control_session_id();
    client.close(&mut transport);
    transport.idle(0).unwrap();
    assert_eq!(*closed.borrow(), [session]);
}

// ---- recordings -----------------------------------------------------------------------------------------

/// Lists as an archive with recordings 0 to 4 does.
fn five_recordings(archive: &mut Archive, correlation_id: i64, request: &Request<'_>) {
    let (from, count) = match *request {
        Request::ListRecordings { from_recording_id, record_count } => (from_recording_id, i64::from(record_count)),
        Request::ListRecording { recording_id } => (recording_id, 1),
        Request::ListRecordingsForUri { from_recording_id, record_count, stream_id: 100, channel: "ipc" } => {
            (from_recording_id, i64::from(record_count))
        }
        _ => panic!("{request:?}"),
    };
    let last = (from + count).min(5);
    for recording in from..last {
        let control_session_id = archive.control_session_id;
        archive.say(&ArchiveMessage::Descriptor {
            control_session_id,
            correlation_id,
            descriptor: descriptor(recording),
        });
    }
    if last < from + count {
        archive.respond(archive.control_session_id, correlation_id, from, ResponseCode::RecordingUnknown, "");
    }
}

#[test]
fn a_listing_ends_with_its_count_or_with_the_last_recording() {
    let driver = Driver::new();
    let (mut transport, mut client) = connect(&driver, five_recordings);
    let ids = |found: Vec<RecordingDescriptor>| found.iter().map(|found| found.recording_id).collect::<Vec<_>>();
    assert_eq!(ids(client.list_recordings(&mut transport, 1, 3).unwrap()), [1, 2, 3]);
    assert_eq!(ids(client.list_recordings(&mut transport, 3, 100).unwrap()), [3, 4]);
    assert_eq!(ids(client.list_recordings(&mut transport, 0, 0).unwrap()), [0; 0]);
    assert_eq!(ids(client.list_recordings_for_uri(&mut transport, 2, 2, "ipc", 100).unwrap()), [2, 3]);
    assert_eq!(client.list_recording(&mut transport, 4).unwrap(), Some(descriptor(4)));
    assert_eq!(client.list_recording(&mut transport, 5).unwrap(), None);
    assert!(matches!(client.list_recordings(&mut transport, 0, i32::MAX), Err(ArchiveError::ListTooLong { .. })));
}

#[test]
fn an_unknown_recording_is_named_however_the_archive_says_it() {
    let driver = Driver::new();
    let (mut transport, mut client) =
        connect(&driver, |archive: &mut Archive, correlation_id: i64, request: &Request<'_>| {
            let session = archive.control_session_id;
            match request {
                Request::StopPosition { .. } => {
                    archive.respond(session, correlation_id, 5, ResponseCode::Error, "unknown recording: 8");
                }
                _ => archive.respond(session, correlation_id, 8, ResponseCode::RecordingUnknown, ""),
            }
        });
    for failed in [
        client.stop_position(&mut transport, 8).map(drop),
        client.recording_position(&mut transport, 8).map(drop),
        client.replay(&mut transport, 8, None, ReplayExtent::All, "aeron:ipc", 103).map(drop),
        client.purge_recording(&mut transport, 8).map(drop),
    ] {
        assert!(matches!(failed, Err(ArchiveError::NoRecording { recording_id: 8 })), "{failed:?}");
    }
}

#[test]
fn a_full_archive_says_so_and_whether_to_try_again() {
    let driver = Driver::new();
    let code = Rc::new(Cell::new(11));
    let answer = Rc::clone(&code);
    let (mut transport, mut client) =
        connect(&driver, move |archive: &mut Archive, correlation_id: i64, _: &Request<'_>| {
            archive.respond(archive.control_session_id, correlation_id, answer.get(), ResponseCode::Error, "no");
        });
    let mut start =
        || client.start_recording(&mut transport, "aeron:ipc", 106, SourceLocation::Local, true).unwrap_err();
    let full = start();
    assert!(matches!(full, ArchiveError::Answered { code: ErrorCode::StorageSpace, .. }), "{full}");
    assert!(!full.is_retryable());
    code.set(8);
    assert!(start().is_retryable());
    code.set(99);
    assert!(matches!(start(), ArchiveError::Answered { code: ErrorCode::Unknown(99), .. }));
}

#[test]
fn deleting_waits_until_it_is_done() {
    let driver = Driver::new();
    let pending = Rc::new(Cell::new(None));
    let asked = Rc::clone(&pending);
    let (mut transport, mut client) =
        connect(&driver, move |archive: &mut Archive, correlation_id: i64, request: &Request<'_>| match request {
            Request::PurgeRecording { recording_id: 3 } => {
                archive.ok(correlation_id, 2);
                // Another recording's end of deletion must not be taken for this one's.
                archive.signal(correlation_id, 4, Signal::Delete);
                archive.signal(correlation_id, 3, Signal::Stop);
                archive.later(Duration::from_secs(3), move |archive| archive.signal(correlation_id, 3, Signal::Delete));
                asked.set(Some(correlation_id));
            }
            Request::PurgeSegments { recording_id: 3, new_start_position: 4096 } => {
                // Nothing to delete: signalled before the answer is.
                archive.signal(correlation_id, 3, Signal::Delete);
                archive.ok(correlation_id, 0);
            }
            _ => panic!("{request:?}"),
        });
    let begun = transport.now();
    assert_eq!(client.purge_recording(&mut transport, 3).unwrap(), 2);
    assert!(pending.get().is_some());
    assert!(transport.now() - begun >= Duration::from_secs(3));
    assert_eq!(client.purge_segments(&mut transport, 3, 4096).unwrap(), 0);
}

#[test]
fn a_failure_that_comes_later_is_told_under_its_requests_number() {
    let driver = Driver::new();
    let (mut transport, mut client) =
        connect(&driver, |archive: &mut Archive, correlation_id: i64, request: &Request<'_>| {
            archive.ok(correlation_id, 77);
            if matches!(request, Request::Replay { .. }) {
                archive.respond(archive.control_session_id, correlation_id, 0, ResponseCode::Error, "disk");
            }
        });
    let replay = client.replay(&mut transport, 1, Some(64), ReplayExtent::Bytes(32), "aeron:ipc", 103).unwrap();
    assert_eq!(replay.replay_session_id, 77);
    assert_eq!(replay.channel, "aeron:ipc?session-id=77");
    // The failure does not get into the way of another request.
    assert_eq!(client.start_position(&mut transport, 1).unwrap(), 77);
    let failed = client.poll(&mut transport).unwrap_err();
    let ArchiveError::Answered { correlation_id, message, .. } = failed else { panic!("{failed}") };
    assert_eq!((correlation_id, message.as_str()), (replay.correlation_id, "disk"));
    client.poll(&mut transport).unwrap();
}

// ---- positions ------------------------------------------------------------------------------------------

fn recording_key(recording_id: i64, session_id: i32, source_identity: &str, archive_id: i64) -> Vec<u8> {
    let mut key = recording_id.to_le_bytes().to_vec();
    key.extend_from_slice(&session_id.to_le_bytes());
    key.extend_from_slice(&(source_identity.len() as i32).to_le_bytes());
    key.extend_from_slice(source_identity.as_bytes());
    key.extend_from_slice(&archive_id.to_le_bytes());
    key
}

#[test]
fn the_counter_of_a_recording_is_that_of_its_archive() {
    let driver = Driver::new();
    let (mut transport, mut client) = connect(&driver, |_: &mut Archive, _: i64, _: &Request<'_>| {});
    // The same stream is recorded by another archive, and another stream by this one.
    driver.allocate_counter(RECORDING_POSITION, &recording_key(1, 5, "aeron:ipc", ARCHIVE_ID + 1), "", 0);
    driver.allocate_counter(RECORDING_POSITION, &recording_key(2, 6, "", ARCHIVE_ID), "", 0);
    // A key that says that it is longer than it is.
    driver.allocate_counter(RECORDING_POSITION, &[5, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 255, 255, 255, 127], "", 0);
    let missing = client.await_recording(&mut transport, 5).unwrap_err();
    assert!(matches!(missing, ArchiveError::Transport(TransportError::Timeout { .. })), "{missing}");
    let id = driver.allocate_counter(RECORDING_POSITION, &recording_key(3, 5, "odd", ARCHIVE_ID), "", 96);
    let counter = client.await_recording(&mut transport, 5).unwrap();
    assert_eq!((counter.recording_id, counter.counter_id), (3, id));
    assert_eq!(RecordingCounter::find_by_recording(transport.counters(), 3, ARCHIVE_ID), Some(counter));
    assert_eq!(counter.position(transport.counters()), Some(96));
    driver.free_counter(id);
    assert_eq!(counter.position(transport.counters()), None);
}

/// A real driver shows a counter's record before it writes its registration id. Taken as it is then, the counter would be
/// another's a moment later, and a recording that has just begun would seem to have ended at 0.
#[test]
fn a_counter_is_found_when_it_is_registered_and_not_before() {
    let driver = Driver::new();
    let (mut transport, mut client) = connect(&driver, |_: &mut Archive, _: i64, _: &Request<'_>| {});
    let id = driver.show_counter(RECORDING_POSITION, &recording_key(3, 5, "aeron:ipc", ARCHIVE_ID), "", 0);
    let (peer, mut rounds) = (driver.clone(), 0);
    driver.add_peer(move || {
        rounds += 1;
        if rounds == 3 {
            peer.register_counter(id);
        }
    });
    let counter = client.await_recording(&mut transport, 5).unwrap();
    assert_eq!(counter.position(transport.counters()), Some(0), "it is still the same counter");
}

#[test]
fn waiting_for_a_recording_ends_when_it_does() {
    let driver = Driver::new();
    let (mut transport, mut client) = connect(&driver, |_: &mut Archive, _: i64, _: &Request<'_>| {});
    let id = driver.allocate_counter(RECORDING_POSITION, &recording_key(3, 5, "aeron:ipc", ARCHIVE_ID), "", 0);
    let counter = client.await_recording(&mut transport, 5).unwrap();
    let writer = driver.client();
    let mut rounds = 0;
    let (peer, is_dead) = (driver.clone(), Rc::new(Cell::new(false)));
    let stops = Rc::clone(&is_dead);
    driver.add_peer(move || {
        rounds += 1;
        writer.counters().set(id, rounds);
        if stops.get() {
            peer.free_counter(id);
        }
    });
    client.await_recorded(&mut transport, &counter, 100).unwrap();
    is_dead.set(true);
    let ended = client.await_recorded(&mut transport, &counter, 1_000_000).unwrap_err();
    assert!(matches!(ended, ArchiveError::RecordingEnded { recording_id: 3, wanted: 1_000_000, .. }), "{ended}");
}

// ---- replays --------------------------------------------------------------------------------------------

/// Answers a replay with `session`, and gives the client a stream of its own to play into.
fn replaying(driver: &Driver, session: i64) -> (MemoryTransport, ArchiveClient, Replay) {
    let (mut transport, mut client) =
        connect(driver, move |archive: &mut Archive, correlation_id: i64, _: &Request<'_>| {
            archive.ok(correlation_id, session);
        });
    let replay = client.replay(&mut transport, 1, None, ReplayExtent::All, "aeron:ipc", 103).unwrap();
    (transport, client, replay)
}

#[test]
fn a_replay_gives_whole_messages_in_order_and_then_its_end() {
    let driver = Driver::new();
    // Only the low 32 bits are the stream's session.
    let (mut transport, mut client, replay) = replaying(&driver, (9 << 32) | 0xffff_fff0);
    assert_eq!(replay.session_id(), -16);
    let sizes: [usize; 5] = [0, 1, 1_376, 5_000, 100_000];
    let message = |size: usize| (0..size).map(|at| (at * 31 + size) as u8).collect::<Vec<u8>>();
    let mut archive = driver.client();
    let mut unsent: Vec<_> = sizes.into_iter().rev().map(message).collect();
    let mut stream = None;
    driver.add_peer(move || {
        let playing = stream.get_or_insert_with(|| await_publication(&mut archive, "aeron:ipc?session-id=-16", 103));
        if let Ok(playing) = playing.as_mut()
            && playing.is_connected()
            && let Some(next) = unsent.pop()
        {
            playing.offer(&[&next]).unwrap();
        }
        if unsent.is_empty() {
            stream = Some(Err(TransportError::Stopped { what: "the end".into() }));
        }
    });
    let mut stream = ReplayStream::open(&mut transport, &mut client, replay).unwrap();
    let mut bytes = Vec::new();
    let mut last = 0;
    for size in sizes {
        let position = stream.next(&mut transport, &mut client, &mut bytes).unwrap().unwrap();
        assert_eq!(bytes, message(size));
        assert!(position > last);
        last = position;
    }
    assert_eq!(stream.next(&mut transport, &mut client, &mut bytes).unwrap(), None);
    assert_eq!(stream.position(), last);
}

#[test]
fn a_replay_that_fails_fails_its_reader_and_not_with_an_end() {
    let driver = Driver::new();
    let script = |archive: &mut Archive, correlation_id: i64, _: &Request<'_>| {
        archive.ok(correlation_id, 8);
        archive.later(Duration::from_secs(1), move |archive| {
            archive.respond(archive.control_session_id, correlation_id, 0, ResponseCode::Error, "checksum");
        });
    };
    let (mut transport, mut client) = connect(&driver, script);
    let mut archive = driver.client();
    let playing = Rc::new(RefCell::new(Some(await_publication(&mut archive, "aeron:ipc?session-id=8", 103).unwrap())));
    let replay = client.replay(&mut transport, 1, None, ReplayExtent::Now, "aeron:ipc", 103).unwrap();
    let mut stream = ReplayStream::open(&mut transport, &mut client, replay).unwrap();
    let mut bytes = Vec::new();
    assert_eq!(stream.poll(&mut client, &mut bytes).unwrap(), Next::Nothing);
    let failed = stream.next(&mut transport, &mut client, &mut bytes).unwrap_err();
    assert!(matches!(&failed, ArchiveError::Answered { message, .. } if message == "checksum"), "{failed}");
    drop(playing.take());
}

#[test]
fn a_replay_that_stands_still_is_a_timeout() {
    let driver = Driver::new();
    let (mut transport, mut client, replay) = replaying(&driver, 8);
    let mut archive = driver.client();
    let _playing = await_publication(&mut archive, "aeron:ipc?session-id=8", 103).unwrap();
    let mut stream = ReplayStream::open(&mut transport, &mut client, replay).unwrap();
    let stalled = stream.next(&mut transport, &mut client, &mut Vec::new()).unwrap_err();
    assert!(matches!(stalled, ArchiveError::Transport(TransportError::Timeout { .. })), "{stalled}");
}

// ---- bytes ----------------------------------------------------------------------------------------------

fn requests() -> Vec<Request<'static>> {
    let channel = "aeron:udp?endpoint=localhost:1";
    let recording_id = 0x0102_0304_0506_0708;
    vec![
        Request::ChallengeResponse { encoded_credentials: &[0, 255, 7] },
        Request::KeepAlive {},
        Request::ArchiveId {},
        Request::StartRecording { stream_id: 1, source_location: SourceLocation::Local, auto_stop: true, channel },
        Request::ExtendRecording {
            recording_id,
            stream_id: -2,
            source_location: SourceLocation::Remote,
            auto_stop: false,
            channel,
        },
        Request::StopRecording { stream_id: 3, channel },
        Request::StopRecordingSubscription { subscription_id: i64::MIN },
        Request::StopRecordingByIdentity { recording_id },
        Request::Replay { recording_id, position: -1, length: -2, replay_stream_id: 4, replay_channel: channel },
        Request::BoundedReplay {
            recording_id,
            position: 5,
            length: 6,
            limit_counter_id: 7,
            replay_stream_id: 8,
            replay_channel: "",
        },
        Request::StopReplay { replay_session_id: -9 },
        Request::StopAllReplays { recording_id: -1 },
        Request::ListRecordings { from_recording_id: 10, record_count: 11 },
        Request::ListRecordingsForUri { from_recording_id: 12, record_count: 13, stream_id: 14, channel },
        Request::ListRecording { recording_id },
        Request::FindLastMatching { min_recording_id: 15, session_id: -16, stream_id: 17, channel },
        Request::RecordingPosition { recording_id },
        Request::StartPosition { recording_id },
        Request::StopPosition { recording_id },
        Request::MaxRecordedPosition { recording_id },
        Request::TruncateRecording { recording_id, position: 18 },
        Request::DetachSegments { recording_id, new_start_position: 19 },
        Request::DeleteDetachedSegments { recording_id },
        Request::PurgeSegments { recording_id, new_start_position: 20 },
        Request::PurgeRecording { recording_id },
    ]
}

#[test]
fn every_request_reads_as_it_was_written() {
    for request in requests() {
        let mut bytes = Vec::new();
        request.encode(-21, 22, &mut bytes);
        let read = ClientMessage::decode(&bytes);
        assert_eq!(read, Ok(Some(ClientMessage::Request { control_session_id: -21, correlation_id: 22, request })));
    }
}

fn answers() -> Vec<ArchiveMessage<'static>> {
    let (control_session_id, correlation_id) = (-3, i64::MAX);
    vec![
        ArchiveMessage::Response {
            control_session_id,
            correlation_id,
            relevant_id: 5,
            code: ResponseCode::Error,
            error_message: "why",
        },
        ArchiveMessage::Challenge { control_session_id, correlation_id, encoded_challenge: &[1, 2, 255] },
        ArchiveMessage::Descriptor { control_session_id, correlation_id, descriptor: descriptor(12) },
        ArchiveMessage::Signal {
            control_session_id,
            correlation_id,
            recording_id: 1,
            subscription_id: 2,
            position: 3,
            signal: Signal::Delete,
        },
        ArchiveMessage::Ping { control_session_id },
    ]
}

#[test]
fn answers_read_as_they_were_written_and_no_cut_or_flipped_bit_makes_reading_them_panic() {
    for answer in answers() {
        let mut bytes = Vec::new();
        answer.encode(&mut bytes);
        assert_eq!(ArchiveMessage::decode(&bytes), Ok(Some(answer.clone())));
        for cut in 0..bytes.len() {
            // A cut at the end of a byte string is an older writer's message.
            let read = ArchiveMessage::decode(&bytes[..cut]);
            assert_ne!(read, Ok(Some(answer.clone())), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // What it reads as does not matter: it comes back.
            let _ = ArchiveMessage::decode(&damaged);
            let _ = ClientMessage::decode(&damaged);
        }
    }
}

#[test]
fn no_cut_or_flipped_bit_makes_reading_a_request_panic() {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for request in requests() {
        let mut bytes = Vec::new();
        request.encode(1, 2, &mut bytes);
        messages.push(bytes);
    }
    let mut connect = Vec::new();
    encode_connect(&mut connect, 1, 20, "aeron:ipc", b"secret", "who");
    messages.push(connect);
    for bytes in messages {
        for cut in 0..bytes.len() {
            let _ = ClientMessage::decode(&bytes[..cut]);
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let _ = ClientMessage::decode(&damaged);
        }
    }
}
