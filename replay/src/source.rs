//! A match file that this build can play.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ecs_state::{Game, Keyframe, KeyframeError, MatchSetup, Simulation};
use snapshots::{FileError, MatchFile};
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
    /// The game cannot be run at all.
    #[error(transparent)]
    Game(#[from] ecs_state::RegistryError),
}

/// A match file, checked against this build's rules.
#[derive(Debug)]
pub struct Source {
    pub(crate) path: PathBuf,
    pub(crate) file: MatchFile,
}

impl Source {
    /// Opens a match file.
    ///
    /// # Errors
    /// When it cannot be played by `G`.
    pub fn open<G: Game>(path: &Path) -> Result<Self, ReplayError> {
        let file = MatchFile::open(path)?;
        let manifest = Simulation::<G>::manifest()?;
        let header = &file.header;
        let compared = [
            ("the game", header.game.clone(), G::NAME.to_owned()),
            ("the rules version", header.rules_version.to_string(), G::RULES_VERSION.to_string()),
            (
                "the manifest",
                format!("{:#018x}", xxhash_rust::xxh3::xxh3_64(&header.manifest)),
                format!("{:#018x}", manifest.hash()),
            ),
        ];
        for (what, recorded, ours) in compared {
            if recorded != ours {
                return Err(ReplayError::OtherRules { path: path.to_owned(), what, recorded, ours });
            }
        }
        Ok(Self { path: path.to_owned(), file })
    }

    /// What the file holds.
    #[must_use]
    pub const fn file(&self) -> &MatchFile {
        &self.file
    }

    pub(crate) fn restore<G: Game>(&self, keyframe: &Keyframe) -> Result<Simulation<G>, ReplayError> {
        let header = &self.file.header;
        let setup =
            MatchSetup { match_id: header.match_id, seed: header.seed, content: self.file.content.as_slice().into() };
        Simulation::restore(setup, Arc::new(keyframe.clone()))
            .map_err(|source| ReplayError::Keyframe { path: self.path.clone(), source })
    }
}
