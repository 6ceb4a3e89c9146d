//! The command line. Every verb documents itself, takes `--json`, and exits 0, 1 (failed) or 2 (usage).

#![expect(clippy::print_stdout, reason = "what a verb answers belongs on stdout")]

mod at;
mod capture;
mod cluster;
mod dev;
mod edge;
mod export;
mod find;
mod fork;
mod live;
mod matches;
mod members;
mod node;
mod office;
mod progress;
mod regress;
mod replay;
mod serve;
mod service;
mod show;
mod shrink;
mod snapshot;
mod status;
mod swarm;
mod token;
mod why;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ecs_state::Game;
use serde::Serialize;
use serde_json::json;

use crate::GameContent;

#[derive(Debug, Parser)]
#[command(
    name = "worldlog",
    version,
    about = "A game-state backend whose replicated log is the database",
    long_about = "A game-state backend whose replicated log is the database.\n\n\
        Without a verb it does `dev --bots 8`: everything in one process, a match that is being played, data in ./worldlog-data.",
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage. Logs go to stderr; WORLDLOG_LOG=debug shows more."
)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Answer with one JSON object on stdout
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run everything in one process: durable log, matches, QUIC edge, HTTP
    Dev(dev::Arguments),
    /// Run a whole cluster on this machine: members, edges, a match
    Cluster(cluster::Arguments),
    /// Run one edge of a cluster: QUIC for players, HTTP for operators
    Edge(edge::Arguments),
    /// Run one member of a cluster: the Java process and the service as one
    Node(node::Arguments),
    /// Let bots play over QUIC and report what they saw
    Swarm(swarm::Arguments),
    /// List, open, close and export matches
    #[command(subcommand)]
    Match(matches::Verb),
    /// Run a recorded match again and compare every tick; `replay serve` shows matches in a browser
    Replay(replay::Arguments),
    /// Write a recorded match as tables (Parquet)
    Export(export::Arguments),
    /// Say why a value is what it is: the last systems that wrote it, and the command and player behind each
    Why(why::Arguments),
    /// Say when something was so in a recorded match: ticks at which an expression holds
    Find(find::Arguments),
    /// Show a state of a recorded match
    Show(show::ShowArguments),
    /// Say what differs between two states of recorded matches
    Diff(show::DiffArguments),
    /// Play a recorded match again with something changed, and say what differs
    Fork(fork::Arguments),
    /// Play a folder of recorded matches with this build's rules, and say which differ, where and by what
    Regress(regress::Arguments),
    /// Cut the smallest file out of a recorded match that shows what happened at a tick
    Capture(capture::Arguments),
    /// Find the fewest commands of a recorded match that still make something happen
    Shrink(shrink::Arguments),
    /// Run the service of a cluster member; `node` does that, beside its Java process
    #[command(hide = true)]
    Service(service::Arguments),
    /// List, verify and take snapshots
    #[command(subcommand)]
    Snapshot(snapshot::Verb),
    /// Say what a running process, or a cluster, is doing
    Status(status::Arguments),
    /// Make join tokens
    #[command(subcommand)]
    Token(token::Verb),
}

/// Why a verb did not do what it should.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked wrongly.
    Usage(String),
    /// It could not be done.
    Failed(String),
    /// It was done, and what was found is reason for exit code 1; the answer is printed already.
    Found,
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

pub(crate) type Done = Result<(), Failure>;

/// How a verb answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) json: bool,
}

impl Answer {
    /// Prints the answer: the object, or the text for people.
    pub(crate) fn give(self, object: &impl Serialize, text: impl FnOnce() -> String) {
        let mut line = if self.json { serde_json::to_string(object).expect("answers are plain data") } else { text() };
        line.truncate(line.trim_end().len());
        line.push('\n');
        let mut stdout = std::io::stdout().lock();
        // Whoever does not listen any more needs no answer.
        let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
    }
}

pub(crate) fn run<G: Game>(content: GameContent) -> ExitCode {
    let cli = Cli::parse();
    log();
    let answer = Answer { json: cli.json };
    let done = match cli.verb {
        None => dev::run::<G>(dev::Arguments::with_bots(), content, answer),
        Some(Verb::Dev(arguments)) => dev::run::<G>(arguments, content, answer),
        Some(Verb::Cluster(arguments)) => cluster::run(arguments, answer),
        Some(Verb::Edge(arguments)) => edge::run::<G>(&arguments, content, answer),
        Some(Verb::Node(arguments)) => node::run(&arguments, answer),
        Some(Verb::Swarm(arguments)) => swarm::run(arguments, answer),
        Some(Verb::Match(verb)) => matches::run::<G>(verb, content, answer),
        Some(Verb::Replay(arguments)) => replay::run::<G>(arguments, answer),
        Some(Verb::Export(arguments)) => export::run::<G>(&arguments, answer),
        Some(Verb::Why(arguments)) => why::run::<G>(&arguments, answer),
        Some(Verb::Show(arguments)) => show::show::<G>(&arguments, answer),
        Some(Verb::Diff(arguments)) => show::diff::<G>(&arguments, answer),
        Some(Verb::Find(arguments)) => find::run::<G>(&arguments, answer),
        Some(Verb::Fork(arguments)) => fork::run::<G>(&arguments, answer),
        Some(Verb::Regress(arguments)) => regress::run::<G>(&arguments, answer),
        Some(Verb::Capture(arguments)) => capture::run::<G>(&arguments, answer),
        Some(Verb::Shrink(arguments)) => shrink::run::<G>(&arguments, answer),
        Some(Verb::Service(arguments)) => service::run::<G>(&arguments, answer),
        Some(Verb::Snapshot(verb)) => snapshot::run::<G>(verb, answer),
        Some(Verb::Status(arguments)) => status::run(&arguments, answer),
        Some(Verb::Token(verb)) => token::run(verb, answer),
    };
    let (text, code) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Found) => return ExitCode::from(1),
        Err(Failure::Failed(text)) => (text, 1),
        Err(Failure::Usage(text)) => (text, 2),
    };
    eprintln!("worldlog: {text}");
    if cli.json {
        println!("{}", json!({ "error": text }));
    }
    ExitCode::from(code)
}

fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WORLDLOG_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let has_colours = std::io::stderr().is_terminal();
    let format = tracing_subscriber::fmt().with_ansi(has_colours).with_writer(std::io::stderr);
    let installed = format.with_env_filter(filter).try_init();
    if installed.is_err() {
        eprintln!("worldlog: another log is installed in this process; using it");
    }
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Failure::Failed(format!("starting the runtime: {error}")))
}

/// Lines of `name value`, aligned.
pub(crate) fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// Reads hexadecimal digits.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

pub(crate) use dev::loopback;

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a length of time: `90`, `90s`, `2m`, `500ms`, `1h`.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is no length of time; write 90s, 2m or 500ms"))?;
    let seconds = match unit {
        "" | "s" => number,
        "ms" => number / 1_000.0,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        _ => return Err(format!("{unit:?} is no unit of time; known are ms, s, m and h")),
    };
    std::time::Duration::try_from_secs_f64(seconds).map_err(|error| format!("{text:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!(duration("60"), duration("60s"));
        assert_eq!(duration("2m"), duration("120"));
        assert_eq!(duration("500ms").map(|length| length.as_millis()), Ok(500));
        assert!(duration("soon").is_err() && duration("5 days").is_err() && duration("").is_err());
    }

    #[test]
    fn hexadecimal_comes_back() {
        assert_eq!(from_hex::<3>(&to_hex(&[0, 171, 255])), Some([0, 171, 255]));
        assert_eq!(from_hex::<2>("abc"), None);
        assert_eq!(from_hex::<2>("zzzz"), None);
    }
}
