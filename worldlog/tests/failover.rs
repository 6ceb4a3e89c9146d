//! Members of a real cluster die in mid-fight, with bots attached that are not told.
//!
//! Once each in every run; with `WORLDLOG_SOAK=1` ten times each, or `WORLDLOG_TRIALS` times. `WORLDLOG_TIMEOUTS=aeron`
//! shows the same with Aeron's own timeouts, and `WORLDLOG_FAULTS=leader,all` some of the faults only.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use std::time::Duration;

use program::Bench;
use program::cluster::{Cluster, signal, status};
use serde_json::Value;

const BOTS: &str = "32";
/// Into the fight.
const BEFORE: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Both processes of the leader.
    Leader,
    /// Both processes of a follower.
    Follower,
    /// The leader's service alone.
    Service,
    /// The leader's Java process alone.
    Java,
    /// All processes of all members.
    All,
    /// The leader sleeps for five seconds and wakes up as what it was.
    Pause,
}

const FAULTS: [(Fault, &str); 6] = [
    (Fault::Leader, "leader"),
    (Fault::Follower, "follower"),
    (Fault::Service, "service"),
    (Fault::Java, "java"),
    (Fault::All, "all"),
    (Fault::Pause, "pause"),
];

impl Fault {
    fn strike(self, cluster: &Cluster, leader: u64) {
        let both = |member: u64| {
            let (java, service) = cluster.pids(member);
            [java, service]
        };
        match self {
            Self::Leader => signal("KILL", &both(leader)),
            Self::Follower => {
                let follower = cluster.members().into_iter().find(|member| *member != leader).unwrap();
                signal("KILL", &both(follower));
            }
            Self::Service => signal("KILL", &both(leader)[1..]),
            Self::Java => signal("KILL", &both(leader)[..1]),
            Self::All => {
                let pids: Vec<u64> = cluster.members().into_iter().flat_map(both).collect();
                signal("KILL", &pids);
            }
            Self::Pause => {
                signal("STOP", &both(leader));
                std::thread::sleep(Duration::from_secs(5));
                signal("CONT", &both(leader));
            }
        }
    }

    /// How long the bots go on playing: well past the time that it takes to go on.
    fn duration_s(self, is_slow: bool) -> u64 {
        match (self, is_slow) {
            (_, true) => 40,
            (Self::All | Self::Pause, false) => 20,
            (_, false) => 14,
        }
    }
}

/// Runs one trial and returns the longest gap of any bot, in milliseconds.
fn trial(bench: &Bench, cluster: &mut Cluster, fault: Fault, is_slow: bool) -> f64 {
    let leader = cluster.settle(bench, 3);
    let duration = fault.duration_s(is_slow).to_string();
    let quic = cluster.quic().to_owned();
    let swarm = bench.spawn(&[
        "swarm",
        "--connect",
        &quic,
        "--bots",
        BOTS,
        "--duration",
        &duration,
        "--token-key",
        "c/keys/token.key",
        "--match",
        "1",
        "--json",
    ]);
    std::thread::sleep(BEFORE);
    fault.strike(cluster, leader);
    let answer = swarm.answer();
    let report = answer.object();
    for (key, expected) in [("commands_lost", 0), ("duplicates", 0), ("hash_mismatches", 0), ("commands_unknown", 0)] {
        assert_eq!(report[key], expected, "{fault:?}: {report}\n{}", answer.stderr);
    }
    assert_eq!((&report["joined"], &report["sessions_ended"]), (&32.into(), &0.into()), "{fault:?}: {report}");
    assert!(report["commands_acked"].as_u64().unwrap() > 1_000, "{fault:?}: {report}");
    eprintln!(
        "{fault:?}: gap {} ms, acked {}, resumes {}, p50 {} ms",
        report["longest_gap_ms"], report["commands_acked"], report["resumes"], report["ack_ms"]["p50"]
    );
    report["longest_gap_ms"].as_f64().unwrap()
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn players_do_not_lose_a_command_whoever_dies() {
    let is_soak = std::env::var_os("WORLDLOG_SOAK").is_some();
    let trials = number("WORLDLOG_TRIALS", if is_soak { 10 } else { 1 });
    let timeouts = std::env::var("WORLDLOG_TIMEOUTS").unwrap_or_else(|_| "fast".to_owned());
    let wanted = std::env::var("WORLDLOG_FAULTS").ok();
    let bench = Bench::new();
    let mut cluster = bench.cluster(&["--nodes", "3", "--edges", "1", "--population", "100", "--timeouts", &timeouts]);
    let mut table = Vec::new();
    for (fault, name) in FAULTS {
        if wanted.as_ref().is_some_and(|wanted| !wanted.split(',').any(|word| word == name)) {
            continue;
        }
        let mut gaps: Vec<f64> = (0..trials).map(|_| trial(&bench, &mut cluster, fault, timeouts == "aeron")).collect();
        gaps.sort_unstable_by(f64::total_cmp);
        table.push((name, gaps));
    }
    cluster.settle(&bench, 3);
    let verdicts: Vec<Value> = (0..3).filter_map(|member| status(&bench, member)).collect();
    assert_eq!(verdicts.len(), 3);
    for verdict in &verdicts {
        assert!(verdict["failure"].is_null() && verdict["hash_mismatches"] == 0, "{verdict}");
    }
    cluster.stop();
    eprintln!("longest gap between two acknowledgements of a bot, ms, {timeouts} timeouts");
    for (name, gaps) in &table {
        let median = gaps[gaps.len() / 2];
        let worst = gaps[gaps.len() - 1];
        eprintln!("{name:<10} median {median:>8.0}  worst {worst:>8.0}  all {gaps:.0?}");
    }
}
