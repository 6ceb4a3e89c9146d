//! Questions that play a match again: when something is so, what would have been if.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ecs_state::Game;
use replay::{
    Change, Comparison, Expression, FieldEdit, ForkCommand, ForkPlan, Search, Source, find, fork, parse_command,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::http::{At, Refusal, Text, text};
use super::limits::{CHANGES_MAX, DIFFERENCES_MAX, TICKS_FOUND_MAX};
use crate::http::browser::is_own_page;
use crate::http::refused;

pub(super) fn wrong(error: impl std::fmt::Display) -> Refusal {
    (StatusCode::BAD_REQUEST, error.to_string())
}

pub(super) fn unplayable(error: impl std::fmt::Display) -> Refusal {
    (StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
}

#[derive(Deserialize)]
pub(super) struct FindWanted {
    file: Option<String>,
    expr: String,
    from: Option<u64>,
    to: Option<u64>,
    /// The first tick alone.
    #[serde(default)]
    first: bool,
}

pub(super) async fn when_is_it<G: Game>(State(desk): At<G>, Query(asked): Query<FindWanted>) -> Response {
    desk.work(move |desk| {
        let recording = desk.recording(asked.file.as_deref())?;
        desk.refresh(&recording);
        let source = recording.source();
        let expression = Expression::parse(&asked.expr, source.manifest(), None).map_err(wrong)?;
        let FindWanted { from, to, first, expr, .. } = &asked;
        // A match that goes on has another answer once it is longer.
        let to = to.unwrap_or_else(|| source.last_tick());
        let question = format!("find {}\n{from:?} {to} {first}\n{expr}", recording.name);
        let search = Search { from: *from, to: Some(to), all: !first, is_monotone: false };
        desk.once(question, || {
            let mut ticks = find::<G>(&source, &expression, search, |_, _| {}).map_err(unplayable)?;
            let more = ticks.len() > TICKS_FOUND_MAX;
            ticks.truncate(TICKS_FOUND_MAX);
            Ok(text(&json!({ "ticks": ticks, "more": more })))
        })
        .map(Text)
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct ForkWanted {
    file: Option<String>,
    tick: u64,
    #[serde(default)]
    set: Vec<String>,
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default)]
    commands: Vec<Order>,
    to: Option<u64>,
}

/// A command that somebody gives in addition.
#[derive(Deserialize)]
struct Order {
    tick: u64,
    player: u32,
    text: String,
}

#[derive(Serialize)]
struct ForkAnswer<'a> {
    /// Its name in the library.
    file: &'a str,
    #[serde(flatten)]
    comparison: Comparison,
    commands: Vec<ForkCommand>,
}

pub(super) async fn what_if<G: Game>(
    State(desk): At<G>,
    headers: HeaderMap,
    Json(asked): Json<ForkWanted>,
) -> Response {
    if !is_own_page(&headers, false) {
        return refused(StatusCode::FORBIDDEN, "only pages of this address, and programs, may make forks");
    }
    desk.work(move |desk| {
        let recording = desk.recording(asked.file.as_deref())?;
        desk.check_tick(&recording, asked.tick)?;
        let source = recording.source();
        let plan = plan::<G>(&asked, &source)?;
        let forked = fork::<G>(&source, &plan, |_, _| {}).map_err(unplayable)?;
        let comparison = forked.compare::<G>(DIFFERENCES_MAX).map_err(unplayable)?;
        let made = desk.add_fork(&recording, forked.source)?;
        Ok(Text(text(&ForkAnswer { file: &made.name, comparison, commands: forked.commands })))
    })
    .await
}

fn plan<G: Game>(asked: &ForkWanted, source: &Arc<Source>) -> Result<ForkPlan, Refusal> {
    let count = asked.set.len() + asked.drop.len() + asked.commands.len();
    if count > CHANGES_MAX {
        return Err(wrong(format!("{count} changes; a fork has at most {CHANGES_MAX}")));
    }
    let sets = asked.set.iter().map(|text| FieldEdit::parse(text, source.manifest()));
    let mut changes = asked.drop.iter().map(|text| text.parse()).collect::<Result<Vec<Change>, _>>().map_err(wrong)?;
    for Order { tick, player, text } in &asked.commands {
        let payload = parse_command::<G>(text).map_err(wrong)?;
        changes.push(Change::Add { tick: *tick, player: *player, payload });
    }
    let sets = sets.collect::<Result<_, _>>().map_err(wrong)?;
    Ok(ForkPlan { tick: asked.tick, sets, changes, content: None, to: asked.to })
}
