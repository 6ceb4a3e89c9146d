//! What one player sees, and what it is known to hold of it.

use protocol::delta::encode_rows;
use protocol::held;
use protocol::manifest::{Rule, Visibility};
use protocol::update::Ack;
use protocol::{EntityId, limits};

use super::flight::{Flight, Learnt, Outcome, Told};
use super::packets::Packets;
use super::plan::Plan;
use super::regular::{Fates, REGULAR};
use super::replica::{NONE, Replica};
use super::rows::{Again, RowState};

/// The beginning of a view: what its Baseline frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaselineParts {
    /// The tick that is told.
    pub tick: u64,
    /// Hash of the view: of all rows, of both classes.
    pub hash: u64,
    /// Rows of class everyone, but of entities that are kept.
    pub columns: Vec<u8>,
    /// Rows of class owner, likewise.
    pub own: Vec<u8>,
    /// Which entities of the summary stay as they are held.
    pub kept: Vec<u8>,
}

/// Says whether a player that sees an entity may know its row of the component at a place of the manifest's list.
pub type AdmitsRow<'a> = &'a dyn Fn(u32, usize) -> bool;

/// One player's view of a match.
#[derive(Debug)]
pub struct PlayerView {
    pub(super) player: u32,
    pub(super) era: u32,
    /// Tick of the baseline. Ticks below count from it, which is 1.
    pub(super) start: u64,
    /// Entities that are seen, and those that may still be held, ascending.
    pub(super) ids: Vec<u32>,
    pub(super) tracked: Vec<Tracked>,
    /// By chunk: `chunk * components + place`.
    pub(super) states: Vec<RowState>,
    pub(super) chunks: Vec<Chunk>,
    pub(super) free: Vec<u32>,
    /// Entities that were given last, ascending.
    pub(super) view: Vec<u32>,
    /// Entities to look at with the next write.
    pub(super) pending: Vec<u32>,
    has_released: bool,
    /// Whether a player may see an entity and not all of its rows of class everyone.
    pub(super) has_row_rules: bool,
    /// Whether there are rows that only owners may know.
    pub(super) has_own_rows: bool,
    /// Whether an update is to be written though there is nothing to say.
    pub(super) is_wanted: bool,
    pub(super) flight: Flight,
    pub(super) fates: Fates,
    pub(super) debts: Debts,
    /// Places that are looked at because of something odd. Kept for its memory.
    pub(super) irregular: Vec<u32>,
    /// Newest tick that was written.
    pub(super) written: u32,
    /// Last tick at which an entity may be told otherwise than to another player of whom the same came.
    pub(super) odd_until: u32,
    /// Tick up to which all is known to be held.
    pub(super) settled: u32,
    /// Tick from which on a hash is due, and how many are between two.
    pub(super) hash_due: u32,
    pub(super) hash_ticks: u32,
    /// Ticks that a packet may go unacknowledged until it counts as lost; and those of them that the client may wait.
    pub(super) timeout: u32,
    ack_wait: u32,
    /// How much newer than a packet one must be that came before it, for it to count as lost, in ticks.
    reorder: u32,
    pub(super) plan: Plan,
    pub(super) packets: Packets,
    merged: (Vec<u32>, Vec<Tracked>),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Tracked {
    pub(super) slot: u32,
    /// Where its row states are; [`REGULAR`]: it needs none; [`NONE`]: it is forgotten, and leaves the list with the next
    /// look.
    pub(super) chunk: u32,
    /// Tick since which it is regular.
    pub(super) since: u32,
    pub(super) is_seen: bool,
}

/// Row states of one entity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) in_use: bool,
    pub(super) entity: u32,
    /// What was told before this tick was told of another entity, or not noted here.
    since: u32,
    /// When the entity was first told, as a whole unless that was irregular; 0: it was not.
    pub(super) first: u32,
    /// When anything was last told otherwise than at once and as a whole; 0: never.
    pub(super) irregular: u32,
    /// When it was regular before; 0: it was not.
    pub(super) tracked_at: u32,
}

impl PlayerView {
    /// Begins a view with what the player may see now: `entities`, ascending. `held` is the summary of its Resume; one
    /// that cannot be read is as none.
    #[must_use]
    pub fn begin(
        era: u32,
        replica: &Replica,
        player: u32,
        entities: &[u32],
        held: Option<&[u8]>,
        admits_row: AdmitsRow<'_>,
    ) -> (Self, BaselineParts) {
        let rate = replica.manifest().tick_millihertz().div_ceil(1_000).max(1);
        let ticks_in = |milliseconds: u64| (u64::from(rate) * milliseconds).div_ceil(1_000) as u32;
        let mut rules = replica.manifest().interest().into_iter().flat_map(|interest| &interest.rules);
        let mut view = Self {
            player,
            era,
            start: replica.tick(),
            ids: Vec::new(),
            tracked: Vec::new(),
            states: Vec::new(),
            chunks: Vec::new(),
            free: Vec::new(),
            view: Vec::new(),
            pending: Vec::new(),
            has_released: false,
            has_own_rows: replica.manifest().layouts().iter().any(|layout| layout.visibility == Visibility::Owner),
            has_row_rules: rules.any(|rule| rule.rule == Rule::TeamRows),
            is_wanted: false,
            flight: Flight::default(),
            fates: Fates::default(),
            debts: Debts::default(),
            irregular: Vec::new(),
            written: 1,
            odd_until: 1 + limits::BASE_AGE_TICKS_MAX,
            settled: 1,
            hash_due: 1 + rate,
            hash_ticks: rate,
            timeout: TIMEOUT_TICKS_MAX,
            ack_wait: ticks_in(limits::ACK_RIDE_MS),
            reorder: ticks_in(REORDER_MS),
            plan: Plan::default(),
            packets: Packets::default(),
            merged: Default::default(),
        };
        view.see(replica, entities, admits_row);
        view.pending.clear();
        if view.has_row_rules {
            for place in 0..view.ids.len() {
                view.hold(replica, place, admits_row);
            }
        } else {
            view.hold_all();
        }
        let held = held.and_then(|held| held::decode(held).ok()).unwrap_or_default();
        let kept = held::encode_kept(&held, |entity| view.sum(replica, entity.entity, admits_row) == Some(entity.sum));
        let stays: Vec<u32> = held::kept(&held, &kept).collect();
        let class = |class| {
            encode_rows(replica.manifest(), class, |kind, put| {
                let told = view.ids.iter().zip(&view.tracked).filter(|(id, _)| stays.binary_search(id).is_err());
                for (id, tracked) in
                    told.filter(|(id, tracked)| view.may_know(replica, **id, tracked.slot, kind, admits_row))
                {
                    if let Some(row) = replica.row(tracked.slot, kind) {
                        put(EntityId(*id), row.value);
                    }
                }
            })
        };
        let (columns, own) = (class(Visibility::Everyone), class(Visibility::Owner));
        let parts = BaselineParts { tick: replica.tick(), hash: view.hash(replica, admits_row), columns, own, kept };
        (view, parts)
    }

    /// The era that was given to [`PlayerView::begin`].
    #[must_use]
    pub const fn era(&self) -> u32 {
        self.era
    }

    /// The entities that were given last.
    #[must_use]
    pub fn entities(&self) -> &[u32] {
        &self.view
    }

    /// The tick up to which all is known to be held.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.start + self.settled as u64 - 1
    }

    /// Packets that counted as lost since the baseline.
    #[must_use]
    pub const fn packets_lost(&self) -> u64 {
        self.flight.lost()
    }

    /// Whether so many ticks have passed that a new baseline must be given.
    #[must_use]
    pub const fn is_spent(&self, replica: &Replica) -> bool {
        replica.tick().saturating_sub(self.start) >= ERA_TICKS_MAX
    }

    /// Hash of what may be known now.
    #[must_use]
    pub fn hash(&self, replica: &Replica, admits_row: AdmitsRow<'_>) -> u64 {
        let seen = self.ids.iter().zip(&self.tracked).filter(|(id, tracked)| is_here(replica, **id, tracked));
        seen.fold(0u64, |sum, (id, tracked)| sum.wrapping_add(self.entity_hash(replica, *id, tracked.slot, admits_row)))
    }

    /// Takes what the player may see now, ascending. Must be called too when `admits_row` of the next
    /// [`PlayerView::write`] may answer otherwise than that of the last. Costs what is seen.
    pub fn see(&mut self, replica: &Replica, entities: &[u32], admits_row: AdmitsRow<'_>) {
        if self.view != entities {
            self.merge(replica, entities, admits_row);
        }
        if self.has_row_rules {
            self.pending.clear();
            self.pending.extend_from_slice(&self.ids);
        }
    }

    fn merge(&mut self, replica: &Replica, entities: &[u32], admits_row: AdmitsRow<'_>) {
        self.track_leaving(replica, entities, admits_row);
        self.view.clear();
        self.view.extend_from_slice(entities);
        let (mut ids, mut tracked) = std::mem::take(&mut self.merged);
        ids.clear();
        tracked.clear();
        let (mut old, mut new) = (0, 0);
        loop {
            let before = self.ids.get(old).copied();
            let now = entities.get(new).copied();
            let Some(id) = before.into_iter().chain(now).min() else { break };
            let known = (before == Some(id)).then(|| self.tracked[old]).filter(|tracked| tracked.chunk != NONE);
            old += usize::from(before == Some(id));
            new += usize::from(now == Some(id));
            let slot = replica.slot(id).filter(|_| now == Some(id));
            let entry = match (known, slot) {
                (Some(known), None) => Tracked { is_seen: false, ..known },
                (Some(known), Some(slot)) => Tracked { slot, is_seen: true, ..known },
                // All that is new of a new entity is told with its first tick.
                (None, Some(slot)) if self.is_new(replica, slot) => {
                    Tracked { slot, chunk: REGULAR, since: self.written, is_seen: true }
                }
                (None, Some(slot)) => {
                    Tracked { slot, chunk: self.open_chunk(id, replica.kind_count()), since: 0, is_seen: true }
                }
                (None, None) => continue,
            };
            if known.is_none_or(|known| known.is_seen != entry.is_seen || known.slot != entry.slot) {
                self.pending.push(id);
            }
            ids.push(id);
            tracked.push(entry);
        }
        std::mem::swap(&mut self.ids, &mut ids);
        std::mem::swap(&mut self.tracked, &mut tracked);
        self.merged = (ids, tracked);
        self.has_released = false;
    }

    /// Of what is not seen any more it must be known what is held.
    fn track_leaving(&mut self, replica: &Replica, entities: &[u32], admits_row: AdmitsRow<'_>) {
        let mut next = 0;
        for place in 0..self.ids.len() {
            let id = self.ids[place];
            while entities.get(next).is_some_and(|other| *other < id) {
                next += 1;
            }
            if self.tracked[place].chunk == REGULAR && entities.get(next) != Some(&id) {
                self.track(replica, place, admits_row);
            }
        }
    }

    /// The next write gives an update even if there is nothing to say: somebody waits for the tick to be told.
    pub const fn call_for_update(&mut self) {
        self.is_wanted = true;
    }

    /// Takes the time of a round trip, in ticks, rounded up. A packet counts as lost when nothing was heard of it for two
    /// and as long as the client may wait before it acknowledges.
    pub fn handle_rtt(&mut self, ticks: u32) {
        self.timeout = ticks.saturating_mul(2).saturating_add(self.ack_wait).min(TIMEOUT_TICKS_MAX);
    }

    /// Takes an acknowledgement. One of another era does nothing.
    pub fn handle_ack(&mut self, ack: &Ack) {
        if ack.era != self.era as u8 {
            return;
        }
        let mut flight = std::mem::take(&mut self.flight);
        flight.ack(ack.seq, ack.missing, self.reorder, |learnt, tick, outcome| self.learn(learnt, tick, outcome));
        self.flight = flight;
        self.note_debts();
        self.settle();
    }

    /// All that was written has come or will: for a carrier that loses nothing.
    pub fn assume_delivered(&mut self) {
        let mut flight = std::mem::take(&mut self.flight);
        flight.ack_all(|learnt, tick, outcome| self.learn(learnt, tick, outcome));
        self.flight = flight;
        self.settle();
    }

    pub(super) fn expire(&mut self, now: u32) {
        let mut flight = std::mem::take(&mut self.flight);
        flight.expire(now, self.timeout, |learnt, tick, outcome| self.learn(learnt, tick, outcome));
        self.flight = flight;
        self.note_debts();
    }

    /// Whether the player may know a row that is there, if it sees the entity in this slot.
    #[inline]
    pub(super) fn may_know(
        &self,
        replica: &Replica,
        entity: u32,
        slot: u32,
        kind: usize,
        admits_row: AdmitsRow<'_>,
    ) -> bool {
        match replica.manifest().layouts()[kind].visibility {
            Visibility::Everyone => admits_row(entity, kind),
            Visibility::Owner => replica.owner(slot) == self.player && self.player != 0 && admits_row(entity, kind),
            Visibility::Server => false,
        }
    }

    /// Takes entities out that are forgotten.
    pub(super) fn compact(&mut self) {
        if !std::mem::take(&mut self.has_released) {
            return;
        }
        let mut kept = 0;
        for place in 0..self.ids.len() {
            if self.tracked[place].chunk != NONE {
                self.ids[kept] = self.ids[place];
                self.tracked[kept] = self.tracked[place];
                kept += 1;
            }
        }
        self.ids.truncate(kept);
        self.tracked.truncate(kept);
    }

    /// Forgets an entity of which the player is known to hold nothing and that it does not see.
    pub(super) fn release_if_settled(&mut self, replica_kinds: usize, place: usize) {
        let Tracked { chunk, is_seen, .. } = self.tracked[place];
        if chunk == REGULAR {
            return;
        }
        let states = &self.states[chunk as usize * replica_kinds..][..replica_kinds];
        if is_seen || !states.iter().all(RowState::is_settled_absent) {
            return;
        }
        self.tracked[place].chunk = NONE;
        self.free_chunk(chunk);
        self.has_released = true;
    }

    pub(super) fn open_chunk(&mut self, entity: u32, kinds: usize) -> u32 {
        let fresh = Chunk { in_use: true, entity, since: self.written + 1, first: 0, irregular: 0, tracked_at: 0 };
        let Some(chunk) = self.free.pop() else {
            self.chunks.push(fresh);
            self.states.resize(self.chunks.len() * kinds, RowState::default());
            return self.chunks.len() as u32 - 1;
        };
        self.chunks[chunk as usize] = fresh;
        self.states[chunk as usize * kinds..][..kinds].fill(RowState::default());
        chunk
    }

    /// Whether an entity came into being with the tick that is written next.
    fn is_new(&self, replica: &Replica, slot: u32) -> bool {
        let created = replica.changes(slot, 0).map(|changes| changes.created);
        created == Some(replica.tick()) && !self.has_row_rules && self.is_next(replica)
    }

    pub(super) fn free_chunk(&mut self, chunk: u32) {
        self.chunks[chunk as usize].in_use = false;
        self.free.push(chunk);
    }

    /// The baseline tells of all that is seen.
    fn hold_all(&mut self) {
        for tracked in &mut self.tracked {
            (tracked.chunk, tracked.since) = (REGULAR, 1);
        }
        self.chunks.clear();
        self.states.clear();
        self.free.clear();
    }

    /// Notes that the baseline tells of an entity.
    fn hold(&mut self, replica: &Replica, place: usize, admits_row: AdmitsRow<'_>) {
        let (id, Tracked { slot, chunk, .. }) = (self.ids[place], self.tracked[place]);
        for kind in 0..replica.kind_count() {
            if replica.version(slot, kind).is_some() && self.may_know(replica, id, slot, kind, admits_row) {
                self.states[chunk as usize * replica.kind_count() + kind] = RowState::HELD;
            }
        }
    }

    fn sum(&self, replica: &Replica, entity: u32, admits_row: AdmitsRow<'_>) -> Option<u16> {
        let place = self.ids.binary_search(&entity).ok()?;
        Some(self.entity_hash(replica, entity, self.tracked[place].slot, admits_row) as u16)
    }

    fn entity_hash(&self, replica: &Replica, entity: u32, slot: u32, admits_row: AdmitsRow<'_>) -> u64 {
        let rows = (0..replica.kind_count()).filter_map(|kind| {
            let row = replica.row(slot, kind)?;
            self.may_know(replica, entity, slot, kind, admits_row).then_some(row.hash)
        });
        rows.fold(0, u64::wrapping_add)
    }

    /// Notes what became of a packet, or of a telling.
    fn learn(&mut self, learnt: Learnt, tick: u32, outcome: Outcome) {
        let told = match learnt {
            Learnt::Packet => return self.fates.learn(tick, outcome, self.written),
            Learnt::Row(told) => told,
        };
        let Chunk { entity, since, .. } = self.chunks[told.chunk as usize];
        if tick < since {
            return;
        }
        let kinds = self.states.len() / self.chunks.len();
        let states = &mut self.states[told.chunk as usize * kinds..][..kinds];
        let states = if told.kind == Told::ALL { states } else { &mut states[told.kind as usize..][..1] };
        let mut is_lost = false;
        for state in states {
            match outcome {
                Outcome::Came => state.ack(tick),
                Outcome::Lost { holds_from } => {
                    is_lost |= state.lose(tick);
                    self.debts.note(state, tick, holds_from);
                }
            }
        }
        if is_lost {
            self.pending.push(entity);
        } else if outcome == Outcome::Came
            && told.kind == Told::ALL
            && let Ok(place) = self.ids.binary_search(&entity)
            && self.tracked[place].chunk == told.chunk
        {
            self.release_if_settled(kinds, place);
        }
    }

    /// Sees to it that what was told again holds up what is settled until it comes.
    pub(super) fn note_debts(&mut self) {
        let mut owed = self.debts.owed;
        for (told, from) in self.debts.again.drain(..) {
            if self.flight.owe(told, from) {
                owed = owed.min(from);
            }
        }
        self.debts.owed = owed;
    }

    /// Notes up to which tick all is held: what is under way, was lost, or waits brings something of the next.
    pub(super) fn settle(&mut self) {
        let unknown = self.flight.oldest_unknown().unwrap_or(self.written + 1);
        let lost = self.fates.oldest_lost().unwrap_or(self.written + 1);
        self.settled = self.settled.max(unknown.min(lost).min(self.debts.owed).min(self.written + 1) - 1);
    }
}

/// What is not held because what told it was lost, or had no room.
#[derive(Debug)]
pub(super) struct Debts {
    /// The first tick of which something is held only when what is written next comes; [`NOTHING_OWED`]: there is none.
    pub(super) owed: u32,
    /// Ticks that told again what was lost, and since when that is not held. Empty but while it is found out.
    again: Vec<(u32, u32)>,
}

impl Default for Debts {
    fn default() -> Self {
        Self { owed: NOTHING_OWED, again: Vec::new() }
    }
}

impl Debts {
    /// Something since tick `from` is not held until what is written next comes.
    pub(super) fn owe(&mut self, from: u32) {
        self.owed = self.owed.min(from);
    }

    /// What tick `lost` told of a row was lost, which something since tick `from` waits for.
    pub(super) fn note(&mut self, state: &RowState, lost: u32, from: u32) {
        match state.told_instead(lost) {
            Some(Again::At(told)) => self.again.push((told, from)),
            Some(Again::Next) => self.owe(from),
            None => {}
        }
    }
}

/// Whether an entity is seen and still exists.
#[inline]
pub(super) fn is_here(replica: &Replica, id: u32, tracked: &Tracked) -> bool {
    tracked.chunk != NONE && tracked.is_seen && replica.is_in(tracked.slot, id)
}

/// Instead of a tick of which something is owed.
pub(super) const NOTHING_OWED: u32 = u32::MAX;
/// How much newer a packet must be that overtook another, for that to be lost. Links that hold back a packet for longer
/// than this are rarer than those that lose one, and what is told again without need costs a few bytes.
const REORDER_MS: u64 = 25;

/// Packets are lost sooner than what they tell stops to be of use.
const TIMEOUT_TICKS_MAX: u32 = limits::BASE_AGE_TICKS_MAX - 3;
/// So that ticks of an era fit their words.
const ERA_TICKS_MAX: u64 = 1 << 31;
