//! A media driver in memory, for tests: streams, images, counters and virtual time.
//!
//! [`Driver`] is shared by any number of [`MemoryTransport`]s. Publications and subscriptions with the same channel key
//! (endpoint, or `ipc`) and stream find each other; a subscription or publication with a `session-id` parameter is bound
//! to that session. An `aeron-spy:` subscription reads the publication that its `session-id` or tags name.
//! Time passes only through [`Driver::advance`] and, by [`IDLE_STEP`], in [`Transport::idle`]; peers that a test
//! scripts are run in each `idle`, so that waiting loops come to an end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::{
    Action, BEGIN_FLAG, COUNTER_ALLOCATED, COUNTER_UNUSED, CounterRecord, Counters, END_FLAG, Fragment, Image,
    OfferError, Publication, PublicationId, Subscription, SubscriptionId, Transport, TransportError, UNREGISTERED, uri,
};

/// How far one round of waiting moves the time.
pub const IDLE_STEP: Duration = Duration::from_millis(1);

/// Payload of one frame: small, so that tests meet fragments.
pub const FRAME_PAYLOAD_BYTES: usize = 1_376;
const FRAME_HEADER_BYTES: usize = 32;
const MESSAGE_BYTES_MAX: usize = 2 << 20;
/// What a reader may lag behind before the writer is back-pressured.
const WINDOW_BYTES_DEFAULT: i64 = 8 << 20;

struct Frame {
    payload: Vec<u8>,
    flags: u8,
    /// After the frame.
    position: i64,
}

struct Stream {
    key: String,
    stream_id: i32,
    session_id: i32,
    begin: i64,
    end: i64,
    frames: Vec<Frame>,
    handles: usize,
    is_ended: bool,
    /// Set by a test: how far readers may lag.
    window: i64,
    /// Set by a test: the next offers fail so.
    failures: Vec<OfferError>,
}

struct Reader {
    stream: usize,
    join: i64,
    position: i64,
    is_closed: bool,
}

struct Subscribed {
    key: String,
    stream_id: i32,
    session_id: Option<i32>,
    is_open: bool,
    readers: Vec<usize>,
}

struct Counter {
    record: CounterRecord,
    state: i32,
    value: i64,
}

#[derive(Default)]
struct State {
    now: Duration,
    next_id: i64,
    streams: Vec<Stream>,
    readers: Vec<Reader>,
    subscriptions: BTreeMap<i64, Subscribed>,
    publications: BTreeMap<i64, usize>,
    counters: Vec<Counter>,
    is_gone: bool,
    refused: Vec<String>,
}

type Peer = Box<dyn FnMut()>;

/// The driver; clones are the same one.
#[derive(Clone, Default)]
pub struct Driver {
    state: Rc<RefCell<State>>,
    peers: Rc<RefCell<Vec<Peer>>>,
}

impl Driver {
    /// A driver without streams.
    pub fn new() -> Self {
        let driver = Self::default();
        driver.state.borrow_mut().now = Duration::from_secs(1_000);
        driver
    }

    /// A client of it.
    pub fn client(&self) -> MemoryTransport {
        let client_id = self.take_id();
        MemoryTransport { driver: self.clone(), client_id, counters: MemoryCounters(Rc::clone(&self.state)) }
    }

    /// Runs `peer` in every round of every client's waiting.
    pub fn add_peer(&self, peer: impl FnMut() + 'static) {
        self.peers.borrow_mut().push(Box::new(peer));
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.state.borrow_mut().now += by;
    }

    /// The driver dies: every client's next work fails.
    pub fn die(&self) {
        self.state.borrow_mut().is_gone = true;
    }

    /// Refuses channels that contain `part`.
    pub fn refuse(&self, part: &str) {
        self.state.borrow_mut().refused.push(part.to_owned());
    }

    /// Refuses `part` no longer.
    pub fn allow(&self, part: &str) {
        self.state.borrow_mut().refused.retain(|refused| refused != part);
    }

    /// The next offers on a stream (of any session) fail, one after the other.
    pub fn fail_offers(&self, stream_id: i32, failures: &[OfferError]) {
        let mut state = self.state.borrow_mut();
        for stream in state.streams.iter_mut().filter(|stream| stream.stream_id == stream_id) {
            stream.failures.extend_from_slice(failures);
        }
    }

    /// How far readers of a stream may lag before its writer is back-pressured.
    pub fn set_window(&self, stream_id: i32, bytes: i64) {
        let mut state = self.state.borrow_mut();
        for stream in state.streams.iter_mut().filter(|stream| stream.stream_id == stream_id) {
            stream.window = bytes;
        }
    }

    /// Appends one frame to a stream, as one that was cut in the middle of a message or goes on there.
    pub fn append_frame(&self, session_id: i32, payload: &[u8], flags: u8) {
        let mut state = self.state.borrow_mut();
        let open = state.streams.iter_mut().filter(|stream| !stream.is_ended);
        for stream in open.filter(|stream| stream.session_id == session_id) {
            stream.end += ((payload.len() + FRAME_HEADER_BYTES).div_ceil(32) * 32) as i64;
            stream.frames.push(Frame { payload: payload.to_vec(), flags, position: stream.end });
        }
    }

    /// Readers of a stream lose their images, as when the network between them is cut.
    pub fn cut(&self, session_id: i32) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        for reader in &mut state.readers {
            if state.streams[reader.stream].session_id == session_id {
                reader.is_closed = true;
            }
        }
    }

    /// Makes a counter with an owner, as the consensus module and archive do.
    pub fn allocate_counter(&self, type_id: i32, key: &[u8], label: &str, value: i64) -> i32 {
        let id = self.show_counter(type_id, key, label, value);
        self.register_counter(id);
        id
    }

    /// The first half of allocating a counter, as the driver does it: everybody sees it, and it is nobody's yet.
    pub fn show_counter(&self, type_id: i32, key: &[u8], label: &str, value: i64) -> i32 {
        let registration_id = UNREGISTERED;
        let mut state = self.state.borrow_mut();
        let id = state.counters.len() as i32;
        let mut padded = key.to_vec();
        padded.resize(112, 0);
        let record = CounterRecord { id, type_id, registration_id, owner_id: 0, key: padded, label: label.to_owned() };
        state.counters.push(Counter { record, state: COUNTER_ALLOCATED, value });
        id
    }

    /// The second half: it is its client's.
    pub fn register_counter(&self, id: i32) {
        let registration_id = self.take_id();
        self.state.borrow_mut().counters[id as usize].record.registration_id = registration_id;
    }

    /// Frees a counter.
    pub fn free_counter(&self, id: i32) {
        self.state.borrow_mut().counters[id as usize].state = COUNTER_UNUSED - 1;
    }

    fn take_id(&self) -> i64 {
        let mut state = self.state.borrow_mut();
        state.next_id += 1;
        state.next_id
    }
}

/// Which publications and subscriptions meet: medium and endpoint, or for spies the medium alone.
fn key_of(channel: &str) -> String {
    let channel = channel.strip_prefix("aeron-spy:").unwrap_or(channel);
    let medium = channel.split('?').next().unwrap_or(channel);
    match uri::param(channel, "endpoint") {
        Some(endpoint) => format!("{medium}|{endpoint}"),
        None => medium.to_owned(),
    }
}

/// A client of a [`Driver`].
pub struct MemoryTransport {
    driver: Driver,
    client_id: i64,
    counters: MemoryCounters,
}

impl MemoryTransport {
    fn check(&self) -> Result<(), TransportError> {
        if self.driver.state.borrow().is_gone {
            return Err(TransportError::DriverGone { dir: "memory".into(), reason: "it died".into() });
        }
        Ok(())
    }

    fn check_channel(&self, channel: &str) -> Result<(), TransportError> {
        if self.driver.state.borrow().refused.iter().any(|part| channel.contains(part.as_str())) {
            return Err(TransportError::Refused { what: channel.into(), reason: "as the test says".into(), code: 1 });
        }
        Ok(())
    }
}

/// Gives each open subscription a reader of each stream that it matches and does not read yet.
fn connect(state: &mut State) {
    let State { streams, readers, subscriptions, .. } = state;
    for subscribed in subscriptions.values_mut().filter(|subscribed| subscribed.is_open) {
        for (index, stream) in streams.iter().enumerate() {
            let is_match = stream.key == subscribed.key
                && stream.stream_id == subscribed.stream_id
                && !stream.is_ended
                && subscribed.session_id.is_none_or(|id| id == stream.session_id);
            if is_match && !subscribed.readers.iter().any(|reader| readers[*reader].stream == index) {
                readers.push(Reader { stream: index, join: stream.end, position: stream.end, is_closed: false });
                subscribed.readers.push(readers.len() - 1);
            }
        }
    }
}

impl Transport for MemoryTransport {
    fn client_id(&self) -> i64 {
        self.client_id
    }

    fn next_correlation_id(&mut self) -> i64 {
        self.driver.take_id()
    }

    fn epoch_ms(&self) -> i64 {
        self.driver.state.borrow().now.as_millis() as i64 + 1_700_000_000_000
    }

    fn now(&self) -> Duration {
        self.driver.state.borrow().now
    }

    fn work(&mut self) -> Result<usize, TransportError> {
        self.check().map(|()| 0)
    }

    fn idle(&mut self, work_count: usize) -> Result<(), TransportError> {
        self.check()?;
        if work_count == 0 {
            self.driver.advance(IDLE_STEP);
        }
        // A peer may idle itself; it does not run again inside.
        let mut peers = std::mem::take(&mut *self.driver.peers.borrow_mut());
        for peer in &mut peers {
            peer();
        }
        let mut added = std::mem::replace(&mut *self.driver.peers.borrow_mut(), peers);
        self.driver.peers.borrow_mut().append(&mut added);
        Ok(())
    }

    fn add_publication(&mut self, channel: &str, stream_id: i32) -> Result<PublicationId, TransportError> {
        self.check()?;
        self.check_channel(channel)?;
        let id = self.driver.take_id();
        let mut state = self.driver.state.borrow_mut();
        let state = &mut *state;
        let key = key_of(channel);
        let wanted = uri::param(channel, "session-id").and_then(|text| text.parse().ok());
        let position = uri::param(channel, "init-position").and_then(|text| text.parse().ok()).unwrap_or(0);
        let open = state.streams.iter().position(|stream| {
            stream.key == key
                && stream.stream_id == stream_id
                && !stream.is_ended
                && wanted.is_none_or(|session| session == stream.session_id)
        });
        let index = open.unwrap_or_else(|| {
            state.streams.push(Stream {
                key,
                stream_id,
                session_id: wanted.unwrap_or(10_000 + id as i32),
                begin: position,
                end: position,
                frames: Vec::new(),
                handles: 0,
                is_ended: false,
                window: WINDOW_BYTES_DEFAULT,
                failures: Vec::new(),
            });
            state.streams.len() - 1
        });
        state.publications.insert(id, index);
        connect(state);
        Ok(PublicationId(id))
    }

    fn publication(&mut self, id: PublicationId) -> Result<Option<Box<dyn Publication>>, TransportError> {
        self.check()?;
        let mut state = self.driver.state.borrow_mut();
        let index = state.publications[&id.0];
        state.streams[index].handles += 1;
        Ok(Some(Box::new(MemoryPublication { state: Rc::clone(&self.driver.state), index })))
    }

    fn add_subscription(&mut self, channel: &str, stream_id: i32) -> Result<SubscriptionId, TransportError> {
        self.check()?;
        self.check_channel(channel)?;
        let id = self.driver.take_id();
        let mut state = self.driver.state.borrow_mut();
        let subscribed = Subscribed {
            key: key_of(channel),
            stream_id,
            session_id: uri::param(channel, "session-id").and_then(|text| text.parse().ok()),
            is_open: true,
            readers: Vec::new(),
        };
        state.subscriptions.insert(id, subscribed);
        connect(&mut state);
        Ok(SubscriptionId(id))
    }

    fn subscription(&mut self, id: SubscriptionId) -> Result<Option<Box<dyn Subscription>>, TransportError> {
        self.check()?;
        Ok(Some(Box::new(MemorySubscription { state: Rc::clone(&self.driver.state), id: id.0 })))
    }

    fn counters(&self) -> &dyn Counters {
        &self.counters
    }

    fn allocate_counter(&mut self, type_id: i32, key: &[u8], label: &str) -> Result<i32, TransportError> {
        self.check()?;
        Ok(self.driver.allocate_counter(type_id, key, label, 0))
    }
}

struct MemoryPublication {
    state: Rc<RefCell<State>>,
    index: usize,
}

impl Publication for MemoryPublication {
    fn session_id(&self) -> i32 {
        self.state.borrow().streams[self.index].session_id
    }

    fn position(&self) -> i64 {
        self.state.borrow().streams[self.index].end
    }

    fn is_connected(&self) -> bool {
        let state = self.state.borrow();
        state.readers.iter().any(|reader| reader.stream == self.index && !reader.is_closed)
    }

    fn max_message_length(&self) -> usize {
        MESSAGE_BYTES_MAX
    }

    fn offer(&mut self, parts: &[&[u8]]) -> Result<i64, OfferError> {
        if !self.is_connected() {
            return Err(OfferError::NotConnected);
        }
        let mut state = self.state.borrow_mut();
        let State { streams, readers, is_gone, .. } = &mut *state;
        let stream = &mut streams[self.index];
        if *is_gone || stream.is_ended {
            return Err(OfferError::Closed);
        }
        if !stream.failures.is_empty() {
            return Err(stream.failures.remove(0));
        }
        let message = parts.concat();
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(OfferError::TooLong { length: message.len(), max: MESSAGE_BYTES_MAX });
        }
        let slowest = readers
            .iter()
            .filter(|reader| reader.stream == self.index && !reader.is_closed)
            .map(|reader| reader.position)
            .min();
        if slowest.is_some_and(|position| stream.end - position >= stream.window) {
            return Err(OfferError::BackPressured);
        }
        let mut chunks = message.chunks(FRAME_PAYLOAD_BYTES).peekable();
        let mut is_first = true;
        loop {
            let payload = chunks.next().unwrap_or_default().to_vec();
            let begin = if is_first { BEGIN_FLAG } else { 0 };
            let is_last = chunks.peek().is_none();
            let end = if is_last { END_FLAG } else { 0 };
            stream.end += ((payload.len() + FRAME_HEADER_BYTES).div_ceil(32) * 32) as i64;
            stream.frames.push(Frame { payload, flags: begin | end, position: stream.end });
            is_first = false;
            if is_last {
                return Ok(stream.end);
            }
        }
    }
}

impl Drop for MemoryPublication {
    fn drop(&mut self) {
        let mut state = self.state.borrow_mut();
        let stream = &mut state.streams[self.index];
        stream.handles -= 1;
        stream.is_ended = stream.handles == 0;
    }
}

struct MemorySubscription {
    state: Rc<RefCell<State>>,
    id: i64,
}

impl MemorySubscription {
    fn live(&self) -> Vec<usize> {
        let state = self.state.borrow();
        let readers = &state.subscriptions[&self.id].readers;
        readers.iter().copied().filter(|reader| !state.is_closed(*reader)).collect()
    }

    fn handle(&self, reader: usize) -> Box<dyn Image> {
        Box::new(MemoryImage { state: Rc::clone(&self.state), reader })
    }
}

impl State {
    /// An image goes once its writer ended and all is read.
    fn is_closed(&self, reader: usize) -> bool {
        let reader = &self.readers[reader];
        let stream = &self.streams[reader.stream];
        reader.is_closed || (stream.is_ended && reader.position >= stream.end)
    }
}

impl Subscription for MemorySubscription {
    fn image(&self, session_id: i32) -> Option<Box<dyn Image>> {
        let of_session = |reader: &usize| {
            let state = self.state.borrow();
            state.streams[state.readers[*reader].stream].session_id == session_id
        };
        self.live().into_iter().find(of_session).map(|reader| self.handle(reader))
    }

    fn images(&self) -> Vec<Box<dyn Image>> {
        self.live().into_iter().map(|reader| self.handle(reader)).collect()
    }

    fn image_count(&self) -> usize {
        self.live().len()
    }

    fn channel_status_id(&self) -> i32 {
        -1
    }
}

impl Drop for MemorySubscription {
    fn drop(&mut self) {
        let mut state = self.state.borrow_mut();
        let State { subscriptions, readers, .. } = &mut *state;
        if let Some(subscribed) = subscriptions.get_mut(&self.id) {
            subscribed.is_open = false;
            for reader in &subscribed.readers {
                readers[*reader].is_closed = true;
            }
        }
    }
}

struct MemoryImage {
    state: Rc<RefCell<State>>,
    reader: usize,
}

impl Image for MemoryImage {
    fn session_id(&self) -> i32 {
        let state = self.state.borrow();
        state.streams[state.readers[self.reader].stream].session_id
    }

    fn join_position(&self) -> i64 {
        self.state.borrow().readers[self.reader].join
    }

    fn position(&self) -> i64 {
        self.state.borrow().readers[self.reader].position
    }

    fn is_closed(&self) -> bool {
        self.state.borrow().is_closed(self.reader)
    }

    fn is_end_of_stream(&self) -> bool {
        let state = self.state.borrow();
        let reader = &state.readers[self.reader];
        let stream = &state.streams[reader.stream];
        stream.is_ended && reader.position >= stream.end
    }

    fn poll(&mut self, limit: i64, fragments_max: usize, handler: &mut dyn FnMut(&Fragment<'_>) -> Action) -> usize {
        let mut taken = 0;
        while taken < fragments_max {
            // The handler may use the driver: nothing is borrowed while it runs.
            let next = {
                let state = self.state.borrow();
                let reader = &state.readers[self.reader];
                let stream = &state.streams[reader.stream];
                if reader.is_closed || reader.position >= limit {
                    break;
                }
                let at = stream.frames.partition_point(|frame| frame.position <= reader.position);
                let Some(frame) = stream.frames.get(at) else { break };
                debug_assert!(frame.position > stream.begin);
                (frame.payload.clone(), frame.flags, frame.position, stream.session_id)
            };
            let (payload, flags, position, session_id) = next;
            let action = handler(&Fragment { payload: &payload, flags, position, session_id });
            if action == Action::Abort {
                break;
            }
            self.state.borrow_mut().readers[self.reader].position = position;
            taken += 1;
            if action == Action::Break {
                break;
            }
        }
        taken
    }
}

#[derive(Clone)]
struct MemoryCounters(Rc<RefCell<State>>);

impl Counters for MemoryCounters {
    fn for_each(&self, visit: &mut dyn FnMut(&CounterRecord) -> bool) {
        let records: Vec<CounterRecord> = {
            let state = self.0.borrow();
            let live = state.counters.iter().filter(|counter| counter.state == COUNTER_ALLOCATED);
            live.map(|counter| counter.record.clone()).collect()
        };
        for record in &records {
            if !visit(record) {
                return;
            }
        }
    }

    fn value(&self, id: i32) -> i64 {
        self.0.borrow().counters[id as usize].value
    }

    fn is_allocated(&self, id: i32, registration_id: i64) -> bool {
        let state = self.0.borrow();
        let counter = &state.counters[id as usize];
        counter.state == COUNTER_ALLOCATED && counter.record.registration_id == registration_id
    }

    fn set(&self, id: i32, value: i64) {
        self.0.borrow_mut().counters[id as usize].value = value;
    }

    fn compare_and_set(&self, id: i32, expected: i64, new: i64) -> bool {
        let mut state = self.0.borrow_mut();
        let value = &mut state.counters[id as usize].value;
        let is_equal = *value == expected;
        if is_equal {
            *value = new;
        }
        is_equal
    }
}
