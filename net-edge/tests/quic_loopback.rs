//! Real QUIC on the loopback interface: the Rust client as it is, and clients that misbehave.
#![allow(clippy::unwrap_used, reason = "tests")]

mod service;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use client::{Client, ClientOptions, Outcome, Player, SendError, SessionEnd};
use net_edge::{Certificates, EdgeConfig, EdgeServer};
use protocol::EntityId;
use protocol::cluster::IngressMessage;
use protocol::frame::{Framer, RawFrame};
use protocol::outcome::CloseCode;
use protocol::session::*;
use quinn::{ConnectionError, TransportConfig, VarInt};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stage::{Stage, Stranger, code_of, commands, hello, join};

fn gold(player: &Player) -> Option<i64> {
    let id = EntityId(player.player_id().0);
    player.with_mirror(|mirror| mirror.field(id, "Purse", "gold"))
}

// ---- honest players -----------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn players_see_the_effects_of_their_commands_and_only_their_own_purse() {
    let stage = Stage::start();
    let (ada, bob) = (stage.player("ada").await, stage.player("bob").await);
    for number in 0..200u32 {
        let outcome = ada.send(number.to_le_bytes()).await.unwrap();
        assert!(matches!(outcome, Outcome::Applied { .. }));
    }
    assert!(matches!(bob.send(*b"odd").await.unwrap(), Outcome::Rejected { .. }));
    let (ada_id, bob_id) = (EntityId(ada.player_id().0), EntityId(bob.player_id().0));
    assert_eq!(gold(&ada), Some(400));
    assert_eq!(gold(&bob), Some(0));
    bob.with_mirror(|mirror| {
        assert_eq!(mirror.field(ada_id, "Count", "commands"), Some(200));
        assert_eq!(mirror.field(ada_id, "Purse", "gold"), None);
        assert_eq!(
            mirror.columns().hash(protocol::manifest::Visibility::Everyone),
            stage.cluster.state().service.hash_everyone()
        );
    });
    ada.with_mirror(|mirror| assert_eq!(mirror.field(bob_id, "Purse", "gold"), None));
    assert!(ada.ping().await.unwrap().tick.0 >= 200);
    ada.leave().await.unwrap();
    let stats = stage.server.stats();
    assert_eq!((stats.connections_total, stats.joins_total, stats.commands_total), (2, 2, 201));
    assert_eq!((stats.hash_mismatches_total, stats.fallen_behind_total, stats.ack.count), (0, 0, 201));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_run_once_through_cuts() {
    let stage = Stage::start();
    let player = stage.player("ada").await;
    let mut receipts = Vec::new();
    for number in 0..600u32 {
        receipts.push(player.submit(number.to_le_bytes()).await.unwrap());
        if number % 150 == 149 {
            player.cut();
        }
    }
    for receipt in receipts {
        assert!(matches!(receipt.await.unwrap(), Outcome::Applied { .. }));
    }
    let expected: Vec<_> = (0..600u32).map(|number| number.to_le_bytes().to_vec()).collect();
    assert_eq!(stage.cluster.state().service.ran, expected);
    assert_eq!(gold(&player), Some(1_200));
    let stats = player.stats();
    assert!(stats.resumes >= 3 && stats.hash_mismatches == 0, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn players_notice_nothing_when_the_cluster_session_is_lost_and_another_one_opened() {
    let stage = Stage::start();
    let player = stage.player("ada").await;
    stage.assert_undisturbed(&player).await;
    stage.cluster.state().egress = None;
    let outcome = player.send(*b"more").await.unwrap();
    assert!(matches!(outcome, Outcome::Applied { .. }));
    assert_eq!((stage.cluster.state().links, player.stats().resumes), (2, 0));
    assert_eq!(stage.server.stats().taken_over_total, 1);
    assert_eq!(stage.cluster.state().service.ran.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_wait_while_the_cluster_does_not_keep_up() {
    let stage = Stage::start();
    let player = stage.player("ada").await;
    stage.cluster.state().refuse = 20;
    let mut receipts = Vec::new();
    for number in 0..32u32 {
        receipts.push(player.submit(number.to_le_bytes()).await.unwrap());
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    stage.assert_undisturbed(&player).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_that_stops_tells_its_players_and_lets_go_of_the_cluster() {
    let stage = Stage::start();
    let options = ClientOptions { give_up: Duration::from_millis(300), ..ClientOptions::default() };
    let client = Client::connect(stage.address(), stage.trust.clone(), options).await.unwrap();
    let player = client.join(stage.token("ada")).await.unwrap();
    stage.server.stop(Duration::from_secs(5)).await;
    assert_eq!(stage.cluster.state().service.count(IngressMessage::DetachSession), 1);
    match player.closed().await {
        SessionEnd::GaveUp { .. } => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(player.send(*b"late").await, Err(SendError::SessionEnded(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_that_the_log_ended_is_over_for_the_client() {
    let stage = Stage::start();
    let player = stage.player("ada").await;
    let message = protocol::cluster::encode_egress(service::ended(101, 1, CloseCode::Superseded));
    stage.cluster.state().say(&message);
    assert!(matches!(player.closed().await, SessionEnd::Closed { code: Some(CloseCode::Superseded), .. }));
    let client = Client::connect(stage.address(), stage.trust.clone(), ClientOptions::default()).await.unwrap();
    let used = client.join("no token").await.unwrap_err();
    assert!(matches!(used, SessionEnd::Closed { code: Some(CloseCode::TokenInvalid), .. }));
}

// ---- clients that misbehave ---------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_bytes_close_their_connection_with_a_reason_and_no_other() {
    let stage = Stage::start();
    let honest = stage.player("ada").await;
    let stranger = Stranger::new(&stage);
    let heard = stage.cluster.state().service.heard.len();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut counts = [0u32; 3];
    for round in 0..240 {
        let mut greeting = [hello(1), join("a.b.c")].concat();
        let place = random.next_u32() as usize % greeting.len();
        counts[round % 3] += 1;
        if round % 3 == 0 {
            let mut bytes = vec![0; 64 + place];
            random.fill_bytes(&mut bytes);
            // Announced as a frame of 60 bytes, so that it is read as one.
            bytes[..4].copy_from_slice(&60u32.to_le_bytes());
            assert_eq!(stranger.say(&bytes).await, (Some(CloseCode::Malformed as u32), CloseCode::Malformed));
        } else if round % 3 == 1 {
            greeting[place] ^= 1 << (random.next_u32() % 8);
            // What a flip makes of it is still a greeting with a bad token, no greeting, or the beginning of one.
            let (said, closed) = stranger.say(&greeting).await;
            let expected = [
                CloseCode::Malformed,
                CloseCode::Oversized,
                CloseCode::Version,
                CloseCode::OutOfOrder,
                CloseCode::TokenInvalid,
                CloseCode::TooSlow,
            ];
            assert!(expected.contains(&closed), "round {round}, byte {place}: {closed:?}");
            assert_eq!(said, Some(closed as u32), "Closing says the same");
        } else {
            greeting.truncate(place.max(1));
            let code = match greeting.len() == hello(1).len() {
                true => CloseCode::Done,
                false => CloseCode::Malformed,
            };
            assert_eq!(stranger.say_and_end(&greeting).await, code, "truncated at {place}");
        }
    }
    println!("{} random, {} with a flipped bit, {} truncated", counts[0], counts[1], counts[2]);
    assert_eq!(stage.cluster.state().service.heard.len(), heard, "nothing reached the log");
    stage.assert_undisturbed(&honest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_offence_is_closed_with_its_code() {
    let stage = Stage::start();
    let honest = stage.player("ada").await;
    let stranger = Stranger::new(&stage);
    let greeted = |account: &str| [hello(1), join(&stage.token(account))].concat();
    let with = |account: &str, more: Vec<u8>| [greeted(account), more].concat();
    let used = stage.token("cyd");
    let redeemed = [hello(1), join(&used)].concat();
    let ping = encode_client(ClientMessageT::Ping(Box::default()));
    let before = [
        (5_000u32.to_le_bytes().to_vec(), CloseCode::Oversized),
        (hello(2), CloseCode::Version),
        (ping.clone(), CloseCode::OutOfOrder),
        ([hello(1), hello(1)].concat(), CloseCode::OutOfOrder),
        ([hello(1), commands(1, 1)].concat(), CloseCode::OutOfOrder),
        ([hello(1), join("no.to.ken")].concat(), CloseCode::TokenInvalid),
        (with("bob", commands(1, 1)), CloseCode::OutOfOrder),
        (hello(1), CloseCode::TooSlow),
    ];
    for (bytes, code) in before {
        assert_eq!(stranger.say(&bytes).await, (Some(code as u32), code), "{bytes:?}");
    }
    // After Joined.
    for (more, code) in [
        (commands(2, 1), CloseCode::SequenceGap),
        (commands(1, 33), CloseCode::Malformed),
        (hello(1), CloseCode::OutOfOrder),
        ((0..241).flat_map(|_| ping.clone()).collect(), CloseCode::TooFast),
    ] {
        assert_eq!(after_joined(&stranger, &greeted(&format!("{code:?}")), &more).await, code);
    }
    assert_eq!(after_joined(&stranger, &redeemed, &hello(1)).await, CloseCode::OutOfOrder);
    assert_eq!(stranger.say(&redeemed).await.1, CloseCode::TokenUsed, "a token is redeemed once");
    assert_eq!(stage.cluster.state().service.count(IngressMessage::CommandBatch), 0, "nothing of it reached the log");
    stage.assert_undisturbed(&honest).await;
}

async fn after_joined(stranger: &Stranger, greeting: &[u8], more: &[u8]) -> CloseCode {
    let connection = stranger.connect(protocol::version::ALPN, TransportConfig::default()).await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(greeting).await.unwrap();
    let mut framer = Framer::new(1 << 20);
    'joined: loop {
        let chunk = receive.read_chunk(4_096, true).await.unwrap().unwrap();
        framer.push(&chunk.bytes);
        while let Some(RawFrame(bytes)) = framer.next_frame().unwrap() {
            if decode_server(RawFrame(bytes)).unwrap().message_as_joined().is_some() {
                break 'joined;
            }
        }
    }
    let _ = send.write_all(more).await;
    code_of(&connection.closed().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_and_protocols_that_are_not_ours_are_refused() {
    let stage = Stage::start();
    let honest = stage.player("ada").await;
    let stranger = Stranger::new(&stage);
    for alpn in [&b"h2"[..], b"worldlog/2", b"worldlog"] {
        let refused = stranger.connect(alpn, TransportConfig::default()).await.unwrap_err();
        assert!(
            matches!(&refused, ConnectionError::ConnectionClosed(close) if u64::from(close.error_code) == 0x178),
            "{refused:?}"
        );
    }
    let connect = || stranger.connect(protocol::version::ALPN, TransportConfig::default());

    let connection = connect().await.unwrap();
    let mut uni = connection.open_uni().await.unwrap();
    uni.write_all(b"x").await.unwrap();
    assert_eq!(code_of(&connection.closed().await), CloseCode::OutOfOrder);

    let silent = connect().await.unwrap();
    assert_eq!(code_of(&silent.closed().await), CloseCode::TooSlow, "no stream at all");

    let connection = connect().await.unwrap();
    for _ in 0..2 {
        let (mut send, receive) = connection.open_bi().await.unwrap();
        let _ = send.write_all(&[1]).await;
        std::mem::forget((send, receive));
    }
    assert_eq!(code_of(&connection.closed().await), CloseCode::OutOfOrder);

    // Another version of QUIC is offered ours.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut packet = vec![0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    packet.resize(1_200, 0);
    socket.send_to(&packet, stage.address()).unwrap();
    let mut answer = [0; 256];
    let length = socket.recv(&mut answer).unwrap();
    assert_eq!(answer[1..5], [0; 4], "version negotiation");
    assert!(answer[..length].windows(4).any(|version| version == [0, 0, 0, 1]));
    stage.assert_undisturbed(&honest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_who_is_too_slow_costs_bounded_memory_and_gets_a_baseline() {
    let stage = Stage::start();
    let honest = stage.player("ada").await;
    let stranger = Stranger::new(&stage);
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(16 * 1024)).max_concurrent_uni_streams(VarInt::from_u32(2));
    let connection = stranger.connect(protocol::version::ALPN, transport).await.unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(&[hello(1), join(&stage.token("slow"))].concat()).await.unwrap();
    let mut first = connection.accept_uni().await.unwrap();
    // Reads nothing, while a match of many ticks goes by.
    while stage.server.stats().fallen_behind_total == 0 {
        let tick = {
            let mut state = stage.cluster.state();
            (0..200).for_each(|_| state.step());
            protocol::Tick(state.service.tick)
        };
        honest.ticks().wait_for(|seen| *seen >= tick).await.unwrap();
    }
    let mut second = connection.accept_uni().await.unwrap();
    let mut framer = Framer::new(1 << 20);
    while framer.next_frame().unwrap().is_none() {
        framer.push(&second.read_chunk(1 << 16, true).await.unwrap().unwrap().bytes);
    }
    let reset = loop {
        match first.read_chunk(1 << 16, true).await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(reset, Err(quinn::ReadError::Reset(code)) if code.into_inner() == 0), "{reset:?}");
    stage.assert_undisturbed(&honest).await;
    assert_eq!(honest.stats().baselines, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_that_are_no_quic_are_ignored() {
    let stage = Stage::start();
    let honest = stage.player("ada").await;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut sent = 0;
    for _ in 0..2_000 {
        let mut packet = vec![0; 1 + random.next_u32() as usize % 1_400];
        random.fill_bytes(&mut packet);
        sent += u32::from(socket.send_to(&packet, stage.address()).is_ok());
    }
    println!("{sent} datagrams");
    assert_eq!(stage.server.stats().connections, 1);
    stage.assert_undisturbed(&honest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let stage = Stage::start();
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::self_signed(dir.path()).unwrap();
    let config = EdgeConfig::new(stage.address(), Vec::new(), certificates);
    let refused = EdgeServer::start(config, Arc::new(stage.cluster.clone())).err().unwrap();
    assert!(refused.to_string().contains(&stage.address().to_string()), "{refused}");
}
