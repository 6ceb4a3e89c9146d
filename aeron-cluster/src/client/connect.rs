//! How a session comes about: ask any member that listens, go where it says, prove who we are.

use std::time::Duration;

use super::egress::Egress;
use super::ingress::Ingress;
use super::session::Session;
use super::{ClientConfig, ClientEvent, CloseCause};
use crate::codec::cluster::{self, EgressMessage, EventCode};
use crate::transport::{Action, Transport};

/// How long a member is left alone that was asked a second time and again did not lead. An election takes seconds, and
/// each request costs the cluster a session until it is answered.
const REDIRECT_PAUSE: Duration = Duration::from_millis(100);

/// A client without a session yet.
#[derive(Default)]
pub(super) struct Connect {
    /// Set with the first poll.
    pub(super) deadline: Option<Duration>,
    /// Of what was asked last; answers to anything else are not ours.
    correlation_id: Option<i64>,
    /// Whom.
    asked: Option<i32>,
    /// What the stream has not taken yet.
    unsent: Vec<u8>,
    /// The session to be that a proof is asked for.
    challenged: Option<i64>,
    redirects: u32,
    resume_at: Duration,
}

/// What an answer means.
pub(super) enum Answer {
    /// There is a session.
    Opened(Session),
    /// Ask another one.
    Redirect { leader_member_id: i32, endpoints: String },
    /// No.
    Failed(CloseCause),
}

impl Connect {
    /// Reads a message; what it means for the client goes into `answer`.
    pub(super) fn hear(
        &mut self,
        message: EgressMessage<'_>,
        source: i32,
        answer: &mut Option<Answer>,
        events: &mut dyn FnMut(ClientEvent<'_>),
    ) -> Action {
        match message {
            EgressMessage::Event { correlation_id, .. } if Some(correlation_id) == self.correlation_id => {
                *answer = answer_in(message, source);
            }
            EgressMessage::Challenge { correlation_id, cluster_session_id, encoded_challenge }
                if Some(correlation_id) == self.correlation_id =>
            {
                self.challenged = Some(cluster_session_id);
                events(ClientEvent::Challenge { encoded_challenge });
            }
            // A service may be quicker than its consensus module: this may be ours, which the module is about to say.
            EgressMessage::Session { .. } => return Action::Abort,
            _ => {}
        }
        if answer.is_some() { Action::Break } else { Action::Continue }
    }

    /// Answers the challenge, if there is one.
    pub(super) fn prove(&mut self, transport: &mut dyn Transport, credentials: &[u8]) {
        let Some(session) = self.challenged.take() else { return };
        let correlation_id = transport.next_correlation_id();
        self.unsent.clear();
        cluster::encode_challenge_response(&mut self.unsent, correlation_id, session, credentials);
        self.correlation_id = Some(correlation_id);
    }

    /// Forgets whom it asked, to ask another one.
    pub(super) fn ask_again(&mut self, now: Duration) {
        (self.correlation_id, self.asked, self.challenged) = (None, None, None);
        self.unsent.clear();
        self.redirects += 1;
        if self.redirects > 1 {
            self.resume_at = now + REDIRECT_PAUSE;
        }
    }

    /// Asks once a member listens and can answer. A request is sent once: each copy that arrives makes a session.
    pub(super) fn send(
        &mut self,
        transport: &mut dyn Transport,
        config: &ClientConfig,
        egress: &Egress,
        ingress: &mut Ingress,
    ) -> usize {
        if self.correlation_id.is_none() && transport.now() >= self.resume_at {
            self.begin(transport, config, egress, ingress);
        }
        let Some(stream) = self.asked.and_then(|member_id| ingress.member(member_id)) else { return 0 };
        if self.unsent.is_empty() {
            return 0;
        }
        match stream.offer(&[&self.unsent]) {
            Ok(_) => self.unsent.clear(),
            Err(error) if error.is_retryable() => return 0,
            Err(error) => {
                tracing::debug!(%error, member_id = stream.member_id, "a member went before it was asked");
                (self.correlation_id, self.asked) = (None, None);
                self.unsent.clear();
            }
        }
        1
    }

    fn begin(&mut self, transport: &mut dyn Transport, config: &ClientConfig, egress: &Egress, ingress: &mut Ingress) {
        let Some(stream) = ingress.connected() else { return };
        let Some(channel) = egress.response_channel(transport) else { return };
        let correlation_id = transport.next_correlation_id();
        self.asked = Some(stream.member_id);
        self.correlation_id = Some(correlation_id);
        self.unsent.clear();
        cluster::encode_session_connect(
            &mut self.unsent,
            correlation_id,
            config.egress_stream_id,
            &channel,
            &config.credentials,
            &config.client_info,
        );
    }

    /// Whether this is of an answer to what was asked last.
    pub(super) fn is_answered_by(&self, correlation_id: i64) -> bool {
        self.correlation_id == Some(correlation_id)
    }

    /// Whom it asked last.
    pub(super) fn asked(&self) -> Option<i32> {
        self.asked
    }
}

/// What a session event says to a client that has no session.
fn answer_in(message: EgressMessage<'_>, source: i32) -> Option<Answer> {
    let EgressMessage::Event { code, detail, leader_member_id, .. } = message else { return None };
    Some(match code {
        EventCode::Ok => Answer::Opened(Session::opened(message, source)?),
        EventCode::Redirect => Answer::Redirect { leader_member_id, endpoints: detail.to_owned() },
        EventCode::AuthenticationRejected => Answer::Failed(CloseCause::AuthenticationRejected),
        EventCode::Error | EventCode::Closed => {
            tracing::warn!(detail = detail.escape_debug().to_string(), "the cluster refuses a session");
            Answer::Failed(CloseCause::Refused)
        }
        EventCode::Unknown => return None,
    })
}
