//! A member of a cluster, as far as clients see one: says and hears what a test tells it to.
//!
//! Bytes are written and read here by the offsets of Aeron's schema, not by the crate's codecs.

use std::collections::BTreeMap;

use aeron_cluster::transport::memory::{Driver, MemoryTransport};
use aeron_cluster::transport::{
    Action, Assembler, Publication, Subscription, await_publication, await_subscription, uri,
};

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Connect { correlation: i64, stream_id: i32, version: i32, channel: String, credentials: Vec<u8>, info: String },
    Message { term: i64, session: i64, timestamp: i64, payload: Vec<u8> },
    Close { term: i64, session: i64 },
    KeepAlive { term: i64, session: i64 },
    ChallengeResponse { correlation: i64, session: i64, credentials: Vec<u8> },
    Admin { term: i64, session: i64, correlation: i64, kind: i32 },
}

pub(crate) struct Member {
    pub(crate) id: i32,
    transport: MemoryTransport,
    ingress: Option<Box<dyn Subscription>>,
    assemblers: BTreeMap<i32, Assembler>,
    /// The consensus module's stream to the client, and the service's.
    module: Option<Box<dyn Publication>>,
    service: Option<Box<dyn Publication>>,
}

pub(crate) fn endpoint(id: i32) -> String {
    format!("member-{id}:9")
}

impl Member {
    /// A member that does not listen yet.
    pub(crate) fn new(driver: &Driver, id: i32) -> Self {
        let (assemblers, transport) = (BTreeMap::new(), driver.client());
        Self { id, transport, ingress: None, assemblers, module: None, service: None }
    }

    pub(crate) fn listen(&mut self) {
        self.listen_at(&endpoint(self.id));
    }

    pub(crate) fn listen_at(&mut self, endpoint: &str) {
        let channel = uri::with_param("aeron:udp", "endpoint", endpoint);
        self.ingress = Some(await_subscription(&mut self.transport, &channel, 101).unwrap());
    }

    /// Opens both streams to a client.
    pub(crate) fn open_egress(&mut self, channel: &str) {
        let session = |offset: i32| (1_000 * (self.id + 1) + offset).to_string();
        let (module, service) = (session(1), session(2));
        let mut open = |session: &str| {
            await_publication(&mut self.transport, &uri::with_param(channel, "session-id", session), 102).unwrap()
        };
        (self.module, self.service) = (Some(open(&module)), Some(open(&service)));
    }

    /// Session ids of the two streams.
    pub(crate) fn egress_sessions(&self) -> (i32, i32) {
        (self.module.as_ref().unwrap().session_id(), self.service.as_ref().unwrap().session_id())
    }

    pub(crate) fn stop(&mut self) {
        (self.ingress, self.module, self.service) = (None, None, None);
    }

    pub(crate) fn close_service_egress(&mut self) {
        self.service = None;
    }

    /// How many clients' streams come in.
    pub(crate) fn ingress_count(&self) -> usize {
        self.ingress.as_ref().map_or(0, |ingress| ingress.image_count())
    }

    /// Whether the client reads either of the streams to it.
    pub(crate) fn has_listener(&self) -> bool {
        [&self.module, &self.service].into_iter().flatten().any(|stream| stream.is_connected())
    }

    pub(crate) fn says(&mut self, message: &[u8]) {
        self.module.as_mut().unwrap().offer(&[message]).unwrap();
    }

    pub(crate) fn service_says(&mut self, message: &[u8]) {
        self.service.as_mut().unwrap().offer(&[message]).unwrap();
    }

    pub(crate) fn heard(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        for mut image in self.ingress.iter().flat_map(|ingress| ingress.images()) {
            let assembler = self.assemblers.entry(image.session_id()).or_default();
            let mut take = |bytes: &[u8], _: i64| {
                heard.push(read(bytes));
                Action::Continue
            };
            image.poll(i64::MAX, usize::MAX, &mut |fragment| assembler.take(fragment, &mut take));
        }
        heard
    }
}

// ---- reading ------------------------------------------------------------------------------------------

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn read(bytes: &[u8]) -> Heard {
    let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    assert_eq!(short(4), 111, "schema");
    let (block, mut rest) = bytes[8..].split_at(usize::from(short(0)));
    let number = |at| i64_at(block, at);
    let template = short(2);
    let mut variable = || {
        let (value, after) = rest[4..].split_at(i32_at(rest, 0) as usize);
        rest = after;
        value.to_vec()
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let heard = match (template, block.len()) {
        (3, 16) => Heard::Connect {
            correlation: number(0),
            stream_id: i32_at(block, 8),
            version: i32_at(block, 12),
            channel: text(variable()),
            credentials: variable(),
            info: text(variable()),
        },
        (1, 24) => {
            let payload = std::mem::take(&mut rest).to_vec();
            Heard::Message { term: number(0), session: number(8), timestamp: number(16), payload }
        }
        (4, 16) => Heard::Close { term: number(0), session: number(8) },
        (5, 16) => Heard::KeepAlive { term: number(0), session: number(8) },
        (8, 16) => Heard::ChallengeResponse { correlation: number(0), session: number(8), credentials: variable() },
        (26, 28) => {
            assert!(variable().is_empty());
            Heard::Admin { term: number(0), session: number(8), correlation: number(16), kind: i32_at(block, 24) }
        }
        other => panic!("no client says {other:?}"),
    };
    assert!(rest.is_empty(), "{} bytes too many in {heard:?}", rest.len());
    heard
}

// ---- writing ------------------------------------------------------------------------------------------

fn message(template: u16, block: &[&[u8]], variable: &[&[u8]]) -> Vec<u8> {
    let block = block.concat();
    let mut bytes = Vec::new();
    for field in [block.len() as u16, template, 111, 16] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&block);
    for value in variable {
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}

/// Codes of session events.
pub(crate) const OK: i32 = 0;
pub(crate) const ERROR: i32 = 1;
pub(crate) const REDIRECT: i32 = 2;
pub(crate) const REJECTED: i32 = 3;
pub(crate) const CLOSED: i32 = 4;

pub(crate) struct Event<'a> {
    pub(crate) session: i64,
    pub(crate) correlation: i64,
    pub(crate) term: i64,
    pub(crate) leader: i32,
    pub(crate) code: i32,
    /// `i64::MIN` is Aeron's null.
    pub(crate) heartbeat_timeout_ns: i64,
    pub(crate) detail: &'a str,
}

impl Event<'_> {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let numbers = [self.session, self.correlation, self.term].map(i64::to_le_bytes);
        let [session, correlation, term] = &numbers;
        let (leader, code, version) = (self.leader.to_le_bytes(), self.code.to_le_bytes(), 768i32.to_le_bytes());
        let heartbeat = self.heartbeat_timeout_ns.to_le_bytes();
        let block: [&[u8]; 7] = [session, correlation, term, &leader, &code, &version, &heartbeat];
        message(2, &block, &[self.detail.as_bytes()])
    }
}

pub(crate) fn session_message(term: i64, session: i64, timestamp: i64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = message(1, &[&term.to_le_bytes(), &session.to_le_bytes(), &timestamp.to_le_bytes()], &[]);
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) fn new_leader(term: i64, session: i64, leader: i32, endpoints: &str) -> Vec<u8> {
    let block: [&[u8]; 3] = [&term.to_le_bytes(), &session.to_le_bytes(), &leader.to_le_bytes()];
    message(6, &block, &[endpoints.as_bytes()])
}

pub(crate) fn challenge(correlation: i64, session: i64, question: &[u8]) -> Vec<u8> {
    message(7, &[&correlation.to_le_bytes(), &session.to_le_bytes()], &[question])
}

pub(crate) fn admin_response(session: i64, correlation: i64, code: i32, text: &str) -> Vec<u8> {
    let kind = 0i32.to_le_bytes();
    let block: [&[u8]; 4] = [&session.to_le_bytes(), &correlation.to_le_bytes(), &kind, &code.to_le_bytes()];
    message(27, &block, &[text.as_bytes(), b""])
}
