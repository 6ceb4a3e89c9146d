//! What it costs an edge to know what each player may see: a curve over players, over what is seen and over what there is.
//!
//! A square map with entities strewn evenly; a fifth of them moves in each tick, each player owns one. `note` is the cost
//! of following a tick, `look` that of all players' looks in it. Run with `cargo run --release --example interest_cost`.

#![allow(clippy::print_stdout, reason = "its answer")]
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says where")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use net_edge::interest::Lens;
use protocol::Columns;
use protocol::delta::Writer;
use protocol::manifest::{FieldKind, Interest, Layout, Manifest, Nearness, Reach, Sync, Visibility};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Side of the map, in numbers of the fields.
const SIDE: u32 = 1 << 18;
const TICKS: u32 = 200;
const WARM_UP: u32 = 50;

struct Scene {
    entities: u32,
    players: u32,
    /// How many a player is to see, on average.
    seen: u32,
}

fn main() {
    println!(
        "{:>8} {:>8} {:>6} {:>10} {:>10} {:>12} {:>12}",
        "entities", "players", "seen", "note us", "look us", "look ns/seen", "naive us"
    );
    let scene = |entities, players, seen| Scene { entities, players, seen };
    let by_players = [50, 100, 200, 500, 1_000].map(|players| scene(5_000, players, 50));
    let by_seen = [12, 50, 200, 800].map(|seen| scene(5_000, 500, seen));
    let by_entities = [1_000, 5_000, 20_000, 50_000].map(|entities| scene(entities, 500, 50));
    for (title, scenes) in [("players", &by_players[..]), ("what is seen", &by_seen), ("what there is", &by_entities)] {
        println!("-- over {title}");
        scenes.iter().for_each(measure);
    }
}

fn measure(scene: &Scene) {
    let share = f64::from(scene.seen) / f64::from(scene.entities);
    let half = (f64::from(SIDE) * share.sqrt() / 2.0) as u32;
    let manifest = manifest(half);
    let (mut columns, mut writer) = (Columns::new(Arc::clone(&manifest)), Writer::new());
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut places: Vec<[u32; 2]> =
        (0..scene.entities).map(|_| [rng.next_u32() % SIDE, rng.next_u32() % SIDE]).collect();
    let ids: Vec<u32> = (1..=scene.entities).collect();
    write(&mut columns, &mut writer, &ids, &places, scene.players);
    let mut lens = Lens::new(&manifest);
    lens.reset(&columns);
    let mut held = vec![Vec::new(); scene.players as usize];
    let mut out = Vec::new();
    let (mut noting, mut looking, mut seen, mut looks) = (Duration::ZERO, Duration::ZERO, 0, 0);
    for tick in 0..WARM_UP + TICKS {
        let moved: Vec<u32> = (1..=scene.entities).filter(|id| (id + tick) % 5 == 0).collect();
        for id in &moved {
            places[*id as usize - 1]
                .iter_mut()
                .for_each(|at| *at = (*at + rng.next_u32() % 257).saturating_sub(128).min(SIDE));
        }
        write(&mut columns, &mut writer, &moved, &places, scene.players);
        let start = Instant::now();
        lens.note(&columns, &moved);
        let noted = Instant::now();
        for (player, held) in held.iter_mut().enumerate() {
            lens.look(player as u32 + 1, held, &mut out);
            std::mem::swap(held, &mut out);
        }
        let end = Instant::now();
        if tick >= WARM_UP {
            noting += noted - start;
            looking += end - noted;
            seen += held.iter().map(Vec::len).sum::<usize>();
            looks += held.len();
        }
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(TICKS);
    println!(
        "{:>8} {:>8} {:>6.1} {:>10.1} {:>10.1} {:>12.1} {:>12.1}",
        scene.entities,
        scene.players,
        seen as f64 / looks as f64,
        micros(noting),
        micros(looking),
        looking.as_secs_f64() * 1e9 / seen as f64,
        naive(&places, scene.players, half)
    );
}

/// Microseconds of one tick in which each player is compared with each entity.
fn naive(places: &[[u32; 2]], players: u32, half: u32) -> f64 {
    let start = Instant::now();
    let mut out = Vec::new();
    for player in &places[..players as usize] {
        out.clear();
        let near = |at: &[u32; 2]| at[0].abs_diff(player[0]) <= half && at[1].abs_diff(player[1]) <= half;
        out.extend(places.iter().enumerate().filter(|(_, at)| near(at)).map(|(id, _)| id as u32 + 1));
        std::hint::black_box(&out);
    }
    start.elapsed().as_secs_f64() * 1e6
}

fn manifest(half: u32) -> Arc<Manifest> {
    let axis = |name: &str| (name.to_owned(), FieldKind::I32, 1);
    let place = Layout::new(1, "Place", Visibility::Everyone, Sync::Plain, [axis("x"), axis("y")]);
    let plain = Manifest::new("strewn", 1, 20_000, vec![Layout::entity(), place], Vec::new(), &[]).unwrap();
    let reach = Reach::Rectangle(vec![half; 2]);
    let nearness = Nearness { component: 1, axes: vec![0, 1], reach, margin: half / 10 };
    let interest = Interest { nearness: Some(nearness), ..Interest::default() };
    Arc::new(plain.with_interest(&interest).unwrap())
}

/// Brings the rows of some entities up to date. The first ones are the players'.
fn write(columns: &mut Columns, writer: &mut Writer, ids: &[u32], places: &[[u32; 2]], players: u32) {
    let present: Vec<(u32, u32)> = ids.iter().enumerate().map(|(place, id)| (*id, place as u32)).collect();
    let owners: Vec<u8> = ids.iter().flat_map(|id| if *id <= players { *id } else { 0 }.to_le_bytes()).collect();
    let rows: Vec<u8> = ids.iter().flat_map(|id| places[*id as usize - 1]).flat_map(u32::to_le_bytes).collect();
    writer.begin(columns, &[]);
    writer.component(columns, 0, &present, &owners, &[]);
    writer.component(columns, 1, &present, &rows, &[]);
}
