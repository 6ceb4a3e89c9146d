//! What a connection may say now, and what an edge keeps of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::frame::{FrameError, Framer, RawFrame};
use protocol::limits::{
    CLIENT_DATAGRAM_BYTES_MAX, CLIENT_FRAME_BYTES_MAX, COMMANDS_UNACKED_MAX, CONTROL_BACKLOG_BYTES_MAX, HELLO_MS_MAX,
    LOG_ANSWER_MS_MAX, OUTCOME_RING, RESYNCS_BURST, RESYNCS_PER_SECOND, SECRET_BYTES,
};
use protocol::outcome::CloseCode;
use protocol::session::{ClientMessage, Commands, Outcome, PongT, ServerMessageT, decode_client, encode_server};
use protocol::update::Ack;

use super::admission::Wish;
use super::outstanding::Sent;
use super::{Backlog, ConnectionId, Edge, LinkState, Moment, Path, Refusal, Wake};
use crate::rate::Bucket;

pub(super) struct Connection {
    pub(super) control: Arc<Backlog>,
    framer: Framer,
    frames: Bucket,
    datagrams: Bucket,
    pub(super) path: Path,
    pub(super) resyncs: Bucket,
    pub(super) stage: Stage,
    /// What happens when, unless the stage changes first.
    pub(super) deadline: Option<(Instant, CloseCode)>,
}

pub(super) enum Stage {
    /// Hello, then Join or Resume. Both may have come and wait for the link.
    Greeting(Greeting),
    /// The log is to say.
    Asked(Asked),
    /// In a match.
    Playing(Box<Player>),
    /// Goodbye is said.
    Closed,
}

#[derive(Default)]
pub(super) struct Greeting {
    pub(super) hello: Option<Greeted>,
    pub(super) is_welcomed: bool,
    pub(super) wish: Option<Wish>,
}

/// What a client said of itself.
#[derive(Clone, Copy)]
pub(super) struct Greeted {
    /// Hash of the manifest that it holds.
    pub(super) manifest_hash: u64,
    pub(super) takes_datagrams: bool,
}

/// What a client that comes back has seen.
#[derive(Default)]
pub(super) struct Seen {
    /// No baseline before the mirror is there.
    pub(super) tick: u64,
    /// As `tick`, in the log.
    pub(super) position: u64,
    /// What its mirror holds, as `protocol::held` writes it; empty when it does not say. Taken by the first baseline.
    pub(super) rows: Vec<u8>,
}

pub(super) struct Asked {
    pub(super) request: u64,
    pub(super) takes_datagrams: bool,
    /// For the next resume.
    pub(super) secret: [u8; SECRET_BYTES],
    /// What the client has seen elsewhere.
    pub(super) seen: Seen,
    /// What the client has shown that it holds; that of the next resume for who joins.
    pub(super) held: [u8; SECRET_BYTES],
}

pub(super) struct Player {
    pub(super) match_id: u64,
    pub(super) session: u32,
    pub(super) epoch: u32,
    pub(super) player: u32,
    /// What the client has shown that it holds.
    pub(super) held: [u8; SECRET_BYTES],
    /// What it was given for its next resume.
    pub(super) offered: [u8; SECRET_BYTES],
    pub(super) seat: Seat,
    pub(super) takes_datagrams: bool,
    pub(super) seen: Seen,
    /// Highest command number that may be followed.
    pub(super) sent_seq: u32,
    /// Each command up to this number has an outcome. Later ones may have one too, when those before were lost with a
    /// leader.
    pub(super) settled_seq: u32,
    /// The last outcomes, ascending by number.
    pub(super) ring: VecDeque<Outcome>,
    /// Outcomes for the next frame.
    pub(super) fresh: Vec<Outcome>,
    /// Of its newest view; 0 before the first.
    pub(super) era: u32,
    /// The state stream; `None` until it can begin with a baseline.
    pub(super) stream: Option<Stream>,
    pub(super) is_leaving: bool,
    /// Commands of this connection without an outcome, ascending.
    pub(super) waiting: VecDeque<Sent>,
}

/// Whether the session speaks through this edge's cluster session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    Attached,
    /// The cluster session is gone.
    Lost,
    /// A new one is to take the session over: this request.
    Asked(u64),
}

pub(super) struct Stream {
    pub(super) backlog: Arc<Backlog>,
    /// What may wait, the baseline not counted while any of it does.
    pub(super) allowance: usize,
}

impl Player {
    pub(super) fn new(asked: Asked, session: u32, epoch: u32, match_id: u64, player: u32, last_seq: u32) -> Self {
        Self {
            match_id,
            session,
            epoch,
            player,
            held: asked.held,
            offered: asked.secret,
            seat: Seat::Attached,
            takes_datagrams: asked.takes_datagrams,
            seen: asked.seen,
            sent_seq: last_seq,
            settled_seq: 0,
            ring: VecDeque::with_capacity(OUTCOME_RING),
            fresh: Vec::new(),
            era: 0,
            stream: None,
            is_leaving: false,
            waiting: VecDeque::new(),
        }
    }

    /// Keeps an outcome; for the next frame too, if one can be written. Gives how long it took, when it is the
    /// first of a command that came over this connection.
    pub(super) fn note_outcome(&mut self, now: Instant, outcome: Outcome) -> Option<Duration> {
        let seq = outcome.seq();
        let place = self.ring.partition_point(|held| held.seq() < seq);
        if self.ring.get(place).is_none_or(|held| held.seq() != seq) {
            self.ring.insert(place, outcome);
            if self.ring.len() > OUTCOME_RING {
                self.ring.pop_front();
            }
        }
        if self.stream.is_some() {
            self.fresh.push(outcome);
        }
        while self.has_outcome(self.settled_seq.saturating_add(1)) {
            self.settled_seq += 1;
        }
        let place = self.waiting.binary_search_by_key(&seq, |sent| sent.seq).ok()?;
        self.waiting.remove(place).map(|sent| now.duration_since(sent.since))
    }

    /// Takes the session's ring, of which nothing is missing.
    pub(super) fn note_ring(&mut self, now: Instant, ring: impl Iterator<Item = Outcome>) -> Vec<Duration> {
        let mut took = Vec::new();
        for outcome in ring {
            if !self.has_outcome(outcome.seq()) {
                took.extend(self.note_outcome(now, outcome));
            }
            self.settled_seq = self.settled_seq.max(outcome.seq());
        }
        took
    }

    pub(super) fn has_outcome(&self, seq: u32) -> bool {
        self.ring.binary_search_by_key(&seq, Outcome::seq).is_ok()
    }

    fn check_numbers(&self, commands: &Commands<'_>) -> Result<(), Refusal> {
        let (first, count) = (commands.first_seq(), commands.items().len() as u32);
        if first > self.sent_seq.saturating_add(1) {
            let detail = format!("command {first} follows {}", self.sent_seq);
            return Err(Refusal { code: CloseCode::SequenceGap, detail });
        }
        if first + (count - 1) > self.settled_seq.saturating_add(COMMANDS_UNACKED_MAX as u32) {
            let detail = format!("command {} while {} has no outcome", first + (count - 1), self.settled_seq + 1);
            return Err(Refusal { code: CloseCode::WindowExceeded, detail });
        }
        Ok(())
    }
}

impl From<FrameError> for Refusal {
    fn from(error: FrameError) -> Self {
        let code = match error {
            FrameError::Oversized { .. } => CloseCode::Oversized,
            _ => CloseCode::Malformed,
        };
        Self { code, detail: error.to_string() }
    }
}

fn out_of_order(detail: &str) -> Refusal {
    Refusal { code: CloseCode::OutOfOrder, detail: detail.to_owned() }
}

impl Edge {
    /// A handshake is done. `control` counts what waits for the control stream.
    pub fn handle_connected(&mut self, now: Moment, id: ConnectionId, control: Arc<Backlog>) {
        let (frames, datagrams) = (self.limits.frames_per_second, self.limits.datagrams_per_second);
        let connection = Connection {
            control,
            framer: Framer::new(CLIENT_FRAME_BYTES_MAX),
            frames: Bucket::new(now.at, frames, 2 * frames),
            path: Path::default(),
            datagrams: Bucket::new(now.at, datagrams, 2 * datagrams),
            resyncs: Bucket::new(now.at, RESYNCS_PER_SECOND, RESYNCS_BURST),
            stage: Stage::Greeting(Greeting::default()),
            deadline: None,
        };
        self.connections.insert(id, connection);
        self.counters.connected.add(1);
        self.counters.connections.set(self.connections.len());
        if self.is_stopping {
            return self.close(now, id, CloseCode::Stopping.into());
        }
        self.set_deadline(id, now.at + Duration::from_millis(HELLO_MS_MAX), CloseCode::TooSlow);
    }

    /// The connection is gone, whoever closed it.
    pub fn handle_lost(&mut self, now: Moment, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.counters.connections.set(self.connections.len());
        self.forget(now, id, connection.stage, true);
    }

    /// Takes bytes of the control stream. What is no frame closes this connection and no other.
    pub fn handle_control_bytes(&mut self, now: Moment, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if matches!(connection.stage, Stage::Closed) {
            return;
        }
        self.counters.received_bytes.add(bytes.len());
        let mut framer = std::mem::replace(&mut connection.framer, Framer::new(CLIENT_FRAME_BYTES_MAX));
        framer.push(bytes);
        match self.read_frames(now, id, &mut framer) {
            Ok(()) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.framer = framer;
                }
            }
            Err(refusal) => self.close(now, id, refusal),
        }
    }

    fn read_frames(&mut self, now: Moment, id: ConnectionId, framer: &mut Framer) -> Result<(), Refusal> {
        while let Some(raw) = framer.next_frame()? {
            self.handle_frame(now, id, raw)?;
        }
        Ok(())
    }

    /// The client says no more on its control stream.
    pub fn handle_control_end(&mut self, now: Moment, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        let refusal = match connection.framer.is_empty() {
            true => CloseCode::Done.into(),
            false => Refusal { code: CloseCode::Malformed, detail: "the stream ends inside a frame".to_owned() },
        };
        self.close(now, id, refusal);
    }

    /// The client opened a stream that is not control.
    pub fn handle_foreign_stream(&mut self, now: Moment, id: ConnectionId) {
        self.close(now, id, out_of_order("a client opens one bidirectional stream and no other"));
    }

    /// The way to a client is so now: told after [`Edge::handle_connected`], and before each datagram of the client.
    pub fn handle_path(&mut self, id: ConnectionId, path: Path) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.path = path;
        }
    }

    /// Takes a datagram of a client, which may have been lost, doubled or late. One that is too long or comes too soon
    /// closes this connection and no other.
    pub fn handle_datagram(&mut self, now: Moment, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if matches!(connection.stage, Stage::Closed) {
            return;
        }
        self.counters.received_bytes.add(bytes.len());
        if !connection.datagrams.take(now.at) {
            let detail = format!("above {} datagrams a second", self.limits.datagrams_per_second);
            return self.close(now, id, Refusal { code: CloseCode::TooFast, detail });
        }
        if bytes.len() > CLIENT_DATAGRAM_BYTES_MAX {
            let detail = format!("a datagram of {} bytes; at most {CLIENT_DATAGRAM_BYTES_MAX}", bytes.len());
            return self.close(now, id, Refusal { code: CloseCode::Oversized, detail });
        }
        let Ok(ack) = Ack::decode(bytes) else {
            let detail = "a datagram that is no acknowledgement".to_owned();
            return self.close(now, id, Refusal { code: CloseCode::Malformed, detail });
        };
        let path = connection.path;
        let Stage::Playing(player) = &connection.stage else { return };
        let views = self.matches.get_mut(&player.match_id).and_then(|watched| watched.views.as_mut());
        if let Some(views) = views {
            views.handle_ack(id, &ack, path);
        }
    }

    fn handle_frame(&mut self, now: Moment, id: ConnectionId, raw: RawFrame<'_>) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        if !connection.frames.take(now.at) {
            return Err(Refusal {
                code: CloseCode::TooFast,
                detail: format!("above {} frames a second", self.limits.frames_per_second),
            });
        }
        let frame = decode_client(raw)?;
        match (frame.message_type(), &mut connection.stage) {
            (_, Stage::Closed) => Ok(()),
            (ClientMessage::Hello, Stage::Greeting(Greeting { hello: None, .. })) => {
                self.handle_hello(now, id, &frame.message_as_hello().expect("the type says so"))
            }
            (ClientMessage::Join, Stage::Greeting(Greeting { hello: Some(_), wish: None, .. })) => {
                self.handle_join(now, id, &frame.message_as_join().expect("the type says so"))
            }
            (ClientMessage::Resume, Stage::Greeting(Greeting { hello: Some(_), wish: None, .. })) => {
                self.handle_resume(now, id, &frame.message_as_resume().expect("the type says so"));
                Ok(())
            }
            (ClientMessage::Ping, Stage::Playing(player)) => {
                let match_id = player.match_id;
                self.handle_ping(id, match_id, frame.message_as_ping().expect("the type says so").nonce());
                Ok(())
            }
            // What comes after Leave has nobody to do it.
            (ClientMessage::Commands | ClientMessage::Resync | ClientMessage::Leave, Stage::Playing(player))
                if player.is_leaving =>
            {
                Ok(())
            }
            (ClientMessage::Commands, Stage::Playing(_)) => {
                self.handle_commands(now, id, &frame.message_as_commands().expect("the type says so"))
            }
            (ClientMessage::Resync, Stage::Playing(_)) => {
                self.handle_resync(now, id, &frame.message_as_resync().expect("the type says so"))
            }
            (ClientMessage::Leave, Stage::Playing(player)) => {
                player.is_leaving = true;
                let (session, epoch) = (player.session, player.epoch);
                self.leave(session, epoch);
                self.set_deadline(id, now.at + Duration::from_millis(LOG_ANSWER_MS_MAX), CloseCode::Internal);
                Ok(())
            }
            (ClientMessage::Hello, _) => Err(out_of_order("Hello comes first, and once")),
            (_, Stage::Greeting(Greeting { hello: None, .. })) => Err(out_of_order("Hello must come first")),
            (ClientMessage::Join | ClientMessage::Resume, _) => Err(out_of_order("Join or Resume comes once")),
            _ => Err(out_of_order("nothing may come between Join or Resume and Joined")),
        }
    }

    fn handle_commands(&mut self, now: Moment, id: ConnectionId, commands: &Commands<'_>) -> Result<(), Refusal> {
        let Some(Connection { stage: Stage::Playing(player), .. }) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        player.check_numbers(commands)?;
        for item in commands.items() {
            self.schema
                .verify(item.payload().bytes())
                .map_err(|error| Refusal { code: CloseCode::Malformed, detail: format!("a command: {error}") })?;
        }
        if self.uplink.is_full() {
            return Err(Refusal { code: CloseCode::Internal, detail: "the log does not keep up".to_owned() });
        }
        for (seq, item) in (commands.first_seq()..).zip(commands.items()) {
            let payload = item.payload().bytes();
            // Else it is sent once the session is taken over.
            if player.seat == Seat::Attached {
                self.uplink.command(now.at, player.session, player.epoch, seq, payload);
            }
            if seq > player.sent_seq {
                player.sent_seq = seq;
                player.waiting.push_back(Sent { seq, since: now.at, payload: payload.to_vec() });
            }
        }
        self.counters.commands.add(commands.items().len());
        Ok(())
    }

    fn handle_ping(&mut self, id: ConnectionId, match_id: u64, nonce: u64) {
        let waits = self.connections.get(&id).map_or(0, |connection| connection.control.bytes());
        if waits > CONTROL_BACKLOG_BYTES_MAX {
            return;
        }
        let mut pong = PongT::default();
        pong.nonce = nonce;
        pong.tick = self.matches.get(&match_id).map_or(0, |watched| watched.tick());
        self.control(id, encode_server(ServerMessageT::Pong(Box::new(pong))));
    }

    // ---- deadlines ------------------------------------------------------------------------------

    pub(super) fn set_deadline(&mut self, id: ConnectionId, at: Instant, code: CloseCode) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.deadline = Some((at, code));
        self.wake_at(at, Wake::Connection(id));
    }

    pub(super) fn check_deadline(&mut self, now: Moment, id: ConnectionId) {
        let Some((at, code)) = self.connections.get(&id).and_then(|connection| connection.deadline) else { return };
        if at <= now.at {
            self.close(now, id, code.into());
        }
    }

    pub(crate) const fn is_linked(&self) -> bool {
        matches!(self.link, LinkState::Up)
    }
}
