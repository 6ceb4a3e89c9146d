//! The page that designers look at recorded matches with, in a real browser.
//!
//! It needs Chromium, Node and what `cargo xtask ts` fetches; without them it says so and claims nothing.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use std::path::PathBuf;

use program::chromium::{Page, Tools, client_ts};
use program::{Bench, http, text};
use serde_json::Value;

/// The match that everybody has.
fn recorded() -> PathBuf {
    PathBuf::from("../assets/matches/skirmish.wlm").canonicalize().unwrap()
}

#[test]
fn the_page_shades_what_the_rules_let_players_see() {
    let source = std::fs::read_to_string(client_ts().join("replay/sight.ts")).unwrap();
    let [x, y] = arena::SIGHT_METRES;
    assert!(source.contains(&format!("SIGHT_METRES = [{x}, {y}]")), "change it, then `cargo xtask ts --write`");
}

#[test]
fn a_designer_scrubs_steps_asks_why_and_compares_two_forks() {
    let Some(tools) = Tools::find() else { return };
    let bench = Bench::new();
    let file = recorded();
    let serve = bench.ready(&["replay", "serve"], &[text(&file), "--http", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    let url = format!("http://{}/", serve.word("http"));
    let mut page = Page::open(&tools, "replay.mjs", &url, bench.path("").as_path());

    let opened = expect(&mut page, "opened");
    let last = opened["last"].as_u64().unwrap();
    assert!(last > 600, "{opened}");

    let scrubbed = expect(&mut page, "scrubbed");
    let passed: Vec<u64> = serde_json::from_value(scrubbed["passed"].clone()).unwrap();
    assert!(passed.is_sorted() && passed.first() < passed.last(), "the tick goes with the pointer: {scrubbed}");
    let dropped = scrubbed["tick"].as_u64().unwrap();
    let wanted = last * 6 / 10;
    assert!(dropped.abs_diff(wanted) <= last / 100, "{dropped} where {wanted} was pointed at");

    let stepped = expect(&mut page, "stepped");
    let keys = &stepped["keys"];
    let key = |name: &str| keys[name].as_u64().unwrap();
    let begun = key("begun");
    assert_eq!([key("right"), key("left"), key("secondOn")], [begun + 1, begun - 1, begun + 29], "{keys}");
    assert_eq!([key("home"), key("end")], [0, last], "{keys}");
    assert!((1..last).contains(&key("moment")), "something happened: {keys}");
    assert_eq!((&keys["focus"]["id"], &keys["focus"]["role"]), (&"timeline".into(), &"slider".into()));
    assert_ne!(keys["focus"]["outline"], "none", "who goes by keys sees where they are");

    let asked = expect(&mut page, "asked");
    let path = asked["path"].as_str().unwrap();
    let question = format!("/replay/why?tick={}&field={path}", asked["asked"]);
    let (_, why) = http(&serve.word("http"), "GET", &question, &[]);
    let why: Value = serde_json::from_str(&why).unwrap();
    let writer = &why["writers"][0];
    let cause = &asked["cause"];
    assert_eq!(cause["tick"], format!("tick {}", writer["tick"]), "{why}");
    assert_eq!(asked["tick"], writer["tick"], "a click on the tick goes there");
    assert_eq!(asked["cutOff"].to_string(), "[]", "a laptop shows all values of a body, and its causes, at once");
    assert!(asked["shown"].as_f64().unwrap() > 0.6, "most values are seen where a browser leaves less: {asked}");
    assert_eq!(cause["system"], writer["system"], "{why}");
    assert_eq!(cause["change"], format!("{} → {}", shown(&writer["old"]), shown(&writer["new"])), "{why}");
    let by = cause["by"].as_str().unwrap();
    match writer["command"].as_object() {
        Some(command) => assert!(by.starts_with(&format!("P{} command {}", command["player"], command["seq"])), "{by}"),
        None => assert!(!by.starts_with('P') || ["join", "leave"].iter().any(|kind| writer["kind"] == *kind), "{by}"),
    }

    let compared = expect(&mut page, "compared");
    assert_eq!(compared["forks"].as_array().map(Vec::len), Some(2), "{compared}");
    let cells = compared["cells"].as_array().unwrap();
    assert_eq!(&cells[1..], ["Health.points", "77", "33"], "{compared}");
    expect(&mut page, "done");
    page.close();
    assert!(serve.terminate().0.success());
}

#[test]
fn a_live_match_is_followed_and_found_again_when_the_server_comes_back() {
    let Some(tools) = Tools::find() else { return };
    let bench = Bench::new();
    let start = |quic: &str, http: &str| bench.dev(&["--data", "d", "--listen", quic, "--http", http, "--bots", "8"]);
    let dev = start("127.0.0.1:0", "127.0.0.1:0");
    let (quic, http) = (dev.word("quic"), dev.word("http"));
    let mut page = Page::open(&tools, "live.mjs", &format!("http://{http}/"), bench.path("").as_path());
    let live = expect(&mut page, "live");
    assert_eq!(live["playing"], true, "{live}");

    dev.kill();
    let gone = expect(&mut page, "gone");
    assert!(gone["trouble"].as_str().unwrap().contains("server"), "it says what is the matter: {gone}");
    let again = start(&quic, &http);
    expect(&mut page, "back");
    page.close();
    assert!(again.terminate().0.success());
}

/// The next thing that the script saw; none of them with an error on the page's console or a hash that differs.
#[track_caller]
fn expect(page: &mut Page, event: &str) -> Value {
    let seen = page.next();
    assert_eq!(seen["event"], event, "{seen}");
    assert_eq!(seen["errors"].as_array().map(Vec::len), Some(0), "{seen}");
    assert_eq!(seen["hashMismatches"], 0, "{seen}");
    seen
}

fn shown(value: &Value) -> String {
    if value.is_null() { "—".to_owned() } else { value.to_string() }
}
