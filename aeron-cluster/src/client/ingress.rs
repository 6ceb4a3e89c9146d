//! Streams to members.

use std::time::Duration;

use crate::transport::{OfferError, Publication, PublicationId, Transport, TransportError, uri};

/// How long to wait before a stream that the driver refused (a host that does not resolve) is asked for again.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Members that a list may name: far more than any cluster has; a longer list is not one.
const MEMBERS_MAX: usize = 64;

/// Stands for whoever listens on the one channel of a client that was given no members.
pub(super) const ANY_MEMBER: i32 = -1;

/// The stream to one member.
pub(super) struct IngressStream {
    pub(super) member_id: i32,
    channel: String,
    claim: Claim,
}

enum Claim {
    Asked(PublicationId),
    Open(Box<dyn Publication>),
    Refused { until: Duration },
}

impl IngressStream {
    fn is_connected(&self) -> bool {
        matches!(&self.claim, Claim::Open(publication) if publication.is_connected())
    }

    /// Appends a message.
    ///
    /// # Errors
    ///
    /// As [`Publication::offer`]; not connected while the driver has not made the stream.
    pub(super) fn offer(&mut self, parts: &[&[u8]]) -> Result<i64, OfferError> {
        match &mut self.claim {
            Claim::Open(publication) => publication.offer(parts),
            Claim::Asked(_) | Claim::Refused { .. } => Err(OfferError::NotConnected),
        }
    }
}

/// Who the members are, and the streams to those of them that matter now: all while connecting, then the leader's.
pub(super) struct Ingress {
    channel: String,
    stream_id: i32,
    endpoints: Vec<(i32, String)>,
    streams: Vec<IngressStream>,
    /// Asked for and no longer wanted. The driver's answer is awaited, or the stream would stay open.
    unwanted: Vec<IngressStream>,
}

impl Ingress {
    pub(super) fn new(channel: String, stream_id: i32, endpoints: Vec<(i32, String)>) -> Self {
        Self { channel, stream_id, endpoints, streams: Vec::new(), unwanted: Vec::new() }
    }

    /// Asks for a stream to each member.
    ///
    /// # Errors
    ///
    /// [`TransportError::DriverGone`].
    pub(super) fn open_all(&mut self, transport: &mut dyn Transport) -> Result<(), TransportError> {
        if self.endpoints.is_empty() {
            return self.open(transport, ANY_MEMBER);
        }
        let members: Vec<i32> = self.endpoints.iter().map(|(member_id, _)| *member_id).collect();
        members.into_iter().try_for_each(|member_id| self.open(transport, member_id))
    }

    /// Takes what a member says about who is where. Text that is no such list changes nothing.
    pub(super) fn update(&mut self, endpoints: &str) {
        if self.endpoints.is_empty() || endpoints.is_empty() {
            return;
        }
        match parse_endpoints(endpoints) {
            Some(endpoints) => self.endpoints = endpoints,
            None => tracing::warn!(endpoints = endpoints.escape_debug().to_string(), "no list of members; ignored"),
        }
    }

    /// Gives up all streams but the member's, which stays open if it leads where the member is now.
    ///
    /// # Errors
    ///
    /// [`TransportError::DriverGone`].
    pub(super) fn turn_to(&mut self, transport: &mut dyn Transport, member_id: i32) -> Result<(), TransportError> {
        let channel = self.channel_to(member_id);
        self.give_up(|stream| stream.channel != channel);
        match self.streams.first_mut() {
            Some(stream) => {
                stream.member_id = member_id;
                Ok(())
            }
            None => self.open(transport, member_id),
        }
    }

    /// Gives up all streams and asks for one to the member: its end of an older one may have gone.
    ///
    /// # Errors
    ///
    /// [`TransportError::DriverGone`].
    pub(super) fn begin_anew(&mut self, transport: &mut dyn Transport, member_id: i32) -> Result<(), TransportError> {
        // First the old one goes: the driver would take the new one for the same.
        self.close();
        self.open(transport, member_id)
    }

    /// Gives up all streams but the one to this member.
    pub(super) fn keep_only(&mut self, member_id: i32) {
        self.give_up(|stream| stream.member_id != member_id);
    }

    /// Gives up all streams.
    pub(super) fn close(&mut self) {
        self.give_up(|_| true);
    }

    /// Takes the driver's answers. Returns how many there were.
    ///
    /// # Errors
    ///
    /// [`TransportError::DriverGone`]. A refusal is a warning: the stream is asked for again after a pause.
    pub(super) fn advance(&mut self, transport: &mut dyn Transport, now: Duration) -> Result<usize, TransportError> {
        let mut answers = 0;
        for stream in &mut self.streams {
            match stream.claim {
                Claim::Asked(id) => {
                    if let Some(claim) = answer(transport, id, now)? {
                        stream.claim = claim;
                        answers += 1;
                    }
                }
                Claim::Refused { until } if now >= until => {
                    stream.claim = ask(transport, &stream.channel, self.stream_id)?;
                }
                Claim::Refused { .. } | Claim::Open(_) => {}
            }
        }
        let mut index = 0;
        while index < self.unwanted.len() {
            match self.unwanted[index].claim {
                Claim::Asked(id) if answer(transport, id, now)?.is_none() => index += 1,
                _ => drop(self.unwanted.swap_remove(index)),
            }
        }
        Ok(answers)
    }

    /// The first stream, in the order of the list, whose member listens.
    pub(super) fn connected(&mut self) -> Option<&mut IngressStream> {
        self.streams.iter_mut().find(|stream| stream.is_connected())
    }

    /// The stream to a member.
    pub(super) fn member(&mut self, member_id: i32) -> Option<&mut IngressStream> {
        self.streams.iter_mut().find(|stream| stream.member_id == member_id)
    }

    /// Appends a message to the one stream that there is.
    ///
    /// # Errors
    ///
    /// As [`IngressStream::offer`].
    pub(super) fn offer(&mut self, parts: &[&[u8]]) -> Result<i64, OfferError> {
        self.streams.first_mut().map_or(Err(OfferError::NotConnected), |stream| stream.offer(parts))
    }

    /// Longest message on the stream; 0 without one.
    pub(super) fn max_message_length(&self) -> usize {
        match self.streams.first().map(|stream| &stream.claim) {
            Some(Claim::Open(publication)) => publication.max_message_length(),
            _ => 0,
        }
    }

    fn open(&mut self, transport: &mut dyn Transport, member_id: i32) -> Result<(), TransportError> {
        let channel = self.channel_to(member_id);
        // A claim on the same stream would be the same claim.
        let claim = match self.unwanted.iter().position(|stream| stream.channel == channel) {
            Some(index) => self.unwanted.swap_remove(index).claim,
            None => ask(transport, &channel, self.stream_id)?,
        };
        self.streams.push(IngressStream { member_id, channel, claim });
        Ok(())
    }

    fn channel_to(&self, member_id: i32) -> String {
        match self.endpoints.iter().find(|(id, _)| *id == member_id) {
            Some((_, endpoint)) => uri::with_param(&self.channel, "endpoint", endpoint),
            None => self.channel.clone(),
        }
    }

    fn give_up(&mut self, is_unwanted: impl Fn(&IngressStream) -> bool) {
        let given_up = self.streams.extract_if(.., |stream| is_unwanted(stream));
        self.unwanted.extend(given_up.filter(|stream| matches!(stream.claim, Claim::Asked(_))));
    }
}

fn ask(transport: &mut dyn Transport, channel: &str, stream_id: i32) -> Result<Claim, TransportError> {
    let until = transport.now() + REFUSED_PAUSE;
    let asked = transport.add_publication(channel, stream_id).map(Claim::Asked);
    asked.or_else(|error| refused(error, until))
}

fn answer(transport: &mut dyn Transport, id: PublicationId, now: Duration) -> Result<Option<Claim>, TransportError> {
    let answered = transport.publication(id).map(|publication| publication.map(Claim::Open));
    answered.or_else(|error| refused(error, now + REFUSED_PAUSE).map(Some))
}

fn refused(error: TransportError, until: Duration) -> Result<Claim, TransportError> {
    match error {
        TransportError::Refused { .. } => {
            tracing::warn!(%error, "no stream to a member of the cluster; it is asked for again");
            Ok(Claim::Refused { until })
        }
        error => Err(error),
    }
}

/// Reads `0=host:port,1=host:port`; `None` when it is something else.
fn parse_endpoints(text: &str) -> Option<Vec<(i32, String)>> {
    let parsed: Option<Vec<_>> = text
        .split(',')
        .take(MEMBERS_MAX + 1)
        .map(|member| {
            let (id, endpoint) = member.split_once('=')?;
            // What would be more than an endpoint in a channel is none.
            let is_plain = !endpoint.is_empty() && !endpoint.contains(['|', '?', '\0']);
            is_plain.then_some((id.trim().parse().ok()?, endpoint.trim().to_owned()))
        })
        .collect();
    parsed.filter(|members| members.len() <= MEMBERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_of_members_are_taken_for_such() {
        let expected = vec![(0, "a:1".to_owned()), (2, "[::1]:2".to_owned())];
        assert_eq!(parse_endpoints("0=a:1,2=[::1]:2"), Some(expected));
        for text in ["", "a:1", "0=", "x=a:1", "0=a:1,", "0=a:1|session-id=4", "0=a:1,1"] {
            assert_eq!(parse_endpoints(text), None, "{text:?}");
        }
        assert_eq!(parse_endpoints(&vec!["1=a:1"; MEMBERS_MAX + 1].join(",")), None);
    }
}
