//! `worldlog snapshot list | verify | take`

use std::path::PathBuf;

use clap::Subcommand;
use ecs_state::Game;
use hyper::Method;
use serde_json::json;

use super::office::{Where, existing};
use super::{Answer, Done, Failure, live, table};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The snapshots of a data folder
    List {
        /// The data folder
        #[arg(long, env = "WORLDLOG_DATA", default_value = "worldlog-data")]
        data: PathBuf,
    },
    /// Restore a snapshot in memory and check that each match comes to its hash again
    Verify {
        /// The file (.wls)
        file: PathBuf,
    },
    /// Take a snapshot in a running process
    Take {
        #[command(flatten)]
        at: Where,
    },
}

pub(super) fn run<G: Game>(verb: Verb, answer: Answer) -> Done {
    match verb {
        Verb::List { data } => {
            let found = cluster_service::list_snapshots(existing(&data)?)
                .map_err(|error| Failure::Failed(error.to_string()))?;
            answer.give(&json!({ "snapshots": found }), || {
                let mut text = format!("{:>20} {:>10}  file\n", "position", "size");
                for info in &found {
                    let size = live::bytes(info.bytes as f64);
                    text += &format!("{:>20} {size:>10}  {}\n", info.position, info.path.display());
                }
                text
            });
            Ok(())
        }
        Verb::Verify { file } => {
            let verified = cluster_service::verify_snapshot::<G>(&file).map_err(Failure::Failed)?;
            answer.give(&verified, || {
                table(&[
                    ("file", verified.path.display().to_string()),
                    ("game", format!("{} rules {}", verified.game, verified.rules_version)),
                    ("position", verified.position.to_string()),
                    ("matches", format!("{}, each came to its hash again", verified.matches)),
                    ("sessions", verified.sessions.to_string()),
                ])
            });
            Ok(())
        }
        Verb::Take { at } => {
            let taken = at.require()?.change(Method::POST, "/snapshots", None)?;
            answer.give(&taken, || taken["path"].as_str().unwrap_or_default().to_owned());
            Ok(())
        }
    }
}
