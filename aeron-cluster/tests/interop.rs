//! Our client against stock Java services, stock Java clients against our service.

mod java;

use std::collections::VecDeque;
use std::time::Duration;

use aeron_cluster::client::{ClientConfig, ClientEvent, CloseCause, ClusterClient};
use aeron_cluster::codec::cluster::CloseReason;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Ended, Sent, ServiceError, SnapshotError, SnapshotReader, SnapshotWriter,
};
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use aeron_cluster::transport::{OfferError, Transport};
use java::member::Member;
use java::{Dirs, Java};

const LIMIT: Duration = Duration::from_secs(60);

/// Port of ingress on a member of Aeron's samples: `9000 + 100 * member + 2`.
fn sample_ingress(hosts: &[String]) -> Vec<(i32, String)> {
    (0i32..).zip(hosts).map(|(id, host)| (id, format!("{host}:{}", 9_002 + 100 * id))).collect()
}

/// A member of Aeron's echo sample: driver, archive, consensus module and service in one JVM.
fn echo_member(dirs: &Dirs, hosts: &[String], id: usize) -> Java {
    let data = dirs.data().join(format!("member-{id}"));
    std::fs::create_dir_all(&data).expect("a folder");
    let mut properties = java::driver_properties(&dirs.aeron(&format!("member-{id}")));
    properties.extend([
        ("user.dir", data.display().to_string()),
        ("aeron.cluster.tutorial.nodeId", id.to_string()),
        ("aeron.cluster.tutorial.hostnames", hosts.join(",")),
        ("aeron.cluster.tutorial.hostnames.internal", hosts.join(",")),
        ("aeron.cluster.leader.heartbeat.timeout", "1s".into()),
        ("aeron.cluster.leader.heartbeat.interval", "100ms".into()),
        ("aeron.cluster.election.timeout", "500ms".into()),
        ("aeron.cluster.election.status.interval", "50ms".into()),
        ("aeron.cluster.startup.canvass.timeout", "5s".into()),
        ("aeron.cluster.ingress.channel", "aeron:udp?term-length=16m".into()),
    ]);
    Java::start(dirs.data(), &format!("member-{id}"), "io.aeron.samples.cluster.EchoServiceNode", &properties, &[])
}

struct Talk {
    transport: AeronTransport,
    client: ClusterClient,
    endpoints: Vec<(i32, String)>,
    /// Payloads that came back.
    echoed: Vec<Vec<u8>>,
    leaders: Vec<i32>,
    closed: Option<CloseCause>,
}

impl Talk {
    fn begin(dirs: &Dirs, driver: &str, endpoints: Vec<(i32, String)>) -> Self {
        let config = AeronConfig { connect_limit: LIMIT, ..AeronConfig::new(dirs.aeron(driver)) };
        let transport = AeronTransport::connect(&config).expect("a client of the driver");
        let client = ClusterClient::new(client_config(endpoints.clone()));
        Self { transport, client, endpoints, echoed: Vec::new(), leaders: Vec::new(), closed: None }
    }

    fn poll(&mut self) -> usize {
        let Self { transport, client, echoed, leaders, closed, .. } = self;
        let polled = client.poll(transport, &mut |event| match event {
            ClientEvent::Message { payload, .. } => echoed.push(payload.to_vec()),
            ClientEvent::Connected { leader_member_id, .. } | ClientEvent::NewLeader { leader_member_id, .. } => {
                leaders.push(leader_member_id);
            }
            ClientEvent::Closed { reason } => *closed = Some(reason),
            _ => {}
        });
        polled.expect("a live driver")
    }

    /// Polls until `is_done`; a client that found nobody is made anew, as an application would.
    fn until(&mut self, what: &str, mut is_done: impl FnMut(&mut Self) -> bool) {
        let deadline = self.transport.now() + LIMIT;
        while !is_done(self) {
            assert!(self.transport.now() < deadline, "no {what} within {LIMIT:?}");
            let work = self.poll();
            if self.closed == Some(CloseCause::NoAnswer) {
                self.closed = None;
                let endpoints = self.endpoints.clone();
                self.client = ClusterClient::new(client_config(endpoints));
            }
            self.transport.idle(work).expect("a live driver");
        }
    }

    /// Sends it, and again to each new leader, as what one took that fell may be lost; until it comes back.
    fn echo(&mut self, payload: &[u8]) {
        let (before, mut sent_in) = (self.echoed.len(), None);
        self.until("echo", |talk| {
            let reign = talk.leaders.len();
            if sent_in != Some(reign) {
                match talk.client.offer(&[payload]) {
                    Ok(_) => sent_in = Some(reign),
                    Err(OfferError::TooLong { length, max }) => panic!("{length} > {max}"),
                    Err(_) => {}
                }
            }
            talk.echoed[before..].iter().any(|back| back == payload)
        });
    }
}

fn client_config(endpoints: Vec<(i32, String)>) -> ClientConfig {
    let port = java::free_ports(1)[0];
    ClientConfig {
        endpoints,
        egress_channel: format!("aeron:udp?endpoint=127.0.0.1:{port}|term-length=16m"),
        ingress_channel: "aeron:udp?term-length=16m".into(),
        ..ClientConfig::default()
    }
}

#[test]
fn our_client_follows_the_leader_of_three_java_members() {
    let dirs = Dirs::new("echo3");
    let hosts = java::addresses(3);
    let _driver = java::media_driver(&dirs, "client");
    let mut members: Vec<Java> = (0..3).map(|id| echo_member(&dirs, &hosts, id)).collect();
    let mut talk = Talk::begin(&dirs, "client", sample_ingress(&hosts));
    talk.until("session", |talk| talk.client.is_connected());
    for length in [1, 100, 1_376, 5_000, 1 << 20] {
        let payload: Vec<u8> = (0..length).map(|at| (at * 7 + 3) as u8).collect();
        talk.echo(&payload);
    }
    let session = talk.client.session_id();
    let leader = talk.client.leader_member_id();
    members[leader as usize].kill();
    talk.until("new leader", |talk| talk.leaders.last() != Some(&leader));
    assert_eq!(talk.leaders.last(), Some(&talk.client.leader_member_id()));
    assert_eq!(talk.client.session_id(), session, "the session outlives its leader");
    talk.echo(b"after the leader died");
    talk.client.close();
    talk.until("goodbye", |talk| talk.closed == Some(CloseCause::Asked));
}

/// The service of Aeron's tutorial, as its Java client expects it: `correlation, customer, price` in, `correlation, winner,
/// best price, accepted` out.
#[derive(Default)]
struct Auction {
    best: (i64, i64),
    /// Answers that clients had no room for, or no stream yet. No part of the replicated state.
    held_back: VecDeque<(i64, [u8; 25])>,
}

impl Auction {
    /// Sends what is held back, in its order, as far as clients take it.
    fn send_held_back(&mut self, cluster: &mut dyn Cluster) -> usize {
        let before = self.held_back.len();
        while let Some((session_id, answer)) = self.held_back.front()
            && !matches!(cluster.send(*session_id, &[answer]), Sent::Refused(_))
        {
            self.held_back.pop_front();
        }
        before - self.held_back.len()
    }
}

impl ClusteredService for Auction {
    fn on_start(&mut self, _: &mut dyn Cluster, from: Option<&mut dyn SnapshotReader>) -> Result<(), ServiceError> {
        assert!(from.is_none(), "the test starts with nothing");
        Ok(())
    }

    fn on_message(&mut self, cluster: &mut dyn Cluster, session_id: i64, _: i64, payload: &[u8]) {
        let number = |at: usize| i64::from_le_bytes(payload[at..at + 8].try_into().expect("8 bytes"));
        let (correlation, customer, price) = (number(0), number(8), number(16));
        let is_accepted = price > self.best.1;
        if is_accepted {
            self.best = (customer, price);
        }
        let (winner, best) = self.best;
        let mut answer = [u8::from(is_accepted); 25];
        for (place, number) in [correlation, winner, best].into_iter().enumerate() {
            answer[8 * place..8 * place + 8].copy_from_slice(&number.to_le_bytes());
        }
        self.held_back.push_back((session_id, answer));
        self.send_held_back(cluster);
    }

    fn do_background_work(&mut self, cluster: &mut dyn Cluster) -> usize {
        self.send_held_back(cluster)
    }

    fn on_take_snapshot(&mut self, _: &mut dyn Cluster, to: &mut dyn SnapshotWriter) -> Result<(), SnapshotError> {
        to.write(&self.best.1.to_le_bytes())
    }

    fn on_session_open(&mut self, _: &mut dyn Cluster, _: &ClientSession, _: i64) {}
    fn on_session_close(&mut self, _: &mut dyn Cluster, _: &ClientSession, _: i64, _: CloseReason) {}
    fn on_timer(&mut self, _: &mut dyn Cluster, _: i64, _: i64) {}
}

#[test]
fn java_clients_and_tools_talk_to_our_service_and_do_not_disturb_it() {
    let dirs = Dirs::new("auction");
    let host = java::addresses(1).remove(0);
    let mut member = Member::start(&dirs, &host, Auction::default);

    let is_leading = |member: &Member| member.tool(&["is-leader"]).0;
    let began = std::time::Instant::now();
    while !is_leading(&member) {
        assert!(member.is_serving() && began.elapsed() < LIMIT, "no leader: {}", member.last_words());
    }

    let mut properties = java::driver_properties(&dirs.aeron("java-client"));
    properties.extend([
        ("aeron.cluster.tutorial.customerId", "77".into()),
        ("aeron.cluster.tutorial.numOfBids", "5".into()),
        ("aeron.cluster.tutorial.bidIntervalMs", "100".into()),
        ("aeron.cluster.tutorial.hostnames", host.clone()),
    ]);
    let output = java::run("io.aeron.samples.cluster.tutorial.BasicAuctionClusterClient", &properties, &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let (sent, answered) = (said.matches("Sent(").count(), said.matches("SessionMessage(").count());
    assert!(sent == 5 && answered == 5, "{said}");

    // Each of these is a Java archive client or reader on the live driver; plain aeron-rs would end here.
    for (verb, expected) in [
        ("describe", "serviceId=0"),
        ("list-members", "leaderMemberId=0"),
        ("recording-log", "TERM"),
        ("snapshot", "SNAPSHOT applied successfully"),
        ("errors", "Type: CONTAINER"),
        ("describe-latest-cm-snapshot", "Snapshot"),
    ] {
        let (_, said) = member.tool(&[verb]);
        assert!(said.contains(expected), "{verb}: {said}");
    }
    let (is_done, plan) = member.tool(&["recovery-plan", "1"]);
    assert!(is_done && plan.contains("snapshots=["), "{plan}");

    let (is_done, said) = member.tool(&["is-leader"]);
    assert!(is_done && member.is_serving(), "{said}{}", member.last_words());
    let output = java::run("io.aeron.samples.cluster.tutorial.BasicAuctionClusterClient", &properties, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(matches!(member.stop(), Ok(Ended::Stopped)));
}
