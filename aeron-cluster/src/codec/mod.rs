//! Messages as bytes: SBE, schemas 111 (cluster), 101 (archive) and 110 (mark file) of Aeron 1.51.
//!
//! ```text
//!  0         2            4          6         8                8+blockLength
//!  +---------+------------+----------+---------+------------------+---------------------------+
//!  | block   | templateId | schemaId | version | fixed block      | u32 length, bytes │ ...   |
//!  | Length  |            |          |         |                  | variable data, in order   |
//!  +---------+------------+----------+---------+------------------+---------------------------+   little-endian
//! ```
//!
//! Field offsets come from generated code; this module adds what that leaves out: every length is checked before
//! anything is read, so that no bytes can make a decoder panic. Fields that an older writer did not know are null.

pub mod archive;
pub mod cluster;
mod generated;

use thiserror::Error;

/// Length of the header before each message.
pub const HEADER_BYTES: usize = 8;

/// Null in 64-bit ids, and the position of nothing.
pub const NULL_VALUE: i64 = -1;

/// Longest fixed block of any message that is read.
const BLOCK_BYTES_MAX: usize = 256;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// Fewer bytes than the lengths inside say.
    #[error("{found} bytes where {needed} are needed: the message is cut off")]
    Short {
        /// What the message says that it has.
        needed: usize,
        /// What is there.
        found: usize,
    },
    /// Another protocol.
    #[error("schema {found} where {expected} is spoken: not an Aeron 1.x peer, or another stream")]
    Schema {
        /// Ours.
        expected: u16,
        /// Theirs.
        found: u16,
    },
    /// Text that is not.
    #[error("text of template {template} is not ASCII or UTF-8")]
    Text {
        /// Of the message.
        template: u16,
    },
}

/// A message whose header is read and whose fixed block is whole; what follows is not looked at yet.
#[derive(Clone, Copy, Debug)]
pub struct RawMessage<'a> {
    /// Which message of the schema.
    pub template: u16,
    /// Which version of the schema its writer spoke.
    pub version: u16,
    block: &'a [u8],
    rest: &'a [u8],
}

impl<'a> RawMessage<'a> {
    /// Reads a header.
    ///
    /// # Errors
    ///
    /// When the bytes are too few, or of another schema than `schema`.
    pub fn parse(bytes: &'a [u8], schema: u16) -> Result<Self, CodecError> {
        let short = |needed| CodecError::Short { needed, found: bytes.len() };
        let header = bytes.first_chunk::<HEADER_BYTES>().ok_or_else(|| short(HEADER_BYTES))?;
        let field = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        if field(4) != schema {
            return Err(CodecError::Schema { expected: schema, found: field(4) });
        }
        let block_end = HEADER_BYTES + usize::from(field(0));
        let block = bytes.get(HEADER_BYTES..block_end).ok_or_else(|| short(block_end))?;
        Ok(Self { template: field(2), version: field(6), block, rest: &bytes[block_end..] })
    }

    /// Hands the fixed block to `read`, filled up with zeros to `length` where an older writer's is shorter.
    pub(crate) fn block<T>(&self, length: u16, read: impl FnOnce(&[u8]) -> T) -> T {
        let length = usize::from(length);
        assert!(length <= BLOCK_BYTES_MAX, "a block of {length} bytes");
        if self.block.len() >= length {
            return read(self.block);
        }
        let mut padded = [0; BLOCK_BYTES_MAX];
        padded[..self.block.len()].copy_from_slice(self.block);
        read(&padded[..length])
    }

    /// The variable data, to be read in the schema's order.
    pub fn variable(&self) -> Variable<'a> {
        Variable { template: self.template, rest: self.rest }
    }
}

/// What follows a fixed block: byte strings, each with its length before it.
#[derive(Clone, Copy, Debug)]
pub struct Variable<'a> {
    template: u16,
    rest: &'a [u8],
}

impl<'a> Variable<'a> {
    /// The next byte string; empty where an older writer ended before it.
    ///
    /// # Errors
    ///
    /// When it is cut off.
    pub fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        if self.rest.is_empty() {
            return Ok(&[]);
        }
        let found = self.rest.len();
        let (length, after) = self.rest.split_first_chunk().ok_or(CodecError::Short { needed: 4, found })?;
        let length = u32::from_le_bytes(*length) as usize;
        let (bytes, rest) =
            after.split_at_checked(length).ok_or(CodecError::Short { needed: length.saturating_add(4), found })?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The next byte string, as text.
    ///
    /// # Errors
    ///
    /// When it is cut off or not text.
    pub fn text(&mut self) -> Result<&'a str, CodecError> {
        let template = self.template;
        std::str::from_utf8(self.bytes()?).map_err(|_| CodecError::Text { template })
    }
}

/// Appends a variable byte string with its length before it.
pub(crate) fn put_variable(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Begins a message in `out`: writes header and fixed block with a generated encoder; variable data is appended after
/// it with [`put_variable`]. `encode!(out, cluster, service_ack_codec, ServiceAckEncoder, |m| { m.ack_id(7); })`
macro_rules! encode {
    ($out:expr, $schema:ident, $codec:ident, $Encoder:ident, |$fields:ident| $body:block) => {{
        use $crate::codec::generated::$schema::{WriteBuf, $codec as codec};
        let out: &mut Vec<u8> = $out;
        let begin = out.len();
        out.resize(begin + $crate::codec::HEADER_BYTES + usize::from(codec::SBE_BLOCK_LENGTH), 0);
        let header = [codec::SBE_BLOCK_LENGTH, codec::SBE_TEMPLATE_ID, codec::SBE_SCHEMA_ID, codec::SBE_SCHEMA_VERSION];
        for (at, field) in header.into_iter().enumerate() {
            out[begin + 2 * at..][..2].copy_from_slice(&u16::to_le_bytes(field));
        }
        let buffer = WriteBuf::new(&mut out[begin + $crate::codec::HEADER_BYTES..]);
        #[allow(unused_mut, reason = "not every message has fixed fields")]
        let mut $fields = codec::$Encoder::default().wrap(buffer, 0);
        $body
    }};
}

/// Reads the fixed block of a [`RawMessage`] with a generated decoder; newer fields of an older writer are null.
/// `decode!(raw, cluster, service_ack_codec, ServiceAckDecoder, |m| m.ack_id())`
macro_rules! decode {
    ($raw:expr, $schema:ident, $codec:ident, $Decoder:ident, |$fields:ident| $body:expr) => {{
        use $crate::codec::generated::$schema::{ReadBuf, $codec as codec};
        let raw: &$crate::codec::RawMessage<'_> = $raw;
        raw.block(codec::SBE_BLOCK_LENGTH, |block| {
            let $fields = codec::$Decoder::default().wrap(
                ReadBuf::new(block),
                0,
                codec::SBE_BLOCK_LENGTH,
                raw.version.min(codec::SBE_SCHEMA_VERSION),
            );
            $body
        })
    }};
}

pub(crate) use {decode, encode};

#[cfg(test)]
mod tests;
