//! What a game implements.

use std::fmt::Debug;

use bevy_ecs::prelude::{Resource, World};
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use protocol::{Columns, PlayerId};
use thiserror::Error;

use crate::{Interest, Moment, Registry};

/// When a match steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticking {
    /// At a fixed rate, in ticks per 1,000 seconds (30 Hz is 30,000).
    Rate {
        /// 1 to [`protocol::limits::TICK_MILLIHERTZ_MAX`].
        millihertz: u32,
    },
    /// At the log entry that carries commands or lets players come and go; idle costs nothing.
    OnCommand,
}

impl Ticking {
    /// As it stands in the manifest: 0 means on command.
    #[must_use]
    pub const fn millihertz(self) -> u32 {
        match self {
            Self::Rate { millihertz } => millihertz,
            Self::OnCommand => 0,
        }
    }
}

/// The payload of a command is none of this game's. The command is rejected on every member alike.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a command of this game: {0}")]
pub struct InvalidCommand(pub String);

/// The content (map, balance) is not one that this game can play.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ContentError(pub String);

/// The rules of a game.
///
/// A world holds three kinds of things: **replicated** components and resources, registered in
/// [`Game::register`], which are the state; **transient** ones, registered as such, which may be
/// lost between any two ticks; and the content. Anything else fails the first tick.
///
/// Everything here runs on every member and must compute the same there: see `DETERMINISM.md`.
pub trait Game: Sized + Send + Sync + 'static {
    /// Name in manifests and files.
    const NAME: &'static str;
    /// Raise with every change of rules that can change an outcome.
    const RULES_VERSION: u32;
    /// FlatBuffers binary schema of [`Game::Command`]; empty for opaque commands.
    const COMMAND_SCHEMA: &'static [u8];
    /// When its matches step.
    const TICKING: Ticking;
    /// Rejections by number (0 to 255) and name.
    const REJECTIONS: &'static [(u8, &'static str)];

    /// A command that was verified and decoded.
    type Command: Debug + Send + Sync + 'static;
    /// What a match is played with; systems read it as a resource and never write it.
    type Content: Resource + Clone;

    /// Names the replicated and transient components and resources.
    fn register(registry: &mut Registry);
    /// Who hears of which entity; everybody of everything when there are no hints. It is no rule: what edges tell
    /// changes nothing about a match. Names that are not there fail when the manifest is made.
    fn interest() -> Option<Interest> {
        None
    }
    /// The systems in the order in which they run: a chained tuple.
    fn systems() -> ScheduleConfigs<ScheduleSystem>;
    /// Reads a command. Bytes come from players.
    ///
    /// # Errors
    /// When they are no command of this game.
    fn decode_command(payload: &[u8]) -> Result<Self::Command, InvalidCommand>;
    /// A command as people read it.
    fn command_to_text(command: &Self::Command) -> String {
        format!("{command:?}")
    }
    /// The bytes of a command that people wrote, in the form of [`Game::command_to_text`] if the game reads that.
    ///
    /// # Errors
    /// When the text is none; a game that reads no text at all says so.
    fn command_from_text(text: &str) -> Result<Vec<u8>, InvalidCommand> {
        Err(InvalidCommand(format!("it reads no commands from text such as {text:?}; give the bytes in hexadecimal")))
    }
    /// Reads the content of a match. Bytes come from operators.
    ///
    /// # Errors
    /// When the game cannot be played with it.
    fn load_content(content: &[u8]) -> Result<Self::Content, ContentError>;
    /// The content of a match with a part of it replaced, as when somebody asks what another balance would have made
    /// of it. A game whose content has no parts takes the part for the whole. Not called while a match is played.
    ///
    /// # Errors
    /// When the part is none. Whether the game can be played with the result is for [`Game::load_content`] to say.
    fn revise_content(content: &[u8], part: &[u8]) -> Result<Vec<u8>, ContentError> {
        let _ = content;
        Ok(part.to_vec())
    }
    /// Fills a new match.
    fn open(world: &mut World);
    /// A player joins, before the systems of a tick run.
    fn join(world: &mut World, player: PlayerId);
    /// A player leaves for good, before the systems of a tick run.
    fn leave(world: &mut World, player: PlayerId);
    /// What happened in a tick, in words of the game, read from the state before it and the state after it. For people
    /// who look at a match, never for rules; not called while a match is played.
    fn moments(before: &Columns, after: &Columns) -> Vec<Moment> {
        let _ = (before, after);
        Vec::new()
    }
}
