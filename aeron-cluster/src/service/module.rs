//! What the service says to its consensus module.
//!
//! Each message is offered until it is taken: one that a replica drops is one that the others sent, and then the
//! module's count of service messages, or its acknowledgements, no longer agree with anybody's.

use std::time::Duration;

use super::ContainerError;
use super::attended::Attended;
use crate::codec::cluster::{
    ServiceAck, SessionHeader, encode_cancel_timer, encode_close_session, encode_schedule_timer,
};
use crate::transport::{OfferError, Publication, Transport, TransportError, await_publication, wait_for};

/// How long a module that runs may take to read what we write.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// How often the last acknowledgement is tried: nobody waits for it if the module is ending at once.
const LAST_ACK_ATTEMPTS: usize = 5;

pub(super) struct Module {
    publication: Box<dyn Publication>,
    stream_id: i32,
    service_id: i32,
    /// Counts over the life of the process; the module expects each number exactly once.
    next_ack_id: i64,
    message: Vec<u8>,
}

impl Module {
    /// Opens the stream to the module and waits until it is read.
    pub(super) fn connect(
        transport: &mut Attended,
        channel: &str,
        stream_id: i32,
        service_id: i32,
    ) -> Result<Self, ContainerError> {
        let publication = await_publication(transport, channel, stream_id)?;
        let what = format!("consensus module that reads {channel} stream {stream_id}");
        wait_for::<_, TransportError>(transport, &what, CONNECT_LIMIT, |_| {
            Ok(publication.is_connected().then_some(()))
        })?;
        Ok(Self { publication, stream_id, service_id, next_ack_id: 0, message: Vec::new() })
    }

    /// Acknowledges a position.
    pub(super) fn ack(
        &mut self,
        transport: &mut Attended,
        log_position: i64,
        timestamp: i64,
        relevant_id: i64,
    ) -> Result<(), ContainerError> {
        self.encode_ack(log_position, timestamp, relevant_id);
        self.deliver(transport, "an acknowledgement", &[])
    }

    /// Acknowledges the last position, if the module still reads.
    pub(super) fn ack_last(&mut self, transport: &mut Attended, log_position: i64, timestamp: i64) {
        self.encode_ack(log_position, timestamp, -1);
        for _ in 0..LAST_ACK_ATTEMPTS {
            match self.publication.offer(&[&self.message]) {
                Err(error) if error.is_retryable() => {}
                Ok(_) | Err(_) => return,
            }
            if transport.idle(0).is_err() {
                return;
            }
        }
    }

    fn encode_ack(&mut self, log_position: i64, timestamp: i64, relevant_id: i64) {
        let ack_id = self.next_ack_id;
        self.next_ack_id += 1;
        self.message.clear();
        ServiceAck { log_position, timestamp, ack_id, relevant_id, service_id: self.service_id }
            .encode(&mut self.message);
    }

    pub(super) fn schedule_timer(
        &mut self,
        transport: &mut Attended,
        correlation_id: i64,
        deadline: i64,
    ) -> Result<(), ContainerError> {
        self.message.clear();
        encode_schedule_timer(&mut self.message, correlation_id, deadline);
        self.deliver(transport, "a timer", &[])
    }

    pub(super) fn cancel_timer(&mut self, transport: &mut Attended, correlation_id: i64) -> Result<(), ContainerError> {
        self.message.clear();
        encode_cancel_timer(&mut self.message, correlation_id);
        self.deliver(transport, "the end of a timer", &[])
    }

    pub(super) fn close_session(&mut self, transport: &mut Attended, session_id: i64) -> Result<(), ContainerError> {
        self.message.clear();
        encode_close_session(&mut self.message, session_id);
        self.deliver(transport, "the end of a session", &[])
    }

    /// Offers a message of the service itself; the module puts term and time into the header.
    pub(super) fn offer(&mut self, transport: &mut Attended, parts: &[&[u8]]) -> Result<(), ContainerError> {
        self.message.clear();
        let header = SessionHeader { leadership_term_id: 0, cluster_session_id: self.service_id.into(), timestamp: 0 };
        self.message.extend_from_slice(&header.encode());
        self.deliver(transport, "a message of the service", parts)
    }

    /// Offers what was encoded, and then `parts`, until it is taken.
    fn deliver(&mut self, transport: &mut Attended, what: &'static str, parts: &[&[u8]]) -> Result<(), ContainerError> {
        for part in parts {
            self.message.extend_from_slice(part);
        }
        loop {
            match self.publication.offer(&[&self.message]) {
                Ok(_) => return Ok(()),
                Err(OfferError::BackPressured) => transport.idle(0)?,
                Err(OfferError::AdminAction) => transport.idle(1)?,
                Err(source) => return Err(ContainerError::Module { what, stream_id: self.stream_id, source }),
            }
        }
    }
}
