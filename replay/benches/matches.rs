//! What a recorded match costs: bytes, verifying it whole, and seeking to a random tick.
//!
//! `cargo xtask bench matches [FILE]`; without a file, the short one of `assets/matches`. The figures of the README are
//! those of a long one: `cargo xtask record --minutes 30 --players 32 --seed 1 --out long.wlm`.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arena::Arena;
use ecs_state::MatchRng;
use replay::{Reel, Source, moments, verify};

const SEEKS: usize = 200;
const SHORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/matches/skirmish.wlm");

fn main() {
    // `cargo bench` passes --bench; `cargo test` would pass something else and only wants to see it start.
    let words: Vec<_> = std::env::args().skip(1).collect();
    if !words.iter().any(|word| word == "--bench") {
        return;
    }
    let path = words.iter().find(|word| !word.starts_with('-')).map_or(SHORT.into(), PathBuf::from);
    let begun = Instant::now();
    let source = Arc::new(Source::open::<Arena>(&path).unwrap());
    let opened = begun.elapsed();
    println!("{}: {} ticks, opened in {opened:.1?}", path.display(), source.last_tick());

    let report = verify::<Arena>(&path, |_, _| {}).unwrap();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "verified {} hashes, {} mismatches, in {:.3} s on {cores} cores: {:.0} times real time, {:.0} a core",
        report.hashes_checked,
        report.mismatches,
        report.seconds,
        report.times_realtime,
        report.times_realtime / cores as f64
    );

    let mut rng = MatchRng::new(1, 0, "seeks");
    let mut reel = Reel::<Arena>::new(Arc::clone(&source)).unwrap();
    let mut took: Vec<Duration> = (0..SEEKS)
        .map(|_| {
            let tick = u64::from(rng.below(source.last_tick() as u32 + 1));
            let begun = Instant::now();
            reel.seek(tick).unwrap();
            begun.elapsed()
        })
        .collect();
    took.sort();
    let of = |percent: usize| took[(SEEKS * percent / 100).min(SEEKS - 1)];
    println!("{SEEKS} seeks: median {:.1?}, p99 {:.1?}, longest {:.1?}", of(50), of(99), took[SEEKS - 1]);

    let begun = Instant::now();
    let told = moments::<Arena>(&source, |_, _| {}).unwrap();
    println!("{} moments told in {:.1?}", told.len(), begun.elapsed());
}
