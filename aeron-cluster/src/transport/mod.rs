//! What this crate needs of an Aeron client, and nothing more.
//!
//! Everything above (service container, archive client, cluster client) is written against these traits, so that it
//! runs over a media driver ([`aeron`]) and, in tests, over memory with scripted peers ([`memory`]).
//!
//! One thread owns a [`Transport`] and all that came from it; none of the handles are `Send`. There is no background
//! thread: whoever owns it calls [`Transport::work`] at least once every few milliseconds, and never less often than
//! a quarter of the driver's client liveness timeout, or the driver takes the client for dead. Waiting loops go
//! through [`Transport::idle`], which does that.

pub mod aeron;
mod assembler;
mod conductor;
pub mod idle;
pub mod memory;
mod registration;
pub mod uri;

pub use assembler::Assembler;
pub use registration::{await_publication, await_subscription, wait_for};

use std::time::Duration;

use thiserror::Error;

/// Why a transport cannot go on, or did not do one thing that was asked of it.
#[derive(Debug, Error)]
pub enum TransportError {
    /// The driver refused a publication, subscription or counter; another channel may do.
    #[error("the media driver refused {what}: {reason} (code {code})")]
    Refused {
        /// The channel, stream or counter.
        what: String,
        /// As the driver says it.
        reason: String,
        /// Aeron's error code.
        code: i32,
    },
    /// There is no live driver at the directory, or it stopped. The client is of no use any more.
    #[error("the media driver at {dir} does not answer: {reason}")]
    DriverGone {
        /// Its `aeron.dir`.
        dir: String,
        /// What was seen.
        reason: String,
    },
    /// Nothing came within the time that it may take.
    #[error("no {what} within {limit:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
    },
    /// Somebody asked the process to stop while it waited.
    #[error("stopped while waiting for {what}")]
    Stopped {
        /// What was waited for.
        what: String,
    },
}

/// Why an offer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OfferError {
    /// The slowest reader has no room; try again.
    #[error("back-pressured")]
    BackPressured,
    /// A term is being rotated; try again at once.
    #[error("administrative action")]
    AdminAction,
    /// Nobody reads.
    #[error("not connected")]
    NotConnected,
    /// The publication is closed; it stays so.
    #[error("closed")]
    Closed,
    /// The stream has reached its last position; a new publication is needed.
    #[error("maximum position reached")]
    MaxPosition,
    /// The message is longer than the stream takes.
    #[error("{length} bytes are more than the {max} a message may have on this stream")]
    TooLong {
        /// Of the message.
        length: usize,
        /// The stream's bound.
        max: usize,
    },
}

impl OfferError {
    /// Whether the same offer can succeed a moment later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::BackPressured | Self::AdminAction)
    }
}

/// A claim on a publication that the driver has not yet confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicationId(pub i64);

/// A claim on a subscription that the driver has not yet confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionId(pub i64);

/// One client of a media driver. See the module for who may call what.
pub trait Transport {
    /// The client's id at the driver; a service container's first acknowledgement carries it.
    fn client_id(&self) -> i64;

    /// A number that no other client of this driver gets.
    fn next_correlation_id(&mut self) -> i64;

    /// Milliseconds since the Unix epoch.
    fn epoch_ms(&self) -> i64;

    /// Time since some fixed moment; never goes back. All deadlines are in it.
    fn now(&self) -> Duration;

    /// Housekeeping: takes the driver's events and keeps the client alive. Returns how many there were.
    ///
    /// # Errors
    ///
    /// [`TransportError::DriverGone`] when the client is of no use any more.
    fn work(&mut self) -> Result<usize, TransportError>;

    /// One round of a waiting loop: [`work`](Self::work), then a pause unless `work_count` is above 0.
    ///
    /// # Errors
    ///
    /// As [`work`](Self::work), and [`TransportError::Stopped`] when the process is to end.
    fn idle(&mut self, work_count: usize) -> Result<(), TransportError>;

    /// Asks for a shared publication; ask [`publication`](Self::publication) until it is there.
    ///
    /// # Errors
    ///
    /// [`TransportError::DriverGone`].
    fn add_publication(&mut self, channel: &str, stream_id: i32) -> Result<PublicationId, TransportError>;

    /// The publication, once the driver has made it. Each call makes another handle on it; it is
    /// given up when the last is dropped.
    ///
    /// # Errors
    ///
    /// [`TransportError::Refused`] when the driver will not.
    fn publication(&mut self, id: PublicationId) -> Result<Option<Box<dyn Publication>>, TransportError>;

    /// Asks for a subscription; ask [`subscription`](Self::subscription) until it is there.
    ///
    /// # Errors
    ///
    /// [`TransportError::DriverGone`].
    fn add_subscription(&mut self, channel: &str, stream_id: i32) -> Result<SubscriptionId, TransportError>;

    /// The subscription, once the driver has made it. It is given up when the handle is dropped: take it once.
    ///
    /// # Errors
    ///
    /// [`TransportError::Refused`] when the driver will not.
    fn subscription(&mut self, id: SubscriptionId) -> Result<Option<Box<dyn Subscription>>, TransportError>;

    /// The driver's counters: positions, states, toggles.
    fn counters(&self) -> &dyn Counters;

    /// Makes a counter of our own, valued 0, and returns its id once the driver has made it. It lives as long as the
    /// client. Used for what operators watch (errors, cycle times); waits for the driver.
    ///
    /// # Errors
    ///
    /// [`TransportError::Refused`] or [`TransportError::Timeout`].
    fn allocate_counter(&mut self, type_id: i32, key: &[u8], label: &str) -> Result<i32, TransportError>;
}

/// A stream that we write. Dropping it closes it.
pub trait Publication {
    /// Of this stream, at the driver.
    fn session_id(&self) -> i32;
    /// Where the next message begins, in bytes since the stream began.
    fn position(&self) -> i64;
    /// Whether somebody reads.
    fn is_connected(&self) -> bool;
    /// Longest message in bytes: an eighth of the term length, at most 16 MiB.
    fn max_message_length(&self) -> usize;
    /// Appends one message that consists of these parts, whole or not at all, and returns the position after it.
    /// Never waits. More than one frame's worth is sent in fragments.
    ///
    /// # Errors
    ///
    /// See [`OfferError`].
    fn offer(&mut self, parts: &[&[u8]]) -> Result<i64, OfferError>;
}

/// Streams that we read. Dropping it closes it and its images.
pub trait Subscription {
    /// Whether there is an image with this session id.
    fn image(&self, session_id: i32) -> Option<Box<dyn Image>>;
    /// All images that there are now.
    fn images(&self) -> Vec<Box<dyn Image>>;
    /// How many images there are, without making handles on them.
    fn image_count(&self) -> usize;
    /// The counter that tells the channel's state, and (with port 0) its bound address.
    fn channel_status_id(&self) -> i32;
}

/// What to do after a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take the next one.
    Continue,
    /// Take the next one, and let the writer know at once that this one is read.
    Commit,
    /// Stop after this one.
    Break,
    /// Stop before this one; it will be delivered again.
    Abort,
}

/// The first bit of a message's first fragment.
pub const BEGIN_FLAG: u8 = 0x80;
/// Set in a message's last fragment.
pub const END_FLAG: u8 = 0x40;

/// One frame's payload, as it lies in the stream.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// Without the frame header.
    pub payload: &'a [u8],
    /// [`BEGIN_FLAG`], [`END_FLAG`]; both for a message of one frame.
    pub flags: u8,
    /// Where the frame ends, in bytes since the stream began; a multiple of 32.
    pub position: i64,
    /// Of the stream.
    pub session_id: i32,
}

/// One writer's stream, as we read it.
pub trait Image {
    /// Of the stream, at its writer.
    fn session_id(&self) -> i32;
    /// Where we began to read.
    fn join_position(&self) -> i64;
    /// Up to where we have read; stays at its last value once closed.
    fn position(&self) -> i64;
    /// Whether the image is gone: the writer ended or is out of reach.
    fn is_closed(&self) -> bool;
    /// Whether everything up to the writer's orderly end has been read.
    fn is_end_of_stream(&self) -> bool;
    /// Reads at most `fragments_max` fragments, none of which begins at or after `limit`. Returns how many were taken.
    fn poll(&mut self, limit: i64, fragments_max: usize, handler: &mut dyn FnMut(&Fragment<'_>) -> Action) -> usize;
}

/// A counter's record is free.
pub const COUNTER_UNUSED: i32 = 0;
/// A counter's record is in use.
pub const COUNTER_ALLOCATED: i32 = 1;

/// The registration id of a counter that no client asked for, and of one that a client is just being given: the driver
/// shows the record first and says afterwards whose it is.
pub const UNREGISTERED: i64 = 0;

/// What the driver knows about one counter. The value is read with [`Counters::value`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterRecord {
    /// Index of its record.
    pub id: i32,
    /// What it counts; ids of Aeron's own types are in [`crate::counters`].
    pub type_id: i32,
    /// Tells one use of the record from the next; [`UNREGISTERED`] for the driver's own, and for a moment when new.
    pub registration_id: i64,
    /// The client that allocated it; 0 for the driver.
    pub owner_id: i64,
    /// Depends on the type; 112 bytes.
    pub key: Vec<u8>,
    /// For people.
    pub label: String,
}

/// The counters of a driver, shared by all its clients.
pub trait Counters {
    /// Every counter in use, in order of ids, until `visit` returns false.
    fn for_each(&self, visit: &mut dyn FnMut(&CounterRecord) -> bool);
    /// The counter's value.
    fn value(&self, id: i32) -> i64;
    /// Whether the record is still the same counter's.
    fn is_allocated(&self, id: i32, registration_id: i64) -> bool;
    /// Stores a value; for counters of our own.
    fn set(&self, id: i32, value: i64);
    /// Stores `new` if the value is `expected`; for Aeron's control toggles.
    fn compare_and_set(&self, id: i32, expected: i64, new: i64) -> bool;
}

impl dyn Counters + '_ {
    /// The first counter of a client, of one type, whose record satisfies `is_it`. One that is not registered yet is
    /// not there yet: its record would count as another's a moment later.
    pub fn find(&self, type_id: i32, is_it: &dyn Fn(&CounterRecord) -> bool) -> Option<CounterRecord> {
        let mut found = None;
        self.for_each(&mut |record| {
            if record.registration_id != UNREGISTERED && record.type_id == type_id && is_it(record) {
                found = Some(record.clone());
            }
            found.is_none()
        });
        found
    }
}
