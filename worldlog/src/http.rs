//! What the HTTP sides of all processes share: the server, the key for what changes something, figures of an edge.
//!
//! What can be asked of a process, and how it is answered, is with the process.

pub(crate) mod browser;
pub(crate) mod matches;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use net_edge::{EdgeServer, EdgeStats};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::write_once;

pub(crate) struct HttpServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl HttpServer {
    pub(crate) async fn start(listen: SocketAddr, routes: Router) -> Result<Self, String> {
        let socket =
            tokio::net::TcpListener::bind(listen).await.map_err(|error| format!("listening on {listen}: {error}"))?;
        let address = socket.local_addr().map_err(|error| error.to_string())?;
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

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        // A connection that is kept open must not keep the process.
        if tokio::time::timeout(Duration::from_secs(1), self.task).await.is_err() {
            tracing::debug!("HTTP connections were open until the end");
        }
    }
}

/// What a request that changes something must show.
#[derive(Clone)]
pub(crate) struct AdminKey(String);

impl AdminKey {
    /// Reads the key, or makes one on first use. Several processes at once get the same.
    pub(crate) fn load_or_make(path: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        if !path.try_exists().map_err(failed)? {
            let mut bytes = [0u8; 32];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system has no randomness".to_owned())?;
            write_once(path, crate::cli::to_hex(&bytes).as_bytes()).map_err(failed)?;
        }
        match std::fs::read_to_string(path).map_err(failed)?.trim() {
            key if key.len() >= 32 => Ok(Self(key.to_owned())),
            _ => Err(format!("{}: the key is too short; remove the file to have a new one made", path.display())),
        }
    }

    /// Whether who asks may change something.
    #[expect(clippy::result_large_err, reason = "a response, made once for each refused request")]
    pub(crate) fn allow(&self, headers: &HeaderMap) -> Result<(), Response> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        // Compared without stopping at the first difference, so that time tells nothing.
        let differs = given.bytes().zip(self.0.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        if differs == 0 && given.len() == self.0.len() {
            return Ok(());
        }
        Err(refused(
            StatusCode::UNAUTHORIZED,
            "this changes something: send the key of keys/admin.key as a bearer token",
        ))
    }
}

pub(crate) fn refused(code: StatusCode, error: &str) -> Response {
    (code, Json(json!({ "error": error }))).into_response()
}

/// Collects what the parts of this process count from now on.
pub(crate) fn install_recorder() {
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

/// All that was counted, for Prometheus.
pub(crate) fn rendered() -> Response {
    recorder().render().into_response()
}

/// The edge of a process, until it stops.
#[derive(Clone)]
pub(crate) struct SharedEdge(Arc<Mutex<Option<EdgeServer>>>);

impl SharedEdge {
    pub(crate) fn new(edge: EdgeServer) -> Self {
        Self(Arc::new(Mutex::new(Some(edge))))
    }

    pub(crate) fn stats(&self) -> EdgeStats {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(EdgeServer::stats).unwrap_or_default()
    }

    pub(crate) async fn stop(&self) {
        let edge = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(edge) = edge {
            edge.stop(EDGE_GRACE).await;
        }
    }
}

/// How long players may take to go.
const EDGE_GRACE: Duration = Duration::from_secs(2);

/// What an edge is doing, as `/status` says it.
pub(crate) fn edge_status(edge: &EdgeStats) -> Value {
    let closes: BTreeMap<_, _> = edge.closes_total.iter().map(|(code, count)| (format!("{code:?}"), count)).collect();
    json!({
        "connections": edge.connections,
        "players": edge.players,
        "joins": edge.joins_total,
        "commands": edge.commands_total,
        "received_bytes": edge.received_bytes_total,
        "sent_bytes": edge.sent_bytes_total,
        "turned_away": edge.turned_away_total,
        "ticks": edge.ticks_total,
        "ticks_joined": edge.ticks_joined_total,
        "fallen_behind": edge.fallen_behind_total,
        "hash_mismatches": edge.hash_mismatches_total,
        "leader_changes": edge.leader_changes_total,
        "taken_over": edge.taken_over_total,
        "ack_ms_p50": edge.ack.p50.as_secs_f64() * 1e3,
        "ack_ms_p99": edge.ack.p99.as_secs_f64() * 1e3,
        "closes": closes,
    })
}

/// An address that is taken, with what to do.
pub(crate) fn taken(error: &str, option: &str) -> String {
    if error.contains("in use") {
        format!("{error}; another process has this address: stop it, or choose another with {option}")
    } else {
        error.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_that_start_at_once_have_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys").join("admin.key");
        let begin = std::sync::Barrier::new(4);
        let keys: Vec<_> = std::thread::scope(|scope| {
            let make = || {
                begin.wait();
                AdminKey::load_or_make(&path).unwrap().0
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0] && key.len() == 64), "{keys:?}");
        std::fs::write(&path, "short").unwrap();
        assert!(AdminKey::load_or_make(&path).err().unwrap().contains("too short"));
    }
}
