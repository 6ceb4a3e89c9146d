//! Figures for people that every host has.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ecs_state::Game;
use protocol::cluster::MatchStateT;
use serde::Serialize;

use crate::Match;

/// One match.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MatchStatus {
    /// Its number.
    pub id: u64,
    /// The operator's word for it.
    pub label: String,
    /// Ticks in 1,000 seconds; 0 when it steps on command.
    pub tick_millihertz: u32,
    /// The last tick.
    pub tick: u64,
    /// Players in it.
    pub players: u32,
    /// Entities in it.
    pub entities: usize,
    /// State hash after the last tick, in hexadecimal.
    pub hash: String,
    /// Players of the state that it began with, whom others may play on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<u32>,
    /// Log time of its opening, in milliseconds of the Unix epoch.
    pub opened_ms: i64,
    /// What it was opened with.
    #[serde(skip)]
    pub content: Arc<[u8]>,
}

/// A match as people see it.
pub(crate) fn match_status<G: Game>(id: u64, open: &Match<G>) -> MatchStatus {
    let columns = open.simulation().columns();
    MatchStatus {
        id,
        label: open.label().to_owned(),
        tick_millihertz: G::TICKING.millihertz(),
        tick: open.simulation().tick(),
        players: open.player_count(),
        entities: columns.entity_count(),
        hash: format!("{:016x}", columns.total_hash()),
        kept: open.kept().iter().copied().collect(),
        opened_ms: open.opened_ms(),
        content: Arc::clone(&open.simulation().setup().content),
    }
}

impl From<MatchStateT> for MatchStatus {
    /// As a service told it to who asked; without content where it was asked for all.
    fn from(told: MatchStateT) -> Self {
        Self {
            id: told.match_id,
            label: told.label.unwrap_or_default(),
            tick_millihertz: told.tick_millihertz,
            tick: told.tick,
            players: told.players,
            entities: told.entities as usize,
            hash: format!("{:016x}", told.hash),
            kept: told.kept.unwrap_or_default(),
            opened_ms: told.opened_ms,
            content: told.content.unwrap_or_default().into(),
        }
    }
}

/// The last durations of something, for percentiles.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<u32>);

impl Recent {
    /// About half a minute of ticks.
    const KEPT: usize = 1_024;

    pub(crate) fn note(&mut self, took: Duration) {
        if self.0.len() == Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Median and 99th percentile in milliseconds; zeros when nothing was noted.
    pub(crate) fn percentiles_ms(&self) -> (f64, f64) {
        let mut sorted: Vec<u32> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let at = |part: f64| {
            let index = (sorted.len() as f64 * part) as usize;
            sorted.get(index.min(sorted.len().saturating_sub(1))).map_or(0.0, |us| f64::from(*us) / 1_000.0)
        };
        (at(0.5), at(0.99))
    }
}
