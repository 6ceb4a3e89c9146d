//! The matches of this process, as recordings so far.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cluster_service::LogFollower;
use ecs_state::Game;
use replay::Source;

use crate::replaying::{Growing, GrowingMatch, lock};

/// Follows the log from when somebody first asks: it costs as much again as playing does, and most never ask.
pub(super) struct History<G: Game> {
    data: PathBuf,
    follower: Mutex<Option<LogFollower<G>>>,
}

impl<G: Game> History<G> {
    pub(super) fn new(data: &Path) -> Self {
        Self { data: data.to_owned(), follower: Mutex::new(None) }
    }

    fn follow<T>(&self, ask: impl FnOnce(&LogFollower<G>) -> Result<T, String>) -> Result<T, String> {
        let mut place = lock(&self.follower);
        let follower = match place.take() {
            Some(follower) => follower,
            None => LogFollower::new(&self.data).map_err(|error| error.to_string())?,
        };
        // One that failed is of no use: whoever asks next begins anew.
        let follower = place.insert(follower);
        if let Err(error) = follower.catch_up() {
            *place = None;
            return Err(error.to_string());
        }
        ask(follower)
    }
}

impl<G: Game> Growing for History<G> {
    fn list(&self) -> Vec<GrowingMatch> {
        let listed = self.follow(|follower| {
            let known = follower.matches();
            Ok(known.map(|of| GrowingMatch { match_id: of.match_id, label: of.label, is_open: of.is_open }).collect())
        });
        listed.unwrap_or_else(|error| {
            tracing::warn!(error, "the log cannot be followed");
            Vec::new()
        })
    }

    fn record(&self, match_id: u64, known_ticks: Option<u64>) -> Result<Option<Source>, String> {
        let name = PathBuf::from(format!("match-{match_id}.wlm"));
        let file = self.follow(|follower| {
            let ticks = follower.matches().find(|of| of.match_id == match_id).map(|of| of.ticks);
            // Bytes are made only when there is more in them.
            Ok((ticks != known_ticks).then(|| follower.file(match_id)).flatten())
        })?;
        file.map(|bytes| Source::decode::<G>(&name, &bytes)).transpose().map_err(|error| error.to_string())
    }
}
