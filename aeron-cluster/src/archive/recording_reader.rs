//! The messages of a recording, out of its files.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::reading::{ReadError, RecordChecksum};
use super::segment::{FRAME_HEADER_BYTES, FrameHeader, Shape, has_empty_page};
use crate::codec::archive::RecordingDescriptor;
use crate::transport::{Action, Assembler, Fragment};

/// How much is read at once. A frame that is longer (MTUs go up to 64 KiB) is read at its length.
const WINDOW_BYTES: usize = 256 << 10;

/// How a recording ended for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEnd {
    /// Where it was to be read to, or where it had stopped in order.
    Complete,
    /// It was not stopped in order, and its last frame is whole.
    Unclean,
    /// It was not stopped in order, and what begins here is part of a frame. Nobody can have been told of it.
    Torn {
        /// Why it is taken for that.
        reason: &'static str,
    },
}

/// The messages of a recording, in order, whole. Made by [`ArchiveDir::read`](super::ArchiveDir::read).
#[derive(Debug)]
pub struct RecordingReader {
    shape: Shape,
    checksum: RecordChecksum,
    /// Where the next frame begins.
    position: i64,
    /// Up to where everything has to be there.
    until: Option<i64>,
    assembler: Assembler,
    window: Window,
    end: Option<RecordingEnd>,
}

/// What is at a position.
enum Found {
    Frame(FrameHeader),
    /// Never written.
    Nothing,
    /// Not a whole frame, and why not.
    Broken(String),
}

impl RecordingReader {
    pub(super) fn new(
        directory: &Path,
        descriptor: &RecordingDescriptor,
        checksum: RecordChecksum,
        from: Option<i64>,
        until: Option<i64>,
    ) -> Result<Self, ReadError> {
        let shape = Shape::of(directory, descriptor)?;
        let position = from.unwrap_or(shape.start);
        let last = shape.stop.unwrap_or(shape.term_length << 31);
        let is_position =
            |position: &i64| (shape.start..=last).contains(position) && position % FRAME_HEADER_BYTES == 0;
        if let Some(position) = [Some(position), until].into_iter().flatten().find(|position| !is_position(position)) {
            return Err(ReadError::Position { recording_id: shape.recording_id, start: shape.start, position });
        }
        let until = until.or(shape.stop);
        let (assembler, window) = (Assembler::default(), Window::default());
        Ok(Self { shape, checksum, position, until, assembler, window, end: None })
    }

    /// Up to where it was read; at the end, where the last whole frame ends.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// How it ended, once [`next`](Self::next) has given `None`.
    pub fn end(&self) -> Option<RecordingEnd> {
        self.end
    }

    /// The next message in `into`, with the position after it; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ReadError::Damaged`] where the recording is damaged or a file is missing, [`ReadError::Io`]. Asked again, it
    /// fails again.
    pub fn next(&mut self, into: &mut Vec<u8>) -> Result<Option<i64>, ReadError> {
        while self.end.is_none() {
            if self.until.is_some_and(|until| self.position >= until) {
                self.end = Some(RecordingEnd::Complete);
                break;
            }
            let header = match self.look(self.position)? {
                Found::Frame(header) => header,
                Found::Nothing => {
                    self.stop("nothing is written here", RecordingEnd::Unclean)?;
                    break;
                }
                Found::Broken(reason) => {
                    self.stop(&reason, RecordingEnd::Torn { reason: "no whole frame follows it" })?;
                    break;
                }
            };
            let next = self.position + header.aligned_length();
            if self.checksum == RecordChecksum::None && self.until.is_none() && self.is_torn_page(&header, next)? {
                self.end = Some(RecordingEnd::Torn { reason: "a page of the last frame was never written" });
                break;
            }
            self.position = next;
            if !header.is_padding() && self.take(&header, into) {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// Adds a frame that was looked at; whether it completes a message.
    fn take(&mut self, header: &FrameHeader, into: &mut Vec<u8>) -> bool {
        let payload = &self.window.frame[FRAME_HEADER_BYTES as usize..header.length as usize];
        let (flags, position, session_id) = (header.flags, self.position, header.session_id);
        let mut is_whole = false;
        self.assembler.take(&Fragment { payload, flags, position, session_id }, &mut |message, _| {
            into.clear();
            into.extend_from_slice(message);
            is_whole = true;
            Action::Continue
        });
        is_whole
    }

    /// Reads the frame at a position and checks all there is to check.
    fn look(&mut self, position: i64) -> Result<Found, ReadError> {
        let offset = position - self.shape.segment_base(position);
        let Some(bytes) = self.window.read(&self.shape, position, FRAME_HEADER_BYTES as usize)? else {
            return Ok(Found::Nothing);
        };
        let header = FrameHeader::read(bytes.first_chunk().expect("read in this length"));
        if header.length == 0 {
            return Ok(Found::Nothing);
        }
        if let Some(reason) = self.shape.wrong(&header, position) {
            return Ok(Found::Broken(reason));
        }
        if header.is_padding() {
            return Ok(Found::Frame(header));
        }
        let length = header.aligned_length() as usize;
        let Some(frame) = self.window.read(&self.shape, position, length)? else {
            return Ok(Found::Broken(format!("a frame of {length} bytes goes beyond the file, from byte {offset}")));
        };
        if header.is_damaged(self.checksum, &frame[FRAME_HEADER_BYTES as usize..]) {
            return Ok(Found::Broken("the frame's checksum does not match".into()));
        }
        Ok(Found::Frame(header))
    }

    /// Without a checksum: whether the frame at hand is the last, and was written in part.
    fn is_torn_page(&mut self, header: &FrameHeader, next: i64) -> Result<bool, ReadError> {
        let offset = self.position - self.shape.segment_base(self.position);
        if header.is_padding() || !has_empty_page(offset, &self.window.frame) {
            return Ok(false);
        }
        let frame = std::mem::take(&mut self.window.frame);
        let is_last = !matches!(self.look(next)?, Found::Frame(_));
        self.window.frame = frame;
        Ok(is_last)
    }

    /// There is no whole frame at the position: the end, if it may end here and nothing follows, else damage.
    fn stop(&mut self, reason: &str, end: RecordingEnd) -> Result<(), ReadError> {
        if self.until.is_none() && !self.is_followed()? {
            self.end = Some(end);
            return Ok(());
        }
        let segment_base = self.shape.segment_base(self.position);
        Err(ReadError::Damaged {
            path: self.shape.path(segment_base),
            offset: self.position - segment_base,
            recording_id: self.shape.recording_id,
            position: self.position,
            reason: reason.to_owned(),
        })
    }

    /// Whether a frame of this recording lies anywhere behind the position. It is written in order, so what lies before
    /// one was once whole.
    fn is_followed(&mut self) -> Result<bool, ReadError> {
        let segment_end = self.shape.segment_end(self.position);
        if self.shape.path(segment_end).exists() {
            return Ok(true);
        }
        let mut position = self.position + FRAME_HEADER_BYTES;
        while position < segment_end {
            let Some(bytes) = self.window.read(&self.shape, position, FRAME_HEADER_BYTES as usize)? else {
                return Ok(false);
            };
            let header = FrameHeader::read(bytes.first_chunk().expect("read in this length"));
            if self.shape.is_header(&header, position) {
                return Ok(true);
            }
            position += FRAME_HEADER_BYTES;
        }
        Ok(false)
    }
}

/// A part of a file that was read ahead.
#[derive(Debug, Default)]
struct Window {
    file: Option<(i64, File)>,
    /// Position of its first byte.
    begin: i64,
    bytes: Vec<u8>,
    /// The frame that was read last.
    frame: Vec<u8>,
}

impl Window {
    /// `length` bytes at a position, which all are in one file; `None` when the file is not there or is shorter.
    fn read(&mut self, shape: &Shape, position: i64, length: usize) -> Result<Option<&[u8]>, ReadError> {
        let end = position + length as i64;
        if position < self.begin || end > self.begin + self.bytes.len() as i64 {
            self.fill(shape, position, length.max(WINDOW_BYTES))?;
        }
        let at = (position - self.begin) as usize;
        let Some(found) = self.bytes.get(at..at + length) else { return Ok(None) };
        self.frame.clear();
        self.frame.extend_from_slice(found);
        Ok(Some(&self.frame))
    }

    fn fill(&mut self, shape: &Shape, position: i64, length: usize) -> Result<(), ReadError> {
        let base = shape.segment_base(position);
        let path = shape.path(base);
        self.begin = position;
        self.bytes.clear();
        if self.file.as_ref().is_none_or(|(open, _)| *open != base) {
            self.file = match File::open(&path) {
                Ok(file) => Some((base, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(ReadError::io(&path)(error)),
            };
        }
        let Some((_, file)) = &self.file else { return Ok(()) };
        let length = length.min((shape.segment_end(position) - position) as usize);
        self.bytes.resize(length, 0);
        let mut filled = 0;
        while filled < length {
            match file.read_at(&mut self.bytes[filled..], (position - base) as u64 + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.bytes.clear();
                    return Err(ReadError::io(&path)(error));
                }
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}
