//! From a command to its effect on another client's screen: 50 clients over QUIC on one edge, in a match
//! that steps on command, in one with 30 ticks a second, and beside the floor, one fsync of the same disk.
//!
//! `cargo xtask bench visible`. Everything runs in this process; the log is synced before anyone is told.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

mod small_game;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::{Client, ClientOptions, Player, Trust};
use ecs_state::Game;
use hdrhistogram::Histogram;
use small_game::{AtRate, OnCommand, Server};

const CLIENTS: usize = 50;
/// One who sends and one who watches: what is left when nobody else must be told.
const FEW: usize = 2;
const COMMANDS_PER_CLIENT_PER_SECOND: u64 = 4;
const SECONDS: u64 = 10;

fn main() {
    // `cargo bench` passes --bench; `cargo test` would pass something else and only wants to see it start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let fsync = fsync_floor(folder.path());
    println!(
        "{CLIENTS} clients, {} commands/s in all, {SECONDS} s; microseconds, and times one fsync\n",
        CLIENTS as u64 * COMMANDS_PER_CLIENT_PER_SECOND
    );
    println!("{:<42} {:>9} {:>9} {:>9} {:>9}", "", "p50", "p99", "p50/fsync", "p99/fsync");
    row("one fsync of 256 appended bytes", &fsync, &fsync);
    for (name, seen) in [
        (
            "command to visible elsewhere, on command",
            runtime.block_on(visible::<OnCommand>(&folder.path().join("many"), CLIENTS)),
        ),
        ("the same with 2 clients", runtime.block_on(visible::<OnCommand>(&folder.path().join("few"), FEW))),
        (
            "command to visible elsewhere, 30 Hz",
            runtime.block_on(visible::<AtRate>(&folder.path().join("rate"), CLIENTS)),
        ),
    ] {
        row(name, &seen, &fsync);
    }
}

fn row(name: &str, of: &Histogram<u64>, floor: &Histogram<u64>) {
    let (p50, p99) = (of.value_at_quantile(0.5), of.value_at_quantile(0.99));
    let ratio = |value: u64, quantile| value as f64 / floor.value_at_quantile(quantile).max(1) as f64;
    println!("{name:<42} {p50:>9} {p99:>9} {:>9.1} {:>9.1}", ratio(p50, 0.5), ratio(p99, 0.99));
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).unwrap()
}

/// As the log does it: append, then sync the data.
fn fsync_floor(folder: &Path) -> Histogram<u64> {
    let mut file = File::create(folder.join("floor")).unwrap();
    let mut times = histogram();
    for _ in 0..2_000 {
        let begun = Instant::now();
        file.write_all(&[7; 256]).unwrap();
        file.sync_data().unwrap();
        times.saturating_record(begun.elapsed().as_micros() as u64);
    }
    times
}

async fn visible<G: Game>(folder: &Path, clients: usize) -> Histogram<u64> {
    let server = Server::start::<G>(folder).await;
    let mut players = Vec::new();
    for bot in 0..clients {
        let client =
            Client::connect(server.address, Trust::Pinned(server.certificate), ClientOptions::default()).await.unwrap();
        players.push(Arc::new(client.join(server.token(&format!("client-{bot}"))).await.unwrap()));
    }
    let begun = Instant::now();
    // When each client sent its newest command, in microseconds; a command carries a number of its own.
    let sent: Arc<Vec<Mutex<Vec<u64>>>> = Arc::new((0..=clients).map(|_| Mutex::new(Vec::new())).collect());
    let seen = Arc::new(Mutex::new(histogram()));
    let done = Arc::new(AtomicU64::new(0));
    let watcher = tokio::spawn(watch(Arc::clone(&players[0]), Arc::clone(&sent), Arc::clone(&seen), begun));
    let mut senders = Vec::new();
    for (place, player) in players.iter().cloned().enumerate().skip(1) {
        senders.push(tokio::spawn(send(player, place as u64, Arc::clone(&sent), Arc::clone(&done), begun)));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    watcher.abort();
    let histogram = seen.lock().unwrap().clone();
    assert!(histogram.len() as f64 > 0.9 * done.load(Ordering::Relaxed) as f64, "not all commands were seen");
    drop(players);
    server.stop().await;
    histogram
}

/// Clients send at their own times, spread over the interval by their place.
async fn send(player: Arc<Player>, place: u64, sent: Arc<Vec<Mutex<Vec<u64>>>>, done: Arc<AtomicU64>, begun: Instant) {
    let interval = Duration::from_micros(1_000_000 / COMMANDS_PER_CLIENT_PER_SECOND);
    let me = player.player_id().0 as usize;
    tokio::time::sleep(interval.mul_f64(place as f64 / CLIENTS as f64)).await;
    for number in 1..=SECONDS * COMMANDS_PER_CLIENT_PER_SECOND {
        // A prime of microseconds keeps the clients from falling into step with ticks.
        tokio::time::sleep(interval + Duration::from_micros(number * 7_919 % 3_001)).await;
        sent[me].lock().unwrap().push(begun.elapsed().as_micros() as u64);
        // What it does shows on the other screens; that it ran is not the question here.
        drop(player.submit((number as u32).to_le_bytes()).await.unwrap());
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Looks at one client's mirror whenever it changes; a number that is new there has become visible.
async fn watch(player: Arc<Player>, sent: Arc<Vec<Mutex<Vec<u64>>>>, seen: Arc<Mutex<Histogram<u64>>>, begun: Instant) {
    let mut shown = vec![0usize; sent.len()];
    while player.next_tick().await.is_ok() {
        let now = begun.elapsed().as_micros() as u64;
        let numbers = player.with_mirror(|mirror| small_game::numbers(mirror.columns()));
        for (owner, number) in numbers {
            let (owner, number) = (owner as usize, number as usize);
            for earlier in shown[owner]..number {
                let at = sent[owner].lock().unwrap()[earlier];
                seen.lock().unwrap().saturating_record(now.saturating_sub(at).max(1));
            }
            shown[owner] = shown[owner].max(number);
        }
    }
}
