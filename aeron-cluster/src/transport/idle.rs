//! What to do when there is nothing to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a loop waits for work: the trade of latency for processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdleStrategy {
    /// Spin, then yield, then park from 1 µs up to 1 ms: Aeron's default. An idle process costs next to nothing, a
    /// lone message may wait a millisecond.
    #[default]
    Backoff,
    /// Give the core to whoever wants it, else go on at once: a core for each loop, a reaction within microseconds.
    Yield,
    /// Never give up the core. Only where each loop has one of its own.
    Spin,
    /// Sleep a millisecond at once.
    Sleep,
}

/// The state of one loop's waiting.
#[derive(Debug)]
pub struct Idle {
    strategy: IdleStrategy,
    rounds: u32,
}

/// As Aeron's `BackoffIdleStrategy`: 10 spins, 20 yields, then parks that double from 1 µs to 1 ms.
const SPINS: u32 = 10;
const YIELDS: u32 = 20;
const PARK_MAX_US: u64 = 1_000;

impl Idle {
    /// A loop that has just worked.
    pub fn new(strategy: IdleStrategy) -> Self {
        Self { strategy, rounds: 0 }
    }

    /// Waits as the strategy says, unless there was work.
    pub fn after(&mut self, work_count: usize) {
        if work_count > 0 {
            self.rounds = 0;
            return;
        }
        match self.strategy {
            IdleStrategy::Spin => std::hint::spin_loop(),
            IdleStrategy::Yield => std::thread::yield_now(),
            IdleStrategy::Sleep => std::thread::sleep(Duration::from_millis(1)),
            IdleStrategy::Backoff => {
                match self.rounds {
                    0..SPINS => std::hint::spin_loop(),
                    SPINS..=29 => std::thread::yield_now(),
                    parks => {
                        let park_us = 1u64 << (parks - SPINS - YIELDS).min(10);
                        std::thread::sleep(Duration::from_micros(park_us.min(PARK_MAX_US)));
                    }
                }
                self.rounds = self.rounds.saturating_add(1);
            }
        }
    }
}
