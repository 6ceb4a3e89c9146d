//! An edge as the service sees one: messages out, messages in, and what it heard.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use cluster_service::{EdgeKey, SimHost};
use ecs_state::Game;
use protocol::ClusterSessionId;
use protocol::cluster::{
    AskMatchesT, CloseMatchT, CommandBatchT, CommandHeadT, DetachSessionT, EgressMessageT, HashReportT,
    IngressMessageT, JoinSessionT, LeaveSessionT, MatchDeltaT, OpenMatchT, ResumeSessionT, SessionJoinedT,
    SessionOutcomeT, WatchMatchT, decode_egress, encode_ingress,
};
use protocol::outcome::CloseCode;

macro_rules! ingress {
    ($kind:ident, $table:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let mut table = $table::default();
        $(table.$field = $value;)*
        encode_ingress(IngressMessageT::$kind(Box::new(table)))
    }};
}

pub fn hello(session: ClusterSessionId) -> Vec<u8> {
    encode_ingress(IngressMessageT::EdgeHello(Box::new(EdgeKey::in_process().hello(session, "test"))))
}

pub fn open_match(request: u64, content: &[u8]) -> Vec<u8> {
    ingress!(
        OpenMatch,
        OpenMatchT { request: request, seed: 7, label: Some("arena".to_owned()), content: content.to_vec() }
    )
}

pub fn close_match(request: u64, match_id: u64) -> Vec<u8> {
    ingress!(CloseMatch, CloseMatchT { request: request, match_id: match_id })
}

/// Of all: 0.
pub fn ask_matches(request: u64, match_id: u64) -> Vec<u8> {
    ingress!(AskMatches, AskMatchesT { request: request, match_id: match_id })
}

pub fn watch(match_id: u64) -> Vec<u8> {
    ingress!(WatchMatch, WatchMatchT { match_id: match_id })
}

pub fn hash_report(member: u32, match_id: u64, tick: u64, hash: u64) -> Vec<u8> {
    ingress!(HashReport, HashReportT { member: member, match_id: match_id, tick: tick, hash: hash })
}

/// A token as the log sees it.
#[derive(Debug, Clone)]
pub struct Token {
    pub match_id: u64,
    pub account: String,
    pub nonce: u64,
    pub expires_ms: i64,
}

/// Hash of a resume secret, by the secret's number.
pub fn secret(number: u64) -> Vec<u8> {
    [&[0xA5; 24][..], &number.to_le_bytes()].concat()
}

pub fn join(request: u64, token: &Token, first_secret: u64) -> Vec<u8> {
    ingress!(
        JoinSession,
        JoinSessionT {
            request: request,
            match_id: token.match_id,
            account: token.account.clone(),
            nonce: [token.nonce.to_le_bytes(), [0x5A; 8]].concat(),
            token_expires_ms: token.expires_ms,
            secret_hash: secret(first_secret),
        }
    )
}

pub fn resume(request: u64, session: u32, used: u64, next: u64) -> Vec<u8> {
    take_over(request, session, used, next, 0)
}

pub fn take_over(request: u64, session: u32, used: u64, next: u64, epoch: u32) -> Vec<u8> {
    ingress!(
        ResumeSession,
        ResumeSessionT {
            request: request,
            session: session,
            secret_hash: secret(used),
            next_secret_hash: secret(next),
            epoch: epoch,
        }
    )
}

pub fn detach(session: u32, epoch: u32) -> Vec<u8> {
    ingress!(DetachSession, DetachSessionT { session: session, epoch: epoch })
}

pub fn leave(session: u32, epoch: u32) -> Vec<u8> {
    ingress!(LeaveSession, LeaveSessionT { session: session, epoch: epoch })
}

/// (session, epoch, seq, payload) of each.
pub fn commands(commands: &[(u32, u32, u32, Vec<u8>)]) -> Vec<u8> {
    let head = |(session, epoch, seq, payload): &(u32, u32, u32, Vec<u8>)| CommandHeadT {
        session: *session,
        epoch: *epoch,
        seq: *seq,
        bytes: payload.len() as u32,
    };
    let heads = commands.iter().map(head).collect();
    let payload = commands.iter().flat_map(|command| command.3.iter().copied()).collect();
    ingress!(CommandBatch, CommandBatchT { heads: heads, payload: payload })
}

pub fn heard(messages: Vec<Arc<[u8]>>) -> Vec<EgressMessageT> {
    messages.iter().map(|bytes| decode_egress(bytes).expect("the service's own").unpack().message).collect()
}

/// Outcomes of all messages, in order.
pub fn outcomes(messages: &[EgressMessageT]) -> Vec<SessionOutcomeT> {
    let of = |message: &EgressMessageT| match message {
        EgressMessageT::MatchDelta(delta) => delta.outcomes.clone().unwrap_or_default(),
        EgressMessageT::SessionOutcomes(outcomes) => outcomes.outcomes.clone(),
        EgressMessageT::SessionJoined(joined) => joined.outcomes.clone().unwrap_or_default(),
        _ => Vec::new(),
    };
    messages.iter().flat_map(of).collect()
}

/// (session, seq, code) of each outcome.
pub fn codes(outcomes: &[SessionOutcomeT]) -> Vec<(u32, u32, u16)> {
    outcomes.iter().map(|outcome| (outcome.session, outcome.seq, outcome.code)).collect()
}

pub fn deltas(messages: &[EgressMessageT]) -> Vec<&MatchDeltaT> {
    let mut deltas = Vec::new();
    for message in messages {
        if let EgressMessageT::MatchDelta(delta) = message {
            deltas.push(&**delta);
        }
    }
    deltas
}

/// (session, code) of each session that ended.
pub fn ended(messages: &[EgressMessageT]) -> Vec<(u32, CloseCode)> {
    let end = |message: &EgressMessageT| match message {
        EgressMessageT::SessionEnded(ended) => {
            Some((ended.session, CloseCode::from_number(u64::from(ended.code)).unwrap()))
        }
        _ => None,
    };
    messages.iter().filter_map(end).collect()
}

/// What a join or resume was answered.
pub fn admitted(messages: &[EgressMessageT]) -> Option<Result<SessionJoinedT, CloseCode>> {
    messages.iter().find_map(|message| match message {
        EgressMessageT::SessionJoined(joined) => Some(Ok((**joined).clone())),
        EgressMessageT::SessionRefused(refused) => Some(Err(CloseCode::from_number(u64::from(refused.code)).unwrap())),
        _ => None,
    })
}

/// A connected edge of a [`SimHost`].
#[derive(Debug, Clone, Copy)]
pub struct Edge(pub ClusterSessionId);

impl Edge {
    /// Connects and says hello.
    pub fn connect<G: Game>(host: &mut SimHost<G>) -> Self {
        let edge = Self(host.open_session());
        assert!(matches!(edge.say(host, hello(edge.0))[..], [EgressMessageT::EdgeAccepted(_)]));
        edge
    }

    /// Says something; gives what it is told at once.
    pub fn say<G: Game>(self, host: &mut SimHost<G>, message: Vec<u8>) -> Vec<EgressMessageT> {
        host.offer(self.0, message);
        self.hear(host)
    }

    /// What it was told since the last time.
    pub fn hear<G: Game>(self, host: &mut SimHost<G>) -> Vec<EgressMessageT> {
        heard(host.take_messages(self.0))
    }

    /// Opens a match and watches it.
    pub fn open<G: Game>(self, host: &mut SimHost<G>) -> u64 {
        let told = self.say(host, open_match(1, b""));
        let [EgressMessageT::MatchOpened(opened)] = &told[..] else { panic!("{told:?}") };
        assert_eq!(opened.code, CloseCode::Done as u16);
        let match_id = opened.match_id;
        self.watch(host, match_id);
        match_id
    }

    pub fn watch<G: Game>(self, host: &mut SimHost<G>, match_id: u64) {
        let told = self.say(host, watch(match_id));
        assert!(matches!(told[..], [EgressMessageT::MatchBaseline(_)]), "{told:?}");
    }

    pub fn join<G: Game>(self, host: &mut SimHost<G>, token: &Token) -> Result<SessionJoinedT, CloseCode> {
        self.join_with(host, token, 1)
    }

    /// Joins with a secret of its own.
    pub fn join_with<G: Game>(
        self,
        host: &mut SimHost<G>,
        token: &Token,
        secret: u64,
    ) -> Result<SessionJoinedT, CloseCode> {
        let told = self.say(host, join(2, token, secret));
        admitted(&told).expect("a join is answered at once")
    }

    pub fn resume<G: Game>(
        self,
        host: &mut SimHost<G>,
        session: u32,
        used: u64,
        next: u64,
    ) -> Result<SessionJoinedT, CloseCode> {
        let told = self.say(host, resume(3, session, used, next));
        admitted(&told).expect("a resume is answered at once")
    }

    /// Takes a session over from the epoch that the edge knows; gives all that it is told.
    pub fn take_over<G: Game>(
        self,
        host: &mut SimHost<G>,
        session: u32,
        used: u64,
        next: u64,
        epoch: u32,
    ) -> Vec<EgressMessageT> {
        self.say(host, take_over(3, session, used, next, epoch))
    }
}
