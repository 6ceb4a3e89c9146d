//! Who may enter: hello, a token or a resume secret, and what the log says to it.

use std::time::Duration;

use aws_lc_rs::digest;
use protocol::cluster::{
    DetachSessionT, IngressMessageT, JoinSessionT, LeaveSessionT, ResumeSessionT, SessionEnded, SessionJoined,
    SessionOutcome, SessionRefused,
};
use protocol::limits::{COMMAND_BYTES_MAX, COMMANDS_UNACKED_MAX, HELLO_MS_MAX, LOG_ANSWER_MS_MAX, SECRET_BYTES};
use protocol::outcome::CloseCode;
use protocol::session::{Hello, Join, JoinedT, Outcome, Resume, ServerMessageT, WelcomeT, encode_server};
use protocol::version::{MAJOR, MINOR};

use super::session::{Asked, Greeted, Greeting, Player, Seen, Stage};
use super::{ConnectionId, Edge, Moment, Refusal};
use crate::token::{self, Claims, TokenError};

/// What a client asks of the log.
pub(super) enum Wish {
    Join(Claims),
    Resume { session: u32, secret: [u8; SECRET_BYTES], seen: Seen },
}

impl Edge {
    pub(super) fn handle_hello(&mut self, now: Moment, id: ConnectionId, hello: &Hello<'_>) -> Result<(), Refusal> {
        if hello.major() != MAJOR {
            let detail = format!("the client speaks {}, the server {MAJOR}", hello.major());
            return Err(Refusal { code: CloseCode::Version, detail });
        }
        tracing::debug!(connection = id.0, client = hello.client().unwrap_or_default(), "hello");
        if let Some(greeting) = self.greeting(id) {
            greeting.hello = Some(Greeted { manifest_hash: hello.manifest_hash(), takes_datagrams: hello.datagrams() });
        }
        self.proceed(now, id);
        Ok(())
    }

    pub(super) fn handle_join(&mut self, now: Moment, id: ConnectionId, join: &Join<'_>) -> Result<(), Refusal> {
        let claims = token::verify(join.token(), &self.settings.token_keys, now.unix_ms).map_err(|error| {
            let code = match error {
                TokenError::Invalid { .. } => CloseCode::TokenInvalid,
                TokenError::Expired { .. } => CloseCode::TokenExpired,
            };
            // What is wrong with a token is the operator's to know.
            tracing::info!(connection = id.0, %error, "a token is refused");
            Refusal::from(code)
        })?;
        self.wish(now, id, Wish::Join(claims));
        Ok(())
    }

    pub(super) fn handle_resume(&mut self, now: Moment, id: ConnectionId, resume: &Resume<'_>) {
        let secret = resume.secret().bytes().try_into().expect("the decoder checked its length");
        let rows = resume.held().map(|rows| rows.bytes().to_vec()).unwrap_or_default();
        let seen = Seen { tick: resume.last_tick(), position: resume.last_position(), rows };
        self.wish(now, id, Wish::Resume { session: resume.session(), secret, seen });
    }

    fn wish(&mut self, now: Moment, id: ConnectionId, wish: Wish) {
        if let Some(greeting) = self.greeting(id) {
            greeting.wish = Some(wish);
        }
        // Time that passes from here on is ours.
        self.set_deadline(id, now.at + Duration::from_millis(HELLO_MS_MAX), CloseCode::Stopping);
        self.proceed(now, id);
    }

    fn greeting(&mut self, id: ConnectionId) -> Option<&mut Greeting> {
        match &mut self.connections.get_mut(&id)?.stage {
            Stage::Greeting(greeting) => Some(greeting),
            _ => None,
        }
    }

    /// Does what the link allows: everything, or nothing yet.
    pub(super) fn proceed(&mut self, now: Moment, id: ConnectionId) {
        if !self.is_linked() {
            return;
        }
        let has_leader = self.has_leader;
        let Some(greeting) = self.greeting(id) else { return };
        let Some(greeted) = greeting.hello else { return };
        let is_welcomed = std::mem::replace(&mut greeting.is_welcomed, true);
        // Who comes while nobody leads waits: what nobody asked for needs no answer when the player goes elsewhere.
        let wish = greeting.wish.take_if(|_| has_leader);
        if !is_welcomed {
            let welcome = self.welcome(greeted.manifest_hash);
            self.control(id, welcome);
        }
        if let Some(wish) = wish {
            self.ask(now, id, greeted, wish);
        }
    }

    pub(super) fn proceed_all(&mut self, now: Moment) {
        let mut ids: Vec<_> = self.connections.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter().for_each(|id| self.proceed(now, id));
    }

    fn welcome(&self, known: u64) -> Vec<u8> {
        let manifest = self.manifest.as_ref().expect("a link is up once its manifest is read");
        let mut welcome = WelcomeT::default();
        (welcome.major, welcome.minor) = (MAJOR, MINOR);
        welcome.server = Some(self.settings.name.clone());
        welcome.manifest_hash = manifest.hash();
        welcome.manifest = (known != manifest.hash()).then(|| manifest.bytes().to_vec());
        welcome.command_bytes_max = COMMAND_BYTES_MAX as u32;
        welcome.commands_unacked_max = COMMANDS_UNACKED_MAX as u32;
        encode_server(ServerMessageT::Welcome(Box::new(welcome)))
    }

    fn ask(&mut self, now: Moment, id: ConnectionId, greeted: Greeted, wish: Wish) {
        if self.outstanding.is_full() {
            let detail = "the log does not keep up".to_owned();
            return self.close(now, id, Refusal { code: CloseCode::Internal, detail });
        }
        let request = self.outstanding.next_request();
        let secret = (self.settings.secrets)();
        let takes_datagrams = greeted.takes_datagrams;
        let mut asked = Asked { request, takes_datagrams, secret, held: secret, seen: Seen::default() };
        let message = match wish {
            Wish::Join(claims) => join_message(request, claims, &secret),
            Wish::Resume { session, secret: held, seen } => {
                (asked.seen, asked.held) = (seen, held);
                resume_message(request, session, &held, &secret, 0)
            }
        };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.stage = Stage::Asked(asked);
        self.outstanding.ask(request, id, message.clone());
        self.uplink.push(message);
        self.set_deadline(id, now.at + Duration::from_millis(LOG_ANSWER_MS_MAX), CloseCode::Internal);
    }

    // ---- what the log says ----------------------------------------------------------------------

    pub(super) fn handle_joined(&mut self, now: Moment, joined: &SessionJoined<'_>) {
        let (session, epoch) = (joined.session(), joined.epoch());
        // An answer that comes twice: a request was made again while the first answer was on its way.
        let Some(by) = self.outstanding.answered(joined.request()) else { return };
        // Who asked may be gone; then the session waits to be resumed.
        let Some(id) = by else { return self.detach(session, epoch) };
        let Some(connection) = self.connections.get_mut(&id) else { return self.detach(session, epoch) };
        let asked = match std::mem::replace(&mut connection.stage, Stage::Closed) {
            Stage::Asked(asked) => asked,
            stage => {
                let is_playing = matches!(stage, Stage::Playing(_));
                connection.stage = stage;
                return match is_playing {
                    true => self.handle_taken_over(now, id, joined),
                    false => self.detach(session, epoch),
                };
            }
        };
        let secret = asked.secret;
        let (match_id, last_seq) = (joined.match_id(), joined.last_seq());
        let mut player = Player::new(asked, session, epoch, match_id, joined.player(), last_seq);
        player.note_ring(now.at, joined.outcomes().into_iter().flatten().map(to_player));
        let mut frame = JoinedT::default();
        (frame.match_id, frame.session, frame.epoch, frame.player) = (match_id, session, epoch, joined.player());
        (frame.last_seq, frame.resumed) = (last_seq, joined.resumed());
        frame.secret = secret.to_vec();
        connection.stage = Stage::Playing(Box::new(player));
        let before = self.sessions.insert(session, id);
        self.counters.joins.add(1);
        self.counters.players.set(self.sessions.len());
        self.control(id, encode_server(ServerMessageT::Joined(Box::new(frame))));
        self.enter_match(now, match_id, id);
        // That it is superseded was said too, but may have been lost with a leader.
        if let Some(before) = before {
            self.close_and(now, before, CloseCode::Superseded.into(), false);
        }
    }

    pub(super) fn handle_refused(&mut self, now: Moment, refused: &SessionRefused<'_>) {
        if let Some(Some(id)) = self.outstanding.answered(refused.request()) {
            self.close_and(now, id, close_code(refused.code()).into(), false);
        }
    }

    pub(super) fn handle_ended(&mut self, now: Moment, ended: &SessionEnded<'_>) {
        let Some(id) = self.sessions.get(&ended.session()).copied() else { return };
        if self.player(id).is_some_and(|player| player.epoch == ended.epoch()) {
            self.close_and(now, id, close_code(ended.code()).into(), false);
        }
    }

    pub(super) fn player(&mut self, id: ConnectionId) -> Option<&mut Player> {
        match &mut self.connections.get_mut(&id)?.stage {
            Stage::Playing(player) => Some(player),
            _ => None,
        }
    }

    // ---- what is said of sessions ---------------------------------------------------------------

    pub(super) fn detach(&mut self, session: u32, epoch: u32) {
        let mut detach = DetachSessionT::default();
        (detach.session, detach.epoch) = (session, epoch);
        self.note(IngressMessageT::DetachSession(Box::new(detach)));
    }

    pub(super) fn leave(&mut self, session: u32, epoch: u32) {
        let mut leave = LeaveSessionT::default();
        (leave.session, leave.epoch) = (session, epoch);
        self.note(IngressMessageT::LeaveSession(Box::new(leave)));
    }
}

pub(super) fn to_player(outcome: &SessionOutcome) -> Outcome {
    Outcome::new(outcome.position(), outcome.tick(), outcome.seq(), outcome.code(), 0)
}

fn join_message(request: u64, claims: Claims, secret: &[u8]) -> IngressMessageT {
    let mut join = JoinSessionT::default();
    (join.request, join.match_id) = (request, claims.match_id.0);
    join.account = claims.account;
    join.nonce = claims.nonce.to_vec();
    join.token_expires_ms = claims.expires as i64 * 1_000;
    join.secret_hash = sha256(secret);
    IngressMessageT::JoinSession(Box::new(join))
}

/// `epoch` is the one to take over from; 0 for whichever it is.
pub(super) fn resume_message(request: u64, session: u32, held: &[u8], next: &[u8], epoch: u32) -> IngressMessageT {
    let mut resume = ResumeSessionT::default();
    (resume.request, resume.session, resume.epoch) = (request, session, epoch);
    resume.secret_hash = sha256(held);
    resume.next_secret_hash = sha256(next);
    IngressMessageT::ResumeSession(Box::new(resume))
}

/// The log never holds a secret.
fn sha256(secret: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, secret).as_ref().to_vec()
}

fn close_code(number: u16) -> CloseCode {
    CloseCode::from_number(u64::from(number)).unwrap_or(CloseCode::Internal)
}
