//! What forks, parts and corpora ask of a recorded match.

use std::path::Path;
use std::sync::Arc;

use ecs_state::{Game, Input, Keyframe, MatchSetup, Simulation};
use snapshots::MatchFile;

use crate::{ReplayError, Source};

impl Source {
    /// Reads a match file from memory; `path` is its name for people.
    ///
    /// # Errors
    /// When it cannot be played by `G`.
    pub fn decode<G: Game>(path: &Path, bytes: &[u8]) -> Result<Self, ReplayError> {
        Self::from_file::<G>(path.to_owned(), MatchFile::decode(path, bytes)?)
    }

    /// Whether the match was played with other rules than those of `G`.
    #[must_use]
    pub fn is_drifting<G: Game>(&self) -> bool {
        let header = &self.file().header;
        header.rules_version != G::RULES_VERSION || header.manifest != self.manifest().bytes()
    }

    /// Whether the file knows where commands stood in the log.
    #[must_use]
    pub fn has_origins(&self) -> bool {
        let steps = (self.first_tick() + 1..=self.last_tick()).filter_map(|tick| self.step_of(tick));
        steps.into_iter().any(|step| !step.origins.is_empty())
    }

    /// Map and balance with which the ticks after this one are played.
    #[must_use]
    pub fn content_at(&self, tick: u64) -> Arc<[u8]> {
        let swaps = self.file().header.fork.as_ref().map_or(&[][..], |fork| &fork.swaps);
        let swapped = swaps.iter().rev().filter(|swap| **swap <= tick).find_map(|swap| {
            self.step_of(*swap)?.inputs.iter().rev().find_map(|input| match input {
                Input::Content { content } => Some(content.as_slice().into()),
                _ => None,
            })
        });
        swapped.unwrap_or_else(|| self.file().content.as_slice().into())
    }

    /// The last keyframe that is not after a tick.
    pub(crate) fn keyframe_at(&self, tick: u64) -> Result<Arc<Keyframe>, ReplayError> {
        Ok(Arc::new(self.keyframe_before(tick).clone()))
    }

    /// A world of a keyframe, with some content.
    pub(crate) fn restore_with<G: Game>(
        &self,
        keyframe: &Arc<Keyframe>,
        content: Arc<[u8]>,
    ) -> Result<Simulation<G>, ReplayError> {
        self.check_components()?;
        let header = &self.file().header;
        let setup = MatchSetup { match_id: header.match_id, seed: header.seed, content };
        Simulation::restore(setup, Arc::clone(keyframe))
            .map_err(|source| ReplayError::Keyframe { path: self.path().to_owned(), source })
    }
}
