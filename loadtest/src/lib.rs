//! Bots that play the arena, and what they measured.
//!
//! Responsible for playing like people (not for sending random bytes), for knowing of each command what became of it,
//! and for comparing that with what the match itself counted: nothing acknowledged is missing, nothing ran twice. Also
//! for how fresh mirrors are, on bad links too, and whether they hold what interest forbids.
//!
//! Not responsible for the protocol, for reconnecting or for numbering commands (`client`), nor for the rules (`arena`).
//!
//! Start from [`run`]; [`Report`] is what comes of it, [`Bot`] is the part without a network.

mod account;
mod audit;
mod bot;
mod freshness;
mod play;
mod report;
mod swarm;
mod witness;

pub use account::{Account, Verdict};
pub use bot::{Bot, NotTheArena};
pub use client::LinkFaults;
pub use report::{AckMs, Report};
pub use swarm::{Progress, SwarmOptions, TokenSource, run, run_until};
