//! Which timers hosts have set for the service.
//!
//! The service thinks in log time, timers run by the clock. When the clock goes back, what was set before would fire
//! too late, so all is set anew.
//!
//! Invariant: a name that is set is neither set again nor dropped before it fired. A consensus module that follows counts
//! a timer that fired in the log while it has none of the name, and sets one less for it; a request that crosses the entry
//! of a timer would leave that count wrong, and this member would lack the timer once it leads. So what must come sooner
//! than it is set for is set under the name of another generation, and what still fires under an older one is ignored.
//! Names of a match that is closed are dropped: they are never used again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::LogClock;
use crate::{Outbox, TimerId};

/// Timers without a generation, and how each is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alarms {
    generation: u16,
    set: BTreeMap<TimerId, Alarm>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Alarm {
    generation: u16,
    /// Log time.
    at_ms: i64,
}

impl Alarms {
    /// Lets a timer fire at a log time, or before: one that is set to come sooner stays, and whoever hears of it asks
    /// again.
    pub(crate) fn ask(&mut self, id: TimerId, at_ms: i64, clock: &LogClock, outbox: &mut Outbox) {
        match self.set.get(&id) {
            Some(set) if set.at_ms <= at_ms => return,
            Some(_) => self.begin_generation(),
            None => {}
        }
        let generation = self.generation;
        self.set.insert(id, Alarm { generation, at_ms });
        outbox.schedule(id.of_generation(generation), clock.clock_at(at_ms));
    }

    /// Takes one that fired; `None` for what is not waited for any more.
    pub(crate) fn take_fired(&mut self, id: TimerId) -> Option<TimerId> {
        let (name, generation) = (id.without_generation(), id.generation());
        self.set.get(&name).filter(|set| set.generation == generation)?;
        self.set.remove(&name);
        Some(name)
    }

    /// Drops a timer whose name is never used again.
    pub(crate) fn drop_forever(&mut self, id: TimerId, outbox: &mut Outbox) {
        if let Some(set) = self.set.remove(&id) {
            outbox.cancel(id.of_generation(set.generation));
        }
    }

    /// The clock went back.
    pub(crate) fn set_anew(&mut self, clock: &LogClock, outbox: &mut Outbox) {
        self.begin_generation();
        for set in self.set.values_mut() {
            set.generation = self.generation;
        }
        self.set_again(clock, outbox);
    }

    /// For a host that has no timers, after a restore.
    pub(crate) fn set_again(&self, clock: &LogClock, outbox: &mut Outbox) {
        for (id, set) in &self.set {
            outbox.schedule(id.of_generation(set.generation), clock.clock_at(set.at_ms));
        }
    }

    /// Log time of the first.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        self.set.values().map(|set| set.at_ms).min()
    }

    /// By the time that a number comes round again, whatever was set under it has fired.
    const fn begin_generation(&mut self) {
        self.generation = (self.generation + 1) % TimerId::GENERATIONS;
    }
}
