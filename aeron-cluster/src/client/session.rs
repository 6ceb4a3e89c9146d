//! A session with a leader, as the leader tells it.

use std::time::Duration;

use super::ClientEvent;
use crate::codec::cluster::{EgressMessage, EventCode, SESSION_HEADER_BYTES, SessionHeader};
use crate::transport::Action;

/// After how long members give up a silent leader, where they do not say: the default of stock members.
const LEADER_HEARTBEAT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// What members say about it is believed up to here; no cluster is without a leader for longer on purpose.
const LEADER_HEARTBEAT_TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// An open session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: i64,
    pub(super) leadership_term_id: i64,
    pub(super) leader_member_id: i32,
    /// How long a new leader may take to make itself known.
    pub(super) new_leader_limit: Duration,
    /// Goes before each message; made once for each term.
    pub(super) header: [u8; SESSION_HEADER_BYTES],
    /// Stream on which the leader's consensus module was heard last.
    pub(super) leader_stream: i32,
    /// Stream on which its service was heard last, and in which term. Unknown until it first says something.
    service_stream: Option<(i64, i32)>,
}

/// What the client has to do about what was heard.
pub(super) enum Turn {
    /// Follow.
    NewLeader { leadership_term_id: i64, leader_member_id: i32, endpoints: String, source: i32 },
    /// The cluster closed the session.
    Closed,
}

impl Session {
    /// What an event says that opens a session; `None` for others.
    pub(super) fn opened(message: EgressMessage<'_>, source: i32) -> Option<Self> {
        let EgressMessage::Event {
            cluster_session_id,
            leadership_term_id,
            leader_member_id,
            leader_heartbeat_timeout_ns,
            code: EventCode::Ok,
            ..
        } = message
        else {
            return None;
        };
        let heartbeat = leader_heartbeat_timeout_ns
            .and_then(|timeout_ns| u64::try_from(timeout_ns).ok())
            .filter(|timeout_ns| *timeout_ns > 0)
            .map_or(LEADER_HEARTBEAT_TIMEOUT_DEFAULT, Duration::from_nanos);
        Some(Self {
            id: cluster_session_id,
            leadership_term_id,
            leader_member_id,
            // One timeout until the others notice, one for their election.
            new_leader_limit: 2 * heartbeat.min(LEADER_HEARTBEAT_TIMEOUT_MAX),
            header: header(leadership_term_id, cluster_session_id),
            leader_stream: source,
            service_stream: None,
        })
    }

    /// Reads a message. What is the application's goes to `events`, what changes the client into `turn`.
    pub(super) fn hear(
        &mut self,
        message: EgressMessage<'_>,
        source: i32,
        turn: &mut Option<Turn>,
        events: &mut dyn FnMut(ClientEvent<'_>),
    ) -> Action {
        match message {
            EgressMessage::Session { header, payload } if header.cluster_session_id == self.id => {
                if header.leadership_term_id >= self.leadership_term_id {
                    self.service_stream = Some((header.leadership_term_id, source));
                }
                let SessionHeader { leadership_term_id, timestamp, .. } = header;
                events(ClientEvent::Message { leadership_term_id, timestamp, payload });
            }
            EgressMessage::Event { cluster_session_id, code: EventCode::Closed, detail, .. }
                if cluster_session_id == self.id =>
            {
                let reason = detail.escape_debug().to_string();
                tracing::info!(session_id = self.id, reason, "the cluster closed the session");
                *turn = Some(Turn::Closed);
            }
            // Two elections in a row may be heard of in the wrong order, on two streams.
            EgressMessage::NewLeader {
                leadership_term_id,
                cluster_session_id,
                leader_member_id,
                ingress_endpoints,
            } if cluster_session_id == self.id && leadership_term_id >= self.leadership_term_id => {
                let endpoints = ingress_endpoints.to_owned();
                *turn = Some(Turn::NewLeader { leadership_term_id, leader_member_id, endpoints, source });
            }
            EgressMessage::Admin { cluster_session_id, correlation_id, code, message }
                if cluster_session_id == self.id =>
            {
                events(ClientEvent::Admin { correlation_id, code, message });
            }
            _ => {}
        }
        if turn.is_some() { Action::Break } else { Action::Continue }
    }

    /// Turns to another leader.
    pub(super) fn follow(&mut self, leadership_term_id: i64, leader_member_id: i32, source: i32) {
        self.leadership_term_id = leadership_term_id;
        self.leader_member_id = leader_member_id;
        self.leader_stream = source;
        self.header = header(leadership_term_id, self.id);
    }

    /// The stream of this term's service, once it has said something. When it is lost, what the service says is lost,
    /// however alive the consensus module is. Streams of earlier terms may go.
    pub(super) fn service_stream(&self) -> Option<i32> {
        self.service_stream.filter(|(term, _)| *term >= self.leadership_term_id).map(|(_, stream)| stream)
    }
}

fn header(leadership_term_id: i64, cluster_session_id: i64) -> [u8; SESSION_HEADER_BYTES] {
    SessionHeader { leadership_term_id, cluster_session_id, timestamp: 0 }.encode()
}
