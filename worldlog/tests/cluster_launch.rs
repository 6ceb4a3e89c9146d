//! A cluster on one machine: what it says, that it comes back, and that nothing of it stays.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::Value;

/// A folder of its own, and the program in it.
struct Bench {
    folder: tempfile::TempDir,
}

/// A running `worldlog cluster --json`.
struct Cluster {
    child: Child,
    stdout: BufReader<ChildStdout>,
    ready: Value,
    /// The last that was heard of each member.
    members: BTreeMap<u64, Value>,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worldlog"));
        command.current_dir(self.folder.path()).env("XDG_RUNTIME_DIR", self.folder.path()).env_remove("WORLDLOG_LOG");
        // A variable for one process of a cluster is none for all of them.
        command.env("WORLDLOG_NODE_ID", "77").args(arguments).stdin(Stdio::null());
        command
    }

    /// Starts a cluster without edges and waits until it is ready.
    fn cluster(&self, nodes: &str) -> Cluster {
        let mut command = self.command(&["cluster", "--json", "--nodes", nodes, "--edges", "0", "--data", "d"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut cluster = Cluster { child, stdout, ready: Value::Null, members: BTreeMap::new() };
        cluster.ready = cluster.next();
        assert_eq!(cluster.ready["event"], "ready");
        for member in cluster.ready["members"].as_array().unwrap().clone() {
            cluster.members.insert(member["id"].as_u64().unwrap(), member);
        }
        cluster
    }

    /// What a verb says that must fail with this code.
    fn refusal(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }
}

impl Cluster {
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("it ended with {:?} and said {line:?}: {error}", self.child.wait()))
    }

    /// The next event of this kind; what comes before is of the others' concern.
    fn until(&mut self, event: &str) -> Value {
        loop {
            let next = self.next();
            if next["event"] == event {
                return next;
            }
        }
    }

    fn pids_of(&self, id: u64) -> [u32; 2] {
        ["jvm_pid", "service_pid"].map(|key| self.members[&id][key].as_u64().unwrap() as u32)
    }

    fn pids(&self) -> Vec<u32> {
        self.members.keys().flat_map(|id| self.pids_of(*id)).collect()
    }

    fn memory(&self) -> Vec<PathBuf> {
        self.members.values().map(|member| PathBuf::from(member["aeron_dir"].as_str().unwrap())).collect()
    }

    fn stop(mut self) -> ExitStatus {
        signal("TERM", self.child.id());
        self.child.wait().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What the claim was about: what is still there is removed, so that no test leaves anything.
        self.memory().iter().for_each(|memory| drop(fs::remove_dir_all(memory)));
    }
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// What a process was started with.
fn words_of(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap()).replace('\0', " ")
}

#[test]
fn a_killed_leader_is_followed_by_another_and_comes_back_by_itself() {
    let bench = Bench::new();
    let mut cluster = bench.cluster("3");
    assert_eq!(cluster.members.len(), 3);
    for (id, member) in &cluster.members {
        let [jvm, service] = cluster.pids_of(*id);
        assert!(words_of(jvm).contains("io.aeron.cluster.ClusteredMediaDriver"), "{}", words_of(jvm));
        assert!(words_of(service).contains("service --config"), "{}", words_of(service));
        let dir = Path::new(member["dir"].as_str().unwrap());
        assert_eq!(dir, bench.path("d").join(format!("member-{id}")));
        assert!(dir.join("worldlog.toml").is_file() && dir.join("aeron.properties").is_file());
        assert!(Path::new(member["cluster_dir"].as_str().unwrap()).join("cluster-mark.dat").is_file());
        assert!(Path::new(member["aeron_dir"].as_str().unwrap()).join("cnc.dat").is_file());
    }
    let first = cluster.until("leader");
    let mut reign = (first["member"].as_u64().unwrap(), first["term"].as_i64().unwrap());
    // A machine that stands still keeps the others from electing for as long as a killed one stays away: then again.
    let is_followed = (0..6).any(|_| is_followed_before_it_is_back(&mut cluster, &mut reign));
    assert!(is_followed, "another leads before the killed one is back");

    let (pids, memory) = (cluster.pids(), cluster.memory());
    assert!(cluster.stop().success());
    assert!(pids.iter().all(|pid| !is_alive(*pid)), "{pids:?}");
    assert!(memory.iter().all(|memory| !memory.exists()), "{memory:?}");
}

/// Kills the leader, waits until somebody leads and it is back, and says in which order; who leads then is noted.
fn is_followed_before_it_is_back(cluster: &mut Cluster, (leader, term): &mut (u64, i64)) -> bool {
    let killed = *leader;
    let before = cluster.pids_of(killed);
    before.iter().for_each(|pid| signal("KILL", *pid));
    let (mut is_told, mut is_back, mut is_followed, mut next) = (false, false, false, None);
    while !is_told || !is_back || next.is_none() {
        let event = cluster.next();
        let is_of_killed = event["id"].as_u64() == Some(killed);
        match event["event"].as_str() {
            Some("member_down") if is_of_killed => {
                assert_eq!(event["jvm_pid"], before[0], "who went down is told: {event}");
                is_told = true;
            }
            Some("leader") => {
                let (member, of) = (event["member"].as_u64().unwrap(), event["term"].as_i64().unwrap());
                assert!(of > *term && (is_back || member != killed), "{event} after member {killed} in term {term}");
                is_followed |= !is_back;
                next = Some((member, of));
            }
            Some("member_up") => {
                assert!(is_told || !is_of_killed, "{event}");
                is_back |= is_of_killed;
                cluster.members.insert(event["id"].as_u64().unwrap(), event);
            }
            _ => {}
        }
    }
    assert!(cluster.pids_of(killed).iter().all(|pid| is_alive(*pid) && !before.contains(pid)));
    (*leader, *term) = next.expect("waited for");
    is_followed
}

#[test]
fn a_later_start_finds_the_same_places_and_needs_no_wait() {
    let bench = Bench::new();
    let first = bench.cluster("1");
    let (places, dirs) = (fs::read(bench.path("d/cluster.json")).unwrap(), first.members[&0]["dir"].clone());
    let second = Command::new(env!("CARGO_BIN_EXE_worldlog"))
        .args(["node", "--config", "d/member-0/worldlog.toml"])
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("in use by another `worldlog node`"), "{said}");
    assert!(first.stop().success());
    let again = bench.cluster("1");
    assert_eq!(fs::read(bench.path("d/cluster.json")).unwrap(), places);
    assert_eq!(again.members[&0]["dir"], dirs);
    assert!(again.stop().success());
    let said = bench.refusal(1, &["cluster", "--nodes", "3", "--edges", "0", "--data", "d"]);
    assert!(said.contains("give --nodes 1"), "{said}");
}

#[test]
fn nothing_outlives_a_killed_cluster() {
    let bench = Bench::new();
    let mut cluster = bench.cluster("1");
    signal("KILL", cluster.child.id());
    cluster.child.wait().unwrap();
    for pid in cluster.pids() {
        while is_alive(pid) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn wrong_words_are_named_with_their_cure() {
    let bench = Bench::new();
    assert!(bench.refusal(2, &["cluster", "--nodes", "2"]).contains("1, 3 or 5"));
    assert!(bench.refusal(2, &["cluster", "--durability", "disk"]).contains("quorum-memory, quorum-disk"));
    assert!(bench.refusal(2, &["node"]).contains("name the file with --config"));
    fs::write(bench.path("worldlog.toml"), "[node]\nid = 0\ndire = \"x\"\n").unwrap();
    let said = bench.refusal(2, &["node"]);
    assert!(said.contains("worldlog.toml: node.dire is not known; known are id, dir,"), "{said}");
}
