//! What QUIC alone costs: a server on the same library that does nothing but send and read what an edge does.
//!
//! It sends each client a datagram a tick, of a size that is given, takes the clients' commands and acknowledgements
//! and throws them away. There is no match, no log, nobody's view; what an edge costs beyond this is its own.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use net_edge::TokenSigner;
use protocol::update::{HEADER_BYTES, Header};
use protocol::version::ALPN;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, ServerConfig, TransportConfig};
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::server::Listening;
use crate::world::TICKS_PER_SECOND;

/// The server process: FOLDER BYTES. Ends with its input.
pub(crate) fn serve(arguments: &[String]) {
    let [folder, bytes] = arguments else { panic!("floor-server FOLDER BYTES") };
    let bytes = bytes.parse::<usize>().unwrap().max(HEADER_BYTES);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = listen();
        let token_key = Path::new(folder).join("token.key");
        TokenSigner::load_or_generate(&token_key).unwrap();
        let listening =
            Listening { quic: endpoint.local_addr().unwrap(), certificate: [0; 32], match_id: 1, token_key };
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{}", serde_json::to_string(&listening).unwrap()).unwrap();
        stdout.flush().unwrap();
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        tokio::select! {
            _ = ended => {}
            () = run(endpoint, bytes) => {}
        }
    });
    runtime.shutdown_background();
}

fn listen() -> Endpoint {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    config.transport_config(Arc::new(TransportConfig::default()));
    Endpoint::server(config, ([127, 0, 0, 1], 0).into()).unwrap()
}

async fn run(endpoint: Endpoint, bytes: usize) {
    let mut clients: Vec<Connection> = Vec::new();
    let mut beat = tokio::time::interval(Duration::from_secs(1) / TICKS_PER_SECOND as u32);
    let mut tick = 0u16;
    loop {
        tokio::select! {
            incoming = endpoint.accept() => {
                let connection = incoming.unwrap().await.unwrap();
                clients.push(connection.clone());
                tokio::spawn(take(connection));
            }
            _ = beat.tick() => {
                tick = tick.wrapping_add(1);
                let mut update = vec![0; bytes];
                let header = Header { era: 1, seq: tick, tick, part: 0, parts: 1, settled_age: Some(1), has_hash: false, has_absences: false };
                update[..HEADER_BYTES].copy_from_slice(&header.encode());
                for client in &clients {
                    let _ = client.send_datagram(update.clone().into());
                }
            }
        }
    }
}

async fn take(connection: Connection) {
    let (_answers, mut control) = connection.accept_bi().await.unwrap();
    let mut state = connection.open_uni().await.unwrap();
    state.write_all(&[0]).await.unwrap();
    loop {
        tokio::select! {
            read = control.read_chunk(usize::MAX, true) => if !matches!(read, Ok(Some(_))) { return },
            read = connection.read_datagram() => if read.is_err() { return },
        }
    }
}
