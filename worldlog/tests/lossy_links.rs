//! Players on bad links: what is lost costs freshness and nothing else.
//!
//! `cargo xtask soak loss` plays each row for a minute and prints the table.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each test file uses its part; a panic is the report"
)]

mod program;

use program::namespaces::Namespace;
use program::router::{Line, Router};
use program::{Bench, text};
use serde_json::Value;

/// Percent of the packets that are lost, each way.
const LOSSES: [&str; 4] = ["0", "1", "5", "20"];

fn is_soak() -> bool {
    std::env::var_os("WORLDLOG_SOAK").is_some()
}

/// Plays on one server: one row after the other where freshness is what is asked for, else all at once.
fn check(bots: &str, duration: &str, rows: &[&[&str]]) {
    let bench = Bench::new();
    let dev = bench.dev(&["--data", "d", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--population", "200"]);
    let quic = dev.word("quic");
    if is_soak() {
        rows.iter().for_each(|faults| check_row(&bench, &quic, bots, duration, faults));
        return;
    }
    std::thread::scope(|scope| {
        for faults in rows {
            scope.spawn(|| check_row(&bench, &quic, bots, duration, faults));
        }
    });
}

fn check_row(bench: &Bench, quic: &str, bots: &str, duration: &str, faults: &[&str]) {
    let swarm = [&["swarm", "--connect", quic, "--bots", bots, "--duration", duration, "--json"], faults].concat();
    // It fails unless all came in, each command ran once, every hash agreed, and nobody saw what interest forbids.
    check_report(&faults.join(" "), &bench.run(&swarm).object());
}

fn check_report(row: &str, report: &Value) {
    println!(
        "{row:<66} freshness {} row age {} ack {} checked {} resumes {} down {} B/s a bot",
        report["freshness_ms"],
        report["row_age_ms"],
        report["ack_ms"],
        report["hash_checks"],
        report["resumes"],
        report["bytes_down_per_bot_s"]
    );
    for (key, expected) in [("hash_mismatches", 0), ("leaks", 0), ("commands_lost", 0), ("duplicates", 0)] {
        assert_eq!(report[key], expected, "{key} with {row}: {report}");
    }
    assert!(report["hash_checks"].as_u64().unwrap() > 0, "{row}: {report}");
}

#[test]
fn losing_packets_costs_freshness_and_never_correctness() {
    let faults = |loss| ["--loss", loss, "--reorder", "5", "--duplicate", "2", "--delay", "20", "--jitter", "10"];
    let rows = LOSSES.map(faults);
    let rows: Vec<_> = rows.iter().map(|row| &row[..]).collect();
    if is_soak() { check("32", "60s", &rows) } else { check("8", "12s", &rows) }
}

/// Server and bots are on networks of their own, and a router between them is all there is: what goes over the line are
/// packets of the kernel's, not the swarm's.
#[test]
fn between_networks_packets_with_other_bits_do_no_more_harm_than_lost_ones() {
    let (Some(servers), Some(players)) = (Namespace::new(0), Namespace::new(1)) else { return };
    let (server, swarm) = (Bench::in_namespace(&servers.name), Bench::in_namespace(&players.name));
    let listen = format!("{}:0", servers.address);
    let dev = server.dev(&["--data", "d", "--listen", &listen, "--http", "127.0.0.1:0", "--population", "200"]);
    let (key, match_id, pin) = (server.path("d/keys/token.key"), dev.word("match"), dev.word("certificate_sha256"));
    let (losses, bots, duration): (&[u32], _, _) =
        if is_soak() { (&[0, 1, 5, 20], "32", "60s") } else { (&[20], "8", "6s") };
    for loss in losses {
        let delay = std::time::Duration::from_millis;
        let line = Line { loss: *loss, duplicate: 2, reorder: 5, corrupt: 1, delay: delay(20), jitter: delay(10) };
        let router = Router::new(&format!("{}:0", players.outer), dev.word("quic").parse().unwrap());
        let through = router.address.to_string();
        let to = ["--connect", &through, "--match", &match_id, "--token-key", text(&key), "--trust-sha256", &pin];
        let playing = swarm.spawn(&[&["swarm", "--bots", bots, "--duration", duration, "--json"], &to[..]].concat());
        // A handshake that fails for three seconds is given up, which is not what is asked here.
        server.await_players("d", bots);
        router.take_line(line);
        check_report(&format!("loss {loss} % between networks"), &playing.answer().object());
        let (carried, corrupted) = router.counts();
        println!("{carried} packets, {corrupted} with another bit");
        assert!(corrupted > carried / 1_000, "{corrupted} of {carried}");
    }
}

#[test]
fn connections_that_are_cut_on_bad_links_come_back() {
    let duration = if is_soak() { "120s" } else { "8s" };
    check("8", duration, &[&["--loss", "5", "--delay", "30", "--jitter", "20", "--cut-every", "1s"]]);
}
