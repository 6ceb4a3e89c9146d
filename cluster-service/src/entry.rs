//! What the log delivers.

use protocol::{ClusterSessionId, LogPosition};
use serde::{Deserialize, Serialize};

/// Names a timer. Scheduling it again moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimerId(pub u64);

impl TimerId {
    /// Drives all matches with a rate.
    pub const TICK: Self = Self(1);
    /// Looks for sessions that nobody came back for.
    pub const EXPIRY: Self = Self(2);
    const WAKE_BASE: u64 = 1 << 32;

    /// Steps a match on command without a command, because a rule asked for it.
    #[must_use]
    pub const fn wake(match_id: u64) -> Self {
        Self(Self::WAKE_BASE + match_id)
    }

    /// The match of a [`TimerId::wake`].
    #[must_use]
    pub const fn woken_match(self) -> Option<u64> {
        self.0.checked_sub(Self::WAKE_BASE)
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
    /// Log time in milliseconds of the Unix epoch; never goes back.
    pub time_ms: i64,
    /// What happened.
    pub event: Event<'a>,
}
