//! What a real cluster comes back from: a stop, a snapshot that was taken while it was played on, a member without files.
//! And that its matches leave it as files, from members that run and from members that do not.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is the report")]

mod program;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ecs_state::Input;
use program::cluster::{Cluster, status};
use program::{Answer, Bench, Running, text};
use serde_json::Value;
use snapshots::{MatchFile, Origin, Step};

/// Two clusters at once are six Java processes on whatever cores there are.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const MEMBERS: [u64; 3] = [0, 1, 2];
const BOTS: u64 = 16;
/// For what a follower does a moment after the leader, also where the machine pauses and they elect again.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_match_goes_on_after_a_stop_from_the_snapshot_that_was_taken_while_it_was_played() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let bench = Bench::new();
    let mut cluster = start(&bench);
    cluster.settle(&bench, 3);

    // A snapshot while bots play.
    let swarm = play(&bench, &cluster, "6");
    std::thread::sleep(Duration::from_secs(3));
    let (leader, taken) = take_snapshot(&bench, &mut cluster);
    let position = taken["position"].as_i64().unwrap_or_else(|| panic!("no snapshot: {taken}"));
    assert_eq!(taken["member"].as_u64(), Some(leader), "the folder of the cluster finds who leads: {taken}");
    assert!(position > 0 && taken["bytes"].as_i64() > Some(0), "{taken}");
    wait_for(|| {
        let of = |member| move |snapshot: &Value| snapshot["member"] == member && snapshot["position"] == position;
        MEMBERS.iter().all(|member| listed(&bench).iter().any(of(*member)))
    });
    let follower = MEMBERS.into_iter().find(|member| *member != leader).unwrap();
    let refused = bench.run(&["snapshot", "take", "--member", &format!("c/member-{follower}")]);
    assert!(refused.failure().contains("does not lead") && refused.stderr.contains("cluster"), "{}", refused.stderr);
    let report = clean(&swarm.answer());
    eprintln!("snapshot {taken}\nlongest gap {} ms, acks {}", report["longest_gap_ms"], report["ack_ms"]);

    // A running member gives the match as a file; what it says of itself is what `match list` says.
    wait_for(|| {
        let shown = bench.run(&["status", "--cluster", "c", "--json"]).found();
        let of_edge = &shown["edges"][0]["status"]["cluster"]["leader"];
        shown["leader"].is_u64() && *of_edge == shown["leader"] && shown["members"].as_array().unwrap().len() == 3
    });
    // All that bots did stands before their leaving.
    let has_nobody = |said: Value| said["matches"][0]["players"] == 0;
    wait_for(|| MEMBERS.iter().all(|member| status(&bench, *member).is_some_and(has_nobody)));
    let running = export(&bench, "c", "running.wlm");
    let of_leader = export(&bench, &format!("c/member-{leader}"), "leader.wlm");
    assert!(of_leader.begins_with(&running) || running.begins_with(&of_leader), "they are of one match");
    assert_eq!(running.origins, of_leader.origins, "and hold all that bots did");
    assert_eq!(running.origins.len() as u64, report["commands_acked"].as_u64().unwrap(), "each command once: {report}");

    // Everything ends while bots play, and starts again.
    let swarm = play(&bench, &cluster, "24");
    std::thread::sleep(Duration::from_secs(3));
    cluster.stop();
    let at_rest: Vec<Value> = MEMBERS.iter().map(|member| status(&bench, *member).unwrap()).collect();
    let down = bench.run(&["status", "--cluster", "c", "--json"]);
    assert_eq!((down.code, &down.found()["leader"]), (1, &Value::Null), "{}", down.stdout);
    let refused = bench.run(&["snapshot", "take", "--cluster", "c"]);
    assert!(refused.failure().contains("member 0 stopped"), "{}", refused.stderr);
    let begun = Instant::now();
    let mut cluster = start(&bench);
    cluster.settle(&bench, 3);
    eprintln!("the cluster was back after {:.1} s", begun.elapsed().as_secs_f64());
    for member in MEMBERS {
        // It says what it does before it has read the log that follows its snapshot.
        let further = at_rest[member as usize]["position"].as_i64();
        wait_for(|| status(&bench, member).is_some_and(|said| said["position"].as_i64() > further));
        let said = status(&bench, member).unwrap();
        assert_eq!(said["snapshot_position"], position, "it began with the snapshot: {said}");
    }
    let report = clean(&swarm.answer());
    assert!(report["resumes"].as_u64().unwrap() >= BOTS, "each bot came back: {report}");
    cluster.stop();

    // The history is one: what each member had applied when it stopped is what the match went through.
    let stopped = export(&bench, "c/member-1", "stopped.wlm");
    for said in &at_rest {
        let open = &said["matches"][0];
        let (tick, hash) = (open["tick"].as_u64().unwrap(), open["hash"].as_str().unwrap());
        assert_eq!(format!("{:016x}", stopped.hashes[tick as usize - 1]), hash, "tick {tick} of {said}");
        // What was there to be taken in by then stood before the end of what this member had applied.
        let before = stopped.origins.iter().take_while(|(of, _)| *of <= tick);
        let last = before.map(|(_, origin)| origin.position).last().unwrap();
        assert!(last < said["position"].as_i64().unwrap(), "{last}: {said}");
    }
    assert!(stopped.begins_with(&running), "what a running member gave is the beginning, wherever commands stood");
    assert!(stopped.origins.len() > running.origins.len(), "bots played on");
    let open = bench.run(&["match", "list", "--member", "c/member-1", "--json"]).object()["matches"][0].clone();
    assert_eq!(open["tick"].as_u64(), Some(stopped.hashes.len() as u64), "{open}");
    assert_eq!(open["hash"], format!("{:016x}", stopped.hashes.last().unwrap()), "{open}");
}

#[test]
fn a_member_that_lost_its_files_catches_up_from_the_others_and_computes_the_same() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let bench = Bench::new();
    let mut cluster = start(&bench);
    cluster.settle(&bench, 3);
    clean(&play(&bench, &cluster, "5").answer());
    cluster.stop();
    let at_rest = status(&bench, 0).unwrap();
    for lost in ["archive", "cluster", "status.json"] {
        let path = bench.path("c/member-2").join(lost);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }

    let mut cluster = start(&bench);
    let first = cluster.wait_for("leader", SOON, |event| event["event"] == "leader");
    assert_ne!(first["member"], 2, "who has lost the log does not lead");
    cluster.settle(&bench, 3);
    let begun = Instant::now();
    wait_for(|| status(&bench, 2).is_some_and(|said| said["position"].as_i64() > at_rest["position"].as_i64()));
    eprintln!("it had caught up {:.1} s after the others were at work", begun.elapsed().as_secs_f64());
    let caught_up = status(&bench, 2).unwrap();
    assert!(caught_up["ticks"].as_u64() >= at_rest["matches"][0]["tick"].as_u64(), "it ran every tick: {caught_up}");
    let swarm = play(&bench, &cluster, "5");
    wait_for(|| status(&bench, 2).is_some_and(|said| said["hash_reports"].as_u64() >= Some(2)));
    clean(&swarm.answer());
    for member in MEMBERS {
        let said = status(&bench, member).unwrap();
        assert!(said["failure"].is_null() && said["hash_mismatches"] == 0 && said["desync"].is_null(), "{said}");
    }
    cluster.stop();
    let lost = export(&bench, "c/member-2", "lost.wlm");
    let kept = export(&bench, "c/member-0", "kept.wlm");
    assert!(lost.begins_with(&kept) || kept.begins_with(&lost), "one may be as far as the last reports, one farther");
    let open = &at_rest["matches"][0];
    let (tick, hash) = (open["tick"].as_u64().unwrap(), open["hash"].as_str().unwrap());
    assert_eq!(format!("{:016x}", lost.hashes[tick as usize - 1]), hash, "its files hold what was played before");
}

/// Takes a snapshot; gives who led meanwhile, too. Nobody does while members elect, which those of a machine that stands
/// still for a second do.
fn take_snapshot(bench: &Bench, cluster: &mut Cluster) -> (u64, Value) {
    let deadline = Instant::now() + SOON;
    loop {
        let leader = cluster.settle(bench, 3);
        let answer = bench.run(&["snapshot", "take", "--member", "c", "--json"]);
        if answer.code == 0 && cluster.settle(bench, 3) == leader {
            return (leader, answer.object());
        }
        assert!(Instant::now() < deadline, "not within {SOON:?}: {}{}", answer.stdout, answer.stderr);
    }
}

fn start(bench: &Bench) -> Cluster {
    bench.cluster(&["--nodes", "3", "--edges", "1", "--population", "100"])
}

/// Bots for so many seconds.
fn play(bench: &Bench, cluster: &Cluster, seconds: &str) -> Running {
    let (quic, bots) = (cluster.quic(), BOTS.to_string());
    let fixed = ["swarm", "--connect", quic, "--bots", &bots, "--duration", seconds, "--match", "1", "--json"];
    bench.spawn(&[&fixed[..], &["--token-key", "c/keys/token.key"]].concat())
}

/// The report of bots to whom nothing bad happened.
fn clean(answer: &Answer) -> Value {
    let report = answer.object();
    for (key, expected) in [
        ("joined", BOTS),
        ("commands_lost", 0),
        ("duplicates", 0),
        ("commands_unknown", 0),
        ("hash_mismatches", 0),
        ("sessions_ended", 0),
    ] {
        assert_eq!(report[key], expected, "{key}: {report}\n{}", answer.stderr);
    }
    report
}

/// A match from its beginning.
struct Played {
    /// Of each tick.
    hashes: Vec<u64>,
    /// Where each command stood in the log, with the tick that took it in.
    origins: Vec<(u64, Origin)>,
}

impl Played {
    fn begins_with(&self, other: &Self) -> bool {
        self.hashes.starts_with(&other.hashes) && self.origins.starts_with(&other.origins)
    }
}

/// Writes match 1 of a member or cluster to a file, which plays the same again.
fn export(bench: &Bench, member: &str, file: &str) -> Played {
    let exported = bench.run(&["match", "export", "1", "--member", member, "--out", file, "--json"]).object();
    assert!(exported["hashes_checked"].as_u64().unwrap() > 0, "members reported some: {exported}");
    let replayed = bench.run(&["replay", file, "--verify", "--json"]).object();
    assert_eq!((&replayed["mismatches"], &replayed["ticks"]), (&0.into(), &exported["ticks"]), "{replayed}");
    let file =
        MatchFile::open(&bench.path(file)).unwrap_or_else(|error| panic!("{}: {error}", text(&bench.path(file))));
    let steps = file.segments.iter().flat_map(|segment| &segment.steps);
    let hashes: Vec<u64> = steps.clone().map(|step| step.hash).collect();
    assert_eq!(exported["ticks"].as_u64(), Some(hashes.len() as u64));
    Played { hashes, origins: origins(steps) }
}

/// Where commands stood, which is known of each: in the order of the log, under the numbers of the session that is its
/// player's.
fn origins<'a>(steps: impl Iterator<Item = &'a Step>) -> Vec<(u64, Origin)> {
    let mut origins: Vec<(u64, Origin)> = Vec::new();
    let mut sessions = BTreeMap::new();
    for (tick, step) in (1..).zip(steps) {
        let players = step.inputs.iter().filter_map(|input| match input {
            Input::Command { player, .. } => Some(*player),
            _ => None,
        });
        assert_eq!(players.clone().count(), step.origins.len(), "tick {tick}");
        for (player, origin) in players.zip(&step.origins) {
            let (of, seq) = sessions.entry(origin.session).or_insert((player, 0));
            assert_eq!((*of, *seq + 1), (player, origin.seq), "tick {tick}: {origin:?}");
            *seq = origin.seq;
            let before = origins.last().map_or(1, |(_, before)| before.position);
            assert!(origin.position >= before, "tick {tick}: {origin:?} after {before}");
            origins.push((tick, *origin));
        }
    }
    assert!(sessions.len() as u64 >= BOTS && !sessions.contains_key(&0), "{sessions:?}");
    origins
}

fn listed(bench: &Bench) -> Vec<Value> {
    bench.run(&["snapshot", "list", "--member", "c", "--json"]).object()["snapshots"].as_array().unwrap().clone()
}

fn wait_for(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {SOON:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
