//! Messages of the cluster protocol, by the offsets of Aeron's schema and not by the crate's codecs.

use aeron_cluster::transport::{Action, Assembler, Image};

/// A message that is being written: fixed fields, then variable ones.
pub(crate) struct Wire {
    template: u16,
    schema: u16,
    block: Vec<u8>,
    variable: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(template: u16) -> Self {
        Self { template, schema: 111, block: Vec::new(), variable: Vec::new() }
    }

    pub(crate) fn of_schema(mut self, schema: u16) -> Self {
        self.schema = schema;
        self
    }

    pub(crate) fn i64(mut self, value: i64) -> Self {
        self.block.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn i32(mut self, value: i32) -> Self {
        self.block.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn text(mut self, value: &str) -> Self {
        self.variable.extend((value.len() as u32).to_le_bytes());
        self.variable.extend(value.as_bytes());
        self
    }

    /// The message, and `payload` behind it.
    pub(crate) fn with(self, payload: &[u8]) -> Vec<u8> {
        let header = [self.block.len() as u16, self.template, self.schema, 16];
        let mut out: Vec<u8> = header.iter().flat_map(|field| field.to_le_bytes()).collect();
        out.extend(self.block);
        out.extend(self.variable);
        out.extend(payload);
        out
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.with(&[])
    }
}

// ---- the log --------------------------------------------------------------------------------------------

pub(crate) fn session_message(session: i64, time: i64, payload: &[u8]) -> Vec<u8> {
    Wire::new(1).i64(1).i64(session).i64(time).with(payload)
}

pub(crate) fn timer_event(correlation: i64, time: i64) -> Vec<u8> {
    Wire::new(20).i64(1).i64(correlation).i64(time).bytes()
}

pub(crate) fn session_open(session: i64, time: i64, channel: &str) -> Vec<u8> {
    let fixed = Wire::new(21).i64(1).i64(77).i64(session).i64(time).i32(102);
    fixed.text(channel).text("somebody").bytes()
}

pub(crate) fn session_close(session: i64, time: i64, reason: i32) -> Vec<u8> {
    Wire::new(22).i64(1).i64(session).i64(time).i32(reason).bytes()
}

pub(crate) const SUSPEND: i32 = 0;
pub(crate) const SNAPSHOT: i32 = 2;

pub(crate) fn action(time: i64, action: i32, flags: i32) -> Vec<u8> {
    Wire::new(23).i64(1).i64(0).i64(time).i32(action).i32(flags).bytes()
}

pub(crate) fn new_term(term: i64, time: i64, app_version: i32) -> Vec<u8> {
    Wire::new(24).i64(term).i64(0).i64(time).i64(640).i32(2).i32(-5).i32(2).i32(app_version).bytes()
}

// ---- module to service -------------------------------------------------------------------------------------

/// `JoinLog`, with what most of them have.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) position: i64,
    pub(crate) position_max: i64,
    pub(crate) session_id: i32,
    pub(crate) stream_id: i32,
    pub(crate) is_startup: bool,
    pub(crate) role: i32,
    pub(crate) is_standby: bool,
    pub(crate) channel: String,
}

impl Join {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let fixed = Wire::new(40).i64(self.position).i64(self.position_max).i32(3);
        let fixed = fixed.i32(self.session_id).i32(self.stream_id).i32(self.is_startup.into()).i32(self.role);
        fixed.i32(self.is_standby.into()).text(&self.channel).bytes()
    }
}

pub(crate) fn termination_position(position: i64) -> Vec<u8> {
    Wire::new(42).i64(position).bytes()
}

pub(crate) fn request_ack(position: i64) -> Vec<u8> {
    Wire::new(108).i64(position).bytes()
}

// ---- service to module -------------------------------------------------------------------------------------

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Ack { position: i64, time: i64, id: i64, relevant: i64, service: i32 },
    Message { session: i64, payload: Vec<u8> },
    CloseSession(i64),
    Timer { correlation: i64, deadline: i64 },
    CancelTimer(i64),
}

pub(crate) fn said(message: &[u8]) -> Said {
    let i64 = |at: usize| i64::from_le_bytes(message[8 + at..][..8].try_into().unwrap());
    let i32 = |at: usize| i32::from_le_bytes(message[8 + at..][..4].try_into().unwrap());
    assert_eq!(message[4..6], [111, 0], "schema");
    match u16::from_le_bytes([message[2], message[3]]) {
        33 => Said::Ack { position: i64(0), time: i64(8), id: i64(16), relevant: i64(24), service: i32(32) },
        1 => Said::Message { session: i64(8), payload: message[32..].to_vec() },
        30 => Said::CloseSession(i64(0)),
        31 => Said::Timer { correlation: i64(0), deadline: i64(8) },
        32 => Said::CancelTimer(i64(0)),
        other => panic!("template {other} is nothing that a service says"),
    }
}

/// What a client hears: term, session, time, payload.
pub(crate) type Egress = (i64, i64, i64, Vec<u8>);

pub(crate) fn egress(message: &[u8]) -> Egress {
    let i64 = |at: usize| i64::from_le_bytes(message[8 + at..][..8].try_into().unwrap());
    assert_eq!(message[2..6], [1, 0, 111, 0]);
    (i64(0), i64(8), i64(16), message[32..].to_vec())
}

/// All whole messages that an image has now.
pub(crate) fn drain(image: &mut dyn Image, assembler: &mut Assembler) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while image.poll(i64::MAX, 100, &mut |fragment| {
        assembler.take(fragment, &mut |message, _| {
            messages.push(message.to_vec());
            Action::Continue
        })
    }) > 0
    {}
    messages
}
