//! What a match of the arena consists of. Numbers are never given away again.
//!
//! Lengths are in 1/256 m, speeds in 1/256 m/s, angles 65,536 to a full turn, times in ticks of the match.
//! Times are points, not countdowns: a point is written once, a countdown would travel every tick.
//!
//! Steps are what no player can tell from the number itself: where 24 pixels are a metre, half a step of a place is a
//! fifth of a pixel, and half a step of an angle moves the muzzle of a weapon by an eighth of one.

use bevy_ecs::prelude::{Component, Resource};
use ecs_state::{EntityId, PlayerId, Replicated};

use crate::balance::Weapon;

/// Units in a metre.
pub const METRE: i32 = 256;

/// Most teams of a match.
pub const TEAMS_MAX: usize = 4;

/// What an entity is: one of the constants.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 1)]
pub struct Kind {
    /// The number of the kind.
    pub kind: u8,
}

impl Kind {
    /// The body of a player.
    pub const AVATAR: Self = Self { kind: 1 };
    /// Something shot, in flight.
    pub const PROJECTILE: Self = Self { kind: 2 };
    /// Something to take. It stays when taken, and is back at [`Pickup::back_at`].
    pub const PICKUP: Self = Self { kind: 3 };
    /// A neutral machine.
    pub const DRONE: Self = Self { kind: 4 };
}

/// Where an entity is.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 2, sync = "predict")]
pub struct Position {
    /// To the right of the map's lower left corner.
    #[replicated(scale = 256, step = 4)]
    pub x: i32,
    /// Up from it.
    #[replicated(scale = 256, step = 4)]
    pub y: i32,
}

/// How fast it moves, in a second.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 3, sync = "predict")]
pub struct Velocity {
    /// To the right.
    #[replicated(scale = 256, step = 16)]
    pub x: i32,
    /// Up.
    #[replicated(scale = 256, step = 16)]
    pub y: i32,
}

/// Where it looks.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 4, sync = "predict")]
pub struct Facing {
    /// Counter-clockwise from the x axis.
    #[replicated(step = 128)]
    pub angle: u16,
}

/// Whose side it is on. Neutral entities have none.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 5)]
pub struct Team {
    /// From 0.
    pub team: u8,
}

/// How much it can still take.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 6)]
pub struct Health {
    /// 0 is dead, and gone by the end of the tick.
    pub points: u16,
    /// Most points.
    pub max: u16,
    /// Taken before health is.
    pub shield: u16,
}

impl Health {
    /// Full health, no shield.
    #[must_use]
    pub const fn full(max: u16) -> Self {
        Self { points: max, max, shield: 0 }
    }

    /// What is left after damage.
    #[must_use]
    pub const fn hurt(self, damage: u16) -> Self {
        let through = damage.saturating_sub(self.shield);
        Self { points: self.points.saturating_sub(through), max: self.max, shield: self.shield.saturating_sub(damage) }
    }
}

/// A player's place in the match, from join to leave. The player owns the entity.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 7)]
pub struct Seat {
    /// Who sits here.
    pub player: PlayerId,
    /// From 0.
    pub team: u8,
    /// The body; 0 while dead.
    pub avatar: EntityId,
    /// Players killed in this round.
    pub kills: u16,
    /// Deaths in this round.
    pub deaths: u16,
    /// Points made for the team in this round.
    pub score: u32,
    /// Tick at which a dead player comes back.
    pub respawn_at: u64,
}

/// Counts a player's applied commands, from join to leave, each exactly once. On the seat; proves to its owner that
/// none was lost or doubled. Nobody else is told: it changes with every command of every player.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 8, visibility = "owner")]
pub struct Tally {
    /// Commands that were not rejected.
    pub applied: u32,
}

/// What a player carries. On the avatar; its owner alone knows.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 9, visibility = "owner", sync = "predict")]
pub struct Loadout {
    /// Number of the weapon in the balance.
    pub weapon: u8,
    /// Shots in the magazine.
    pub ammo: u16,
    /// Shots to reload from.
    pub reserve: u16,
    /// Whether the magazine is filled at `ready_at`.
    pub reloading: bool,
    /// Tick from which the weapon can shoot.
    pub ready_at: u64,
}

impl Loadout {
    /// A weapon with all that comes with it.
    #[must_use]
    pub const fn full(number: u8, weapon: &Weapon) -> Self {
        Self { weapon: number, ammo: weapon.magazine, reserve: weapon.reserve, reloading: false, ready_at: 0 }
    }

    pub(crate) const fn start_reload(&mut self, tick: u64, weapon: &Weapon) {
        self.reloading = true;
        self.ready_at = tick + weapon.reload_ticks;
    }

    pub(crate) fn finish_reload(&mut self, weapon: &Weapon) {
        let moved = self.reserve.min(weapon.magazine.saturating_sub(self.ammo));
        self.reloading = false;
        self.ammo += moved;
        self.reserve -= moved;
    }
}

/// What a player wants. On the avatar; leaves no member, so that nobody reads another's mind.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 10, visibility = "server")]
pub struct Intent {
    /// Wish to go right, -127 to 127.
    pub x: i8,
    /// Wish to go up.
    pub y: i8,
    /// One of the constants.
    pub trigger: u8,
}

impl Intent {
    /// The trigger rests.
    pub const RELEASED: u8 = 0;
    /// The trigger was pressed and the weapon has not shot since.
    pub const PRESSED: u8 = 1;
    /// The trigger is held.
    pub const HELD: u8 = 2;
    /// The trigger was pressed and released before the weapon shot: it shoots once.
    pub const TAPPED: u8 = 3;
}

/// Who hurt it last.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 11, visibility = "server")]
pub struct Wound {
    /// 0 is nobody.
    pub by: PlayerId,
    /// When.
    pub tick: u64,
}

/// Something in flight.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 12)]
pub struct Shot {
    /// Who shot.
    pub by: PlayerId,
    /// Number of the weapon in the balance.
    pub weapon: u8,
    /// Tick at whose end it is spent.
    pub ends_at: u64,
}

/// Something to take.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 13)]
pub struct Pickup {
    /// One of the constants.
    pub item: u8,
    /// Number of the weapon in the balance, when it is one.
    pub weapon: u8,
    /// 0 when it is there; else the tick at which it is back.
    pub back_at: u64,
}

impl Pickup {
    /// Heals.
    pub const HEALTH: u8 = 1;
    /// Fills the reserve.
    pub const AMMO: u8 = 2;
    /// Adds a shield.
    pub const SHIELD: u8 = 3;
    /// A weapon, taken with a command.
    pub const WEAPON: u8 = 4;

    /// Whether it can be taken.
    #[must_use]
    pub const fn is_there(self) -> bool {
        self.back_at == 0
    }
}

/// What a drone is about to do.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 14, visibility = "server")]
pub struct Drone {
    /// Rests more than it moves.
    pub lazy: bool,
    /// Tick at which it thinks again.
    pub until: u64,
}

/// How the round stands.
#[derive(Resource, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 15)]
pub struct Score {
    /// Points of each team; teams that do not play have 0.
    pub teams: [u32; TEAMS_MAX],
    /// From 1.
    pub round: u32,
    /// Whether the round is over and the next one is awaited.
    pub over: bool,
    /// Tick at which the round, or the wait for the next one, ends. What is left is this minus the tick.
    pub ends_at: u64,
    /// Rounds that each team won.
    pub wins: [u16; TEAMS_MAX],
}
