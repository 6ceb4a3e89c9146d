//! The shell: moves bytes between QUIC, the core and the cluster, and has no opinions.
//!
//! ```text
//!  accept ──► connection (one task each) ──Event──► one loop: Edge ──Order──► connection
//!                                                      ▲   │
//!                                            egress ───┘   └──► ingress     (cluster)
//! ```

pub(crate) mod clock;
mod cluster;
mod connection;
mod inbox;
mod questions;
mod quic;
mod unproven;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use bytes::Bytes;
use dashmap::DashMap;
use protocol::limits::{EDGE_EVENTS_MAX, EDGE_THREADS_MAX, LINGER_MS_MAX, SECRET_BYTES};
use protocol::outcome::CloseCode;
use quinn::{Endpoint, VarInt};
use thiserror::Error;
use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::certificates::Certificates;
use crate::cluster::{Cluster, ClusterLink};
use crate::config::EdgeConfig;
use crate::edge::{Action, Backlog, ConnectionId, Edge, Path, Settings};
use crate::metrics::{Counters, EdgeStats};

use cluster::Link;
use connection::Order;
use inbox::Inbox;
pub use questions::{Questions, Unanswered};
use wire::Wire;

/// All that can happen to an edge.
enum Event {
    Connected {
        id: ConnectionId,
        control: Arc<Backlog>,
        path: Path,
    },
    ControlBytes {
        id: ConnectionId,
        bytes: Bytes,
    },
    ControlEnd {
        id: ConnectionId,
    },
    ForeignStream {
        id: ConnectionId,
    },
    Datagram {
        id: ConnectionId,
        bytes: Bytes,
        path: Path,
    },
    Lost {
        id: ConnectionId,
    },
    Egress(Arc<[u8]>),
    EgressClosed,
    LeaderLost,
    LeaderChanged {
        term: u64,
    },
    Linked(ClusterLink),
    Ask {
        match_id: Option<u64>,
        answer: questions::Answer,
    },
    /// A deadline of the core's, or a message to be offered again.
    Time,
    /// What was told is sent, and what came meanwhile is taken.
    Drained,
    Stop {
        done: oneshot::Sender<()>,
    },
}

/// The way to a connection.
struct Outlet {
    /// For its task.
    orders: mpsc::UnboundedSender<Order>,
    /// For datagrams, which wait for nothing and nobody.
    wire: Wire,
}

/// Live connections, and the way to each.
type Live = Arc<DashMap<ConnectionId, Outlet>>;

/// One edge: an endpoint for players and a session with the cluster.
///
/// Dropped without [`EdgeServer::stop`], it ends at once and players learn of it by silence.
pub struct EdgeServer {
    endpoint: Endpoint,
    certificates: Certificates,
    counters: Arc<Counters>,
    events: mpsc::Sender<Event>,
    live: Live,
    /// Ends the edge's threads, and the first of them. `None` once they are to end.
    threads: Option<(oneshot::Sender<()>, std::thread::JoinHandle<()>)>,
}

/// Why an edge did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("listening on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Certificate and key do not fit each other, or TLS.
    #[error("the certificate: {0}")]
    Certificate(String),
    /// The system gives no thread.
    #[error("a thread for the edge: {0}; the limit of this user's processes may be reached (ulimit -u)")]
    Thread(#[source] std::io::Error),
}

impl EdgeServer {
    /// Listens for players and connects to the cluster, in threads of its own.
    ///
    /// # Errors
    /// When the address is taken, the certificate is of no use, or there is no thread.
    pub fn start(config: EdgeConfig, cluster: Arc<dyn Cluster>) -> Result<Self, StartError> {
        let listen = config.listen;
        let threads = Threads::new(config.threads).map_err(StartError::Thread)?;
        let entered = threads.runtime().enter();
        let endpoint_config = quic::endpoint_config(config.certificates.seed());
        let server = quic::server_config(config.certificates.clone())?;
        let (endpoint, unproven, inbox) =
            quic::listen(listen, endpoint_config, server).map_err(|source| StartError::Listen { listen, source })?;
        let counters = Arc::new(Counters::new());
        let settings = Settings { name: config.name, token_keys: config.token_keys, secrets: Box::new(random_secret) };
        let (events, incoming) = mpsc::channel(EDGE_EVENTS_MAX);
        let live = Live::default();
        let shell = Shell {
            edge: Edge::new(settings, Arc::clone(&counters)).limited(config.limits),
            events: incoming,
            to_self: events.clone(),
            cluster,
            link: Link::none(),
            waiting: questions::Waiting::default(),
            live: Arc::clone(&live),
            failures: 0,
            inbox,
            drain: None,
            stopped: None,
        };
        let door = Arc::new(quic::Door { limits: config.limits, web_origins: config.web_origins, unproven });
        let accepting = quic::accept(endpoint.clone(), door, events.clone(), Arc::clone(&live), Arc::clone(&counters));
        let keeping = quic::keep_certificates(config.certificates.clone());
        drop(entered);
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            let others = [threads.runtime().spawn(accepting), threads.runtime().spawn(keeping)];
            // A runtime of one thread runs nothing but here.
            threads.runtime().block_on(async {
                tokio::select! {
                    () = shell.run() => {}
                    _ = ended => {}
                }
            });
            others.iter().for_each(JoinHandle::abort);
        };
        let thread = std::thread::Builder::new().name("worldlog-edge".to_owned()).spawn(run);
        let threads = Some((end, thread.map_err(StartError::Thread)?));
        Ok(Self { endpoint, certificates: config.certificates, counters, events, live, threads })
    }

    /// Where players connect.
    ///
    /// # Panics
    /// When the system forgot the address of a socket that is open.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.endpoint.local_addr().expect("an open socket has an address")
    }

    /// What players recognise the edge by, now and soon.
    #[must_use]
    pub const fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Numbers since the start.
    #[must_use]
    pub fn stats(&self) -> EdgeStats {
        self.counters.snapshot()
    }

    /// A way to ask the service.
    #[must_use]
    pub fn questions(&self) -> Questions {
        Questions(self.events.clone())
    }

    /// Sends players to other edges, waits up to `grace` until they are gone, and closes the cluster session.
    ///
    /// # Cancellation
    /// Dropped, what is left of the edge ends at once.
    pub async fn stop(self, grace: Duration) {
        let (done, stopped) = oneshot::channel();
        let _ = self.events.send(Event::Stop { done }).await;
        let gone = async {
            let _ = stopped.await;
            while !self.live.is_empty() {
                tokio::time::sleep(GONE_CHECK).await;
            }
        };
        let _ = tokio::time::timeout(grace, gone).await;
        self.endpoint.close(VarInt::from_u32(CloseCode::Stopping as u32), CloseCode::Stopping.sentence().as_bytes());
        let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS_MAX), self.endpoint.wait_idle()).await;
    }
}

/// Where the edge runs. With one thread a packet is never handed from one thread to another, which costs more than all
/// that is done with most of them.
struct Threads(Option<Runtime>);

impl Threads {
    fn new(threads: usize) -> std::io::Result<Self> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from) / 2,
            asked => asked,
        };
        let mut builder = match threads {
            0 | 1 => runtime::Builder::new_current_thread(),
            _ => runtime::Builder::new_multi_thread(),
        };
        let builder = builder.worker_threads(threads.clamp(1, EDGE_THREADS_MAX)).thread_name("worldlog-edge");
        Ok(Self(Some(builder.enable_all().build()?)))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // An edge that did not start is dropped where nothing may be waited for.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for EdgeServer {
    fn drop(&mut self) {
        self.endpoint.close(VarInt::from_u32(CloseCode::Stopping as u32), CloseCode::Stopping.sentence().as_bytes());
        if let Some((end, thread)) = self.threads.take() {
            drop(end);
            // Once it is gone, so is its socket; it waits for nothing.
            let _ = thread.join();
        }
    }
}

/// The one loop around the core.
struct Shell {
    edge: Edge,
    events: mpsc::Receiver<Event>,
    to_self: mpsc::Sender<Event>,
    cluster: Arc<dyn Cluster>,
    link: Link,
    waiting: questions::Waiting,
    live: Live,
    /// Links in a row that closed before the service had accepted the edge.
    failures: u32,
    inbox: Arc<Inbox>,
    /// While what was told is sent, and what came meanwhile is taken: a task that runs after the others.
    drain: Option<JoinHandle<()>>,
    stopped: Option<oneshot::Sender<()>>,
}

impl Shell {
    async fn run(mut self) {
        self.connect();
        loop {
            let event = self.next_event().await;
            self.handle(event);
            // What is there already shares the work of getting here.
            for _ in 0..EDGE_EVENTS_MAX {
                match self.link.try_next().or_else(|| self.events.try_recv().ok()) {
                    Some(event) => self.handle(event),
                    None => break,
                }
            }
            // A timer of the runtime would wait for its next whole millisecond.
            if self.deadline().is_some_and(|at| at <= clock::now().at) {
                self.handle(Event::Time);
            }
            self.act();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.edge.next_deadline(), self.link.offer_at()].into_iter().flatten().min()
    }

    async fn next_event(&mut self) -> Event {
        let deadline = self.deadline();
        let time = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        // None of these loses anything when another one is taken.
        tokio::select! {
            event = self.link.next() => event,
            event = self.events.recv() => event.expect("this loop holds a sender"),
            () = drained(&mut self.drain) => Event::Drained,
            () = time => Event::Time,
        }
    }

    fn handle(&mut self, event: Event) {
        let now = clock::now();
        match event {
            Event::Connected { id, control, path } => {
                self.edge.handle_connected(now, id, control);
                self.edge.handle_path(id, path);
            }
            Event::ControlBytes { id, bytes } => self.edge.handle_control_bytes(now, id, &bytes),
            Event::ControlEnd { id } => self.edge.handle_control_end(now, id),
            Event::ForeignStream { id } => self.edge.handle_foreign_stream(now, id),
            Event::Datagram { id, bytes, path } => {
                self.edge.handle_path(id, path);
                self.edge.handle_datagram(now, id, &bytes);
            }
            Event::Lost { id } => self.edge.handle_lost(now, id),
            Event::Egress(message) => {
                self.edge.handle_egress(now, &message);
                if self.edge.is_linked() {
                    self.failures = 0;
                }
            }
            Event::EgressClosed => self.drop_link(),
            Event::Ask { match_id, answer } => {
                if let Some(request) = self.waiting.begin(answer)
                    && !self.edge.handle_question(request, match_id)
                {
                    self.waiting.end(request);
                }
            }
            Event::LeaderLost => {
                self.waiting.clear();
                self.link.drop_held();
                self.edge.handle_leader_lost();
            }
            Event::LeaderChanged { term } => {
                self.waiting.clear();
                self.link.begin_term(term);
                self.edge.handle_leader_changed(now);
            }
            Event::Linked(mut link) => {
                let hello = std::mem::take(&mut link.hello);
                self.link = Link::new(link);
                self.edge.handle_link(now, hello);
            }
            Event::Time => {
                self.edge.handle_timeout(now);
                self.offer_again();
            }
            Event::Drained => {
                self.drain = None;
                self.edge.handle_draining(false);
            }
            Event::Stop { done } => {
                self.edge.handle_stop(now);
                self.stopped = Some(done);
            }
        }
    }

    /// Does what is to be done. What took long to tell is followed by as long a time for packets, if any wait: an edge that
    /// is behind would not hear what players hold, and tell them all of it again.
    fn act(&mut self) {
        let (began, mut has_told) = (clock::now().at, false);
        while let Some(action) = self.edge.poll_action() {
            match action {
                Action::Offer(message) => self.offer(message),
                Action::DropLink => self.drop_link(),
                Action::Control { to, frame } => self.order(to, Order::Control(frame)),
                Action::Begin { to, baseline, backlog } => self.order(to, Order::Begin { baseline, backlog }),
                Action::State { to, frames } => {
                    has_told = true;
                    self.order(to, Order::State(frames));
                }
                Action::Datagram { to, bytes } => {
                    has_told = true;
                    if let Some(outlet) = self.live.get(&to) {
                        outlet.wire.send_datagram(bytes);
                    }
                }
                Action::Tell { request, matches } => {
                    if let Some(answer) = self.waiting.end(request) {
                        let _ = answer.send(matches);
                    }
                }
                Action::Close { to, code, reason } => self.order(to, Order::Close { code, reason }),
            }
        }
        if has_told && self.drain.is_none() {
            let (took, inbox) = (clock::now().at - began, Arc::clone(&self.inbox));
            self.drain = Some(tokio::spawn(async move { drop(tokio::time::timeout(took, inbox.emptied()).await) }));
            self.edge.handle_draining(true);
        }
        if let Some(done) = self.stopped.take() {
            let _ = done.send(());
        }
    }

    fn order(&self, to: ConnectionId, order: Order) {
        // Who is not there any more is reported as lost soon.
        if let Some(outlet) = self.live.get(&to) {
            let _ = outlet.orders.send(order);
        }
    }

    // ---- the cluster ------------------------------------------------------------------------------

    fn offer(&mut self, message: Vec<u8>) {
        if self.link.offer(message).is_err() {
            self.drop_link();
        }
        self.edge.handle_backlogged(self.link.is_holding());
    }

    fn offer_again(&mut self) {
        if let Some(message) = self.link.take_due() {
            self.offer(message);
        }
    }

    fn drop_link(&mut self) {
        if self.link.is_open() {
            self.link = Link::none();
            self.waiting.clear();
            self.edge.handle_link_lost(clock::now());
            self.failures += 1;
            self.connect();
        }
    }

    /// Opens a cluster session after a wait that grows with each that came to nothing.
    fn connect(&self) {
        let (cluster, events) = (Arc::clone(&self.cluster), self.to_self.clone());
        let wait = cluster::back_off(self.failures);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            if let Ok(link) = tokio::task::spawn_blocking(move || cluster.connect()).await {
                let _ = events.send(Event::Linked(link)).await;
            }
        });
    }
}

async fn drained(drain: &mut Option<JoinHandle<()>>) {
    match drain {
        // It has nothing to fail in.
        Some(task) => drop(task.await),
        None => std::future::pending().await,
    }
}

fn random_secret() -> [u8; SECRET_BYTES] {
    let mut secret = [0; SECRET_BYTES];
    rand::fill(&mut secret).expect("the system has randomness");
    secret
}

/// How often a stopping edge looks whether players are gone.
const GONE_CHECK: Duration = Duration::from_millis(5);
