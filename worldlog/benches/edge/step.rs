//! One step of the ladder: a server, so many clients, some seconds, one row.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::{Client, ClientOptions, Trust};
use net_edge::{Claims, TokenSigner};
use protocol::MatchId;
use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::crowd::{Counts, Member, endpoint};
use crate::probe::{Findings, play};
use crate::process::{cpu_seconds, cpu_seconds_by_thread, load, resident_mib};
use crate::server::{Listening, Server, Setup, Subject};
use crate::world::{Steer, TICKS_PER_SECOND};
use crate::{crypto, world};

/// Commands a second of one client.
const COMMANDS_PER_SECOND: u32 = 10;
/// Clients that look, at most; the others count.
const PROBES_MAX: usize = 10;
/// Clients that share a socket. Each of a real crowd has its own; this spares the process of the clients.
const CLIENTS_PER_SOCKET: usize = 8;
/// Between two joins: what one address may do in the long run, and a little more.
const JOIN_SPACING: Duration = Duration::from_millis(12);
/// From the last join to the measurement.
const WARM_UP: Duration = Duration::from_millis(1_500);

/// When and what one client sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) takes_datagrams: bool,
}

impl Plan {
    /// The times of its commands, after a wait of its own.
    pub(crate) async fn beat(self) -> Interval {
        let period = Duration::from_secs(1) / COMMANDS_PER_SECOND;
        tokio::time::sleep(period.mul_f64(mixed(self.seed) as f64 / u32::MAX as f64)).await;
        let mut beat = interval(period);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat
    }
}

/// The command of that number: any direction, at full speed.
pub(crate) fn wish(number: u32, seed: u64) -> Steer {
    let angle = mixed(seed.wrapping_mul(1_000_003) + u64::from(number)) as f64;
    let speed = f64::from(10 * world::UNIT);
    Steer { x: (angle.cos() * speed) as i16, y: (angle.sin() * speed) as i16, number }
}

/// 32 bits that look like chance.
fn mixed(seed: u64) -> u32 {
    (xxhash_rust::xxh3::xxh3_64(&seed.to_le_bytes()) >> 32) as u32
}

/// Plays one step and gives its row.
pub(crate) async fn measure(subject: Subject, clients: usize, seconds: f64) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(subject, folder.path());
    let tokens = Tokens::of(&server.listening);
    let (setup, takes_datagrams, probes) = match subject {
        Subject::Edge { setup, takes_datagrams } => (setup, takes_datagrams, PROBES_MAX.min(clients.div_ceil(2))),
        // There is nothing to look at.
        Subject::Floor { .. } => (Setup { entities: 0, width: 0, radius: 0 }, true, 0),
    };
    let (counts, findings) = (Arc::new(Counts::default()), Arc::new(Findings::new()));
    let begun = Instant::now();
    let (mut crowd, mut players, mut tasks, mut sockets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let trust = Trust::Pinned(server.listening.certificate);
    for number in 0..clients {
        tokio::time::sleep(JOIN_SPACING).await;
        let plan = Plan { seed: number as u64, takes_datagrams };
        if number < probes {
            let client = Client::connect(server.listening.quic, trust.clone(), ClientOptions::default()).await.unwrap();
            let player = Arc::new(client.join(tokens.sign(number)).await.unwrap());
            tasks.push(tokio::spawn(play(Arc::clone(&player), plan, Arc::clone(&findings))));
            players.push(player);
        } else {
            if crowd.len().is_multiple_of(CLIENTS_PER_SOCKET) {
                sockets.push(endpoint());
            }
            let socket = sockets.last().unwrap();
            crowd.push(Member::join(socket, &server.listening, tokens.sign(number), plan, &counts).await);
        }
    }
    let all_joined = tokio::time::timeout(Duration::from_secs(20), async {
        while (counts.joined.load(Ordering::Relaxed) as usize) < crowd.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let is_joined = all_joined.await.is_ok();
    let join_ms = begun.elapsed().as_millis() as u64;
    tokio::time::sleep(WARM_UP).await;

    let (pid, me) = (server.pid(), std::process::id());
    let wire = |crowd: &[Member]| {
        crowd.iter().fold([0u64; 4], |sum, member| {
            let stats = member.connection.stats();
            let (down, up) = (stats.udp_rx, stats.udp_tx);
            [sum[0] + down.bytes, sum[1] + down.datagrams, sum[2] + up.bytes, sum[3] + up.datagrams]
        })
    };
    let before = (cpu_seconds(pid), cpu_seconds(me), cpu_seconds_by_thread(pid), wire(&crowd), Instant::now());
    let lost_before = counts.lost.load(Ordering::Relaxed);
    counts.is_measuring.store(true, Ordering::Relaxed);
    findings.is_measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    counts.is_measuring.store(false, Ordering::Relaxed);
    findings.is_measuring.store(false, Ordering::Relaxed);
    let wall = before.4.elapsed().as_secs_f64();
    let server_cpu = cpu_seconds(pid) - before.0;
    let client_cpu = cpu_seconds(me) - before.1;
    let threads: BTreeMap<_, _> = cpu_seconds_by_thread(pid)
        .into_iter()
        .map(|(name, seconds)| (name.clone(), digits((seconds - before.2.get(&name).unwrap_or(&0.0)) / wall)))
        .filter(|(_, cores)| *cores > 0.0)
        .collect();
    let wired = wire(&crowd);
    let [down_bytes, down_packets, up_bytes, up_packets] = std::array::from_fn(|at| (wired[at] - before.3[at]) as f64);
    let lost = counts.lost.load(Ordering::Relaxed) - lost_before;
    let resident = resident_mib(pid);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    crowd.iter().for_each(|member| member.connection.close(0u32.into(), b"done"));
    let client_stats: Vec<_> = players.iter().map(|player| player.stats()).collect();
    drop(players);
    // What follows is timed, and wants the machine for itself.
    drop(server);
    let counted = crowd.len().max(1) as f64;
    let per_counted = |total: f64| total / counted / wall;
    // Probes get what the crowd gets.
    let all = clients as f64 / counted;
    let mean = |bytes: f64, packets: f64| (bytes / packets.max(1.0)) as usize;
    let crypto_seconds = all
        * (down_packets * crypto::seconds_per_packet(mean(down_bytes, down_packets))
            + up_packets * crypto::seconds_per_packet(mean(up_bytes, up_packets)));
    let bytes = counts.bytes.load(Ordering::Relaxed) as f64;
    let [moved, seen, ticks] =
        [&findings.moved, &findings.seen, &findings.ticks].map(|sum| sum.load(Ordering::Relaxed) as f64);
    let moved_per_second = moved / probes.max(1) as f64 / wall;
    let latency = findings.latency_us.lock().unwrap().clone();
    let ms = |quantile| digits(latency.value_at_quantile(quantile) as f64 / 1_000.0);
    json!({
        "clients": clients,
        "interest": interest(setup.radius),
        "bytes_per_client_s": per_counted(bytes).round(),
        "bytes_per_moving_entity": digits(per_counted(bytes) / moved_per_second.max(1e-9)),
        "cpu_ms_per_client_s": digits(server_cpu * 1_000.0 / clients as f64 / wall),
        "latency_ms": { "p50": ms(0.5), "p99": ms(0.99), "max": digits(latency.max() as f64 / 1_000.0) },
        "latencies": latency.len(),
        "unseen_after_1s": findings.unseen.load(Ordering::Relaxed),
        "entities": setup.entities,
        "entities_seen": digits(seen / ticks.max(1.0)),
        "moving_seen_per_tick": digits(moved_per_second / f64::from(TICKS_PER_SECOND)),
        "ticks_seen_per_s": digits(ticks / probes.max(1) as f64 / wall),
        "wire_bytes_per_client_s": per_counted(down_bytes).round(),
        "wire_packets_per_client_s": digits(per_counted(down_packets)),
        "wire_bytes_up_per_client_s": per_counted(up_bytes).round(),
        "wire_packets_up_per_client_s": digits(per_counted(up_packets)),
        "crypto_cpu_ms_per_client_s": digits(crypto_seconds * 1_000.0 / clients as f64 / wall),
        "crypto_share": digits(crypto_seconds / server_cpu.max(1e-9)),
        "server_cpu_cores": digits(server_cpu / wall),
        "server_cpu_cores_by_thread": threads,
        "server_rss_mib": resident.round(),
        "client_process_cpu_cores": digits(client_cpu / wall),
        "hash_mismatches": client_stats.iter().map(|stats| stats.hash_mismatches).sum::<u64>(),
        "resyncs": client_stats.iter().map(|stats| stats.resyncs).sum::<u64>(),
        "connections_lost": lost,
        "all_joined": is_joined,
        "join_ms": join_ms,
        "failed_dials": counts.failed_dials.load(Ordering::Relaxed),
        "wall_s": digits(wall),
        "load1": load(),
    })
}

pub(crate) fn interest(radius: u32) -> String {
    if radius == 0 { "none".to_owned() } else { format!("radius {radius}") }
}

/// Three digits after the point.
fn digits(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

struct Tokens {
    signer: TokenSigner,
    match_id: u64,
}

impl Tokens {
    fn of(listening: &Listening) -> Self {
        Self { signer: TokenSigner::load(&listening.token_key).unwrap(), match_id: listening.match_id }
    }

    fn sign(&self, number: usize) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.signer.sign(&Claims::new(MatchId(self.match_id), format!("client-{number}"), now))
    }
}
