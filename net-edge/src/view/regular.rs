//! Entities of which nothing needs to be kept.
//!
//! Most entities that a player sees are *regular*: since some tick at which the player held them, each update told all
//! that its tick changed of them. What the player is known to hold of such an entity follows from when its rows changed,
//! which the replica knows for all players, and from which ticks' updates came, which is one number a player
//! ([`Course`]). It costs no memory, and neither a telling nor its acknowledgement has to be noted.
//!
//! An entity is *tracked* row by row ([`RowState`]) from when it comes into view until it is regular, and again from
//! when anything about it is not so plain: what was told of it last was lost, did not fit, or was told late; it lost a
//! component, changed its owner, or is gone. Once all of that is too long ago to matter it is regular again.

use protocol::limits::BASE_AGE_TICKS_MAX;
use protocol::manifest::Visibility;

use super::encoder::Plain;
use super::flight::Outcome;
use super::plan::common;
use super::player::{AdmitsRow, Chunk, PlayerView, Tracked, is_here};
use super::replica::{Changes, NONE, Replica, Unsure};
use super::rows::{Course, RowState};

/// Instead of a place of row states: there are none.
pub(super) const REGULAR: u32 = u32::MAX - 1;

/// Entities that are looked at one by one to see that nothing odd is to be told.
const TRACKED_MAX: usize = 64;
/// Ticks of which fates are known.
const FATES: usize = 64;
/// More ticks than this without an update, and what was under way is not followed any more.
const GAP_TICKS_MAX: u32 = 32;

/// What became of the updates of the last ticks.
#[derive(Debug)]
pub(super) struct Fates {
    /// By tick modulo their number.
    ticks: [Fate; FATES],
    /// Bit `i`: all updates of tick `written - i` came.
    came: u64,
    /// Ticks of which updates were lost, not looked at yet, and the first tick of which something was to be held only
    /// when they came.
    lost: Vec<(u32, u32)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    tick: u32,
    unknown: u32,
    is_lost: bool,
}

impl Default for Fates {
    fn default() -> Self {
        Self { ticks: [Fate::default(); FATES], came: 0, lost: Vec::new() }
    }
}

impl Fates {
    /// An update of a tick goes out.
    pub(super) fn note_packet(&mut self, tick: u32) {
        let fate = &mut self.ticks[tick as usize % FATES];
        if fate.tick != tick {
            *fate = Fate { tick, unknown: 0, is_lost: false };
        }
        fate.unknown += 1;
    }

    /// What became of one of a tick's updates.
    pub(super) fn learn(&mut self, tick: u32, outcome: Outcome, written: u32) {
        let fate = &mut self.ticks[tick as usize % FATES];
        if fate.tick != tick || fate.is_lost {
            return;
        }
        match outcome {
            Outcome::Came => {
                fate.unknown = fate.unknown.saturating_sub(1);
                if fate.unknown == 0 {
                    self.came |= 1u64.checked_shl(written - tick).unwrap_or(0);
                }
            }
            Outcome::Lost { holds_from } => {
                fate.is_lost = true;
                self.lost.push((tick, holds_from));
            }
        }
    }

    /// The first tick of which something may have to be told again.
    pub(super) fn oldest_lost(&self) -> Option<u32> {
        self.lost.iter().map(|(_, holds_from)| *holds_from).min()
    }

    /// Another tick is written.
    pub(super) fn note_written(&mut self, ticks: u32) {
        self.came = self.came.checked_shl(ticks).unwrap_or(0);
    }
}

impl PlayerView {
    /// What the updates that came say of regular entities, seen from a tick.
    #[inline]
    pub(super) const fn course(&self, now: u32) -> Course {
        Course { now, written: self.written, came: self.fates.came }
    }

    /// What is known of a row of a regular entity.
    #[inline]
    pub(super) fn regular_state(
        &self,
        replica: &Replica,
        (id, tracked): (u32, &Tracked),
        kind: usize,
        course: &Course,
        admits_row: AdmitsRow<'_>,
    ) -> RowState {
        let changes = replica.changes(tracked.slot, kind);
        let changes = changes.filter(|_| self.may_know(replica, id, tracked.slot, kind, admits_row));
        changes.map_or(RowState::default(), |changes| self.state_of(replica, tracked, &changes, course))
    }

    /// The same of a row that the player may know. One that came after its entity became regular was told when it came;
    /// once that is too long ago to be seen in what came, it is held as what was there before.
    #[inline]
    pub(super) fn state_of(
        &self,
        replica: &Replica,
        tracked: &Tracked,
        changes: &Changes,
        course: &Course,
    ) -> RowState {
        let is_since = self.since_start(changes.created) <= tracked.since
            || replica.tick() - changes.created > u64::from(BASE_AGE_TICKS_MAX);
        course.state(tracked.since, is_since, replica.tick() - changes.version, changes.history)
    }

    /// Looks at all that makes entities irregular before the tick `now` is written.
    pub(super) fn note_irregular(&mut self, replica: &Replica, now: u32, admits_row: AdmitsRow<'_>) {
        let gap = now - self.written;
        if gap > GAP_TICKS_MAX && !self.is_next(replica) {
            for place in 0..self.ids.len() {
                self.doubt(replica, place);
            }
        } else if gap > 1 {
            // What these ticks changed is told late.
            for tick in self.written + 1..now {
                self.track_changed(replica, tick, admits_row, None);
            }
        }
        let mut lost = std::mem::take(&mut self.fates.lost);
        for (tick, holds_from) in lost.drain(..) {
            self.track_changed(replica, tick, admits_row, Some(holds_from));
        }
        self.fates.lost = lost;
        self.note_debts();
        for tick in self.written + 1..=now {
            let Some(unsure) = replica.unsure(self.tick_at(tick)) else { continue };
            for Unsure { entity, kind, owner } in unsure.iter().copied() {
                let Ok(place) = self.ids.binary_search(&entity) else { continue };
                if self.tracked[place].chunk == REGULAR {
                    self.track(replica, place, admits_row);
                    self.pending.push(entity);
                }
                let Tracked { slot, chunk, .. } = self.tracked[place];
                let is_owners = replica.manifest().layouts()[kind as usize].visibility == Visibility::Owner;
                let is_own = || self.player != 0 && [owner, replica.owner(slot)].contains(&self.player);
                let may_be_held = !is_owners || is_own();
                // What was tracked before is known all the same. It may be tracked since a tick that was not written.
                if let Some(state) = self.states.get_mut(chunk as usize * replica.kind_count() + kind as usize)
                    && self.chunks[chunk as usize].tracked_at >= tick
                    && may_be_held
                {
                    *state = RowState::unsure(self.written);
                }
            }
        }
    }

    /// Tracks what a tick changed: with `lost`, what was not told again since. It is the first tick of which something
    /// was to be held only when what told it came.
    fn track_changed(&mut self, replica: &Replica, tick: u32, admits_row: AdmitsRow<'_>, lost: Option<u32>) {
        let mut places = std::mem::take(&mut self.irregular);
        places.clear();
        match replica.changed(self.tick_at(tick)) {
            Some(changed) => common(&self.ids, changed, |place| places.push(place)),
            None => places.extend(0..self.ids.len() as u32),
        }
        for place in &places {
            let (id, tracked) = (self.ids[*place as usize], self.tracked[*place as usize]);
            let is_regular = tracked.chunk == REGULAR && is_here(replica, id, &tracked);
            let is_newest = |kind| replica.version(tracked.slot, kind) == Some(self.tick_at(tick));
            if is_regular && (lost.is_none() || (0..replica.kind_count()).any(is_newest)) {
                self.track(replica, *place as usize, admits_row);
                self.pending.push(id);
            }
            if let Some(holds_from) = lost {
                self.note_again(replica, *place as usize, (tick, holds_from), admits_row);
            }
        }
        self.irregular = places;
    }

    /// Notes where it is told again what a lost tick told of an entity.
    fn note_again(
        &mut self,
        replica: &Replica,
        place: usize,
        (tick, holds_from): (u32, u32),
        admits_row: AdmitsRow<'_>,
    ) {
        let (id, tracked) = (self.ids[place], self.tracked[place]);
        let course = self.course(self.since_start(replica.tick()));
        let kinds = replica.kind_count();
        for kind in 0..kinds {
            let state = match tracked.chunk {
                NONE => continue,
                REGULAR => self.regular_state(replica, (id, &tracked), kind, &course, admits_row),
                chunk => self.states[chunk as usize * kinds + kind],
            };
            self.debts.note(&state, tick, holds_from);
        }
    }

    /// Keeps from here on what is known of a regular entity, row by row. What is under way is told again: nobody would
    /// note that it came.
    pub(super) fn track(&mut self, replica: &Replica, place: usize, admits_row: AdmitsRow<'_>) {
        let (id, tracked) = (self.ids[place], self.tracked[place]);
        if tracked.chunk != REGULAR {
            return;
        }
        if !replica.is_in(tracked.slot, id) {
            return self.doubt(replica, place);
        }
        let now = self.since_start(replica.tick());
        let course = self.course(now);
        let kinds = replica.kind_count();
        let chunk = self.open_chunk(id, kinds);
        for kind in 0..kinds {
            let state = self.regular_state(replica, (id, &tracked), kind, &course, admits_row);
            self.states[chunk as usize * kinds + kind] = state.grounded();
        }
        let known = &mut self.chunks[chunk as usize];
        (known.first, known.irregular, known.tracked_at) = (tracked.since, now, now);
        self.tracked[place].chunk = chunk;
    }

    /// The same when nothing is sure: the player may hold anything of the entity.
    pub(super) fn doubt(&mut self, replica: &Replica, place: usize) {
        if self.tracked[place].chunk != REGULAR {
            return;
        }
        let now = self.since_start(replica.tick());
        let kinds = replica.kind_count();
        let chunk = self.open_chunk(self.ids[place], kinds);
        for kind in (0..kinds).filter(|kind| replica.is_told(*kind)) {
            self.states[chunk as usize * kinds + kind] = RowState::unsure(self.written);
        }
        let known = &mut self.chunks[chunk as usize];
        (known.first, known.irregular, known.tracked_at) = (self.tracked[place].since, now, now);
        self.tracked[place].chunk = chunk;
        self.pending.push(self.ids[place]);
    }

    /// Makes a tracked entity regular if all is so plain again. It is here.
    pub(super) fn try_regular(&mut self, replica: &Replica, place: usize, now: u32, admits_row: AdmitsRow<'_>) -> bool {
        let (id, tracked) = (self.ids[place], self.tracked[place]);
        let known = self.chunks[tracked.chunk as usize];
        let since = match known.irregular {
            0 => known.first,
            // So old that no update names it as a base: not all rows were told then.
            irregular if now - irregular > BASE_AGE_TICKS_MAX => irregular,
            _ => return false,
        };
        // What changed at a tick that was not written is told late.
        if self.has_row_rules || known.first == 0 || since > self.written || !self.is_next(replica) {
            return false;
        }
        let course = self.course(now);
        let regular = Tracked { since, ..tracked };
        let kinds = replica.kind_count();
        let is_plain = (0..kinds).filter(|kind| replica.is_told(*kind)).all(|kind| {
            let state = &self.states[tracked.chunk as usize * kinds + kind];
            let derived = self.regular_state(replica, (id, &regular), kind, &course, admits_row);
            if derived.is_untold() {
                state.is_untold() || state.is_settled_absent()
            } else {
                state.is_same(&derived, now)
            }
        });
        if is_plain {
            self.tracked[place] = Tracked { chunk: REGULAR, ..regular };
            self.free_chunk(tracked.chunk);
            // Until then it is told as a difference to this tick, and to others to another.
            self.odd_until = self.odd_until.max(since + BASE_AGE_TICKS_MAX);
        }
        is_plain
    }

    /// Whether what is to be told follows from the tick and from what came alone, for all players of whom it is so. It is
    /// not for long after a player came, nor while anything odd is to be told. With `all`, what is under way is told too.
    pub(super) fn plain(&self, replica: &Replica, now: u32, part_bits: usize, all: bool) -> Option<Plain> {
        let is_usual = self.is_next(replica) && now > self.odd_until && self.pending.is_empty();
        let sees_all = self.view.len() == replica.entities().len();
        if !is_usual || !sees_all || self.has_row_rules || self.has_own_rows {
            return None;
        }
        let tracked = self.chunks.len() - self.free.len();
        if tracked > if all { 0 } else { TRACKED_MAX } {
            return None;
        }
        if tracked > 0 {
            let changed = replica.changed(replica.tick())?;
            let is_told = |chunk: &Chunk| chunk.in_use && changed.binary_search(&chunk.entity).is_ok();
            if self.chunks.iter().any(is_told) {
                return None;
            }
        }
        Some(Plain { came: self.fates.came.checked_shl(now - self.written).unwrap_or(0), part_bits, all })
    }

    /// Whether all that changed since this player was last written changed with the replica's tick.
    pub(super) fn is_next(&self, replica: &Replica) -> bool {
        let mut passed = self.tick_at(self.written + 1)..replica.tick();
        passed.all(|tick| replica.changed(tick).is_some_and(<[u32]>::is_empty))
    }

    /// Makes rules of rows hold, or not, whatever the manifest says.
    #[cfg(test)]
    pub(super) fn set_row_rules(&mut self, replica: &Replica, has_rules: bool, admits_row: AdmitsRow<'_>) {
        self.has_row_rules = has_rules;
        for place in 0..if has_rules { self.ids.len() } else { 0 } {
            self.track(replica, place, admits_row);
        }
    }

    /// An entity is told otherwise than at once and as a whole.
    pub(super) fn note_odd(&mut self, replica: &Replica, place: usize, now: u32, admits_row: AdmitsRow<'_>) {
        self.track(replica, place, admits_row);
        if let Some(known) = self.chunks.get_mut(self.tracked[place].chunk as usize) {
            known.irregular = now;
        }
    }

    /// A tick as the replica counts.
    const fn tick_at(&self, tick: u32) -> u64 {
        self.start + tick as u64 - 1
    }
}
