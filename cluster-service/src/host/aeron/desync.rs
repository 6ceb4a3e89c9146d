//! What is kept when members disagree, so that it can be found out why.
//!
//! ```text
//! <member's folder>/desync/match-M-tick-T/
//!   desync.json   who computed what, and the sums of each class now
//!   service.wls   the service as this member has it: each match's keyframe and what it took in since
//! ```
//!
//! `worldlog snapshot verify` reads the second. Two members' bundles of one match side by side tell the first row that
//! differs.

use std::path::{Path, PathBuf};

use ecs_state::Game;
use serde_json::json;
use snapshots::FileError;

use super::vigil::Desync;
use crate::Service;
use crate::snapshot::Snapshot;

/// A bundle that is ready to be written without the service.
pub(super) struct Bundle {
    folder: PathBuf,
    summary: Vec<u8>,
    snapshot: Snapshot,
}

impl Bundle {
    pub(super) fn new<G: Game>(member_folder: &Path, desync: &Desync, service: &Service<G>, position: u64) -> Self {
        let folder = member_folder.join("desync").join(format!("match-{}-tick-{}", desync.match_id, desync.tick));
        let now = service.get_match(desync.match_id).map(|of| {
            let simulation = of.simulation();
            let sums: Vec<String> = simulation.columns().sums().iter().map(|sum| format!("{sum:016x}")).collect();
            json!({ "tick": simulation.tick(), "keyframe_tick": simulation.keyframe().tick, "sums": sums })
        });
        let rules = json!({ "game": G::NAME, "rules_version": G::RULES_VERSION });
        let summary = json!({ "desync": desync, "position": position, "now": now, "rules": rules });
        let summary = serde_json::to_vec_pretty(&summary).expect("plain data always encodes");
        Self { folder, summary, snapshot: service.write_snapshot(position, 0) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn write(&self) -> Result<(), FileError> {
        let failed = |source| FileError::Io { path: self.folder.clone(), operation: "making the folder", source };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        snapshots::write_file(&self.folder.join("desync.json"), &self.summary)?;
        snapshots::write_file(&self.folder.join("service.wls"), &self.snapshot.encode())
    }
}
