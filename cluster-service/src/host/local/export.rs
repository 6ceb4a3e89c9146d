//! A match of the log as a match file.

use std::path::{Path, PathBuf};

use ecs_state::Game;
use serde::Serialize;
use snapshots::{FileError, MatchFileWriter, MatchHeader, PlayerTime, Step, write_file};
use thiserror::Error;

use super::config::log_file;
use super::log::{CommandLog, LogError};
use super::recovery::{Rerun, StartError, log_header};
use crate::host::figures::{MatchStatus, match_status};
use crate::{Outbox, Service};

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The file.
    pub path: PathBuf,
    /// The match.
    pub match_id: u64,
    /// Ticks in it.
    pub ticks: u64,
    /// Keyframes in it.
    pub keyframes: u64,
    /// Length of the file.
    pub bytes: u64,
    /// What it takes for an hour of one player, in bytes; `None` when nobody played.
    pub bytes_per_player_hour: Option<u64>,
    /// State hash after the last tick, in hexadecimal.
    pub hash: String,
    /// Ticks whose hash equals the one logged when they were played.
    pub hashes_checked: u64,
}

/// Why a match was not exported. Nothing was written.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The log does not hold it.
    #[error("there is no match {match_id} in {}; matches 1 to {last} were opened there", .log.display())]
    NoMatch {
        /// The match.
        match_id: u64,
        /// The log.
        log: PathBuf,
        /// Number of the newest match.
        last: u64,
    },
    /// The log cannot be read or does not give what it gave.
    #[error(transparent)]
    Log(#[from] StartError),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<LogError> for ExportError {
    fn from(error: LogError) -> Self {
        Self::Log(error.into())
    }
}

/// Runs the log of a data folder again and writes one of its matches to a file. Works while a host
/// runs on the folder, and takes the match as far as the log held it at the beginning.
///
/// # Errors
/// When there is no such match, the log is damaged, or the file cannot be written.
pub fn export_match<G: Game>(data: &Path, match_id: u64, out: &Path) -> Result<Exported, ExportError> {
    let path = log_file(data);
    let log = CommandLog::open_to_read(&path, &log_header::<G>().map_err(StartError::from)?)?;
    let mut service = Service::<G>::new().map_err(StartError::from)?;
    let mut recorder = Recorder::new(match_id);
    let mut rerun = Rerun::new(0);
    rerun.run(&mut service, &log, log.begin(), &path, |service, outbox| recorder.see(service, outbox))?;
    let exported = recorder.finish(out, rerun.checked)?;
    exported.ok_or(ExportError::NoMatch { match_id, log: path, last: service.last_match })
}

/// Runs the log of a data folder again and gives the matches that are open at its end.
///
/// # Errors
/// When the log is damaged or does not give what it gave.
pub fn list_matches<G: Game>(data: &Path) -> Result<Vec<MatchStatus>, ExportError> {
    let path = log_file(data);
    let log = CommandLog::open_to_read(&path, &log_header::<G>().map_err(StartError::from)?)?;
    let mut service = Service::<G>::new().map_err(StartError::from)?;
    Rerun::new(0).run(&mut service, &log, log.begin(), &path, |_, _| {})?;
    Ok(service.matches().map(|(id, open)| match_status(id, open)).collect())
}

/// Follows one match through the log.
#[derive(Clone)]
pub(in crate::host) struct Recorder {
    match_id: u64,
    writer: Option<MatchFileWriter>,
    ticks: u64,
    keyframes: u64,
    player_time: PlayerTime,
    hash: u64,
}

impl Recorder {
    /// Follows a match from its opening.
    pub(in crate::host) fn new(match_id: u64) -> Self {
        Self { match_id, writer: None, ticks: 0, keyframes: 0, player_time: PlayerTime::default(), hash: 0 }
    }

    /// Whether it has not met its match yet.
    pub(in crate::host) const fn is_new(&self) -> bool {
        self.writer.is_none()
    }

    /// Looks at what an entry brought about.
    pub(in crate::host) fn see<G: Game>(&mut self, service: &Service<G>, outbox: &Outbox) {
        let Some(open) = service.get_match(self.match_id) else { return };
        let simulation = open.simulation();
        let writer = self.writer.get_or_insert_with(|| {
            let content = &simulation.setup().content;
            let header = MatchHeader {
                game: G::NAME.to_owned(),
                rules_version: G::RULES_VERSION,
                manifest: service.manifest().bytes().to_vec(),
                match_id: self.match_id,
                label: open.label().to_owned(),
                seed: simulation.setup().seed,
                opened_ms: open.opened_ms(),
                content_hash: xxhash_rust::xxh3::xxh3_64(content),
                fork: None,
            };
            let mut writer = MatchFileWriter::new(&header, content);
            writer.keyframe(simulation.keyframe());
            self.keyframes = 1;
            writer
        });
        if let Some(ran) = outbox.ticks.iter().find(|tick| tick.match_id == self.match_id) {
            let step = open.last_step().expect("it just ran");
            let step = Step {
                time_ms: step.time_ms,
                inputs: step.inputs.clone(),
                origins: open.last_origins().collect(),
                hash: ran.hash,
                columns: Step::column_hashes(simulation.columns()),
            };
            self.player_time.see(&step);
            writer.step(step);
            self.ticks += 1;
            self.hash = ran.hash;
            if simulation.keyframe().tick == ran.tick {
                writer.keyframe(simulation.keyframe());
                self.keyframes += 1;
            }
        }
    }

    /// Ticks that were met.
    pub(in crate::host) const fn ticks(&self) -> u64 {
        self.ticks
    }

    /// The bytes of the file; `None` when the match was not met.
    pub(in crate::host) fn into_bytes(self) -> Option<Vec<u8>> {
        self.writer.map(MatchFileWriter::finish)
    }

    /// Writes the file; `None` when the match was not met.
    pub(in crate::host) fn finish(self, out: &Path, hashes_checked: u64) -> Result<Option<Exported>, FileError> {
        let Some(writer) = self.writer else { return Ok(None) };
        let bytes = writer.finish();
        write_file(out, &bytes)?;
        Ok(Some(Exported {
            path: out.to_owned(),
            match_id: self.match_id,
            ticks: self.ticks,
            keyframes: self.keyframes,
            bytes: bytes.len() as u64,
            bytes_per_player_hour: self.player_time.bytes_per_hour(bytes.len() as u64),
            hash: format!("{:016x}", self.hash),
            hashes_checked,
        }))
    }
}
