//! Runs the tests with the counts that take hours.

use crate::failure::Outcome;
use crate::workspace::{self, Workspace};

pub(crate) const DOES: &str =
    "run the tests with WORLDLOG_SOAK=1, which they read to do far more of the same; `loss`: those on bad links";

/// Not through ignored tests: those rot unseen, while these run in every `cargo xtask test` with small counts.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    if arguments == ["loss"] {
        let loss =
            ["test", "--release", "-p", "worldlog", "--test", "lossy_links", "--", "--nocapture", "--test-threads=1"];
        return workspace::run(workspace.cargo(&loss).env("WORLDLOG_SOAK", "1"));
    }
    let mut cargo = workspace.cargo(&["test", "--workspace", "--release"]);
    workspace::run(cargo.args(arguments).env("WORLDLOG_SOAK", "1"))
}
