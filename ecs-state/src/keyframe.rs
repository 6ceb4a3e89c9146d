//! A whole match as bytes at a tick.
//!
//! ```text
//! postcard of: tick, time_ms, next_entity, sums[3], everyone, owner, server
//! ```
//!
//! The last three are full deltas of `protocol::delta`, one for each class of visibility. The
//! enclosing file (`snapshots`) carries version and checksum.

use protocol::columns::CLASSES;
use protocol::delta;
use protocol::manifest::{Manifest, Visibility};
use protocol::{Columns, bytes::ReadError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;

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
        postcard::to_stdvec(self).expect("plain data always encodes")
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// When they are none; whether they fit a game shows in [`Keyframe::columns`].
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyframeError> {
        postcard::from_bytes(bytes).map_err(|error| KeyframeError::Encoding(error.to_string()))
    }

    /// The rows, checked against the hash.
    ///
    /// # Errors
    /// When they do not fit the manifest or the hash.
    pub fn columns(&self, manifest: &Arc<Manifest>) -> Result<Columns, KeyframeError> {
        let mut columns = Columns::new(Arc::clone(manifest));
        for (class, bytes) in CLASS_ORDER.into_iter().zip(&self.columns) {
            delta::apply(&mut columns, class, bytes)
                .map_err(|source| KeyframeError::Columns { tick: self.tick, class, source })?;
        }
        if columns.sums() != self.sums {
            let (expected, found) = (self.hash(), columns.total_hash());
            return Err(KeyframeError::Hash { tick: self.tick, expected, found });
        }
        Ok(columns)
    }
}
