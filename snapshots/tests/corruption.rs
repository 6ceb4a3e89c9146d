//! Damaged files are typed errors with file and offset, never panics and never another content.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![allow(clippy::print_stdout, reason = "counts, for who runs it with --nocapture")]

#[path = "../../cluster-service/tests/games/mod.rs"]
mod games;
mod match_of;

use std::fs;
use std::path::Path;

use ecs_state::MatchRng;
use games::Slow;
use snapshots::{ChunkFile, ChunkWriter, FileError, FileKind, MatchFile};
use tempfile::tempdir;

const KIND: FileKind = FileKind { magic: *b"TEST", version: 3, oldest: 2, name: "test file" };

fn container() -> Vec<u8> {
    let mut writer = ChunkWriter::new(KIND);
    writer.push(*b"ONE ", &[1; 500]);
    writer.push(*b"TWO ", b"not packed: too short");
    writer.push(*b"ONE ", &[]);
    writer.finish()
}

fn decode(bytes: &[u8]) -> Result<ChunkFile, FileError> {
    ChunkFile::decode(Path::new("a/file"), bytes, KIND)
}

/// The offset that an error names; none may be beyond the file.
fn offset(error: &FileError, length: usize) -> u64 {
    let text = error.to_string();
    assert!(!matches!(error, FileError::Io { .. } | FileError::Lost(_)), "{text}");
    let offset = error.offset();
    assert!(text.contains(&format!("byte {offset}:")), "{text}");
    assert!(offset <= length as u64, "{text}");
    offset
}

#[test]
fn every_truncation_of_a_container_is_an_error_at_what_is_missing() {
    let bytes = container();
    for length in 0..bytes.len() {
        let error = decode(&bytes[..length]).unwrap_err();
        assert!(error.to_string().starts_with("a/file: byte "), "{error}");
        assert!(offset(&error, length) <= length as u64);
        match error {
            FileError::Foreign { .. } => assert!(length < 4),
            FileError::Truncated { .. } => assert!(length >= 4),
            other => panic!("{length} bytes: {other}"),
        }
    }
}

#[test]
fn every_flipped_bit_of_a_container_is_an_error() {
    let bytes = container();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match decode(&flipped) {
            // A version before this one that is still read is whoever reads the chunks to tell apart.
            Ok(_) => assert_eq!((bit / 8, flipped[4]), (4, 2), "bit {bit}"),
            Err(error) => assert!(offset(&error, bytes.len()) <= (bit / 8) as u64, "bit {bit}: {error}"),
        }
    }
}

#[test]
fn a_version_that_is_not_read_any_more_is_refused_and_said_to_be_old() {
    let mut bytes = container();
    bytes[4] = 1;
    let error = decode(&bytes).unwrap_err();
    assert!(matches!(error, FileError::TooOld { found: 1, oldest: 2, .. }), "{error}");
    assert!(error.to_string().contains("use the build that wrote it"), "{error}");
}

#[test]
fn what_follows_the_end_or_is_missing_before_it_is_an_error() {
    let bytes = container();
    assert!(matches!(decode(&[&bytes[..], b"x"].concat()), Err(FileError::Content { .. })));
    // Chunks that change places, and one that is left out: each is whole.
    let chunk = |from: usize| {
        let stored = u32::from_le_bytes(bytes[from + 4..from + 8].try_into().unwrap()) as usize;
        from + 20 + stored
    };
    let (one, two) = (8, chunk(8));
    let three = chunk(two);
    let swapped = [&bytes[..one], &bytes[two..three], &bytes[one..two], &bytes[three..]].concat();
    assert!(matches!(decode(&swapped), Err(FileError::Checksum { offset: 8, chunk: 0, .. })));
    let without = [&bytes[..two], &bytes[three..]].concat();
    assert!(matches!(decode(&without), Err(FileError::Checksum { chunk: 1, .. })));
}

#[test]
fn a_chunk_that_claims_too_much_is_refused_before_room_is_made_for_it() {
    let mut bytes = container();
    bytes[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    let stored = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(0);
    hasher.update(&bytes[8..20]);
    hasher.update(&bytes[28..28 + stored]);
    bytes[20..28].copy_from_slice(&hasher.digest().to_le_bytes());
    let error = decode(&bytes).unwrap_err().to_string();
    assert!(error.contains("exceeds the maximum of"), "{error}");
}

#[test]
fn a_chunk_of_another_kind_or_with_something_left_over_is_an_error_at_its_offset() {
    let mut writer = ChunkWriter::new(KIND);
    writer.push_value(*b"ABCD", &(1u8, 2u8));
    let bytes = writer.finish();
    let error = decode(&bytes).unwrap().expect(*b"WXYZ").unwrap_err().to_string();
    assert_eq!(error, "a/file: byte 8: chunk ABCD stands where WXYZ belongs");
    let error = decode(&bytes).unwrap().expect_value::<u8>(*b"ABCD").unwrap_err().to_string();
    assert_eq!(error, "a/file: byte 8: chunk ABCD: 1 bytes are left over");
    let error = decode(&bytes).unwrap().expect_value::<u64>(*b"ABCD").map(|_| ());
    assert!(error.is_err());
    let mut file = decode(&bytes).unwrap();
    file.next_chunk().unwrap();
    assert!(file.expect(*b"ABCD").unwrap_err().to_string().contains("chunk ABCD is missing"));
}

#[test]
fn damaged_match_files_are_errors_that_name_the_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("match.wlm");
    let (_, bytes) = match_of::play::<Slow>(1, 60, b"content");
    let check = |damaged: &[u8], what: String| {
        fs::write(&path, damaged).unwrap();
        let error = MatchFile::open(&path).unwrap_err();
        offset(&error, damaged.len());
        assert!(error.to_string().contains("match.wlm: byte "), "{what}: {error}");
    };
    for length in 0..bytes.len() {
        check(&bytes[..length], format!("{length} bytes"));
    }
    let mut rng = MatchRng::new(1, 1, "flips");
    let mut flips = 0;
    while flips < 2_000 {
        let bit = rng.below(bytes.len() as u32 * 8) as usize;
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check(&flipped, format!("bit {bit}"));
        flips += 1;
    }
    println!("{} truncations, {flips} flips of {} bytes", bytes.len(), bytes.len());
}

#[test]
fn whole_files_that_do_not_fit_together_are_errors() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("match.wlm");
    let (file, _) = match_of::play::<Slow>(1, 60, b"content");
    let refused = |damaged: &MatchFile| {
        fs::write(&path, match_of::write(damaged)).unwrap();
        MatchFile::open(&path).unwrap_err().to_string()
    };
    let mut other = file.clone();
    other.content = b"other content".to_vec();
    assert!(refused(&other).contains("the content is not that of the header"));
    let mut other = file.clone();
    other.segments[0].steps.pop();
    assert!(refused(&other).contains("the keyframe is of tick"));
    let mut other = file.clone();
    let expected = other.segments.remove(1).keyframe.tick;
    assert!(refused(&other).contains(&format!("expected {expected}")));
    let mut other = file;
    other.segments.clear();
    assert!(refused(&other).contains("the index is not that of the keyframes"));
}

#[test]
fn steps_that_do_not_decode_are_found_on_opening_though_they_are_made_later() {
    const MATCH: FileKind = FileKind { magic: *b"WLMR", version: 3, oldest: 3, name: "match file" };
    let (whole, bytes) = match_of::play::<Slow>(1, 60, b"content");
    // Every checksum fits what is written.
    let rewritten = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut file = ChunkFile::decode(Path::new("memory"), &bytes, MATCH).unwrap();
        let (mut writer, mut steps) = (ChunkWriter::new(MATCH), 0);
        while let Some(mut chunk) = file.next_chunk().unwrap() {
            if chunk.tag == *b"STEP" {
                steps += 1;
                if steps == 2 {
                    change(&mut chunk.bytes);
                }
            }
            writer.push(chunk.tag, &chunk.bytes);
        }
        MatchFile::decode(Path::new("memory"), &writer.finish())
    };
    assert_eq!(rewritten(&|_| {}).unwrap(), whole);
    for cut in 1..=20 {
        let error = rewritten(&|steps| steps.truncate(steps.len() - cut)).unwrap_err().to_string();
        assert!(error.contains("memory: byte ") && error.contains("STEP"), "{error}");
    }
    let more = rewritten(&|steps| steps.push(0)).unwrap_err().to_string();
    assert!(more.contains("1 bytes are left over"), "{more}");
}
