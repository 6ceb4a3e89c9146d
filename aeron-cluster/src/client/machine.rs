//! The client's state machine.
//!
//! ```text
//!  Connecting ──open──► Connected ──leader lost──► AwaitingLeader ──NewLeader──► AwaitingConnection
//!      │  ▲ redirect        ▲  │                      │   ▲                          │        │
//!      └──┘                 │  └── NewLeader ─────────┼───┼──────────────────────────►         │
//!      │                    └───── keep-alive taken ──┼───┼──────────────────────────┘        │
//!      ▼ no, or no answer                             ▼   └──────── lost again ───────────────┘
//!    Closed ◄──────────────── Closing ◄── deadline, closed by the cluster, asked to, last position
//! ```

use std::time::Duration;

use super::connect::{Answer, Connect};
use super::egress::Egress;
use super::ingress::Ingress;
use super::lookout::Lookout;
use super::session::{Session, Turn};
use super::{ClientConfig, ClientEvent, ClientState, CloseCause};
use crate::codec::NULL_VALUE;
use crate::codec::cluster::{self, SESSION_HEADER_BYTES};
use crate::transport::{Action, OfferError, Transport, TransportError};

/// How often a goodbye is tried against back-pressure; without it the cluster times the session out.
const CLOSE_ATTEMPTS: u8 = 3;

/// Parts of a message that need no allocation.
const PARTS_INLINE: usize = 8;

/// A client's session with a cluster. Dropping it without [`close`](Self::close) leaves the session to the cluster's
/// timeout.
///
/// Give each client a transport of its own: two on one would share the stream to a member, and lose it together.
pub struct ClusterClient {
    config: ClientConfig,
    egress: Egress,
    ingress: Ingress,
    session: Option<Session>,
    state: State,
    /// When the leader's stream last took something of ours.
    last_sent: Duration,
    /// Whether it did since the last poll: offers have no clock.
    has_sent: bool,
    scratch: Vec<u8>,
}

enum State {
    Connecting(Connect),
    Connected,
    /// Without a deadline until the loss has been told, and without a lookout where a new leader was found and lost.
    AwaitingLeader {
        deadline: Option<Duration>,
        lookout: Option<Lookout>,
    },
    AwaitingConnection {
        deadline: Duration,
    },
    Closing {
        attempts_left: u8,
        cause: CloseCause,
    },
    Closed,
}

/// What was heard that changes the state.
enum Heard {
    Answer(Answer),
    Turn(Turn),
}

impl ClusterClient {
    /// A client that begins to connect with its first [`poll`](Self::poll).
    pub fn new(config: ClientConfig) -> Self {
        Self {
            egress: Egress::new(config.egress_channel.clone(), config.egress_stream_id),
            ingress: Ingress::new(config.ingress_channel.clone(), config.ingress_stream_id, config.endpoints.clone()),
            config,
            session: None,
            state: State::Connecting(Connect::default()),
            last_sent: Duration::ZERO,
            has_sent: false,
            scratch: Vec::new(),
        }
    }

    /// One step: takes what has come (a bounded number of fragments of each stream), looks at deadlines, sends signs of
    /// life. Never waits. Returns how much was done, for [`Transport::idle`]. Call it often: at least several times
    /// within each [`keep_alive_interval`](ClientConfig::keep_alive_interval), also while busy.
    ///
    /// # Errors
    ///
    /// [`TransportError::Refused`] when the egress channel is not to be had, [`TransportError::DriverGone`]. The client
    /// is closed then, and no event says so. Members that cannot be reached are no error: they are warned about, and
    /// the client closes when its time is over.
    pub fn poll(
        &mut self,
        transport: &mut dyn Transport,
        events: &mut dyn FnMut(ClientEvent<'_>),
    ) -> Result<usize, TransportError> {
        let stepped = self.step(transport, events);
        if stepped.is_err() {
            self.release();
        }
        stepped
    }

    /// Sends one message that consists of these parts to the leader, whole or not at all. Never waits. Returns the
    /// position in the stream to the leader: the message is on its way, no more. It may be lost with the leader.
    /// Up to seven parts cost no allocation.
    ///
    /// # Errors
    ///
    /// [`OfferError::NotConnected`] while there is no leader, [`OfferError::Closed`] when the client is of no use any
    /// more; else as the stream says.
    pub fn offer(&mut self, parts: &[&[u8]]) -> Result<i64, OfferError> {
        let header = self.connected()?.header;
        let mut inline: [&[u8]; PARTS_INLINE] = [&[]; PARTS_INLINE];
        let offered = match inline.get_mut(..=parts.len()) {
            Some(whole) => {
                whole[0] = &header;
                whole[1..].copy_from_slice(parts);
                self.ingress.offer(whole)
            }
            None => {
                let whole: Vec<&[u8]> = std::iter::once(&header[..]).chain(parts.iter().copied()).collect();
                self.ingress.offer(&whole)
            }
        };
        self.judge(offered)
    }

    /// Longest message that [`offer`](Self::offer) takes, in bytes; 0 while there is no leader.
    pub fn max_message_length(&self) -> usize {
        match self.state {
            State::Connected => self.ingress.max_message_length().saturating_sub(SESSION_HEADER_BYTES),
            _ => 0,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> ClientState {
        match self.state {
            State::Connecting(_) => ClientState::Connecting,
            State::Connected => ClientState::Connected,
            State::AwaitingLeader { .. } | State::AwaitingConnection { .. } => ClientState::AwaitingLeader,
            State::Closing { .. } => ClientState::Closing,
            State::Closed => ClientState::Closed,
        }
    }

    /// Whether there is a leader that takes offers.
    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected)
    }

    /// Number of the session; -1 before there was one.
    pub fn session_id(&self) -> i64 {
        self.session.as_ref().map_or(NULL_VALUE, |session| session.id)
    }

    /// Who leads, or led last; -1 before anybody was known to.
    pub fn leader_member_id(&self) -> i32 {
        self.session.as_ref().map_or(-1, |session| session.leader_member_id)
    }

    /// In which term; -1 before there was one.
    pub fn leadership_term_id(&self) -> i64 {
        self.session.as_ref().map_or(NULL_VALUE, |session| session.leadership_term_id)
    }

    /// Asks that every member takes a snapshot. Returns the number that [`ClientEvent::Admin`] will carry; `None` when
    /// the leader's stream does not take it now. Stock members refuse this of everybody unless their authorisation
    /// service is set.
    pub fn request_snapshot(&mut self, transport: &mut dyn Transport) -> Option<i64> {
        let correlation_id = transport.next_correlation_id();
        let sent = self.send(|out, session| {
            cluster::encode_admin_snapshot(out, session.leadership_term_id, session.id, correlation_id);
        });
        sent.ok().map(|_| correlation_id)
    }

    /// Answers [`ClientEvent::Challenge`]; sent with the next poll that can. Without a challenge it does nothing.
    pub fn answer_challenge(&mut self, transport: &mut dyn Transport, credentials: &[u8]) {
        if let State::Connecting(connect) = &mut self.state {
            connect.prove(transport, credentials);
        }
    }

    /// Says goodbye: the next polls send it and then tell [`CloseCause::Asked`]. Nothing more is heard.
    pub fn close(&mut self) {
        if !matches!(self.state, State::Closing { .. } | State::Closed) {
            self.state = State::Closing { attempts_left: CLOSE_ATTEMPTS, cause: CloseCause::Asked };
        }
    }

    fn step(
        &mut self,
        transport: &mut dyn Transport,
        events: &mut dyn FnMut(ClientEvent<'_>),
    ) -> Result<usize, TransportError> {
        let now = transport.now();
        if std::mem::take(&mut self.has_sent) {
            self.last_sent = now;
        }
        let mut work = self.ingress.advance(transport, now)?;
        if matches!(self.state, State::Closed) {
            return Ok(work);
        }
        work += self.egress.advance(transport)?;
        let (taken, heard) = self.hear(events);
        work += taken;
        match heard {
            None => {}
            Some(Heard::Answer(answer)) => self.settle(transport, now, answer, events)?,
            Some(Heard::Turn(Turn::Closed)) => self.finish(CloseCause::ByCluster, events),
            Some(Heard::Turn(Turn::NewLeader { leadership_term_id, leader_member_id, endpoints, source })) => {
                if self.is_connected() {
                    events(ClientEvent::LeaderLost);
                }
                self.follow(transport, now, (leadership_term_id, leader_member_id), &endpoints, source)?;
            }
        }
        work += match self.state {
            State::Connecting(_) => self.connect(transport, now, events)?,
            State::Connected => self.stay(transport, now, events)?,
            State::AwaitingLeader { .. } => self.await_leader(transport, now, events)?,
            State::AwaitingConnection { deadline } => self.await_connection(now, deadline, events),
            State::Closing { attempts_left, cause } => self.part(attempts_left, cause, events),
            State::Closed => 0,
        };
        Ok(work)
    }

    /// Reads until something is heard that changes the state: what follows it is to be read in the new one.
    fn hear(&mut self, events: &mut dyn FnMut(ClientEvent<'_>)) -> (usize, Option<Heard>) {
        let Self { egress, session, state, .. } = self;
        let (mut answer, mut turn) = (None, None);
        let taken = egress.poll(&mut |message, source| match (&mut *state, &mut *session) {
            (State::Connecting(connect), _) => connect.hear(message, source, &mut answer, events),
            (State::Closing { .. } | State::Closed, _) | (_, None) => Action::Continue,
            (State::AwaitingLeader { lookout: Some(lookout), .. }, Some(session)) => match lookout.hear(&message) {
                true => Action::Continue,
                false => session.hear(message, source, &mut turn, events),
            },
            (_, Some(session)) => session.hear(message, source, &mut turn, events),
        });
        (taken, answer.map(Heard::Answer).or(turn.map(Heard::Turn)))
    }

    // ---- connecting -------------------------------------------------------------------------------------

    fn connect(
        &mut self,
        transport: &mut dyn Transport,
        now: Duration,
        events: &mut dyn FnMut(ClientEvent<'_>),
    ) -> Result<usize, TransportError> {
        let State::Connecting(connect) = &mut self.state else { return Ok(0) };
        match connect.deadline {
            None => {
                connect.deadline = Some(now + self.config.message_timeout);
                self.ingress.open_all(transport)?;
                Ok(1)
            }
            Some(deadline) if now >= deadline => {
                self.finish(CloseCause::NoAnswer, events);
                Ok(1)
            }
            Some(_) => Ok(connect.send(transport, &self.config, &self.egress, &mut self.ingress)),
        }
    }

    fn settle(
        &mut self,
        transport: &mut dyn Transport,
        now: Duration,
        answer: Answer,
        events: &mut dyn FnMut(ClientEvent<'_>),
    ) -> Result<(), TransportError> {
        let State::Connecting(connect) = &mut self.state else { return Ok(()) };
        match answer {
            Answer::Opened(session) => {
                if let Some(member_id) = connect.asked() {
                    self.ingress.keep_only(member_id);
                }
                self.last_sent = now;
                self.state = State::Connected;
                events(ClientEvent::Connected {
                    session_id: session.id,
                    leader_member_id: session.leader_member_id,
                    leadership_term_id: session.leadership_term_id,
                });
                self.session = Some(session);
            }
            Answer::Redirect { leader_member_id, endpoints } => {
                connect.ask_again(now);
                self.ingress.update(&endpoints);
                self.ingress.turn_to(transport, leader_member_id)?;
            }
            Answer::Failed(cause) => self.finish(cause, events),
        }
        Ok(())
    }

    // ---- following a leader -----------------------------------------------------------------------------

    /// Watches the leader, and shows it that we live.
    fn stay(
        &mut self,
        transport: &mut dyn Transport,
        now: Duration,
        events: &mut dyn FnMut(ClientEvent<'_>),
    ) -> Result<usize, TransportError> {
        let Some(session) = &self.session else { return Ok(0) };
        let is_service_heard = session.service_stream().is_none_or(|stream| self.egress.has(stream));
        let is_reached = self.ingress.connected().is_some();
        if !self.egress.has(session.leader_stream) || !is_service_heard || !is_reached {
            self.state = State::AwaitingLeader { deadline: None, lookout: None };
            return self.await_leader(transport, now, events);
        }
        if now.saturating_sub(self.last_sent) < self.config.keep_alive_interval {
            return Ok(0);
        }
        let is_sent = self.send_keep_alive().is_ok();
        if is_sent {
            self.last_sent = now;
        }
        Ok(usize::from(is_sent))
    }

    fn await_leader(
        &mut self,
        transport: &mut dyn Transport,
        now: Duration,
        events: &mut dyn FnMut(ClientEvent<'_>),
    ) -> Result<usize, TransportError> {
        let Some(session) = &self.session else { return Ok(0) };
        let (limit, term) = (session.new_leader_limit, session.leadership_term_id);
        let State::AwaitingLeader { deadline, lookout } = &mut self.state else { return Ok(0) };
        let Some(deadline) = *deadline else {
            (*deadline, *lookout) = (Some(now + limit), Some(Lookout::begin(now, term)));
            tracing::debug!(?limit, "the leader is not heard; a new one is awaited");
            events(ClientEvent::LeaderLost);
            self.ingress.close();
            self.ingress.open_all(transport)?;
            return Ok(1);
        };
        if now >= deadline {
            self.finish(CloseCause::NoLeader, events);
            return Ok(1);
        }
        let Some(lookout) = lookout else { return Ok(0) };
        if !lookout.is_over(transport, &self.config, &self.egress, &mut self.ingress) {
            return Ok(0);
        }
        lookout.end(&mut self.ingress);
        self.finish(CloseCause::Forgotten, events);
        Ok(1)
    }

    fn follow(
        &mut self,
        transport: &mut dyn Transport,
        now: Duration,
        (leadership_term_id, leader_member_id): (i64, i32),
        endpoints: &str,
        source: i32,
    ) -> Result<(), TransportError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if let State::AwaitingLeader { lookout: Some(lookout), .. } = &mut self.state {
            lookout.end(&mut self.ingress);
        }
        tracing::debug!(leadership_term_id, leader_member_id, "there is a new leader");
        session.follow(leadership_term_id, leader_member_id, source);
        self.ingress.update(endpoints);
        self.ingress.begin_anew(transport, leader_member_id)?;
        self.state = State::AwaitingConnection { deadline: now + self.config.message_timeout };
        Ok(())
    }

    /// A sign of life goes first: it binds the session to the new stream, and shows that the stream is taken.
    fn await_connection(
        &mut self,
        now: Duration,
        deadline: Duration,
        events: &mut dyn FnMut(ClientEvent<'_>),
    ) -> usize {
        let Some(session) = &self.session else { return 0 };
        let (leader_member_id, leadership_term_id) = (session.leader_member_id, session.leadership_term_id);
        if !self.egress.has(session.leader_stream) {
            self.state = State::AwaitingLeader { deadline: Some(now + session.new_leader_limit), lookout: None };
            return 1;
        }
        if self.send_keep_alive_once().is_ok() {
            self.last_sent = now;
            self.state = State::Connected;
            tracing::debug!(leadership_term_id, leader_member_id, "the new leader listens");
            events(ClientEvent::NewLeader { leader_member_id, leadership_term_id });
            return 1;
        }
        if now >= deadline {
            self.finish(CloseCause::NoLeader, events);
            return 1;
        }
        0
    }

    // ---- sending ----------------------------------------------------------------------------------------

    fn connected(&self) -> Result<&Session, OfferError> {
        match (&self.state, &self.session) {
            (State::Connected, Some(session)) => Ok(session),
            (State::Closing { .. } | State::Closed, _) => Err(OfferError::Closed),
            _ => Err(OfferError::NotConnected),
        }
    }

    fn send(&mut self, encode: impl FnOnce(&mut Vec<u8>, &Session)) -> Result<i64, OfferError> {
        self.connected()?;
        let offered = self.send_once(encode);
        self.judge(offered)
    }

    fn send_keep_alive(&mut self) -> Result<i64, OfferError> {
        self.send(|out, session| cluster::encode_keep_alive(out, session.leadership_term_id, session.id))
    }

    fn send_keep_alive_once(&mut self) -> Result<i64, OfferError> {
        self.send_once(|out, session| cluster::encode_keep_alive(out, session.leadership_term_id, session.id))
    }

    /// Sends what is no application's message; the state stays as it is.
    fn send_once(&mut self, encode: impl FnOnce(&mut Vec<u8>, &Session)) -> Result<i64, OfferError> {
        let session = self.session.as_ref().ok_or(OfferError::NotConnected)?;
        self.scratch.clear();
        encode(&mut self.scratch, session);
        self.ingress.offer(&[&self.scratch])
    }

    /// Draws the conclusions from how an offer to the leader ended.
    fn judge(&mut self, offered: Result<i64, OfferError>) -> Result<i64, OfferError> {
        match offered {
            Ok(_) => self.has_sent = true,
            Err(OfferError::NotConnected | OfferError::Closed) => {
                self.state = State::AwaitingLeader { deadline: None, lookout: None };
                return Err(OfferError::NotConnected);
            }
            Err(OfferError::MaxPosition) => {
                self.state = State::Closing { attempts_left: 0, cause: CloseCause::MaxPosition };
            }
            Err(OfferError::TooLong { length, max }) => {
                let payload = |length: usize| length.saturating_sub(SESSION_HEADER_BYTES);
                return Err(OfferError::TooLong { length: payload(length), max: payload(max) });
            }
            Err(OfferError::BackPressured | OfferError::AdminAction) => {}
        }
        offered
    }

    // ---- ending -----------------------------------------------------------------------------------------

    fn part(&mut self, attempts_left: u8, cause: CloseCause, events: &mut dyn FnMut(ClientEvent<'_>)) -> usize {
        if let Some(attempts_left) = attempts_left.checked_sub(1) {
            let sent = self
                .send_once(|out, session| cluster::encode_session_close(out, session.leadership_term_id, session.id));
            if sent.is_err_and(OfferError::is_retryable) {
                self.state = State::Closing { attempts_left, cause };
                return 1;
            }
        }
        self.finish(cause, events);
        1
    }

    fn finish(&mut self, reason: CloseCause, events: &mut dyn FnMut(ClientEvent<'_>)) {
        self.release();
        events(ClientEvent::Closed { reason });
    }

    fn release(&mut self) {
        self.ingress.close();
        self.egress.close();
        self.state = State::Closed;
    }
}
