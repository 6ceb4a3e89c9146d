//! What is written is read back, and files are replaced whole.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "../../cluster-service/tests/games/mod.rs"]
mod games;
mod match_of;

use std::fs;
use std::path::Path;

use games::{OnCommand, Slow};
use snapshots::{ChunkFile, ChunkWriter, FileKind, ForkOrigin, MatchFile, Origin, read_file, write_file};
use tempfile::tempdir;

const KIND: FileKind = FileKind { magic: *b"TEST", version: 3, oldest: 2, name: "test file" };

#[test]
fn chunks_of_all_sizes_come_back_in_order() {
    let noise = |length: usize| (0..length).map(|at| ((at * at * 31) >> 3) as u8).collect::<Vec<u8>>();
    let chunks = [vec![], vec![7], vec![0; 100_000], noise(3), noise(50_000), b"abc".repeat(10_000)];
    let mut writer = ChunkWriter::new(KIND);
    chunks.iter().for_each(|chunk| writer.push(*b"DATA", chunk));
    writer.push_value(*b"VALU", &(1u8, "two".to_owned(), [3u64; 4]));
    let bytes = writer.finish();
    assert!(bytes.len() < 60_000, "{} bytes: repetitions are packed", bytes.len());
    let mut file = ChunkFile::decode(Path::new("memory"), &bytes, KIND).unwrap();
    for chunk in &chunks {
        assert_eq!(file.expect(*b"DATA").unwrap().bytes, *chunk);
    }
    let value: (u8, String, [u64; 4]) = file.expect_value(*b"VALU").unwrap();
    assert_eq!(value, (1, "two".to_owned(), [3; 4]));
    assert_eq!(file.next_chunk().unwrap(), None);
}

#[test]
fn a_file_without_chunks_is_a_file() {
    let bytes = ChunkWriter::new(KIND).finish();
    assert_eq!(ChunkFile::decode(Path::new("memory"), &bytes, KIND).unwrap().next_chunk().unwrap(), None);
}

#[test]
fn a_match_comes_back_as_it_was_played() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("match.wlm");
    for (seed, ticks) in [(1, 0), (2, 1), (3, 24), (4, 25), (5, 400)] {
        let (expected, bytes) = match_of::play::<Slow>(seed, ticks, b"some content");
        write_file(&path, &bytes).unwrap();
        let found = MatchFile::open(&path).unwrap();
        assert_eq!(found, expected);
        assert_eq!(found.ticks(), ticks);
        assert!(found.segments.len() as u64 > ticks / 25, "a keyframe at each barrier");
        assert_eq!(match_of::write(&found), bytes);
    }
    let (expected, bytes) = match_of::play::<OnCommand>(6, 600, b"");
    write_file(&path, &bytes).unwrap();
    assert_eq!(MatchFile::open(&path).unwrap(), expected);
}

#[test]
fn a_part_of_a_match_with_what_it_was_made_of_comes_back() {
    let (mut file, _) = match_of::play::<Slow>(3, 60, b"content");
    file.segments.remove(0);
    let fork =
        ForkOrigin { file: "whole.wlm".to_owned(), tick: 30, edits: vec!["nothing".to_owned()], swaps: vec![31] };
    file.header.fork = Some(fork);
    for (place, step) in file.segments.iter_mut().flat_map(|segment| &mut segment.steps).enumerate() {
        step.origins = vec![Origin { session: 7, seq: place as u64, position: -1 }, Origin::NOWHERE];
    }
    let read = MatchFile::decode(Path::new("memory"), &match_of::write(&file)).unwrap();
    assert_eq!(read, file);
}

#[test]
fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    for bytes in [&b"first"[..], b"", b"the third"] {
        fs::write(folder.path().join("file.new"), b"left by a crash").unwrap();
        write_file(&path, bytes).unwrap();
        assert_eq!(read_file(&path).unwrap(), bytes);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_one_before() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    write_file(&path, b"before").unwrap();
    // Something stands where the temporary file belongs.
    fs::create_dir(folder.path().join("file.new")).unwrap();
    let error = write_file(&path, b"after").unwrap_err().to_string();
    assert!(error.contains("file.new") && error.contains("writing"), "{error}");
    assert_eq!(read_file(&path).unwrap(), b"before");
    let error = write_file(&folder.path().join("no/where"), b"").unwrap_err().to_string();
    assert!(error.contains("no/where.new"), "{error}");
    let error = read_file(&folder.path().join("nothing")).unwrap_err().to_string();
    assert!(error.contains("nothing: reading"), "{error}");
}
