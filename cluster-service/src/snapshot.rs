//! The service as a file: all matches and sessions at one log position.
//!
//! ```text
//! HEAD Header | SERV ServiceState | (MTCH MatchState | KEYF keyframe | STEP more ticks …)* in order of matches
//!      | KEPT players that stay, by match; only when there are any
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use ecs_state::{Game, Keyframe};
use protocol::ClusterSessionId;
use protocol::limits::{EDGE_KEY_BYTES, NONCE_BYTES};
use serde::{Deserialize, Serialize};
use snapshots::{ChunkFile, ChunkWriter, FileError, FileKind};

use crate::alarms::Alarms;
use crate::clock::LogClock;
use crate::matches::{Captured, MatchState, RestoreMatchError, StepRecord};
use crate::reports::Reports;
use crate::sessions::Sessions;
use crate::ticker::Ticker;
use crate::{Match, Outbox, Service};

pub(crate) const KIND: FileKind = FileKind { magic: *b"WLSN", version: 4, oldest: 4, name: "snapshot" };
const HEAD: [u8; 4] = *b"HEAD";
const SERV: [u8; 4] = *b"SERV";
const MTCH: [u8; 4] = *b"MTCH";
const KEYF: [u8; 4] = *b"KEYF";
/// None when all ticks fit MTCH.
const STEP: [u8; 4] = *b"STEP";
/// None when no match began with a keyframe.
const KEPT: [u8; 4] = *b"KEPT";

/// What a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) game: String,
    pub(crate) rules_version: u32,
    pub(crate) manifest_hash: u64,
    /// The last entry that the state holds.
    pub(crate) position: u64,
    /// Where the log goes on, in bytes of the host's log.
    pub(crate) log_offset: u64,
    pub(crate) time_ms: i64,
    pub(crate) matches: u32,
    pub(crate) sessions: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct ServiceState {
    clock: LogClock,
    edges: Vec<(u64, BTreeSet<u64>)>,
    strangers: Vec<u64>,
    sessions: Sessions,
    last_match: u64,
    ticker: Option<Ticker>,
    alarms: Alarms,
    wakes: BTreeMap<u64, i64>,
    nonces: Vec<([u8; NONCE_BYTES], i64)>,
    edge_key: Option<[u8; EDGE_KEY_BYTES]>,
    reports: Reports,
}

/// A service at one position, ready to be written without the service: keyframes are shared, the
/// rest was copied.
pub(crate) struct Snapshot {
    header: Header,
    state: ServiceState,
    matches: Vec<Captured>,
    kept: Vec<(u64, BTreeSet<u32>)>,
}

impl Snapshot {
    pub(crate) const fn position(&self) -> u64 {
        self.header.position
    }

    /// The file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.encode_in_steps(&mut || {})
    }

    /// The file; calls `between` after each match.
    pub(crate) fn encode_in_steps(&self, between: &mut dyn FnMut()) -> Vec<u8> {
        let mut chunks = ChunkWriter::new(KIND);
        chunks.push_value(HEAD, &self.header);
        chunks.push_value(SERV, &self.state);
        for Captured { state, keyframe, more } in &self.matches {
            chunks.push_value(MTCH, state);
            chunks.push(KEYF, &keyframe.encode());
            between();
            for steps in more {
                chunks.push_value(STEP, steps);
                between();
            }
        }
        if !self.kept.is_empty() {
            chunks.push_value(KEPT, &self.kept);
        }
        chunks.finish()
    }
}

impl<G: Game> Service<G> {
    /// Takes a snapshot, as of `position`; `log_offset` is where the host's log goes on after it.
    pub(crate) fn write_snapshot(&self, position: u64, log_offset: u64) -> Snapshot {
        let header = Header {
            game: G::NAME.to_owned(),
            rules_version: G::RULES_VERSION,
            manifest_hash: self.manifest.hash(),
            position,
            log_offset,
            time_ms: self.clock.now_ms,
            matches: self.matches.len() as u32,
            sessions: self.sessions.len() as u32,
        };
        let state = ServiceState {
            clock: self.clock,
            edges: self.edges.iter().map(|(edge, watched)| (edge.0, watched.clone())).collect(),
            strangers: self.strangers.iter().map(|stranger| stranger.0).collect(),
            sessions: self.sessions.clone(),
            last_match: self.last_match,
            ticker: self.ticker,
            alarms: self.alarms.clone(),
            wakes: self.wakes.clone(),
            nonces: self.nonces.iter().map(|(nonce, expires_ms)| (*nonce, *expires_ms)).collect(),
            edge_key: self.edge_key,
            reports: self.reports.clone(),
        };
        let kept = self.matches.iter().filter(|(_, of)| !of.kept().is_empty());
        let kept = kept.map(|(match_id, of)| (*match_id, of.kept().clone())).collect();
        Snapshot { header, state, matches: self.matches.values().map(Match::capture).collect(), kept }
    }

    /// Brings a service back, and its timers into `outbox`.
    pub(crate) fn read_snapshot(path: &Path, outbox: &mut Outbox) -> Result<(Self, Header), SnapshotError> {
        let mut file = ChunkFile::open(path, KIND)?;
        Self::restore(&mut file, outbox)
    }

    /// As [`Service::read_snapshot`], from a file in memory.
    pub(crate) fn restore(file: &mut ChunkFile, outbox: &mut Outbox) -> Result<(Self, Header), SnapshotError> {
        Self::restore_in_steps(file, outbox, &mut || {})
    }

    /// As [`Service::restore`]; calls `between` after each tick that runs again, of which a busy cluster has thousands.
    pub(crate) fn restore_in_steps(
        file: &mut ChunkFile,
        outbox: &mut Outbox,
        between: &mut dyn FnMut(),
    ) -> Result<(Self, Header), SnapshotError> {
        let mut service = Self::new().map_err(|error| file.error(0, error.to_string()))?;
        let header: Header = file.expect_value(HEAD)?;
        let ours = (G::NAME, G::RULES_VERSION, service.manifest.hash());
        if (header.game.as_str(), header.rules_version, header.manifest_hash) != ours {
            return Err(SnapshotError::OtherRules {
                path: file.path().display().to_string(),
                found: format!("{} rules {} ({:#018x})", header.game, header.rules_version, header.manifest_hash),
                ours: format!("{} rules {} ({:#018x})", ours.0, ours.1, ours.2),
            });
        }
        let state: ServiceState = file.expect_value(SERV)?;
        for _ in 0..header.matches {
            let chunk = file.expect(MTCH)?;
            let mut of: MatchState = file.value(&chunk)?;
            let bytes = file.expect(KEYF)?;
            let keyframe =
                Keyframe::decode(&bytes.bytes).map_err(|error| file.error(bytes.offset, error.to_string()))?;
            while of.missing_steps(&keyframe) > 0 {
                let part = file.expect(STEP)?;
                let steps: Vec<Arc<StepRecord>> = file.value(&part)?;
                if steps.is_empty() {
                    return Err(file.error(part.offset, "ticks are missing").into());
                }
                of.add_steps(steps);
            }
            let restored = Match::restore(of, keyframe, between)
                .map_err(|source: RestoreMatchError| file.error(chunk.offset, source.to_string()))?;
            service.matches.insert(restored.simulation().match_id().0, restored);
        }
        if let Some(chunk) = file.next_chunk()? {
            if chunk.tag != KEPT {
                return Err(file.error(chunk.offset, "a chunk follows the last match").into());
            }
            let kept: Vec<(u64, BTreeSet<u32>)> = file.value(&chunk)?;
            for (match_id, players) in kept {
                let of = service.matches.get_mut(&match_id);
                of.ok_or_else(|| file.error(chunk.offset, "players of a match that is not there"))?.keep(players);
            }
            if let Some(extra) = file.next_chunk()? {
                return Err(file.error(extra.offset, "a chunk follows the last").into());
            }
        }
        service.clock = state.clock;
        service.edges = state.edges.into_iter().map(|(edge, watched)| (ClusterSessionId(edge), watched)).collect();
        service.strangers = state.strangers.into_iter().map(ClusterSessionId).collect();
        service.sessions = state.sessions;
        service.last_match = state.last_match;
        service.ticker = state.ticker;
        service.alarms = state.alarms;
        service.wakes = state.wakes;
        service.nonces = state.nonces.into_iter().collect();
        service.edge_key = state.edge_key;
        service.reports = state.reports;
        service.alarms.set_again(&service.clock, outbox);
        Ok((service, header))
    }
}

/// Why a snapshot was not restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: the snapshot is of {found}, this build plays {ours}; start it with the build that wrote it")]
    OtherRules { path: String, found: String, ours: String },
}
