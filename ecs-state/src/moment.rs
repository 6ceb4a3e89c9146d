//! What a designer calls an event.
//!
//! Moments are read from two states that follow each other; they are no state, and no rule may depend on them. So a
//! game can learn to tell more of them later, of matches that were played long ago.

use serde::Serialize;

/// Something that happened to somebody in one tick.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// A word of the game: the arena has `death`, `hit`, `pickup`, `score` and `round`.
    pub kind: &'static str,
    /// To which entity; 0 is none.
    pub entity: u32,
    /// To which player; 0 is none.
    pub player: u32,
    /// Through which player; 0 is none, or nobody knows.
    pub by: u32,
    /// Where, in the game's own unit of length, as components show it (the arena: metres).
    pub at: Option<[f64; 2]>,
    /// How much, or which one: a number of the game for this kind.
    pub value: i64,
}
