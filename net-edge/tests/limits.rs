//! Floods over the loopback interface: what they may take, and that players beside them notice nothing.
//!
//! Whoever floods has addresses of 127.9.0.0/16, so that networks can be told apart as they are in the world.
#![allow(clippy::unwrap_used, reason = "tests")]

mod service;
mod stage;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use net_edge::EdgeLimits;
use protocol::limits::{DATAGRAMS_BURST, HANDSHAKES_BEFORE_RETRY};
use protocol::outcome::CloseCode;
use protocol::update::Ack;
use protocol::version::ALPN;
use quinn::{ConnectionError, Endpoint, TransportConfig};
use stage::{Stage, Stranger, client_config, code_of, hello, join};

/// First packets of `count` connections, as a client sends them that goes on if it is answered.
async fn first_packets(count: usize) -> Vec<Vec<u8>> {
    let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    sink.set_nonblocking(true).unwrap();
    let sink = tokio::net::UdpSocket::from_std(sink).unwrap();
    let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let config = client_config(ALPN, TransportConfig::default());
    let (mut packets, mut seen) = (Vec::new(), HashSet::new());
    let mut buffer = [0; 2_048];
    while packets.len() < count {
        let connecting = endpoint.connect_with(config.clone(), sink.local_addr().unwrap(), "localhost").unwrap();
        loop {
            let length = sink.recv(&mut buffer).await.unwrap();
            // The destination's id is that of one connection.
            let id = buffer[6..6 + usize::from(buffer[5])].to_vec();
            if length >= 1_200 && seen.insert(id) {
                packets.push(buffer[..length].to_vec());
                break;
            }
        }
        drop(connecting);
    }
    packets
}

/// An address that shows itself to be nobody's: it sends one packet and answers nothing.
struct Forged {
    socket: UdpSocket,
    sent: usize,
    received: usize,
}

impl Forged {
    fn send(from: Ipv4Addr, packet: &[u8], to: SocketAddr) -> Self {
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let sent = socket.send_to(packet, to).unwrap();
        Self { socket, sent, received: 0 }
    }

    fn read(&mut self) {
        let mut buffer = [0; 2_048];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.received += length;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_handshakes_are_answered_with_three_times_their_bytes_at_most_and_players_come_and_play() {
    let stage = Stage::start();
    let honest = stage.player("ada").await;
    let packets = first_packets(3 * HANDSHAKES_BEFORE_RETRY).await;
    let mut forged = Vec::new();
    for (number, packet) in packets.iter().enumerate() {
        // Each from a network of its own, so that no limit of networks helps.
        let from = Ipv4Addr::new(127, 9, (number % 250) as u8, 1 + (number / 250) as u8);
        forged.push(Forged::send(from, packet, stage.address()));
        // No faster than the system hands on what comes: what it drops is no flood.
        if number % 8 == 7 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let newcomer = stage.player("bob").await;
    for _ in 0..50 {
        stage.assert_undisturbed(&honest).await;
        stage.assert_undisturbed(&newcomer).await;
    }
    // Who is not answered is given up after three seconds; until then QUIC says things again.
    tokio::time::sleep(Duration::from_millis(protocol::limits::HANDSHAKE_MS_MAX + 1_000)).await;
    forged.iter_mut().for_each(Forged::read);
    let worst = forged.iter().map(|one| one.received as f64 / one.sent as f64).fold(0.0, f64::max);
    let (sent, received) = forged.iter().fold((0, 0), |sum, one| (sum.0 + one.sent, sum.1 + one.received));
    let stats = stage.server.stats();
    println!(
        "{} forged, {sent} bytes sent, {received} received, at most {worst:.2} times; {} had to show their address",
        forged.len(),
        stats.retries_total
    );
    assert!(forged.iter().all(|one| one.received <= 3 * one.sent), "{worst}");
    assert!(received > 0, "the flood reached the edge");
    assert!(stats.retries_total as usize >= HANDSHAKES_BEFORE_RETRY, "{}", stats.retries_total);
    assert_eq!(stats.connections, 2, "none of it is a connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_network_takes_its_share_of_connections_and_others_come_in() {
    let limits = EdgeLimits { connections_per_prefix: 8, connects_per_prefix_burst: 1_000, ..EdgeLimits::default() };
    let stage = Stage::with((Ipv4Addr::LOCALHOST, 0).into(), |config| config.limits = limits);
    let honest = stage.player("ada").await;
    let mut live = Vec::new();
    let mut refused = 0;
    for number in 0..40u8 {
        let endpoint = Endpoint::client((Ipv4Addr::new(127, 9, 9, number + 1), 0).into()).unwrap();
        let config = client_config(ALPN, TransportConfig::default());
        match endpoint.connect_with(config, stage.address(), "localhost").unwrap().await {
            Ok(connection) => live.push((endpoint, connection)),
            Err(ConnectionError::ConnectionClosed(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        // Those that are there are kept busy enough to stay.
        for (_, connection) in &live {
            if connection.close_reason().is_some() {
                panic!("nobody was silent for so long");
            }
        }
    }
    assert_eq!((live.len(), refused), (8, 32));
    assert_eq!(stage.server.stats().turned_away_total, 32);
    let newcomer = stage.player("bob").await;
    stage.assert_undisturbed(&honest).await;
    stage.assert_undisturbed(&newcomer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_datagrams_closes_its_connection_and_no_other() {
    let stage = Stage::start();
    let honest = stage.player("ada").await;
    let stranger = Stranger::new(&stage);
    let connection = stranger.connect(ALPN, TransportConfig::default()).await.unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(&[hello(1), join(&stage.token("mob"))].concat()).await.unwrap();
    connection.accept_uni().await.unwrap();
    let before = stage.server.stats().received_bytes_total;
    let acknowledgement = Ack { era: 1, seq: 1, missing: 0 }.encode();
    let flood = async {
        loop {
            if connection.send_datagram_wait(Bytes::from(acknowledgement.clone())).await.is_err() {
                return;
            }
        }
    };
    let play = async {
        for _ in 0..200 {
            stage.assert_undisturbed(&honest).await;
        }
    };
    tokio::join!(flood, play);
    assert_eq!(code_of(&connection.closed().await), CloseCode::TooFast);
    let read = stage.server.stats().received_bytes_total - before;
    println!("{read} bytes were looked at");
    assert!(read >= acknowledgement.len() as u64 * u64::from(DATAGRAMS_BURST), "a burst is let through");
    stage.assert_undisturbed(&honest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_at_the_rate_of_the_settings_are_no_flood() {
    let limits = EdgeLimits { datagrams_per_second: 2_000, ..EdgeLimits::default() };
    let stage = Stage::with((Ipv4Addr::LOCALHOST, 0).into(), |config| config.limits = limits);
    let stranger = Stranger::new(&stage);
    let connection = stranger.connect(ALPN, TransportConfig::default()).await.unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(&[hello(1), join(&stage.token("ada"))].concat()).await.unwrap();
    connection.accept_uni().await.unwrap();
    for seq in 0..4 * DATAGRAMS_BURST as u16 {
        let acknowledgement = Ack { era: 1, seq, missing: 0 }.encode();
        connection.send_datagram_wait(acknowledgement.into()).await.unwrap();
    }
    send.write_all(&stage::commands(1, 1)).await.unwrap();
    while stage.server.stats().ack.count == 0 {
        assert!(connection.close_reason().is_none(), "{:?}", connection.close_reason());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_streams_is_held_to_its_credit_and_players_notice_nothing() {
    let stage = Stage::start();
    let honest = stage.player("ada").await;
    let stranger = Stranger::new(&stage);
    // As QUIC: the second stream is one too many.
    for _ in 0..20 {
        let connection = stranger.connect(ALPN, TransportConfig::default()).await.unwrap();
        let opened = async {
            let mut opened = 0;
            while let Ok(mut stream) = connection.open_uni().await {
                let _ = stream.write_all(b"x").await;
                opened += 1;
            }
            opened
        };
        let opened: u32 = opened.await;
        assert_eq!(code_of(&connection.closed().await), CloseCode::OutOfOrder);
        assert!(opened <= 8, "{opened} streams of a client that may have 4 at once");
    }
    // As a browser whose streams are of no known kind: each is dropped, and no more than four are there.
    let connection = stranger.connect(b"h3", TransportConfig::default()).await.unwrap();
    let request = url::Url::parse(&format!("https://{}/worldlog/1", stage.address())).unwrap();
    let session = web_transport_quinn::Session::connect(connection.clone(), request).await.unwrap();
    let (mut send, _receive) = session.open_bi().await.unwrap();
    send.write_all(&[hello(1), join(&stage.token("mob"))].concat()).await.unwrap();
    let flood = async {
        for _ in 0..2_000 {
            let Ok(mut stream) = connection.open_uni().await else { return };
            let _ = stream.write_all(&[0x40, 0x99, 1, 2, 3]).await;
            let _ = stream.finish();
        }
    };
    let play = async {
        for _ in 0..200 {
            stage.assert_undisturbed(&honest).await;
        }
    };
    tokio::join!(flood, play);
    stage.assert_undisturbed(&honest).await;
}
