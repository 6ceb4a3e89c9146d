//! The edges of a cluster on this machine: processes that are started again when they end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aeron_cluster::member::{Process, end_of};
use serde::{Deserialize, Serialize};

use crate::config::EdgeSection;

/// `edge.json`: where an edge is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Addresses {
    pub(super) quic: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) pid: u32,
}

/// What happens to an edge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EdgeEvent {
    Up(Addresses),
    Down(String),
}

/// One edge. Killed when dropped.
pub(super) struct Edge {
    section: EdgeSection,
    config: PathBuf,
    without: Vec<String>,
    process: Option<Process>,
    /// As the running process has said.
    addresses: Option<Addresses>,
    started: Instant,
    /// When to start it again, and the pause before the time after.
    start_at: Instant,
    pause: Duration,
}

/// Pause after the first end; doubled with each that comes early.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// An end after so long is not early.
const EARLY: Duration = Duration::from_secs(10);
/// What an edge may take to send its players away.
const GRACE: Duration = Duration::from_secs(5);

impl Edge {
    /// An edge that is started by the first [`poll`](Self::poll).
    pub(super) fn new(section: EdgeSection, config: &Path, without: &[String]) -> Self {
        let now = Instant::now();
        Self {
            section,
            config: config.to_owned(),
            without: without.to_vec(),
            process: None,
            addresses: None,
            started: now,
            start_at: now,
            pause: PAUSE_MIN,
        }
    }

    /// Where it is reached, while it is.
    pub(super) const fn addresses(&self) -> Option<&Addresses> {
        self.addresses.as_ref()
    }

    /// Starts it when it is time to, and says what has happened.
    pub(super) fn poll(&mut self, now: Instant) -> Result<Option<EdgeEvent>, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.config.display());
        let Some(process) = &mut self.process else {
            if now >= self.start_at {
                self.process = Some(self.spawn().map_err(failed)?);
                self.started = now;
            }
            return Ok(None);
        };
        if let Some(status) = process.try_wait().map_err(failed)? {
            // Whoever was killed had no last words.
            let reason = match status.code() {
                Some(_) => format!("{}: {}", end_of(status), process.last_words(LAST_LINES)),
                None => end_of(status),
            };
            self.process = None;
            self.addresses = None;
            self.pause = if now - self.started < EARLY { (2 * self.pause).min(PAUSE_MAX) } else { PAUSE_MIN };
            self.start_at = now + self.pause;
            return Ok(Some(EdgeEvent::Down(reason)));
        }
        if self.addresses.is_some() {
            return Ok(None);
        }
        let pid = process.id();
        self.addresses = read(&self.section.addresses_file()).filter(|addresses| addresses.pid == pid);
        Ok(self.addresses.clone().map(EdgeEvent::Up))
    }

    fn spawn(&self) -> std::io::Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("edge").arg("--config").arg(&self.config);
        for name in &self.without {
            command.env_remove(name);
        }
        Process::spawn(command, &self.section.dir.join("logs").join("edge.log"))
    }

    /// Tells it to end, and waits for it.
    pub(super) fn stop(&mut self) {
        if let Some(mut process) = self.process.take()
            && let Err(error) = process.end(GRACE)
        {
            tracing::warn!(%error, "an edge did not end");
        }
    }
}

const LAST_LINES: usize = 6;

fn read(path: &Path) -> Option<Addresses> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
