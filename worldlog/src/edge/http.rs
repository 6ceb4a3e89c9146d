//! What operators and monitors ask an edge over HTTP.
//!
//! `GET /healthz /readyz /metrics /status` are open to whoever reaches the address. `POST /matches` and
//! `DELETE /matches/{id}` need `authorization: Bearer` and the key in `admin_key_file`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::json;

use super::AeronCluster;
use crate::http::{Matches, OpenRequest, SharedEdge, edge_status, rendered};

/// What answers are made from.
pub(super) struct Desk {
    pub(super) cluster: Arc<AeronCluster>,
    pub(super) edge: SharedEdge,
    pub(super) matches: Matches,
    pub(super) game: &'static str,
    pub(super) dir: PathBuf,
    pub(super) quic: SocketAddr,
}

impl Desk {
    pub(super) fn routes(self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readiness))
            .route("/metrics", get(|| async { rendered() }))
            .route("/status", get(status))
            .route("/matches", post(open_match))
            .route("/matches/{id}", delete(close_match))
            .with_state(Arc::new(self))
    }
}

async fn readiness(State(desk): State<Arc<Desk>>) -> Response {
    match desk.cluster.standing().leader {
        Some(_) => "ready\n".into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the cluster has no leader, or none that is reached from here\n")
            .into_response(),
    }
}

async fn status(State(desk): State<Arc<Desk>>) -> Response {
    Json(json!({
        "pid": std::process::id(),
        "game": desk.game,
        "data": desk.dir,
        "quic": desk.quic,
        "cluster": desk.cluster.standing(),
        "edge": edge_status(&desk.edge.stats()),
    }))
    .into_response()
}

async fn open_match(State(desk): State<Arc<Desk>>, headers: HeaderMap, Json(request): Json<OpenRequest>) -> Response {
    match desk.matches.open(&headers, request).await {
        Ok(match_id) => Json(json!({ "match": match_id })).into_response(),
        Err(refusal) => refusal,
    }
}

async fn close_match(State(desk): State<Arc<Desk>>, headers: HeaderMap, UrlPath(id): UrlPath<u64>) -> Response {
    match desk.matches.close(&headers, id).await {
        Ok(match_id) => Json(json!({ "match": match_id, "closed": true })).into_response(),
        Err(refusal) => refusal,
    }
}
