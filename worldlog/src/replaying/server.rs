//! `worldlog replay serve`: files over HTTP, and as matches that players' programs look on at.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ecs_state::{Game, Simulation};
use net_edge::{Certificates, EdgeConfig, EdgeServer, TokenSigner, Unanswered};
use protocol::limits::DATAGRAMS_PER_SECOND_CEILING;

use super::http::Desk;
use super::library::Library;
use super::opening::Opening;
use super::stage::Stage;
use super::theatre::Theatre;
use crate::http::browser::{Browsers, OpenMatches};
use crate::http::{HttpServer, SharedEdge, install_recorder, taken};
use crate::registry;

/// Settings of a process that shows recordings.
#[derive(Debug, Clone)]
pub(crate) struct ReplayOptions {
    /// Files and folders of files.
    pub(crate) paths: Vec<PathBuf>,
    /// Where the page is, TCP.
    pub(crate) http: SocketAddr,
    /// Where viewers connect, UDP.
    pub(crate) listen: SocketAddr,
    /// What of them may be amiss.
    pub(crate) opening: Opening,
}

/// Recordings that are shown, until it stops.
pub(crate) struct ReplayServer {
    pub(crate) http_at: SocketAddr,
    pub(crate) quic_at: SocketAddr,
    pub(crate) certificate_sha256: [u8; 32],
    pub(crate) files: usize,
    edge: SharedEdge,
    http: HttpServer,
    /// Ends after the edge, which speaks to it.
    theatre: Arc<Theatre>,
}

impl ReplayServer {
    /// Opens the files and listens.
    ///
    /// # Errors
    /// What is wrong and what to do, as text for people.
    pub(crate) async fn start<G: Game>(options: ReplayOptions) -> Result<Self, String> {
        install_recorder();
        let ReplayOptions { paths, http, listen, opening } = options;
        let opened = tokio::task::spawn_blocking(move || Library::<G>::open(&paths, opening)).await;
        let library = opened.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let library = Arc::new(library);
        let files = library.list().len();
        let manifest = Simulation::<G>::manifest().map_err(|error| error.to_string())?;
        let manifest_hash = manifest.hash();
        let stage = Stage::new(Arc::clone(&library), manifest);
        let theatre = Theatre::start(stage).map_err(|error| format!("starting the stage: {error}"))?;
        let theatre = Arc::new(theatre);
        let certificates = Certificates::self_signed(registry::folder()?).map_err(|error| error.to_string())?;
        let certificate_sha256 = certificates.sha256()[0];
        // Whoever reaches the page may look on: tokens are made for it and for nobody else.
        let signer = TokenSigner::generate();
        let mut edge_config = EdgeConfig::new(listen, vec![signer.public_key()], certificates);
        // Viewers of a fast playhead acknowledge as many ticks as it plays.
        edge_config.limits.datagrams_per_second = DATAGRAMS_PER_SECOND_CEILING;
        let cluster = Arc::clone(&theatre) as Arc<dyn net_edge::Cluster>;
        let edge = EdgeServer::start(edge_config, cluster).map_err(|error| taken(&error.to_string(), "--listen"))?;
        let quic_at = edge.local_addr();
        let browsers = Browsers {
            quic: quic_at,
            certificates: edge.certificates().clone(),
            game: G::NAME,
            manifest_hash,
            any_name: false,
            guests: Some(signer),
            matches: Shown(Arc::clone(&library)),
        };
        let edge = SharedEdge::new(edge);
        let desk = Desk::new(library).showing(Arc::clone(&theatre));
        let routes = desk.routes().merge(super::page::routes()).merge(browsers.routes());
        let http = HttpServer::start(http, routes).await.map_err(|error| taken(&error, "--http"))?;
        let http_at = http.local_addr();
        Ok(Self { http_at, quic_at, certificate_sha256, files, edge, http, theatre })
    }

    /// Sends viewers away and ends.
    pub(crate) async fn stop(self) {
        self.edge.stop().await;
        self.http.stop().await;
        drop(self.theatre);
    }
}

/// The recordings of a library as matches that may be joined.
struct Shown<G: Game>(Arc<Library<G>>);

impl<G: Game> OpenMatches for Shown<G> {
    async fn first(&self) -> Option<u64> {
        self.0.list().first().map(|recording| recording.number)
    }

    async fn is_open(&self, match_id: u64) -> Option<bool> {
        Some(self.0.numbered(match_id).is_some())
    }

    async fn content(&self, match_id: u64) -> Result<Option<Arc<[u8]>>, Unanswered> {
        let recording = self.0.numbered(match_id);
        Ok(recording.map(|recording| recording.source().file().content.as_slice().into()))
    }

    async fn has_player(&self, match_id: u64, player: u32) -> Result<Option<bool>, Unanswered> {
        Ok(self.0.numbered(match_id).map(|recording| recording.players().contains(&player)))
    }
}
