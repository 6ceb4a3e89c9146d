//! The chores of this repository: `cargo xtask` lists them.
//!
//! Responsible for what a person would otherwise remember: which commands prove a change, in which order,
//! and how generated files are made. Not responsible for anything that ships.
//!
//! Start from [`CHORES`]; each chore is the file of its name.

#![expect(clippy::print_stdout, reason = "what a chore reports is its answer, and belongs on stdout")]

mod bench;
mod codegen;
mod failure;
mod flatc;
mod lock;
mod markdown;
mod record;
mod sbe;
mod soak;
mod test;
mod tidy;
mod tree;
mod ts;
mod workspace;

use failure::{Failure, Outcome};
use std::process::ExitCode;
use workspace::Workspace;

struct Chore {
    name: &'static str,
    arguments: &'static str,
    does: &'static str,
    run: fn(&Workspace, &[String]) -> Outcome,
}

const CHORES: &[Chore] = &[
    Chore { name: "test", arguments: "[--quick] [--offline]", does: test::DOES, run: test::run },
    Chore { name: "tidy", arguments: "", does: tidy::DOES, run: tidy::run },
    Chore { name: "codegen", arguments: "[--check]", does: codegen::DOES, run: codegen::run },
    Chore { name: "sbe", arguments: "", does: sbe::DOES, run: sbe::run },
    Chore { name: "ts", arguments: "[--write]", does: ts::DOES, run: ts::run },
    Chore { name: "bench", arguments: "[NAME] [ARGUMENTS]", does: bench::DOES, run: bench::run },
    Chore { name: "record", arguments: "[ARGUMENTS]", does: record::DOES, run: record::run },
    Chore { name: "soak", arguments: "[ARGUMENTS]", does: soak::DOES, run: soak::run },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            failure.exit_code()
        }
    }
}

fn dispatch(arguments: &[String]) -> Outcome {
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", list());
        return Ok(());
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", list());
        return Ok(());
    }
    let Some(chore) = CHORES.iter().find(|chore| chore.name == name) else {
        return Err(Failure::Usage(format!("there is no chore `{name}`\n{}", list().trim_end())));
    };
    (chore.run)(&Workspace::find()?, rest)
}

fn list() -> String {
    let mut text = String::from("Chores, each as `cargo xtask <chore>`:\n");
    for Chore { name, arguments, does, .. } in CHORES {
        text += &format!("  {:<28} {does}\n", format!("{name} {arguments}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_chore_is_a_usage_error_and_lists_the_chores() {
        let Err(Failure::Usage(text)) = dispatch(&["dance".into()]) else { panic!("accepted") };
        assert!(text.contains("`dance`") && text.contains("codegen"), "{text}");
    }
}
