//! What designers ask of a recorded match on the command line: the objects that scripts rely on, and exit codes.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use arena::Arena;
use ecs_state::Input;
use program::Bench;
use replay::{Reel, Source};
use serde_json::{Value, json};
use snapshots::{MatchFile, MatchFileWriter, Step};

/// A folder with the match of `assets/matches` in it, as `m/skirmish.wlm`.
fn bench() -> Bench {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("m")).unwrap();
    std::fs::copy("../assets/matches/skirmish.wlm", bench.path(FILE)).unwrap();
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
    assert!(bench.run(&["diff", &at(7)]).usage().contains("<B@T>"), "one state does not differ");
    assert!(bench.run(&["show"]).usage().contains("<FILE@T>"));
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
    for key in ["tick", "system", "command", "old", "new"] {
        assert!(keys(writer).contains(&key), "{key} of {writer}");
    }
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
    assert!(bench.run(&["fork", &at(1678), "--set", "45.Health.pints=1"]).usage().contains("pints"));

    let corpus = bench.run(&["regress", "m", "--json"]).object();
    assert_eq!((&corpus["matches"], &corpus["identical"]), (&json!(1), &json!(1)));
    assert_eq!(corpus["different"], json!([]));
    std::fs::create_dir(bench.path("empty")).unwrap();
    assert!(bench.run(&["regress", "empty"]).failure().contains("worldlog match export"));
}

#[test]
fn another_build_says_what_its_rules_make_of_a_match() {
    let bench = bench();
    std::fs::copy(env!("CARGO_BIN_EXE_worldlog"), bench.path("other")).unwrap();
    let other = bench.run(&["fork", &at(1678), "--with", "other", "--json"]).object();
    assert_eq!((&other["first_difference_tick"], &other["differences"]), (&Value::Null, &json!([])));
    assert_eq!(other["outcome_a"]["hash"], other["outcome_b"]["hash"]);
    assert_eq!(other["outcome_a"]["of_match"], other["outcome_b"]["of_match"]);

    // A build whose rules heal body 45: this one's, told to.
    let healing = "#!/bin/sh\nset -e\nif [ \"$1\" = fork ]; then exec ./other \"$@\" --set 45.Health.points=100; fi\n";
    std::fs::write(bench.path("healing"), format!("{healing}exec ./other \"$@\"\n")).unwrap();
    std::fs::set_permissions(bench.path("healing"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let healed = bench.run(&["fork", &at(1678), "--with", "healing", "--json"]).object();
    assert_eq!(healed["first_difference_tick"], 1678);
    let points = json!({ "entity": 45, "component": "Health", "field": "points", "a": 80, "b": 100 });
    assert_eq!(healed["first"], json!([points]));
    assert_ne!(healed["outcome_a"]["of_match"], healed["outcome_b"]["of_match"]);

    let missing = bench.run(&["fork", &at(1678), "--with", "nothing"]);
    assert!(missing.failure().contains("the path of a worldlog program"), "{}", missing.stderr);
    let no_worldlog = bench.run(&["fork", &at(1678), "--with", "/bin/true"]);
    assert!(no_worldlog.failure().contains("the path of a worldlog program"), "{}", no_worldlog.stderr);
}

#[test]
fn a_match_of_other_rules_is_refused_or_drifts_and_where_is_told() {
    let bench = bench();
    // Rules for which command 363 of player 5 did nothing, as if it had never been given.
    let dropped = bench.run(&["fork", &at(1676), "--drop", "5:363", "--json"]).object();
    let first = dropped["first_difference_tick"].as_u64().unwrap();
    let mut file = MatchFile::open(&bench.path(FILE)).unwrap();
    let ours = file.header.rules_version;
    file.header.rules_version = 99;
    leave_out(&mut file, 363, 1677);
    let mut writer = MatchFileWriter::new(&file.header, &file.content);
    for segment in file.segments {
        writer.keyframe(&segment.keyframe);
        segment.steps.into_iter().for_each(|step| writer.step(step));
    }
    std::fs::write(bench.path("old.wlm"), writer.finish()).unwrap();

    for verb in [&["replay", "old.wlm"][..], &["replay", "old.wlm", "--verify"], &["show", "old.wlm@1"]] {
        let refused = bench.run(verb);
        let said = refused.failure();
        let values = format!("the rules version differs: the match was played with 99, this build has {ours}");
        assert!(said.contains(&values) && said.contains("--drift"), "{said}");
    }
    let before = (first - 1).to_string();
    let equal = bench.run(&["replay", "old.wlm", "--drift", "--to", &before, "--json"]).object();
    assert_eq!((&equal["ticks"], &equal["mismatches"]), (&json!(first - 1), &json!(0)));
    let drifted = bench.run(&["replay", "old.wlm", "--drift", "--json"]);
    assert_eq!(drifted.code, 1, "{}", drifted.stderr);
    let difference = &drifted.found()["first_difference"];
    assert_eq!(difference["tick"], first);
    let differing = dropped["first"].as_array().unwrap();
    assert!(
        differing.iter().any(|field| field["component"] == difference["component"]),
        "{difference} of {differing:?}"
    );
}

/// Takes a command away from the tick that it was played in.
fn leave_out(file: &mut MatchFile, seq: u64, tick: u64) {
    let segment = file.segments.iter_mut().rev().find(|segment| segment.keyframe.tick < tick).unwrap();
    let step = &mut segment.steps[(tick - segment.keyframe.tick - 1) as usize];
    let is_it = |input: &Input, place: usize, step: &Step| {
        matches!(input, Input::Command { player, .. } if *player == 5) && step.origins[place].seq == seq
    };
    let commands = step.inputs.iter().enumerate().filter(|(_, input)| matches!(input, Input::Command { .. }));
    let (place, (index, _)) =
        commands.enumerate().find(|(place, (_, input))| is_it(input, *place, step)).expect("the command is there");
    step.inputs.remove(index);
    step.origins.remove(place);
}

#[test]
fn parts_of_a_match_and_a_match_as_tables() {
    let bench = bench();
    bench.run(&["capture", FILE, "--around", "1679", "--out", "kill.wlm", "--json"]).object();
    assert_eq!(bench.run(&["replay", "kill.wlm", "--verify", "--json"]).object()["mismatches"], 0);
    assert!(
        std::fs::metadata(bench.path("kill.wlm")).unwrap().len() < std::fs::metadata(bench.path(FILE)).unwrap().len()
    );
    assert!(bench.run(&["capture", FILE, "--around", "9999", "--out", "no.wlm"]).usage().contains("0 to 2700"));
    let death = "any(Seat.player == 6 and Seat.deaths == 1)";
    let shrunk = bench.run(&["shrink", "kill.wlm", "--expr", death, "--out", "least.wlm", "--json"]).object();
    assert!(shrunk["commands"].as_u64().unwrap() < shrunk["commands_before"].as_u64().unwrap(), "{shrunk}");
    assert_eq!(bench.run(&["find", "least.wlm", death, "--json"]).object()["ticks"], json!([shrunk["tick"]]));
    let never = bench.run(&["shrink", "kill.wlm", "--expr", "any(Seat.deaths == 999)", "--out", "never.wlm"]);
    assert!(never.failure().contains("does not show in ticks 1499 to 1679"), "{}", never.stderr);

    bench.run(&["export", FILE, "--parquet", "tables", "--json"]).object();
    assert!(bench.path("tables/moments.parquet").exists());
    assert!(bench.run(&["export", FILE, "--parquet", "tables"]).failure().contains("--force"));
}

#[test]
fn a_panic_of_the_rules_is_shrunk_to_what_makes_them_panic() {
    let bench = bench();
    let file = MatchFile::open(&bench.path(FILE)).unwrap();
    // The arena has no weapon 200. The match begins with the keyframe before, and ends with the tick that panics.
    let edited = 1600;
    let source = Arc::new(Source::from_file::<Arena>(FILE.into(), file.clone()).unwrap());
    let mut reel = Reel::<Arena>::new(Arc::clone(&source)).unwrap();
    reel.seek(edited).unwrap();
    let (component, layout) = source.manifest().layout_of("Loadout").unwrap();
    let (entity, row) = reel.columns().column(component).iter().next().unwrap();
    let weapon = layout.fields.iter().position(|field| field.name == "weapon").unwrap();
    let mut row = row.to_vec();
    replay::put_value(layout, &mut row, weapon, &replay::Value::Int(200)).unwrap();
    let segment = file.segments.iter().rfind(|segment| segment.keyframe.tick < edited).unwrap();
    let mut writer = MatchFileWriter::new(&file.header, &file.content);
    writer.keyframe(&segment.keyframe);
    for (tick, step) in (segment.keyframe.tick + 1..=edited + 1).zip(&segment.steps) {
        let mut step = step.clone();
        if tick == edited {
            step.inputs.push(Input::Edit { entity: entity.0, component: layout.number, row: row.clone() });
        }
        writer.step(step);
    }
    std::fs::write(bench.path("broken.wlm"), writer.finish()).unwrap();

    let shrunk = bench.run(&["shrink", "broken.wlm", "--panic", "--out", "least.wlm", "--json"]).object();
    assert_eq!((&shrunk["tick"], &shrunk["commands"]), (&json!(edited + 1), &json!(0)), "{shrunk}");
    assert_eq!(shrunk["kept"].as_array().map(Vec::len), Some(1), "{shrunk}");
    let words = shrunk["panic"].as_str().unwrap();
    let replayed = bench.run(&["replay", "least.wlm", "--verify"]);
    assert!(replayed.code != 0 && replayed.stderr.contains(words), "{words}: {}", replayed.stderr);
    let sound = bench.run(&["shrink", FILE, "--panic", "--out", "none.wlm"]);
    assert!(sound.failure().contains("does not show in ticks 0 to 2700"), "{}", sound.stderr);
}

#[test]
fn a_match_runs_to_a_tick_and_a_damaged_one_up_to_the_damage() {
    let bench = bench();
    let run = bench.run(&["replay", FILE, "--to", "1000", "--json"]).object();
    assert_eq!((&run["tick"], &run["is_as_recorded"]), (&json!(1000), &json!(true)));
    assert_eq!(bench.run(&["replay", FILE, "--json"]).object()["outcome"]["of_match"]["Score"]["teams.0"], 35);
    // A keyframe is compared with the world that comes to it.
    let verified = |to: &str| bench.run(&["replay", FILE, "--verify", "--to", to, "--json"]).object();
    assert_eq!(verified("299")["hashes_checked"], 300);
    assert_eq!(verified("298")["hashes_checked"], 298);
    assert!(bench.run(&["replay", FILE, "--to", "9999"]).failure().contains("0 to 2700"));
    let mut bytes = std::fs::read(bench.path(FILE)).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(bench.path("cut.wlm"), bytes).unwrap();
    assert!(bench.run(&["show", "cut.wlm@10"]).failure().contains("cut.wlm"));
    let shown = bench.run(&["show", "cut.wlm@10", "--salvage", "--json"]);
    assert!(shown.stderr.contains("cut.wlm"), "the damage is said: {}", shown.stderr);
    assert_eq!(shown.object()["entities"], bench.run(&["show", &at(10), "--json"]).object()["entities"]);
}
