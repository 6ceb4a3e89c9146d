//! A running host, as its owner and its edges hold it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use ecs_state::Game;
use protocol::ClusterSessionId;
use protocol::limits::HOST_BACKLOG_MAX;
use thiserror::Error;

use super::config::LocalConfig;
use super::log::LogError;
use super::recovery::{Recovery, StartError, recover};
use super::run::Runner;
use super::status::HostStatus;

/// Takes what one edge is told.
pub trait EgressSink: Send {
    /// Takes a message, or says that there is no room: the connection is closed then, and its
    /// players come back through another.
    ///
    /// # Errors
    /// When the message was not taken.
    fn send(&mut self, message: &Arc<[u8]>) -> Result<(), SinkFull>;
}

/// The edge does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the edge does not take what it is sent")]
pub struct SinkFull;

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OfferError {
    /// Too many wait already; try again.
    #[error("the host has {HOST_BACKLOG_MAX} messages waiting")]
    Backlogged,
    /// The host stopped.
    #[error("the host stopped")]
    Closed,
}

/// Why a running host failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// The host stopped by itself.
    #[error("the host stopped: {0}")]
    Failed(String),
    /// A snapshot was not written.
    #[error("the snapshot was not written: {0}")]
    Snapshot(String),
}

/// What a host's thread is told.
pub(crate) enum Word {
    Open { session: ClusterSessionId, sink: Box<dyn EgressSink> },
    Offer { session: ClusterSessionId, message: Vec<u8> },
    Close { session: ClusterSessionId },
    Snapshot { reply: SyncSender<Result<PathBuf, HostError>> },
    Stop,
}

/// A running host. Dropping it stops it as [`LocalHost::stop`] does, without the report.
pub struct LocalHost {
    recovery: Recovery,
    connector: LocalConnector,
    status: Arc<Mutex<HostStatus>>,
    thread: Option<JoinHandle<Result<(), LogError>>>,
}

impl LocalHost {
    /// Recovers what the data folder holds and goes on from there.
    ///
    /// # Errors
    /// When the folder, its log or its newest snapshot cannot be used; see [`StartError`].
    pub fn start<G: Game>(config: LocalConfig) -> Result<Self, StartError> {
        let recovered = recover::<G>(&config)?;
        let recovery = recovered.report.clone();
        let (words, inbox) = mpsc::sync_channel(HOST_BACKLOG_MAX);
        let status = Arc::new(Mutex::new(HostStatus::default()));
        // Numbers of sessions before the restart are below: each took at least one entry.
        let last_session = Arc::new(AtomicU64::new(recovered.position));
        let connector = LocalConnector { words, last_session };
        let mut runner = Runner::new(config, recovered, inbox, Arc::clone(&status));
        // Whoever asks right away must see the matches that came back.
        runner.publish_status(Instant::now());
        let thread = std::thread::Builder::new()
            .name("worldlog-host".to_owned())
            .spawn(move || runner.run())
            .map_err(StartError::Thread)?;
        Ok(Self { recovery, connector, status, thread: Some(thread) })
    }

    /// How it came back.
    #[must_use]
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The way in for edges and tools of this process.
    #[must_use]
    pub fn connector(&self) -> LocalConnector {
        self.connector.clone()
    }

    /// What it is doing.
    #[must_use]
    pub fn status(&self) -> HostStatus {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if status.failure.is_none() && self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            status.failure = Some("the host's thread ended".to_owned());
        }
        status
    }

    /// Takes a snapshot now, and waits until it is on disk.
    ///
    /// # Errors
    /// When the host stopped or the file could not be written.
    pub fn take_snapshot(&self) -> Result<PathBuf, HostError> {
        let (reply, answer) = mpsc::sync_channel(1);
        let stopped = || HostError::Failed(self.status().failure.unwrap_or_else(|| "it is stopping".to_owned()));
        self.connector.words.send(Word::Snapshot { reply }).map_err(|_| stopped())?;
        answer.recv().map_err(|_| stopped())?
    }

    /// Takes a last snapshot and stops. What was acknowledged is durable in any case.
    ///
    /// # Errors
    /// When the host had failed before or fails now.
    pub fn stop(mut self) -> Result<(), HostError> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), HostError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // A host that failed takes no word any more; joining it tells why.
        let _ = self.connector.words.send(Word::Stop);
        match thread.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(HostError::Failed(error.to_string())),
            Err(_) => Err(HostError::Failed("its thread panicked; the message is above".to_owned())),
        }
    }
}

impl Drop for LocalHost {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::error!(%error, "stopping");
        }
    }
}

/// Connects edges and tools of the same process to a host.
#[derive(Clone)]
pub struct LocalConnector {
    words: SyncSender<Word>,
    last_session: Arc<AtomicU64>,
}

impl LocalConnector {
    /// Opens a cluster session. The first message must be `EdgeHello`.
    ///
    /// When the host has stopped, the sink is dropped and offers are refused.
    #[must_use]
    pub fn connect(&self, sink: Box<dyn EgressSink>) -> LocalIngress {
        let session = ClusterSessionId(self.last_session.fetch_add(1, Ordering::Relaxed) + 1);
        let _ = self.words.send(Word::Open { session, sink });
        LocalIngress { words: self.words.clone(), session }
    }
}

/// A cluster session of this process. Dropping it closes the session.
pub struct LocalIngress {
    words: SyncSender<Word>,
    session: ClusterSessionId,
}

impl LocalIngress {
    /// Offers a message to the log. That it was taken does not mean that it is durable: only what
    /// the service answers does.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn offer(&self, message: Vec<u8>) -> Result<(), OfferError> {
        self.words.try_send(Word::Offer { session: self.session, message }).map_err(|error| match error {
            TrySendError::Full(_) => OfferError::Backlogged,
            TrySendError::Disconnected(_) => OfferError::Closed,
        })
    }

    /// The session's number.
    #[must_use]
    pub const fn session(&self) -> ClusterSessionId {
        self.session
    }
}

impl Drop for LocalIngress {
    fn drop(&mut self) {
        let _ = self.words.send(Word::Close { session: self.session });
    }
}

pub(crate) type Inbox = Receiver<Word>;
