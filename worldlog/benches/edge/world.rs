//! The world of the bench: points in a square that bounce off its walls, every fifth of them on the move.
//!
//! Lengths are in hundredths, speeds in hundredths a second: what players are told is exact to 0.01.

use std::sync::OnceLock;

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use ecs_state::{
    ContentError, Game, Identity, Inbox, Interest, InvalidCommand, MatchRng, PlayerId, Registry, Replicated, Ticking,
    spawn,
};
use protocol::manifest::Reach;

/// Ticks a second.
pub(crate) const TICKS_PER_SECOND: i32 = 20;
/// One of the units in which distances are spoken of.
pub(crate) const UNIT: i32 = 100;
/// One of this many entities moves.
pub(crate) const MOVING_ONE_OF: u32 = 5;
/// Fastest that anything moves on an axis, in a second.
const SPEED_MAX: i32 = 10 * UNIT;

/// How far players see; nothing means everybody sees all. It is of the process, as the interest of a game is part of
/// its program: the bench starts one process for each.
pub(crate) static RADIUS: OnceLock<u32> = OnceLock::new();

/// Where an entity is.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 1)]
pub(crate) struct Place {
    #[replicated(scale = 100)]
    x: i32,
    #[replicated(scale = 100)]
    y: i32,
}

/// How fast it moves, if it is one of those that do.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 2)]
pub(crate) struct Motion {
    #[replicated(scale = 100)]
    x: i16,
    #[replicated(scale = 100)]
    y: i16,
}

/// Never changes here; the peer's entities have it too.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 3)]
pub(crate) struct Health {
    points: u16,
}

/// Number of the newest command that was applied to it.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 4)]
pub(crate) struct Newest {
    number: u32,
}

/// Its place in the world's list; every fifth moves.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 5, visibility = "server")]
pub(crate) struct Slot {
    index: u32,
}

/// How many entities there are, and how wide the square is.
#[derive(Resource, Debug, Clone, Copy)]
pub(crate) struct Extent {
    entities: u32,
    width: i32,
}

impl Extent {
    /// As content of a match. `width` in whole units.
    pub(crate) fn content(entities: u32, width: u32) -> Vec<u8> {
        [entities.to_le_bytes(), width.to_le_bytes()].concat()
    }
}

/// A player wants its entity to move so, and gives the wish a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steer {
    pub(crate) x: i16,
    pub(crate) y: i16,
    pub(crate) number: u32,
}

impl Steer {
    pub(crate) fn encode(self) -> Vec<u8> {
        let [x, y] = [self.x.to_le_bytes(), self.y.to_le_bytes()];
        [&x[..], &y[..], &self.number.to_le_bytes()].concat()
    }
}

/// The game.
pub(crate) struct Points;

impl Game for Points {
    const NAME: &'static str = "bench-points";
    const RULES_VERSION: u32 = 1;
    const COMMAND_SCHEMA: &'static [u8] = &[];
    const TICKING: Ticking = Ticking::Rate { millihertz: TICKS_PER_SECOND as u32 * 1_000 };
    const REJECTIONS: &'static [(u8, &'static str)] = &[];
    type Command = Steer;
    type Content = Extent;

    fn register(registry: &mut Registry) {
        registry.component::<Place>().component::<Motion>().component::<Health>().component::<Newest>();
        registry.component::<Slot>();
    }

    fn interest() -> Option<Interest> {
        let radius = *RADIUS.get()? * UNIT as u32;
        Some(Interest::new().near::<Place>(&["x", "y"], Reach::Radius(radius)))
    }

    fn systems() -> ScheduleConfigs<ScheduleSystem> {
        (steer, walk).chain()
    }

    fn decode_command(payload: &[u8]) -> Result<Steer, InvalidCommand> {
        let [x0, x1, y0, y1, number @ ..] = payload else { return Err(InvalidCommand("too short".to_owned())) };
        let number = number.try_into().map_err(|_| InvalidCommand("eight bytes".to_owned()))?;
        let [x, y] = [i16::from_le_bytes([*x0, *x1]), i16::from_le_bytes([*y0, *y1])];
        Ok(Steer { x, y, number: u32::from_le_bytes(number) })
    }

    fn load_content(content: &[u8]) -> Result<Extent, ContentError> {
        let numbers: [u8; 8] = content.try_into().map_err(|_| ContentError("eight bytes".to_owned()))?;
        let [entities, width] = [0, 4].map(|at| {
            let [a, b, c, d] = [numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]];
            u32::from_le_bytes([a, b, c, d])
        });
        Ok(Extent { entities, width: width as i32 * UNIT })
    }

    fn open(world: &mut World) {
        let Extent { entities, width } = *world.resource::<Extent>();
        let mut random = MatchRng::new(5, 0, "places");
        for index in 0..entities {
            let place = Place { x: random.between(0, width), y: random.between(0, width) };
            let [x, y] = [(); 2].map(|()| random.between(-SPEED_MAX, SPEED_MAX) as i16);
            let rest = (Motion { x, y }, Health { points: 100 }, Newest { number: 0 }, Slot { index });
            spawn(world, PlayerId(0), (place, rest));
        }
    }

    /// Gives the player the first entity that nobody has: those that move come first, one fifth after the other.
    fn join(world: &mut World, player: PlayerId) {
        let entities = world.resource::<Extent>().entities;
        let movers = entities.div_ceil(MOVING_ONE_OF);
        let turn = |slot: &Slot| slot.index % MOVING_ONE_OF * movers + slot.index / MOVING_ONE_OF;
        let mut free = world.query::<(Entity, &Identity, &Slot)>();
        let free = free.iter(world).filter(|(_, identity, _)| identity.owner == PlayerId(0));
        let Some((_, entity)) = free.map(|(entity, _, slot)| (turn(slot), entity)).min() else { return };
        if let Some(mut identity) = world.get_mut::<Identity>(entity) {
            identity.owner = player;
        }
    }

    fn leave(world: &mut World, player: PlayerId) {
        let mut all = world.query::<&mut Identity>();
        all.iter_mut(world).filter(|identity| identity.owner == player).for_each(|mut identity| {
            identity.owner = PlayerId(0);
        });
    }
}

fn steer(mut inbox: ResMut<'_, Inbox<Steer>>, mut points: Query<'_, '_, (&Identity, &mut Motion, &mut Newest)>) {
    let mut orders: std::collections::BTreeMap<u32, Steer> = std::collections::BTreeMap::new();
    // Of several in one tick the last counts.
    orders.extend(inbox.iter_mut().map(|order| (order.player.0, order.command)));
    if orders.is_empty() {
        return;
    }
    for (identity, mut motion, mut newest) in &mut points {
        if let Some(order) = orders.get(&identity.owner.0) {
            *motion = Motion { x: order.x, y: order.y };
            newest.number = order.number;
        }
    }
}

fn walk(extent: Res<'_, Extent>, mut points: Query<'_, '_, (&Slot, &mut Place, &mut Motion)>) {
    for (slot, mut place, mut motion) in &mut points {
        if !slot.index.is_multiple_of(MOVING_ONE_OF) {
            continue;
        }
        let (x, bounced_x) = step(place.x, motion.x, extent.width);
        let (y, bounced_y) = step(place.y, motion.y, extent.width);
        place.set_if_neq(Place { x, y });
        let turned = |speed: i16, bounced: bool| if bounced { -speed } else { speed };
        motion.set_if_neq(Motion { x: turned(motion.x, bounced_x), y: turned(motion.y, bounced_y) });
    }
}

fn step(at: i32, speed: i16, width: i32) -> (i32, bool) {
    let next = at + i32::from(speed) / TICKS_PER_SECOND;
    (next.clamp(0, width), !(0..=width).contains(&next))
}
