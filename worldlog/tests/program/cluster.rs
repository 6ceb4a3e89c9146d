//! `worldlog cluster`, and what it tells.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Bench, Running};

/// A cluster on this machine; ends with the test.
pub(crate) struct Cluster {
    /// Until it was told to stop.
    child: Option<Running>,
    events: Receiver<Value>,
    members: BTreeMap<u64, (u64, u64)>,
    /// Processes of the edges, by number; also of those that are down.
    edges: BTreeMap<u64, u64>,
    leader: Option<u64>,
    /// The first event.
    pub(crate) ready: Value,
}

/// Longer than every guard and wait that a start knows.
const READY_MAX: Duration = Duration::from_secs(150);
/// A member that was killed comes back within this: the guard of its mark files is 10 seconds.
pub(crate) const BACK_MAX: Duration = Duration::from_secs(60);

impl Bench {
    /// Starts a cluster in the folder `c` and waits until it is ready.
    pub(crate) fn cluster(&self, arguments: &[&str]) -> Cluster {
        let fixed = ["cluster", "--json", "--data", "c", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        let mut command = self.command(&[&fixed[..], arguments].concat());
        let mut child = command.stderr(std::process::Stdio::inherit()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, events) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
                if tell.send(event).is_err() {
                    return;
                }
            }
        });
        let mut cluster = Cluster {
            child: Some(Running(child)),
            events,
            members: BTreeMap::new(),
            edges: BTreeMap::new(),
            leader: None,
            ready: Value::Null,
        };
        cluster.ready = cluster.wait_for("ready", READY_MAX, |event| event["event"] == "ready");
        cluster
    }
}

impl Cluster {
    /// Where players connect.
    pub(crate) fn quic(&self) -> &str {
        self.ready["edges"][0]["quic"].as_str().unwrap()
    }

    /// Where browsers ask its first edge.
    pub(crate) fn http(&self) -> &str {
        self.ready["edges"][0]["http"].as_str().unwrap()
    }

    /// Takes what has been told until an event is `wanted`, or panics.
    pub(crate) fn wait_for(&mut self, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    self.take(&event);
                    if wanted(&event) {
                        return event;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {what} within {limit:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the cluster ended while the test waited for {what}"),
            }
        }
    }

    fn take(&mut self, event: &Value) {
        let pids = |member: &Value| (member["jvm_pid"].as_u64().unwrap(), member["service_pid"].as_u64().unwrap());
        match event["event"].as_str().unwrap() {
            "ready" => {
                for member in event["members"].as_array().unwrap() {
                    self.members.insert(member["id"].as_u64().unwrap(), pids(member));
                }
                for (edge, found) in (0..).zip(event["edges"].as_array().unwrap()) {
                    self.edges.insert(edge, found["pid"].as_u64().unwrap());
                }
            }
            "edge_up" => drop(self.edges.insert(event["id"].as_u64().unwrap(), event["pid"].as_u64().unwrap())),
            "member_up" => drop(self.members.insert(event["id"].as_u64().unwrap(), pids(event))),
            "member_down" => drop(self.members.remove(&event["id"].as_u64().unwrap())),
            "leader" => self.leader = event["member"].as_u64(),
            _ => {}
        }
    }

    /// Waits until so many members are up and one of them leads, and its status says so.
    pub(crate) fn settle(&mut self, bench: &Bench, count: usize) -> u64 {
        let deadline = Instant::now() + BACK_MAX;
        loop {
            while let Ok(event) = self.events.try_recv() {
                self.take(&event);
            }
            let statuses: Vec<Value> = self.members.keys().filter_map(|id| status(bench, *id)).collect();
            let is_up = |status: &&Value| {
                let id = status["member"].as_u64().unwrap();
                status["pid"].as_u64() == self.members.get(&id).map(|(_, service)| *service)
            };
            let position = |status: &Value| status["position"].as_i64().unwrap_or(-1);
            let up: Vec<&Value> = statuses.iter().filter(is_up).collect();
            let leaders: Vec<&&Value> = up.iter().filter(|status| status["role"] == "leader").collect();
            if let [leader] = leaders[..] {
                // Who is behind has not caught up yet.
                let close = up.iter().filter(|status| position(status) + 1_000_000 > position(leader)).count();
                if close == count && up.iter().all(|status| status["term"] == leader["term"]) {
                    return leader["member"].as_u64().unwrap();
                }
            }
            assert!(Instant::now() < deadline, "not settled within {BACK_MAX:?}: {statuses:?} {:?}", self.members);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Java process and service of a member that is up.
    pub(crate) fn pids(&self, member: u64) -> (u64, u64) {
        self.members[&member]
    }

    /// Process of an edge that was up last.
    pub(crate) fn edge_pid(&self, edge: u64) -> u64 {
        self.edges[&edge]
    }

    /// Members that are up.
    pub(crate) fn members(&self) -> Vec<u64> {
        self.members.keys().copied().collect()
    }

    /// Ctrl-C, and how it ended.
    pub(crate) fn stop(mut self) {
        let answer = self.end().unwrap();
        assert!(answer.success(), "{answer}");
    }

    fn end(&mut self) -> Option<ExitStatus> {
        let child = self.child.take()?;
        child.interrupt();
        Some(child.answer_of_status())
    }
}

impl Drop for Cluster {
    /// Also where a claim failed: a cluster that is killed leaves shared memory behind.
    fn drop(&mut self) {
        self.end();
    }
}

/// What a member says of itself.
pub(crate) fn status(bench: &Bench, member: u64) -> Option<Value> {
    let text = std::fs::read(bench.path(&format!("c/member-{member}/status.json"))).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Sends a signal.
pub(crate) fn signal(name: &str, pids: &[u64]) {
    let pids: Vec<String> = pids.iter().map(u64::to_string).collect();
    let _ = Command::new("kill").arg(format!("-{name}")).args(pids).status().unwrap();
}
