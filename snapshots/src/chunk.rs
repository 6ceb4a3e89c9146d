//! The container: checksummed, compressed chunks.

use std::path::{Path, PathBuf};

use protocol::limits::CHUNK_BYTES_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;
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

/// A file that was read and checked as a whole.
#[derive(Debug)]
pub struct ChunkFile {
    path: PathBuf,
    version: u16,
    chunks: std::vec::IntoIter<Chunk>,
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
        Self::decode(path, &read_file(path)?, kind)
    }

    /// Reads bytes; `path` is for errors.
    ///
    /// # Errors
    /// With file, offset and reason.
    pub fn decode(path: &Path, bytes: &[u8], kind: FileKind) -> Result<Self, FileError> {
        match Self::decode_sound(path, bytes, kind)? {
            (file, None) => Ok(file),
            (_, Some(fault)) => Err(fault.error),
        }
    }

    /// Reads the chunks before the first damage, and says what that is.
    ///
    /// # Errors
    /// When the file is of another kind or version, or ends within its first bytes.
    pub(crate) fn decode_sound(path: &Path, bytes: &[u8], kind: FileKind) -> Result<(Self, Option<Fault>), FileError> {
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
            match read_chunk(path, bytes, offset, place) {
                Ok((chunk, _)) if chunk.tag == END => break None,
                Ok((chunk, next)) => {
                    chunks.push(chunk);
                    offset = next;
                }
                Err(error) => break Some(Fault { chunk: Some(place), error }),
            }
        };
        let (count, end) = (chunks.len(), offset as u64);
        Ok((Self { path: path.to_owned(), version, chunks: chunks.into_iter(), count, end }, reserved.or(fault)))
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
    pub fn next_chunk(&mut self) -> Option<Chunk> {
        self.chunks.next()
    }

    /// The next chunk, which must be there and have this tag.
    ///
    /// # Errors
    /// When it has not.
    pub fn expect(&mut self, tag: [u8; 4]) -> Result<Chunk, FileError> {
        let shown = |tag: [u8; 4]| String::from_utf8_lossy(&tag).escape_default().to_string();
        match self.chunks.next() {
            Some(chunk) if chunk.tag == tag => Ok(chunk),
            Some(chunk) => {
                Err(self.error(chunk.offset, format!("chunk {} stands where {} belongs", shown(chunk.tag), shown(tag))))
            }
            None => Err(self.error(self.end, format!("chunk {} is missing", shown(tag)))),
        }
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
        let name = String::from_utf8_lossy(&chunk.tag).escape_default().to_string();
        match postcard::take_from_bytes(&chunk.bytes) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(self.error(chunk.offset, format!("chunk {name}: {} bytes are left over", rest.len()))),
            Err(error) => Err(self.error(chunk.offset, format!("chunk {name} does not decode: {error}"))),
        }
    }
}

/// The chunk at an offset, and where the next one begins. The end must be that of the file.
fn read_chunk(path: &Path, bytes: &[u8], offset: usize, place: u32) -> Result<(Chunk, usize), FileError> {
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
    let unpacked = unpack(stored_bytes, raw).map_err(content)?;
    let tag: [u8; 4] = head[..4].try_into().expect("four bytes");
    let next = body + stored;
    if tag == END && (unpacked != place.to_le_bytes() || next != bytes.len()) {
        return Err(content("the end does not fit what is before or after it; take another copy".into()));
    }
    Ok((Chunk { tag, offset: offset as u64, bytes: unpacked }, next))
}

fn unpack(stored: &[u8], raw: usize) -> Result<Vec<u8>, String> {
    if raw > CHUNK_BYTES_MAX {
        return Err(format!("a chunk of {raw} bytes exceeds the maximum of {CHUNK_BYTES_MAX}"));
    }
    if stored.len() == raw {
        return Ok(stored.to_vec());
    }
    let bytes = zstd::bulk::decompress(stored, raw).map_err(|error| format!("a chunk does not unpack: {error}"))?;
    if bytes.len() == raw {
        Ok(bytes)
    } else {
        Err(format!("a chunk unpacks to {} bytes, expected {raw}", bytes.len()))
    }
}
