//! Answers that were given before: who scrubs to and fro asks for the same places again.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use axum::body::Bytes;

use super::library::lock;
use super::limits::ANSWERS_BYTES_MAX;

/// Answers by what was asked. The oldest goes when there are too many bytes.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    known: HashMap<String, Bytes>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Answers {
    pub(super) fn get(&self, question: &str) -> Option<Bytes> {
        lock(&self.0).known.get(question).cloned()
    }

    pub(super) fn keep(&self, question: String, answer: Bytes) {
        let mut kept = lock(&self.0);
        if answer.len() > ANSWERS_BYTES_MAX / 4 || kept.known.contains_key(&question) {
            return;
        }
        kept.bytes += answer.len();
        kept.order.push_back(question.clone());
        kept.known.insert(question, answer);
        while kept.bytes > ANSWERS_BYTES_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            let gone = kept.known.remove(&oldest).map_or(0, |answer| answer.len());
            kept.bytes -= gone;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_up_to_a_bound_and_the_oldest_goes() {
        let answers = Answers::default();
        let long = Bytes::from(vec![0; ANSWERS_BYTES_MAX / 4]);
        for number in 0..5 {
            answers.keep(number.to_string(), long.clone());
        }
        assert!(answers.get("0").is_none());
        assert!((1..5).all(|number| answers.get(&number.to_string()).is_some()));
        answers.keep("whole".to_owned(), Bytes::from(vec![0; ANSWERS_BYTES_MAX]));
        assert!(answers.get("whole").is_none() && answers.get("4").is_some());
    }
}
