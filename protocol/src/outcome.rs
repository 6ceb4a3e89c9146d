//! What became of a command, and why a connection or a request was refused.

use std::fmt;

/// Outcome of one command: applied, or the rejection. The rules said so; it is data, not an error.
///
/// Codes below 256 belong to the protocol; a game's own rejections begin at 256 and are named in
/// its manifest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutcomeCode(pub u16);

impl OutcomeCode {
    /// The command ran.
    pub const APPLIED: Self = Self(0);
    /// The payload is not a command of this game.
    pub const MALFORMED: Self = Self(1);
    /// A command before this one is missing; nothing happened. `seq` of the outcome is the last one held.
    pub const GAP: Self = Self(2);
    /// The session was resumed elsewhere since.
    pub const STALE_EPOCH: Self = Self(3);
    /// No such session: it ended, expired, or never was.
    pub const NO_SESSION: Self = Self(4);
    /// The match is closed.
    pub const MATCH_CLOSED: Self = Self(5);
    /// More commands of one session than a tick may run.
    pub const TOO_MANY: Self = Self(6);
    /// Asked about a command so old that its outcome is no longer held.
    pub const FORGOTTEN: Self = Self(7);
    /// The match is a recording that is shown: nothing can change it.
    pub const RECORDED: Self = Self(8);
    /// First code that belongs to the game.
    pub const GAME: u16 = 256;

    /// A rejection of the game, by its number from 0.
    #[must_use]
    pub const fn game(number: u8) -> Self {
        Self(Self::GAME + number as u16)
    }

    /// Whether the command ran.
    #[must_use]
    pub const fn is_applied(self) -> bool {
        self.0 == 0
    }

    /// The protocol's word for the code; `None` for codes of the game.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::APPLIED => "applied",
            Self::MALFORMED => "malformed",
            Self::GAP => "gap",
            Self::STALE_EPOCH => "stale-epoch",
            Self::NO_SESSION => "no-session",
            Self::MATCH_CLOSED => "match-closed",
            Self::TOO_MANY => "too-many",
            Self::FORGOTTEN => "forgotten",
            Self::RECORDED => "recorded",
            _ => return None,
        })
    }
}

impl fmt::Debug for OutcomeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "game({})", self.0 - Self::GAME.min(self.0)),
        }
    }
}

/// Why a connection was closed or a request refused. Travels as QUIC application close code and in
/// [`crate::session::Closing`]; the sentence for people is [`CloseCode::sentence`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum CloseCode {
    /// The peer is done.
    Done = 0,
    /// Bytes that are no frame of this protocol.
    Malformed = 1,
    /// A frame longer than the limit.
    Oversized = 2,
    /// Another major version.
    Version = 3,
    /// A frame that does not belong here (a command before a join, a second hello).
    OutOfOrder = 4,
    /// Hello or token did not come in time.
    TooSlow = 5,
    /// More frames or connections than allowed.
    TooFast = 6,
    /// The token is not one of ours, or was changed.
    TokenInvalid = 7,
    /// The token is past its time.
    TokenExpired = 8,
    /// The token was redeemed before.
    TokenUsed = 9,
    /// No such match, or it is closed.
    NoMatch = 10,
    /// The match or the server has no room.
    Full = 11,
    /// No such session: it ended, expired, or never was.
    NoSession = 12,
    /// The resume secret is not that of the session.
    WrongSecret = 13,
    /// Another connection resumed the session.
    Superseded = 14,
    /// Commands arrived with a gap in their numbers.
    SequenceGap = 15,
    /// The server is stopping; come back.
    Stopping = 16,
    /// This edge has not seen what the client has seen yet; try another.
    Behind = 17,
    /// The server failed; the operator's log says why.
    Internal = 18,
    /// The player left.
    Left = 19,
    /// More commands without outcome than the window allows.
    WindowExceeded = 20,
    /// Content or settings of a match that the game refuses.
    BadContent = 21,
}

impl CloseCode {
    const ALL: [Self; 22] = [
        Self::Done,
        Self::Malformed,
        Self::Oversized,
        Self::Version,
        Self::OutOfOrder,
        Self::TooSlow,
        Self::TooFast,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::TokenUsed,
        Self::NoMatch,
        Self::Full,
        Self::NoSession,
        Self::WrongSecret,
        Self::Superseded,
        Self::SequenceGap,
        Self::Stopping,
        Self::Behind,
        Self::Internal,
        Self::Left,
        Self::WindowExceeded,
        Self::BadContent,
    ];

    /// The code of a number, if it is one.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// What to tell a person: cause, and cure where there is one.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Malformed => "a frame is malformed; client and server may be of different builds",
            Self::Oversized => "a frame is longer than the server accepts",
            Self::Version => "client and server speak different major versions of the protocol; update the older one",
            Self::OutOfOrder => "a frame came where the protocol does not allow it",
            Self::TooSlow => "hello and token did not arrive in time",
            Self::TooFast => "too many frames or connections; slow down",
            Self::TokenInvalid => "the join token is not valid for this server; ask for a new one",
            Self::TokenExpired => "the join token has expired; ask for a new one",
            Self::TokenUsed => "the join token was used before; ask for a new one",
            Self::NoMatch => "there is no such match, or it is closed",
            Self::Full => "the match is full",
            Self::NoSession => "the session ended or expired; join again with a new token",
            Self::WrongSecret => "the resume secret does not belong to this session",
            Self::Superseded => "another connection resumed this session",
            Self::SequenceGap => "command numbers have a gap; resume the session and send from the last one held",
            Self::Stopping => "the server is stopping; connect again shortly",
            Self::Behind => "this edge is behind what the client has seen; try another edge",
            Self::Internal => "the server failed; its log says why",
            Self::Left => "the player left the match",
            Self::WindowExceeded => "too many commands without an outcome; wait for outcomes",
            Self::BadContent => "the game does not accept this content",
        }
    }

    /// Whether the same client may try again by itself, with what it holds.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Stopping | Self::Behind | Self::Internal | Self::SequenceGap | Self::TooSlow)
    }
}

#[cfg(test)]
mod tests {
    use super::CloseCode;

    #[test]
    fn every_close_code_is_found_by_its_number() {
        for (number, code) in CloseCode::ALL.iter().enumerate() {
            assert_eq!(*code as usize, number);
            assert_eq!(CloseCode::from_number(number as u64), Some(*code));
        }
        assert_eq!(CloseCode::from_number(CloseCode::ALL.len() as u64), None);
    }
}
