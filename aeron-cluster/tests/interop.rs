//! Our client against stock Java services, stock Java clients against our service.

mod java;

use std::time::Duration;

use aeron_cluster::client::{ClientConfig, ClientEvent, CloseCause, ClusterClient};
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use aeron_cluster::transport::{OfferError, Transport};
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
        ("aeron.client.liveness.timeout", "2s".into()),
        ("aeron.publication.unblock.timeout", "4s".into()),
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

    /// Sends until taken.
    fn send(&mut self, payload: &[u8]) {
        self.until("room", |talk| match talk.client.offer(&[payload]) {
            Ok(_) => true,
            Err(OfferError::TooLong { length, max }) => panic!("{length} > {max}"),
            Err(_) => false,
        });
    }

    fn echo(&mut self, payload: &[u8]) {
        let before = self.echoed.len();
        self.send(payload);
        self.until("echo", |talk| talk.echoed.len() > before);
        assert!(self.echoed.last().is_some_and(|last| last == payload), "{} bytes came back otherwise", payload.len());
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
    talk.until("new leader", |talk| talk.leaders.len() > 1);
    assert_ne!(talk.client.leader_member_id(), leader);
    assert_eq!(talk.client.session_id(), session, "the session outlives its leader");
    talk.echo(b"after the leader died");
    talk.client.close();
    talk.until("goodbye", |talk| talk.closed == Some(CloseCause::Asked));
}
