//! How a client follows the leader of its cluster.

use std::time::Duration;

use aeron_cluster::client::{ClientState, CloseCause};
use aeron_cluster::transport::OfferError;

use crate::member::{Event, Heard, Member, REDIRECT, new_leader, session_message};
use crate::rig::{EGRESS, HEARTBEAT_TIMEOUT, Rig, SESSION, Seen, TERM, config, opened};

const ENDPOINTS: &str = "0=member-0:9,1=member-1:9,2=member-2:9";

fn is_about(took: Duration, expected: Duration) -> bool {
    took >= expected && took < expected + Duration::from_millis(100)
}

fn keep_alive(term: i64) -> Heard {
    Heard::KeepAlive { term, session: SESSION }
}

/// Lets a member announce itself as leader.
fn announce(member: &mut Member, term: i64) {
    member.open_egress(EGRESS);
    member.says(&new_leader(term, SESSION, member.id, ENDPOINTS));
}

#[test]
fn after_a_leaders_death_messages_go_to_the_next_in_its_term() {
    let mut rig = Rig::connected_to(0);
    rig.client.offer(&[b"before"]).unwrap();
    rig.members[0].stop();
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
    assert_eq!(rig.client.offer(&[b"between"]), Err(OfferError::NotConnected));
    assert_eq!(rig.client.max_message_length(), 0);
    rig.run_for(HEARTBEAT_TIMEOUT);
    announce(&mut rig.members[2], TERM + 1);
    assert_eq!(rig.next().1, [Seen::NewLeader { leader: 2, term: TERM + 1 }]);
    assert_eq!((rig.client.leader_member_id(), rig.client.leadership_term_id()), (2, TERM + 1));
    rig.client.offer(&[b"after"]).unwrap();
    let after = Heard::Message { term: TERM + 1, session: SESSION, timestamp: 0, payload: b"after".to_vec() };
    assert_eq!(rig.members[2].heard(), [keep_alive(TERM + 1), after]);
    rig.members[2].service_says(&session_message(TERM + 1, SESSION, 5, b"answer"));
    assert_eq!(rig.next().1, [Seen::Message { timestamp: 5, payload: b"answer".to_vec() }]);
    rig.run_for(Duration::from_millis(1_500));
    assert_eq!(rig.members[2].heard(), [keep_alive(TERM + 1)]);
}

#[test]
fn a_new_leader_may_make_itself_known_before_the_old_one_is_missed() {
    let mut rig = Rig::connected_to(0);
    announce(&mut rig.members[1], TERM + 1);
    rig.run(20);
    assert_eq!(rig.seen(), [Seen::LeaderLost, Seen::NewLeader { leader: 1, term: TERM + 1 }]);
    assert_eq!(rig.members[0].ingress_count(), 0, "the old leader's stream is still open");
    // What the old one still has to say is said; that it goes then is no loss.
    rig.members[0].service_says(&session_message(TERM, SESSION, 4, b"late"));
    rig.members[0].stop();
    rig.run(50);
    assert_eq!(rig.seen(), [Seen::Message { timestamp: 4, payload: b"late".to_vec() }]);
    assert!(rig.client.is_connected());
}

#[test]
fn the_same_member_may_lead_again_on_new_streams() {
    let mut rig = Rig::connected_to(0);
    rig.members[0].stop();
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
    rig.members[0].listen();
    announce(&mut rig.members[0], TERM + 2);
    assert_eq!(rig.next().1, [Seen::NewLeader { leader: 0, term: TERM + 2 }]);
    assert_eq!(rig.members[0].heard(), [keep_alive(TERM + 2)]);
    assert_eq!(rig.members[0].ingress_count(), 1);
}

#[test]
fn an_offer_that_nobody_takes_is_a_lost_leader() {
    for failure in [OfferError::NotConnected, OfferError::Closed] {
        let mut rig = Rig::connected_to(0);
        rig.driver.fail_offers(101, &[failure]);
        assert_eq!(rig.client.offer(&[b"a"]), Err(OfferError::NotConnected));
        assert_eq!(rig.client.state(), ClientState::AwaitingLeader);
        assert_eq!(rig.client.offer(&[b"a"]), Err(OfferError::NotConnected));
        assert_eq!(rig.next().1, [Seen::LeaderLost]);
        announce(&mut rig.members[1], TERM + 1);
        assert_eq!(rig.next().1, [Seen::NewLeader { leader: 1, term: TERM + 1 }]);
    }
}

#[test]
fn a_leader_that_takes_no_sign_of_life_is_lost() {
    let mut rig = Rig::connected_to(0);
    rig.driver.fail_offers(101, &[OfferError::NotConnected]);
    let (took, seen) = rig.next();
    assert_eq!(seen, [Seen::LeaderLost]);
    assert!(took <= config().keep_alive_interval, "{took:?}");
}

#[test]
fn without_a_new_leader_in_the_time_the_cluster_names_it_is_over() {
    let default = Duration::from_secs(10);
    for (timeout_ns, timeout) in
        [(HEARTBEAT_TIMEOUT.as_nanos() as i64, HEARTBEAT_TIMEOUT), (i64::MIN, default), (0, default), (-5, default)]
    {
        let mut rig = Rig::new(config());
        rig.members[0].listen();
        let correlation = rig.ask(0);
        rig.members[0].says(&Event { heartbeat_timeout_ns: timeout_ns, ..opened(0, correlation) }.bytes());
        assert!(matches!(rig.next().1[..], [Seen::Connected { .. }]));
        rig.members[0].stop();
        assert_eq!(rig.next().1, [Seen::LeaderLost]);
        let (took, seen) = rig.next();
        assert_eq!(seen, [Seen::Closed(CloseCause::NoLeader)]);
        assert!(is_about(took, 2 * timeout), "{took:?} for {timeout:?}");
    }
}

#[test]
fn a_session_that_a_cluster_which_was_down_does_not_remember_is_over_once_members_listen_again() {
    let mut rig = Rig::connected_to(0);
    rig.members.iter_mut().for_each(Member::stop);
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
    rig.run_for(Duration::from_secs(1));
    rig.members[2].listen();
    let (took, seen) = rig.next();
    assert_eq!(seen, [Seen::Closed(CloseCause::Forgotten)]);
    assert!(is_about(took, Duration::from_millis(100)), "{took:?}");
}

#[test]
fn a_leader_that_listens_after_an_election_has_time_to_make_itself_known() {
    let mut rig = Rig::connected_to(0);
    rig.members.iter_mut().for_each(Member::stop);
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
    rig.run_for(Duration::from_secs(1));
    rig.members[2].listen();
    rig.run_for(Duration::from_millis(80));
    announce(&mut rig.members[2], TERM + 1);
    assert_eq!(rig.next().1, [Seen::NewLeader { leader: 2, term: TERM + 1 }]);
    rig.run_for(Duration::from_secs(1));
    assert_eq!(rig.seen(), []);
}

/// Runs until a member is asked for a session, and lets it answer with this.
fn answer(rig: &mut Rig, member: usize, answer: impl Fn(i64) -> Event<'static>) {
    let correlation = rig.ask(member);
    rig.members[member].says(&answer(correlation).bytes());
}

#[test]
fn a_session_is_over_when_members_that_listen_are_in_a_later_term_and_nobody_has_told_it() {
    let mut rig = Rig::connected_to(2);
    rig.members[2].stop();
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
    answer(&mut rig, 0, |correlation| Event {
        session: -1,
        term: TERM + 1,
        code: REDIRECT,
        detail: ENDPOINTS,
        ..opened(1, correlation)
    });
    let (took, seen) = rig.next();
    assert_eq!(seen, [Seen::Closed(CloseCause::Forgotten)]);
    assert!(is_about(took, Duration::from_millis(100)), "{took:?}");
    assert_eq!(rig.members[1].heard(), []);
}

#[test]
fn a_session_that_was_opened_by_asking_is_given_back() {
    for is_told in [false, true] {
        let mut rig = Rig::connected_to(2);
        rig.members[2].stop();
        assert_eq!(rig.next().1, [Seen::LeaderLost]);
        answer(&mut rig, 0, |correlation| Event { session: SESSION + 1, term: TERM + 1, ..opened(0, correlation) });
        if is_told {
            rig.run_for(Duration::from_millis(50));
            rig.members[0].says(&new_leader(TERM + 1, SESSION, 0, ENDPOINTS));
            assert_eq!(rig.next().1, [Seen::NewLeader { leader: 0, term: TERM + 1 }]);
        } else {
            assert_eq!(rig.next().1, [Seen::Closed(CloseCause::Forgotten)]);
        }
        let heard = rig.members[0].heard();
        assert!(heard.contains(&Heard::Close { term: TERM + 1, session: SESSION + 1 }), "{heard:?}");
    }
}

#[test]
fn members_that_are_still_in_the_old_term_have_not_elected_yet() {
    let mut rig = Rig::connected_to(2);
    rig.members[2].stop();
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
    answer(&mut rig, 0, |correlation| Event {
        session: -1,
        code: REDIRECT,
        detail: ENDPOINTS,
        ..opened(2, correlation)
    });
    rig.run_for(HEARTBEAT_TIMEOUT);
    assert_eq!(rig.seen(), []);
    assert_eq!(rig.members[0].heard(), [], "it is asked once");
    announce(&mut rig.members[1], TERM + 1);
    assert_eq!(rig.next().1, [Seen::NewLeader { leader: 1, term: TERM + 1 }]);
}

#[test]
fn members_that_do_not_say_whether_they_have_elected_are_waited_for() {
    let mut rig = Rig::connected_to(0);
    rig.members[0].stop();
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
    rig.run_for(HEARTBEAT_TIMEOUT);
    assert_eq!(rig.seen(), []);
    announce(&mut rig.members[1], TERM + 1);
    assert_eq!(rig.next().1, [Seen::NewLeader { leader: 1, term: TERM + 1 }]);
}

#[test]
fn a_new_leader_that_cannot_be_reached_is_given_up() {
    let mut rig = Rig::connected_to(0);
    rig.members[1].stop();
    announce(&mut rig.members[1], TERM + 1);
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
    let (took, seen) = rig.next();
    assert_eq!(seen, [Seen::Closed(CloseCause::NoLeader)]);
    assert!(is_about(took, config().message_timeout), "{took:?}");
}

#[test]
fn a_new_leaders_death_before_it_was_reached_is_waited_out_too() {
    let mut rig = Rig::connected_to(0);
    rig.members[1].stop();
    announce(&mut rig.members[1], TERM + 1);
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
    rig.run(100);
    rig.members[1].stop();
    rig.run_for(config().message_timeout + Duration::from_secs(1));
    announce(&mut rig.members[2], TERM + 2);
    assert_eq!(rig.next().1, [Seen::NewLeader { leader: 2, term: TERM + 2 }]);
    assert_eq!(rig.members[2].heard(), [keep_alive(TERM + 2)]);
}

#[test]
fn a_driver_that_does_not_find_the_new_leader_is_asked_again() {
    let mut rig = Rig::connected_to(0);
    rig.driver.refuse("member-1:9");
    announce(&mut rig.members[1], TERM + 1);
    rig.run_for(Duration::from_secs(2));
    assert_eq!(rig.seen(), [Seen::LeaderLost]);
    rig.driver.allow("member-1:9");
    assert_eq!(rig.next().1, [Seen::NewLeader { leader: 1, term: TERM + 1 }]);
}

#[test]
fn news_of_an_older_term_is_no_news() {
    let mut rig = Rig::connected_to(0);
    announce(&mut rig.members[1], TERM + 2);
    rig.run(20);
    rig.seen();
    announce(&mut rig.members[2], TERM + 1);
    rig.run(20);
    assert_eq!(rig.seen(), []);
    assert_eq!((rig.client.leader_member_id(), rig.client.leadership_term_id()), (1, TERM + 2));
}

#[test]
fn of_two_elections_heard_of_at_once_the_later_counts() {
    for order in [[(1, 1), (2, 2)], [(2, 2), (1, 1)]] {
        let mut rig = Rig::connected_to(0);
        for (member, terms) in order {
            announce(&mut rig.members[member], TERM + terms);
        }
        rig.run(20);
        assert_eq!(rig.seen(), [Seen::LeaderLost, Seen::NewLeader { leader: 2, term: TERM + 2 }]);
    }
}

#[test]
fn a_new_leader_is_sought_where_it_says_that_it_is() {
    let mut rig = Rig::connected_to(0);
    rig.members[1].stop();
    rig.members[1].listen_at("moved:3");
    rig.members[1].open_egress(EGRESS);
    rig.members[1].says(&new_leader(TERM + 1, SESSION, 1, "0=member-0:9,1=moved:3"));
    rig.run(20);
    assert_eq!(rig.seen(), [Seen::LeaderLost, Seen::NewLeader { leader: 1, term: TERM + 1 }]);
    assert_eq!(rig.members[1].heard(), [keep_alive(TERM + 1)]);
}

#[test]
fn a_cut_stream_of_the_service_is_a_loss_although_its_module_is_heard() {
    let mut rig = Rig::connected_to(0);
    rig.members[0].service_says(&session_message(TERM, SESSION, 1, b"heard"));
    rig.run(10);
    rig.seen();
    let (_, service) = rig.members[0].egress_sessions();
    rig.driver.cut(service);
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
}

#[test]
fn a_cut_stream_of_the_module_is_a_loss_although_its_service_is_heard() {
    let mut rig = Rig::connected_to(0);
    let (module, _) = rig.members[0].egress_sessions();
    rig.driver.cut(module);
    assert_eq!(rig.next().1, [Seen::LeaderLost]);
    rig.members[0].service_says(&session_message(TERM, SESSION, 1, b"still here"));
    assert_eq!(rig.next().1, [Seen::Message { timestamp: 1, payload: b"still here".to_vec() }]);
    assert_eq!(rig.client.state(), ClientState::AwaitingLeader);
}

#[test]
fn a_service_that_ends_its_stream_for_another_term_is_no_loss_of_this_one() {
    let mut rig = Rig::connected_to(0);
    rig.members[0].service_says(&session_message(TERM, SESSION, 1, b"heard"));
    rig.run(10);
    announce(&mut rig.members[1], TERM + 1);
    rig.run(20);
    rig.seen();
    rig.members[0].close_service_egress();
    rig.run_for(Duration::from_secs(2));
    assert_eq!(rig.seen(), []);
    assert!(rig.client.is_connected());
}

#[test]
fn half_a_message_of_a_dead_leader_is_not_heard() {
    let mut rig = Rig::connected_to(0);
    let long = session_message(TERM, SESSION, 1, &[7; 200_000]);
    rig.members[0].service_says(&long);
    assert!(rig.poll() > 0);
    let (module, service) = rig.members[0].egress_sessions();
    rig.members[0].stop();
    announce(&mut rig.members[1], TERM + 1);
    rig.driver.cut(module);
    rig.driver.cut(service);
    rig.run(200);
    rig.members[1].service_says(&session_message(TERM + 1, SESSION, 2, b"whole"));
    rig.run(10);
    let whole = Seen::Message { timestamp: 2, payload: b"whole".to_vec() };
    assert_eq!(rig.seen(), [Seen::LeaderLost, Seen::NewLeader { leader: 1, term: TERM + 1 }, whole]);
}
