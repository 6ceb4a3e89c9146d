//! A game made to be hard to repeat: almost every rule depends on the order in which queries iterate.
//!
//! Fighters run after coins and blow each other up. Who gets a coin is who iterates first; a tally
//! folds every row in iteration order into a number that the next tick's chance depends on.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part of it")]

pub mod plant;
pub mod rules;
pub mod script;

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use ecs_state::{
    ContentError, EntityId, Game, Identity, InvalidCommand, MatchSetup, PlayerId, Registry, Replicated, Ticking,
    despawn, spawn,
};

use plant::Hazard;

/// Where an entity is. Velocities are coarser after a barrier than between two.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq)]
#[replicated(number = 1, sync = "interpolate")]
pub struct Body {
    #[replicated(scale = 100)]
    pub x: i32,
    #[replicated(scale = 100)]
    pub y: i32,
    #[replicated(quantize = 16)]
    pub vx: f32,
    #[replicated(quantize = 16)]
    pub vy: f32,
}

/// Lies about until someone takes it.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 2)]
pub struct Coin {
    pub worth: u8,
}

/// What a fighter has, and whom it fears.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq)]
#[replicated(number = 3, visibility = "owner", sync = "predict")]
pub struct Purse {
    pub coins: u32,
    pub rival: EntityId,
    pub last: [i16; 2],
    pub mood: f32,
}

/// Ticks until it blows up. Inserted into and removed from all kinds of entities.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 4, visibility = "server")]
pub struct Fuse {
    pub ticks: u16,
}

/// A marker without fields.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 5)]
pub struct Dazed;

/// The number of the player.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 7)]
pub struct Fighter {
    pub player: PlayerId,
    pub tossed: u16,
}

/// Everything folded in iteration order.
#[derive(Resource, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 8)]
pub struct Tally {
    pub order: u64,
    pub rounds: i64,
}

/// The number of the newest entity, for tests that write keyframes themselves.
#[derive(Resource, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 9, visibility = "server")]
pub struct Newest {
    pub id: EntityId,
}

/// Not state: gone after a barrier.
#[derive(Component, Debug)]
pub struct Glow(pub u32);

/// Not state: back to its default after a barrier.
#[derive(Resource, Debug, Default)]
pub struct Scratch(pub u64);

/// The hazard to plant, if any.
#[derive(Resource, Clone)]
pub struct Content {
    pub hazard: Hazard,
}

/// What players ask for.
#[derive(Debug, Clone, Copy)]
pub enum Command {
    Run(i8, i8),
    Toss(u8),
    Rob,
}

/// No fighter, or one that cannot.
pub const DAZED: u8 = 0;
/// A fighter may have so many bombs out.
pub const TOO_MANY_BOMBS: u8 = 1;
/// Nobody to rob.
pub const NOBODY_NEAR: u8 = 7;

/// The game at a rate, or on command with rate 0.
#[derive(Debug)]
pub struct Brawl<const MILLIHERTZ: u32>;

/// Barriers every 16 ticks.
pub type Quick = Brawl<1_600>;
/// Barriers every 256 ticks.
pub type OnCommand = Brawl<0>;

impl<const MILLIHERTZ: u32> Game for Brawl<MILLIHERTZ> {
    const NAME: &'static str = "brawl";
    const RULES_VERSION: u32 = 1;
    const COMMAND_SCHEMA: &'static [u8] = &[];
    const TICKING: Ticking =
        if MILLIHERTZ == 0 { Ticking::OnCommand } else { Ticking::Rate { millihertz: MILLIHERTZ } };
    const REJECTIONS: &'static [(u8, &'static str)] =
        &[(DAZED, "dazed"), (TOO_MANY_BOMBS, "too many bombs"), (NOBODY_NEAR, "nobody near")];

    type Command = Command;
    type Content = Content;

    fn register(registry: &mut Registry) {
        registry
            .component::<Body>()
            .component::<Coin>()
            .component::<Purse>()
            .component::<Fuse>()
            .component::<Dazed>()
            .component::<Fighter>()
            .resource::<Tally>()
            .resource::<Newest>()
            .transient::<Glow>()
            .transient_resource::<Scratch>();
    }

    fn systems() -> ScheduleConfigs<ScheduleSystem> {
        (
            rules::obey,
            rules::run,
            rules::take_coins,
            rules::burn_fuses,
            rules::shuffle,
            rules::collide,
            rules::remember,
            plant::misbehave,
            rules::tally,
        )
            .chain()
    }

    fn decode_command(payload: &[u8]) -> Result<Command, InvalidCommand> {
        match *payload {
            [0, x, y] => Ok(Command::Run(x as i8, y as i8)),
            [1, ticks] => Ok(Command::Toss(ticks)),
            [2] => Ok(Command::Rob),
            _ => Err(InvalidCommand("run, toss or rob".to_owned())),
        }
    }

    fn load_content(content: &[u8]) -> Result<Content, ContentError> {
        Hazard::read(content)
            .map(|hazard| Content { hazard })
            .ok_or_else(|| ContentError("the content is the name of a hazard, or empty".to_owned()))
    }

    fn open(world: &mut World) {
        world.insert_resource(Tally::default());
        world.insert_resource(Newest::default());
        for at in 0..24 {
            place(world, PlayerId(0), (Body { x: at * 90, y: at * at, vx: 1.0, vy: 0.5 }, Coin { worth: at as u8 }));
        }
    }

    fn join(world: &mut World, player: PlayerId) {
        let at = player.0 as i32;
        let body = Body { x: at * 37 % 2_000, y: at * 91 % 2_000, vx: 0.0, vy: 0.0 };
        let purse = Purse { coins: 0, rival: EntityId(0), last: [0, 0], mood: 0.0 };
        place(world, player, (body, purse, Fighter { player, tossed: 0 }));
    }

    fn leave(world: &mut World, player: PlayerId) {
        let mut owned = world.query::<&Identity>();
        let ids: Vec<_> = owned.iter(world).filter(|identity| identity.owner == player).map(Identity::id).collect();
        for id in ids {
            despawn(world, id);
        }
    }
}

fn place(world: &mut World, owner: PlayerId, bundle: impl Bundle) {
    let id = spawn(world, owner, bundle);
    world.resource_mut::<Newest>().id = id;
}

/// A match of this game, without a hazard unless one is named.
pub fn setup(seed: u64, hazard: Hazard) -> MatchSetup {
    MatchSetup { match_id: seed % 1_000, seed, content: hazard.name().as_bytes().into() }
}
