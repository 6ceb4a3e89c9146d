//! An edge's core with clients and a service that does as it is told; time is an argument.
#![allow(dead_code, clippy::unwrap_used, reason = "tests; each uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use net_edge::edge::{Action, Backlog, ConnectionId, Edge, Frames, Moment, Path, Settings};
use net_edge::{Counters, EdgeStats, TokenSigner};
use protocol::Columns;
use protocol::cluster::{EgressMessageT, encode_egress};
use protocol::frame::RawFrame;
use protocol::manifest::Visibility;
use protocol::outcome::CloseCode;
use protocol::session::*;
use protocol::view::{Beginning, View};

use crate::service::{self, Service, token};

/// What one client was told.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) control: Vec<Vec<u8>>,
    /// Frames of the newest state stream.
    pub(crate) state: Vec<Vec<u8>>,
    /// Frames of one tick, as they were handed out.
    pub(crate) frames: Vec<Frames>,
    pub(crate) datagrams: Vec<Vec<u8>>,
    pub(crate) streams: usize,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) closed: Option<(CloseCode, String)>,
}

pub(crate) struct Scene {
    pub(crate) edge: Edge,
    pub(crate) counters: Arc<Counters>,
    pub(crate) service: Service,
    pub(crate) signer: TokenSigner,
    pub(crate) start: Instant,
    pub(crate) elapsed: Duration,
    pub(crate) clients: BTreeMap<u64, Heard>,
    /// Whether bytes for state streams arrive at once.
    pub(crate) is_flowing: bool,
    pub(crate) ingress: Vec<Vec<u8>>,
    pub(crate) dropped_links: usize,
    /// Answers to questions: the matches that each names.
    pub(crate) told: Vec<(u64, Vec<u64>)>,
}

pub(crate) const UNIX_MS: i64 = 1_700_000_000_000;

impl Scene {
    pub(crate) fn unlinked() -> Self {
        Self::of(Service::new())
    }

    pub(crate) fn of(service: Service) -> Self {
        let signer = TokenSigner::generate();
        let mut number = 0u8;
        let secrets = move || {
            number += 1;
            [number; 32]
        };
        let settings =
            Settings { name: "edge/1".to_owned(), token_keys: vec![signer.public_key()], secrets: Box::new(secrets) };
        let counters = Arc::new(Counters::new());
        Self {
            edge: Edge::new(settings, Arc::clone(&counters)),
            counters,
            service,
            signer,
            start: Instant::now(),
            elapsed: Duration::ZERO,
            clients: BTreeMap::new(),
            is_flowing: true,
            ingress: vec![],
            dropped_links: 0,
            told: vec![],
        }
    }

    pub(crate) fn new() -> Self {
        let mut scene = Self::unlinked();
        scene.link();
        scene
    }

    pub(crate) fn link(&mut self) {
        let now = self.now();
        self.edge.handle_link(now, service::hello());
        self.settle();
    }

    /// With players 1 to `count` on connections of those numbers, each told of all that is.
    pub(crate) fn with_players(count: u64) -> Self {
        let mut scene = Self::new();
        for id in 1..=count {
            scene.join(id);
        }
        scene.step();
        scene
    }

    pub(crate) fn now(&self) -> Moment {
        Moment { at: self.start + self.elapsed, unix_ms: UNIX_MS + self.elapsed.as_millis() as i64 }
    }

    pub(crate) fn stats(&self) -> EdgeStats {
        self.counters.snapshot()
    }

    /// Does all that is to be done, the service's answers included.
    pub(crate) fn settle(&mut self) {
        while let Some(action) = self.edge.poll_action() {
            match action {
                Action::Offer(message) => {
                    for answer in self.service.handle(&message) {
                        self.egress(&answer);
                    }
                    self.ingress.push(message);
                }
                Action::DropLink => self.dropped_links += 1,
                Action::Control { to, frame } => self.clients.get_mut(&to.0).unwrap().control.push(frame.to_vec()),
                Action::Begin { to, baseline, backlog } => {
                    let heard = self.clients.get_mut(&to.0).unwrap();
                    heard.state = vec![baseline.to_vec()];
                    heard.streams += 1;
                    heard.backlog = backlog;
                    if self.is_flowing {
                        heard.backlog.written(baseline.len());
                    }
                }
                Action::Datagram { to, bytes } => self.clients.get_mut(&to.0).unwrap().datagrams.push(bytes.to_vec()),
                Action::Tell { request, matches } => {
                    self.told.push((request, matches.iter().map(|open| open.match_id).collect()));
                }
                Action::State { to, frames } => {
                    let heard = self.clients.get_mut(&to.0).unwrap();
                    if self.is_flowing {
                        heard.backlog.written(frames.len());
                    }
                    let parts = [&frames.delta, &frames.own, &frames.outcomes];
                    heard.state.extend(parts.into_iter().filter(|part| !part.is_empty()).map(|part| part.to_vec()));
                    heard.frames.push(frames);
                }
                Action::Close { to, code, reason } => {
                    let heard = self.clients.get_mut(&to.0).unwrap();
                    assert!(heard.closed.replace((code, reason)).is_none(), "closed twice");
                }
            }
        }
    }

    pub(crate) fn egress(&mut self, message: &[u8]) {
        self.edge.handle_egress(self.now(), message);
    }

    pub(crate) fn say(&mut self, message: EgressMessageT) {
        self.egress(&encode_egress(message));
        self.settle();
    }

    pub(crate) fn connect(&mut self, id: u64) {
        self.clients.insert(id, Heard::default());
        self.edge.handle_connected(self.now(), ConnectionId(id), Arc::default());
        self.settle();
    }

    pub(crate) fn send_bytes(&mut self, id: u64, bytes: &[u8]) {
        self.edge.handle_control_bytes(self.now(), ConnectionId(id), bytes);
        self.settle();
    }

    pub(crate) fn send(&mut self, id: u64, message: ClientMessageT) {
        self.send_bytes(id, &encode_client(message));
    }

    pub(crate) fn join(&mut self, id: u64) {
        self.connect(id);
        self.send(id, hello(0));
        let token = token(&self.signer, &format!("player-{id}"), self.now().unix_ms);
        self.send(id, join(&token));
    }

    /// Over a path that takes datagrams, if the player gets a baseline.
    pub(crate) fn join_for_datagrams(&mut self, id: u64) {
        self.connect(id);
        let mut path = Path { rtt: Duration::from_millis(1), congestion_window: 12_000, ..Path::default() };
        (path.datagram_bytes_max, path.datagram_bytes_free) = (1_200, 1 << 20);
        self.edge.handle_path(ConnectionId(id), path);
        let ClientMessageT::Hello(mut greeting) = hello(0) else { unreachable!() };
        greeting.datagrams = true;
        self.send(id, ClientMessageT::Hello(greeting));
        let token = token(&self.signer, &format!("player-{id}"), self.now().unix_ms);
        self.send(id, join(&token));
    }

    /// The mirror of a player who takes datagrams, with its baseline.
    pub(crate) fn view(&self, id: u64) -> View {
        let frame = &self.clients[&id].state[0];
        let baseline = decode_server(RawFrame(&frame[4..])).unwrap().message_as_baseline().unwrap().unpack();
        let beginning = Beginning {
            era: baseline.era,
            tick: baseline.tick,
            hash: baseline.hash,
            columns: &baseline.columns,
            own: &baseline.own,
            kept: &[],
        };
        View::begin(self.service.columns().manifest(), &beginning, None).unwrap()
    }

    /// What the edge is told of the next tick.
    pub(crate) fn hear_tick(&mut self) {
        let delta = self.service.step().unwrap();
        self.egress(&delta);
    }

    /// Gives the mirror the datagrams that came; gives how many there were.
    pub(crate) fn deliver(&mut self, id: u64, view: &mut View) -> usize {
        let datagrams = std::mem::take(&mut self.clients.get_mut(&id).unwrap().datagrams);
        datagrams.iter().for_each(|datagram| _ = view.apply(datagram).unwrap());
        datagrams.len()
    }

    #[track_caller]
    pub(crate) fn assert_newest(&self, view: &View) {
        let everyone = |columns: &Columns| columns.hash(Visibility::Everyone);
        let newest = (self.service.tick, everyone(self.service.columns()));
        assert_eq!((view.tick(), everyone(view.columns())), newest);
    }

    /// Sends commands `first..=last` and lets them leave for the log.
    pub(crate) fn command(&mut self, id: u64, first: u32, last: u32) {
        self.send(id, commands(first, (first..=last).map(|_| b"even".to_vec())));
        self.wait(2);
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        let until = self.elapsed + Duration::from_millis(ms);
        while let Some(deadline) = self.edge.next_deadline().filter(|at| *at <= self.start + until) {
            self.elapsed = self.elapsed.max(deadline.saturating_duration_since(self.start));
            self.edge.handle_timeout(self.now());
            self.settle();
        }
        self.elapsed = until;
    }

    pub(crate) fn step(&mut self) {
        if let Some(delta) = self.service.step() {
            self.egress(&delta);
        }
        self.settle();
    }

    pub(crate) fn lose(&mut self, id: u64) {
        self.edge.handle_lost(self.now(), ConnectionId(id));
        self.settle();
    }

    pub(crate) fn closed(&self, id: u64) -> Option<CloseCode> {
        self.clients[&id].closed.as_ref().map(|(code, _)| *code)
    }

    pub(crate) fn control_kinds(&self, id: u64) -> Vec<ServerMessage> {
        self.clients[&id].control.iter().map(|frame| kind(frame)).collect()
    }

    pub(crate) fn state_kinds(&self, id: u64) -> Vec<ServerMessage> {
        self.clients[&id].state.iter().map(|frame| kind(frame)).collect()
    }

    /// Numbers of the outcomes in one frame of the state stream.
    pub(crate) fn outcomes(&self, id: u64, frame: usize) -> Vec<u32> {
        let frame = decode_server(RawFrame(&self.clients[&id].state[frame][4..])).unwrap();
        let in_baseline = frame.message_as_baseline().and_then(|baseline| baseline.outcomes());
        let outcomes = in_baseline.or_else(|| frame.message_as_outcomes().map(|outcomes| outcomes.outcomes()));
        outcomes.into_iter().flatten().map(|outcome| outcome.seq()).collect()
    }

    pub(crate) fn joined(&self, id: u64) -> JoinedT {
        let frame = self.clients[&id].control.iter().find(|frame| kind(frame) == ServerMessage::Joined).unwrap();
        decode_server(RawFrame(&frame[4..])).unwrap().message_as_joined().unwrap().unpack()
    }

    pub(crate) fn resume(&mut self, id: u64, from: u64, last_position: u64) {
        let joined = self.joined(from);
        self.connect(id);
        self.send(id, hello(0));
        let mut resume = ResumeT::default();
        (resume.session, resume.secret, resume.last_position) = (joined.session, joined.secret, last_position);
        self.send(id, ClientMessageT::Resume(Box::new(resume)));
    }

    #[track_caller]
    pub(crate) fn assert_closed(&self, id: u64, code: CloseCode) {
        assert_eq!(self.closed(id), Some(code), "{:?}", self.clients[&id].closed);
    }
}

pub(crate) fn kind(frame: &[u8]) -> ServerMessage {
    decode_server(RawFrame(&frame[4..])).unwrap().message_type()
}

pub(crate) fn hello(known: u64) -> ClientMessageT {
    let mut hello = HelloT::default();
    (hello.major, hello.manifest_hash) = (1, known);
    ClientMessageT::Hello(Box::new(hello))
}

pub(crate) fn join(token: &str) -> ClientMessageT {
    let mut join = JoinT::default();
    token.clone_into(&mut join.token);
    ClientMessageT::Join(Box::new(join))
}

pub(crate) fn commands(first_seq: u32, payloads: impl IntoIterator<Item = Vec<u8>>) -> ClientMessageT {
    let mut commands = CommandsT::default();
    commands.first_seq = first_seq;
    for payload in payloads {
        let mut item = CommandBytesT::default();
        item.payload = payload;
        commands.items.push(item);
    }
    ClientMessageT::Commands(Box::new(commands))
}

pub(crate) fn ping() -> ClientMessageT {
    ClientMessageT::Ping(Box::default())
}

pub(crate) fn resync() -> ClientMessageT {
    ClientMessageT::Resync(Box::default())
}

pub(crate) fn leave() -> ClientMessageT {
    ClientMessageT::Leave(Box::default())
}
