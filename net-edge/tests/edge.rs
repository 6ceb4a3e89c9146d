//! What the core decides, with a service that does as it is told and time that is an argument.
#![allow(clippy::unwrap_used, reason = "tests")]

mod scene;
mod service;

use net_edge::TokenSigner;
use net_edge::edge::ConnectionId;
use proptest::prelude::*;
use protocol::cluster::{EgressMessageT, IngressMessage, MatchClosedT, decode_ingress, encode_egress};
use protocol::frame::RawFrame;
use protocol::limits::LINK_HOLD_MS_MAX;
use protocol::outcome::CloseCode;
use protocol::session::*;
use scene::{Scene, commands, hello, join, leave, ping, resync};
use service::{MATCH, ended, token};

// ---- the ordinary way -----------------------------------------------------------------------------------

#[test]
fn player_joins_and_hears_baseline_then_delta_own_delta_outcomes() {
    use ServerMessage as Say;
    let mut scene = Scene::new();
    scene.join(1);
    assert_eq!(scene.control_kinds(1), [Say::Welcome, Say::Joined]);
    assert_eq!(scene.state_kinds(1), [Say::Baseline]);
    scene.step();
    scene.command(1, 1, 2);
    scene.step();
    let expected = [Say::Baseline, Say::Delta, Say::OwnDelta, Say::Delta, Say::OwnDelta, Say::Outcomes];
    assert_eq!(scene.state_kinds(1), expected);
    assert_eq!(scene.outcomes(1, 5), [1, 2]);
    scene.send(1, ping());
    assert_eq!(scene.control_kinds(1), [Say::Welcome, Say::Joined, Say::Pong]);
    scene.send(1, leave());
    scene.assert_closed(1, CloseCode::Left);
    assert_eq!(scene.service.count(IngressMessage::DetachSession), 0, "who left needs no seat");
    let stats = scene.stats();
    assert_eq!((stats.players, stats.joins_total, stats.commands_total, stats.ticks_total), (0, 1, 2, 2));
    assert_eq!((stats.ack.count, stats.closes_total), (2, vec![(CloseCode::Left, 1)]));
}

#[test]
fn manifest_travels_only_to_who_lacks_it() {
    let mut scene = Scene::new();
    let hash = service::manifest().hash();
    for (id, known) in [(1, 0), (2, hash), (3, hash ^ 1)] {
        scene.connect(id);
        scene.send(id, hello(known));
        let frame = scene.clients[&id].control[0].clone();
        let welcome = decode_server(RawFrame(&frame[4..])).unwrap().message_as_welcome().unwrap();
        assert_eq!(welcome.manifest().is_some(), known != hash);
        assert_eq!(welcome.manifest_hash(), hash);
    }
}

#[test]
fn delta_is_encoded_once_and_each_hears_of_its_own_rows_alone() {
    let mut scene = Scene::with_players(3);
    scene.clients.values_mut().for_each(|heard| heard.frames.clear());
    scene.command(2, 1, 1);
    scene.step();
    let frames: Vec<_> = (1..=3).map(|id| scene.clients[&id].frames[0].clone()).collect();
    let shared = frames[0].delta.as_ptr();
    assert!(frames.iter().all(|frames| frames.delta.as_ptr() == shared), "one buffer for all");
    assert!(frames[0].own.is_empty() && !frames[1].own.is_empty() && frames[2].own.is_empty());
    assert!(frames[0].outcomes.is_empty() && !frames[1].outcomes.is_empty() && frames[2].outcomes.is_empty());
}

#[test]
fn commands_of_all_players_share_a_message() {
    let mut scene = Scene::with_players(3);
    let before = scene.ingress.len();
    for id in 1..=3 {
        scene.send(id, commands(1, [b"even".to_vec()]));
    }
    assert_eq!(scene.ingress.len(), before, "others may join within the wait");
    scene.wait(1);
    assert_eq!(scene.ingress.len(), before + 1);
    let batch = decode_ingress(scene.ingress.last().unwrap()).unwrap();
    assert_eq!(batch.message_as_command_batch().unwrap().heads().len(), 3);

    scene.send(1, commands(2, vec![vec![0; 500]; 3]));
    assert_eq!(scene.ingress.len(), before + 2, "a full batch does not wait");
}

#[test]
fn commands_leave_before_the_session_is_detached() {
    let mut scene = Scene::with_players(1);
    scene.send(1, commands(1, [b"even".to_vec()]));
    scene.lose(1);
    let tail = &scene.service.heard[scene.service.heard.len() - 2..];
    assert_eq!(tail, [IngressMessage::CommandBatch, IngressMessage::DetachSession]);
}

#[test]
fn match_is_watched_once_and_no_longer_than_it_has_players() {
    let mut scene = Scene::with_players(2);
    assert_eq!(scene.service.count(IngressMessage::WatchMatch), 1);
    scene.lose(1);
    scene.lose(2);
    scene.wait(4_000);
    scene.join(3);
    scene.wait(4_000);
    assert_eq!(scene.service.count(IngressMessage::UnwatchMatch), 0);
    scene.lose(3);
    scene.wait(5_000);
    assert_eq!(scene.service.count(IngressMessage::UnwatchMatch), 1);
    scene.join(4);
    assert_eq!(scene.service.count(IngressMessage::WatchMatch), 2);
}

// ---- resume ---------------------------------------------------------------------------------------------

#[test]
fn outcomes_before_the_baseline_are_in_it() {
    let mut scene = Scene::with_players(1);
    scene.command(1, 1, 3);
    scene.lose(1);
    scene.step();
    scene.resume(2, 1, 0);
    assert_eq!(scene.outcomes(2, 0), [1, 2, 3]);
    assert_eq!((scene.joined(2).last_seq, scene.joined(2).resumed, scene.joined(2).epoch), (3, true, 2));
    assert_ne!(scene.joined(2).secret, scene.joined(1).secret);
}

#[test]
fn player_who_saw_more_waits_for_the_edge_or_is_sent_on() {
    let mut scene = Scene::with_players(2);
    scene.resume(3, 1, 1_000_000);
    scene.assert_closed(1, CloseCode::Superseded);
    assert_eq!(scene.clients[&3].streams, 0);
    scene.wait(499);
    assert_eq!(scene.closed(3), None);
    scene.wait(1);
    scene.assert_closed(3, CloseCode::Behind);
    assert_eq!(scene.closed(2), None);

    let position = 100 + 10 * (scene.service.heard.len() as u64 + scene.service.tick + 5);
    scene.resume(4, 2, position);
    scene.command(4, 1, 1);
    scene.step();
    assert_eq!(scene.clients[&4].streams, 0);
    scene.step();
    scene.step();
    assert_eq!(scene.outcomes(4, 0), [1], "the outcome that came while it waited");
    scene.wait(1_000);
    assert_eq!(scene.closed(4), None);
}

#[test]
fn baseline_holds_the_newest_32_outcomes_oldest_first() {
    let mut scene = Scene::with_players(1);
    for first in [1, 21, 41] {
        scene.command(1, first, first + 19);
        scene.step();
    }
    scene.send(1, resync());
    assert_eq!(scene.outcomes(1, 0), (29..=60).collect::<Vec<_>>());
}

#[test]
fn resends_are_answered_at_once_and_run_once() {
    let mut scene = Scene::with_players(1);
    scene.command(1, 1, 4);
    scene.step();
    let before = scene.clients[&1].state.len();
    scene.command(1, 3, 4);
    assert_eq!(scene.outcomes(1, before), [3, 4]);
    assert_eq!(scene.service.ran.len(), 4);
}

#[test]
fn answer_to_who_is_gone_leaves_the_session_waiting() {
    let mut scene = Scene::new();
    scene.service.faults.is_silent = true;
    scene.join(1);
    scene.lose(1);
    scene.service.faults.is_silent = false;
    let request = scene.ingress.iter().find(|bytes| decode_ingress(bytes).unwrap().message_as_join_session().is_some());
    for answer in scene.service.handle(&request.unwrap().clone()) {
        scene.egress(&answer);
    }
    scene.settle();
    assert_eq!(scene.service.count(IngressMessage::DetachSession), 1);
}

// ---- who falls behind -----------------------------------------------------------------------------------

#[test]
fn player_too_far_behind_gets_a_baseline_and_others_notice_nothing() {
    let mut scene = Scene::with_players(2);
    scene.is_flowing = false;
    let mut ticks = 0;
    while scene.clients[&1].streams == 1 {
        scene.step();
        ticks += 1;
        let quick = &scene.clients[&2].backlog;
        quick.written(quick.bytes());
        assert!(scene.clients[&1].backlog.bytes() < 256 * 1024, "what waits is bounded");
    }
    assert!(ticks > 100);
    assert_eq!(scene.state_kinds(1), [ServerMessage::Baseline]);
    assert_eq!((scene.clients[&2].streams, scene.stats().fallen_behind_total), (1, 1));
    scene.step();
    assert_eq!(scene.state_kinds(1), [ServerMessage::Baseline, ServerMessage::Delta]);
}

#[test]
fn a_baseline_of_an_earlier_tick_counts_only_when_a_recording_was_moved_there() {
    let mut scene = Scene::with_players(2);
    let EgressMessageT::MatchBaseline(earlier) = scene.service.baseline() else { unreachable!() };
    scene.step();
    scene.step();
    let streams = scene.clients[&1].streams;
    let mut late = earlier.clone();
    scene.egress(&encode_egress(EgressMessageT::MatchBaseline(late.clone())));
    assert_eq!(scene.clients[&1].streams, streams, "it is late");
    late.rewound = true;
    scene.egress(&encode_egress(EgressMessageT::MatchBaseline(late.clone())));
    assert_eq!(scene.clients[&1].streams, streams, "it is of an earlier position, so it was moved since");
    late.position += 1_000;
    scene.egress(&encode_egress(EgressMessageT::MatchBaseline(late)));
    scene.settle();
    for id in [1, 2] {
        let heard = &scene.clients[&id];
        assert_eq!(heard.streams, streams + 1);
        let frame = decode_server(RawFrame(&heard.state[0][4..])).unwrap();
        let baseline = frame.message_as_baseline().unwrap();
        assert_eq!((baseline.tick(), baseline.rewound()), (earlier.tick, true));
    }
    assert_eq!(scene.stats().hash_mismatches_total, 0);
}

#[test]
fn resync_brings_a_baseline_and_too_many_are_too_fast() {
    let mut scene = Scene::with_players(1);
    for _ in 0..4 {
        scene.send(1, resync());
    }
    assert_eq!(scene.clients[&1].streams, 5);
    scene.wait(1_000);
    scene.send(1, resync());
    assert_eq!((scene.clients[&1].streams, scene.closed(1)), (6, None));
    scene.send(1, resync());
    scene.assert_closed(1, CloseCode::TooFast);
}

#[test]
fn new_owner_of_an_entity_hears_of_rows_that_did_not_change() {
    let mut scene = Scene::with_players(3);
    scene.command(1, 1, 1);
    scene.step();
    scene.service.hand_over(1, 2);
    scene.step();
    assert_eq!([1, 2, 3].map(|id| scene.clients[&id].streams), [2, 2, 1], "old and new owner begin anew");
    let own = |id| {
        let frame = scene.clients[&id].state[0].clone();
        decode_server(RawFrame(&frame[4..])).unwrap().message_as_baseline().unwrap().own().bytes().to_vec()
    };
    assert_eq!(own(1), [0], "nothing is the old owner's");
    assert_eq!(own(2), [1, 2, 0, 2, 1, 2, 1, 0, 0], "entities 1 and 2, gold 2 and 0");
}

#[test]
fn wrong_mirror_is_replaced_counted_and_never_told() {
    let mut scene = Scene::with_players(2);
    scene.wait(2_000);
    scene.service.faults.wrong_hashes = 1;
    scene.command(1, 1, 1);
    scene.step();
    assert_eq!(scene.stats().hash_mismatches_total, 1);
    assert_eq!(scene.service.count(IngressMessage::WatchMatch), 2);
    for id in [1, 2] {
        assert_eq!(scene.state_kinds(id), [ServerMessage::Baseline]);
    }
    assert_eq!(scene.outcomes(1, 0), [1], "the outcome of the tick that was not told");

    scene.service.faults.wrong_hashes = 3;
    for _ in 0..3 {
        scene.step();
    }
    assert_eq!(scene.service.count(IngressMessage::WatchMatch), 2, "at most one a second");
    scene.wait(1_000);
    assert_eq!(scene.service.count(IngressMessage::WatchMatch), 3);
    assert_eq!([1, 2].map(|id| scene.closed(id)), [None, None]);
}

// ---- what is not allowed ----------------------------------------------------------------------------------

#[test]
fn each_offence_has_its_code_and_reaches_neither_log_nor_others() {
    let oversized = 5_000u32.to_le_bytes().to_vec();
    let of_version = |major| {
        let mut hello = HelloT::default();
        hello.major = major;
        encode_client(ClientMessageT::Hello(Box::new(hello)))
    };
    let frame = encode_client;
    let flood: Vec<u8> = (0..241).flat_map(|_| frame(ping())).collect();
    let greeted = |bytes: Vec<u8>| [frame(hello(0)), bytes].concat();
    // Before Joined, then after it.
    let strangers = [
        (oversized.clone(), CloseCode::Oversized),
        (vec![0; 4], CloseCode::Malformed),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), CloseCode::Oversized),
        (of_version(2), CloseCode::Version),
        (of_version(0), CloseCode::Version),
        (frame(join("token")), CloseCode::OutOfOrder),
        (frame(ping()), CloseCode::OutOfOrder),
        (greeted(frame(hello(0))), CloseCode::OutOfOrder),
        (greeted(frame(commands(1, [vec![0; 2]]))), CloseCode::OutOfOrder),
        (greeted(frame(leave())), CloseCode::OutOfOrder),
        (greeted(frame(join("no token"))), CloseCode::TokenInvalid),
        (greeted(frame(join(&"x".repeat(2_049)))), CloseCode::Malformed),
        (encode_server(ServerMessageT::Pong(Box::default())), CloseCode::Malformed),
    ];
    let players = [
        (oversized, CloseCode::Oversized),
        (vec![8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], CloseCode::Malformed),
        (frame(hello(0)), CloseCode::OutOfOrder),
        (frame(join("token")), CloseCode::OutOfOrder),
        (frame(commands(0, [vec![0; 2]])), CloseCode::Malformed),
        (frame(commands(1, [])), CloseCode::Malformed),
        (frame(commands(1, [vec![0; 513]])), CloseCode::Malformed),
        (frame(commands(u32::MAX, [vec![0; 2]])), CloseCode::Malformed),
        (frame(commands(1, vec![vec![0; 2]; 33])), CloseCode::Malformed),
        (frame(commands(2, [vec![0; 2]])), CloseCode::SequenceGap),
        (flood, CloseCode::TooFast),
    ];
    let mut scene = Scene::with_players(1);
    let mut id = 10;
    for (bytes, code) in strangers {
        id += 1;
        scene.connect(id);
        scene.send_bytes(id, &bytes);
        scene.assert_closed(id, code);
        scene.send(id, ping());
    }
    assert_eq!(scene.service.count(IngressMessage::JoinSession), 1);
    for (bytes, code) in players {
        id += 1;
        scene.join(id);
        scene.send_bytes(id, &bytes);
        scene.assert_closed(id, code);
        scene.send(id, commands(1, [vec![0; 2]]));
        scene.wait(2);
    }
    assert_eq!(scene.service.count(IngressMessage::CommandBatch), 0);
    assert_eq!(scene.service.count(IngressMessage::DetachSession), 11, "each may resume");
    scene.step();
    assert_eq!((scene.closed(1), scene.clients[&1].streams), (None, 1));
}

#[test]
fn window_holds_32_commands_without_outcome() {
    let mut scene = Scene::with_players(2);
    scene.command(1, 1, 32);
    scene.command(1, 1, 32);
    assert_eq!(scene.closed(1), None, "resends do not count");
    scene.step();
    scene.command(1, 33, 64);
    assert_eq!(scene.closed(1), None);
    scene.command(1, 65, 65);
    scene.assert_closed(1, CloseCode::WindowExceeded);
    scene.command(2, 1, 32);
    scene.command(2, 33, 33);
    scene.assert_closed(2, CloseCode::WindowExceeded);
    assert_eq!(scene.service.count(IngressMessage::CommandBatch), 4);
}

#[test]
fn frame_with_one_bad_command_reaches_the_log_with_none() {
    let mut scene = Scene::with_players(1);
    scene.send(1, commands(1, [vec![0; 2], vec![0; 513]]));
    scene.wait(10);
    scene.assert_closed(1, CloseCode::Malformed);
    assert_eq!(scene.service.count(IngressMessage::CommandBatch), 0);
}

#[test]
fn who_is_slow_is_closed_in_time() {
    let mut scene = Scene::new();
    scene.connect(1);
    scene.connect(2);
    scene.send(2, hello(0));
    scene.service.faults.is_silent = true;
    scene.join(3);
    scene.wait(1_999);
    assert_eq!([1, 2, 3].map(|id| scene.closed(id)), [None; 3]);
    scene.wait(1);
    scene.assert_closed(1, CloseCode::TooSlow);
    scene.assert_closed(2, CloseCode::TooSlow);
    scene.wait(8_000);
    scene.assert_closed(3, CloseCode::Internal);
}

#[test]
fn tokens_and_secrets_that_are_not_good_are_told_so() {
    let mut scene = Scene::with_players(1);
    let good = token(&scene.signer, "ada", scene.now().unix_ms);
    let expired = token(&scene.signer, "ada", scene.now().unix_ms - 61_000);
    let forged = token(&TokenSigner::generate(), "ada", scene.now().unix_ms);
    let tokens = [
        (&good, None),
        (&good, Some(CloseCode::TokenUsed)),
        (&expired, Some(CloseCode::TokenExpired)),
        (&forged, Some(CloseCode::TokenInvalid)),
    ];
    for (id, (token, code)) in (2..).zip(tokens) {
        scene.connect(id);
        scene.send(id, hello(0));
        scene.send(id, join(token));
        assert_eq!(scene.closed(id), code);
    }
    for (id, session, code) in [(10, 101, CloseCode::WrongSecret), (11, 999, CloseCode::NoSession)] {
        scene.connect(id);
        scene.send(id, hello(0));
        let mut resume = ResumeT::default();
        (resume.session, resume.secret) = (session, vec![0xee; 32]);
        scene.send(id, ClientMessageT::Resume(Box::new(resume)));
        scene.assert_closed(id, code);
    }
    assert_eq!(scene.closed(1), None, "a guess does not disturb whose session it is");
}

#[test]
fn streams_that_a_client_may_not_open_or_end() {
    let mut scene = Scene::with_players(3);
    let now = scene.now();
    scene.edge.handle_foreign_stream(now, ConnectionId(1));
    scene.edge.handle_control_end(now, ConnectionId(2));
    scene.send_bytes(3, &[1]);
    scene.edge.handle_control_end(now, ConnectionId(3));
    scene.settle();
    scene.assert_closed(1, CloseCode::OutOfOrder);
    scene.assert_closed(2, CloseCode::Done);
    scene.assert_closed(3, CloseCode::Malformed);
}

// ---- what the log says ------------------------------------------------------------------------------------

#[test]
fn session_that_ends_in_the_log_ends_here() {
    let mut scene = Scene::with_players(4);
    scene.say(ended(101, 1, CloseCode::Superseded));
    scene.say(ended(102, 7, CloseCode::NoSession));
    scene.say(ended(999, 1, CloseCode::NoSession));
    scene.assert_closed(1, CloseCode::Superseded);
    assert_eq!(scene.closed(2), None, "another epoch");
    assert_eq!(scene.service.count(IngressMessage::DetachSession), 0);

    scene.service.sessions.get_mut(&102).unwrap().epoch = 2;
    scene.command(2, 1, 1);
    scene.assert_closed(2, CloseCode::Superseded);
    scene.service.sessions.remove(&103);
    scene.command(3, 1, 1);
    scene.assert_closed(3, CloseCode::NoSession);
    scene.command(4, 1, 2);
    scene.service.sessions.get_mut(&104).unwrap().last_seq = 0;
    scene.command(4, 3, 3);
    scene.assert_closed(4, CloseCode::SequenceGap);
}

#[test]
fn match_that_is_not_there_closes_its_players() {
    let mut scene = Scene::with_players(2);
    let mut closed = MatchClosedT::default();
    (closed.match_id, closed.code) = (MATCH, CloseCode::NoMatch as u16);
    scene.say(EgressMessageT::MatchClosed(Box::new(closed)));
    scene.assert_closed(1, CloseCode::NoMatch);
    scene.assert_closed(2, CloseCode::NoMatch);
}

#[test]
fn lost_link_keeps_players_for_a_while_and_newcomers_wait_for_the_next() {
    let mut scene = Scene::with_players(2);
    let now = scene.now();
    scene.edge.handle_link_lost(now);
    scene.wait(LINK_HOLD_MS_MAX - 1);
    assert_eq!((scene.closed(1), scene.closed(2)), (None, None));
    scene.wait(1);
    scene.assert_closed(1, CloseCode::Stopping);
    scene.assert_closed(2, CloseCode::Stopping);
    scene.join(3);
    scene.wait(1_000);
    scene.join(4);
    scene.wait(1_000);
    scene.assert_closed(3, CloseCode::Stopping);
    assert!(scene.clients[&4].control.is_empty());
    scene.service.forget_edge();
    let before = scene.ingress.len();
    scene.link();
    let hello = decode_ingress(&scene.ingress[before]).unwrap();
    assert_eq!(hello.message_type(), IngressMessage::EdgeHello);
    assert_eq!(scene.control_kinds(4), [ServerMessage::Welcome, ServerMessage::Joined]);
    assert_eq!(scene.clients[&4].streams, 1);
}

#[test]
fn edge_that_stops_says_so_to_all() {
    let mut scene = Scene::with_players(1);
    scene.connect(2);
    let now = scene.now();
    scene.edge.handle_stop(now);
    scene.settle();
    scene.connect(3);
    for id in 1..=3 {
        scene.assert_closed(id, CloseCode::Stopping);
    }
    assert_eq!(scene.service.count(IngressMessage::DetachSession), 1);
}

#[test]
fn cluster_that_does_not_keep_up_costs_bounded_memory() {
    let mut scene = Scene::with_players(1);
    scene.edge.handle_backlogged(true);
    let mut frames = 0;
    while scene.closed(1).is_none() {
        assert!(frames < 10_000);
        scene.send(1, commands(1, vec![vec![0; 100]; 32]));
        scene.wait(10);
        frames += 1;
    }
    scene.assert_closed(1, CloseCode::Internal);
    scene.edge.handle_backlogged(false);
    scene.settle();
    assert_eq!(scene.service.count(IngressMessage::DetachSession), 1, "nothing is lost");
}

#[test]
fn unreadable_messages_of_the_service_are_counted() {
    let mut scene = Scene::with_players(1);
    scene.egress(b"what is this");
    scene.settle();
    assert_eq!((scene.stats().egress_errors_total, scene.closed(1)), (1, None));
}

#[test]
fn what_is_open_is_asked_of_the_leader_and_of_nobody_else() {
    let mut scene = Scene::unlinked();
    assert!(!scene.edge.handle_question(1, None), "there is no link");
    scene.link();
    for (request, match_id, open) in [(2, None, vec![MATCH]), (3, Some(MATCH), vec![MATCH]), (4, Some(9), vec![])] {
        assert!(scene.edge.handle_question(request, match_id));
        scene.settle();
        assert_eq!(scene.told.pop(), Some((request, open)));
    }
    // What was asked of a leader that is lost is not asked of the next: whoever waits is told to ask again.
    assert!(scene.edge.handle_question(5, None));
    scene.edge.handle_leader_lost();
    assert!(!scene.edge.handle_question(6, None));
    let now = scene.now();
    scene.edge.handle_leader_changed(now);
    scene.settle();
    assert_eq!((scene.told.len(), scene.service.count(IngressMessage::AskMatches)), (0, 3));
    assert!(scene.edge.handle_question(7, None));
    scene.settle();
    assert_eq!(scene.told, [(7, vec![MATCH])]);
}

// ---- any bytes at all -------------------------------------------------------------------------------------

fn bad_bytes() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop_oneof![
        Just(encode_client(hello(0))),
        Just(encode_client(commands(1, vec![vec![1; 20]; 3]))),
        Just(encode_client(ping())),
        Just(encode_client(resync())),
        Just(encode_client(leave())),
        Just(encode_client(join("some.token.here"))),
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        // Right lengths, wrong contents.
        proptest::collection::vec(any::<u8>(), 0..200)
            .prop_map(|bytes| { [(bytes.len() as u32).to_le_bytes().to_vec(), bytes].concat() }),
        (valid.clone(), any::<prop::sample::Index>(), 0..8u8).prop_map(|(mut frame, place, bit)| {
            let place = place.index(frame.len());
            frame[place] ^= 1 << bit;
            frame
        }),
        (valid, any::<prop::sample::Index>()).prop_map(|(frame, end)| frame[..end.index(frame.len())].to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_disturb_nobody_else(chunks in proptest::collection::vec(bad_bytes(), 1..6), is_player: bool) {
        let mut scene = Scene::with_players(1);
        match is_player {
            true => scene.join(2),
            false => scene.connect(2),
        }
        for chunk in &chunks {
            scene.send_bytes(2, chunk);
            scene.wait(2);
        }
        scene.step();
        prop_assert_eq!((scene.closed(1), scene.clients[&1].streams), (None, 1));
        prop_assert!(is_player || scene.service.count(IngressMessage::CommandBatch) == 0);
        prop_assert_eq!(scene.service.count(IngressMessage::JoinSession), 1 + usize::from(is_player));
        scene.command(1, 1, 1);
        scene.step();
        prop_assert_eq!(scene.clients[&1].frames.last().unwrap().outcomes.is_empty(), false);
    }
}
