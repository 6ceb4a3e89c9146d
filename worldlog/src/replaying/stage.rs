//! Recordings as an edge sees matches: one playhead a recording, which all who watch it share.
//!
//! To the edge this is the service of a cluster: it greets, lets viewers join, gives a baseline and then a delta for each
//! tick. What a viewer sends is refused as [`OutcomeCode::RECORDED`](protocol::OutcomeCode::RECORDED). Knows no thread
//! and no clock: time comes in.
//!
//! Invariants:
//! - Positions only grow, also where ticks go back: that is how an edge tells a late message from a rewound match.
//! - A delta follows the tick before it; after any other move, and where a playhead comes to rest, there is a baseline:
//!   what was lost on the way to a viewer is told again with the next tick, and there may be none for long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ecs_state::Game;
use net_edge::LinkEvent;
use protocol::PlayerId;
use protocol::account::player_of;
use protocol::cluster::{
    CommandBatch, EgressMessageT, JoinSession, LeaveSession, ResumeSession, decode_ingress, encode_egress,
};
use protocol::manifest::Manifest;
use protocol::outcome::CloseCode;
use replay::Reel;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::library::{Library, Recording};
use super::limits::{CATCH_UP_MAX, EGRESS_ROOM_MIN, SPEED_MAX, SPEED_MIN, STEPS_AT_ONCE, VIEWERS_MAX};
use super::telling;

/// What a playhead is to do.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Wish {
    /// Go to this tick.
    pub(crate) tick: Option<u64>,
    /// Go so many ticks on, or back.
    pub(crate) step: Option<i64>,
    /// Times real time; 0.1 to 32.
    pub(crate) speed: Option<f64>,
    /// Go on by itself, or rest.
    pub(crate) playing: Option<bool>,
}

/// Where a playhead is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Standing {
    pub(crate) file: String,
    #[serde(rename = "match")]
    pub(crate) match_id: u64,
    pub(crate) tick: u64,
    pub(crate) speed: f64,
    pub(crate) playing: bool,
    pub(crate) viewers: usize,
}

/// Who looks on.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) match_id: u64,
    /// As whom: what that player saw is what the viewer sees.
    pub(super) player: u32,
    pub(super) epoch: u32,
    pub(super) last_seq: u32,
    secrets: [Vec<u8>; 2],
    link: Option<u64>,
}

/// One cluster session of the edge.
struct Link {
    egress: mpsc::Sender<LinkEvent>,
    watches: BTreeSet<u64>,
}

impl Link {
    fn tell(&self, message: EgressMessageT) {
        // A link that is full has lost a delta: its edge notices the gap and asks for a baseline.
        let _ = self.egress.try_send(LinkEvent::Message(encode_egress(message).into()));
    }
}

/// One recording that is shown.
struct Show<G: Game> {
    recording: Arc<Recording<G>>,
    reel: Reel<G>,
    speed: f64,
    is_playing: bool,
    is_moved: bool,
    /// When the next tick is due; `None` until it is known.
    due: Option<Instant>,
}

/// All recordings that are shown, and who looks on.
pub(super) struct Stage<G: Game> {
    library: Arc<Library<G>>,
    manifest: Arc<Manifest>,
    shows: BTreeMap<u64, Show<G>>,
    links: BTreeMap<u64, Link>,
    viewers: BTreeMap<u32, Viewer>,
    last_session: u32,
    position: u64,
}

impl<G: Game> Stage<G> {
    pub(super) fn new(library: Arc<Library<G>>, manifest: Arc<Manifest>) -> Self {
        Self {
            library,
            manifest,
            shows: BTreeMap::new(),
            links: BTreeMap::new(),
            viewers: BTreeMap::new(),
            last_session: 0,
            position: 1,
        }
    }

    // ---- the edge -------------------------------------------------------------------------------

    pub(super) fn connect(&mut self, link: u64, egress: mpsc::Sender<LinkEvent>) {
        self.links.insert(link, Link { egress, watches: BTreeSet::new() });
    }

    pub(super) fn disconnect(&mut self, link: u64) {
        self.links.remove(&link);
        self.viewers.values_mut().filter(|viewer| viewer.link == Some(link)).for_each(|viewer| viewer.link = None);
    }

    /// Takes a message of the edge, which is in this process: one that cannot be read is a bug.
    pub(super) fn handle(&mut self, link: u64, message: &[u8]) {
        let ingress = match decode_ingress(message) {
            Ok(ingress) => ingress,
            Err(error) => return tracing::error!(%error, "a message of the edge cannot be read"),
        };
        if ingress.message_as_edge_hello().is_some() {
            self.tell(link, telling::accepted(self.manifest.bytes()));
        } else if let Some(watch) = ingress.message_as_watch_match() {
            self.watch(link, watch.match_id());
        } else if let Some(unwatch) = ingress.message_as_unwatch_match() {
            if let Some(link) = self.links.get_mut(&link) {
                link.watches.remove(&unwatch.match_id());
            }
        } else if let Some(join) = ingress.message_as_join_session() {
            self.join(link, &join);
        } else if let Some(resume) = ingress.message_as_resume_session() {
            self.resume(link, &resume);
        } else if let Some(detach) = ingress.message_as_detach_session() {
            let viewer = self.viewers.get_mut(&detach.session());
            if let Some(viewer) = viewer.filter(|viewer| viewer.epoch == detach.epoch()) {
                viewer.link = None;
            }
        } else if let Some(leave) = ingress.message_as_leave_session() {
            self.leave(link, &leave);
        } else if let Some(batch) = ingress.message_as_command_batch() {
            self.refuse_commands(link, &batch);
        }
    }

    fn tell(&self, link: u64, message: EgressMessageT) {
        if let Some(link) = self.links.get(&link) {
            link.tell(message);
        }
    }

    fn watch(&mut self, link: u64, match_id: u64) {
        let position = self.next_position();
        let message = match self.show(match_id) {
            Some(show) => show.baseline(match_id, position),
            None => return self.tell(link, telling::closed(match_id)),
        };
        if let Some(link) = self.links.get_mut(&link) {
            link.watches.insert(match_id);
            link.tell(message);
        }
    }

    fn join(&mut self, link: u64, join: &JoinSession<'_>) {
        let request = join.request();
        if self.show(join.match_id()).is_none() {
            return self.tell(link, telling::refused(request, CloseCode::NoMatch));
        }
        self.forget_absent();
        if self.viewers.len() >= VIEWERS_MAX {
            return self.tell(link, telling::refused(request, CloseCode::Full));
        }
        let secret = join.secret_hash().bytes().to_vec();
        let viewer = Viewer {
            match_id: join.match_id(),
            player: player_of(join.account()).unwrap_or(PlayerId::SPECTATOR.0),
            epoch: 1,
            last_seq: 0,
            secrets: [secret.clone(), secret],
            link: Some(link),
        };
        self.last_session += 1;
        self.tell(link, telling::joined(request, self.last_session, &viewer, false));
        self.viewers.insert(self.last_session, viewer);
    }

    fn resume(&mut self, link: u64, resume: &ResumeSession<'_>) {
        let (request, session) = (resume.request(), resume.session());
        let secret = resume.secret_hash().bytes();
        let Some(viewer) = self.viewers.get_mut(&session) else {
            return self.tell(link, telling::refused(request, CloseCode::NoSession));
        };
        if viewer.secrets.iter().all(|known| known != secret) {
            return self.tell(link, telling::refused(request, CloseCode::WrongSecret));
        }
        let (before, epoch) = (viewer.link.replace(link), viewer.epoch);
        viewer.epoch += 1;
        viewer.secrets = [secret.to_vec(), resume.next_secret_hash().bytes().to_vec()];
        let joined = telling::joined(request, session, viewer, true);
        if let Some(before) = before {
            self.tell(before, telling::ended(session, epoch, CloseCode::Superseded));
        }
        self.tell(link, joined);
    }

    fn leave(&mut self, link: u64, leave: &LeaveSession<'_>) {
        if self.viewers.get(&leave.session()).is_some_and(|viewer| viewer.epoch == leave.epoch()) {
            self.viewers.remove(&leave.session());
            self.tell(link, telling::ended(leave.session(), leave.epoch(), CloseCode::Left));
        }
    }

    fn refuse_commands(&mut self, link: u64, batch: &CommandBatch<'_>) {
        let mut refused: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for head in batch.heads() {
            if let Some(viewer) = self.viewers.get_mut(&head.session()) {
                viewer.last_seq = viewer.last_seq.max(head.seq());
                refused.entry(head.session()).or_default().push(head.seq());
            }
        }
        for (session, seqs) in refused {
            let match_id = self.viewers[&session].match_id;
            let tick = self.shows.get(&match_id).map_or(0, |show| show.reel.tick());
            self.tell(link, telling::recorded(session, &seqs, tick, self.position));
        }
    }

    /// Viewers without a connection go once there are many.
    fn forget_absent(&mut self) {
        if self.viewers.len() >= VIEWERS_MAX {
            self.viewers.retain(|_, viewer| viewer.link.is_some());
        }
    }

    // ---- playheads ------------------------------------------------------------------------------

    const fn next_position(&mut self) -> u64 {
        self.position += 1;
        self.position
    }

    /// The recording of this number, shown from its first tick on once somebody asks for it.
    fn show(&mut self, match_id: u64) -> Option<&mut Show<G>> {
        if !self.shows.contains_key(&match_id) {
            let recording = self.library.numbered(match_id)?;
            match Show::begin(recording) {
                Ok(show) => drop(self.shows.insert(match_id, show)),
                Err(error) => {
                    tracing::error!(%error, match_id, "a recording cannot be shown");
                    return None;
                }
            }
        }
        self.shows.get_mut(&match_id)
    }

    /// Moves the playhead of a recording as it is wished, and says where it is.
    ///
    /// # Errors
    /// When the wish cannot be fulfilled; then nothing of it was done. Text for people.
    pub(super) fn control(&mut self, match_id: u64, wish: &Wish, now: Instant) -> Result<Standing, String> {
        let position = self.next_position();
        let show = self.show(match_id).ok_or_else(|| "this recording cannot be shown; the log says why".to_owned())?;
        if let Some(message) = show.fulfil(match_id, wish, position, now)? {
            self.tell_watchers(match_id, message);
        }
        let viewers = self.viewers.values().filter(|viewer| viewer.match_id == match_id && viewer.link.is_some());
        Ok(self.shows[&match_id].standing(match_id, viewers.count()))
    }

    fn tell_watchers(&self, match_id: u64, message: EgressMessageT) {
        let watching = || self.links.values().filter(|link| link.watches.contains(&match_id));
        if watching().next().is_none() {
            return;
        }
        let event = LinkEvent::Message(encode_egress(message).into());
        for link in watching() {
            let _ = link.egress.try_send(event.clone());
        }
    }

    /// Shows every tick that is due.
    pub(super) fn advance(&mut self, now: Instant) {
        let watched: BTreeSet<u64> = self.links.values().flat_map(|link| &link.watches).copied().collect();
        let mut told = Vec::new();
        for (match_id, show) in &mut self.shows {
            if !watched.contains(match_id) {
                show.due = None;
                continue;
            }
            let links = self.links.values().filter(|link| link.watches.contains(match_id));
            let room = links.map(|link| link.egress.capacity()).min().unwrap_or_default();
            show.advance(*match_id, now, room, &mut self.position, &mut told);
        }
        for (match_id, message) in told {
            self.tell_watchers(match_id, message);
        }
    }

    /// When [`Stage::advance`] has something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.shows.values().filter_map(|show| show.due).min()
    }
}

impl<G: Game> Show<G> {
    fn begin(recording: Arc<Recording<G>>) -> Result<Self, replay::ReplayError> {
        let source = recording.source();
        let reel = recording.reels.at(&source, source.first_tick())?;
        Ok(Self { recording, reel, speed: 1.0, is_playing: true, is_moved: false, due: None })
    }

    fn standing(&self, match_id: u64, viewers: usize) -> Standing {
        Standing {
            file: self.recording.name.clone(),
            match_id,
            tick: self.reel.tick(),
            speed: self.speed,
            playing: self.is_playing,
            viewers,
        }
    }

    fn baseline(&self, match_id: u64, position: u64) -> EgressMessageT {
        telling::baseline(match_id, self.reel.tick(), position, self.reel.columns(), self.is_moved)
    }

    /// Gives what those who watch are to be told.
    fn fulfil(
        &mut self,
        match_id: u64,
        wish: &Wish,
        position: u64,
        now: Instant,
    ) -> Result<Option<EgressMessageT>, String> {
        if let Some(speed) = wish.speed
            && !(SPEED_MIN..=SPEED_MAX).contains(&speed)
        {
            return Err(format!("a speed of {speed}; {SPEED_MIN} to {SPEED_MAX} times real time are possible"));
        }
        let before = self.reel.tick();
        let tick = self.wanted_tick(wish)?.unwrap_or(before);
        if tick != before {
            self.reel.seek(tick).map_err(|error| error.to_string())?;
        }
        self.speed = wish.speed.unwrap_or(self.speed);
        let was_playing = self.is_playing;
        self.is_playing = wish.playing.unwrap_or(was_playing);
        if *wish != Wish::default() {
            self.due = self.is_playing.then_some(now);
        }
        let comes_to_rest = was_playing && !self.is_playing;
        Ok((tick != before || comes_to_rest).then(|| self.moved(match_id, position)))
    }

    /// The state anew, for those who have another.
    fn moved(&mut self, match_id: u64, position: u64) -> EgressMessageT {
        self.is_moved = true;
        self.baseline(match_id, position)
    }

    fn wanted_tick(&self, wish: &Wish) -> Result<Option<u64>, String> {
        let here = self.reel.tick();
        let source = self.reel.source();
        let (first, last) = (source.first_tick(), source.last_tick());
        match (wish.tick, wish.step) {
            (Some(_), Some(_)) => Err("tick and step at once: say one of them".to_owned()),
            (Some(tick), None) if tick < first || tick > last => {
                Err(format!("tick {tick} is not recorded; ticks {first} to {last} are"))
            }
            (Some(tick), None) => Ok(Some(tick)),
            (None, Some(step)) => Ok(Some(here.saturating_add_signed(step).clamp(first, last))),
            (None, None) => Ok(None),
        }
    }

    fn advance(
        &mut self,
        match_id: u64,
        now: Instant,
        mut room: usize,
        position: &mut u64,
        told: &mut Vec<(u64, EgressMessageT)>,
    ) {
        if !self.is_playing {
            self.due = None;
            return;
        }
        let mut due = self.due.unwrap_or(now).max(now.checked_sub(CATCH_UP_MAX).unwrap_or(now));
        for _ in 0..STEPS_AT_ONCE {
            if due > now {
                break;
            }
            // Who does not keep up makes it slower for all, and misses nothing.
            if room < EGRESS_ROOM_MIN {
                due = now + FULL_WAIT;
                break;
            }
            *position += 1;
            let Some(output) = self.reel.step() else {
                self.is_playing = false;
                told.push((match_id, self.moved(match_id, *position)));
                break;
            };
            due += self.interval().div_f64(self.speed);
            room -= 1;
            told.push((match_id, telling::delta(match_id, *position, output)));
        }
        self.due = self.is_playing.then_some(due);
    }

    /// Time between the last tick and the next, at real time.
    fn interval(&self) -> Duration {
        let source = self.reel.source();
        match source.manifest().tick_millihertz() {
            0 => {
                let time_of = |tick| source.step_of(tick).map(|step| step.time_ms);
                let tick = self.reel.tick();
                let between = time_of(tick + 1).zip(time_of(tick)).map_or(0, |(next, last)| next - last);
                // A match that steps on command may have rested for hours.
                Duration::from_millis(between.clamp(1, 1_000) as u64)
            }
            millihertz => Duration::from_secs(1_000) / millihertz,
        }
    }
}

const FULL_WAIT: Duration = Duration::from_millis(5);
