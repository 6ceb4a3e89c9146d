//! Matches leave a stopped member's directories as files that play the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod aeron;
mod edge;
mod games;
mod member_files;

use std::path::Path;

use aeron::Member;
use aeron_cluster::archive::ReadError;
use cluster_service::host::aeron::{
    HistoryError, HistoryExtent, MemberFiles, export_member_match, list_member_matches,
};
use cluster_service::{ExportError, Exported, SimHost, StartError};
use ecs_state::{Game, MatchRng};
use edge::{Edge, Token, commands};
use games::{AtRate, OnCommand, any_command};
use member_files::{TERM, log, snapshot, write};
use protocol::limits::HASH_REPORT_TICKS;
use snapshots::MatchFile;
use tempfile::tempdir;

/// Two matches with two players each, and one that is opened late; one member reports its hashes, `twist` is added to those
/// of match 2.
fn history<G: Game>(twist: u64) -> SimHost<G> {
    let mut host = SimHost::<G>::new(1_800_000_000_000);
    let mut rng = MatchRng::new(11, 0, "history");
    let edge = Edge::connect(&mut host);
    let matches = [edge.open(&mut host), edge.open(&mut host)];
    let mut seqs = Vec::new();
    for nonce in 0..4u64 {
        let expires_ms = host.now_ms() + 30_000;
        let match_id = matches[nonce as usize % 2];
        let token = Token { match_id, account: format!("account {nonce}"), nonce, expires_ms };
        seqs.push((edge.join(&mut host, &token).unwrap().session, 0));
    }
    let mut reported = 0;
    for turn in 0..400 {
        if turn == 250 {
            edge.hear(&mut host);
            let match_id = edge.open(&mut host);
            let expires_ms = host.now_ms() + 30_000;
            let token = Token { match_id, account: "late".to_owned(), nonce: 9, expires_ms };
            seqs.push((edge.join(&mut host, &token).unwrap().session, 0));
        }
        for (session, seq) in &mut seqs {
            *seq += 1;
            edge.say(&mut host, commands(&[(*session, 1, *seq, any_command(&mut rng))]));
        }
        host.advance(i64::from(rng.below(80)));
        let ran = host.hashes().to_vec();
        for hash in ran[reported..].iter().filter(|hash| hash.tick % HASH_REPORT_TICKS == 0) {
            let twist = if hash.match_id == 2 { twist } else { 0 };
            edge.say(&mut host, edge::hash_report(0, hash.match_id, hash.tick, hash.hash ^ twist));
        }
        reported = ran.len();
    }
    host
}

/// Exports a match and checks that it plays the same again.
fn export<G: Game>(files: &MemberFiles, match_id: u64, out: &Path) -> (Exported, Vec<(u64, u64)>) {
    let exported = export_member_match::<G>(files, HistoryExtent::Whole, match_id, out).unwrap();
    let report = replay::verify::<G>(out, |_, _| {}).unwrap();
    assert_eq!((report.mismatches, report.ticks), (0, exported.ticks));
    let file = MatchFile::open(out).unwrap();
    let mut hashes = Vec::new();
    for segment in &file.segments {
        hashes.extend((segment.keyframe.tick + 1..).zip(segment.steps.iter().map(|step| step.hash)));
    }
    (exported, hashes)
}

fn of_match<G: Game>(host: &SimHost<G>, match_id: u64) -> Vec<(u64, u64)> {
    host.hashes().iter().filter(|hash| hash.match_id == match_id).map(|hash| (hash.tick, hash.hash)).collect()
}

fn whole_log<G: Game>() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("match.wlm");
    let host = history::<G>(0);
    let (log, ends) = log(host.entries());
    assert!(log.position > 3 * TERM, "several files: {}", log.position);
    let files = write(folder.path(), &log, 0, None, ends[ends.len() / 2]);
    for match_id in [1, 2, 3] {
        let (exported, hashes) = export::<G>(&files, match_id, &out);
        assert_eq!(hashes, of_match(&host, match_id));
        assert!(exported.hashes_checked >= exported.ticks / HASH_REPORT_TICKS, "{exported:?}");
    }
    let open = list_member_matches::<G>(&files, HistoryExtent::Whole).unwrap();
    assert_eq!(open.iter().map(|open| open.id).collect::<Vec<_>>(), [1, 2, 3]);
    // What is agreed is a part.
    let agreed = export_member_match::<G>(&files, HistoryExtent::Agreed, 1, &out).unwrap();
    assert!(agreed.ticks > 0 && (agreed.ticks as usize) < of_match(&host, 1).len(), "{agreed:?}");
}

#[test]
fn a_members_log_gives_its_matches_as_files_at_a_rate() {
    whole_log::<AtRate>();
}

#[test]
fn a_members_log_gives_its_matches_as_files_on_command() {
    whole_log::<OnCommand>();
}

#[test]
fn a_log_whose_beginning_was_purged_is_read_from_a_snapshot_and_gives_the_matches_since() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("match.wlm");
    let host = history::<AtRate>(0);
    let (log, ends) = log(host.entries());
    let middle = ends.len() / 2;
    let mut member = Member::<AtRate>::new(0, 1, folder.path()).lead();
    member.start(None).unwrap();
    for (entry, end) in host.entries().zip(&ends).take(middle + 1) {
        member.apply(&cluster_service::LogEntry { position: protocol::LogPosition(*end as u64), ..entry });
    }
    let taken = snapshot(ends[middle], member.snapshot().unwrap());
    let start = ends[middle] / TERM * TERM;
    assert!(start > 0);
    let files = write(folder.path(), &log, start, Some((ends[middle], &taken)), log.position);
    let (exported, hashes) = export::<AtRate>(&files, 3, &out);
    assert_eq!(hashes, of_match(&host, 3));
    assert!(exported.hashes_checked > 0, "{exported:?}");
    let open = list_member_matches::<AtRate>(&files, HistoryExtent::Whole).unwrap();
    assert_eq!(open.iter().map(|open| open.id).collect::<Vec<_>>(), [1, 2, 3]);
    let begun = export_member_match::<AtRate>(&files, HistoryExtent::Whole, 2, &out).unwrap_err();
    assert!(matches!(begun, HistoryError::BegunBefore { match_id: 2 }), "{begun}");
    // Without it there is nothing to begin with.
    let files = write(folder.path(), &log, start, None, log.position);
    let refused = export_member_match::<AtRate>(&files, HistoryExtent::Whole, 1, &out).unwrap_err();
    assert!(matches!(refused, HistoryError::NoBeginning { start: found } if found == start), "{refused}");
}

#[test]
fn a_match_that_members_reported_otherwise_is_not_exported() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("match.wlm");
    let host = history::<AtRate>(1);
    let (log, _) = log(host.entries());
    let files = write(folder.path(), &log, 0, None, log.position);
    export::<AtRate>(&files, 1, &out);
    let out = folder.path().join("other.wlm");
    let refused = export_member_match::<AtRate>(&files, HistoryExtent::Whole, 2, &out).unwrap_err();
    let HistoryError::Export(ExportError::Log(StartError::Diverged { match_id: 2, tick, .. })) = refused else {
        panic!("{refused}")
    };
    assert_eq!(tick, HASH_REPORT_TICKS, "the first that was reported");
    assert!(!out.exists());
}

#[test]
fn what_is_not_there_or_damaged_is_named_and_writes_nothing() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("match.wlm");
    let host = history::<OnCommand>(0);
    let (log, _) = log(host.entries());
    let files = write(folder.path(), &log, 0, None, log.position);
    let export = |files: &MemberFiles, match_id| {
        export_member_match::<OnCommand>(files, HistoryExtent::Whole, match_id, &out).unwrap_err()
    };
    let missing = export(&files, 7);
    assert!(matches!(missing, HistoryError::Export(ExportError::NoMatch { match_id: 7, last: 3, .. })), "{missing}");
    let segment = member_files::segment_file(&files.archive, 0, TERM);
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = export(&files, 1);
    assert!(matches!(damaged, HistoryError::Read(ReadError::Damaged { position: TERM, .. })), "{damaged}");
    let nowhere = MemberFiles { cluster: folder.path().join("nowhere"), ..files.clone() };
    assert!(export(&nowhere, 1).to_string().contains("nowhere"));
    std::fs::write(files.cluster.join("recording.log"), []).unwrap();
    assert!(matches!(export(&files, 1), HistoryError::NoLog { .. }));
    assert!(!out.exists());
}
