//! The container: checksummed, compressed chunks.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::limits::CHUNK_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::{FileError, read_file};

/// What a file holds, by its first four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileKind {
    /// The first four bytes.
    pub magic: [u8; 4],
    /// Newest version that this build reads and the one it writes.
    pub version: u16,
    /// Oldest version that this build reads.
    pub oldest: u16,
    /// For people.
    pub name: &'static str,
}

const HEADER_BYTES: usize = 8;
const CHUNK_HEADER_BYTES: usize = 20;
const END: [u8; 4] = *b"END.";
/// zstd's own default: more costs time without saving much on columns.
const ZSTD_LEVEL: i32 = 3;

fn checksum(place: u32, head: &[u8], bytes: &[u8]) -> u64 {
    let mut hasher = Xxh3::with_seed(u64::from(place));
    hasher.update(head);
    hasher.update(bytes);
    hasher.digest()
}

/// Makes the bytes of a file.
#[derive(Debug, Clone)]
pub struct ChunkWriter {
    bytes: Vec<u8>,
    count: u32,
}

impl ChunkWriter {
    /// Begins a file.
    #[must_use]
    pub fn new(kind: FileKind) -> Self {
        let mut bytes = kind.magic.to_vec();
        bytes.extend_from_slice(&kind.version.to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        Self { bytes, count: 0 }
    }

    /// Where the next chunk will begin.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds a chunk.
    ///
    /// # Panics
    /// Above [`CHUNK_BYTES_MAX`].
    pub fn push(&mut self, tag: [u8; 4], raw: &[u8]) {
        assert!(raw.len() <= CHUNK_BYTES_MAX, "a chunk of {} bytes", raw.len());
        let packed = zstd::bulk::compress(raw, ZSTD_LEVEL).ok().filter(|packed| packed.len() < raw.len());
        let stored = packed.as_deref().unwrap_or(raw);
        let mut head = [0u8; 12];
        head[..4].copy_from_slice(&tag);
        head[4..8].copy_from_slice(&(stored.len() as u32).to_le_bytes());
        head[8..].copy_from_slice(&(raw.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&head);
        self.bytes.extend_from_slice(&checksum(self.count, &head, stored).to_le_bytes());
        self.bytes.extend_from_slice(stored);
        self.count += 1;
    }

    /// Adds a chunk that holds a value.
    pub fn push_value(&mut self, tag: [u8; 4], value: &impl Serialize) {
        self.push(tag, &postcard::to_stdvec(value).expect("plain data always encodes"));
    }

    /// The whole file.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let count = self.count.to_le_bytes();
        self.push(END, &count);
        self.bytes
    }
}

/// A chunk that was read: whole and unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// What it is.
    pub tag: [u8; 4],
    /// Where it begins in the file.
    pub offset: u64,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A chunk whose checksum was compared, as it is in the file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) tag: [u8; 4],
    pub(crate) offset: u64,
    /// Its place in the file.
    body: Range<usize>,
    raw: usize,
}

/// A file that was read and checked as a whole.
#[derive(Debug)]
pub struct ChunkFile {
    path: PathBuf,
    version: u16,
    /// The whole file. Chunks are unpacked when they are taken.
    bytes: Arc<Vec<u8>>,
    chunks: std::vec::IntoIter<Stored>,
    count: usize,
    end: u64,
}

/// What is wrong with a file.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The place of the chunk where it is; `None` in the first bytes of the file.
    pub(crate) chunk: Option<u32>,
    /// What.
    pub(crate) error: FileError,
}

impl ChunkFile {
    /// Reads a file and checks every chunk.
    ///
    /// # Errors
    /// With file, offset and reason.
    pub fn open(path: &Path, kind: FileKind) -> Result<Self, FileError> {
        Self::whole(path, read_file(path)?, kind)
    }

    /// Reads bytes; `path` is for errors.
    ///
    /// # Errors
    /// With file, offset and reason.
    pub fn decode(path: &Path, bytes: &[u8], kind: FileKind) -> Result<Self, FileError> {
        Self::whole(path, bytes.to_vec(), kind)
    }

    /// As [`ChunkFile::decode`].
    pub(crate) fn whole(path: &Path, bytes: Vec<u8>, kind: FileKind) -> Result<Self, FileError> {
        match Self::decode_sound(path, bytes, kind)? {
            (file, None) => Ok(file),
            (_, Some(fault)) => Err(fault.error),
        }
    }

    /// Reads the chunks before the first damage, and says what that is.
    ///
    /// # Errors
    /// When the file is of another kind or version, or ends within its first bytes.
    pub(crate) fn decode_sound(
        path: &Path,
        bytes: Vec<u8>,
        kind: FileKind,
    ) -> Result<(Self, Option<Fault>), FileError> {
        if bytes.get(..4) != Some(&kind.magic[..]) {
            let found = String::from_utf8_lossy(&bytes[..bytes.len().min(4)]).into_owned();
            return Err(FileError::Foreign { path: path.to_owned(), expected: kind.name, found });
        }
        let part = "the header";
        let cut = || FileError::Truncated { path: path.to_owned(), offset: 4, part };
        let head = bytes.get(..HEADER_BYTES).ok_or_else(cut)?;
        let version = u16::from_le_bytes([head[4], head[5]]);
        if version > kind.version {
            return Err(FileError::Version { path: path.to_owned(), found: version, supported: kind.version });
        }
        if version < kind.oldest {
            return Err(FileError::TooOld { path: path.to_owned(), found: version, oldest: kind.oldest });
        }
        // Says nothing of what follows: the chunks are read nonetheless.
        let reserved = (head[6..] != [0, 0]).then(|| {
            let reason = "the header's last two bytes are not zero; it is damaged, take another copy".to_owned();
            Fault { chunk: None, error: FileError::Content { path: path.to_owned(), offset: 6, reason } }
        });
        let mut chunks = Vec::new();
        let mut offset = HEADER_BYTES;
        let fault = loop {
            let place = chunks.len() as u32;
            match read_chunk(path, &bytes, offset, place) {
                Ok((chunk, _)) if chunk.tag == END => break None,
                Ok((chunk, next)) => {
                    chunks.push(chunk);
                    offset = next;
                }
                Err(error) => break Some(Fault { chunk: Some(place), error }),
            }
        };
        let (path, count, end) = (path.to_owned(), chunks.len(), offset as u64);
        let file = Self { path, version, bytes: Arc::new(bytes), chunks: chunks.into_iter(), count, end };
        Ok((file, reserved.or(fault)))
    }

    /// Where what was read ends: at the end of the file, or at the first damage.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// An error of the chunk that was taken last, or of one that is missing.
    pub(crate) fn fault(&self, error: FileError) -> Fault {
        let place = if error.offset() < self.end { self.count - self.chunks.len() - 1 } else { self.count };
        Fault { chunk: Some(place as u32), error }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version that its kind had when it was written.
    #[must_use]
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// An error at an offset of this file.
    #[must_use]
    pub fn error(&self, offset: u64, reason: impl Into<String>) -> FileError {
        FileError::Content { path: self.path.clone(), offset, reason: reason.into() }
    }

    /// The next chunk, if there is one.
    ///
    /// # Errors
    /// When it does not unpack.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        self.next_stored().map(|stored| self.chunk(&stored)).transpose()
    }

    /// The next chunk, which must be there and have this tag.
    ///
    /// # Errors
    /// When it has not, or does not unpack.
    pub fn expect(&mut self, tag: [u8; 4]) -> Result<Chunk, FileError> {
        let stored = self.expect_stored(tag)?;
        self.chunk(&stored)
    }

    /// The value of the next chunk, which must have this tag.
    ///
    /// # Errors
    /// When it has not, or holds something else.
    pub fn expect_value<T: DeserializeOwned>(&mut self, tag: [u8; 4]) -> Result<T, FileError> {
        let chunk = self.expect(tag)?;
        self.value(&chunk)
    }

    /// The value that a chunk holds.
    ///
    /// # Errors
    /// When it holds something else.
    pub fn value<T: DeserializeOwned>(&self, chunk: &Chunk) -> Result<T, FileError> {
        value_of(chunk.tag, &chunk.bytes).map_err(|reason| self.error(chunk.offset, reason))
    }

    /// The next chunk as it is in the file.
    pub(crate) fn next_stored(&mut self) -> Option<Stored> {
        self.chunks.next()
    }

    /// As [`ChunkFile::expect`], as it is in the file.
    pub(crate) fn expect_stored(&mut self, tag: [u8; 4]) -> Result<Stored, FileError> {
        let shown = |tag: [u8; 4]| String::from_utf8_lossy(&tag).escape_default().to_string();
        match self.next_stored() {
            Some(stored) if stored.tag == tag => Ok(stored),
            Some(stored) => {
                let reason = format!("chunk {} stands where {} belongs", shown(stored.tag), shown(tag));
                Err(self.error(stored.offset, reason))
            }
            None => Err(self.error(self.end, format!("chunk {} is missing", shown(tag)))),
        }
    }

    /// A chunk that can be unpacked without the file.
    pub(crate) fn packed(&self, stored: &Stored) -> Packed {
        Packed { tag: stored.tag, file: Arc::clone(&self.bytes), body: stored.body.clone(), raw: stored.raw }
    }

    pub(crate) fn chunk(&self, stored: &Stored) -> Result<Chunk, FileError> {
        let Stored { tag, offset, .. } = *stored;
        let mut bytes = Vec::new();
        self.packed(stored).unpack(&mut bytes).map_err(|reason| self.error(offset, reason))?;
        Ok(Chunk { tag, offset, bytes })
    }
}

/// A chunk that is unpacked when it is needed. It keeps the file.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    tag: [u8; 4],
    file: Arc<Vec<u8>>,
    body: Range<usize>,
    raw: usize,
}

impl Packed {
    /// Puts what it holds into `room`, in place of what is there.
    ///
    /// # Errors
    /// With the reason, when it does not unpack.
    pub(crate) fn unpack(&self, room: &mut Vec<u8>) -> Result<(), String> {
        unpack(&self.file[self.body.clone()], self.raw, room)
    }

    /// The value in what it was unpacked to.
    ///
    /// # Errors
    /// With the reason, when that holds something else.
    pub(crate) fn value<'a, T: Deserialize<'a>>(&self, room: &'a [u8]) -> Result<T, String> {
        value_of(self.tag, room)
    }
}

fn value_of<'a, T: Deserialize<'a>>(tag: [u8; 4], bytes: &'a [u8]) -> Result<T, String> {
    let name = String::from_utf8_lossy(&tag).escape_default().to_string();
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("chunk {name}: {} bytes are left over", rest.len())),
        Err(error) => Err(format!("chunk {name} does not decode: {error}")),
    }
}

/// The chunk at an offset, and where the next one begins. The end must be that of the file.
fn read_chunk(path: &Path, bytes: &[u8], offset: usize, place: u32) -> Result<(Stored, usize), FileError> {
    let cut = |part| FileError::Truncated { path: path.to_owned(), offset: offset as u64, part };
    let head = bytes.get(offset..offset + CHUNK_HEADER_BYTES).ok_or_else(|| cut("a chunk's header"))?;
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let (stored, raw) = (word(4) as usize, word(8) as usize);
    let body = offset + CHUNK_HEADER_BYTES;
    let stored_bytes = bytes.get(body..body.saturating_add(stored)).ok_or_else(|| cut("a chunk"))?;
    let expected = u64::from_le_bytes(head[12..].try_into().expect("eight bytes"));
    let found = checksum(place, &head[..12], stored_bytes);
    if found != expected {
        let (path, offset) = (path.to_owned(), offset as u64);
        return Err(FileError::Checksum { path, offset, chunk: place, expected, found });
    }
    let content = |reason: String| FileError::Content { path: path.to_owned(), offset: offset as u64, reason };
    if raw > CHUNK_BYTES_MAX {
        return Err(content(format!("a chunk of {raw} bytes exceeds the maximum of {CHUNK_BYTES_MAX}")));
    }
    let tag: [u8; 4] = head[..4].try_into().expect("four bytes");
    let next = body + stored;
    if tag == END {
        let mut count = Vec::new();
        unpack(stored_bytes, raw, &mut count).map_err(content)?;
        if count != place.to_le_bytes() || next != bytes.len() {
            return Err(content("the end does not fit what is before or after it; take another copy".into()));
        }
    }
    Ok((Stored { tag, offset: offset as u64, body: body..next, raw }, next))
}

fn unpack(stored: &[u8], raw: usize, room: &mut Vec<u8>) -> Result<(), String> {
    room.resize(raw, 0);
    if stored.len() == raw {
        room.copy_from_slice(stored);
        return Ok(());
    }
    let unpacked = zstd::bulk::decompress_to_buffer(stored, room);
    let length = unpacked.map_err(|error| format!("a chunk does not unpack: {error}"))?;
    if length == raw { Ok(()) } else { Err(format!("a chunk unpacks to {length} bytes, expected {raw}")) }
}
