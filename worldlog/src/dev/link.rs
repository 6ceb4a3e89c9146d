//! The host of this process, as an edge sees a cluster.

use std::sync::Arc;

use cluster_service::{EdgeKey, EgressSink, LocalConnector, LocalIngress, SinkFull};
use net_edge::{Cluster, ClusterLink, Ingress, LinkEvent, OfferError};
use protocol::limits::EGRESS_BACKLOG_MAX;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

pub(super) struct LocalCluster(LocalConnector);

impl LocalCluster {
    pub(super) const fn new(connector: LocalConnector) -> Self {
        Self(connector)
    }
}

impl Cluster for LocalCluster {
    fn connect(&self) -> ClusterLink {
        let (ingress, egress) = connect(&self.0);
        let hello = EdgeKey::in_process().hello(ingress.session(), "");
        ClusterLink { ingress: Box::new(Way(ingress)), egress, hello }
    }
}

/// Opens a cluster session with this process's host.
pub(super) fn connect(connector: &LocalConnector) -> (LocalIngress, mpsc::Receiver<LinkEvent>) {
    let (sink, egress) = mpsc::channel(EGRESS_BACKLOG_MAX);
    (connector.connect(Box::new(Sink(sink))), egress)
}

struct Sink(mpsc::Sender<LinkEvent>);

impl EgressSink for Sink {
    fn send(&mut self, message: &Arc<[u8]>) -> Result<(), SinkFull> {
        match self.0.try_send(LinkEvent::Message(Arc::clone(message))) {
            Err(TrySendError::Full(_)) => Err(SinkFull),
            // Who is gone drops its way in too, and that closes the session.
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
        }
    }
}

struct Way(LocalIngress);

impl Ingress for Way {
    fn offer(&mut self, message: Vec<u8>) -> Result<(), OfferError> {
        self.0.offer(message).map_err(|error| match error {
            cluster_service::OfferError::Backlogged => OfferError::Backlogged,
            cluster_service::OfferError::Closed => OfferError::Closed,
        })
    }
}
