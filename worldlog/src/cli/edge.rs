//! `worldlog edge`

use std::path::PathBuf;

use clap::Args;
use ecs_state::Game;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::dev::{abort_on_panic, loopback};
use super::{Answer, Done, Failure, runtime, table, to_hex};
use crate::GameContent;
use crate::config::Config;
use crate::edge::{EdgeProcess, PlayedGame, Serving};
use crate::registry::Running;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file that says what it is told: worldlog.toml with [cluster] and [edge]
    #[arg(long, default_value = "worldlog.toml")]
    config: PathBuf,
}

#[derive(Serialize)]
struct Ready<'a> {
    ready: bool,
    #[serde(flatten)]
    running: &'a Running,
    certificate_sha256: String,
}

pub(super) fn run<G: Game>(arguments: &Arguments, content: GameContent, answer: Answer) -> Done {
    abort_on_panic();
    let config = Config::load(&arguments.config).map_err(|error| Failure::Failed(error.to_string()))?;
    let section = config.require_edge().map_err(|error| Failure::Failed(error.to_string()))?;
    let content = match (section.population, content.with_population) {
        (0, _) => (content.default)(),
        (population, Some(with_population)) => with_population(population),
        (_, None) => return Err(Failure::Failed("edge.population: this game has no entities of its own".to_owned())),
    };
    runtime()?.block_on(serve::<G>(&config, content, answer))
}

async fn serve<G: Game>(config: &Config, content: Vec<u8>, answer: Answer) -> Done {
    let hear = |kind| signal(kind).map_err(|error| Failure::Failed(format!("listening to signals: {error}")));
    let (mut term, mut interrupt) = (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
    let started = async {
        let process = EdgeProcess::start(config, PlayedGame::of::<G>()?, content).await?;
        process.serve().await
    };
    // An edge that does not serve yet has nobody to say goodbye to.
    let serving = tokio::select! {
        serving = started => serving?,
        _ = term.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    announce(&serving, answer);
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    eprintln!("worldlog: stopping (again Ctrl-C: at once; players come back at another edge either way)");
    tokio::select! {
        () = serving.stop() => Ok(()),
        _ = interrupt.recv() => std::process::exit(1),
    }
}

fn announce(serving: &Serving, answer: Answer) {
    let running = serving.running();
    let certificate_sha256 = to_hex(&serving.certificate_sha256());
    answer.give(&Ready { ready: true, running, certificate_sha256 }, || {
        let standing = serving.standing();
        let quic = loopback(running.quic);
        let of_match = running.match_id.map_or_else(String::new, |id| format!("  (match {id})"));
        let leader = standing.leader.map_or_else(|| "unknown".to_owned(), |leader| format!("member {leader}"));
        table(&[
            ("players", format!("quic://{quic}{of_match}")),
            ("operators", format!("http://{}  /status /metrics", running.http)),
            ("leader", format!("{leader}, term {}", standing.term.unwrap_or_default())),
            ("bots", format!("worldlog swarm --connect {quic} --bots 32 --duration 20s")),
        ])
    });
}
