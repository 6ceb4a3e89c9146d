//! Lets bots play a match and writes it down.

use crate::failure::Outcome;
use crate::workspace::{self, Workspace};

pub(crate) const DOES: &str =
    "let bots play a match as fast as this machine can, and write it: --minutes M --players P --seed S --out FILE.wlm";

/// The program is an example of the bots' crate: a chore that depended on the game would be built before every chore.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let record = ["run", "--release", "--quiet", "-p", "worldlog-loadtest", "--example", "record", "--"];
    let mut cargo = workspace.cargo(&record);
    // Paths are meant as they are typed, not from the root.
    workspace::run(cargo.current_dir(".").args(arguments))
}
