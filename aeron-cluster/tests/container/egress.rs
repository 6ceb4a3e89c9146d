//! What clients hear.

use aeron_cluster::transport::OfferError;

use crate::rig::{FOLLOWER, LEADER, Rig};
use crate::wire::{new_term, session_close, session_message, session_open};

#[test]
fn the_leader_answers_with_the_term_and_time_of_the_entry() {
    let mut rig = Rig::joined(LEADER);
    let client = rig.client("a");
    rig.apply(&[new_term(4, 10, 1), session_open(7, 11, &client), session_message(7, 12, b"send 7 hello")]);
    assert_eq!(rig.heard_by(&client), [(4, 7, 12, b"echo hello".to_vec())]);
    rig.apply(&[session_message(7, 13, b"send-parts 7")]);
    assert_eq!(rig.heard_by(&client), [(4, 7, 13, b"abcdefghijklmnopqrstuvwxyz".to_vec())]);
}

#[test]
fn what_was_held_back_is_sent_between_entries() {
    let mut rig = Rig::joined(LEADER);
    let client = rig.client("a");
    rig.apply(&[new_term(4, 10, 1), session_open(7, 11, &client)]);
    rig.notes.borrow_mut().held_back = Some((7, b"later".to_vec()));
    rig.settle();
    assert_eq!(rig.heard_by(&client), [(4, 7, 11, b"later".to_vec())]);
}

#[test]
fn a_follower_computes_the_same_and_sends_nothing() {
    let mut rig = Rig::joined(FOLLOWER);
    let client = rig.client("a");
    rig.apply(&[session_open(7, 1, &client), session_message(7, 2, b"send 7 hello")]);
    assert_eq!(rig.calls().last().unwrap(), "message 7 at 2 of 12 NotLeader @224");
    assert_eq!(rig.streams_to(&client), 0);
}

#[test]
fn who_becomes_leader_answers_the_sessions_that_are_open() {
    let mut rig = Rig::joined(FOLLOWER);
    let (stays, leaves) = (rig.client("a"), rig.client("b"));
    rig.apply(&[session_open(7, 1, &stays), session_open(8, 1, &leaves), session_close(8, 2, 0)]);
    let position = rig.log_end();
    rig.end_log();
    rig.settle();
    let join = rig.new_log(LEADER, position);
    rig.say(&join.bytes());
    rig.settle();
    assert_eq!((rig.streams_to(&stays), rig.streams_to(&leaves)), (1, 0));
    rig.apply(&[session_message(7, 3, b"send 7 hello"), session_message(7, 3, b"send 8 hello")]);
    assert_eq!(rig.heard_by(&stays), [(-1, 7, 3, b"echo hello".to_vec())]);
    assert!(rig.calls().last().unwrap().contains("NoSession"));
}

#[test]
fn who_leads_no_more_gives_up_its_streams_to_clients() {
    let mut rig = Rig::joined(LEADER);
    let client = rig.client("a");
    rig.apply(&[session_open(7, 1, &client)]);
    assert_eq!(rig.streams_to(&client), 1);
    rig.end_log();
    rig.settle();
    assert_eq!(rig.streams_to(&client), 0);
}

#[test]
fn a_leader_that_starts_does_not_answer_sessions_that_are_about_to_be_closed() {
    let mut rig = Rig::joined(FOLLOWER);
    let client = rig.client("a");
    rig.apply(&[session_open(7, 1, &client)]);
    let position = rig.log_end();
    rig.end_log();
    rig.settle();
    let mut join = rig.new_log(LEADER, position);
    join.is_startup = true;
    rig.say(&join.bytes());
    rig.settle();
    rig.apply(&[session_message(7, 3, b"send 7 hello")]);
    assert_eq!(rig.streams_to(&client), 0);
    assert!(rig.calls().last().unwrap().contains("Refused(NotConnected)"));
    // A session that opens from now on is one that is heard.
    let other = rig.client("b");
    rig.apply(&[session_open(8, 4, &other), session_message(8, 5, b"send 8 hello")]);
    assert_eq!(rig.heard_by(&other).len(), 1);
}

#[test]
fn a_client_that_cannot_be_reached_costs_nobody_else_anything() {
    let mut rig = Rig::joined(LEADER);
    rig.driver.refuse("nowhere");
    let client = rig.client("a");
    rig.apply(&[
        session_open(7, 1, "aeron:udp?endpoint=nowhere:1"),
        session_open(8, 1, &client),
        session_message(7, 2, b"send 7 hello"),
        session_message(8, 2, b"send 8 hello"),
    ]);
    let calls = rig.calls();
    assert!(calls[calls.len() - 2].contains("Refused(NotConnected)"), "{calls:?}");
    assert_eq!(rig.heard_by(&client), [(-1, 8, 2, b"echo hello".to_vec())]);
}

#[test]
fn a_client_that_does_not_read_is_not_waited_for() {
    let mut rig = Rig::joined(LEADER);
    let client = rig.client("a");
    rig.apply(&[session_open(7, 1, &client)]);
    rig.driver.fail_offers(102, &[OfferError::BackPressured]);
    rig.apply(&[session_message(7, 2, b"send 7 lost"), session_message(7, 3, b"send 7 heard")]);
    assert_eq!(rig.heard_by(&client), [(-1, 7, 3, b"echo heard".to_vec())]);
    assert!(rig.calls().iter().any(|call| call.contains("Refused(BackPressured)")));
}
