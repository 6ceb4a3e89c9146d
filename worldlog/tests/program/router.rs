//! What stands between players and an edge in the world: a router that gives each player an address of its own towards
//! the edge, may give another one at any time, may stop, and may be at the end of a bad line.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Longest packet.
const PACKET_BYTES: usize = 2_048;
/// How soon the router's threads notice that it is gone.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Players that are there send within this: a connection is given up after ten seconds of silence.
pub(crate) const SEND_MAX: Duration = Duration::from_secs(10);
/// How much later a packet comes that others are to overtake.
const LATE: Duration = Duration::from_millis(30);

/// What becomes of packets, each way: shares in percent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Line {
    pub(crate) loss: u32,
    pub(crate) duplicate: u32,
    pub(crate) reorder: u32,
    /// A bit of it is another. Its UDP checksum fits all the same.
    pub(crate) corrupt: u32,
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
}

/// Translates addresses, as routers do.
pub(crate) struct Router {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

struct State {
    inside: Arc<UdpSocket>,
    edge: SocketAddr,
    line: Mutex<Option<Line>>,
    fates: Mutex<ChaCha8Rng>,
    /// By when it comes out, and those of one moment as they went in.
    under_way: Mutex<BTreeMap<(Instant, u64), Packet>>,
    is_sent: Condvar,
    /// What carries a player's packets to the edge, and brings its answers.
    outside: Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>,
    has_power: AtomicBool,
    is_gone: AtomicBool,
    /// Packets from the edge that came to an address that was given up.
    late: AtomicU64,
    carried: AtomicU64,
    corrupted: AtomicU64,
}

struct Packet {
    by: Arc<UdpSocket>,
    /// Whom, if not the edge.
    to: Option<SocketAddr>,
    bytes: Vec<u8>,
}

impl Packet {
    fn send(&self) {
        // Who is gone is no matter of the router's.
        let _ = match self.to {
            Some(to) => self.by.send_to(&self.bytes, to),
            None => self.by.send(&self.bytes),
        };
    }
}

impl Router {
    /// Listens at `inside`, port 0 for any.
    pub(crate) fn new(inside: &str, edge: SocketAddr) -> Self {
        let inside = UdpSocket::bind(inside).unwrap();
        inside.set_read_timeout(Some(LOOK_EVERY)).unwrap();
        let address = inside.local_addr().unwrap();
        let state = Arc::new(State {
            inside: Arc::new(inside),
            edge,
            line: Mutex::default(),
            fates: Mutex::new(ChaCha8Rng::seed_from_u64(1)),
            under_way: Mutex::default(),
            is_sent: Condvar::new(),
            outside: Mutex::default(),
            has_power: AtomicBool::new(true),
            is_gone: AtomicBool::new(false),
            late: AtomicU64::new(0),
            carried: AtomicU64::new(0),
            corrupted: AtomicU64::new(0),
        });
        let [out, line] = [Arc::clone(&state), Arc::clone(&state)];
        let threads = vec![std::thread::spawn(move || out.carry_out()), std::thread::spawn(move || line.deliver())];
        Self { address, state, threads }
    }

    /// What is sent from here on goes over a line that is not perfect.
    pub(crate) fn take_line(&self, line: Line) {
        *self.state.line.lock().unwrap() = Some(line);
    }

    /// Nothing passes until there is power again.
    pub(crate) fn cut(&self, time: Duration) {
        self.state.has_power.store(false, Ordering::Relaxed);
        std::thread::sleep(time);
        self.state.has_power.store(true, Ordering::Relaxed);
    }

    /// Gives every player another address.
    pub(crate) fn change_addresses(&self) {
        self.state.outside.lock().unwrap().clear();
    }

    /// Waits until so many players' packets pass.
    pub(crate) fn await_players(&self, count: usize) {
        let begun = Instant::now();
        loop {
            let in_use = self.state.outside.lock().unwrap().len();
            if in_use == count {
                return;
            }
            assert!(begun.elapsed() < SEND_MAX, "{in_use} of {count} players send");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Packets that came in, and those of them that went on with another bit.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.state.carried.load(Ordering::Relaxed), self.state.corrupted.load(Ordering::Relaxed))
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.state.is_gone.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

impl State {
    fn carry_out(self: Arc<Self>) {
        let mut bytes = [0; PACKET_BYTES];
        let mut ways = Vec::new();
        while !self.is_gone.load(Ordering::Relaxed) {
            let Ok((length, player)) = self.inside.recv_from(&mut bytes) else { continue };
            if !self.has_power.load(Ordering::Relaxed) {
                continue;
            }
            let outside = Arc::clone(self.outside.lock().unwrap().entry(player).or_insert_with(|| {
                let outside =
                    UdpSocket::bind((if self.edge.ip().is_loopback() { "127.0.0.1" } else { "0.0.0.0" }, 0)).unwrap();
                outside.connect(self.edge).unwrap();
                outside.set_read_timeout(Some(LOOK_EVERY)).unwrap();
                let outside = Arc::new(outside);
                let (run, from) = (Arc::clone(&self), Arc::clone(&outside));
                ways.push(std::thread::spawn(move || run.carry_in(player, &from)));
                outside
            }));
            self.carry(Packet { by: outside, to: None, bytes: bytes[..length].to_vec() });
        }
        ways.into_iter().for_each(|way| way.join().unwrap());
    }

    fn carry_in(&self, player: SocketAddr, from: &Arc<UdpSocket>) {
        let mut bytes = [0; PACKET_BYTES];
        while !self.is_gone.load(Ordering::Relaxed) {
            let Ok(length) = from.recv(&mut bytes) else { continue };
            let is_current =
                self.outside.lock().unwrap().get(&player).is_some_and(|current| Arc::ptr_eq(current, from));
            if !is_current {
                self.late.fetch_add(1, Ordering::Relaxed);
            } else if self.has_power.load(Ordering::Relaxed) {
                self.carry(Packet { by: Arc::clone(&self.inside), to: Some(player), bytes: bytes[..length].to_vec() });
            }
        }
    }

    /// Sends a packet over the line.
    fn carry(&self, mut packet: Packet) {
        self.carried.fetch_add(1, Ordering::Relaxed);
        let Some(line) = *self.line.lock().unwrap() else { return packet.send() };
        let mut fates = self.fates.lock().unwrap();
        let mut hits = |percent| fates.next_u32() % 100 < percent;
        let [is_lost, is_doubled, is_late, is_other] =
            [line.loss, line.duplicate, line.reorder, line.corrupt].map(&mut hits);
        let times = [(); 2].map(|()| line.delay + line.jitter * (fates.next_u32() % 1_000) / 1_000);
        if is_lost {
            return;
        }
        let now = Instant::now();
        let mut under_way = self.under_way.lock().unwrap();
        if is_doubled {
            let twin = Packet { by: Arc::clone(&packet.by), to: packet.to, bytes: packet.bytes.clone() };
            under_way.insert((now + times[1], fates.next_u64()), twin);
        }
        if is_other {
            let bit = fates.next_u32() as usize % (packet.bytes.len() * 8);
            packet.bytes[bit / 8] ^= 1 << (bit % 8);
            self.corrupted.fetch_add(1, Ordering::Relaxed);
        }
        let late = if is_late { LATE } else { Duration::ZERO };
        under_way.insert((now + times[0] + late, fates.next_u64()), packet);
        self.is_sent.notify_one();
    }

    /// The other end of the line.
    fn deliver(&self) {
        let mut under_way = self.under_way.lock().unwrap();
        while !self.is_gone.load(Ordering::Relaxed) {
            let now = Instant::now();
            let first = under_way.first_entry();
            let wait = match first {
                Some(first) if first.key().0 <= now => {
                    first.remove().send();
                    continue;
                }
                Some(first) => (first.key().0 - now).min(LOOK_EVERY),
                None => LOOK_EVERY,
            };
            under_way = self.is_sent.wait_timeout(under_way, wait).unwrap().0;
        }
    }
}
