//! What goes to and fro in a session.

use std::time::Duration;

use aeron_cluster::client::{ClientState, CloseCause};
use aeron_cluster::codec::cluster::AdminCode;
use aeron_cluster::transport::OfferError;

use crate::member::{CLOSED, Event, Heard, admin_response, new_leader, session_message};
use crate::rig::{Rig, SESSION, Seen, TERM, config, opened};

const INGRESS_STREAM: i32 = 101;

fn message(payload: &[u8]) -> Heard {
    Heard::Message { term: TERM, session: SESSION, timestamp: 0, payload: payload.to_vec() }
}

#[test]
fn messages_of_all_lengths_arrive_whole_in_both_directions() {
    let mut rig = Rig::connected_to(0);
    for length in [0, 1, 1_343, 1_344, 1_345, 100_000, 1 << 20] {
        let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let (head, tail) = payload.split_at(length / 3);
        rig.client.offer(&[head, tail]).unwrap();
        assert_eq!(rig.members[0].heard(), [message(&payload)]);
        rig.members[0].service_says(&session_message(TERM, SESSION, 42, &payload));
        assert_eq!(rig.next().1, [Seen::Message { timestamp: 42, payload }]);
    }
}

#[test]
fn a_message_may_have_more_parts_than_are_kept_inline() {
    let mut rig = Rig::connected_to(0);
    for count in 0..12u8 {
        let bytes: Vec<u8> = (0..count).collect();
        let parts: Vec<&[u8]> = bytes.chunks(1).collect();
        rig.client.offer(&parts).unwrap();
        assert_eq!(rig.members[0].heard(), [message(&bytes)]);
    }
}

#[test]
fn what_is_said_to_other_sessions_is_not_heard() {
    let mut rig = Rig::connected_to(0);
    let other = SESSION + 1;
    rig.members[0].service_says(&session_message(TERM, other, 1, b"not yours"));
    rig.members[0].says(&new_leader(TERM + 1, other, 1, ""));
    rig.members[0].says(&admin_response(other, 1, 0, ""));
    rig.members[0].says(&Event { session: other, code: CLOSED, ..opened(0, 1) }.bytes());
    rig.run(20);
    assert_eq!(rig.seen(), []);
    assert_eq!(rig.client.state(), ClientState::Connected);
}

#[test]
fn bytes_that_are_no_message_change_nothing() {
    let mut rig = Rig::connected_to(0);
    let whole = Event { code: CLOSED, detail: "TIMEOUT", ..opened(0, 1) }.bytes();
    for cut in (0..whole.len()).filter(|cut| *cut != 8 + 44) {
        rig.members[0].says(&whole[..cut]);
    }
    // Events and admin responses begin with the session's number.
    for template in (0..200u16).filter(|template| ![2, 27].contains(template)) {
        let mut other = whole.clone();
        other[2..4].copy_from_slice(&template.to_le_bytes());
        rig.members[0].says(&other);
    }
    let mut archives = whole;
    archives[4] = 101;
    rig.members[0].says(&archives);
    rig.members[0].says(&new_leader(TERM, SESSION, 1, "\u{1}")[..30]);
    rig.run(200);
    assert_eq!(rig.seen(), []);
    assert_eq!(rig.client.state(), ClientState::Connected);
}

#[test]
fn a_sign_of_life_is_sent_each_interval_while_nothing_else_is() {
    let mut rig = Rig::connected_to(0);
    rig.run_for(Duration::from_millis(10_500));
    let heard = rig.members[0].heard();
    assert_eq!(heard, vec![Heard::KeepAlive { term: TERM, session: SESSION }; 10]);
    for _ in 0..20 {
        rig.client.offer(&[b"alive"]).unwrap();
        rig.run_for(Duration::from_millis(500));
    }
    assert_eq!(rig.members[0].heard(), vec![message(b"alive"); 20]);
}

#[test]
fn signs_of_life_go_out_while_messages_come_in_without_end() {
    let mut rig = Rig::connected_to(0);
    for _ in 0..300 {
        for _ in 0..100 {
            rig.members[0].service_says(&session_message(TERM, SESSION, 1, b"more"));
        }
        assert!(rig.poll() > 0);
        rig.driver.advance(Duration::from_millis(10));
    }
    let alive = rig.members[0].heard().len();
    assert!((2..=3).contains(&alive), "{alive} signs of life in 3 s");
}

#[test]
fn a_sign_of_life_that_was_not_taken_is_tried_again() {
    let mut rig = Rig::connected_to(0);
    rig.run_for(config().keep_alive_interval - Duration::from_millis(50));
    rig.driver.fail_offers(INGRESS_STREAM, &[OfferError::BackPressured; 3]);
    rig.run_for(Duration::from_millis(100));
    assert_eq!(rig.members[0].heard(), [Heard::KeepAlive { term: TERM, session: SESSION }]);
    assert_eq!(rig.seen(), []);
}

#[test]
fn back_pressure_is_the_callers_to_handle() {
    let mut rig = Rig::connected_to(0);
    rig.driver.fail_offers(INGRESS_STREAM, &[OfferError::BackPressured, OfferError::AdminAction]);
    assert_eq!(rig.client.offer(&[b"a"]), Err(OfferError::BackPressured));
    assert_eq!(rig.client.offer(&[b"a"]), Err(OfferError::AdminAction));
    assert!(rig.client.is_connected());
    rig.driver.set_window(INGRESS_STREAM, 4_096);
    let taken = (0..1_000).take_while(|_| rig.client.offer(&[&[0; 1_000]]).is_ok()).count();
    assert!((1..10).contains(&taken), "{taken}");
    assert_eq!(rig.client.offer(&[b"a"]), Err(OfferError::BackPressured));
    assert_eq!(rig.members[0].heard().len(), taken);
    assert!(rig.client.offer(&[b"a"]).is_ok());
}

#[test]
fn the_longest_message_is_taken_and_a_longer_one_refused_in_the_callers_terms() {
    let mut rig = Rig::connected_to(0);
    let max = rig.client.max_message_length();
    let longest = vec![7; max];
    assert!(rig.client.offer(&[&longest]).is_ok());
    assert_eq!(rig.client.offer(&[&longest, b"1"]), Err(OfferError::TooLong { length: max + 1, max }));
    assert!(rig.client.is_connected());
}

#[test]
fn a_stream_at_its_last_position_closes_the_client() {
    let mut rig = Rig::connected_to(0);
    rig.driver.fail_offers(INGRESS_STREAM, &[OfferError::MaxPosition]);
    assert_eq!(rig.client.offer(&[b"a"]), Err(OfferError::MaxPosition));
    assert_eq!(rig.client.offer(&[b"a"]), Err(OfferError::Closed));
    assert_eq!(rig.next().1, [Seen::Closed(CloseCause::MaxPosition)]);
}

#[test]
fn a_snapshot_is_asked_for_and_the_answer_told() {
    let mut rig = Rig::connected_to(0);
    let correlation = rig.client.request_snapshot(&mut rig.transport).unwrap();
    assert_eq!(rig.members[0].heard(), [Heard::Admin { term: TERM, session: SESSION, correlation, kind: 0 }]);
    for (code, verdict) in [(0, AdminCode::Ok), (1, AdminCode::Error), (2, AdminCode::Unauthorised)] {
        rig.members[0].says(&admin_response(SESSION, correlation, code, "as you say"));
        let message = "as you say".to_owned();
        assert_eq!(rig.next().1, [Seen::Admin { correlation, code: verdict, message }]);
    }
    rig.driver.fail_offers(INGRESS_STREAM, &[OfferError::BackPressured]);
    assert_eq!(rig.client.request_snapshot(&mut rig.transport), None);
}

#[test]
fn closing_says_goodbye_once_and_gives_all_streams_up() {
    let mut rig = Rig::connected_to(0);
    assert!(rig.members[0].has_listener());
    rig.client.close();
    rig.client.close();
    assert_eq!(rig.client.state(), ClientState::Closing);
    assert_eq!(rig.client.offer(&[b"a"]), Err(OfferError::Closed));
    assert_eq!(rig.next().1, [Seen::Closed(CloseCause::Asked)]);
    assert_eq!(rig.members[0].heard(), [Heard::Close { term: TERM, session: SESSION }]);
    assert_eq!(rig.members[0].ingress_count(), 0);
    assert!(!rig.members[0].has_listener());
    rig.run(20);
    assert_eq!(rig.seen(), []);
}

#[test]
fn a_goodbye_that_is_not_taken_is_tried_three_times() {
    for (failures, heard) in [(2, 1), (3, 0)] {
        let mut rig = Rig::connected_to(0);
        rig.driver.fail_offers(INGRESS_STREAM, &vec![OfferError::BackPressured; failures]);
        rig.client.close();
        assert_eq!(rig.next().1, [Seen::Closed(CloseCause::Asked)]);
        assert_eq!(rig.members[0].heard().len(), heard);
    }
}

#[test]
fn closing_before_there_is_a_session_needs_no_goodbye() {
    let mut rig = Rig::new(config());
    rig.members[0].listen();
    rig.ask(0);
    rig.client.close();
    assert_eq!(rig.next().1, [Seen::Closed(CloseCause::Asked)]);
    assert_eq!(rig.members[0].heard(), []);
}

#[test]
fn a_session_that_the_cluster_closed_is_over() {
    let mut rig = Rig::connected_to(0);
    rig.members[0].service_says(&session_message(TERM, SESSION, 1, b"last words"));
    rig.run(3);
    rig.members[0].says(&Event { code: CLOSED, detail: "TIMEOUT", ..opened(0, 1) }.bytes());
    rig.run(10);
    let last = Seen::Message { timestamp: 1, payload: b"last words".to_vec() };
    assert_eq!(rig.seen(), [last, Seen::Closed(CloseCause::ByCluster)]);
    assert_eq!(rig.client.offer(&[b"a"]), Err(OfferError::Closed));
}
