//! The same entries give the same hashes on every host, and a match leaves a data folder as a file.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod aeron;
mod edge;
mod games;
mod running;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aeron::Member;
use cluster_service::{ExportError, SimHost, TickHash, export_match};
use ecs_state::{Game, Input, MatchRng, MatchSetup, Simulation};
use edge::{Edge, Token, commands};
use games::{AtRate, OnCommand, any_command};
use protocol::cluster::EgressMessageT;
use protocol::outcome::CloseCode;
use running::{LiveEdge, start};
use snapshots::MatchFile;
use tempfile::tempdir;

/// Plays a match with two players on a local host, and exports it.
fn play_and_export<G: Game>(data: &Path, out: &Path) -> MatchFile {
    let host = start::<G>(data);
    let edge = LiveEdge::connect(&host.connector());
    edge.open(b"");
    let match_id = edge.open(b"");
    let (one, _) = edge.join(match_id, 1);
    let (two, _) = edge.join(match_id, 2);
    let mut rng = MatchRng::new(3, 3, "script");
    for seq in 1..=400 {
        let batch = [(one, 1, seq, any_command(&mut rng)), (two, 1, seq, any_command(&mut rng))];
        edge.say(commands(&batch));
        if seq % 16 == 0 {
            edge.outcome(two, seq);
        }
    }
    edge.say(edge::leave(one, 1));
    edge.until(|message| (!edge::ended(std::slice::from_ref(message)).is_empty()).then_some(()));
    host.stop().unwrap();
    let exported = export_match::<G>(data, match_id, out).unwrap();
    let file = MatchFile::open(out).unwrap();
    assert_eq!(exported.ticks, file.ticks());
    assert_eq!(exported.keyframes, file.segments.len() as u64);
    assert_eq!(exported.bytes, fs::metadata(out).unwrap().len());
    assert!(exported.hashes_checked > 0 && exported.ticks > 10, "{exported:?}");
    assert_origins(&file, 400);
    file
}

/// Each command says where it stood: numbers of a session count up to the last one, positions never go back.
fn assert_origins(file: &MatchFile, last_seq: u64) {
    let mut numbers: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut position = 0;
    for step in file.segments.iter().flat_map(|segment| &segment.steps) {
        let commands = step.inputs.iter().filter(|input| matches!(input, Input::Command { .. })).count();
        assert_eq!(step.origins.len(), commands);
        for origin in &step.origins {
            assert!(origin.position >= position, "{origin:?} after {position}");
            position = origin.position;
            numbers.entry(origin.session).or_default().push(origin.seq);
        }
    }
    assert!(numbers.len() == 2 && position > 0, "{:?}", numbers.keys());
    for numbers in numbers.values() {
        assert!(numbers.is_sorted_by(|one, next| one < next) && numbers.last() == Some(&last_seq), "{numbers:?}");
    }
}

fn recorded(file: &MatchFile) -> Vec<u64> {
    file.segments.iter().flat_map(|segment| &segment.steps).map(|step| step.hash).collect()
}

/// The same on the simulation alone.
fn stepped<G: Game>(file: &MatchFile) -> Vec<u64> {
    let header = &file.header;
    let setup = MatchSetup { match_id: header.match_id, seed: header.seed, content: file.content.as_slice().into() };
    let mut simulation = Simulation::<G>::open(setup, header.opened_ms).unwrap();
    let steps = file.segments.iter().flat_map(|segment| &segment.steps);
    steps.map(|step| simulation.step(step.time_ms, &step.inputs).hash()).collect()
}

/// The same through sessions of a host in memory: what the file says came in comes in as messages.
fn simulated(file: &MatchFile) -> SimHost<OnCommand> {
    let mut host = SimHost::<OnCommand>::new(file.header.opened_ms);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    assert_eq!(edge.open(&mut host), file.header.match_id);
    // Sessions have the numbers of players, since all are in one match.
    let mut seqs = [0u32; 3];
    for step in file.segments.iter().flat_map(|segment| &segment.steps) {
        host.outage(step.time_ms - host.now_ms());
        // A rule asked for this tick: the timer brings it about.
        if step.inputs.is_empty() {
            host.advance(0);
        }
        let mut batch = Vec::new();
        for input in &step.inputs {
            match input {
                Input::Join { player } => {
                    let nonce = u64::from(*player);
                    let expires_ms = host.now_ms() + 1_000;
                    let token = Token { match_id: 2, account: format!("account {nonce}"), nonce, expires_ms };
                    edge.join(&mut host, &token).unwrap();
                }
                Input::Leave { player } => {
                    edge.say(&mut host, edge::leave(*player, 1));
                }
                Input::Command { player, payload } => {
                    let seq = &mut seqs[*player as usize];
                    *seq += 1;
                    batch.push((*player, 1, *seq, payload.clone()));
                }
                Input::Edit { .. } | Input::Content { .. } => unreachable!("a log holds neither"),
            }
        }
        if !batch.is_empty() {
            edge.say(&mut host, commands(&batch));
        }
    }
    host
}

/// The same through the host of a cluster's member.
fn in_a_member(host: &SimHost<OnCommand>, folder: &Path) -> Vec<TickHash> {
    let mut member = Member::<OnCommand>::new(0, 1, folder).lead();
    host.entries().for_each(|entry| member.apply(&entry));
    member.hashes
}

fn of_the_match(hashes: &[TickHash]) -> Vec<u64> {
    hashes.iter().filter(|tick| tick.match_id == 2).map(|tick| tick.hash).collect()
}

#[test]
fn what_was_played_on_the_local_host_has_the_same_hashes_everywhere_on_command() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("match.wlm");
    let file = play_and_export::<OnCommand>(folder.path(), &out);
    let expected = recorded(&file);
    assert_eq!(stepped::<OnCommand>(&file), expected);
    let host = simulated(&file);
    assert_eq!(of_the_match(host.hashes()), expected);
    assert_eq!(of_the_match(&in_a_member(&host, folder.path())), expected);
    let report = replay::verify::<OnCommand>(&out, |_, _| {}).unwrap();
    assert_eq!((report.mismatches, report.ticks), (0, expected.len() as u64));
    assert!(file.segments.len() > 1, "a barrier was passed");
}

#[test]
fn what_was_played_on_the_local_host_has_the_same_hashes_everywhere_at_a_rate() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("match.wlm");
    let file = play_and_export::<AtRate>(folder.path(), &out);
    assert_eq!(stepped::<AtRate>(&file), recorded(&file));
    let report = replay::verify::<AtRate>(&out, |_, _| {}).unwrap();
    assert_eq!((report.mismatches, report.hashes_checked >= report.ticks), (0, true));
}

#[test]
fn a_match_is_exported_while_the_host_runs_and_after_it_was_closed() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("match.wlm");
    let host = start::<OnCommand>(folder.path());
    let edge = LiveEdge::connect(&host.connector());
    let match_id = edge.open(b"");
    let (session, _) = edge.join(match_id, 1);
    let mut before = 0;
    for seq in 1..=200 {
        edge.deposit(session, seq, 1);
        edge.outcome(session, seq);
        if seq % 20 == 0 {
            let exported = export_match::<OnCommand>(folder.path(), match_id, &out).unwrap();
            assert!(exported.ticks > u64::from(seq) && exported.ticks > before, "{exported:?}");
            before = exported.ticks;
            let report = replay::verify::<OnCommand>(&out, |_, _| {}).unwrap();
            assert_eq!((report.ticks, report.mismatches), (exported.ticks, 0));
        }
    }
    edge.say(edge::close_match(9, match_id));
    edge.until(|message| matches!(message, EgressMessageT::MatchClosed(_)).then_some(()));
    let exported = export_match::<OnCommand>(folder.path(), match_id, &out).unwrap();
    assert_eq!(exported.ticks, before);
}

#[test]
fn a_match_that_never_was_is_not_exported() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("match.wlm");
    let host = start::<OnCommand>(folder.path());
    let edge = LiveEdge::connect(&host.connector());
    edge.open(b"");
    let error = export_match::<OnCommand>(folder.path(), 7, &out).unwrap_err();
    assert!(matches!(error, ExportError::NoMatch { match_id: 7, last: 1, .. }), "{error}");
    assert!(error.to_string().contains("matches 1 to 1 were opened there"), "{error}");
    assert!(!out.exists());
    let error = export_match::<OnCommand>(&folder.path().join("nowhere"), 1, &out).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(!folder.path().join("nowhere").exists());
}

#[test]
fn content_that_the_game_refuses_opens_no_match() {
    let folder = tempdir().unwrap();
    let host = start::<OnCommand>(folder.path());
    let edge = LiveEdge::connect(&host.connector());
    edge.say(edge::open_match(1, games::BAD_CONTENT));
    let (code, reason) = edge.until(|message| match message {
        EgressMessageT::MatchOpened(opened) => Some((opened.code, opened.reason.clone().unwrap())),
        _ => None,
    });
    assert_eq!((code, reason.as_str()), (CloseCode::BadContent as u16, "this is no bank"));
}

#[test]
fn an_edge_that_does_not_take_what_it_is_sent_is_closed_and_the_others_notice_nothing() {
    let folder = tempdir().unwrap();
    let host = start::<OnCommand>(folder.path());
    let good = LiveEdge::connect(&host.connector());
    let match_id = good.open(b"");
    let (session, _) = good.join(match_id, 1);
    let slow = LiveEdge::with_room(&host.connector(), 10);
    slow.say(edge::watch(match_id));
    for seq in 1..=100 {
        good.deposit(session, seq, 1);
        assert_eq!(good.outcome(session, seq).code, 0);
    }
    let mut taken = 0;
    while slow.next().is_some() {
        taken += 1;
    }
    assert_eq!(taken, 10, "what fitted, then the end");
    assert_eq!(slow_edges_once_published(&host), (1, 1));
}

/// Edges closed and edges left, once the host has published what it did.
fn slow_edges_once_published(host: &cluster_service::LocalHost) -> (u64, usize) {
    loop {
        let status = host.status();
        if status.position > 100 {
            return (status.slow_edges, status.cluster_sessions);
        }
        std::thread::yield_now();
    }
}
