//! What the log delivers.

use protocol::{ClusterSessionId, LogPosition};
use serde::{Deserialize, Serialize};

/// Names a timer: what it is for, and a generation, which tells one that was set sooner from one that was set before.
///
/// ```text
/// bits 0..48 what for | bits 48..63 generation | bit 63 zero: hosts that count with signs have it positive
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimerId(pub u64);

impl TimerId {
    /// Drives all matches with a rate.
    pub const TICK: Self = Self(1);
    /// Looks for sessions that nobody came back for.
    pub const EXPIRY: Self = Self(2);
    const WAKE_BASE: u64 = 1 << 32;
    const GENERATION_SHIFT: u32 = 48;
    pub(crate) const GENERATIONS: u16 = 1 << 15;

    /// Steps a match on command without a command, because a rule asked for it.
    #[must_use]
    pub const fn wake(match_id: u64) -> Self {
        Self(Self::WAKE_BASE + match_id)
    }

    /// The match of a [`TimerId::wake`], of whichever generation.
    #[must_use]
    pub const fn woken_match(self) -> Option<u64> {
        self.without_generation().0.checked_sub(Self::WAKE_BASE)
    }

    /// What it is for.
    #[must_use]
    pub const fn without_generation(self) -> Self {
        Self(self.0 & ((1 << Self::GENERATION_SHIFT) - 1))
    }

    pub(crate) const fn generation(self) -> u16 {
        (self.0 >> Self::GENERATION_SHIFT) as u16
    }

    pub(crate) const fn of_generation(self, generation: u16) -> Self {
        Self(self.without_generation().0 | (generation as u64) << Self::GENERATION_SHIFT)
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// An edge or tool connected.
    SessionOpen {
        /// Its number, never used again.
        session: ClusterSessionId,
    },
    /// It is gone.
    SessionClose {
        /// Its number.
        session: ClusterSessionId,
    },
    /// It said something.
    Message {
        /// Who.
        session: ClusterSessionId,
        /// An ingress message of `protocol::cluster`, not checked yet.
        bytes: &'a [u8],
    },
    /// A timer that the service had scheduled.
    Timer {
        /// Which.
        id: TimerId,
    },
}

/// One entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntry<'a> {
    /// Where it ends in the log; grows from entry to entry.
    pub position: LogPosition,
    /// The clock of whoever appended it, in milliseconds of the Unix epoch. It can be less than that of the entry before:
    /// clocks are set, and those of two leaders differ.
    pub time_ms: i64,
    /// What happened.
    pub event: Event<'a>,
}
