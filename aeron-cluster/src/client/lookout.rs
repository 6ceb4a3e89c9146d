//! Whether the next leader knows the session of the last one.
//!
//! Members listen to clients at all times but in elections, and what a leader does first is to tell the sessions that it
//! knows. One that was only just started knows none: all members had been down, and it lets the sessions that it finds in its
//! log run out without a word. So when members have elected and nobody tells this session anything, it is over; the cluster
//! would not say so. That they have elected shows in that they begin to listen; members that have listened all the time
//! are asked in which term they are, by way of a request for another session.

use std::time::Duration;

use super::ClientConfig;
use super::connect::Connect;
use super::egress::Egress;
use super::ingress::Ingress;
use crate::codec::cluster::{self, EgressMessage, EventCode};
use crate::transport::Transport;

/// How long it may take to reach a member that listens. Longer, and the member is taken for one that has begun to.
const REACHED_WITHIN: Duration = Duration::from_millis(100);
/// How long a leader may take to tell. What comes later finds no session, and a new one has to be opened.
const TOLD_WITHIN: Duration = Duration::from_millis(100);

/// Watches the streams to all members while there is no leader.
pub(super) struct Lookout {
    since: Duration,
    /// Of the leader that was lost.
    term: i64,
    /// Whether there was a time at which nobody listened.
    is_quiet: bool,
    question: Connect,
    /// Of the answer.
    answered_term: Option<i64>,
    /// A session that the answer opened.
    unwanted: Option<i64>,
    /// Since when members are known to have elected.
    elected_at: Option<Duration>,
}

impl Lookout {
    /// From now on, when the streams were asked for.
    pub(super) fn begin(now: Duration, term: i64) -> Self {
        let question = Connect::default();
        Self { since: now, term, is_quiet: false, question, answered_term: None, unwanted: None, elected_at: None }
    }

    /// Takes an answer to the question; false for what is none.
    pub(super) fn hear(&mut self, message: &EgressMessage<'_>) -> bool {
        let EgressMessage::Event { correlation_id, leadership_term_id, cluster_session_id, code, .. } = message else {
            return false;
        };
        if !self.question.is_answered_by(*correlation_id) {
            return false;
        }
        self.answered_term = Some(*leadership_term_id);
        self.unwanted = Some(*cluster_session_id).filter(|_| *code == EventCode::Ok);
        true
    }

    /// Looks whether the session is over.
    pub(super) fn is_over(
        &mut self,
        transport: &mut dyn Transport,
        config: &ClientConfig,
        egress: &Egress,
        ingress: &mut Ingress,
    ) -> bool {
        let now = transport.now();
        let is_listening = ingress.connected().is_some();
        self.is_quiet |= !is_listening && now >= self.since + REACHED_WITHIN;
        if is_listening && !self.is_quiet && self.answered_term.is_none() {
            self.question.send(transport, config, egress, ingress);
        }
        let has_elected = self.answered_term.is_some_and(|term| term > self.term) || (is_listening && self.is_quiet);
        if !has_elected {
            self.elected_at = None;
            return false;
        }
        now >= *self.elected_at.get_or_insert(now) + TOLD_WITHIN
    }

    /// Gives back what was asked for only to ask.
    pub(super) fn end(&mut self, ingress: &mut Ingress) {
        let (Some(session), Some(term)) = (self.unwanted.take(), self.answered_term) else { return };
        let mut goodbye = Vec::new();
        cluster::encode_session_close(&mut goodbye, term, session);
        if let Some(Err(error)) =
            self.question.asked().and_then(|id| ingress.member(id)).map(|to| to.offer(&[&goodbye]))
        {
            tracing::debug!(%error, session, "a session is left to the cluster's timeout");
        }
    }
}
