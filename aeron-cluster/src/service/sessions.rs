//! The clients' sessions, and on the leader the streams to them.
//!
//! Sessions are part of the replicated state and lie in the order of their ids, so that all members' snapshots are
//! equal. Publications are not: the driver makes them while the log goes on, and one that it refuses costs its client
//! the answers and nobody else anything.

use std::collections::BTreeMap;

use super::{ClientSession, Sent};
use crate::codec::cluster::SessionHeader;
use crate::transport::{OfferError, Publication, PublicationId, Transport, TransportError};

/// Parts of a message, header included, that are gathered without allocating.
const PARTS_INLINE: usize = 8;

#[derive(Default)]
pub(super) struct Sessions {
    open: BTreeMap<i64, Session>,
    /// Sessions whose publication the driver has not made yet.
    awaited: Vec<i64>,
    /// Asked for, and not wanted any more before they came.
    abandoned: Vec<PublicationId>,
}

struct Session {
    client: ClientSession,
    is_closing: bool,
    egress: Egress,
}

enum Egress {
    /// Not the leader, or the driver refused.
    Absent,
    Asked(PublicationId),
    Open(Box<dyn Publication>),
}

impl Sessions {
    /// Takes a session; false when there is one with its number.
    pub(super) fn insert(&mut self, client: ClientSession) -> bool {
        let id = client.id;
        let session = Session { client, is_closing: false, egress: Egress::Absent };
        self.open.insert(id, session).is_none()
    }

    pub(super) fn remove(&mut self, session_id: i64) -> Option<ClientSession> {
        let session = self.open.remove(&session_id)?;
        self.abandon(session.egress);
        Some(session.client)
    }

    pub(super) fn get(&self, session_id: i64) -> Option<&ClientSession> {
        self.open.get(&session_id).map(|session| &session.client)
    }

    /// Ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = &ClientSession> {
        self.open.values().map(|session| &session.client)
    }

    /// Whether a session is open and nobody has asked to close it yet; from now on somebody has.
    pub(super) fn begin_closing(&mut self, session_id: i64) -> bool {
        self.open.get_mut(&session_id).is_some_and(|session| !std::mem::replace(&mut session.is_closing, true))
    }

    /// A new leader does not know what its predecessor was asked.
    pub(super) fn reset_closing(&mut self) {
        for session in self.open.values_mut() {
            session.is_closing = false;
        }
    }

    /// Asks for a stream to a client. Refusals come in [`adopt`](Self::adopt), or as `Refused` here.
    ///
    /// # Errors
    ///
    /// What the transport says; a refusal is worth a warning, not an end.
    pub(super) fn connect(&mut self, transport: &mut dyn Transport, session_id: i64) -> Result<(), TransportError> {
        let Some(session) = self.open.get_mut(&session_id) else { return Ok(()) };
        if !matches!(session.egress, Egress::Absent) {
            return Ok(());
        }
        let id = transport.add_publication(&session.client.response_channel, session.client.response_stream_id)?;
        session.egress = Egress::Asked(id);
        self.awaited.push(session_id);
        Ok(())
    }

    /// Takes the publications that the driver has made since, and hands refusals to `refused`.
    ///
    /// # Errors
    ///
    /// When the driver is gone.
    pub(super) fn adopt(
        &mut self,
        transport: &mut dyn Transport,
        refused: &mut dyn FnMut(i64, &TransportError),
    ) -> Result<usize, TransportError> {
        let before = self.awaited.len() + self.abandoned.len();
        if before == 0 {
            return Ok(0);
        }
        for session_id in std::mem::take(&mut self.awaited) {
            let Some(session) = self.open.get_mut(&session_id) else { continue };
            let Egress::Asked(id) = session.egress else { continue };
            match transport.publication(id) {
                Ok(Some(publication)) => session.egress = Egress::Open(publication),
                Ok(None) => self.awaited.push(session_id),
                Err(error @ TransportError::Refused { .. }) => {
                    session.egress = Egress::Absent;
                    refused(session_id, &error);
                }
                Err(error) => return Err(error),
            }
        }
        for id in std::mem::take(&mut self.abandoned) {
            match transport.publication(id) {
                // The handle is dropped, and with it the publication.
                Ok(Some(_)) | Err(TransportError::Refused { .. }) => {}
                Ok(None) => self.abandoned.push(id),
                Err(error) => return Err(error),
            }
        }
        Ok(before - self.awaited.len() - self.abandoned.len())
    }

    /// Gives up all streams to clients.
    pub(super) fn disconnect(&mut self) {
        let mut given_up = Vec::new();
        for session in self.open.values_mut() {
            given_up.push(std::mem::replace(&mut session.egress, Egress::Absent));
        }
        given_up.into_iter().for_each(|egress| self.abandon(egress));
        self.awaited.clear();
    }

    fn abandon(&mut self, egress: Egress) {
        if let Egress::Asked(id) = egress {
            self.abandoned.push(id);
        }
    }

    /// Sends to a client; for the leader.
    pub(super) fn send(&mut self, session_id: i64, term_id: i64, timestamp: i64, parts: &[&[u8]]) -> Sent {
        let Some(session) = self.open.get_mut(&session_id) else { return Sent::NoSession };
        let Egress::Open(publication) = &mut session.egress else { return Sent::Refused(OfferError::NotConnected) };
        let header = SessionHeader { leadership_term_id: term_id, cluster_session_id: session_id, timestamp }.encode();
        let offered = if parts.len() < PARTS_INLINE {
            let mut gathered: [&[u8]; PARTS_INLINE] = [&[]; PARTS_INLINE];
            gathered[0] = &header;
            gathered[1..=parts.len()].copy_from_slice(parts);
            publication.offer(&gathered[..=parts.len()])
        } else {
            let gathered: Vec<&[u8]> = std::iter::once(&header[..]).chain(parts.iter().copied()).collect();
            publication.offer(&gathered)
        };
        offered.map_or_else(Sent::Refused, |_| Sent::Yes)
    }
}
