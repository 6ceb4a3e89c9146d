//! Frames: a length, then a verified FlatBuffer.
//!
//! ```text
//! | length: u32 LE | root offset: u32 | identifier: 4 bytes | ... FlatBuffer ... |
//! ```
//!
//! `length` counts what follows it. Bytes from outside are a [`RawFrame`] until the verifier
//! accepted them.

use flatbuffers::{FlatBufferBuilder, Follow, Verifiable, VerifierOptions};
use thiserror::Error;

/// Bytes of the length before each frame.
pub const PREFIX_BYTES: usize = 4;

/// A frame that nobody looked into yet.
#[derive(Debug, Clone, Copy)]
pub struct RawFrame<'a>(pub &'a [u8]);

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Longer than allowed; nothing of it was read.
    #[error("a frame of {bytes} bytes exceeds the maximum of {max}")]
    Oversized {
        /// Announced length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Another kind of buffer, or none.
    #[error("byte 4: the identifier is {found:?}, expected {expected:?}")]
    Identifier {
        /// What a frame of this direction carries.
        expected: &'static str,
        /// What stood there.
        found: String,
    },
    /// The verifier refused it.
    #[error("frame of {bytes} bytes: {reason}")]
    Buffer {
        /// Length of the frame.
        bytes: usize,
        /// Place and reason, in the verifier's words.
        reason: String,
    },
    /// A message this build does not know.
    #[error("message type {kind} is unknown")]
    Unknown {
        /// The union's type.
        kind: u8,
    },
    /// The buffer is whole, but a value is out of bounds.
    #[error("{field}: {reason}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Verifies a frame and gives its root.
///
/// # Errors
/// When it is too long, of another kind, or the verifier refuses it.
pub(crate) fn verified<'a, T>(
    raw: RawFrame<'a>,
    identifier: &'static str,
    bytes_max: usize,
    options: &VerifierOptions,
) -> Result<T::Inner, FrameError>
where
    T: Follow<'a> + Verifiable + 'a,
{
    let RawFrame(bytes) = raw;
    if bytes.len() > bytes_max {
        return Err(FrameError::Oversized { bytes: bytes.len(), max: bytes_max });
    }
    let found = bytes.get(4..8).unwrap_or_default();
    if found != identifier.as_bytes() {
        return Err(FrameError::Identifier {
            expected: identifier,
            found: String::from_utf8_lossy(found).into_owned(),
        });
    }
    flatbuffers::root_with_opts::<T>(options, bytes)
        .map_err(|error| FrameError::Buffer { bytes: bytes.len(), reason: one_line(&error.to_string()) })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Builds one frame, prefix included. `pack` returns the finished root.
pub(crate) fn build(
    identifier: &str,
    capacity: usize,
    pack: impl for<'b> FnOnce(&mut FlatBufferBuilder<'b>) -> flatbuffers::WIPOffset<flatbuffers::ForwardsUOffset<()>>,
) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::with_capacity(capacity);
    let root = pack(&mut builder);
    // Not `finish_size_prefixed`: that aligns 64-bit fields as seen from the prefix, which readers have cut off.
    builder.finish(root, Some(identifier));
    let buffer = builder.finished_data();
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + buffer.len());
    bytes.extend_from_slice(&(buffer.len() as u32).to_le_bytes());
    bytes.extend_from_slice(buffer);
    bytes
}

/// Cuts a byte stream into frames.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    start: usize,
    bytes_max: usize,
}

impl Framer {
    /// Accepts frames of up to `bytes_max` bytes.
    #[must_use]
    pub const fn new(bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, bytes_max }
    }

    /// Takes bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives the next whole frame; call until `None`.
    ///
    /// # Errors
    /// When a length exceeds the maximum. The stream cannot be read on.
    pub fn next_frame(&mut self) -> Result<Option<RawFrame<'_>>, FrameError> {
        let pending = &self.buffer[self.start..];
        let Some(prefix) = pending.first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let bytes = u32::from_le_bytes(*prefix) as usize;
        if bytes > self.bytes_max {
            return Err(FrameError::Oversized { bytes, max: self.bytes_max });
        }
        if pending.len() < PREFIX_BYTES + bytes {
            // What was read makes room for what is to come.
            if self.start > self.buffer.len() / 2 {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            return Ok(None);
        }
        let from = self.start + PREFIX_BYTES;
        self.start = from + bytes;
        Ok(Some(RawFrame(&self.buffer[from..from + bytes])))
    }

    /// Whether the stream ended between two frames.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }
}
