//! What an edge decides. Bytes, messages and time come in, actions come out; no socket, no clock, no task.
//!
//! | question | file |
//! |---|---|
//! | what may this connection say now? | `session` |
//! | who may enter? | `admission`, `gate` (before the handshake) |
//! | how do commands reach the log? | `uplink`, `commands` |
//! | what is the state of a match? | `mirror`, `watching` |
//! | who hears of it? | `fanout`; by `views`, which ask `crate::interest` and `crate::view` |
//! | what if somebody is behind? | `resync` |
//! | what if another member leads, or the cluster session is gone? | `outstanding` |
//! | what do others than players ask? | `questions` |
//!
//! Invariants:
//! - What one player sends changes nothing for another: a bad frame closes its own connection.
//! - Nothing of a frame reaches the log unless all of it may.
//! - An outcome is kept until it was put into a frame, and the last 32 until the session leaves this edge.

mod admission;
mod commands;
mod fanout;
mod gate;
mod mirror;
mod outstanding;
mod questions;
mod resync;
mod session;
mod uplink;
mod views;
mod watching;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::cluster::{EdgeHelloT, MatchStateT};
use protocol::limits::SECRET_BYTES;
use protocol::manifest::Manifest;
use protocol::outcome::CloseCode;

use crate::config::EdgeLimits;
use crate::metrics::Counters;
use crate::token::TokenPublicKey;

use commands::CommandSchema;
pub(crate) use gate::{Gate, Verdict};
use outstanding::Outstanding;
use session::{Connection, Seat, Stage};
use uplink::Uplink;
use watching::Watched;

/// A point in time, on both clocks that an edge knows.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For waits and rates.
    pub at: Instant,
    /// Unix milliseconds, for the times in tokens.
    pub unix_ms: i64,
}

/// One connection of a player; never reused by an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Bytes that were given out and that QUIC has not taken yet. The core adds, the shell takes off.
#[derive(Debug, Default)]
pub struct Backlog(AtomicUsize);

impl Backlog {
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes are on their way.
    pub fn written(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// So many wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// How fast the way to a player is, as QUIC sees it now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Path {
    /// There and back, smoothed.
    pub rtt: Duration,
    /// Bytes that may be on their way at once.
    pub congestion_window: u64,
    /// Longest datagram that fits a packet, in bytes; 0 when the client takes none.
    pub datagram_bytes_max: usize,
    /// Bytes of datagrams that can be given out before those that wait are dropped for them, oldest first.
    pub datagram_bytes_free: usize,
}

/// The frames of one tick for one player, in the order in which they are to be written.
#[derive(Debug, Clone, Default)]
pub struct Frames {
    /// Shared by all players of the match; may be empty.
    pub delta: Bytes,
    /// Of this player alone, one for each part of the tick; instead of a delta.
    pub updates: Vec<Bytes>,
    /// Of this player alone; may be empty.
    pub own: Bytes,
    /// Of this player alone; may be empty.
    pub outcomes: Bytes,
}

impl Frames {
    /// All bytes of it.
    #[must_use]
    pub fn len(&self) -> usize {
        let updates: usize = self.updates.iter().map(Bytes::len).sum();
        self.delta.len() + updates + self.own.len() + self.outcomes.len()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the shell is to do.
#[derive(Debug)]
pub enum Action {
    /// Offer this message to the cluster. See [`Edge::handle_backlogged`].
    Offer(Vec<u8>),
    /// The cluster session is of no use: drop it and open another.
    DropLink,
    /// Write a frame to the control stream.
    Control {
        /// The connection.
        to: ConnectionId,
        /// One whole frame.
        frame: Bytes,
    },
    /// Reset the state stream if there is one, forget what waits for it, and begin another with a baseline.
    Begin {
        /// The connection.
        to: ConnectionId,
        /// One whole frame.
        baseline: Bytes,
        /// Counts what waits for this stream.
        backlog: Arc<Backlog>,
    },
    /// Write frames to the state stream.
    State {
        /// The connection.
        to: ConnectionId,
        /// The frames.
        frames: Frames,
    },
    /// Send a datagram at once, or never: it passes what waits on the streams.
    Datagram {
        /// The connection.
        to: ConnectionId,
        /// Goes as it is. Longer than the path takes, it is dropped.
        bytes: Bytes,
    },
    /// Tell whoever asked which matches are open. See [`Edge::handle_question`].
    Tell {
        /// The question.
        request: u64,
        /// Ascending.
        matches: Vec<MatchStateT>,
    },
    /// Write what waits, say goodbye and close.
    Close {
        /// The connection.
        to: ConnectionId,
        /// The application's close code.
        code: CloseCode,
        /// For people.
        reason: String,
    },
}

/// What an edge is given once.
pub struct Settings {
    /// Name and version, for players and the service.
    pub name: String,
    /// Whose tokens are good.
    pub token_keys: Vec<TokenPublicKey>,
    /// Makes resume secrets: unpredictable outside of tests.
    pub secrets: Box<dyn FnMut() -> [u8; SECRET_BYTES] + Send>,
}

/// How the edge stands with the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkState {
    Down,
    /// Hello is said.
    Greeting,
    Up,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Connection(ConnectionId),
    Match(u64),
    Link,
}

/// All connections and mirrors of one edge.
pub struct Edge {
    settings: Settings,
    limits: EdgeLimits,
    counters: Arc<Counters>,
    link: LinkState,
    /// Whether somebody takes messages of the cluster session.
    has_leader: bool,
    hello: EdgeHelloT,
    /// Without a cluster session, players are kept until then.
    hold_until: Option<Instant>,
    manifest: Option<Arc<Manifest>>,
    schema: CommandSchema,
    is_stopping: bool,
    connections: HashMap<ConnectionId, Connection>,
    outstanding: Outstanding,
    /// Who plays each session.
    sessions: HashMap<u32, ConnectionId>,
    matches: HashMap<u64, Watched>,
    /// Matches with ticks that their views are still to be told, and when the newest of them came.
    unwritten: BTreeMap<u64, Moment>,
    /// See [`Edge::handle_draining`].
    is_draining: bool,
    uplink: Uplink,
    actions: VecDeque<Action>,
    /// When to look at what. Entries that came to nothing stay until their time.
    wakes: BinaryHeap<Reverse<(Instant, Wake)>>,
}

/// Why a connection closes.
#[derive(Debug)]
struct Refusal {
    code: CloseCode,
    detail: String,
}

impl From<CloseCode> for Refusal {
    fn from(code: CloseCode) -> Self {
        Self { code, detail: String::new() }
    }
}

impl Edge {
    /// An edge without a link.
    #[must_use]
    pub fn new(settings: Settings, counters: Arc<Counters>) -> Self {
        Self {
            settings,
            limits: EdgeLimits::default(),
            counters,
            link: LinkState::Down,
            has_leader: false,
            hello: EdgeHelloT::default(),
            hold_until: None,
            manifest: None,
            schema: CommandSchema::Opaque,
            is_stopping: false,
            connections: HashMap::new(),
            outstanding: Outstanding::default(),
            sessions: HashMap::new(),
            matches: HashMap::new(),
            unwritten: BTreeMap::new(),
            is_draining: false,
            uplink: Uplink::new(),
            actions: VecDeque::new(),
            wakes: BinaryHeap::new(),
        }
    }

    /// With limits other than those by default.
    #[must_use]
    pub const fn limited(mut self, limits: EdgeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Returns the next thing to do. Call until `None` after every `handle_*`, or after several that were due at once.
    pub fn poll_action(&mut self) -> Option<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            if let Some(message) = self.uplink.next_message() {
                self.counters.ingress.add(1);
                return Some(Action::Offer(message));
            }
            // What takes longest comes last.
            let (match_id, now) = if self.is_draining { None } else { self.unwritten.pop_first() }?;
            self.tell_views(now, match_id);
        }
    }

    /// Returns when to call [`Edge::handle_timeout`], if nothing else happens first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let wake = self.wakes.peek().map(|Reverse((at, _))| *at);
        [wake, self.uplink.due()].into_iter().flatten().min()
    }

    /// Does what its time has come for.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.uplink.due().is_some_and(|due| due <= now.at) {
            self.uplink.flush();
        }
        while let Some(Reverse((at, wake))) = self.wakes.peek().copied()
            && at <= now.at
        {
            self.wakes.pop();
            match wake {
                Wake::Connection(id) => self.check_deadline(now, id),
                Wake::Match(match_id) => self.check_match(now, match_id),
                Wake::Link => self.check_link(now),
            }
        }
    }

    // ---- what the shell is told to do ---------------------------------------------------------------

    /// Whether the cluster refuses messages for now. The last one offered is the shell's to offer again; until it
    /// is taken no other is given out.
    pub const fn handle_backlogged(&mut self, is_backlogged: bool) {
        self.uplink.set_backlogged(is_backlogged);
    }

    /// Whether packets are being moved: what was told last, and what players say. Until that is done views are told nothing,
    /// or there would be no time for it, and what is told would wait. The ticks that come meanwhile are told as one.
    pub const fn handle_draining(&mut self, is_draining: bool) {
        self.is_draining = is_draining;
    }

    /// The process ends: players are sent to other edges.
    pub fn handle_stop(&mut self, now: Moment) {
        self.is_stopping = true;
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            self.close(now, id, CloseCode::Stopping.into());
        }
        self.uplink.flush();
    }

    // ---- parts that several questions need ------------------------------------------------------

    fn control(&mut self, id: ConnectionId, frame: Vec<u8>) {
        let Some(connection) = self.connections.get(&id) else { return };
        connection.control.add(frame.len());
        self.counters.sent_bytes.add(frame.len());
        self.actions.push_back(Action::Control { to: id, frame: frame.into() });
    }

    /// Says goodbye. The session, if there is one, waits in the log to be resumed.
    fn close(&mut self, now: Moment, id: ConnectionId, refusal: Refusal) {
        self.close_and(now, id, refusal, true);
    }

    fn close_and(&mut self, now: Moment, id: ConnectionId, refusal: Refusal, detach: bool) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let stage = std::mem::replace(&mut connection.stage, Stage::Closed);
        connection.deadline = None;
        if matches!(stage, Stage::Closed) {
            return;
        }
        let Refusal { code, detail } = refusal;
        tracing::debug!(connection = id.0, ?code, detail, "closing");
        self.counters.closed(code);
        let mut reason = code.sentence().to_owned();
        if !detail.is_empty() {
            reason = format!("{reason} ({detail})");
        }
        self.actions.push_back(Action::Close { to: id, code, reason });
        self.forget(now, id, stage, detach);
    }

    /// Takes a connection out of every list but that of connections.
    fn forget(&mut self, now: Moment, id: ConnectionId, stage: Stage, detach: bool) {
        match stage {
            Stage::Greeting(_) | Stage::Closed => {}
            // Should the log say yes, nobody is there to hear it: see `handle_joined`.
            Stage::Asked(asked) => self.outstanding.abandon(asked.request),
            Stage::Playing(player) => {
                if self.sessions.get(&player.session) == Some(&id) {
                    self.sessions.remove(&player.session);
                    self.counters.players.set(self.sessions.len());
                }
                match player.seat {
                    Seat::Attached if detach => self.detach(player.session, player.epoch),
                    Seat::Asked(request) => self.outstanding.abandon(request),
                    Seat::Attached | Seat::Lost => {}
                }
                self.leave_match(now, player.match_id, id);
            }
        }
    }

    fn wake_at(&mut self, at: Instant, wake: Wake) {
        self.wakes.push(Reverse((at, wake)));
    }
}
