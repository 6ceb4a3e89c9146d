//! An edge with a match behind it, as small as the protocol allows: one match that steps on command,
//! one component that counts commands, and faults to order.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use protocol::delta::{Writer, encode_full};
use protocol::frame::{Framer, RawFrame};
use protocol::limits::{CLIENT_FRAME_BYTES_MAX, OUTCOME_RING};
use protocol::manifest::{FieldKind, Layout, Manifest, Rejection, Sync, Visibility};
use protocol::outcome::CloseCode;
use protocol::session::{
    BaselineT, ClientMessage, JoinedT, OutcomeT, OutcomesT, PongT, ServerMessageT, WelcomeT, decode_client,
    encode_closing, encode_delta, encode_server,
};
use protocol::{Columns, OutcomeCode};
use quinn::{Connection, Endpoint, RecvStream, SendStream, ServerConfig, VarInt};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::sync::watch;

/// What all edges of a server share: the log and the match, in one lock.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>, watch::Sender<u64>);

pub(crate) struct State {
    columns: Columns,
    writer: Writer,
    tick: u64,
    /// Delta frame of each tick from 1.
    deltas: Vec<Vec<u8>>,
    session: Option<Session>,
    pub(crate) faults: Faults,
    /// Payloads that ran, in order.
    pub(crate) ran: Vec<Vec<u8>>,
    pub(crate) resyncs: Vec<(u64, u64, u64)>,
    pub(crate) greetings: Vec<&'static str>,
}

struct Session {
    epoch: u32,
    secret: [u8; 32],
    last_seq: u32,
    ring: Vec<(u64, OutcomeT)>,
}

/// What goes wrong next. Each happens once for each time it is counted.
#[derive(Default)]
pub(crate) struct Faults {
    /// Delta frames that carry a wrong hash.
    pub(crate) wrong_hashes: u32,
    /// Connections that are dropped when commands arrive, before they reach the log.
    pub(crate) lost_before_log: u32,
    /// Connections that are dropped once commands are in the log, before any word of it.
    pub(crate) lost_after_log: u32,
    /// Resumes that are refused, and why.
    pub(crate) refuse_resume: Vec<CloseCode>,
    /// State streams that are reset after their baseline.
    pub(crate) stream_resets: u32,
}

pub(crate) fn manifest() -> Arc<Manifest> {
    let layouts = vec![
        Layout::entity(),
        Layout::new(1, "Count", Visibility::Everyone, Sync::Plain, [("commands".to_owned(), FieldKind::U32, 1)]),
    ];
    let rejections = vec![Rejection { code: 256, name: "odd-length".to_owned() }];
    Arc::new(Manifest::new("counter", 1, 0, layouts, rejections, &[]).unwrap())
}

impl World {
    pub(crate) fn new() -> Self {
        let mut state = State {
            columns: Columns::new(manifest()),
            writer: Writer::new(),
            tick: 0,
            deltas: vec![],
            session: None,
            faults: Faults::default(),
            ran: vec![],
            resyncs: vec![],
            greetings: vec![],
        };
        state.write();
        Self(Arc::new(Mutex::new(state)), watch::Sender::new(0))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Runs commands as one step, in the way of the service's session table.
    fn run(&self, first_seq: u32, payloads: &[Vec<u8>]) {
        let mut state = self.state();
        for (seq, payload) in (first_seq..).zip(payloads) {
            let session = state.session.as_mut().unwrap();
            assert!(seq <= session.last_seq + 1, "a gap in the numbers");
            if seq <= session.last_seq {
                continue;
            }
            session.last_seq = seq;
            let is_odd = payload.len() % 2 == 1;
            let mut outcome = OutcomeT::default();
            (outcome.seq, outcome.tick, outcome.position) = (seq, state.tick + 1, 10 * (state.tick + 1));
            outcome.code = if is_odd { 256 } else { OutcomeCode::APPLIED.0 };
            if !is_odd {
                state.ran.push(payload.clone());
            }
            let tick = state.tick + 1;
            state.session.as_mut().unwrap().ring.push((tick, outcome));
        }
        state.tick += 1;
        let everyone = state.write();
        let delta = encode_delta(state.tick, 10 * state.tick, state.columns.hash(Visibility::Everyone), &everyone);
        state.deltas.push(delta);
        let tick = state.tick;
        drop(state);
        self.1.send_replace(tick);
    }
}

impl State {
    fn write(&mut self) -> Vec<u8> {
        let count = self.ran.len() as u32;
        self.writer.begin(&mut self.columns, &[]);
        self.writer.component(&mut self.columns, 0, &[(1, 0)], &0u32.to_le_bytes(), &[]);
        self.writer.component(&mut self.columns, 1, &[(1, 0)], &count.to_le_bytes(), &[]);
        self.writer.finish(Visibility::Everyone)
    }

    fn baseline(&self) -> Vec<u8> {
        let mut baseline = BaselineT::default();
        (baseline.tick, baseline.position) = (self.tick, 10 * self.tick);
        baseline.hash = self.columns.hash(Visibility::Everyone);
        baseline.columns = encode_full(&self.columns, Visibility::Everyone, |_| true);
        baseline.own = encode_full(&self.columns, Visibility::Owner, |_| true);
        let ring = &self.session.as_ref().unwrap().ring;
        let held = ring[ring.len().saturating_sub(OUTCOME_RING)..].iter();
        baseline.outcomes = Some(held.map(|(_, outcome)| outcome.clone()).collect());
        encode_server(ServerMessageT::Baseline(Box::new(baseline)))
    }

    fn take_player(&mut self, resumed: bool) -> Vec<u8> {
        let session = self.session.get_or_insert(Session { epoch: 0, secret: [0; 32], last_seq: 0, ring: Vec::new() });
        session.epoch += 1;
        session.secret = [session.epoch as u8; 32];
        let mut joined = JoinedT::default();
        (joined.match_id, joined.session, joined.player) = (1, 7, 3);
        (joined.epoch, joined.last_seq, joined.resumed) = (session.epoch, session.last_seq, resumed);
        joined.secret = session.secret.to_vec();
        encode_server(ServerMessageT::Joined(Box::new(joined)))
    }

    fn epoch(&self) -> u32 {
        self.session.as_ref().map_or(0, |session| session.epoch)
    }
}

/// One edge on a port of the loopback interface.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) endpoint: Endpoint,
}

impl Edge {
    pub(crate) fn start(world: &World) -> Self {
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let certificate = signed.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .unwrap();
        tls.alpn_protocols = vec![protocol::version::ALPN.to_vec()];
        let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let endpoint =
            Endpoint::server(ServerConfig::with_crypto(Arc::new(crypto)), (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let (world, accepting) = (world.clone(), endpoint.clone());
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                let world = world.clone();
                tokio::spawn(async move {
                    if let Ok(connection) = incoming.await {
                        serve(&world, &connection).await;
                    }
                });
            }
        });
        Self { address, certificate, endpoint }
    }
}

/// Frames of the control stream, one after the other.
struct Control {
    stream: RecvStream,
    framer: Framer,
}

impl Control {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(RawFrame(bytes)) = self.framer.next_frame().unwrap() {
                return Some(bytes.to_vec());
            }
            let chunk = self.stream.read_chunk(4096, true).await.ok()??;
            self.framer.push(&chunk.bytes);
        }
    }
}

async fn close(connection: &Connection, control: &mut SendStream, code: CloseCode) {
    let _ = control.write_all(&encode_closing(code, code.sentence())).await;
    connection.close(VarInt::from_u32(code as u32), code.sentence().as_bytes());
}

async fn serve(world: &World, connection: &Connection) {
    let Ok((mut out, stream)) = connection.accept_bi().await else { return };
    let mut control = Control { stream, framer: Framer::new(CLIENT_FRAME_BYTES_MAX) };
    let Some(hello) = control.next().await else { return };
    let known = decode_client(RawFrame(&hello)).unwrap().message_as_hello().unwrap().manifest_hash();
    let manifest = manifest();
    let mut welcome = WelcomeT::default();
    (welcome.major, welcome.manifest_hash) = (1, manifest.hash());
    welcome.manifest = (known != manifest.hash()).then(|| manifest.bytes().to_vec());
    let _ = out.write_all(&encode_server(ServerMessageT::Welcome(Box::new(welcome)))).await;

    let Some(word) = control.next().await else { return };
    let frame = decode_client(RawFrame(&word)).unwrap();
    let resumed = if let Some(join) = frame.message_as_join() {
        world.state().greetings.push("join");
        if join.token() != "token" {
            return close(connection, &mut out, CloseCode::TokenInvalid).await;
        }
        false
    } else {
        let resume = frame.message_as_resume().unwrap();
        let refused = {
            let mut state = world.state();
            state.greetings.push("resume");
            assert_eq!(resume.secret().bytes(), state.session.as_ref().unwrap().secret);
            assert!(resume.last_position() <= 10 * state.tick);
            state.faults.refuse_resume.pop()
        };
        if let Some(code) = refused {
            return close(connection, &mut out, code).await;
        }
        true
    };
    let joined = world.state().take_player(resumed);
    let epoch = world.state().epoch();
    let _ = out.write_all(&joined).await;

    let (resync, resyncs) = watch::channel(0u32);
    let state = tokio::spawn(write_state(world.clone(), connection.clone(), resyncs, epoch));
    while let Some(bytes) = control.next().await {
        if world.state().epoch() != epoch {
            break;
        }
        let frame = decode_client(RawFrame(&bytes)).unwrap();
        match frame.message_type() {
            ClientMessage::Commands => {
                let commands = frame.message_as_commands().unwrap();
                let payloads: Vec<_> = commands.items().iter().map(|item| item.payload().bytes().to_vec()).collect();
                if take(&mut world.state().faults.lost_before_log) {
                    break;
                }
                let is_lost = take(&mut world.state().faults.lost_after_log);
                if is_lost {
                    state.abort();
                }
                world.run(commands.first_seq(), &payloads);
                if is_lost {
                    break;
                }
            }
            ClientMessage::Ping => {
                let mut pong = PongT::default();
                (pong.nonce, pong.tick) = (frame.message_as_ping().unwrap().nonce(), world.state().tick);
                let _ = out.write_all(&encode_server(ServerMessageT::Pong(Box::new(pong)))).await;
            }
            ClientMessage::Resync => {
                let asked = frame.message_as_resync().unwrap();
                world.state().resyncs.push((asked.tick(), asked.expected(), asked.found()));
                resync.send_modify(|count| *count += 1);
            }
            ClientMessage::Leave => {
                close(connection, &mut out, CloseCode::Left).await;
                break;
            }
            other => panic!("{other:?} does not belong here"),
        }
    }
    state.abort();
    // Dropped without a word, as a crashed edge would.
    connection.close(VarInt::from_u32(0), b"");
}

/// A state stream after the other: a baseline, then every tick, until a baseline is asked for.
async fn write_state(world: World, connection: Connection, mut resyncs: watch::Receiver<u32>, epoch: u32) {
    let mut ticks = world.1.subscribe();
    loop {
        let Ok(mut stream) = connection.open_uni().await else { return };
        let (baseline, mut told) = {
            let state = world.state();
            (state.baseline(), state.tick)
        };
        let _ = stream.write_all(&baseline).await;
        let is_reset = take(&mut world.state().faults.stream_resets);
        loop {
            if world.state().epoch() != epoch {
                return;
            }
            while let Some(frames) = next_frames(&world, told) {
                told += 1;
                if stream.write_all(&frames).await.is_err() {
                    return;
                }
            }
            if is_reset && told > 0 {
                break;
            }
            tokio::select! {
                changed = ticks.changed() => if changed.is_err() { return },
                asked = resyncs.changed() => {
                    if asked.is_err() { return }
                    break;
                }
            }
        }
        let _ = stream.reset(VarInt::from_u32(0));
    }
}

fn next_frames(world: &World, told: u64) -> Option<Vec<u8>> {
    let mut state = world.state();
    let mut bytes = state.deltas.get(told as usize)?.clone();
    if take(&mut state.faults.wrong_hashes) {
        let frame = protocol::session::decode_server(RawFrame(&bytes[4..])).unwrap();
        let delta = frame.message_as_delta().unwrap();
        bytes = encode_delta(delta.tick(), delta.position(), delta.hash() ^ 1, delta.columns().bytes());
    }
    let mut outcomes = OutcomesT::default();
    let ring = state.session.iter().flat_map(|session| &session.ring);
    outcomes.outcomes = ring.filter(|(tick, _)| *tick == told + 1).map(|(_, outcome)| outcome.clone()).collect();
    if !outcomes.outcomes.is_empty() {
        bytes.extend_from_slice(&encode_server(ServerMessageT::Outcomes(Box::new(outcomes))));
    }
    Some(bytes)
}

fn take(count: &mut u32) -> bool {
    let is_due = *count > 0;
    *count = count.saturating_sub(1);
    is_due
}
