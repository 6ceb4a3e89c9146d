//! A host in memory with virtual time, for tests of services and games.

use std::collections::BTreeMap;
use std::sync::Arc;

use ecs_state::Game;
use protocol::ClusterSessionId;

use super::record::{Kept, Record};
use super::timers::Timers;
use crate::snapshot::KIND;
use crate::{LogEntry, Outbox, Service, TickHash};

/// Runs a service without files, threads or clocks. Each entry is a record of its own.
pub struct SimHost<G: Game> {
    service: Service<G>,
    timers: Timers,
    log: Vec<Record>,
    now_ms: i64,
    last_session: u64,
    mailboxes: BTreeMap<ClusterSessionId, Vec<Arc<[u8]>>>,
    hashes: Vec<TickHash>,
}

impl<G: Game> SimHost<G> {
    /// An empty host at a time in milliseconds.
    ///
    /// # Panics
    /// When the game registers its components wrongly.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        let service = Service::new().expect("the game's components are registered rightly");
        Self {
            service,
            timers: Timers::default(),
            log: Vec::new(),
            now_ms,
            last_session: 0,
            mailboxes: BTreeMap::new(),
            hashes: Vec::new(),
        }
    }

    /// The service as it is.
    #[must_use]
    pub const fn service(&self) -> &Service<G> {
        &self.service
    }

    /// Virtual time as its clock shows it, in milliseconds.
    #[must_use]
    pub const fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Every tick that ran, in order.
    #[must_use]
    pub fn hashes(&self) -> &[TickHash] {
        &self.hashes
    }

    /// What happened, in order: the same on any other host gives the same hashes.
    pub fn entries(&self) -> impl Iterator<Item = LogEntry<'_>> {
        self.log.iter().flat_map(Record::entries)
    }

    /// An edge connects.
    pub fn open_session(&mut self) -> ClusterSessionId {
        self.last_session += 1;
        let session = ClusterSessionId(self.last_session);
        self.mailboxes.insert(session, Vec::new());
        self.append(Kept::Open { session: session.0 });
        session
    }

    /// An edge is gone.
    pub fn close_session(&mut self, session: ClusterSessionId) {
        self.mailboxes.remove(&session);
        self.append(Kept::Close { session: session.0 });
    }

    /// An edge says something.
    pub fn offer(&mut self, session: ClusterSessionId, message: Vec<u8>) {
        self.append(Kept::Message { session: session.0, bytes: message });
    }

    /// Takes what an edge was told since the last time.
    pub fn take_messages(&mut self, session: ClusterSessionId) -> Vec<Arc<[u8]>> {
        self.mailboxes.get_mut(&session).map(std::mem::take).unwrap_or_default()
    }

    /// Lets time pass; timers fire at their own time.
    pub fn advance(&mut self, by_ms: i64) {
        let until_ms = self.now_ms + by_ms;
        while let Some(at_ms) = self.timers.next_ms().filter(|at_ms| *at_ms <= until_ms) {
            self.now_ms = self.now_ms.max(at_ms);
            for id in self.timers.take_due(at_ms) {
                self.append(Kept::Timer { id });
            }
        }
        self.now_ms = until_ms;
    }

    /// Sets the clock, back or ahead. Timers that are set stay, as in a cluster: what is ahead of the clock then waits
    /// for it, or for an entry by which the service notices.
    pub fn step_clock(&mut self, by_ms: i64) {
        self.now_ms += by_ms;
    }

    /// Lets time pass without timers, as when every member is down.
    pub fn outage(&mut self, for_ms: i64) {
        self.now_ms += for_ms;
    }

    /// Loses everything but the log and comes back from it; with a snapshot of the entry before
    /// `from`, if given. Edges are gone, as after any restart.
    ///
    /// # Errors
    /// When what comes back is not what was: the tick, and both hashes.
    pub fn crash_and_recover(&mut self, snapshot: Option<&[u8]>) -> Result<(), String> {
        let mut outbox = Outbox::default();
        let (mut service, from) = match snapshot {
            None => (Service::new().map_err(|error| error.to_string())?, 0),
            Some(bytes) => {
                let path = std::path::Path::new("memory");
                let mut file = snapshots::ChunkFile::decode(path, bytes, KIND).map_err(|error| error.to_string())?;
                let (service, header) = Service::restore(&mut file, &mut outbox).map_err(|error| error.to_string())?;
                (service, header.position)
            }
        };
        self.timers = Timers::default();
        self.timers.apply(&outbox.timers);
        let mut hashes = Vec::new();
        for record in self.log.iter().filter(|record| record.last_position() > from) {
            for entry in record.entries() {
                outbox.clear();
                if let crate::Event::Timer { id } = entry.event {
                    self.timers.fired(id);
                }
                service.on_entry(&entry, &mut outbox);
                self.timers.apply(&outbox.timers);
                hashes.append(&mut outbox.ticks);
            }
        }
        let Some(first) = self.hashes.len().checked_sub(hashes.len()) else {
            return Err(format!("{} ticks ran, {} came back", self.hashes.len(), hashes.len()));
        };
        let lived = &self.hashes[first..];
        if let Some((was, is)) = lived.iter().zip(&hashes).find(|(was, is)| was != is) {
            return Err(format!("{was:?} came back as {is:?}"));
        }
        self.service = service;
        for gone in self.service.cluster_sessions() {
            self.close_session(gone);
        }
        Ok(())
    }

    /// A snapshot of now, as its file's bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        self.service.write_snapshot(self.log.last().map_or(0, Record::last_position), 0).encode()
    }

    fn append(&mut self, kept: Kept) {
        let record = Record {
            first_position: self.log.last().map_or(0, Record::last_position) + 1,
            time_ms: self.now_ms,
            entries: vec![kept],
            hashes: Vec::new(),
        };
        let mut outbox = Outbox::default();
        for entry in record.entries() {
            self.service.on_entry(&entry, &mut outbox);
        }
        self.log.push(record);
        self.timers.apply(&outbox.timers);
        self.hashes.extend_from_slice(&outbox.ticks);
        let closes = std::mem::take(&mut outbox.closes);
        for (to, message) in outbox.messages {
            for session in to {
                if let Some(mailbox) = self.mailboxes.get_mut(&session) {
                    mailbox.push(Arc::clone(&message));
                }
            }
        }
        // What it was told before can still be taken.
        for session in closes {
            self.append(Kept::Close { session: session.0 });
        }
    }
}
