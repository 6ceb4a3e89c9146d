//! Playheads of one match that rest where they were left, so that a place near one is reached by a few steps.

use std::sync::{Arc, Mutex};

use ecs_state::{Game, Simulation};
use replay::{Reel, ReplayError, Source};

use super::library::lock;
use super::limits::REELS_MAX;

/// Playheads that nobody uses, the one that was used last at the end.
pub(crate) struct Reels<G: Game>(Mutex<Vec<Reel<G>>>);

impl<G: Game> Default for Reels<G> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<G: Game> Reels<G> {
    /// A playhead at a tick of `source`. What is asked of it takes as many steps as it is away from a playhead before
    /// it, or from a keyframe.
    ///
    /// # Errors
    /// When the file cannot be played from there.
    pub(crate) fn at(&self, source: &Arc<Source>, tick: u64) -> Result<Reel<G>, ReplayError> {
        let mut reel = match self.take(source, tick) {
            Some(reel) => reel,
            None => Reel::new(Arc::clone(source))?,
        };
        reel.seek(tick)?;
        Ok(reel)
    }

    /// The nearest before the tick; the one that rested longest when none is near, and none when there may be more.
    fn take(&self, source: &Arc<Source>, tick: u64) -> Option<Reel<G>> {
        let mut reels = lock(&self.0);
        let is_near = |at: u64| at <= tick && tick - at <= Simulation::<G>::barrier_ticks();
        let near = reels.iter().enumerate().filter(|(_, reel)| is_near(reel.tick()));
        let place = near.max_by_key(|(_, reel)| reel.tick()).map(|(place, _)| place);
        let place = place.or_else(|| (reels.len() >= REELS_MAX).then_some(0))?;
        Some(reels.remove(place)).filter(|reel| Arc::ptr_eq(reel.source(), source))
    }

    /// Lets a playhead rest where it is. One whose world was edited must not.
    pub(crate) fn rest(&self, reel: Reel<G>) {
        let mut reels = lock(&self.0);
        if reels.len() >= REELS_MAX {
            reels.remove(0);
        }
        reels.push(reel);
    }

    /// The match goes on in another file.
    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}
