//! The Rust client: connect, join, command, mirror, resume.
//!
//! Responsible for everything between a program that plays and an edge: the QUIC connection and its
//! return after a loss, the numbering of commands and the one outcome of each, and a verified
//! mirror of what the player may see.
//!
//! Not responsible for the meaning of rows and commands (the manifest and the game's schema say
//! it), nor for drawing between two ticks.
//!
//! Start from [`Client::connect`], then [`Client::join`]; all else is [`Player`].
//!
//! ```no_run
//! use client::{Client, ClientOptions, Outcome, Trust};
//!
//! # async fn play(token: String, command: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//! let edges: std::net::SocketAddr = "127.0.0.1:4433".parse()?;
//! let client = Client::connect(edges, Trust::DevInsecureLoopback, ClientOptions::default()).await?;
//! let player = client.join(token).await?;
//!
//! // A command has exactly one outcome, through any number of lost connections.
//! match player.send(command).await? {
//!     Outcome::Applied { tick, .. } => {
//!         // Whoever is told can see the effect.
//!         assert!(player.with_mirror(|mirror| mirror.tick() >= tick));
//!     }
//!     Outcome::Rejected { name, .. } => println!("the rules say no: {name}"),
//! }
//!
//! let tick = player.next_tick().await?;
//! let entities = player.with_mirror(|mirror| mirror.columns().entity_count());
//! println!("{entities} entities at tick {tick}");
//! player.leave().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a lost connection does
//!
//! Nothing that the program must see to. The player reconnects, edge after edge, and takes up its
//! session; commands without an outcome are sent again under their old numbers, and the server runs
//! each once. After [`ClientOptions::give_up`], or when the server says that the session is over,
//! everything that still waits ends with [`SendError::SessionEnded`].
//!
//! ```text
//!  Player ──► Outstanding ──┐                  ┌── Mirror ──► Player
//!   send      numbers,      ├─► connection ────┤   applies,    with_mirror
//!             window,       │   one task,      │   verifies
//!             resends       │   one socket     └── outcomes ──► Receipt
//!             └─────────────┴── reconnect: join once, resume, back off, give up
//! ```

mod client;
mod connection;
mod error;
mod link;
mod messages;
mod mirror;
mod outstanding;
mod pace;
mod player;
mod reconnect;
mod shared;
mod socket;
mod stats;
mod trust;

pub use client::{Client, ClientOptions, EdgeAddresses};
pub use error::{ConnectError, SendError, SessionEnd};
pub use link::LinkFaults;
pub use mirror::{Mirror, MirrorCounts};
pub use player::{Outcome, Player, Pong, Receipt};
pub use stats::Stats;
pub use trust::Trust;

/// A number that nobody need be able to repeat: for jitter and nonces.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
