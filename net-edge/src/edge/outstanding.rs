//! What has no answer yet, and is said again when another member leads or a new cluster session begins.
//!
//! What an edge sent to a leader that fell may be in the log or not, and what that leader answered may be lost. So all
//! that has no answer is said again, from what the edge knows and not from what it sent. That is right because
//! the service does nothing twice:
//!
//! | said again | when it ran already |
//! |---|---|
//! | hello, watch, unwatch | is answered as the first time |
//! | join, resume | is known by the secret that was made for it, and answered as the first time |
//! | a command | is known by its number, and answered from the session's ring, or by its tick |
//! | leave, detach | finds nothing to end |
//!
//! Whether a session ended meanwhile is asked with a command numbered 0, which no service takes: the answer GAP says
//! that the session is there.
//!
//! When the cluster session itself is lost, its players are kept for [`LINK_HOLD_MS_MAX`]: their sessions are taken
//! over into the next one, each from the epoch that this edge knows, so that a player who went elsewhere is left there.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use protocol::cluster::{EdgeHelloT, IngressMessageT, SessionJoined};
use protocol::limits::{LINK_HOLD_MS_MAX, MATCHES_MAX, REQUESTS_MAX};
use protocol::outcome::CloseCode;

use super::admission::{resume_message, to_player};
use super::session::{Player, Seat, Stage};
use super::{ConnectionId, Edge, LinkState, Moment, Wake};

/// Everything that waits for a word of the service, but commands: those are with their players.
#[derive(Default)]
pub(super) struct Outstanding {
    last_request: u64,
    requests: BTreeMap<u64, Request>,
    /// What nobody answers. It is in the log once a request that was made later is answered.
    notes: VecDeque<Note>,
}

/// A join or resume.
struct Request {
    /// Who hears of the answer; `None` once the connection is gone.
    by: Option<ConnectionId>,
    message: IngressMessageT,
}

struct Note {
    /// The last request that was made before.
    after: u64,
    message: IngressMessageT,
}

impl Outstanding {
    /// The number of the next request.
    pub(super) const fn next_request(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }

    pub(super) fn is_full(&self) -> bool {
        self.requests.len() >= REQUESTS_MAX
    }

    pub(super) fn ask(&mut self, request: u64, by: ConnectionId, message: IngressMessageT) {
        self.requests.insert(request, Request { by: Some(by), message });
    }

    /// An answer came: gives who waits for it, if the request is known, and forgets it and what was noted before it.
    pub(super) fn answered(&mut self, request: u64) -> Option<Option<ConnectionId>> {
        let by = self.requests.remove(&request)?.by;
        while self.notes.front().is_some_and(|note| note.after < request) {
            self.notes.pop_front();
        }
        Some(by)
    }

    /// Nobody waits for the answer any more. The request may be in the log all the same.
    pub(super) fn abandon(&mut self, request: u64) {
        if let Some(request) = self.requests.get_mut(&request) {
            request.by = None;
        }
    }

    fn note(&mut self, message: IngressMessageT) {
        self.notes.push_back(Note { after: self.last_request, message });
        // Each is of a player who had joined, or of a match that had players, since the last request was answered.
        if self.notes.len() > REQUESTS_MAX + MATCHES_MAX {
            self.notes.pop_front();
        }
    }

    /// All of it in order. From here on only the answer to a later request says that the notes are in the log.
    fn say_again(&mut self) -> Vec<IngressMessageT> {
        self.notes.iter_mut().for_each(|note| note.after = self.last_request);
        let requests = self.requests.values().map(|request| &request.message);
        requests.chain(self.notes.iter().map(|note| &note.message)).cloned().collect()
    }
}

impl Edge {
    // ---- the link ---------------------------------------------------------------------------------

    /// A cluster session is open; `hello` proves to its service whose it is; the name is added here.
    pub fn handle_link(&mut self, now: Moment, mut hello: EdgeHelloT) {
        hello.name = Some(self.settings.name.clone());
        (self.link, self.has_leader, self.hello) = (LinkState::Greeting, true, hello);
        self.say_again(now);
    }

    /// The cluster session is gone. Its players' sessions live on in the log: they are taken over into the next one, if
    /// it comes soon.
    pub fn handle_link_lost(&mut self, now: Moment) {
        (self.link, self.has_leader) = (LinkState::Down, false);
        self.uplink.pause();
        // A session that is over watches nothing and speaks for nobody.
        self.outstanding.notes.retain(|note| matches!(note.message, IngressMessageT::LeaveSession(_)));
        let ids: Vec<_> = self.sessions.values().copied().collect();
        for id in ids {
            let Some(player) = self.player(id) else { continue };
            if let Seat::Asked(request) = std::mem::replace(&mut player.seat, Seat::Lost) {
                self.outstanding.requests.remove(&request);
            }
        }
        if self.hold_until.is_none() {
            let until = now.at + Duration::from_millis(LINK_HOLD_MS_MAX);
            self.hold_until = Some(until);
            self.wake_at(until, Wake::Link);
        }
    }

    /// Nobody leads the cluster for now. Nothing is given out until [`Edge::handle_leader_changed`] or
    /// [`Edge::handle_link_lost`]; players are kept, and what they send is held up to the uplink's bound.
    pub const fn handle_leader_lost(&mut self) {
        self.has_leader = false;
        self.uplink.pause();
    }

    /// Another member leads, or the same one again. What was given out before must not reach it any more.
    pub fn handle_leader_changed(&mut self, now: Moment) {
        self.counters.leader_changes.add(1);
        self.has_leader = true;
        self.say_again(now);
        self.proceed_all(now);
    }

    /// The service takes messages of this edge.
    pub(super) fn begin_link(&mut self, now: Moment) {
        (self.link, self.hold_until) = (LinkState::Up, None);
        let mut lost: Vec<_> = self.sessions.values().copied().collect();
        lost.sort_unstable();
        for id in lost {
            self.take_over(id);
        }
        self.say_again(now);
        self.proceed_all(now);
    }

    pub(super) fn check_link(&mut self, now: Moment) {
        if self.hold_until.is_none_or(|until| until > now.at) {
            return;
        }
        self.hold_until = None;
        self.send_players_away(now);
    }

    /// To other edges.
    pub(super) fn send_players_away(&mut self, now: Moment) {
        let is_in_the_log = |stage: &Stage| matches!(stage, Stage::Asked(_) | Stage::Playing(_));
        let ids: Vec<_> = self.connections.iter().filter(|(_, c)| is_in_the_log(&c.stage)).map(|(id, _)| *id).collect();
        for id in ids {
            self.close(now, id, CloseCode::Stopping.into());
        }
    }

    fn say_again(&mut self, now: Moment) {
        self.uplink.clear();
        if !self.has_leader {
            // An answer may still come from one that fell.
            return self.uplink.pause();
        }
        match self.link {
            LinkState::Down => self.uplink.pause(),
            LinkState::Greeting => self.uplink.push(IngressMessageT::EdgeHello(Box::new(self.hello.clone()))),
            LinkState::Up => {
                self.watch_again(now);
                let mut ids: Vec<_> = self.sessions.values().copied().collect();
                ids.sort_unstable();
                for id in ids {
                    self.command_again(now, id, true);
                }
                self.outstanding.say_again().into_iter().for_each(|message| self.uplink.push(message));
            }
        }
    }

    /// Says what nobody answers, and keeps it until it is in the log for sure.
    pub(super) fn note(&mut self, message: IngressMessageT) {
        // A cluster session that is over has ended all of it but this.
        if matches!(self.link, LinkState::Up) || matches!(message, IngressMessageT::LeaveSession(_)) {
            self.outstanding.note(message.clone());
            self.uplink.push(message);
        }
    }

    // ---- players ------------------------------------------------------------------------------------

    /// Sends the commands of a player that have no outcome; with `probe`, asks whether the session is there too.
    fn command_again(&mut self, now: Moment, id: ConnectionId, probe: bool) {
        let Some(connection) = self.connections.get(&id) else { return };
        let Stage::Playing(player) = &connection.stage else { return };
        if player.seat != Seat::Attached {
            return;
        }
        for (seq, payload) in player.unanswered() {
            self.uplink.command(now.at, player.session, player.epoch, seq, payload);
        }
        if probe {
            self.uplink.command(now.at, player.session, player.epoch, 0, &[]);
        }
    }

    /// Takes a session over from a cluster session that is gone. The client's secret stays good and it hears of nothing.
    fn take_over(&mut self, id: ConnectionId) {
        let request = self.outstanding.next_request();
        let Some(player) = self.player(id) else { return };
        player.seat = Seat::Asked(request);
        let message = resume_message(request, player.session, &player.held, &player.offered, player.epoch);
        self.outstanding.ask(request, id, message);
    }

    /// A session was taken over: what is unanswered is said again in its new epoch.
    pub(super) fn handle_taken_over(&mut self, now: Moment, id: ConnectionId, joined: &SessionJoined<'_>) {
        let Some(player) = self.player(id) else { return };
        (player.epoch, player.seat) = (joined.epoch(), Seat::Attached);
        let (match_id, is_leaving, session) = (player.match_id, player.is_leaving, player.session);
        let took = player.note_ring(now.at, joined.outcomes().into_iter().flatten().map(to_player));
        took.into_iter().for_each(|took| self.counters.acks.record(took));
        self.counters.taken_over.add(1);
        self.tell_outcomes(match_id, id);
        self.command_again(now, id, false);
        if is_leaving {
            self.leave(session, joined.epoch());
        }
    }
}

impl Player {
    /// Commands without an outcome, ascending. Those that an earlier connection brought into the log are known by number
    /// alone, and the service asks for no more.
    fn unanswered(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let mut sent = self.waiting.iter().peekable();
        let unanswered = (self.settled_seq.saturating_add(1)..=self.sent_seq).filter(|seq| !self.has_outcome(*seq));
        unanswered.map(move |seq| {
            while sent.next_if(|sent| sent.seq < seq).is_some() {}
            (seq, sent.next_if(|sent| sent.seq == seq).map_or(&[][..], |sent| &sent.payload))
        })
    }
}

/// A command on its way.
pub(super) struct Sent {
    pub(super) seq: u32,
    /// When it came.
    pub(super) since: Instant,
    pub(super) payload: Vec<u8>,
}
