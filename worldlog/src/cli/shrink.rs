//! `worldlog shrink FILE --expr EXPR`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use ecs_state::Game;
use replay::{Expression, KeptInput, Seen, Shrunk, Source, Symptom, shrink};
use serde::Serialize;

use super::progress::Progress;
use super::{Answer, Done, Failure, runtime};

#[derive(Debug, Args)]
#[command(
    long_about = "Find the fewest commands of a recorded match that still make something happen: an expression become true, \
        or the rules panic.\n\n\
        Parts of the commands are left out and the match is played again without them, until none can be left out alone; \
        joins and leaves go last. What is left is written as a match file. Ctrl-C ends the search and keeps the best so \
        far.\n\n\
        The match is played from the first tick of the file. Capture a part of it first when the beginning does not \
        matter: that is faster, and the state it begins with needs no commands. With --panic the last tick of the file is \
        the one that panics: `replay FILE --verify` then panics, too.",
    after_help = "Examples:\n  \
        worldlog shrink match.wlm --expr '12.Health.points == 0' --out death.wlm\n  \
        worldlog shrink desync.wlm --panic --out panic.wlm\n\n\
        `worldlog find --help` says what an expression may be. Exit codes: 0 written, 1 failed, 2 wrong usage."
)]
pub(super) struct Arguments {
    /// The match file (.wlm)
    file: PathBuf,
    /// What must still become true
    #[arg(long, value_name = "EXPR", required_unless_present = "panic", conflicts_with = "panic")]
    expr: Option<String>,
    /// The rules must still panic
    #[arg(long)]
    panic: bool,
    /// The file to write
    #[arg(long, value_name = "FILE.wlm")]
    out: PathBuf,
    /// Matches to play side by side; as many as there are cores when left out
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Play a match of other rules or content too, with this build's
    #[arg(long)]
    drift: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a PathBuf,
    #[serde(flatten)]
    shrunk: &'a Shrunk,
}

pub(super) fn run<G: Game>(arguments: &Arguments, answer: Answer) -> Done {
    let opened = match arguments.drift {
        true => Source::open_drifting::<G>(&arguments.file),
        false => Source::open::<G>(&arguments.file),
    };
    let source = Arc::new(opened.map_err(|error| Failure::Failed(error.to_string()))?);
    let expression = match &arguments.expr {
        Some(text) => Some(
            Expression::parse(text, source.manifest(), None).map_err(|error| Failure::Usage(error.pointed(text)))?,
        ),
        None => None,
    };
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let stop = Arc::new(AtomicBool::new(false));
    let _listening = stop_on_interrupt(&stop)?;
    // Each try may panic, and none of these panics is news.
    std::panic::set_hook(Box::new(|_| {}));
    let progress = Progress::words();
    let told = |so_far: replay::ShrinkProgress| {
        progress.say(format!("{} left after {} tries; Ctrl-C keeps as much", counted(so_far.inputs), so_far.tries));
    };
    let shrunk = match &expression {
        Some(expression) => {
            let holds = |seen: &Seen<'_>| expression.holds(seen);
            shrink::<G>(&source, Symptom::Holds(&holds), jobs, &stop, told)
        }
        None => shrink::<G>(&source, Symptom::Panic, jobs, &stop, told),
    };
    progress.clear();
    drop(std::panic::take_hook());
    let shrunk = shrunk.map_err(|error| Failure::Failed(error.to_string()))?;
    snapshots::write_file(&arguments.out, &shrunk.file).map_err(|error| Failure::Failed(error.to_string()))?;
    let written = Written { file: &arguments.out, shrunk: &shrunk };
    answer.give(&written, || text(&written));
    Ok(())
}

/// Lets Ctrl-C end the search, not the program. What is given must be kept until then.
fn stop_on_interrupt(stop: &Arc<AtomicBool>) -> Result<tokio::runtime::Runtime, Failure> {
    let (runtime, stop) = (runtime()?, Arc::clone(stop));
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    });
    Ok(runtime)
}

fn text(written: &Written<'_>) -> String {
    let Shrunk { tick, panic, commands_before, commands, kept, tries, is_minimal, .. } = written.shrunk;
    let mut lines: Vec<_> = kept.iter().map(line).collect();
    let what = panic.as_ref().map_or_else(|| "holds".to_owned(), |said| format!("panics ({said})"));
    lines.insert(0, format!("{commands} of {commands_before} commands are left; it still {what} at tick {tick}"));
    if !is_minimal {
        lines.push("stopped before nothing more could be left out".to_owned());
    }
    lines.push(format!("{tries} tries; written to {}", written.file.display()));
    lines.join("\n")
}

/// Edits are nobody's.
fn line(KeptInput { tick, player, text }: &KeptInput) -> String {
    if *player == 0 { format!("  tick {tick}  {text}") } else { format!("  tick {tick}  player {player}  {text}") }
}

fn counted(inputs: usize) -> String {
    if inputs == 1 { "1 input".to_owned() } else { format!("{inputs} inputs") }
}
