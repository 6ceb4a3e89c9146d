//! `worldlog capture FILE --around T`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ecs_state::Game;
use replay::{Source, capture};
use serde::Serialize;

use super::{Answer, Done, Failure, duration, live};

#[derive(Debug, Args)]
#[command(
    long_about = "Cut the smallest file out of a recorded match that still shows what happened at a tick.\n\n\
        The part begins with the last keyframe before the ticks that were asked for, because a match can be played from \
        keyframes only, and ends with the last of them. It is a match file of its own: replay it, show it, fork it, shrink \
        it, or attach it to a report.",
    after_help = "Examples:\n  \
        worldlog capture match.wlm --around 5120 --out kill.wlm\n  \
        worldlog capture match.wlm --around 5120 --before 30s --after 5s --out kill.wlm\n\n\
        Exit codes: 0 written, 1 failed, 2 wrong usage."
)]
pub(super) struct Arguments {
    /// The match file (.wlm)
    file: PathBuf,
    /// The tick that matters
    #[arg(long, value_name = "T")]
    around: u64,
    /// How much before it is kept at least, such as 30s, 2m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    before: Duration,
    /// How much after it is kept
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    after: Duration,
    /// The file to write
    #[arg(long, value_name = "FILE.wlm")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a PathBuf,
    #[serde(flatten)]
    captured: &'a replay::Captured,
}

pub(super) fn run<G: Game>(arguments: &Arguments, answer: Answer) -> Done {
    // Nothing is played, so that the rules do not matter.
    let source = Source::open_drifting::<G>(&arguments.file).map_err(|error| Failure::Failed(error.to_string()))?;
    let (first, last) = (source.first_tick(), source.last_tick());
    if !(first..=last).contains(&arguments.around) {
        let reason = format!("--around {}: the match has ticks {first} to {last}", arguments.around);
        return Err(Failure::Usage(reason));
    }
    let millihertz = u128::from(source.manifest().tick_millihertz());
    if millihertz == 0 && !(arguments.before + arguments.after).is_zero() {
        let reason = "--before and --after: a match on command has ticks of no certain length; leave them out";
        return Err(Failure::Usage(reason.to_owned()));
    }
    let ticks = |time: Duration| u64::try_from(time.as_millis() * millihertz / 1_000_000).unwrap_or(u64::MAX);
    let from = arguments.around.saturating_sub(ticks(arguments.before));
    let to = arguments.around.saturating_add(ticks(arguments.after));
    let captured = capture(&source, from..=to).map_err(|error| Failure::Failed(error.to_string()))?;
    snapshots::write_file(&arguments.out, &captured.file).map_err(|error| Failure::Failed(error.to_string()))?;
    let written = Written { file: &arguments.out, captured: &captured };
    answer.give(&written, || {
        let (first, last) = (captured.first_tick, captured.last_tick);
        format!("ticks {first} to {last}, {}, in {}", live::bytes(captured.bytes as f64), arguments.out.display())
    });
    Ok(())
}
