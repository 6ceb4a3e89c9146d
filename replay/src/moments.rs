//! What happened in a match, over all its ticks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ecs_state::{Game, Moment, StepOutput};
use protocol::Columns;
use serde::Serialize;

use crate::{Reel, ReplayError, Source};

/// A moment and its tick.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MomentAt {
    /// The tick that brought it about.
    pub tick: u64,
    /// What happened.
    #[serde(flatten)]
    pub moment: Moment,
}

/// Plays a whole match and tells what happened in it, in the order of ticks. Parts of it are played side by side, one
/// thread a core. `progress` is told (ticks done, ticks in all) now and then.
///
/// # Errors
/// When the file cannot be played.
pub fn moments<G: Game>(
    source: &Arc<Source>,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Vec<MomentAt>, ReplayError> {
    let parts = in_parts::<G, _>(source, progress, |told: &mut Vec<MomentAt>, before, after, output| {
        let tick = output.tick;
        told.extend(G::moments(before, after).into_iter().map(|moment| MomentAt { tick, moment }));
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// Plays a match in as many parts as there are cores and shows each tick's two states; gives what each part has
/// gathered, in order.
pub(crate) fn in_parts<G: Game, T: Default + Send>(
    source: &Arc<Source>,
    progress: impl FnMut(u64, u64) + Send,
    see: impl Fn(&mut T, &Columns, &Columns, &StepOutput) + Sync,
) -> Result<Vec<T>, ReplayError> {
    let (first, last) = (source.first_tick(), source.last_tick());
    let ticks = last - first;
    let parts = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64).min(ticks.max(1));
    let bound = |part: u64| first + ticks * part / parts;
    let (progress, done) = (Mutex::new(progress), AtomicU64::new(0));
    let tell = |more: u64| {
        let so_far = done.fetch_add(more, Ordering::Relaxed) + more;
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        (*progress)(so_far, ticks);
    };
    let work = |part: u64| -> Result<T, ReplayError> {
        let mut gathered = T::default();
        let mut untold = 0;
        walk::<G>(source, bound(part), bound(part + 1), |before, reel, output| {
            see(&mut gathered, before, reel.columns(), output);
            untold += 1;
            if untold == TOLD_EVERY_TICKS {
                tell(std::mem::take(&mut untold));
            }
        })?;
        tell(untold);
        Ok(gathered)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..parts).map(|part| scope.spawn(move || work(part))).collect();
        workers
            .into_iter()
            // A rule that panics while it is run again panics here too.
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Plays the ticks after `from` up to `to` and shows of each the state before it, the playhead after it, and what it
/// brought about.
pub(crate) fn walk<G: Game>(
    source: &Arc<Source>,
    from: u64,
    to: u64,
    mut see: impl FnMut(&Columns, &Reel<G>, &StepOutput),
) -> Result<(), ReplayError> {
    let mut reel = Reel::<G>::new(Arc::clone(source))?;
    reel.seek(from)?;
    let mut before = reel.columns().clone();
    while reel.tick() < to {
        let Some(output) = reel.step() else { break };
        see(&before, &reel, &output);
        before.clone_from(reel.columns());
    }
    Ok(())
}

const TOLD_EVERY_TICKS: u64 = 1_000;
