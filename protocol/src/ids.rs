//! Identifiers. Each is a number of its own type, so that none is taken for another.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($number:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $number);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// One isolated game world. Allocated by the service, from 1, never reused.
    MatchId(u64)
}
id! {
    /// One step of one match. Tick 0 is the state in which the match opened.
    Tick(u64)
}
id! {
    /// An entity of a match. Allocated by the match, from 1, never reused; 0 means none.
    EntityId(u32)
}
id! {
    /// A player of a match. Allocated by the match, from 1, never reused; 0 means none.
    PlayerId(u32)
}
id! {
    /// A player's session with the service. Allocated by the service, from 1, never reused.
    PlayerSessionId(u32)
}
id! {
    /// A connection of an edge (or a tool) to the cluster.
    ClusterSessionId(u64)
}
id! {
    /// How often a player session was resumed. Commands of an older epoch are refused.
    Epoch(u32)
}
id! {
    /// Number of a command in its player session, from 1, without gaps.
    CommandSeq(u32)
}
id! {
    /// Where an entry ends in the log. Grows with every entry; compared, never computed with.
    LogPosition(u64)
}

impl PlayerId {
    /// Who looks on and does not play: owns nothing, and interest hides nothing from it. No service allocates it.
    pub const SPECTATOR: Self = Self(u32::MAX);
}

impl Tick {
    /// The tick after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl CommandSeq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
