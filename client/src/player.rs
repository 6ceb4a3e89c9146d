//! A player in a match, as a program holds it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use protocol::limits::COMMAND_BYTES_MAX;
use protocol::manifest::Manifest;
use protocol::{Epoch, LogPosition, MatchId, OutcomeCode, PlayerId, PlayerSessionId, Tick};
use tokio::sync::{oneshot, watch};

use crate::error::{SendError, SessionEnd};
use crate::mirror::Mirror;
use crate::outstanding::PushError;
use crate::shared::{Joined, PendingPing, Shared};
use crate::stats::Stats;

/// A player in a match. Lives through lost connections; ends when the session does.
///
/// All methods take `&self`: share it in an [`Arc`]. Dropping it closes the connection but does not
/// leave the match; the server keeps the session for a minute of its time, and nobody can take it
/// up again, because the resume secret is gone with the player.
pub struct Player {
    shared: Arc<Shared>,
    joined: Joined,
}

/// What became of a command. Either is durable: it survives the loss of any one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ran.
    Applied {
        /// In this tick.
        tick: Tick,
        /// The log entry that carried it.
        position: LogPosition,
    },
    /// The rules said no; it changed nothing.
    Rejected {
        /// Below 256 of the protocol, else of the game.
        code: OutcomeCode,
        /// The word for it: the protocol's, or that of the game's manifest.
        name: String,
    },
}

/// Answer to a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pong {
    /// From the call to the answer; includes reconnecting if that was necessary.
    pub round_trip: Duration,
    /// Newest tick of the match that the edge has.
    pub tick: Tick,
}

/// A command that was taken: a future of its outcome. Dropping it does not take the command back.
#[derive(Debug)]
#[must_use = "the outcome says whether the command ran"]
pub struct Receipt {
    seq: u32,
    outcome: oneshot::Receiver<Result<Outcome, SendError>>,
}

impl Receipt {
    /// Number of the command in its session, from 1.
    #[must_use]
    pub const fn seq(&self) -> u32 {
        self.seq
    }
}

impl Future for Receipt {
    type Output = Result<Outcome, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let word = ready!(Pin::new(&mut self.outcome).poll(cx));
        // No word at all: the runtime stopped the task behind the player.
        Poll::Ready(word.unwrap_or(Err(SendError::SessionEnded(SessionEnd::Dropped))))
    }
}

impl Player {
    pub(crate) const fn new(shared: Arc<Shared>, joined: Joined) -> Self {
        Self { shared, joined }
    }

    /// Sends a command and waits for its outcome, which is told once the mirror holds the tick that
    /// it names. Waits first while 32 commands have no outcome.
    ///
    /// `payload` is one command of the game: a FlatBuffer of its command schema, at most
    /// [`COMMAND_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// As [`SendError`] says; after [`SendError::SessionEnded`] and [`SendError::Forgotten`] the
    /// command may have run.
    ///
    /// # Cancellation
    /// Dropped while it waits for the window, nothing was sent. Dropped later, the command runs and
    /// its outcome is lost to the caller.
    pub async fn send(&self, payload: impl Into<Vec<u8>>) -> Result<Outcome, SendError> {
        self.submit(payload).await?.await
    }

    /// As [`Player::send`], but returns as soon as the command has a number; several can be on
    /// their way at once. Commands run in the order of their numbers.
    ///
    /// # Errors
    /// When the command was not taken; it will not run.
    ///
    /// # Cancellation
    /// Dropped before it returns, nothing was sent.
    pub async fn submit(&self, payload: impl Into<Vec<u8>>) -> Result<Receipt, SendError> {
        let payload = checked(payload.into())?;
        let slot = self.shared.slots.acquire().await.map_err(|_| self.ended_error())?;
        slot.forget();
        self.push(payload)
    }

    /// As [`Player::submit`], but does not wait.
    ///
    /// # Errors
    /// When the command was not taken; with [`SendError::WindowFull`] it comes back.
    pub fn try_send(&self, payload: impl Into<Vec<u8>>) -> Result<Receipt, SendError> {
        let payload = checked(payload.into())?;
        match self.shared.slots.try_acquire() {
            Ok(slot) => slot.forget(),
            Err(tokio::sync::TryAcquireError::NoPermits) => return Err(SendError::WindowFull { payload }),
            Err(tokio::sync::TryAcquireError::Closed) => return Err(self.ended_error()),
        }
        self.push(payload)
    }

    /// Needs a slot that was taken.
    fn push(&self, payload: Vec<u8>) -> Result<Receipt, SendError> {
        let (waiter, outcome) = oneshot::channel();
        let mut session = self.shared.session();
        if let Some(end) = self.ended() {
            return Err(SendError::SessionEnded(end));
        }
        let seq = session.outstanding.push(payload, waiter).map_err(|error| match error {
            PushError::Full(payload) => SendError::WindowFull { payload },
            PushError::Exhausted => SendError::Exhausted,
        })?;
        session.counters.note_command(Instant::now());
        drop(session);
        self.shared.wake.notify_one();
        Ok(Receipt { seq, outcome })
    }

    /// Looks at the mirror. Keep it short: the player's frames wait meanwhile.
    pub fn with_mirror<T>(&self, look: impl FnOnce(&Mirror) -> T) -> T {
        let mirror = self.shared.mirror().expect("a player exists from its first baseline on");
        look(&mirror)
    }

    /// The newest tick that the mirror holds, to be watched. Ticks may be skipped: a watcher sees
    /// the newest, and a baseline may bring several at once.
    #[must_use]
    pub fn ticks(&self) -> watch::Receiver<Tick> {
        self.shared.newest.subscribe()
    }

    /// Waits until the mirror holds a newer tick than it does now, and gives it.
    ///
    /// # Errors
    /// When the session is over.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next_tick(&self) -> Result<Tick, SessionEnd> {
        let mut newest = self.shared.newest.subscribe();
        let before = *newest.borrow_and_update();
        tokio::select! {
            changed = newest.wait_for(|tick| *tick > before) => match changed {
                Ok(tick) => Ok(*tick),
                Err(_) => Err(self.ended().unwrap_or(SessionEnd::Dropped)),
            },
            end = self.closed() => Err(end),
        }
    }

    /// Asks the edge for a sign of life.
    ///
    /// # Errors
    /// When the session is over. A lost connection is no error: the ping goes out again.
    ///
    /// # Cancellation
    /// The answer is ignored.
    pub async fn ping(&self) -> Result<Pong, SessionEnd> {
        let (reply, pong) = oneshot::channel();
        {
            let mut session = self.shared.session();
            if let Some(end) = self.ended() {
                return Err(end);
            }
            session.pings.retain(|ping| !ping.reply.is_closed());
            let nonce = crate::random();
            session.pings.push(PendingPing { nonce, since: Instant::now(), sent: false, reply });
        }
        self.shared.wake.notify_one();
        match pong.await {
            Ok(pong) => Ok(pong),
            Err(_) => Err(self.closed().await),
        }
    }

    /// Leaves the match for good, after all commands that were taken were sent. Takes no further ones.
    ///
    /// # Errors
    /// When the session ended in another way first.
    ///
    /// # Cancellation
    /// The player leaves all the same.
    pub async fn leave(&self) -> Result<(), SessionEnd> {
        self.shared.slots.close();
        self.shared.wish(|wishes| wishes.leave = true);
        match self.closed().await {
            SessionEnd::Left => Ok(()),
            other => Err(other),
        }
    }

    /// Waits until the session is over, and says why.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn closed(&self) -> SessionEnd {
        let mut end = self.shared.end.subscribe();
        let end = end.wait_for(Option::is_some).await.map(|end| end.clone());
        end.ok().flatten().unwrap_or(SessionEnd::Dropped)
    }

    /// Why the session is over, if it is.
    #[must_use]
    pub fn ended(&self) -> Option<SessionEnd> {
        self.shared.end.borrow().clone()
    }

    /// Drops the connection without a word: no packet leaves or arrives any more, as if the cable
    /// were cut. The player then reconnects and resumes as after any loss. For tests and the load
    /// tester.
    pub fn cut(&self) {
        self.shared.wish(|wishes| wishes.cut = true);
    }

    /// Counters since the join.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// The player in its match: value of `Player` fields in the mirror, and owner of its entities.
    #[must_use]
    pub const fn player_id(&self) -> PlayerId {
        self.joined.player
    }

    /// The session; the same through all resumes.
    #[must_use]
    pub const fn session_id(&self) -> PlayerSessionId {
        self.joined.session
    }

    /// The match.
    #[must_use]
    pub const fn match_id(&self) -> MatchId {
        self.joined.match_id
    }

    /// How often the session was resumed, as the log counts it.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.session().joined.as_ref().map_or(self.joined.epoch, |joined| joined.epoch)
    }

    /// The game as the server described it; another one after the server was updated.
    #[must_use]
    pub fn manifest(&self) -> Arc<Manifest> {
        self.with_mirror(|mirror| Arc::clone(mirror.columns().manifest()))
    }

    fn ended_error(&self) -> SendError {
        // Without an end, the window was closed by a player who is leaving.
        SendError::SessionEnded(self.ended().unwrap_or(SessionEnd::Left))
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.shared.wish(|wishes| wishes.dropped = true);
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Joined { match_id, session, player, .. } = &self.joined;
        f.debug_struct("Player").field("match", match_id).field("session", session).field("player", player).finish()
    }
}

fn checked(payload: Vec<u8>) -> Result<Vec<u8>, SendError> {
    if payload.len() > COMMAND_BYTES_MAX {
        return Err(SendError::TooLong { bytes: payload.len(), max: COMMAND_BYTES_MAX });
    }
    Ok(payload)
}
