//! What operators and monitors ask over HTTP.
//!
//! `GET /healthz /readyz /metrics /status /matches` are open to whoever reaches the address, which is of this
//! machine unless told otherwise. What changes something needs `authorization: Bearer` and the key in
//! `keys/admin.key`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use cluster_service::LocalHost;
use serde_json::json;

use super::until_shown;
use crate::http::{Matches, OpenRequest, SharedEdge, edge_status, refused, rendered};

/// What answers are made from.
pub(super) struct Office {
    pub(super) host: Arc<LocalHost>,
    pub(super) edge: SharedEdge,
    pub(super) matches: Matches,
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
            .route("/matches", get(matches).post(open_match))
            .route("/matches/{id}", delete(close_match))
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

async fn matches(State(office): Desk) -> Response {
    Json(json!({ "matches": office.host.status().matches })).into_response()
}

async fn open_match(State(office): Desk, headers: HeaderMap, Json(request): Json<OpenRequest>) -> Response {
    match office.matches.open(&headers, request).await {
        Ok(match_id) => {
            until_shown(&office.host, |status| status.matches.iter().any(|open| open.id == match_id)).await;
            Json(json!({ "match": match_id })).into_response()
        }
        Err(refusal) => refusal,
    }
}

async fn close_match(State(office): Desk, headers: HeaderMap, UrlPath(id): UrlPath<u64>) -> Response {
    match office.matches.close(&headers, id).await {
        Ok(match_id) => {
            until_shown(&office.host, |status| status.matches.iter().all(|open| open.id != match_id)).await;
            Json(json!({ "match": match_id, "closed": true })).into_response()
        }
        Err(refusal) => refusal,
    }
}

async fn take_snapshot(State(office): Desk, headers: HeaderMap) -> Response {
    if let Err(refusal) = office.matches.allow(&headers) {
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
