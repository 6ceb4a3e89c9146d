//! What an archive can be asked about its recordings.

use super::client::{ArchiveClient, Heard, verdict};
use super::{ArchiveError, SourceLocation};
use crate::codec::archive::{RecordingDescriptor, Request, ResponseCode, Signal};
use crate::transport::Transport;

/// Recordings in one listing. A descriptor takes up to a few hundred bytes, and all of them are held at once.
pub const DESCRIPTORS_MAX: i32 = 10_000;

impl ArchiveClient {
    /// Records a stream as a new recording, from its first image on; gives the subscription id. The recording's own id
    /// is in its counter, see [`await_recording`](Self::await_recording).
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Answered`], with [`StorageSpace`](super::ErrorCode::StorageSpace) when the disk is nearly full.
    pub fn start_recording(
        &mut self,
        transport: &mut dyn Transport,
        channel: &str,
        stream_id: i32,
        source_location: SourceLocation,
        auto_stop: bool,
    ) -> Result<i64, ArchiveError> {
        self.call(transport, &Request::StartRecording { stream_id, source_location, auto_stop, channel })
    }

    /// Records a stream as the continuation of a stopped recording; gives the subscription id. The stream has to begin
    /// where the recording stopped, with the same initial term, term length and MTU.
    ///
    /// # Errors
    ///
    /// As [`start_recording`](Self::start_recording), and [`ArchiveError::NoRecording`].
    pub fn extend_recording(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
        channel: &str,
        stream_id: i32,
        source_location: SourceLocation,
        auto_stop: bool,
    ) -> Result<i64, ArchiveError> {
        let request = Request::ExtendRecording { recording_id, stream_id, source_location, auto_stop, channel };
        self.call(transport, &request)
    }

    /// Stops what was started for a channel and stream, both as they were then.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Answered`] with [`UnknownSubscription`](super::ErrorCode::UnknownSubscription) when nothing was.
    pub fn stop_recording(
        &mut self,
        transport: &mut dyn Transport,
        channel: &str,
        stream_id: i32,
    ) -> Result<(), ArchiveError> {
        self.call(transport, &Request::StopRecording { stream_id, channel }).map(drop)
    }

    /// Stops what was started under a subscription.
    ///
    /// # Errors
    ///
    /// As [`stop_recording`](Self::stop_recording).
    pub fn stop_recording_subscription(
        &mut self,
        transport: &mut dyn Transport,
        subscription_id: i64,
    ) -> Result<(), ArchiveError> {
        self.call(transport, &Request::StopRecordingSubscription { subscription_id }).map(drop)
    }

    /// Stops a recording; false when it was not active.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::NoRecording`].
    pub fn stop_recording_by_id(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
    ) -> Result<bool, ArchiveError> {
        self.call(transport, &Request::StopRecordingByIdentity { recording_id }).map(|stopped| stopped != 0)
    }

    /// Describes up to `count` recordings, the first of which is `from` or the next there is. `count` is at most
    /// [`DESCRIPTORS_MAX`].
    ///
    /// # Errors
    ///
    /// [`ArchiveError::ListTooLong`]; else as any request.
    pub fn list_recordings(
        &mut self,
        transport: &mut dyn Transport,
        from: i64,
        count: i32,
    ) -> Result<Vec<RecordingDescriptor>, ArchiveError> {
        self.list(transport, &Request::ListRecordings { from_recording_id: from, record_count: count }, count)
    }

    /// As [`list_recordings`](Self::list_recordings), of one stream whose channel contains `channel`.
    ///
    /// # Errors
    ///
    /// As [`list_recordings`](Self::list_recordings).
    pub fn list_recordings_for_uri(
        &mut self,
        transport: &mut dyn Transport,
        from: i64,
        count: i32,
        channel: &str,
        stream_id: i32,
    ) -> Result<Vec<RecordingDescriptor>, ArchiveError> {
        let request =
            Request::ListRecordingsForUri { from_recording_id: from, record_count: count, stream_id, channel };
        self.list(transport, &request, count)
    }

    /// Describes one recording; `None` when there is none of that number.
    ///
    /// # Errors
    ///
    /// As any request.
    pub fn list_recording(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
    ) -> Result<Option<RecordingDescriptor>, ArchiveError> {
        self.list(transport, &Request::ListRecording { recording_id }, 1).map(|mut found| found.pop())
    }

    fn list(
        &mut self,
        transport: &mut dyn Transport,
        request: &Request<'_>,
        count: i32,
    ) -> Result<Vec<RecordingDescriptor>, ArchiveError> {
        if count > DESCRIPTORS_MAX {
            return Err(ArchiveError::ListTooLong { count, max: DESCRIPTORS_MAX });
        }
        let wanted = usize::try_from(count).unwrap_or(0);
        let mut found = Vec::new();
        if wanted == 0 {
            return Ok(found);
        }
        let (correlation_id, mut deadline) = self.ask(transport, request)?;
        while found.len() < wanted {
            match self.hear(transport, correlation_id, deadline)? {
                Heard::Descriptor(descriptor) => {
                    found.push(descriptor);
                    deadline = transport.now() + self.timeout;
                }
                // Fewer exist.
                Heard::Answer { code: ResponseCode::RecordingUnknown, .. } => break,
                Heard::Answer { code: ResponseCode::Ok, .. } | Heard::Signal { .. } | Heard::Challenge { .. } => {}
                Heard::Answer { code, relevant_id, message } => {
                    verdict(request, correlation_id, code, relevant_id, message)?;
                }
            }
        }
        Ok(found)
    }

    /// The newest recording, from `min_recording_id` on, of a stream whose channel contains `channel`.
    ///
    /// # Errors
    ///
    /// As any request.
    pub fn find_last_matching(
        &mut self,
        transport: &mut dyn Transport,
        min_recording_id: i64,
        channel: &str,
        stream_id: i32,
        session_id: i32,
    ) -> Result<Option<i64>, ArchiveError> {
        let request = Request::FindLastMatching { min_recording_id, session_id, stream_id, channel };
        self.call(transport, &request).map(not_null)
    }

    /// Up to where a recording is written; `None` when it is not active.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::NoRecording`].
    pub fn recording_position(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
    ) -> Result<Option<i64>, ArchiveError> {
        self.call(transport, &Request::RecordingPosition { recording_id }).map(not_null)
    }

    /// Where a recording begins.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::NoRecording`].
    pub fn start_position(&mut self, transport: &mut dyn Transport, recording_id: i64) -> Result<i64, ArchiveError> {
        self.call(transport, &Request::StartPosition { recording_id })
    }

    /// Where a recording stopped; `None` while it is active.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::NoRecording`].
    pub fn stop_position(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
    ) -> Result<Option<i64>, ArchiveError> {
        self.call(transport, &Request::StopPosition { recording_id }).map(not_null)
    }

    /// Up to where a recording can be played: what is written while it is active, else where it stopped.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::NoRecording`].
    pub fn max_recorded_position(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
    ) -> Result<i64, ArchiveError> {
        self.call(transport, &Request::MaxRecordedPosition { recording_id })
    }

    /// Cuts a stopped recording off at a position, which is the beginning of a frame; gives how many files were deleted.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Answered`] when it is active, replayed, or has no frame there.
    pub fn truncate_recording(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
        position: i64,
    ) -> Result<i64, ArchiveError> {
        self.call_and_delete(transport, &Request::TruncateRecording { recording_id, position }, recording_id)
    }

    /// Lets a recording begin at a later position, the beginning of a file. The files before stay.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Answered`] when it is replayed before that position, or no file begins there.
    pub fn detach_segments(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
        new_start_position: i64,
    ) -> Result<(), ArchiveError> {
        self.call(transport, &Request::DetachSegments { recording_id, new_start_position }).map(drop)
    }

    /// Deletes the files before a recording's beginning, and waits until they are; gives how many there were.
    ///
    /// # Errors
    ///
    /// As any request.
    pub fn delete_detached_segments(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
    ) -> Result<i64, ArchiveError> {
        self.call_and_delete(transport, &Request::DeleteDetachedSegments { recording_id }, recording_id)
    }

    /// Lets a recording begin at a later position, the beginning of a file, deletes the files before and waits until
    /// they are; gives how many there were. The recording may be active.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Answered`] when it is replayed before that position, or no file begins there.
    pub fn purge_segments(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
        new_start_position: i64,
    ) -> Result<i64, ArchiveError> {
        self.call_and_delete(transport, &Request::PurgeSegments { recording_id, new_start_position }, recording_id)
    }

    /// Deletes a stopped recording and waits until it is gone; gives how many files it had.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Answered`] when it is active or replayed.
    pub fn purge_recording(&mut self, transport: &mut dyn Transport, recording_id: i64) -> Result<i64, ArchiveError> {
        self.call_and_delete(transport, &Request::PurgeRecording { recording_id }, recording_id)
    }

    /// Deleting is answered at once and done later; its end is signalled, also when there was nothing to delete.
    fn call_and_delete(
        &mut self,
        transport: &mut dyn Transport,
        request: &Request<'_>,
        of: i64,
    ) -> Result<i64, ArchiveError> {
        let (correlation_id, deadline) = self.ask(transport, request)?;
        let (mut files, mut is_deleted) = (None, false);
        loop {
            match self.hear(transport, correlation_id, deadline)? {
                Heard::Answer { relevant_id, code, message } => {
                    files = Some(verdict(request, correlation_id, code, relevant_id, message)?);
                }
                Heard::Signal { recording_id, signal: Signal::Delete } if recording_id == of => is_deleted = true,
                Heard::Signal { .. } | Heard::Descriptor(_) | Heard::Challenge { .. } => {}
            }
            if let (Some(files), true) = (files, is_deleted) {
                return Ok(files);
            }
        }
    }
}

/// Aeron's -1 for "none".
fn not_null(value: i64) -> Option<i64> {
    (value >= 0).then_some(value)
}
