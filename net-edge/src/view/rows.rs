//! What a player is known to hold of one row, and what else it may hold.

/// Ticks count from the baseline, which is 1; 0 is never.
///
/// A telling says what a row was at a tick: a value, or that there is none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RowState {
    /// Newest telling that was acknowledged.
    acked: u32,
    /// Another one that was, before it, with values at both and in between; 0: none.
    before: u32,
    /// Newest telling.
    told: u32,
    /// Newest telling that there is no row.
    absent: u32,
    /// Whether the newest telling may still arrive in time.
    is_flying: bool,
}

/// Of which ticks the updates came, where each told all that its tick changed: with when a row changed, that says what is
/// known of the row, and nothing needs to be kept of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    /// The tick to be told, and the newest that was.
    pub(super) now: u32,
    pub(super) written: u32,
    /// Bit `i`: all updates of tick `written - i` came.
    pub(super) came: u64,
}

impl Course {
    /// What is known of a row that was held as it was at tick `since`, and told at each change after. `age` is that of its
    /// newest change, seen from `now`; bit `i` of `history`: it changed `i` ticks before that as well.
    #[inline]
    pub(super) fn state(&self, since: u32, is_since: bool, age: u64, history: u64) -> RowState {
        let Self { now, written, came } = *self;
        let shifted = |mask: u64, by: u32| mask.checked_shl(by).unwrap_or(0);
        let below = |bits: u32| shifted(1, bits).wrapping_sub(1);
        let unwritten = now - written;
        // Bit i: changed i ticks before now, and was told then.
        let changed = u32::try_from(age).map_or(0, |age| shifted(history, age));
        let told = changed & below(now - since) & !below(unwritten);
        let came = told & shifted(came, unwritten);
        let base = if is_since { since } else { 0 };
        let newest = |mask: u64, otherwise| if mask == 0 { otherwise } else { now - mask.trailing_zeros() };
        let acked = newest(came, base);
        let told = newest(told, base);
        let before = if came == 0 { 0 } else { newest(came & (came - 1), base) };
        RowState { acked, before, told, absent: 0, is_flying: told > acked }
    }
}

/// When something that was lost is told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    At(u32),
    Next,
}

/// What to tell the row as a difference to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    /// The value at this tick, and the ticks since one before, or 0.
    At(u32, u32),
    /// The value at this tick, which is the newest that was ever told.
    Oldest(u32),
}

impl RowState {
    /// A row of the baseline.
    pub(super) const HELD: Self = Self { acked: 1, before: 0, told: 1, absent: 0, is_flying: false };

    /// A row that may be held or not: it is told anew.
    pub(super) const fn unsure(written: u32) -> Self {
        Self { acked: 0, before: 0, told: written, absent: 0, is_flying: false }
    }

    /// With all that is under way given up: it is told again.
    pub(super) const fn grounded(self) -> Self {
        Self { is_flying: false, ..self }
    }

    /// Whether what is known of a row is the same.
    pub(super) const fn is_same(&self, other: &Self, now: u32) -> bool {
        let are_old = self.is_old(now) && other.is_old(now);
        // What was lost and is to be told again is known here alone.
        let is_lost = self.told > self.acked && !self.is_flying;
        are_old || (self.told == other.told && self.acked == other.acked && !is_lost)
    }

    /// Whether the newest telling was acknowledged, and all that matters is that it is the newest.
    const fn is_old(&self, now: u32) -> bool {
        self.told == self.acked && self.acked > self.absent && now - self.acked >= OLDEST
    }

    /// Whether nothing was ever told of it.
    pub(super) const fn is_untold(&self) -> bool {
        self.told == 0
    }

    /// Whether the player must be told, when the row is since tick `version` what it is now (`None`: it is not there).
    /// With `all`, also if it will know when what is under way arrives.
    #[inline]
    pub(super) const fn needs(&self, version: Option<u32>, all: bool) -> bool {
        if self.told > self.acked && (all || !self.is_flying) {
            return true;
        }
        let has_value = self.told > self.absent;
        match version {
            None => has_value,
            Some(version) => !has_value || version > self.told,
        }
    }

    /// Whether the player holds a value, whatever arrives of what was told.
    #[inline]
    pub(super) const fn is_held(&self) -> bool {
        self.acked > self.absent
    }

    /// Whether all that was told is acknowledged, and it is that there is no row.
    pub(super) const fn is_settled_absent(&self) -> bool {
        self.acked == self.told && self.absent == self.told
    }

    #[inline]
    pub(super) const fn known(&self, now: u32) -> Known {
        if !self.is_held() {
            return Known::Nothing;
        }
        let age = now - self.acked;
        if age < OLDEST {
            let span = self.acked - self.before;
            let has_course = self.before > 0 && age + span <= OLDEST;
            return Known::At(self.acked, if has_course { span } else { 0 });
        }
        if self.told == self.acked { Known::Oldest(self.acked) } else { Known::Nothing }
    }

    /// Ticks since anything was told of the row.
    pub(super) const fn ticks_since(&self, now: u32) -> u32 {
        now - self.told
    }

    #[inline]
    pub(super) const fn tell(&mut self, now: u32, is_absent: bool) {
        self.told = now;
        self.is_flying = true;
        if is_absent {
            self.absent = now;
        }
    }

    /// Where it is told what a tick's lost telling told: in the newest telling, at the tick that is given, or in one
    /// that is still to be written; `None`: in one that came.
    pub(super) const fn told_instead(&self, lost: u32) -> Option<Again> {
        match (self.acked >= lost || self.told < lost, self.told > lost && self.is_flying) {
            (true, _) => None,
            (false, true) => Some(Again::At(self.told)),
            (false, false) => Some(Again::Next),
        }
    }

    /// The telling of a tick came.
    #[inline]
    pub(super) const fn ack(&mut self, tick: u32) {
        if tick > self.acked {
            let continues = self.is_held() && tick > self.absent;
            self.before = if continues { self.acked } else { 0 };
            self.acked = tick;
        } else if tick < self.acked && tick > self.before && tick > self.absent {
            self.before = tick;
        }
    }

    /// The telling of a tick did not come in time. Whether nothing newer is under way.
    #[inline]
    pub(super) const fn lose(&mut self, tick: u32) -> bool {
        let is_newest = self.told == tick && self.is_flying && self.acked < tick;
        if is_newest {
            self.is_flying = false;
        }
        is_newest
    }
}

const OLDEST: u32 = protocol::limits::BASE_AGE_TICKS_MAX;
