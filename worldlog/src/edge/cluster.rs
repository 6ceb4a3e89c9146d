//! A real Aeron Cluster, as an edge sees it.

use std::net::{ToSocketAddrs as _, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use aeron_cluster::client::{ClientConfig, ClusterClient};
use aeron_cluster::member::IdleProfile;
use aeron_cluster::transport::Transport as _;
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use cluster_service::EdgeKey;
use net_edge::{Cluster, ClusterLink, Ingress, OfferError};
use protocol::limits::{EGRESS_TERM_BYTES_MIN, LINK_BACKLOG_MAX};
use tokio::sync::mpsc;

use super::session::{Ends, Offered, Over, Session};
use super::standing::{ClusterStanding, Standing};

/// How members are reached, and how they reach this process.
#[derive(Debug, Clone)]
pub struct AeronOptions {
    /// Directory of the media driver.
    pub aeron_dir: PathBuf,
    /// Where members take ingress: their ids and `host:port`.
    pub endpoints: Vec<(i32, String)>,
    /// Name or address by which members reach this process.
    pub egress_host: String,
    /// Ports at which they reach it, both included; each session takes another one.
    pub egress_ports: (u16, u16),
    /// How the session's thread waits.
    pub idle: IdleProfile,
    /// For the members' logs.
    pub name: String,
}

/// The way into an Aeron Cluster. Each cluster session has a thread and a client of the media driver of its own.
pub struct AeronCluster {
    options: AeronOptions,
    key: EdgeKey,
    next_port: AtomicU16,
    standing: Arc<Standing>,
    stop: Arc<AtomicBool>,
    /// Held by each thread.
    alive: Arc<()>,
}

impl AeronCluster {
    /// Connects to nothing yet. `secret` is what edges and members of the cluster share.
    #[must_use]
    pub fn new(options: AeronOptions, secret: &[u8]) -> Self {
        Self {
            next_port: AtomicU16::new(options.egress_ports.0),
            options,
            key: EdgeKey::of_secret(secret),
            standing: Arc::default(),
            stop: Arc::default(),
            alive: Arc::default(),
        }
    }

    /// Another way into the same cluster, whose sessions are not shown by [`AeronCluster::standing`].
    #[must_use]
    pub fn beside(&self, secret: &[u8], name: &str) -> Self {
        let options = AeronOptions { name: name.to_owned(), ..self.options.clone() };
        // Halfway through the range, so that both seldom try the same port.
        let (first, last) = options.egress_ports;
        Self { next_port: AtomicU16::new(first + (last - first) / 2), ..Self::new(options, secret) }
    }

    /// How the newest session stands.
    #[must_use]
    pub fn standing(&self) -> ClusterStanding {
        self.standing.get()
    }

    /// Waits until sessions that were closed have said goodbye, and ends the others. Blocks at most for `limit`.
    pub fn close(&self, limit: Duration) {
        let alive: Weak<()> = Arc::downgrade(&self.alive);
        let until = Instant::now() + limit;
        while alive.strong_count() > 1 && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        self.stop.store(true, Ordering::Relaxed);
    }

    fn client(&self) -> Result<ClientConfig, String> {
        let endpoint = self.free_endpoint()?;
        Ok(ClientConfig {
            endpoints: self.options.endpoints.clone(),
            ingress_channel: INGRESS_CHANNEL.to_owned(),
            egress_channel: format!("aeron:udp?endpoint={endpoint}|term-length={EGRESS_TERM_BYTES_MIN}"),
            client_info: format!("name={}", self.options.name),
            ..ClientConfig::default()
        })
    }

    /// A port that nobody has, other than the last one: what is still on its way to that is not this session's.
    fn free_endpoint(&self) -> Result<String, String> {
        let (host, (first, last)) = (&self.options.egress_host, self.options.egress_ports);
        let is_free = |port: u16| {
            let name = host.trim_matches(|bracket| matches!(bracket, '[' | ']'));
            let mut addresses = (name, port).to_socket_addrs().into_iter().flatten();
            addresses.any(|address| UdpSocket::bind(address).is_ok())
        };
        for _ in first..=last {
            let next = |port: u16| Some(if port >= last { first } else { port + 1 });
            let port = self.next_port.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(first);
            if is_free(port) {
                return Ok(format!("{host}:{port}"));
            }
        }
        Err(format!(
            "no UDP port of {host} from {first} to {last} can be bound: give [edge] another egress_host or more ports"
        ))
    }
}

impl Cluster for AeronCluster {
    fn connect(&self) -> ClusterLink {
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(error, "no cluster session");
                return ClusterLink::closed();
            }
        };
        let (offers, ingress) = sync_channel(LINK_BACKLOG_MAX);
        let (events, egress) = mpsc::channel(LINK_BACKLOG_MAX);
        let (opened, is_open) = sync_channel(1);
        let ends = Ends { ingress, egress: events, opened, standing: Arc::clone(&self.standing) };
        let config = AeronConfig {
            idle: self.options.idle.strategy(),
            stop: Arc::clone(&self.stop),
            ..AeronConfig::new(&self.options.aeron_dir)
        };
        let alive = Arc::clone(&self.alive);
        let spawned = thread::Builder::new().name("cluster-session".to_owned()).spawn(move || {
            match run(&config, Session::new(ClusterClient::new(client), ends)) {
                Over::Asked => tracing::debug!("a cluster session is closed"),
                over => tracing::warn!(%over, "a cluster session is over"),
            }
            drop(alive);
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "starting the thread of a cluster session");
            return ClusterLink::closed();
        }
        // A thread that ends drops its end.
        let Ok(session) = is_open.recv() else { return ClusterLink::closed() };
        tracing::info!(session = session.0, "a cluster session is open");
        let hello = self.key.hello(session, &self.options.name);
        ClusterLink { ingress: Box::new(Way { offers, term: 0 }), egress, hello }
    }
}

fn run(config: &AeronConfig, mut session: Session) -> Over {
    let mut transport = match AeronTransport::connect(config) {
        Ok(transport) => transport,
        Err(error) => return error.into(),
    };
    loop {
        match session.step(&mut transport) {
            Ok(work) => {
                if let Err(error) = transport.idle(work) {
                    return error.into();
                }
            }
            Err(over) => return over,
        }
    }
}

struct Way {
    offers: SyncSender<Offered>,
    term: u64,
}

impl Ingress for Way {
    fn offer(&mut self, message: Vec<u8>) -> Result<(), OfferError> {
        self.offers.try_send(Offered { term: self.term, message }).map_err(|error| match error {
            TrySendError::Full(_) => OfferError::Backlogged,
            TrySendError::Disconnected(_) => OfferError::Closed,
        })
    }

    fn begin_term(&mut self, term: u64) {
        self.term = term;
    }
}

/// An eighth of a term is the longest message: one of [`protocol::limits::INGRESS_BYTES_MAX`] and its header fit.
const INGRESS_CHANNEL: &str = "aeron:udp?term-length=16m";
