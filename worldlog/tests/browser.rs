//! The page that `worldlog dev` and edges serve, in a real browser: what it is built from, and that it plays.
//!
//! All but the first need Chromium, Node and what `cargo xtask ts` fetches; without them it says so and claims nothing.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use arena::Arena;
use ecs_state::Simulation;
use program::Bench;
use program::chromium::{Page, Tools, client_ts};
use program::cluster::signal;
use serde_json::Value;

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
    assert_sees_all(&playing);
    let swarm = bench.run(&["swarm", "--connect", &quic, "--bots", "4", "--duration", "2s", "--json"]).object();
    assert_eq!((&swarm["joined"], &swarm["hash_mismatches"]), (&4.into(), &0.into()), "{swarm}");

    dev.kill();
    let again = start(&quic, &http);
    let resumed = page.next();
    assert_eq!(resumed["event"], "resumed", "{resumed}");
    assert_eq!((&resumed["isSamePlayer"], &resumed["hashMismatches"]), (&true.into(), &0.into()), "{resumed}");
    assert_eq!(resumed["errors"].as_array().map(Vec::len), Some(0), "{resumed}");
    assert_sees_all(&resumed);
    page.close();
    assert!(again.terminate().0.success());
}

/// The map is drawn, what moves is told by updates in datagrams, and both sides have the same of it.
fn assert_sees_all(seen: &Value) {
    let map = String::from_utf8(arena::default_content()).unwrap();
    let walls: usize =
        map.lines().filter(|line| line.trim_start().starts_with('"')).map(|row| row.matches('#').count()).sum();
    assert_eq!((&seen["walls"], &seen["datagrams"]), (&walls.into(), &true.into()), "{seen}");
    assert!(walls > 0 && seen["hashChecks"].as_u64().unwrap() > 0, "{seen}");
}

#[test]
fn a_browser_plays_at_the_edge_of_a_cluster_and_outlives_it() {
    let Some(tools) = Tools::find() else { return };
    let bench = Bench::new();
    let cluster = bench.cluster(&["--nodes", "1", "--edges", "1"]);
    let _bots = bench.spawn(&["swarm", "--connect", cluster.quic(), "--bots", "16", "--duration", "2m"]);
    let mut page = Page::open(&tools, "play.mjs", &format!("http://{}/play", cluster.http()), &bench.path(""));
    let playing = page.next();
    assert_eq!((&playing["event"], &playing["hashMismatches"]), (&"playing".into(), &0.into()), "{playing}");
    assert_sees_all(&playing);

    signal("KILL", &[cluster.ready["edges"][0]["pid"].as_u64().unwrap()]);
    let resumed = page.next();
    assert_eq!(resumed["event"], "resumed", "{resumed}");
    assert_eq!((&resumed["isSamePlayer"], &resumed["hashMismatches"]), (&true.into(), &0.into()), "{resumed}");
    assert_sees_all(&resumed);
    page.close();
    cluster.stop();
}
