//! What an edge needs of a cluster: somewhere to put messages, and those of the service in return.

use std::sync::Arc;

use protocol::cluster::EdgeHelloT;
use thiserror::Error;
use tokio::sync::mpsc;

/// The way to the service. Connected at start and again whenever a link closed, with growing waits.
pub trait Cluster: Send + Sync + 'static {
    /// Opens a cluster session. May block for a while; a link that cannot be had is one whose egress is closed.
    fn connect(&self) -> ClusterLink;
}

/// One cluster session.
pub struct ClusterLink {
    /// Into the log.
    pub ingress: Box<dyn Ingress>,
    /// What comes out of it, in order. Closed: the session is over.
    pub egress: mpsc::Receiver<LinkEvent>,
    /// What to say first: it proves to the service that this edge may speak in this session, see [`protocol::proof`].
    /// The edge puts its name into it.
    pub hello: EdgeHelloT,
}

impl ClusterLink {
    /// The link that could not be had.
    #[must_use]
    pub fn closed() -> Self {
        Self { ingress: Box::new(Nowhere), egress: mpsc::channel(1).1, hello: EdgeHelloT::default() }
    }
}

struct Nowhere;

impl Ingress for Nowhere {
    fn offer(&mut self, _message: Vec<u8>) -> Result<(), OfferError> {
        Err(OfferError::Closed)
    }
}

/// What comes out of a cluster session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// The service says this: one encoded [`protocol::cluster::Egress`].
    Message(Arc<[u8]>),
    /// The leader is not heard any more. The session lives on.
    LeaderLost,
    /// Another member leads, or the same one again. What was offered before may be lost, and so may answers to it.
    LeaderChanged {
        /// For [`Ingress::begin_term`].
        term: u64,
    },
}

/// The way into the log. Dropped, it closes the cluster session.
pub trait Ingress: Send {
    /// Offers one encoded [`protocol::cluster::Ingress`]. Must not block. An accepted message is on its way, no
    /// more: that it is in the log is said by what the service answers.
    ///
    /// # Errors
    /// When the message was not taken.
    fn offer(&mut self, message: Vec<u8>) -> Result<(), OfferError>;

    /// What is offered from here on is for the leader of this term. What was taken before and has not left yet must not
    /// reach it: everything that matters of it is offered again, in an order that it would break.
    fn begin_term(&mut self, _term: u64) {}
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OfferError {
    /// Too much is on its way already; offer it again in a moment.
    #[error("the cluster does not keep up; offer again in a moment")]
    Backlogged,
    /// The session is over.
    #[error("the cluster session is closed")]
    Closed,
}
