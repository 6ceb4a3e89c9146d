//! Runs a match again from its first keyframe and compares every tick.

use std::path::Path;
use std::time::Instant;

use ecs_state::{Game, Simulation};
use serde::Serialize;
use snapshots::Step;

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
    /// Ticks in the file.
    pub ticks: u64,
    /// Ticks and keyframes compared with what the match recorded.
    pub hashes_checked: u64,
    /// Comparisons that failed.
    pub mismatches: u64,
    /// How long it took.
    pub seconds: f64,
    /// How many times faster than the match was played, by its log time.
    pub times_realtime: f64,
    /// Where it first differed.
    pub first_difference: Option<FirstDifference>,
}

/// Runs the match from its first keyframe through all its ticks. Later keyframes are not loaded but
/// compared, so that one that differs from the world that lived is found. `progress` is told
/// (ticks done, ticks in all) now and then.
///
/// # Errors
/// When the file cannot be played at all. A mismatch is not an error but the report.
pub fn verify<G: Game>(path: &Path, mut progress: impl FnMut(u64, u64)) -> Result<VerifyReport, ReplayError> {
    let source = Source::open::<G>(path)?;
    let segments = &source.file.segments;
    let ticks = source.file.ticks();
    let mut simulation = source.restore::<G>(&segments[0].keyframe)?;
    let mut report = VerifyReport {
        ticks,
        hashes_checked: 0,
        mismatches: 0,
        seconds: 0.0,
        times_realtime: 0.0,
        first_difference: None,
    };
    let begun = Instant::now();
    let began_ms = simulation.time_ms();
    for segment in segments {
        // The barrier has just passed: the world that lived must be the keyframe.
        report.hashes_checked += 1;
        report.mismatches += u64::from(**simulation.keyframe() != segment.keyframe);
        for step in &segment.steps {
            let output = simulation.step(step.time_ms, &step.inputs);
            report.hashes_checked += 1;
            if output.hash() != step.hash {
                report.mismatches += 1;
                report.first_difference.get_or_insert_with(|| difference(&simulation, step, output.hash()));
            }
        }
        progress(simulation.tick(), ticks);
    }
    report.seconds = begun.elapsed().as_secs_f64();
    let played = (simulation.time_ms() - began_ms) as f64 / 1_000.0;
    report.times_realtime = played / report.seconds.max(f64::MIN_POSITIVE);
    Ok(report)
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
