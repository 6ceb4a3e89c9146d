//! The smallest file that still shows what happened at a tick.
//!
//! A part of a match begins with a keyframe, because nothing else can be played from; so a part of one tick may hold
//! the ticks of a whole keyframe interval before it. It is played, verified, forked and shrunk like any other file.

use std::ops::RangeInclusive;

use serde::Serialize;
use snapshots::{ForkOrigin, MatchHeader};

use crate::fork::Recorder;
use crate::{ReplayError, Source};

/// A part of a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Captured {
    /// The file.
    #[serde(skip)]
    pub file: Vec<u8>,
    /// The tick of the keyframe with which it begins.
    pub first_tick: u64,
    /// The last tick in it.
    pub last_tick: u64,
    /// Bytes of the file.
    pub bytes: usize,
}

/// Copies some ticks of a match, from the last keyframe before them on, as they were recorded. Ticks that the match does
/// not have are left out.
///
/// # Errors
/// When the file cannot be read.
pub fn capture(source: &Source, ticks: RangeInclusive<u64>) -> Result<Captured, ReplayError> {
    let last_tick = (*ticks.end()).min(source.last_tick());
    // The keyframe of the first tick itself is its outcome.
    let before = ticks.start().min(&last_tick).saturating_sub(1).max(source.first_tick());
    let keyframe = source.keyframe_at(before)?;
    let content = source.content_at(keyframe.tick);
    let header = &source.file().header;
    let swaps = header.fork.as_ref().map_or_else(Vec::new, |fork| fork.swaps.clone());
    let header = MatchHeader {
        content_hash: xxhash_rust::xxh3::xxh3_64(&content),
        fork: Some(ForkOrigin {
            file: source.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
            tick: keyframe.tick,
            edits: vec![format!("captured ticks {} to {last_tick}", keyframe.tick)],
            swaps: swaps.into_iter().filter(|tick| *tick > keyframe.tick).collect(),
        }),
        ..header.clone()
    };
    let mut recorder = Recorder::new(&header, &content);
    recorder.copy(source, keyframe.tick, last_tick)?;
    let file = recorder.finish();
    Ok(Captured { first_tick: keyframe.tick, last_tick, bytes: file.len(), file })
}
