//! The fewest commands that still make it happen.
//!
//! Delta debugging: parts of what a match took in are left out, the match is played again without them, and
//! what was left out stays out when the symptom still shows. What remains is minimal in that none of it can be left
//! out *alone*; there may be another, smaller set. Commands are tried first, then joins and leaves.
//!
//! The match is played from the first tick of its file. For less than that, [`crate::capture`] it first: what the
//! keyframe at the beginning holds needs no commands.
//!
//! A rule that panics is caught; one that ends the process, overflows the stack or never returns is not.

mod ddmin;
mod trial;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ecs_state::{Game, Input};
use serde::Serialize;
use thiserror::Error;

use crate::{ReplayError, Seen, Source};
use ddmin::ddmin;
use trial::Trials;
pub(crate) use trial::said;

/// What a shrunk match still has to show.
#[derive(Clone, Copy)]
pub enum Symptom<'a> {
    /// The rules panic.
    Panic,
    /// This holds of a tick.
    Holds(&'a (dyn Fn(&Seen<'_>) -> bool + Sync)),
}

/// How far a search for a smaller match has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShrinkProgress {
    /// Matches that were played.
    pub tries: u64,
    /// Commands, joins and leaves that are left.
    pub inputs: usize,
    /// The tick at which the symptom shows.
    pub tick: u64,
}

/// Something that a shrunk match takes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptInput {
    /// The tick.
    pub tick: u64,
    /// Who.
    pub player: u32,
    /// The command as people read it; `join` and `leave` for these.
    pub text: String,
}

/// A match that still shows the symptom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shrunk {
    /// The match file, which is played like any other. When the symptom is a panic its last tick is the one that
    /// panics; its hash is 0, because no state came of it.
    #[serde(skip)]
    pub file: Vec<u8>,
    /// The tick at which the symptom shows.
    pub tick: u64,
    /// What the rules said when they panicked.
    pub panic: Option<String>,
    /// Commands that the match took in up to the tick at which the symptom first showed.
    pub commands_before: usize,
    /// Commands that are left.
    pub commands: usize,
    /// All that is left, in order.
    pub kept: Vec<KeptInput>,
    /// Matches that were played.
    pub tries: u64,
    /// Whether nothing of it can be left out alone; not when the search was stopped.
    pub is_minimal: bool,
}

/// Why a match cannot be shrunk.
#[derive(Debug, Error)]
pub enum ShrinkError {
    /// The file cannot be played.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// There is nothing to keep.
    #[error(
        "what is looked for does not show in ticks {first} to {last}; find or replay the match to see when it does"
    )]
    DoesNotShow {
        /// The first tick.
        first: u64,
        /// The last tick.
        last: u64,
    },
    /// No command is needed.
    #[error("the expression holds already at tick {tick}, with which the file begins, so that no command is needed")]
    HoldsAtOnce {
        /// The first tick of the file.
        tick: u64,
    },
}

/// Looks for the fewest inputs of a match with which the symptom still shows. `jobs` matches are played side by side;
/// the answer does not depend on how many. Once `stop` is set the best so far is given. The rules run behind
/// `catch_unwind`: whoever does not want to read of each panic sets a panic hook.
///
/// # Errors
/// When the file cannot be played or does not show the symptom.
pub fn shrink<G: Game>(
    source: &Arc<Source>,
    symptom: Symptom<'_>,
    jobs: usize,
    stop: &AtomicBool,
    mut progress: impl FnMut(ShrinkProgress),
) -> Result<Shrunk, ShrinkError> {
    let trials = Trials::<G>::new(source, symptom)?;
    let mut best = trials.play_all()?;
    let is_command = |place: &usize| matches!(trials.input(*place), Input::Command { .. });
    let commands_before = best.kept.iter().filter(|place| is_command(place)).count();
    let mut tries = 1;
    // Comings and goings last: without them most commands mean nothing, so that they decide what can go at all.
    // Then all once more, because what is gone may have been the reason for something else.
    let phases: [&dyn Fn(&usize) -> bool; 3] = [&is_command, &|place| !is_command(place), &|_| true];
    for phase in phases {
        let (tried, rest): (Vec<_>, Vec<_>) = best.kept.iter().partition(|place| phase(place));
        ddmin(tried, |count, candidate| {
            for from in (0..count).step_by(jobs.max(1)) {
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
                let few: Vec<_> = (from..count).take(jobs.max(1)).map(candidate).collect();
                let courses = side_by_side(&few, |part| trials.play(&merge(part, &rest, best.tick, &trials), &best));
                tries += few.len() as u64;
                let shown = courses.into_iter().enumerate().find_map(|(at, course)| Some((at, course?)));
                let smaller = shown.map(|(at, course)| {
                    best = course;
                    let is_left = |place: &usize| best.kept.binary_search(place).is_ok();
                    (from + at, few[at].iter().copied().filter(is_left).collect())
                });
                progress(ShrinkProgress { tries, inputs: best.kept.len(), tick: best.tick });
                if smaller.is_some() {
                    return smaller;
                }
            }
            None
        });
    }
    Ok(Shrunk {
        file: trials.file(&best)?,
        tick: best.tick,
        panic: best.panic.clone(),
        commands_before,
        commands: best.kept.iter().filter(|place| is_command(place)).count(),
        kept: best.kept.iter().map(|place| trials.describe(*place)).collect(),
        tries,
        is_minimal: !stop.load(Ordering::Relaxed),
    })
}

/// Both in order, without what comes too late to matter.
fn merge<G: Game>(part: &[usize], rest: &[usize], last_tick: u64, trials: &Trials<'_, G>) -> Vec<usize> {
    let mut places: Vec<_> =
        part.iter().chain(rest).copied().filter(|place| trials.tick(*place) <= last_tick).collect();
    places.sort_unstable();
    places
}

fn side_by_side<T: Send>(few: &[Vec<usize>], play: impl Fn(&[usize]) -> Option<T> + Sync) -> Vec<Option<T>> {
    if let [one] = few {
        return vec![play(one)];
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = few.iter().map(|part| scope.spawn(|| play(part))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
