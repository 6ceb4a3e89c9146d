//! A recording's files: where a position lies, and what a frame there has to look like.
//!
//! ```text
//!  0             4         5       6      8            12          16         20       24         32
//!  +-------------+---------+-------+------+------------+-----------+----------+--------+----------+-----------+
//!  | frameLength | version | flags | type | termOffset | sessionId | streamId | termId | reserved | payload … |
//!  +-------------+---------+-------+------+------------+-----------+----------+--------+----------+-----------+
//!   frameLength: header included; the next frame begins at the next multiple of 32. type: 0 padding, of which only
//!   the header is written, 1 data. sessionId: with a record checksum, that of the payload up to the next frame.
//! ```

use std::path::{Path, PathBuf};

use super::reading::{ReadError, RecordChecksum};
use crate::codec::archive::RecordingDescriptor;

/// Length of a frame's header, and what frames are aligned to.
pub(super) const FRAME_HEADER_BYTES: i64 = 32;
const TYPE_PADDING: u16 = 0;
const TYPE_DATA: u16 = 1;
/// Aeron's bounds of a term.
const TERM_BYTES_MIN: i64 = 64 << 10;
const TERM_BYTES_MAX: i64 = 1 << 30;
/// What disks write at once, so that a frame may be there in part.
const PAGE_BYTES: i64 = 4096;

/// The shape of one recording.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    directory: PathBuf,
    pub(super) recording_id: i64,
    pub(super) start: i64,
    pub(super) stop: Option<i64>,
    pub(super) term_length: i64,
    segment_length: i64,
    initial_term_id: i32,
    stream_id: i32,
}

impl Shape {
    /// Checks that there can be such a recording.
    pub(super) fn of(directory: &Path, descriptor: &RecordingDescriptor) -> Result<Self, ReadError> {
        let shape = Self {
            directory: directory.to_owned(),
            recording_id: descriptor.recording_id,
            start: descriptor.start_position,
            stop: (descriptor.stop_position != -1).then_some(descriptor.stop_position),
            term_length: descriptor.term_buffer_length.into(),
            segment_length: descriptor.segment_file_length.into(),
            initial_term_id: descriptor.initial_term_id,
            stream_id: descriptor.stream_id,
        };
        match shape.impossible() {
            Some(reason) => Err(ReadError::Descriptor { recording_id: descriptor.recording_id, reason }),
            None => Ok(shape),
        }
    }

    fn impossible(&self) -> Option<String> {
        let Self { start, stop, term_length, segment_length, .. } = *self;
        let is_term = (TERM_BYTES_MIN..=TERM_BYTES_MAX).contains(&term_length) && term_length.count_ones() == 1;
        if !is_term {
            return Some(format!("terms of {term_length} bytes"));
        }
        if segment_length < term_length || segment_length.count_ones() != 1 {
            return Some(format!("files of {segment_length} bytes with terms of {term_length}"));
        }
        // No stream has more than 2³¹ terms; so sums of positions below cannot overflow.
        let position_max = term_length << 31;
        if !(0..=position_max).contains(&start) || start % FRAME_HEADER_BYTES != 0 {
            return Some(format!("it begins at {start}"));
        }
        let is_stop = |stop: i64| (start..=position_max).contains(&stop) && stop % FRAME_HEADER_BYTES == 0;
        stop.filter(|stop| !is_stop(*stop)).map(|stop| format!("it begins at {start} and stops at {stop}"))
    }

    /// Where the file that holds a position begins.
    pub(super) fn segment_base(&self, position: i64) -> i64 {
        let first = self.start - self.start % self.term_length;
        first + (position - first) / self.segment_length * self.segment_length
    }

    /// Where the file that holds a position ends.
    pub(super) fn segment_end(&self, position: i64) -> i64 {
        self.segment_base(position) + self.segment_length
    }

    /// The file that begins at a position.
    pub(super) fn path(&self, segment_base: i64) -> PathBuf {
        self.directory.join(format!("{}-{segment_base}.rec", self.recording_id))
    }

    /// Whether what is at a position could be the header of a frame of this recording. Sixteen bytes have to match, so
    /// that what is no frame does not pass for one by chance.
    pub(super) fn is_header(&self, header: &FrameHeader, position: i64) -> bool {
        header.length >= FRAME_HEADER_BYTES
            && header.version == 0
            && matches!(header.kind, TYPE_PADDING | TYPE_DATA)
            && i64::from(header.term_offset) == position % self.term_length
            && header.stream_id == self.stream_id
            && header.term_id == self.initial_term_id.wrapping_add((position / self.term_length) as i32)
    }

    /// What is wrong with a header, in the order in which a reader trips over it.
    pub(super) fn wrong(&self, header: &FrameHeader, position: i64) -> Option<String> {
        let term_left = self.term_length - position % self.term_length;
        if !self.is_header(header, position) {
            return Some("no frame header of this recording".into());
        }
        (header.aligned_length() > term_left)
            .then(|| format!("a frame of {} bytes where its term has {term_left} left", header.length))
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHeader {
    /// Header included; 0 or less where nothing is written yet.
    pub(super) length: i64,
    version: u8,
    pub(super) flags: u8,
    kind: u16,
    term_offset: i32,
    /// The record's checksum, if the archive writes one.
    pub(super) session_id: i32,
    stream_id: i32,
    term_id: i32,
}

impl FrameHeader {
    pub(super) fn read(bytes: &[u8; FRAME_HEADER_BYTES as usize]) -> Self {
        let field = |at: usize| i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self {
            length: field(0).into(),
            version: bytes[4],
            flags: bytes[5],
            kind: u16::from_le_bytes([bytes[6], bytes[7]]),
            term_offset: field(8),
            session_id: field(12),
            stream_id: field(16),
            term_id: field(20),
        }
    }

    pub(super) fn is_padding(&self) -> bool {
        self.kind == TYPE_PADDING
    }

    /// How far the next frame is.
    pub(super) fn aligned_length(&self) -> i64 {
        (self.length + FRAME_HEADER_BYTES - 1) / FRAME_HEADER_BYTES * FRAME_HEADER_BYTES
    }

    /// Whether the payload, padding included, is not what was written.
    pub(super) fn is_damaged(&self, checksum: RecordChecksum, padded_payload: &[u8]) -> bool {
        checksum.differs(padded_payload, self.session_id)
    }
}

/// Whether a page of a frame that lies at `offset` in its file, other than the first, was never written: all zeros.
/// Only a hint, and used where there is no checksum: a payload may be zeros, too.
pub(super) fn has_empty_page(offset: i64, frame: &[u8]) -> bool {
    let to_page = ((PAGE_BYTES - offset % PAGE_BYTES) % PAGE_BYTES) as usize;
    let first = if to_page == 0 { PAGE_BYTES as usize } else { to_page };
    frame
        .get(first..)
        .is_some_and(|rest| rest.chunks(PAGE_BYTES as usize).any(|page| page.iter().all(|byte| *byte == 0)))
}
