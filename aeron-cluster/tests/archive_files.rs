//! What is read of a stopped member's files, whole, torn and damaged.
//!
//! `stopped_member` holds files that a stock member of Aeron 1.51.0 left (one member with the sample
//! `BasicAuctionClusteredService`, CRC-32C as record checksum: started, one snapshot, orderly shutdown), without the
//! zeros behind what was written. All other files are written by [`Written`], which knows the layouts on its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::PathBuf;

use aeron_cluster::archive::{
    ArchiveDir, EntryKind, ReadError, RecordChecksum, RecordingDescriptor, RecordingEnd, RecordingLog,
};
use aeron_cluster::codec::cluster::{LogMessage, SnapshotMessage};

const TERM: i64 = 64 << 10;
const SEGMENT: i64 = 128 << 10;
const FRAME_PAYLOAD: usize = 1_376;
const INITIAL_TERM: i32 = i32::MAX - 1;

// ---- a real member's ----------------------------------------------------------------------------------------

fn stopped_member() -> PathBuf {
    PathBuf::from("tests/stopped_member")
}

fn messages(archive: &ArchiveDir, recording_id: i64) -> Vec<(Vec<u8>, i64)> {
    let mut reader = archive.read(recording_id, None, None).unwrap();
    let (mut all, mut bytes) = (Vec::new(), Vec::new());
    while let Some(position) = reader.next(&mut bytes).unwrap() {
        all.push((bytes.clone(), position));
    }
    assert_eq!(reader.end(), Some(RecordingEnd::Complete));
    all
}

#[test]
fn a_stopped_members_log_is_read_to_its_end() {
    let member = stopped_member();
    let archive = ArchiveDir::open(member.join("archive"), RecordChecksum::Crc32c).unwrap();
    let log = RecordingLog::read(&member.join("cluster")).unwrap();
    let id = log.log_recording_id().unwrap();
    let recording = archive.recording(id).unwrap();
    assert_eq!((recording.stream_id, recording.start_position), (100, 0));
    assert_eq!(recording.stop_position, log.committed_position());
    let read = messages(&archive, id);
    let [term, snapshot, shutdown] = read.as_slice() else { panic!("{} messages", read.len()) };
    assert!(matches!(LogMessage::decode(&term.0), Ok(Some(LogMessage::NewTerm { leadership_term_id: 0, .. }))));
    for (bytes, position) in [snapshot, shutdown] {
        let Ok(Some(LogMessage::Action { action: 2, log_position, .. })) = LogMessage::decode(bytes) else { panic!() };
        assert_eq!(log_position, *position);
    }
}

#[test]
fn a_stopped_members_newest_snapshot_is_found_and_read() {
    let member = stopped_member();
    let archive = ArchiveDir::open(member.join("archive"), RecordChecksum::Crc32c).unwrap();
    let log = RecordingLog::read(&member.join("cluster")).unwrap();
    let newest = log.latest_snapshot(1).unwrap();
    assert_eq!((newest.leadership_term_id, newest.log_position), (0, log.committed_position()));
    assert_eq!(log.latest_snapshot(2), None, "there is no second service");
    let service = messages(&archive, newest.recording_ids[1]);
    let Ok(Some(SnapshotMessage::Marker(begin))) = SnapshotMessage::decode(&service[0].0) else { panic!() };
    assert_eq!((begin.mark, begin.type_id, begin.log_position), (0, 2, newest.log_position));
}

// ---- files of our own ---------------------------------------------------------------------------------------

/// An archive with one recording.
struct Written {
    dir: tempfile::TempDir,
    start: i64,
    position: i64,
    segments: Vec<(i64, Vec<u8>)>,
    /// Where each message ends, and the message.
    messages: Vec<(i64, Vec<u8>)>,
}

impl Written {
    fn new(start: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, start, position: start, segments: Vec::new(), messages: Vec::new() }
    }

    /// With messages of all sizes over several terms and files.
    fn large(start: i64) -> Self {
        let mut written = Self::new(start);
        for number in 0..400_usize {
            let size = [24, 200, 1_376, 1_377, 4_000, 7_900][number % 6];
            written.append(&(0..size).map(|at| (at * 7 + number) as u8 | 1).collect::<Vec<u8>>());
        }
        assert!(written.segments.len() > 4, "{}", written.segments.len());
        written
    }

    fn append(&mut self, message: &[u8]) {
        let chunks: Vec<&[u8]> = message.chunks(FRAME_PAYLOAD).collect();
        let needed: i64 = chunks.iter().map(|chunk| (chunk.len() as i64 + 63) / 32 * 32).sum();
        let left = TERM - self.position % TERM;
        if needed > left {
            self.put(left, 0, 0, &[], left);
        }
        for (index, chunk) in chunks.iter().enumerate() {
            let begin = if index == 0 { 0x80 } else { 0 };
            let end = if index + 1 == chunks.len() { 0x40 } else { 0 };
            let length = chunk.len() as i64 + 32;
            self.put(length, begin | end, 1, chunk, (length + 31) / 32 * 32);
        }
        self.messages.push((self.position, message.to_vec()));
    }

    fn put(&mut self, length: i64, flags: u8, kind: u16, payload: &[u8], aligned: i64) {
        let term_id = INITIAL_TERM.wrapping_add((self.position / TERM) as i32);
        let mut padded = payload.to_vec();
        padded.resize(payload.len().next_multiple_of(32), 0);
        let checksum = if kind == 1 { crc32c::crc32c(&padded).cast_signed() } else { 77 };
        let mut frame = (length as i32).to_le_bytes().to_vec();
        frame.extend_from_slice(&[0, flags]);
        frame.extend_from_slice(&kind.to_le_bytes());
        for field in [(self.position % TERM) as i32, checksum, 100, term_id, 0, 0] {
            frame.extend_from_slice(&field.to_le_bytes());
        }
        frame.extend_from_slice(&padded);
        let first = self.start - self.start % TERM;
        let base = first + (self.position - first) / SEGMENT * SEGMENT;
        if self.segments.last().is_none_or(|(last, _)| *last != base) {
            self.segments.push((base, vec![0; SEGMENT as usize]));
        }
        let at = (self.position - base) as usize;
        self.segments.last_mut().unwrap().1[at..at + frame.len()].copy_from_slice(&frame);
        self.position += aligned;
    }

    fn descriptor(&self, stop_position: i64) -> RecordingDescriptor {
        RecordingDescriptor {
            recording_id: 3,
            start_timestamp: 1,
            stop_timestamp: -1,
            start_position: self.start,
            stop_position,
            initial_term_id: INITIAL_TERM,
            segment_file_length: SEGMENT as i32,
            term_buffer_length: TERM as i32,
            mtu_length: 1408,
            session_id: 5,
            stream_id: 100,
            stripped_channel: "aeron:ipc".into(),
            original_channel: "aeron:ipc?alias=log".into(),
            source_identity: "aeron:ipc".into(),
        }
    }

    /// Writes all files; the recording has stopped in order, or not.
    fn save(&self, is_stopped: bool) {
        let stop = if is_stopped { self.position } else { -1 };
        let catalog = catalog(&[(1, self.descriptor(stop))]);
        std::fs::write(self.dir.path().join("archive.catalog"), catalog).unwrap();
        for (base, bytes) in &self.segments {
            std::fs::write(self.dir.path().join(format!("3-{base}.rec")), bytes).unwrap();
        }
    }

    fn segment_of(&mut self, position: i64) -> (&mut Vec<u8>, usize) {
        let (base, bytes) = self.segments.iter_mut().rev().find(|(base, _)| *base <= position).unwrap();
        (bytes, (position - *base) as usize)
    }

    /// Reads it as far as it goes: how many messages, all of which must be the written ones, and how it ended.
    fn check(
        &self,
        checksum: RecordChecksum,
        from: Option<i64>,
        until: Option<i64>,
    ) -> (usize, Result<RecordingEnd, ReadError>) {
        let archive = ArchiveDir::open(self.dir.path(), checksum).unwrap();
        let mut reader = archive.read(3, from, until).unwrap();
        let skipped = self.messages.iter().filter(|(end, _)| *end <= from.unwrap_or(0)).count();
        let (mut count, mut bytes) = (0, Vec::new());
        loop {
            match reader.next(&mut bytes) {
                Ok(Some(position)) => {
                    let (end, message) = &self.messages[skipped + count];
                    assert_eq!((position, &bytes), (*end, message), "message {count}");
                    count += 1;
                }
                Ok(None) => return (count, Ok(reader.end().unwrap())),
                Err(error) => {
                    assert!(reader.next(&mut bytes).is_err(), "asked again, it fails again");
                    return (count, Err(error));
                }
            }
        }
    }
}

fn catalog(records: &[(i32, RecordingDescriptor)]) -> Vec<u8> {
    let mut bytes = (3_i32 << 16 | 1 << 8).to_le_bytes().to_vec();
    bytes.extend_from_slice(&32_i32.to_le_bytes());
    bytes.extend_from_slice(&9_i64.to_le_bytes());
    bytes.extend_from_slice(&64_i32.to_le_bytes());
    bytes.resize(32, 0);
    for (state, descriptor) in records {
        let mut record = Vec::new();
        descriptor.encode(0, 0, &mut record);
        let mut record = record.split_off(8);
        record.resize((record.len() + 32).next_multiple_of(64) - 32, 0);
        bytes.extend_from_slice(&(record.len() as i32).to_le_bytes());
        bytes.extend_from_slice(&state.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&record).to_le_bytes());
        bytes.resize(bytes.len() + 20, 0);
        bytes.extend_from_slice(&record);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

const CRC: RecordChecksum = RecordChecksum::Crc32c;

#[test]
fn a_recording_over_many_files_is_read_from_any_message_to_any() {
    // The second begins within a term, as a recording does whose stream was joined late.
    for start in [0, 3 * TERM + 4_096] {
        let written = Written::large(start);
        written.save(true);
        let all = written.messages.len();
        for checksum in [CRC, RecordChecksum::None] {
            let (count, end) = written.check(checksum, None, None);
            assert_eq!((count, end.unwrap()), (all, RecordingEnd::Complete));
        }
        for index in (0..all - 40).step_by(37) {
            let (from, until) = (written.messages[index].0, written.messages[index + 30].0);
            let (count, end) = written.check(CRC, Some(from), Some(until));
            assert_eq!((count, end.unwrap()), (30, RecordingEnd::Complete));
        }
    }
}

#[test]
fn positions_that_the_recording_does_not_hold_are_refused() {
    let written = Written::large(3 * TERM);
    written.save(true);
    let archive = ArchiveDir::open(written.dir.path(), CRC).unwrap();
    for (from, until) in [
        (Some(0), None),
        (Some(3 * TERM + 1), None),
        (Some(i64::MIN), None),
        (Some(i64::MAX), None),
        (None, Some(i64::MAX)),
    ] {
        let refused = archive.read(3, from, until).map(drop);
        assert!(matches!(refused, Err(ReadError::Position { recording_id: 3, .. })), "{from:?} {until:?}: {refused:?}");
    }
    assert!(matches!(archive.read(4, None, None).map(drop), Err(ReadError::NoRecording { recording_id: 4, .. })));
}

#[test]
fn an_end_that_is_torn_anywhere_is_cut_there_and_all_before_it_is_read() {
    let mut written = Written::new(0);
    for number in 0..10_u8 {
        written.append(&[number | 1; 3_000]);
    }
    let whole = written.position;
    written.append(&[9; 5_000]);
    let (end, all) = (written.position, written.messages.len());
    let (bytes, _) = written.segment_of(0);
    let bytes = bytes.clone();
    for cut in (whole..end).step_by(8) {
        // What is behind the cut was not written; only padding of the last frame may be missing without a trace.
        let mut torn = bytes.clone();
        torn[cut as usize..].fill(0);
        written.segments[0].1 = torn;
        written.save(false);
        let (count, read) = written.check(CRC, None, None);
        assert_eq!(
            count,
            if read.as_ref().is_ok_and(|_| cut >= whole + 5_000 + 4 * 32) { all } else { all - 1 },
            "{cut}"
        );
        assert!(matches!(read, Ok(RecordingEnd::Unclean | RecordingEnd::Torn { .. })), "cut at {cut}: {read:?}");
    }
    // The same, with a file that is shorter.
    for cut in (whole..end).step_by(104) {
        written.segments[0].1 = bytes[..cut as usize].to_vec();
        written.save(false);
        let (count, read) = written.check(CRC, None, None);
        assert_eq!(count, all - 1, "cut at {cut}");
        assert!(matches!(read, Ok(RecordingEnd::Unclean | RecordingEnd::Torn { .. })), "cut at {cut}: {read:?}");
    }
}

#[test]
fn without_a_checksum_a_last_frame_with_a_page_that_was_never_written_is_torn() {
    let mut written = Written::new(0);
    // Each takes 1344 bytes: the fourth begins 64 bytes before the end of a page.
    for number in 1..5_u8 {
        written.append(&[number; 1_300]);
    }
    written.save(false);
    let (count, read) = written.check(RecordChecksum::None, None, None);
    assert_eq!((count, read.unwrap()), (4, RecordingEnd::Unclean));
    let (bytes, _) = written.segment_of(0);
    bytes[4_096..8_192].fill(0);
    written.save(false);
    let (count, read) = written.check(RecordChecksum::None, None, None);
    assert_eq!(count, 3);
    assert!(matches!(read, Ok(RecordingEnd::Torn { .. })), "{read:?}");
}

#[test]
fn what_is_missing_before_the_end_of_a_stopped_recording_is_damage_and_named() {
    let mut written = Written::large(0);
    let (wanted, last) = (written.position, written.messages.last().unwrap().clone());
    let (bytes, at) = written.segment_of(last.0 - 32);
    bytes[at..at + 32].fill(0xff);
    written.save(true);
    let (count, read) = written.check(CRC, None, None);
    assert_eq!(count, written.messages.len() - 1);
    let Err(ReadError::Damaged { path, position, recording_id: 3, .. }) = read else { panic!("{read:?}") };
    assert!(position < wanted);
    assert!(path.starts_with(written.dir.path()));
    // A whole file less.
    let written = Written::large(0);
    written.save(true);
    let base = written.segments[2].0;
    std::fs::remove_file(written.dir.path().join(format!("3-{base}.rec"))).unwrap();
    let (_, read) = written.check(CRC, None, None);
    let Err(ReadError::Damaged { position, .. }) = read else { panic!("{read:?}") };
    assert_eq!(position, base);
    // The same in a recording that did not stop in order: files follow.
    written.save(false);
    std::fs::remove_file(written.dir.path().join(format!("3-{base}.rec"))).unwrap();
    assert!(matches!(written.check(CRC, None, None).1, Err(ReadError::Damaged { position, .. }) if position == base));
}

#[test]
fn a_flipped_bit_before_the_end_is_damage_where_it_lies_and_never_another_message() {
    let mut written = Written::large(0);
    let end = written.position;
    for (round, position) in (0..end - 8_192).step_by(1_237).enumerate() {
        let (bytes, at) = written.segment_of(position);
        let bit = 1 << (round % 8);
        bytes[at] ^= bit;
        written.save(round % 2 == 0);
        // What no checksum covers may come out as another message, which `check` panics at.
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| written.check(CRC, None, None)));
        let (bytes, at) = written.segment_of(position);
        bytes[at] ^= bit;
        let is_covered = written.covered(position);
        match read {
            Ok((_, Err(ReadError::Damaged { position: named, .. }))) => {
                assert!((named..named + 1_408).contains(&position) || !is_covered, "{position} named as {named}");
            }
            Ok((count, Ok(_))) => assert!(!is_covered && count == written.messages.len(), "{position}: unseen"),
            Ok((_, Err(error))) => panic!("{position}: {error}"),
            Err(_) => assert!(!is_covered, "{position}: another message"),
        }
    }
}

impl Written {
    /// Whether a byte is one whose change has to be seen: payload of a frame, or header other than flags, reserved field
    /// and the last bits of the length.
    fn covered(&self, position: i64) -> bool {
        let (base, bytes) = self.segments.iter().rev().find(|(base, _)| *base <= position).unwrap();
        let at = (position - base) as usize;
        let mut frame = 0;
        loop {
            let length = i32::from_le_bytes(bytes[frame..frame + 4].try_into().unwrap()) as usize;
            let next = frame + length.next_multiple_of(32);
            if next > at {
                let is_padding = bytes[frame + 6] == 0;
                return match at - frame {
                    // A length that ends at the same multiple of 32 has the same checksum.
                    0 | 5 | 24..32 => false,
                    12..16 => !is_padding,
                    0..32 => true,
                    _ => !is_padding,
                };
            }
            frame = next;
        }
    }
}

#[test]
fn no_damage_to_a_catalog_makes_reading_it_panic_and_none_goes_unseen() {
    let written = Written::new(0);
    let mut second = written.descriptor(64);
    second.recording_id = 7;
    let deleted = RecordingDescriptor { recording_id: 5, ..second.clone() };
    let whole = catalog(&[(1, written.descriptor(-1)), (2, deleted), (1, second.clone())]);
    let path = written.dir.path().join("archive.catalog");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        ArchiveDir::open(written.dir.path(), CRC).map(|archive| archive.recordings().to_vec())
    };
    assert_eq!(read(&whole).unwrap(), [written.descriptor(-1), second]);
    let used = whole.len() - 1024;
    for cut in 0..used {
        let found = read(&whole[..cut]);
        assert!(!found.is_ok_and(|found| found.len() > 1), "cut at {cut}");
    }
    let expected = read(&whole).unwrap();
    for bit in (0..used * 8).step_by(3) {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // Fields that nobody reads, the state of a record, and its length (which a checksum cannot cover) aside, a
        // record that differs is not given out.
        if let Ok(found) = read(&damaged) {
            assert!(found.iter().all(|found| expected.contains(found)), "bit {bit}");
        }
    }
}

#[test]
fn a_descriptor_that_there_cannot_be_is_refused_before_its_files_are_looked_for() {
    let written = Written::new(0);
    let good = written.descriptor(-1);
    for bad in [
        RecordingDescriptor { term_buffer_length: 0, ..good.clone() },
        RecordingDescriptor { term_buffer_length: -1, ..good.clone() },
        RecordingDescriptor { term_buffer_length: 65_537, ..good.clone() },
        RecordingDescriptor { segment_file_length: 32_768, ..good.clone() },
        RecordingDescriptor { segment_file_length: i32::MIN, ..good.clone() },
        RecordingDescriptor { start_position: -32, ..good.clone() },
        RecordingDescriptor { start_position: i64::MAX, ..good.clone() },
        RecordingDescriptor { start_position: 8, ..good.clone() },
        RecordingDescriptor { stop_position: -2, ..good.clone() },
        RecordingDescriptor { start_position: 64, stop_position: 32, ..good.clone() },
        RecordingDescriptor { stop_position: i64::MAX, ..good.clone() },
    ] {
        std::fs::write(written.dir.path().join("archive.catalog"), catalog(&[(1, bad.clone())])).unwrap();
        let archive = ArchiveDir::open(written.dir.path(), CRC).unwrap();
        let refused = archive.read(3, None, None).map(drop);
        assert!(matches!(refused, Err(ReadError::Descriptor { recording_id: 3, .. })), "{bad:?}: {refused:?}");
    }
}

// ---- recording.log ------------------------------------------------------------------------------------------

fn entry(ids: [i64; 4], service_id: i32, kind: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> = ids.into_iter().chain([9]).flat_map(i64::to_le_bytes).collect();
    bytes.extend_from_slice(&service_id.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    if kind & 0xff == 2 {
        bytes.extend_from_slice(&60_u32.to_le_bytes());
        bytes.extend_from_slice(&[b'a'; 60]);
    }
    bytes.resize(bytes.len().next_multiple_of(64), 0);
    bytes
}

fn recording_log(bytes: &[u8]) -> Result<RecordingLog, ReadError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("recording.log"), bytes).unwrap();
    RecordingLog::read(dir.path())
}

const INVALID: u32 = 1 << 31;

#[test]
fn the_newest_whole_snapshot_is_chosen_and_what_was_withdrawn_is_not_trusted() {
    let entries = [
        entry([0, 0, 0, 640], -1, 0),
        entry([1, 0, 0, 320], 0, 1),
        entry([2, 0, 0, 320], -1, 1),
        entry([0, 1, 640, -1], -1, 0),
        // Of a standby, longer than others.
        entry([9, 1, 640, 9_600], 0, 2),
        // Without its service.
        entry([4, 1, 640, 1_280], -1, 1),
        // Withdrawn.
        entry([5, 1, 640, 6_400], 0, 1 | INVALID),
        entry([6, 1, 640, 6_400], -1, 1 | INVALID),
    ];
    let log = recording_log(&entries.concat()).unwrap();
    assert_eq!(log.entries.len(), entries.len());
    assert_eq!(log.entries[4].kind, EntryKind::StandbySnapshot);
    assert_eq!(log.log_recording_id(), Some(0));
    assert_eq!(log.committed_position(), 1_280);
    let snapshot = log.latest_snapshot(1).unwrap();
    assert_eq!((snapshot.log_position, snapshot.recording_ids), (320, vec![2, 1]));
    assert_eq!(recording_log(&[]).unwrap(), RecordingLog::default());
}

#[test]
fn a_recording_log_that_is_cut_or_of_another_kind_is_named_and_never_a_panic() {
    let whole = [entry([0, 0, 0, 640], -1, 0), entry([9, 1, 640, 9_600], 0, 2), entry([1, 0, 0, 320], 0, 1)].concat();
    for cut in 0..whole.len() {
        let read = recording_log(&whole[..cut]);
        let is_boundary = [0, 64, 192].contains(&cut);
        assert_eq!(read.is_ok(), is_boundary, "cut at {cut}");
    }
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let _ = recording_log(&damaged);
    }
    let unknown = recording_log(&entry([0, 0, 0, 0], 0, 7)).unwrap_err();
    assert!(unknown.to_string().contains("type 7"), "{unknown}");
}
