//! The mirror: what this player may see, tick by tick, verified by hash.
//!
//! Takes frames of the state stream, and updates from wherever they come, and says when the server must be asked for a
//! new baseline. No sockets and no clocks.
//!
//! An edge tells a player of a match in one of two ways; the baseline says which. *Tick by tick*: each delta brings the
//! mirror from one tick to the next, whole. *By updates*: each brings what is new to this player, may be lost, and is
//! told again then; see [`protocol::view`].
//!
//! Invariants:
//! - While [`Mirror::is_in_sync`] tick by tick, the rows of class everyone have the hash that the server sent with
//!   [`Mirror::tick`]. By updates, the rows have the hash of each update that named one and brought the newest tick.
//! - Tick and position never go down, whichever edge the player is connected to, unless a recording is shown and its
//!   baseline says that it was moved back.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::bytes::ReadError;
use protocol::manifest::{Manifest, Visibility};
use protocol::session::{Baseline, Delta, OwnDelta, ResyncT};
use protocol::update::Ack;
use protocol::view::{Applied, Beginning, View, ViewFault};
use protocol::{Columns, EntityId, LogPosition, Tick};
use protocol::{delta, held};
use thiserror::Error;

use crate::messages;

/// The state of a match as far as one player may see it.
#[derive(Debug)]
pub struct Mirror {
    manifest: Arc<Manifest>,
    rows: Rows,
    /// What the last Resume said of the rows; the next baseline answers it.
    summary: Option<Vec<u8>>,
    tick: Tick,
    position: LogPosition,
    standing: Standing,
    counts: MirrorCounts,
}

#[derive(Debug)]
enum Rows {
    TickByTick(Columns),
    ByUpdates {
        view: Box<View>,
        /// Ticks above what is settled of which all parts came.
        whole: BTreeSet<u64>,
    },
}

/// What the mirror has done since the player joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MirrorCounts {
    /// Ticks that came as a delta, or whole by updates.
    pub deltas: u64,
    /// Baselines applied.
    pub baselines: u64,
    /// Updates that were new.
    pub updates: u64,
    /// Hashes compared with the server's: one for each baseline and delta that could be read, and for updates that name
    /// one.
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

/// Ticks whose doings a mirror shows.
#[derive(Debug)]
pub(crate) struct Shown {
    up_to: u64,
    /// Ascending.
    also: Vec<u64>,
}

impl Shown {
    pub(crate) fn contains(&self, tick: u64) -> bool {
        tick <= self.up_to || self.also.binary_search(&tick).is_ok()
    }
}

/// Why the mirror no longer follows the server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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
    /// An update, or the baseline of a view, contradicts what is here.
    #[error("{fault}")]
    View { tick: u64, fault: ViewFault },
    /// This edge knows less than the player was told already.
    #[error("a baseline of tick {found} came after tick {seen} was seen")]
    Backwards { seen: u64, found: u64 },
}

impl Fault {
    /// The request for a new baseline that this fault leads to.
    pub(crate) fn resync(self) -> ResyncT {
        match self {
            Self::Mismatch { tick, expected, found }
            | Self::View { fault: ViewFault::Hash { tick, expected, found }, .. } => {
                messages::resync(tick, expected, found)
            }
            // No hashes were compared.
            Self::Gap { found: tick, .. }
            | Self::Decode { tick, .. }
            | Self::View { tick, .. }
            | Self::Backwards { found: tick, .. } => messages::resync(tick, 0, 0),
        }
    }
}

impl Mirror {
    pub(crate) fn new(manifest: Arc<Manifest>) -> Self {
        Self {
            rows: Rows::TickByTick(Columns::new(Arc::clone(&manifest))),
            summary: None,
            manifest,
            tick: Tick(0),
            position: LogPosition(0),
            standing: Standing::AwaitsBaseline,
            counts: MirrorCounts::default(),
        }
    }

    /// The rows, with the manifest that says what they mean.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        match &self.rows {
            Rows::TickByTick(columns) => columns,
            Rows::ByUpdates { view, .. } => view.columns(),
        }
    }

    /// The view behind the rows, when the match is told by updates.
    #[must_use]
    pub fn view(&self) -> Option<&View> {
        match &self.rows {
            Rows::TickByTick(_) => None,
            Rows::ByUpdates { view, .. } => Some(view),
        }
    }

    /// The tick that the rows are of; 0 before the first baseline. By updates: the newest of which anything came.
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
        self.columns().field(entity, component, field)
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
        if !baseline.rewound() && (tick < self.tick.0 || position < self.position.0) {
            return self.lose(Fault::Backwards { seen: self.tick.0, found: tick });
        }
        let summary = self.summary.take();
        if baseline.era() != 0 {
            self.begin_view(baseline, summary.as_deref())?;
            self.advance(tick, position);
            self.standing = Standing::InSync;
            self.counts.baselines += 1;
            return Ok(());
        }
        let mut columns = Columns::new(Arc::clone(&self.manifest));
        let applied = delta::apply(&mut columns, Visibility::Everyone, baseline.columns().bytes())
            .and_then(|()| delta::apply(&mut columns, Visibility::Owner, baseline.own().bytes()));
        if let Err(source) = applied {
            return self.lose(Fault::Decode { tick, source });
        }
        self.rows = Rows::TickByTick(columns);
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
        let Rows::TickByTick(columns) = &mut self.rows else {
            return self.lose(Fault::Gap { expected: self.tick.0, found: frame.tick() });
        };
        if let Err(source) = delta::apply(columns, Visibility::Everyone, frame.columns().bytes()) {
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
        let Rows::TickByTick(columns) = &mut self.rows else {
            return self.lose(Fault::Gap { expected: self.tick.0, found: frame.tick() });
        };
        match delta::apply(columns, Visibility::Owner, frame.columns().bytes()) {
            Ok(()) => Ok(()),
            Err(source) => self.lose(Fault::Decode { tick: frame.tick(), source }),
        }
    }

    fn begin_view(&mut self, baseline: &Baseline<'_>, summary: Option<&[u8]>) -> Result<(), Fault> {
        let beginning = Beginning {
            era: baseline.era(),
            tick: baseline.tick(),
            hash: baseline.hash(),
            columns: baseline.columns().bytes(),
            own: baseline.own().bytes(),
            kept: baseline.kept().map_or(&[], |kept| kept.bytes()),
        };
        self.counts.hash_checks += 1;
        let held = summary.map(|summary| (self.columns(), summary));
        match View::begin(&self.manifest, &beginning, held) {
            Ok(view) => {
                self.rows = Rows::ByUpdates { view: Box::new(view), whole: BTreeSet::new() };
                Ok(())
            }
            // Two states of an entity may have the same short sum: then it was kept and is another. All is asked for, and
            // that baseline's hash tells whether anything else is wrong.
            Err(fault @ ViewFault::Hash { .. }) if beginning.kept.iter().any(|bits| *bits != 0) => {
                self.lose(Fault::View { tick: baseline.tick(), fault })
            }
            Err(fault) => self.lose_view(baseline.tick(), fault),
        }
    }

    /// Takes an update, whether it comes by datagram or in a frame. `Ok(true)` when it was new.
    pub(crate) fn handle_update(&mut self, bytes: &[u8]) -> Result<bool, Fault> {
        let Rows::ByUpdates { view, whole } = &mut self.rows else { return Ok(false) };
        if self.standing != Standing::InSync {
            return Ok(false);
        }
        match view.apply(bytes) {
            Ok(Applied::New { tick, is_complete, is_checked }) => {
                self.counts.updates += 1;
                self.counts.hash_checks += u64::from(is_checked);
                if is_complete {
                    self.counts.deltas += 1;
                    whole.insert(tick);
                }
                *whole = whole.split_off(&(view.settled() + 1));
                self.tick = Tick(self.tick.0.max(view.tick()));
                Ok(true)
            }
            Ok(Applied::Duplicate | Applied::Late | Applied::OtherEra) => Ok(false),
            Err(fault) => {
                let tick = view.tick();
                self.lose_view(tick, fault)
            }
        }
    }

    fn lose_view<T>(&mut self, tick: u64, fault: ViewFault) -> Result<T, Fault> {
        self.counts.hash_mismatches += u64::from(matches!(fault, ViewFault::Hash { .. }));
        self.lose(Fault::View { tick, fault })
    }

    /// Updates that the edge does not know to have come.
    pub(crate) fn has_gap(&self) -> bool {
        self.view().is_some_and(View::has_gap)
    }

    pub(crate) fn unacknowledged(&self) -> u32 {
        self.view().map_or(0, View::unacknowledged)
    }

    /// What to tell the edge of the updates that came.
    pub(crate) fn ack(&mut self) -> Option<Ack> {
        match &mut self.rows {
            Rows::TickByTick(_) => None,
            Rows::ByUpdates { view, .. } => view.ack(),
        }
    }

    /// Ticks whose doings can be seen.
    pub(crate) fn shown(&self) -> Shown {
        match &self.rows {
            Rows::TickByTick(_) => Shown { up_to: self.tick.0, also: Vec::new() },
            Rows::ByUpdates { view, whole } => Shown { up_to: view.settled(), also: whole.iter().copied().collect() },
        }
    }

    /// What to tell the next edge of the rows, so that it need not send them; empty when they are not to be relied on.
    pub(crate) fn summarise(&mut self) -> Vec<u8> {
        self.summary = (self.standing == Standing::InSync).then(|| held::summarise(self.columns()));
        self.summary.clone().unwrap_or_default()
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
        let found = self.columns().hash(Visibility::Everyone);
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
