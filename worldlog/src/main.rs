//! The arena as a program.

use std::process::ExitCode;

use worldlog::GameContent;

fn main() -> ExitCode {
    worldlog::main::<arena::Arena>(GameContent {
        default: arena::default_content,
        with_population: Some(arena::content_with_population),
    })
}
