//! Many bots over QUIC at once: starts them, cuts their connections if asked to, ends them, sums them up.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, ClientOptions, LinkFaults, Trust};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, interval_at};

use crate::account::new_histogram;
use crate::bot::Random;
use crate::freshness::TickClock;
use crate::play::{Life, Phase, Slot};
use crate::report::{BotRecord, Report};
use crate::witness::Witness;

/// Where join tokens come from.
pub trait TokenSource: Send + Sync {
    /// A token that was not given out before, for one bot (from 0). Called just before it joins, and again when the
    /// server says that the token was used or is too old. May block.
    ///
    /// # Errors
    /// What is wrong, and what to do; the bot then stays out and the report says so.
    fn token(&self, bot: usize) -> Result<String, String>;
}

/// Settings of a swarm.
#[derive(Clone)]
pub struct SwarmOptions {
    /// Edges of one server.
    pub edges: Vec<SocketAddr>,
    /// How they prove what they are.
    pub trust: Trust,
    /// How many bots. Each has a task, a connection and a UDP socket.
    pub bots: usize,
    /// How long they play, joining included.
    pub duration: Duration,
    /// Most commands a second that one bot sends. At 30 and more a bot says whatever it wants to.
    pub commands_per_second: f64,
    /// Equal seeds make equal bots; what they do depends on what they see, of course.
    pub seed: u64,
    /// Whether bots leave the match in the end. Else their sessions wait until the server lets them expire.
    pub leave: bool,
    /// How often a bot chosen by chance loses its connection without a word, to show that it comes back.
    pub cut_every: Option<Duration>,
    /// What happens to the packets of all bots, each on a link of its own; its seed is added to the one above.
    pub faults: LinkFaults,
    /// Join tokens.
    pub tokens: Arc<dyn TokenSource>,
}

/// How a swarm is doing, once a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Since the start.
    pub elapsed: Duration,
    /// Bots asked for.
    pub bots: u64,
    /// Bots that joined so far.
    pub joined: u64,
    /// Sessions that ended.
    pub sessions_ended: u64,
    /// Commands submitted.
    pub commands_sent: u64,
    /// Commands with an outcome.
    pub commands_acked: u64,
    /// Of these, the rejected ones.
    pub commands_rejected: u64,
    /// Commands that await their outcome.
    pub commands_waiting: u64,
    /// Commands whose outcome will never be known.
    pub commands_unknown: u64,
    /// Hashes that differ from the server's.
    pub hash_mismatches: u64,
    /// Connections lost.
    pub connections_lost: u64,
    /// Sessions taken back.
    pub resumes: u64,
    /// 99 of 100 outcomes came faster, in milliseconds.
    pub ack_p99_ms: f64,
    /// Whether the time is up and outcomes are waited for.
    pub is_settling: bool,
}

/// Runs a swarm to its end, or until Ctrl-C: bots then stop sending and wait for what they are owed. A second Ctrl-C
/// ends the wait; outcomes that did not come count as unknown.
///
/// # Cancellation
/// All connections are closed; the sessions stay until the server lets them expire.
pub async fn run(options: SwarmOptions, progress: impl FnMut(&Progress) + Send) -> Report {
    let ctrl_c = || async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "Ctrl-C cannot be heard");
            std::future::pending::<()>().await;
        }
    };
    conduct(options, progress, ctrl_c).await
}

/// As [`run`], but ends early when `stop` is done instead of at Ctrl-C.
///
/// # Cancellation
/// As with [`run`].
pub async fn run_until(
    options: SwarmOptions,
    progress: impl FnMut(&Progress) + Send,
    stop: impl Future<Output = ()> + Send,
) -> Report {
    let mut once = Some(stop);
    let stop = || {
        let stop = once.take();
        async move {
            match stop {
                Some(stop) => stop.await,
                None => std::future::pending().await,
            }
        }
    };
    conduct(options, progress, stop).await
}

async fn conduct<S: Future<Output = ()>>(
    options: SwarmOptions,
    mut progress: impl FnMut(&Progress) + Send,
    mut stop: impl FnMut() -> S,
) -> Report {
    let mut stopped = pin!(stop());
    let connected = tokio::select! {
        connected = Client::connect(options.edges.clone(), options.trust.clone(), client_options()) => connected,
        () = &mut stopped => return nobody(&options, None),
    };
    let client = match connected {
        Ok(client) => client,
        Err(error) => return nobody(&options, Some(&error.to_string())),
    };
    let mut swarm = Swarm::start(options, &client);
    let mut time_up = pin!(tokio::time::sleep(swarm.options.duration));
    let mut second = every(Duration::from_secs(1));
    let mut cut = swarm.options.cut_every.map(every);
    while !swarm.lives.is_empty() {
        tokio::select! {
            Some(record) = swarm.lives.join_next() => swarm.records.push(record.unwrap_or_else(failed)),
            () = &mut time_up, if swarm.phase() == Phase::Play => swarm.advance(),
            () = &mut stopped => {
                swarm.advance();
                stopped.set(stop());
            }
            _ = second.tick() => progress(&swarm.progress()),
            () = next(&mut cut), if swarm.phase() == Phase::Play => swarm.cut_one(),
        }
    }
    progress(&swarm.progress());
    Report::of(&swarm.records, swarm.start.elapsed(), swarm.cuts)
}

struct Swarm {
    options: Arc<SwarmOptions>,
    start: Instant,
    slots: Vec<Arc<Slot>>,
    phase: watch::Sender<Phase>,
    lives: JoinSet<BotRecord>,
    records: Vec<BotRecord>,
    random: Random,
    cuts: u64,
}

impl Swarm {
    fn start(options: SwarmOptions, client: &Client) -> Self {
        let (options, start, phase) = (Arc::new(options), Instant::now(), watch::Sender::new(Phase::Play));
        let slots: Vec<_> = (0..options.bots).map(|_| Arc::new(Slot::default())).collect();
        let mut lives = JoinSet::new();
        let (clock, witness) = (Arc::new(TickClock::default()), Arc::new(Witness::default()));
        for (number, slot) in slots.iter().enumerate() {
            let client =
                if options.faults.is_none() { client.clone() } else { client.with_faults(faults(&options, number)) };
            let (slot, options) = (Arc::clone(slot), Arc::clone(&options));
            let (clock, witness, phase) = (Arc::clone(&clock), Arc::clone(&witness), phase.subscribe());
            lives.spawn(Life { number, client, slot, phase, options, start, clock, witness }.run());
        }
        let random = Random::new(!options.seed);
        Self { options, start, slots, phase, lives, records: Vec::new(), random, cuts: 0 }
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    fn advance(&self) {
        self.phase.send_modify(|phase| {
            *phase = if *phase == Phase::Play { Phase::Settle } else { Phase::Abandon };
        });
    }

    fn cut_one(&mut self) {
        let players = self.slots.iter().filter_map(|slot| slot.player.get());
        let playing: Vec<_> = players.filter(|player| player.ended().is_none()).collect();
        if playing.is_empty() {
            return;
        }
        playing[self.random.below(playing.len() as u64) as usize].cut();
        self.cuts += 1;
    }

    fn progress(&self) -> Progress {
        let mut progress = Progress {
            elapsed: self.start.elapsed(),
            bots: self.options.bots as u64,
            is_settling: self.phase() > Phase::Play,
            ..Progress::default()
        };
        let mut latency_us = new_histogram();
        for slot in &self.slots {
            let Some(player) = slot.player.get() else { continue };
            let stats = player.stats();
            progress.joined += 1;
            progress.hash_mismatches += stats.hash_mismatches;
            progress.connections_lost += stats.losses;
            progress.resumes += stats.resumes;
            progress.sessions_ended += u64::from(player.ended().is_some_and(|end| end != client::SessionEnd::Left));
            let account = slot.account();
            progress.commands_sent += account.sent();
            progress.commands_acked += account.acked();
            progress.commands_rejected += account.rejected();
            progress.commands_waiting += account.waiting();
            progress.commands_unknown += account.unknown();
            latency_us.add(account.latency_us()).expect("the sum resizes itself");
        }
        progress.ack_p99_ms = latency_us.value_at_quantile(0.99) as f64 / 1_000.0;
        progress
    }
}

/// Those of one bot's links.
fn faults(options: &SwarmOptions, bot: usize) -> LinkFaults {
    let faults = options.faults;
    LinkFaults { seed: faults.seed.wrapping_add(options.seed), ..faults }.of_link(bot as u64)
}

fn client_options() -> ClientOptions {
    ClientOptions { name: concat!("worldlog-swarm/", env!("CARGO_PKG_VERSION")).to_owned(), ..ClientOptions::default() }
}

/// The report of a swarm that never came in.
fn nobody(options: &SwarmOptions, error: Option<&str>) -> Report {
    let out = || BotRecord::NotJoined { error: error.map(str::to_owned) };
    let records: Vec<_> = (0..options.bots).map(|_| out()).collect();
    Report::of(&records, Duration::ZERO, 0)
}

/// A bug in a bot is not the end of the others.
fn failed(error: tokio::task::JoinError) -> BotRecord {
    BotRecord::NotJoined { error: Some(format!("a bot failed: {error}")) }
}

fn every(period: Duration) -> Interval {
    let period = period.max(Duration::from_millis(1));
    interval_at(tokio::time::Instant::now() + period, period)
}

async fn next(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
