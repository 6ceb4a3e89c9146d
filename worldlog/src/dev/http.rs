//! What operators and monitors ask over HTTP.
//!
//! `GET /healthz /readyz /metrics /status /matches` are open to whoever reaches the address, which is of this
//! machine unless told otherwise. What changes something needs `authorization: Bearer` and the key in
//! `keys/admin.key`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

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

use super::{Operator, SharedEdge, until_shown};

pub(super) struct HttpServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What answers are made from.
pub(super) struct Office {
    pub(super) host: Arc<LocalHost>,
    pub(super) edge: SharedEdge,
    pub(super) operator: Operator,
    /// What a request that changes something must show.
    pub(super) admin_key: String,
    /// Content of matches that are opened without any.
    pub(super) content: Vec<u8>,
    pub(super) game: &'static str,
    pub(super) data: PathBuf,
    pub(super) quic: SocketAddr,
}

impl HttpServer {
    pub(super) async fn start(listen: SocketAddr, office: Office) -> Result<Self, String> {
        let socket =
            tokio::net::TcpListener::bind(listen).await.map_err(|error| format!("listening on {listen}: {error}"))?;
        let address = socket.local_addr().map_err(|error| error.to_string())?;
        let routes = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readiness))
            .route("/metrics", get(figures))
            .route("/status", get(status))
            .route("/matches", get(matches).post(open_match))
            .route("/matches/{id}", delete(close_match))
            .route("/snapshots", post(take_snapshot))
            .with_state(Arc::new(office));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            tokio::select! {
                ended = axum::serve(socket, routes).with_graceful_shutdown(stopped) => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "HTTP ended");
                    }
                }
                () = keep_up() => {}
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
        if tokio::time::timeout(Duration::from_secs(1), self.task).await.is_err() {
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
            let written = file
                .as_mut()
                .map_err(|error| error.to_string())
                .and_then(|file| file.write_all(key.as_bytes()).map_err(|error| error.to_string()));
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
    let edge = office.edge.stats();
    let closes: BTreeMap<_, _> = edge.closes_total.iter().map(|(code, count)| (format!("{code:?}"), count)).collect();
    Json(json!({
        "pid": std::process::id(),
        "game": office.game,
        "data": office.data,
        "quic": office.quic,
        "host": office.host.status(),
        "edge": {
            "connections": edge.connections,
            "players": edge.players,
            "joins": edge.joins_total,
            "commands": edge.commands_total,
            "received_bytes": edge.received_bytes_total,
            "sent_bytes": edge.sent_bytes_total,
            "turned_away": edge.turned_away_total,
            "fallen_behind": edge.fallen_behind_total,
            "hash_mismatches": edge.hash_mismatches_total,
            "ack_ms_p50": edge.ack.p50.as_secs_f64() * 1e3,
            "ack_ms_p99": edge.ack.p99.as_secs_f64() * 1e3,
            "closes": closes,
        },
        "recovery": office.host.recovery(),
    }))
    .into_response()
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
        Ok(match_id) => {
            until_shown(&office.host, |status| status.matches.iter().any(|open| open.id == match_id)).await;
            Json(json!({ "match": match_id })).into_response()
        }
        Err(error) => refused(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    }
}

async fn close_match(State(office): Desk, headers: HeaderMap, UrlPath(id): UrlPath<u64>) -> Response {
    if let Err(refusal) = allowed(&office, &headers) {
        return refusal;
    }
    match office.operator.close_match(id).await {
        Ok(match_id) => {
            until_shown(&office.host, |status| status.matches.iter().all(|open| open.id != match_id)).await;
            Json(json!({ "match": match_id, "closed": true })).into_response()
        }
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

/// Collects what the parts of this process count from now on.
pub(super) fn install_recorder() {
    recorder();
}

/// One recorder a process, however often it is asked for.
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

/// Samples are folded into their histograms, so that they do not pile up when nobody asks for them.
async fn keep_up() {
    let mut often = tokio::time::interval(UPKEEP_EVERY);
    loop {
        often.tick().await;
        recorder().run_upkeep();
    }
}

const UPKEEP_EVERY: Duration = Duration::from_secs(5);

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
