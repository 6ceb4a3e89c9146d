//! Where a playhead is that viewers see, and how it is moved.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use ecs_state::Game;
use serde::Deserialize;

use super::http::{At, Desk, Named};
use super::stage::Wish;
use crate::http::browser::is_own_page;
use crate::http::refused;

#[derive(Deserialize)]
pub(super) struct Control {
    file: Option<String>,
    #[serde(flatten)]
    wish: Wish,
}

pub(super) async fn where_it_is<G: Game>(State(desk): At<G>, Query(asked): Query<Named>) -> Response {
    move_playhead(desk, asked.file, Wish::default()).await
}

pub(super) async fn control<G: Game>(State(desk): At<G>, headers: HeaderMap, Json(asked): Json<Control>) -> Response {
    if !is_own_page(&headers, false) {
        return refused(StatusCode::FORBIDDEN, "only pages of this address, and programs, may move playheads");
    }
    move_playhead(desk, asked.file, asked.wish).await
}

async fn move_playhead<G: Game>(desk: Arc<Desk<G>>, file: Option<String>, wish: Wish) -> Response {
    let Some(theatre) = desk.theatre() else {
        return refused(StatusCode::NOT_FOUND, "there are no viewers here; `worldlog replay serve` has some");
    };
    let recording = match desk.recording(file.as_deref()) {
        Ok(recording) => recording,
        Err((code, error)) => return refused(code, &error),
    };
    match theatre.control(recording.number, wish).await {
        Ok(standing) => Json(standing).into_response(),
        Err(error) => refused(StatusCode::BAD_REQUEST, &error),
    }
}
