//! What a data folder gives back: after a crash at any moment, and when its files are damaged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![allow(clippy::print_stdout, reason = "counts, for who runs it with --nocapture")]

mod edge;
mod games;
mod running;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use cluster_service::{LocalHost, LogError, StartError, list_snapshots, verify_snapshot};
use ecs_state::{Game, MatchRng};
use games::{AtRate, NewRules, OnCommand, PLANTED};
use running::{LiveEdge, config, crash_image, log_file, newest_snapshot, records, start};
use tempfile::{TempDir, tempdir};

fn refusal<G: Game>(data: &Path) -> StartError {
    match LocalHost::start::<G>(config(data)) {
        Ok(host) => panic!("it started: {:?}", host.recovery()),
        Err(error) => error,
    }
}

/// Each match with its tick and hash.
fn hashes(host: &LocalHost) -> Vec<(u64, u64, String)> {
    host.status().matches.into_iter().map(|of| (of.id, of.tick, of.hash)).collect()
}

/// A folder in which an on-command match was played, with a snapshot in the middle and the rest in the
/// log only. It was not stopped, it crashed.
fn played(commands: u32) -> TempDir {
    let (live, image) = (tempdir().unwrap(), tempdir().unwrap());
    let host = start::<OnCommand>(live.path());
    let edge = LiveEdge::connect(&host.connector());
    let match_id = edge.open(b"");
    let (session, _) = edge.join(match_id, 1);
    for seq in 1..=commands {
        edge.deposit(session, seq, seq);
        edge.outcome(session, seq);
        if seq == commands / 2 {
            host.take_snapshot().unwrap();
        }
    }
    crash_image(live.path(), image.path());
    image
}

/// A copy of a folder in which one file is replaced.
fn with_file(data: &Path, of: &Path, bytes: &[u8]) -> (TempDir, PathBuf) {
    let copy = tempdir().unwrap();
    crash_image(data, copy.path());
    let path = copy.path().join(of.strip_prefix(data).unwrap());
    fs::write(&path, bytes).unwrap();
    (copy, path)
}

#[test]
fn whatever_was_acknowledged_is_there_after_a_crash_at_any_moment() {
    crash_under_load::<OnCommand>(20, false);
}

#[test]
fn whatever_was_acknowledged_is_there_after_a_crash_at_any_moment_with_snapshots_being_taken() {
    crash_under_load::<AtRate>(20, true);
}

fn crash_under_load<G: Game>(crashes: usize, with_snapshots: bool) {
    let live = tempdir().unwrap();
    let host = start::<G>(live.path());
    let edge = LiveEdge::connect(&host.connector());
    let match_id = edge.open(b"");
    let (session, player) = edge.join(match_id, 1);
    // The highest number whose outcome was heard; all before it have theirs too.
    let acknowledged = Mutex::new(0u32);
    let is_over = AtomicBool::new(false);
    let mut checked = 0;
    std::thread::scope(|scope| {
        let (acknowledged, is_over) = (&acknowledged, &is_over);
        let _over = Over(is_over);
        scope.spawn(move || {
            let mut last = 0;
            while !is_over.load(Ordering::Relaxed) {
                let next = last + 8;
                (last + 1..=next).for_each(|seq| edge.deposit(session, seq, 1));
                edge.outcome(session, next);
                last = next;
                *acknowledged.lock().unwrap() = last;
            }
        });
        for crash in 0..crashes {
            let image = tempdir().unwrap();
            // Each crash finds more done than the one before.
            let before = *acknowledged.lock().unwrap();
            while *acknowledged.lock().unwrap() < before + 24 {
                std::thread::yield_now();
            }
            if with_snapshots && crash % 3 == 1 {
                host.take_snapshot().unwrap();
            }
            let must_hold = *acknowledged.lock().unwrap();
            crash_image(live.path(), image.path());
            let recovered = start::<G>(image.path());
            let report = recovered.recovery().clone();
            assert_eq!(report.snapshot.is_some(), with_snapshots && crash > 0, "{report:?}");
            // The hash of a tick is logged with the entries after it, so that the last is not held against any.
            assert!(report.hashes_checked > 0 || report.ticks_replayed <= 1, "{report:?}");
            checked += report.hashes_checked;
            recovered.stop().unwrap();
            let out = image.path().join("match.wlm");
            let exported = cluster_service::export_match::<G>(image.path(), match_id, &out).unwrap();
            assert!(exported.hashes_checked > 0);
            let held = applied(&out, player);
            assert!(held >= must_hold, "crash {crash}: {must_hold} were acknowledged, {held} are there");
        }
    });
    assert!(checked > 0);
    println!("{crashes} crashes, {checked} hashes checked");
}

/// Ends the load, also when a check fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Commands of a player that a match file ends with.
fn applied(file: &Path, player: u32) -> u32 {
    let file = snapshots::MatchFile::open(file).unwrap();
    let is_deposit =
        |input: &&ecs_state::Input| matches!(input, ecs_state::Input::Command { player: of, .. } if *of == player);
    let steps = file.segments.iter().flat_map(|segment| &segment.steps);
    steps.flat_map(|step| &step.inputs).filter(is_deposit).count() as u32
}

#[test]
fn the_log_alone_and_a_snapshot_with_the_rest_of_it_give_the_same() {
    let data = played(600);
    let with_snapshot = start::<OnCommand>(data.path());
    let report = with_snapshot.recovery().clone();
    assert!(report.snapshot.is_some() && report.snapshot_position > 300, "{report:?}");
    assert!(report.hashes_checked > 0 && report.entries_replayed < 600, "{report:?}");
    let expected = hashes(&with_snapshot);
    with_snapshot.stop().unwrap();
    fs::remove_dir_all(data.path().join("snapshots")).unwrap();
    let from_log = start::<OnCommand>(data.path());
    assert_eq!(from_log.recovery().snapshot, None);
    assert!(from_log.recovery().hashes_checked >= 600, "{:?}", from_log.recovery());
    assert_eq!(hashes(&from_log), expected);
    assert!(expected[0].1 >= 601, "{expected:?}");
}

#[test]
fn a_host_goes_on_where_it_stopped() {
    let data = tempdir().unwrap();
    let mut last = Vec::new();
    for round in 0..4 {
        let host = start::<OnCommand>(data.path());
        assert_eq!(hashes(&host), last);
        let edge = LiveEdge::connect(&host.connector());
        let match_id = edge.open(b"");
        let (session, _) = edge.join(match_id, round);
        edge.deposit(session, 1, 5);
        edge.outcome(session, 1);
        drop(edge);
        host.stop().unwrap();
        let host = start::<OnCommand>(data.path());
        assert_eq!(host.recovery().entries_replayed, 0, "it took a snapshot as it stopped");
        last = hashes(&host);
        assert_eq!(last.len() as u64, round + 1);
        host.stop().unwrap();
    }
}

#[test]
fn a_log_that_was_cut_inside_its_last_record_starts_without_it_and_says_so() {
    let data = played(40);
    fs::remove_dir_all(data.path().join("snapshots")).unwrap();
    let path = log_file(data.path());
    let log = fs::read(&path).unwrap();
    let begins = records(&log);
    let (last, end) = (begins[begins.len() - 2], begins[begins.len() - 1]);
    let mut expected = None;
    for length in last..end {
        let (copy, _) = with_file(data.path(), &path, &log[..length]);
        let host = start::<OnCommand>(copy.path());
        assert_eq!(host.recovery().torn_tail_bytes, (length - last) as u64);
        let found = (host.recovery().entries_replayed, hashes(&host));
        assert_eq!(*expected.get_or_insert(found.clone()), found, "cut at {length}");
        drop(host);
        let after = fs::read(log_file(copy.path())).unwrap();
        assert_eq!(after[..last], log[..last], "nothing else was cut");
    }
    println!("{} lengths", end - last);
}

#[test]
fn a_player_cannot_make_a_torn_record_look_like_damage() {
    // A whole record without content, as the log's library writes it: found behind a torn one's
    // beginning it would mean that entries follow.
    let empty_record = [&crc32c::crc32c(&[0; 4]).to_le_bytes()[..], &[0; 4]].concat();
    let live = tempdir().unwrap();
    let host = start::<OnCommand>(live.path());
    let edge = LiveEdge::connect(&host.connector());
    let match_id = edge.open(b"");
    let (session, _) = edge.join(match_id, 1);
    for seq in 1..=3 {
        edge.say(edge::commands(&[(session, 1, seq, empty_record.repeat(60))]));
        assert_eq!(edge.outcome(session, seq).code, protocol::OutcomeCode::MALFORMED.0);
    }
    let image = tempdir().unwrap();
    crash_image(live.path(), image.path());
    let path = log_file(image.path());
    let log = fs::read(&path).unwrap();
    let begins = records(&log);
    let (last, end) = (begins[begins.len() - 2], begins[begins.len() - 1]);
    assert!(end - last > empty_record.len() * 60);
    fs::write(&path, &log[..end - 5]).unwrap();
    let host = start::<OnCommand>(image.path());
    assert_eq!(host.recovery().torn_tail_bytes, (end - 5 - last) as u64);
}

#[test]
fn a_flipped_bit_before_the_last_record_is_refused_with_file_and_offset_and_nothing_is_changed() {
    let data = played(60);
    fs::remove_dir_all(data.path().join("snapshots")).unwrap();
    let path = log_file(data.path());
    let log = fs::read(&path).unwrap();
    let begins = records(&log);
    let last = begins[begins.len() - 2];
    let mut rng = MatchRng::new(1, 1, "flips");
    let mut damaged = log.clone();
    let (mut foreign, mut corrupt) = (0, 0);
    for _ in 0..700 {
        let bit = rng.below(last as u32 * 8) as usize;
        let begin = *begins.iter().rev().find(|begin| **begin <= bit / 8).unwrap();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).unwrap();
        let error = refusal::<OnCommand>(data.path());
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()) && text.contains(&format!("byte {begin}:")), "{text}");
        match error {
            StartError::Log(LogError::Foreign { .. }) if begin == 0 => foreign += 1,
            StartError::Log(LogError::Corrupt { offset, .. }) if offset == begin as u64 => corrupt += 1,
            other => panic!("bit {bit} of the record at {begin}: {other}"),
        }
        assert_eq!(fs::read(&path).unwrap(), damaged);
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
    println!("700 flips: {corrupt} corrupt, {foreign} in the header");
    assert!(foreign > 0 && corrupt > 600);
    fs::write(&path, &log).unwrap();
    start::<OnCommand>(data.path());
}

#[test]
fn a_log_that_is_none_of_ours_is_refused_and_left_alone() {
    let text = b"2026-11-24 12:00:00 an application started\n".repeat(100);
    let foreign: [&[u8]; 4] = [b"", b"short", &text, &[0; 4_096]];
    for bytes in foreign {
        let data = tempdir().unwrap();
        let path = log_file(data.path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let error = refusal::<OnCommand>(data.path());
        assert!(matches!(error, StartError::Log(LogError::Foreign { .. })), "{error}");
        assert!(error.to_string().contains("it was not changed"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_log_of_another_format_or_of_other_rules_is_refused_and_left_alone() {
    let data = played(5);
    fs::remove_dir_all(data.path().join("snapshots")).unwrap();
    let path = log_file(data.path());
    let log = fs::read(&path).unwrap();
    let header_end = records(&log)[1];
    let mut newer = log.clone();
    newer[12..14].copy_from_slice(&7u16.to_le_bytes());
    let checksum = crc32c::crc32c(&newer[4..header_end]);
    newer[..4].copy_from_slice(&checksum.to_le_bytes());
    let (copy, newer_path) = with_file(data.path(), &path, &newer);
    let error = refusal::<OnCommand>(copy.path());
    assert!(matches!(error, StartError::Log(LogError::Version { found: 7, .. })), "{error}");
    assert!(error.to_string().contains("use the build that wrote it"));
    assert_eq!(fs::read(newer_path).unwrap(), newer);

    for error in [refusal::<AtRate>(data.path()), refusal::<NewRules>(data.path())] {
        assert!(matches!(error, StartError::Log(LogError::OtherRules { .. })), "{error}");
        assert!(error.to_string().contains("start it with the build that wrote it"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), log);
}

#[test]
fn a_damaged_snapshot_is_refused_by_name_and_once_moved_away_the_log_serves() {
    let data = played(60);
    let path = newest_snapshot(data.path());
    let snapshot = fs::read(&path).unwrap();
    let check = |bytes: &[u8], what: &str| {
        let (copy, path) = with_file(data.path(), &path, bytes);
        let error = refusal::<OnCommand>(copy.path());
        let text = error.to_string();
        assert!(matches!(error, StartError::Snapshot { .. }), "{what}: {text}");
        assert!(text.contains(path.to_str().unwrap()) && text.contains("move it away"), "{what}: {text}");
        assert!(verify_snapshot::<OnCommand>(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}");
        (copy, path)
    };
    for length in (0..snapshot.len()).step_by(1 + snapshot.len() / 300) {
        check(&snapshot[..length], "cut off");
    }
    let mut rng = MatchRng::new(2, 2, "flips");
    let mut damaged = snapshot.clone();
    let mut flips = 0;
    while flips < 500 {
        let bit = rng.below(snapshot.len() as u32 * 8) as usize;
        // Two bytes of the file's header are reserved: nobody reads them.
        if matches!(bit / 8, 6..=7) {
            continue;
        }
        damaged[bit / 8] ^= 1 << (bit % 8);
        check(&damaged, "a flipped bit");
        damaged[bit / 8] ^= 1 << (bit % 8);
        flips += 1;
    }
    check(b"", "empty");
    check(&b"GIF89a".repeat(100), "foreign");
    let mut newer = snapshot.clone();
    newer[4] = 9;
    let (copy, path) = check(&newer, "newer");
    assert!(refusal::<OnCommand>(copy.path()).to_string().contains("format 9 is newer"));

    fs::rename(&path, copy.path().join("aside")).unwrap();
    let host = start::<OnCommand>(copy.path());
    assert_eq!(host.recovery().snapshot, None);
    assert!(host.recovery().hashes_checked > 0);
    assert_eq!(hashes(&host)[0].1, 61);
}

#[test]
fn a_snapshot_of_other_rules_is_refused() {
    let data = played(10);
    let path = newest_snapshot(data.path());
    let error = verify_snapshot::<NewRules>(&path).unwrap_err();
    assert!(error.contains("bank rules 1") && error.contains("this build plays bank rules 2"), "{error}");
    assert_eq!(verify_snapshot::<OnCommand>(&path).unwrap().matches, 1);
}

#[test]
fn a_log_that_ends_before_the_snapshot_is_refused() {
    let data = played(40);
    let path = log_file(data.path());
    let log = fs::read(&path).unwrap();
    let begins = records(&log);
    let (copy, _) = with_file(data.path(), &path, &log[..begins[5]]);
    let error = refusal::<OnCommand>(copy.path());
    assert!(matches!(error, StartError::Snapshot { .. }), "{error}");
    assert!(error.to_string().contains("the log lost its end"), "{error}");
}

#[test]
fn what_a_crash_left_of_a_snapshot_is_cleared_away() {
    let data = played(20);
    let left = data.path().join("snapshots/00000000000000009999.wls.new");
    fs::write(&left, b"half of it").unwrap();
    let before = list_snapshots(data.path()).unwrap();
    let host = start::<OnCommand>(data.path());
    assert_eq!(host.recovery().snapshot.as_deref(), before.last().map(|info| info.path.as_path()));
    assert!(!left.exists());
}

#[test]
fn a_folder_in_use_is_refused() {
    let data = tempdir().unwrap();
    let host = start::<OnCommand>(data.path());
    let error = refusal::<OnCommand>(data.path());
    assert!(matches!(error, StartError::Locked { .. }), "{error}");
    host.stop().unwrap();
    start::<OnCommand>(data.path());
}

#[test]
fn rules_that_use_state_of_the_process_are_found_at_the_next_start() {
    let data = tempdir().unwrap();
    let host = start::<AtRate>(data.path());
    let edge = LiveEdge::connect(&host.connector());
    let match_id = edge.open(PLANTED);
    let (session, _) = edge.join(match_id, 1);
    for seq in 1..=3 {
        edge.deposit(session, seq, 1);
        edge.outcome(session, seq);
    }
    let image = tempdir().unwrap();
    crash_image(data.path(), image.path());
    let error = refusal::<AtRate>(image.path());
    assert!(matches!(error, StartError::Diverged { match_id: 1, tick: 1, .. }), "{error}");
    host.stop().unwrap();
}
