//! How match files are opened.

use std::path::Path;

use clap::Args;
use ecs_state::Game;
use replay::{ReplayError, Source};

/// What of a match file may be amiss.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Opening {
    /// Open a match of other rules or content too, as this build plays it
    #[arg(long)]
    pub(crate) drift: bool,
    #[command(flatten)]
    pub(crate) salvage: Salvage,
}

/// Whether damaged files are opened.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Salvage {
    /// Open a damaged file too, up to the damage; where that is, and how much could be read, is said on stderr first
    #[arg(long)]
    pub(crate) salvage: bool,
}

impl Opening {
    /// Opens a match file, and says on stderr what is wrong with it.
    ///
    /// # Errors
    /// When nothing of it can be played.
    pub(crate) fn open<G: Game>(self, path: &Path) -> Result<Source, ReplayError> {
        let Self { drift, salvage: Salvage { salvage } } = self;
        match (salvage, drift) {
            (false, false) => Source::open::<G>(path),
            (false, true) => Source::open_drifting::<G>(path),
            (true, _) => {
                let (source, damage) = Source::open_salvaging::<G>(path, drift)?;
                if let Some(damage) = damage {
                    eprintln!("worldlog: {damage}");
                }
                Ok(source)
            }
        }
    }
}
