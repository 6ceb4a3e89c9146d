//! How a container comes to its end.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use aeron_cluster::service::{ContainerError, Ended};
use aeron_cluster::transport::{OfferError, Transport, TransportError};

use crate::rig::{FOLLOWER, LEADER, NOTHING, Rig, ack};
use crate::wire::{session_message, termination_position};

#[test]
fn a_termination_waits_for_its_position_and_is_acknowledged() {
    let mut rig = Rig::joined(LEADER);
    let end = rig.append(&session_message(7, 9, b"the last entry"));
    rig.say(&termination_position(end));
    rig.settle();
    assert_eq!(rig.ended(), None);
    rig.commit_to(end);
    rig.step();
    rig.step();
    assert_eq!(rig.ended(), Some(Ended::Terminated));
    assert_eq!(rig.heard(), [ack(2, end, 9, -1)]);
    assert_eq!(rig.calls()[2..], ["message 7 at 9 of 14 @96", "terminate"]);
    assert_eq!(rig.container.duty_cycle().unwrap(), 0, "and nothing comes after it");
    assert_eq!(rig.container.run().unwrap(), Ended::Terminated);
}

#[test]
fn a_termination_at_a_position_that_is_passed_is_unexpected_and_at_once() {
    let mut rig = Rig::joined(LEADER);
    rig.apply(&[session_message(7, 9, b"an entry")]);
    rig.say(&termination_position(0));
    rig.step();
    assert_eq!(rig.ended(), Some(Ended::TerminatedUnexpectedly));
    assert_eq!(rig.heard(), [ack(2, 96, 9, -1)]);
}

#[test]
fn the_last_acknowledgement_is_not_waited_for_long() {
    let mut rig = Rig::joined(LEADER);
    rig.driver.fail_offers(105, &[OfferError::BackPressured; 5]);
    rig.say(&termination_position(0));
    rig.step();
    assert_eq!(rig.ended(), Some(Ended::Terminated));
    assert_eq!(rig.heard(), []);
}

#[test]
fn a_container_ends_with_its_module() {
    let mut rig = Rig::joined(LEADER);
    rig.append(&session_message(7, 9, b"an entry that nobody may apply now"));
    rig.commit_to(rig.log_end());
    rig.driver.free_counter(rig.commit);
    rig.step();
    assert_eq!(rig.ended(), Some(Ended::ModuleGone));
    assert_eq!(rig.calls()[2..], ["terminate"]);
    assert_eq!(rig.heard(), []);
}

#[test]
fn a_wait_ends_with_the_module_too() {
    let mut rig = Rig::joined(LEADER);
    rig.driver.fail_offers(105, &[OfferError::BackPressured; 1_000]);
    let (driver, commit, rounds) = (rig.driver.clone(), rig.commit, Rc::new(Cell::new(0)));
    let counted = Rc::clone(&rounds);
    rig.driver.add_peer(move || {
        counted.set(counted.get() + 1);
        if counted.get() == 10 {
            driver.free_counter(commit);
        }
    });
    rig.apply(&[session_message(7, 1, b"timer 5 1000")]);
    assert_eq!(rig.ended(), Some(Ended::ModuleGone));
    assert_eq!(rounds.get(), 10);
}

#[test]
fn a_log_that_does_not_come_is_not_waited_for_for_ever() {
    let mut rig = Rig::started();
    let mut join = rig.new_log(FOLLOWER, 0);
    join.session_id += 1;
    join.channel = format!("aeron:udp?session-id={}", join.session_id);
    rig.say(&join.bytes());
    let before = rig.driver.client().now();
    let error = rig.try_step().unwrap_err();
    assert!(matches!(error, ContainerError::Transport(TransportError::Timeout { .. })), "{error}");
    assert!(rig.driver.client().now() - before >= Duration::from_secs(30));
    assert_eq!(rig.heard(), []);
}

#[test]
fn a_driver_that_dies_ends_the_container_with_an_error() {
    let mut rig = Rig::joined(LEADER);
    rig.driver.die();
    let error = rig.try_step().unwrap_err();
    assert!(matches!(error, ContainerError::Transport(TransportError::DriverGone { .. })), "{error}");
}

#[test]
fn a_service_may_end_its_member() {
    let mut rig = Rig::recovering(NOTHING);
    let notes = Rc::clone(&rig.notes);
    let mut rounds = 0;
    rig.driver.add_peer(move || {
        rounds += 1;
        notes.borrow_mut().should_stop = rounds > 20;
    });
    assert_eq!(rig.container.run().unwrap(), Ended::Stopped);
    assert_eq!(rig.calls(), ["start sessions [] time 0 @0", "terminate"]);
}
