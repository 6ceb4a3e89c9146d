//! A host on a data folder, with an edge of this process connected to it.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cluster_service::{EgressSink, LocalConfig, LocalConnector, LocalHost, LocalIngress, SinkFull};
use ecs_state::Game;
use protocol::cluster::{EgressMessageT, SessionOutcomeT};

use crate::edge::{self, Token, admitted, heard, outcomes};
use crate::games::Command;

/// Long enough for the slowest machine; only a test that fails waits for it.
const LONG: Duration = Duration::from_secs(30);

struct Ear(SyncSender<Arc<[u8]>>);

impl EgressSink for Ear {
    fn send(&mut self, message: &Arc<[u8]>) -> Result<(), SinkFull> {
        self.0.try_send(Arc::clone(message)).map_err(|_| SinkFull)
    }
}

/// A connected edge.
pub struct LiveEdge {
    way: LocalIngress,
    ear: Receiver<Arc<[u8]>>,
}

impl LiveEdge {
    pub fn connect(connector: &LocalConnector) -> Self {
        Self::with_room(connector, 100_000)
    }

    /// With room for so many messages that it did not look at.
    pub fn with_room(connector: &LocalConnector, room: usize) -> Self {
        let (sink, ear) = sync_channel(room);
        let edge = Self { way: connector.connect(Box::new(Ear(sink))), ear };
        edge.say(edge::hello(edge.way.session()));
        assert!(matches!(edge.next(), Some(EgressMessageT::EdgeAccepted(_))));
        edge
    }

    pub fn say(&self, message: Vec<u8>) {
        self.way.offer(message).unwrap();
    }

    /// The next message; `None` when the host closed the session.
    pub fn next(&self) -> Option<EgressMessageT> {
        let message = self.ear.recv_timeout(LONG).ok()?;
        heard(vec![message]).pop()
    }

    /// Hears until something is found.
    pub fn until<T>(&self, mut find: impl FnMut(&EgressMessageT) -> Option<T>) -> T {
        loop {
            let message = self.next().expect("the host answers");
            if let Some(found) = find(&message) {
                return found;
            }
        }
    }

    /// Opens a match and watches it.
    pub fn open(&self, content: &[u8]) -> u64 {
        self.say(edge::open_match(1, content));
        let match_id = self.until(|message| match message {
            EgressMessageT::MatchOpened(opened) => Some(opened.match_id),
            _ => None,
        });
        self.say(edge::watch(match_id));
        match_id
    }

    /// Gives session and player.
    pub fn join(&self, match_id: u64, nonce: u64) -> (u32, u32) {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let token = Token { match_id, account: format!("account {nonce}"), nonce, expires_ms: now_ms + 30_000 };
        self.say(edge::join(2, &token, nonce));
        let joined = self.until(|message| admitted(std::slice::from_ref(message))).unwrap();
        (joined.session, joined.player)
    }

    pub fn deposit(&self, session: u32, seq: u32, coins: u32) {
        self.say(edge::commands(&[(session, 1, seq, Command::Deposit(coins).encode())]));
    }

    /// Waits for the outcome of a command.
    pub fn outcome(&self, session: u32, seq: u32) -> SessionOutcomeT {
        self.until(|message| {
            let of = |outcome: &SessionOutcomeT| (outcome.session, outcome.seq) == (session, seq);
            outcomes(std::slice::from_ref(message)).into_iter().find(of)
        })
    }
}

/// A host that takes no snapshot by itself.
pub fn config(data: &Path) -> LocalConfig {
    LocalConfig { snapshot_every: Duration::from_secs(3_600), snapshot_log_bytes: u64::MAX, ..LocalConfig::new(data) }
}

pub fn start<G: Game>(data: &Path) -> LocalHost {
    LocalHost::start::<G>(config(data)).unwrap()
}

pub fn log_file(data: &Path) -> PathBuf {
    data.join("log/commands.wal")
}

/// The newest snapshot.
pub fn newest_snapshot(data: &Path) -> PathBuf {
    cluster_service::list_snapshots(data).unwrap().pop().unwrap().path
}

/// A data folder as a crash at this moment would leave it: first the log, then the snapshots, would
/// be a state that never was; snapshots are there before the log goes on.
pub fn crash_image(data: &Path, image: &Path) {
    for folder in ["snapshots", "log"] {
        let Ok(entries) = std::fs::read_dir(data.join(folder)) else { continue };
        std::fs::create_dir_all(image.join(folder)).unwrap();
        for entry in entries {
            let entry = entry.unwrap();
            // One that is being renamed or removed meanwhile is not there, as after a crash.
            let _ = std::fs::copy(entry.path(), image.join(folder).join(entry.file_name()));
        }
    }
}

/// Where each record of a log begins, and where the log ends: (checksum: u32 | length: u32 | bytes)*.
pub fn records(log: &[u8]) -> Vec<usize> {
    let mut at = 0;
    let mut found = vec![0];
    while at < log.len() {
        let length = u32::from_le_bytes(log[at + 4..at + 8].try_into().unwrap()) as usize;
        at += 8 + length;
        found.push(at);
    }
    assert_eq!(at, log.len());
    found
}
