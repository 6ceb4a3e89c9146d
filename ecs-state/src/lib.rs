//! A match as a deterministic `bevy_ecs` world.
//!
//! Responsible for stepping a match ([`Simulation`]), for knowing what a step changed, for the state
//! hash, and for the **keyframe barrier** that makes a world that lived through and one that was
//! restored step alike (`DETERMINISM.md`).
//!
//! Not responsible for when a match steps, who may command it, or where its bytes go
//! (`cluster-service`, `snapshots`). Knows no network, clock or file.
//!
//! Start from [`Game`], what a game implements, and [`Simulation::step`], the only way to move a world.

mod capture;
mod edit;
pub mod field;
mod game;
mod identity;
mod inbox;
mod interest;
mod keyframe;
mod living;
pub mod match_math;
mod moment;
mod random;
mod registry;
mod simulation;
mod trace;

pub use ecs_state_derive::Replicated;
pub use edit::EditError;
pub use field::Replicated;
pub use game::{ContentError, Game, InvalidCommand, Ticking};
pub use identity::{EntityIndex, Identity, Spawner, despawn, spawn};
pub use inbox::{Inbox, Order};
pub use interest::Interest;
pub use keyframe::{Keyframe, KeyframeError};
pub use moment::Moment;
pub use protocol::manifest::Reach;
pub use protocol::{EntityId, MatchId, OutcomeCode, PlayerId, Tick};
pub use random::MatchRng;
pub use registry::{Registry, RegistryError};
pub use simulation::{Input, MatchSetup, Simulation, StepContext, StepOutput, WakeUp};
pub use trace::{Trace, Write};
