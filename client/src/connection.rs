//! One connection to an edge: moves bytes between QUIC and the cores, in one task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::frame::{Framer, RawFrame};
use protocol::limits::{SECRET_BYTES, SERVER_FRAME_BYTES_MAX};
use protocol::manifest::Manifest;
use protocol::outcome::CloseCode;
use protocol::session::{self, ClientMessageT, ResyncT, ServerMessage, decode_server, encode_client};
use protocol::update::AckPace;
use protocol::{Epoch, MatchId, PlayerId, PlayerSessionId, Tick};
use quinn::{ConnectionError, ReadError, RecvStream, VarInt, WriteError};

use crate::client::Dialer;
use crate::error::SessionEnd;
use crate::messages;
use crate::mirror::Fault;
use crate::outstanding::Answer;
use crate::pace::Pace;
use crate::player::Pong;
use crate::shared::{BASELINE_WAIT_MAX, Joined, Shared};
use crate::socket::CuttableSocket;

/// A QUIC connection, handshake done.
pub(crate) struct Link {
    connection: quinn::Connection,
    socket: Arc<CuttableSocket>,
}

impl Link {
    pub(crate) const fn new(connection: quinn::Connection, socket: Arc<CuttableSocket>) -> Self {
        Self { connection, socket }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    pub(crate) const fn connection(&self) -> &quinn::Connection {
        &self.connection
    }

    /// Says goodbye, unless the other side did.
    pub(crate) fn close(&self) {
        self.connection.close(VarInt::from_u32(CloseCode::Done as u32), CloseCode::Done.sentence().as_bytes());
    }
}

/// How a connection ended.
pub(crate) enum Parting {
    /// Another may follow. `joined` says whether this one had taken the player.
    Lost { reason: String, joined: bool },
    /// The session is over.
    Ended(SessionEnd),
}

/// Talks until the connection or the session is over. `greeting` is the first to be sent.
pub(crate) async fn converse(shared: &Shared, dialer: &Dialer, link: &Link, greeting: Vec<u8>) -> Parting {
    let mut talk = Talk::new(shared, dialer, link, Instant::now());
    match talk.run(greeting).await {
        Ok(never) => match never {},
        Err(parting) => parting,
    }
}

/// The newest state stream. Older ones are dropped, which tells the edge to stop them.
struct StateStream {
    stream: RecvStream,
    framer: Framer,
}

struct Talk<'a> {
    shared: &'a Shared,
    dialer: &'a Dialer,
    link: &'a Link,
    pace: Pace,
    manifest: Option<Arc<Manifest>>,
    is_joined: bool,
    is_leave_sent: bool,
    /// When a baseline must have come.
    deadline: Option<Instant>,
    /// A request for a baseline, not sent yet, and when the next may be.
    resync: Option<ResyncT>,
    resync_at: Instant,
    /// There is more to send than the pace allows now.
    is_held_back: bool,
    /// When the edge must be told of the updates that came, and what that depends on.
    ack_at: Option<Instant>,
    ack_pace: AckPace,
    /// What the edge said before closing, and how long we wait for it to do so.
    closing: Option<(u64, String)>,
    closing_until: Instant,
}

impl<'a> Talk<'a> {
    fn new(shared: &'a Shared, dialer: &'a Dialer, link: &'a Link, now: Instant) -> Self {
        Self {
            shared,
            dialer,
            link,
            pace: Pace::new(now),
            manifest: dialer.known(),
            is_joined: false,
            is_leave_sent: false,
            deadline: Some(now + BASELINE_WAIT_MAX),
            resync: None,
            resync_at: now,
            is_held_back: false,
            ack_at: None,
            ack_pace: AckPace::default(),
            closing: None,
            closing_until: now,
        }
    }

    async fn run(&mut self, greeting: Vec<u8>) -> Result<std::convert::Infallible, Parting> {
        let connection = &self.link.connection;
        let opened = connection.open_bi().await;
        let (mut control_out, mut control_in) = opened.map_err(|error| self.handle_loss(&error))?;
        let mut control_framer = Framer::new(SERVER_FRAME_BYTES_MAX);
        let mut state: Option<StateStream> = None;
        let mut outbox = greeting;
        let mut written = 0;
        loop {
            let now = Instant::now();
            self.check_wishes()?;
            self.check_deadlines(now)?;
            if written == outbox.len() {
                outbox.clear();
                written = 0;
                self.fill(now, &mut outbox);
                if !outbox.is_empty() {
                    self.ack_pace.note_command(now);
                }
                // What is to be sent anyway takes the acknowledgement along in its packet.
                if self.ack_at.is_some_and(|at| at <= now || !outbox.is_empty()) {
                    self.acknowledge();
                }
            }
            // All of these lose nothing when another one is taken.
            tokio::select! {
                biased;
                sent = control_out.write(&outbox[written..]), if written < outbox.len() => match sent {
                    Ok(bytes) => written += bytes,
                    Err(WriteError::ConnectionLost(error)) => return Err(self.handle_loss(&error)),
                    Err(error) => return Err(self.lost(format!("the control stream: {error}"))),
                },
                () = self.shared.wake.notified() => {}
                read = control_in.read_chunk(READ_BYTES_MAX, true) => {
                    let bytes = self.control_bytes(read)?;
                    control_framer.push(&bytes);
                    while let Some(frame) = control_framer.next_frame().map_err(|error| broken(&error.to_string()))? {
                        self.handle_control(frame)?;
                    }
                }
                opened = connection.accept_uni() => {
                    let stream = opened.map_err(|error| self.handle_loss(&error))?;
                    // Streams of one kind are accepted in the order of their ids: this is the newest.
                    state = Some(StateStream { stream, framer: Framer::new(SERVER_FRAME_BYTES_MAX) });
                    self.handle_state_begin();
                }
                read = read_state(&mut state), if self.is_joined && state.is_some() => {
                    match read {
                        Ok(Some(chunk)) => self.handle_state_bytes(&mut state, &chunk.bytes)?,
                        Err(ReadError::ConnectionLost(error)) => return Err(self.handle_loss(&error)),
                        // Reset, or finished: a new one with a baseline is on its way.
                        Ok(None) | Err(_) => {
                            state = None;
                            self.await_baseline(now);
                        }
                    }
                }
                datagram = connection.read_datagram() => {
                    let bytes = datagram.map_err(|error| self.handle_loss(&error))?;
                    self.handle_update(&bytes)?;
                }
                () = tokio::time::sleep_until(self.next_deadline(now, written == outbox.len()).into()) => {}
            }
        }
    }

    // ---- what the player's owner wants ----------------------------------------------------------

    fn check_wishes(&mut self) -> Result<(), Parting> {
        let mut session = self.shared.session();
        if session.wishes.dropped {
            return Err(Parting::Ended(SessionEnd::Dropped));
        }
        if std::mem::take(&mut session.wishes.cut) {
            self.link.socket.cut();
            drop(session);
            return Err(self.lost("cut on request".to_owned()));
        }
        Ok(())
    }

    // ---- time -----------------------------------------------------------------------------------

    fn check_deadlines(&mut self, now: Instant) -> Result<(), Parting> {
        if self.closing.is_some() && now >= self.closing_until {
            return Err(self.closed_as_said());
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            let awaited = if !self.is_joined {
                "the answer to join or resume"
            } else if self.is_leave_sent {
                "the end of the session"
            } else {
                "a baseline"
            };
            return Err(self.lost(format!("{awaited} did not come within {} s", BASELINE_WAIT_MAX.as_secs())));
        }
        Ok(())
    }

    /// When to look again if nothing happens. While bytes wait to be written nothing is added to
    /// them, so no time to add something counts.
    fn next_deadline(&self, now: Instant, is_written: bool) -> Instant {
        let far = now + Duration::from_secs(3_600);
        let mut next = self.deadline.unwrap_or(far);
        if self.resync.is_some() && is_written {
            next = next.min(self.resync_at.max(self.pace.next_at()));
        }
        if self.is_held_back && is_written {
            next = next.min(self.pace.next_at());
        }
        if self.closing.is_some() {
            next = next.min(self.closing_until);
        }
        if let Some(at) = self.ack_at.filter(|_| is_written) {
            next = next.min(at);
        }
        next
    }

    fn await_baseline(&mut self, now: Instant) {
        self.deadline.get_or_insert(now + BASELINE_WAIT_MAX);
    }

    // ---- what is sent ---------------------------------------------------------------------------

    /// Puts into `outbox` what may be sent now.
    fn fill(&mut self, now: Instant, outbox: &mut Vec<u8>) {
        self.is_held_back = false;
        if !self.is_joined {
            return;
        }
        while let Some(message) = self.next_message(now) {
            outbox.extend_from_slice(&encode_client(message));
            // Whatever comes while these bytes are written shares the next frame.
            if outbox.len() >= OUTBOX_BYTES {
                break;
            }
        }
    }

    fn next_message(&mut self, now: Instant) -> Option<ClientMessageT> {
        if self.pace.next_at() > now {
            // Perhaps there is nothing; looking once more when the pace allows it costs little.
            self.is_held_back = true;
            return None;
        }
        let message = self.pick_message(now)?;
        self.pace.take(now);
        Some(message)
    }

    fn pick_message(&mut self, now: Instant) -> Option<ClientMessageT> {
        if now >= self.resync_at
            && let Some(resync) = self.resync.take()
        {
            self.resync_at = now + RESYNC_INTERVAL;
            self.await_baseline(now);
            self.shared.session().counters.resyncs += 1;
            return Some(ClientMessageT::Resync(Box::new(resync)));
        }
        let mut session = self.shared.session();
        if let Some(batch) = session.outstanding.poll_batch() {
            return Some(messages::commands(batch));
        }
        if let Some(ping) = session.pings.iter_mut().find(|ping| !ping.sent) {
            ping.sent = true;
            return Some(messages::ping(ping.nonce));
        }
        if session.wishes.leave && !self.is_leave_sent && session.outstanding.is_all_sent() {
            self.is_leave_sent = true;
            drop(session);
            self.await_baseline(now);
            return Some(messages::leave());
        }
        None
    }

    // ---- the control stream ---------------------------------------------------------------------

    fn control_bytes(&mut self, read: Result<Option<quinn::Chunk>, ReadError>) -> Result<Vec<u8>, Parting> {
        match read {
            Ok(Some(chunk)) => Ok(chunk.bytes.to_vec()),
            // An edge that closes ends the stream after its last words.
            Ok(None) if self.closing.is_some() => Err(self.closed_as_said()),
            Ok(None) => Err(self.lost("the edge ended the control stream".to_owned())),
            Err(ReadError::ConnectionLost(error)) => Err(self.handle_loss(&error)),
            Err(error) => Err(self.lost(format!("the control stream: {error}"))),
        }
    }

    fn handle_control(&mut self, raw: RawFrame<'_>) -> Result<(), Parting> {
        let frame = decode_server(raw).map_err(|error| broken(&error.to_string()))?;
        match frame.message_type() {
            ServerMessage::Welcome => frame.message_as_welcome().map_or(Ok(()), |it| self.handle_welcome(&it)),
            ServerMessage::Joined => frame.message_as_joined().map_or(Ok(()), |it| self.handle_joined(&it)),
            ServerMessage::Pong => {
                if let Some(pong) = frame.message_as_pong() {
                    self.handle_pong(&pong);
                }
                Ok(())
            }
            ServerMessage::Closing => {
                if let Some(closing) = frame.message_as_closing() {
                    let reason = closing.reason().unwrap_or_default().to_owned();
                    self.closing = Some((u64::from(closing.code()), reason));
                    self.closing_until = Instant::now() + CLOSING_WAIT;
                }
                Ok(())
            }
            // Of a newer minor version.
            _ => Ok(()),
        }
    }

    fn handle_welcome(&mut self, welcome: &session::Welcome<'_>) -> Result<(), Parting> {
        let manifest = match welcome.manifest() {
            Some(bytes) => {
                Arc::new(Manifest::decode(bytes.bytes()).map_err(|error| broken(&format!("manifest: {error}")))?)
            }
            None => self.dialer.known().ok_or_else(|| broken("welcome brings no manifest, and none is known"))?,
        };
        if manifest.hash() != welcome.manifest_hash() {
            return Err(broken("welcome names another manifest than it brings"));
        }
        // Players of one client share one manifest.
        let manifest = self.dialer.known().filter(|known| known.hash() == manifest.hash()).unwrap_or(manifest);
        self.dialer.learn(&manifest);
        self.shared.mirror_mut(&manifest).set_manifest(Arc::clone(&manifest));
        self.shared.session().manifest = Some(Arc::clone(&manifest));
        self.manifest = Some(manifest);
        Ok(())
    }

    fn handle_joined(&mut self, frame: &session::Joined<'_>) -> Result<(), Parting> {
        let mut session = self.shared.session();
        if session.manifest.is_none() {
            return Err(broken("joined came before welcome"));
        }
        let secret = <[u8; SECRET_BYTES]>::try_from(frame.secret().bytes());
        let joined = Joined {
            match_id: MatchId(frame.match_id()),
            session: PlayerSessionId(frame.session()),
            epoch: Epoch(frame.epoch()),
            player: PlayerId(frame.player()),
            secret: secret.map_err(|_| broken("the resume secret has not 32 bytes"))?,
        };
        if frame.resumed() != session.joined.is_some() || self.is_joined {
            return Err(broken("joined answers another question than was asked"));
        }
        let identity = |joined: &Joined| (joined.match_id, joined.session, joined.player);
        if session.joined.as_ref().is_some_and(|before| identity(before) != identity(&joined)) {
            return Err(broken("the resumed session is another one"));
        }
        let agreed = session.outstanding.handle_joined(frame.last_seq(), frame.resumed());
        agreed.map_err(|contradiction| broken(&contradiction.to_string()))?;
        session.counters.resumes += u64::from(frame.resumed());
        session.joined = Some(joined);
        self.is_joined = true;
        Ok(())
    }

    fn handle_pong(&self, frame: &session::Pong<'_>) {
        let mut session = self.shared.session();
        if let Some(place) = session.pings.iter().position(|ping| ping.nonce == frame.nonce()) {
            let ping = session.pings.swap_remove(place);
            let pong = Pong { round_trip: ping.since.elapsed(), tick: Tick(frame.tick()) };
            // The caller may have lost interest.
            let _ = ping.reply.send(pong);
        }
    }

    // ---- the state stream -----------------------------------------------------------------------

    fn handle_state_begin(&mut self) {
        if let Some(manifest) = &self.manifest {
            self.shared.mirror_mut(manifest).begin_stream();
        }
        // The new stream begins with what a resync would ask for.
        self.resync = None;
        self.await_baseline(Instant::now());
    }

    fn handle_state_bytes(&mut self, state: &mut Option<StateStream>, bytes: &[u8]) -> Result<(), Parting> {
        let Some(StateStream { framer, .. }) = state else {
            return Ok(());
        };
        framer.push(bytes);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => self.handle_state(frame)?,
                Ok(None) => return Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "the state stream cannot be read on");
                    self.lose_mirror();
                    *state = None;
                    return Ok(());
                }
            }
        }
    }

    fn handle_state(&mut self, raw: RawFrame<'_>) -> Result<(), Parting> {
        let Some(manifest) = self.manifest.clone() else {
            return Err(broken("state came before welcome"));
        };
        let frame = match decode_server(raw) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(%error, "a frame of the state stream cannot be read");
                self.lose_mirror();
                return Ok(());
            }
        };
        let now = Instant::now();
        match frame.message_type() {
            ServerMessage::Baseline => {
                let Some(baseline) = frame.message_as_baseline() else { return Ok(()) };
                let applied = self.shared.mirror_mut(&manifest).handle_baseline(&baseline);
                self.follow(applied.map(|()| true), now)?;
                if self.shared.mirror().is_some_and(|mirror| mirror.is_in_sync()) {
                    self.handle_synced(&baseline, now);
                }
            }
            ServerMessage::Delta => {
                let Some(delta) = frame.message_as_delta() else { return Ok(()) };
                let applied = self.shared.mirror_mut(&manifest).handle_delta(&delta);
                self.follow(applied, now)?;
                self.shared.settle(now);
            }
            ServerMessage::OwnDelta => {
                let Some(delta) = frame.message_as_own_delta() else { return Ok(()) };
                let applied = self.shared.mirror_mut(&manifest).handle_own_delta(&delta);
                self.follow(applied.map(|()| false), now)?;
            }
            ServerMessage::Update => {
                let Some(update) = frame.message_as_update() else { return Ok(()) };
                self.handle_update(update.bytes().bytes())?;
            }
            ServerMessage::Outcomes => {
                let Some(outcomes) = frame.message_as_outcomes() else { return Ok(()) };
                self.note_answers(outcomes.outcomes().iter());
                self.shared.settle(now);
            }
            // Of a newer minor version.
            _ => {}
        }
        Ok(())
    }

    /// What comes before its baseline is told again.
    fn handle_update(&mut self, bytes: &[u8]) -> Result<(), Parting> {
        let Some(manifest) = self.manifest.clone().filter(|_| self.is_joined) else { return Ok(()) };
        let now = Instant::now();
        let (applied, has_news, has_gap) = {
            let mut mirror = self.shared.mirror_mut(&manifest);
            let applied = mirror.handle_update(bytes);
            (applied, mirror.unacknowledged() > 0, mirror.has_gap())
        };
        if has_news {
            self.ack_pace.note_update(now);
            self.ack_at = self.ack_pace.due(has_gap);
        }
        self.follow(applied, now)?;
        self.shared.settle(now);
        Ok(())
    }

    fn acknowledge(&mut self) {
        self.ack_at = None;
        self.ack_pace.note_ack();
        let ack = self.manifest.as_ref().and_then(|manifest| self.shared.mirror_mut(manifest).ack());
        if let Some(ack) = ack {
            // One that is lost is made good by the next.
            let _ = self.link.connection.send_datagram(ack.encode().into());
        }
    }

    /// Looks at what a frame did to the mirror; `Ok(true)` brought a new tick.
    fn follow(&mut self, applied: Result<bool, Fault>, now: Instant) -> Result<(), Parting> {
        match applied {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.shared.session().counters.note_state(now);
                let tick = self.shared.mirror().map_or(Tick(0), |mirror| mirror.tick());
                self.shared.newest.send_replace(tick);
                Ok(())
            }
            // Another edge may know more; asking this one again would give the same.
            Err(fault @ Fault::Backwards { .. }) => Err(self.lost(fault.to_string())),
            Err(fault) => {
                tracing::warn!(%fault, "the mirror is lost; asking for a baseline");
                self.resync = Some(fault.resync());
                Ok(())
            }
        }
    }

    /// The mirror follows the server again.
    fn handle_synced(&mut self, baseline: &session::Baseline<'_>, now: Instant) {
        if !self.is_leave_sent {
            self.deadline = None;
        }
        self.resync = None;
        if let Some(outcomes) = baseline.outcomes() {
            self.note_answers(outcomes.iter());
        }
        self.shared.session().outstanding.handle_baseline();
        self.shared.settle(now);
        if let Some(ready) = self.shared.session().ready.take() {
            // The one who joins may have gone.
            let _ = ready.send(());
        }
    }

    fn note_answers<'o>(&self, outcomes: impl Iterator<Item = &'o session::Outcome>) {
        let mut session = self.shared.session();
        outcomes.for_each(|outcome| session.outstanding.handle_answer(Answer::from(outcome)));
    }

    fn lose_mirror(&mut self) {
        if let Some(manifest) = &self.manifest {
            self.resync = Some(self.shared.mirror_mut(manifest).handle_unreadable());
        }
    }

    // ---- the end --------------------------------------------------------------------------------

    fn lost(&self, reason: String) -> Parting {
        Parting::Lost { reason, joined: self.is_joined }
    }

    fn handle_loss(&mut self, error: &ConnectionError) -> Parting {
        if let ConnectionError::ApplicationClosed(close) = error
            && self.closing.is_none()
        {
            let reason = String::from_utf8_lossy(&close.reason).into_owned();
            // Code 0 without a word is what QUIC says for an edge that dropped the connection.
            if close.error_code.into_inner() != 0 || !reason.is_empty() {
                self.closing = Some((close.error_code.into_inner(), reason));
            }
        }
        if self.closing.is_some() { self.closed_as_said() } else { self.lost(error.to_string()) }
    }

    fn closed_as_said(&mut self) -> Parting {
        let (number, reason) = self.closing.take().unwrap_or_default();
        let code = CloseCode::from_number(number);
        let end = SessionEnd::Closed { code, number, reason };
        match code {
            Some(code) if code.is_retryable() => self.lost(end.to_string()),
            _ => Parting::Ended(end),
        }
    }
}

async fn read_state(state: &mut Option<StateStream>) -> Result<Option<quinn::Chunk>, ReadError> {
    match state {
        Some(state) => state.stream.read_chunk(READ_BYTES_MAX, true).await,
        None => std::future::pending().await,
    }
}

fn broken(reason: &str) -> Parting {
    Parting::Ended(SessionEnd::Protocol { reason: reason.to_owned() })
}

/// Bytes taken from a stream at once.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Bytes after which no further frame is put behind those that wait to be written.
const OUTBOX_BYTES: usize = 8 * 1024;
/// Just above what an edge allows in the long run.
const RESYNC_INTERVAL: Duration = Duration::from_millis(1_100);
/// From the word that the edge closes to the close itself; outcomes may still come.
const CLOSING_WAIT: Duration = Duration::from_millis(250);
