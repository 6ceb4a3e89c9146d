//! The mirror: what this player may see, tick by tick, verified by hash.
//!
//! Takes frames of the state stream and says when the server must be asked for a new baseline.
//! No sockets and no clocks.
//!
//! Invariants:
//! - While [`Mirror::is_in_sync`], the rows of class everyone have the hash that the server sent
//!   with [`Mirror::tick`].
//! - Tick and position never go down, whichever edge the player is connected to.

use std::sync::Arc;

use protocol::bytes::ReadError;
use protocol::delta;
use protocol::manifest::{Manifest, Visibility};
use protocol::session::{Baseline, Delta, OwnDelta, ResyncT};
use protocol::{Columns, EntityId, LogPosition, Tick};
use thiserror::Error;

use crate::messages;

/// The state of a match as far as one player may see it.
#[derive(Debug)]
pub struct Mirror {
    manifest: Arc<Manifest>,
    columns: Columns,
    tick: Tick,
    position: LogPosition,
    standing: Standing,
    counts: MirrorCounts,
}

/// What the mirror has done since the player joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MirrorCounts {
    /// Deltas applied, the player's own class not counted.
    pub deltas: u64,
    /// Baselines applied.
    pub baselines: u64,
    /// Hashes compared with the server's: one for each baseline and delta that could be read.
    pub hash_checks: u64,
    /// Comparisons that failed.
    pub hash_mismatches: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// A state stream must begin with a baseline.
    AwaitsBaseline,
    InSync,
    /// The rows are not those of the server; the rest of the stream is of no use.
    Lost,
}

/// Why the mirror no longer follows the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// The rows have another hash than the server's.
    #[error("tick {tick}: expected hash {expected:#018x}, found {found:#018x}")]
    Mismatch { tick: u64, expected: u64, found: u64 },
    /// A delta does not follow the mirror's tick.
    #[error("a frame of tick {found} came where tick {expected} belongs")]
    Gap { expected: u64, found: u64 },
    /// The bytes are no delta of this manifest.
    #[error("tick {tick}: the rows cannot be read")]
    Decode { tick: u64, source: ReadError },
    /// This edge knows less than the player was told already.
    #[error("a baseline of tick {found} came after tick {seen} was seen")]
    Backwards { seen: u64, found: u64 },
}

impl Fault {
    /// The request for a new baseline that this fault leads to.
    pub(crate) fn resync(self) -> ResyncT {
        match self {
            Self::Mismatch { tick, expected, found } => messages::resync(tick, expected, found),
            // No hashes were compared.
            Self::Gap { found: tick, .. } | Self::Decode { tick, .. } | Self::Backwards { found: tick, .. } => {
                messages::resync(tick, 0, 0)
            }
        }
    }
}

impl Mirror {
    pub(crate) fn new(manifest: Arc<Manifest>) -> Self {
        Self {
            columns: Columns::new(Arc::clone(&manifest)),
            manifest,
            tick: Tick(0),
            position: LogPosition(0),
            standing: Standing::AwaitsBaseline,
            counts: MirrorCounts::default(),
        }
    }

    /// The rows, with the manifest that says what they mean.
    #[must_use]
    pub const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The tick that the rows are of; 0 before the first baseline.
    #[must_use]
    pub const fn tick(&self) -> Tick {
        self.tick
    }

    /// The log position of that tick.
    #[must_use]
    pub const fn position(&self) -> LogPosition {
        self.position
    }

    /// Whether the rows are verified and follow the server. `false` from a fault, or from the
    /// beginning of a new state stream, until the next baseline, which the client asks for by
    /// itself; after a fault the rows may be half changed. Stays `true` while the connection is
    /// lost: the rows are old, not wrong.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        self.standing == Standing::InSync
    }

    /// What the mirror has done so far.
    #[must_use]
    pub const fn counts(&self) -> MirrorCounts {
        self.counts
    }

    /// One field of one entity, as the number on the wire.
    #[must_use]
    pub fn field(&self, entity: EntityId, component: &str, field: &str) -> Option<i64> {
        self.columns.field(entity, component, field)
    }

    /// Another manifest takes effect with the next baseline.
    pub(crate) fn set_manifest(&mut self, manifest: Arc<Manifest>) {
        self.manifest = manifest;
    }

    /// A new state stream replaces the old one.
    pub(crate) fn begin_stream(&mut self) {
        self.standing = Standing::AwaitsBaseline;
    }

    /// Takes a baseline, which replaces all rows.
    pub(crate) fn handle_baseline(&mut self, baseline: &Baseline<'_>) -> Result<(), Fault> {
        let (tick, position) = (baseline.tick(), baseline.position());
        if tick < self.tick.0 || position < self.position.0 {
            return self.lose(Fault::Backwards { seen: self.tick.0, found: tick });
        }
        let mut columns = Columns::new(Arc::clone(&self.manifest));
        let applied = delta::apply(&mut columns, Visibility::Everyone, baseline.columns().bytes())
            .and_then(|()| delta::apply(&mut columns, Visibility::Owner, baseline.own().bytes()));
        if let Err(source) = applied {
            return self.lose(Fault::Decode { tick, source });
        }
        self.columns = columns;
        self.compare(tick, baseline.hash())?;
        self.advance(tick, position);
        self.standing = Standing::InSync;
        self.counts.baselines += 1;
        Ok(())
    }

    /// Takes the changes of the next tick. Gives `false` when a baseline is awaited anyway.
    pub(crate) fn handle_delta(&mut self, frame: &Delta<'_>) -> Result<bool, Fault> {
        if !self.follows(frame.tick(), self.tick.0 + 1)? {
            return Ok(false);
        }
        if frame.position() < self.position.0 {
            return self.lose(Fault::Backwards { seen: self.tick.0, found: frame.tick() });
        }
        if let Err(source) = delta::apply(&mut self.columns, Visibility::Everyone, frame.columns().bytes()) {
            return self.lose(Fault::Decode { tick: frame.tick(), source });
        }
        self.compare(frame.tick(), frame.hash())?;
        self.advance(frame.tick(), frame.position());
        self.counts.deltas += 1;
        Ok(true)
    }

    /// Takes the player's own changes of the tick that the mirror holds.
    pub(crate) fn handle_own_delta(&mut self, frame: &OwnDelta<'_>) -> Result<(), Fault> {
        if !self.follows(frame.tick(), self.tick.0)? {
            return Ok(());
        }
        match delta::apply(&mut self.columns, Visibility::Owner, frame.columns().bytes()) {
            Ok(()) => Ok(()),
            Err(source) => self.lose(Fault::Decode { tick: frame.tick(), source }),
        }
    }

    /// Bytes of the state stream are no frame; nothing after them can be trusted.
    pub(crate) fn handle_unreadable(&mut self) -> ResyncT {
        self.standing = Standing::Lost;
        messages::resync(self.tick.0, 0, 0)
    }

    fn follows(&mut self, found: u64, expected: u64) -> Result<bool, Fault> {
        match self.standing {
            Standing::Lost => Ok(false),
            Standing::InSync if found == expected => Ok(true),
            Standing::InSync | Standing::AwaitsBaseline => self.lose(Fault::Gap { expected, found }),
        }
    }

    fn compare(&mut self, tick: u64, expected: u64) -> Result<(), Fault> {
        self.counts.hash_checks += 1;
        let found = self.columns.hash(Visibility::Everyone);
        if found == expected {
            return Ok(());
        }
        self.counts.hash_mismatches += 1;
        self.lose(Fault::Mismatch { tick, expected, found })
    }

    fn advance(&mut self, tick: u64, position: u64) {
        self.tick = Tick(tick);
        self.position = LogPosition(position);
    }

    fn lose<T>(&mut self, fault: Fault) -> Result<T, Fault> {
        self.standing = Standing::Lost;
        Err(fault)
    }
}

#[cfg(test)]
mod tests;
