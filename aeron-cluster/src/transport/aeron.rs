//! A transport over a media driver, through aeron-rs.

use std::cell::Cell;
use std::ffi::CString;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aeron_rs::concurrent::atomic_buffer::AtomicBuffer;
use aeron_rs::concurrent::logbuffer::buffer_claim::BufferClaim;
use aeron_rs::concurrent::logbuffer::header::Header;
use aeron_rs::context::Context;
use aeron_rs::counter::Counter;
use aeron_rs::image::{ControlledPollAction, Image as AeronImage};
use aeron_rs::publication::Publication as AeronPublication;
use aeron_rs::subscription::Subscription as AeronSubscription;
use aeron_rs::utils::errors::AeronError;

use super::conductor::Conductor;
use super::idle::{Idle, IdleStrategy};
use super::{
    Action, COUNTER_ALLOCATED, COUNTER_UNUSED, CounterRecord, Counters, Fragment, Image, OfferError, Publication,
    PublicationId, Subscription, SubscriptionId, Transport, TransportError, wait_for,
};

/// Longest channel: aeron-rs writes commands into 512 bytes, of which the largest command needs 40 for itself.
const CHANNEL_BYTES_MAX: usize = 460;

/// How a client of a media driver is made.
#[derive(Clone, Debug)]
pub struct AeronConfig {
    /// The driver's directory (`aeron.dir`).
    pub dir: PathBuf,
    /// What waiting loops do.
    pub idle: IdleStrategy,
    /// Set by somebody else to end waiting loops.
    pub stop: Arc<AtomicBool>,
    /// How long the driver may take to appear.
    pub connect_limit: Duration,
    /// How long the driver may be silent before it is taken for dead. It shows life every second.
    pub driver_limit: Duration,
}

impl AeronConfig {
    /// Aeron's defaults for the driver of a directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            idle: IdleStrategy::default(),
            stop: Arc::default(),
            connect_limit: Duration::from_secs(10),
            driver_limit: Duration::from_secs(10),
        }
    }
}

/// A client of a media driver. Closing it is dropping it and all handles that came from it.
pub struct AeronTransport {
    conductor: Rc<Conductor>,
    counters: DriverCounters,
    allocated: Vec<Arc<Counter>>,
    idle: Idle,
    stop: Arc<AtomicBool>,
}

impl AeronTransport {
    /// Connects; waits for a driver that lives.
    ///
    /// # Errors
    ///
    /// [`TransportError::DriverGone`] when there is none in time, [`TransportError::Stopped`].
    pub fn connect(config: &AeronConfig) -> Result<Self, TransportError> {
        let stop = Arc::clone(&config.stop);
        let wait = || {
            if stop.load(Ordering::Relaxed) {
                return Err(TransportError::Stopped { what: "the media driver".into() });
            }
            std::thread::sleep(Duration::from_millis(10));
            Ok(())
        };
        let conductor = Rc::new(Conductor::connect(&config.dir, config.connect_limit, config.driver_limit, wait)?);
        Ok(Self {
            counters: DriverCounters(Rc::clone(&conductor)),
            conductor,
            allocated: Vec::new(),
            idle: Idle::new(config.idle),
            stop: Arc::clone(&config.stop),
        })
    }

    /// What the driver answered to a request: not yet (`None`), or no.
    fn answer<T>(&self, asked: Result<T, AeronError>) -> Result<Option<T>, TransportError> {
        match asked {
            Ok(handle) => Ok(Some(handle)),
            Err(AeronError::PublicationNotReady(_) | AeronError::SubscriptionNotReady(_)) => Ok(None),
            Err(AeronError::RegistrationException(code, reason)) => {
                Err(TransportError::Refused { what: "a channel".into(), reason, code })
            }
            Err(error) => Err(self.conductor.gone(error.to_string())),
        }
    }
}

/// A channel as aeron-rs takes it.
fn channel_text(channel: &str) -> Result<CString, TransportError> {
    let refused = |reason: &str| TransportError::Refused { what: channel.to_owned(), reason: reason.into(), code: 1 };
    if channel.len() > CHANNEL_BYTES_MAX {
        return Err(refused("the channel is longer than a command to the driver may be"));
    }
    CString::new(channel).map_err(|_| refused("the channel has a zero byte"))
}

impl Transport for AeronTransport {
    fn client_id(&self) -> i64 {
        self.conductor.client_id()
    }

    fn next_correlation_id(&mut self) -> i64 {
        self.conductor.next_correlation_id()
    }

    fn epoch_ms(&self) -> i64 {
        Conductor::epoch_ms()
    }

    fn now(&self) -> Duration {
        self.conductor.now()
    }

    fn work(&mut self) -> Result<usize, TransportError> {
        self.conductor.work()
    }

    fn idle(&mut self, work_count: usize) -> Result<(), TransportError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(TransportError::Stopped { what: "an answer".into() });
        }
        let events = self.conductor.work()?;
        self.idle.after(work_count + events);
        Ok(())
    }

    fn add_publication(&mut self, channel: &str, stream_id: i32) -> Result<PublicationId, TransportError> {
        let channel = channel_text(channel)?;
        let added = self.conductor.lock().add_publication(channel, stream_id);
        added.map(PublicationId).map_err(|error| self.conductor.gone(error.to_string()))
    }

    fn publication(&mut self, id: PublicationId) -> Result<Option<Box<dyn Publication>>, TransportError> {
        let found = self.conductor.lock().find_publication(id.0);
        let Some(publication) = self.answer(found)? else { return Ok(None) };
        let (session_id, max_payload, max_message) = {
            let inner = publication.lock().unwrap_or_else(PoisonError::into_inner);
            (inner.session_id(), inner.max_payload_length() as usize, inner.max_message_length() as usize)
        };
        Ok(Some(Box::new(Out {
            publication,
            session_id,
            max_payload,
            max_message,
            claim: BufferClaim::default(),
            scratch: Vec::new(),
            _conductor: Rc::clone(&self.conductor),
        })))
    }

    fn add_subscription(&mut self, channel: &str, stream_id: i32) -> Result<SubscriptionId, TransportError> {
        let channel = channel_text(channel)?;
        let context = Context::new();
        let added = self.conductor.lock().add_subscription(
            channel,
            stream_id,
            context.available_image_handler(),
            context.unavailable_image_handler(),
        );
        added.map(SubscriptionId).map_err(|error| self.conductor.gone(error.to_string()))
    }

    fn subscription(&mut self, id: SubscriptionId) -> Result<Option<Box<dyn Subscription>>, TransportError> {
        let found = self.conductor.lock().find_subscription(id.0);
        let Some(subscription) = self.answer(found)? else { return Ok(None) };
        Ok(Some(Box::new(In { subscription, conductor: Rc::clone(&self.conductor) })))
    }

    fn counters(&self) -> &dyn Counters {
        &self.counters
    }

    fn allocate_counter(&mut self, type_id: i32, key: &[u8], label: &str) -> Result<i32, TransportError> {
        let added = self.conductor.lock().add_counter(type_id, key, label);
        let registration = added.map_err(|error| self.conductor.gone(error.to_string()))?;
        let conductor = Rc::clone(&self.conductor);
        let what = format!("counter {label}");
        let counter = wait_for(self, &what, Duration::from_secs(10), |_| {
            match conductor.lock().find_counter(registration) {
                Ok(counter) => Ok(Some(counter)),
                Err(AeronError::RegistrationException(code, reason)) => {
                    Err(TransportError::Refused { what: what.clone(), reason, code })
                }
                // aeron-rs has no word of its own for "not yet" here; the wait is bounded.
                Err(_) => Ok(None),
            }
        })?;
        let id = counter.id();
        self.allocated.push(counter);
        Ok(id)
    }
}

// ---- writing ------------------------------------------------------------------------------------------

struct Out {
    publication: Arc<Mutex<AeronPublication>>,
    session_id: i32,
    max_payload: usize,
    max_message: usize,
    claim: BufferClaim,
    scratch: Vec<u8>,
    // Last: what the publication points into.
    _conductor: Rc<Conductor>,
}

impl Out {
    fn inner(&self) -> MutexGuard<'_, AeronPublication> {
        self.publication.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn offer_error(error: &AeronError) -> OfferError {
    match error {
        AeronError::BackPressured => OfferError::BackPressured,
        AeronError::AdminAction => OfferError::AdminAction,
        AeronError::NotConnected => OfferError::NotConnected,
        AeronError::MaxPositionExceeded => OfferError::MaxPosition,
        _ => OfferError::Closed,
    }
}

impl Publication for Out {
    fn session_id(&self) -> i32 {
        self.session_id
    }

    fn position(&self) -> i64 {
        self.inner().position().unwrap_or(crate::codec::NULL_VALUE)
    }

    fn is_connected(&self) -> bool {
        self.inner().is_connected()
    }

    fn max_message_length(&self) -> usize {
        self.max_message
    }

    fn offer(&mut self, parts: &[&[u8]]) -> Result<i64, OfferError> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > self.max_message {
            return Err(OfferError::TooLong { length, max: self.max_message });
        }
        let mut publication = self.publication.lock().unwrap_or_else(PoisonError::into_inner);
        let offered = if length <= self.max_payload {
            publication.try_claim(length as i32, &mut self.claim).inspect(|_| {
                let (buffer, mut at) = (self.claim.buffer(), self.claim.offset());
                for part in parts.iter().filter(|part| !part.is_empty()) {
                    buffer.put_bytes(at, part);
                    at += part.len() as i32;
                }
                self.claim.commit();
            })
        } else {
            self.scratch.clear();
            parts.iter().for_each(|part| self.scratch.extend_from_slice(part));
            publication.offer(AtomicBuffer::wrap_slice(&mut self.scratch))
        };
        offered.map(|position| position as i64).map_err(|error| offer_error(&error))
    }
}

// ---- reading ------------------------------------------------------------------------------------------

struct In {
    subscription: Arc<Mutex<AeronSubscription>>,
    conductor: Rc<Conductor>,
}

impl In {
    fn inner(&self) -> MutexGuard<'_, AeronSubscription> {
        self.subscription.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Images are cloned out, so that the subscription is not locked while they are polled: handlers may add and drop
    /// streams, and the conductor locks the subscription when images come and go.
    fn handle(&self, image: &AeronImage) -> Box<dyn Image> {
        Box::new(View {
            session_id: image.session_id(),
            join_position: image.join_position(),
            position: Cell::new(image.position()),
            image: image.clone(),
            _conductor: Rc::clone(&self.conductor),
        })
    }
}

impl Subscription for In {
    fn image(&self, session_id: i32) -> Option<Box<dyn Image>> {
        self.inner().image_by_session_id(session_id).map(|image| self.handle(image))
    }

    fn images(&self) -> Vec<Box<dyn Image>> {
        self.inner().images().iter().map(|image| self.handle(image)).collect()
    }

    fn image_count(&self) -> usize {
        self.inner().image_count()
    }

    fn channel_status_id(&self) -> i32 {
        self.inner().channel_status_id()
    }
}

struct View {
    session_id: i32,
    join_position: i64,
    /// A closed clone of an image forgets where it was.
    position: Cell<i64>,
    image: AeronImage,
    // Last: what the image points into.
    _conductor: Rc<Conductor>,
}

impl Image for View {
    fn session_id(&self) -> i32 {
        self.session_id
    }

    fn join_position(&self) -> i64 {
        self.join_position
    }

    fn position(&self) -> i64 {
        if !self.image.is_closed() {
            self.position.set(self.image.position());
        }
        self.position.get()
    }

    fn is_closed(&self) -> bool {
        self.image.is_closed()
    }

    fn is_end_of_stream(&self) -> bool {
        let meta = aeron_rs::concurrent::logbuffer::log_buffer_descriptor::LOG_META_DATA_SECTION_INDEX;
        let logs = self.image.log_buffers();
        let end =
            aeron_rs::concurrent::logbuffer::log_buffer_descriptor::end_of_stream_position(&logs.atomic_buffer(meta));
        self.position() >= end
    }

    fn poll(&mut self, limit: i64, fragments_max: usize, handler: &mut dyn FnMut(&Fragment<'_>) -> Action) -> usize {
        // aeron-rs narrows the distance to the limit to 32 bits: it must lie ahead, and not too far.
        let position = self.position();
        if self.image.is_closed() || position >= limit {
            return 0;
        }
        let limit = limit.min(position.saturating_add(i64::from(i32::MAX / 2)));
        let session_id = self.session_id;
        let mut reached = position;
        let on_fragment = |buffer: &AtomicBuffer, offset: i32, length: i32, header: &Header| {
            let fragment = Fragment {
                payload: buffer.as_sub_slice(offset, length),
                flags: header.flags(),
                position: header.position(),
                session_id,
            };
            let action = handler(&fragment);
            if action != Action::Abort {
                reached = fragment.position;
            }
            Ok(match action {
                Action::Continue => ControlledPollAction::Continue,
                Action::Commit => ControlledPollAction::Commit,
                Action::Break => ControlledPollAction::Break,
                Action::Abort => ControlledPollAction::Abort,
            })
        };
        let taken = self.image.bounded_controlled_poll(on_fragment, limit, fragments_max as i32);
        // A handler may let the conductor close the image; else padding behind the last fragment was passed too.
        self.position.set(if self.image.is_closed() { reached } else { self.image.position() });
        taken as usize
    }
}

// ---- counters -----------------------------------------------------------------------------------------

/// As Aeron's `CountersReader` lays them out.
const METADATA_BYTES: i32 = 512;
const VALUE_BYTES: i32 = 128;
const TYPE_AT: i32 = 4;
const KEY_AT: i32 = 16;
const KEY_BYTES: i32 = 112;
const LABEL_LENGTH_AT: i32 = 128;
const LABEL_AT: i32 = 132;
const LABEL_BYTES_MAX: i32 = 380;
const REGISTRATION_AT: i32 = 8;
const OWNER_AT: i32 = 16;

struct DriverCounters(Rc<Conductor>);

impl DriverCounters {
    fn count(&self) -> i32 {
        (self.0.metadata.capacity() / METADATA_BYTES).min(self.0.values.capacity() / VALUE_BYTES)
    }

    fn at(&self, id: i32) -> i32 {
        assert!((0..self.count()).contains(&id), "counter {id} of {}", self.count());
        id
    }

    fn record(&self, id: i32) -> CounterRecord {
        let (metadata, begin) = (&self.0.metadata, id * METADATA_BYTES);
        let label = metadata.get_volatile::<i32>(begin + LABEL_LENGTH_AT).clamp(0, LABEL_BYTES_MAX);
        CounterRecord {
            id,
            type_id: metadata.get_volatile(begin + TYPE_AT),
            registration_id: self.0.values.get_volatile(id * VALUE_BYTES + REGISTRATION_AT),
            owner_id: self.0.values.get_volatile(id * VALUE_BYTES + OWNER_AT),
            key: metadata.as_sub_slice(begin + KEY_AT, KEY_BYTES).to_vec(),
            label: String::from_utf8_lossy(metadata.as_sub_slice(begin + LABEL_AT, label)).into_owned(),
        }
    }
}

impl Counters for DriverCounters {
    fn for_each(&self, visit: &mut dyn FnMut(&CounterRecord) -> bool) {
        for id in 0..self.count() {
            match self.0.metadata.get_volatile::<i32>(id * METADATA_BYTES) {
                // No record behind the first that was never used.
                COUNTER_UNUSED => return,
                COUNTER_ALLOCATED if !visit(&self.record(id)) => return,
                _ => {}
            }
        }
    }

    fn value(&self, id: i32) -> i64 {
        self.0.values.get_volatile(self.at(id) * VALUE_BYTES)
    }

    fn is_allocated(&self, id: i32, registration_id: i64) -> bool {
        let id = self.at(id);
        self.0.metadata.get_volatile::<i32>(id * METADATA_BYTES) == COUNTER_ALLOCATED
            && self.0.values.get_volatile::<i64>(id * VALUE_BYTES + REGISTRATION_AT) == registration_id
    }

    fn set(&self, id: i32, value: i64) {
        self.0.values.put_ordered(self.at(id) * VALUE_BYTES, value);
    }

    fn compare_and_set(&self, id: i32, expected: i64, new: i64) -> bool {
        self.0.values.compare_and_set_i64(self.at(id) * VALUE_BYTES, expected, new)
    }
}
