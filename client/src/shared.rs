//! What a [`crate::Player`] and the task behind it have in common.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use protocol::limits::{COMMANDS_UNACKED_MAX, SECRET_BYTES};
use protocol::manifest::Manifest;
use protocol::outcome::CloseCode;
use protocol::{Epoch, MatchId, OutcomeCode, PlayerId, PlayerSessionId, Tick};
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::error::{SendError, SessionEnd};
use crate::mirror::Mirror;
use crate::outstanding::{Answer, Outstanding};
use crate::player::{Outcome, Pong};
use crate::stats::{Counters, Stats};

/// Who awaits one outcome.
pub(crate) type Waiter = oneshot::Sender<Result<Outcome, SendError>>;

/// Neither lock is held across an await, and `session` is never taken while `mirror` is held.
pub(crate) struct Shared {
    pub(crate) session: Mutex<Session>,
    mirror: OnceLock<RwLock<Mirror>>,
    /// One permit for each command that may be pushed.
    pub(crate) slots: Semaphore,
    /// There is something to send, or a wish to see to.
    pub(crate) wake: Notify,
    pub(crate) newest: watch::Sender<Tick>,
    pub(crate) end: watch::Sender<Option<SessionEnd>>,
}

pub(crate) struct Session {
    pub(crate) outstanding: Outstanding<Waiter>,
    pub(crate) joined: Option<Joined>,
    pub(crate) manifest: Option<Arc<Manifest>>,
    pub(crate) pings: Vec<PendingPing>,
    pub(crate) counters: Counters,
    pub(crate) wishes: Wishes,
    /// Told once, after the first baseline.
    pub(crate) ready: Option<oneshot::Sender<()>>,
    /// For its counters, while there is one.
    pub(crate) connection: Option<quinn::Connection>,
}

/// What the server said when it last took the player.
#[derive(Clone)]
pub(crate) struct Joined {
    pub(crate) match_id: MatchId,
    pub(crate) session: PlayerSessionId,
    pub(crate) epoch: Epoch,
    pub(crate) player: PlayerId,
    pub(crate) secret: [u8; SECRET_BYTES],
}

/// What the player's owner wants of the task.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Wishes {
    pub(crate) leave: bool,
    pub(crate) cut: bool,
    pub(crate) dropped: bool,
}

pub(crate) struct PendingPing {
    pub(crate) nonce: u64,
    pub(crate) since: Instant,
    pub(crate) sent: bool,
    pub(crate) reply: oneshot::Sender<Pong>,
}

impl Shared {
    pub(crate) fn new(ready: oneshot::Sender<()>) -> Self {
        Self {
            session: Mutex::new(Session {
                outstanding: Outstanding::new(),
                joined: None,
                manifest: None,
                pings: Vec::new(),
                counters: Counters::default(),
                wishes: Wishes::default(),
                ready: Some(ready),
                connection: None,
            }),
            mirror: OnceLock::new(),
            slots: Semaphore::new(COMMANDS_UNACKED_MAX),
            wake: Notify::new(),
            newest: watch::Sender::new(Tick(0)),
            end: watch::Sender::new(None),
        }
    }

    /// A panic of another thread leaves nothing half done under this lock.
    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mirror(&self) -> Option<RwLockReadGuard<'_, Mirror>> {
        self.mirror.get().map(|mirror| mirror.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The mirror, of the manifest that the server named; it is built when it is first needed.
    pub(crate) fn mirror_mut(&self, manifest: &Arc<Manifest>) -> RwLockWriteGuard<'_, Mirror> {
        let mirror = self.mirror.get_or_init(|| RwLock::new(Mirror::new(Arc::clone(manifest))));
        mirror.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest tick and log position that the mirror has shown, and what it holds.
    pub(crate) fn seen(&self) -> (u64, u64, Vec<u8>) {
        let Some(mirror) = self.mirror.get() else { return Default::default() };
        let mut mirror = mirror.write().unwrap_or_else(PoisonError::into_inner);
        (mirror.tick().0, mirror.position().0, mirror.summarise())
    }

    /// Changes a wish and wakes the task that fulfils it.
    pub(crate) fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.session().wishes);
        self.wake.notify_one();
    }

    /// Gives outcomes to those who await them, as far as the mirror shows their effects.
    pub(crate) fn settle(&self, now: Instant) {
        let Some(shown) = self.mirror().filter(|mirror| mirror.is_in_sync()).map(|mirror| mirror.shown()) else {
            return;
        };
        let mut session = self.session();
        let settled = session.outstanding.settle(|tick| shown.contains(tick));
        if settled.answers.is_empty() {
            return;
        }
        let more = !session.outstanding.is_empty();
        session.counters.note_outcomes(now, more);
        let manifest = session.manifest.clone();
        drop(session);
        for (waiter, answer) in settled.answers {
            // The caller may have lost interest; the command ran all the same.
            let _ = waiter.send(outcome(answer, manifest.as_deref()));
        }
        self.slots.add_permits(settled.freed);
    }

    /// The connection is gone, whatever comes next.
    pub(crate) fn note_lost(&self) {
        let mut session = self.session();
        session.outstanding.handle_lost();
        session.pings.iter_mut().for_each(|ping| ping.sent = false);
        if let Some(connection) = session.connection.take() {
            let stats = connection.stats();
            session.counters.bytes_up += stats.udp_tx.bytes;
            session.counters.bytes_down += stats.udp_rx.bytes;
        }
    }

    /// The session is over: everyone who waits is told.
    pub(crate) fn finish(&self, end: SessionEnd) {
        let mut session = self.session();
        let end = if session.wishes.leave { as_left(end) } else { end };
        let waiting = session.outstanding.end();
        let manifest = session.manifest.clone();
        session.pings.clear();
        session.ready = None;
        // Under the lock, so that no command is taken after the last was told.
        self.end.send_replace(Some(end.clone()));
        self.slots.close();
        drop(session);
        for (waiter, answer) in waiting {
            let word = match answer {
                Some(answer) => outcome(answer, manifest.as_deref()),
                None => Err(SendError::SessionEnded(end.clone())),
            };
            let _ = waiter.send(word);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let counts = self.mirror().map(|mirror| mirror.counts()).unwrap_or_default();
        let session = self.session();
        let mut stats = session.counters.stats(counts, session.outstanding.counts());
        if let Some(connection) = &session.connection {
            let live = connection.stats();
            stats.bytes_up += live.udp_tx.bytes;
            stats.bytes_down += live.udp_rx.bytes;
            stats.rtt = connection.rtt();
        }
        stats
    }
}

/// How an ending looks to one who asked for it.
fn as_left(end: SessionEnd) -> SessionEnd {
    match end {
        // No session: the word that the player left was lost with its connection.
        SessionEnd::Closed { code: Some(CloseCode::Left | CloseCode::NoSession), .. } => SessionEnd::Left,
        other => other,
    }
}

fn outcome(answer: Answer, manifest: Option<&Manifest>) -> Result<Outcome, SendError> {
    match answer.code {
        OutcomeCode::APPLIED => {
            Ok(Outcome::Applied { tick: Tick(answer.tick), position: protocol::LogPosition(answer.position) })
        }
        OutcomeCode::FORGOTTEN => Err(SendError::Forgotten { seq: answer.seq }),
        code => Ok(Outcome::Rejected { code, name: rejection_name(code, manifest) }),
    }
}

fn rejection_name(code: OutcomeCode, manifest: Option<&Manifest>) -> String {
    let game = || manifest?.rejections().iter().find(|rejection| rejection.code == code.0).map(|r| r.name.as_str());
    code.name().or_else(game).map_or_else(|| format!("rejection {}", code.0), str::to_owned)
}

/// How long a connection may take to bring a baseline before another is tried.
pub(crate) const BASELINE_WAIT_MAX: Duration = Duration::from_secs(10);
