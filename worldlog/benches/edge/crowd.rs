//! Clients that only count: they join, send, and drop what they are told, as most of the peer's clients do, so that
//! the process of the clients is not what is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use protocol::limits::STREAMS_PER_CONNECTION_MAX;
use protocol::session::{ClientMessageT, CommandBytesT, CommandsT, HelloT, JoinT, encode_client};
use protocol::update::{Ack, AckPace, Header};
use protocol::version::{ALPN, MAJOR, MINOR};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, TransportConfig, VarInt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::sync::{oneshot, watch};

use crate::server::Listening;
use crate::step::{Plan, wish};

/// What all of a crowd count together.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) is_measuring: AtomicBool,
    /// What the edge wrote into streams and datagrams.
    pub(crate) bytes: AtomicU64,
    /// Those that are in the match.
    pub(crate) joined: AtomicU32,
    /// Connections that came to nothing.
    pub(crate) failed_dials: AtomicU32,
    /// Connections that ended before they were to.
    pub(crate) lost: AtomicU32,
}

/// Attempts of one client, and how long to wait before the next.
const DIALS_MAX: usize = 20;
const DIAL_AGAIN: Duration = Duration::from_millis(250);

impl Counts {
    fn note(&self, bytes: usize) {
        if self.is_measuring.load(Ordering::Relaxed) {
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

/// One client of a crowd.
pub(crate) struct Member {
    pub(crate) connection: Connection,
}

/// Sockets of a crowd; several clients share one.
pub(crate) fn endpoint() -> Endpoint {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut transport = TransportConfig::default();
    transport
        .keep_alive_interval(Some(Duration::from_secs(1)))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS_PER_CONNECTION_MAX));
    config.transport_config(Arc::new(transport));
    let mut endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    endpoint.set_default_client_config(config);
    endpoint
}

impl Member {
    /// Connects, asks to join, and plays in tasks of its own until the connection is closed.
    pub(crate) async fn join(
        endpoint: &Endpoint,
        listening: &Listening,
        token: String,
        plan: Plan,
        counts: &Arc<Counts>,
    ) -> Self {
        let mut tries = 1..=DIALS_MAX;
        let connection = loop {
            match endpoint.connect(listening.quic, "localhost").unwrap().await {
                Ok(connection) => break connection,
                // An edge that is behind turns away who comes; as clients do, they come again.
                Err(error) => assert!(tries.next().is_some(), "no edge takes a client: {error}"),
            }
            counts.failed_dials.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(DIAL_AGAIN).await;
        };
        let (mut control, mut answers) = connection.open_bi().await.unwrap();
        let mut greeting = encode_client(hello(plan.takes_datagrams));
        let mut join = JoinT::default();
        join.token = token;
        greeting.extend(encode_client(ClientMessageT::Join(Box::new(join))));
        control.write_all(&greeting).await.unwrap();
        let (hears, counted) = (connection.clone(), Arc::clone(counts));
        let (is_in, came_in) = oneshot::channel();
        let mut is_in = Some(is_in);
        tokio::spawn(async move {
            while let Ok(mut stream) = hears.accept_uni().await {
                if let Some(is_in) = is_in.take() {
                    let _ = is_in.send(());
                }
                counted.joined.fetch_add(1, Ordering::Relaxed);
                while let Ok(Some(chunk)) = stream.read_chunk(64 * 1024, true).await {
                    counted.note(chunk.bytes.len());
                }
            }
            counted.lost.fetch_add(1, Ordering::Relaxed);
            if let Some(reason) = hears.close_reason().filter(|reason| *reason != ConnectionError::LocallyClosed) {
                eprintln!("a client of the crowd is out: {reason}");
            }
        });
        let (sends, sent) = watch::channel(());
        tokio::spawn(take_updates(connection.clone(), Arc::clone(counts), sent));
        tokio::spawn(async move { while let Ok(Some(_)) = answers.read_chunk(64 * 1024, true).await {} });
        tokio::spawn(async move {
            // Nothing may be said before the edge took the player.
            if came_in.await.is_err() {
                return;
            }
            let mut number = 0;
            let mut beat = plan.beat().await;
            loop {
                beat.tick().await;
                number += 1;
                if control.write_all(&command(number, plan.seed)).await.is_err() {
                    return;
                }
                // In the same packet, as clients do it.
                let _ = sends.send(());
            }
        });
        Self { connection }
    }
}

/// Acknowledges updates as a client does that reads them, and reads no more than that takes.
async fn take_updates(connection: Connection, counts: Arc<Counts>, mut commands: watch::Receiver<()>) {
    let mut came = Came::default();
    let mut pace = AckPace::default();
    loop {
        let alarm = async {
            match pace.due(came.missing & 1 != 0) {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            datagram = connection.read_datagram() => {
                let Ok(datagram) = datagram else { return };
                counts.note(datagram.len());
                if let Ok(header) = Header::decode(&datagram) {
                    came.note(header.era, header.seq);
                    pace.note_update(std::time::Instant::now());
                }
                continue;
            }
            Ok(()) = commands.changed() => {
                pace.note_command(std::time::Instant::now());
                if pace.due(false).is_none() {
                    continue;
                }
            }
            () = alarm => {}
        };
        pace.note_ack();
        let ack = Ack { era: came.era, seq: came.newest, missing: came.missing };
        let _ = connection.send_datagram(ack.encode().into());
    }
}

/// Which updates of an era came.
#[derive(Debug, Default)]
struct Came {
    era: u8,
    newest: u16,
    /// Bit i: the one numbered `newest - 1 - i` did not come.
    missing: u64,
}

impl Came {
    fn note(&mut self, era: u8, seq: u16) {
        if era != self.era {
            *self = Self { era, newest: 0, missing: 0 };
        }
        match seq.wrapping_sub(self.newest) as i16 {
            0 => {}
            ahead @ 1.. => {
                let ahead = u32::from(ahead as u16);
                let between = 1u64.checked_shl(ahead - 1).map_or(u64::MAX, |bit| bit - 1);
                self.missing = self.missing.checked_shl(ahead).unwrap_or(0) | between;
                self.newest = seq;
            }
            behind => {
                let place = u32::from(behind.unsigned_abs()) - 1;
                self.missing &= !1u64.checked_shl(place).unwrap_or(0);
            }
        }
    }
}

fn hello(takes_datagrams: bool) -> ClientMessageT {
    let mut hello = HelloT::default();
    (hello.major, hello.minor) = (MAJOR, MINOR);
    hello.client = Some("bench".to_owned());
    hello.datagrams = takes_datagrams;
    ClientMessageT::Hello(Box::new(hello))
}

fn command(number: u32, seed: u64) -> Vec<u8> {
    let mut item = CommandBytesT::default();
    item.payload = wish(number, seed).encode();
    let mut commands = CommandsT::default();
    (commands.first_seq, commands.items) = (number, vec![item]);
    encode_client(ClientMessageT::Commands(Box::new(commands)))
}

/// The server is a child of this process.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
