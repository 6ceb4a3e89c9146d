//! `worldlog regress DIR`

use std::path::PathBuf;

use clap::Args;
use ecs_state::Game;
use replay::{RegressProgress, RegressReport, Regression};

use super::progress::Progress;
use super::{Answer, Done, Failure};

#[derive(Debug, Args)]
#[command(
    long_about = "Play every recorded match of a folder with this build's rules and hold each tick against what was \
        recorded.\n\n\
        A match that was played with other rules is played with these: that is the question. For each that differs the \
        answer names the first different tick, the first component that differs there, and the system that most likely \
        made the difference. The file knows components, not systems: the system is found by watching this build play the \
        tick. When several systems wrote the component, `suspects` lists all of them, the likeliest first; when one row \
        alone differs, `values` says what was recorded and what this build makes of it, and the system is certain.",
    after_help = "Examples:\n  \
        worldlog regress assets/matches\n  \
        worldlog regress corpus --jobs 8 --json\n\n\
        Exit codes: 0 all identical; 1 some differ or cannot be played, or it failed; 2 wrong usage."
)]
pub(super) struct Arguments {
    /// A folder of match files (.wlm), or one file
    dir: PathBuf,
    /// Segments to play side by side; as many as there are cores when left out
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

pub(super) fn run<G: Game>(arguments: &Arguments, answer: Answer) -> Done {
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let progress = Progress::bytes();
    let report = replay::regress::<G>(&arguments.dir, jobs, |so_far: RegressProgress| {
        progress.say(format!("{} of {} matches", so_far.matches_done, so_far.matches));
        progress.tell(so_far.bytes_done, so_far.bytes);
    });
    progress.clear();
    let report = report.map_err(|error| Failure::Failed(error.to_string()))?;
    answer.give(&report, || text(&report));
    if report.identical == report.matches { Ok(()) } else { Err(Failure::Found) }
}

fn text(report: &RegressReport) -> String {
    let mut lines: Vec<_> = report.different.iter().map(line).collect();
    for unplayable in &report.unplayable {
        lines.push(format!("cannot be played: {}", unplayable.error));
    }
    let RegressReport { matches, identical, ticks, seconds, .. } = report;
    lines.push(format!("{identical} of {matches} matches identical; {ticks} ticks in {seconds:.1} s"));
    lines.join("\n")
}

fn line(regression: &Regression) -> String {
    let Regression { file, tick, system, component, suspects, values, recorded_rules, reason, .. } = regression;
    let mut text = format!("{}: differs from tick {tick} on", file.display());
    if let Some(component) = component {
        text += &format!(", first in {component}");
    }
    if let Some(system) = system {
        let is_certain = suspects.first().is_some_and(|suspect| suspect.is_certain);
        text += &format!(", {} {system}", if is_certain { "by" } else { "most likely by" });
    }
    for replay::Difference { entity, component, field, a, b } in values {
        let shown = |value: &Option<replay::Value>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
        text += &format!("; {entity}.{component}.{field} was {}, is {}", shown(a), shown(b));
    }
    if suspects.len() > 1 && !suspects[0].is_certain {
        let others: Vec<_> = suspects[1..].iter().map(|suspect| suspect.system.as_str()).collect();
        text += &format!(" (also possible: {})", others.join(", "));
    }
    text += &format!("; recorded with rules version {recorded_rules}");
    if let Some(reason) = reason {
        text += &format!("; {reason}");
    }
    text
}
