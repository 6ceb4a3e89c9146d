//! `worldlog dev`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use client::Trust;
use ecs_state::Game;
use loadtest::{LinkFaults, SwarmOptions};
use protocol::limits::OPEN_KEYFRAME_BYTES_MAX;
use replay::{Reel, Source};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::at::FileAt;
use super::live::Live;
use super::{Answer, Done, Failure, duration, runtime, table, to_hex};
use crate::cli::swarm::SignedTokens;
use crate::dev::{Dev, DevOptions};
use crate::registry::Running;
use crate::replaying::{is_aside, players_in};
use crate::{Beginning, GameContent};

const DATA: &str = "worldlog-data";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of log, snapshots and keys; made when it is not there
    #[arg(long, env = "WORLDLOG_DATA", default_value = DATA)]
    data: PathBuf,
    /// Where players connect, UDP; port 0 takes any
    #[arg(long, default_value = "127.0.0.1:4433")]
    listen: SocketAddr,
    /// Where operators connect, TCP; port 0 takes any
    #[arg(long, default_value = "127.0.0.1:7777")]
    http: SocketAddr,
    /// Let whoever reaches the HTTP address play as a guest, although it is not of this machine alone
    #[arg(long)]
    guests: bool,
    /// Bots that play in this process, over QUIC like anyone
    #[arg(long, default_value_t = 0)]
    bots: usize,
    /// Entities that belong to nobody, in the match that is opened when none is open
    #[arg(long)]
    population: Option<u32>,
    /// Seed of that match
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Begin a new match with a recorded state: FILE@TICK, or FILE for its last tick. Whoever joins may play on as one
    /// of the players in it: /play?as=PLAYER, `worldlog swarm --as PLAYER`
    #[arg(long, value_name = "FILE@TICK")]
    from: Option<FileAt>,
    /// Time between snapshots; longer makes starting slower
    #[arg(long, value_parser = duration, default_value = "60s")]
    snapshot_every: Duration,
}

impl Arguments {
    /// What the program does without arguments.
    pub(super) fn with_bots() -> Self {
        Self {
            data: std::env::var_os("WORLDLOG_DATA").map_or_else(|| DATA.into(), PathBuf::from),
            listen: ([127, 0, 0, 1], 4433).into(),
            http: ([127, 0, 0, 1], 7777).into(),
            guests: false,
            bots: 8,
            population: None,
            seed: 1,
            from: None,
            snapshot_every: Duration::from_secs(60),
        }
    }
}

#[derive(Serialize)]
struct Ready<'a> {
    ready: bool,
    #[serde(flatten)]
    running: &'a Running,
    certificate_sha256: String,
    recovered: &'a cluster_service::Recovery,
}

pub(super) fn run<G: Game>(arguments: Arguments, content: GameContent, answer: Answer) -> Done {
    abort_on_panic();
    let content = match (arguments.population, content.with_population) {
        (None, _) => (content.default)(),
        (Some(population), Some(with_population)) => with_population(population),
        (Some(_), None) => return Err(Failure::Usage("--population: this game has no entities of its own".to_owned())),
    };
    let beginning = arguments.from.as_ref().map(beginning::<G>).transpose()?;
    let options = DevOptions {
        beginning,
        data: arguments.data,
        listen: arguments.listen,
        http: arguments.http,
        guests: arguments.guests,
        snapshot_every: arguments.snapshot_every,
        content,
        seed: arguments.seed,
    };
    let is_sized = arguments.population.is_some();
    runtime()?.block_on(serve::<G>(options, arguments.bots, is_sized, answer))
}

/// The state that a recording holds there, and who is in it.
fn beginning<G: Game>(at: &FileAt) -> Result<Beginning, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let source = Arc::new(Source::open::<G>(&at.path).map_err(|error| failed(&error))?);
    let tick = at.tick.unwrap_or_else(|| source.last_tick());
    let mut reel = Reel::<G>::new(Arc::clone(&source)).map_err(|error| failed(&error))?;
    reel.seek(tick).map_err(|error| failed(&error))?;
    let simulation = reel.simulation();
    let keyframe = simulation.keyframe_now().encode();
    if keyframe.len() > OPEN_KEYFRAME_BYTES_MAX {
        let error = format!(
            "{}@{tick}: the state takes {} bytes; a match begins with at most {OPEN_KEYFRAME_BYTES_MAX}",
            at.path.display(),
            keyframe.len()
        );
        return Err(Failure::Failed(error));
    }
    let players = players_in(simulation.columns());
    Ok(Beginning { seed: simulation.setup().seed, content: simulation.setup().content.to_vec(), keyframe, players })
}

/// A member that stops can be restored; one that goes on after a broken invariant cannot.
pub(super) fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        if is_aside() {
            return;
        }
        eprintln!("worldlog: stopping at once, so that nothing wrong is told or made durable; start again to recover");
        std::process::abort();
    }));
}

async fn serve<G: Game>(options: DevOptions, bots: usize, is_sized: bool, answer: Answer) -> Done {
    let hear = |kind| signal(kind).map_err(|error| Failure::Failed(format!("listening to signals: {error}")));
    let (mut term, mut interrupt) = (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
    let dev = tokio::select! {
        started = Dev::start::<G>(options) => started?,
        _ = term.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    announce(&dev, answer);
    if is_sized && !dev.has_opened_match() {
        eprintln!("worldlog: --population is for a new match; match {} goes on as it is", dev.match_id());
    }
    let (end, bots) = begin_bots(&dev, bots)?;
    let mut live = Live::new(answer.json);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let failure = loop {
        tokio::select! {
            _ = term.recv() => break None,
            _ = interrupt.recv() => break None,
            _ = second.tick() => {
                let status = dev.host_status();
                if let Some(failure) = status.failure {
                    break Some(failure);
                }
                live.show(&status, &dev.edge_stats());
            }
        }
    };
    eprintln!("\nworldlog: stopping (again Ctrl-C: at once; what was acknowledged is safe either way)");
    drop(end);
    let stopping = async {
        if let Some(bots) = bots {
            let _ = tokio::time::timeout(Duration::from_secs(2), bots).await;
        }
        dev.stop().await
    };
    let stopped = tokio::select! {
        stopped = stopping => stopped,
        _ = interrupt.recv() => std::process::exit(1),
    };
    match failure {
        Some(failure) => Err(Failure::Failed(failure)),
        None => Ok(stopped?),
    }
}

/// Starts bots that play until the sender is dropped.
fn begin_bots(
    dev: &Dev,
    bots: usize,
) -> Result<(tokio::sync::oneshot::Sender<()>, Option<tokio::task::JoinHandle<()>>), Failure> {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    if bots == 0 {
        return Ok((end, None));
    }
    let running = dev.running();
    let options = SwarmOptions {
        edges: vec![loopback(running.quic)],
        trust: Trust::Pinned(dev.certificate_sha256()),
        bots,
        duration: FOREVER,
        commands_per_second: 15.0,
        seed: 1,
        leave: true,
        faults: LinkFaults::default(),
        cut_every: None,
        tokens: Arc::new(SignedTokens::load(&running.token_key, dev.match_id(), "bot")?),
    };
    let task = tokio::spawn(async move {
        let ended = async {
            let _ = ended.await;
        };
        let report = loadtest::run_until(options, |_| {}, ended).await;
        if !report.is_clean() {
            tracing::warn!("the bots of this process saw something wrong:\n{report}");
        }
    });
    Ok((end, Some(task)))
}

/// Whoever listens on all addresses is found on the loopback one.
pub(crate) fn loopback(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

fn announce(dev: &Dev, answer: Answer) {
    let running = dev.running();
    let recovered = dev.recovery();
    let certificate_sha256 = to_hex(&dev.certificate_sha256());
    let ready = Ready { ready: true, running, certificate_sha256, recovered };
    answer.give(&ready, || {
        let mut text = String::new();
        if dev.has_fresh_keys() {
            text += &format!(
                "made development keys in {}: they are for this machine, not for the world\n",
                running.data.join("keys").display()
            );
        }
        if recovered.torn_tail_bytes > 0 {
            text += &format!(
                "{}: cut {} bytes of an entry that a crash left unfinished; nobody was told of it\n",
                recovered.log_file.display(),
                recovered.torn_tail_bytes
            );
        }
        if recovered.entries_replayed > 0 || recovered.snapshot.is_some() {
            text += &format!(
                "recovered in {:.0} ms: snapshot at {}, {} entries and {} ticks run again, {} hashes equal\n",
                recovered.took.as_secs_f64() * 1_000.0,
                recovered.snapshot_position,
                recovered.entries_replayed,
                recovered.ticks_replayed,
                recovered.hashes_checked
            );
        }
        let data = running.data.display();
        text += &table(&[
            ("players", format!("quic://{}  (match {})", loopback(running.quic), dev.match_id())),
            ("operators", format!("http://{}  /status /matches /metrics", running.http)),
            ("play", format!("http://{}/play  (in a browser)", loopback(running.http))),
            ("watch", format!("http://{}/  (every tick, and back)", loopback(running.http))),
            ("data", format!("{data}  (synced before anyone is told)")),
            ("", String::new()),
            ("bots", format!("worldlog swarm --connect {} --bots 32 --duration 20s", loopback(running.quic))),
            ("export", format!("worldlog match export {} --data {data} --out match.wlm", dev.match_id())),
            ("crash", format!("kill -9 {}   then start it again: nothing acknowledged is gone", running.pid)),
        ]);
        text
    });
}
