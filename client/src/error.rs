//! What goes wrong, by what the caller can do about it.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::outcome::CloseCode;
use thiserror::Error;

/// Why no connection could be made. Nothing was sent to a match.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The list of edges is empty.
    #[error("no edge address was given; name at least one")]
    NoAddress,
    /// [`crate::Trust::DevInsecureLoopback`] with an address of another machine.
    #[error("{address} is not a loopback address; trust it by certificate hash or CA instead")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The CA is no certificate, or TLS cannot be set up with it.
    #[error("the trusted certificates cannot be used: {reason}")]
    Trust {
        /// What is wrong with them.
        reason: String,
    },
    /// An option has a value that the protocol does not allow.
    #[error("option {option}: {reason}")]
    Option {
        /// Its name in [`crate::ClientOptions`].
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system gave no UDP socket.
    #[error("no UDP socket could be opened")]
    Socket(#[from] std::io::Error),
    /// The edge did not answer, or is not the one that is trusted.
    #[error("{address} cannot be reached: {reason}; check the address, its UDP port and the trusted certificate")]
    Unreachable {
        /// The last address that was tried.
        address: SocketAddr,
        /// What QUIC or TLS said.
        reason: String,
    },
}

/// Why a session is over. It does not come back; join again with a new token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The server closed it, for a reason that trying again does not cure.
    #[error("closed by the server: {}", closed_text(*.code, *.number, .reason))]
    Closed {
        /// The reason, if this build knows it.
        code: Option<CloseCode>,
        /// Its number.
        number: u64,
        /// The server's words; may be empty.
        reason: String,
    },
    /// No edge took the player back in time.
    #[error("no edge took the player back within {} s; the last attempt said: {last}", .after.as_secs_f32())]
    GaveUp {
        /// [`crate::ClientOptions::give_up`].
        after: Duration,
        /// Why the last attempt failed.
        last: String,
    },
    /// The server sent what the protocol does not allow.
    #[error("the server broke the protocol: {reason}; client and server may be of different builds")]
    Protocol {
        /// What it sent.
        reason: String,
    },
    /// The player left with [`crate::Player::leave`].
    #[error("the player left the match")]
    Left,
    /// The [`crate::Player`] was dropped.
    #[error("the player was dropped")]
    Dropped,
}

fn closed_text(code: Option<CloseCode>, number: u64, reason: &str) -> String {
    match code {
        // The server's reason often is the sentence itself, with detail after it.
        Some(code) if reason.is_empty() || reason.starts_with(code.sentence()) => {
            if reason.is_empty() {
                code.sentence().to_owned()
            } else {
                reason.to_owned()
            }
        }
        Some(code) => format!("{} ({reason})", code.sentence()),
        None => format!("code {number}, which this build does not know ({reason})"),
    }
}

/// Why a command has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// Nothing was sent.
    #[error("a command of {bytes} bytes exceeds the maximum of {max}")]
    TooLong {
        /// Length of the payload.
        bytes: usize,
        /// [`protocol::limits::COMMAND_BYTES_MAX`].
        max: usize,
    },
    /// Nothing was sent; [`crate::Player::try_send`] alone says so.
    #[error("32 commands have no outcome yet; await one of them first")]
    WindowFull {
        /// The command, to be sent later.
        payload: Vec<u8>,
    },
    /// The session was over before the outcome came; whether the command ran will never be known
    /// unless a later session sees its effect.
    #[error("the session ended before the outcome came: {0}")]
    SessionEnded(SessionEnd),
    /// The server no longer knows what became of the command; it may have run.
    #[error("the server no longer holds the outcome of command {seq}; it may have run")]
    Forgotten {
        /// Number of the command.
        seq: u32,
    },
    /// Nothing was sent: the session used up all 2^32 command numbers.
    #[error("the session has no command number left; join again")]
    Exhausted,
}
