//! Timers of a service, by the clock.

use std::collections::BTreeMap;

use crate::TimerId;

#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeMap<TimerId, i64>);

impl Timers {
    pub(crate) fn apply(&mut self, changes: &[(TimerId, Option<i64>)]) {
        for (id, at_ms) in changes {
            match at_ms {
                Some(at_ms) => self.0.insert(*id, *at_ms),
                None => self.0.remove(id),
            };
        }
    }

    /// A timer of the log fired.
    pub(crate) fn fired(&mut self, id: TimerId) {
        self.0.remove(&id);
    }

    pub(crate) fn next_ms(&self) -> Option<i64> {
        self.0.values().min().copied()
    }

    /// The clock was set: those that are set fire when they would have, had it not been.
    pub(crate) fn shift(&mut self, by_ms: i64) {
        self.0.values_mut().for_each(|at_ms| *at_ms = at_ms.saturating_add(by_ms));
    }

    /// Takes those that are due, the longest overdue first.
    pub(crate) fn take_due(&mut self, now_ms: i64) -> Vec<TimerId> {
        let mut due: Vec<(i64, TimerId)> =
            self.0.iter().filter(|(_, at_ms)| **at_ms <= now_ms).map(|(id, at_ms)| (*at_ms, *id)).collect();
        due.sort_unstable();
        for (_, id) in &due {
            self.0.remove(id);
        }
        due.into_iter().map(|(_, id)| id).collect()
    }
}
