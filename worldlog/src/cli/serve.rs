//! `worldlog replay serve FILE|DIR…`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ecs_state::Game;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::{Answer, Done, Failure, loopback, runtime, table, to_hex};
use crate::replaying::{Opening, ReplayOptions, ReplayServer};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    worldlog replay serve assets/matches\n  \
    worldlog replay serve tonight.wlm yesterday.wlm --http 127.0.0.1:7778\n\n\
    Open the address in a browser: the page shows every match, tick by tick. Game clients connect to the QUIC address\n\
    and see a match as its players did: POST /token?match=N&player=P gives a token to look on as player P, without\n\
    `player` with a free camera. POST /replay/control {\"file\",\"tick\"|\"step\"|\"speed\"|\"playing\"} moves what they see.")]
pub(super) struct Arguments {
    /// Match files (.wlm), and folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Where the page is, TCP; port 0 takes any
    #[arg(long, default_value = "127.0.0.1:7777")]
    http: SocketAddr,
    /// Where game clients connect to look on, UDP; port 0 takes any
    #[arg(long, default_value = "127.0.0.1:4433")]
    listen: SocketAddr,
    #[command(flatten)]
    opening: Opening,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    http: SocketAddr,
    quic: SocketAddr,
    certificate_sha256: String,
    files: usize,
    pid: u32,
}

pub(super) fn run<G: Game>(arguments: Arguments, answer: Answer) -> Done {
    runtime()?.block_on(serve::<G>(arguments, answer))
}

async fn serve<G: Game>(arguments: Arguments, answer: Answer) -> Done {
    let hear = |kind| signal(kind).map_err(|error| Failure::Failed(format!("listening to signals: {error}")));
    let (mut term, mut interrupt) = (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
    let Arguments { paths, http, listen, opening } = arguments;
    let server = tokio::select! {
        started = ReplayServer::start::<G>(ReplayOptions { paths, http, listen, opening }) => started?,
        _ = term.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let ready = Ready {
        ready: true,
        http: server.http_at,
        quic: server.quic_at,
        certificate_sha256: to_hex(&server.certificate_sha256),
        files: server.files,
        pid: std::process::id(),
    };
    answer.give(&ready, || {
        table(&[
            ("page", format!("http://{}/  (open it in a browser)", loopback(ready.http))),
            ("game", format!("http://{}/play  (as the players saw it)", loopback(ready.http))),
            ("clients", format!("quic://{}", loopback(ready.quic))),
            ("matches", ready.files.to_string()),
            ("end", "Ctrl-C".to_owned()),
        ])
    });
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}
