//! Runs the benches.

use crate::failure::Outcome;
use crate::workspace::{self, Workspace};

pub(crate) const DOES: &str = "run the benches, or the one named; further arguments go to the bench itself";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    workspace::run(workspace.cargo(&["bench", "--workspace"]).args(selection(arguments)))
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
