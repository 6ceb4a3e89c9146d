//! Logs that follow each other.

use aeron_cluster::service::ContainerError;

use crate::rig::{FOLLOWER, LEADER, Rig, ack};
use crate::wire::{request_ack, session_message};

#[test]
fn a_log_that_is_named_while_another_is_open_is_joined_where_that_one_ends() {
    let mut rig = Rig::joined(FOLLOWER);
    let end = rig.append(&session_message(7, 1, b"of the first log"));
    rig.append(&session_message(7, 2, b"after its end: not this member's history"));
    let join = rig.new_log(FOLLOWER, end);
    rig.say(&join.bytes());
    rig.step();
    // Nothing is agreed yet: the first log has to be drained before.
    assert_eq!(rig.heard(), []);
    rig.commit_to(i64::MAX);
    rig.settle();
    assert_eq!(rig.heard(), [ack(1 + 1, end, 1, -1)]);
    rig.append(&session_message(7, 3, b"of the second log"));
    rig.settle();
    assert_eq!(rig.notes().state, [&b"of the first log"[..], b"of the second log"]);
}

#[test]
fn a_replay_ends_at_its_position_and_the_live_log_goes_on_from_there() {
    let mut rig = Rig::started();
    let mut replay = rig.new_log(FOLLOWER, 0);
    let end = 96;
    replay.position_max = end;
    rig.say(&replay.bytes());
    rig.step();
    rig.append(&session_message(7, 1, b"history"));
    rig.commit_to(end);
    rig.settle();
    let live = rig.new_log(LEADER, end);
    rig.say(&live.bytes());
    rig.settle();
    rig.apply(&[session_message(7, 2, b"present")]);
    assert_eq!(rig.heard(), [ack(1, 0, 0, -1), ack(2, end, 1, -1)]);
    assert_eq!(rig.notes().state, [&b"history"[..], b"present"]);
}

#[test]
fn a_log_that_is_cut_is_left_where_it_was_read_to() {
    let mut rig = Rig::joined(LEADER);
    rig.apply(&[session_message(7, 1, b"applied")]);
    let position = rig.log_end();
    rig.driver.cut(rig.log_session());
    rig.step();
    assert_eq!(rig.calls()[1..], ["role Leader", "message 7 at 1 of 7 @96", "role Follower"]);
    let join = rig.new_log(FOLLOWER, position);
    rig.say(&join.bytes());
    rig.settle();
    assert_eq!(rig.heard(), [ack(2, position, 1, -1)]);
}

/// What becomes of a container that has applied up to `applied`, and is to join this log.
fn refuses(named: i64, begins: i64) -> ContainerError {
    let mut rig = Rig::joined(FOLLOWER);
    rig.apply(&[session_message(7, 1, b"applied")]);
    rig.end_log();
    rig.step();
    let mut join = rig.new_log(FOLLOWER, begins);
    join.position = named;
    rig.say(&join.bytes());
    let error = rig.try_step().unwrap_err();
    assert_eq!(rig.heard(), []);
    error
}

#[test]
fn a_log_that_does_not_begin_where_the_state_ends_is_fatal() {
    for (named, begins) in [(64, 64), (128, 128), (96, 128)] {
        let error = refuses(named, begins);
        assert!(matches!(error, ContainerError::NotContiguous { expected: 96, .. }), "{error}");
    }
}

#[test]
fn roles_are_told_when_they_change() {
    let mut rig = Rig::joined(FOLLOWER);
    for role in [LEADER, LEADER, FOLLOWER] {
        rig.end_log();
        rig.step();
        let join = rig.new_log(role, 0);
        rig.say(&join.bytes());
        rig.settle();
    }
    assert_eq!(
        rig.calls()[1..],
        ["role Leader", "role Follower", "role Leader", "role Follower"],
        "between two logs, nobody leads"
    );
}

#[test]
fn an_acknowledgement_that_is_asked_for_is_given_once_at_its_position() {
    let mut rig = Rig::joined(FOLLOWER);
    let end = rig.append(&session_message(7, 9, b"up to here"));
    rig.say(&request_ack(end));
    rig.settle();
    assert_eq!(rig.heard(), []);
    rig.commit_to(end);
    rig.settle();
    rig.settle();
    assert_eq!(rig.heard(), [ack(2, end, 9, -1)]);
}
