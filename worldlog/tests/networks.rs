//! Players whose network changes under them, or is gone for a while: it is the same session after it.
//!
//! Between players and edge stands what stands there in the world: a router that gives each player an address of its
//! own towards the edge, may give another one at any time, and may stop.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each test file uses its part; a panic is the report"
)]

mod program;

use std::time::Duration;

use program::Bench;
use program::router::Router;
use serde_json::Value;

const BOTS: &str = "6";
/// For what happens once all play.
const PLAY: Duration = Duration::from_secs(1);

/// Lets bots play through a router for so many seconds, meanwhile does something to it, and gives their report: nothing
/// was lost or ran twice, and every hash agreed.
fn play(seconds: &str, meanwhile: impl FnOnce(&Router)) -> Value {
    let bench = Bench::new();
    let dev = bench.dev(&["--data", "d", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--population", "100"]);
    let router = Router::new("127.0.0.1:0", dev.word("quic").parse().unwrap());
    let (through, match_id) = (router.address.to_string(), dev.word("match"));
    let to = ["--connect", &through, "--match", &match_id, "--token-key", "d/keys/token.key"];
    let swarm = bench.spawn(&[&["swarm", "--bots", BOTS, "--duration", seconds, "--json"], &to[..]].concat());
    bench.await_players("d", BOTS);
    std::thread::sleep(PLAY);
    meanwhile(&router);
    let report = swarm.answer().object();
    println!("resumes {} longest gap {} ms", report["resumes"], report["longest_gap_ms"]);
    for (key, expected) in [("hash_mismatches", 0), ("leaks", 0), ("commands_lost", 0), ("duplicates", 0)] {
        assert_eq!(report[key], expected, "{key}: {report}");
    }
    assert!(report["hash_checks"].as_u64().unwrap() > 0, "{report}");
    report
}

#[test]
fn who_gets_another_address_keeps_the_connection() {
    let report = play("9", |router| {
        for _ in 0..3 {
            router.change_addresses();
            // All use their new addresses.
            router.await_players(BOTS.parse().unwrap());
            std::thread::sleep(PLAY);
        }
    });
    assert_eq!(report["resumes"], 0, "QUIC moves along: {report}");
}

#[test]
fn a_short_cut_is_waited_for() {
    let report = play("8", |router| router.cut(Duration::from_secs(1)));
    assert_eq!(report["resumes"], 0, "{report}");
}

#[test]
fn after_a_long_cut_each_player_comes_back_to_its_session() {
    let bots: u64 = BOTS.parse().unwrap();
    let cuts: &[u64] = if std::env::var_os("WORLDLOG_SOAK").is_some() { &[8, 20, 40, 55] } else { &[8] };
    for seconds in cuts {
        let report = play(&(seconds + 14).to_string(), |router| {
            // The network that is back is another one.
            router.cut(Duration::from_secs(*seconds));
            router.change_addresses();
        });
        assert!(report["resumes"].as_u64().unwrap() >= bots, "{seconds} s: {report}");
    }
}
