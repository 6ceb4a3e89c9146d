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
