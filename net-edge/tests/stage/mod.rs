//! An edge on the loopback interface with the service in small behind it, and clients that may do anything.
#![allow(dead_code, clippy::unwrap_used, reason = "tests; each uses its part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::{Client, ClientOptions, Outcome, Player, Trust};
use net_edge::{
    Certificates, Cluster, ClusterLink, EdgeConfig, EdgeServer, Ingress, LinkEvent, OfferError, TokenSigner,
};
use protocol::frame::Framer;
use protocol::limits::IDLE_MS_MAX;
use protocol::outcome::CloseCode;
use protocol::session::*;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, TransportConfig};
use tokio::sync::mpsc;

use crate::service::{self, Service, token};

// ---- the cluster --------------------------------------------------------------------------------------

/// The service behind one session at a time, stepping on command.
#[derive(Clone)]
pub(crate) struct Local(pub(crate) Arc<Mutex<State>>);

pub(crate) struct State {
    pub(crate) service: Service,
    pub(crate) egress: Option<mpsc::Sender<LinkEvent>>,
    /// Offers that are refused before one is taken.
    pub(crate) refuse: u32,
    pub(crate) links: u32,
}

impl State {
    pub(crate) fn say(&mut self, message: &[u8]) {
        if let Some(egress) = &self.egress {
            egress.try_send(LinkEvent::Message(message.into())).unwrap();
        }
    }

    pub(crate) fn step(&mut self) {
        if let Some(delta) = self.service.step() {
            self.say(&delta);
        }
    }
}

impl Local {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { service: Service::new(), egress: None, refuse: 0, links: 0 })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Cluster for Local {
    fn connect(&self) -> ClusterLink {
        let (sender, egress) = mpsc::channel(1 << 16);
        let mut state = self.state();
        state.egress = Some(sender);
        state.links += 1;
        state.service.forget_edge();
        ClusterLink { ingress: Box::new(self.clone()), egress, hello: service::hello() }
    }
}

impl Ingress for Local {
    fn offer(&mut self, message: Vec<u8>) -> Result<(), OfferError> {
        let mut state = self.state();
        if state.refuse > 0 {
            state.refuse -= 1;
            return Err(OfferError::Backlogged);
        }
        for answer in state.service.handle(&message) {
            state.say(&answer);
        }
        if state.service.is_waiting() {
            state.step();
        }
        Ok(())
    }
}

// ---- the stage ----------------------------------------------------------------------------------------

pub(crate) struct Stage {
    pub(crate) cluster: Local,
    pub(crate) server: EdgeServer,
    pub(crate) signer: TokenSigner,
    pub(crate) trust: Trust,
    /// Of certificates.
    dir: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn start() -> Self {
        Self::with((std::net::Ipv4Addr::LOCALHOST, 0).into(), |_| {})
    }

    /// With settings of its own.
    pub(crate) fn with(listen: SocketAddr, set: impl FnOnce(&mut EdgeConfig)) -> Self {
        let cluster = Local::new();
        let signer = TokenSigner::generate();
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::self_signed(dir.path()).unwrap();
        let trust = Trust::Pinned(certificates.sha256()[0]);
        let mut config = EdgeConfig::new(listen, vec![signer.public_key()], certificates);
        set(&mut config);
        let server = EdgeServer::start(config, Arc::new(cluster.clone())).unwrap();
        Self { cluster, server, signer, trust, dir }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    pub(crate) fn token(&self, account: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        token(&self.signer, account, now.as_millis() as i64)
    }

    pub(crate) async fn player(&self, account: &str) -> Player {
        // A machine that is busy elsewhere for seconds costs nobody the connection.
        let idle_timeout = Duration::from_millis(IDLE_MS_MAX);
        let options = ClientOptions { give_up: 3 * idle_timeout, idle_timeout, ..ClientOptions::default() };
        let client = Client::connect(self.address(), self.trust.clone(), options).await.unwrap();
        client.join(self.token(account)).await.unwrap()
    }

    /// What all honest players may rely on, whatever others do.
    pub(crate) async fn assert_undisturbed(&self, player: &Player) {
        let applied = player.send(*b"even").await.unwrap();
        assert!(matches!(applied, Outcome::Applied { .. }));
        let stats = player.stats();
        assert_eq!((stats.losses, stats.resyncs, stats.hash_mismatches), (0, 0, 0), "{stats:?}");
    }
}

// ---- clients that may do anything ---------------------------------------------------------------------

/// Speaks QUIC and nothing else.
pub(crate) struct Stranger {
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
}

impl Stranger {
    pub(crate) fn new(stage: &Stage) -> Self {
        Self {
            endpoint: Endpoint::client((std::net::Ipv4Addr::LOCALHOST, 0).into()).unwrap(),
            address: stage.address(),
        }
    }

    pub(crate) async fn connect(&self, alpn: &[u8], transport: TransportConfig) -> Result<Connection, ConnectionError> {
        self.endpoint.connect_with(client_config(alpn, transport), self.address, "localhost").unwrap().await
    }

    /// Sends bytes on control; gives the code of the Closing frame and that of the close.
    pub(crate) async fn say(&self, bytes: &[u8]) -> (Option<u32>, CloseCode) {
        let connection = self.connect(protocol::version::ALPN, TransportConfig::default()).await.unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let _ = send.write_all(bytes).await;
        let mut framer = Framer::new(1 << 20);
        let mut said = None;
        while let Ok(Some(chunk)) = receive.read_chunk(4_096, true).await {
            framer.push(&chunk.bytes);
            while let Some(frame) = framer.next_frame().unwrap() {
                let frame = decode_server(frame).unwrap();
                said = frame.message_as_closing().map(|closing| closing.code()).or(said);
            }
            if said.is_some() {
                break;
            }
        }
        drop(send);
        (said, code_of(&connection.closed().await))
    }
}

impl Stranger {
    /// Sends bytes and ends the stream.
    pub(crate) async fn say_and_end(&self, bytes: &[u8]) -> CloseCode {
        let connection = self.connect(protocol::version::ALPN, TransportConfig::default()).await.unwrap();
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        let _ = send.write_all(bytes).await;
        let _ = send.finish();
        code_of(&connection.closed().await)
    }
}

/// Of a client that believes everybody.
pub(crate) fn client_config(alpn: &[u8], transport: TransportConfig) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(anyone::Anyone(provider)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    config.transport_config(Arc::new(transport));
    config
}

pub(crate) fn code_of(error: &ConnectionError) -> CloseCode {
    match error {
        ConnectionError::ApplicationClosed(close) => CloseCode::from_number(close.error_code.into_inner()).unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn hello(major: u16) -> Vec<u8> {
    let mut hello = HelloT::default();
    hello.major = major;
    encode_client(ClientMessageT::Hello(Box::new(hello)))
}

pub(crate) fn join(token: &str) -> Vec<u8> {
    let mut join = JoinT::default();
    token.clone_into(&mut join.token);
    encode_client(ClientMessageT::Join(Box::new(join)))
}

pub(crate) fn commands(first_seq: u32, count: usize) -> Vec<u8> {
    let mut commands = CommandsT::default();
    commands.first_seq = first_seq;
    commands.items = vec![CommandBytesT::default(); count];
    encode_client(ClientMessageT::Commands(Box::new(commands)))
}

// ---- trust ---------------------------------------------------------------------------------------------

mod anyone {
    use super::*;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    /// Believes everybody.
    #[derive(Debug)]
    pub(super) struct Anyone(pub(super) Arc<CryptoProvider>);

    impl ServerCertVerifier for Anyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
