//! Runs a match again and compares every tick.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ecs_state::{Game, Simulation};
use serde::Serialize;
use snapshots::{PlayerTime, Segment, Step};

use crate::{ReplayError, Source};

/// Where a replay first came to another state than the match did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstDifference {
    /// The tick.
    pub tick: u64,
    /// Hash recorded, in hexadecimal.
    pub expected: String,
    /// Hash computed, in hexadecimal.
    pub found: String,
    /// The first component, in the manifest's order, whose rows differ; `None` when the hash of the
    /// file is not that of its own columns, which means that the record is wrong, not the replay.
    pub component: Option<String>,
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifyReport {
    /// Ticks that were played.
    pub ticks: u64,
    /// Ticks and keyframes compared with what the match recorded.
    pub hashes_checked: u64,
    /// Comparisons that failed.
    pub mismatches: u64,
    /// How long it took.
    pub seconds: f64,
    /// How many times faster than the match was played, by its log time.
    pub times_realtime: f64,
    /// Length of the file.
    pub bytes: u64,
    /// What the file takes for an hour of one player, in bytes; `None` when nobody played.
    pub bytes_per_player_hour: Option<u64>,
    /// Where it first differed.
    pub first_difference: Option<FirstDifference>,
}

/// Runs every segment of the match from its keyframe and compares each tick; the world that a segment ends with
/// must be the next one's keyframe. So the whole is proven as by one run from the beginning, and segments can run
/// side by side, one thread a core. `progress` is told (ticks done, ticks in all) now and then.
///
/// # Errors
/// When the file cannot be played at all. A mismatch is not an error but the report.
pub fn verify<G: Game>(path: &Path, progress: impl FnMut(u64, u64) + Send) -> Result<VerifyReport, ReplayError> {
    verify_source::<G>(&Source::open::<G>(path)?, progress)
}

/// As [`verify`], of a file that is open.
///
/// # Errors
/// When a keyframe does not load.
pub fn verify_source<G: Game>(
    source: &Source,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<VerifyReport, ReplayError> {
    verify_to::<G>(source, source.last_tick(), progress)
}

/// As [`verify_source`], up to a tick.
///
/// # Errors
/// When the file does not hold the tick, or a keyframe does not load.
pub fn verify_to<G: Game>(
    source: &Source,
    to: u64,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<VerifyReport, ReplayError> {
    source.check_tick(to)?;
    let begins_before = source.file.segments.partition_point(|segment| segment.keyframe.tick < to).max(1);
    let segments = &source.file.segments[..begins_before];
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    let progress = Mutex::new((progress, 0u64));
    let ticks = to - source.first_tick();
    let work = || {
        let mut findings = Findings::default();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(segment) = segments.get(place) else { return Ok(findings) };
            let after = source.file.segments.get(place + 1).filter(|after| after.keyframe.tick <= to);
            let passing = segment.steps.passing();
            let steps = &passing[..count_to(segment, to)];
            findings.run::<G>(source, segment, steps, after)?;
            let (progress, done) = &mut *progress.lock().unwrap_or_else(PoisonError::into_inner);
            *done += steps.len() as u64;
            progress(*done, ticks);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(segments.len());
    let found = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(join).collect::<Result<Vec<_>, ReplayError>>()
    })?;
    let findings = found.into_iter().fold(Findings::default(), Findings::merge);
    let seconds = begun.elapsed().as_secs_f64();
    let began_ms = segments[0].keyframe.time_ms;
    let last = segments.iter().rfind(|segment| count_to(segment, to) > 0);
    let ended_ms = last.map_or(began_ms, |segment| segment.steps[count_to(segment, to) - 1].time_ms);
    // The size is that of the whole file, and so must be the time.
    let mut player_time = PlayerTime::default();
    for segment in &source.file.segments {
        segment.steps.passing().iter().for_each(|step| player_time.see(step));
    }
    let bytes = std::fs::metadata(&source.path).map_or(0, |file| file.len());
    Ok(VerifyReport {
        ticks,
        hashes_checked: findings.checked,
        mismatches: findings.mismatches,
        seconds,
        times_realtime: (ended_ms - began_ms) as f64 / 1_000.0 / seconds.max(f64::MIN_POSITIVE),
        bytes,
        bytes_per_player_hour: player_time.bytes_per_hour(bytes),
        first_difference: findings.first,
    })
}

/// How many steps of a segment there are up to a tick.
fn count_to(segment: &Segment, to: u64) -> usize {
    let wanted = usize::try_from(to.saturating_sub(segment.keyframe.tick)).unwrap_or(usize::MAX);
    wanted.min(segment.steps.len())
}

/// A rule that panics while it is run again panics here too.
fn join<T>(worker: std::thread::ScopedJoinHandle<'_, T>) -> T {
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[derive(Debug, Default)]
struct Findings {
    checked: u64,
    mismatches: u64,
    first: Option<FirstDifference>,
}

impl Findings {
    /// Plays `steps` of a segment; `after` is the segment that begins where they end.
    fn run<G: Game>(
        &mut self,
        source: &Source,
        segment: &Segment,
        steps: &[Step],
        after: Option<&Segment>,
    ) -> Result<(), ReplayError> {
        let mut simulation = source.restore::<G>(&segment.keyframe)?;
        for step in steps {
            let output = simulation.step(step.time_ms, &step.inputs);
            let is_equal = output.hash() == step.hash;
            self.note(is_equal, || difference(&simulation, step, output.hash()));
        }
        if let Some(after) = after {
            let is_equal = **simulation.keyframe() == after.keyframe;
            self.note(is_equal, || FirstDifference {
                tick: after.keyframe.tick,
                expected: format!("{:016x}", after.keyframe.hash()),
                found: format!("{:016x}", simulation.keyframe().hash()),
                component: None,
            });
        }
        Ok(())
    }

    fn note(&mut self, is_equal: bool, difference: impl FnOnce() -> FirstDifference) {
        self.checked += 1;
        if !is_equal {
            self.mismatches += 1;
            let first = self.first.take();
            // A worker takes segments in order, so that its first is the earliest it has seen.
            self.first = Some(first.unwrap_or_else(difference));
        }
    }

    fn merge(self, other: Self) -> Self {
        let first = match (self.first, other.first) {
            (Some(one), Some(two)) => Some(if one.tick <= two.tick { one } else { two }),
            (one, two) => one.or(two),
        };
        Self { checked: self.checked + other.checked, mismatches: self.mismatches + other.mismatches, first }
    }
}

fn difference<G: Game>(simulation: &Simulation<G>, step: &Step, found: u64) -> FirstDifference {
    let layouts = simulation.columns().manifest().layouts();
    let ours = Step::column_hashes(simulation.columns());
    let differs = ours.iter().zip(&step.columns).position(|(ours, recorded)| ours != recorded);
    FirstDifference {
        tick: simulation.tick(),
        expected: format!("{:016x}", step.hash),
        found: format!("{found:016x}"),
        component: differs.map(|index| layouts[index].name.clone()),
    }
}
