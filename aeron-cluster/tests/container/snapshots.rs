//! Snapshots, taken and loaded.

use std::time::Duration;

use aeron_cluster::archive::{ArchiveError, ErrorCode};
use aeron_cluster::service::ContainerError;
use aeron_cluster::transport::Transport;

use crate::rig::{FOLLOWER, Recovery, Rig, ack};
use crate::store::Mood;
use crate::wire::{SNAPSHOT, Wire, action, new_term, session_message, session_open};

/// Two sessions that opened out of order, some state, and a snapshot at 1 000.
fn history() -> Vec<Vec<u8>> {
    vec![
        new_term(4, 10, 1),
        session_open(9, 11, "aeron:udp?endpoint=nobody:9"),
        session_open(7, 12, "aeron:udp?endpoint=nobody:7"),
        session_message(7, 13, b"one"),
        session_message(9, 14, &[3; 50_000]),
        action(15, SNAPSHOT, 0),
    ]
}

#[test]
fn a_snapshot_that_was_taken_loads_as_the_same_state_and_sessions() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.apply(&history());
    let position = rig.log_end();
    assert_eq!(rig.heard(), [ack(2, position, 15, 0)]);
    let state = rig.notes().state.clone();
    assert_eq!(state.len(), 2);
    let from = Recovery { term: 4, position, time: 15, recordings: &[0] };
    let mut rig = rig.restarted(from);
    rig.container.start().unwrap();
    let client_id = rig.client_id;
    assert_eq!(rig.heard(), [ack(0, position, 15, client_id)]);
    assert_eq!(rig.notes().state, state);
    assert_eq!(rig.calls(), [format!("start sessions [7, 9] time 15 @{position}")]);
    let join = rig.new_log(FOLLOWER, position);
    rig.say(&join.bytes());
    rig.settle();
    rig.apply(&[session_message(9, 16, b"after"), action(17, SNAPSHOT, 0)]);
    assert_eq!(rig.notes().state.len(), 3);
    // What is snapshotted again is what was, and the new entry.
    let recordings = rig.archive.borrow().recordings.clone();
    let (first, second) = (&recordings[0], &recordings[1]);
    assert_eq!(first[1..3], second[1..3], "sessions");
    assert_eq!(first[4..6], second[4..6], "state");
    assert_eq!(second[6], b"after");
}

#[test]
fn the_containers_part_of_a_snapshot_is_the_one_that_stock_services_write() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.apply(&history());
    let marker = |mark| {
        let position = rig.log_end();
        Wire::new(100).i64(2).i64(position).i64(4).i32(0).i32(mark).i32(2).i32(1).bytes()
    };
    let session = |id: i64| {
        let fixed = Wire::new(102).i64(id).i32(102);
        fixed.text(&format!("aeron:udp?endpoint=nobody:{id}")).text("somebody").bytes()
    };
    assert_eq!(rig.archive.borrow().recordings[0][..4], [marker(0), session(7), session(9), marker(2)]);
}

#[test]
fn a_snapshot_is_acknowledged_when_the_archive_has_written_it() {
    let mut rig = Rig::joined(FOLLOWER);
    let slow = Duration::from_secs(3);
    rig.archive.borrow_mut().mood = Mood::WritesAfter(slow);
    let before = rig.driver.client().now();
    rig.apply(&history());
    assert_eq!(rig.heard(), [ack(2, rig.log_end(), 15, 0)]);
    assert!(rig.driver.client().now() - before >= slow);
}

#[test]
fn entries_after_a_snapshots_are_not_in_it() {
    let mut rig = Rig::joined(FOLLOWER);
    let mut entries = history();
    entries.push(session_message(7, 16, b"after"));
    rig.apply(&entries);
    rig.settle();
    let recordings = rig.archive.borrow().recordings.clone();
    assert!(!recordings[0].contains(&b"after".to_vec()));
    assert_eq!(rig.notes().state.last().unwrap(), b"after");
}

/// What a member does that cannot take its snapshot: it says so, and goes on.
fn check_failed(mut rig: Rig) {
    rig.apply(&history());
    let position = rig.log_end();
    assert_eq!(rig.heard(), [ack(2, position, 15, -1)]);
    rig.apply(&[session_message(7, 16, b"after")]);
    rig.settle();
    assert_eq!(rig.notes().state.last().unwrap(), b"after");
    // The next one may succeed.
    rig.archive.borrow_mut().mood = Mood::Good;
    rig.notes.borrow_mut().fails_to_snapshot = false;
    rig.apply(&[action(17, SNAPSHOT, 0)]);
    let recording_id = rig.archive.borrow().recordings.len() as i64 - 1;
    assert_eq!(rig.heard(), [ack(3, rig.log_end(), 17, recording_id)]);
}

#[test]
fn a_snapshot_that_fails_is_acknowledged_as_failed_and_the_log_goes_on() {
    let rig = Rig::joined(FOLLOWER);
    rig.notes.borrow_mut().fails_to_snapshot = true;
    check_failed(rig);
    for mood in [Mood::Refuses(8), Mood::StopsAfter(3), Mood::Stalls] {
        let rig = Rig::joined(FOLLOWER);
        rig.archive.borrow_mut().mood = mood;
        check_failed(rig);
    }
}

#[test]
fn an_archive_without_space_ends_the_member() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.archive.borrow_mut().mood = Mood::Refuses(11);
    for entry in history() {
        rig.append(&entry);
    }
    rig.commit_to(rig.log_end());
    let error = rig.try_step().unwrap_err();
    let no_space =
        matches!(error, ContainerError::Archive(ArchiveError::Answered { code: ErrorCode::StorageSpace, .. }));
    assert!(no_space, "{error}");
}

#[test]
fn a_snapshot_for_standby_members_is_taken_by_those_alone_and_otherwise_not_acknowledged() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.apply(&[action(1, SNAPSHOT, 1), session_message(7, 2, b"after")]);
    assert_eq!(rig.heard(), []);
    assert_eq!(rig.notes().state, [b"after"]);
    let mut standby = Rig::started();
    let mut join = standby.new_log(FOLLOWER, 0);
    join.is_standby = true;
    standby.say(&join.bytes());
    standby.step();
    standby.apply(&[action(1, SNAPSHOT, 1)]);
    assert_eq!(standby.heard(), [ack(1, 0, 0, -1), ack(2, standby.log_end(), 1, 0)]);
}

/// What becomes of a container that is to begin from this recording.
fn refuses(recording: Vec<Vec<u8>>, replay_failure: Option<&'static str>) -> ContainerError {
    let from = Recovery { term: 4, position: 640, time: 15, recordings: &[0] };
    let mut rig = Rig::recovering(from);
    rig.archive.borrow_mut().recordings.push(recording);
    rig.archive.borrow_mut().replay_failure = replay_failure;
    let error = rig.container.start().unwrap_err();
    assert_eq!(rig.heard(), [ack(0, 640, 15, -1)], "{error}");
    error
}

fn marker(type_id: i64, mark: i32, app_version: i32) -> Vec<u8> {
    Wire::new(100).i64(type_id).i64(640).i64(4).i32(0).i32(mark).i32(0).i32(app_version).bytes()
}

fn session(id: i64) -> Vec<u8> {
    Wire::new(102).i64(id).i32(102).text("aeron:ipc").text("").bytes()
}

#[test]
fn a_recording_that_is_no_snapshot_of_the_service_is_not_started_from() {
    let (begin, end) = (marker(2, 0, 1), marker(2, 2, 1));
    let not_snapshots = [
        vec![marker(1, 0, 1), end.clone()],
        vec![end.clone()],
        vec![session(7), end.clone()],
        vec![begin.clone(), begin.clone()],
        vec![begin.clone(), session(7)],
        vec![],
    ];
    for recording in not_snapshots {
        let error = refuses(recording, None);
        assert!(matches!(error, ContainerError::Snapshot { recording_id: 0, .. }), "{error}");
    }
    let twice = refuses(vec![begin.clone(), session(7), session(7), end.clone()], None);
    assert!(matches!(twice, ContainerError::SessionTwice { session_id: 7, .. }), "{twice}");
    let other = refuses(vec![marker(2, 0, 1 << 16), end.clone()], None);
    assert!(matches!(other, ContainerError::AppVersion { .. }), "{other}");
    let cut = refuses(vec![begin[..30].to_vec()], None);
    assert!(matches!(cut, ContainerError::Message { stream: "the snapshot", .. }), "{cut}");
    let early = refuses(vec![begin.clone(), end.clone(), b"state".to_vec()], None);
    assert!(matches!(early, ContainerError::Service(_)), "{early}");
}

#[test]
fn a_replay_that_the_archive_cannot_go_on_with_is_not_started_from() {
    let error = refuses(vec![marker(2, 0, 1)], Some("a damaged file"));
    assert!(matches!(error, ContainerError::Archive(_)), "{error}");
}
