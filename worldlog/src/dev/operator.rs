//! Opens and closes matches, as any client of the log does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cluster_service::{EdgeKey, LocalConnector, LocalIngress};
use protocol::cluster::{CloseMatchT, IngressMessageT, OpenMatchT, decode_egress, encode_ingress};
use protocol::outcome::CloseCode;
use thiserror::Error;
use tokio::sync::oneshot;

use super::link;

/// Why a match was not opened or closed.
#[derive(Debug, Error)]
pub enum OperatorError {
    /// The service said no.
    #[error("{0}")]
    Refused(String),
    /// The host does not answer.
    #[error("the host does not answer; is it stopping?")]
    NoAnswer,
}

/// A cluster session for operators.
pub struct Operator {
    ingress: LocalIngress,
    shared: Arc<Mutex<Requests>>,
}

#[derive(Default)]
struct Requests {
    last: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Answer>>,
}

/// Match, code and reason.
type Answer = (u64, u16, String);

impl Operator {
    /// Connects. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// When the host has stopped.
    pub fn connect(connector: &LocalConnector) -> Result<Self, OperatorError> {
        let (ingress, mut egress) = link::connect(connector);
        let shared = Arc::new(Mutex::new(Requests::default()));
        let requests = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Some(message) = egress.recv().await {
                if let Some((request, answer)) = read_answer(&message) {
                    let waiting = requests.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&request);
                    if let Some(waiting) = waiting {
                        let _ = waiting.send(answer);
                    }
                }
            }
            // The host is gone: nobody waits in vain.
            requests.lock().unwrap_or_else(PoisonError::into_inner).waiting.clear();
        });
        let hello = EdgeKey::in_process().hello(ingress.session(), "operator");
        let hello = encode_ingress(IngressMessageT::EdgeHello(Box::new(hello)));
        ingress.offer(hello).map_err(|_| OperatorError::NoAnswer)?;
        Ok(Self { ingress, shared })
    }

    /// Opens a match; gives its number.
    ///
    /// # Errors
    /// When the content is none of the game's, or there are too many matches.
    ///
    /// # Cancellation
    /// The match may be open.
    pub async fn open_match(&self, seed: u64, label: &str, content: Vec<u8>) -> Result<u64, OperatorError> {
        let mut open = OpenMatchT::default();
        open.seed = seed;
        open.label = Some(label.to_owned());
        open.content = content;
        self.ask(|request| {
            open.request = request;
            IngressMessageT::OpenMatch(Box::new(open))
        })
        .await
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
        close.match_id = match_id;
        self.ask(|request| {
            close.request = request;
            IngressMessageT::CloseMatch(Box::new(close))
        })
        .await
    }

    async fn ask(&self, message: impl FnOnce(u64) -> IngressMessageT) -> Result<u64, OperatorError> {
        let (reply, answer) = oneshot::channel();
        let request = {
            let mut requests = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            requests.last += 1;
            let request = requests.last;
            requests.waiting.insert(request, reply);
            request
        };
        self.ingress.offer(encode_ingress(message(request))).map_err(|_| OperatorError::NoAnswer)?;
        let (match_id, code, reason) = tokio::time::timeout(ANSWER_WAIT_MAX, answer)
            .await
            .map_err(|_| OperatorError::NoAnswer)?
            .map_err(|_| OperatorError::NoAnswer)?;
        match CloseCode::from_number(u64::from(code)) {
            Some(CloseCode::Done) => Ok(match_id),
            Some(code) if reason.is_empty() => Err(OperatorError::Refused(code.sentence().to_owned())),
            Some(code) => Err(OperatorError::Refused(format!("{}: {reason}", code.sentence()))),
            None => Err(OperatorError::Refused(reason)),
        }
    }
}

fn read_answer(message: &[u8]) -> Option<(u64, Answer)> {
    let egress = decode_egress(message).ok()?;
    if let Some(opened) = egress.message_as_match_opened() {
        let reason = opened.reason().unwrap_or_default().to_owned();
        return Some((opened.request(), (opened.match_id(), opened.code(), reason)));
    }
    let closed = egress.message_as_match_closed()?;
    Some((closed.request(), (closed.match_id(), closed.code(), String::new())))
}

const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
