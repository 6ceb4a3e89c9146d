//! One cluster session: moves messages between a cluster client and the edge's channels, one step at a time.
//!
//! Waits for nothing, so that it runs over a media driver and, in tests, over memory.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::Duration;

use aeron_cluster::client::{ClientEvent, CloseCause, ClusterClient};
use aeron_cluster::transport::{OfferError, Transport, TransportError};
use net_edge::LinkEvent;
use protocol::ClusterSessionId;
use protocol::limits::LINK_BACKLOG_MAX;
use protocol::parts::{Assembly, PartError};
use thiserror::Error;
use tokio::sync::mpsc;

use super::standing::Standing;

/// A message into the log, for the leader of one term.
pub(super) struct Offered {
    pub(super) term: u64,
    pub(super) message: Vec<u8>,
}

/// What the session shares with the edge.
pub(super) struct Ends {
    /// Closed: the edge wants to end the session.
    pub(super) ingress: Receiver<Offered>,
    pub(super) egress: mpsc::Sender<LinkEvent>,
    /// Told the session's number once it is open.
    pub(super) opened: SyncSender<ClusterSessionId>,
    pub(super) standing: Arc<Standing>,
}

/// Why a session is over.
#[derive(Debug, Error)]
pub(super) enum Over {
    /// As asked.
    #[error("the edge closed it")]
    Asked,
    #[error("the cluster client closed: {0:?}")]
    Closed(CloseCause),
    /// The edge is gone, or took nothing although there was room.
    #[error("the edge does not take what the service says")]
    Deaf,
    #[error("what the service says cannot be read: {0}")]
    Parts(#[from] PartError),
    #[error("{0}")]
    Transport(#[from] TransportError),
    #[error("a message of {length} bytes is longer than the {max} that the stream to the leader takes")]
    TooLong { length: usize, max: usize },
}

/// A session, from its first attempt to its end.
pub(super) struct Session {
    client: ClusterClient,
    ends: Ends,
    /// How often another member began to lead.
    term: u64,
    /// The leader's term, as members count them.
    leadership_term: i64,
    /// What the leader did not take yet.
    held: Option<Offered>,
    assembly: Assembly,
    /// When a session that says goodbye is given up.
    gone_by: Option<Duration>,
}

impl Session {
    pub(super) fn new(client: ClusterClient, ends: Ends) -> Self {
        Self { client, ends, term: 0, leadership_term: -1, held: None, assembly: Assembly::default(), gone_by: None }
    }

    /// Does what there is to do; gives how much that was.
    ///
    /// # Errors
    /// Once the session is over.
    pub(super) fn step(&mut self, transport: &mut dyn Transport) -> Result<usize, Over> {
        let now = transport.now();
        if self.gone_by.is_some_and(|at| now >= at) {
            return Err(Over::Asked);
        }
        let taken = self.take_ingress(now)?;
        // What the edge has no room for stays with the driver: that slows this edge's stream and no other.
        if self.ends.egress.capacity() < EVENTS_PER_POLL_MAX && self.gone_by.is_none() {
            return if self.ends.egress.is_closed() { Err(Over::Deaf) } else { Ok(taken) };
        }
        Ok(taken + self.take_egress(transport)?)
    }

    fn take_ingress(&mut self, now: Duration) -> Result<usize, Over> {
        let mut taken = 0;
        while taken < OFFERS_PER_STEP_MAX {
            let offered = match self.held.take().map_or_else(|| self.ends.ingress.try_recv(), Ok) {
                Ok(offered) => offered,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if self.gone_by.is_none() {
                        self.gone_by = Some(now + GOODBYE_MAX);
                        self.client.close();
                    }
                    break;
                }
            };
            // It was meant for another leader, and would come before what that one lost.
            if offered.term != self.term {
                continue;
            }
            match self.client.offer(&[&offered.message]) {
                Ok(_) => taken += 1,
                Err(OfferError::TooLong { length, max }) => return Err(Over::TooLong { length, max }),
                // Why, and what becomes of it, is said by the next poll.
                Err(_) => {
                    self.held = Some(offered);
                    break;
                }
            }
        }
        Ok(taken)
    }

    fn take_egress(&mut self, transport: &mut dyn Transport) -> Result<usize, Over> {
        let Self { client, ends, term, leadership_term, assembly, .. } = self;
        let mut over = None;
        let tell = |event: LinkEvent| ends.egress.try_send(event).map_err(|_| Over::Deaf);
        let work = client.poll(transport, &mut |event| {
            if over.is_some() {
                return;
            }
            let told = match event {
                // Of a leader that fell and is still heard, or woke up: all that had no answer was asked of its successor
                // anew, and between the parts of what that one says nothing may come.
                ClientEvent::Message { leadership_term_id, .. } if leadership_term_id < *leadership_term => Ok(()),
                ClientEvent::Message { payload, .. } => match assembly.take(payload) {
                    Ok(None) => Ok(()),
                    Ok(Some(Cow::Borrowed(message))) => tell(LinkEvent::Message(message.into())),
                    Ok(Some(Cow::Owned(message))) => tell(LinkEvent::Message(message.into())),
                    // The rest of what the leader before had begun: whatever it was is asked for again.
                    Err(PartError::Gap { expected: 0, .. }) => Ok(()),
                    Err(error) => Err(error.into()),
                },
                ClientEvent::Connected { session_id, leader_member_id, leadership_term_id } => {
                    *leadership_term = leadership_term_id;
                    ends.standing.note_leader(session_id, leader_member_id, leadership_term_id);
                    let _ = ends.opened.try_send(ClusterSessionId(session_id.cast_unsigned()));
                    Ok(())
                }
                ClientEvent::LeaderLost => {
                    ends.standing.note_no_leader();
                    tell(LinkEvent::LeaderLost)
                }
                ClientEvent::NewLeader { leader_member_id, leadership_term_id } => {
                    ends.standing.note_new_leader(leader_member_id, leadership_term_id);
                    assembly.clear();
                    *leadership_term = leadership_term_id;
                    *term += 1;
                    tell(LinkEvent::LeaderChanged { term: *term })
                }
                ClientEvent::Closed { reason: CloseCause::Asked } => Err(Over::Asked),
                ClientEvent::Closed { reason } => Err(Over::Closed(reason)),
                // Members ask for no proof of their own, and operators ask for snapshots at a member.
                ClientEvent::Challenge { .. } | ClientEvent::Admin { .. } => Ok(()),
            };
            over = told.err();
        })?;
        over.map_or(Ok(work), Err)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.ends.standing.note_closed();
    }
}

/// Messages that one step hands to the leader, so that what comes in is looked at in between.
const OFFERS_PER_STEP_MAX: usize = 64;
/// More than a client tells in one poll: 64 fragments of each of the few streams that it reads.
const EVENTS_PER_POLL_MAX: usize = LINK_BACKLOG_MAX / 2;
/// How long the goodbye of a session may take; then the cluster learns of its end by silence.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
