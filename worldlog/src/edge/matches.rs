//! Which matches are open in the cluster, asked for when somebody wants to know and kept for a while.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cluster_service::MatchStatus;
use net_edge::{Questions, Unanswered};
use protocol::limits::CONTENTS_KEPT_MAX;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::http::matches::Listing;

/// The matches of a cluster. Whatever many ask for at once is asked for once: each question is an entry of the log, and
/// anybody may cause one.
pub(super) struct ClusterMatches {
    questions: Questions,
    /// The match to join when none is asked for, as far as is known; 0 for none.
    preferred: AtomicU64,
    /// Locked while a question waits for its answer.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    list: Option<(Instant, Arc<[MatchStatus]>)>,
    /// A match keeps what it was opened with, and no number is used again. Oldest first.
    contents: VecDeque<(u64, Arc<[u8]>)>,
    /// When a question last had no answer.
    unanswered: Option<Instant>,
}

/// How long an answer holds, the one that there is none included.
const FRESH: Duration = Duration::from_secs(1);

impl ClusterMatches {
    /// Knows nothing yet.
    pub(super) fn new(questions: Questions) -> Self {
        Self { questions, preferred: AtomicU64::new(0), known: Mutex::default() }
    }

    /// The match to join when none is asked for, until it is closed.
    pub(super) fn prefer(&self, match_id: u64) {
        self.preferred.store(match_id, Ordering::Relaxed);
    }
}

impl Known {
    /// The answer, unless there was none a moment ago.
    async fn ask<T>(&mut self, question: impl Future<Output = Result<T, Unanswered>>) -> Result<T, Unanswered> {
        if self.unanswered.is_some_and(|since| since.elapsed() < FRESH) {
            return Err(Unanswered);
        }
        let answer = question.await;
        self.unanswered = answer.is_err().then(Instant::now);
        answer
    }

    /// Keeps the content of a match; the same bytes once, however many matches have them.
    fn keep(&mut self, match_id: u64, content: Arc<[u8]>) -> Arc<[u8]> {
        let same = self.contents.iter().map(|(_, known)| known).find(|known| **known == content);
        let content = same.map_or(content, Arc::clone);
        if self.contents.len() >= CONTENTS_KEPT_MAX {
            self.contents.pop_front();
        }
        self.contents.push_back((match_id, Arc::clone(&content)));
        content
    }
}

impl Listing for ClusterMatches {
    fn preferred(&self) -> Option<u64> {
        Some(self.preferred.load(Ordering::Relaxed)).filter(|match_id| *match_id != 0)
    }

    async fn list(&self) -> Result<Arc<[MatchStatus]>, Unanswered> {
        let mut known = self.known.lock().await;
        if let Some((since, list)) = &known.list
            && since.elapsed() < FRESH
        {
            return Ok(Arc::clone(list));
        }
        let told = known.ask(self.questions.open_matches()).await?;
        let list: Arc<[MatchStatus]> = told.into_iter().map(MatchStatus::from).collect();
        let is_open = |match_id| list.iter().any(|open| open.id == match_id);
        known.contents.retain(|(id, _)| is_open(*id));
        // While nobody leads, guests are sent to what was open last.
        if !self.preferred().is_some_and(is_open) {
            self.prefer(list.first().map_or(0, |open| open.id));
        }
        known.list = Some((Instant::now(), Arc::clone(&list)));
        Ok(list)
    }

    async fn content(&self, match_id: u64) -> Result<Option<Arc<[u8]>>, Unanswered> {
        let mut known = self.known.lock().await;
        if let Some((_, content)) = known.contents.iter().find(|(id, _)| *id == match_id) {
            return Ok(Some(Arc::clone(content)));
        }
        let told = known.ask(self.questions.open_match(match_id)).await?;
        Ok(told.map(|open| known.keep(match_id, MatchStatus::from(open).content)))
    }

    /// The next question comes after it in the log.
    async fn until_shown(&self, _match_id: u64, _is_open: bool) {
        self.known.lock().await.list = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_that_had_no_answer_is_not_asked_again_at_once() {
        // Of a time to come: however slow this machine is, it was a moment ago.
        let mut known = Known { unanswered: Some(Instant::now() + Duration::from_secs(3_600)), ..Known::default() };
        let asked = known.ask::<()>(async { panic!("the log would have an entry of it") }).await;
        assert_eq!(asked, Err(Unanswered));
        known.unanswered = None;
        assert_eq!(known.ask(async { Err::<(), _>(Unanswered) }).await, Err(Unanswered));
        assert!(known.unanswered.is_some());
    }

    #[test]
    fn contents_are_kept_once_each_and_no_more_than_fit() {
        let mut known = Known::default();
        let first = known.keep(1, [1, 2, 3].into());
        assert!(Arc::ptr_eq(&first, &known.keep(2, [1, 2, 3].into())), "two matches, the same bytes");
        for match_id in 3..200u64 {
            known.keep(match_id, match_id.to_le_bytes().into());
        }
        assert_eq!(known.contents.len(), CONTENTS_KEPT_MAX);
        assert_eq!(known.contents.back().unwrap().0, 199, "the oldest go");
    }
}
