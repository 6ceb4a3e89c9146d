//! Everything in one process: host, edge, HTTP.
//!
//! Start from [`Dev::start`].

mod history;
mod http;
mod link;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, get};
use cluster_service::{HostStatus, LocalConfig, LocalHost, MatchStatus, Recovery};
use ecs_state::{Game, Simulation};
use net_edge::{Certificates, Cluster, EdgeConfig, EdgeServer, EdgeStats, TokenSigner, Unanswered};

use history::History;
use link::LocalCluster;

use crate::http::browser::Browsers;
use crate::http::matches::{Listed, Listing, Matches};
use crate::http::{AdminKey, HttpServer, SharedEdge, install_recorder, refused, taken};
use crate::operator::{Beginning, Operator};
use crate::registry::{self, Running};
use crate::replaying::{Desk, Library, page_routes};

/// Settings of a process.
#[derive(Debug, Clone)]
pub struct DevOptions {
    /// The data folder.
    pub data: PathBuf,
    /// Where players connect, UDP.
    pub listen: SocketAddr,
    /// Where operators connect, TCP.
    pub http: SocketAddr,
    /// Whether whoever reaches `http` may play as a guest. Who is on this machine may in any case.
    pub guests: bool,
    /// Time between snapshots.
    pub snapshot_every: Duration,
    /// Content of the match that is opened when none is open.
    pub content: Vec<u8>,
    /// Its seed.
    pub seed: u64,
    /// A state that a new match begins with, whatever else is open.
    pub beginning: Option<Beginning>,
}

/// A host, an edge and an HTTP server in this process.
pub struct Dev {
    host: Arc<LocalHost>,
    edge: SharedEdge,
    http: HttpServer,
    running: Running,
    match_id: u64,
    registered: registry::Registered,
    fresh_keys: bool,
    opened_match: bool,
    certificate_sha256: [u8; 32],
}

impl Dev {
    /// Recovers the data folder, opens a match if none is open, and listens.
    ///
    /// # Errors
    /// What is wrong and what to do, as text for people.
    pub async fn start<G: Game>(options: DevOptions) -> Result<Self, String> {
        // Counters that are made before it would not be seen.
        install_recorder();
        let data =
            std::path::absolute(&options.data).map_err(|error| format!("{}: {error}", options.data.display()))?;
        let config = LocalConfig { snapshot_every: options.snapshot_every, ..LocalConfig::new(&data) };
        let host = tokio::task::spawn_blocking(move || LocalHost::start::<G>(config))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let keys = data.join("keys");
        std::fs::create_dir_all(&keys).map_err(|error| format!("{}: {error}", keys.display()))?;
        let token_key = keys.join("token.key");
        let (signer, fresh_keys) = TokenSigner::load_or_generate(&token_key).map_err(|error| error.to_string())?;
        let certificates = Certificates::self_signed(&keys).map_err(|error| error.to_string())?;
        let certificate_sha256 = certificates.sha256()[0];
        let admin_key = AdminKey::load_or_make(&keys.join("admin.key"))?;

        let host = Arc::new(host);
        let cluster = Arc::new(LocalCluster::new(host.connector()));
        let operator = Operator::new(Arc::clone(&cluster) as Arc<dyn Cluster>);
        let open = host.status().matches.iter().map(|open| open.id).min().filter(|_| options.beginning.is_none());
        let opened = match (open, &options.beginning) {
            (Some(match_id), _) => Ok(match_id),
            (None, Some(beginning)) => operator.open_match_from(beginning, "taken over").await,
            (None, None) => operator.open_match(options.seed, "dev", options.content.clone()).await,
        };
        let match_id = opened.map_err(|error| format!("no match was opened: {error}"))?;
        until_shown(&host, |status| status.matches.iter().any(|open| open.id == match_id)).await;
        let edge_config = EdgeConfig::new(options.listen, vec![signer.public_key()], certificates);
        let edge = EdgeServer::start(edge_config, cluster).map_err(|error| taken(&error.to_string(), "--listen"))?;
        let quic = edge.local_addr();
        let listing = Arc::new(HostMatches { host: Arc::clone(&host), first: match_id });
        let browsers = Browsers {
            quic,
            certificates: edge.certificates().clone(),
            game: G::NAME,
            manifest_hash: Simulation::<G>::manifest().map_err(|error| error.to_string())?.hash(),
            any_name: options.guests,
            guests: (options.guests || options.http.ip().is_loopback()).then_some(signer),
            matches: Listed(Arc::clone(&listing)),
        };
        let edge = SharedEdge::new(edge);
        let office = http::Office {
            host: Arc::clone(&host),
            edge: edge.clone(),
            admin_key: admin_key.clone(),
            game: G::NAME,
            data: data.clone(),
            quic,
        };
        let matches = Matches { listing, operator, admin_key, content: options.content };
        let mut routes = office.routes().merge(matches.routes()).merge(browsers.routes());
        // Who looks at a match as a whole sees what its players must not.
        routes = if options.http.ip().is_loopback() {
            let library = Library::<G>::growing(Box::new(History::<G>::new(&data)));
            routes.merge(Desk::new(Arc::new(library)).routes()).merge(page_routes())
        } else {
            routes.route("/", get(hidden)).route("/replay/{*path}", any(hidden))
        };
        let http = HttpServer::start(options.http, routes).await.map_err(|error| taken(&error, "--http"))?;
        let pid = std::process::id();
        let running = Running { quic, http: http.local_addr(), match_id: Some(match_id), pid, data, token_key };
        let registered = registry::register(&running, "dev.json")?;
        let opened_match = open.is_none();
        Ok(Self { host, edge, http, running, match_id, registered, fresh_keys, opened_match, certificate_sha256 })
    }

    /// Where it listens and what it holds.
    #[must_use]
    pub const fn running(&self) -> &Running {
        &self.running
    }

    /// The match that was open at its start, or was opened then.
    #[must_use]
    pub const fn match_id(&self) -> u64 {
        self.match_id
    }

    /// How the data folder came back.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        self.host.recovery()
    }

    /// Whether development keys were made just now.
    #[must_use]
    pub const fn has_fresh_keys(&self) -> bool {
        self.fresh_keys
    }

    /// Whether the match was opened just now.
    #[must_use]
    pub const fn has_opened_match(&self) -> bool {
        self.opened_match
    }

    /// SHA-256 of the edge's certificate, for clients that pin it.
    #[must_use]
    pub const fn certificate_sha256(&self) -> [u8; 32] {
        self.certificate_sha256
    }

    /// What the host is doing.
    #[must_use]
    pub fn host_status(&self) -> HostStatus {
        self.host.status()
    }

    /// What the edge is doing.
    #[must_use]
    pub fn edge_stats(&self) -> EdgeStats {
        self.edge.stats()
    }

    /// Sends players away, takes a last snapshot, and ends.
    ///
    /// # Errors
    /// When the host had failed.
    pub async fn stop(self) -> Result<(), String> {
        self.edge.stop().await;
        self.http.stop().await;
        drop(self.registered);
        let stop = move || match Arc::try_unwrap(self.host) {
            Ok(host) => host.stop(),
            // A request is still being answered; the process ends with it.
            Err(host) => host.take_snapshot().map(|_| ()),
        };
        tokio::task::spawn_blocking(stop).await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

async fn hidden() -> Response {
    let why = "whoever looks at a match as a whole sees what its players must not: this process shows it only when --http is an \
               address of this machine alone";
    refused(StatusCode::FORBIDDEN, why)
}

/// The matches of this process's host.
struct HostMatches {
    host: Arc<LocalHost>,
    /// The one that was open when the process started, or was opened then.
    first: u64,
}

impl Listing for HostMatches {
    fn preferred(&self) -> Option<u64> {
        Some(self.first)
    }

    async fn list(&self) -> Result<Arc<[MatchStatus]>, Unanswered> {
        Ok(self.host.status().matches.into())
    }

    async fn content(&self, match_id: u64) -> Result<Option<Arc<[u8]>>, Unanswered> {
        let status = self.host.status();
        Ok(status.matches.into_iter().find(|open| open.id == match_id).map(|open| open.content))
    }

    async fn until_shown(&self, match_id: u64, is_open: bool) {
        until_shown(&self.host, |status| status.matches.iter().any(|open| open.id == match_id) == is_open).await;
    }
}

/// The host brings its figures up to date now and then. Waits until they show what was done, so that whoever is told
/// of it sees it too.
async fn until_shown(host: &LocalHost, is_shown: impl Fn(&HostStatus) -> bool) {
    for _ in 0..SHOWN_CHECKS {
        let status = host.status();
        if is_shown(&status) || status.failure.is_some() {
            return;
        }
        tokio::time::sleep(SHOWN_CHECK).await;
    }
}

const SHOWN_CHECKS: u32 = 200;
const SHOWN_CHECK: Duration = Duration::from_millis(5);

/// Where a data folder keeps the key that signs join tokens.
#[must_use]
pub fn token_key_of(data: &Path) -> PathBuf {
    data.join("keys").join("token.key")
}
