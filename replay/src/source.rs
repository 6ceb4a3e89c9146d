//! A match file that this build can play.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ecs_state::{Game, Keyframe, KeyframeError, MatchSetup, Simulation};
use protocol::manifest::Manifest;
use snapshots::{Damage, FileError, MatchFile, Salvaged, Segment, Step};
use thiserror::Error;

/// Why a match file cannot be played.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file is damaged, of another kind or of a newer build.
    #[error(transparent)]
    File(#[from] FileError),
    /// It was played with other rules.
    #[error("{}: {what} differs: the match was played with {recorded}, this build has {ours}; replay it with that build", .path.display())]
    OtherRules {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// The file's.
        recorded: String,
        /// Ours.
        ours: String,
    },
    /// A keyframe or the content does not load.
    #[error("{}: {source}", .path.display())]
    Keyframe {
        /// The file.
        path: PathBuf,
        /// Which, and why.
        #[source]
        source: KeyframeError,
    },
    /// The file does not hold the tick.
    #[error("{}: there is no tick {tick}; the file holds {first} to {last}", .path.display())]
    NoTick {
        /// The file.
        path: PathBuf,
        /// As asked for.
        tick: u64,
        /// The first that is there.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The game cannot be run at all.
    #[error(transparent)]
    Game(#[from] ecs_state::RegistryError),
}

/// A match file, checked against this build's rules.
#[derive(Debug)]
pub struct Source {
    pub(crate) path: PathBuf,
    pub(crate) file: MatchFile,
    manifest: Arc<Manifest>,
}

impl Source {
    /// Opens a match file.
    ///
    /// # Errors
    /// When it cannot be played by `G`.
    pub fn open<G: Game>(path: &Path) -> Result<Self, ReplayError> {
        Self::from_file::<G>(path.to_owned(), MatchFile::open(path)?)
    }

    /// Opens a match file that may have been played with other rules. What is played may differ from what was.
    ///
    /// # Errors
    /// When it is of another game, or its components are others.
    pub fn open_drifting<G: Game>(path: &Path) -> Result<Self, ReplayError> {
        Self::checked::<G>(path.to_owned(), MatchFile::open(path)?, false)
    }

    /// Opens a match file up to its first damage, which is told; `drifting` as [`Source::open_drifting`].
    ///
    /// # Errors
    /// When nothing of it can be played by `G`.
    pub fn open_salvaging<G: Game>(path: &Path, drifting: bool) -> Result<(Self, Option<Damage>), ReplayError> {
        let Salvaged { file, damage } = MatchFile::salvage(path)?;
        Ok((Self::checked::<G>(path.to_owned(), file, !drifting)?, damage))
    }

    /// Takes a match that is in memory; `path` is its name for people.
    ///
    /// # Errors
    /// When it cannot be played by `G`.
    pub fn from_file<G: Game>(path: PathBuf, file: MatchFile) -> Result<Self, ReplayError> {
        Self::checked::<G>(path, file, true)
    }

    fn checked<G: Game>(path: PathBuf, file: MatchFile, is_strict: bool) -> Result<Self, ReplayError> {
        let manifest = Simulation::<G>::manifest()?;
        let header = &file.header;
        let with_hash = |bytes: &[u8]| format!("{:#018x}", xxhash_rust::xxh3::xxh3_64(bytes));
        let compared = [
            ("the game", true, header.game.clone(), G::NAME.to_owned()),
            ("the rules version", is_strict, header.rules_version.to_string(), G::RULES_VERSION.to_string()),
            ("the manifest", is_strict, with_hash(&header.manifest), format!("{:#018x}", manifest.hash())),
        ];
        for (what, matters, recorded, ours) in compared {
            if matters && recorded != ours {
                return Err(ReplayError::OtherRules { path, what, recorded, ours });
            }
        }
        Ok(Self { path, file, manifest })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file holds.
    #[must_use]
    pub const fn file(&self) -> &MatchFile {
        &self.file
    }

    /// What the components of this build's game are.
    #[must_use]
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The tick that the file begins with: that of its first keyframe.
    #[must_use]
    pub fn first_tick(&self) -> u64 {
        self.file.segments[0].keyframe.tick
    }

    /// The last tick that was recorded.
    #[must_use]
    pub fn last_tick(&self) -> u64 {
        self.first_tick() + self.file.ticks()
    }

    /// A tick as it was recorded; `None` for the first and for those that were not.
    #[must_use]
    pub fn step_of(&self, tick: u64) -> Option<&Step> {
        let segment = self.segment_at(tick.checked_sub(1)?)?;
        segment.steps.get((tick - segment.keyframe.tick - 1) as usize)
    }

    /// Ticks of the keyframes, ascending.
    #[must_use]
    pub fn keyframes(&self) -> Vec<u64> {
        self.file.segments.iter().map(|segment| segment.keyframe.tick).collect()
    }

    /// The last keyframe that is not after a tick; the first where all are.
    pub(crate) fn keyframe_before(&self, tick: u64) -> &Keyframe {
        &self.segment_at(tick).unwrap_or(&self.file.segments[0]).keyframe
    }

    /// Whether the file holds the tick.
    pub(crate) fn check_tick(&self, tick: u64) -> Result<(), ReplayError> {
        let (first, last) = (self.first_tick(), self.last_tick());
        if (first..=last).contains(&tick) {
            return Ok(());
        }
        Err(ReplayError::NoTick { path: self.path.clone(), tick, first, last })
    }

    fn segment_at(&self, tick: u64) -> Option<&Segment> {
        let after = self.file.segments.partition_point(|segment| segment.keyframe.tick <= tick);
        self.file.segments.get(after.checked_sub(1)?)
    }

    pub(crate) fn restore<G: Game>(&self, keyframe: &Keyframe) -> Result<Simulation<G>, ReplayError> {
        let header = &self.file.header;
        let setup =
            MatchSetup { match_id: header.match_id, seed: header.seed, content: self.content_at(keyframe.tick) };
        Simulation::restore(setup, Arc::new(keyframe.clone()))
            .map_err(|source| ReplayError::Keyframe { path: self.path.clone(), source })
    }
}
