//! Do these rules still play recorded matches as they were played?
//!
//! Each match is played segment by segment, every segment from its recorded keyframe, and each tick's hash is held
//! against the recorded one. Segments and matches run side by side.
//!
//! Of the first tick that differs the file has a hash for each component, so that the **component** is known. The
//! **system** is not in the file: this build plays the tick again and notes which system wrote what (see
//! [`suspects`]), and where one row is wrong what it should have been is found out, too. A rule that wrongly does nothing leaves no trace; then those who wrote the component in the ticks
//! before are named.

mod recorded;
mod suspects;
mod yard;

use std::path::{Path, PathBuf};
use std::time::Instant;

use ecs_state::{Game, Simulation};
use serde::Serialize;
use thiserror::Error;

use crate::Difference;
pub use suspects::Suspect;
use yard::{Finding, Yard};

/// Where a match first comes to another state than it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Regression {
    /// The file.
    pub file: PathBuf,
    /// The first tick that differs.
    pub tick: u64,
    /// The system that most likely made the difference; `None` when no system of this build wrote the component.
    pub system: Option<String>,
    /// The first component that differs, in the manifest's order; `None` when no component does: then the record itself
    /// is wrong, or an entity came and went within the tick.
    pub component: Option<String>,
    /// All components that differ at that tick.
    pub components: Vec<String>,
    /// Every system that may have made the difference, the likeliest first.
    pub suspects: Vec<Suspect>,
    /// The fields that differ at that tick, where what was recorded can be told: `a` is that, `b` what this build makes
    /// of it. Empty elsewhere.
    pub values: Vec<Difference>,
    /// The rules version that the match was played with.
    pub recorded_rules: u32,
    /// In words, when there is more to say.
    pub reason: Option<String>,
}

/// A file that says nothing about the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unplayable {
    /// The file.
    pub file: PathBuf,
    /// Why, and what to do.
    pub error: String,
}

/// What a corpus of matches says of this build.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegressReport {
    /// Match files in the folder.
    pub matches: usize,
    /// Those that this build plays to the last bit as they were played.
    pub identical: usize,
    /// Those that it plays otherwise.
    pub different: Vec<Regression>,
    /// Those that are damaged or of another game.
    pub unplayable: Vec<Unplayable>,
    /// Ticks that were played.
    pub ticks: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Why a folder is no corpus.
#[derive(Debug, Error)]
pub enum RegressError {
    /// It cannot be read.
    #[error("{}: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("{}: there is no match file (.wlm) here; make one with `worldlog match export`", .path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// The game cannot be run at all.
    #[error(transparent)]
    Game(#[from] ecs_state::RegistryError),
}

/// How far a corpus was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegressProgress {
    /// Matches that are done.
    pub matches_done: usize,
    /// Matches in all.
    pub matches: usize,
    /// Bytes of files that are done; what is left of the way is best told from these.
    pub bytes_done: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Plays every match file of a folder (or the one file) with this build's rules, `jobs` segments side by side, and says
/// where each differs first. Files are in the order of their names; other rules versions are what this is for. A rule
/// that panics makes a difference, too.
///
/// # Errors
/// When there is nothing to play.
pub fn regress<G: Game>(
    path: &Path,
    jobs: usize,
    progress: impl FnMut(RegressProgress) + Send,
) -> Result<RegressReport, RegressError> {
    let begun = Instant::now();
    let files = files_in(path)?;
    let manifest = Simulation::<G>::manifest()?;
    let yard = Yard::<G>::new(files, manifest, progress);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(|| yard.work())).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    let (findings, ticks) = yard.finish();
    let mut report = RegressReport {
        matches: findings.len(),
        identical: 0,
        different: Vec::new(),
        unplayable: Vec::new(),
        ticks,
        seconds: 0.0,
    };
    for finding in findings {
        match finding {
            Finding::Identical => report.identical += 1,
            Finding::Different(regression) => report.different.push(regression),
            Finding::Unplayable(unplayable) => report.unplayable.push(unplayable),
        }
    }
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

fn files_in(path: &Path) -> Result<Vec<PathBuf>, RegressError> {
    let failed = |source| RegressError::Folder { path: path.to_owned(), source };
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|end| end == "wlm") {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(RegressError::Empty { path: path.to_owned() });
    }
    files.sort();
    Ok(files)
}
