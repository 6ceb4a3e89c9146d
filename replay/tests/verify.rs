//! A recorded match is verified tick by tick, and what was changed is found and named.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "../../cluster-service/tests/games/mod.rs"]
mod games;
#[path = "../../snapshots/tests/match_of/mod.rs"]
mod match_of;

use std::fs;

use ecs_state::{Game, Input, Simulation};
use games::{AtRate, Command, NewRules, OnCommand, PLANTED, Slow};
use protocol::manifest::{FieldKind, Layout, Manifest, Sync, Visibility};
use replay::{ReplayError, Source, VerifyReport, verify, verify_source};
use snapshots::{FileError, MatchFile};
use tempfile::tempdir;

fn try_verify<G: Game>(bytes: &[u8]) -> Result<VerifyReport, ReplayError> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("match.wlm");
    fs::write(&path, bytes).unwrap();
    verify::<G>(&path, |_, _| {})
}

fn check<G: Game>(file: &MatchFile) -> VerifyReport {
    try_verify::<G>(&match_of::write(file)).unwrap()
}

fn played() -> MatchFile {
    match_of::play::<Slow>(5, 120, b"").0
}

/// Segment and place in it of a tick.
fn place_of(file: &MatchFile, tick: u64) -> (usize, usize) {
    let segment = file.segments.iter().rposition(|segment| segment.keyframe.tick < tick).unwrap();
    (segment, (tick - file.segments[segment].keyframe.tick - 1) as usize)
}

#[test]
fn a_recorded_match_is_verified() {
    for file in [match_of::play::<Slow>(1, 0, b"").0, match_of::play::<Slow>(2, 1, b"").0, played()] {
        let report = check::<Slow>(&file);
        assert_eq!((report.ticks, report.mismatches, &report.first_difference), (file.ticks(), 0, &None));
        assert_eq!(report.hashes_checked, file.ticks() + file.segments.len() as u64 - 1);
    }
    assert_eq!(check::<OnCommand>(&match_of::play::<OnCommand>(3, 700, b"").0).mismatches, 0);
    assert_eq!(check::<AtRate>(&match_of::play::<AtRate>(4, 700, b"").0).mismatches, 0);
}

#[test]
fn progress_is_told_up_to_the_last_tick() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("match.wlm");
    fs::write(&path, match_of::write(&played())).unwrap();
    let mut told = Vec::new();
    verify::<Slow>(&path, |done, of| told.push((done, of))).unwrap();
    assert!(told.is_sorted() && told.last() == Some(&(120, 120)), "{told:?}");
}

#[test]
fn a_changed_command_is_found_at_its_tick_and_names_the_component() {
    let mut file = played();
    let (segment, at) = place_of(&file, 60);
    let steps = &mut file.segments[segment].steps;
    steps[at].inputs.push(Input::Command { player: 1, payload: Command::Deposit(1).encode() });
    let report = check::<Slow>(&file);
    let first = report.first_difference.unwrap();
    assert_eq!((first.tick, first.component.as_deref()), (60, Some("Purse")));
    assert_ne!(first.expected, first.found);
    assert!(report.mismatches > 1);
}

#[test]
fn a_bell_that_rings_at_another_time_is_named() {
    let mut file = played();
    let (segment, at) = place_of(&file, 33);
    file.segments[segment].steps[at].inputs.push(Input::Command { player: 9, payload: Command::Ring(1).encode() });
    assert_eq!(check::<Slow>(&file).mismatches, 0, "a player who is not there changes nothing");
    // Commands of player 1 may ring; a later log time lets a bell ring a tick sooner.
    file.segments[segment].steps[at].inputs.push(Input::Command { player: 1, payload: Command::Ring(9_999).encode() });
    let first = check::<Slow>(&file).first_difference.unwrap();
    assert_eq!(first.tick, 33);
    assert!(first.component.is_some());
}

#[test]
fn a_changed_hash_is_found_at_its_tick_and_is_said_to_be_the_records() {
    for tick in [1, 21, 22, 119, 120] {
        let mut file = played();
        let (segment, at) = place_of(&file, tick);
        file.segments[segment].steps[at].hash ^= 1 << 40;
        let report = check::<Slow>(&file);
        let first = report.first_difference.unwrap();
        assert_eq!((report.mismatches, first.tick, first.component), (1, tick, None));
    }
}

#[test]
fn a_keyframe_that_is_not_the_world_that_lived_is_found_where_it_stands() {
    let file = played();
    let other = match_of::play::<Slow>(6, 120, b"").0;
    let place = 2;
    let tick = file.segments[place].keyframe.tick;
    let mut changed = file.clone();
    changed.segments[place].keyframe = other.segments[place].keyframe.clone();
    let report = check::<Slow>(&changed);
    let first = report.first_difference.clone().unwrap();
    assert_eq!(first.tick, tick);
    assert!(report.mismatches >= 2, "the keyframe, and the ticks after it: {report:?}");
}

#[test]
fn rules_that_use_state_of_the_process_do_not_verify() {
    let report = check::<Slow>(&match_of::play::<Slow>(5, 60, PLANTED).0);
    let first = report.first_difference.unwrap();
    assert_eq!((first.tick, first.component.as_deref()), (1, Some("Bell")));
}

#[test]
fn other_rules_are_refused_with_what_differs() {
    let bytes = match_of::write(&match_of::play::<AtRate>(5, 30, b"").0);
    let error = try_verify::<NewRules>(&bytes).unwrap_err();
    assert!(matches!(error, ReplayError::OtherRules { what: "the rules version", .. }), "{error}");
    assert!(error.to_string().contains("played with 1, this build has 2"), "{error}");
    assert!(error.to_string().contains("of rules version 1, or as this build plays it (--drift)"), "{error}");
    let error = try_verify::<Slow>(&bytes).unwrap_err();
    assert!(matches!(error, ReplayError::OtherRules { what: "the manifest", .. }), "another rate: {error}");
    let mut file = match_of::play::<AtRate>(5, 30, b"").0;
    file.header.game = "chess".to_owned();
    let error = try_verify::<AtRate>(&match_of::write(&file)).unwrap_err();
    assert!(matches!(error, ReplayError::OtherGame { .. }), "{error}");
    assert!(error.to_string().contains("chess"), "{error}");
}

/// Opens a match whatever its rules, and plays it.
fn drift<G: Game>(bytes: &[u8]) -> Result<VerifyReport, ReplayError> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("match.wlm");
    fs::write(&path, bytes).unwrap();
    verify_source::<G>(&Source::open_drifting::<G>(&path)?, |_, _| {})
}

#[test]
fn other_rules_may_drift_and_where_they_do_is_told() {
    let same = drift::<NewRules>(&match_of::write(&match_of::play::<AtRate>(5, 30, b"").0)).unwrap();
    assert_eq!((same.ticks, same.mismatches), (30, 0), "another version of rules that do the same");
    games::set_odd(true);
    let odd = match_of::play::<AtRate>(5, 30, games::ODD).0;
    games::set_odd(false);
    let report = drift::<NewRules>(&match_of::write(&odd)).unwrap();
    let first = report.first_difference.unwrap();
    assert_eq!((report.ticks, first.tick, first.component.as_deref()), (30, 1, Some("Bell")));
}

#[test]
fn rows_of_other_components_are_not_played_as_if_they_were_ours() {
    let manifest = Simulation::<AtRate>::manifest().unwrap();
    let with = |layouts: Vec<Layout>| {
        let mut file = match_of::play::<AtRate>(5, 30, b"").0;
        let changed = Manifest::new("bank", 1, 30_000, layouts, Vec::new(), &[]).unwrap();
        file.header.manifest = changed.bytes().to_vec();
        drift::<AtRate>(&match_of::write(&file)).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(with(manifest.layouts().to_vec()), Ok(()), "refusals are no state");
    let mut renamed = manifest.layouts().to_vec();
    renamed[1].fields[0].name = "debts".to_owned();
    // Whose rows are of the same length: nothing else would tell.
    let error = with(renamed).unwrap_err();
    assert!(error.contains("Purse (number 1) has other fields") && error.contains("rules version 1"), "{error}");
    let error = with(manifest.layouts()[..2].to_vec()).unwrap_err();
    assert!(error.contains("Bell (number 2) is new in this build"), "{error}");
    let mut more = manifest.layouts().to_vec();
    more.push(Layout::new(9, "Debt", Visibility::Everyone, Sync::Plain, [("coins".to_owned(), FieldKind::U32, 0)]));
    let error = with(more).unwrap_err();
    assert!(error.contains("Debt (number 9) is no component of this build"), "{error}");
}

#[test]
fn a_damaged_file_is_an_error_not_a_mismatch() {
    let mut bytes = match_of::write(&played());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    let error = try_verify::<Slow>(&bytes).unwrap_err();
    assert!(matches!(error, ReplayError::File(FileError::Checksum { .. })), "{error}");
    assert!(error.to_string().contains("match.wlm: byte "), "{error}");
    let error = try_verify::<Slow>(&bytes[..middle]).unwrap_err();
    assert!(matches!(error, ReplayError::File(FileError::Truncated { .. })), "{error}");
    let mut file = played();
    file.content = games::BAD_CONTENT.to_vec();
    file.header.content_hash = xxhash_rust::xxh3::xxh3_64(games::BAD_CONTENT);
    let error = try_verify::<Slow>(&match_of::write(&file)).unwrap_err();
    assert!(matches!(error, ReplayError::OtherContent { version: 1, .. }), "{error}");
    assert!(error.to_string().contains("match.wlm") && error.to_string().contains("this is no bank"), "{error}");
}
