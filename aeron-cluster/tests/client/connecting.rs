//! How a session comes about, or does not.

use std::time::Duration;

use aeron_cluster::client::{ClientConfig, ClientState, CloseCause};
use aeron_cluster::counters::LOCAL_SOCKET_ADDRESS;
use aeron_cluster::transport::{OfferError, Transport, TransportError};

use crate::member::{CLOSED, ERROR, Event, Heard, OK, REDIRECT, REJECTED, challenge, session_message};
use crate::rig::{EGRESS, Rig, SESSION, Seen, TERM, config, opened};

#[test]
fn whichever_member_listens_is_asked_and_only_its_stream_is_kept() {
    let mut rig = Rig::new(config());
    rig.run(20);
    rig.members[1].listen();
    rig.run(5);
    let heard = rig.members[1].heard();
    let [Heard::Connect { correlation, stream_id: 102, version: 768, channel, credentials, info }] = &heard[..] else {
        panic!("{heard:?}")
    };
    assert_eq!((channel.as_str(), &credentials[..], info.as_str()), (EGRESS, &b"who"[..], "a test"));
    assert_eq!(rig.client.state(), ClientState::Connecting);
    rig.members[1].open_egress(EGRESS);
    rig.members[1].says(&opened(1, *correlation).bytes());
    rig.run(5);
    assert_eq!(rig.seen(), [Seen::Connected { session: SESSION, leader: 1, term: TERM }]);
    assert_eq!(
        (rig.client.session_id(), rig.client.leader_member_id(), rig.client.leadership_term_id()),
        (SESSION, 1, TERM)
    );
    for id in [0, 2] {
        rig.members[id].listen();
        assert_eq!(rig.members[id].ingress_count(), 0, "a stream to member {id} is still open");
    }
    assert_eq!(rig.members[1].ingress_count(), 1);
}

#[test]
fn a_request_is_sent_once_however_long_the_answer_takes() {
    let mut rig = Rig::new(config());
    rig.members.iter_mut().for_each(|member| member.listen());
    let (took, seen) = rig.next();
    assert_eq!(seen, [Seen::Closed(CloseCause::NoAnswer)]);
    assert!(took >= config().message_timeout, "{took:?}");
    assert!(took < config().message_timeout + Duration::from_millis(50), "{took:?}");
    let heard: Vec<Heard> = rig.members.iter_mut().flat_map(|member| member.heard()).collect();
    assert!(matches!(heard[..], [Heard::Connect { .. }]), "{heard:?}");
    assert_eq!(rig.client.state(), ClientState::Closed);
}

#[test]
fn without_any_member_it_gives_up_in_time_and_says_so_once() {
    let mut rig = Rig::new(config());
    let (took, seen) = rig.next();
    assert_eq!(seen, [Seen::Closed(CloseCause::NoAnswer)]);
    assert!(took >= config().message_timeout && took < config().message_timeout + Duration::from_millis(50));
    rig.run(100);
    assert_eq!(rig.seen(), []);
}

#[test]
fn a_redirect_is_followed_to_where_the_member_says_and_asks_anew() {
    let mut rig = Rig::new(config());
    rig.members[0].listen();
    let first = rig.ask(0);
    rig.members[2].listen_at("elsewhere:7");
    let endpoints = "0=member-0:9,1=member-1:9,2=elsewhere:7";
    let redirect = Event { code: REDIRECT, detail: endpoints, leader: 2, session: -1, ..opened(2, first) };
    rig.members[0].says(&redirect.bytes());
    let second = rig.ask(2);
    assert_ne!(first, second);
    assert_eq!(rig.members[0].ingress_count(), 0, "the follower's stream is still open");
    // An answer to the first request is no answer to the second.
    rig.members[2].says(&opened(0, first).bytes());
    rig.run(10);
    assert_eq!(rig.seen(), []);
    rig.members[2].says(&opened(2, second).bytes());
    assert_eq!(rig.next().1, [Seen::Connected { session: SESSION, leader: 2, term: TERM }]);
}

#[test]
fn members_that_send_it_in_circles_are_not_flooded() {
    let mut rig = Rig::new(config());
    rig.members[0].listen();
    let mut correlation = rig.ask(0);
    let mut asked = 1;
    while rig.seen().is_empty() && asked < 1_000 {
        let redirect = Event { code: REDIRECT, leader: 0, session: -1, ..opened(0, correlation) };
        rig.members[0].says(&redirect.bytes());
        for _ in 0..100 {
            rig.run(1);
            if let Some(Heard::Connect { correlation: next, .. }) = rig.members[0].heard().pop() {
                (correlation, asked) = (next, asked + 1);
                break;
            }
        }
    }
    assert!((10..60).contains(&asked), "asked {asked} times in {:?}", config().message_timeout);
}

#[test]
fn a_challenge_is_answered_and_its_answer_awaited() {
    let mut rig = Rig::new(config());
    rig.members[0].listen();
    let first = rig.ask(0);
    rig.members[0].says(&challenge(first, SESSION, b"prove it"));
    assert_eq!(rig.next().1, [Seen::Challenge(b"prove it".to_vec())]);
    rig.run(10);
    assert_eq!(rig.members[0].heard(), []);
    rig.client.answer_challenge(&mut rig.transport, b"like so");
    rig.run(10);
    let heard = rig.members[0].heard();
    let [Heard::ChallengeResponse { correlation, session: SESSION, credentials }] = &heard[..] else {
        panic!("{heard:?}")
    };
    assert_eq!(credentials, b"like so");
    assert_ne!(*correlation, first);
    rig.members[0].says(&opened(0, *correlation).bytes());
    assert_eq!(rig.next().1, [Seen::Connected { session: SESSION, leader: 0, term: TERM }]);
    // Nobody asks any more.
    rig.client.answer_challenge(&mut rig.transport, b"again");
    rig.run(10);
    assert_eq!(rig.members[0].heard(), []);
}

#[test]
fn what_the_cluster_answers_instead_of_a_session_closes_the_client() {
    for (code, cause) in
        [(REJECTED, CloseCause::AuthenticationRejected), (ERROR, CloseCause::Refused), (CLOSED, CloseCause::Refused)]
    {
        let mut rig = Rig::new(config());
        rig.members[0].listen();
        let correlation = rig.ask(0);
        let no = Event { code, detail: "concurrent session limit", session: -1, ..opened(0, correlation) };
        rig.members[0].says(&no.bytes());
        assert_eq!(rig.next().1, [Seen::Closed(cause)]);
        assert_eq!(rig.members[0].ingress_count(), 0);
        assert!(rig.client.offer(&[b"too late"]).is_err());
    }
}

#[test]
fn answers_to_other_clients_open_no_session() {
    let mut rig = Rig::new(config());
    rig.members[0].listen();
    let correlation = rig.ask(0);
    rig.members[0].says(&opened(0, correlation + 1_000).bytes());
    let rejected = Event { code: REJECTED, ..opened(0, correlation + 1_000) };
    rig.members[0].says(&rejected.bytes());
    rig.members[0].says(&challenge(correlation + 1_000, SESSION, b"not you"));
    rig.run(10);
    assert_eq!(rig.seen(), []);
    assert_eq!(rig.client.state(), ClientState::Connecting);
}

#[test]
fn what_a_service_says_before_the_session_is_known_to_be_ours_is_kept() {
    let mut rig = Rig::new(config());
    rig.members[0].listen();
    let correlation = rig.ask(0);
    rig.members[0].service_says(&session_message(TERM, SESSION + 1, 8, b"to another"));
    rig.members[0].service_says(&session_message(TERM, SESSION, 9, b"welcome"));
    rig.run(10);
    assert_eq!(rig.seen(), []);
    rig.members[0].says(&opened(0, correlation).bytes());
    rig.run(10);
    assert_eq!(
        rig.seen(),
        [
            Seen::Connected { session: SESSION, leader: 0, term: TERM },
            Seen::Message { timestamp: 9, payload: b"welcome".to_vec() }
        ]
    );
}

#[test]
fn a_member_that_the_driver_cannot_reach_is_passed_over() {
    let mut rig = Rig::new(config());
    rig.driver.refuse("member-0:9");
    rig.members[1].listen();
    let correlation = rig.ask(1);
    rig.members[1].says(&Event { code: OK, ..opened(1, correlation) }.bytes());
    assert_eq!(rig.next().1, [Seen::Connected { session: SESSION, leader: 1, term: TERM }]);
}

#[test]
fn a_request_that_no_member_took_is_made_anew() {
    let mut rig = Rig::new(config());
    rig.members[0].listen();
    rig.run(1);
    rig.driver.fail_offers(101, &[OfferError::BackPressured, OfferError::NotConnected]);
    let correlation = rig.ask(0);
    rig.run(20);
    assert_eq!(rig.members[0].heard(), [], "asked twice");
    rig.members[0].says(&opened(0, correlation).bytes());
    assert_eq!(rig.next().1, [Seen::Connected { session: SESSION, leader: 0, term: TERM }]);
}

#[test]
fn a_lost_egress_stream_is_never_joined_again_and_a_refused_one_is_an_error() {
    let mut rig = Rig::new(config());
    rig.driver.refuse("rejoin=false");
    let refused = rig.client.poll(&mut rig.transport, &mut |event| panic!("{event:?}"));
    assert!(matches!(refused, Err(TransportError::Refused { .. })), "{refused:?}");
    assert_eq!(rig.client.state(), ClientState::Closed);
}

#[test]
fn a_driver_that_died_is_an_error() {
    let mut rig = Rig::new(config());
    rig.members[0].listen();
    rig.ask(0);
    rig.driver.die();
    let gone = rig.transport.idle(0);
    assert!(matches!(gone, Err(TransportError::DriverGone { .. })), "{gone:?}");
}

#[test]
fn with_port_0_members_are_told_the_port_that_was_bound() {
    let channel = "aeron:udp?endpoint=client:0|term-length=64k";
    let mut rig = Rig::new(ClientConfig { egress_channel: channel.into(), ..config() });
    rig.members[0].listen();
    rig.run(10);
    assert_eq!(rig.members[0].heard(), []);
    // Of another channel; not bound yet; then ours.
    let key = |channel_id: i32, address: &str| {
        let mut key = [channel_id.to_le_bytes(), (address.len() as i32).to_le_bytes()].concat();
        key.extend_from_slice(address.as_bytes());
        key
    };
    rig.driver.allocate_counter(LOCAL_SOCKET_ADDRESS, &key(5, "client:1"), "another's", 1);
    rig.driver.allocate_counter(LOCAL_SOCKET_ADDRESS, &key(-1, "client:2"), "not active", 0);
    rig.driver.allocate_counter(LOCAL_SOCKET_ADDRESS, &key(-1, ""), "empty", 1);
    rig.run(10);
    assert_eq!(rig.members[0].heard(), []);
    rig.driver.allocate_counter(LOCAL_SOCKET_ADDRESS, &key(-1, "client:41007"), "bound", 1);
    rig.run(10);
    let heard = rig.members[0].heard();
    let [Heard::Connect { channel, .. }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(channel, "aeron:udp?term-length=64k|endpoint=client:41007");
}

#[test]
fn one_given_channel_serves_where_no_members_are_named() {
    let ingress_channel = "aeron:udp?endpoint=member-1:9".to_owned();
    let mut rig = Rig::new(ClientConfig { endpoints: Vec::new(), ingress_channel, ..config() });
    rig.members[1].listen();
    let correlation = rig.ask(1);
    rig.members[1].says(&opened(1, correlation).bytes());
    assert_eq!(rig.next().1, [Seen::Connected { session: SESSION, leader: 1, term: TERM }]);
}
