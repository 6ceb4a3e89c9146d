//! `kill -9` in mid-fight, again and again, with bots attached that come back by themselves.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use std::time::{Duration, Instant};

use program::Bench;
use serde_json::Value;

const ROUNDS: u64 = 20;
const FIGHT: Duration = Duration::from_secs(1);
const BOTS: &str = "12";

/// Two witnesses that nothing was lost: the bots, who hold each acknowledged command against the count that the match
/// keeps of them, and the host, which holds the hash of every tick that it runs again against the one that was logged
/// when it was played.
#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kill_9() {
    let rounds = if std::env::var_os("WORLDLOG_SOAK").is_some() { 50 * ROUNDS } else { ROUNDS };
    let bench = Bench::new();
    let mut dev =
        bench.dev(&["--data", "d", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--population", "100"]);
    let quic = dev.word("quic");
    // Longer than all rounds; the bots are told to end by hand.
    let duration = (rounds * 60).to_string();
    let swarm =
        bench.spawn(&["swarm", "--connect", &quic, "--bots", BOTS, "--duration", &duration, "--stay", "--json"]);
    let mut last_position = 0;
    for round in 1..=rounds {
        when_all_are_back(&bench, round);
        std::thread::sleep(FIGHT);
        let before = durable(&bench);
        dev.kill();
        dev = bench.dev(&["--data", "d", "--listen", &quic, "--http", "127.0.0.1:0"]);
        assert_eq!(dev.ready["match"], 1);
        let recovered = &dev.ready["recovered"];
        let number = |key: &str| recovered[key].as_u64().unwrap();
        let position = number("snapshot_position") + number("entries_replayed");
        assert!(number("hashes_checked") > 0, "round {round}: {recovered}");
        assert!(position >= before, "round {round}: {before} entries were durable; {recovered}");
        assert!(position > last_position, "round {round}");
        last_position = position;
    }
    when_all_are_back(&bench, rounds);
    std::thread::sleep(FIGHT);
    swarm.interrupt();
    let report = swarm.answer();
    let report = report.object();
    assert_eq!((&report["commands_lost"], &report["duplicates"]), (&0.into(), &0.into()), "{report}");
    assert_eq!((&report["commands_unknown"], &report["hash_mismatches"]), (&0.into(), &0.into()), "{report}");
    assert_eq!(report["joined"], 12, "{report}");
    assert!(report["resumes"].as_u64().unwrap() >= rounds * 12, "{report}");
    assert!(dev.terminate().0.success());

    // What was played through all crashes is one match, and plays the same again.
    let exported = bench.run(&["match", "export", "1", "--data", "d", "--out", "m.wlm", "--json"]).object();
    let replayed = bench.run(&["replay", "m.wlm", "--verify", "--json"]).object();
    assert_eq!((&replayed["mismatches"], &replayed["ticks"]), (&0.into(), &exported["ticks"]));
    eprintln!("{rounds} crashes: {report}\n{exported}\n{replayed}");
}

/// Waits until all bots play through this process.
fn when_all_are_back(bench: &Bench, round: u64) {
    let begun = Instant::now();
    loop {
        let players = &status(bench)["edge"]["players"];
        if *players == 12 {
            return;
        }
        assert!(begun.elapsed() < BACK_MAX, "round {round}: {players} of 12 bots came back");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Position of the log.
fn durable(bench: &Bench) -> u64 {
    status(bench)["host"]["position"].as_u64().unwrap()
}

fn status(bench: &Bench) -> Value {
    bench.run(&["status", "--data", "d", "--json"]).object()
}

/// As long as a client tries to come back.
const BACK_MAX: Duration = Duration::from_secs(60);
