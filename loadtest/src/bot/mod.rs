//! A bot as a function of what it sees: no sockets and no clocks.
//!
//! ```text
//!  Columns ──► scene ──► brain ──► voice ──► commands
//!              what it   what it   only what changed,
//!              sees      wants     within its rate
//! ```
//!
//! Equal seeds that see equal matches give equal commands.

mod brain;
mod random;
mod scene;
mod space;
mod voice;

use std::sync::Arc;

use arena::Command;
use protocol::manifest::Manifest;
use protocol::{Columns, PlayerId, Tick};

pub(crate) use random::Random;
pub use scene::NotTheArena;

use brain::Brain;
use scene::Lens;
use voice::Voice;

/// One bot.
#[derive(Debug, Clone)]
pub struct Bot {
    player: PlayerId,
    lens: Lens,
    brain: Brain,
    voice: Voice,
    thought: Option<Tick>,
}

impl Bot {
    /// A bot for a player. It never gives more than `commands_per_second`, bursts of a fifth of a second aside.
    ///
    /// # Errors
    /// When the manifest is not that of an arena.
    pub fn new(
        manifest: &Arc<Manifest>,
        player: PlayerId,
        commands_per_second: f64,
        seed: u64,
    ) -> Result<Self, NotTheArena> {
        Ok(Self {
            player,
            lens: Lens::new(manifest)?,
            brain: Brain::new(seed),
            voice: Voice::new(commands_per_second, manifest.tick_millihertz()),
            thought: None,
        })
    }

    /// Gives the commands to send now, at most `room`; nothing for a tick that was thought about before.
    ///
    /// # Errors
    /// When the server was updated to a game that is no arena.
    pub fn think(&mut self, columns: &Columns, tick: Tick, room: usize) -> Result<Vec<Command>, NotTheArena> {
        if self.thought >= Some(tick) {
            return Ok(Vec::new());
        }
        self.thought = Some(tick);
        self.refocus(columns)?;
        let Some(scene) = self.lens.look(columns, self.player) else {
            // Dead: nothing to say until there is a body again.
            return Ok(Vec::new());
        };
        let wants = self.brain.decide(&scene, &self.lens, columns, tick);
        Ok(self.voice.say(scene.me.entity, wants, tick, room))
    }

    /// Takes back what was said: the rules refused it. It is tried again after a moment, if it is still wanted.
    pub fn handle_rejection(&mut self, command: Command) {
        self.voice.handle_rejection(command, self.thought.unwrap_or_default());
    }

    /// Applied commands of this bot, as the match counts them; `None` while it has no seat.
    ///
    /// # Errors
    /// When the server was updated to a game that is no arena.
    pub fn tally(&mut self, columns: &Columns) -> Result<Option<u64>, NotTheArena> {
        self.refocus(columns)?;
        Ok(self.lens.tally(columns, self.player))
    }

    fn refocus(&mut self, columns: &Columns) -> Result<(), NotTheArena> {
        if self.lens.is_stale(columns) {
            self.lens = Lens::new(columns.manifest())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
