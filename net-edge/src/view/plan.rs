//! What a player is to be told now, and what of it comes first.

use protocol::bits::bit_length;
use protocol::update::{AGE_OLDEST, Form};

use super::encoder::{Encoder, Piece, Since};
use super::player::{AdmitsRow, PlayerView, is_here};
use super::regular::REGULAR;
use super::replica::{NONE, Replica};
use super::rows::{Known, RowState};

/// What could be told this tick. Kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    pub(super) rows: Vec<PlannedRow>,
    /// Components that entities lost.
    pub(super) lost: Vec<u16>,
    places: Vec<u32>,
}

/// An entity that there is something to say of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) id: u32,
    pub(super) place: u32,
    pub(super) is_gone: bool,
    /// Whether all that is to be told of it stands below.
    pub(super) is_whole: bool,
    pub(super) rows: (u32, u32),
    pub(super) lost: (u32, u32),
    /// Ticks since its first row was told.
    waits: u32,
    /// About how long it is in a packet.
    bits: u32,
    score: u64,
}

/// A row to tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlannedRow {
    pub(super) kind: u16,
    /// Whether it is as it is since this tick.
    pub(super) is_fresh: bool,
    pub(super) form: Form,
    pub(super) piece: Piece,
}

/// Bits of an entity beside its rows, and of a row beside its fields, as they mostly are.
const ENTITY_BITS: u32 = 12;
const ROW_BITS: u32 = 4;
/// What a packet has beside its entities, in bits.
const PACKET_BITS: usize = 256;

impl PlayerView {
    /// Fills the plan. With `all`, also with what is under way.
    pub(super) fn make_plan(&mut self, replica: &Replica, encoder: &mut Encoder, admits_row: AdmitsRow<'_>, all: bool) {
        let mut plan = std::mem::take(&mut self.plan);
        plan.items.clear();
        plan.rows.clear();
        plan.lost.clear();
        self.find_places(replica, &mut plan.places, all);
        for place in &plan.places {
            self.plan_entity(
                replica,
                encoder,
                admits_row,
                all,
                *place,
                (&mut plan.items, &mut plan.rows, &mut plan.lost),
            );
        }
        self.plan = plan;
    }

    /// Places of the entities that may have something to tell, ascending.
    fn find_places(&mut self, replica: &Replica, places: &mut Vec<u32>, all: bool) {
        places.clear();
        let first = self.start + u64::from(self.written);
        let ticks = first..=replica.tick();
        if all || ticks.clone().any(|tick| replica.changed(tick).is_none()) {
            places.extend(0..self.ids.len() as u32);
        } else {
            for tick in ticks.clone() {
                let changed = replica.changed(tick).expect("all are there");
                common(&self.ids, changed, |place| places.push(place));
            }
            self.pending.sort_unstable();
            common(&self.ids, &self.pending, |place| places.push(place));
            if ticks.count() > 1 || !self.pending.is_empty() {
                places.sort_unstable();
                places.dedup();
            }
        }
        self.pending.clear();
    }

    fn plan_entity(
        &mut self,
        replica: &Replica,
        encoder: &mut Encoder,
        admits_row: AdmitsRow<'_>,
        all: bool,
        place: u32,
        (items, rows, lost): (&mut Vec<Item>, &mut Vec<PlannedRow>, &mut Vec<u16>),
    ) {
        let (id, tracked) = (self.ids[place as usize], self.tracked[place as usize]);
        if tracked.chunk == NONE {
            return;
        }
        let kinds = replica.kind_count();
        let now = self.since_start(replica.tick());
        let is_present = is_here(replica, id, &tracked);
        if tracked.chunk == REGULAR {
            if is_present {
                return self.plan_regular(replica, encoder, admits_row, all, place, (items, rows));
            }
            self.track(replica, place as usize, admits_row);
        } else if is_present && self.try_regular(replica, place as usize, now, admits_row) {
            return self.plan_regular(replica, encoder, admits_row, all, place, (items, rows));
        }
        let tracked = self.tracked[place as usize];
        let chunk = tracked.chunk as usize * kinds;
        let (first_row, first_lost) = (rows.len() as u32, lost.len() as u32);
        let mut item = Item {
            id,
            place,
            is_gone: false,
            is_whole: true,
            rows: (first_row, first_row),
            lost: (first_lost, first_lost),
            waits: 1,
            bits: ENTITY_BITS,
            score: 0,
        };
        if !is_present {
            if self.states[chunk..chunk + kinds].iter().any(|state| state.needs(None, all)) {
                item.is_gone = true;
                items.push(item);
            } else {
                self.release_if_settled(kinds, place as usize);
            }
            return;
        }
        for kind in 0..kinds {
            // That an entity is gone is told of all its components, also of those that players never hear of.
            if !replica.is_told(kind) {
                continue;
            }
            let state = self.states[chunk + kind];
            let version = replica.version(tracked.slot, kind);
            let version = version.filter(|_| self.may_know(replica, id, tracked.slot, kind, admits_row));
            if !state.needs(version.map(|version| self.since_start(version)), all) {
                continue;
            }
            if rows.len() as u32 == first_row {
                item.waits = state.ticks_since(now);
            }
            match version {
                Some(_) => rows.push(self.plan_row(replica, encoder, tracked.slot, kind, &state)),
                None => lost.push(kind as u16),
            }
        }
        // A row is told together with its entity until that is known to be held.
        let is_first = rows.get(first_row as usize).is_some_and(|row| row.kind != 0);
        if is_first && !self.states[chunk].is_held() {
            let state = self.states[chunk];
            rows.push(self.plan_row(replica, encoder, tracked.slot, 0, &state));
            rows[first_row as usize..].rotate_right(1);
        }
        item.rows.1 = rows.len() as u32;
        item.lost.1 = lost.len() as u32;
        item.bits += rows[first_row as usize..].iter().map(|row| row.piece.len + ROW_BITS).sum::<u32>();
        item.bits += (item.lost.1 - item.lost.0) * (ENTITY_BITS + ROW_BITS);
        if item.rows.0 < item.rows.1 || item.lost.0 < item.lost.1 {
            items.push(item);
        }
    }

    /// Plans what this tick changed of a regular entity, and with `all` what is under way. That something is told again
    /// need not be noted: it is the same as it was, and if it does not come the first time, the entity is tracked.
    fn plan_regular(
        &self,
        replica: &Replica,
        encoder: &mut Encoder,
        admits_row: AdmitsRow<'_>,
        all: bool,
        place: u32,
        (items, rows): (&mut Vec<Item>, &mut Vec<PlannedRow>),
    ) {
        let (id, tracked) = (self.ids[place as usize], self.tracked[place as usize]);
        let now = self.since_start(replica.tick());
        let course = self.course(now);
        let first_row = rows.len();
        let (mut bits, mut waits) = (ENTITY_BITS, 1);
        for kind in (0..replica.kind_count()).filter(|kind| replica.is_told(*kind)) {
            let Some(changes) = replica.changes(tracked.slot, kind) else { continue };
            if changes.version != replica.tick() && !all {
                continue;
            }
            if !self.may_know(replica, id, tracked.slot, kind, admits_row) {
                continue;
            }
            let state = self.state_of(replica, &tracked, &changes, &course);
            if !state.needs(Some(self.since_start(changes.version)), all) {
                continue;
            }
            if rows.len() == first_row {
                waits = state.ticks_since(now);
            }
            let row = self.plan_row(replica, encoder, tracked.slot, kind, &state);
            bits += row.piece.len + ROW_BITS;
            rows.push(row);
        }
        if rows.get(first_row).is_some_and(|row| row.kind != 0) {
            // A row is told together with its entity until that is known to be held.
            let state = self.regular_state(replica, (id, &tracked), 0, &course, admits_row);
            if !state.is_held() {
                let row = self.plan_row(replica, encoder, tracked.slot, 0, &state);
                bits += row.piece.len + ROW_BITS;
                rows.push(row);
                rows[first_row..].rotate_right(1);
            }
        }
        if rows.len() > first_row {
            items.push(Item {
                id,
                place,
                is_gone: false,
                is_whole: true,
                rows: (first_row as u32, rows.len() as u32),
                lost: (0, 0),
                waits,
                bits,
                score: 0,
            });
        }
    }

    /// A tick counted from the baseline; what is older than that is 1 as well.
    pub(super) const fn since_start(&self, tick: u64) -> u32 {
        tick.saturating_sub(self.start) as u32 + 1
    }

    fn plan_row(
        &self,
        replica: &Replica,
        encoder: &mut Encoder,
        slot: u32,
        kind: usize,
        state: &RowState,
    ) -> PlannedRow {
        let now = self.since_start(replica.tick());
        let is_fresh = replica.version(slot, kind) == Some(replica.tick());
        let row = replica.row(slot, kind).expect("it was there when it was looked at").place;
        let at = |tick: u32| self.start + u64::from(tick) - 1;
        let (since, age) = match state.known(now) {
            Known::Nothing => (Since::FULL, 0),
            Known::At(tick, span) => (Since { base: at(tick), span }, now - tick),
            Known::Oldest(tick) => (Since { base: at(tick), span: 0 }, AGE_OLDEST),
        };
        if let Some(piece) = encoder.piece(replica, kind, row, since).filter(|_| since != Since::FULL) {
            let span = if encoder.changes(kind).predicts { since.span } else { 0 };
            let form = Form { age, span, mask: piece.mask };
            return PlannedRow { kind: kind as u16, is_fresh, form, piece };
        }
        let piece = encoder.piece(replica, kind, row, Since::FULL).expect("a row in full needs nothing");
        PlannedRow { kind: kind as u16, is_fresh, form: Form::default(), piece }
    }

    /// Leaves in the plan what fits `bytes`, by distance and age; the rest waits. Whether all fitted.
    pub(super) fn fit_plan(
        &mut self,
        replica: &Replica,
        bytes: usize,
        admits_row: AdmitsRow<'_>,
        distance: &dyn Fn(u32) -> u32,
    ) -> bool {
        let bits = |items: &[Item]| items.iter().map(|item| item.bits as usize).sum::<usize>() + PACKET_BITS;
        if bits(&self.plan.items) <= bytes * 8 {
            return true;
        }
        for item in &mut self.plan.items {
            let slot = self.tracked[item.place as usize].slot;
            item.score = if item.is_gone {
                // Few bits, and what is gone must not stay in sight.
                u64::MAX - 1
            } else if self.player != 0 && replica.owner(slot) == self.player {
                u64::MAX
            } else {
                closeness(distance(item.id)) * u64::from(item.waits.max(1))
            };
        }
        self.plan.items.sort_unstable_by(|a, b| b.score.cmp(&a.score).then(a.id.cmp(&b.id)));
        let mut left = (bytes * 8).saturating_sub(PACKET_BITS);
        let fitting = self.plan.items.iter().take_while(|item| {
            let fits = item.bits as usize <= left;
            left = left.saturating_sub(item.bits as usize);
            fits
        });
        // However small the budget, something is told.
        let count = fitting.count().max(1);
        let mut items = std::mem::take(&mut self.plan.items);
        self.let_wait(replica, items.drain(count..), admits_row);
        items.sort_unstable_by_key(|item| item.id);
        self.plan.items = items;
        self.pending.is_empty()
    }

    /// What is not told this tick is told later.
    pub(super) fn let_wait(&mut self, replica: &Replica, items: impl Iterator<Item = Item>, admits_row: AdmitsRow<'_>) {
        let now = self.since_start(replica.tick());
        for item in items {
            self.debts.owe(self.written + 1);
            self.note_odd(replica, item.place as usize, now, admits_row);
            self.pending.push(item.id);
        }
    }
}

/// How much an entity counts that is so far: each doubling of the distance counts a little less, so that what is far
/// is told less often, not never.
fn closeness(distance: u32) -> u64 {
    u64::from(u32::BITS + 1 - bit_length(u64::from(distance))).pow(2)
}

/// Tells the places in `ids` of what is in both lists; both ascend.
pub(super) fn common(ids: &[u32], others: &[u32], mut found: impl FnMut(u32)) {
    let (mut at, mut other) = (0, 0);
    while at < ids.len() && other < others.len() {
        match ids[at].cmp(&others[other]) {
            std::cmp::Ordering::Equal => {
                found(at as u32);
                at += 1;
                other += 1;
            }
            std::cmp::Ordering::Less => at += gallop(&ids[at..], others[other]),
            std::cmp::Ordering::Greater => other += gallop(&others[other..], ids[at]),
        }
    }
}

/// How many at the beginning are below `bound`; costs the logarithm of that.
fn gallop(list: &[u32], bound: u32) -> usize {
    let mut step = 1;
    while step < list.len() && list[step] < bound {
        step *= 2;
    }
    let (low, high) = (step / 2, (step + 1).min(list.len()));
    low + list[low..high].partition_point(|id| *id < bound)
}
