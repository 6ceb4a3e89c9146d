//! How long a cluster of one member takes to come back after `kill -9`, against the length of its log, with a snapshot
//! and without one.
//!
//! `cargo xtask bench recovery`; with `--mib 2,4` for other lengths, with `--json` for programs. Takes up to five minutes. Bots fill the log; then both
//! processes of the member are killed and its supervisor starts them again, under the eyes of other bots. The log is that of a
//! real match: as many ticks and commands as were played.
//!
//! - *pause*: from the kill until both processes are started; the supervisor waits longer after each early end.
//! - *lead*: from their start until the member leads: the Java process, its election, and all that is applied again.
//! - *applying*: of that, from the first entry that the service applied until it led; to 0.2 s, as it is read from
//!   `status.json`.
//! - *ack*: from their start until every bot has the outcome that it waited for when the member was killed. Beyond *lead* it is the edge that finds its way
//!   back: it has to notice that the member was gone.
//!
//! What it shows (2 cores that others used too, 128 bots, 4 to 16 MiB of log, 500 to 4,400 ticks): the member leads 0.6 to
//! 0.8 s after its start with a snapshot, whatever the log's length, and 0.6 to 1.4 s without one. Players waited for 4 to 5 s
//! in every case, for the edge and not for the log: that was before edges saw that members which had all been down forgot their session.

#![allow(dead_code, reason = "the harness of the tests has more than this needs")]
#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

#[path = "../tests/program/mod.rs"]
mod program;

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use aeron_cluster::member::Java;
use program::cluster::{BACK_MAX, Cluster, signal, status};
use program::{Bench, Running};
use serde_json::{Value, json};

/// Lengths of the log, unless others are given.
const MIB: [u64; 3] = [4, 8, 16];
/// Who fills it: as many as one edge and two cores serve beside the member itself.
const BOTS: &str = "128";
/// Commands a second of each.
const RATE: &str = "20";
/// For each length; what the log has then is what the row is of.
const FILL_MAX: Duration = Duration::from_secs(60);
/// Who watches: so many that some wait for an outcome at any moment. Without deltas they ask for nothing new.
const WITNESSES: &str = "48";
/// Of the witnesses, before the kill and after the edge is back.
const SETTLE: Duration = Duration::from_secs(2);
/// Before each kill, besides [`SETTLE`]: the supervisor waits longer after a life of less than 10 s.
const CALM: Duration = Duration::from_secs(10);
/// The figures in `status.json` are no older.
const STATUS_AGE: Duration = Duration::from_millis(300);

struct Row {
    log_bytes: u64,
    /// Entries that the service applied again.
    entries: u64,
    /// Ticks that it ran again.
    ticks: u64,
    has_snapshot: bool,
    pause_s: f64,
    lead_s: f64,
    applying_s: f64,
    /// Unless no bot was waiting.
    ack_s: Option<f64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo bench` passes --bench; `cargo test` would pass something else and only wants to see it start.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let after = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    let lengths: Vec<u64> = after("--mib")
        .map_or_else(|| MIB.to_vec(), |text| text.split(',').map(|length| length.parse().unwrap()).collect());
    let is_json = arguments.iter().any(|argument| argument == "--json");

    let bench = Bench::new();
    let mut cluster = bench.cluster(&["--nodes", "1", "--edges", "1", "--population", "100"]);
    cluster.settle(&bench, 1);
    // What a start costs by itself.
    let mut rows = vec![crash(&bench, &mut cluster, false)];
    for length in lengths {
        fill(&bench, &cluster, length << 20);
        let taken = bench.run(&["snapshot", "take", "--member", "c", "--json"]).object();
        eprintln!("{taken}");
        rows.push(crash(&bench, &mut cluster, true));
        forget_snapshot(&bench);
        rows.push(crash(&bench, &mut cluster, false));
    }
    cluster.stop();
    if is_json {
        println!("{}", json!({ "bots": BOTS, "rows": rows.iter().map(Row::object).collect::<Vec<_>>() }));
    } else {
        println!("{}", Row::HEAD);
        rows.iter().for_each(|row| println!("{}", row.line()));
    }
}

/// Lets bots play until the log is so long.
fn fill(bench: &Bench, cluster: &Cluster, log_bytes: u64) {
    let swarm = play(bench, cluster, BOTS, RATE);
    let begun = Instant::now();
    while position(bench) < log_bytes && begun.elapsed() < FILL_MAX {
        std::thread::sleep(Duration::from_millis(100));
    }
    swarm.interrupt();
    let report = swarm.answer().object();
    eprintln!(
        "log {:.1} MiB after {:.0} s: {} commands, ack {}",
        position(bench) as f64 / 1_048_576.0,
        begun.elapsed().as_secs_f64(),
        report["commands_acked"],
        report["ack_ms"]
    );
}

fn play(bench: &Bench, cluster: &Cluster, bots: &str, rate: &str) -> Running {
    let fixed = ["swarm", "--connect", cluster.quic(), "--bots", bots, "--rate", rate, "--duration", "10m"];
    bench.spawn(&[&fixed[..], &["--match", "1", "--token-key", "c/keys/token.key", "--json"]].concat())
}

fn position(bench: &Bench) -> u64 {
    number(&status(bench, 0).unwrap_or_default(), "position")
}

fn number(status: &Value, key: &str) -> u64 {
    status[key].as_u64().unwrap_or_default()
}

/// Kills the member while bots play.
fn crash(bench: &Bench, cluster: &mut Cluster, has_snapshot: bool) -> Row {
    std::thread::sleep(CALM);
    let witnesses = play(bench, cluster, WITNESSES, "15");
    std::thread::sleep(SETTLE);
    let (java, service) = cluster.pids(0);
    let log_bytes = position(bench);
    signal("KILL", &[java, service]);
    let killed = Instant::now();
    cluster.wait_for("member_up", BACK_MAX, |event| event["event"] == "member_up");
    let (pause, begun) = (killed.elapsed(), Instant::now());
    let (lead, applying) = until_it_leads(bench, cluster.pids(0).1, begun);
    std::thread::sleep(STATUS_AGE);
    let said = status(bench, 0).unwrap();
    let is_back = || {
        let edge = bench.run(&["status", "--cluster", "c", "--json"]).found()["edges"][0]["status"].clone();
        !edge["cluster"]["leader"].is_null() && edge["cluster"]["term"] == said["term"]
    };
    while !is_back() {
        assert!(begun.elapsed() < BACK_MAX, "the edge is not back");
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(SETTLE);
    witnesses.interrupt();
    let report = witnesses.answer().object();
    assert_eq!((&report["commands_lost"], &report["duplicates"]), (&0.into(), &0.into()), "{report}");
    let gap_s = report["longest_gap_ms"].as_f64().unwrap() / 1_000.0;
    let row = Row {
        log_bytes,
        entries: number(&said, "entries"),
        ticks: number(&said, "ticks"),
        has_snapshot,
        pause_s: pause.as_secs_f64(),
        lead_s: lead.as_secs_f64(),
        applying_s: applying.as_secs_f64(),
        ack_s: Some(gap_s - pause.as_secs_f64()).filter(|ack_s| *ack_s > 0.0),
    };
    eprintln!("{}", row.line());
    row
}

/// When the new service led, and how long it had been applying until then.
fn until_it_leads(bench: &Bench, service: u64, begun: Instant) -> (Duration, Duration) {
    let mut idle_until = Duration::ZERO;
    loop {
        let said = status(bench, 0).filter(|said| number(said, "pid") == service).unwrap_or_default();
        let elapsed = begun.elapsed();
        if said["role"] == "leader" && number(&said, "entries") > 0 {
            return (elapsed, elapsed.saturating_sub(idle_until));
        }
        if number(&said, "entries") == 0 {
            idle_until = elapsed;
        }
        assert!(elapsed < BACK_MAX, "it does not lead: {said}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Takes the newest snapshot out of the member's index, as an operator would: its next start applies the log from the
/// snapshot before, or from its beginning.
fn forget_snapshot(bench: &Bench) {
    let folder = bench.path("c/member-0/cluster");
    let words = [folder.as_os_str(), OsStr::new("invalidate-latest-snapshot")];
    let tool = Java::find().unwrap().run("io.aeron.cluster.ClusterTool", 64, &words).output().unwrap();
    assert!(tool.status.success(), "{}", String::from_utf8_lossy(&tool.stderr));
}

impl Row {
    const HEAD: &str = "   log MiB    entries      ticks  snapshot  pause s   lead s  applying s     ack s";

    fn line(&self) -> String {
        format!(
            "{:>10.1} {:>10} {:>10} {:>9} {:>8.2} {:>8.2} {:>11.2} {:>9}",
            self.log_bytes as f64 / 1_048_576.0,
            self.entries,
            self.ticks,
            if self.has_snapshot { "yes" } else { "no" },
            self.pause_s,
            self.lead_s,
            self.applying_s,
            self.ack_s.map_or_else(|| "-".to_owned(), |ack_s| format!("{ack_s:.2}"))
        )
    }

    fn object(&self) -> Value {
        json!({
            "log_bytes": self.log_bytes,
            "entries": self.entries,
            "ticks": self.ticks,
            "has_snapshot": self.has_snapshot,
            "pause_s": self.pause_s,
            "lead_s": self.lead_s,
            "applying_s": self.applying_s,
            "ack_s": self.ack_s,
        })
    }
}
