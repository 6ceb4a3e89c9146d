//! The client's conductor, run by us behind a filter.
//!
//! aeron-rs 0.1.8 ends the process on events that are newer than itself: `0x0F0B` (static counters, since Aeron 1.45),
//! `0x0F0C` (publication errors, 1.47), `0x0F0D` (session ids, 1.49: any Java archive client on the same driver causes
//! one). So its `ClientConductor` does not read the driver's broadcast: this copies the events that it knows
//! into a private broadcast buffer, which it reads, and skips the rest.
//!
//! ```text
//!  driver ──broadcast──► Events ──known ones──► private buffer ──► ClientConductor (aeron-rs)
//! ```

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aeron_rs::aeron::Aeron;
use aeron_rs::client_conductor::ClientConductor;
use aeron_rs::cnc_file_descriptor as cnc;
use aeron_rs::concurrent::agent_runner::Agent;
use aeron_rs::concurrent::atomic_buffer::{AlignedBuffer, AtomicBuffer};
use aeron_rs::concurrent::broadcast::broadcast_buffer_descriptor::TRAILER_LENGTH;
use aeron_rs::concurrent::broadcast::broadcast_receiver::BroadcastReceiver;
use aeron_rs::concurrent::broadcast::broadcast_transmitter::BroadcastTransmitter;
use aeron_rs::concurrent::broadcast::copy_broadcast_receiver::CopyBroadcastReceiver;
use aeron_rs::concurrent::ring_buffer::ManyToOneRingBuffer;
use aeron_rs::context::Context;
use aeron_rs::driver_proxy::DriverProxy;
use aeron_rs::utils::errors::AeronError;
use aeron_rs::utils::memory_mapped_file::MemoryMappedFile;

use super::TransportError;

/// First and last event that aeron-rs 0.1.8 knows.
const KNOWN_EVENTS: std::ops::RangeInclusive<i32> = 0x0F01..=0x0F0A;

/// Its copy of an event has this much room; longer ones would end the conductor. None of the known ones come near.
const EVENT_BYTES_MAX: i32 = 4096;

/// Room for events between two calls: 1 MiB, a power of two. Each is taken out before the next is put in.
const PRIVATE_BUFFER_BYTES: i32 = 1 << 20;

/// Bytes of events after which aeron-rs's 32-bit cursors would go wrong. Ten million events; the client is restarted.
const EVENT_BYTES_TOTAL_MAX: i64 = (1 << 31) - (1 << 26);

/// Closed streams stay mapped for this long, as in Aeron: a reader may be in the middle of one.
const LINGER_MS: u64 = 3_000;

/// The conductor is called this often even if nothing happened: it keeps the client alive.
const QUIET_LIMIT: Duration = Duration::from_millis(1);

/// A driver shows life every 1,000 ms.
const SILENCE_MS: i64 = 1_500;

/// What all handles on a client share. Handles keep it alive: it owns the memory that they point into.
pub(super) struct Conductor {
    conductor: Arc<Mutex<ClientConductor>>,
    events: Mutex<Events>,
    proxy: Arc<DriverProxy>,
    ring: Arc<ManyToOneRingBuffer>,
    pub(super) metadata: AtomicBuffer,
    pub(super) values: AtomicBuffer,
    failure: Arc<Mutex<Option<String>>>,
    dir: PathBuf,
    /// The driver's process.
    pid: i64,
    began: Instant,
    /// When the conductor was called last, in microseconds since `began`.
    worked_us: AtomicU64,
    // Last, as the rest points into them.
    _private: AlignedBuffer,
    _mapped: MemoryMappedFile,
}

struct Events {
    driver: BroadcastReceiver,
    private: BroadcastTransmitter,
    skipped: u64,
    bytes: i64,
}

/// The epoch clock in aeron-rs's shape.
fn unix_time_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

impl Conductor {
    /// Connects to the driver of a directory; waits at most `connect_limit` for one that lives.
    pub(super) fn connect(
        dir: &Path,
        connect_limit: Duration,
        driver_limit: Duration,
        mut wait: impl FnMut() -> Result<(), TransportError>,
    ) -> Result<Self, TransportError> {
        let gone = |reason: String| TransportError::DriverGone { dir: dir.display().to_string(), reason };
        let deadline = Instant::now() + connect_limit;
        let mut context = Context::new();
        context.set_aeron_dir(dir.display().to_string());
        context.set_media_driver_timeout(driver_limit.as_millis() as u64);
        let mapped = loop {
            let reason = match driver_at(dir) {
                Ok(()) => match Aeron::map_cnc_file(&context) {
                    Ok(mapped) if is_alive(cnc::pid(&mapped)) => break mapped,
                    Ok(mapped) => format!("its process {} is gone", cnc::pid(&mapped)),
                    Err(error) => error.to_string(),
                },
                Err(reason) => reason,
            };
            if Instant::now() >= deadline {
                return Err(gone(format!("{reason}; waited {connect_limit:?} for it")));
            }
            wait()?;
        };
        Self::over(dir, mapped, driver_limit).map_err(|error| gone(error.to_string()))
    }

    fn over(dir: &Path, mapped: MemoryMappedFile, driver_limit: Duration) -> Result<Self, AeronError> {
        let ring = Arc::new(ManyToOneRingBuffer::new(cnc::create_to_driver_buffer(&mapped))?);
        let proxy = Arc::new(DriverProxy::new(Arc::clone(&ring)));
        let metadata = cnc::create_counter_metadata_buffer(&mapped);
        let values = cnc::create_counter_values_buffer(&mapped);
        let private = AlignedBuffer::with_capacity(PRIVATE_BUFFER_BYTES + TRAILER_LENGTH);
        let private_view = AtomicBuffer::from_aligned(&private);
        let to_conductor = Arc::new(Mutex::new(BroadcastReceiver::new(private_view)?));
        let failure: Arc<Mutex<Option<String>>> = Arc::default();
        let on_error = {
            let failure = Arc::clone(&failure);
            move |error: AeronError| {
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                // A channel that could not be opened is the business of whoever asked for it.
                if !matches!(error, AeronError::ChannelEndpointException(..)) {
                    failure.get_or_insert_with(|| error.to_string());
                } else {
                    tracing::warn!(%error, "a channel of the media driver failed");
                }
            }
        };
        let context = Context::new();
        #[expect(clippy::arc_with_non_send_sync, reason = "aeron-rs asks for it; one thread owns all of this")]
        let conductor = ClientConductor::new(
            unix_time_ms,
            Arc::clone(&proxy),
            Arc::new(Mutex::new(CopyBroadcastReceiver::new(to_conductor))),
            metadata,
            values,
            context.new_publication_handler(),
            context.new_exclusive_publication_handler(),
            context.new_subscription_handler(),
            Box::new(on_error),
            context.available_counter_handler(),
            context.unavailable_counter_handler(),
            context.close_client_handler(),
            driver_limit.as_millis() as u64,
            LINGER_MS,
            cnc::client_liveness_timeout(&mapped) as u64,
            false,
        );
        let events = Events {
            driver: BroadcastReceiver::new(cnc::create_to_clients_buffer(&mapped))?,
            private: BroadcastTransmitter::new(private_view)?,
            skipped: 0,
            bytes: 0,
        };
        Ok(Self {
            conductor,
            events: Mutex::new(events),
            proxy,
            ring,
            metadata,
            values,
            failure,
            dir: dir.to_owned(),
            pid: cnc::pid(&mapped),
            began: Instant::now(),
            worked_us: AtomicU64::new(0),
            _private: private,
            _mapped: mapped,
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ClientConductor> {
        self.conductor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn client_id(&self) -> i64 {
        self.proxy.client_id()
    }

    pub(super) fn next_correlation_id(&self) -> i64 {
        self.ring.next_correlation_id()
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn epoch_ms() -> i64 {
        unix_time_ms() as i64
    }

    /// Takes what the driver said and keeps the client alive.
    pub(super) fn work(&self) -> Result<usize, TransportError> {
        self.check()?;
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = 0;
        while events.driver.receive_next() {
            taken += 1;
            if self.forward(&mut events)? {
                self.call()?;
            }
        }
        if taken == 0 {
            let quiet = self.now().saturating_sub(Duration::from_micros(self.worked_us.load(Ordering::Relaxed)));
            if quiet >= QUIET_LIMIT {
                self.check_ended()?;
                self.call()?;
            }
        }
        Ok(taken)
    }

    /// A driver that ends in order says so with a negative time of its last sign of life, which aeron-rs takes for one
    /// that lives for ever. One that was killed says nothing: after a silence that is short, but longer than a live one's,
    /// its process is looked for, as waiting for its limit would leave us deaf for that long.
    fn check_ended(&self) -> Result<(), TransportError> {
        match self.proxy.time_of_last_driver_keepalive() {
            ..0 => Err(self.fail("it has ended")),
            seen_ms if Self::epoch_ms() - seen_ms > SILENCE_MS && !is_alive(self.pid) => {
                Err(self.fail(format!("its process {} is gone", self.pid)))
            }
            _ => Ok(()),
        }
    }

    /// Copies the event that was received, if aeron-rs knows it.
    fn forward(&self, events: &mut Events) -> Result<bool, TransportError> {
        let (kind, length) = (events.driver.type_id(), events.driver.length());
        let is_known = KNOWN_EVENTS.contains(&kind) && length <= EVENT_BYTES_MAX;
        if is_known {
            let Events { driver, private, .. } = &mut *events;
            private.transmit(kind, driver.buffer(), driver.offset(), length).map_err(|error| self.fail(error))?;
        } else {
            events.skipped += 1;
            tracing::debug!(kind = format!("{kind:#06x}"), length, "an event of the driver that is not ours to know");
        }
        events.bytes += i64::from(length) + 16;
        if !events.driver.validate() || events.driver.lapped_count() > 0 {
            return Err(self.fail("the driver's events came faster than they were read"));
        }
        if events.bytes > EVENT_BYTES_TOTAL_MAX {
            return Err(self.fail("two gigabytes of events were read; a new client is needed"));
        }
        Ok(is_known)
    }

    fn call(&self) -> Result<(), TransportError> {
        let worked = self.lock().do_work();
        self.worked_us.store(self.now().as_micros() as u64, Ordering::Relaxed);
        // Its listener is lost with the error: it must not be called again.
        worked.map_err(|error| self.fail(error))?;
        self.check()
    }

    /// Whether the client can still be used.
    pub(super) fn check(&self) -> Result<(), TransportError> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(reason) => Err(self.gone(reason.clone())),
        }
    }

    fn fail(&self, reason: impl ToString) -> TransportError {
        let reason = reason.to_string();
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| reason.clone());
        self.gone(reason)
    }

    pub(super) fn gone(&self, reason: String) -> TransportError {
        TransportError::DriverGone { dir: self.dir.display().to_string(), reason }
    }
}

impl Drop for Conductor {
    fn drop(&mut self) {
        let is_usable = self.check().is_ok();
        {
            let mut conductor = self.lock();
            let now = unix_time_ms();
            conductor.close_all_resources(now);
            // The conductor holds itself and is never dropped; what it maps is given back here. Once to mark what nobody
            // uses, once when the time to linger is over.
            conductor.on_check_managed_resources(now);
            conductor.on_check_managed_resources(now + 2 * LINGER_MS);
        }
        // aeron-rs says no goodbye; without one the driver would keep the client's streams until its liveness timeout.
        if is_usable && let Err(error) = self.proxy.client_close() {
            tracing::debug!(%error, "the driver was not told that the client closed");
        }
    }
}

/// Whether there is something to connect to; the reason if not.
fn driver_at(dir: &Path) -> Result<(), String> {
    match std::fs::metadata(dir.join("cnc.dat")) {
        Ok(file) if file.len() > 0 => Ok(()),
        Ok(_) => Err("its cnc.dat is still empty".into()),
        Err(error) => Err(format!("cnc.dat: {error}")),
    }
}

/// Whether a process runs. A driver that was killed leaves a file behind that looks alive for as long as its timeout.
fn is_alive(pid: i64) -> bool {
    let processes = Path::new("/proc");
    !processes.join("self").exists() || processes.join(pid.to_string()).exists()
}
