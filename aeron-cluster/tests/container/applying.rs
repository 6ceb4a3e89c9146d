//! Entries of the log, and when they are applied.

use std::time::Duration;

use aeron_cluster::service::ContainerError;
use aeron_cluster::transport::{BEGIN_FLAG, END_FLAG};

use crate::rig::{FOLLOWER, LEADER, Rig};
use crate::wire::{SUSPEND, Wire, action, new_term, session_close, session_message, session_open, timer_event};

#[test]
fn entries_are_applied_in_order_with_the_position_where_they_end() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.apply(&[
        new_term(4, 100, 1),
        session_open(7, 101, "aeron:udp?endpoint=nobody:1"),
        session_message(7, 102, b"hello"),
        timer_event(55, 103),
        action(104, SUSPEND, 0),
        session_close(7, 105, 2),
    ]);
    assert_eq!(
        rig.calls(),
        [
            "start sessions [] time 0 @0",
            "term 4 from 640 of 2 in Nanos @96",
            "open 7 at 101 @224",
            "message 7 at 102 of 5 @320",
            "timer 55 at 103 @384",
            "close 7 at 105 Timeout @576",
        ]
    );
}

#[test]
fn nothing_is_applied_before_it_is_agreed() {
    let mut rig = Rig::joined(FOLLOWER);
    let first = rig.append(&session_message(7, 1, b"first"));
    rig.append(&session_message(7, 2, b"second"));
    rig.step();
    assert_eq!(rig.notes().state, [b""; 0]);
    rig.commit_to(first);
    rig.settle();
    assert_eq!(rig.notes().state, [b"first"]);
    rig.commit_to(rig.log_end());
    rig.settle();
    assert_eq!(rig.notes().state, [&b"first"[..], b"second"]);
}

#[test]
fn a_service_that_takes_its_time_does_not_keep_the_driver_waiting() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.notes.borrow_mut().slowness = Some((rig.driver.clone(), Duration::from_millis(40)));
    for number in 0..20 {
        rig.append(&session_message(7, number, b"long"));
    }
    rig.commit_to(rig.log_end());
    for cycle in 1..=10 {
        rig.step();
        assert_eq!(rig.notes().state.len(), 2 * cycle, "the driver hears of us between");
    }
}

#[test]
fn a_message_of_many_fragments_is_applied_once_and_whole() {
    let mut rig = Rig::joined(FOLLOWER);
    // 146 fragments: three polls.
    let long: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    let end = rig.append(&session_message(7, 1, &long));
    rig.append(&session_message(7, 2, b"after"));
    // A follower's commit position may be inside a message.
    rig.commit_to(end / 2);
    rig.settle();
    assert!(rig.notes().state.is_empty());
    rig.commit_to(rig.log_end());
    rig.settle();
    assert_eq!(rig.notes().state, [long, b"after".to_vec()]);
}

#[test]
fn a_message_whose_rest_comes_in_the_next_log_is_applied_too() {
    let mut rig = Rig::joined(FOLLOWER);
    let message = session_message(7, 1, b"begun in one term and ended in the next");
    let (begin, end) = message.split_at(40);
    rig.driver.append_frame(rig.log_session(), begin, BEGIN_FLAG);
    rig.commit_to(rig.log_end());
    rig.settle();
    rig.end_log();
    rig.step();
    let position = 96;
    let join = rig.new_log(FOLLOWER, position);
    rig.say(&join.bytes());
    rig.step();
    rig.driver.append_frame(rig.log_session(), end, END_FLAG);
    rig.commit_to(rig.log_end());
    rig.settle();
    assert_eq!(rig.notes().state, [b"begun in one term and ended in the next"]);
}

#[test]
fn a_message_that_its_leader_did_not_finish_is_no_message() {
    let mut rig = Rig::joined(FOLLOWER);
    let message = session_message(7, 1, b"cut off when its leader fell");
    rig.driver.append_frame(rig.log_session(), &message[..40], BEGIN_FLAG);
    rig.apply(&[session_message(7, 2, b"the next leader's")]);
    assert_eq!(rig.notes().state, [b"the next leader's"]);
}

#[test]
fn entries_of_an_unknown_kind_are_passed_over() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.apply(&[
        Wire::new(25).i64(1).i64(2).bytes(),
        Wire::new(999).text("of a later version").bytes(),
        session_message(7, 1, b"known"),
    ]);
    assert_eq!(rig.notes().state, [b"known"]);
    rig.say(&Wire::new(43).i64(1).i32(0).bytes());
    rig.settle();
}

/// What becomes of a container when the log has this entry.
fn fails(entry: Vec<u8>) -> ContainerError {
    let mut rig = Rig::joined(LEADER);
    rig.append(&entry);
    rig.append(&session_message(7, 1, b"never applied"));
    rig.commit_to(rig.log_end());
    let error = rig.try_step().unwrap_err();
    assert!(rig.notes().state.is_empty());
    error
}

#[test]
fn an_entry_of_another_schema_or_cut_off_ends_the_container() {
    let foreign = fails(Wire::new(1).of_schema(101).i64(1).i64(2).i64(3).bytes());
    assert!(matches!(foreign, ContainerError::Message { stream: "the log", position: 64, .. }), "{foreign}");
    let cut = fails(timer_event(1, 2)[..20].to_vec());
    assert!(matches!(cut, ContainerError::Message { stream: "the log", position: 64, .. }), "{cut}");
}

#[test]
fn another_major_version_of_the_application_ends_the_container() {
    let error = fails(new_term(1, 1, 1 << 16));
    assert!(matches!(error, ContainerError::AppVersion { ours: 1, found: 0x1_0000, .. }), "{error}");
    let mut rig = Rig::joined(FOLLOWER);
    rig.apply(&[new_term(1, 1, 0xff_ff)]);
    assert_eq!(rig.calls().last().unwrap(), "term 1 from 640 of 2 in Nanos @96");
}

#[test]
fn a_session_that_opens_twice_ends_the_container_and_one_that_closes_twice_does_not() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.apply(&[session_open(7, 1, "aeron:ipc"), session_close(7, 2, 0), session_close(7, 3, 0)]);
    assert_eq!(rig.calls()[1..], ["open 7 at 1 @128", "close 7 at 2 ClientAction @224"]);
    rig.append(&session_open(8, 4, "aeron:ipc"));
    rig.append(&session_open(8, 5, "aeron:ipc"));
    rig.commit_to(rig.log_end());
    let error = rig.try_step().unwrap_err();
    assert!(matches!(error, ContainerError::SessionTwice { session_id: 8, .. }), "{error}");
}

#[test]
fn a_control_message_of_another_schema_ends_the_container() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.say(&Wire::new(42).of_schema(112).i64(0).bytes());
    let error = rig.try_step().unwrap_err();
    assert!(matches!(error, ContainerError::Message { stream: "the consensus module's stream", .. }), "{error}");
}
