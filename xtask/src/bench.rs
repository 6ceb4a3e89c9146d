//! Runs the benches.

mod edge;
mod interest;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::workspace::{self, Workspace};

pub(crate) const DOES: &str = "run the benches, or the one named; further arguments go to the bench itself";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    match arguments.split_first() {
        // These climb ladders of processes.
        Some((name, rest)) if name == "edge" => edge::run(workspace, rest),
        Some((name, rest)) if name == "interest" => interest::run(workspace, rest),
        _ => workspace::run(workspace.cargo(&["bench", "--workspace"]).args(selection(arguments))),
    }
}

/// The program that plays one step of a ladder: `worldlog/benches/edge`.
struct Program(PathBuf);

impl Program {
    fn build(workspace: &Workspace) -> Outcome<Self> {
        let build =
            ["bench", "-p", "worldlog", "--bench", "edge", "--no-run", "--message-format=json-render-diagnostics"];
        let mut cargo = workspace.cargo(&build);
        // What it says to people passes through.
        let done =
            cargo.stderr(Stdio::inherit()).output().map_err(|error| Failure::failed(format!("cargo: {error}")))?;
        if !done.status.success() {
            return Err(Failure::failed("the bench `edge` was not built"));
        }
        let said = String::from_utf8_lossy(&done.stdout);
        let artifacts = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut of_edge = artifacts.filter(|artifact| artifact["target"]["name"] == "edge");
        let program = of_edge.find_map(|artifact| Some(artifact["executable"].as_str()?.into()));
        program.map(Self).ok_or_else(|| Failure::failed("cargo did not say where it built the bench `edge`"))
    }

    fn command(&self, workspace: &Workspace, arguments: &[&str]) -> Command {
        let mut command = workspace.command(&self.0);
        command.args(arguments);
        command
    }
}

/// Turns `NAME ARGUMENTS` into what cargo is told. Without a name every bench target runs, but not the
/// unit tests that `cargo bench` would also start: they do not understand the arguments of a bench.
fn selection(arguments: &[String]) -> Vec<String> {
    let (mut told, rest) = match arguments.split_first() {
        Some((name, rest)) if !name.starts_with('-') => (vec!["--bench".into(), name.clone()], rest),
        _ => (vec!["--benches".into()], arguments),
    };
    if !rest.is_empty() {
        told.push("--".into());
        told.extend(rest.iter().filter(|argument| *argument != "--").cloned());
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_selects_a_bench_and_the_rest_goes_to_it() {
        let told = |words: &[&str]| selection(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()).join(" ");
        assert_eq!(told(&[]), "--benches");
        assert_eq!(told(&["step"]), "--bench step");
        assert_eq!(told(&["step", "--quick", "1k"]), "--bench step -- --quick 1k");
        assert_eq!(told(&["--", "--quick"]), "--benches -- --quick");
    }
}
