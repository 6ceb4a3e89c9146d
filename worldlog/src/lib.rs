//! The facade of Worldlog and the program that games become.
//!
//! Responsible for putting the parts into one process ([`dev`]) and for the command line. Not
//! responsible for what the parts do.
//!
//! Start from [`main`]: a game's whole program is
//!
//! ```no_run
//! # use worldlog::GameContent;
//! # fn content() -> Vec<u8> { arena::default_content() }
//! fn main() -> std::process::ExitCode {
//!     worldlog::main::<arena::Arena>(GameContent { default: content, with_population: None })
//! }
//! ```

mod cli;
pub mod config;
pub mod dev;
pub mod edge;
mod http;
mod operator;
mod registry;
mod replaying;

pub use ecs_state;
pub use operator::{Beginning, Operator, OperatorError};
pub use registry::{Running, find_by_data, find_by_http, find_by_quic};

/// Where the content of new matches comes from.
#[derive(Debug, Clone, Copy)]
pub struct GameContent {
    /// Map and balance that come with the game.
    pub default: fn() -> Vec<u8>,
    /// The same with so many entities that belong to nobody, where the game has such.
    pub with_population: Option<fn(u32) -> Vec<u8>>,
}

/// The program: reads the command line and does what it says.
#[must_use]
pub fn main<G: ecs_state::Game>(content: GameContent) -> std::process::ExitCode {
    cli::run::<G>(content)
}
