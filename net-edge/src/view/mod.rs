//! What each player of a match is known to hold, and the updates that bring it what it does not.
//!
//! Responsible for the edge's side of `protocol::update`. Not responsible for who may hear of what (`interest`), for
//! carrying updates, or for clocks.
//!
//! | question | answered in |
//! |---|---|
//! | what can be told now, and what could at a tick before | `replica` |
//! | how many bits does a change take, worked out once for all players | `encoder` |
//! | what does a player hold | `player`; of most entities `regular`, of the others `rows` |
//! | what became of the packets | `flight` |
//! | what goes into the next ones | `plan`, `packets` |
//!
//! Start from [`PlayerView`]. A tick is [`Replica::advance`] once, then for each player [`PlayerView::see`] and
//! [`PlayerView::write`]. Views of one replica may be written by several threads, each with an [`Encoder`] of its own.
//!
//! Invariants:
//! - What a player may not see is in no byte that is written for it, but that an entity it saw is gone.
//! - Whatever is lost, doubled or late: once all that was written since is acknowledged, player and view are equal.
//! - Of what is settled each row is as it was then, or newer.

mod encoder;
mod flight;
mod packets;
mod plan;
mod player;
mod regular;
mod replica;
mod rows;
#[cfg(test)]
pub(crate) mod tests;

pub use encoder::Encoder;
pub use packets::Budget;
pub use player::{AdmitsRow, BaselineParts, PlayerView};
pub use replica::Replica;
