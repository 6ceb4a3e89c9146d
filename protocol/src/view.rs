//! A player's side of a view: the rows it may know, kept up to date by updates that come in any order or not at all.
//!
//! Responsible for what [`crate::update`] asks of a client: versions of rows as bases, acknowledgements, and the
//! comparison of hashes. Not responsible for carrying them, or for when to send an acknowledgement that is not yet due.
//!
//! Start from [`View::begin`].
//!
//! Invariants:
//! - A row is what the newest telling that came says of it, and what the baseline says if none came.
//! - What the edge may name as a base is in `told`, or, if nothing was told of the row since the baseline, in the columns.

mod told;

use std::sync::Arc;

use thiserror::Error;

use self::told::{Identity, Told};
use crate::bytes::ReadError;
use crate::columns::Put;
use crate::held;
use crate::limits::BASE_AGE_TICKS_MAX;
use crate::manifest::{Manifest, Visibility};
use crate::update::{AGE_OLDEST, Ack, Base, Course, Decoder, Form, Header, Receiver, UpdateError};
use crate::{Columns, EntityId, delta};

/// A baseline frame, as far as a view begins with it.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    /// From 1; updates carry its low byte.
    pub era: u32,
    /// The tick that is told.
    pub tick: u64,
    /// Hash of the view at that tick.
    pub hash: u64,
    /// Rows of class everyone but those kept.
    pub columns: &'a [u8],
    /// Rows of class owner but those kept.
    pub own: &'a [u8],
    /// Which entities of the summary stay as they are held.
    pub kept: &'a [u8],
}

/// What came of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was read.
    New {
        /// The tick it tells of.
        tick: u64,
        /// Whether all parts of that tick have come.
        is_complete: bool,
        /// Whether the hash of the view was compared, and was equal.
        is_checked: bool,
    },
    /// It came before; nothing was done.
    Duplicate,
    /// It is too old to matter, and is not acknowledged.
    Late,
    /// It is of another era: older, or the baseline has not come yet. Nothing was done.
    OtherEra,
}

/// Why a view is no longer what the edge believes it to be. Ask for a new baseline with `Resync`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ViewFault {
    /// The bytes are not of this protocol, or of another manifest.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The baseline is not of this manifest.
    #[error("the baseline is damaged or of another game: {0}")]
    Baseline(#[from] ReadError),
    /// The edge and the client differ on what is held.
    #[error("tick {tick}: entity {entity} has no row of component {component} that was told {age} ticks before")]
    Base {
        /// Tick of the update.
        tick: u64,
        /// Whose row.
        entity: u32,
        /// Number of the component.
        component: u16,
        /// Ticks before it.
        age: u32,
    },
    /// A row came without its entity.
    #[error("tick {tick}: a row of component {component} belongs to entity {entity}, which is not there")]
    Orphan {
        /// Tick of the update.
        tick: u64,
        /// Whose row.
        entity: u32,
        /// Number of the component.
        component: u16,
    },
    /// All came and something else is here.
    #[error("tick {tick}: the view's hash is {found:#018x} and should be {expected:#018x}")]
    Hash {
        /// The tick.
        tick: u64,
        /// The edge's.
        expected: u64,
        /// The view's.
        found: u64,
    },
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowEvent {
    /// It is new; of component 0: the entity is.
    Added,
    /// It has another value.
    Changed,
    /// It is gone.
    Removed,
}

/// A row and what happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowChange {
    /// Whose row.
    pub entity: EntityId,
    /// Place of its component in the manifest's list.
    pub place: usize,
    /// What happened.
    pub event: RowEvent,
    /// The tick that told it.
    pub tick: u64,
}

/// The rows that a player may know.
#[derive(Debug)]
pub struct View {
    state: State,
    decoder: Decoder,
    era: u8,
    /// Newest update that came, 0 for none; and which of the 64 before it have not.
    seq: u64,
    missing: u64,
    unacknowledged: u32,
    arrivals: Vec<Arrival>,
    complete: u64,
    settled: u64,
}

/// Parts of one tick that came. Its place is the tick modulo their number.
#[derive(Debug, Clone, Copy, Default)]
struct Arrival {
    tick: u64,
    parts: u8,
    came: u16,
    hash: Option<u64>,
}

/// Updates before the newest that the edge may still wait for.
const GAP_UPDATES: u32 = 8;
/// Ticks below the newest from which on updates do nothing.
const LATE_TICKS: u64 = BASE_AGE_TICKS_MAX as u64 + 1;
/// Ticks for which what was told may be named by updates that are still taken.
pub(crate) const KEPT_TICKS: u32 = 2 * BASE_AGE_TICKS_MAX;

impl View {
    /// Begins with a baseline. `held` is the mirror that was summarised in the Resume it answers, with that summary;
    /// without it nothing is kept.
    ///
    /// # Errors
    /// When the baseline is not of this manifest, or the view does not have its hash.
    pub fn begin(
        manifest: &Arc<Manifest>,
        beginning: &Beginning<'_>,
        held: Option<(&Columns, &[u8])>,
    ) -> Result<Self, ViewFault> {
        let mut columns = match held {
            Some((mirror, summary)) => {
                let held = held::decode(summary)?;
                let kept: Vec<u32> = held::kept(&held, beginning.kept).collect();
                mirror.part(|entity| kept.binary_search(&entity.0).is_ok())
            }
            None => Columns::new(Arc::clone(manifest)),
        };
        delta::apply(&mut columns, Visibility::Everyone, beginning.columns)?;
        delta::apply(&mut columns, Visibility::Owner, beginning.own)?;
        let (tick, found) = (beginning.tick, columns.total_hash());
        if found != beginning.hash {
            return Err(ViewFault::Hash { tick, expected: beginning.hash, found });
        }
        let told = manifest.layouts().iter().map(|layout| Told::new(layout.width)).collect();
        Ok(Self {
            state: State {
                columns,
                start: tick,
                newest: tick,
                reading: tick,
                told,
                gone: Identity::default(),
                swept: 0,
                hash: None,
                fault: None,
                changes: None,
            },
            decoder: Decoder::default(),
            era: beginning.era as u8,
            seq: 0,
            missing: 0,
            unacknowledged: 0,
            arrivals: vec![Arrival::default(); LATE_TICKS as usize],
            complete: tick,
            settled: tick,
        })
    }

    /// Takes an update.
    ///
    /// # Errors
    /// When it is damaged, or shows that this view is not what the edge believes. The view must be replaced then.
    pub fn apply(&mut self, bytes: &[u8]) -> Result<Applied, ViewFault> {
        let header = Header::decode(bytes).map_err(UpdateError)?;
        if header.era != self.era {
            return Ok(Applied::OtherEra);
        }
        let newest = self.state.newest;
        // What the baseline tells is told by nothing else.
        let tick = newest.saturating_add_signed(i64::from((header.tick.wrapping_sub(newest as u16)) as i16));
        if tick + LATE_TICKS <= newest || tick <= self.state.start {
            return Ok(Applied::Late);
        }
        if let Some(refused) = self.note_seq(header.seq) {
            return Ok(refused);
        }
        self.unacknowledged += 1;
        self.state.newest = newest.max(tick);
        self.state.reading = tick;
        self.state.hash = None;
        self.decoder.read(&Arc::clone(self.state.columns.manifest()), bytes, &mut self.state)?;
        if let Some(fault) = self.state.fault.take() {
            return Err(fault);
        }
        if let Some(age) = header.settled_age {
            self.settled = self.settled.max(tick.saturating_sub(u64::from(age)));
        }
        let applied = self.note_part(&header, tick)?;
        self.state.sweep();
        Ok(applied)
    }

    /// Notes a number; tells what the update is if it is not to be read.
    fn note_seq(&mut self, seq: u16) -> Option<Applied> {
        let ahead = seq.wrapping_sub(self.seq as u16) as i16;
        if ahead > 0 {
            let ahead = ahead as u64;
            // The newest until now becomes one of those before; what is between has not come. What would be before
            // the first is not missing.
            let between = self.missing.checked_shl(ahead as u32).unwrap_or(0);
            let fresh = if ahead > 64 { u64::MAX } else { (1u64 << (ahead - 1)) - 1 };
            self.seq += ahead;
            self.missing = between | fresh;
            if self.seq <= 64 {
                self.missing &= (1 << (self.seq - 1)) - 1;
            }
            return None;
        }
        if ahead == 0 {
            return Some(Applied::Duplicate);
        }
        let before = u32::from(ahead.unsigned_abs()) - 1;
        if before >= 64 {
            return Some(Applied::Late);
        }
        if self.missing >> before & 1 == 0 {
            return Some(Applied::Duplicate);
        }
        self.missing &= !(1 << before);
        None
    }

    fn note_part(&mut self, header: &Header, tick: u64) -> Result<Applied, ViewFault> {
        let arrival = &mut self.arrivals[(tick % LATE_TICKS) as usize];
        if arrival.tick != tick || arrival.parts != header.parts {
            *arrival = Arrival { tick, parts: header.parts, came: 0, hash: None };
        }
        arrival.came |= 1 << header.part;
        arrival.hash = arrival.hash.or(self.state.hash);
        let is_complete = arrival.came.count_ones() == u32::from(header.parts);
        let expected = arrival.hash.filter(|_| is_complete && tick == self.state.newest);
        if is_complete {
            self.complete = self.complete.max(tick);
        }
        if let Some(expected) = expected {
            let found = self.state.columns.total_hash();
            if found != expected {
                return Err(ViewFault::Hash { tick, expected, found });
            }
        }
        Ok(Applied::New { tick, is_complete, is_checked: expected.is_some() })
    }

    /// Updates taken since the last [`View::ack`]; [`AckPace`](crate::update::AckPace) says when the next is due.
    #[must_use]
    pub const fn unacknowledged(&self) -> u32 {
        self.unacknowledged
    }

    /// Whether one of the last updates did not come, or not yet, so that the edge is to hear of it.
    #[must_use]
    pub const fn has_gap(&self) -> bool {
        self.missing & ((1 << GAP_UPDATES) - 1) != 0
    }

    /// What to tell the edge of the updates that came; `None` before the first.
    pub fn ack(&mut self) -> Option<Ack> {
        self.unacknowledged = 0;
        (self.seq > 0).then_some(Ack { era: self.era, seq: self.seq as u16, missing: self.missing })
    }

    /// The rows.
    #[must_use]
    pub const fn columns(&self) -> &Columns {
        &self.state.columns
    }

    /// Hash of the rows.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.state.columns.total_hash()
    }

    /// The newest tick of which anything came.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.state.newest
    }

    /// The newest tick of which all parts came.
    #[must_use]
    pub const fn complete(&self) -> u64 {
        self.complete
    }

    /// The tick up to which all is here, as the edge knows.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.settled
    }

    /// The tick that told a row as it is; `None` if there is no such row.
    #[must_use]
    pub fn told(&self, entity: EntityId, place: usize) -> Option<u64> {
        self.state.columns.column(place).row(entity)?;
        let since = self.state.told[place].newest(entity.0).unwrap_or_default();
        Some(self.state.start + u64::from(since))
    }

    /// The summary for a Resume.
    #[must_use]
    pub fn held(&self) -> Vec<u8> {
        held::summarise(&self.state.columns)
    }

    /// From now on changes are kept for [`View::take_changes`]; who asks for them must take them now and then.
    pub fn follow_changes(&mut self) {
        self.state.changes.get_or_insert_default();
    }

    /// What happened to rows since the last call, in order. Empty unless [`View::follow_changes`] was called.
    pub fn take_changes(&mut self) -> Vec<RowChange> {
        self.state.changes.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// What an update changes.
#[derive(Debug)]
struct State {
    columns: Columns,
    /// Tick of the baseline.
    start: u64,
    /// The newest tick of which an update came, and that of the update that is being read.
    newest: u64,
    reading: u64,
    /// By place of the component.
    told: Vec<Told>,
    /// Ticks, counted from the baseline, at which entities were told to be gone.
    gone: Identity<u32>,
    swept: u32,
    hash: Option<u64>,
    fault: Option<ViewFault>,
    changes: Option<Vec<RowChange>>,
}

impl State {
    /// Ticks since the baseline.
    const fn now(&self) -> u32 {
        (self.reading - self.start) as u32
    }

    fn note(&mut self, entity: u32, place: usize, event: RowEvent) {
        let tick = self.reading;
        if let Some(changes) = &mut self.changes {
            changes.push(RowChange { entity: EntityId(entity), place, event, tick });
        }
    }

    fn fail(&mut self, fault: ViewFault) {
        self.fault.get_or_insert(fault);
    }

    fn number(&self, place: usize) -> u16 {
        self.columns.manifest().layouts()[place].number
    }

    /// Forgets what no update can name any more.
    fn sweep(&mut self) {
        let newest = (self.newest - self.start) as u32;
        let Some(oldest) = newest.checked_sub(KEPT_TICKS).filter(|oldest| *oldest >= self.swept + KEPT_TICKS / 2)
        else {
            return;
        };
        self.swept = oldest;
        self.gone.retain(|_, tick| *tick >= oldest);
        for told in &mut self.told {
            told.sweep(oldest);
        }
    }
}

impl Receiver for State {
    fn hash(&mut self, hash: u64) {
        self.hash = Some(hash);
    }

    fn gone(&mut self, entity: u32) {
        let now = self.now();
        let gone = self.gone.entry(entity).or_default();
        if *gone >= now {
            return;
        }
        *gone = now;
        // The entity itself last: no row is without one.
        for place in (0..self.told.len()).rev() {
            if self.told[place].forget(entity, now) && self.columns.take_row(place, entity) {
                self.note(entity, place, RowEvent::Removed);
            }
        }
    }

    fn lost(&mut self, entity: u32, place: usize) {
        let now = self.now();
        if self.told[place].lose(entity, now) && self.columns.take_row(place, entity) {
            self.note(entity, place, RowEvent::Removed);
        }
    }

    fn base(&mut self, entity: u32, place: usize, form: &Form) -> Option<Base<'_>> {
        let now = self.now();
        let found = self.told[place].find(entity, now, form).or_else(|| {
            // Nothing was told of it since the baseline.
            let is_baseline = form.span == 0
                && (if form.age == AGE_OLDEST { now >= AGE_OLDEST } else { form.age == now })
                && self.told[place].newest(entity).is_none();
            let row = self.columns.column(place).row(EntityId(entity)).filter(|_| is_baseline)?;
            Some((row, None))
        });
        let Some((row, before)) = found else {
            // What is passed over anyway needs no base.
            let is_old = self.told[place].newest(entity).is_some_and(|newest| newest >= now)
                || self.gone.get(&entity).is_some_and(|gone| *gone >= now);
            if !is_old {
                let component = self.columns.manifest().layouts()[place].number;
                let fault = ViewFault::Base { tick: self.reading, entity, component, age: form.age };
                self.fault.get_or_insert(fault);
            }
            return None;
        };
        Some(Base { row, course: before.map(|row| Course { row, age: form.age, span: form.span }) })
    }

    fn row(&mut self, entity: u32, place: usize, row: &[u8]) {
        let now = self.now();
        if self.gone.get(&entity).is_some_and(|gone| *gone >= now) {
            return;
        }
        let held = self.columns.column(place).row(EntityId(entity));
        let oldest = ((self.newest - self.start) as u32).saturating_sub(KEPT_TICKS);
        if !self.told[place].tell(entity, now, row, held, oldest) {
            return;
        }
        match self.columns.put_row(place, entity, row) {
            Put::Added => self.note(entity, place, RowEvent::Added),
            Put::Changed => self.note(entity, place, RowEvent::Changed),
            Put::Same => {}
            Put::Orphan => {
                let fault = ViewFault::Orphan { tick: self.reading, entity, component: self.number(place) };
                self.fail(fault);
            }
        }
    }
}
