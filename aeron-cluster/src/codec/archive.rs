//! Messages of the archive's control protocol (schema 101).
//!
//! A client writes [`Request`]s, each under the number of its control session and a correlation id of its own, and
//! reads [`ArchiveMessage`]s. [`RecordingDescriptor`] is also what an archive's catalog file consists of.

use super::generated::archive as codecs;
use super::generated::archive::boolean_type::BooleanType;
use super::generated::archive::control_response_code::ControlResponseCode;
use super::generated::archive::recording_signal::RecordingSignal;
use super::generated::archive::source_location::SourceLocation as SourceLocationCode;
use super::{CodecError, RawMessage, Variable, decode, encode, put_variable};

/// Schema id of the archive protocol.
pub const SCHEMA_ID: u16 = 101;
/// Version of the schema that the codecs are made from.
pub const SCHEMA_VERSION: u16 = 13;
const _: () = assert!(SCHEMA_ID == codecs::SBE_SCHEMA_ID && SCHEMA_VERSION == codecs::SBE_SCHEMA_VERSION);

/// Version of the client protocol: 1.12.0. Archives compare its major only.
pub const PROTOCOL_VERSION: i32 = (1 << 16) | (12 << 8);

/// In requests: the driver's or archive's own choice.
const NULL_I32: i32 = -1;

/// Where a stream that is to be recorded is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceLocation {
    /// By a client of the archive's own driver; UDP is then recorded through a spy.
    Local,
    /// Elsewhere; the archive subscribes.
    Remote,
}

impl From<SourceLocation> for SourceLocationCode {
    fn from(location: SourceLocation) -> Self {
        match location {
            SourceLocation::Local => Self::LOCAL,
            SourceLocation::Remote => Self::REMOTE,
        }
    }
}

impl From<SourceLocationCode> for SourceLocation {
    fn from(code: SourceLocationCode) -> Self {
        match code {
            SourceLocationCode::REMOTE => Self::Remote,
            SourceLocationCode::LOCAL | SourceLocationCode::NullVal => Self::Local,
        }
    }
}

impl From<bool> for BooleanType {
    fn from(value: bool) -> Self {
        if value { Self::TRUE } else { Self::FALSE }
    }
}

impl From<BooleanType> for bool {
    fn from(code: BooleanType) -> Self {
        code == BooleanType::TRUE
    }
}

/// What variable data is read as.
trait FromVariable<'a>: Sized {
    fn take(variable: &mut Variable<'a>) -> Result<Self, CodecError>;
}

impl<'a> FromVariable<'a> for &'a str {
    fn take(variable: &mut Variable<'a>) -> Result<Self, CodecError> {
        variable.text()
    }
}

impl<'a> FromVariable<'a> for &'a [u8] {
    fn take(variable: &mut Variable<'a>) -> Result<Self, CodecError> {
        variable.bytes()
    }
}

/// One table of requests: their fields, variable data after a semicolon, and what is always sent alike in brackets.
/// Makes the enum and both directions, so that these cannot disagree.
macro_rules! requests {
    ($(
        $(#[$doc:meta])*
        $name:ident = $codec:ident, $Encoder:ident, $Decoder:ident {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
            $(; $($(#[$var_doc:meta])* $var:ident: $var_type:ty,)*)?
            $([ $($fixed:ident($value:expr)),* ])?
        }
    )*) => {
        /// What a client asks of an archive, once it has a control session.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Request<'a> {
            $($(#[$doc])* $name {
                $($(#[$field_doc])* $field: $type,)*
                $($($(#[$var_doc])* $var: $var_type,)*)?
            },)*
        }

        impl<'a> Request<'a> {
            /// Appends the request to `out`.
            pub fn encode(&self, control_session_id: i64, correlation_id: i64, out: &mut Vec<u8>) {
                match *self {
                    $(Self::$name { $($field,)* $($($var,)*)? } => {
                        encode!(out, archive, $codec, $Encoder, |m| {
                            m.control_session_id(control_session_id);
                            m.correlation_id(correlation_id);
                            $(m.$field($field.into());)*
                            $($(m.$fixed($value);)*)?
                        });
                        $($(put_variable(out, $var.as_ref());)*)?
                    })*
                }
            }

            /// The request in a message, with its control session and correlation id.
            fn read(raw: &RawMessage<'a>) -> Result<Option<(i64, i64, Self)>, CodecError> {
                match raw.template {
                    $(codecs::$codec::SBE_TEMPLATE_ID => {
                        #[allow(unused_mut, unused_variables, reason = "not every request has variable data")]
                        let mut variable = raw.variable();
                        $($(let $var = <$var_type>::take(&mut variable)?;)*)?
                        Ok(Some(decode!(raw, archive, $codec, $Decoder, |m| (
                            m.control_session_id(),
                            m.correlation_id(),
                            Self::$name { $($field: m.$field().into(),)* $($($var,)*)? },
                        ))))
                    })*
                    _ => Ok(None),
                }
            }
        }
    };
}

requests! {
    /// Prove the identity that was asked for.
    ChallengeResponse = challenge_response_codec, ChallengeResponseEncoder, ChallengeResponseDecoder {
        ;
        /// For the archive's authenticator.
        encoded_credentials: &'a [u8],
    }
    /// Show that the request path works.
    KeepAlive = keep_alive_request_codec, KeepAliveRequestEncoder, KeepAliveRequestDecoder {}
    /// Which archive is this?
    ArchiveId = archive_id_request_codec, ArchiveIdRequestEncoder, ArchiveIdRequestDecoder {}
    /// Record a stream as a new recording.
    StartRecording = start_recording_request_2_codec, StartRecordingRequest2Encoder, StartRecordingRequest2Decoder {
        /// Of the stream.
        stream_id: i32,
        /// Where it is written.
        source_location: SourceLocation,
        /// Whether to forget the subscription once its first recording ends.
        auto_stop: bool,
        ;
        /// Of the stream.
        channel: &'a str,
    }
    /// Record a stream as the continuation of a recording.
    ExtendRecording = extend_recording_request_2_codec, ExtendRecordingRequest2Encoder, ExtendRecordingRequest2Decoder {
        /// The stopped recording.
        recording_id: i64,
        /// Of the stream.
        stream_id: i32,
        /// Where it is written.
        source_location: SourceLocation,
        /// Whether to forget the subscription once the recording ends.
        auto_stop: bool,
        ;
        /// Of the stream.
        channel: &'a str,
    }
    /// Stop what was started for a channel and stream.
    StopRecording = stop_recording_request_codec, StopRecordingRequestEncoder, StopRecordingRequestDecoder {
        /// As at the start.
        stream_id: i32,
        ;
        /// As at the start.
        channel: &'a str,
    }
    /// Stop what was started under a subscription.
    StopRecordingSubscription = stop_recording_subscription_request_codec, StopRecordingSubscriptionRequestEncoder,
        StopRecordingSubscriptionRequestDecoder {
        /// As the start was answered.
        subscription_id: i64,
    }
    /// Stop a recording.
    StopRecordingByIdentity = stop_recording_by_identity_request_codec, StopRecordingByIdentityRequestEncoder,
        StopRecordingByIdentityRequestDecoder {
        /// Which.
        recording_id: i64,
    }
    /// Play a recording into a stream.
    Replay = replay_request_codec, ReplayRequestEncoder, ReplayRequestDecoder {
        /// Which.
        recording_id: i64,
        /// From where; -1 from its start.
        position: i64,
        /// How much; -1 all, -2 what there is now.
        length: i64,
        /// Of the stream to play into.
        replay_stream_id: i32,
        ;
        /// Of the stream to play into.
        replay_channel: &'a str,
        [file_io_max_length(NULL_I32), replay_token(-1)]
    }
    /// Play a recording into a stream, never beyond the value of a counter.
    BoundedReplay = bounded_replay_request_codec, BoundedReplayRequestEncoder, BoundedReplayRequestDecoder {
        /// Which.
        recording_id: i64,
        /// From where; -1 from its start.
        position: i64,
        /// How much; -1 all, -2 what there is now.
        length: i64,
        /// The counter.
        limit_counter_id: i32,
        /// Of the stream to play into.
        replay_stream_id: i32,
        ;
        /// Of the stream to play into.
        replay_channel: &'a str,
        [file_io_max_length(NULL_I32), replay_token(-1)]
    }
    /// Stop a replay.
    StopReplay = stop_replay_request_codec, StopReplayRequestEncoder, StopReplayRequestDecoder {
        /// As the start was answered.
        replay_session_id: i64,
    }
    /// Stop all replays of a recording.
    StopAllReplays = stop_all_replays_request_codec, StopAllReplaysRequestEncoder, StopAllReplaysRequestDecoder {
        /// Which; -1 for every one.
        recording_id: i64,
    }
    /// Describe recordings.
    ListRecordings = list_recordings_request_codec, ListRecordingsRequestEncoder, ListRecordingsRequestDecoder {
        /// The first id.
        from_recording_id: i64,
        /// How many at most.
        record_count: i32,
    }
    /// Describe recordings of a stream.
    ListRecordingsForUri = list_recordings_for_uri_request_codec, ListRecordingsForUriRequestEncoder,
        ListRecordingsForUriRequestDecoder {
        /// The first id.
        from_recording_id: i64,
        /// How many at most.
        record_count: i32,
        /// Of the stream.
        stream_id: i32,
        ;
        /// A part of its channel.
        channel: &'a str,
    }
    /// Describe a recording.
    ListRecording = list_recording_request_codec, ListRecordingRequestEncoder, ListRecordingRequestDecoder {
        /// Which.
        recording_id: i64,
    }
    /// Which is the newest recording of a stream?
    FindLastMatching = find_last_matching_recording_request_codec, FindLastMatchingRecordingRequestEncoder,
        FindLastMatchingRecordingRequestDecoder {
        /// None older than this.
        min_recording_id: i64,
        /// Of the stream.
        session_id: i32,
        /// Of the stream.
        stream_id: i32,
        ;
        /// A part of its channel.
        channel: &'a str,
    }
    /// Up to where is it written, while it is being written?
    RecordingPosition = recording_position_request_codec, RecordingPositionRequestEncoder,
        RecordingPositionRequestDecoder {
        /// Which.
        recording_id: i64,
    }
    /// Where does it begin?
    StartPosition = start_position_request_codec, StartPositionRequestEncoder, StartPositionRequestDecoder {
        /// Which.
        recording_id: i64,
    }
    /// Where did it stop?
    StopPosition = stop_position_request_codec, StopPositionRequestEncoder, StopPositionRequestDecoder {
        /// Which.
        recording_id: i64,
    }
    /// Up to where can it be played?
    MaxRecordedPosition = max_recorded_position_request_codec, MaxRecordedPositionRequestEncoder,
        MaxRecordedPositionRequestDecoder {
        /// Which.
        recording_id: i64,
    }
    /// Cut off its end.
    TruncateRecording = truncate_recording_request_codec, TruncateRecordingRequestEncoder,
        TruncateRecordingRequestDecoder {
        /// Which.
        recording_id: i64,
        /// The new end.
        position: i64,
    }
    /// Let it begin later; the files stay.
    DetachSegments = detach_segments_request_codec, DetachSegmentsRequestEncoder, DetachSegmentsRequestDecoder {
        /// Which.
        recording_id: i64,
        /// The new beginning.
        new_start_position: i64,
    }
    /// Delete files that it does not begin with any more.
    DeleteDetachedSegments = delete_detached_segments_request_codec, DeleteDetachedSegmentsRequestEncoder,
        DeleteDetachedSegmentsRequestDecoder {
        /// Which.
        recording_id: i64,
    }
    /// Let it begin later, and delete the files before.
    PurgeSegments = purge_segments_request_codec, PurgeSegmentsRequestEncoder, PurgeSegmentsRequestDecoder {
        /// Which.
        recording_id: i64,
        /// The new beginning.
        new_start_position: i64,
    }
    /// Delete it.
    PurgeRecording = purge_recording_request_codec, PurgeRecordingRequestEncoder, PurgeRecordingRequestDecoder {
        /// Which.
        recording_id: i64,
    }
}

/// Appends a client's request for a control session.
pub fn encode_connect(
    out: &mut Vec<u8>,
    correlation_id: i64,
    response_stream_id: i32,
    response_channel: &str,
    credentials: &[u8],
    client_info: &str,
) {
    encode!(out, archive, auth_connect_request_codec, AuthConnectRequestEncoder, |m| {
        m.correlation_id(correlation_id);
        m.response_stream_id(response_stream_id);
        m.version(PROTOCOL_VERSION);
    });
    put_variable(out, response_channel.as_bytes());
    put_variable(out, credentials);
    put_variable(out, client_info.as_bytes());
}

/// Appends a client's goodbye. It has no answer.
pub fn encode_close(out: &mut Vec<u8>, control_session_id: i64) {
    encode!(out, archive, close_session_request_codec, CloseSessionRequestEncoder, |m| {
        m.control_session_id(control_session_id);
    });
}

/// What an archive receives; for peers in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// A client wants a control session.
    Connect {
        /// Of the request.
        correlation_id: i64,
        /// Where to answer.
        response_stream_id: i32,
        /// Where to answer.
        response_channel: &'a str,
        /// For the authenticator.
        encoded_credentials: &'a [u8],
        /// For operators.
        client_info: &'a str,
    },
    /// A client needs its control session no more.
    Close {
        /// Which.
        control_session_id: i64,
    },
    /// Anything else.
    Request {
        /// Of whom.
        control_session_id: i64,
        /// Of the request.
        correlation_id: i64,
        /// What is asked.
        request: Request<'a>,
    },
}

impl<'a> ClientMessage<'a> {
    /// Reads a message; `None` for those that this crate does not write.
    ///
    /// # Errors
    ///
    /// When the bytes are not of schema 101 or are cut off.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<Self>, CodecError> {
        let raw = RawMessage::parse(bytes, SCHEMA_ID)?;
        let mut variable = raw.variable();
        Ok(match raw.template {
            codecs::auth_connect_request_codec::SBE_TEMPLATE_ID => {
                let (response_channel, encoded_credentials) = (variable.text()?, variable.bytes()?);
                let client_info = variable.text()?;
                Some(decode!(&raw, archive, auth_connect_request_codec, AuthConnectRequestDecoder, |m| Self::Connect {
                    correlation_id: m.correlation_id(),
                    response_stream_id: m.response_stream_id(),
                    response_channel,
                    encoded_credentials,
                    client_info,
                }))
            }
            codecs::close_session_request_codec::SBE_TEMPLATE_ID => {
                Some(decode!(&raw, archive, close_session_request_codec, CloseSessionRequestDecoder, |m| Self::Close {
                    control_session_id: m.control_session_id(),
                }))
            }
            _ => Request::read(&raw)?.map(|(control_session_id, correlation_id, request)| Self::Request {
                control_session_id,
                correlation_id,
                request,
            }),
        })
    }
}

// ---- answers ------------------------------------------------------------------------------------------------

/// The verdict of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// Done, or begun.
    Ok,
    /// Refused or failed; the relevant id is an error code.
    Error,
    /// There is no such recording, or none further.
    RecordingUnknown,
    /// There is no such subscription, or none further.
    SubscriptionUnknown,
    /// Newer than this build.
    Unknown,
}

/// What happened to a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It began.
    Start,
    /// It ended.
    Stop,
    /// It is continued.
    Extend,
    /// It is being copied from another archive.
    Replicate,
    /// The copy has caught up with the live stream.
    Merge,
    /// The copy has caught up with its source.
    Sync,
    /// Files of it were deleted.
    Delete,
    /// Copying ended.
    ReplicateEnd,
    /// Newer than this build.
    Unknown,
}

/// One recording, as an archive describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingDescriptor {
    /// Its number in this archive; grows, and is never used again.
    pub recording_id: i64,
    /// When it began, in milliseconds since the Unix epoch.
    pub start_timestamp: i64,
    /// When it stopped; -1 while it is active, and after an unclean end.
    pub stop_timestamp: i64,
    /// Where in its stream it begins.
    pub start_position: i64,
    /// Where it stopped; -1 while it is active, and after an unclean end.
    pub stop_position: i64,
    /// The stream's first term.
    pub initial_term_id: i32,
    /// Length of its files in bytes; a multiple of the term length.
    pub segment_file_length: i32,
    /// Length of a term in bytes; a power of two.
    pub term_buffer_length: i32,
    /// Longest frame in bytes.
    pub mtu_length: i32,
    /// The stream's session.
    pub session_id: i32,
    /// The stream's id.
    pub stream_id: i32,
    /// The channel without what only mattered to its subscription.
    pub stripped_channel: String,
    /// The channel as it was asked for.
    pub original_channel: String,
    /// Who wrote the stream.
    pub source_identity: String,
}

impl RecordingDescriptor {
    /// Reads a descriptor from a catalog file, where it has no header: the fixed block, then three strings.
    ///
    /// # Errors
    ///
    /// When it is cut off or its strings are no text.
    pub fn from_catalog(bytes: &[u8]) -> Result<Self, CodecError> {
        let block_length = usize::from(codecs::recording_descriptor_codec::SBE_BLOCK_LENGTH);
        let (block, rest) = bytes
            .split_at_checked(block_length)
            .ok_or(CodecError::Short { needed: block_length, found: bytes.len() })?;
        let template = codecs::recording_descriptor_codec::SBE_TEMPLATE_ID;
        Ok(Self::read(&RawMessage { template, version: SCHEMA_VERSION, block, rest })?.2)
    }

    /// With control session and correlation id.
    fn read(raw: &RawMessage<'_>) -> Result<(i64, i64, Self), CodecError> {
        let mut variable = raw.variable();
        let stripped_channel = variable.text()?.to_owned();
        let original_channel = variable.text()?.to_owned();
        let source_identity = variable.text()?.to_owned();
        Ok(decode!(raw, archive, recording_descriptor_codec, RecordingDescriptorDecoder, |m| {
            let descriptor = Self {
                recording_id: m.recording_id(),
                start_timestamp: m.start_timestamp(),
                stop_timestamp: m.stop_timestamp(),
                start_position: m.start_position(),
                stop_position: m.stop_position(),
                initial_term_id: m.initial_term_id(),
                segment_file_length: m.segment_file_length(),
                term_buffer_length: m.term_buffer_length(),
                mtu_length: m.mtu_length(),
                session_id: m.session_id(),
                stream_id: m.stream_id(),
                stripped_channel,
                original_channel,
                source_identity,
            };
            (m.control_session_id(), m.correlation_id(), descriptor)
        }))
    }

    /// Appends the message to `out`; without its header this is what a catalog holds. For peers and files in tests.
    pub fn encode(&self, control_session_id: i64, correlation_id: i64, out: &mut Vec<u8>) {
        encode!(out, archive, recording_descriptor_codec, RecordingDescriptorEncoder, |m| {
            m.control_session_id(control_session_id);
            m.correlation_id(correlation_id);
            m.recording_id(self.recording_id);
            m.start_timestamp(self.start_timestamp);
            m.stop_timestamp(self.stop_timestamp);
            m.start_position(self.start_position);
            m.stop_position(self.stop_position);
            m.initial_term_id(self.initial_term_id);
            m.segment_file_length(self.segment_file_length);
            m.term_buffer_length(self.term_buffer_length);
            m.mtu_length(self.mtu_length);
            m.session_id(self.session_id);
            m.stream_id(self.stream_id);
        });
        put_variable(out, self.stripped_channel.as_bytes());
        put_variable(out, self.original_channel.as_bytes());
        put_variable(out, self.source_identity.as_bytes());
    }
}

/// What an archive says to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveMessage<'a> {
    /// What became of a request; also comes unasked, when something that was begun fails later.
    Response {
        /// Whose.
        control_session_id: i64,
        /// Of the request.
        correlation_id: i64,
        /// Depends on the request.
        relevant_id: i64,
        /// The verdict.
        code: ResponseCode,
        /// For people; empty without an error.
        error_message: &'a str,
    },
    /// Prove who you are.
    Challenge {
        /// Of the session to be.
        control_session_id: i64,
        /// Of the request.
        correlation_id: i64,
        /// The authenticator's.
        encoded_challenge: &'a [u8],
    },
    /// One recording of a listing.
    Descriptor {
        /// Whose.
        control_session_id: i64,
        /// Of the request.
        correlation_id: i64,
        /// The recording.
        descriptor: RecordingDescriptor,
    },
    /// Something happened to a recording.
    Signal {
        /// Whose.
        control_session_id: i64,
        /// Of the request that caused it.
        correlation_id: i64,
        /// Which recording.
        recording_id: i64,
        /// Under which subscription.
        subscription_id: i64,
        /// Where.
        position: i64,
        /// What.
        signal: Signal,
    },
    /// The archive's sign of life.
    Ping {
        /// Whose.
        control_session_id: i64,
    },
}

impl<'a> ArchiveMessage<'a> {
    /// Reads a message on a client's subscription; `None` for those that a client ignores.
    ///
    /// # Errors
    ///
    /// When the bytes are not of schema 101 or are cut off.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<Self>, CodecError> {
        let raw = RawMessage::parse(bytes, SCHEMA_ID)?;
        let mut variable = raw.variable();
        Ok(Some(match raw.template {
            codecs::control_response_codec::SBE_TEMPLATE_ID => {
                let error_message = variable.text()?;
                decode!(&raw, archive, control_response_codec, ControlResponseDecoder, |m| Self::Response {
                    control_session_id: m.control_session_id(),
                    correlation_id: m.correlation_id(),
                    relevant_id: m.relevant_id(),
                    code: match m.code() {
                        ControlResponseCode::OK => ResponseCode::Ok,
                        ControlResponseCode::ERROR => ResponseCode::Error,
                        ControlResponseCode::RECORDING_UNKNOWN => ResponseCode::RecordingUnknown,
                        ControlResponseCode::SUBSCRIPTION_UNKNOWN => ResponseCode::SubscriptionUnknown,
                        ControlResponseCode::NullVal => ResponseCode::Unknown,
                    },
                    error_message,
                })
            }
            codecs::challenge_codec::SBE_TEMPLATE_ID => {
                let encoded_challenge = variable.bytes()?;
                decode!(&raw, archive, challenge_codec, ChallengeDecoder, |m| Self::Challenge {
                    control_session_id: m.control_session_id(),
                    correlation_id: m.correlation_id(),
                    encoded_challenge,
                })
            }
            codecs::recording_descriptor_codec::SBE_TEMPLATE_ID => {
                let (control_session_id, correlation_id, descriptor) = RecordingDescriptor::read(&raw)?;
                Self::Descriptor { control_session_id, correlation_id, descriptor }
            }
            codecs::recording_signal_event_codec::SBE_TEMPLATE_ID => {
                decode!(&raw, archive, recording_signal_event_codec, RecordingSignalEventDecoder, |m| Self::Signal {
                    control_session_id: m.control_session_id(),
                    correlation_id: m.correlation_id(),
                    recording_id: m.recording_id(),
                    subscription_id: m.subscription_id(),
                    position: m.position(),
                    signal: m.signal().into(),
                })
            }
            codecs::ping_codec::SBE_TEMPLATE_ID => {
                decode!(&raw, archive, ping_codec, PingDecoder, |m| Self::Ping {
                    control_session_id: m.control_session_id()
                })
            }
            _ => return Ok(None),
        }))
    }

    /// Appends the message to `out`, as an archive writes it; for peers in tests.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Response { control_session_id, correlation_id, relevant_id, code, error_message } => {
                encode!(out, archive, control_response_codec, ControlResponseEncoder, |m| {
                    m.control_session_id(*control_session_id);
                    m.correlation_id(*correlation_id);
                    m.relevant_id(*relevant_id);
                    m.code(match code {
                        ResponseCode::Ok => ControlResponseCode::OK,
                        ResponseCode::Error => ControlResponseCode::ERROR,
                        ResponseCode::RecordingUnknown => ControlResponseCode::RECORDING_UNKNOWN,
                        ResponseCode::SubscriptionUnknown => ControlResponseCode::SUBSCRIPTION_UNKNOWN,
                        ResponseCode::Unknown => ControlResponseCode::NullVal,
                    });
                    m.version(PROTOCOL_VERSION);
                });
                put_variable(out, error_message.as_bytes());
            }
            Self::Challenge { control_session_id, correlation_id, encoded_challenge } => {
                encode!(out, archive, challenge_codec, ChallengeEncoder, |m| {
                    m.control_session_id(*control_session_id);
                    m.correlation_id(*correlation_id);
                    m.version(PROTOCOL_VERSION);
                });
                put_variable(out, encoded_challenge);
            }
            Self::Descriptor { control_session_id, correlation_id, descriptor } => {
                descriptor.encode(*control_session_id, *correlation_id, out);
            }
            Self::Signal { control_session_id, correlation_id, recording_id, subscription_id, position, signal } => {
                encode!(out, archive, recording_signal_event_codec, RecordingSignalEventEncoder, |m| {
                    m.control_session_id(*control_session_id);
                    m.correlation_id(*correlation_id);
                    m.recording_id(*recording_id);
                    m.subscription_id(*subscription_id);
                    m.position(*position);
                    m.signal((*signal).into());
                });
            }
            Self::Ping { control_session_id } => {
                encode!(out, archive, ping_codec, PingEncoder, |m| {
                    m.control_session_id(*control_session_id);
                });
            }
        }
    }
}

impl From<RecordingSignal> for Signal {
    fn from(code: RecordingSignal) -> Self {
        match code {
            RecordingSignal::START => Self::Start,
            RecordingSignal::STOP => Self::Stop,
            RecordingSignal::EXTEND => Self::Extend,
            RecordingSignal::REPLICATE => Self::Replicate,
            RecordingSignal::MERGE => Self::Merge,
            RecordingSignal::SYNC => Self::Sync,
            RecordingSignal::DELETE => Self::Delete,
            RecordingSignal::REPLICATE_END => Self::ReplicateEnd,
            RecordingSignal::NullVal => Self::Unknown,
        }
    }
}

impl From<Signal> for RecordingSignal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Start => Self::START,
            Signal::Stop => Self::STOP,
            Signal::Extend => Self::EXTEND,
            Signal::Replicate => Self::REPLICATE,
            Signal::Merge => Self::MERGE,
            Signal::Sync => Self::SYNC,
            Signal::Delete => Self::DELETE,
            Signal::ReplicateEnd => Self::REPLICATE_END,
            Signal::Unknown => Self::NullVal,
        }
    }
}
