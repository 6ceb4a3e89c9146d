//! One match as a file: header, content, then keyframes with the steps after each, then an index.
//!
//! ```text
//! HEAD MatchHeader | CONT content | (KEYF keyframe | STEP [Step])* | INDX [(tick, offset of KEYF)]
//! ```
//!
//! Values are postcard. A segment's steps begin with the tick after its keyframe.

use std::path::Path;

use ecs_state::{Input, Keyframe};
use protocol::Columns;
use serde::{Deserialize, Serialize};

use crate::{ChunkFile, ChunkWriter, FileError, FileKind};

const KIND: FileKind = FileKind { magic: *b"WLMR", version: 1, oldest: 1, name: "match file" };
const HEAD: [u8; 4] = *b"HEAD";
const CONT: [u8; 4] = *b"CONT";
const KEYF: [u8; 4] = *b"KEYF";
const STEP: [u8; 4] = *b"STEP";
const INDX: [u8; 4] = *b"INDX";

/// What a match was played with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchHeader {
    /// The game.
    pub game: String,
    /// Its rules; other rules may compute another state.
    pub rules_version: u32,
    /// The game's manifest, as sent to clients.
    pub manifest: Vec<u8>,
    /// The match.
    pub match_id: u64,
    /// Its label.
    pub label: String,
    /// Its seed.
    pub seed: u64,
    /// Log time of its opening, in milliseconds.
    pub opened_ms: i64,
    /// xxh3-64 of the content.
    pub content_hash: u64,
}

/// One tick: what it took in and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Log time, in milliseconds.
    pub time_ms: i64,
    /// Commands and comings and goings, in log order.
    pub inputs: Vec<Input>,
    /// State hash after the tick.
    pub hash: u64,
    /// The low bits of each column's hash, in the manifest's order: to name what differs.
    pub columns: Vec<u16>,
}

impl Step {
    /// What [`Step::columns`] holds for a state.
    #[must_use]
    pub fn column_hashes(columns: &Columns) -> Vec<u16> {
        (0..columns.manifest().layouts().len()).map(|index| columns.column(index).hash() as u16).collect()
    }
}

/// A keyframe and the steps up to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins.
    pub keyframe: Keyframe,
    /// The ticks after it.
    pub steps: Vec<Step>,
}

/// A match that was read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchFile {
    /// What it was played with.
    pub header: MatchHeader,
    /// Map and balance, in the game's own form.
    pub content: Vec<u8>,
    /// In order; the first begins with tick 0.
    pub segments: Vec<Segment>,
}

impl MatchFile {
    /// Reads a match file and checks it as a whole.
    ///
    /// # Errors
    /// With file, offset and reason.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let mut file = ChunkFile::open(path, KIND)?;
        let header: MatchHeader = file.expect_value(HEAD)?;
        let content = file.expect(CONT)?;
        if xxhash_rust::xxh3::xxh3_64(&content.bytes) != header.content_hash {
            return Err(file.error(content.offset, "the content is not that of the header"));
        }
        let mut segments: Vec<Segment> = Vec::new();
        let mut index = Vec::new();
        let mut next_tick = 0;
        while let Some(chunk) = file.next_chunk() {
            if chunk.tag == INDX {
                let written: Vec<(u64, u64)> = file.value(&chunk)?;
                if written != index || segments.is_empty() {
                    return Err(file.error(chunk.offset, "the index is not that of the keyframes"));
                }
                return match file.next_chunk() {
                    None => Ok(Self { header, content: content.bytes, segments }),
                    Some(extra) => Err(file.error(extra.offset, "chunks follow the index")),
                };
            }
            if chunk.tag != KEYF {
                return Err(file.error(chunk.offset, "a keyframe belongs here"));
            }
            let keyframe =
                Keyframe::decode(&chunk.bytes).map_err(|error| file.error(chunk.offset, error.to_string()))?;
            if keyframe.tick != next_tick {
                let reason = format!("the keyframe is of tick {}, expected {next_tick}", keyframe.tick);
                return Err(file.error(chunk.offset, reason));
            }
            let steps: Vec<Step> = file.expect_value(STEP)?;
            index.push((keyframe.tick, chunk.offset));
            next_tick += steps.len() as u64;
            segments.push(Segment { keyframe, steps });
        }
        Err(file.error(0, "the index is missing"))
    }

    /// Ticks in the file.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.segments.iter().map(|segment| segment.steps.len() as u64).sum()
    }
}

/// Makes a match file.
#[derive(Debug, Clone)]
pub struct MatchFileWriter {
    chunks: ChunkWriter,
    index: Vec<(u64, u64)>,
    steps: Option<Vec<Step>>,
}

impl MatchFileWriter {
    /// Begins a file.
    #[must_use]
    pub fn new(header: &MatchHeader, content: &[u8]) -> Self {
        let mut chunks = ChunkWriter::new(KIND);
        chunks.push_value(HEAD, header);
        chunks.push(CONT, content);
        Self { chunks, index: Vec::new(), steps: None }
    }

    /// Begins a segment.
    pub fn keyframe(&mut self, keyframe: &Keyframe) {
        self.close_segment();
        self.index.push((keyframe.tick, self.chunks.offset()));
        self.chunks.push(KEYF, &keyframe.encode());
        self.steps = Some(Vec::new());
    }

    /// Adds a tick.
    ///
    /// # Panics
    /// Before the first keyframe.
    pub fn step(&mut self, step: Step) {
        self.steps.as_mut().expect("a keyframe comes first").push(step);
    }

    fn close_segment(&mut self) {
        if let Some(steps) = self.steps.take() {
            self.chunks.push_value(STEP, &steps);
        }
    }

    /// The whole file.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.close_segment();
        self.chunks.push_value(INDX, &self.index);
        self.chunks.finish()
    }
}
