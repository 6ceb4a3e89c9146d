//! Questions to the service, and who waits for each answer.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::cluster::MatchStateT;
use protocol::limits::{LOG_ANSWER_MS_MAX, QUESTIONS_MAX};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::Event;

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no leader of the cluster answers this edge; ask again in a moment")]
pub struct Unanswered;

pub(super) type Answer = oneshot::Sender<Vec<MatchStateT>>;

/// Asks the service of an edge. Each question is an entry of the log, so answers are worth keeping.
#[derive(Debug, Clone)]
pub struct Questions(pub(super) mpsc::Sender<Event>);

impl Questions {
    /// All open matches, ascending, without their contents.
    ///
    /// # Errors
    /// When nobody leads, the leader is lost before it answers, or the edge has ended.
    pub async fn open_matches(&self) -> Result<Vec<MatchStateT>, Unanswered> {
        self.ask(None).await
    }

    /// One open match with its content; `None` when it is not open.
    ///
    /// # Errors
    /// As [`Questions::open_matches`].
    pub async fn open_match(&self, match_id: u64) -> Result<Option<MatchStateT>, Unanswered> {
        // 0 asks for all, and is the number of none.
        match match_id {
            0 => Ok(None),
            _ => Ok(self.ask(Some(match_id)).await?.pop()),
        }
    }

    async fn ask(&self, match_id: Option<u64>) -> Result<Vec<MatchStateT>, Unanswered> {
        let (answer, answered) = oneshot::channel();
        let exchange = async {
            self.0.send(Event::Ask { match_id, answer }).await.map_err(|_| Unanswered)?;
            answered.await.map_err(|_| Unanswered)
        };
        tokio::time::timeout(Duration::from_millis(LOG_ANSWER_MS_MAX), exchange).await.unwrap_or(Err(Unanswered))
    }
}

/// Who waits for an answer of this leader. Whoever is dropped hears that there is none.
#[derive(Default)]
pub(super) struct Waiting {
    last_request: u64,
    answers: BTreeMap<u64, Answer>,
}

impl Waiting {
    /// Gives the number of the request; `None` when too many wait.
    pub(super) fn begin(&mut self, answer: Answer) -> Option<u64> {
        self.answers.retain(|_, answer| !answer.is_closed());
        if self.answers.len() >= QUESTIONS_MAX {
            return None;
        }
        self.last_request += 1;
        self.answers.insert(self.last_request, answer);
        Some(self.last_request)
    }

    pub(super) fn end(&mut self, request: u64) -> Option<Answer> {
        self.answers.remove(&request)
    }

    /// What was asked of a leader that is lost is not answered any more.
    pub(super) fn clear(&mut self) {
        self.answers.clear();
    }
}
