//! Who hears of what.

use protocol::{EntityId, PlayerId};

/// Decides which entities a player hears of.
///
/// The answer for one entity must stay the same for as long as the entity exists: a delta says what changed and
/// cannot bring rows that a player was spared before. (Frames carry the hash of the whole class, so a player who
/// does not hear of everything cannot verify its mirror; whoever writes such an interest gives it its own hashes.)
pub trait Interest: Send {
    /// Whether every player hears of every entity. Then all players share one frame for each tick.
    fn is_everything(&self) -> bool {
        false
    }

    /// Whether this player hears of this entity.
    fn admits(&self, player: PlayerId, entity: EntityId) -> bool;
}

/// Every player hears of every entity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Everything;

impl Interest for Everything {
    fn is_everything(&self) -> bool {
        true
    }

    fn admits(&self, _player: PlayerId, _entity: EntityId) -> bool {
        true
    }
}
