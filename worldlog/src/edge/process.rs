//! One edge as a process: media driver, cluster session, QUIC and HTTP.

use std::sync::Arc;
use std::time::Duration;

use aeron_cluster::member::{DriverConfig, Java, MemberEndpoints};
use ecs_state::{Game, Simulation};
use net_edge::{Certificates, Cluster, EdgeConfig, EdgeServer, TokenSigner};
use protocol::limits::EDGE_NAME_BYTES_MAX;

use super::driver::KeptDriver;
use super::http::Desk;
use super::matches::ClusterMatches;
use super::{AeronCluster, AeronOptions, ClusterStanding};
use crate::config::{ClusterSection, Config, EdgeSection};
use crate::http::browser::Browsers;
use crate::http::matches::{Listed, Matches};
use crate::http::{AdminKey, HttpServer, SharedEdge, install_recorder, taken};
use crate::operator::{Operator, OperatorError};
use crate::registry::{self, Registered, Running};

/// An edge that listens. Players are let in as soon as the cluster takes its messages.
pub struct EdgeProcess {
    section: EdgeSection,
    content: Vec<u8>,
    cluster: Arc<AeronCluster>,
    operator: Operator,
    edge: SharedEdge,
    http: HttpServer,
    quic: std::net::SocketAddr,
    matches: Arc<ClusterMatches>,
    certificate_sha256: [u8; 32],
    /// Dropped last: the others are its clients.
    driver: KeptDriver,
}

/// The game whose members an edge is beside.
#[derive(Debug, Clone, Copy)]
pub struct PlayedGame {
    /// Its name.
    pub name: &'static str,
    /// Hash of its manifest.
    pub manifest_hash: u64,
}

impl PlayedGame {
    /// What edges know of a game.
    ///
    /// # Errors
    /// When the game's components are not what they may be.
    pub fn of<G: Game>() -> Result<Self, String> {
        let manifest = Simulation::<G>::manifest().map_err(|error| error.to_string())?;
        Ok(Self { name: G::NAME, manifest_hash: manifest.hash() })
    }
}

/// An edge that serves, and can be found.
pub struct Serving {
    process: EdgeProcess,
    running: Running,
    _registered: Registered,
}

impl EdgeProcess {
    /// Starts the media driver and listens. `content` is that of the match that it may open. Needs a tokio runtime.
    ///
    /// # Errors
    /// What is wrong and what to do, as text for people.
    pub async fn start(config: &Config, game: PlayedGame, content: Vec<u8>) -> Result<Self, String> {
        // Counters that are made before it would not be seen.
        install_recorder();
        let section = config.require_edge().map_err(|error| error.to_string())?.clone();
        if section.name.len() > EDGE_NAME_BYTES_MAX {
            return Err(format!("edge.name: {:?} is longer than {EDGE_NAME_BYTES_MAX} bytes", section.name));
        }
        let secret = config.cluster.read_secret().map_err(|error| error.to_string())?;
        std::fs::create_dir_all(&section.dir).map_err(|error| format!("{}: {error}", section.dir.display()))?;
        let (signer, _) = TokenSigner::load_or_generate(&section.token_key_file).map_err(|error| error.to_string())?;
        let certificates = match section.certificate_files.clone() {
            Some((chain, key)) => Certificates::from_files(chain, key, &section.dir),
            None => Certificates::self_signed(&section.dir),
        };
        let certificates = certificates.map_err(|error| error.to_string())?;
        let certificate_sha256 = certificates.sha256()[0];
        let admin_key = AdminKey::load_or_make(&section.admin_key_file)?;

        let driver_config = driver_config(&section, &config.cluster);
        let options = options(&section, &config.cluster, &driver_config);
        let driver = tokio::task::spawn_blocking(|| {
            let java = Java::find().map_err(|error| error.to_string())?;
            KeptDriver::start(java, driver_config)
        });
        let driver = driver.await.map_err(|error| error.to_string())??;
        let cluster = Arc::new(AeronCluster::new(options, &secret));
        let operator = Operator::new(Arc::new(cluster.beside(&secret, "operator")));

        let mut edge_config = EdgeConfig::new(section.listen, vec![signer.public_key()], certificates);
        edge_config.name.clone_from(&section.name);
        edge_config.web_origins.clone_from(&section.web_origins);
        (edge_config.limits, edge_config.threads) = (section.limits, section.threads);
        let edge = EdgeServer::start(edge_config, Arc::clone(&cluster) as Arc<dyn Cluster>)
            .map_err(|error| taken(&error.to_string(), "edge.listen"))?;
        let quic = edge.local_addr();
        let matches = Arc::new(ClusterMatches::new(edge.questions()));
        let browsers = Browsers {
            quic,
            certificates: edge.certificates().clone(),
            game: game.name,
            manifest_hash: game.manifest_hash,
            any_name: true,
            guests: section.guests.then_some(signer),
            matches: Listed(Arc::clone(&matches)),
        };
        let edge = SharedEdge::new(edge);
        let desk =
            Desk { cluster: Arc::clone(&cluster), edge: edge.clone(), game: game.name, dir: section.dir.clone(), quic };
        let office =
            Matches { listing: Arc::clone(&matches), operator: operator.clone(), admin_key, content: content.clone() };
        let routes = desk.routes().merge(office.routes()).merge(browsers.routes());
        let http = HttpServer::start(section.http, routes).await.map_err(|error| taken(&error, "edge.http"))?;
        Ok(Self { section, content, cluster, operator, edge, http, quic, matches, certificate_sha256, driver })
    }

    /// Waits until the cluster takes its messages, opens a match if it is told to and none is open, and lets itself be
    /// found. Tries for as long as it takes.
    ///
    /// # Errors
    /// When the service refuses, or files cannot be written.
    ///
    /// # Cancellation
    /// The edge ends.
    pub async fn serve(self) -> Result<Serving, String> {
        let match_id = loop {
            if !self.section.open_match {
                if self.cluster.standing().leader.is_some() {
                    break None;
                }
                tokio::time::sleep(STANDING_CHECK).await;
                continue;
            }
            match self.operator.open_unless_open(self.section.seed, "first", self.content.clone()).await {
                Ok(match_id) => break Some(match_id),
                Err(OperatorError::Refused(reason)) => return Err(format!("no match was opened: {reason}")),
                Err(error) => tracing::info!(%error, "the cluster is not there yet"),
            }
        };
        if let Some(match_id) = match_id {
            self.matches.prefer(match_id);
        }
        let running = Running {
            quic: self.quic,
            http: self.http.local_addr(),
            match_id,
            pid: std::process::id(),
            data: self.section.dir.clone(),
            token_key: self.section.token_key_file.clone(),
        };
        let registered = registry::register(&running, "edge.json")?;
        Ok(Serving { process: self, running, _registered: registered })
    }

    /// Sends players away, closes the cluster session, and ends the driver.
    pub async fn stop(self) {
        let Self { edge, http, cluster, driver, operator, .. } = self;
        edge.stop().await;
        http.stop().await;
        drop(operator);
        let end = move || {
            cluster.close(GOODBYE_MAX);
            drop(driver);
        };
        if let Err(error) = tokio::task::spawn_blocking(end).await {
            tracing::warn!(%error, "ending the media driver");
        }
    }
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub const fn running(&self) -> &Running {
        &self.running
    }

    /// How it stands with the cluster.
    #[must_use]
    pub fn standing(&self) -> ClusterStanding {
        self.process.cluster.standing()
    }

    /// SHA-256 of its certificate, for clients that pin it.
    #[must_use]
    pub const fn certificate_sha256(&self) -> [u8; 32] {
        self.process.certificate_sha256
    }

    /// As [`EdgeProcess::stop`].
    pub async fn stop(self) {
        self.process.stop().await;
    }
}

fn driver_config(section: &EdgeSection, cluster: &ClusterSection) -> DriverConfig {
    DriverConfig { idle: section.idle, mtu_bytes: cluster.mtu_bytes, ..DriverConfig::new(&section.dir, "edge") }
}

fn options(section: &EdgeSection, cluster: &ClusterSection, driver: &DriverConfig) -> AeronOptions {
    AeronOptions {
        aeron_dir: driver.aeron.clone(),
        endpoints: cluster.members.iter().map(MemberEndpoints::ingress).collect(),
        egress_host: section.egress_host.clone(),
        egress_ports: section.egress_ports,
        idle: section.idle,
        name: section.name.clone(),
    }
}

/// How often an edge without a match of its own looks whether the cluster is there.
const STANDING_CHECK: Duration = Duration::from_millis(20);
/// How long the goodbyes of cluster sessions may take at the end.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
