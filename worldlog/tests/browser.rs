//! The page that `worldlog dev` serves, in a real browser: what it is built from, and that it plays.
//!
//! The second needs Chromium, Node and what `cargo xtask ts` fetches; without them it says so and claims nothing.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use std::path::{Path, PathBuf};

use arena::Arena;
use ecs_state::Simulation;

fn client_ts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/ts")
}

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
