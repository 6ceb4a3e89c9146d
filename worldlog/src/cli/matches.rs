//! `worldlog match list | open | close | export`

use std::path::PathBuf;

use clap::Subcommand;
use ecs_state::Game;
use hyper::Method;
use serde_json::{Value, json};

use super::office::{Where, existing};
use super::{Answer, Done, Failure, live, table};
use crate::GameContent;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The open matches of a running process, or of a data folder at rest
    List {
        #[command(flatten)]
        at: Where,
    },
    /// Open another match in a running process
    Open {
        #[command(flatten)]
        at: Where,
        /// Source of all its randomness
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// A word for people
        #[arg(long, default_value = "")]
        label: String,
        /// Entities that belong to nobody
        #[arg(long, conflicts_with = "content")]
        population: Option<u32>,
        /// Map and balance, in the game's own form
        #[arg(long)]
        content: Option<PathBuf>,
    },
    /// Close a match in a running process; its players are told
    Close {
        /// The match
        id: u64,
        #[command(flatten)]
        at: Where,
    },
    /// Write a match to a file, also while a process runs on the data folder
    Export {
        /// The match
        id: u64,
        /// The data folder
        #[arg(long, env = "WORLDLOG_DATA", default_value = "worldlog-data")]
        data: PathBuf,
        /// The file to write (.wlm)
        #[arg(long)]
        out: PathBuf,
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
    },
}

pub(super) fn run<G: Game>(verb: Verb, content: GameContent, answer: Answer) -> Done {
    match verb {
        Verb::List { at } => list::<G>(&at, answer),
        Verb::Open { at, seed, label, population, content: file } => {
            let bytes = match (file, population, content.with_population) {
                (Some(path), _, _) => Some(
                    std::fs::read(&path).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?,
                ),
                (None, Some(population), Some(with_population)) => Some(with_population(population)),
                (None, Some(_), None) => {
                    return Err(Failure::Usage("--population: this game has no entities of its own".to_owned()));
                }
                (None, None, _) => None,
            };
            let text = bytes.map(String::from_utf8).transpose();
            let text = text.map_err(|_| Failure::Usage("--content: the file is no UTF-8 text".to_owned()))?;
            let request = json!({ "seed": seed, "label": label, "content": text });
            let opened = at.require()?.change(Method::POST, "/matches", Some(&request))?;
            answer.give(&opened, || format!("match {} is open", opened["match"]));
            Ok(())
        }
        Verb::Close { id, at } => {
            let closed = at.require()?.change(Method::DELETE, &format!("/matches/{id}"), None)?;
            answer.give(&closed, || format!("match {id} is closed"));
            Ok(())
        }
        Verb::Export { id, data, out, force } => {
            if out.exists() && !force {
                return Err(Failure::Failed(format!("{} exists; --force replaces it", out.display())));
            }
            let exported = cluster_service::export_match::<G>(existing(&data)?, id, &out)
                .map_err(|error| Failure::Failed(error.to_string()))?;
            answer.give(&exported, || {
                table(&[
                    ("file", exported.path.display().to_string()),
                    ("ticks", exported.ticks.to_string()),
                    ("keyframes", exported.keyframes.to_string()),
                    ("size", live::bytes(exported.bytes as f64)),
                    ("hash", exported.hash.clone()),
                    ("hashes equal to those played", exported.hashes_checked.to_string()),
                ])
            });
            Ok(())
        }
    }
}

fn list<G: Game>(at: &Where, answer: Answer) -> Done {
    let listed: Value = match at.find() {
        Some(office) => office.get("/matches")?,
        None => {
            let matches = cluster_service::list_matches::<G>(existing(&at.data)?)
                .map_err(|error| Failure::Failed(error.to_string()))?;
            json!({ "matches": matches })
        }
    };
    answer.give(&listed, || {
        let mut text =
            format!("{:>6} {:>10} {:>8} {:>9}  {:<16} label\n", "match", "tick", "players", "entities", "hash");
        for open in listed["matches"].as_array().into_iter().flatten() {
            let word = |key: &str| open[key].as_str().map_or_else(|| open[key].to_string(), str::to_owned);
            text += &format!(
                "{:>6} {:>10} {:>8} {:>9}  {:<16} {}\n",
                word("id"),
                word("tick"),
                word("players"),
                word("entities"),
                word("hash"),
                word("label")
            );
        }
        text
    });
    Ok(())
}
