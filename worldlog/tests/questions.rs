//! What designers ask of a recorded match on the command line: the objects that scripts rely on, and exit codes.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use program::Bench;
use serde_json::{Value, json};

/// A folder with the match of `assets/matches` in it, as `m/skirmish.wlm`.
fn bench() -> Bench {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("m")).unwrap();
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/matches/skirmish.wlm");
    std::fs::copy(recorded, bench.path(FILE)).unwrap();
    bench
}

const FILE: &str = "m/skirmish.wlm";

fn at(tick: u64) -> String {
    format!("{FILE}@{tick}")
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_state_is_shown_and_what_a_tick_changed_of_it() {
    let bench = bench();
    let shown = bench.run(&["show", &at(1678), "--json"]).object();
    assert_eq!(keys(&shown), ["entities", "seek_ms", "tick"]);
    assert_eq!(shown["tick"], 1678);
    let entities = shown["entities"].as_array().unwrap();
    let body = entities.iter().find(|entity| entity["id"] == 45).unwrap();
    assert_eq!((&body["owner"], &body["components"]["Health"]["points"]), (&json!(6), &json!(80)));
    let alone = bench.run(&["show", &at(1678), "--entity", "45", "--json"]).object();
    assert_eq!(&alone["entities"][0], body);
    let missing = bench.run(&["show", &at(1678), "--entity", "999"]);
    assert!(
        missing.failure().contains("no entity 999") && missing.stderr.contains("worldlog find"),
        "{}",
        missing.stderr
    );

    let same = bench.run(&["diff", &at(7), &at(7), "--json"]);
    assert_eq!(same.object(), json!({ "differences": [] }));
    let other = bench.run(&["diff", &at(1678), &at(1679), "--json"]);
    assert_eq!(other.code, 1, "something differs");
    let differences = other.found()["differences"].as_array().unwrap().clone();
    let score = json!({ "entity": 1, "component": "Score", "field": "teams.0", "a": 5, "b": 10 });
    assert!(differences.contains(&score), "{differences:?}");
    let died = |difference: &&Value| difference["entity"] == 45 && difference["b"].is_null();
    assert!(differences.iter().any(|difference| died(&difference)), "who died is not there: {differences:?}");
    assert!(bench.run(&["diff", &at(7), &at(999_999)]).failure().contains("no tick 999999"));
}

#[test]
fn when_something_was_so_and_why() {
    let bench = bench();
    let death = "any(Seat.player == 6 and Seat.deaths == 1)";
    assert_eq!(bench.run(&["find", FILE, death, "--json"]).object(), json!({ "ticks": [1679] }));
    let misspelt = bench.run(&["find", FILE, "any(Seat.plaier == 6)"]);
    assert!(misspelt.usage().contains("plaier"), "{}", misspelt.stderr);

    let why = bench.run(&["why", &at(1679), "44.Seat.deaths", "--depth", "1", "--json"]).object();
    let writer = &why["writers"][0];
    assert_eq!((&writer["tick"], &writer["old"], &writer["new"]), (&json!(1679), &json!(0), &json!(1)));
    assert_eq!(writer["system"], "combat::bury_players");
    let command = &writer["command"];
    assert_eq!((&command["player"], &command["seq"]), (&json!(5), &json!(363)), "who shot: {why}");
    assert!(command["position"].as_i64().unwrap() > 0, "{why}");
    assert!(bench.run(&["why", &at(1679), "44.Seat.nothing"]).usage().contains("nothing"));
}

#[test]
fn what_would_have_been_is_a_match_too() {
    let bench = bench();
    let same = bench.run(&["fork", &at(1678), "--json"]).object();
    assert_eq!((&same["first_difference_tick"], &same["differences"]), (&Value::Null, &json!([])));
    assert_eq!(same["outcome_a"], same["outcome_b"]);
    let spared =
        bench.run(&["fork", &at(1678), "--set", "45.Health.points=100", "--out", "spared.wlm", "--json"]).object();
    assert_eq!(spared["first_difference_tick"], 1678, "{spared}");
    assert_ne!(spared["outcome_a"], spared["outcome_b"]);
    let alive = bench.run(&["find", "spared.wlm", "45.Health.points == 15", "--json"]).object();
    assert_eq!(alive["ticks"], json!([1679]));
    assert_eq!(bench.run(&["replay", "spared.wlm", "--verify", "--json"]).object()["mismatches"], 0);
    // The same build is another build that plays the same.
    let program = env!("CARGO_BIN_EXE_worldlog");
    let other = bench.run(&["fork", &at(100), "--with", program, "--json"]).object();
    assert_eq!(other["first_difference_tick"], Value::Null, "{other}");
    assert!(bench.run(&["fork", &at(1678), "--set", "45.Health.pints=1"]).usage().contains("pints"));

    let corpus = bench.run(&["regress", "m", "--json"]).object();
    assert_eq!((&corpus["matches"], &corpus["identical"]), (&json!(1), &json!(1)));
    assert_eq!(corpus["different"], json!([]));
}

#[test]
fn parts_of_a_match_and_a_match_as_tables() {
    let bench = bench();
    bench.run(&["capture", FILE, "--around", "1679", "--out", "kill.wlm", "--json"]).object();
    assert_eq!(bench.run(&["replay", "kill.wlm", "--verify", "--json"]).object()["mismatches"], 0);
    assert!(
        std::fs::metadata(bench.path("kill.wlm")).unwrap().len() < std::fs::metadata(bench.path(FILE)).unwrap().len()
    );
    bench.run(&["export", FILE, "--parquet", "tables", "--json"]).object();
    assert!(bench.path("tables/moments.parquet").exists());
    assert!(bench.run(&["export", FILE, "--parquet", "tables"]).failure().contains("--force"));
}

#[test]
fn a_match_runs_to_a_tick_and_a_damaged_one_up_to_the_damage() {
    let bench = bench();
    let run = bench.run(&["replay", FILE, "--to", "1000", "--json"]).object();
    assert_eq!((&run["tick"], &run["is_as_recorded"]), (&json!(1000), &json!(true)));
    let mut bytes = std::fs::read(bench.path(FILE)).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(bench.path("cut.wlm"), bytes).unwrap();
    assert!(bench.run(&["show", "cut.wlm@10"]).failure().contains("cut.wlm"));
    let shown = bench.run(&["show", "cut.wlm@10", "--salvage", "--json"]);
    assert!(shown.stderr.contains("cut.wlm"), "the damage is said: {}", shown.stderr);
    assert_eq!(shown.object()["entities"], bench.run(&["show", &at(10), "--json"]).object()["entities"]);
}
