//! What operators and monitors ask over HTTP.
//!
//! `GET /healthz /readyz /metrics /status` are open to whoever reaches the address, which is of this machine unless told
//! otherwise. `POST /snapshots` needs `authorization: Bearer` and the key in `keys/admin.key`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cluster_service::LocalHost;
use serde_json::json;

use crate::http::{AdminKey, SharedEdge, edge_status, refused, rendered};

/// What answers are made from.
pub(super) struct Office {
    pub(super) host: Arc<LocalHost>,
    pub(super) edge: SharedEdge,
    pub(super) admin_key: AdminKey,
    pub(super) game: &'static str,
    pub(super) data: PathBuf,
    pub(super) quic: SocketAddr,
}

impl Office {
    pub(super) fn routes(self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readiness))
            .route("/metrics", get(figures))
            .route("/status", get(status))
            .route("/snapshots", post(take_snapshot))
            .with_state(Arc::new(self))
    }
}

type Desk = State<Arc<Office>>;

async fn readiness(State(office): Desk) -> Response {
    match office.host.status().failure {
        None => "ready\n".into_response(),
        Some(failure) => (StatusCode::SERVICE_UNAVAILABLE, failure).into_response(),
    }
}

async fn status(State(office): Desk) -> Response {
    Json(json!({
        "pid": std::process::id(),
        "game": office.game,
        "data": office.data,
        "quic": office.quic,
        "host": office.host.status(),
        "edge": edge_status(&office.edge.stats()),
        "recovery": office.host.recovery(),
    }))
    .into_response()
}

async fn take_snapshot(State(office): Desk, headers: HeaderMap) -> Response {
    if let Err(refusal) = office.admin_key.allow(&headers) {
        return refusal;
    }
    let host = Arc::clone(&office.host);
    match tokio::task::spawn_blocking(move || host.take_snapshot()).await {
        Ok(Ok(path)) => Json(json!({ "path": path })).into_response(),
        Ok(Err(error)) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn figures(State(office): Desk) -> Response {
    let status = office.host.status();
    metrics::gauge!("worldlog_log_bytes").set(status.log_bytes as f64);
    metrics::counter!("worldlog_log_entries_total").absolute(status.entries);
    metrics::counter!("worldlog_log_syncs_total").absolute(status.syncs);
    metrics::counter!("worldlog_ticks_total").absolute(status.ticks);
    metrics::counter!("worldlog_snapshots_total").absolute(status.snapshots);
    metrics::gauge!("worldlog_sessions").set(status.sessions as f64);
    metrics::gauge!("worldlog_matches").set(status.matches.len() as f64);
    metrics::gauge!("worldlog_log_sync_p99_seconds").set(status.sync_ms_p99 / 1_000.0);
    rendered()
}
