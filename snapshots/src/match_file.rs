//! One match as a file: header, content, then keyframes with the steps after each, then an index.
//!
//! ```text
//! HEAD MatchHeader | CONT content | (KEYF keyframe | STEP ticks)* | INDX [(tick, offset of KEYF)]
//! ```
//!
//! Values are postcard; `steps.rs` draws how the ticks of a segment stand in it. A segment's steps begin with the tick after its keyframe. The first keyframe is that of the
//! match's opening, or, in a part of a match, of any tick.
//!
//! Version 2 had ticks one after the other (`[Step]`). Version 1 also knew neither where commands stood in the log
//! ([`Step::origins`]) nor forks ([`MatchHeader::fork`]). Both are read; of version 1 with none of either.

use std::path::Path;

use ecs_state::{Input, Keyframe};
use protocol::Columns;
use serde::{Deserialize, Serialize};

use crate::steps::PackedSteps;
use crate::{ChunkFile, ChunkWriter, FileError, FileKind, Segment, Steps, read_file};

pub(crate) const KIND: FileKind = FileKind { magic: *b"WLMR", version: 3, oldest: 1, name: "match file" };
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
    /// What it was made of, when it is no match as it was played but a part or a changed copy of one.
    pub fork: Option<ForkOrigin>,
}

/// Where a match file comes from that was made of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkOrigin {
    /// The name of the other file.
    pub file: String,
    /// The tick from which on it is changed, or with which it begins.
    pub tick: u64,
    /// What was changed, for people.
    pub edits: Vec<String>,
    /// Ticks whose steps hold other content ([`Input::Content`]), ascending: what is restored after one of them is
    /// played with that content.
    pub swaps: Vec<u64>,
}

/// One tick: what it took in and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Log time, in milliseconds.
    pub time_ms: i64,
    /// Commands and comings and goings, in log order.
    pub inputs: Vec<Input>,
    /// Where each command of the inputs stood in the log, in their order; empty when that is not known. A command that
    /// was in no log, because a fork added it, has [`Origin::NOWHERE`].
    pub origins: Vec<Origin>,
    /// State hash after the tick.
    pub hash: u64,
    /// The low bits of each column's hash, in the manifest's order: to name what differs.
    pub columns: Vec<u16>,
}

/// Where a command stood in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The player session that it came from.
    pub session: u64,
    /// Its number in that session, from 1.
    pub seq: u64,
    /// Log position of the entry that carried it.
    pub position: i64,
}

impl Origin {
    /// In no log.
    pub const NOWHERE: Self = Self { session: 0, seq: 0, position: 0 };
}

impl Step {
    /// What [`Step::columns`] holds for a state.
    #[must_use]
    pub fn column_hashes(columns: &Columns) -> Vec<u16> {
        (0..columns.manifest().layouts().len()).map(|index| columns.column(index).hash() as u16).collect()
    }
}

/// A match that was read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchFile {
    /// What it was played with.
    pub header: MatchHeader,
    /// Map and balance, in the game's own form.
    pub content: Vec<u8>,
    /// In order; the first begins with tick 0, but in a part of a match.
    pub segments: Vec<Segment>,
}

impl MatchFile {
    /// Reads a match file and checks it as a whole.
    ///
    /// # Errors
    /// With file, offset and reason.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::read(ChunkFile::whole(path, read_file(path)?, KIND)?)
    }

    /// Reads the bytes of a match file; `path` is for errors.
    ///
    /// # Errors
    /// With file, offset and reason.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        Self::read(ChunkFile::decode(path, bytes, KIND)?)
    }

    fn read(mut file: ChunkFile) -> Result<Self, FileError> {
        let mut read = Self::opening(&mut file)?;
        read.take_segments(&mut file)?;
        Ok(read)
    }

    /// Header and content, without a segment.
    pub(crate) fn opening(file: &mut ChunkFile) -> Result<Self, FileError> {
        let header = match file.version() {
            1 => file.expect_value::<first_version::MatchHeader>(HEAD)?.into(),
            _ => file.expect_value::<MatchHeader>(HEAD)?,
        };
        let content = file.expect(CONT)?;
        if xxhash_rust::xxh3::xxh3_64(&content.bytes) != header.content_hash {
            return Err(file.error(content.offset, "the content is not that of the header"));
        }
        Ok(Self { header, content: content.bytes, segments: Vec::new() })
    }

    /// Adds the segments, up to the end. What came before an error is there: a segment whose steps are not readable
    /// has none.
    pub(crate) fn take_segments(&mut self, file: &mut ChunkFile) -> Result<(), FileError> {
        let mut index = Vec::new();
        let mut next_tick = None;
        let mut room = Vec::new();
        while let Some(chunk) = file.next_chunk()? {
            if chunk.tag == INDX {
                let written: Vec<(u64, u64)> = file.value(&chunk)?;
                if written != index || self.segments.is_empty() {
                    return Err(file.error(chunk.offset, "the index is not that of the keyframes"));
                }
                return match file.next_stored() {
                    None => Ok(()),
                    Some(extra) => Err(file.error(extra.offset, "chunks follow the index")),
                };
            }
            if chunk.tag != KEYF {
                return Err(file.error(chunk.offset, "a keyframe belongs here"));
            }
            let keyframe =
                Keyframe::decode(&chunk.bytes).map_err(|error| file.error(chunk.offset, error.to_string()))?;
            let tick = keyframe.tick;
            if let Some(expected) = next_tick.filter(|expected| *expected != tick) {
                return Err(file.error(chunk.offset, format!("the keyframe is of tick {tick}, expected {expected}")));
            }
            self.segments.push(Segment { keyframe, steps: Steps::default() });
            let steps = take_steps(file, &mut room)?;
            index.push((tick, chunk.offset));
            next_tick = Some(tick.saturating_add(steps.len() as u64));
            self.segments.last_mut().expect("one was added").steps = steps;
        }
        Err(file.error(file.end(), "the index is missing"))
    }

    /// Ticks in the file.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.segments.iter().map(|segment| segment.steps.len() as u64).sum()
    }
}

/// The next chunk, which must be steps. `room` is memory to look at them in.
fn take_steps(file: &mut ChunkFile, room: &mut Vec<u8>) -> Result<Steps, FileError> {
    match file.version() {
        1 => {
            let steps: Vec<first_version::Step> = file.expect_value(STEP)?;
            Ok(steps.into_iter().map(Step::from).collect::<Vec<_>>().into())
        }
        2 => Ok(file.expect_value::<Vec<Step>>(STEP)?.into()),
        _ => {
            let stored = file.expect_stored(STEP)?;
            Steps::look(file.packed(&stored), room).map_err(|reason| file.error(stored.offset, reason))
        }
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
            self.chunks.push_value(STEP, &PackedSteps::of(steps));
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

/// As version 1 has them.
mod first_version {
    use ecs_state::Input;
    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct MatchHeader {
        game: String,
        rules_version: u32,
        manifest: Vec<u8>,
        match_id: u64,
        label: String,
        seed: u64,
        opened_ms: i64,
        content_hash: u64,
    }

    impl From<MatchHeader> for super::MatchHeader {
        fn from(header: MatchHeader) -> Self {
            let MatchHeader { game, rules_version, manifest, match_id, label, seed, opened_ms, content_hash } = header;
            Self { game, rules_version, manifest, match_id, label, seed, opened_ms, content_hash, fork: None }
        }
    }

    #[derive(Deserialize)]
    pub(super) struct Step {
        time_ms: i64,
        inputs: Vec<Input>,
        hash: u64,
        columns: Vec<u16>,
    }

    impl From<Step> for super::Step {
        fn from(Step { time_ms, inputs, hash, columns }: Step) -> Self {
            Self { time_ms, inputs, origins: Vec::new(), hash, columns }
        }
    }
}
