//! The matches of `assets/matches` play the same in this build.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::PathBuf;

use arena::Arena;
use replay::verify;

/// A file that is larger belongs to those who measure, not into the repository.
const BYTES_MAX: u64 = 200_000;

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from("../assets/matches");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "wlm")).collect();
    files.sort();
    files
}

#[test]
fn recorded_matches_verify_without_a_mismatch() {
    let files = files();
    assert!(!files.is_empty(), "assets/matches holds no match");
    for path in files {
        let report = verify::<Arena>(&path, |_, _| {}).unwrap();
        assert_eq!(report.mismatches, 0, "{}: {:?}", path.display(), report.first_difference);
        assert!(report.ticks >= 1_800 && report.hashes_checked > report.ticks, "{}: {report:?}", path.display());
    }
}

#[test]
fn recorded_matches_are_small() {
    for path in files() {
        let bytes = std::fs::metadata(&path).unwrap().len();
        assert!(bytes < BYTES_MAX, "{} has {bytes} bytes", path.display());
    }
}
