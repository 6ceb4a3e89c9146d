//! The endpoint: what QUIC may use, and which connections it accepts.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use protocol::limits::{
    CONNECTION_WINDOW_BYTES, DATAGRAM_RECEIVE_BYTES, DATAGRAM_SEND_BYTES, HANDSHAKE_MS_MAX, HELLO_MS_MAX, IDLE_MS_MAX,
    INCOMING_BYTES_MAX, INCOMING_MAX, INITIAL_RTT_MS, SEND_WINDOW_BYTES, SOCKET_RECEIVE_BYTES, STREAM_WINDOW_BYTES,
    STREAMS_PER_CONNECTION_MAX,
};
use protocol::version::ALPN;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, Incoming, Runtime, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::connection::{Talk, converse};
use super::inbox::Inbox;
use super::unproven::{Accounted, Unproven};
use super::wire::{WEB_ALPN, Wire};
use super::{Event, Live, StartError};
use crate::certificates::Certificates;
use crate::config::EdgeLimits;
use crate::edge::{ConnectionId, Gate, Verdict};
use crate::metrics::Counters;

pub(super) fn server_config(certificates: Certificates) -> Result<ServerConfig, StartError> {
    let refused = |error: &dyn std::fmt::Display| StartError::Certificate(error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| refused(&error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    tls.alpn_protocols = vec![ALPN.to_vec(), WEB_ALPN.to_vec()];
    // What comes with 0-RTT can be replayed.
    tls.max_early_data_size = 0;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| refused(&error))?;
    let mut server = ServerConfig::with_crypto(Arc::new(crypto));
    server
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(u64::from(CONNECTION_WINDOW_BYTES))
        .incoming_buffer_size_total(INCOMING_BYTES_MAX)
        .migration(true)
        .transport_config(Arc::new(transport()));
    Ok(server)
}

/// Settings that are the same after a restart, so that whoever was connected before learns at once that the
/// connection is gone (RFC 9000, section 10.3) instead of waiting for silence to tell.
pub(super) fn endpoint_config(seed: &[u8]) -> EndpointConfig {
    let key = hmac::Key::new(hmac::HMAC_SHA256, seed);
    let of_ids = hmac::sign(&key, b"worldlog connection ids");
    let of_ids = u64::from_le_bytes(of_ids.as_ref()[..8].try_into().expect("eight bytes"));
    let reset = hmac::sign(&key, b"worldlog stateless reset");
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, reset.as_ref())));
    // Packets for ids of another generator would be dropped without an answer.
    // After a restart all players ask at once; each answer is smaller than the question.
    config.min_reset_interval(RESET_INTERVAL);
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(of_ids)));
    config
}

const RESET_INTERVAL: Duration = Duration::from_micros(100);

fn transport() -> TransportConfig {
    let idle = Duration::from_millis(IDLE_MS_MAX).try_into().expect("some seconds fit");
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_PER_CONNECTION_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS_PER_CONNECTION_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .max_idle_timeout(Some(idle))
        .initial_rtt(Duration::from_millis(INITIAL_RTT_MS))
        .datagram_receive_buffer_size(Some(DATAGRAM_RECEIVE_BYTES))
        .datagram_send_buffer_size(DATAGRAM_SEND_BYTES);
    transport
}

/// Listens. Of addresses that may be forged the second keeps account; the third knows what waits in the socket.
pub(super) fn listen(
    listen: SocketAddr,
    config: EndpointConfig,
    server: ServerConfig,
) -> io::Result<(Endpoint, Arc<Unproven>, Arc<Inbox>)> {
    let socket = TokioRuntime.wrap_udp_socket(bind(listen)?)?;
    let (unproven, inbox) = (Arc::new(Unproven::default()), Arc::new(Inbox::default()));
    let socket = Arc::new(Accounted { socket, unproven: Arc::clone(&unproven), inbox: Arc::clone(&inbox) });
    let endpoint = Endpoint::new_with_abstract_socket(config, Some(server), socket, Arc::new(TokioRuntime))?;
    Ok((endpoint, unproven, inbox))
}

/// Opens the socket. All addresses of IPv6 take players of IPv4 too, whatever the system's default.
fn bind(listen: SocketAddr) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(listen);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if domain == Domain::IPV6 && listen.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&listen.into())?;
    hold_bursts(&socket);
    Ok(socket.into())
}

/// Has the system keep what comes while the edge is busy, as far as it allows.
fn hold_bursts(socket: &Socket) {
    // Linux doubles what is asked for, and answers with that.
    let wanted = 2 * SOCKET_RECEIVE_BYTES;
    let enlarge = |held| match held {
        held if held >= wanted => Ok(held),
        _ => socket.set_recv_buffer_size(SOCKET_RECEIVE_BYTES).and_then(|()| socket.recv_buffer_size()),
    };
    match socket.recv_buffer_size().and_then(enlarge) {
        Ok(held) if held >= wanted => {}
        Ok(held) => tracing::info!(
            bytes = held / 2,
            "the system holds few packets for this edge, and with hundreds of players some will be lost: \
             sysctl -w net.core.rmem_max={SOCKET_RECEIVE_BYTES}"
        ),
        Err(error) => tracing::info!(%error, "how much the system holds for this edge is not known"),
    }
}

/// Looks after what is in force until it is dropped.
pub(super) async fn keep_certificates(certificates: Certificates) {
    let mut often = tokio::time::interval(CERTIFICATE_CHECK);
    let mut failing = false;
    loop {
        often.tick().await;
        let held = certificates.clone();
        let refreshed = tokio::task::spawn_blocking(move || held.refresh(super::clock::unix_seconds())).await;
        match &refreshed {
            Ok(Ok(true)) => tracing::info!("another certificate is in force"),
            Ok(Err(error)) if !failing => {
                tracing::warn!(%error, "the certificate that was in force stays so; looking again every ten seconds");
            }
            _ => {}
        }
        failing = !matches!(refreshed, Ok(Ok(_)));
    }
}

const CERTIFICATE_CHECK: Duration = Duration::from_secs(10);

/// Who may come in.
pub(super) struct Door {
    pub(super) limits: EdgeLimits,
    /// Empty: any.
    pub(super) web_origins: Vec<String>,
    pub(super) unproven: Arc<Unproven>,
}

/// Accepts connections until the endpoint closes.
pub(super) async fn accept(
    endpoint: Endpoint,
    door: Arc<Door>,
    events: mpsc::Sender<Event>,
    live: Live,
    counters: Arc<Counters>,
) {
    let mut gate = Gate::new(door.limits);
    let mut tasks = JoinSet::new();
    let handshakes = Arc::new(AtomicUsize::new(0));
    let mut last_id = 0;
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            // A task gives the address that it held a place for.
            Some(ended) = tasks.join_next() => {
                if let Ok(address) = ended {
                    gate.leave(address);
                }
                continue;
            }
        };
        let Some(incoming) = incoming else { return };
        let address = incoming.remote_address().ip();
        let now = super::clock::now().at;
        let in_flight = handshakes.load(Ordering::Relaxed);
        match gate.judge(now, address, incoming.remote_address_validated(), in_flight) {
            Verdict::Accept => {
                last_id += 1;
                let talk = Talk { id: ConnectionId(last_id), events: events.clone(), live: Arc::clone(&live) };
                let handshakes = InFlight::new(&handshakes);
                let door = Arc::clone(&door);
                tasks.spawn(async move {
                    serve(incoming, handshakes, talk, &door).await;
                    address
                });
            }
            Verdict::Retry if incoming.may_retry() => {
                counters.retries.add(1);
                let _ = incoming.retry();
            }
            Verdict::Retry | Verdict::Refuse => {
                counters.turned_away.add(1);
                incoming.refuse();
            }
        }
    }
}

async fn serve(incoming: Incoming, handshake: InFlight, talk: Talk, door: &Door) {
    let unproven = (!incoming.remote_address_validated()).then(|| door.unproven.open(incoming.remote_address()));
    let Ok(connecting) = incoming.accept() else { return };
    let wait = Duration::from_millis(HANDSHAKE_MS_MAX);
    // Dropped in time: QUIC closes what did not become a connection.
    let connected = tokio::time::timeout(wait, connecting).await;
    let Ok(Ok(connection)) = connected else { return };
    if let Some(handshake) = unproven {
        handshake.proven();
    }
    // WebTransport's part of it counts as well. Dropped in time here too.
    let ready =
        tokio::time::timeout(Duration::from_millis(HELLO_MS_MAX), Wire::accept(connection, &door.web_origins)).await;
    drop(handshake);
    if let Ok(Ok(wire)) = ready {
        converse(&wire, talk).await;
    }
}

/// A handshake that is counted while it lasts.
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
