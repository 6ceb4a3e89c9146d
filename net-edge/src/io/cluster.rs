//! The cluster session, as the loop sees it: there or not, taking messages or not.

use std::time::{Duration, Instant};

use protocol::limits::{OFFER_AGAIN_MS, RELINK_MS, RELINK_MS_MAX};
use tokio::sync::mpsc::error::TryRecvError;

use super::Event;
use crate::cluster::{ClusterLink, LinkEvent, OfferError};

pub(super) struct Link {
    link: Option<ClusterLink>,
    /// A message that was not taken, and when to offer it again.
    held: Option<(Vec<u8>, Instant)>,
}

impl Link {
    pub(super) const fn none() -> Self {
        Self { link: None, held: None }
    }

    pub(super) const fn new(link: ClusterLink) -> Self {
        Self { link: Some(link), held: None }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.link.is_some()
    }

    pub(super) const fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn offer_at(&self) -> Option<Instant> {
        self.held.as_ref().map(|(_, at)| *at)
    }

    /// Takes back the message that is held, if its time has come.
    pub(super) fn take_due(&mut self) -> Option<Vec<u8>> {
        let now = Instant::now();
        self.held.take_if(|(_, at)| *at <= now).map(|(message, _)| message)
    }

    /// Offers a message; one that is not taken for now is held. `Err`: the session is closed.
    pub(super) fn offer(&mut self, message: Vec<u8>) -> Result<(), OfferError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        match link.ingress.offer(message.clone()) {
            Err(OfferError::Backlogged) => {
                self.held = Some((message, Instant::now() + Duration::from_millis(OFFER_AGAIN_MS)));
                Ok(())
            }
            other => other,
        }
    }

    /// What is offered from here on is for another leader; what is held was for the one before.
    pub(super) fn begin_term(&mut self, term: u64) {
        self.held = None;
        if let Some(link) = &mut self.link {
            link.ingress.begin_term(term);
        }
    }

    /// Forgets the message that is held: nobody is there to take it.
    pub(super) fn drop_held(&mut self) {
        self.held = None;
    }

    /// Waits for the next message; forever, when there is no link.
    pub(super) async fn next(&mut self) -> Event {
        match &mut self.link {
            Some(link) => link.egress.recv().await.map_or(Event::EgressClosed, Event::from),
            None => std::future::pending().await,
        }
    }

    pub(super) fn try_next(&mut self) -> Option<Event> {
        match self.link.as_mut()?.egress.try_recv() {
            Ok(event) => Some(event.into()),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Event::EgressClosed),
        }
    }
}

impl From<LinkEvent> for Event {
    fn from(event: LinkEvent) -> Self {
        match event {
            LinkEvent::Message(message) => Self::Egress(message),
            LinkEvent::LeaderLost => Self::LeaderLost,
            LinkEvent::LeaderChanged { term } => Self::LeaderChanged { term },
        }
    }
}

/// How long to wait before the next attempt.
pub(super) fn back_off(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => Duration::from_millis(RELINK_MS.saturating_mul(1 << (failures - 1).min(16)).min(RELINK_MS_MAX)),
    }
}
