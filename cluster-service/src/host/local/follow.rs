//! The matches of a log as match files, again and again while a host writes the log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ecs_state::Game;

use super::config::log_file;
use super::export::{ExportError, Recorder};
use super::log::CommandLog;
use super::recovery::{Rerun, StartError, log_header};
use crate::Service;

/// Follows the log of a data folder: what it holds is run again once, and what is added to it from there on.
///
/// Holds every match that the log ever held, as compressed as in its file, and the world of each that is open.
pub struct LogFollower<G: Game> {
    log: PathBuf,
    service: Service<G>,
    rerun: Rerun,
    /// Where the next record is; `None` before the first.
    offset: Option<u64>,
    recorders: BTreeMap<u64, Followed>,
}

struct Followed {
    recorder: Recorder,
    label: String,
    is_open: bool,
}

/// A match of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowedMatch {
    /// Its number.
    pub match_id: u64,
    /// Its label.
    pub label: String,
    /// Ticks that were followed.
    pub ticks: u64,
    /// Whether it goes on.
    pub is_open: bool,
}

impl<G: Game> LogFollower<G> {
    /// Reads nothing yet.
    ///
    /// # Errors
    /// When the game cannot be run at all.
    pub fn new(data: &Path) -> Result<Self, ExportError> {
        let service = Service::new().map_err(StartError::from)?;
        let recorders = BTreeMap::new();
        Ok(Self { log: log_file(data), service, rerun: Rerun::new(0), offset: None, recorders })
    }

    /// Takes in what the log holds now. Takes as long as playing it again: about a thousandth of the time that it was
    /// played in.
    ///
    /// # Errors
    /// When the log is damaged or does not give what it gave; then this follower is of no use any more.
    pub fn catch_up(&mut self) -> Result<(), ExportError> {
        let header = log_header::<G>().map_err(StartError::from)?;
        let log = CommandLog::open_to_read(&self.log, &header)?;
        let from = self.offset.unwrap_or_else(|| log.begin());
        let recorders = &mut self.recorders;
        self.rerun.run(&mut self.service, &log, from, &self.log, |service, outbox| {
            for (match_id, of) in service.matches() {
                let followed = recorders.entry(match_id).or_insert_with(|| Followed {
                    recorder: Recorder::new(match_id),
                    label: of.label().to_owned(),
                    is_open: true,
                });
                if followed.recorder.is_new() || outbox.ticks.iter().any(|tick| tick.match_id == match_id) {
                    followed.recorder.see(service, outbox);
                }
            }
        })?;
        self.offset = Some(log.bytes());
        let service = &self.service;
        recorders.iter_mut().for_each(|(id, followed)| followed.is_open = service.get_match(*id).is_some());
        Ok(())
    }

    /// The matches that were met so far, by number.
    pub fn matches(&self) -> impl Iterator<Item = FollowedMatch> {
        self.recorders.iter().map(|(match_id, followed)| FollowedMatch {
            match_id: *match_id,
            label: followed.label.clone(),
            ticks: followed.recorder.ticks(),
            is_open: followed.is_open,
        })
    }

    /// A match file of what was followed; `None` for a match that was not met.
    #[must_use]
    pub fn file(&self, match_id: u64) -> Option<Vec<u8>> {
        self.recorders.get(&match_id)?.recorder.clone().into_bytes()
    }
}
