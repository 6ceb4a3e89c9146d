//! The service: a function of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ecs_state::{Game, Keyframe, MatchSetup, RegistryError, Simulation, Ticking};
use protocol::account::player_of;
use protocol::cluster::{
    AskMatches, CommandBatch, EdgeHello, EgressMessageT, Ingress, IngressMessage, JoinSession, OpenMatch,
    ResumeSession, decode_ingress,
};
use protocol::limits::{
    CLOCK_BACK_MS_MAX, EDGE_KEY_BYTES, MATCHES_MAX, NONCE_BYTES, PLAYERS_PER_MATCH_MAX, SECRET_HASH_BYTES,
    SESSIONS_MAX, TOKEN_CLOCK_SLACK_MS, TOKEN_SECONDS_MAX,
};
use protocol::manifest::Manifest;
use protocol::outcome::CloseCode;
use protocol::{ClusterSessionId, OutcomeCode, PlayerId};

use crate::alarms::Alarms;
use crate::clock::LogClock;
use crate::edge_key::is_proven;
use crate::matches::Origin;
use crate::outbox::TickHash;
use crate::reports::Reports;
use crate::sessions::{Outcome, Resumed, Sessions, Verdict};
use crate::ticker::Ticker;
use crate::{Event, LogEntry, Match, Outbox, TimerId, egress};

/// All matches and sessions of one cluster.
///
/// Sans-I/O: log entries go in, messages and timers come out. The same entries give the same state
/// and the same messages on every member and host. Nothing here reads a clock, and nothing that
/// becomes of a message changes the state.
pub struct Service<G: Game> {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) clock: LogClock,
    /// Who spoke [`IngressMessage::EdgeHello`], and which matches each watches.
    pub(crate) edges: BTreeMap<ClusterSessionId, BTreeSet<u64>>,
    /// Connected, but without a hello yet.
    pub(crate) strangers: BTreeSet<ClusterSessionId>,
    /// By which edges prove that they are ours: the first that was shown with a good proof. See [`protocol::proof`].
    pub(crate) edge_key: Option<[u8; EDGE_KEY_BYTES]>,
    /// What members say of their states.
    pub(crate) reports: Reports,
    pub(crate) sessions: Sessions,
    pub(crate) matches: BTreeMap<u64, Match<G>>,
    pub(crate) last_match: u64,
    /// There from the first match until its timer finds none: as long as that timer is set. See [`Service::on_tick`].
    pub(crate) ticker: Option<Ticker>,
    pub(crate) alarms: Alarms,
    /// When each match on command asked to be woken, in log time.
    pub(crate) wakes: BTreeMap<u64, i64>,
    /// Nonces of tokens that were redeemed, until the tokens have been expired for [`CLOCK_BACK_MS_MAX`].
    pub(crate) nonces: BTreeMap<[u8; NONCE_BYTES], i64>,
}

impl<G: Game> Service<G> {
    /// A service without matches.
    ///
    /// # Errors
    /// When the game registers its components wrongly.
    pub fn new() -> Result<Self, RegistryError> {
        Ok(Self {
            manifest: Simulation::<G>::manifest()?,
            clock: LogClock::default(),
            edges: BTreeMap::new(),
            strangers: BTreeSet::new(),
            edge_key: None,
            reports: Reports::default(),
            sessions: Sessions::default(),
            matches: BTreeMap::new(),
            last_match: 0,
            ticker: None,
            alarms: Alarms::default(),
            wakes: BTreeMap::new(),
            nonces: BTreeMap::new(),
        })
    }

    /// The game as others see it.
    #[must_use]
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The matches that are open, ascending.
    pub fn matches(&self) -> impl Iterator<Item = (u64, &Match<G>)> {
        self.matches.iter().map(|(id, open)| (*id, open))
    }

    /// One match.
    #[must_use]
    pub fn get_match(&self, match_id: u64) -> Option<&Match<G>> {
        self.matches.get(&match_id)
    }

    /// Player sessions, connected or waiting to be resumed.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Cluster sessions that are open.
    #[must_use]
    pub fn cluster_sessions(&self) -> Vec<ClusterSessionId> {
        self.edges.keys().chain(&self.strangers).copied().collect()
    }

    /// The key that edges must show; `None` until the first was accepted. A host compares it with the one that it was
    /// configured with: the state does not depend on configuration, so another key is no reason to refuse edges, but
    /// one to stop.
    #[must_use]
    pub const fn edge_key(&self) -> Option<[u8; EDGE_KEY_BYTES]> {
        self.edge_key
    }

    /// What members said of their states lately. The service only keeps it; what follows from it is the hosts' to say.
    #[must_use]
    pub const fn reports(&self) -> &Reports {
        &self.reports
    }

    /// Log time of the last entry, in milliseconds. It never goes back; how it follows from the times of entries is
    /// told in `clock.rs`.
    #[must_use]
    pub const fn now_ms(&self) -> i64 {
        self.clock.now_ms
    }

    /// What the clock showed at the last entry, in milliseconds of the Unix epoch.
    #[must_use]
    pub const fn clock_ms(&self) -> i64 {
        self.clock.clock_ms
    }

    /// Log time at which the first timer is due, in milliseconds; `None` while none is set.
    #[must_use]
    pub fn next_timer_ms(&self) -> Option<i64> {
        self.alarms.next_ms()
    }

    /// Whether a message can wait in memory for the next tick before it is made durable: nothing
    /// follows from it before that tick. A hint for hosts that commit in groups.
    #[must_use]
    pub fn can_wait(&self, message: &[u8]) -> bool {
        let of_rate = matches!(G::TICKING, Ticking::Rate { .. });
        of_rate
            && self.ticker.is_some()
            && decode_ingress(message).is_ok_and(|ingress| ingress.message_type() == IngressMessage::CommandBatch)
    }

    /// Takes the next entry of the log.
    pub fn on_entry(&mut self, entry: &LogEntry<'_>, outbox: &mut Outbox) {
        if self.clock.advance(entry.time_ms) {
            self.alarms.set_anew(&self.clock, outbox);
        }
        let position = entry.position.0;
        match entry.event {
            Event::SessionOpen { session } => {
                self.strangers.insert(session);
            }
            Event::SessionClose { session } => self.close_cluster_session(session, outbox),
            Event::Message { session, bytes } => self.on_message(session, bytes, position, outbox),
            Event::Timer { id } => match self.alarms.take_fired(id) {
                Some(TimerId::TICK) => self.on_tick(position, outbox),
                Some(TimerId::EXPIRY) => self.on_expiry(outbox),
                Some(id) => self.on_wake(id, position, outbox),
                None => {}
            },
        }
        self.step_on_command(position, outbox);
    }

    fn close_cluster_session(&mut self, session: ClusterSessionId, outbox: &mut Outbox) {
        self.strangers.remove(&session);
        self.edges.remove(&session);
        self.sessions.detach_edge(session, self.clock.now_ms);
        self.schedule_expiry(outbox);
    }

    // ---- messages ---------------------------------------------------------------------------------

    fn on_message(&mut self, from: ClusterSessionId, bytes: &[u8], position: u64, outbox: &mut Outbox) {
        let ingress = match decode_ingress(bytes) {
            Ok(ingress) => ingress,
            // An edge of another build. Every member refuses it alike; its own log says so too.
            Err(error) => return outbox.send(from, egress::refused_edge(&error.to_string())),
        };
        if let Some(hello) = ingress.message_as_edge_hello() {
            self.on_hello(from, &hello, outbox);
        } else if self.edges.contains_key(&from) {
            self.on_edge_message(from, &ingress, position, outbox);
        } else {
            outbox.send(from, egress::refused_edge("hello must come first"));
        }
    }

    fn on_hello(&mut self, from: ClusterSessionId, hello: &EdgeHello<'_>, outbox: &mut Outbox) {
        let (key, proof) = (hello.key().bytes(), hello.proof().bytes());
        let is_ours = self.edge_key.is_none_or(|ours| ours == key) && is_proven(key, proof, from);
        if !is_ours {
            tracing::warn!(
                name = hello.name(),
                session = from.0,
                "a hello without a good proof; its session is closed"
            );
            self.close_cluster_session(from, outbox);
            self.strangers.insert(from);
            outbox.send(
                from,
                egress::refused_edge("the proof is not good here: does the edge hold this cluster's secret?"),
            );
            return outbox.close(from);
        }
        tracing::debug!(name = hello.name(), session = from.0, "an edge says hello");
        self.edge_key.get_or_insert(key.try_into().expect("its length was checked"));
        self.strangers.remove(&from);
        self.edges.entry(from).or_default();
        outbox.send(from, egress::accepted(self.manifest.bytes()));
    }

    fn on_edge_message(&mut self, from: ClusterSessionId, ingress: &Ingress<'_>, position: u64, outbox: &mut Outbox) {
        if let Some(batch) = ingress.message_as_command_batch() {
            self.on_commands(from, &batch, position, outbox);
        } else if let Some(join) = ingress.message_as_join_session() {
            let answer = match self.join(from, &join) {
                Ok((ended, id)) => {
                    outbox.messages.extend(ended);
                    egress::joined(join.request(), id, self.sessions.get(id).expect("it just joined"), false)
                }
                Err(code) => egress::refused(join.request(), code),
            };
            outbox.send(from, answer);
        } else if let Some(resume) = ingress.message_as_resume_session() {
            self.resume(from, &resume, outbox);
        } else if let Some(detach) = ingress.message_as_detach_session() {
            self.sessions.detach(detach.session(), detach.epoch(), from, self.clock.now_ms);
            self.schedule_expiry(outbox);
        } else if let Some(leave) = ingress.message_as_leave_session() {
            if self.sessions.get(leave.session()).is_some_and(|session| session.epoch == leave.epoch()) {
                self.end_session(leave.session(), CloseCode::Left, outbox);
            }
        } else if let Some(watch) = ingress.message_as_watch_match() {
            self.watch(from, watch.match_id(), outbox);
        } else if let Some(unwatch) = ingress.message_as_unwatch_match() {
            self.edges.entry(from).or_default().remove(&unwatch.match_id());
        } else if let Some(open) = ingress.message_as_open_match() {
            let answer = match self.open_match(&open, position, outbox) {
                Ok(match_id) => egress::opened(open.request(), match_id, CloseCode::Done, ""),
                Err((code, reason)) => egress::opened(open.request(), 0, code, &reason),
            };
            outbox.send(from, answer);
        } else if let Some(close) = ingress.message_as_close_match() {
            let code = self.close_match(close.match_id(), position, outbox);
            outbox.send(from, egress::closed(close.request(), close.match_id(), code));
        } else if let Some(ask) = ingress.message_as_ask_matches() {
            outbox.send(from, self.describe(&ask));
        } else if let Some(report) = ingress.message_as_hash_report()
            && let Some(of) = self.matches.get(&report.match_id())
            && report.tick() <= of.simulation().tick()
        {
            self.reports.note(report.member(), report.match_id(), report.tick(), report.hash());
            outbox.reported.push((report.match_id(), report.tick()));
        }
    }

    // ---- matches ----------------------------------------------------------------------------------

    fn open_match(
        &mut self,
        open: &OpenMatch<'_>,
        position: u64,
        outbox: &mut Outbox,
    ) -> Result<u64, (CloseCode, String)> {
        if open.unless_open()
            && let Some(match_id) = self.matches.keys().next()
        {
            return Ok(*match_id);
        }
        if self.matches.len() >= MATCHES_MAX {
            return Err((CloseCode::Full, format!("{MATCHES_MAX} matches are open")));
        }
        let match_id = self.last_match + 1;
        let content = open.content().bytes().into();
        let setup = MatchSetup { match_id, seed: open.seed(), content };
        let (label, now_ms) = (open.label().unwrap_or_default(), self.clock.now_ms);
        let opened = match open.keyframe() {
            None => Match::open(setup, label, now_ms, position).map_err(|error| error.to_string()),
            Some(keyframe) => Keyframe::decode(keyframe.bytes())
                .and_then(|keyframe| Match::open_from(setup, keyframe, kept_players(open), label, now_ms, position))
                .map_err(|error| error.to_string()),
        };
        let opened = opened.map_err(|error| (CloseCode::BadContent, error))?;
        self.last_match = match_id;
        let is_first = self.matches.is_empty();
        self.matches.insert(match_id, opened);
        if let Ticking::Rate { millihertz } = G::TICKING
            && is_first
        {
            let ticker = Ticker::starting_at(self.clock.now_ms);
            // A timer that is set already comes sooner, and is set again then.
            if self.ticker.replace(ticker).is_none() {
                self.alarms.ask(TimerId::TICK, ticker.next_ms(millihertz), &self.clock, outbox);
            }
        }
        Ok(match_id)
    }

    fn close_match(&mut self, match_id: u64, position: u64, outbox: &mut Outbox) -> CloseCode {
        let Some(mut closed) = self.matches.remove(&match_id) else { return CloseCode::NoMatch };
        // Commands that wait for a tick that will not come have an outcome all the same.
        let tick = closed.simulation().tick();
        let outcomes = closed
            .drain_origins()
            .into_iter()
            .map(|origin| (origin.session, outcome(origin, tick, OutcomeCode::MATCH_CLOSED)))
            .collect::<Vec<_>>();
        for (session, outcome) in outcomes {
            if let Some(edge) = self.sessions.get(session).and_then(|session| session.attached()) {
                outbox.send(edge, egress::outcomes(vec![egress::outcome_of(session, &outcome)]));
            }
        }
        for id in self.sessions.of_match(match_id) {
            if let Some(session) = self.sessions.close(id)
                && let Some(edge) = session.attached()
            {
                outbox.send(edge, egress::ended(id, session.epoch, CloseCode::NoMatch));
            }
        }
        self.edges.values_mut().for_each(|watched| {
            watched.remove(&match_id);
        });
        self.reports.forget(match_id);
        self.wakes.remove(&match_id);
        self.alarms.drop_forever(TimerId::wake(match_id), outbox);
        tracing::debug!(match_id, position, "a match is closed");
        CloseCode::Done
    }

    fn watch(&mut self, from: ClusterSessionId, match_id: u64, outbox: &mut Outbox) {
        match self.matches.get(&match_id) {
            Some(watched) => {
                self.edges.entry(from).or_default().insert(match_id);
                outbox.send(from, egress::baseline(watched));
            }
            None => outbox.send(from, egress::closed(0, match_id, CloseCode::NoMatch)),
        }
    }

    fn describe(&self, ask: &AskMatches<'_>) -> EgressMessageT {
        let matches = match ask.match_id() {
            0 => self.matches.iter().map(|(id, open)| egress::match_state(*id, open, false)).collect(),
            id => self.matches.get(&id).map(|open| egress::match_state(id, open, true)).into_iter().collect(),
        };
        egress::open_matches(ask.request(), matches)
    }

    // ---- sessions ---------------------------------------------------------------------------------

    /// Redeems a token. Gives what the account's session before is told, and the new session.
    #[expect(clippy::type_complexity, reason = "messages as the outbox holds them")]
    fn join(
        &mut self,
        from: ClusterSessionId,
        join: &JoinSession<'_>,
    ) -> Result<(Vec<(Vec<ClusterSessionId>, Arc<[u8]>)>, u32), CloseCode> {
        // Whoever issued it went by the clock.
        let clock_ms = self.clock.clock_ms;
        let expires_ms = join.token_expires_ms();
        let (match_id, account, secret_hash) = (join.match_id(), join.account(), join.secret_hash().bytes());
        // The edge that lost the answer asks again, with the secret that it made for this join; the token was good then.
        let again = |service: &mut Self, otherwise| {
            let id = service.sessions.joined_by(match_id, account, secret_hash, from);
            id.map(|id| (Vec::new(), id)).ok_or(otherwise)
        };
        if expires_ms <= clock_ms {
            return again(self, CloseCode::TokenExpired);
        }
        if expires_ms.saturating_sub(clock_ms) > TOKEN_SECONDS_MAX as i64 * 1_000 + TOKEN_CLOCK_SLACK_MS {
            return Err(CloseCode::TokenInvalid);
        }
        let nonce: [u8; NONCE_BYTES] = join.nonce().bytes().try_into().map_err(|_| CloseCode::TokenInvalid)?;
        self.nonces.retain(|_, expires_ms| clock_ms.saturating_sub(*expires_ms) < CLOCK_BACK_MS_MAX);
        if self.nonces.contains_key(&nonce) {
            return again(self, CloseCode::TokenUsed);
        }
        let Some(joined) = self.matches.get(&match_id) else { return Err(CloseCode::NoMatch) };
        let before = self.sessions.of_account(match_id, account);
        let as_player = player_of(account).filter(|player| joined.kept().contains(player));
        if as_player.is_some_and(|player| self.sessions.is_played(match_id, player, account)) {
            return Err(CloseCode::Full);
        }
        let has_no_room = as_player.is_none() && joined.player_count() as usize >= PLAYERS_PER_MATCH_MAX;
        if (has_no_room || self.sessions.len() >= SESSIONS_MAX) && before.is_none() {
            return Err(CloseCode::Full);
        }
        let secret: [u8; SECRET_HASH_BYTES] = secret_hash.try_into().map_err(|_| CloseCode::TokenInvalid)?;
        self.nonces.insert(nonce, expires_ms);
        let mut told = Outbox::default();
        if let Some(before) = before {
            self.end_session(before, CloseCode::Superseded, &mut told);
        }
        let joined = self.matches.get_mut(&match_id).expect("looked up above");
        let player = as_player.unwrap_or_else(|| joined.join());
        let id = self.sessions.open(match_id, player, account, secret, from);
        Ok((told.messages, id))
    }

    fn resume(&mut self, from: ClusterSessionId, resume: &ResumeSession<'_>, outbox: &mut Outbox) {
        let id = resume.session();
        let hash = |bytes: &[u8]| bytes.try_into().unwrap_or([0; SECRET_HASH_BYTES]);
        let (secret, next) = (hash(resume.secret_hash().bytes()), hash(resume.next_secret_hash().bytes()));
        let answer = match self.sessions.resume(id, &secret, next, resume.epoch(), from) {
            Resumed::NoSession => egress::refused(resume.request(), CloseCode::NoSession),
            Resumed::WrongSecret => egress::refused(resume.request(), CloseCode::WrongSecret),
            Resumed::Superseded => egress::refused(resume.request(), CloseCode::Superseded),
            taken @ (Resumed::Taken { .. } | Resumed::Again) => {
                if let Resumed::Taken { before: Some(before), epoch } = taken {
                    outbox.send(before, egress::ended(id, epoch, CloseCode::Superseded));
                }
                egress::joined(resume.request(), id, self.sessions.get(id).expect("it just came back"), true)
            }
        };
        outbox.send(from, answer);
    }

    fn end_session(&mut self, id: u32, code: CloseCode, outbox: &mut Outbox) {
        let Some(session) = self.sessions.close(id) else { return };
        if let Some(of) = self.matches.get_mut(&session.match_id) {
            of.leave(session.player);
        }
        if let Some(edge) = session.attached() {
            outbox.send(edge, egress::ended(id, session.epoch, code));
        }
    }

    fn on_expiry(&mut self, outbox: &mut Outbox) {
        for id in self.sessions.expired(self.clock.now_ms) {
            self.end_session(id, CloseCode::NoSession, outbox);
        }
        self.schedule_expiry(outbox);
    }

    /// Keeps one timer for the session that expires first. To be called whenever one was detached.
    fn schedule_expiry(&mut self, outbox: &mut Outbox) {
        if let Some(next_ms) = self.sessions.next_expiry_ms() {
            self.alarms.ask(TimerId::EXPIRY, next_ms, &self.clock, outbox);
        }
    }

    // ---- commands ---------------------------------------------------------------------------------

    fn on_commands(&mut self, from: ClusterSessionId, batch: &CommandBatch<'_>, position: u64, outbox: &mut Outbox) {
        let mut rest = batch.payload().bytes();
        let mut answers = Vec::new();
        for head in batch.heads() {
            let (payload, after) = rest.split_at(head.bytes() as usize);
            rest = after;
            let (id, seq) = (head.session(), head.seq());
            match self.sessions.judge(id, head.epoch(), seq) {
                verdict @ (Verdict::Run | Verdict::Reject) => {
                    let session = self.sessions.get(id).expect("it was just judged");
                    let of = self.matches.get_mut(&session.match_id).expect("a session ends with its match");
                    let origin = Origin { session: id, seq, position };
                    match verdict {
                        Verdict::Run => of.enqueue(session.player, payload, origin),
                        _ => of.enqueue_rejected(origin),
                    }
                }
                Verdict::Answer(outcome) => answers.push(egress::outcome_of(id, &outcome)),
                Verdict::Pending => {}
                Verdict::Refuse(code, seq) => {
                    // No tick ran it: what was refused stands there, as the edge may have asked more than once.
                    let tick = match code {
                        OutcomeCode::STALE_EPOCH => u64::from(head.epoch()),
                        OutcomeCode::GAP => u64::from(head.seq()),
                        _ => 0,
                    };
                    answers.push(egress::outcome_of(id, &Outcome { seq, code: code.0, tick, position }));
                }
            }
        }
        if !answers.is_empty() {
            outbox.send(from, egress::outcomes(answers));
        }
    }

    // ---- ticks ------------------------------------------------------------------------------------

    /// One timer drives all matches: each time that it fires it is set again, once, until it finds no match.
    fn on_tick(&mut self, position: u64, outbox: &mut Outbox) {
        let Ticking::Rate { millihertz } = G::TICKING else { return };
        if self.matches.is_empty() {
            self.ticker = None;
        }
        let Some(ticker) = &mut self.ticker else { return };
        // One that was set for matches before those that are open comes too early.
        let now_ms = self.clock.now_ms;
        let is_due = ticker.next_ms(millihertz) <= now_ms;
        if is_due {
            ticker.advance(now_ms, millihertz);
        }
        self.alarms.ask(TimerId::TICK, ticker.next_ms(millihertz), &self.clock, outbox);
        if !is_due {
            return;
        }
        let ids: Vec<u64> = self.matches.keys().copied().collect();
        for match_id in ids {
            self.step(match_id, position, outbox);
        }
    }

    fn on_wake(&mut self, id: TimerId, position: u64, outbox: &mut Outbox) {
        let Some(match_id) = id.woken_match() else { return };
        match self.wakes.get(&match_id) {
            // It was asked for later, after it had been set.
            Some(at_ms) if *at_ms > self.clock.now_ms => self.alarms.ask(id, *at_ms, &self.clock, outbox),
            Some(_) => {
                self.wakes.remove(&match_id);
                self.step(match_id, position, outbox);
            }
            None => {}
        }
    }

    /// Matches on command step with the entry that gave them something to do.
    fn step_on_command(&mut self, position: u64, outbox: &mut Outbox) {
        if G::TICKING != Ticking::OnCommand {
            return;
        }
        let has_work = |(id, open): (&u64, &Match<G>)| open.is_waiting().then_some(*id);
        let ids: Vec<u64> = self.matches.iter().filter_map(has_work).collect();
        for match_id in ids {
            self.step(match_id, position, outbox);
        }
    }

    fn step(&mut self, match_id: u64, position: u64, outbox: &mut Outbox) {
        let Some(stepped) = self.matches.get_mut(&match_id) else { return };
        let (output, outcomes) = stepped.step(self.clock.now_ms, position);
        let tick = output.tick;
        let mut told = Vec::with_capacity(outcomes.len());
        for (origin, code) in outcomes {
            let outcome = outcome(origin, tick, code);
            if let Some(session) = self.sessions.get_mut(origin.session) {
                session.note_outcome(outcome);
            }
            told.push(egress::outcome_of(origin.session, &outcome));
        }
        outbox.ticks.push(TickHash { match_id, tick, hash: output.hash() });
        if let Some(after_ms) = output.wake_after_ms
            && G::TICKING == Ticking::OnCommand
        {
            let at_ms = self.clock.now_ms.saturating_add(i64::from(after_ms));
            self.wakes.insert(match_id, at_ms);
            self.alarms.ask(TimerId::wake(match_id), at_ms, &self.clock, outbox);
        }
        let watchers: Vec<_> =
            self.edges.iter().filter(|(_, watched)| watched.contains(&match_id)).map(|(edge, _)| *edge).collect();
        if !watchers.is_empty() {
            outbox.send_all(watchers, egress::delta(match_id, position, output, told));
        }
    }
}

/// Players of the state that a match begins with.
fn kept_players(open: &OpenMatch<'_>) -> BTreeSet<u32> {
    let players = open.players().into_iter().flatten();
    players.filter(|player| *player != 0 && *player != PlayerId::SPECTATOR.0).collect()
}

const fn outcome(origin: Origin, tick: u64, code: OutcomeCode) -> Outcome {
    Outcome { seq: origin.seq, code: code.0, tick, position: origin.position }
}
