//! Our service in a stock member: what it asks of its consensus module happens, and its snapshots load.

mod java;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_cluster::client::{ClientConfig, ClientEvent, CloseCause, ClusterClient};
use aeron_cluster::codec::cluster::CloseReason;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Ended, Sent, ServiceError, SnapshotError, SnapshotReader, SnapshotWriter,
};
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use aeron_cluster::transport::{OfferError, Transport};
use java::Dirs;
use java::member::Member;

const LIMIT: Duration = Duration::from_secs(60);

/// What a service is after an entry: how many messages it took, and a checksum over all of them.
type State = (u64, u32);

/// What a test sees of services: the states in which they started and ended.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(&'static str, State)>>>);

impl Seen {
    fn note(&self, when: &'static str, state: State) {
        self.0.lock().expect("no panic").push((when, state));
    }

    fn all(&self) -> Vec<(&'static str, State)> {
        self.0.lock().expect("no panic").clone()
    }
}

/// Sends back what it is told; `timer`, `offer` and `close` it does.
struct Service {
    state: State,
    seen: Seen,
    /// Answers that clients had no room for, or no stream yet. No part of the replicated state.
    held_back: VecDeque<(i64, Vec<u8>)>,
}

impl Service {
    fn new(seen: Seen) -> Self {
        Self { state: (0, 0), seen, held_back: VecDeque::new() }
    }

    fn send(&mut self, cluster: &mut dyn Cluster, session_id: i64, payload: &[u8]) {
        let is_behind = self.held_back.iter().any(|(session, _)| *session == session_id);
        if is_behind || matches!(cluster.send(session_id, &[payload]), Sent::Refused(_)) {
            self.held_back.push_back((session_id, payload.to_vec()));
        }
    }

    fn tell_all(&mut self, cluster: &mut dyn Cluster, payload: &[u8]) {
        for session_id in cluster.session_ids() {
            self.send(cluster, session_id, payload);
        }
    }
}

/// Bytes of snapshots beside the state, so that they are of many messages and fragments.
static BALLAST: [u8; 100_000] = [7; 100_000];
const BALLAST_COUNT: usize = 50;

impl ClusteredService for Service {
    fn on_start(&mut self, _: &mut dyn Cluster, from: Option<&mut dyn SnapshotReader>) -> Result<(), ServiceError> {
        if let Some(snapshot) = from {
            let mut message = Vec::new();
            for _ in 0..BALLAST_COUNT {
                assert!(snapshot.read(&mut message)? && message == BALLAST);
            }
            assert!(snapshot.read(&mut message)?);
            let (count, checksum) = message.split_first_chunk().expect("12 bytes");
            let checksum = u32::from_le_bytes(checksum.try_into().expect("4 bytes"));
            self.state = (u64::from_le_bytes(*count), checksum);
            assert!(!snapshot.read(&mut message)?, "the end");
        }
        self.seen.note("start", self.state);
        Ok(())
    }

    fn on_take_snapshot(&mut self, _: &mut dyn Cluster, to: &mut dyn SnapshotWriter) -> Result<(), SnapshotError> {
        for _ in 0..BALLAST_COUNT {
            to.write(&BALLAST)?;
        }
        to.write(&[&self.state.0.to_le_bytes()[..], &self.state.1.to_le_bytes()].concat())
    }

    fn on_message(&mut self, cluster: &mut dyn Cluster, session_id: i64, timestamp: i64, payload: &[u8]) {
        self.state = (self.state.0 + 1, crc32c::crc32c_append(self.state.1, payload));
        match payload {
            b"timer" => {
                // The first one is moved, the second dropped; only the first may fire.
                cluster.schedule_timer(7, timestamp + 3_600_000);
                cluster.schedule_timer(8, timestamp + 1);
                cluster.cancel_timer(8);
                cluster.schedule_timer(7, timestamp + 100);
            }
            b"offer" => cluster.offer(&[b"off", b"ered"]),
            b"close" => cluster.close_session(session_id),
            // Its own message: no session's.
            b"offered" if cluster.session(session_id).is_none() => self.tell_all(cluster, b"offered"),
            _ => self.send(cluster, session_id, payload),
        }
    }

    fn on_timer(&mut self, cluster: &mut dyn Cluster, correlation_id: i64, _: i64) {
        self.tell_all(cluster, format!("timer {correlation_id}").as_bytes());
    }

    fn do_background_work(&mut self, cluster: &mut dyn Cluster) -> usize {
        let mut sent_count = 0;
        while let Some((session_id, payload)) = self.held_back.front() {
            if matches!(cluster.send(*session_id, &[payload]), Sent::Refused(_)) {
                break;
            }
            self.held_back.pop_front();
            sent_count += 1;
        }
        sent_count
    }

    fn on_terminate(&mut self) {
        self.seen.note("end", self.state);
    }

    fn on_session_open(&mut self, _: &mut dyn Cluster, _: &ClientSession, _: i64) {}
    fn on_session_close(&mut self, _: &mut dyn Cluster, _: &ClientSession, _: i64, _: CloseReason) {}
}

struct Talk {
    transport: AeronTransport,
    client: ClusterClient,
    heard: VecDeque<Vec<u8>>,
    closed: Option<CloseCause>,
}

impl Talk {
    fn begin(member: &Member, host: &str) -> Self {
        let config = AeronConfig { connect_limit: LIMIT, ..AeronConfig::new(&member.config.directories.aeron) };
        let transport = AeronTransport::connect(&config).expect("a client of the driver");
        let client = ClusterClient::new(client_config(host));
        let mut talk = Self { transport, client, heard: VecDeque::new(), closed: None };
        // A member that has just been killed may take a while to be back.
        talk.until("session", |talk| {
            if talk.closed.take().is_some() {
                talk.client = ClusterClient::new(client_config(host));
            }
            talk.client.is_connected()
        });
        talk
    }

    fn until(&mut self, what: &str, mut is_done: impl FnMut(&mut Self) -> bool) {
        let deadline = self.transport.now() + LIMIT;
        while !is_done(self) {
            assert!(self.transport.now() < deadline, "no {what} within {LIMIT:?}");
            let Self { transport, client, heard, closed, .. } = self;
            let polled = client.poll(transport, &mut |event| match event {
                ClientEvent::Message { payload, .. } => heard.push_back(payload.to_vec()),
                ClientEvent::Closed { reason } => *closed = Some(reason),
                _ => {}
            });
            let work_count = polled.expect("a live driver");
            self.transport.idle(work_count).expect("a live driver");
        }
    }

    fn send(&mut self, payload: &[u8]) {
        self.until("room", |talk| match talk.client.offer(&[payload]) {
            Ok(_) => true,
            Err(OfferError::TooLong { length, max }) => panic!("{length} > {max}"),
            Err(_) => false,
        });
    }

    /// The next message is this one.
    fn hear(&mut self, expected: &[u8]) {
        self.until("message", |talk| !talk.heard.is_empty());
        let heard = self.heard.pop_front().expect("there is one");
        assert!(heard == expected, "{} bytes instead of {}", heard.len(), expected.len());
    }

    fn echo(&mut self, payload: &[u8]) {
        self.send(payload);
        self.hear(payload);
    }
}

fn client_config(host: &str) -> ClientConfig {
    let port = java::free_ports(1)[0];
    ClientConfig {
        endpoints: vec![(0, format!("{host}:9002"))],
        egress_channel: format!("aeron:udp?endpoint=127.0.0.1:{port}|term-length=16m"),
        ingress_channel: "aeron:udp?term-length=16m".into(),
        ..ClientConfig::default()
    }
}

#[test]
fn a_service_lives_with_its_member_and_goes_on_from_its_snapshot() {
    let dirs = Dirs::new("service");
    let host = java::addresses(1).remove(0);
    let seen = Seen::default();
    let start = || {
        let seen = seen.clone();
        Member::start(&dirs, &host, move || Service::new(seen))
    };

    let mut member = start();
    let mut talk = Talk::begin(&member, &host);
    talk.echo(b"short");
    // Fragments on ingress, log and egress.
    let long: Vec<u8> = (0..1_u32 << 20).map(|at| (at % 251) as u8).collect();
    talk.echo(&long);
    talk.send(b"timer");
    talk.hear(b"timer 7");
    talk.send(b"offer");
    talk.hear(b"offered");
    let (is_done, said) = member.tool(&["snapshot"]);
    assert!(is_done && said.contains("SNAPSHOT applied successfully"), "{said}");
    talk.echo(b"after the snapshot");
    talk.send(b"close");
    talk.until("end of the session", |talk| talk.closed.is_some());
    assert_eq!(talk.closed, Some(CloseCause::ByCluster));

    // Without a service the member ends, and takes no snapshot: the next one begins from the last, and reads what the
    // log has after it. 7 messages, the service's own included.
    drop(talk);
    assert!(matches!(member.stop(), Ok(Ended::Stopped)));
    member.await_end();
    let before = seen.all().last().copied().expect("it ended");
    assert_eq!((before.0, before.1.0), ("end", 7));
    let mut member = start();
    let mut talk = Talk::begin(&member, &host);
    talk.echo(b"once more");
    assert_eq!(seen.all().last().map(|(when, (count, _))| (*when, *count)), Some(("start", 5)));

    // Ended in order: with a snapshot of everything.
    drop(talk);
    let (is_done, said) = member.tool(&["shutdown"]);
    assert!(is_done, "{said}");
    assert!(matches!(member.join(), Ok(Ended::Terminated)));
    member.await_end();
    let at_end = seen.all().last().copied().expect("it ended");
    let (_, checksum) = before.1;
    assert_eq!(at_end, ("end", (8, crc32c::crc32c_append(checksum, b"once more"))));
    let mut member = start();
    let mut talk = Talk::begin(&member, &host);
    assert_eq!(seen.all().last().copied(), Some(("start", at_end.1)));
    talk.echo(b"and once more");
    drop(talk);
    let (_, said) = member.tool(&["errors"]);
    let (_, of_service) = said.split_once("Type: CONTAINER").expect("a service's mark file");
    assert!(of_service.contains("O distinct errors observed"), "{said}");
    assert!(matches!(member.stop(), Ok(Ended::Stopped)));
    member.await_end();
}
