//! A random history of clients, edges and a service, and what must hold of it.

#![allow(unreachable_pub, reason = "a module of a test")]

use std::collections::{BTreeMap, VecDeque};

use cluster_service::SimHost;
use ecs_state::{Game, MatchRng, Simulation};
use protocol::OutcomeCode;
use protocol::cluster::{EgressMessageT, SessionJoinedT, SessionOutcomeT};
use protocol::limits::COMMANDS_UNACKED_MAX;
use thiserror::Error;

use crate::edge::{self, Edge, Token};
use crate::games::{self, Command, purse};

const START_MS: i64 = 1_800_000_000_000;
const PLAYERS: usize = 3;
const EDGES: usize = 2;
const TURNS: u32 = 1_000;
/// After that nothing is lost any more, so that every command gets its outcome.
const STORM_ENDS: u32 = 900;

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Sends again what has no outcome, with the same number, and believes outcomes only.
    Honest,
    /// Sends again under a new number: the service cannot know that it is the same.
    Renumbers,
    /// Believes a command applied once it is sent, and does not send it again.
    MistakesSentForApplied,
}

/// What must not happen.
#[derive(Debug, Error)]
pub enum Violation {
    #[error("player {player}: what it asked for once was applied {times} times")]
    Duplicate { player: usize, times: usize },
    #[error("player {player}: acknowledged commands give {expected} coins, the purse holds {found}")]
    Lost { player: usize, expected: u64, found: u64 },
    #[error("player {player}: command {seq} had outcome {before:?}, then {after:?}")]
    Unequal { player: usize, seq: u32, before: SessionOutcomeT, after: SessionOutcomeT },
    #[error("player {player}: command {seq} has no outcome in the end")]
    Open { player: usize, seq: u32 },
    #[error("player {player}: commands ran in another order than their numbers")]
    Order { player: usize },
    #[error("what came back after a crash is not what was: {0}")]
    Recovery(String),
}

/// How much happened.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub commands: u64,
    pub applied: u64,
    pub repeats: u64,
    pub lost: u64,
    pub resumes: u64,
    pub crashes: u64,
    pub barriers: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        self.applied += other.applied;
        self.repeats += other.repeats;
        self.lost += other.lost;
        self.resumes += other.resumes;
        self.crashes += other.crashes;
        self.barriers += other.barriers;
    }
}

/// A player's client: what it asked for, and what it heard.
struct Player {
    session: u32,
    player: u32,
    epoch: u32,
    edge: usize,
    /// Secret in hand: the one of the newest answer.
    secret: u64,
    /// The secret that the newest connection offers. What is told to older ones is not heard.
    offered: u64,
    is_connected: bool,
    /// What each number carried: (which wish, payload). Number n is at n - 1.
    sent: Vec<(usize, Vec<u8>)>,
    wishes: usize,
    outcomes: BTreeMap<u32, SessionOutcomeT>,
}

pub struct History<G: Game> {
    rng: MatchRng,
    model: Client,
    host: SimHost<G>,
    edges: Vec<Edge>,
    players: Vec<Player>,
    /// On the way from edge to log: (edge, message).
    underway: VecDeque<(usize, Vec<u8>)>,
    snapshot: Option<Vec<u8>>,
    turn: u32,
    secrets: u64,
    counts: Counts,
}

impl<G: Game> History<G> {
    pub fn new(seed: u64, model: Client) -> Self {
        let mut host = SimHost::new(START_MS);
        let edges: Vec<_> = (0..EDGES).map(|_| Edge::connect(&mut host)).collect();
        let match_id = edges[0].open(&mut host);
        edges[1].watch(&mut host, match_id);
        let join = |nonce: usize| {
            let account = format!("account {nonce}");
            let token = Token { match_id, account, nonce: nonce as u64, expires_ms: START_MS + 30_000 };
            let joined = edges[0].join(&mut host, &token).unwrap();
            Player::new(&joined)
        };
        let players = (0..PLAYERS).map(join).collect();
        Self {
            rng: MatchRng::new(seed, 0, "history"),
            model,
            host,
            edges,
            players,
            underway: VecDeque::new(),
            snapshot: None,
            turn: 0,
            secrets: 1,
            counts: Counts::default(),
        }
    }

    pub fn is_over(&self) -> bool {
        self.turn == TURNS
    }

    fn is_stormy(&self) -> bool {
        self.turn < STORM_ENDS
    }

    /// A bit of time in which anything may happen.
    pub fn turn(&mut self) -> Result<(), Violation> {
        self.turn += 1;
        for place in 0..self.players.len() {
            if self.is_stormy() && self.rng.below(3) == 0 {
                self.wish(place);
            }
            if self.rng.below(3) == 0 {
                self.send_open(place);
            }
            let is_cut = self.is_stormy() && self.rng.below(25) == 0;
            let waits_too_long = !self.players[place].is_connected && self.rng.below(4) == 0;
            if is_cut || waits_too_long {
                self.resume(place);
            }
        }
        self.deliver();
        self.host.advance(i64::from(self.rng.below(120)));
        self.hear()?;
        match self.rng.below(100) {
            0..=1 => self.snapshot = Some(self.host.snapshot()),
            2 if self.is_stormy() => self.crash()?,
            _ => {}
        }
        Ok(())
    }

    /// A player wants something.
    fn wish(&mut self, place: usize) {
        let payload = match self.model {
            Client::Honest => games::any_command(&mut self.rng),
            // Every wish counts, so that the control cannot hide behind rejections.
            _ => Command::Deposit(1 + self.rng.below(1_000)).encode(),
        };
        let player = &mut self.players[place];
        if player.open().count() < COMMANDS_UNACKED_MAX {
            player.sent.push((player.wishes, payload));
            player.wishes += 1;
            self.counts.commands += 1;
        }
    }

    /// Sends what has no outcome yet: again, if it was sent before.
    fn send_open(&mut self, place: usize) {
        let player = &mut self.players[place];
        let open: Vec<u32> = player.open().collect();
        if open.is_empty() || !player.is_connected {
            return;
        }
        if self.model == Client::Renumbers && player.open().count() < COMMANDS_UNACKED_MAX {
            let again = player.sent[open[0] as usize - 1].clone();
            player.sent.push(again);
        }
        let numbers: Vec<u32> = player.open().collect();
        let command = |seq: &u32| (player.session, player.epoch, *seq, player.sent[*seq as usize - 1].1.clone());
        let batch = edge::commands(&numbers.iter().map(command).collect::<Vec<_>>());
        let edge = player.edge;
        if self.model == Client::MistakesSentForApplied {
            for seq in numbers {
                let believed = SessionOutcomeT { session: player.session, seq, ..SessionOutcomeT::default() };
                player.outcomes.insert(seq, believed);
            }
        }
        self.put_underway(edge, batch);
    }

    /// The way from client to log, with all that goes wrong on it.
    fn put_underway(&mut self, edge: usize, message: Vec<u8>) {
        if self.is_stormy() && self.rng.below(6) == 0 {
            self.counts.lost += 1;
            return;
        }
        if self.is_stormy() && self.rng.below(5) == 0 {
            self.counts.repeats += 1;
            let at = self.rng.below(self.underway.len() as u32 + 1) as usize;
            self.underway.insert(at, (edge, message.clone()));
        }
        self.underway.push_back((edge, message));
    }

    fn resume(&mut self, place: usize) {
        self.secrets += 1;
        let next = self.secrets;
        let edge = self.rng.below(EDGES as u32) as usize;
        let player = &mut self.players[place];
        player.is_connected = false;
        player.edge = edge;
        player.offered = next;
        let message = edge::resume(next << 8 | place as u64, player.session, player.secret, next);
        self.put_underway(edge, message);
    }

    /// Some of what is under way gets into the log, some of it out of order.
    fn deliver(&mut self) {
        for _ in 0..self.underway.len() {
            if self.is_stormy() && self.rng.below(4) == 0 {
                self.underway.rotate_left(1);
            } else if let Some((edge, message)) = self.underway.pop_front() {
                self.host.offer(self.edges[edge].0, message);
            }
        }
    }

    fn hear(&mut self) -> Result<(), Violation> {
        for edge in 0..EDGES {
            for message in self.edges[edge].hear(&mut self.host) {
                if self.is_stormy() && self.rng.below(6) == 0 {
                    self.counts.lost += 1;
                    continue;
                }
                if let EgressMessageT::SessionJoined(joined) = &message {
                    let place = (joined.request & 0xFF) as usize;
                    self.players[place].resumed(edge, joined, &mut self.counts);
                }
                for outcome in edge::outcomes(&[message]) {
                    self.learn(edge, outcome)?;
                }
            }
        }
        Ok(())
    }

    fn learn(&mut self, edge: usize, outcome: SessionOutcomeT) -> Result<(), Violation> {
        let place = self.players.iter().position(|player| player.session == outcome.session);
        let Some(place) = place else { return Ok(()) };
        let player = &mut self.players[place];
        let code = OutcomeCode(outcome.code);
        if code == OutcomeCode::STALE_EPOCH {
            // Another of its resumes was later in the log: it resumes again.
            player.is_connected &= player.edge != edge;
            return Ok(());
        }
        // A gap is closed by sending again, and numbers of that kind have no outcome of their own.
        if code == OutcomeCode::GAP || outcome.seq as usize > player.sent.len() {
            return Ok(());
        }
        match player.outcomes.get(&outcome.seq) {
            Some(before) if self.model != Client::MistakesSentForApplied && *before != outcome => {
                // An answer to a number so old that the client has no question about it any more.
                if code == OutcomeCode::FORGOTTEN {
                    return Ok(());
                }
                let (seq, before) = (outcome.seq, before.clone());
                Err(Violation::Unequal { player: place, seq, before, after: outcome })
            }
            _ => {
                player.outcomes.insert(outcome.seq, outcome);
                Ok(())
            }
        }
    }

    fn crash(&mut self) -> Result<(), Violation> {
        let snapshot = self.snapshot.clone().filter(|_| self.rng.below(2) == 0);
        self.host.crash_and_recover(snapshot.as_deref()).map_err(Violation::Recovery)?;
        self.counts.crashes += 1;
        // What was under way died with the edges' connections; clients notice the cut.
        self.underway.clear();
        self.edges = (0..EDGES).map(|_| Edge::connect(&mut self.host)).collect();
        for edge in 0..EDGES {
            self.edges[edge].watch(&mut self.host, 1);
        }
        self.players.iter_mut().for_each(|player| player.is_connected = false);
        Ok(())
    }

    /// Holds what the clients were told against what is.
    pub fn judge(mut self) -> Result<Counts, Violation> {
        let simulation = self.host.service().get_match(1).unwrap().simulation();
        self.counts.barriers = simulation.tick() / Simulation::<G>::barrier_ticks();
        for (place, player) in self.players.iter().enumerate() {
            if let Some(seq) = player.open().next() {
                return Err(Violation::Open { player: place, seq });
            }
            let applied: Vec<_> = (1..).zip(&player.sent).filter(|(seq, _)| player.outcomes[seq].code == 0).collect();
            for wish in 0..player.wishes {
                let times = applied.iter().filter(|(_, (of, _))| *of == wish).count();
                if times > 1 {
                    return Err(Violation::Duplicate { player: place, times });
                }
            }
            let (mut coins, mut order) = (0u64, 0u32);
            for (_, (_, payload)) in &applied {
                let number = u64::from(u32::from_le_bytes(payload[1..].try_into().unwrap()));
                match payload[0] {
                    0 => coins += number,
                    1 => coins -= number,
                    _ => {}
                }
                order = payload.iter().fold(order, |fold, byte| fold.wrapping_mul(31).wrapping_add((*byte).into()));
            }
            let found = purse(simulation.columns(), player.player).unwrap();
            if (coins, applied.len() as u32) != (found.coins, found.applied) {
                return Err(Violation::Lost { player: place, expected: coins, found: found.coins });
            }
            let places: Vec<_> = player.outcomes.values().map(|outcome| (outcome.tick, outcome.position)).collect();
            if order != found.order || !places.is_sorted() {
                return Err(Violation::Order { player: place });
            }
            self.counts.applied += applied.len() as u64;
        }
        Ok(self.counts)
    }
}

impl Player {
    fn new(joined: &SessionJoinedT) -> Self {
        Self {
            session: joined.session,
            player: joined.player,
            epoch: joined.epoch,
            edge: 0,
            secret: 1,
            offered: 1,
            is_connected: true,
            sent: Vec::new(),
            wishes: 0,
            outcomes: BTreeMap::new(),
        }
    }

    /// Numbers without an outcome.
    fn open(&self) -> impl Iterator<Item = u32> {
        (1..=self.sent.len() as u32).filter(|seq| !self.outcomes.contains_key(seq))
    }

    /// The answer to a resume. One that was repeated on the way is answered more than once.
    fn resumed(&mut self, edge: usize, joined: &SessionJoinedT, counts: &mut Counts) {
        let next = joined.request >> 8;
        if self.edge == edge && self.offered == next && joined.epoch > self.epoch {
            self.epoch = joined.epoch;
            self.is_connected = true;
            counts.resumes += 1;
            self.secret = next;
        }
    }
}
