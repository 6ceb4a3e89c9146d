//! Why an archive did not do what was asked.

use thiserror::Error;

use crate::codec::CodecError;
use crate::transport::{OfferError, TransportError};

/// What an archive refuses with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// None of the others; the message says more.
    Generic,
    /// The session is listing recordings already. Goes by.
    ActiveListing,
    /// The recording is active, and may not be.
    ActiveRecording,
    /// The stream is being recorded already.
    ActiveSubscription,
    /// There is no such subscription.
    UnknownSubscription,
    /// There is no such recording.
    UnknownRecording,
    /// There is no such replay.
    UnknownReplay,
    /// As many replays as the archive allows are running. Goes by.
    MaxReplays,
    /// As many recordings as the archive allows are running. Goes by.
    MaxRecordings,
    /// The stream does not continue the recording.
    InvalidExtension,
    /// The authenticator refused.
    AuthenticationRejected,
    /// The disk is full, or nearly so: the member is about to end.
    StorageSpace,
    /// There is no such replication.
    UnknownReplication,
    /// Not for this client.
    UnauthorisedAction,
    /// The other archive is out of reach.
    ReplicationConnectionFailure,
    /// There is nothing in the recording.
    EmptyRecording,
    /// The position is not one of the recording.
    InvalidPosition,
    /// Newer than this build.
    Unknown(i64),
}

impl ErrorCode {
    /// Whether the same request can succeed later without anybody's doing.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::ActiveListing | Self::MaxReplays | Self::MaxRecordings)
    }
}

impl From<i64> for ErrorCode {
    fn from(code: i64) -> Self {
        match code {
            0 => Self::Generic,
            1 => Self::ActiveListing,
            2 => Self::ActiveRecording,
            3 => Self::ActiveSubscription,
            4 => Self::UnknownSubscription,
            5 => Self::UnknownRecording,
            6 => Self::UnknownReplay,
            7 => Self::MaxReplays,
            8 => Self::MaxRecordings,
            9 => Self::InvalidExtension,
            10 => Self::AuthenticationRejected,
            11 => Self::StorageSpace,
            12 => Self::UnknownReplication,
            13 => Self::UnauthorisedAction,
            14 => Self::ReplicationConnectionFailure,
            15 => Self::EmptyRecording,
            16 => Self::InvalidPosition,
            other => Self::Unknown(other),
        }
    }
}

/// Why an archive did not do what was asked.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The driver, not the archive; or the archive did not answer in time.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The archive's own word. With a correlation id of an earlier request: what that had begun failed later.
    #[error("the archive refuses ({code:?}): {message}")]
    Answered {
        /// What kind.
        code: ErrorCode,
        /// As the archive says it.
        message: String,
        /// Of the request.
        correlation_id: i64,
    },
    /// There is no such recording; it may have been purged.
    #[error("the archive has no recording {recording_id}; it may have been purged")]
    NoRecording {
        /// Which.
        recording_id: i64,
    },
    /// The recording ended before everything that was waited for was in it.
    #[error(
        "recording {recording_id} ended at {position}, before {wanted}: the archive stopped it, its disk may be full"
    )]
    RecordingEnded {
        /// Which.
        recording_id: i64,
        /// Where it was last seen.
        position: i64,
        /// Up to where it was needed.
        wanted: i64,
    },
    /// The control session is over, and with it every replay and listing of it. Connect anew.
    #[error("the archive's control session is over ({reason}); connect anew")]
    Disconnected {
        /// What was seen.
        reason: &'static str,
    },
    /// A channel or credentials are too long for the request stream.
    #[error(
        "the request cannot be written: {0}; shorten the channel or credentials, or raise the term length of the request channel"
    )]
    Request(#[source] OfferError),
    /// What came on the response stream is not an archive's.
    #[error("an answer that is none of an archive's")]
    Codec(#[from] CodecError),
    /// More recordings than one listing may bring.
    #[error("a listing of {count} recordings; ask for at most {max} at a time")]
    ListTooLong {
        /// Asked for.
        count: i32,
        /// The bound.
        max: i32,
    },
}

impl ArchiveError {
    /// Whether the same request can succeed later without anybody's doing.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Answered { code, .. } if code.is_retryable())
    }
}
