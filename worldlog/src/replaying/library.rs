//! The recorded matches that a process shows, by name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ecs_state::{Game, Input};
use protocol::Columns;
use replay::{Reel, ReplayError, Source};
use serde::Serialize;
use thiserror::Error;

use super::limits::{FORKS_MAX, RECORDINGS_MAX};
use super::opening::Opening;
use super::reels::Reels;
use super::survey::Survey;

/// Why there is nothing to show.
#[derive(Debug, Error)]
pub(crate) enum LibraryError {
    /// A folder cannot be read.
    #[error("{}: {source}", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A file that was named cannot be played.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Folders without match files.
    #[error("there is no match file (.wlm) in {0}; make one with `worldlog match export`")]
    Empty(String),
    /// Too much of it.
    #[error("more than {RECORDINGS_MAX} match files; name fewer, or folders with fewer")]
    TooMany,
}

/// A match of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrowingMatch {
    pub(crate) match_id: u64,
    pub(crate) label: String,
    pub(crate) is_open: bool,
}

/// Matches that are still being played, or were, in this process.
pub(crate) trait Growing: Send + Sync {
    /// All of them, the lowest number first. May take a while.
    fn list(&self) -> Vec<GrowingMatch>;
    /// The history of one so far; `None` when it has as many ticks as are known. May take a while.
    ///
    /// # Errors
    /// As text for people.
    fn record(&self, match_id: u64, known_ticks: Option<u64>) -> Result<Option<Source>, String>;
}

/// What a process shows.
pub(crate) struct Library<G: Game> {
    recordings: RwLock<Vec<Arc<Recording<G>>>>,
    growing: Option<Box<dyn Growing>>,
    last_number: AtomicU64,
}

impl<G: Game> Library<G> {
    /// Files and folders of files. A file that is named must be playable; one in a folder that is not is left out, with
    /// a warning.
    ///
    /// # Errors
    /// When nothing is left.
    pub(crate) fn open(paths: &[PathBuf], opening: Opening) -> Result<Self, LibraryError> {
        let open = |path: &Path| opening.open::<G>(path);
        let library = Self { recordings: RwLock::default(), growing: None, last_number: AtomicU64::new(0) };
        for path in paths {
            if !path.is_dir() {
                library.add(Arc::new(open(path)?), None)?;
                continue;
            }
            for file in files_in(path)? {
                match open(&file) {
                    Ok(source) => drop(library.add(Arc::new(source), None)?),
                    Err(error) => tracing::warn!(%error, "a file of the folder is left out"),
                }
            }
        }
        if library.list().is_empty() {
            let named: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            return Err(LibraryError::Empty(named.join(", ")));
        }
        Ok(library)
    }

    /// Matches of this process.
    pub(crate) fn growing(growing: Box<dyn Growing>) -> Self {
        Self { recordings: RwLock::default(), growing: Some(growing), last_number: AtomicU64::new(0) }
    }

    /// Adds a match; gives its entry. Of forks the oldest goes when there are too many.
    pub(crate) fn add(&self, source: Arc<Source>, fork_of: Option<&str>) -> Result<Arc<Recording<G>>, LibraryError> {
        let mut recordings = self.recordings.write().unwrap_or_else(PoisonError::into_inner);
        if recordings.len() >= RECORDINGS_MAX {
            return Err(LibraryError::TooMany);
        }
        let stem = match fork_of {
            Some(name) => format!("{name}-fork"),
            None => source.path().file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let name = free_name(&stem, &recordings);
        if fork_of.is_some() {
            let forks = recordings.iter().filter(|recording| recording.is_fork).count();
            if forks >= FORKS_MAX
                && let Some(oldest) = recordings.iter().position(|recording| recording.is_fork)
            {
                recordings.remove(oldest);
            }
        }
        let recording = Arc::new(self.numbering(name, source, fork_of.is_some(), None));
        recordings.push(Arc::clone(&recording));
        Ok(recording)
    }

    fn numbering(&self, name: String, source: Arc<Source>, is_fork: bool, match_id: Option<u64>) -> Recording<G> {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        Recording::new(number, name, source, is_fork, match_id)
    }

    /// The one of this number.
    pub(crate) fn numbered(&self, number: u64) -> Option<Arc<Recording<G>>> {
        let recordings = self.recordings.read().unwrap_or_else(PoisonError::into_inner);
        recordings.iter().find(|recording| recording.number == number).map(Arc::clone)
    }

    /// All of them. Of matches that go on there are those that were asked for, and those that can be.
    pub(crate) fn list(&self) -> Vec<Arc<Recording<G>>> {
        self.recordings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether its matches may go on.
    pub(crate) fn is_live(&self) -> bool {
        self.growing.is_some()
    }

    /// Reads the histories of this process's matches that are not here yet. May take a while.
    pub(crate) fn gather(&self) {
        let Some(growing) = &self.growing else { return };
        for of in growing.list() {
            if let Err(error) = self.gather_one(growing.as_ref(), &of) {
                tracing::warn!(match_id = of.match_id, error, "the history of a match cannot be read");
            }
        }
    }

    fn gather_one(&self, growing: &dyn Growing, of: &GrowingMatch) -> Result<(), String> {
        let match_id = of.match_id;
        if let Some(known) = self.list().iter().find(|recording| recording.match_id == Some(match_id)) {
            known.goes_on.store(of.is_open, Ordering::Relaxed);
            return Ok(());
        }
        let Some(source) = growing.record(match_id, None)? else { return Ok(()) };
        let mut recordings = self.recordings.write().unwrap_or_else(PoisonError::into_inner);
        if recordings.len() < RECORDINGS_MAX && recordings.iter().all(|known| known.match_id != Some(match_id)) {
            let name = free_name(&name_of(match_id, &of.label), &recordings);
            let recording = self.numbering(name, Arc::new(source), false, Some(match_id));
            recording.goes_on.store(of.is_open, Ordering::Relaxed);
            recordings.push(Arc::new(recording));
        }
        Ok(())
    }

    /// One of them by name, or the first. May take a while where a match goes on.
    pub(crate) fn find(&self, name: Option<&str>) -> Option<Arc<Recording<G>>> {
        let known = |name: Option<&str>| {
            let recordings = self.recordings.read().unwrap_or_else(PoisonError::into_inner);
            recordings.iter().find(|recording| name.is_none_or(|name| recording.name == name)).map(Arc::clone)
        };
        known(name).or_else(|| {
            self.gather();
            known(name)
        })
    }

    /// The match as far as it has come, if it goes on. At most once a second, and more seldom where it takes long.
    pub(crate) fn refresh(&self, recording: &Recording<G>) {
        let (Some(growing), Some(match_id)) = (&self.growing, recording.match_id) else { return };
        // Who comes while another reads waits for that one, and finds it fresh.
        let mut refreshed = lock(&recording.refreshed);
        let Refreshed { at, took } = *refreshed;
        if at.elapsed() < REFRESH_EVERY.max(took * REFRESH_SHARE) {
            return;
        }
        let begun = Instant::now();
        match growing.record(match_id, Some(recording.source().file().ticks())) {
            Ok(None) => {}
            Ok(Some(source)) => recording.replace(source),
            Err(error) => tracing::warn!(match_id, error, "the history of a match cannot be read"),
        }
        *refreshed = Refreshed { at: Instant::now(), took: begun.elapsed() };
    }
}

/// One recorded match.
pub(crate) struct Recording<G: Game> {
    /// Its number as a match that viewers join; never that of another of this process.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) is_fork: bool,
    /// Its number in this process, where it was played.
    pub(crate) match_id: Option<u64>,
    goes_on: AtomicBool,
    source: RwLock<Arc<Source>>,
    refreshed: Mutex<Refreshed>,
    pub(crate) reels: Reels<G>,
    pub(crate) survey: Survey,
    /// Who came, over the whole match.
    players: OnceLock<BTreeSet<u32>>,
}

/// When a match that goes on was last read, and how long that took.
#[derive(Debug, Clone, Copy)]
struct Refreshed {
    at: Instant,
    took: Duration,
}

/// A recorded match, as lists show it.
#[derive(Debug, Serialize)]
pub(crate) struct Card {
    name: String,
    label: String,
    ticks: u64,
    players: usize,
    game: String,
    rules_version: u32,
    seconds: f64,
    fork: bool,
    live: bool,
}

impl<G: Game> Recording<G> {
    fn new(number: u64, name: String, source: Arc<Source>, is_fork: bool, match_id: Option<u64>) -> Self {
        Self {
            number,
            name,
            is_fork,
            match_id,
            goes_on: AtomicBool::new(match_id.is_some()),
            source: RwLock::new(source),
            refreshed: Mutex::new(Refreshed { at: Instant::now(), took: Duration::ZERO }),
            reels: Reels::default(),
            survey: Survey::default(),
            players: OnceLock::new(),
        }
    }

    pub(crate) fn source(&self) -> Arc<Source> {
        Arc::clone(&self.source.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, source: Source) {
        *self.source.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(source);
        self.reels.clear();
    }

    /// Who came, over the whole match. Reads all of its inputs on first use.
    pub(crate) fn players(&self) -> &BTreeSet<u32> {
        self.players.get_or_init(|| players::<G>(&self.source()))
    }

    /// Reads all of its inputs on first use.
    pub(crate) fn card(&self) -> Card {
        let source = self.source();
        let header = &source.file().header;
        let (first, last) = (source.first_tick(), source.last_tick());
        let players = match self.match_id {
            None => self.players().len(),
            Some(_) => players::<G>(&source).len(),
        };
        let seconds = match source.manifest().tick_millihertz() {
            0 => 0.0,
            millihertz => (last - first) as f64 * 1_000.0 / f64::from(millihertz),
        };
        Card {
            name: self.name.clone(),
            label: header.label.clone(),
            ticks: last,
            players,
            game: header.game.clone(),
            rules_version: header.rules_version,
            seconds,
            fork: self.is_fork,
            live: self.goes_on.load(Ordering::Relaxed),
        }
    }
}

fn players<G: Game>(source: &Arc<Source>) -> BTreeSet<u32> {
    // What began with a state of another match has players who never joined.
    let beginning = Reel::<G>::new(Arc::clone(source)).map_or_else(|_| Vec::new(), |reel| players_in(reel.columns()));
    let mut players: BTreeSet<u32> = beginning.into_iter().collect();
    for segment in &source.file().segments {
        let steps = segment.steps.passing();
        players.extend(steps.iter().flat_map(|step| &step.inputs).filter_map(|input| match input {
            Input::Join { player } => Some(*player),
            _ => None,
        }));
    }
    players
}

/// Players who own something in a state, ascending.
pub(crate) fn players_in(columns: &Columns) -> Vec<u32> {
    let owners = columns.column(0).iter().filter_map(|(id, _)| columns.owner(id));
    let players: BTreeSet<u32> = owners.filter(|owner| *owner != 0).collect();
    players.into_iter().collect()
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, LibraryError> {
    let failed = |source| LibraryError::Folder { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "wlm") && path.is_file() {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn name_of(match_id: u64, label: &str) -> String {
    if label.is_empty() { format!("match-{match_id}") } else { format!("{label}-{match_id}") }
}

/// A name that no other has. It goes into addresses, so that letters that mean something there are left out.
fn free_name<G: Game>(wanted: &str, taken: &[Arc<Recording<G>>]) -> String {
    let plain = |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    let wanted: String = wanted.chars().map(plain).collect();
    let is_free = |name: &str| taken.iter().all(|recording| recording.name != name);
    let numbered = (2..).map(|number| format!("{wanted}-{number}"));
    std::iter::once(wanted.clone()).chain(numbered).find(|name| is_free(name)).expect("numbers do not end")
}

pub(crate) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// Reading takes at most this part of the time, as one in so many.
const REFRESH_SHARE: u32 = 10;
