//! Proves the tree: every check that a change must pass, cheapest first.

use crate::failure::{Failure, Outcome, only_options};
use crate::workspace::{self, Workspace};
use crate::{codegen, flatc, tidy, ts};
use std::env;
use std::time::{Duration, Instant};

pub(crate) const DOES: &str = "prove everything (--quick: no clippy, no deny; --offline: nothing from the network)";

struct Step {
    name: &'static str,
    /// What a person types to repeat this step alone.
    by_hand: &'static str,
    /// Left out by `--quick`.
    slow: bool,
    check: fn(&Workspace, &Options) -> Outcome<Verdict>,
}

struct Options {
    quick: bool,
    offline: bool,
}

enum Verdict {
    Passed,
    /// Why it could not be run; a summary that hides this would claim too much.
    Skipped(String),
}

const STEPS: &[Step] = &[
    Step { name: "fmt", by_hand: "cargo fmt --all --check", slow: false, check: fmt },
    Step { name: "codegen", by_hand: "cargo xtask codegen --check", slow: false, check: generated },
    Step { name: "tidy", by_hand: "cargo xtask tidy", slow: false, check: tidy_tree },
    Step {
        name: "clippy",
        by_hand: "cargo clippy --workspace --all-targets --release -- -D warnings",
        slow: true,
        check: clippy,
    },
    Step { name: "ts", by_hand: "cargo xtask ts", slow: false, check: typescript },
    Step { name: "java", by_hand: "java -version && mvn --version", slow: false, check: java },
    Step { name: "deny", by_hand: "cargo deny check", slow: true, check: deny },
    Step { name: "test", by_hand: "cargo test --workspace --release", slow: false, check: tests },
];

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    only_options(arguments, &["--quick", "--offline"])?;
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let options = Options { quick: has("--quick"), offline: has("--offline") };
    let begun = Instant::now();
    let mut summary = Vec::new();
    for step in STEPS {
        let (took, verdict) = prove(workspace, &options, step)?;
        match verdict {
            Verdict::Passed => summary.push(format!("{:<8} passed in {}", step.name, seconds(took))),
            Verdict::Skipped(why) => summary.push(format!("{:<8} skipped: {why}", step.name)),
        }
    }
    println!("\n==> all steps done in {}", seconds(begun.elapsed()));
    println!("    {}", summary.join("\n    "));
    Ok(())
}

fn prove(workspace: &Workspace, options: &Options, step: &Step) -> Outcome<(Duration, Verdict)> {
    if step.slow && options.quick {
        return Ok((Duration::ZERO, Verdict::Skipped("--quick".into())));
    }
    println!("\n==> {}", step.name);
    let begun = Instant::now();
    let verdict = (step.check)(workspace, options).map_err(|failure| {
        let took = seconds(begun.elapsed());
        let by_hand = workspace.by_hand(step.by_hand);
        Failure::failed(format!("{failure}\n\nstep `{}` failed after {took}; again: {by_hand}", step.name))
    })?;
    if let Verdict::Skipped(why) = &verdict {
        println!("skipped: {why}");
    }
    println!("    {}: {}", step.name, seconds(begun.elapsed()));
    Ok((begun.elapsed(), verdict))
}

fn fmt(workspace: &Workspace, options: &Options) -> Outcome<Verdict> {
    cargo(workspace, options, &["fmt", "--all", "--check"])
        .map_err(|failure| Failure::failed(format!("{failure}; `cargo fmt --all` mends it")))
}

/// Makes the code anew where that is quick (flatc is built) or asked for; else the lock has to do.
fn generated(workspace: &Workspace, _: &Options) -> Outcome<Verdict> {
    let asked = env::var("WORLDLOG_CODEGEN_CHECK").is_ok_and(|value| value == "1");
    if asked || flatc::is_at_hand(workspace) {
        codegen::run(workspace, &["--check".into()])?;
    } else {
        println!("comparing with the lock only; WORLDLOG_CODEGEN_CHECK=1 builds flatc and makes the code anew");
        codegen::check_lock(workspace.root())?;
    }
    Ok(Verdict::Passed)
}

fn tidy_tree(workspace: &Workspace, _: &Options) -> Outcome<Verdict> {
    tidy::run(workspace, &[]).map(|()| Verdict::Passed)
}

fn clippy(workspace: &Workspace, options: &Options) -> Outcome<Verdict> {
    cargo(workspace, options, &["clippy", "--workspace", "--all-targets", "--release", "--", "-D", "warnings"])
}

fn deny(workspace: &Workspace, options: &Options) -> Outcome<Verdict> {
    if !workspace::is_installed("cargo-deny") {
        return Ok(Verdict::Skipped("cargo-deny is not installed; `cargo install cargo-deny --locked` does it".into()));
    }
    if options.offline {
        println!("advisories are left out: --offline");
        return cargo(workspace, options, &["deny", "--offline", "check", "bans", "licenses", "sources"]);
    }
    if !advisories_are_here() {
        println!("advisories are left out: there are none on this machine; `cargo deny fetch db` gets them");
        return cargo(workspace, options, &["deny", "check", "bans", "licenses", "sources"]);
    }
    cargo(workspace, options, &["deny", "check"])
}

/// The client for browsers and the page. Its tools are fetched once; a machine without Node builds all else.
fn typescript(workspace: &Workspace, options: &Options) -> Outcome<Verdict> {
    if let Some(missing) = ts::missing() {
        return Ok(Verdict::Skipped(missing));
    }
    if options.offline && !ts::is_fetched(workspace)? {
        return Ok(Verdict::Skipped(
            "--offline, and what npm has to fetch is not here; `cargo xtask ts` does it".into(),
        ));
    }
    ts::run(workspace, &[]).map(|()| Verdict::Passed)
}

/// The tests run real members of a cluster. What they need is named before anything is built, not minutes later.
fn java(_: &Workspace, _: &Options) -> Outcome<Verdict> {
    let has_jar = env::var_os("WORLDLOG_AERON_JAR").is_some_and(|path| std::path::Path::new(&path).is_file());
    for (program, package, is_needed) in [("java", "openjdk-17-jre-headless", true), ("mvn", "maven", !has_jar)] {
        if is_needed && !workspace::is_installed(program) {
            let cure = format!("install it: `apt-get install {package}`");
            return Err(Failure::failed(format!(
                "{program} is missing, which the tests on real Aeron members need; {cure}"
            )));
        }
    }
    Ok(Verdict::Passed)
}

fn tests(workspace: &Workspace, options: &Options) -> Outcome<Verdict> {
    cargo(workspace, options, &["test", "--workspace", "--release"])
}

fn cargo(workspace: &Workspace, options: &Options, arguments: &[&str]) -> Outcome<Verdict> {
    let mut command = workspace.cargo(arguments);
    if options.offline {
        command.env("CARGO_NET_OFFLINE", "true");
    }
    workspace::run(&mut command).map(|()| Verdict::Passed)
}

/// Tells whether cargo-deny has fetched the advisory database before.
fn advisories_are_here() -> bool {
    let home = env::var_os("CARGO_HOME").map(std::path::PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| std::path::PathBuf::from(home).join(".cargo")));
    let listed = home.and_then(|home| home.join("advisory-dbs").read_dir().ok());
    listed.is_some_and(|entries| entries.flatten().any(|entry| entry.path().is_dir()))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
