//! What the service asks of the module.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aeron_cluster::service::ContainerError;
use aeron_cluster::transport::OfferError;

use crate::rig::{FOLLOWER, LEADER, NOTHING, Rig, ack};
use crate::wire::{Said, session_message, session_open};

#[test]
fn every_member_asks_for_the_same_whatever_its_role() {
    for role in [FOLLOWER, LEADER] {
        let mut rig = Rig::joined(role);
        rig.apply(&["timer 5 1000", "offer text", "cancel 5"].map(|asks| session_message(7, 1, asks.as_bytes())));
        assert_eq!(
            rig.heard(),
            [
                Said::Timer { correlation: 5, deadline: 1_000 },
                Said::Message { session: 0, payload: b"offered text".to_vec() },
                Said::CancelTimer(5),
            ]
        );
    }
}

#[test]
fn what_the_module_has_no_room_for_is_offered_until_it_has_and_taken_once() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.driver.fail_offers(105, &[OfferError::BackPressured, OfferError::AdminAction, OfferError::BackPressured]);
    rig.apply(&[session_message(7, 1, b"timer 5 1000"), session_message(7, 1, b"after")]);
    assert_eq!(rig.heard(), [Said::Timer { correlation: 5, deadline: 1_000 }]);
    assert_eq!(rig.notes().state.len(), 2);
}

#[test]
fn an_acknowledgement_is_offered_until_it_is_taken_under_the_same_number() {
    let mut rig = Rig::started();
    rig.driver.fail_offers(105, &[OfferError::BackPressured; 40]);
    rig.join(FOLLOWER);
    assert_eq!(rig.heard(), [ack(1, 0, 0, -1)]);
}

#[test]
fn a_module_that_reads_no_more_ends_the_container() {
    for failure in [OfferError::NotConnected, OfferError::Closed, OfferError::MaxPosition] {
        let mut rig = Rig::joined(FOLLOWER);
        rig.driver.fail_offers(105, &[failure]);
        rig.append(&session_message(7, 1, b"timer 5 1000"));
        rig.append(&session_message(7, 1, b"never applied"));
        rig.commit_to(rig.log_end());
        let error = rig.try_step().unwrap_err();
        assert!(matches!(error, ContainerError::Module { source, .. } if source == failure), "{error}");
        assert_eq!(rig.notes().state, [b"timer 5 1000"]);
    }
}

#[test]
fn a_message_of_the_service_that_is_too_long_for_the_module_ends_the_container() {
    let mut rig = Rig::joined(FOLLOWER);
    rig.append(&session_message(7, 1, b"offer-bytes 3000000"));
    rig.commit_to(rig.log_end());
    let error = rig.try_step().unwrap_err();
    let too_long = matches!(error, ContainerError::Module { source: OfferError::TooLong { .. }, .. });
    assert!(too_long, "{error}");
}

#[test]
fn the_end_of_a_session_is_asked_for_once_until_a_new_leader_does_not_know_of_it() {
    let mut rig = Rig::joined(LEADER);
    let close = session_message(7, 2, b"close 7");
    rig.apply(&[session_open(7, 1, "aeron:ipc"), close.clone(), close.clone(), session_message(7, 2, b"close 99")]);
    assert_eq!(rig.heard(), [Said::CloseSession(7)]);
    let position = rig.log_end();
    rig.end_log();
    rig.settle();
    let join = rig.new_log(LEADER, position);
    rig.say(&join.bytes());
    rig.settle();
    rig.apply(&[close]);
    assert_eq!(rig.heard(), [ack(2, position, 2, -1), Said::CloseSession(7)]);
}

#[test]
fn the_log_is_changed_by_entries_only() {
    for request in ["timer 5 1000", "cancel 5", "close 7", "offer text"] {
        let mut rig = Rig::joined(LEADER);
        rig.notes.borrow_mut().background_request = Some(request.to_owned());
        assert!(catch_unwind(AssertUnwindSafe(|| rig.try_step())).is_err(), "{request} in background work");
        let mut rig = Rig::recovering(NOTHING);
        rig.notes.borrow_mut().start_request = Some(request.to_owned());
        assert!(catch_unwind(AssertUnwindSafe(|| rig.container.start())).is_err(), "{request} in on_start");
    }
}
