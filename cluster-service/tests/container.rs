//! The host of a member in the real container, against a consensus module in memory: what a history gave on a host in
//! memory it gives here, through streams, fragments and commit positions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod edge;
mod games;
#[allow(dead_code, reason = "the container's own tests use the rest")]
#[path = "../../aeron-cluster/tests/container/wire.rs"]
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aeron_cluster::counters::{COMMIT_POSITION, RECOVERY_STATE};
use aeron_cluster::service::{Container, ContainerConfig};
use aeron_cluster::transport::memory::{Driver, MemoryTransport};
use aeron_cluster::transport::{
    Assembler, Publication, Subscription, Transport, await_publication, await_subscription,
};
use cluster_service::{AeronHost, AeronHostConfig, EdgeKey, Event, LogEntry, SimHost, TickHash};
use ecs_state::{Game, MatchRng};
use edge::{Edge, Token, commands};
use games::{AtRate, OnCommand, any_command};
use tempfile::TempDir;
use wire::{Join, Said, drain, said, session_close, session_message, session_open, timer_event};

const START_MS: i64 = 1_800_000_000_000;
const CONTROL: &str = "aeron:ipc?term-length=128k";
const CLIENT: &str = "aeron:udp?endpoint=edge:1";
const LEADER: i32 = 2;

/// A consensus module that says what a test wants, and the container under test.
struct Module<G: Game> {
    driver: Driver,
    transport: MemoryTransport,
    container: Container<AeronHost<G>>,
    heard: Box<dyn Subscription>,
    egress: Box<dyn Subscription>,
    log: Box<dyn Publication>,
    commit: i32,
    assemblers: [Assembler; 2],
    /// Deadlines of timers that the service asked for.
    timers: BTreeMap<i64, i64>,
    sent: Vec<Vec<u8>>,
    _folder: TempDir,
}

impl<G: Game> Module<G> {
    /// A leader at the beginning of its log.
    fn leading() -> Self {
        let (driver, folder) = (Driver::new(), tempfile::tempdir().unwrap());
        let mut transport = driver.client();
        let none = [(-1_i64).to_le_bytes(), 0_i64.to_le_bytes(), 0_i64.to_le_bytes()].concat();
        let key = [&none[..], &0_i32.to_le_bytes(), &1_i32.to_le_bytes(), &(-1_i64).to_le_bytes()].concat();
        driver.allocate_counter(RECOVERY_STATE, &key, "recovery", 0);
        let commit = driver.allocate_counter(COMMIT_POSITION, &0_i32.to_le_bytes(), "commit", 0);
        let mut control = await_publication(&mut transport, CONTROL, 104).unwrap();
        let heard = await_subscription(&mut transport, CONTROL, 105).unwrap();
        let egress = await_subscription(&mut transport, CLIENT, 102).unwrap();
        let host = AeronHost::new(AeronHostConfig {
            member: 0,
            members: BTreeSet::from([0]),
            folder: folder.path().to_owned(),
            edge_key: EdgeKey::in_process().public(),
        });
        let config = ContainerConfig { cluster_dir: folder.path().to_owned(), ..ContainerConfig::default() };
        let mut container = Container::new(config, Box::new(driver.client()), host.unwrap());
        container.start().unwrap();
        let log = await_publication(&mut transport, "aeron:udp?tags=4|session-id=501|init-position=0", 100).unwrap();
        let join = Join {
            position: 0,
            position_max: i64::MAX,
            session_id: 501,
            stream_id: 100,
            is_startup: false,
            role: LEADER,
            is_standby: false,
            channel: "aeron-spy:aeron:udp?tags=4|session-id=501|alias=log".to_owned(),
        };
        control.offer(&[&join.bytes()]).unwrap();
        let mut module = Self {
            driver,
            transport,
            container,
            heard,
            egress,
            log,
            commit,
            assemblers: [Assembler::default(), Assembler::default()],
            timers: BTreeMap::new(),
            sent: Vec::new(),
            _folder: folder,
        };
        module.step();
        module
    }

    fn step(&mut self) {
        self.driver.advance(Duration::from_millis(1));
        self.container.duty_cycle().unwrap();
        let [of_service, of_client] = &mut self.assemblers;
        for mut image in self.heard.images() {
            for message in drain(image.as_mut(), of_service) {
                match said(&message) {
                    Said::Timer { correlation, deadline } => drop(self.timers.insert(correlation, deadline)),
                    Said::CancelTimer(correlation) => drop(self.timers.remove(&correlation)),
                    Said::Ack { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        for mut image in self.egress.images() {
            self.sent.extend(drain(image.as_mut(), of_client).iter().map(|message| message[32..].to_vec()));
        }
    }

    /// Appends an entry, agrees on it, and lets the container apply it.
    fn append(&mut self, entry: &LogEntry<'_>) {
        let time = entry.time_ms;
        let message = match entry.event {
            // Only the first is one of an edge that listens.
            Event::SessionOpen { session } if session.0 == 1 => session_open(1, time, CLIENT),
            Event::SessionOpen { session } => session_open(session.0 as i64, time, "aeron:udp?endpoint=deaf:1"),
            Event::SessionClose { session } => session_close(session.0 as i64, time, 0),
            Event::Message { session, bytes } => session_message(session.0 as i64, time, bytes),
            Event::Timer { id } => {
                let deadline = self.timers.remove(&(id.0 as i64));
                assert!(deadline.is_some_and(|at| at <= time), "{id:?} at {time}, asked for at {deadline:?}");
                timer_event(id.0 as i64, time)
            }
        };
        let end = self.log.offer(&[&message]).unwrap();
        self.transport.counters().set(self.commit, end);
        self.step();
    }
}

/// A history in memory; its first edge hears everything.
fn history<G: Game>() -> (SimHost<G>, Vec<Vec<u8>>) {
    let mut host = SimHost::<G>::new(START_MS);
    let mut rng = MatchRng::new(5, 0, "history");
    let edge = Edge(host.open_session());
    let mut told = Vec::new();
    let mut hear = |host: &mut SimHost<G>| {
        let messages = host.take_messages(edge.0);
        told.extend(messages.iter().map(|message| message.to_vec()));
    };
    host.offer(edge.0, edge::hello(edge.0));
    host.offer(edge.0, edge::open_match(1, b""));
    host.offer(edge.0, edge::watch(1));
    let token = Token { match_id: 1, account: "account".to_owned(), nonce: 1, expires_ms: START_MS + 30_000 };
    host.offer(edge.0, edge::join(2, &token, 1));
    let other = Edge::connect(&mut host);
    other.watch(&mut host, 1);
    for seq in 1..=300 {
        host.offer(edge.0, commands(&[(1, 1, seq, any_command(&mut rng))]));
        host.advance(i64::from(rng.below(80)));
        hear(&mut host);
    }
    host.close_session(other.0);
    host.advance(3_000);
    hear(&mut host);
    (host, told)
}

fn gives_the_same_in_a_container<G: Game>() {
    let (history, told) = history::<G>();
    let mut module = Module::<G>::leading();
    let mut hashes: Vec<TickHash> = Vec::new();
    for entry in history.entries() {
        module.append(&entry);
        if let Some(open) = module.container.service().service().get_match(1) {
            let simulation = open.simulation();
            let (tick, hash) = (simulation.tick(), simulation.columns().total_hash());
            if tick > hashes.last().map_or(0, |last| last.tick) {
                hashes.push(TickHash { match_id: 1, tick, hash });
            }
        }
    }
    assert!(hashes.len() > 200, "{}", hashes.len());
    assert_eq!(hashes, history.hashes());
    assert_eq!(module.container.service().failure(), None);
    // Positions are those of the log, which counts bytes here and entries there: the messages differ in nothing else.
    let kinds = |messages: Vec<Vec<u8>>| -> Vec<_> {
        edge::heard(messages.into_iter().map(Into::into).collect()).iter().map(std::mem::discriminant).collect()
    };
    assert_eq!(kinds(module.sent), kinds(told));
}

#[test]
fn a_history_on_command_gives_the_same_hashes_timers_and_messages_in_a_container() {
    gives_the_same_in_a_container::<OnCommand>();
}

#[test]
fn a_history_at_a_rate_gives_the_same_hashes_timers_and_messages_in_a_container() {
    gives_the_same_in_a_container::<AtRate>();
}
