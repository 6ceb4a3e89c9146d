//! The service in small: one match, on command, with a session table, and faults to order.
#![allow(dead_code, clippy::unwrap_used, reason = "tests; each uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use net_edge::{Claims, TokenSigner};
use protocol::cluster::*;
use protocol::delta::{Writer, encode_full};
use protocol::limits::{EDGE_KEY_BYTES, EDGE_PROOF_BYTES};
use protocol::manifest::{FieldKind, Layout, Manifest, Rejection, Sync, Visibility};
use protocol::outcome::CloseCode;
use protocol::{Columns, MatchId, OutcomeCode};

pub(crate) const MATCH: u64 = 1;

/// Of a game that moves on command.
pub(crate) fn manifest() -> Arc<Manifest> {
    manifest_at(0)
}

fn manifest_at(tick_millihertz: u32) -> Arc<Manifest> {
    let field = |name: &str| [(name.to_owned(), FieldKind::U32, 1)];
    let layouts = vec![
        Layout::entity(),
        Layout::new(1, "Count", Visibility::Everyone, Sync::Plain, field("commands")),
        Layout::new(2, "Purse", Visibility::Owner, Sync::Plain, field("gold")),
    ];
    let rejections = vec![Rejection { code: 256, name: "odd-length".to_owned() }];
    Arc::new(Manifest::new("counter", 1, tick_millihertz, layouts, rejections, &[]).unwrap())
}

/// A hello of the right form; the service in small looks at no proof.
pub(crate) fn hello() -> EdgeHelloT {
    let mut hello = EdgeHelloT::default();
    (hello.key, hello.proof) = (vec![1; EDGE_KEY_BYTES], vec![2; EDGE_PROOF_BYTES]);
    hello
}

/// One player's entity has the player's number.
#[derive(Clone, Copy, Default)]
struct Row {
    owner: u32,
    commands: u32,
    gold: u32,
}

pub(crate) struct Session {
    pub(crate) player: u32,
    pub(crate) epoch: u32,
    pub(crate) last_seq: u32,
    /// Whether this edge speaks for it.
    pub(crate) is_attached: bool,
    secrets: Vec<Vec<u8>>,
    pub(crate) ring: Vec<SessionOutcomeT>,
}

impl Session {
    fn new(player: u32, secret: Vec<u8>) -> Self {
        Self { player, epoch: 1, last_seq: 0, is_attached: true, secrets: vec![secret], ring: vec![] }
    }
}

/// What goes wrong, each for as long as it says.
#[derive(Default)]
pub(crate) struct Faults {
    /// Deltas whose hash is not that of the state.
    pub(crate) wrong_hashes: u32,
    /// Requests are not answered.
    pub(crate) is_silent: bool,
}

pub(crate) struct Service {
    columns: Columns,
    writer: Writer,
    rows: BTreeMap<u32, Row>,
    pub(crate) tick: u64,
    position: u64,
    is_watched: bool,
    pub(crate) sessions: BTreeMap<u32, Session>,
    nonces: Vec<Vec<u8>>,
    waiting: Vec<(u32, u32, Vec<u8>)>,
    pub(crate) faults: Faults,
    /// Commands that ran or were rejected by the rules.
    pub(crate) ran: Vec<Vec<u8>>,
    /// Kinds of messages, as they came.
    pub(crate) heard: Vec<IngressMessage>,
}

impl Service {
    pub(crate) fn new() -> Self {
        Self::at(0)
    }

    /// Of a game that says so many ticks in a thousand seconds.
    pub(crate) fn at(tick_millihertz: u32) -> Self {
        let mut service = Self {
            columns: Columns::new(manifest_at(tick_millihertz)),
            writer: Writer::new(),
            rows: BTreeMap::new(),
            tick: 0,
            position: 100,
            is_watched: false,
            sessions: BTreeMap::new(),
            nonces: vec![],
            waiting: vec![],
            faults: Faults::default(),
            ran: vec![],
            heard: vec![],
        };
        service.write(&[]);
        service
    }

    /// An edge begins anew: what it watched is forgotten.
    pub(crate) fn forget_edge(&mut self) {
        self.is_watched = false;
        self.sessions.values_mut().for_each(|session| session.is_attached = false);
    }

    /// A player resumes at another edge. What this edge is told of it is the caller's to say or to lose.
    pub(crate) fn resume_elsewhere(&mut self, id: u32) -> Option<Vec<u8>> {
        let session = self.sessions.get_mut(&id)?;
        let told = session.is_attached.then(|| encode_egress(ended(id, session.epoch, CloseCode::Superseded)));
        (session.epoch, session.is_attached) = (session.epoch + 1, false);
        session.secrets.push(session.epoch.to_le_bytes().to_vec());
        told
    }

    pub(crate) fn count(&self, kind: IngressMessage) -> usize {
        self.heard.iter().filter(|heard| **heard == kind).count()
    }

    /// Takes a message; gives what is said to it.
    pub(crate) fn handle(&mut self, message: &[u8]) -> Vec<Vec<u8>> {
        let ingress = decode_ingress(message).unwrap();
        self.heard.push(ingress.message_type());
        self.position += 10;
        if self.faults.is_silent {
            return vec![];
        }
        let mut said = vec![];
        if ingress.message_as_edge_hello().is_some() {
            let mut accepted = EdgeAcceptedT::default();
            accepted.manifest = self.columns.manifest().bytes().to_vec();
            said.push(EgressMessageT::EdgeAccepted(Box::new(accepted)));
        } else if let Some(join) = ingress.message_as_join_session() {
            let nonce = join.nonce().bytes().to_vec();
            let asked = join.secret_hash().bytes();
            let known = self.sessions.iter().find(|(_, session)| session.epoch == 1 && session.secrets == [asked]);
            if let Some(id) = known.map(|(id, _)| *id) {
                self.sessions.get_mut(&id).unwrap().is_attached = true;
                return vec![encode_egress(self.joined(join.request(), id, false))];
            }
            let code = if join.match_id() != MATCH {
                CloseCode::NoMatch
            } else if self.nonces.contains(&nonce) {
                CloseCode::TokenUsed
            } else {
                CloseCode::Done
            };
            if code == CloseCode::Done {
                self.nonces.push(nonce);
                let secret = join.secret_hash().bytes().to_vec();
                let player = self.rows.len() as u32 + 1;
                self.rows.insert(player, Row { owner: player, ..Row::default() });
                let session = Session::new(player, secret);
                self.sessions.insert(100 + player, session);
                said.push(self.joined(join.request(), 100 + player, false));
            } else {
                said.push(refused(join.request(), code));
            }
        } else if let Some(resume) = ingress.message_as_resume_session() {
            let (id, secret) = (resume.session(), resume.secret_hash().bytes().to_vec());
            match self.sessions.get_mut(&id) {
                None => said.push(refused(resume.request(), CloseCode::NoSession)),
                Some(session) if !session.secrets.contains(&secret) => {
                    said.push(refused(resume.request(), CloseCode::WrongSecret));
                }
                Some(session) => {
                    let next = resume.next_secret_hash().bytes().to_vec();
                    let (expected, is_newest) = (resume.epoch(), session.secrets.last() == Some(&next));
                    let ran_before = match expected {
                        0 => session.secrets.contains(&next),
                        _ => session.epoch != expected,
                    };
                    if ran_before && is_newest {
                        session.is_attached = true;
                        said.push(self.joined(resume.request(), id, true));
                    } else if ran_before {
                        said.push(refused(resume.request(), CloseCode::Superseded));
                    } else {
                        if session.is_attached {
                            said.push(ended(id, session.epoch, CloseCode::Superseded));
                        }
                        (session.epoch, session.is_attached) = (session.epoch + 1, true);
                        if session.secrets[0] != secret {
                            session.secrets = vec![secret];
                        }
                        if !session.secrets.contains(&next) {
                            session.secrets.push(next);
                        }
                        said.push(self.joined(resume.request(), id, true));
                    }
                }
            }
        } else if let Some(detach) = ingress.message_as_detach_session() {
            if let Some(session) = self.sessions.get_mut(&detach.session())
                && session.epoch == detach.epoch()
            {
                session.is_attached = false;
            }
        } else if let Some(leave) = ingress.message_as_leave_session() {
            let is_current = self.sessions.get(&leave.session()).is_some_and(|session| session.epoch == leave.epoch());
            if is_current && self.sessions.remove(&leave.session()).is_some_and(|session| session.is_attached) {
                said.push(ended(leave.session(), leave.epoch(), CloseCode::Left));
            }
        } else if ingress.message_as_watch_match().is_some() {
            self.is_watched = true;
            said.push(self.baseline());
        } else if ingress.message_as_unwatch_match().is_some() {
            self.is_watched = false;
        } else if let Some(ask) = ingress.message_as_ask_matches() {
            let mut open = OpenMatchesT::default();
            open.request = ask.request();
            if [0, MATCH].contains(&ask.match_id()) {
                let mut state = MatchStateT::default();
                state.match_id = MATCH;
                open.matches.push(state);
            }
            said.push(EgressMessageT::OpenMatches(Box::new(open)));
        } else if let Some(batch) = ingress.message_as_command_batch() {
            said.extend(self.take_batch(&batch));
        }
        said.into_iter().map(encode_egress).collect()
    }

    fn take_batch(&mut self, batch: &CommandBatch<'_>) -> Option<EgressMessageT> {
        let mut rest = batch.payload().bytes();
        let mut answers = SessionOutcomesT::default();
        for head in batch.heads() {
            let (payload, after) = rest.split_at(head.bytes() as usize);
            rest = after;
            let mut answer = SessionOutcomeT::default();
            (answer.session, answer.seq) = (head.session(), head.seq());
            match self.sessions.get_mut(&head.session()) {
                None => answer.code = OutcomeCode::NO_SESSION.0,
                Some(session) if session.epoch != head.epoch() => {
                    (answer.code, answer.tick) = (OutcomeCode::STALE_EPOCH.0, u64::from(head.epoch()));
                }
                Some(session) if head.seq() > session.last_seq + 1 || head.seq() == 0 => {
                    (answer.code, answer.seq) = (OutcomeCode::GAP.0, session.last_seq);
                    answer.tick = u64::from(head.seq());
                }
                Some(session) if head.seq() <= session.last_seq => {
                    match session.ring.iter().find(|held| held.seq == head.seq()) {
                        Some(held) => answer = held.clone(),
                        None => continue,
                    }
                }
                Some(session) => {
                    session.last_seq = head.seq();
                    self.waiting.push((head.session(), head.seq(), payload.to_vec()));
                    continue;
                }
            }
            answers.outcomes.push(answer);
        }
        (!answers.outcomes.is_empty()).then(|| EgressMessageT::SessionOutcomes(Box::new(answers)))
    }

    pub(crate) const fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Runs a tick; gives the delta, if anybody watches.
    pub(crate) fn step(&mut self) -> Option<Vec<u8>> {
        (self.tick, self.position) = (self.tick + 1, self.position + 10);
        let mut outcomes = vec![];
        for (id, seq, payload) in std::mem::take(&mut self.waiting) {
            // Whoever left before the tick is told of no outcome.
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            let mut outcome = SessionOutcomeT::default();
            (outcome.session, outcome.seq) = (id, seq);
            (outcome.tick, outcome.position) = (self.tick, self.position - 10);
            if payload.len() % 2 == 1 {
                outcome.code = 256;
            } else {
                let row = self.rows.get_mut(&session.player).unwrap();
                (row.commands, row.gold) = (row.commands + 1, row.gold + 2);
            }
            session.ring.push(outcome.clone());
            let surplus = session.ring.len().saturating_sub(32);
            session.ring.drain(..surplus);
            self.ran.push(payload);
            outcomes.push(outcome);
        }
        let mut delta = MatchDeltaT::default();
        (delta.match_id, delta.tick, delta.position) = (MATCH, self.tick, self.position);
        (delta.everyone, delta.owner) = self.write(&[]);
        (delta.hash_everyone, delta.hash_owner) = self.hashes();
        if self.faults.wrong_hashes > 0 {
            self.faults.wrong_hashes -= 1;
            delta.hash_everyone ^= 1;
        }
        delta.outcomes = Some(outcomes);
        self.is_watched.then(|| encode_egress(EgressMessageT::MatchDelta(Box::new(delta))))
    }

    /// Gives an entity to another player, with the next tick.
    pub(crate) fn hand_over(&mut self, entity: u32, owner: u32) {
        self.rows.get_mut(&entity).unwrap().owner = owner;
    }

    fn write(&mut self, despawned: &[u32]) -> (Vec<u8>, Vec<u8>) {
        self.writer.begin(&mut self.columns, despawned);
        let present: Vec<_> = self.rows.keys().zip(0..).map(|(id, place)| (*id, place)).collect();
        let column = |of: fn(&Row) -> u32| self.rows.values().flat_map(|row| of(row).to_le_bytes()).collect::<Vec<_>>();
        let columns = [column(|row| row.owner), column(|row| row.commands), column(|row| row.gold)];
        for (index, rows) in columns.iter().enumerate() {
            self.writer.component(&mut self.columns, index, &present, rows, &[]);
        }
        (self.writer.finish(Visibility::Everyone), self.writer.finish(Visibility::Owner))
    }

    fn hashes(&self) -> (u64, u64) {
        (self.columns.hash(Visibility::Everyone), self.columns.hash(Visibility::Owner))
    }

    pub(crate) fn baseline(&self) -> EgressMessageT {
        let mut baseline = MatchBaselineT::default();
        (baseline.match_id, baseline.tick, baseline.position) = (MATCH, self.tick, self.position);
        (baseline.hash_everyone, baseline.hash_owner) = self.hashes();
        baseline.everyone = encode_full(&self.columns, Visibility::Everyone, |_| true);
        baseline.owner = encode_full(&self.columns, Visibility::Owner, |_| true);
        EgressMessageT::MatchBaseline(Box::new(baseline))
    }

    fn joined(&self, request: u64, id: u32, resumed: bool) -> EgressMessageT {
        let session = &self.sessions[&id];
        let mut joined = SessionJoinedT::default();
        (joined.request, joined.match_id, joined.session) = (request, MATCH, id);
        (joined.epoch, joined.player, joined.last_seq) = (session.epoch, session.player, session.last_seq);
        joined.resumed = resumed;
        joined.outcomes = Some(session.ring.clone());
        EgressMessageT::SessionJoined(Box::new(joined))
    }

    pub(crate) fn hash_everyone(&self) -> u64 {
        self.hashes().0
    }
}

fn refused(request: u64, code: CloseCode) -> EgressMessageT {
    let mut refused = SessionRefusedT::default();
    (refused.request, refused.code) = (request, code as u16);
    EgressMessageT::SessionRefused(Box::new(refused))
}

pub(crate) fn ended(session: u32, epoch: u32, code: CloseCode) -> EgressMessageT {
    let mut ended = SessionEndedT::default();
    (ended.session, ended.epoch, ended.code) = (session, epoch, code as u16);
    EgressMessageT::SessionEnded(Box::new(ended))
}

pub(crate) fn token(signer: &TokenSigner, account: &str, now_ms: i64) -> String {
    signer.sign(&Claims::new(MatchId(MATCH), account, now_ms as u64 / 1_000))
}
