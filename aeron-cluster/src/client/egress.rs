//! What members and services say to us.
//!
//! A leader's consensus module and its service each write to a client: into one stream where they share a driver, as on
//! stock members, else into two; around a change of leader there are twice as many. Order holds within each only.

use crate::codec::cluster::EgressMessage;
use crate::counters::{self, LOCAL_SOCKET_ADDRESS};
use crate::transport::{Action, Assembler, Image, Subscription, SubscriptionId, Transport, TransportError, uri};

/// Fragments taken from one stream in one poll: enough to amortise a poll, few enough that timeouts are looked at
/// between polls and that no stream starves another.
const FRAGMENTS_PER_IMAGE: usize = 64;

/// A bound channel's state in Aeron's local-address counters.
const ADDRESS_ACTIVE: i64 = 1;

/// The subscription of a client and what is on it.
pub(super) struct Egress {
    channel: String,
    stream_id: i32,
    claim: Claim,
    images: Vec<EgressImage>,
}

enum Claim {
    None,
    Asked(SubscriptionId),
    Open(Box<dyn Subscription>),
}

struct EgressImage {
    session_id: i32,
    image: Box<dyn Image>,
    assembler: Assembler,
}

impl Egress {
    pub(super) fn new(channel: String, stream_id: i32) -> Self {
        Self { channel, stream_id, claim: Claim::None, images: Vec::new() }
    }

    /// Asks the driver for the subscription, and takes its answer.
    ///
    /// # Errors
    ///
    /// [`TransportError::Refused`] when the port is not to be had; [`TransportError::DriverGone`].
    pub(super) fn advance(&mut self, transport: &mut dyn Transport) -> Result<usize, TransportError> {
        match self.claim {
            Claim::None => {
                // A stream that was lost is not taken again: there would be a gap in it that nobody is told about.
                let channel = uri::with_param(&self.channel, "rejoin", "false");
                self.claim = Claim::Asked(transport.add_subscription(&channel, self.stream_id)?);
            }
            Claim::Asked(id) => match transport.subscription(id)? {
                Some(subscription) => self.claim = Claim::Open(subscription),
                None => return Ok(0),
            },
            Claim::Open(_) => return Ok(0),
        }
        Ok(1)
    }

    /// Where members are to answer, once we listen there: the channel, with the bound port in place of port 0.
    pub(super) fn response_channel(&self, transport: &dyn Transport) -> Option<String> {
        let Claim::Open(subscription) = &self.claim else { return None };
        let is_port_open = uri::param(&self.channel, "endpoint").is_some_and(|endpoint| endpoint.ends_with(":0"));
        if !is_port_open {
            return Some(self.channel.clone());
        }
        let counters = transport.counters();
        let channel_id = subscription.channel_status_id();
        let bound = counters.find(LOCAL_SOCKET_ADDRESS, &|record| {
            counters::key_i32(&record.key, 0) == Some(channel_id)
                && counters.value(record.id) == ADDRESS_ACTIVE
                && address_in(&record.key).is_some()
        })?;
        Some(uri::with_param(&self.channel, "endpoint", address_in(&bound.key)?))
    }

    /// Hands over what has come, with the stream's session id. [`Action::Break`] ends the poll after this message,
    /// [`Action::Abort`] leaves it, and what follows it in the same stream, for the next poll. Bytes that are no message
    /// are skipped. Returns how many fragments were taken.
    pub(super) fn poll(&mut self, handle: &mut dyn FnMut(EgressMessage<'_>, i32) -> Action) -> usize {
        self.refresh();
        let mut taken = 0;
        let mut is_over = false;
        for EgressImage { session_id, image, assembler } in &mut self.images {
            let on_message = &mut |bytes: &[u8], _position: i64| match EgressMessage::decode(bytes) {
                Ok(Some(message)) => {
                    let action = handle(message, *session_id);
                    is_over |= action == Action::Break;
                    action
                }
                Ok(None) => Action::Continue,
                Err(error) => {
                    tracing::debug!(%error, "bytes on the egress stream that are no message");
                    Action::Continue
                }
            };
            taken += image.poll(i64::MAX, FRAGMENTS_PER_IMAGE, &mut |fragment| assembler.take(fragment, on_message));
            if is_over {
                break;
            }
        }
        taken
    }

    /// Whether the stream with this session id is still there.
    pub(super) fn has(&self, session_id: i32) -> bool {
        self.images.iter().any(|image| image.session_id == session_id && !image.image.is_closed())
    }

    /// Gives up the subscription.
    pub(super) fn close(&mut self) {
        self.images.clear();
        self.claim = Claim::None;
    }

    /// Keeps up with streams that come and go. Makes handles only then, not in each poll.
    fn refresh(&mut self) {
        let Claim::Open(subscription) = &self.claim else { return };
        let is_current =
            subscription.image_count() == self.images.len() && self.images.iter().all(|image| !image.image.is_closed());
        if is_current {
            return;
        }
        self.images.retain(|image| !image.image.is_closed());
        for image in subscription.images() {
            let session_id = image.session_id();
            if !self.images.iter().any(|known| known.session_id == session_id) {
                self.images.push(EgressImage { session_id, image, assembler: Assembler::default() });
            }
        }
    }
}

/// The address in the key of a local-address counter: channel status id, length, text.
fn address_in(key: &[u8]) -> Option<&str> {
    let length = usize::try_from(counters::key_i32(key, 4)?).ok().filter(|length| *length > 0)?;
    std::str::from_utf8(key.get(8..)?.get(..length)?).ok()
}
