//! Why a value is what it is.

use axum::extract::{Query, State};
use axum::response::Response;
use ecs_state::Game;
use replay::{FieldPath, WHY_WRITERS, WhyOptions, why};
use serde::Deserialize;

use super::http::{At, Text, text};
use super::questions::{unplayable, wrong};

#[derive(Deserialize)]
pub(super) struct Wanted {
    file: Option<String>,
    tick: u64,
    field: String,
    depth: Option<usize>,
    #[serde(default)]
    anyone: bool,
}

pub(super) async fn why_is_it<G: Game>(State(desk): At<G>, Query(asked): Query<Wanted>) -> Response {
    desk.work(move |desk| {
        let recording = desk.recording(asked.file.as_deref())?;
        desk.check_tick(&recording, asked.tick)?;
        let source = recording.source();
        let path = FieldPath::parse(&asked.field, source.manifest()).map_err(wrong)?;
        let options = WhyOptions { depth: asked.depth.unwrap_or(WHY_WRITERS), anyone: asked.anyone };
        let Wanted { tick, field, .. } = &asked;
        let question = format!("why {}\n{tick} {field} {} {}", recording.name, options.depth, options.anyone);
        desk.once(question, || {
            let answer = why::<G>(&source, asked.tick, &path, options, |_| {}).map_err(unplayable)?;
            Ok(text(&answer))
        })
        .map(Text)
    })
    .await
}
