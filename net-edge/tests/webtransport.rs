//! Browsers and programs on one port: WebTransport over the loopback interface, by another implementation's client.
#![allow(clippy::unwrap_used, reason = "tests")]

mod service;
mod stage;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use client::{Client, ClientOptions, Outcome, Trust};
use protocol::frame::Framer;
use protocol::limits::CLIENT_DATAGRAM_BYTES_MAX;
use protocol::outcome::CloseCode;
use protocol::session::*;
use protocol::update::Ack;
use quinn::TransportConfig;
use stage::{Stage, client_config, commands, hello, join};
use url::Url;
use web_transport_quinn::http::header::ORIGIN;
use web_transport_quinn::proto::ConnectError::WrongStatus;
use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{
    ClientError, ConnectError, RecvStream, SendStream, Session, SessionError, WebTransportError,
};

/// A browser, as far as an edge can tell.
struct Browser {
    session: Session,
    _endpoint: quinn::Endpoint,
}

impl Browser {
    async fn connect(stage: &Stage) -> Self {
        Self::request(stage, "/worldlog/1", None).await.unwrap()
    }

    async fn request(stage: &Stage, path: &str, origin: Option<&'static str>) -> Result<Self, ClientError> {
        let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let config = client_config(b"h3", TransportConfig::default());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, stage.address().port()));
        let connection = endpoint.connect_with(config, address, "localhost").unwrap().await?;
        let mut request = ConnectRequest::new(Url::parse(&format!("https://{address}{path}")).unwrap());
        if let Some(origin) = origin {
            request = request.with_header(ORIGIN, origin.parse().unwrap());
        }
        let session = Session::connect(connection, request).await?;
        Ok(Self { session, _endpoint: endpoint })
    }

    /// Says hello, joins, and gives control and state.
    async fn join(&self, stage: &Stage, account: &str) -> Talk {
        let (mut send, control) = self.session.open_bi().await.unwrap();
        send.write_all(&[hello(1), join(&stage.token(account))].concat()).await.unwrap();
        let mut control = Frames::new(control);
        control.until(|frame| frame.message_as_joined().map(|joined| joined.player())).await;
        let mut state = Frames::new(self.session.accept_uni().await.unwrap());
        state.until(|frame| frame.message_as_baseline().map(|baseline| baseline.hash())).await;
        Talk { send, control, state }
    }
}

struct Talk {
    send: SendStream,
    control: Frames,
    state: Frames,
}

impl Talk {
    /// Sends one command; gives the code of its outcome.
    async fn command(&mut self, seq: u32) -> u16 {
        self.send.write_all(&commands(seq, 1)).await.unwrap();
        let code = |frame: ServerFrame<'_>| {
            let outcomes = frame.message_as_outcomes()?.outcomes();
            outcomes.iter().find(|outcome| outcome.seq() == seq).map(|outcome| outcome.code())
        };
        self.state.until(code).await
    }
}

struct Frames {
    stream: RecvStream,
    framer: Framer,
}

impl Frames {
    fn new(stream: RecvStream) -> Self {
        Self { stream, framer: Framer::new(1 << 20) }
    }

    /// Reads on until a frame holds what is looked for.
    async fn until<T>(&mut self, mut found: impl FnMut(ServerFrame<'_>) -> Option<T>) -> T {
        loop {
            while let Some(frame) = self.framer.next_frame().unwrap() {
                if let Some(found) = found(decode_server(frame).unwrap()) {
                    return found;
                }
            }
            let chunk = self.stream.read_chunk(1 << 16, true).await.unwrap().expect("more frames come");
            self.framer.push(&chunk.bytes);
        }
    }
}

/// The code that a browser's page is told.
async fn told(browser: &Browser) -> (CloseCode, String) {
    match browser.session.closed().await {
        SessionError::WebTransportError(WebTransportError::Closed(code, reason)) => {
            (CloseCode::from_number(u64::from(code)).unwrap(), reason)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browser_and_program_play_in_one_match_on_one_port() {
    let stage = Stage::start();
    let native = stage.player("ada").await;
    let browser = Browser::connect(&stage).await;
    let mut talk = browser.join(&stage, "bob").await;
    for seq in 1..=50 {
        assert_eq!(talk.command(seq).await, 0, "applied");
        assert!(matches!(native.send(*b"even").await.unwrap(), Outcome::Applied { .. }));
    }
    let players = native.with_mirror(|mirror| {
        (1..=2).map(|id| mirror.field(protocol::EntityId(id), "Count", "commands")).collect::<Vec<_>>()
    });
    assert_eq!(players, [Some(50), Some(50)], "each sees what both did");
    stage.assert_undisturbed(&native).await;
    assert_eq!(stage.server.stats().connections, 2);

    talk.send.write_all(&encode_client(ClientMessageT::Leave(Box::default()))).await.unwrap();
    let said = talk.control.until(|frame| frame.message_as_closing().map(|closing| closing.code())).await;
    assert_eq!(said, CloseCode::Left as u32);
    assert_eq!(told(&browser).await.0, CloseCode::Left);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_codes_and_their_sentences_reach_pages() {
    let stage = Stage::start();
    let offences = [
        (hello(2), CloseCode::Version),
        (commands(1, 1), CloseCode::OutOfOrder),
        (vec![0xff; 64], CloseCode::Oversized),
        ([hello(1), join("no.to.ken")].concat(), CloseCode::TokenInvalid),
    ];
    for (bytes, code) in offences {
        let browser = Browser::connect(&stage).await;
        let (mut send, _receive) = browser.session.open_bi().await.unwrap();
        let _ = send.write_all(&bytes).await;
        let (told, reason) = told(&browser).await;
        assert_eq!(told, code);
        assert!(reason.starts_with(code.sentence()), "{reason}");
    }
    let browser = Browser::connect(&stage).await;
    let mut uni = browser.session.open_uni().await.unwrap();
    let _ = uni.write_all(b"x").await;
    assert_eq!(told(&browser).await.0, CloseCode::OutOfOrder, "a second kind of stream");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_paths_are_not_found_and_other_pages_are_turned_away() {
    let status = |refused: Result<Browser, ClientError>| match refused.err() {
        Some(ClientError::HttpError(ConnectError::ProtoError(WrongStatus(Some(status))))) => status.as_u16(),
        other => panic!("{other:?}"),
    };
    let stage = Stage::start();
    for path in ["/", "/worldlog", "/worldlog/2", "/worldlog/1/", "/play"] {
        assert_eq!(status(Browser::request(&stage, path, None).await), 404, "{path}");
    }
    assert!(
        Browser::request(&stage, "/worldlog/1", Some("https://any.example")).await.is_ok(),
        "none is named: any may"
    );

    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    let stage = Stage::with(listen, |config| config.web_origins = vec!["https://game.example".to_owned()]);
    assert!(Browser::request(&stage, "/worldlog/1", Some("https://game.example")).await.is_ok());
    assert!(Browser::request(&stage, "/worldlog/1", None).await.is_ok(), "a program has none");
    for origin in ["https://evil.example", "http://game.example", "https://game.example.evil.example", "null"] {
        assert_eq!(status(Browser::request(&stage, "/worldlog/1", Some(origin)).await), 403, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_that_are_acknowledgements_are_read_and_others_close_their_connection() {
    let stage = Stage::start();
    let browser = Browser::connect(&stage).await;
    let mut talk = browser.join(&stage, "ada").await;
    for seq in 0..100 {
        let ack = Ack { era: 1, seq, missing: u64::MAX };
        browser.session.send_datagram(ack.encode().into()).unwrap();
    }
    assert_eq!(talk.command(1).await, 0, "it plays on");
    let offences = [
        (vec![0; CLIENT_DATAGRAM_BYTES_MAX + 1], CloseCode::Oversized),
        (vec![0xff; CLIENT_DATAGRAM_BYTES_MAX], CloseCode::Malformed),
        (vec![], CloseCode::Malformed),
    ];
    for (bytes, code) in offences {
        let browser = Browser::connect(&stage).await;
        let _talk = browser.join(&stage, &format!("{code:?} {}", bytes.len())).await;
        browser.session.send_datagram(bytes.into()).unwrap();
        assert_eq!(told(&browser).await.0, code);
    }
    // Of a session that there is not.
    quinn::Connection::send_datagram(&browser.session, Bytes::from_static(&[0x3f, 1, 2])).unwrap();
    assert_eq!(told(&browser).await.0, CloseCode::Malformed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshake_of_webtransport_that_never_ends_is_given_up() {
    let stage = Stage::start();
    let honest = stage.player("ada").await;
    let endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let config = client_config(b"h3", TransportConfig::default());
    let connection = endpoint.connect_with(config, stage.address(), "localhost").unwrap().await.unwrap();
    let mut control = connection.open_uni().await.unwrap();
    // The type of the stream, and nothing of settings.
    control.write_all(&[0]).await.unwrap();
    assert!(matches!(connection.closed().await, quinn::ConnectionError::ApplicationClosed(_)));
    assert_eq!(stage.server.stats().connections, 1);
    stage.assert_undisturbed(&honest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_changes_for_those_who_come_and_not_for_those_who_play() {
    let stage = Stage::start();
    let honest = stage.player("ada").await;
    let certificates = stage.server.certificates();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let days = |days: u64| now + days * 24 * 60 * 60;
    assert!(!certificates.refresh(days(9)).unwrap(), "named, not in force");
    let hashes = certificates.sha256();
    let [before, after] = hashes[..] else { panic!("{hashes:?}") };
    let come = async |hash, account: &str| {
        let options = ClientOptions { give_up: std::time::Duration::from_secs(10), ..ClientOptions::default() };
        let client = Client::connect(stage.address(), Trust::Pinned(hash), options).await.ok()?;
        client.join(stage.token(account)).await.ok()
    };
    assert!(come(before, "bob").await.is_some() && come(after, "cyd").await.is_none());
    assert!(certificates.refresh(days(11)).unwrap());
    assert_eq!(certificates.sha256()[0], after);
    assert!(come(before, "dan").await.is_none() && come(after, "eve").await.is_some());
    stage.assert_undisturbed(&honest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_addresses_are_those_of_both_families() {
    if std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("this machine has no IPv6: nothing shown");
        return;
    }
    let stage = Stage::with((Ipv6Addr::UNSPECIFIED, 0).into(), |_| {});
    let port = stage.address().port();
    for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), (Ipv6Addr::LOCALHOST, port).into()] {
        let client = Client::connect(address, stage.trust.clone(), ClientOptions::default()).await.unwrap();
        let player = client.join(stage.token(&address.to_string())).await.unwrap();
        stage.assert_undisturbed(&player).await;
    }
    Browser::connect(&stage).await.join(&stage, "web").await;
}
