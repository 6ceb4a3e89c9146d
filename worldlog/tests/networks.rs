//! Players whose network changes under them, or is gone for a while: it is the same session after it.
//!
//! Between players and edge stands what stands there in the world: a router that gives each player an address of its
//! own towards the edge, may give another one at any time, and may stop.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each test file uses its part; a panic is the report"
)]

mod program;

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use program::Bench;
use serde_json::Value;

const BOTS: &str = "6";
/// Longest packet.
const PACKET_BYTES: usize = 2_048;
/// How soon the router's threads notice that it is gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Translates addresses, as routers do.
struct Router {
    address: SocketAddr,
    state: Arc<State>,
    inside: Option<JoinHandle<()>>,
}

struct State {
    inside: UdpSocket,
    edge: SocketAddr,
    /// What carries a player's packets to the edge, and brings its answers.
    outside: Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>,
    has_power: AtomicBool,
    is_gone: AtomicBool,
    /// Packets from the edge that came to an address that was given up.
    late: AtomicU64,
}

impl Router {
    fn new(edge: SocketAddr) -> Self {
        let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
        inside.set_read_timeout(Some(LOOK_EVERY)).unwrap();
        let address = inside.local_addr().unwrap();
        let state = Arc::new(State {
            inside,
            edge,
            outside: Mutex::default(),
            has_power: AtomicBool::new(true),
            is_gone: AtomicBool::new(false),
            late: AtomicU64::new(0),
        });
        let run = Arc::clone(&state);
        let inside = Some(std::thread::spawn(move || run.carry_out()));
        Self { address, state, inside }
    }

    /// Nothing passes until there is power again.
    fn cut(&self, time: Duration) {
        self.state.has_power.store(false, Ordering::Relaxed);
        std::thread::sleep(time);
        self.state.has_power.store(true, Ordering::Relaxed);
    }

    /// Gives every player another address.
    fn change_addresses(&self) {
        self.state.outside.lock().unwrap().clear();
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.state.is_gone.store(true, Ordering::Relaxed);
        self.inside.take().unwrap().join().unwrap();
    }
}

impl State {
    fn carry_out(self: Arc<Self>) {
        let mut packet = [0; PACKET_BYTES];
        let mut ways = Vec::new();
        while !self.is_gone.load(Ordering::Relaxed) {
            let Ok((length, player)) = self.inside.recv_from(&mut packet) else { continue };
            if !self.has_power.load(Ordering::Relaxed) {
                continue;
            }
            let outside = Arc::clone(self.outside.lock().unwrap().entry(player).or_insert_with(|| {
                let outside = UdpSocket::bind("127.0.0.1:0").unwrap();
                outside.connect(self.edge).unwrap();
                outside.set_read_timeout(Some(LOOK_EVERY)).unwrap();
                let outside = Arc::new(outside);
                let (run, from) = (Arc::clone(&self), Arc::clone(&outside));
                ways.push(std::thread::spawn(move || run.carry_in(player, &from)));
                outside
            }));
            // An edge that is gone is no matter of the router's.
            let _ = outside.send(&packet[..length]);
        }
        ways.into_iter().for_each(|way| way.join().unwrap());
    }

    fn carry_in(&self, player: SocketAddr, from: &Arc<UdpSocket>) {
        let mut packet = [0; PACKET_BYTES];
        while !self.is_gone.load(Ordering::Relaxed) {
            let Ok(length) = from.recv(&mut packet) else { continue };
            let is_current =
                self.outside.lock().unwrap().get(&player).is_some_and(|current| Arc::ptr_eq(current, from));
            if !is_current {
                self.late.fetch_add(1, Ordering::Relaxed);
            } else if self.has_power.load(Ordering::Relaxed) {
                let _ = self.inside.send_to(&packet[..length], player);
            }
        }
    }
}

/// Lets bots play through a router for so many seconds, meanwhile does something to it, and gives their report: nothing
/// was lost or ran twice, and every hash agreed.
fn play(seconds: &str, meanwhile: impl FnOnce(&Router)) -> Value {
    let bench = Bench::new();
    let dev = bench.dev(&["--data", "d", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--population", "100"]);
    let router = Router::new(dev.word("quic").parse().unwrap());
    let (through, match_id) = (router.address.to_string(), dev.word("match"));
    let to = ["--connect", &through, "--match", &match_id, "--token-key", "d/keys/token.key"];
    let swarm = bench.spawn(&[&["swarm", "--bots", BOTS, "--duration", seconds, "--json"], &to[..]].concat());
    std::thread::sleep(Duration::from_secs(3));
    meanwhile(&router);
    let report = swarm.answer().object();
    println!("resumes {} longest gap {} ms", report["resumes"], report["longest_gap_ms"]);
    for (key, expected) in [("hash_mismatches", 0), ("leaks", 0), ("commands_lost", 0), ("duplicates", 0)] {
        assert_eq!(report[key], expected, "{key}: {report}");
    }
    assert!(report["hash_checks"].as_u64().unwrap() > 0, "{report}");
    report
}

#[test]
fn who_gets_another_address_keeps_the_connection() {
    let report = play("9", |router| {
        for _ in 0..3 {
            router.change_addresses();
            std::thread::sleep(Duration::from_secs(1));
        }
        let in_use = router.state.outside.lock().unwrap().len();
        assert_eq!(in_use, BOTS.parse::<usize>().unwrap(), "all use their new addresses");
    });
    assert_eq!(report["resumes"], 0, "QUIC moves along: {report}");
}

#[test]
fn a_short_cut_is_waited_for() {
    let report = play("8", |router| router.cut(Duration::from_secs(1)));
    assert_eq!(report["resumes"], 0, "{report}");
}

#[test]
fn after_a_long_cut_each_player_comes_back_to_its_session() {
    let bots: u64 = BOTS.parse().unwrap();
    let cuts: &[u64] = if std::env::var_os("WORLDLOG_SOAK").is_some() { &[8, 20, 40, 55] } else { &[8] };
    for seconds in cuts {
        let report = play(&(seconds + 14).to_string(), |router| {
            // The network that is back is another one.
            router.cut(Duration::from_secs(*seconds));
            router.change_addresses();
        });
        assert!(report["resumes"].as_u64().unwrap() >= bots, "{seconds} s: {report}");
    }
}
