//! Says through the log what this member's states came to, as an ordinary client of the cluster.
//!
//! Not as the service: whatever a service appends, every replica must append alike, and these differ by purpose. So the
//! member's process connects to its own cluster like an edge, proves itself like one, and never watches a match.
//! As it is there anyway, it also looks whether a snapshot is due.

use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use aeron_cluster::client::{ClientConfig, ClientEvent, ClusterClient};
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use aeron_cluster::transport::{Transport, TransportError};
use protocol::ClusterSessionId;
use protocol::cluster::{HashReportT, IngressMessageT, decode_egress, encode_ingress};
use protocol::limits::EGRESS_TERM_BYTES_MIN;
use protocol::parts::Assembly;

use super::snapshot_plan::{SnapshotKeeper, SnapshotPlan};
use super::status::AeronView;
use crate::{EdgeKey, TickHash};

/// Wait before a lost session is opened again. A report is due every two seconds.
const AGAIN: Duration = Duration::from_secs(1);
/// How often there is something to look at.
const PACE: Duration = Duration::from_millis(20);

/// How a member reaches its cluster as a client.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// The member's own driver.
    pub(super) aeron: AeronConfig,
    /// Where members take ingress.
    pub(super) endpoints: Vec<(i32, String)>,
    /// Address of this machine that the other members reach.
    pub(super) host: String,
    /// This member.
    pub(super) member: u32,
    /// Of the cluster.
    pub(super) cluster_id: i32,
    /// When this member, once it leads, asks for snapshots.
    pub(super) snapshots: SnapshotPlan,
}

/// Reports until the process is asked to stop or the driver ends.
pub(super) fn report(reach: &Reach, key: &EdgeKey, view: &AeronView) -> Result<(), TransportError> {
    let is_stopping = || reach.aeron.stop.load(std::sync::atomic::Ordering::Relaxed);
    let began = Instant::now();
    let mut keeper = SnapshotKeeper::new(reach.snapshots, reach.cluster_id);
    while !is_stopping() {
        let mut transport = AeronTransport::connect(&reach.aeron)?;
        let mut look = |transport: &dyn Transport| keeper.look(began.elapsed(), transport, || view.status());
        match egress_channel(&reach.host) {
            Ok(channel) => match session(reach, key, view, &mut look, &mut transport, channel) {
                // Of this attempt alone: somebody took the port, or the driver was slow.
                Err(error @ (TransportError::Refused { .. } | TransportError::Timeout { .. })) => {
                    tracing::warn!(%error, "the session for hash reports is lost; another one is opened");
                }
                ended => ended?,
            },
            Err(error) => tracing::warn!(%error, host = reach.host, "no port for answers to hash reports"),
        }
        let until = transport.now() + AGAIN;
        while transport.now() < until && !is_stopping() {
            transport.idle(0)?;
        }
    }
    Ok(())
}

/// A channel on a port that nobody else has. Between asking for it and using it somebody may take it; then the next
/// attempt asks for another.
fn egress_channel(host: &str) -> std::io::Result<String> {
    let addresses: Vec<SocketAddr> = (host, 0).to_socket_addrs()?.collect();
    let port = UdpSocket::bind(&addresses[..])?.local_addr()?.port();
    Ok(format!("aeron:udp?endpoint={host}:{port}|term-length={EGRESS_TERM_BYTES_MIN}"))
}

/// One session, until it is closed.
fn session(
    reach: &Reach,
    key: &EdgeKey,
    view: &AeronView,
    look: &mut dyn FnMut(&dyn Transport),
    transport: &mut AeronTransport,
    egress_channel: String,
) -> Result<(), TransportError> {
    let mut client = ClusterClient::new(ClientConfig {
        endpoints: reach.endpoints.clone(),
        egress_channel,
        client_info: format!("worldlog member {}", reach.member),
        ..ClientConfig::default()
    });
    let mut speaker = Speaker::new(reach.member);
    while !speaker.is_over {
        let mut work = client.poll(transport, &mut |event| speaker.hear(event, key))?;
        while let Some(message) = speaker.next(view) {
            if client.offer(&[&message]).is_err() {
                speaker.give_back(view);
                break;
            }
            speaker.sent(view);
            work += 1;
        }
        look(transport);
        transport.idle(work)?;
        // The client must be polled often enough to live, not as often as a player's.
        if work == 0 {
            std::thread::sleep(PACE);
        }
    }
    Ok(())
}

/// What is to be said in one session, and what was heard.
struct Speaker {
    member: u32,
    hello: Option<Vec<u8>>,
    is_greeting: bool,
    is_accepted: bool,
    is_over: bool,
    offered: Option<TickHash>,
    waiting: Vec<TickHash>,
    assembly: Assembly,
}

impl Speaker {
    fn new(member: u32) -> Self {
        Self {
            member,
            hello: None,
            is_greeting: false,
            is_accepted: false,
            is_over: false,
            offered: None,
            waiting: Vec::new(),
            assembly: Assembly::default(),
        }
    }

    fn hear(&mut self, event: ClientEvent<'_>, key: &EdgeKey) {
        match event {
            ClientEvent::Connected { session_id, .. } => {
                let hello = key.hello(ClusterSessionId(session_id as u64), &format!("member {}", self.member));
                self.hello = Some(encode_ingress(IngressMessageT::EdgeHello(Box::new(hello))));
                self.is_greeting = true;
            }
            // What was said to the leader before may be lost; a hello that was not answered is said again.
            ClientEvent::NewLeader { .. } => {
                self.assembly.clear();
                self.is_greeting = !self.is_accepted;
            }
            ClientEvent::Message { payload, .. } => self.hear_service(payload),
            ClientEvent::Closed { reason } => {
                tracing::debug!(?reason, "the session for hash reports is closed");
                self.is_over = true;
            }
            ClientEvent::LeaderLost | ClientEvent::Challenge { .. } | ClientEvent::Admin { .. } => {}
        }
    }

    fn hear_service(&mut self, payload: &[u8]) {
        let Ok(Some(message)) = self.assembly.take(payload) else { return };
        let Ok(egress) = decode_egress(&message) else { return };
        if egress.message_as_edge_accepted().is_some() {
            self.is_accepted = true;
        } else if let Some(refused) = egress.message_as_edge_refused() {
            tracing::warn!(reason = refused.reason(), "the cluster does not take this member's hash reports");
        }
    }

    /// What to offer next.
    fn next(&mut self, view: &AeronView) -> Option<Vec<u8>> {
        self.offered = None;
        if self.is_greeting {
            return self.hello.clone();
        }
        if !self.is_accepted {
            return None;
        }
        if self.waiting.is_empty() {
            self.waiting = view.take_reports();
        }
        let tick = self.waiting.pop()?;
        self.offered = Some(tick);
        let mut report = HashReportT::default();
        (report.member, report.match_id, report.tick, report.hash) = (self.member, tick.match_id, tick.tick, tick.hash);
        Some(encode_ingress(IngressMessageT::HashReport(Box::new(report))))
    }

    /// The last one was taken.
    fn sent(&mut self, view: &AeronView) {
        match self.offered.take() {
            Some(_) => view.update(|status| status.hash_reports += 1),
            None => self.is_greeting = false,
        }
    }

    /// The last one was not taken.
    fn give_back(&mut self, view: &AeronView) {
        for tick in self.offered.take().into_iter().chain(self.waiting.drain(..)) {
            view.give_back(tick);
        }
    }
}
