//! The directories of a stopped member, written as Aeron lays them out (`aeron-cluster`'s tests hold its readers against
//! a real member's files).

use std::path::{Path, PathBuf};

use aeron_cluster::archive::{RecordChecksum, RecordingDescriptor};
use aeron_cluster::codec::cluster::{
    APP_VERSION, MARK_BEGIN, MARK_END, SERVICE_SNAPSHOT_TYPE, SessionHeader, SnapshotMarker, SnapshotMessage, TimeUnit,
};
use cluster_service::host::aeron::MemberFiles;
use cluster_service::{Event, LogEntry};

use crate::aeron::Tape;

/// Of terms and of files.
pub(crate) const TERM: i64 = 64 << 10;
const FRAME_PAYLOAD: usize = 1_376;

/// One recording.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) position: i64,
    bytes: Vec<u8>,
}

impl Recording {
    /// Appends a message; gives the position after it.
    pub(crate) fn append(&mut self, message: &[u8]) -> i64 {
        let chunks: Vec<&[u8]> = message.chunks(FRAME_PAYLOAD).collect();
        let needed: i64 = chunks.iter().map(|chunk| (chunk.len() as i64 + 63) / 32 * 32).sum();
        let left = TERM - self.position % TERM;
        if needed > left {
            self.put(left as i32, 0, 0, &[]);
            self.bytes.resize((self.position + left) as usize, 0);
            self.position += left;
        }
        for (place, chunk) in chunks.iter().enumerate() {
            let flags = if place == 0 { 0x80 } else { 0 } | if place + 1 == chunks.len() { 0x40 } else { 0 };
            self.put(chunk.len() as i32 + 32, flags, 1, chunk);
            self.position = self.bytes.len() as i64;
        }
        self.position
    }

    fn put(&mut self, length: i32, flags: u8, kind: u16, payload: &[u8]) {
        let mut padded = payload.to_vec();
        padded.resize(payload.len().next_multiple_of(32), 0);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(&[0, flags]);
        self.bytes.extend_from_slice(&kind.to_le_bytes());
        let crc = crc32c::crc32c(&padded).cast_signed();
        for field in [(self.position % TERM) as i32, crc, 100, (self.position / TERM) as i32, 0, 0] {
            self.bytes.extend_from_slice(&field.to_le_bytes());
        }
        self.bytes.extend_from_slice(&padded);
    }
}

/// A log of these entries, in a cluster that counts milliseconds; and where each ends.
pub(crate) fn log<'a>(entries: impl Iterator<Item = LogEntry<'a>>) -> (Recording, Vec<i64>) {
    let mut log = Recording::default();
    let term: Vec<u8> = [0_i64, 0, 0, 0].into_iter().flat_map(i64::to_le_bytes).chain([0; 16]).collect();
    log.append(&message(24, &term, &[]));
    let ends = entries.map(|entry| log.append(&entry_message(&entry))).collect();
    (log, ends)
}

fn message(template: u16, block: &[u8], variable: &[&[u8]]) -> Vec<u8> {
    let header = [block.len() as u16, template, 111, 16];
    let mut bytes: Vec<u8> = header.into_iter().flat_map(u16::to_le_bytes).collect();
    bytes.extend_from_slice(block);
    for part in variable {
        bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn entry_message(entry: &LogEntry<'_>) -> Vec<u8> {
    let longs = |fields: &[i64]| fields.iter().flat_map(|field| field.to_le_bytes()).collect::<Vec<u8>>();
    match entry.event {
        Event::Message { session, bytes } => {
            let header =
                SessionHeader { leadership_term_id: 0, cluster_session_id: session.0 as i64, timestamp: entry.time_ms };
            [&header.encode(), bytes].concat()
        }
        Event::Timer { id } => message(20, &longs(&[0, id.0 as i64, entry.time_ms]), &[]),
        Event::SessionOpen { session } => {
            let mut block = longs(&[0, 7, session.0 as i64, entry.time_ms]);
            block.extend_from_slice(&102_i32.to_le_bytes());
            message(21, &block, &[b"aeron:udp?endpoint=127.0.0.1:1", b""])
        }
        Event::SessionClose { session } => {
            let mut block = longs(&[0, session.0 as i64, entry.time_ms]);
            block.extend_from_slice(&0_i32.to_le_bytes());
            message(22, &block, &[])
        }
    }
}

/// A service's snapshot, as its container and host write it.
pub(crate) fn snapshot(log_position: i64, tape: Tape) -> Recording {
    let mut recording = Recording::default();
    for mark in [MARK_BEGIN, MARK_END] {
        let marker = SnapshotMarker {
            type_id: SERVICE_SNAPSHOT_TYPE,
            log_position,
            leadership_term_id: 0,
            mark,
            time_unit: TimeUnit::Millis,
            app_version: APP_VERSION,
        };
        let mut bytes = Vec::new();
        SnapshotMessage::Marker(marker).encode(&mut bytes);
        recording.append(&bytes);
    }
    for message in tape.0 {
        recording.append(&message);
    }
    recording
}

/// Writes a member's directories: its log from `start` on (recording 0), and a snapshot at a position (1 of the service,
/// 2 of the consensus module).
pub(crate) fn write(
    folder: &Path,
    log: &Recording,
    start: i64,
    snapshot: Option<(i64, &Recording)>,
    agreed: i64,
) -> MemberFiles {
    let files = MemberFiles {
        archive: folder.join("archive"),
        cluster: folder.join("cluster"),
        checksum: RecordChecksum::Crc32c,
    };
    std::fs::create_dir_all(&files.archive).unwrap();
    std::fs::create_dir_all(&files.cluster).unwrap();
    let mut catalog = ((3_i32 << 16) | (1 << 8)).to_le_bytes().to_vec();
    catalog.resize(16, 0);
    catalog.extend_from_slice(&64_i32.to_le_bytes());
    catalog.resize(32, 0);
    put_recording(&files.archive, &mut catalog, 0, log, start);
    let mut index = index_entry([0, 0, 0, agreed], -1, 0);
    if let Some((position, recording)) = snapshot {
        put_recording(&files.archive, &mut catalog, 1, recording, 0);
        index.extend(index_entry([1, 0, 0, position], 0, 1));
        index.extend(index_entry([2, 0, 0, position], -1, 1));
    }
    catalog.resize(catalog.len() + 64, 0);
    std::fs::write(files.archive.join("archive.catalog"), catalog).unwrap();
    std::fs::write(files.cluster.join("recording.log"), index).unwrap();
    files
}

fn put_recording(archive: &Path, catalog: &mut Vec<u8>, recording_id: i64, recording: &Recording, start: i64) {
    let descriptor = RecordingDescriptor {
        recording_id,
        start_timestamp: 0,
        stop_timestamp: 0,
        start_position: start,
        stop_position: recording.position,
        initial_term_id: 0,
        segment_file_length: TERM as i32,
        term_buffer_length: TERM as i32,
        mtu_length: 1_408,
        session_id: 1,
        stream_id: 100,
        stripped_channel: "aeron:udp?alias=log".into(),
        original_channel: "aeron:udp?alias=log".into(),
        source_identity: "aeron:ipc".into(),
    };
    let mut record = Vec::new();
    descriptor.encode(0, 0, &mut record);
    let mut record = record.split_off(8);
    record.resize((record.len() + 32).next_multiple_of(64) - 32, 0);
    for field in [record.len() as u32, 1, crc32c::crc32c(&record), 0, 0, 0, 0, 0] {
        catalog.extend_from_slice(&field.to_le_bytes());
    }
    catalog.extend_from_slice(&record);
    for (place, segment) in recording.bytes.chunks(TERM as usize).enumerate() {
        let base = place as i64 * TERM;
        if base >= start {
            std::fs::write(segment_file(archive, recording_id, base), segment).unwrap();
        }
    }
}

pub(crate) fn segment_file(archive: &Path, recording_id: i64, base: i64) -> PathBuf {
    archive.join(format!("{recording_id}-{base}.rec"))
}

fn index_entry(fields: [i64; 4], service_id: i32, kind: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> = fields.into_iter().chain([9]).flat_map(i64::to_le_bytes).collect();
    bytes.extend_from_slice(&service_id.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.resize(64, 0);
    bytes
}
