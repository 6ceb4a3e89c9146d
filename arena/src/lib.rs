//! The arena: a top-down team shooter, and the game that Worldlog is measured with.
//!
//! Two or four teams on a walled map, 30 ticks a second: move, aim, shoot, reload, take what lies around, die, come
//! back, and win the round. Neutral drones, as many as the content asks for, are in the way.
//!
//! Responsible for the rules and for reading the content (map and balance). Not responsible for anything else: it
//! knows no network, log, clock or file, and moves only when `ecs_state::Simulation` steps it.
//!
//! Start from [`Arena`]; [`Command`] is what players ask for, [`components`] what they see.

// The generated code names `alloc`.
extern crate alloc;

pub mod balance;
pub mod commands;
pub mod components;
pub mod content;
mod generated;
pub mod map;
mod moments;
mod shapes;
mod systems;

use bevy_ecs::prelude::{IntoScheduleConfigs, World};
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use ecs_state::{ContentError, Game, Interest, InvalidCommand, Moment, PlayerId, Reach, Registry, Ticking};
use protocol::Columns;

pub use commands::{Command, Rejection};
pub use content::{Content, content, content_with_population, default_content};

use components::{
    Drone, Facing, Health, Intent, Kind, Loadout, METRE, Pickup, Position, Score, Seat, Shot, Tally, Team, Velocity,
    Wound,
};
use systems::{combat, drones, movement, orders, pickups, projectiles, rounds, seats};

/// Name in manifests and files.
pub const NAME: &str = "arena";

/// Steps in a second. Balance numbers are in seconds and metres and become ticks when the content is read.
pub const TICKS_PER_SECOND: i32 = 30;

/// How far players see to the right and left of themselves, and up and down.
pub const SIGHT_METRES: [u32; 2] = [40, 24];

/// What was in sight stays known until it is this much farther: less than half a second of walking.
pub const SIGHT_MARGIN_METRES: u32 = 3;

/// The rules of the arena.
#[derive(Debug)]
pub struct Arena;

impl Game for Arena {
    const NAME: &'static str = NAME;
    const RULES_VERSION: u32 = 1;
    const COMMAND_SCHEMA: &'static [u8] = include_bytes!("generated/arena.bfbs");
    const TICKING: Ticking = Ticking::Rate { millihertz: TICKS_PER_SECOND as u32 * 1_000 };
    const REJECTIONS: &'static [(u8, &'static str)] = &Rejection::NAMES;

    type Command = Command;
    type Content = Content;

    fn register(registry: &mut Registry) {
        registry
            .component::<Kind>()
            .component::<Position>()
            .component::<Velocity>()
            .component::<Facing>()
            .component::<Team>()
            .component::<Health>()
            .component::<Seat>()
            .component::<Tally>()
            .component::<Loadout>()
            .component::<Intent>()
            .component::<Wound>()
            .component::<Shot>()
            .component::<Pickup>()
            .component::<Drone>()
            .resource::<Score>();
    }

    /// What a screen of 16:9 shows that is 80 m wide, with a little on each side; seats and the score from everywhere.
    fn interest() -> Option<Interest> {
        let reach = Reach::Rectangle(SIGHT_METRES.map(|metres| metres * METRE as u32).to_vec());
        let margin = SIGHT_MARGIN_METRES * METRE as u32;
        Some(Interest::new().near::<Position>(&["x", "y"], reach).margin(margin).always::<Seat>().always::<Score>())
    }

    fn systems() -> ScheduleConfigs<ScheduleSystem> {
        (
            rounds::advance,
            seats::respawn,
            drones::replenish,
            orders::obey,
            pickups::take_weapons,
            drones::steer,
            movement::walk,
            movement::roam,
            combat::shoot,
            projectiles::fly,
            combat::bury_players,
            combat::bury_drones,
            pickups::take,
            pickups::restock,
            rounds::finish,
            orders::count,
        )
            .chain()
    }

    fn decode_command(payload: &[u8]) -> Result<Command, InvalidCommand> {
        Command::decode(payload)
    }

    fn command_to_text(command: &Command) -> String {
        command.to_text()
    }

    fn command_from_text(text: &str) -> Result<Vec<u8>, InvalidCommand> {
        Command::from_text(text).map(|command| command.encode())
    }

    fn load_content(content: &[u8]) -> Result<Content, ContentError> {
        Content::decode(content)
    }

    fn revise_content(content: &[u8], part: &[u8]) -> Result<Vec<u8>, ContentError> {
        content::revised(content, part)
    }

    fn open(world: &mut World) {
        rounds::open(world);
        pickups::open(world);
        drones::open(world);
    }

    fn join(world: &mut World, player: PlayerId) {
        seats::join(world, player);
    }

    fn leave(world: &mut World, player: PlayerId) {
        seats::leave(world, player);
    }

    fn moments(before: &Columns, after: &Columns) -> Vec<Moment> {
        moments::between(before, after)
    }
}
