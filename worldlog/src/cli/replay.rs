//! `worldlog replay FILE --verify`, and `worldlog replay serve`

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ecs_state::Game;

use super::{Answer, Done, Failure, live, serve, table};
use crate::replaying::{Opening, Salvage};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The match file (.wlm)
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// Compare every tick and keyframe with what was recorded; this is what replay does today
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    salvage: Salvage,
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
    if !arguments.verify {
        return Err(Failure::Usage("say --verify: comparing is what this version can do with a match".to_owned()));
    }
    let shows_progress = std::io::stderr().is_terminal();
    let opening = Opening { drift: false, salvage: arguments.salvage };
    let source = opening.open::<G>(&file).map_err(|error| Failure::Failed(error.to_string()))?;
    let report = replay::verify_source::<G>(&source, |done, all| {
        if shows_progress {
            eprint!("\r\x1b[2Ktick {done} of {all}");
        }
    });
    if shows_progress {
        eprint!("\r\x1b[2K");
    }
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
