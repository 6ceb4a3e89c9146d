//! Everything in one process: host, edge, HTTP.
//!
//! Start from [`Dev::start`].

mod http;
mod link;
mod operator;
mod registry;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cluster_service::{HostStatus, LocalConfig, LocalHost, Recovery};
use ecs_state::Game;
use net_edge::{Certificate, EdgeConfig, EdgeServer, EdgeStats, TokenSigner};

pub use operator::{Operator, OperatorError};
pub use registry::{Running, find_by_data, find_by_http, find_by_quic};

use link::LocalCluster;

/// Settings of a process.
#[derive(Debug, Clone)]
pub struct DevOptions {
    /// The data folder.
    pub data: PathBuf,
    /// Where players connect, UDP.
    pub listen: SocketAddr,
    /// Where operators connect, TCP.
    pub http: SocketAddr,
    /// Time between snapshots.
    pub snapshot_every: Duration,
    /// Content of the match that is opened when none is open.
    pub content: Vec<u8>,
    /// Its seed.
    pub seed: u64,
}

/// A host, an edge and an HTTP server in this process.
pub struct Dev {
    host: Arc<LocalHost>,
    edge: EdgeServer,
    http: http::HttpServer,
    running: Running,
    registered: registry::Registered,
    fresh_keys: bool,
    certificate_sha256: [u8; 32],
}

impl Dev {
    /// Recovers the data folder, opens a match if none is open, and listens.
    ///
    /// # Errors
    /// What is wrong and what to do, as text for people.
    pub async fn start<G: Game>(options: DevOptions) -> Result<Self, String> {
        let data = std::path::absolute(&options.data).map_err(|error| format!("{}: {error}", options.data.display()))?;
        let config = LocalConfig { snapshot_every: options.snapshot_every, ..LocalConfig::new(&data) };
        let host = tokio::task::spawn_blocking(move || LocalHost::start::<G>(config))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let keys = data.join("keys");
        std::fs::create_dir_all(&keys).map_err(|error| format!("{}: {error}", keys.display()))?;
        let token_key = keys.join("token.key");
        let (signer, fresh_keys) = TokenSigner::load_or_generate(&token_key).map_err(|error| error.to_string())?;
        let certificate = Certificate::self_signed(&keys).map_err(|error| error.to_string())?;
        let certificate_sha256 = certificate.sha256();
        let admin_key = http::admin_key(&keys.join("admin.key"))?;

        let host = Arc::new(host);
        let cluster = Arc::new(LocalCluster::new(host.connector()));
        let operator = Operator::connect(&host.connector()).map_err(|error| error.to_string())?;
        let open = host.status().matches.iter().map(|open| open.id).min();
        let match_id = match open {
            Some(match_id) => match_id,
            None => operator
                .open_match(options.seed, "dev", options.content.clone())
                .await
                .map_err(|error| format!("no match was opened: {error}"))?,
        };
        let edge_config = EdgeConfig::new(options.listen, vec![signer.public_key()], certificate);
        let edge = EdgeServer::start(edge_config, cluster).map_err(|error| taken(&error.to_string(), "--listen"))?;
        let http = http::HttpServer::start(options.http, Arc::clone(&host), operator, admin_key, options.content)
            .await
            .map_err(|error| taken(&error, "--http"))?;
        let running = Running {
            quic: edge.local_addr(),
            http: http.local_addr(),
            match_id,
            pid: std::process::id(),
            data,
            token_key,
        };
        let registered = registry::register(&running)?;
        Ok(Self { host, edge, http, running, registered, fresh_keys, certificate_sha256 })
    }

    /// Where it listens and what it holds.
    #[must_use]
    pub const fn running(&self) -> &Running {
        &self.running
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
        self.edge.stop(Duration::from_secs(2)).await;
        self.http.stop().await;
        drop(self.registered);
        let Ok(host) = Arc::try_unwrap(self.host) else {
            return Err("a request is still being answered; what was acknowledged is safe in the log".to_owned());
        };
        tokio::task::spawn_blocking(move || host.stop())
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())
    }
}

fn taken(error: &str, option: &str) -> String {
    if error.contains("in use") {
        format!("{error}; another process has this address: stop it, or choose another with {option}")
    } else {
        error.to_owned()
    }
}

/// Where a data folder keeps the key that signs join tokens.
#[must_use]
pub fn token_key_of(data: &Path) -> PathBuf {
    data.join("keys").join("token.key")
}
