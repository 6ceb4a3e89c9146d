//! Snapshots in the data folder.

use std::fs;
use std::path::{Path, PathBuf};

use ecs_state::Game;
use serde::Serialize;
use snapshots::FileError;

use super::config::snapshot_folder;
use crate::snapshot::SnapshotError;
use crate::{Outbox, Service};

/// A snapshot file, as its name and size tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotInfo {
    /// The file.
    pub path: PathBuf,
    /// The last entry that it holds.
    pub position: u64,
    /// Its length.
    pub bytes: u64,
}

/// The snapshots of a data folder, the oldest first.
///
/// # Errors
/// When the folder cannot be read; that it does not exist is no error.
pub fn list_snapshots(data: &Path) -> Result<Vec<SnapshotInfo>, FileError> {
    let folder = snapshot_folder(data);
    let failed = |source| FileError::Io { path: folder.clone(), operation: "listing", source };
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let position = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let Some(position) = position.filter(|_| path.extension().is_some_and(|extension| extension == "wls")) {
            let bytes = entry.metadata().map_err(failed)?.len();
            found.push(SnapshotInfo { path, position, bytes });
        }
    }
    found.sort_by_key(|info| info.position);
    Ok(found)
}

/// Removes what a crash left of a snapshot that was being written. Only for who holds the folder's lock.
pub(crate) fn remove_unfinished(data: &Path) -> Result<(), FileError> {
    let folder = snapshot_folder(data);
    if !folder.exists() {
        return Ok(());
    }
    let entries =
        fs::read_dir(&folder).map_err(|source| FileError::Io { path: folder.clone(), operation: "listing", source })?;
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.to_str().is_some_and(|name| name.ends_with(".wls.new"))
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "an unfinished snapshot stays");
        }
    }
    Ok(())
}

/// What a snapshot was found to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifiedSnapshot {
    /// The file.
    pub path: PathBuf,
    /// The game.
    pub game: String,
    /// Its rules.
    pub rules_version: u32,
    /// The last entry that it holds.
    pub position: u64,
    /// Log time of that entry, in milliseconds of the Unix epoch.
    pub time_ms: i64,
    /// Matches in it; the hash of each was reached again by running it from its keyframe.
    pub matches: u32,
    /// Player sessions in it.
    pub sessions: u32,
}

/// Reads a snapshot, restores it, and checks that each match comes to its hash again.
///
/// # Errors
/// With file, offset and reason, as text for people.
pub fn verify_snapshot<G: Game>(path: &Path) -> Result<VerifiedSnapshot, String> {
    let (_, header) =
        Service::<G>::read_snapshot(path, &mut Outbox::default()).map_err(|error: SnapshotError| error.to_string())?;
    Ok(VerifiedSnapshot {
        path: path.to_owned(),
        game: header.game,
        rules_version: header.rules_version,
        position: header.position,
        time_ms: header.time_ms,
        matches: header.matches,
        sessions: header.sessions,
    })
}
