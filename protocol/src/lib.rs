//! Worldlog's words and their bytes.
//!
//! Responsible for everything that two processes must agree on: identifiers, limits, the frames
//! between client and edge ([`session`]) and between edge and service ([`cluster`]), the
//! [`manifest`] that describes a game, and the columns in which state travels ([`columns`],
//! [`delta`]). `README.md` beside this crate is the wire specification for other languages.
//!
//! Not responsible for the rules of a game (`ecs-state`), for who may see what (`net-edge`) or
//! for moving bytes.
//!
//! Start from [`columns::Columns`]: the canonical form of a match, on members, edges and clients alike.

// The generated code names `alloc`.
extern crate alloc;

pub mod account;
pub mod bits;
pub mod bytes;
pub mod cluster;
pub mod columns;
pub mod delta;
pub mod frame;
mod generated;
pub mod held;
pub mod ids;
pub mod limits;
pub mod manifest;
pub mod outcome;
pub mod parts;
pub mod proof;
pub mod session;
pub mod update;
pub mod version;
pub mod view;

pub use columns::Columns;
pub use ids::{ClusterSessionId, CommandSeq, EntityId, Epoch, LogPosition, MatchId, PlayerId, PlayerSessionId, Tick};
pub use outcome::OutcomeCode;
