//! What a message costs through our client and container, beside stock Java through the same consensus.
//!
//! `cargo bench -p worldlog-aeron-cluster --bench echo -- [--cases 1:0:yield,3:1:backoff] [--peer DIR] [--seconds S]
//! [--json]`: a case is members:file sync level:idle strategy[:frame length of our side]. Members are stock Java processes on this machine
//! with the same properties on both sides; ours have an echo service of this crate beside them, as a process. Measured are
//! round trips of 64 bytes, one at a time (p50, p99); messages a second with 1,000 on their way; and commands a second
//! when an entry carries as many commands of 64 bytes as fit into a frame, and into 16 KiB.
//!
//! With `--peer DIR` (or `WORLDLOG_PEERS`), `DIR/aeron-echo/run` runs the same cases with Java's client and service, and
//! ratios are printed: its JSON has `rtt_p50_us`, `rtt_p99_us` and `thr_msg_per_s` for each case.

#![expect(clippy::print_stdout, reason = "figures are what a bench is for")]

#[path = "../tests/java/mod.rs"]
mod java;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aeron_cluster::client::{ClientConfig, ClientEvent, CloseCause, ClusterClient};
use aeron_cluster::codec::cluster::CloseReason;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Container, ContainerConfig, Sent, ServiceError, SnapshotError,
    SnapshotReader, SnapshotWriter,
};
use aeron_cluster::transport::Transport;
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use aeron_cluster::transport::idle::IdleStrategy;
use java::{Dirs, Java};

const PAYLOAD_BYTES: usize = 64;
const WINDOW: usize = 1_000;
/// 20 commands of 64 bytes and their header fit into one frame of 1,408 bytes.
const FRAME_COMMANDS: usize = 20;
const LARGE_COMMANDS: usize = 256;
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct Case {
    members: usize,
    sync: u32,
    idle: String,
    /// Longest frame on the wire; Java's side has Aeron's default.
    mtu: u32,
}

/// Aeron's default.
const MTU: u32 = 1_408;

impl Case {
    fn parse(text: &str) -> Self {
        let parts: Vec<&str> = text.split(':').collect();
        let (members, sync, idle, mtu) = match parts[..] {
            [members, sync, idle] => (members, sync, idle, MTU),
            [members, sync, idle, mtu] => (members, sync, idle, mtu.parse().expect("a frame length")),
            _ => panic!("{text}: a case is members:sync:idle[:mtu]"),
        };
        Self {
            members: members.parse().expect("a number of members"),
            sync: sync.parse().expect("a file sync level"),
            idle: idle.to_owned(),
            mtu,
        }
    }

    fn strategy(&self) -> IdleStrategy {
        match &*self.idle {
            "yield" => IdleStrategy::Yield,
            "backoff" => IdleStrategy::Backoff,
            "spin" => IdleStrategy::Spin,
            other => panic!("{other}: idle is backoff, yield or spin"),
        }
    }

    /// The same strategy in Java.
    fn java_strategy(&self) -> &'static str {
        match self.strategy() {
            IdleStrategy::Yield => "yield",
            IdleStrategy::Spin => "spin",
            _ => "org.agrona.concurrent.BackoffIdleStrategy",
        }
    }
}

// ---- the service ----------------------------------------------------------------------------------------

struct Echo;

impl ClusteredService for Echo {
    fn on_start(&mut self, _: &mut dyn Cluster, _: Option<&mut dyn SnapshotReader>) -> Result<(), ServiceError> {
        Ok(())
    }

    /// Sends back what came; of a batch, its first command, as one answer acknowledges all.
    fn on_message(&mut self, cluster: &mut dyn Cluster, session_id: i64, _: i64, payload: &[u8]) {
        let answer = &payload[..payload.len().min(PAYLOAD_BYTES)];
        for _ in 0..1_000 {
            if !matches!(cluster.send(session_id, &[answer]), Sent::Refused(error) if error.is_retryable()) {
                return;
            }
            std::thread::yield_now();
        }
    }

    fn on_take_snapshot(&mut self, _: &mut dyn Cluster, _: &mut dyn SnapshotWriter) -> Result<(), SnapshotError> {
        Ok(())
    }

    fn on_session_open(&mut self, _: &mut dyn Cluster, _: &ClientSession, _: i64) {}
    fn on_session_close(&mut self, _: &mut dyn Cluster, _: &ClientSession, _: i64, _: CloseReason) {}
    fn on_timer(&mut self, _: &mut dyn Cluster, _: i64, _: i64) {}
}

/// This program again, as a member's service: `--service <aeron.dir> <cluster dir> <idle>`.
fn serve(arguments: &[String]) {
    let [aeron_dir, cluster_dir, idle] = arguments else { panic!("--service takes three words") };
    let case = Case { members: 0, sync: 0, idle: idle.clone(), mtu: MTU };
    let client = AeronConfig { idle: case.strategy(), connect_limit: LIMIT, ..AeronConfig::new(aeron_dir) };
    let transport = AeronTransport::connect(&client).expect("the member's driver");
    let config =
        ContainerConfig { aeron_dir: aeron_dir.into(), cluster_dir: cluster_dir.into(), ..ContainerConfig::default() };
    // It ends with its consensus module; how is of no interest here.
    let _ = Container::new(config, Box::new(transport), Echo).run();
}

// ---- members ----------------------------------------------------------------------------------------------

struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As `EchoNode` of the peer configures its members.
fn member(dirs: &Dirs, case: &Case, ports: &[Vec<u16>], id: usize) -> (Java, Service) {
    let endpoints = |id: usize| {
        let [archive, ingress, consensus, log] = ports[id][..] else { unreachable!("four ports") };
        format!("{id},127.0.0.1:{ingress},127.0.0.1:{consensus},127.0.0.1:{log},127.0.0.1:0,127.0.0.1:{archive}")
    };
    let members: Vec<String> = (0..case.members).map(endpoints).collect();
    let data = dirs.data().join(format!("member-{id}"));
    let cluster_dir = data.join("cluster");
    let aeron_dir = dirs.aeron(&format!("member-{id}"));
    let idle = case.java_strategy().to_owned();
    let sync = case.sync.to_string();
    let properties = [
        ("aeron.dir", aeron_dir.display().to_string()),
        ("aeron.dir.delete.on.start", "true".into()),
        ("aeron.dir.delete.on.shutdown", "true".into()),
        ("aeron.threading.mode", "SHARED".into()),
        ("aeron.shared.idle.strategy", idle.clone()),
        ("aeron.archive.threading.mode", "SHARED".into()),
        ("aeron.archive.idle.strategy", idle.clone()),
        ("aeron.archive.dir", data.join("archive").display().to_string()),
        ("aeron.archive.control.channel", format!("aeron:udp?endpoint=127.0.0.1:{}", ports[id][0])),
        ("aeron.archive.local.control.channel", "aeron:ipc?term-length=64k".into()),
        ("aeron.archive.control.response.channel", "aeron:udp?endpoint=127.0.0.1:0".into()),
        ("aeron.archive.replication.channel", "aeron:udp?endpoint=127.0.0.1:0".into()),
        ("aeron.archive.recording.events.enabled", "false".into()),
        ("aeron.archive.file.sync.level", sync.clone()),
        ("aeron.archive.catalog.file.sync.level", sync.clone()),
        ("aeron.cluster.file.sync.level", sync),
        ("aeron.cluster.dir", cluster_dir.display().to_string()),
        ("aeron.cluster.member.id", id.to_string()),
        ("aeron.cluster.members", members.join("|")),
        ("aeron.cluster.appointed.leader.id", "0".into()),
        ("aeron.cluster.ingress.channel", "aeron:udp".into()),
        ("aeron.cluster.replication.channel", "aeron:udp?endpoint=127.0.0.1:0".into()),
        ("aeron.cluster.idle.strategy", idle),
        ("aeron.mtu.length", case.mtu.to_string()),
    ];
    std::fs::create_dir_all(&cluster_dir).expect("a folder");
    let jvm =
        Java::start(dirs.data(), &format!("member-{id}"), "io.aeron.cluster.ClusteredMediaDriver", &properties, &[]);
    let mut service = Command::new(std::env::current_exe().expect("this program"));
    service.arg("--service").arg(&aeron_dir).arg(&cluster_dir).arg(&case.idle).stdin(Stdio::null());
    (jvm, Service(service.spawn().expect("start the service")))
}

// ---- the client -------------------------------------------------------------------------------------------

struct Talk {
    transport: AeronTransport,
    client: ClusterClient,
    answers: usize,
    closed: Option<CloseCause>,
}

impl Talk {
    fn poll(&mut self) -> usize {
        let Self { transport, client, answers, closed } = self;
        let polled = client.poll(transport, &mut |event| match event {
            ClientEvent::Message { .. } => *answers += 1,
            ClientEvent::Closed { reason } => *closed = Some(reason),
            _ => {}
        });
        polled.expect("a live driver")
    }

    fn idle(&mut self, work: usize) {
        self.transport.idle(work).expect("a live driver");
    }

    fn connect(dirs: &Dirs, case: &Case, endpoints: &[(i32, String)]) -> Self {
        let config =
            AeronConfig { idle: case.strategy(), connect_limit: LIMIT, ..AeronConfig::new(dirs.aeron("client")) };
        let transport = AeronTransport::connect(&config).expect("the client's driver");
        let client = |endpoints: &[(i32, String)]| {
            ClusterClient::new(ClientConfig {
                endpoints: endpoints.to_vec(),
                egress_channel: format!("aeron:udp?endpoint=127.0.0.1:{}", java::free_ports(1)[0]),
                ..ClientConfig::default()
            })
        };
        let mut talk = Self { transport, client: client(endpoints), answers: 0, closed: None };
        let began = Instant::now();
        while !talk.client.is_connected() {
            assert!(began.elapsed() < LIMIT, "no leader within {LIMIT:?}");
            if talk.closed.take().is_some() {
                talk.client = client(endpoints);
            }
            let work = talk.poll();
            talk.idle(work);
        }
        talk
    }

    /// One message there and back.
    fn round_trip(&mut self, payload: &[u8]) -> Duration {
        let (began, before) = (Instant::now(), self.answers);
        while self.client.offer(&[payload]).is_err() {
            let work = self.poll();
            self.idle(work);
        }
        while self.answers == before {
            assert!(began.elapsed() < LIMIT, "no answer within {LIMIT:?}");
            let work = self.poll();
            self.idle(work);
        }
        began.elapsed()
    }

    /// Messages a second with a window of them on their way; the first second does not count.
    fn rate(&mut self, payload: &[u8], window: usize, seconds: f64) -> f64 {
        let began = Instant::now();
        self.answers = 0;
        let (mut sent, mut mark) = (0, None);
        while began.elapsed().as_secs_f64() < seconds + 1.0 {
            if mark.is_none() && began.elapsed().as_secs_f64() >= 1.0 {
                mark = Some((Instant::now(), self.answers));
            }
            let mut work = 0;
            while sent - self.answers < window && work < 64 && self.client.offer(&[payload]).is_ok() {
                sent += 1;
                work += 1;
            }
            work += self.poll();
            self.idle(work);
        }
        let (since, before) = mark.expect("more than a second");
        let rate = (self.answers - before) as f64 / since.elapsed().as_secs_f64();
        let drained = Instant::now();
        while self.answers < sent && drained.elapsed() < Duration::from_secs(5) {
            let work = self.poll();
            self.idle(work);
        }
        assert_eq!(self.answers, sent, "answers are missing");
        rate
    }
}

/// Figures of one side of a case.
#[derive(Clone, Copy, Debug)]
struct Figures {
    p50_us: f64,
    p99_us: f64,
    per_s: f64,
}

struct Ours {
    plain: Figures,
    frame_commands_per_s: f64,
    large_commands_per_s: f64,
}

fn ours(case: &Case, seconds: f64) -> Ours {
    let dirs = Dirs::new("echo-bench");
    let ports: Vec<Vec<u16>> = (0..case.members).map(|_| java::free_ports(4)).collect();
    let members: Vec<(Java, Service)> = (0..case.members).map(|id| member(&dirs, case, &ports, id)).collect();
    let mut properties = java::driver_properties(&dirs.aeron("client"));
    properties.push(("aeron.shared.idle.strategy", case.java_strategy().into()));
    properties.push(("aeron.mtu.length", case.mtu.to_string()));
    let _driver = Java::start(dirs.data(), "client", "io.aeron.driver.MediaDriver", &properties, &[]);
    let endpoints: Vec<(i32, String)> =
        (0i32..).zip(&ports).map(|(id, ports)| (id, format!("127.0.0.1:{}", ports[1]))).collect();
    let mut talk = Talk::connect(&dirs, case, &endpoints);
    let payload = [7; PAYLOAD_BYTES];
    let warm = Instant::now();
    while warm.elapsed().as_secs_f64() < seconds / 2.0 {
        talk.round_trip(&payload);
    }
    let (began, mut trips) = (Instant::now(), Vec::new());
    while began.elapsed().as_secs_f64() < seconds {
        trips.push(talk.round_trip(&payload).as_secs_f64() * 1e6);
    }
    trips.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| trips[((trips.len() as f64 * share).ceil() as usize).clamp(1, trips.len()) - 1];
    let plain = Figures { p50_us: at(0.5), p99_us: at(0.99), per_s: talk.rate(&payload, WINDOW, seconds) };
    let mut batched = |commands: usize| {
        let batch = vec![7; PAYLOAD_BYTES * commands];
        talk.rate(&batch, (WINDOW / commands).max(200), seconds) * commands as f64
    };
    let (frame_commands_per_s, large_commands_per_s) = (batched(FRAME_COMMANDS), batched(LARGE_COMMANDS));
    drop(members);
    Ours { plain, frame_commands_per_s, large_commands_per_s }
}

/// Java's client and service; `None` without a peer's folder.
fn floor(peer: &str, case: &Case) -> Option<Figures> {
    let output = Command::new(format!("{peer}/aeron-echo/run"))
        .env("CASES", format!("{}:{}:{}", case.members, case.sync, case.idle))
        .env("AERON_JAR", java::jar())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let field = |name: &str| -> Option<f64> {
        let rest = said.split_once(&format!("\"{name}\":"))?.1;
        rest.split([',', '}']).next()?.parse().ok()
    };
    Some(Figures { p50_us: field("rtt_p50_us")?, p99_us: field("rtt_p99_us")?, per_s: field("thr_msg_per_s")? })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if arguments.first().is_some_and(|word| word == "--service") {
        return serve(&arguments[1..]);
    }
    let option = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    let cases =
        option("--cases").map_or("1:0:yield,1:1:yield,3:0:yield,3:1:yield,1:1:backoff,3:1:backoff", String::as_str);
    let seconds: f64 = option("--seconds").map_or(5.0, |text| text.parse().expect("seconds"));
    let peer = option("--peer").cloned().or_else(|| std::env::var("WORLDLOG_PEERS").ok());
    let is_json = arguments.iter().any(|word| word == "--json");
    let mut rows = Vec::new();
    for case in cases.split(',').map(Case::parse) {
        let ours = ours(&case, seconds);
        let java = peer.as_deref().map(|peer| floor(peer, &case).expect("figures of the peer; see its logs"));
        let Figures { p50_us, p99_us, per_s } = ours.plain;
        let beside =
            |figure: fn(&Figures) -> f64| java.as_ref().map(|java| (figure(java), figure(&ours.plain) / figure(java)));
        if is_json {
            let floor = java.map_or("null".into(), |java| {
                format!("{{\"p50_us\":{:.1},\"p99_us\":{:.1},\"per_s\":{:.0}}}", java.p50_us, java.p99_us, java.per_s)
            });
            rows.push(format!(
                "{{\"members\":{},\"sync\":{},\"idle\":\"{}\",\"p50_us\":{p50_us:.1},\"p99_us\":{p99_us:.1},\
                 \"per_s\":{per_s:.0},\"frame_commands_per_s\":{:.0},\"large_commands_per_s\":{:.0},\"java\":{floor}}}",
                case.members, case.sync, case.idle, ours.frame_commands_per_s, ours.large_commands_per_s
            ));
            continue;
        }
        let show = |name: &str, ours: f64, java: Option<(f64, f64)>| match java {
            Some((java, ratio)) => println!("  {name:<34} {ours:>12.1}   java {java:>12.1}   ratio {ratio:.2}"),
            None => println!("  {name:<34} {ours:>12.1}"),
        };
        println!("{} members, file sync level {}, idle {}, frames of {}", case.members, case.sync, case.idle, case.mtu);
        show("round trip p50, us", p50_us, beside(|side| side.p50_us));
        show("round trip p99, us", p99_us, beside(|side| side.p99_us));
        show("messages a second, 1,000 on the way", per_s, beside(|side| side.per_s));
        let ratio = |commands: f64| java.map(|java| (java.per_s, commands / java.per_s));
        show("commands a second, 20 an entry", ours.frame_commands_per_s, ratio(ours.frame_commands_per_s));
        show("commands a second, 256 an entry", ours.large_commands_per_s, ratio(ours.large_commands_per_s));
    }
    if is_json {
        println!("[{}]", rows.join(","));
    }
}
