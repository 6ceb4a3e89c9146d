//! Messages of the cluster protocol (schema 111): log, control, ingress, egress and snapshots.
//!
//! Names are Aeron's, so that both can be read side by side. What a reader of one stream may meet is one enum:
//! [`LogMessage`], [`ControlMessage`], [`EgressMessage`], [`SnapshotMessage`]; templates that are not in it are
//! `None`, and to be ignored.

use super::generated::cluster as codecs;
use super::generated::cluster::boolean_type::BooleanType;
use super::generated::cluster::cluster_time_unit::ClusterTimeUnit;
use super::{CodecError, RawMessage, decode, encode, put_variable};

/// Schema id of the cluster protocol.
pub const SCHEMA_ID: u16 = 111;
/// Version of the schema that the codecs are made from.
pub const SCHEMA_VERSION: u16 = 16;
const _: () = assert!(SCHEMA_ID == codecs::SBE_SCHEMA_ID && SCHEMA_VERSION == codecs::SBE_SCHEMA_VERSION);

/// Version of the client protocol: 0.3.0. Members compare its major only.
pub const CLIENT_PROTOCOL_VERSION: i32 = 768;
/// Version of the application as the stock consensus module has it: 0.0.1. Its major is compared.
pub const APP_VERSION: i32 = 1;

/// The major of a semantic version.
pub const fn major(version: i32) -> i32 {
    (version >> 16) & 0xff
}

/// Unit of the cluster's timestamps and deadlines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Milliseconds: the default of stock members.
    #[default]
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl From<ClusterTimeUnit> for TimeUnit {
    fn from(unit: ClusterTimeUnit) -> Self {
        match unit {
            ClusterTimeUnit::MICROS => Self::Micros,
            ClusterTimeUnit::NANOS => Self::Nanos,
            ClusterTimeUnit::MILLIS | ClusterTimeUnit::NullVal => Self::Millis,
        }
    }
}

impl From<TimeUnit> for ClusterTimeUnit {
    fn from(unit: TimeUnit) -> Self {
        match unit {
            TimeUnit::Millis => Self::MILLIS,
            TimeUnit::Micros => Self::MICROS,
            TimeUnit::Nanos => Self::NANOS,
        }
    }
}

/// Why a client's session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// It closed it.
    ClientAction,
    /// The service closed it.
    ServiceAction,
    /// Nothing was heard of it for the session timeout, or it was open when a cluster started anew.
    Timeout,
    /// A reason newer than this build.
    Unknown,
}

// ---- headers of application messages ----------------------------------------------------------------

/// Length of the header before each application message, SBE header included.
pub const SESSION_HEADER_BYTES: usize = 32;

/// Before each application message, in ingress, log, egress and service messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionHeader {
    /// Term of the leader as the sender knows it; a leader drops ingress of another term.
    pub leadership_term_id: i64,
    /// Whose message.
    pub cluster_session_id: i64,
    /// Cluster time; 0 in ingress.
    pub timestamp: i64,
}

impl SessionHeader {
    /// As bytes, to go before the payload.
    pub fn encode(&self) -> [u8; SESSION_HEADER_BYTES] {
        let mut out = Vec::with_capacity(SESSION_HEADER_BYTES);
        encode!(&mut out, cluster, session_message_header_codec, SessionMessageHeaderEncoder, |m| {
            m.leadership_term_id(self.leadership_term_id);
            m.cluster_session_id(self.cluster_session_id);
            m.timestamp(self.timestamp);
        });
        out.try_into().expect("8 bytes of header, 24 of block")
    }

    fn decode(raw: &RawMessage<'_>) -> Self {
        decode!(raw, cluster, session_message_header_codec, SessionMessageHeaderDecoder, |m| Self {
            leadership_term_id: m.leadership_term_id(),
            cluster_session_id: m.cluster_session_id(),
            timestamp: m.timestamp(),
        })
    }
}

// ---- the log ------------------------------------------------------------------------------------------

/// What the replicated log delivers to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogMessage<'a> {
    /// A client's or a service's message.
    Session {
        /// Who and when.
        header: SessionHeader,
        /// What.
        payload: &'a [u8],
    },
    /// A timer fired.
    Timer {
        /// Term in which it was appended.
        leadership_term_id: i64,
        /// As it was scheduled under.
        correlation_id: i64,
        /// Cluster time.
        timestamp: i64,
    },
    /// A client's session opened.
    SessionOpen {
        /// Term in which it was appended.
        leadership_term_id: i64,
        /// Of the client's request.
        correlation_id: i64,
        /// Its number, never used again.
        cluster_session_id: i64,
        /// Cluster time.
        timestamp: i64,
        /// Where replies go.
        response_stream_id: i32,
        /// Where replies go.
        response_channel: &'a str,
        /// Who the authenticator says that it is; empty without one.
        encoded_principal: &'a [u8],
    },
    /// A client's session closed.
    SessionClose {
        /// Term in which it was appended.
        leadership_term_id: i64,
        /// Its number.
        cluster_session_id: i64,
        /// Cluster time.
        timestamp: i64,
        /// Why.
        reason: CloseReason,
    },
    /// An operator's request.
    Action {
        /// Term in which it was appended.
        leadership_term_id: i64,
        /// Where it ends in the log.
        log_position: i64,
        /// Cluster time.
        timestamp: i64,
        /// 0 suspend, 1 resume, 2 snapshot.
        action: i32,
        /// 1: for standby members only.
        flags: i32,
    },
    /// A leader's term begins.
    NewTerm {
        /// The term.
        leadership_term_id: i64,
        /// Where this entry ends.
        log_position: i64,
        /// Cluster time.
        timestamp: i64,
        /// Where the term begins.
        term_base_log_position: i64,
        /// Who leads.
        leader_member_id: i32,
        /// Session id of the leader's log stream.
        log_session_id: i32,
        /// Of all timestamps.
        time_unit: TimeUnit,
        /// Of the leader's consensus module.
        app_version: i32,
    },
}

/// `ClusterActionRequest`'s value for a snapshot.
pub const ACTION_SNAPSHOT: i32 = 2;

impl<'a> LogMessage<'a> {
    /// Reads an entry of the log; `None` for those that a service ignores.
    ///
    /// # Errors
    ///
    /// When the bytes are not of schema 111 or are cut off: the log is damaged or not one.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<Self>, CodecError> {
        let raw = RawMessage::parse(bytes, SCHEMA_ID)?;
        let mut variable = raw.variable();
        Ok(Some(match raw.template {
            codecs::session_message_header_codec::SBE_TEMPLATE_ID => {
                Self::Session { header: SessionHeader::decode(&raw), payload: raw.rest }
            }
            codecs::timer_event_codec::SBE_TEMPLATE_ID => {
                decode!(&raw, cluster, timer_event_codec, TimerEventDecoder, |m| Self::Timer {
                    leadership_term_id: m.leadership_term_id(),
                    correlation_id: m.correlation_id(),
                    timestamp: m.timestamp(),
                })
            }
            codecs::session_open_event_codec::SBE_TEMPLATE_ID => {
                let response_channel = variable.text()?;
                let encoded_principal = variable.bytes()?;
                decode!(&raw, cluster, session_open_event_codec, SessionOpenEventDecoder, |m| Self::SessionOpen {
                    leadership_term_id: m.leadership_term_id(),
                    correlation_id: m.correlation_id(),
                    cluster_session_id: m.cluster_session_id(),
                    timestamp: m.timestamp(),
                    response_stream_id: m.response_stream_id(),
                    response_channel,
                    encoded_principal,
                })
            }
            codecs::session_close_event_codec::SBE_TEMPLATE_ID => {
                use codecs::close_reason::CloseReason as Code;
                decode!(&raw, cluster, session_close_event_codec, SessionCloseEventDecoder, |m| Self::SessionClose {
                    leadership_term_id: m.leadership_term_id(),
                    cluster_session_id: m.cluster_session_id(),
                    timestamp: m.timestamp(),
                    reason: match m.close_reason() {
                        Code::CLIENT_ACTION => CloseReason::ClientAction,
                        Code::SERVICE_ACTION => CloseReason::ServiceAction,
                        Code::TIMEOUT => CloseReason::Timeout,
                        Code::NullVal => CloseReason::Unknown,
                    },
                })
            }
            codecs::cluster_action_request_codec::SBE_TEMPLATE_ID => {
                decode!(&raw, cluster, cluster_action_request_codec, ClusterActionRequestDecoder, |m| Self::Action {
                    leadership_term_id: m.leadership_term_id(),
                    log_position: m.log_position(),
                    timestamp: m.timestamp(),
                    action: m.action().into(),
                    flags: m.flags().unwrap_or(0),
                })
            }
            codecs::new_leadership_term_event_codec::SBE_TEMPLATE_ID => {
                decode!(&raw, cluster, new_leadership_term_event_codec, NewLeadershipTermEventDecoder, |m| {
                    Self::NewTerm {
                        leadership_term_id: m.leadership_term_id(),
                        log_position: m.log_position(),
                        timestamp: m.timestamp(),
                        term_base_log_position: m.term_base_log_position(),
                        leader_member_id: m.leader_member_id(),
                        log_session_id: m.log_session_id(),
                        time_unit: m.time_unit().into(),
                        app_version: m.app_version().unwrap_or(APP_VERSION),
                    }
                })
            }
            _ => return Ok(None),
        }))
    }
}

// ---- between consensus module and service -----------------------------------------------------------

/// What the consensus module says to its services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlMessage<'a> {
    /// Read this stream as the log.
    JoinLog(JoinLog<'a>),
    /// End when the log is applied up to here.
    TerminationPosition {
        /// 0: at once.
        log_position: i64,
    },
    /// Acknowledge once the log is applied up to here.
    RequestAck {
        /// The position.
        log_position: i64,
    },
}

/// Where the log is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinLog<'a> {
    /// Where the stream begins; equals what the service has applied.
    pub log_position: i64,
    /// Where it ends; `i64::MAX` for a live log.
    pub log_position_max: i64,
    /// This member.
    pub member_id: i32,
    /// Session id of the stream.
    pub log_session_id: i32,
    /// Id of the stream.
    pub log_stream_id: i32,
    /// Whether the member is starting.
    pub is_startup: bool,
    /// 0 follower, 1 candidate, 2 leader.
    pub role: i32,
    /// Whether the member only follows.
    pub is_standby: bool,
    /// Channel of the stream, to be passed to the driver as it is.
    pub log_channel: &'a str,
}

impl<'a> ControlMessage<'a> {
    /// Reads a message on the service stream; `None` for those that a service ignores.
    ///
    /// # Errors
    ///
    /// When the bytes are not of schema 111 or are cut off.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<Self>, CodecError> {
        let raw = RawMessage::parse(bytes, SCHEMA_ID)?;
        Ok(Some(match raw.template {
            codecs::join_log_codec::SBE_TEMPLATE_ID => {
                let log_channel = raw.variable().text()?;
                Self::JoinLog(decode!(&raw, cluster, join_log_codec, JoinLogDecoder, |m| JoinLog {
                    log_position: m.log_position(),
                    log_position_max: m.max_log_position(),
                    member_id: m.member_id(),
                    log_session_id: m.log_session_id(),
                    log_stream_id: m.log_stream_id(),
                    is_startup: m.is_startup() == BooleanType::TRUE,
                    role: m.role(),
                    is_standby: m.is_standby() == BooleanType::TRUE,
                    log_channel,
                }))
            }
            codecs::service_termination_position_codec::SBE_TEMPLATE_ID => {
                decode!(&raw, cluster, service_termination_position_codec, ServiceTerminationPositionDecoder, |m| {
                    Self::TerminationPosition { log_position: m.log_position() }
                })
            }
            codecs::request_service_ack_codec::SBE_TEMPLATE_ID => {
                decode!(&raw, cluster, request_service_ack_codec, RequestServiceAckDecoder, |m| Self::RequestAck {
                    log_position: m.log_position()
                })
            }
            _ => return Ok(None),
        }))
    }

    /// Appends the message to `out`, as a consensus module writes it; for peers in tests.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::JoinLog(join) => {
                encode!(out, cluster, join_log_codec, JoinLogEncoder, |m| {
                    m.log_position(join.log_position);
                    m.max_log_position(join.log_position_max);
                    m.member_id(join.member_id);
                    m.log_session_id(join.log_session_id);
                    m.log_stream_id(join.log_stream_id);
                    m.is_startup(boolean(join.is_startup));
                    m.role(join.role);
                    m.is_standby(boolean(join.is_standby));
                });
                put_variable(out, join.log_channel.as_bytes());
            }
            Self::TerminationPosition { log_position } => {
                encode!(out, cluster, service_termination_position_codec, ServiceTerminationPositionEncoder, |m| {
                    m.log_position(*log_position);
                })
            }
            Self::RequestAck { log_position } => {
                encode!(out, cluster, request_service_ack_codec, RequestServiceAckEncoder, |m| {
                    m.log_position(*log_position);
                });
            }
        }
    }
}

fn boolean(value: bool) -> BooleanType {
    if value { BooleanType::TRUE } else { BooleanType::FALSE }
}

/// A service's word that it has come to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceAck {
    /// Up to where the log is applied.
    pub log_position: i64,
    /// Cluster time.
    pub timestamp: i64,
    /// 0, 1, 2 … over the life of the service process.
    pub ack_id: i64,
    /// First acknowledgement: the Aeron client's id. Of a snapshot: its recording id. Else -1.
    pub relevant_id: i64,
    /// Which service.
    pub service_id: i32,
}

impl ServiceAck {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode!(out, cluster, service_ack_codec, ServiceAckEncoder, |m| {
            m.log_position(self.log_position);
            m.timestamp(self.timestamp);
            m.ack_id(self.ack_id);
            m.relevant_id(self.relevant_id);
            m.service_id(self.service_id);
        });
    }

    /// Reads the message; `None` when it is another one. For peers in tests.
    ///
    /// # Errors
    ///
    /// When the bytes are not of schema 111 or are cut off.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, CodecError> {
        let raw = RawMessage::parse(bytes, SCHEMA_ID)?;
        Ok((raw.template == codecs::service_ack_codec::SBE_TEMPLATE_ID).then(|| {
            decode!(&raw, cluster, service_ack_codec, ServiceAckDecoder, |m| Self {
                log_position: m.log_position(),
                timestamp: m.timestamp(),
                ack_id: m.ack_id(),
                relevant_id: m.relevant_id(),
                service_id: m.service_id(),
            })
        }))
    }
}

/// Appends a request that a timer fires at `deadline` (cluster time).
pub fn encode_schedule_timer(out: &mut Vec<u8>, correlation_id: i64, deadline: i64) {
    encode!(out, cluster, schedule_timer_codec, ScheduleTimerEncoder, |m| {
        m.correlation_id(correlation_id);
        m.deadline(deadline);
    });
}

/// Appends a request to drop a timer.
pub fn encode_cancel_timer(out: &mut Vec<u8>, correlation_id: i64) {
    encode!(out, cluster, cancel_timer_codec, CancelTimerEncoder, |m| {
        m.correlation_id(correlation_id);
    });
}

/// Appends a service's request to close a client's session.
pub fn encode_close_session(out: &mut Vec<u8>, cluster_session_id: i64) {
    encode!(out, cluster, close_session_codec, CloseSessionEncoder, |m| {
        m.cluster_session_id(cluster_session_id);
    });
}

// ---- snapshots ------------------------------------------------------------------------------------------

/// `SnapshotMarker`'s type for a service's snapshot.
pub const SERVICE_SNAPSHOT_TYPE: i64 = 2;

/// Begin or end of the container's part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotMarker {
    /// 2 for services.
    pub type_id: i64,
    /// Where in the log.
    pub log_position: i64,
    /// In which term.
    pub leadership_term_id: i64,
    /// 0 begin, 1 section, 2 end.
    pub mark: i32,
    /// Of the cluster's clock.
    pub time_unit: TimeUnit,
    /// Of the application.
    pub app_version: i32,
}

/// `SnapshotMarker`'s mark at the beginning.
pub const MARK_BEGIN: i32 = 0;
/// `SnapshotMarker`'s mark at the end.
pub const MARK_END: i32 = 2;

impl SnapshotMarker {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode!(out, cluster, snapshot_marker_codec, SnapshotMarkerEncoder, |m| {
            m.type_id(self.type_id);
            m.log_position(self.log_position);
            m.leadership_term_id(self.leadership_term_id);
            m.index(0);
            m.mark(self.mark.into());
            m.time_unit(self.time_unit.into());
            m.app_version(self.app_version);
        });
    }
}

/// A message in the container's part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotMessage<'a> {
    /// Begin or end.
    Marker(SnapshotMarker),
    /// A client's session that was open.
    Session {
        /// Its number.
        cluster_session_id: i64,
        /// Where replies go.
        response_stream_id: i32,
        /// Where replies go.
        response_channel: &'a str,
        /// As of its opening.
        encoded_principal: &'a [u8],
    },
}

impl<'a> SnapshotMessage<'a> {
    /// Reads a message; `None` for those that a service ignores.
    ///
    /// # Errors
    ///
    /// When the bytes are not of schema 111 or are cut off.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<Self>, CodecError> {
        let raw = RawMessage::parse(bytes, SCHEMA_ID)?;
        let mut variable = raw.variable();
        Ok(Some(match raw.template {
            codecs::snapshot_marker_codec::SBE_TEMPLATE_ID => {
                Self::Marker(decode!(&raw, cluster, snapshot_marker_codec, SnapshotMarkerDecoder, |m| {
                    SnapshotMarker {
                        type_id: m.type_id(),
                        log_position: m.log_position(),
                        leadership_term_id: m.leadership_term_id(),
                        mark: m.mark().into(),
                        time_unit: m.time_unit().into(),
                        app_version: m.app_version().unwrap_or(APP_VERSION),
                    }
                }))
            }
            codecs::client_session_codec::SBE_TEMPLATE_ID => {
                let response_channel = variable.text()?;
                let encoded_principal = variable.bytes()?;
                decode!(&raw, cluster, client_session_codec, ClientSessionDecoder, |m| Self::Session {
                    cluster_session_id: m.cluster_session_id(),
                    response_stream_id: m.response_stream_id(),
                    response_channel,
                    encoded_principal,
                })
            }
            _ => return Ok(None),
        }))
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Marker(marker) => marker.encode(out),
            Self::Session { cluster_session_id, response_stream_id, response_channel, encoded_principal } => {
                encode!(out, cluster, client_session_codec, ClientSessionEncoder, |m| {
                    m.cluster_session_id(*cluster_session_id);
                    m.response_stream_id(*response_stream_id);
                });
                put_variable(out, response_channel.as_bytes());
                put_variable(out, encoded_principal);
            }
        }
    }
}

// ---- clients ----------------------------------------------------------------------------------------------

/// Appends a client's request for a session.
pub fn encode_session_connect(
    out: &mut Vec<u8>,
    correlation_id: i64,
    response_stream_id: i32,
    response_channel: &str,
    credentials: &[u8],
    client_info: &str,
) {
    encode!(out, cluster, session_connect_request_codec, SessionConnectRequestEncoder, |m| {
        m.correlation_id(correlation_id);
        m.response_stream_id(response_stream_id);
        m.version(CLIENT_PROTOCOL_VERSION);
    });
    put_variable(out, response_channel.as_bytes());
    put_variable(out, credentials);
    put_variable(out, client_info.as_bytes());
}

/// Appends a client's answer to a challenge.
pub fn encode_challenge_response(out: &mut Vec<u8>, correlation_id: i64, session: i64, credentials: &[u8]) {
    encode!(out, cluster, challenge_response_codec, ChallengeResponseEncoder, |m| {
        m.correlation_id(correlation_id);
        m.cluster_session_id(session);
    });
    put_variable(out, credentials);
}

/// Appends a client's sign of life.
pub fn encode_keep_alive(out: &mut Vec<u8>, leadership_term_id: i64, session: i64) {
    encode!(out, cluster, session_keep_alive_codec, SessionKeepAliveEncoder, |m| {
        m.leadership_term_id(leadership_term_id);
        m.cluster_session_id(session);
    });
}

/// Appends a client's goodbye.
pub fn encode_session_close(out: &mut Vec<u8>, leadership_term_id: i64, session: i64) {
    encode!(out, cluster, session_close_request_codec, SessionCloseRequestEncoder, |m| {
        m.leadership_term_id(leadership_term_id);
        m.cluster_session_id(session);
    });
}

/// Appends a client's request that every member takes a snapshot.
pub fn encode_admin_snapshot(out: &mut Vec<u8>, leadership_term_id: i64, session: i64, correlation_id: i64) {
    encode!(out, cluster, admin_request_codec, AdminRequestEncoder, |m| {
        m.leadership_term_id(leadership_term_id);
        m.cluster_session_id(session);
        m.correlation_id(correlation_id);
        m.request_type(codecs::admin_request_type::AdminRequestType::SNAPSHOT);
    });
    put_variable(out, &[]);
}

/// `SessionEvent`'s verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventCode {
    /// The session is open.
    Ok,
    /// Refused; the detail says why.
    Error,
    /// Ask another member; the detail names all of them.
    Redirect,
    /// The authenticator refused.
    AuthenticationRejected,
    /// The session is closed; the detail says why.
    Closed,
    /// Newer than this build.
    Unknown,
}

/// `AdminResponse`'s verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminCode {
    /// The request was taken; its work may still go on.
    Ok,
    /// It cannot be done now.
    Error,
    /// Not for this client.
    Unauthorised,
    /// Newer than this build.
    Unknown,
}

/// What members and services say to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EgressMessage<'a> {
    /// The service's message.
    Session {
        /// Whose and when.
        header: SessionHeader,
        /// What.
        payload: &'a [u8],
    },
    /// What became of the session.
    Event {
        /// Null before there is a session.
        cluster_session_id: i64,
        /// Of the request.
        correlation_id: i64,
        /// The current term.
        leadership_term_id: i64,
        /// Who leads.
        leader_member_id: i32,
        /// The verdict.
        code: EventCode,
        /// After which a leader that is not heard is given up.
        leader_heartbeat_timeout_ns: Option<i64>,
        /// Reason, or members.
        detail: &'a str,
    },
    /// Who leads now.
    NewLeader {
        /// The term.
        leadership_term_id: i64,
        /// Whose session.
        cluster_session_id: i64,
        /// Who leads.
        leader_member_id: i32,
        /// All members: `0=host:port,1=host:port`.
        ingress_endpoints: &'a str,
    },
    /// Prove who you are.
    Challenge {
        /// Of the request.
        correlation_id: i64,
        /// Of the session to be.
        cluster_session_id: i64,
        /// The authenticator's.
        encoded_challenge: &'a [u8],
    },
    /// What became of an admin request.
    Admin {
        /// Whose.
        cluster_session_id: i64,
        /// Of the request.
        correlation_id: i64,
        /// The verdict.
        code: AdminCode,
        /// For people.
        message: &'a str,
    },
}

impl<'a> EgressMessage<'a> {
    /// Reads a message on a client's subscription; `None` for those that a client ignores.
    ///
    /// # Errors
    ///
    /// When the bytes are not of schema 111 or are cut off.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<Self>, CodecError> {
        let raw = RawMessage::parse(bytes, SCHEMA_ID)?;
        let mut variable = raw.variable();
        Ok(Some(match raw.template {
            codecs::session_message_header_codec::SBE_TEMPLATE_ID => {
                Self::Session { header: SessionHeader::decode(&raw), payload: raw.rest }
            }
            codecs::session_event_codec::SBE_TEMPLATE_ID => {
                use codecs::event_code::EventCode as Code;
                let detail = variable.text()?;
                decode!(&raw, cluster, session_event_codec, SessionEventDecoder, |m| Self::Event {
                    cluster_session_id: m.cluster_session_id(),
                    correlation_id: m.correlation_id(),
                    leadership_term_id: m.leadership_term_id(),
                    leader_member_id: m.leader_member_id(),
                    code: match m.code() {
                        Code::OK => EventCode::Ok,
                        Code::ERROR => EventCode::Error,
                        Code::REDIRECT => EventCode::Redirect,
                        Code::AUTHENTICATION_REJECTED => EventCode::AuthenticationRejected,
                        Code::CLOSED => EventCode::Closed,
                        Code::NullVal => EventCode::Unknown,
                    },
                    leader_heartbeat_timeout_ns: m.leader_heartbeat_timeout_ns(),
                    detail,
                })
            }
            codecs::new_leader_event_codec::SBE_TEMPLATE_ID => {
                let ingress_endpoints = variable.text()?;
                decode!(&raw, cluster, new_leader_event_codec, NewLeaderEventDecoder, |m| Self::NewLeader {
                    leadership_term_id: m.leadership_term_id(),
                    cluster_session_id: m.cluster_session_id(),
                    leader_member_id: m.leader_member_id(),
                    ingress_endpoints,
                })
            }
            codecs::challenge_codec::SBE_TEMPLATE_ID => {
                let encoded_challenge = variable.bytes()?;
                decode!(&raw, cluster, challenge_codec, ChallengeDecoder, |m| Self::Challenge {
                    correlation_id: m.correlation_id(),
                    cluster_session_id: m.cluster_session_id(),
                    encoded_challenge,
                })
            }
            codecs::admin_response_codec::SBE_TEMPLATE_ID => {
                use codecs::admin_response_code::AdminResponseCode as Code;
                let message = variable.text()?;
                decode!(&raw, cluster, admin_response_codec, AdminResponseDecoder, |m| Self::Admin {
                    cluster_session_id: m.cluster_session_id(),
                    correlation_id: m.correlation_id(),
                    code: match m.response_code() {
                        Code::OK => AdminCode::Ok,
                        Code::ERROR => AdminCode::Error,
                        Code::UNAUTHORISED_ACCESS => AdminCode::Unauthorised,
                        Code::NullVal => AdminCode::Unknown,
                    },
                    message,
                })
            }
            _ => return Ok(None),
        }))
    }
}
