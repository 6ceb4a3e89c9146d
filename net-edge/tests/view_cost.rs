//! What a view costs: bits for each entity that moves, and memory asked for while nothing is new. `--nocapture` prints the
//! figures, with the time that writing takes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a panic is the report, and figures are to be seen")]

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use net_edge::view::{Budget, Encoder, PlayerView, Replica};
use protocol::Columns;
use protocol::delta::Writer;
use protocol::manifest::{FieldKind, Layout, Manifest, Sync, Visibility};
use protocol::update::Ack;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Counts what this thread asks for.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator is one")]
// SAFETY: all is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, at: *mut u8, memory: Memory) {
        // SAFETY: it was given out by `alloc`.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Entities in a square, of which every fifth moves. Lengths in hundredths of a unit.
const ENTITIES: u32 = 1_000;
const SIDE: i32 = 100_000;
const SPEED: u32 = 50;
/// Ticks from a write to its acknowledgement.
const ROUND_TRIP: usize = 2;

struct Field {
    columns: Columns,
    writer: Writer,
    at: Vec<[i32; 2]>,
    speed: Vec<[i32; 2]>,
    dice: ChaCha8Rng,
    /// In a hundred: how often one turns.
    turns: u32,
    /// How often each difference occurred.
    differences: BTreeMap<i32, u64>,
}

impl Field {
    fn new(turns: u32) -> Self {
        let fields = ["x", "y"].map(|name| (name.to_owned(), FieldKind::I32, 100));
        let layouts = vec![Layout::entity(), Layout::new(1, "Place", Visibility::Everyone, Sync::Interpolate, fields)];
        let manifest = Arc::new(Manifest::new("field", 1, 20_000, layouts, Vec::new(), &[]).unwrap());
        let dice = ChaCha8Rng::seed_from_u64(5);
        let mut field = Self {
            columns: Columns::new(manifest),
            writer: Writer::new(),
            at: Vec::new(),
            speed: Vec::new(),
            dice,
            turns,
            differences: BTreeMap::new(),
        };
        for _ in 0..ENTITIES {
            let at = [(), ()].map(|()| (field.dice.next_u32() % SIDE as u32) as i32);
            field.at.push(at);
            let speed = field.any_speed();
            field.speed.push(speed);
        }
        field.commit(true);
        field
    }

    fn any_speed(&mut self) -> [i32; 2] {
        [(), ()].map(|()| (self.dice.next_u32() % (2 * SPEED + 1)) as i32 - SPEED as i32)
    }

    fn step(&mut self) -> (Vec<u8>, Vec<u8>) {
        for id in (0..ENTITIES as usize).step_by(5) {
            if self.dice.next_u32() % 100 < self.turns {
                self.speed[id] = self.any_speed();
            }
            for axis in 0..2 {
                let next = self.at[id][axis] + self.speed[id][axis];
                if !(0..SIDE).contains(&next) {
                    self.speed[id][axis] = -self.speed[id][axis];
                }
                let next = next.clamp(0, SIDE - 1);
                *self.differences.entry(next - self.at[id][axis]).or_default() += 1;
                self.at[id][axis] = next;
            }
        }
        self.commit(false);
        (self.writer.finish(Visibility::Everyone), self.writer.finish(Visibility::Owner))
    }

    fn commit(&mut self, is_first: bool) {
        let present: Vec<(u32, u32)> = (0..ENTITIES).map(|place| (place + 1, place)).collect();
        let rows: Vec<u8> = self.at.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
        self.writer.begin(&mut self.columns, &[]);
        if is_first {
            self.writer.component(&mut self.columns, 0, &present, &vec![0; 4 * ENTITIES as usize], &[]);
        }
        self.writer.component(&mut self.columns, 1, &present, &rows, &[]);
    }

    /// Bits that a difference tells, on average.
    fn entropy(&self) -> f64 {
        let sum = self.differences.values().sum::<u64>() as f64;
        let shares = self.differences.values().map(|count| *count as f64 / sum);
        shares.map(|share| -share * share.log2()).sum()
    }
}

struct Cost {
    bytes_per_moving: f64,
    entropy_bits: f64,
    asked: u64,
    each: Duration,
}

/// Plays to players who see every `every`th block of five entities, one of which moves.
fn play(turns: u32, every: u32, players: u32) -> Cost {
    let mut field = Field::new(turns);
    let mut replica = Replica::new(&field.columns, 0);
    let seen: Vec<u32> = (1..=ENTITIES).filter(|id| (id - 1) / 5 % every == 0).collect();
    let moving = seen.len() / 5;
    let mut views: Vec<PlayerView> =
        (0..players).map(|player| PlayerView::begin(1, &replica, player + 1, &seen, None, &|_, _| true).0).collect();
    let mut encoder = Encoder::new();
    let budget = Budget { bytes: 100_000, packet_bytes: 1_200 };
    let (mut bytes, mut asked, mut time, mut told) = (0usize, 0, Duration::ZERO, 0usize);
    let mut newest = [0u16; ROUND_TRIP + 1];
    for tick in 1..=400u64 {
        let (everyone, owner) = field.step();
        replica.advance(&field.columns, &[(&everyone, &owner)], tick).unwrap();
        let (before, start) = (ASKED.get(), Instant::now());
        let mut seq = 0;
        for view in &mut views {
            view.see(&replica, &seen, &|_, _| true);
            view.handle_rtt(ROUND_TRIP as u32);
            view.write(&replica, &mut encoder, &budget, &|_, _| true, &|_| 0, &mut |packet| {
                seq = u16::from_le_bytes([packet[2], packet[3]]);
                if tick > 200 {
                    bytes += packet.len();
                }
            });
        }
        newest.rotate_left(1);
        newest[ROUND_TRIP] = seq;
        for view in views.iter_mut().filter(|_| newest[0] > 0) {
            view.handle_ack(&Ack { era: 1, seq: newest[0], missing: 0 });
        }
        if tick > 200 {
            time += start.elapsed();
            asked += ASKED.get() - before;
            told += moving * views.len();
        }
    }
    Cost {
        bytes_per_moving: bytes as f64 / told as f64,
        entropy_bits: 2.0 * field.entropy(),
        asked,
        each: time / 200 / players,
    }
}

fn check(name: &str, turns: u32, every: u32, bytes_max: f64) {
    let cost = play(turns, every, 50);
    println!(
        "{name}: {:.2} bytes for each entity that moves (entropy of its difference {:.1} bits), {:?} a player and tick",
        cost.bytes_per_moving, cost.entropy_bits, cost.each
    );
    assert!(cost.bytes_per_moving <= bytes_max, "{name}: {:.2} bytes", cost.bytes_per_moving);
    assert_eq!(cost.asked, 0, "{name}: memory was asked for");
}

#[test]
fn an_entity_that_moves_on_costs_two_bytes_and_no_memory() {
    check("200 moving straight", 0, 1, 2.0);
    check("14 moving straight", 0, 14, 3.0);
}

#[test]
fn an_entity_that_moves_anyhow_costs_three_and_a_half_bytes() {
    check("200 turning at half of the ticks", 50, 1, 3.5);
    check("200 turning each second", 5, 1, 3.5);
    check("14 turning each second", 5, 14, 3.5);
}
