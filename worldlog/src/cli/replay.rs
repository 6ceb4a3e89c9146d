//! `worldlog replay FILE`, `--verify` and `--drift`, and `worldlog replay serve`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand};
use ecs_state::Game;
use replay::{Outcome, Reel, ReplayError, Source};
use serde_json::json;

use super::progress::Progress;
use super::{Answer, Done, Failure, live, serve, table};
use crate::replaying::Opening;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    long_about = "Run a recorded match again, and say what it came to; with --verify, compare every tick and keyframe on \
        the way.\n\n\
        A match that was played with other rules is refused, and the refusal says which: take the build that has them, \
        or let it drift. --drift plays it with this build's rules, compares every tick as --verify does, and names the \
        first tick and component that differ.",
    after_help = "Examples:\n  \
        worldlog replay match.wlm                   # to the end\n  \
        worldlog replay match.wlm --to 1500\n  \
        worldlog replay match.wlm --verify          # every tick, every hash\n  \
        worldlog replay old.wlm --drift             # where do this build's rules lead elsewhere?\n  \
        worldlog replay serve match.wlm             # in a browser\n\n\
        Exit codes: 0 as recorded; 1 something differs, or failed; 2 wrong usage."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The match file (.wlm)
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// Compare every tick and keyframe with what was recorded
    #[arg(long)]
    verify: bool,
    /// Run to this tick; without it, to the end
    #[arg(long, value_name = "T")]
    to: Option<u64>,
    #[command(flatten)]
    opening: Opening,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show match files in a browser, and to game clients that connect as if to a live match
    Serve(serve::Arguments),
}

pub(super) fn run<G: Game>(arguments: Arguments, answer: Answer) -> Done {
    if let Some(Verb::Serve(arguments)) = arguments.verb {
        return serve::run::<G>(arguments, answer);
    }
    let file = arguments.file.expect("clap asks for it");
    let source = arguments.opening.open::<G>(&file).map_err(|error| Failure::Failed(error.to_string()))?;
    if !arguments.verify && !arguments.opening.drift {
        return run_to::<G>(source, arguments.to, answer);
    }
    // Who lets it drift wants to know where it does.
    let to = arguments.to.unwrap_or_else(|| source.last_tick());
    let progress = Progress::ticks();
    let report = replay::verify_to::<G>(&source, to, |done, all| progress.tell(done, all));
    progress.clear();
    let report = report.map_err(|error| Failure::Failed(error.to_string()))?;
    answer.give(&report, || {
        table(&[
            ("ticks", report.ticks.to_string()),
            ("hashes checked", report.hashes_checked.to_string()),
            ("mismatches", report.mismatches.to_string()),
            ("seconds", format!("{:.3}", report.seconds)),
            ("times real time", format!("{:.0}", report.times_realtime)),
            ("size", live::bytes(report.bytes as f64)),
            ("size of an hour of one player", live::bytes(report.bytes_per_player_hour.unwrap_or_default() as f64)),
        ])
    });
    if report.mismatches == 0 {
        return Ok(());
    }
    match &report.first_difference {
        Some(first) => {
            let component = first.component.as_deref().unwrap_or("none (the record itself is wrong)");
            eprintln!(
                "worldlog: tick {} differs first: hash {} recorded, {} computed; component: {component}",
                first.tick, first.expected, first.found
            );
        }
        None => eprintln!("worldlog: {} recorded keyframes are not the world that was reached", report.mismatches),
    }
    Err(Failure::Found)
}

/// Runs every tick up to one, and compares the hash there.
fn run_to<G: Game>(source: Source, to: Option<u64>, answer: Answer) -> Done {
    let failed = |error: ReplayError| Failure::Failed(error.to_string());
    let to = to.unwrap_or_else(|| source.last_tick());
    let begun = Instant::now();
    let mut reel = Reel::<G>::new(Arc::new(source)).map_err(failed)?;
    if to < reel.tick() || to > reel.source().last_tick() {
        // The refusal names the ticks that there are.
        reel.seek(to).map_err(failed)?;
    }
    while reel.tick() < to && reel.step().is_some() {}
    let (tick, hash) = (reel.tick(), reel.columns().total_hash());
    let outcome = Outcome::of(tick, reel.columns());
    let recorded = reel.source().step_of(tick).map(|step| step.hash);
    let is_equal = recorded.is_none_or(|recorded| recorded == hash);
    let seconds = begun.elapsed().as_secs_f64();
    let object = json!({
        "tick": tick,
        "hash": format!("{hash:016x}"),
        "is_as_recorded": is_equal,
        "outcome": outcome,
        "seconds": seconds,
    });
    answer.give(&object, || {
        let mut rows = vec![
            ("tick".to_owned(), tick.to_string()),
            ("hash".to_owned(), format!("{hash:016x}{}", if is_equal { ", as recorded" } else { ", NOT as recorded" })),
            ("entities".to_owned(), outcome.entities.to_string()),
        ];
        for (component, fields) in &outcome.of_match {
            rows.extend(fields.iter().map(|(field, value)| (format!("{component}.{field}"), value.to_string())));
        }
        rows.push(("seconds".to_owned(), format!("{seconds:.3}")));
        table(&rows.iter().map(|(name, value)| (name.as_str(), value.clone())).collect::<Vec<_>>())
    });
    if is_equal { Ok(()) } else { Err(Failure::Found) }
}
