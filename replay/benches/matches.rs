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

    let before = cpu_seconds();
    let report = verify::<Arena>(&path, |_, _| {}).unwrap();
    let cpu = cpu_seconds() - before;
    println!(
        "verified {} hashes, {} mismatches, in {:.3} s: {:.0} times real time; {cpu:.2} s of one core, reading included: {:.0} times",
        report.hashes_checked,
        report.mismatches,
        report.seconds,
        report.times_realtime,
        report.times_realtime * report.seconds / cpu
    );
    let hour = report.bytes_per_player_hour.unwrap_or_default();
    println!("{} bytes, {hour} for an hour of one player", report.bytes);

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

/// What this process has used of its cores so far: others that run beside it take its time, but not this. 0 where the
/// system does not say.
fn cpu_seconds() -> f64 {
    let said = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may hold spaces; after it, user and system time are the 12th and 13th.
    let after_name = said.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = after_name.split(' ').skip(11).take(2).filter_map(|word| word.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}
