//! What is asked of recorded matches over HTTP. Answers are JSON; what cannot be answered is 4xx with `{"error"}`.
//!
//! All work is done on blocking threads, a few at a time: a request that reads a whole match keeps others waiting, not
//! the process.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ecs_state::Game;
use protocol::Columns;
use protocol::manifest::FieldKind;
use replay::{Reel, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::answers::Answers;
use super::aside::aside;
use super::causes::why_is_it;
use super::commands::commands;
use super::control::{control, where_it_is};
use super::frames::{Chosen, Entities};
use super::heat::{self, HeatKind};
use super::library::{Library, Recording};
use super::limits::{BODY_BYTES_MAX, DIFFERENCES_MAX, FRAMES_MAX, SPAN_TICKS_MAX};
use super::questions::{what_if, when_is_it};
use super::survey::Survey;
use super::theatre::Theatre;
use crate::http::refused;

/// What answers are made from.
pub(crate) struct Desk<G: Game> {
    library: Arc<Library<G>>,
    answers: Answers,
    /// So many requests are worked on at once.
    hands: Semaphore,
    /// Where recordings are shown to viewers.
    theatre: Option<Arc<Theatre>>,
}

pub(super) type At<G> = State<Arc<Desk<G>>>;
/// Why there is no answer.
pub(super) type Refusal = (StatusCode, String);

impl<G: Game> Desk<G> {
    pub(crate) fn new(library: Arc<Library<G>>) -> Self {
        let hands = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        Self { library, answers: Answers::default(), hands: Semaphore::new(hands), theatre: None }
    }

    /// With viewers, whose playheads can be moved.
    pub(crate) fn showing(self, theatre: Arc<Theatre>) -> Self {
        Self { theatre: Some(theatre), ..self }
    }

    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/replay/files", get(files::<G>))
            .route("/replay/timeline", get(timeline::<G>))
            .route("/replay/state", get(state::<G>))
            .route("/replay/frames", get(frames::<G>))
            .route("/replay/commands", get(commands::<G>))
            .route("/replay/diff", get(diff::<G>))
            .route("/replay/heat", get(heat_map::<G>))
            .route("/replay/content", get(content::<G>))
            .route("/replay/manifest", get(manifest::<G>))
            .route("/replay/why", get(why_is_it::<G>))
            .route("/replay/find", get(when_is_it::<G>))
            .route("/replay/fork", post(what_if::<G>))
            .route("/replay/control", get(where_it_is::<G>).post(control::<G>))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::new(self))
    }

    /// Where recordings are shown to viewers, if they are.
    pub(super) fn theatre(&self) -> Option<Arc<Theatre>> {
        self.theatre.clone()
    }

    /// Finds a match by name; without a name the first.
    pub(super) fn recording(&self, name: Option<&str>) -> Result<Arc<Recording<G>>, Refusal> {
        self.library.find(name).ok_or_else(|| {
            let name = name.unwrap_or_default();
            (StatusCode::NOT_FOUND, format!("there is no match {name:?} here; /replay/files lists those that are"))
        })
    }

    /// Checks that a tick is one of the match, which is read again where it goes on beyond what is known.
    pub(super) fn check_tick(&self, recording: &Recording<G>, tick: u64) -> Result<(), Refusal> {
        if tick > recording.source().last_tick() {
            self.library.refresh(recording);
        }
        let source = recording.source();
        let (first, last) = (source.first_tick(), source.last_tick());
        if tick < first || tick > last {
            return Err((StatusCode::NOT_FOUND, format!("tick {tick} is not recorded; ticks {first} to {last} are")));
        }
        Ok(())
    }

    /// A playhead there.
    pub(super) fn reel(&self, recording: &Recording<G>, tick: u64) -> Result<Reel<G>, Refusal> {
        self.check_tick(recording, tick)?;
        recording
            .reels
            .at(&recording.source(), tick)
            .map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
    }

    /// The match as far as it has come.
    pub(super) fn refresh(&self, recording: &Recording<G>) {
        self.library.refresh(recording);
    }

    /// Keeps a fork, to be looked at like other matches.
    pub(super) fn add_fork(&self, of: &Recording<G>, fork: Arc<Source>) -> Result<Arc<Recording<G>>, Refusal> {
        self.library.add(fork, Some(&of.name)).map_err(|error| (StatusCode::INSUFFICIENT_STORAGE, error.to_string()))
    }

    /// The answer as it was given before, or made now.
    pub(super) fn once(
        &self,
        question: String,
        make: impl FnOnce() -> Result<Bytes, Refusal>,
    ) -> Result<Bytes, Refusal> {
        if let Some(answer) = self.answers.get(&question) {
            return Ok(answer);
        }
        let answer = make()?;
        self.answers.keep(question, answer.clone());
        Ok(answer)
    }

    /// Works on a request where it may take its time.
    pub(super) async fn work<T: IntoResponse + Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Response {
        let desk = Arc::clone(&self);
        let Ok(_hand) = self.hands.acquire().await else {
            return refused(StatusCode::SERVICE_UNAVAILABLE, "the process ends");
        };
        match tokio::task::spawn_blocking(move || aside(|| work(&desk))).await {
            Ok(Ok(answer)) => ([(header::CACHE_CONTROL, "no-store")], answer).into_response(),
            Ok(Err((code, error))) => refused(code, &error),
            Err(error) => {
                tracing::error!(%error, "a question about a match failed");
                let why = "the rules of the game failed while the match was played again; the log says where. If values were \
                           set, the game may not know such values";
                refused(StatusCode::INTERNAL_SERVER_ERROR, why)
            }
        }
    }
}

/// A JSON text that was made before.
pub(super) struct Text(pub(super) Bytes);

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) file: Option<String>,
}

async fn files<G: Game>(State(desk): At<G>) -> Response {
    desk.work(|desk| {
        desk.library.gather();
        let recordings = desk.library.list();
        let files: Vec<_> = recordings.iter().map(|recording| recording.card()).collect();
        Ok(Json(json!({ "live": desk.library.is_live(), "files": files })))
    })
    .await
}

#[derive(Deserialize)]
struct TimelineWanted {
    file: Option<String>,
    /// The asker knows all up to this tick, as of an answer that was verified up to it.
    since: Option<u64>,
}

/// How far a match goes, and what happened in it; of what happened only what came after `since`. A keyframe of that very
/// tick may be new: a match that goes on has it once another tick follows.
async fn timeline<G: Game>(State(desk): At<G>, Query(asked): Query<TimelineWanted>) -> Response {
    desk.work(move |desk| {
        let recording = desk.recording(asked.file.as_deref())?;
        desk.library.refresh(&recording);
        Survey::begin(&recording);
        let source = recording.source();
        let findings = recording.survey.findings();
        let is_new = |tick: u64| asked.since.is_none_or(|since| tick > since);
        let keyframes: Vec<_> =
            source.keyframes().into_iter().filter(|tick| asked.since.is_none_or(|since| *tick >= since)).collect();
        let stays = findings.stays.iter();
        let players: Vec<_> = stays.filter(|stay| is_new(stay.joined) || stay.left.is_some_and(is_new)).collect();
        Ok(Json(json!({
            "first_tick": source.first_tick(),
            "last_tick": source.last_tick(),
            "tick_millihertz": source.manifest().tick_millihertz(),
            "keyframes": keyframes,
            "players": players,
            "moments": after(&findings.moments, asked.since, |moment| moment.tick),
            "verified_to": findings.verified_to.max(source.first_tick()),
            "mismatches": after(&findings.mismatches, asked.since, |tick| *tick),
            "failure": findings.failure,
        })))
    })
    .await
}

/// Those after a tick, of what is in the order of ticks.
fn after<T>(all: &[T], since: Option<u64>, tick_of: impl Fn(&T) -> u64) -> &[T] {
    &all[since.map_or(0, |since| all.partition_point(|one| tick_of(one) <= since))..]
}

#[derive(Deserialize)]
struct Tick {
    file: Option<String>,
    tick: u64,
}

async fn state<G: Game>(State(desk): At<G>, Query(asked): Query<Tick>) -> Response {
    desk.work(move |desk| {
        let recording = desk.recording(asked.file.as_deref())?;
        let begun = Instant::now();
        let reel = desk.reel(&recording, asked.tick)?;
        let seek_ms = begun.elapsed().as_secs_f64() * 1e3;
        let columns = reel.columns();
        let text = text(&WholeState {
            tick: reel.tick(),
            hash: format!("{:016x}", columns.total_hash()),
            seek_ms,
            entities: Entities { columns, chosen: &Chosen::all(columns) },
        });
        recording.reels.rest(reel);
        Ok(Text(text))
    })
    .await
}

#[derive(Serialize)]
struct WholeState<'a> {
    tick: u64,
    hash: String,
    seek_ms: f64,
    entities: Entities<'a>,
}

#[derive(Deserialize)]
pub(super) struct Span {
    pub(super) file: Option<String>,
    pub(super) from: u64,
    pub(super) to: u64,
    every: Option<u64>,
    components: Option<String>,
    pub(super) player: Option<u32>,
}

impl Span {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.to < self.from || self.to - self.from > SPAN_TICKS_MAX {
            let error =
                format!("ticks {} to {}: ask for at most {SPAN_TICKS_MAX}, the lower first", self.from, self.to);
            return Err((StatusCode::BAD_REQUEST, error));
        }
        Ok(())
    }
}

async fn frames<G: Game>(State(desk): At<G>, Query(asked): Query<Span>) -> Response {
    desk.work(move |desk| {
        asked.check()?;
        let every = asked.every.unwrap_or(1).max(1);
        let recording = desk.recording(asked.file.as_deref())?;
        if asked.to > recording.source().last_tick() {
            desk.library.refresh(&recording);
        }
        let source = recording.source();
        // A match that goes on has no frames yet beyond its end.
        let to = asked.to.min(source.last_tick());
        let from = asked.from.max(source.first_tick()).next_multiple_of(every);
        let components = asked.components.as_deref().unwrap_or(DRAWN);
        if from > to {
            return Ok(Text(text(&json!({ "frames": [] }))));
        }
        let frames = (to - from) / every + 1;
        if frames > FRAMES_MAX {
            let error = format!("{frames} frames in one answer; ask for at most {FRAMES_MAX}");
            return Err((StatusCode::BAD_REQUEST, error));
        }
        let question = format!("{}\n{from} {to} {every}\n{components}", recording.name);
        if let Some(answer) = desk.answers.get(&question) {
            return Ok(Text(answer));
        }
        let mut reel = desk.reel(&recording, from)?;
        let chosen = Chosen::named(reel.columns(), components);
        let mut answer = b"{\"frames\":[".to_vec();
        loop {
            write_frame(&mut answer, reel.tick(), reel.columns(), &chosen);
            if reel.tick() + every > to {
                break;
            }
            (0..every).for_each(|_| drop(reel.step()));
            answer.push(b',');
        }
        recording.reels.rest(reel);
        answer.extend_from_slice(b"]}");
        let answer = Bytes::from(answer);
        desk.answers.keep(question, answer.clone());
        Ok(Text(answer))
    })
    .await
}

fn write_frame(answer: &mut Vec<u8>, tick: u64, columns: &Columns, chosen: &Chosen) {
    #[derive(Serialize)]
    struct Frame<'a> {
        tick: u64,
        entities: Entities<'a>,
    }
    let frame = Frame { tick, entities: Entities { columns, chosen } };
    serde_json::to_writer(answer, &frame).expect("a state is plain data");
}

/// What a picture of a match needs, where the game has it.
const DRAWN: &str = "Position,Facing,Health,Team,Kind,Shot,Pickup";

#[derive(Deserialize)]
struct Two {
    a: String,
    b: String,
}

async fn diff<G: Game>(State(desk): At<G>, Query(asked): Query<Two>) -> Response {
    desk.work(move |desk| {
        let a = desk.columns(&asked.a)?;
        let b = desk.columns(&asked.b)?;
        if a.manifest().hash() != b.manifest().hash() {
            let error = "the two matches are of games with other components; compare matches of one rules version";
            return Err((StatusCode::UNPROCESSABLE_ENTITY, error.to_owned()));
        }
        let mut differences = replay::diff(&a, &b);
        let more = differences.len() > DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        Ok(Json(json!({ "differences": differences, "more": more })))
    })
    .await
}

impl<G: Game> Desk<G> {
    /// The state at `NAME@TICK`.
    fn columns(&self, at: &str) -> Result<Columns, Refusal> {
        let parsed = at.rsplit_once('@').and_then(|(name, tick)| Some((name, tick.parse().ok()?)));
        let Some((name, tick)) = parsed else {
            return Err((StatusCode::BAD_REQUEST, format!("{at:?} is no place; write NAME@TICK")));
        };
        let recording = self.recording(Some(name).filter(|name| !name.is_empty()))?;
        let reel = self.reel(&recording, tick)?;
        let columns = reel.columns().clone();
        recording.reels.rest(reel);
        Ok(columns)
    }
}

#[derive(Deserialize)]
struct HeatWanted {
    files: Option<String>,
    kind: HeatKind,
    cell: f64,
}

async fn heat_map<G: Game>(State(desk): At<G>, Query(asked): Query<HeatWanted>) -> Response {
    desk.work(move |desk| {
        let mut places = Vec::new();
        let mut is_complete = true;
        let names = asked.files.as_deref().unwrap_or_default().split(',');
        for name in names.map(str::trim) {
            let recording = desk.recording(Some(name).filter(|name| !name.is_empty()))?;
            Survey::begin(&recording);
            is_complete &= heat::places(&recording, asked.kind, &mut places);
        }
        let heat = heat::count(&places, asked.cell, is_complete);
        heat.map(Json).map_err(|error| (StatusCode::BAD_REQUEST, error))
    })
    .await
}

async fn content<G: Game>(State(desk): At<G>, Query(asked): Query<Named>) -> Response {
    desk.work(move |desk| {
        let recording = desk.recording(asked.file.as_deref())?;
        let content = recording.source().file().content.clone();
        let kind = std::str::from_utf8(&content).map_or("application/octet-stream", |_| "text/plain; charset=utf-8");
        Ok(([(header::CONTENT_TYPE, kind)], content))
    })
    .await
}

async fn manifest<G: Game>(State(desk): At<G>, Query(asked): Query<Named>) -> Response {
    desk.work(move |desk| {
        let source = desk.recording(asked.file.as_deref())?.source();
        let components: Vec<Value> = source.manifest().layouts()[1..]
            .iter()
            .map(|layout| {
                let fields = layout.fields.iter().map(|field| json!({ "name": field.name, "kind": word(field.kind) }));
                json!({ "name": layout.name, "fields": fields.collect::<Vec<_>>() })
            })
            .collect();
        Ok(Json(json!({ "components": components })))
    })
    .await
}

const fn word(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Bool => "bool",
        FieldKind::U8 => "u8",
        FieldKind::U16 => "u16",
        FieldKind::U32 => "u32",
        FieldKind::U64 => "u64",
        FieldKind::I8 => "i8",
        FieldKind::I16 => "i16",
        FieldKind::I32 => "i32",
        FieldKind::I64 => "i64",
        FieldKind::F32 => "f32",
        FieldKind::Entity => "entity",
        FieldKind::Player => "player",
    }
}

pub(super) fn text(answer: &impl Serialize) -> Bytes {
    serde_json::to_vec(answer).expect("answers are plain data").into()
}
