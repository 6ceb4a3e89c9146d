//! A match file that this build can play.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ecs_state::{Game, Keyframe, KeyframeError, Simulation};
use protocol::manifest::{Layout, Manifest, ManifestError};
use snapshots::{Damage, FileError, MatchFile, Salvaged, Segment, Step};
use thiserror::Error;

/// Why a match file cannot be played.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file is damaged, of another kind or of a newer build.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is of another game.
    #[error("{}: the match is of the game {recorded}, this build plays {ours}; open it with a build of {recorded}", .path.display())]
    OtherGame {
        /// The file.
        path: PathBuf,
        /// The file's.
        recorded: String,
        /// Ours.
        ours: &'static str,
    },
    /// It was played with other rules.
    #[error("{}: {what} differs: the match was played with {recorded}, this build has {ours}; open it with the build that played it, of rules version {version}, or as this build plays it (--drift)", .path.display())]
    OtherRules {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// The file's.
        recorded: String,
        /// Ours.
        ours: String,
        /// The rules version that it was played with.
        version: u32,
    },
    /// Its rows are not those of this build's components, so that not even a drifting replay can begin.
    #[error("{}: this build cannot read its states: {reason}; open it with the build that played it, of rules version {version}", .path.display())]
    OtherComponents {
        /// The file.
        path: PathBuf,
        /// The first component that is not the same; `None` when what the file's are cannot be read.
        component: Option<String>,
        /// In which way.
        reason: String,
        /// The rules version that it was played with.
        version: u32,
    },
    /// This build's game does not take the content that the match was played with.
    #[error("{}: this build does not load the content of the match (xxh3 {hash:016x}): {reason}; open it with the build that played it, of rules version {version}", .path.display())]
    OtherContent {
        /// The file.
        path: PathBuf,
        /// xxh3-64 of the content.
        hash: u64,
        /// What the game says.
        reason: String,
        /// The rules version that it was played with.
        version: u32,
    },
    /// A keyframe does not load.
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
    other_component: Option<OtherComponent>,
}

/// A component that is not the same in the file and in this build.
#[derive(Debug, Clone)]
pub(crate) struct OtherComponent {
    pub(crate) name: String,
    /// In which way.
    pub(crate) reason: String,
}

impl Source {
    /// Opens a match file.
    ///
    /// # Errors
    /// When it cannot be played by `G`.
    pub fn open<G: Game>(path: &Path) -> Result<Self, ReplayError> {
        Self::from_file::<G>(path.to_owned(), MatchFile::open(path)?)
    }

    /// Opens a match file that may have been played with other rules. What is played may differ from what was; where
    /// components are others nothing can be played at all, which [`crate::Reel::new`] says.
    ///
    /// # Errors
    /// When it is of another game, or its manifest is not readable.
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
        if header.game != G::NAME {
            return Err(ReplayError::OtherGame { path, recorded: header.game.clone(), ours: G::NAME });
        }
        let compared = [
            ("the rules version", header.rules_version.to_string(), G::RULES_VERSION.to_string()),
            ("the manifest", with_hash(&header.manifest), format!("{:#018x}", manifest.hash())),
        ];
        let version = header.rules_version;
        for (what, recorded, ours) in compared {
            if is_strict && recorded != ours {
                return Err(ReplayError::OtherRules { path, what, recorded, ours, version });
            }
        }
        let other_component = other_component(&header.manifest, &manifest).map_err(|error| {
            let reason = format!("what its components are cannot be read: {error}");
            ReplayError::OtherComponents { path: path.clone(), component: None, reason, version }
        })?;
        Ok(Self { path, file, manifest, other_component })
    }

    /// The first component whose rows are not read as they were written; then nothing of the file can be played.
    pub(crate) const fn other_component(&self) -> Option<&OtherComponent> {
        self.other_component.as_ref()
    }

    /// Whether its rows can be read.
    pub(crate) fn check_components(&self) -> Result<(), ReplayError> {
        let Some(OtherComponent { name, reason }) = self.other_component.clone() else { return Ok(()) };
        let (path, version) = (self.path.clone(), self.file.header.rules_version);
        Err(ReplayError::OtherComponents { path, component: Some(name), reason, version })
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

    /// The world of a keyframe, with the content that the match had there.
    pub(crate) fn restore<G: Game>(&self, keyframe: &Keyframe) -> Result<Simulation<G>, ReplayError> {
        let content = self.content_at(keyframe.tick);
        self.restore_with(&Arc::new(keyframe.clone()), Arc::clone(&content)).map_err(|error| match error {
            ReplayError::Keyframe { path, source: KeyframeError::Content(refusal) } => ReplayError::OtherContent {
                path,
                hash: xxhash_rust::xxh3::xxh3_64(&content),
                reason: refusal.to_string(),
                version: self.file.header.rules_version,
            },
            other => other,
        })
    }
}

/// The first component that is not the same in a recorded manifest, and how; `None` when rows mean the same. Names of
/// refusals, commands and hints on interest are no state.
fn other_component(recorded: &[u8], ours: &Manifest) -> Result<Option<OtherComponent>, ManifestError> {
    if recorded == ours.bytes() {
        return Ok(None);
    }
    let recorded = Manifest::decode(recorded)?;
    let shape = |layout: &Layout| (layout.number, layout.visibility, layout.width, layout.fields.clone());
    let changed = recorded.layouts().iter().find_map(|layout| {
        let how = match ours.index_of(layout.number).map(|index| &ours.layouts()[index]) {
            None => "is no component of this build",
            Some(here) if shape(layout) != shape(here) => "has other fields in this build",
            Some(_) => return None,
        };
        Some((layout, how))
    });
    let added = || ours.layouts().iter().find(|layout| recorded.index_of(layout.number).is_none());
    let other = changed.or_else(|| Some((added()?, "is new in this build")));
    Ok(other.map(|(Layout { name, number, .. }, how)| OtherComponent {
        name: name.clone(),
        reason: format!("{name} (number {number}) {how}"),
    }))
}
