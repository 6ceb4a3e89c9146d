//! The page that `worldlog dev` serves, in a real browser: what it is built from, and that it plays.
//!
//! The second needs Chromium, Node and what `cargo xtask ts` fetches; without them it says so and claims nothing.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use arena::Arena;
use ecs_state::Simulation;
use program::Bench;
use serde_json::Value;

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

#[test]
fn a_browser_plays_beside_native_clients_and_outlives_the_edge() {
    let Some(tools) = tools() else { return };
    let bench = Bench::new();
    let start = |quic: &str, http: &str| bench.dev(&["--data", "d", "--listen", quic, "--http", http, "--bots", "8"]);
    let dev = start("127.0.0.1:0", "127.0.0.1:0");
    let (quic, http) = (dev.word("quic"), dev.word("http"));
    let mut page = Page::open(&tools, &format!("http://{http}/play"), bench.path("").as_path());

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

/// What plays a page.
struct Tools {
    chromium: &'static str,
}

/// Says what is missing.
fn tools() -> Option<Tools> {
    let runs = |program: &&str| Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success());
    let chromium = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(runs);
    let is_fetched = client_ts().join("node_modules/playwright-core").is_dir();
    let missing = match chromium {
        None => "Chromium (`apt-get install chromium`)",
        Some(_) if !runs(&"node") => "Node 20 or newer",
        Some(_) if !is_fetched => "what npm fetches (`cargo xtask ts`)",
        Some(chromium) => return Some(Tools { chromium }),
    };
    eprintln!("SKIPPED, nothing is claimed of browsers: this machine lacks {missing}");
    None
}

/// A page in a browser that plays by a script.
struct Page {
    script: Child,
    stdout: BufReader<ChildStdout>,
}

impl Page {
    fn open(tools: &Tools, url: &str, folder: &Path) -> Self {
        // Chromium asks for a path.
        let chromium = Command::new("which").arg(tools.chromium).output().unwrap().stdout;
        let chromium = String::from_utf8(chromium).unwrap();
        let keep = std::env::var_os("WORLDLOG_SCREENSHOTS").map_or_else(|| folder.to_owned(), PathBuf::from);
        let mut script = Command::new("node")
            .current_dir(client_ts())
            .args(["browser/play.mjs", chromium.trim(), url])
            .arg(keep)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(script.stdout.take().unwrap());
        Self { script, stdout }
    }

    /// The next thing that the script saw.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the script said {line:?}: {error}"))
    }

    fn close(mut self) {
        assert!(self.script.wait().unwrap().success());
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}
