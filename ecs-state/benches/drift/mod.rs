//! A game in which everything moves, and as many entities as the content says.

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use ecs_state::{
    ContentError, Game, InvalidCommand, MatchSetup, PlayerId, Registry, Replicated, Simulation, Ticking, spawn,
};

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 1, sync = "interpolate")]
pub struct Position {
    #[replicated(scale = 256)]
    x: i32,
    #[replicated(scale = 256)]
    y: i32,
}

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 2)]
pub struct Velocity {
    x: i16,
    y: i16,
}

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 3)]
pub struct Health(u16);

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 4, visibility = "owner")]
pub struct Purse(u32);

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 5, visibility = "server")]
pub struct Plan {
    target: [i32; 2],
    until: u64,
}

#[derive(Resource, Clone)]
pub struct Population(u32);

type Bundle = (Position, Velocity, Health, Purse, Plan);

fn bundle(number: u32) -> Bundle {
    let (x, y) = ((number * 97 % 65_536) as i32, (number * 31 % 65_536) as i32);
    let velocity = Velocity { x: (number % 200) as i16 - 100, y: 7 };
    (Position { x, y }, velocity, Health(100), Purse(number), Plan { target: [y, x], until: u64::from(number) })
}

fn drift(mut bodies: Query<'_, '_, (&mut Position, &Velocity)>) {
    bodies.iter_mut().for_each(|(mut position, velocity)| advance(&mut position, velocity));
}

fn advance(position: &mut Position, velocity: &Velocity) {
    position.x = (position.x + i32::from(velocity.x)) & 0xffff;
    position.y = (position.y + i32::from(velocity.y)) & 0xffff;
}

/// The floor of a step: the same rule over the same components, and nothing kept, compared or written.
pub struct Raw {
    world: World,
    bodies: QueryState<(&'static mut Position, &'static Velocity)>,
}

impl Raw {
    pub fn new(population: u32) -> Self {
        let mut world = World::new();
        world.spawn_batch((0..population).map(bundle));
        let bodies = world.query();
        Self { world, bodies }
    }

    pub fn step(&mut self) {
        self.bodies.iter_mut(&mut self.world).for_each(|(mut position, velocity)| advance(&mut position, velocity));
    }
}

/// At this rate nothing moves.
pub const STILL: u32 = 29_999;

/// The game with so many thousandths of a tick a second; a tenth of a tick makes each tick a barrier.
pub struct Drift<const MILLIHERTZ: u32>;

impl<const MILLIHERTZ: u32> Game for Drift<MILLIHERTZ> {
    const NAME: &'static str = "drift";
    const RULES_VERSION: u32 = 1;
    const COMMAND_SCHEMA: &'static [u8] = &[];
    const TICKING: Ticking = Ticking::Rate { millihertz: MILLIHERTZ };
    const REJECTIONS: &'static [(u8, &'static str)] = &[];
    type Command = ();
    type Content = Population;

    fn register(registry: &mut Registry) {
        registry
            .component::<Position>()
            .component::<Velocity>()
            .component::<Health>()
            .component::<Purse>()
            .component::<Plan>();
    }

    fn systems() -> ScheduleConfigs<ScheduleSystem> {
        if MILLIHERTZ == STILL { (|| {}).into_configs() } else { drift.into_configs() }
    }

    fn decode_command(_: &[u8]) -> Result<(), InvalidCommand> {
        Ok(())
    }

    fn load_content(content: &[u8]) -> Result<Population, ContentError> {
        let number = content.try_into().map_err(|_| ContentError("four bytes".to_owned()))?;
        Ok(Population(u32::from_le_bytes(number)))
    }

    fn open(world: &mut World) {
        let Population(population) = *world.resource::<Population>();
        (0..population).for_each(|number| _ = spawn(world, PlayerId(number % 64), bundle(number)));
    }

    fn join(_: &mut World, _: PlayerId) {}

    fn leave(_: &mut World, _: PlayerId) {}
}

pub fn setup(population: u32) -> MatchSetup {
    MatchSetup { match_id: 1, seed: 1, content: population.to_le_bytes().as_slice().into() }
}

pub fn open<const MILLIHERTZ: u32>(population: u32) -> Simulation<Drift<MILLIHERTZ>> {
    Simulation::open(setup(population), 0).expect("four bytes")
}
