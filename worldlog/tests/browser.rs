//! The page that `worldlog dev` serves, in a real browser: what it is built from, and that it plays.
//!
//! The second needs Chromium, Node and what `cargo xtask ts` fetches; without them it says so and claims nothing.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use arena::Arena;
use ecs_state::Simulation;
use program::Bench;
use program::chromium::{Page, Tools, client_ts};

/// `WORLDLOG_WRITE=1` writes it; `cargo xtask ts --write` then makes the types from it.
#[test]
fn the_page_is_built_for_the_manifest_of_the_arena() {
    let path = client_ts().join("play/arena.manifest");
    let manifest = Simulation::<Arena>::manifest().unwrap();
    if std::env::var_os("WORLDLOG_WRITE").is_some() {
        std::fs::write(&path, manifest.bytes()).unwrap();
    }
    let built_for = std::fs::read(&path).unwrap();
    assert!(
        built_for == manifest.bytes(),
        "the arena's components changed: run this with WORLDLOG_WRITE=1, then `cargo xtask ts --write`"
    );
}

#[test]
fn a_browser_plays_beside_native_clients_and_outlives_the_edge() {
    let Some(tools) = Tools::find() else { return };
    let bench = Bench::new();
    let start = |quic: &str, http: &str| bench.dev(&["--data", "d", "--listen", quic, "--http", http, "--bots", "8"]);
    let dev = start("127.0.0.1:0", "127.0.0.1:0");
    let (quic, http) = (dev.word("quic"), dev.word("http"));
    let mut page = Page::open(&tools, "play.mjs", &format!("http://{http}/play"), bench.path("").as_path());

    let playing = page.next();
    assert_eq!(playing["event"], "playing", "{playing}");
    assert_eq!((&playing["hashMismatches"], &playing["losses"]), (&0.into(), &0.into()), "{playing}");
    assert!(playing["hashChecks"].as_u64().unwrap() > 0, "{playing}");
    let swarm = bench.run(&["swarm", "--connect", &quic, "--bots", "4", "--duration", "2s", "--json"]).object();
    assert_eq!((&swarm["joined"], &swarm["hash_mismatches"]), (&4.into(), &0.into()), "{swarm}");

    dev.kill();
    let again = start(&quic, &http);
    let resumed = page.next();
    assert_eq!(resumed["event"], "resumed", "{resumed}");
    assert_eq!((&resumed["isSamePlayer"], &resumed["hashMismatches"]), (&true.into(), &0.into()), "{resumed}");
    assert_eq!(resumed["errors"].as_array().map(Vec::len), Some(0), "{resumed}");
    page.close();
    assert!(again.terminate().0.success());
}
