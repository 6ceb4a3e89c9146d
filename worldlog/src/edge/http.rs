//! What operators and monitors ask an edge over HTTP.
//!
//! `GET /healthz /readyz /metrics /status` are open to whoever reaches the address.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::AeronCluster;
use crate::http::{SharedEdge, edge_status, rendered};

/// What answers are made from.
pub(super) struct Desk {
    pub(super) cluster: Arc<AeronCluster>,
    pub(super) edge: SharedEdge,
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
            .route("/", get(|| async { Redirect::temporary("/play") }))
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
