//! What an edge costs and how soon its players see: points in a square, from ten clients to as many as it carries.
//!
//! `cargo xtask bench edge` climbs the ladder, beside a peer when asked to. This program plays one step, and is the
//! server of it too: `step CLIENTS RADIUS [ENTITIES WIDTH SECONDS]` prints a row as JSON.
//!
//! The server is the whole of `worldlog dev`: simulation, log with fsync on the disk that holds the temporary folder,
//! edge. All of it is counted as its cost. The clients are in a process of their own.
//!
//! `floor CLIENTS BYTES [SECONDS]` is the same with a server that does nothing but move packets of that size.
//!
//! To compare: with `WORLDLOG_BENCH_ORDERED` in the environment most clients take no datagrams.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

mod crowd;
mod crypto;
mod floor;
mod probe;
mod process;
mod server;
mod step;
mod world;

use server::{Setup, Subject};

fn main() {
    // `cargo bench` adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.split_first() {
        Some((verb, rest)) if verb == "server" => server::serve(rest),
        Some((verb, rest)) if verb == "floor-server" => floor::serve(rest),
        Some((verb, rest)) if verb == "step" => step(rest),
        Some((verb, rest)) if verb == "floor" => floor(rest),
        // `cargo bench` of everything only wants to see it start; a ladder takes minutes.
        _ => println!("cargo xtask bench edge [--peer colyseus] [--json]"),
    }
}

fn number(arguments: &[String], place: usize, otherwise: f64) -> f64 {
    arguments.get(place).map_or(otherwise, |word| word.parse::<f64>().unwrap_or_else(|_| panic!("{word}?")))
}

fn step(arguments: &[String]) {
    let number = |place, otherwise| number(arguments, place, otherwise);
    let setup =
        Setup { radius: number(1, 0.0) as u32, entities: number(2, 1_000.0) as u32, width: number(3, 1_000.0) as u32 };
    let takes_datagrams = std::env::var_os("WORLDLOG_BENCH_ORDERED").is_none();
    measure(Subject::Edge { setup, takes_datagrams }, number(0, 10.0), number(4, 6.0));
}

fn floor(arguments: &[String]) {
    let bytes = number(arguments, 1, 200.0) as usize;
    measure(Subject::Floor { bytes }, number(arguments, 0, 10.0), number(arguments, 2, 6.0));
}

fn measure(subject: Subject, clients: f64, seconds: f64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let row = runtime.block_on(step::measure(subject, clients as usize, seconds));
    println!("{row}");
    runtime.shutdown_background();
}
