//! A whole match as bytes at a tick.
//!
//! ```text
//! postcard of: tick, time_ms, next_entity, sums[3], everyone, owner, server
//! xxh3-64 of these bytes, little-endian
//! ```
//!
//! The last three are full deltas of `protocol::delta`, one for each class of visibility. The
//! enclosing file (`snapshots`) carries the version.

use protocol::columns::CLASSES;
use protocol::delta;
use protocol::manifest::{Manifest, Visibility};
use protocol::{Columns, bytes::ReadError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::capture::MATCH_ENTITY;

/// The classes in the order of the encoding.
pub(crate) const CLASS_ORDER: [Visibility; CLASSES] = [Visibility::Everyone, Visibility::Owner, Visibility::Server];

/// A whole match at a tick. Worlds with equal hashes and clocks have equal keyframes, whatever their histories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyframe {
    /// The tick after which it was taken.
    pub tick: u64,
    /// Log time of that tick, in milliseconds.
    pub time_ms: i64,
    /// The number that the next entity will get.
    pub(crate) next_entity: u32,
    /// Hashes by class of visibility.
    pub(crate) sums: [u64; CLASSES],
    pub(crate) columns: [Vec<u8>; CLASSES],
}

/// Why bytes are not a keyframe of this game.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyframeError {
    /// Not the encoding at all.
    #[error("the keyframe does not decode: {0}")]
    Encoding(String),
    /// Damaged in storage or transit; another copy may be whole.
    #[error("the keyframe has checksum {found:#018x}, expected {expected:#018x}")]
    Checksum {
        /// As written.
        expected: u64,
        /// As read.
        found: u64,
    },
    /// The columns do not fit the game's manifest.
    #[error("keyframe of tick {tick}, class {class:?}: {source}")]
    Columns {
        /// Tick of the keyframe.
        tick: u64,
        /// Class of the columns.
        class: Visibility,
        /// Place and reason.
        #[source]
        source: ReadError,
    },
    /// What was read has another hash than what was written.
    #[error("keyframe of tick {tick}: hash {found:#018x}, expected {expected:#018x}")]
    Hash {
        /// Tick of the keyframe.
        tick: u64,
        /// As written.
        expected: u64,
        /// As read.
        found: u64,
    },
    /// The rows are whole, but no world of this game holds them.
    #[error("keyframe of tick {tick}: {reason}")]
    NoWorld {
        /// Tick of the keyframe.
        tick: u64,
        /// What is wrong.
        reason: String,
    },
    /// The content of the match does not load.
    #[error("the content does not load: {0}")]
    Content(#[from] crate::ContentError),
}

impl Keyframe {
    pub(crate) fn of(columns: &Columns, tick: u64, time_ms: i64, next_entity: u32) -> Self {
        Self {
            tick,
            time_ms,
            next_entity,
            sums: columns.sums(),
            columns: CLASS_ORDER.map(|class| delta::encode_full(columns, class, |_| true)),
        }
    }

    /// Hash of all classes.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.sums.iter().fold(0, |sum, class| sum.wrapping_add(*class))
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = postcard::to_stdvec(self).expect("plain data always encodes");
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// When they are none; whether they fit a game shows in [`Keyframe::columns`].
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyframeError> {
        let too_short = || KeyframeError::Encoding(format!("{} bytes are too few", bytes.len()));
        let (body, checksum) = bytes.split_last_chunk::<8>().ok_or_else(too_short)?;
        let (expected, found) = (u64::from_le_bytes(*checksum), xxh3_64(body));
        if expected != found {
            return Err(KeyframeError::Checksum { expected, found });
        }
        match postcard::take_from_bytes(body) {
            Ok((keyframe, [])) => Ok(keyframe),
            Ok((_, rest)) => Err(KeyframeError::Encoding(format!("{} bytes follow it", rest.len()))),
            Err(error) => Err(KeyframeError::Encoding(error.to_string())),
        }
    }

    /// The rows, checked against the hash.
    ///
    /// # Errors
    /// When they do not fit the manifest or the hash.
    pub fn columns(&self, manifest: &Arc<Manifest>) -> Result<Columns, KeyframeError> {
        let mut columns = Columns::new(Arc::clone(manifest));
        for (class, bytes) in CLASS_ORDER.into_iter().zip(&self.columns) {
            delta::apply(&mut columns, class, bytes).map_err(|source| KeyframeError::Columns {
                tick: self.tick,
                class,
                source,
            })?;
        }
        if columns.sums() != self.sums {
            let (expected, found) = (self.hash(), columns.total_hash());
            return Err(KeyframeError::Hash { tick: self.tick, expected, found });
        }
        if columns.column(0).row(MATCH_ENTITY).is_none() {
            let reason = format!("entity {MATCH_ENTITY}, which carries the resources, does not exist");
            return Err(KeyframeError::NoWorld { tick: self.tick, reason });
        }
        let newest = columns.column(0).iter().last().map_or(0, |(id, _)| id.0);
        if newest >= self.next_entity {
            let reason = format!("entity {newest} exists, but the next would be {}", self.next_entity);
            return Err(KeyframeError::NoWorld { tick: self.tick, reason });
        }
        Ok(columns)
    }
}
