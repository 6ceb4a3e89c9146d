//! A playhead: a recorded match at one tick, moved by stepping it.

use std::sync::Arc;

use ecs_state::{Game, Input, Simulation, StepOutput, Trace};
use protocol::Columns;

use crate::{ReplayError, Source};

/// A recorded match at a tick. What it shows came about by stepping from a keyframe of the file, exactly as the match
/// did: a world restored anywhere else would go on in another order.
pub struct Reel<G: Game> {
    source: Arc<Source>,
    simulation: Simulation<G>,
    /// Whether the world may be another than the recorded one.
    is_edited: bool,
    /// Whether its worlds have probes.
    is_tracing: bool,
}

impl<G: Game> std::fmt::Debug for Reel<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reel").field("path", &self.source.path()).field("tick", &self.tick()).finish_non_exhaustive()
    }
}

impl<G: Game> Reel<G> {
    /// A playhead at the first tick of the file.
    ///
    /// # Errors
    /// When the keyframe there does not load.
    pub fn new(source: Arc<Source>) -> Result<Self, ReplayError> {
        let simulation = source.restore(source.keyframe_before(source.first_tick()))?;
        Ok(Self { source, simulation, is_edited: false, is_tracing: false })
    }

    /// A playhead at the first tick of the file, which can tell of each tick which system wrote what. It is moved a
    /// little more slowly than another.
    ///
    /// # Errors
    /// When the keyframe there does not load.
    pub fn tracing(source: Arc<Source>) -> Result<Self, ReplayError> {
        let mut reel = Self::new(source)?;
        reel.is_tracing = reel.simulation.make_traceable();
        Ok(reel)
    }

    /// Moves to the state after a tick: forward from here when that is near, else from the last keyframe before it. At
    /// most one barrier interval is stepped when the file has its keyframes. Undoes whatever was edited.
    ///
    /// # Errors
    /// When the file does not hold the tick, or a keyframe does not load; the playhead stays where it was.
    pub fn seek(&mut self, tick: u64) -> Result<(), ReplayError> {
        self.source.check_tick(tick)?;
        let keyframe = self.source.keyframe_before(tick);
        let is_on_the_way = !self.is_edited && (keyframe.tick..=tick).contains(&self.tick());
        if !is_on_the_way {
            self.simulation = self.source.restore(keyframe)?;
            self.is_edited = false;
            if self.is_tracing {
                self.simulation.make_traceable();
            }
        }
        while self.tick() < tick && self.step().is_some() {}
        Ok(())
    }

    /// Plays the next recorded tick; `None` at the end of the file.
    pub fn step(&mut self) -> Option<StepOutput> {
        let step = self.source.step_of(self.simulation.tick() + 1)?;
        Some(self.simulation.step(step.time_ms, &step.inputs))
    }

    /// Plays a tick with other inputs than the recorded ones. What follows is another match.
    pub fn step_with(&mut self, time_ms: i64, inputs: &[Input]) -> StepOutput {
        self.is_edited = true;
        self.simulation.step(time_ms, inputs)
    }

    /// Plays the next recorded tick and tells which system wrote what; `None` at the end of the file.
    ///
    /// # Panics
    /// When the playhead was not made by [`Reel::tracing`] and is not at a keyframe.
    pub fn trace_step(&mut self) -> Option<Trace> {
        let step = self.source.step_of(self.simulation.tick() + 1)?;
        Some(self.simulation.step_traced(step.time_ms, &step.inputs).1)
    }

    /// Plays a tick with other inputs than the recorded ones, and tells which system wrote what. What follows is another
    /// match.
    ///
    /// # Panics
    /// As [`Reel::trace_step`].
    pub fn trace_step_with(&mut self, time_ms: i64, inputs: &[Input]) -> Trace {
        self.is_edited = true;
        self.simulation.step_traced(time_ms, inputs).1
    }

    /// The tick that ran last.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.simulation.tick()
    }

    /// The match at this tick.
    #[must_use]
    pub const fn simulation(&self) -> &Simulation<G> {
        &self.simulation
    }

    /// The match at this tick, to be changed. What follows is another match, until the next [`Reel::seek`].
    pub const fn simulation_mut(&mut self) -> &mut Simulation<G> {
        self.is_edited = true;
        &mut self.simulation
    }

    /// The state at this tick.
    #[must_use]
    pub const fn columns(&self) -> &Columns {
        self.simulation.columns()
    }

    /// What is played.
    #[must_use]
    pub const fn source(&self) -> &Arc<Source> {
        &self.source
    }
}
