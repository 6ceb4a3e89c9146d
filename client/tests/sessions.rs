//! Players over QUIC, against an edge that does as it is told.
#![allow(clippy::unwrap_used, reason = "tests")]

mod edge;

use std::sync::Arc;
use std::time::Duration;

use client::{Client, ClientOptions, ConnectError, Outcome, Player, SendError, SessionEnd, Trust};
use edge::{Edge, World};
use protocol::outcome::CloseCode;
use protocol::{EntityId, OutcomeCode, PlayerId, Tick};

async fn joined(edges: &[&Edge]) -> Player {
    let addresses: Vec<_> = edges.iter().map(|edge| edge.address).collect();
    let options = ClientOptions { give_up: Duration::from_secs(5), ..ClientOptions::default() };
    let client = Client::connect(addresses, Trust::DevInsecureLoopback, options).await.unwrap();
    client.join("token").await.unwrap()
}

fn count(player: &Player) -> i64 {
    player.with_mirror(|mirror| mirror.field(EntityId(1), "Count", "commands").unwrap())
}

/// Sends numbered commands, several at a time, and checks that each ran once and in order.
async fn check_commands_run_once(world: &World, player: &Player, total: u32) {
    let mut receipts = Vec::new();
    for number in 0..total {
        receipts.push(player.submit(number.to_le_bytes()).await.unwrap());
    }
    let mut last = Tick(0);
    for receipt in receipts {
        match receipt.await.unwrap() {
            Outcome::Applied { tick, .. } => {
                assert!(tick >= last && player.with_mirror(|mirror| mirror.tick() >= tick));
                last = tick;
            }
            other => panic!("{other:?}"),
        }
    }
    let expected: Vec<_> = (0..total).map(|number| number.to_le_bytes().to_vec()).collect();
    assert_eq!(world.state().ran, expected);
    assert_eq!(count(player), i64::from(total));
    assert_eq!(player.stats().outcomes, u64::from(total));
}

#[tokio::test]
async fn a_player_joins_commands_sees_the_effect_and_leaves() {
    let world = World::new();
    let edge = Edge::start(&world);
    let player = joined(&[&edge]).await;
    assert_eq!(player.player_id(), PlayerId(3));
    assert_eq!(player.manifest().game(), "counter");
    assert_eq!(count(&player), 0);

    let tick = player.next_tick();
    let sent = player.send(*b"even");
    let (tick, outcome) = tokio::join!(tick, sent);
    assert!(matches!(outcome.unwrap(), Outcome::Applied { tick: Tick(1), .. }));
    assert_eq!(tick, Ok(Tick(1)));
    assert_eq!(count(&player), 1);

    let rejected = Outcome::Rejected { code: OutcomeCode::game(0), name: "odd-length".to_owned() };
    assert_eq!(player.send(*b"odd").await, Ok(rejected));
    assert_eq!(player.send(vec![0; 513]).await, Err(SendError::TooLong { bytes: 513, max: 512 }));

    assert_eq!(player.ping().await.unwrap().tick, Tick(2));
    assert_eq!(player.leave().await, Ok(()));
    assert_eq!(player.send(*b"late").await, Err(SendError::SessionEnded(SessionEnd::Left)));
    let stats = player.stats();
    assert_eq!((stats.deltas, stats.baselines, stats.hash_checks, stats.hash_mismatches), (2, 1, 3, 0));
    assert!(stats.bytes_up > 0 && stats.bytes_down > 0);
}

#[tokio::test]
async fn commands_run_once_when_cables_are_cut() {
    let world = World::new();
    let edge = Edge::start(&world);
    let player = Arc::new(joined(&[&edge]).await);
    let cutter = tokio::spawn({
        let player = Arc::clone(&player);
        async move {
            for _ in 0..5 {
                let ticks = player.ticks().borrow().0;
                player.ticks().wait_for(|tick| tick.0 > ticks + 3).await.unwrap();
                player.cut();
            }
        }
    });
    check_commands_run_once(&world, &player, 3_000).await;
    cutter.await.unwrap();
    let stats = player.stats();
    assert!(stats.resumes >= 4, "{stats:?}");
    assert_eq!(stats.hash_mismatches, 0);
}

#[tokio::test]
async fn commands_run_once_when_edges_fall_before_and_after_the_log() {
    let world = World::new();
    let edges = [Edge::start(&world), Edge::start(&world)];
    let player = joined(&[&edges[0], &edges[1]]).await;
    world.state().faults.lost_before_log = 2;
    world.state().faults.lost_after_log = 2;
    check_commands_run_once(&world, &player, 200).await;
    assert_eq!(world.state().greetings, ["join", "resume", "resume", "resume", "resume"]);
    assert!(player.stats().commands_resent > 0);
}

#[tokio::test]
async fn a_wrong_hash_is_answered_by_a_baseline() {
    let world = World::new();
    let edge = Edge::start(&world);
    let player = joined(&[&edge]).await;
    world.state().faults.wrong_hashes = 1;
    check_commands_run_once(&world, &player, 50).await;
    let stats = player.stats();
    assert_eq!((stats.hash_mismatches, stats.resyncs, stats.resumes), (1, 1, 0));
    let asked = world.state().resyncs.clone();
    assert!(matches!(asked[..], [(1, expected, found)] if expected == found ^ 1));
}

#[tokio::test]
async fn outcomes_survive_a_reset_state_stream() {
    let world = World::new();
    world.state().faults.stream_resets = 1;
    let edge = Edge::start(&world);
    let player = joined(&[&edge]).await;
    check_commands_run_once(&world, &player, 50).await;
    assert_eq!(player.stats().baselines, 2);
}

#[tokio::test]
async fn an_edge_that_is_behind_is_left_for_another() {
    let world = World::new();
    let edges = [Edge::start(&world), Edge::start(&world)];
    let player = joined(&[&edges[0], &edges[1]]).await;
    world.state().faults.refuse_resume = vec![CloseCode::Stopping, CloseCode::Behind];
    player.cut();
    check_commands_run_once(&world, &player, 20).await;
    assert_eq!(player.stats().resumes, 1);
}

#[tokio::test]
async fn a_session_that_is_gone_ends_with_the_servers_sentence() {
    let world = World::new();
    let edge = Edge::start(&world);
    let player = joined(&[&edge]).await;
    world.state().faults.refuse_resume = vec![CloseCode::NoSession];
    world.state().faults.lost_before_log = 1;
    let end = match player.send(*b"lost").await {
        Err(SendError::SessionEnded(end)) => end,
        other => panic!("{other:?}"),
    };
    assert!(matches!(&end, SessionEnd::Closed { code: Some(CloseCode::NoSession), .. }));
    assert_eq!(end.to_string(), "closed by the server: the session ended or expired; join again with a new token");
    assert_eq!(player.closed().await, end);
    assert_eq!(player.next_tick().await, Err(end));
}

#[tokio::test]
async fn a_player_without_any_edge_gives_up() {
    let world = World::new();
    let edge = Edge::start(&world);
    let options = ClientOptions { give_up: Duration::from_millis(300), ..ClientOptions::default() };
    let client = Client::connect(edge.address, Trust::DevInsecureLoopback, options).await.unwrap();
    let player = client.join("token").await.unwrap();
    edge.endpoint.close(quinn::VarInt::from_u32(CloseCode::Stopping as u32), b"");
    assert!(matches!(player.closed().await, SessionEnd::GaveUp { .. }));
}

#[tokio::test]
async fn a_refused_token_is_reported_by_join() {
    let world = World::new();
    let edge = Edge::start(&world);
    let client = Client::connect(edge.address, Trust::DevInsecureLoopback, ClientOptions::default()).await.unwrap();
    let refused = client.join("another").await.unwrap_err();
    assert!(matches!(refused, SessionEnd::Closed { code: Some(CloseCode::TokenInvalid), .. }));
    // The client serves the next ones who join; to the second the manifest need not travel again.
    let player = client.join("token").await.unwrap();
    assert_eq!(client.manifest(), Some(player.manifest()));
    client.join("token").await.unwrap().leave().await.unwrap();
}

#[tokio::test]
async fn the_window_holds_32_commands() {
    let world = World::new();
    let edge = Edge::start(&world);
    let player = joined(&[&edge]).await;
    // Nobody else runs on this thread before the first await.
    let receipts: Vec<_> = (0..32).map(|number: u32| player.try_send(number.to_le_bytes()).unwrap()).collect();
    let full = player.try_send(*b"more").unwrap_err();
    assert_eq!(full, SendError::WindowFull { payload: b"more".to_vec() });
    for receipt in receipts {
        receipt.await.unwrap();
    }
    player.try_send(*b"more").unwrap().await.unwrap();
}

#[tokio::test]
async fn only_the_trusted_certificate_is_accepted() {
    let world = World::new();
    let edge = Edge::start(&world);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &edge.certificate);
    let hash: [u8; 32] = hash.as_ref().try_into().unwrap();
    let connect = |trust| Client::connect(edge.address, trust, ClientOptions::default());
    assert!(connect(Trust::Pinned(hash)).await.is_ok());
    assert!(matches!(connect(Trust::Pinned([0; 32])).await, Err(ConnectError::Unreachable { .. })));

    // A self-signed certificate is its own CA.
    let pem = |der: &[u8]| pem_text(der).into_bytes();
    assert!(connect(Trust::CaPem(pem(&edge.certificate))).await.is_ok());
    let stranger = Edge::start(&world);
    assert!(matches!(connect(Trust::CaPem(pem(&stranger.certificate))).await, Err(ConnectError::Unreachable { .. })));
    assert!(matches!(connect(Trust::CaPem(b"none".to_vec())).await, Err(ConnectError::Trust { .. })));

    let far = "192.0.2.1:4433".parse::<std::net::SocketAddr>().unwrap();
    let refused = Client::connect(far, Trust::DevInsecureLoopback, ClientOptions::default()).await;
    assert!(matches!(refused, Err(ConnectError::NotLoopback { address }) if address == far));
}

fn pem_text(der: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let word = chunk.iter().chain(&[0; 2]).take(3).fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place)) as usize & 63] as char;
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}
