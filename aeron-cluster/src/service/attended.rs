//! A transport whose waits look after what a container must look after at all times.
//!
//! Whatever waits (for the driver, the archive, room in a stream) idles through its transport. This one keeps the mark
//! file alive meanwhile, and ends the wait when the consensus module is gone: without it nothing comes to an end.

use std::time::Duration;

use super::mark_file::MarkFile;
use crate::transport::{
    CounterRecord, Counters, Publication, PublicationId, Subscription, SubscriptionId, Transport, TransportError,
};

pub(super) struct Attended {
    inner: Box<dyn Transport>,
    /// The consensus module's commit position: freed when the module ends.
    commit: Option<CounterRecord>,
    mark_file: Option<MarkFile>,
    errors_counter: Option<i32>,
    error_count: i64,
}

impl Attended {
    pub(super) fn new(inner: Box<dyn Transport>) -> Self {
        Self { inner, commit: None, mark_file: None, errors_counter: None, error_count: 0 }
    }

    pub(super) fn attend_module(&mut self, commit: CounterRecord) {
        self.commit = Some(commit);
    }

    pub(super) fn attend_mark_file(&mut self, mark_file: MarkFile) {
        self.mark_file = Some(mark_file);
    }

    pub(super) fn attend_errors(&mut self, counter_id: i32) {
        self.errors_counter = Some(counter_id);
    }

    pub(super) fn mark_file(&mut self) -> Option<&mut MarkFile> {
        self.mark_file.as_mut()
    }

    /// Whether the consensus module has ended.
    pub(super) fn is_module_gone(&self) -> bool {
        self.commit
            .as_ref()
            .is_some_and(|record| !self.inner.counters().is_allocated(record.id, record.registration_id))
    }

    /// Up to where the log is agreed; `None` once the module has ended.
    pub(super) fn commit_position(&self) -> Option<i64> {
        let record = self.commit.as_ref()?;
        let position = self.inner.counters().value(record.id);
        // Read first, checked afterwards: a record that still is the module's was so when it was read.
        self.inner.counters().is_allocated(record.id, record.registration_id).then_some(position)
    }

    /// Tells operators: log, counter, mark file.
    pub(super) fn note_error(&mut self, text: &str) {
        tracing::warn!("{text}");
        self.error_count += 1;
        if let Some(id) = self.errors_counter {
            self.inner.counters().set(id, self.error_count);
        }
        let now_ms = self.inner.epoch_ms();
        if let Some(Err(error)) = self.mark_file.as_mut().map(|mark_file| mark_file.note_error(now_ms, text)) {
            tracing::warn!("{error}");
        }
    }

    /// Keeps the mark file alive. One that cannot be written is no reason to end a member.
    fn touch(&mut self) {
        let now_ms = self.inner.epoch_ms();
        if let Some(Err(error)) = self.mark_file.as_mut().map(|mark_file| mark_file.touch(now_ms)) {
            tracing::warn!("{error}");
        }
    }
}

impl Transport for Attended {
    fn client_id(&self) -> i64 {
        self.inner.client_id()
    }

    fn next_correlation_id(&mut self) -> i64 {
        self.inner.next_correlation_id()
    }

    fn epoch_ms(&self) -> i64 {
        self.inner.epoch_ms()
    }

    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn work(&mut self) -> Result<usize, TransportError> {
        self.touch();
        self.inner.work()
    }

    fn idle(&mut self, work_count: usize) -> Result<(), TransportError> {
        self.touch();
        if self.is_module_gone() {
            return Err(TransportError::Stopped { what: "what the consensus module, now gone, was to bring".into() });
        }
        self.inner.idle(work_count)
    }

    fn add_publication(&mut self, channel: &str, stream_id: i32) -> Result<PublicationId, TransportError> {
        self.inner.add_publication(channel, stream_id)
    }

    fn publication(&mut self, id: PublicationId) -> Result<Option<Box<dyn Publication>>, TransportError> {
        self.inner.publication(id)
    }

    fn add_subscription(&mut self, channel: &str, stream_id: i32) -> Result<SubscriptionId, TransportError> {
        self.inner.add_subscription(channel, stream_id)
    }

    fn subscription(&mut self, id: SubscriptionId) -> Result<Option<Box<dyn Subscription>>, TransportError> {
        self.inner.subscription(id)
    }

    fn counters(&self) -> &dyn Counters {
        self.inner.counters()
    }

    fn allocate_counter(&mut self, type_id: i32, key: &[u8], label: &str) -> Result<i32, TransportError> {
        self.inner.allocate_counter(type_id, key, label)
    }
}
