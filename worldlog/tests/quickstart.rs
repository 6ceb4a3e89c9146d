//! The first five minutes, as the README tells them, and what goes wrong in them.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use std::os::unix::fs::PermissionsExt;

use ecs_state::Input;
use program::{Bench, Dev, text};
use snapshots::{MatchFile, MatchFileWriter};

const ANY: [&str; 4] = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
/// Bots who are to come in and command something, also where a machine does other things for two of these seconds.
const PLAY: &str = "5s";

fn dev(bench: &Bench, more: &[&str]) -> Dev {
    bench.dev(&[&["--data", "d"], &ANY[..], more].concat())
}

#[test]
fn a_match_is_played_listed_exported_and_replayed_while_it_runs() {
    let bench = Bench::new();
    let dev = dev(&bench, &["--population", "50"]);
    assert_eq!(dev.ready["match"], 1);
    assert_eq!(dev.ready["recovered"]["entries_replayed"], 0);
    let quic = dev.word("quic");
    assert!(bench.path("d").canonicalize().unwrap().join("keys/token.key").ends_with("d/keys/token.key"));

    let swarm = bench.run(&["swarm", "--connect", &quic, "--bots", "8", "--duration", "5s", "--json"]);
    let report = swarm.object();
    assert_eq!(swarm.stderr, "", "with --json nobody watches a progress");
    for (key, expected) in [("joined", 8), ("commands_lost", 0), ("duplicates", 0), ("hash_mismatches", 0)] {
        assert_eq!(report[key], expected, "{key} in {report}");
    }
    for key in ["commands_acked", "deltas"] {
        assert!(report[key].as_u64().unwrap() > 100, "{key} in {report}");
    }
    // One for each baseline, and one a second or more often.
    assert!(report["hash_checks"].as_u64().unwrap() >= 3 * 8, "{report}");
    assert!(report["ack_ms"]["p99"].as_f64().unwrap() > 0.0);

    let status = bench.run(&["status", "--data", "d", "--json"]).object();
    assert_eq!(status["quic"], quic.as_str());
    assert_eq!(status["edge"]["joins"], 8);
    assert!(status["host"]["failure"].is_null());

    let listed = bench.run(&["match", "list", "--data", "d", "--json"]).object();
    assert_eq!(listed["matches"].as_array().unwrap().len(), 1);
    assert!(listed["matches"][0]["entities"].as_u64().unwrap() >= 50);
    let opened = bench.run(&["match", "open", "--data", "d", "--label", "second", "--seed", "7", "--json"]).object();
    assert_eq!(opened["match"], 2);
    let listed = bench.run(&["match", "list", "--data", "d", "--json"]).object();
    assert_eq!(listed["matches"][1]["label"], "second");
    assert_eq!(bench.run(&["match", "close", "2", "--data", "d", "--json"]).object()["closed"], true);
    assert!(bench.run(&["match", "close", "2", "--data", "d"]).failure().contains("no such match"));

    let exported = bench.run(&["match", "export", "1", "--data", "d", "--out", "m.wlm", "--json"]).object();
    assert!(exported["ticks"].as_u64().unwrap() > 100);
    assert!(exported["hashes_checked"].as_u64().unwrap() > 100);
    assert!(bench.run(&["match", "export", "1", "--data", "d", "--out", "m.wlm"]).failure().contains("--force"));
    let replayed = bench.run(&["replay", "m.wlm", "--verify", "--json"]).object();
    assert_eq!(replayed["ticks"], exported["ticks"]);
    assert_eq!(replayed["mismatches"], 0);
    assert!(replayed["hashes_checked"].as_u64() >= replayed["ticks"].as_u64());

    let taken = bench.run(&["snapshot", "take", "--data", "d", "--json"]).object();
    let snapshot = taken["path"].as_str().unwrap();
    let verified = bench.run(&["snapshot", "verify", snapshot, "--json"]).object();
    assert_eq!((&verified["matches"], &verified["game"]), (&1.into(), &"arena".into()));

    let (status, rest) = dev.terminate();
    assert!(status.success(), "{status}");
    assert_eq!(rest, "", "one object on stdout and nothing else");
    assert!(!bench.path("d/dev.json").exists());

    let snapshots = bench.run(&["snapshot", "list", "--data", "d", "--json"]).object();
    assert!(snapshots["snapshots"].as_array().unwrap().len() >= 2, "one that was asked for, one at the end");
    let at_rest = bench.run(&["match", "list", "--data", "d", "--json"]).object();
    assert_eq!(at_rest["matches"].as_array().unwrap().len(), 1);
    assert!(bench.run(&["status", "--data", "d"]).failure().contains("worldlog dev"));
}

#[test]
fn a_clean_stop_goes_on_where_it_was() {
    let bench = Bench::new();
    let first = dev(&bench, &["--bots", "2"]);
    let quic = first.word("quic");
    bench.run(&["swarm", "--connect", &quic, "--bots", "2", "--duration", PLAY, "--json"]).object();
    let before = bench.run(&["match", "list", "--data", "d", "--json"]).object();
    let (status, _) = first.terminate();
    assert!(status.success(), "{status}");

    let second = dev(&bench, &[]);
    assert_eq!(second.ready["match"], 1, "it goes on with the match that was open");
    let recovered = &second.ready["recovered"];
    assert!(recovered["snapshot_position"].as_u64().unwrap() > 0, "{recovered}");
    assert_eq!(recovered["torn_tail_bytes"], 0);
    let after = bench.run(&["match", "list", "--data", "d", "--json"]).object();
    assert!(after["matches"][0]["tick"].as_u64() >= before["matches"][0]["tick"].as_u64());
    assert!(second.terminate().0.success());
}

#[test]
fn cut_bots_come_back_and_nothing_is_lost() {
    let bench = Bench::new();
    let dev = dev(&bench, &[]);
    let quic = dev.word("quic");
    let cut = ["swarm", "--connect", &quic, "--bots", "8", "--duration", "5s", "--cut-every", "200ms", "--json"];
    let report = bench.run(&cut).object();
    assert!(report["resumes"].as_u64().unwrap() >= 10, "{report}");
    assert_eq!((&report["commands_lost"], &report["duplicates"]), (&0.into(), &0.into()), "{report}");
    assert!(dev.terminate().0.success());
}

#[test]
fn what_is_taken_or_missing_is_named_with_its_cure() {
    let bench = Bench::new();
    let first = dev(&bench, &[]);
    let (quic, http) = (first.word("quic"), first.word("http"));

    let locked = bench.run(&[&["dev", "--json", "--data", "d"], &ANY[..]].concat());
    assert!(locked.failure().contains("another process runs on this data folder"), "{}", locked.stderr);
    assert!(locked.found()["error"].as_str().unwrap().contains("--data"));
    let taken = bench.run(&["dev", "--data", "e", "--listen", &quic, "--http", "127.0.0.1:0"]);
    assert!(taken.failure().contains("--listen"), "{}", taken.stderr);
    let taken = bench.run(&["dev", "--data", "e", "--listen", "127.0.0.1:0", "--http", &http]);
    assert!(taken.failure().contains("--http"), "{}", taken.stderr);
    std::fs::write(bench.path("file"), "no folder").unwrap();
    let unusable = bench.run(&[&["dev", "--data", "file"], &ANY[..]].concat());
    assert!(unusable.failure().contains("data folder must be writable"), "{}", unusable.stderr);

    let nowhere = bench.run(&["swarm", "--connect", "127.0.0.1:9", "--bots", "1", "--duration", "1s", "--json"]);
    assert!(nowhere.failure().contains("worldlog dev"), "{}", nowhere.stderr);
    let remote = bench.run(&["swarm", "--connect", "192.0.2.1:4433", "--bots", "1"]);
    assert!(remote.usage().contains("--trust-sha256"), "{}", remote.stderr);
    let unknown =
        bench.run(&["swarm", "--connect", &quic, "--match", "9", "--bots", "1", "--duration", "2s", "--json"]);
    assert_eq!(unknown.code, 1);
    assert_eq!(unknown.found()["joined"], 0);
    assert!(bench.run(&["match", "list", "--data", "nowhere"]).failure().contains("no such folder"));
    assert!(bench.run(&["match", "export", "9", "--data", "d", "--out", "x.wlm"]).failure().contains("no match 9"));
    assert!(bench.run(&["replay", "file", "--verify"]).failure().contains("file"));
    assert!(bench.run(&["replay", "missing.wlm", "--verify"]).failure().contains("missing.wlm"));
    assert!(bench.run(&["snapshot", "verify", "file"]).failure().contains("file"));
    assert!(!bench.path("x.wlm").exists());
    bench.run(&["match"]).usage();
    bench.run(&["swarm"]).usage();
    bench.run(&["fly"]).usage();
    assert!(first.terminate().0.success());
}

#[test]
fn a_foreign_key_opens_nothing() {
    let bench = Bench::new();
    let first = dev(&bench, &[]);
    let other = bench.dev(&[&["--data", "other"], &ANY[..]].concat());
    let quic = first.word("quic");
    let key = bench.path("other/keys/token.key");
    let swarm = ["swarm", "--connect", &quic, "--token-key", text(&key), "--bots", "2", "--duration", "2s", "--json"];
    let refused = bench.run(&swarm);
    assert_eq!(refused.code, 1);
    assert_eq!(refused.found()["joined"], 0);
    let wrong = "00".repeat(32);
    let pinned = ["swarm", "--connect", &quic, "--trust-sha256", &wrong, "--bots", "2", "--duration", "2s", "--json"];
    let refused = bench.run(&pinned);
    assert_eq!((refused.code, &refused.found()["joined"]), (1, &0.into()));
    let right = first.word("certificate_sha256");
    let pinned = ["swarm", "--connect", &quic, "--trust-sha256", &right, "--bots", "2", "--duration", PLAY, "--json"];
    assert_eq!(bench.run(&pinned).object()["joined"], 2);
    assert!(first.terminate().0.success() && other.terminate().0.success());
}

#[test]
fn tokens_are_issued_within_their_bounds() {
    let bench = Bench::new();
    let dev = dev(&bench, &[]);
    assert!(dev.terminate().0.success(), "a key is enough, nothing need run");
    for (file, mode) in [("d/keys/token.key", 0o600), ("d/keys/admin.key", 0o600), ("d/keys/edge.pem", 0o600)] {
        assert_eq!(std::fs::metadata(bench.path(file)).unwrap().permissions().mode() & 0o777, mode, "{file}");
    }

    let issue = |more: &[&str]| bench.run(&[&["token", "issue", "--match", "1", "--json"], more].concat());
    let issued = issue(&["--data", "d", "--account", "ann", "--seconds", "30"]).object();
    assert_eq!(issued["account"], "ann");
    assert_eq!(issued["token"].as_str().unwrap().split('.').count(), 3);
    let again = issue(&["--key", "d/keys/token.key", "--account", "ann"]).object();
    assert_ne!(again["token"], issued["token"], "each is one of its kind");
    let plain = bench.run(&["token", "issue", "--match", "1", "--data", "d", "--account", "ann"]);
    assert_eq!((plain.code, plain.stdout.lines().count()), (0, 1), "text is the token alone");

    assert!(issue(&["--data", "d", "--account", "ann", "--seconds", "61"]).usage().contains("60"));
    assert!(issue(&["--data", "d", "--account", "ann", "--seconds", "0"]).usage().contains("60"));
    assert!(issue(&["--data", "d", "--account", ""]).usage().contains("64"));
    assert!(issue(&["--data", "d", "--account", &"a".repeat(65)]).usage().contains("64"));
    assert!(issue(&["--data", "nowhere", "--account", "ann"]).failure().contains("worldlog dev"));
    std::fs::write(bench.path("no.key"), "no key").unwrap();
    assert!(issue(&["--key", "no.key", "--account", "ann"]).failure().contains("Ed25519"));
}

#[test]
fn a_changed_match_file_is_refused_or_found() {
    let bench = Bench::new();
    let dev = dev(&bench, &[]);
    bench.run(&["swarm", "--connect", &dev.word("quic"), "--bots", "2", "--duration", PLAY, "--json"]).object();
    bench.run(&["match", "export", "1", "--data", "d", "--out", "m.wlm", "--json"]).object();
    assert!(dev.terminate().0.success());
    let whole = std::fs::read(bench.path("m.wlm")).unwrap();
    for place in [0, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[place] ^= 1;
        std::fs::write(bench.path("flipped.wlm"), &flipped).unwrap();
        let replayed = bench.run(&["replay", "flipped.wlm", "--verify", "--json"]);
        assert!(replayed.failure().contains("flipped.wlm"), "byte {place}: {}", replayed.stderr);
        assert!(replayed.found()["error"].is_string());
    }
}

#[test]
fn a_command_that_is_missing_from_a_match_file_is_found_at_its_tick() {
    let bench = Bench::new();
    let dev = dev(&bench, &[]);
    bench.run(&["swarm", "--connect", &dev.word("quic"), "--bots", "2", "--duration", PLAY, "--json"]).object();
    bench.run(&["match", "export", "1", "--data", "d", "--out", "m.wlm", "--json"]).object();
    assert!(dev.terminate().0.success());
    let MatchFile { header, content, segments } = MatchFile::open(&bench.path("m.wlm")).unwrap();
    let mut writer = MatchFileWriter::new(&header, &content);
    let mut changed_tick = None;
    for segment in segments {
        writer.keyframe(&segment.keyframe);
        for (tick, mut step) in (segment.keyframe.tick + 1..).zip(segment.steps) {
            if changed_tick.is_none() && step.inputs.iter().any(|input| matches!(input, Input::Command { .. })) {
                step.inputs.retain(|input| !matches!(input, Input::Command { .. }));
                changed_tick = Some(tick);
            }
            writer.step(step);
        }
    }
    std::fs::write(bench.path("changed.wlm"), writer.finish()).unwrap();

    let replayed = bench.run(&["replay", "changed.wlm", "--verify", "--json"]);
    let tick = changed_tick.expect("bots command");
    assert!(replayed.failure().contains(&format!("tick {tick} differs first")), "{}", replayed.stderr);
    let report = replayed.found();
    assert!(report["mismatches"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["first_difference"]["tick"], tick, "{report}");
    let component = report["first_difference"]["component"].as_str().unwrap();
    assert!(replayed.stderr.contains(component), "{report}");
}

#[test]
fn http_shows_to_all_and_changes_for_the_key_alone() {
    let bench = Bench::new();
    let dev = dev(&bench, &[]);
    let http = dev.word("http");
    assert_eq!(program::http(&http, "GET", "/healthz", &[]).0, 200);
    assert_eq!(program::http(&http, "GET", "/readyz", &[]).0, 200);
    let (code, figures) = program::http(&http, "GET", "/metrics", &[]);
    assert_eq!(code, 200);
    for name in ["worldlog_log_entries_total", "worldlog_ticks_total", "worldlog_edge_connections"] {
        assert!(figures.contains(name), "{name} is not among\n{figures}");
    }
    let key = std::fs::read_to_string(bench.path("d/keys/admin.key")).unwrap();
    let good = format!("Bearer {key}");
    let open = |header: &[(&str, &str)]| program::http(&http, "POST", "/snapshots", header).0;
    assert_eq!(open(&[]), 401);
    assert_eq!(open(&[("authorization", "Bearer ")]), 401);
    assert_eq!(open(&[("authorization", &good[..good.len() - 1])]), 401);
    assert_eq!(open(&[("authorization", &good)]), 200);
    assert_eq!(program::http(&http, "DELETE", "/matches/1", &[]).0, 401);
    assert_eq!(program::http(&http, "POST", "/matches", &[("authorization", &good)]).0, 415, "a request has a body");
    assert_eq!(bench.run(&["match", "list", "--http", &http, "--json"]).object()["matches"][0]["id"], 1);
    bench.run(&["snapshot", "take", "--http", &http, "--json"]).object();
    std::fs::write(bench.path("bad.toml"), "population = -1").unwrap();
    let bad = bench.run(&["match", "open", "--data", "d", "--content", "bad.toml", "--json"]);
    assert!(bad.failure().contains("the game does not accept this content"), "{}", bad.stderr);
    assert!(dev.terminate().0.success());
}
