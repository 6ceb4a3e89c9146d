//! `worldlog match list | open | close | export`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use cluster_service::{Exported, HistoryExtent};
use ecs_state::Game;
use hyper::Method;
use serde_json::{Value, json};

use super::members::{Member, Standing};
use super::office::{Source, Where, existing};
use super::{Answer, Done, Failure, live, table};
use crate::GameContent;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The open matches of a running process or cluster, or of a data folder or member at rest
    List {
        #[command(flatten)]
        at: Where,
        /// Of a stopped member's log, only what its index knows to be agreed
        #[arg(long, requires = "member")]
        agreed: bool,
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
    /// Write a match to a file, also while a process runs on the data folder, or the member
    Export {
        /// The match
        id: u64,
        #[command(flatten)]
        source: Source,
        /// Of a stopped member's log, only what its index knows to be agreed
        #[arg(long, requires = "member")]
        agreed: bool,
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
        Verb::List { at, agreed } => list::<G>(&at, extent(agreed), answer),
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
        Verb::Export { id, source, agreed, out, force } => {
            if out.exists() && !force {
                return Err(Failure::Failed(format!("{} exists; --force replaces it", out.display())));
            }
            let exported = match source.members()? {
                Some(members) => export_of_member::<G>(members.reader(), extent(agreed), id, &out)?,
                None => cluster_service::export_match::<G>(existing(&source.data)?, id, &out)
                    .map_err(|error| Failure::Failed(error.to_string()))?,
            };
            answer.give(&exported, || {
                table(&[
                    ("file", exported.path.display().to_string()),
                    ("ticks", exported.ticks.to_string()),
                    ("keyframes", exported.keyframes.to_string()),
                    ("size", live::bytes(exported.bytes as f64)),
                    (
                        "size of an hour of one player",
                        exported
                            .bytes_per_player_hour
                            .map_or("nobody played".to_owned(), |bytes| live::bytes(bytes as f64)),
                    ),
                    ("hash", exported.hash.clone()),
                    ("hashes equal to those played", exported.hashes_checked.to_string()),
                ])
            });
            Ok(())
        }
    }
}

fn extent(is_agreed: bool) -> HistoryExtent {
    if is_agreed { HistoryExtent::Agreed } else { HistoryExtent::Whole }
}

/// Out of the archive of a member that runs, or out of the files of one that does not.
fn export_of_member<G: Game>(
    member: &Member,
    extent: HistoryExtent,
    match_id: u64,
    out: &Path,
) -> Result<Exported, Failure> {
    let exported = if at_rest(member)? {
        cluster_service::export_member_match::<G>(&member.files(), extent, match_id, out)
    } else {
        let (mut transport, cluster_id) = (member.connect()?, member.config.cluster_id);
        cluster_service::export_running_match::<G>(&mut transport, &member.archive(), cluster_id, match_id, out)
    };
    exported.map_err(|error| of_member(member, &error))
}

/// What a running member says; or what comes of the files of one that does not run.
fn matches_of_member<G: Game>(member: &Member, extent: HistoryExtent) -> Result<Value, Failure> {
    if at_rest(member)? {
        let listed = cluster_service::list_member_matches::<G>(&member.files(), extent);
        return Ok(json!(listed.map_err(|error| of_member(member, &error))?));
    }
    let said = member.says().map(|mut said| said["matches"].take()).filter(Value::is_array);
    said.ok_or_else(|| of_member(member, &"its service says nothing yet; try again in a moment"))
}

/// Whether nobody works on a member's files.
fn at_rest(member: &Member) -> Result<bool, Failure> {
    match member.standing() {
        Standing::Stopped => Ok(true),
        Standing::Running => Ok(false),
        Standing::Restarting => member.require_running().map(|()| false),
    }
}

fn of_member(member: &Member, error: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("member {} in {}: {error}", member.config.member_id, member.folder().display()))
}

/// What a running process says; or what comes of the log of a data folder.
fn matches_of_data<G: Game>(at: &Where) -> Result<Value, Failure> {
    if let Some(office) = at.find() {
        return office.get("/matches");
    }
    let listed = cluster_service::list_matches::<G>(existing(&at.source.data)?);
    let matches = listed.map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(json!({ "matches": matches }))
}

fn list<G: Game>(at: &Where, extent: HistoryExtent, answer: Answer) -> Done {
    let listed = match at.source.members()? {
        Some(members) => json!({ "matches": matches_of_member::<G>(members.informed(), extent)? }),
        None => matches_of_data::<G>(at)?,
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
