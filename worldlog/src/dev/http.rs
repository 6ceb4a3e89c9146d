//! What operators and monitors ask over HTTP.
//!
//! `GET /healthz /readyz /metrics /status /matches` are open to whoever reaches the address, which is of this
//! machine unless told otherwise. What changes something needs `authorization: Bearer` and the key in
//! `keys/admin.key`.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use cluster_service::LocalHost;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Operator;

pub(super) struct HttpServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

struct Office {
    host: Arc<LocalHost>,
    operator: Operator,
    admin_key: String,
    content: Vec<u8>,
}

impl HttpServer {
    pub(super) async fn start(
        listen: SocketAddr,
        host: Arc<LocalHost>,
        operator: Operator,
        admin_key: String,
        content: Vec<u8>,
    ) -> Result<Self, String> {
        let socket = tokio::net::TcpListener::bind(listen).await.map_err(|error| format!("listening on {listen}: {error}"))?;
        let address = socket.local_addr().map_err(|error| error.to_string())?;
        let routes = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readiness))
            .route("/metrics", get(figures))
            .route("/status", get(status))
            .route("/matches", get(matches).post(open_match))
            .route("/matches/{id}", delete(close_match))
            .route("/snapshots", post(take_snapshot))
            .with_state(Arc::new(Office { host, operator, admin_key, content }));
        recorder();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(socket, routes).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "HTTP ended");
            }
        });
        Ok(Self { address, stop, task })
    }

    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        // A connection that is kept open must not keep the process.
        if tokio::time::timeout(std::time::Duration::from_secs(1), self.task).await.is_err() {
            tracing::debug!("HTTP connections were open until the end");
        }
    }
}

/// Reads the key for what changes something, or makes one on first use.
pub(super) fn admin_key(path: &Path) -> Result<String, String> {
    match std::fs::read_to_string(path) {
        Ok(key) if key.trim().len() >= 32 => Ok(key.trim().to_owned()),
        Ok(_) => Err(format!("{}: the key is too short; remove the file to have a new one made", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut bytes = [0u8; 32];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system has no randomness".to_owned())?;
            let key: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let written = file.as_mut().map_err(|error| error.to_string()).and_then(|file| {
                file.write_all(key.as_bytes()).map_err(|error| error.to_string())
            });
            written.map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(key)
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
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
    Json(json!({ "host": office.host.status(), "recovery": office.host.recovery() })).into_response()
}

async fn matches(State(office): Desk) -> Response {
    Json(json!({ "matches": office.host.status().matches })).into_response()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OpenRequest {
    seed: u64,
    label: String,
    content: Option<String>,
}

async fn open_match(State(office): Desk, headers: HeaderMap, Json(request): Json<OpenRequest>) -> Response {
    if let Err(refusal) = allowed(&office, &headers) {
        return refusal;
    }
    let content = request.content.map_or_else(|| office.content.clone(), String::into_bytes);
    match office.operator.open_match(request.seed, &request.label, content).await {
        Ok(match_id) => Json(json!({ "match": match_id })).into_response(),
        Err(error) => refused(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    }
}

async fn close_match(State(office): Desk, headers: HeaderMap, UrlPath(id): UrlPath<u64>) -> Response {
    if let Err(refusal) = allowed(&office, &headers) {
        return refusal;
    }
    match office.operator.close_match(id).await {
        Ok(match_id) => Json(json!({ "match": match_id, "closed": true })).into_response(),
        Err(error) => refused(StatusCode::NOT_FOUND, &error.to_string()),
    }
}

async fn take_snapshot(State(office): Desk, headers: HeaderMap) -> Response {
    if let Err(refusal) = allowed(&office, &headers) {
        return refusal;
    }
    let host = Arc::clone(&office.host);
    match tokio::task::spawn_blocking(move || host.take_snapshot()).await {
        Ok(Ok(path)) => Json(json!({ "path": path })).into_response(),
        Ok(Err(error)) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

#[expect(clippy::result_large_err, reason = "a response, made once for each refused request")]
fn allowed(office: &Office, headers: &HeaderMap) -> Result<(), Response> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Compared without stopping at the first difference, so that time tells nothing.
    let differs = given.bytes().zip(office.admin_key.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
    if differs == 0 && given.len() == office.admin_key.len() {
        return Ok(());
    }
    Err(refused(StatusCode::UNAUTHORIZED, "this changes something: send the key of keys/admin.key as a bearer token"))
}

fn refused(code: StatusCode, error: &str) -> Response {
    (code, Json(json!({ "error": error }))).into_response()
}

/// One recorder a process; a second process in tests finds it installed.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder of metrics is installed; /metrics shows the host alone");
        }
        handle
    })
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
    recorder().render().into_response()
}
