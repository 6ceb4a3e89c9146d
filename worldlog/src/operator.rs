//! Opens and closes matches, as any client of the log does.

use std::sync::Arc;
use std::time::Duration;

use net_edge::{Cluster, ClusterLink, LinkEvent, OfferError};
use protocol::cluster::{CloseMatchT, IngressMessageT, OpenMatchT, decode_egress, encode_ingress};
use protocol::outcome::CloseCode;
use thiserror::Error;

/// Why a match was not opened or closed.
#[derive(Debug, Error)]
pub enum OperatorError {
    /// The service said no.
    #[error("{0}")]
    Refused(String),
    /// The service does not answer.
    #[error("the service does not answer; is it stopping, or without a leader?")]
    NoAnswer,
    /// The leader was lost before it answered, and asking again might do it twice.
    #[error("the leader was lost before it answered: it may be done or not; see which matches are open")]
    Uncertain,
}

/// Asks the service what only operators ask. Each request has a cluster session of its own: they are rare, and one
/// that is open at all times would have to be kept through all that happens to a cluster.
#[derive(Clone)]
pub struct Operator {
    cluster: Arc<dyn Cluster>,
}

/// A state that a match begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// Seed of what is random from there on.
    pub seed: u64,
    /// Map and balance.
    pub content: Vec<u8>,
    /// The state, as bytes of an [`ecs_state::Keyframe`]; at most [`protocol::limits::OPEN_KEYFRAME_BYTES_MAX`].
    pub keyframe: Vec<u8>,
    /// Players in it, whom others may play on.
    pub players: Vec<u32>,
}

/// Match, code and reason.
type Answer = (u64, u16, String);

impl Operator {
    /// Connects to nothing yet. Requests need a tokio runtime around them.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self { cluster }
    }

    /// Opens a match; gives its number.
    ///
    /// # Errors
    /// When the content is none of the game's, or there are too many matches.
    ///
    /// # Cancellation
    /// The match may be open.
    pub async fn open_match(&self, seed: u64, label: &str, content: Vec<u8>) -> Result<u64, OperatorError> {
        self.open(seed, label, content, false).await
    }

    /// The match with the lowest number, or a new one when none is open. Asked by several at once, it opens one.
    ///
    /// # Errors
    /// As [`Operator::open_match`].
    ///
    /// # Cancellation
    /// The match may be open.
    pub async fn open_unless_open(&self, seed: u64, label: &str, content: Vec<u8>) -> Result<u64, OperatorError> {
        self.open(seed, label, content, true).await
    }

    async fn open(&self, seed: u64, label: &str, content: Vec<u8>, unless_open: bool) -> Result<u64, OperatorError> {
        let mut open = OpenMatchT::default();
        (open.request, open.seed, open.unless_open) = (REQUEST, seed, unless_open);
        open.label = Some(label.to_owned());
        open.content = content;
        self.ask(IngressMessageT::OpenMatch(Box::new(open)), unless_open).await
    }

    /// Opens a match that begins with a state of another; gives its number.
    ///
    /// # Errors
    /// When the state or its content are none of the game's, or there are too many matches.
    ///
    /// # Cancellation
    /// The match may be open.
    pub async fn open_match_from(&self, beginning: &Beginning, label: &str) -> Result<u64, OperatorError> {
        let mut open = OpenMatchT::default();
        (open.request, open.seed, open.label) = (REQUEST, beginning.seed, Some(label.to_owned()));
        open.content.clone_from(&beginning.content);
        open.keyframe = Some(beginning.keyframe.clone());
        open.players = Some(beginning.players.clone());
        self.ask(IngressMessageT::OpenMatch(Box::new(open)), false).await
    }

    /// Closes a match; its players are told.
    ///
    /// # Errors
    /// When it is not open.
    ///
    /// # Cancellation
    /// The match may be closed.
    pub async fn close_match(&self, match_id: u64) -> Result<u64, OperatorError> {
        let mut close = CloseMatchT::default();
        (close.request, close.match_id) = (REQUEST, match_id);
        self.ask(IngressMessageT::CloseMatch(Box::new(close)), false).await
    }

    /// `repeats`: asking twice is the same as asking once.
    async fn ask(&self, message: IngressMessageT, repeats: bool) -> Result<u64, OperatorError> {
        let message = encode_ingress(message);
        let answer = tokio::time::timeout(ANSWER_WAIT_MAX, self.exchange(&message, repeats));
        let (match_id, code, reason) = answer.await.map_err(|_| OperatorError::NoAnswer)??;
        match CloseCode::from_number(u64::from(code)) {
            Some(CloseCode::Done) => Ok(match_id),
            Some(code) if reason.is_empty() => Err(OperatorError::Refused(code.sentence().to_owned())),
            Some(code) => Err(OperatorError::Refused(format!("{}: {reason}", code.sentence()))),
            None => Err(OperatorError::Refused(reason)),
        }
    }

    async fn exchange(&self, message: &[u8], repeats: bool) -> Result<Answer, OperatorError> {
        let mut is_asked = false;
        loop {
            let cluster = Arc::clone(&self.cluster);
            let linked = tokio::task::spawn_blocking(move || cluster.connect());
            let mut link = linked.await.map_err(|_| OperatorError::NoAnswer)?;
            match converse(&mut link, message, repeats, &mut is_asked).await {
                Err(OperatorError::NoAnswer) if repeats || !is_asked => tokio::time::sleep(AGAIN).await,
                Err(OperatorError::NoAnswer) => return Err(OperatorError::Uncertain),
                done => return done,
            }
        }
    }
}

/// Says hello and asks, in one cluster session. `NoAnswer`: the session is over.
async fn converse(
    link: &mut ClusterLink,
    message: &[u8],
    repeats: bool,
    is_asked: &mut bool,
) -> Result<Answer, OperatorError> {
    link.hello.name = Some("operator".to_owned());
    let hello = encode_ingress(IngressMessageT::EdgeHello(Box::new(link.hello.clone())));
    offer(link, &hello).await?;
    loop {
        let Some(event) = link.egress.recv().await else { return Err(OperatorError::NoAnswer) };
        match event {
            LinkEvent::Message(said) => match read(&said) {
                Some(Said::Accepted) if !*is_asked || repeats => {
                    *is_asked = true;
                    offer(link, message).await?;
                }
                Some(Said::Answer(answer)) => return Ok(answer),
                Some(Said::Refused(reason)) => return Err(OperatorError::Refused(reason)),
                Some(Said::Accepted) | None => {}
            },
            LinkEvent::LeaderLost => {}
            LinkEvent::LeaderChanged { .. } if *is_asked && !repeats => return Err(OperatorError::Uncertain),
            LinkEvent::LeaderChanged { term } => {
                link.ingress.begin_term(term);
                offer(link, &hello).await?;
            }
        }
    }
}

async fn offer(link: &mut ClusterLink, message: &[u8]) -> Result<(), OperatorError> {
    loop {
        match link.ingress.offer(message.to_vec()) {
            Ok(()) => return Ok(()),
            Err(OfferError::Backlogged) => tokio::time::sleep(AGAIN).await,
            Err(OfferError::Closed) => return Err(OperatorError::NoAnswer),
        }
    }
}

enum Said {
    Accepted,
    Refused(String),
    Answer(Answer),
}

fn read(message: &[u8]) -> Option<Said> {
    let egress = decode_egress(message).ok()?;
    if egress.message_as_edge_accepted().is_some() {
        return Some(Said::Accepted);
    }
    if let Some(refused) = egress.message_as_edge_refused() {
        return Some(Said::Refused(refused.reason().unwrap_or_default().to_owned()));
    }
    if let Some(opened) = egress.message_as_match_opened() {
        let reason = opened.reason().unwrap_or_default().to_owned();
        return Some(Said::Answer((opened.match_id(), opened.code(), reason)));
    }
    let closed = egress.message_as_match_closed()?;
    Some(Said::Answer((closed.match_id(), closed.code(), String::new())))
}

/// The only one of its cluster session.
const REQUEST: u64 = 1;
const AGAIN: Duration = Duration::from_millis(50);
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
