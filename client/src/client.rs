//! The way in: whom to connect to, whom to trust, and the first connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::limits::{
    CLIENT_NAME_BYTES_MAX, HANDSHAKE_MS_MAX, IDLE_MS_MAX, INITIAL_RTT_MS, STREAMS_PER_CONNECTION_MAX,
};
use protocol::manifest::Manifest;
use protocol::version::ALPN;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Endpoint, EndpointConfig, Runtime, TokioRuntime, TransportConfig, VarInt};
use tokio::sync::oneshot;

use crate::connection::Link;
use crate::error::{ConnectError, SessionEnd};
use crate::link::{FaultySocket, LinkFaults};
use crate::player::Player;
use crate::reconnect;
use crate::shared::Shared;
use crate::socket::CuttableSocket;
use crate::trust::Trust;

/// Connects players to the edges of one server. Cheap to clone; each player has a connection and a
/// UDP socket of its own.
#[derive(Clone)]
pub struct Client {
    dialer: Dialer,
    /// The connection that [`Client::connect`] made, for the first who joins.
    parked: Arc<Mutex<Option<Link>>>,
    /// Where the next player begins in the list of edges.
    turn: Arc<AtomicUsize>,
}

/// One or more edges; all must belong to the same server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeAddresses(Vec<SocketAddr>);

impl From<SocketAddr> for EdgeAddresses {
    fn from(address: SocketAddr) -> Self {
        Self(vec![address])
    }
}

impl From<Vec<SocketAddr>> for EdgeAddresses {
    fn from(addresses: Vec<SocketAddr>) -> Self {
        Self(addresses)
    }
}

impl From<&[SocketAddr]> for EdgeAddresses {
    fn from(addresses: &[SocketAddr]) -> Self {
        Self(addresses.to_vec())
    }
}

impl<const N: usize> From<[SocketAddr; N]> for EdgeAddresses {
    fn from(addresses: [SocketAddr; N]) -> Self {
        Self(addresses.to_vec())
    }
}

/// Settings of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Name and version of the program, for the server's operator; at most 64 bytes.
    pub name: String,
    /// The name that the edge's certificate must carry; its IP address when `None`. Matters to
    /// [`Trust::CaPem`] alone.
    pub server_name: Option<String>,
    /// How long a player without a connection tries to come back. A server keeps sessions for 60 s,
    /// so more is of little use.
    pub give_up: Duration,
    /// Silence after which a connection counts as lost, up to 10 s. Lower finds a fallen edge
    /// sooner, and gives up working connections on bad networks.
    pub idle_timeout: Duration,
    /// How often a silent connection is kept alive; must be below `idle_timeout`.
    pub keep_alive: Duration,
    /// Whether the state of matches with a tick rate comes in datagrams: what is lost is told again as it is by then,
    /// and holds nothing up. Otherwise it comes in order, tick by tick where players see everything.
    pub datagrams: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            name: concat!("worldlog-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            server_name: None,
            give_up: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(4),
            keep_alive: Duration::from_secs(1),
            datagrams: true,
        }
    }
}

impl Client {
    /// Connects to the first edge of the list that answers. The connection waits for the first
    /// [`Client::join`]; when that takes more than two seconds, the edge closes it and `join` makes
    /// another.
    ///
    /// # Errors
    /// When an option or address cannot be used, or no edge answers with a trusted certificate
    /// within three seconds each.
    ///
    /// # Cancellation
    /// Nothing is left behind.
    pub async fn connect(
        edges: impl Into<EdgeAddresses>,
        trust: Trust,
        options: ClientOptions,
    ) -> Result<Self, ConnectError> {
        let EdgeAddresses(addresses) = edges.into();
        let mut dialer = Dialer::new(addresses, &trust, options)?;
        let mut attempts = dialer.addresses.len();
        let link = loop {
            attempts -= 1;
            match dialer.dial_next().await {
                Ok(link) => break link,
                Err(error) if attempts == 0 => return Err(error),
                Err(error) => tracing::debug!(%error, "trying the next edge"),
            }
        };
        let turn = Arc::new(AtomicUsize::new(dialer.next));
        Ok(Self { dialer, parked: Arc::new(Mutex::new(Some(link))), turn })
    }

    /// Joins the match that the token is for. The player's mirror holds a verified baseline when
    /// this returns.
    ///
    /// While no edge can be reached it tries for [`ClientOptions::give_up`]. When the connection is
    /// lost just as the token was redeemed, the second attempt ends with `TokenUsed`: ask for a new
    /// token.
    ///
    /// # Errors
    /// When the server refuses the token or no edge takes the player in time.
    ///
    /// # Cancellation
    /// The token may have been redeemed; ask for a new one.
    pub async fn join(&self, token: impl Into<String>) -> Result<Player, SessionEnd> {
        let mut dialer = self.dialer.clone();
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let link = parked.filter(Link::is_open);
        if link.is_none() {
            dialer.next = self.turn.fetch_add(1, Ordering::Relaxed);
        }
        let (ready, became_ready) = oneshot::channel();
        let shared = Arc::new(Shared::new(ready));
        let guard = Unjoined(Some(Arc::clone(&shared)));
        tokio::spawn(reconnect::run(Arc::clone(&shared), dialer, link, token.into()));
        let is_ready = became_ready.await.is_ok();
        let joined = shared.session().joined.clone();
        match joined {
            Some(joined) if is_ready => Ok(Player::new(guard.release(), joined)),
            _ => Err(shared.end.borrow().clone().unwrap_or(SessionEnd::Dropped)),
        }
    }

    /// The same client for players on a bad link: for tests. Each connection that they make has chances of its own.
    #[must_use]
    pub fn with_faults(&self, faults: LinkFaults) -> Self {
        let dialer = Dialer { faults: Some(faults).filter(|faults| !faults.is_none()), ..self.dialer.clone() };
        // The connection that waits has a good link.
        Self { dialer, parked: Arc::default(), turn: Arc::clone(&self.turn) }
    }

    /// The game as the server described it, once a player joined.
    #[must_use]
    pub fn manifest(&self) -> Option<Arc<Manifest>> {
        self.dialer.known()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("edges", &self.dialer.addresses).finish_non_exhaustive()
    }
}

/// Stops the task of a join that is dropped half way.
struct Unjoined(Option<Arc<Shared>>);

impl Unjoined {
    fn release(mut self) -> Arc<Shared> {
        self.0.take().expect("released once, by value")
    }
}

impl Drop for Unjoined {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.wish(|wishes| wishes.dropped = true);
        }
    }
}

/// Makes connections, round robin over the edges.
#[derive(Clone)]
pub(crate) struct Dialer {
    config: quinn::ClientConfig,
    addresses: Arc<[SocketAddr]>,
    next: usize,
    pub(crate) options: Arc<ClientOptions>,
    known: Arc<Mutex<Option<Arc<Manifest>>>>,
    faults: Option<LinkFaults>,
    /// Connections that were tried.
    dials: u64,
}

impl Dialer {
    fn new(addresses: Vec<SocketAddr>, trust: &Trust, options: ClientOptions) -> Result<Self, ConnectError> {
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress);
        }
        check(&options)?;
        let mut config = quinn::ClientConfig::new(Arc::new(tls(&addresses, trust)?));
        config.transport_config(Arc::new(transport(&options)?));
        let (addresses, options) = (addresses.into(), Arc::new(options));
        Ok(Self { config, addresses, next: 0, options, known: Arc::default(), faults: None, dials: 0 })
    }

    /// The manifest last seen, by any player of this client.
    pub(crate) fn known(&self) -> Option<Arc<Manifest>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn learn(&self, manifest: &Arc<Manifest>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(manifest));
    }

    /// Connects to the next edge of the list.
    pub(crate) async fn dial_next(&mut self) -> Result<Link, ConnectError> {
        let address = self.addresses[self.next % self.addresses.len()];
        self.next = (self.next + 1) % self.addresses.len();
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let mut socket = TokioRuntime.wrap_udp_socket(UdpSocket::bind((any, 0))?)?;
        self.dials += 1;
        if let Some(faults) = self.faults {
            socket = Arc::new(FaultySocket::new(socket, faults.of_link(self.dials)));
        }
        let socket = Arc::new(CuttableSocket::new(socket));
        let endpoint = Endpoint::new_with_abstract_socket(
            EndpointConfig::default(),
            None,
            Arc::clone(&socket) as Arc<dyn quinn::AsyncUdpSocket>,
            Arc::new(TokioRuntime),
        )?;
        let unreachable = |reason: String| ConnectError::Unreachable { address, reason };
        let name = self.options.server_name.clone().unwrap_or_else(|| address.ip().to_string());
        let connecting = endpoint
            .connect_with(self.config.clone(), address, &name)
            .map_err(|error| unreachable(error.to_string()))?;
        let wait = Duration::from_millis(HANDSHAKE_MS_MAX);
        match tokio::time::timeout(wait, connecting).await {
            Ok(Ok(connection)) => Ok(Link::new(connection, socket)),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(_) => Err(unreachable(format!("no answer within {HANDSHAKE_MS_MAX} ms"))),
        }
    }
}

fn check(options: &ClientOptions) -> Result<(), ConnectError> {
    let refused = |option, reason: String| Err(ConnectError::Option { option, reason });
    if options.name.len() > CLIENT_NAME_BYTES_MAX {
        return refused("name", format!("{} bytes exceed {CLIENT_NAME_BYTES_MAX}", options.name.len()));
    }
    if options.idle_timeout.is_zero() || options.idle_timeout > Duration::from_millis(IDLE_MS_MAX) {
        return refused("idle_timeout", format!("must be above 0 and at most {IDLE_MS_MAX} ms"));
    }
    if options.keep_alive >= options.idle_timeout {
        return refused("keep_alive", "must be below idle_timeout".to_owned());
    }
    Ok(())
}

fn tls(addresses: &[SocketAddr], trust: &Trust) -> Result<QuicClientConfig, ConnectError> {
    let refused = |reason: String| ConnectError::Trust { reason };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = trust.verifier(addresses, &provider)?;
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| refused(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    QuicClientConfig::try_from(config).map_err(|error| refused(error.to_string()))
}

fn transport(options: &ClientOptions) -> Result<TransportConfig, ConnectError> {
    let idle = options.idle_timeout.try_into();
    let idle = idle.map_err(|_| ConnectError::Option { option: "idle_timeout", reason: "too long".to_owned() })?;
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(options.keep_alive))
        .initial_rtt(Duration::from_millis(INITIAL_RTT_MS))
        // The edge opens state streams and nothing else.
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS_PER_CONNECTION_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_RECEIVE_BYTES))
        .receive_window(VarInt::from_u32(2 * STREAM_RECEIVE_BYTES))
        .datagram_receive_buffer_size(options.datagrams.then_some(DATAGRAM_RECEIVE_BYTES));
    Ok(transport)
}

/// Updates that wait to be looked at; then the oldest are dropped, and told again.
const DATAGRAM_RECEIVE_BYTES: usize = 256 * 1024;
/// How far an edge may write ahead of the reader. A baseline of a large match comes in as many
/// round trips as it has windows.
const STREAM_RECEIVE_BYTES: u32 = 1024 * 1024;
