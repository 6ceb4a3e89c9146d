//! How far an archive has written what it is recording.

use super::ArchiveError;
use super::client::ArchiveClient;
use crate::counters::{RECORDING_POSITION, key_i32, key_i64};
use crate::transport::{Counters, Transport, TransportError, wait_for};

/// The counter of an active recording. It is freed when the recording stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingCounter {
    /// Of the recording.
    pub recording_id: i64,
    /// Of the counter.
    pub counter_id: i32,
    registration_id: i64,
}

impl RecordingCounter {
    /// The counter of the recording of a stream, if that is being recorded by this archive.
    pub fn find(counters: &dyn Counters, session_id: i32, archive_id: i64) -> Option<Self> {
        let is_it = |key: &[u8]| key_i32(key, 8) == Some(session_id) && archive_of(key) == Some(archive_id);
        Self::find_by(counters, &is_it)
    }

    /// The counter of a recording, if it is active at this archive.
    pub fn find_by_recording(counters: &dyn Counters, recording_id: i64, archive_id: i64) -> Option<Self> {
        let is_it = |key: &[u8]| key_i64(key, 0) == Some(recording_id) && archive_of(key) == Some(archive_id);
        Self::find_by(counters, &is_it)
    }

    fn find_by(counters: &dyn Counters, is_it: &dyn Fn(&[u8]) -> bool) -> Option<Self> {
        let record = counters.find(RECORDING_POSITION, &|record| is_it(&record.key))?;
        let recording_id = key_i64(&record.key, 0)?;
        Some(Self { recording_id, counter_id: record.id, registration_id: record.registration_id })
    }

    /// Up to where the recording is written; `None` once it has stopped.
    pub fn position(&self, counters: &dyn Counters) -> Option<i64> {
        let position = counters.value(self.counter_id);
        // Read first, checked afterwards: a record that still is this counter's was so when it was read.
        counters.is_allocated(self.counter_id, self.registration_id).then_some(position)
    }
}

/// The archive's number behind the source identity, whose length is given and which nothing aligns.
fn archive_of(key: &[u8]) -> Option<i64> {
    let source_identity_length = usize::try_from(key_i32(key, 12)?).ok()?;
    key_i64(key, source_identity_length.checked_add(16)?)
}

impl ArchiveClient {
    /// Waits until the archive records a stream on this driver.
    ///
    /// # Errors
    ///
    /// When it does not begin in time, or reports a failure meanwhile.
    pub fn await_recording(
        &mut self,
        transport: &mut dyn Transport,
        session_id: i32,
    ) -> Result<RecordingCounter, ArchiveError> {
        let (what, archive_id) = (format!("recording of session {session_id}"), self.archive_id());
        let timeout = self.timeout;
        wait_for(transport, &what, timeout, |transport| {
            self.poll_error()?;
            Ok(RecordingCounter::find(transport.counters(), session_id, archive_id))
        })
    }

    /// Waits until a recording is written up to a position. Each step forward gives it the full time again.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::RecordingEnded`] when it stops before; when it stands still for the timeout, or the archive
    /// reports a failure.
    pub fn await_recorded(
        &mut self,
        transport: &mut dyn Transport,
        counter: &RecordingCounter,
        wanted: i64,
    ) -> Result<(), ArchiveError> {
        let recording_id = counter.recording_id;
        let mut reached = i64::MIN;
        let mut deadline = transport.now() + self.timeout;
        loop {
            self.poll_error()?;
            match counter.position(transport.counters()) {
                Some(position) if position >= wanted => return Ok(()),
                Some(position) if position > reached => {
                    reached = position;
                    deadline = transport.now() + self.timeout;
                }
                Some(_) => {}
                None => return Err(ArchiveError::RecordingEnded { recording_id, position: reached.max(0), wanted }),
            }
            if transport.now() >= deadline {
                let what = format!("progress of recording {recording_id} from {reached} to {wanted}");
                return Err(TransportError::Timeout { what, limit: self.timeout }.into());
            }
            transport.idle(0)?;
        }
    }
}
