//! Damage in a real match file is found on opening, and salvaging gives exactly what came before it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![allow(clippy::print_stdout, reason = "counts, for who runs it with --nocapture")]

use std::path::PathBuf;
use std::sync::OnceLock;

use arena::Arena;
use ecs_state::MatchRng;
use replay::{Source, verify_source};
use snapshots::{Damage, FileError, MatchFile, Salvaged, Segment};

const CASES: usize = 1_000;
/// Of each kind.
const REPLAYED: usize = 10;

fn path() -> PathBuf {
    PathBuf::from("../assets/matches/skirmish.wlm")
}

struct Whole {
    bytes: Vec<u8>,
    file: MatchFile,
}

fn whole() -> &'static Whole {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let bytes = std::fs::read(path()).unwrap();
        Whole { file: MatchFile::decode(&path(), &bytes).unwrap(), bytes }
    })
}

/// Where the damage is.
fn refused(bytes: &[u8], what: &str) -> FileError {
    let error = MatchFile::decode(&path(), bytes).map(|_| ()).expect_err(what);
    let text = error.to_string();
    assert!(text.contains(&format!("skirmish.wlm: byte {}: ", error.offset())), "{what}: {text}");
    assert!(error.offset() <= bytes.len() as u64, "{what}: {text}");
    error
}

fn is_beginning_of(part: &[Segment], all: &[Segment]) -> bool {
    let Some((last, before)) = part.split_last() else { return false };
    let Some(of_last) = all.get(before.len()) else { return false };
    before == &all[..before.len()] && last.keyframe == of_last.keyframe && of_last.steps.starts_with(&last.steps)
}

/// Checks what is salvaged; `None` when the opening itself is damaged.
fn salvaged(bytes: &[u8], first_bad: u64, what: &str) -> Option<(MatchFile, Damage)> {
    let refusal = refused(bytes, what);
    assert!(refusal.offset() <= first_bad, "{what}: {refusal}");
    match MatchFile::decode_salvaging(&path(), bytes) {
        Ok(Salvaged { file, damage }) => {
            let damage = damage.expect(what);
            let original = &whole().file;
            assert_eq!((&file.header, &file.content), (&original.header, &original.content), "{what}");
            assert!(is_beginning_of(&file.segments, &original.segments), "{what}");
            assert_eq!(damage.readable_ticks, file.ticks(), "{what}");
            assert_eq!((damage.offset, &damage.reason), (refusal.offset(), &refusal.to_string()), "{what}");
            Some((file, damage))
        }
        Err(FileError::Lost(why)) => {
            assert_eq!(why.to_string(), refusal.to_string(), "{what}");
            None
        }
        Err(other) => panic!("{what}: {other}"),
    }
}

fn replays(file: MatchFile, what: &str) {
    let ticks = file.ticks();
    let source = Source::from_file::<Arena>(path(), file).unwrap();
    let report = verify_source::<Arena>(&source, |_, _| {}).unwrap();
    assert_eq!((report.ticks, report.mismatches), (ticks, 0), "{what}");
}

fn check(label: &str, damage: impl Fn(&mut MatchRng, &[u8]) -> (Vec<u8>, u64, String)) {
    let Whole { bytes, file: original } = whole();
    let mut rng = MatchRng::new(6, 1, label);
    let (mut lost, mut ticks, mut replayed) = (0, 0, 0);
    for case in 0..CASES {
        let (damaged, first_bad, what) = damage(&mut rng, bytes);
        let Some((file, found)) = salvaged(&damaged, first_bad, &what) else {
            lost += 1;
            continue;
        };
        ticks += found.readable_ticks;
        if case >= replayed * CASES / REPLAYED {
            replays(file, &what);
            replayed += 1;
        }
    }
    let kept = ticks as f64 / (original.ticks() as f64 * CASES as f64) * 100.0;
    println!("{label}: {CASES} found, {lost} beyond salvage, {replayed} replayed, {kept:.1} % of all ticks kept");
    assert!(lost < CASES / 4 && replayed == REPLAYED, "{label}: {lost} lost, {replayed} replayed");
}

#[test]
fn each_of_a_thousand_flipped_bits_is_found_and_what_came_before_it_is_salvaged() {
    check("flips", |rng, bytes| {
        let bit = rng.below(bytes.len() as u32 * 8) as usize;
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (flipped, bit as u64 / 8, format!("bit {bit}"))
    });
}

#[test]
fn each_of_a_thousand_truncations_is_found_and_what_came_before_it_is_salvaged() {
    check("truncations", |rng, bytes| {
        let length = rng.below(bytes.len() as u32) as usize;
        (bytes[..length].to_vec(), length as u64, format!("{length} bytes"))
    });
}

#[test]
fn each_bit_of_the_first_bytes_is_covered_though_no_checksum_is_of_them() {
    let bytes = &whole().bytes;
    for bit in 0..64 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let what = format!("bit {bit}");
        if bit / 8 == 4 {
            // Of another version that is read: its chunks do not decode as that one's.
            refused(&flipped, &what);
        } else {
            salvaged(&flipped, bit as u64 / 8, &what);
        }
    }
}

#[test]
fn a_whole_file_is_salvaged_whole_and_without_damage() {
    let Salvaged { file, damage } = MatchFile::salvage(&path()).unwrap();
    assert_eq!((&file, damage), (&whole().file, None));
    let (source, damage) = Source::open_salvaging::<Arena>(&path(), false).unwrap();
    assert_eq!((source.file(), damage), (&file, None));
}
