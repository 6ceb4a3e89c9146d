//! An edge that stops reading, or dies: nobody but its players notices, and they lose no command.
//!
//! Two edges of one cluster, with bots on both. Whatever befalls edge 1, those on edge 0 play on and the leader ticks
//! on as before. `WORLDLOG_FAULTS=nap,driver` shows some of the faults only.
//!
//! No edge falls behind by all that the leader holds for it within the session timeout unless it asks for a lot: one
//! that asks for baselines without end and reads none shows that bound, through the code of real edges.
//!
//! A machine that stands still for a second makes everybody wait too. What is said about time is therefore said of a
//! fault that strikes again: it holds at least once in a few trials. What is said of commands holds in each.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use std::fs;
use std::time::{Duration, Instant};

use aeron_cluster::member::{DriverConfig, IdleProfile, MemberEndpoints};
use net_edge::{Cluster as _, ClusterLink, LinkEvent};
use program::cluster::{Cluster, signal, status};
use program::{Bench, Running};
use protocol::cluster::{IngressMessageT, WatchMatchT, decode_egress, encode_ingress};
use protocol::limits::{EGRESS_BACKLOG_BYTES_MAX, LINK_BACKLOG_MAX};
use serde_json::Value;
use worldlog::config::Config;
use worldlog::edge::{AeronCluster, AeronOptions};

const BOTS: &str = "16";
/// Into the fight; and on from where the leader knows of the fault.
const WHILE: Duration = Duration::from_millis(1_500);
/// Longer than any wait that an edge or a member knows, all together.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a fault strikes until nothing else delays anybody.
const TRIALS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing happens.
    None,
    /// The edge does nothing for less time than its driver waits for it: streams hold what it does not read.
    Nap,
    /// The edge does nothing until the cluster gives its session up; its driver goes on.
    Stall,
    /// Neither the edge nor its driver does anything until the cluster gives the session up.
    Sleep,
    /// The edge's process dies, and its driver with it.
    Edge,
    /// The edge's driver dies.
    Driver,
    /// A third edge, on the driver of edge 0, asks for more than it reads until the leader holds no more for it.
    Deaf,
}

const FAULTS: [(Fault, &str); 6] = [
    (Fault::Nap, "nap"),
    (Fault::Stall, "stall"),
    (Fault::Sleep, "sleep"),
    (Fault::Edge, "edge"),
    (Fault::Driver, "driver"),
    (Fault::Deaf, "deaf"),
];

impl Fault {
    /// Brings it about, and ends when it is over.
    fn strike(self, scene: &mut Scene<'_>, watch: &mut Watch<'_>) {
        let edge = scene.cluster.edge_pid(1);
        let driver = child_java(edge);
        let sessions = watch.last["cluster_sessions"].as_u64().unwrap();
        match self {
            Self::None => watch.for_a_while(WHILE),
            Self::Nap => {
                signal("STOP", &[edge]);
                watch.for_a_while(Duration::from_secs(3));
                signal("CONT", &[edge]);
                watch.for_a_while(Duration::from_secs(1));
                watch.expect(watch.last["cluster_sessions"] == sessions, "its session outlives that");
            }
            Self::Stall => {
                signal("STOP", &[edge]);
                watch.until("bytes held for the edge", |leader| leader["egress_held_bytes"] != 0);
                watch.until("nothing held", |leader| leader["egress_held_bytes"] == 0);
                signal("CONT", &[edge]);
            }
            Self::Sleep => {
                signal("STOP", &[edge, driver]);
                watch.until("the end of its session", |leader| leader["cluster_sessions"].as_u64().unwrap() < sessions);
                signal("CONT", &[edge, driver]);
                watch.until("another session", |leader| leader["cluster_sessions"].as_u64().unwrap() >= sessions);
            }
            Self::Edge => {
                signal("KILL", &[edge]);
                scene.await_edge();
            }
            Self::Driver => signal("KILL", &[driver]),
            Self::Deaf => fall_behind(scene.bench, watch),
        }
        watch.for_a_while(WHILE);
    }

    /// Whether the edge's players lose their connections, and come back.
    fn cuts_off_players(self) -> bool {
        matches!(self, Self::Stall | Self::Sleep | Self::Edge)
    }

    /// How long the bots play: until after the fault is over.
    fn duration_s(self) -> u64 {
        match self {
            Self::None => 4,
            Self::Nap => 7,
            Self::Stall => 13,
            Self::Sleep => 10,
            Self::Edge | Self::Driver => 12,
            Self::Deaf => 14,
        }
    }
}

struct Scene<'a> {
    bench: &'a Bench,
    cluster: Cluster,
    /// Where players connect to each edge; stays the same.
    quic: [String; 2],
}

impl<'a> Scene<'a> {
    fn new(bench: &'a Bench) -> Self {
        // How long a disk takes is no part of this.
        let durability = ["--durability", "quorum-memory"];
        let arguments = ["--nodes", "3", "--edges", "2", "--population", "3000"];
        let cluster = bench.cluster(&[&arguments[..], &durability].concat());
        let quic = [0, 1].map(|edge: usize| cluster.ready["edges"][edge]["quic"].as_str().unwrap().to_owned());
        Self { bench, cluster, quic }
    }

    fn swarm(&self, edge: usize, seconds: u64) -> Running {
        let (quic, seconds) = (&*self.quic[edge], &*seconds.to_string());
        let place = ["swarm", "--connect", quic, "--token-key", "c/keys/token.key", "--match", "1"];
        self.bench.spawn(&[&place[..], &["--bots", BOTS, "--duration", seconds, "--json"]].concat())
    }

    /// Waits until edge 1 is there again.
    fn await_edge(&mut self) {
        self.cluster.wait_for("edge", LIMIT, |event| event["event"] == "edge_up" && event["id"] == 1);
    }
}

/// What the leader says of itself, from some moment on.
struct Watch<'a> {
    bench: &'a Bench,
    leader: u64,
    first: Value,
    last: Value,
    held_bytes_max: u64,
    /// What was not as it should be, maybe by the machine's fault. Nothing is waited for any more.
    delayed: Option<String>,
}

impl<'a> Watch<'a> {
    fn begin(bench: &'a Bench, leader: u64) -> Self {
        let first = status(bench, leader).unwrap();
        Self { bench, leader, last: first.clone(), first, held_bytes_max: 0, delayed: None }
    }

    fn look(&mut self) {
        std::thread::sleep(Duration::from_millis(20));
        self.last = status(self.bench, self.leader).unwrap();
        self.held_bytes_max = self.held_bytes_max.max(self.last["egress_held_bytes"].as_u64().unwrap());
        self.expect(self.last["role"] == "leader", "nobody else is elected");
    }

    /// Notes the first that is not so.
    fn expect(&mut self, is_so: bool, what: &str) {
        if !is_so && self.delayed.is_none() {
            self.delayed = Some(format!("{what}: {}", self.last));
        }
    }

    fn until(&mut self, what: &str, mut is_so: impl FnMut(&Value) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while self.delayed.is_none() && !is_so(&self.last) {
            assert!(Instant::now() < deadline, "no {what} within {LIMIT:?}: {}", self.last);
            self.look();
        }
    }

    fn for_a_while(&mut self, length: Duration) {
        let until = Instant::now() + length;
        while self.delayed.is_none() && Instant::now() < until {
            self.look();
        }
    }

    /// Ticks a second of log time.
    fn rate(&self) -> f64 {
        let since = |key: &str| (self.last[key].as_i64().unwrap() - self.first[key].as_i64().unwrap()) as f64;
        1_000.0 * since("ticks") / since("time_ms")
    }
}

/// The Java process that another one has started, or is about to.
fn child_java(parent: u64) -> u64 {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(java) = find_child_java(parent) {
            return java;
        }
        assert!(Instant::now() < deadline, "an edge has a media driver");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn find_child_java(parent: u64) -> Option<u64> {
    let of_process = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(')')?;
        let is_child = rest.split_whitespace().nth(1)? == parent.to_string();
        (is_child && name.ends_with("(java")).then_some(pid)
    };
    fs::read_dir("/proc").unwrap().filter_map(Result::ok).find_map(of_process)
}

/// Opens a session beside those of edge 0, asks for baselines and reads nothing; then reads what there is.
fn fall_behind(bench: &Bench, watch: &mut Watch<'_>) {
    let deaf = third_edge(bench);
    let mut link = deaf.connect();
    say_hello(&mut link);
    let lagging = watch.last["lagging_edges"].as_u64().unwrap();
    watch.until("end of an edge that reads nothing", |leader| {
        // So many in 20 ms that the session's channel is never full.
        (0..ASKED_AT_ONCE).for_each(|_| ask_for_baseline(&mut link));
        leader["lagging_edges"].as_u64().unwrap() > lagging
    });
    if watch.delayed.is_some() {
        return;
    }
    let bound = EGRESS_BACKLOG_BYTES_MAX as u64;
    assert!((bound / 2..=bound).contains(&watch.held_bytes_max), "{} of {bound} bytes", watch.held_bytes_max);
    assert_eq!(watch.last["lagging_edges"], lagging + 1);
    watch.until("nothing held", |leader| leader["egress_held_bytes"] == 0);

    // It comes to know: what it was sent is followed by the end of its stream, and a new one begins with a baseline. The
    // consensus module has no room to say so in a stream that is full, so it takes a while.
    let read_count = std::iter::from_fn(|| link.egress.blocking_recv()).count();
    assert!(read_count > LINK_BACKLOG_MAX / 2, "{read_count} messages and no end");
    let mut again = deaf.connect();
    say_hello(&mut again);
    ask_for_baseline(&mut again);
    let is_baseline = |message: &[u8]| decode_egress(message).unwrap().message_as_match_baseline().is_some();
    loop {
        let event = again.egress.blocking_recv().expect("the new session goes on");
        if matches!(event, LinkEvent::Message(message) if is_baseline(&message)) {
            return;
        }
    }
}

/// The match that all play.
const MATCH: u64 = 1;
/// Between two looks at the leader.
const ASKED_AT_ONCE: usize = 6;

fn ask_for_baseline(link: &mut ClusterLink) {
    let mut watch = WatchMatchT::default();
    watch.match_id = MATCH;
    link.ingress.offer(encode_ingress(IngressMessageT::WatchMatch(Box::new(watch)))).unwrap();
}

fn say_hello(link: &mut ClusterLink) {
    let hello = IngressMessageT::EdgeHello(Box::new(link.hello.clone()));
    link.ingress.offer(encode_ingress(hello)).unwrap();
}

/// A way into the cluster as an edge has it, over the driver of edge 0.
fn third_edge(bench: &Bench) -> AeronCluster {
    let config = Config::load(&bench.path("c/edge-0/worldlog.toml")).unwrap();
    let edge = config.edge.as_ref().unwrap();
    let (_, last) = edge.egress_ports;
    let options = AeronOptions {
        aeron_dir: DriverConfig::new(&edge.dir, "edge").aeron,
        endpoints: config.cluster.members.iter().map(MemberEndpoints::ingress).collect(),
        egress_host: edge.egress_host.clone(),
        // Far from those that the edge itself takes first.
        egress_ports: (last - 7, last),
        idle: IdleProfile::Laptop,
        name: "deaf".to_owned(),
    };
    AeronCluster::new(options, &config.cluster.read_secret().unwrap())
}

/// Lets bots play on both edges while it happens; gives the leader's ticks a second meanwhile, or what took longer than
/// the fault explains.
fn trial(scene: &mut Scene<'_>, fault: Fault) -> Result<f64, String> {
    let bench = scene.bench;
    let leader = scene.cluster.settle(bench, 3);
    let swarms = [0, 1].map(|edge| scene.swarm(edge, fault.duration_s()));
    std::thread::sleep(WHILE);
    let mut watch = Watch::begin(bench, leader);
    fault.strike(scene, &mut watch);
    let reports = swarms.map(|swarm| {
        let answer = swarm.answer();
        let report = answer.object();
        for key in ["commands_lost", "duplicates", "hash_mismatches", "commands_unknown", "sessions_ended"] {
            assert_eq!(report[key], 0, "{fault:?}: {key} in {report}\n{}", answer.stderr);
        }
        assert!(report["joined"] == 16 && report["commands_acked"].as_u64().unwrap() > 300, "{fault:?}: {report}");
        report
    });
    for (edge, report) in reports.iter().enumerate() {
        let (acked, gap, ack) = (&report["commands_acked"], &report["longest_gap_ms"], &report["ack_ms"]);
        let (resumes, baselines) = (&report["resumes"], &report["baselines"]);
        let (p50, p99) = (&ack["p50"], &ack["p99"]);
        eprintln!(
            "{fault:?}, edge {edge}: acked {acked}, p50 {p50} p99 {p99} longest gap {gap} ms, resumes {resumes}, \
             baselines {baselines}"
        );
    }
    let (p50, p99, lagging) = (&watch.last["apply_ms_p50"], &watch.last["apply_ms_p99"], &watch.last["lagging_edges"]);
    eprintln!(
        "{fault:?}, leader: {:.2} ticks/s, a tick applied in p50 {p50} p99 {p99} ms, held at most {} bytes, lagging {lagging}",
        watch.rate(),
        watch.held_bytes_max
    );
    let [near, far] = reports;
    let gap = |report: &Value| report["longest_gap_ms"].as_f64().unwrap();
    watch.expect(near["resumes"] == 0 && near["connections_lost"] == 0, &format!("near players stay: {near}"));
    watch.expect(gap(&near) < 1_000.0, &format!("near players do not wait: {near}"));
    // Not each of them: a sleep ends at about the time after which clients give a silent edge up.
    let has_come_back = far["resumes"].as_u64().unwrap() > 0;
    watch.expect(has_come_back || !fault.cuts_off_players(), &format!("far players come back: {far}"));
    // A client that waits for a silent driver as long as it may waits for 10 seconds.
    watch.expect(fault != Fault::Driver || gap(&far) < 7_000.0, &format!("a dead driver is noticed: {far}"));
    let leader_after = scene.cluster.settle(bench, 3);
    watch.expect(leader_after == leader, &format!("{leader_after} was elected"));
    let rate = watch.rate();
    watch.delayed.map_or(Ok(rate), Err)
}

/// Strikes again where the machine delayed somebody; gives the ticks a second, which are `enough`.
fn trials(scene: &mut Scene<'_>, fault: Fault, enough: f64) -> f64 {
    for number in 1..=TRIALS {
        match trial(scene, fault) {
            Ok(rate) if rate > enough => return rate,
            Ok(rate) => eprintln!("{fault:?}, trial {number}: {rate:.2} ticks/s, {enough:.2} are expected"),
            Err(delayed) => eprintln!("{fault:?}, trial {number}: {delayed}"),
        }
    }
    panic!("{fault:?}: somebody waits in each of {TRIALS} trials");
}

#[test]
fn whatever_befalls_an_edge_only_its_players_wait_and_they_lose_no_command() {
    let wanted = std::env::var("WORLDLOG_FAULTS").ok();
    let bench = Bench::new();
    let mut scene = Scene::new(&bench);
    let calm = trials(&mut scene, Fault::None, 0.0);
    for (fault, name) in FAULTS {
        if wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|word| word == name)) {
            // Who waits for an edge ticks a few times; a machine that does other things besides costs a tick or two of 30.
            trials(&mut scene, fault, 0.8 * calm);
        }
    }
    for member in 0..3 {
        let verdict = status(&bench, member).unwrap();
        assert!(verdict["failure"].is_null() && verdict["hash_mismatches"] == 0, "{verdict}");
    }
    scene.cluster.stop();
}
