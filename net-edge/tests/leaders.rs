//! What players notice when leaders fall and cluster sessions are lost: latency, and nothing else.
//!
//! A scripted service on the far side of a network that loses what is under way, in both directions, whenever the
//! leader changes or the cluster session ends; and ticks that nobody hears of meanwhile.
#![allow(clippy::unwrap_used, reason = "tests")]

mod service;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use net_edge::edge::{Action, ConnectionId, Edge, Moment, Settings};
use net_edge::{Counters, TokenSigner};
use proptest::prelude::*;
use protocol::Columns;
use protocol::cluster::{IngressMessage, decode_ingress};
use protocol::delta::apply;
use protocol::frame::{Framer, RawFrame};
use protocol::limits::{COMMANDS_UNACKED_MAX, LINK_HOLD_MS_MAX, SERVER_FRAME_BYTES_MAX};
use protocol::manifest::Visibility;
use protocol::outcome::CloseCode;
use protocol::session::*;
use service::{Service, manifest, token};

// ---- a client in small ----------------------------------------------------------------------------------

/// One connection, which checks all that it is told.
#[derive(Default)]
struct Connection {
    player: usize,
    mirror: Option<(u64, Columns)>,
    closed: Option<CloseCode>,
    streams: usize,
}

#[derive(Default)]
struct Player {
    connection: Option<u64>,
    /// Number, and secret for the next resume.
    session: Option<(u32, Vec<u8>)>,
    /// Whether this connection was told that it has the session.
    is_in: bool,
    sent: u32,
    /// By number: code, tick, position.
    outcomes: BTreeMap<u32, (u16, u64, u64)>,
    has_left: bool,
    went_elsewhere: bool,
}

impl Player {
    /// Commands up to which there is an outcome of each.
    fn settled(&self) -> u32 {
        (1..).take_while(|seq| self.outcomes.contains_key(seq)).last().unwrap_or(0)
    }
}

fn payload(player: usize, seq: u32) -> Vec<u8> {
    [(player as u32).to_le_bytes(), seq.to_le_bytes()].concat()
}

// ---- the stage ------------------------------------------------------------------------------------------

#[derive(PartialEq, Clone, Copy, Debug)]
enum Leader {
    There,
    Lost,
    /// The cluster session is gone.
    NoLink,
}

struct Stage {
    edge: Edge,
    counters: Arc<Counters>,
    service: Service,
    signer: TokenSigner,
    start: Instant,
    elapsed: Duration,
    leader: Leader,
    /// On the way to the leader.
    up: VecDeque<Vec<u8>>,
    /// On the way to the edge.
    down: VecDeque<Vec<u8>>,
    connections: BTreeMap<u64, Connection>,
    players: Vec<Player>,
}

const UNIX_MS: i64 = 1_700_000_000_000;

impl Stage {
    fn new() -> Self {
        let signer = TokenSigner::generate();
        let mut number = 0u64;
        let secrets = move || {
            number += 1;
            [number.to_le_bytes(); 4].concat().try_into().unwrap()
        };
        let settings =
            Settings { name: "edge".to_owned(), token_keys: vec![signer.public_key()], secrets: Box::new(secrets) };
        let counters = Arc::new(Counters::new());
        let mut stage = Self {
            edge: Edge::new(settings, Arc::clone(&counters)),
            counters,
            service: Service::new(),
            signer,
            start: Instant::now(),
            elapsed: Duration::ZERO,
            leader: Leader::NoLink,
            up: VecDeque::new(),
            down: VecDeque::new(),
            connections: BTreeMap::new(),
            players: vec![],
        };
        stage.link();
        stage
    }

    /// With players in the match, each told of all that is.
    fn with_players(count: usize) -> Self {
        let mut stage = Self::new();
        for _ in 0..count {
            stage.join();
        }
        stage.deliver_all();
        stage
    }

    fn now(&self) -> Moment {
        Moment { at: self.start + self.elapsed, unix_ms: UNIX_MS + self.elapsed.as_millis() as i64 }
    }

    fn act(&mut self) {
        while let Some(action) = self.edge.poll_action() {
            match action {
                Action::Offer(message) => {
                    assert_eq!(self.leader, Leader::There, "nobody is there to take anything");
                    self.up.push_back(message);
                }
                Action::DropLink => panic!("the link is of use"),
                Action::Control { to, frame } => self.hear(to.0, &frame),
                Action::Begin { to, baseline, backlog } => {
                    let connection = self.connections.get_mut(&to.0).unwrap();
                    (connection.mirror, connection.streams) = (None, connection.streams + 1);
                    backlog.written(baseline.len());
                    self.hear(to.0, &baseline);
                }
                Action::Datagram { .. } => panic!("nobody takes datagrams here"),
                Action::Tell { .. } => panic!("nobody asks here"),
                Action::State { to, frames } => {
                    for part in [&frames.delta, &frames.own, &frames.outcomes] {
                        self.hear(to.0, part);
                    }
                }
                Action::Close { to, code, .. } => {
                    let connection = self.connections.get_mut(&to.0).unwrap();
                    assert_eq!(connection.closed.replace(code), None);
                    let player = &mut self.players[connection.player];
                    if player.connection == Some(to.0) {
                        (player.connection, player.is_in) = (None, false);
                        player.has_left |= code == CloseCode::Left;
                    }
                }
            }
        }
    }

    /// What a client makes of bytes of its edge.
    fn hear(&mut self, id: u64, bytes: &[u8]) {
        let mut framer = Framer::new(SERVER_FRAME_BYTES_MAX);
        framer.push(bytes);
        while let Some(raw) = framer.next_frame().unwrap() {
            let frame = decode_server(RawFrame(raw.0)).unwrap();
            if let Some(joined) = frame.message_as_joined() {
                self.hear_joined(id, &joined);
            } else if let Some(baseline) = frame.message_as_baseline() {
                let mut columns = Columns::new(manifest());
                apply(&mut columns, Visibility::Everyone, baseline.columns().bytes()).unwrap();
                assert_eq!(columns.hash(Visibility::Everyone), baseline.hash());
                self.connections.get_mut(&id).unwrap().mirror = Some((baseline.tick(), columns));
                self.settle(id, baseline.outcomes().into_iter().flatten());
            } else if let Some(delta) = frame.message_as_delta() {
                let (tick, columns) = self.connections.get_mut(&id).unwrap().mirror.as_mut().unwrap();
                assert_eq!(delta.tick(), *tick + 1, "a tick is missing");
                apply(columns, Visibility::Everyone, delta.columns().bytes()).unwrap();
                assert_eq!(columns.hash(Visibility::Everyone), delta.hash());
                *tick = delta.tick();
            } else if let Some(outcomes) = frame.message_as_outcomes() {
                self.settle(id, outcomes.outcomes().into_iter());
            }
        }
    }

    fn hear_joined(&mut self, id: u64, joined: &Joined<'_>) {
        let number = self.connections[&id].player;
        let player = &mut self.players[number];
        if player.connection != Some(id) {
            // The client gave this connection up.
            return;
        }
        player.session = Some((joined.session(), joined.secret().bytes().to_vec()));
        player.is_in = true;
        assert!(joined.last_seq() <= player.sent);
        // Whatever has no outcome is said again.
        let (first, last) = (player.settled() + 1, player.sent);
        if first <= last {
            self.say_commands(id, number, first, last);
        }
    }

    fn settle<'a>(&mut self, id: u64, outcomes: impl Iterator<Item = &'a Outcome>) {
        let connection = &self.connections[&id];
        let tick = connection.mirror.as_ref().unwrap().0;
        let player = &mut self.players[connection.player];
        for outcome in outcomes {
            assert!(outcome.tick() <= tick, "an outcome is told before its effects");
            assert!(outcome.seq() <= player.sent);
            let told = (outcome.code(), outcome.tick(), outcome.position());
            let before = player.outcomes.insert(outcome.seq(), told);
            assert!(before.is_none_or(|before| before == told), "a command has two outcomes");
        }
    }

    // ---- what players do --------------------------------------------------------------------------------

    fn send(&mut self, id: u64, message: ClientMessageT) {
        self.edge.handle_control_bytes(self.now(), ConnectionId(id), &encode_client(message));
    }

    fn say_commands(&mut self, id: u64, player: usize, first: u32, last: u32) {
        let mut commands = CommandsT::default();
        commands.first_seq = first;
        commands.items = (first..=last)
            .map(|seq| {
                let mut item = CommandBytesT::default();
                item.payload = payload(player, seq);
                item
            })
            .collect();
        self.send(id, ClientMessageT::Commands(Box::new(commands)));
    }

    fn connect(&mut self, player: usize) -> u64 {
        let id = self.connections.len() as u64;
        self.connections.insert(id, Connection { player, ..Connection::default() });
        self.players[player].connection = Some(id);
        self.players[player].is_in = false;
        self.edge.handle_connected(self.now(), ConnectionId(id), Arc::default());
        let mut hello = HelloT::default();
        hello.major = protocol::version::MAJOR;
        self.send(id, ClientMessageT::Hello(Box::new(hello)));
        id
    }

    fn join(&mut self) {
        self.players.push(Player::default());
        let player = self.players.len() - 1;
        let id = self.connect(player);
        let mut join = JoinT::default();
        join.token = token(&self.signer, &format!("player-{player}"), self.now().unix_ms);
        self.send(id, ClientMessageT::Join(Box::new(join)));
        self.act();
    }

    /// Sends up to `count` commands, as far as the window goes.
    fn command(&mut self, player: usize, count: u32) {
        let Some(Player { connection: Some(id), is_in: true, has_left: false, .. }) = self.players.get(player) else {
            return;
        };
        let (id, first) = (*id, self.players[player].sent + 1);
        let last = (first + count - 1).min(self.players[player].settled() + COMMANDS_UNACKED_MAX as u32);
        if first <= last {
            self.players[player].sent = last;
            self.say_commands(id, player, first, last);
            self.act();
        }
    }

    /// Loses its connection, which the edge learns at once or not, and comes back.
    fn come_back(&mut self, player: usize, is_noticed: bool) {
        let Some(of) = self.players.get(player) else { return };
        let Some((session, secret)) = of.session.clone().filter(|_| !of.has_left && !of.went_elsewhere) else { return };
        if let Some(id) = of.connection.filter(|_| is_noticed) {
            self.edge.handle_lost(self.now(), ConnectionId(id));
        }
        let id = self.connect(player);
        let mut resume = ResumeT::default();
        (resume.session, resume.secret) = (session, secret);
        self.send(id, ClientMessageT::Resume(Box::new(resume)));
        self.act();
    }

    fn leave(&mut self, player: usize) {
        let Some(Player { connection: Some(id), is_in: true, .. }) = self.players.get(player) else { return };
        let id = *id;
        self.players[player].has_left = true;
        self.send(id, ClientMessageT::Leave(Box::default()));
        self.act();
    }

    fn go_elsewhere(&mut self, player: usize) {
        let Some(of) = self.players.get(player) else { return };
        let Some((session, _)) = of.session.clone().filter(|_| of.is_in && !of.has_left && !of.went_elsewhere) else {
            return;
        };
        if self.service.sessions.contains_key(&session) {
            self.players[player].went_elsewhere = true;
            self.down.extend(self.service.resume_elsewhere(session));
        }
    }

    // ---- what happens in between ------------------------------------------------------------------------

    fn deliver(&mut self, count: usize) {
        for _ in 0..count {
            let Some(message) = self.up.pop_front() else { return };
            self.down.extend(self.service.handle(&message));
        }
    }

    fn hear_service(&mut self, count: usize) {
        for _ in 0..count {
            let Some(message) = self.down.pop_front() else { return };
            self.edge.handle_egress(self.now(), &message);
            self.act();
        }
    }

    fn tick(&mut self) {
        self.down.extend(self.service.step());
    }

    fn wait(&mut self, ms: u64) {
        self.elapsed += Duration::from_millis(ms);
        self.edge.handle_timeout(self.now());
        self.act();
    }

    fn lose_leader(&mut self) {
        if self.leader == Leader::There {
            self.leader = Leader::Lost;
            self.edge.handle_leader_lost();
            self.act();
        }
    }

    /// Of what is under way, the first `kept_up` messages come to be in the log and the first `kept_down` are heard, the
    /// first `late` of those only when the next leader is heard too. Meanwhile `unheard` ticks pass.
    fn change_leader(&mut self, kept_up: usize, kept_down: usize, late: usize, unheard: usize) {
        if self.leader == Leader::NoLink {
            return;
        }
        self.deliver(kept_up);
        self.up.clear();
        self.down.truncate(kept_down);
        self.hear_service(kept_down.saturating_sub(late));
        self.up.clear();
        for _ in 0..unheard {
            self.service.step();
        }
        self.leader = Leader::There;
        self.edge.handle_leader_changed(self.now());
        self.act();
    }

    fn lose_link(&mut self, kept_up: usize, unheard: usize) {
        if self.leader == Leader::NoLink {
            return;
        }
        self.deliver(kept_up);
        self.up.clear();
        self.down.clear();
        self.leader = Leader::NoLink;
        self.service.forget_edge();
        self.edge.handle_link_lost(self.now());
        self.act();
        for _ in 0..unheard {
            self.service.step();
        }
    }

    fn link(&mut self) {
        if self.leader == Leader::NoLink {
            self.leader = Leader::There;
            self.edge.handle_link(self.now(), service::hello());
            self.act();
        }
    }

    /// Lets everything that is under way arrive, until nothing is.
    fn deliver_all(&mut self) {
        for _ in 0..1_000 {
            self.wait(2);
            self.deliver(usize::MAX);
            if self.service.is_waiting() {
                self.tick();
            }
            self.hear_service(usize::MAX);
            if self.up.is_empty()
                && self.down.is_empty()
                && self.edge.next_deadline().is_none_or(|at| at > self.now().at + Duration::from_millis(2))
            {
                return;
            }
        }
        panic!("it never ends");
    }

    /// The cluster is well again, and all is said.
    fn heal(&mut self) {
        if self.leader == Leader::Lost {
            self.change_leader(0, 0, 0, 0);
        }
        self.link();
        self.deliver_all();
        self.tick();
        self.deliver_all();
    }

    fn check(&self) {
        // Each command once, in its order.
        let mut ran: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for payload in &self.service.ran {
            let number = |at: usize| u32::from_le_bytes(payload[at..at + 4].try_into().unwrap());
            ran.entry(number(0)).or_default().push(number(4));
        }
        for (player, seqs) in &ran {
            let expected: Vec<u32> = (1..=seqs.len() as u32).collect();
            assert_eq!(*seqs, expected, "commands of player {player} as they ran");
        }
        for (number, player) in self.players.iter().enumerate() {
            let ran = ran.get(&(number as u32)).map_or(0, Vec::len) as u32;
            assert!(player.outcomes.keys().all(|seq| *seq <= ran), "an outcome of what did not run");
            let Some(id) = player.connection else {
                let last = self.connections.values().rfind(|connection| connection.player == number);
                let code = last.and_then(|connection| connection.closed);
                let is_right = match code {
                    Some(CloseCode::Left) => player.has_left,
                    Some(CloseCode::Superseded | CloseCode::WrongSecret) => player.went_elsewhere,
                    Some(CloseCode::NoSession) => player.has_left,
                    _ => false,
                };
                assert!(is_right, "player {number} was sent away: {code:?}");
                continue;
            };
            assert!(!player.has_left && !player.went_elsewhere, "player {number} is still here");
            assert!(player.is_in, "player {number} was never let in");
            assert_eq!((player.settled(), ran), (player.sent, player.sent), "each command has its outcome");
            let session = &self.service.sessions[&player.session.as_ref().unwrap().0];
            assert!(session.is_attached, "the service knows who speaks for player {number}");
            for held in &session.ring {
                assert_eq!(player.outcomes[&held.seq], (held.code, held.tick, held.position));
            }
            let (tick, columns) = self.connections[&id].mirror.as_ref().expect("a mirror");
            assert_eq!((*tick, columns.hash(Visibility::Everyone)), (self.service.tick, self.service.hash_everyone()));
        }
        // Nobody speaks for who is not here.
        for (id, session) in &self.service.sessions {
            let is_here = |player: &Player| player.connection.is_some() && player.session.as_ref().unwrap().0 == *id;
            assert_eq!(session.is_attached, self.players.iter().any(is_here), "session {id}");
        }
        assert_eq!(self.counters.snapshot().hash_mismatches_total, 0);
    }
}

// ---- claims ---------------------------------------------------------------------------------------------

#[test]
fn a_change_of_leader_costs_players_no_connection_and_no_baseline() {
    let mut stage = Stage::with_players(3);
    for player in 0..3 {
        stage.command(player, 4);
    }
    stage.wait(2);
    stage.lose_leader();
    stage.command(0, 3);
    stage.change_leader(0, 0, 0, 0);
    stage.heal();
    stage.check();
    assert!(stage.connections.values().all(|connection| connection.streams == 1));
    assert_eq!(stage.service.ran.len(), 15);
}

#[test]
fn commands_that_a_leader_took_with_it_come_before_those_that_follow() {
    let mut stage = Stage::with_players(1);
    stage.command(0, 2);
    stage.wait(2);
    stage.lose_leader();
    stage.command(0, 2);
    stage.wait(2);
    stage.change_leader(0, 0, 0, 0);
    stage.command(0, 2);
    stage.heal();
    stage.check();
}

#[test]
fn outcomes_that_nobody_heard_are_asked_for() {
    let mut stage = Stage::with_players(2);
    stage.command(0, 32);
    stage.wait(2);
    stage.change_leader(usize::MAX, 0, 0, 1);
    stage.heal();
    stage.check();
    assert_eq!(stage.connections[&0].streams, 2, "the tick that nobody heard of is in a baseline");
}

#[test]
fn an_outcome_that_was_lost_is_asked_for_although_a_later_one_was_heard() {
    let mut stage = Stage::with_players(1);
    stage.command(0, 1);
    stage.wait(2);
    stage.deliver(usize::MAX);
    stage.command(0, 1);
    stage.change_leader(0, 0, 0, 1);
    stage.wait(2);
    stage.deliver(usize::MAX);
    stage.tick();
    let delta = stage.down.pop_back().unwrap();
    stage.down = [delta].into();
    stage.hear_service(1);
    stage.change_leader(0, 0, 0, 0);
    stage.heal();
    stage.check();
}

#[test]
fn an_end_that_nobody_heard_of_is_found_out() {
    let mut stage = Stage::with_players(2);
    stage.go_elsewhere(0);
    stage.leave(1);
    stage.wait(2);
    stage.change_leader(usize::MAX, 0, 0, 0);
    stage.heal();
    stage.check();
    assert_eq!(stage.connections[&0].closed, Some(CloseCode::Superseded));
    assert_eq!(stage.connections[&1].closed, Some(CloseCode::Left));
}

#[test]
fn a_lost_cluster_session_costs_players_nothing_but_the_wait() {
    let mut stage = Stage::with_players(2);
    stage.command(0, 5);
    stage.wait(2);
    stage.lose_link(usize::MAX, 1);
    stage.command(1, 7);
    stage.wait(LINK_HOLD_MS_MAX / 2);
    stage.heal();
    stage.check();
    assert!(stage.connections.values().all(|connection| connection.closed.is_none()));
    assert_eq!(stage.counters.snapshot().taken_over_total, 2);
}

#[test]
fn an_edge_that_comes_back_takes_no_player_from_where_they_went() {
    let mut stage = Stage::with_players(2);
    stage.lose_link(0, 0);
    stage.players[0].went_elsewhere = true;
    stage.service.resume_elsewhere(101);
    let epoch = stage.service.sessions[&101].epoch;
    stage.heal();
    stage.check();
    assert_eq!(stage.service.sessions[&101].epoch, epoch);
    assert_eq!(stage.connections[&0].closed, Some(CloseCode::Superseded));
}

#[test]
fn nobody_is_asked_for_anything_while_nobody_leads() {
    let mut stage = Stage::with_players(1);
    stage.lose_leader();
    stage.join();
    stage.come_back(0, true);
    stage.wait(100);
    assert!(stage.up.is_empty());
    stage.change_leader(0, 0, 0, 0);
    stage.heal();
    stage.check();
    let joins = stage.service.heard.iter().filter(|kind| **kind == IngressMessage::JoinSession).count();
    assert_eq!(joins, 2);
}

#[test]
fn what_is_said_again_begins_with_the_mirrors() {
    let mut stage = Stage::with_players(1);
    stage.command(0, 1);
    stage.wait(2);
    stage.change_leader(0, 0, 0, 0);
    stage.wait(2);
    let kinds: Vec<_> = stage.up.iter().map(|message| decode_ingress(message).unwrap().message_type()).collect();
    assert_eq!(kinds, [IngressMessage::WatchMatch, IngressMessage::CommandBatch]);
}

// ---- any history ----------------------------------------------------------------------------------------

#[derive(Debug, Clone)]
enum Step {
    Join,
    Command(usize, u32),
    ComeBack(usize, bool),
    Leave(usize),
    GoElsewhere(usize),
    Deliver(usize),
    Hear(usize),
    Tick,
    Wait(u64),
    LoseLeader,
    ChangeLeader { kept_up: usize, kept_down: usize, late: usize, unheard: usize },
    LoseLink { kept_up: usize, unheard: usize },
    Link,
}

fn step() -> impl Strategy<Value = Step> {
    let player = 0..4usize;
    prop_oneof![
        1 => Just(Step::Join),
        6 => (player.clone(), 1..12u32).prop_map(|(player, count)| Step::Command(player, count)),
        2 => (player.clone(), any::<bool>()).prop_map(|(player, is_noticed)| Step::ComeBack(player, is_noticed)),
        1 => player.clone().prop_map(Step::Leave),
        1 => player.prop_map(Step::GoElsewhere),
        6 => (1..4usize).prop_map(Step::Deliver),
        6 => (1..4usize).prop_map(Step::Hear),
        4 => Just(Step::Tick),
        4 => (1..20u64).prop_map(Step::Wait),
        1 => Just(Step::LoseLeader),
        3 => (0..5usize, 0..5usize, 0..3usize, 0..3usize).prop_map(|(kept_up, kept_down, late, unheard)| {
            Step::ChangeLeader { kept_up, kept_down, late, unheard }
        }),
        1 => (0..5usize, 0..3usize).prop_map(|(kept_up, unheard)| Step::LoseLink { kept_up, unheard }),
        1 => Just(Step::Link),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn each_command_has_one_outcome_and_mirrors_are_right_whatever_is_lost(
        steps in proptest::collection::vec(step(), 1..100),
    ) {
        let mut stage = Stage::with_players(2);
        for step in steps {
            match step {
                Step::Join if stage.players.len() < 4 => stage.join(),
                Step::Join => {}
                Step::Command(player, count) => stage.command(player, count),
                Step::ComeBack(player, is_noticed) => stage.come_back(player, is_noticed),
                Step::Leave(player) => stage.leave(player),
                Step::GoElsewhere(player) => stage.go_elsewhere(player),
                Step::Deliver(count) if stage.leader == Leader::There => stage.deliver(count),
                Step::Deliver(_) => {}
                Step::Hear(count) => stage.hear_service(count),
                Step::Tick if stage.leader == Leader::There => stage.tick(),
                Step::Tick => {}
                Step::Wait(ms) => stage.wait(ms),
                Step::LoseLeader => stage.lose_leader(),
                Step::ChangeLeader { kept_up, kept_down, late, unheard } => {
                    stage.change_leader(kept_up, kept_down, late, unheard);
                }
                Step::LoseLink { kept_up, unheard } => stage.lose_link(kept_up, unheard),
                Step::Link => stage.link(),
            }
        }
        stage.heal();
        stage.check();
    }
}
