//! Writes a match while it is played.

use crate::{ReplayError, Source};
use ecs_state::{Game, Input, Keyframe, Simulation, StepOutput};
use snapshots::{MatchFileWriter, MatchHeader, Origin, Step};

/// Makes a match file of a simulation that somebody moves.
pub(crate) struct Recorder {
    writer: MatchFileWriter,
}

impl Recorder {
    pub(crate) fn new(header: &MatchHeader, content: &[u8]) -> Self {
        Self { writer: MatchFileWriter::new(header, content) }
    }

    /// Begins a segment; the first thing to do.
    pub(crate) fn keyframe(&mut self, keyframe: &Keyframe) {
        self.writer.keyframe(keyframe);
    }

    /// Takes over what was recorded, from the keyframe of tick `from` up to `to`; the keyframe of `to`, if there is
    /// one, too.
    pub(crate) fn copy(&mut self, source: &Source, from: u64, to: u64) -> Result<(), ReplayError> {
        for tick in from..=to {
            if tick > from {
                self.writer.step(source.step_of(tick).expect("the tick is in the match").clone());
            }
            let keyframe = source.keyframe_at(tick)?;
            if keyframe.tick == tick {
                self.writer.keyframe(&keyframe);
            }
        }
        Ok(())
    }

    /// Moves the match by one tick and writes what came of it. Origins are those of the commands, in order; a command
    /// that never was in a log has none.
    pub(crate) fn step<G: Game>(
        &mut self,
        simulation: &mut Simulation<G>,
        time_ms: i64,
        inputs: Vec<Input>,
        origins: Vec<Option<Origin>>,
    ) -> StepOutput {
        let output = simulation.step(time_ms, &inputs);
        let columns = Step::column_hashes(simulation.columns());
        self.writer.step(Step { time_ms, inputs, origins: known(origins), hash: output.hash(), columns });
        if output.is_barrier {
            self.writer.keyframe(simulation.keyframe());
        }
        output
    }

    /// Writes a tick of which no state comes, because a rule panics in it.
    pub(crate) fn step_that_panics(&mut self, time_ms: i64, inputs: Vec<Input>, origins: Vec<Option<Origin>>) {
        self.writer.step(Step { time_ms, inputs, origins: known(origins), hash: 0, columns: Vec::new() });
    }

    /// The whole file.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.writer.finish()
    }
}

/// Origins stand beside all commands of a tick or beside none.
fn known(origins: Vec<Option<Origin>>) -> Vec<Origin> {
    if origins.iter().all(Option::is_none) {
        return Vec::new();
    }
    origins.into_iter().map(|origin| origin.unwrap_or(Origin::NOWHERE)).collect()
}
