//! The thread of a [`Stage`], and the way there for an edge and for who moves playheads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ecs_state::Game;
use net_edge::{Cluster, ClusterLink, Ingress, LinkEvent, OfferError};
use protocol::cluster::EdgeHelloT;
use protocol::limits::{EDGE_KEY_BYTES, EDGE_PROOF_BYTES, EGRESS_BACKLOG_MAX};
use tokio::sync::{mpsc, oneshot};

use super::limits::INGRESS_MAX;
use super::stage::{Stage, Standing, Wish};

/// What happens to a stage.
enum Event {
    Connected { link: u64, egress: mpsc::Sender<LinkEvent> },
    Said { link: u64, message: Vec<u8> },
    Gone { link: u64 },
    Wished { match_id: u64, wish: Wish, answer: oneshot::Sender<Result<Standing, String>> },
    Ended,
}

/// A stage that plays by itself, until it is dropped.
pub(crate) struct Theatre {
    events: SyncSender<Event>,
    thread: Option<JoinHandle<()>>,
    links: AtomicU64,
}

impl Theatre {
    /// # Errors
    /// When the system has no thread for it.
    pub(super) fn start<G: Game>(mut stage: Stage<G>) -> std::io::Result<Self> {
        let (events, coming) = sync_channel(INGRESS_MAX);
        let run = move || run(&mut stage, &coming);
        let thread = std::thread::Builder::new().name("stage".to_owned()).spawn(run)?;
        Ok(Self { events, thread: Some(thread), links: AtomicU64::new(0) })
    }

    /// Moves a playhead, or asks where it is.
    ///
    /// # Errors
    /// As text for people.
    pub(super) async fn control(&self, match_id: u64, wish: Wish) -> Result<Standing, String> {
        let (answer, answered) = oneshot::channel();
        let event = Event::Wished { match_id, wish, answer };
        self.events.try_send(event).map_err(|_| "the stage does not keep up; ask again in a moment".to_owned())?;
        answered.await.map_err(|_| "the process ends".to_owned())?
    }
}

impl Drop for Theatre {
    fn drop(&mut self) {
        // Blocks at most until the stage has taken one of the events that wait.
        let _ = self.events.send(Event::Ended);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the stage had failed");
        }
    }
}

fn run<G: Game>(stage: &mut Stage<G>, coming: &Receiver<Event>) {
    loop {
        let wait = stage.next_due().map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        match coming.recv_timeout(wait) {
            Ok(Event::Connected { link, egress }) => stage.connect(link, egress),
            Ok(Event::Said { link, message }) => stage.handle(link, &message),
            Ok(Event::Gone { link }) => stage.disconnect(link),
            Ok(Event::Wished { match_id, wish, answer }) => {
                // Who asked may be gone.
                let _ = answer.send(stage.control(match_id, &wish, Instant::now()));
            }
            Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        stage.advance(Instant::now());
    }
}

/// How long nothing may happen on a stage where nothing plays.
const IDLE: Duration = Duration::from_secs(1);

impl Cluster for Theatre {
    fn connect(&self) -> ClusterLink {
        let link = self.links.fetch_add(1, Ordering::Relaxed);
        let (sink, egress) = mpsc::channel(EGRESS_BACKLOG_MAX);
        if self.events.try_send(Event::Connected { link, egress: sink }).is_err() {
            return ClusterLink::closed();
        }
        // Nobody looks at the proof: the edge is in this process.
        let mut hello = EdgeHelloT::default();
        (hello.key, hello.proof) = (vec![0; EDGE_KEY_BYTES], vec![0; EDGE_PROOF_BYTES]);
        ClusterLink { ingress: Box::new(Way { link, events: self.events.clone() }), egress, hello }
    }
}

struct Way {
    link: u64,
    events: SyncSender<Event>,
}

impl Ingress for Way {
    fn offer(&mut self, message: Vec<u8>) -> Result<(), OfferError> {
        self.events.try_send(Event::Said { link: self.link, message }).map_err(|error| match error {
            TrySendError::Full(_) => OfferError::Backlogged,
            TrySendError::Disconnected(_) => OfferError::Closed,
        })
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        // Should there be no room, the link stays until the process ends: it is one of few.
        let _ = self.events.try_send(Event::Gone { link: self.link });
    }
}
