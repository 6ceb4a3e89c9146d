//! When an expression holds.
//!
//! A search steps through the match; segments between keyframes are searched side by side, one thread a core, and
//! the answer is in the order of ticks. A search for the first tick stops once every earlier segment is done.
//!
//! A search that is told that the expression is **monotone** (once true it stays true, like "somebody has 20 kills")
//! looks at keyframes alone, halving what is left each time, and steps through one segment. When the expression is
//! not monotone after all, its answer is a tick at which the expression holds and did not hold before, but there
//! may be earlier ones.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ecs_state::Game;

use crate::{Expression, Reel, ReplayError, Seen, Source};

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Search {
    /// The first tick to look at; the file's first when `None`.
    pub from: Option<u64>,
    /// The last tick to look at; the file's last when `None`.
    pub to: Option<u64>,
    /// All ticks instead of the first one.
    pub all: bool,
    /// The expression, once true, stays true. Not together with `all`, which looks at each tick anyway.
    pub is_monotone: bool,
}

/// Gives the first tick at which an expression holds, or all of them, ascending; nothing when it holds nowhere.
/// `progress` is told (ticks looked at, ticks to look at) now and then.
///
/// # Errors
/// When the file cannot be played.
pub fn find<G: Game>(
    source: &Arc<Source>,
    expression: &Expression,
    search: Search,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Vec<u64>, ReplayError> {
    let from = search.from.unwrap_or(0).max(source.first_tick());
    let to = search.to.unwrap_or(u64::MAX).min(source.last_tick());
    if from > to {
        return Ok(Vec::new());
    }
    let parts = parts(source, from, to);
    if search.is_monotone && !search.all {
        return bisect::<G>(source, expression, &parts);
    }
    scan::<G>(source, expression, &parts, search.all, progress)
}

/// Ticks to look at that are played from one keyframe: first and last.
type Part = (u64, u64);

/// Cuts at keyframes; a keyframe's own tick ends a part, as stepping from the one before reaches it.
fn parts(source: &Source, from: u64, to: u64) -> Vec<Part> {
    let inside = source.keyframes().into_iter().filter(|tick| (from..to).contains(tick));
    let ends: Vec<_> = inside.chain([to]).collect();
    let begins = std::iter::once(from).chain(ends.iter().map(|end| end + 1));
    begins.zip(ends.iter().copied()).collect()
}

/// Shows each tick of a part, until told to stop.
fn look<G: Game>(
    reel: &mut Reel<G>,
    expression: &Expression,
    (from, to): Part,
    mut see: impl FnMut(u64, bool) -> ControlFlow<()>,
) -> Result<(), ReplayError> {
    let first = reel.source().first_tick();
    // A keyframe is reached without a step, but what was before it is not.
    reel.seek(if expression.looks_back() { from.saturating_sub(1).max(first) } else { from })?;
    let mut before = None;
    loop {
        let tick = reel.tick();
        if tick >= from {
            let seen = Seen { tick, now: reel.columns(), before: before.as_ref() };
            if see(tick, expression.holds(&seen)).is_break() || tick >= to {
                return Ok(());
            }
        }
        if expression.looks_back() {
            // Into the rows of last time, which have room.
            before.get_or_insert_with(|| reel.columns().clone()).clone_from(reel.columns());
        }
        if reel.step().is_none() {
            return Ok(());
        }
    }
}

fn scan<G: Game>(
    source: &Arc<Source>,
    expression: &Expression,
    parts: &[Part],
    all: bool,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Vec<u64>, ReplayError> {
    let ticks = parts.iter().map(|(from, to)| to - from + 1).sum();
    let (progress, done) = (Mutex::new(progress), AtomicU64::new(0));
    let (next, first_hit) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let work = || -> Result<Vec<(usize, Vec<u64>)>, ReplayError> {
        let mut found = Vec::new();
        let mut reel = Reel::<G>::new(Arc::clone(source))?;
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            // Parts are handed out in order: whoever finds the first hit has all earlier ones in somebody's hands.
            if place >= parts.len() || (!all && first_hit.load(Ordering::Relaxed) < place) {
                return Ok(found);
            }
            let mut hits = Vec::new();
            look(&mut reel, expression, parts[place], |tick, holds| {
                if holds {
                    hits.push(tick);
                }
                if holds && !all { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if !hits.is_empty() {
                first_hit.fetch_min(place, Ordering::Relaxed);
                found.push((place, hits));
            }
            let (from, to) = parts[place];
            let so_far = done.fetch_add(to - from + 1, Ordering::Relaxed) + to - from + 1;
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            (*progress)(so_far, ticks);
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(parts.len());
    let mut found = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        // A rule that panics while it is run again panics here too.
        let joined = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|p| std::panic::resume_unwind(p)));
        joined.collect::<Result<Vec<_>, _>>()
    })?
    .concat();
    found.sort_unstable();
    let hits = found.into_iter().flat_map(|(_, hits)| hits);
    Ok(if all { hits.collect() } else { hits.take(1).collect() })
}

/// Finds the first part at whose end the expression holds, then the tick in it.
fn bisect<G: Game>(source: &Arc<Source>, expression: &Expression, parts: &[Part]) -> Result<Vec<u64>, ReplayError> {
    let mut reel = Reel::<G>::new(Arc::clone(source))?;
    let mut first = |part: Part| -> Result<Option<u64>, ReplayError> {
        let mut hit = None;
        look(&mut reel, expression, part, |tick, holds| {
            hit = holds.then_some(tick);
            if holds { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(hit)
    };
    let (mut low, mut high) = (0, parts.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let end = parts[middle].1;
        if first((end, end))?.is_some() {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    match parts.get(low) {
        Some(part) => Ok(first(*part)?.into_iter().collect()),
        None => Ok(Vec::new()),
    }
}
