//! The media driver of an edge: a Java process that is started again when it ends.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aeron_cluster::member::{Driver, DriverConfig, Java};

/// Kept running until it is stopped or dropped. Clients of a driver that ended are of no use; they connect anew.
pub(super) struct KeptDriver {
    /// Closed, it ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl KeptDriver {
    /// Starts it, and a thread that watches it: the process ends with that thread, whatever ends it.
    pub(super) fn start(java: Java, config: DriverConfig) -> Result<Self, String> {
        let (stop, stopped) = channel();
        let (report, started) = sync_channel(1);
        let thread = thread::Builder::new().name("media-driver".to_owned()).spawn(move || {
            let driver = match Driver::start(&java, &config) {
                Ok(driver) => driver,
                Err(error) => return drop(report.send(Err(format!("starting the media driver: {error}")))),
            };
            drop(report.send(Ok(())));
            keep(driver, &java, &config, &stopped);
        });
        let thread = thread.map_err(|error| format!("starting the media driver's thread: {error}"))?;
        started.recv().map_err(|_| "the media driver's thread ended".to_owned())??;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for KeptDriver {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has let go of the process too.
            let _ = thread.join();
        }
    }
}

fn keep(driver: Driver, java: &Java, config: &DriverConfig, stopped: &Receiver<()>) {
    let (mut running, mut pause, mut since) = (Some(driver), PAUSE_MIN, Instant::now());
    loop {
        let wait = if running.is_some() { CHECK_EVERY } else { pause };
        if !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
            return;
        }
        match &mut running {
            Some(driver) => {
                if let Some(end) = driver.has_ended() {
                    tracing::error!("{end}");
                    running = None;
                    pause = if since.elapsed() > EARLY { PAUSE_MIN } else { (2 * pause).min(PAUSE_MAX) };
                }
            }
            None => {
                since = Instant::now();
                match Driver::start(java, config) {
                    Ok(driver) => running = Some(driver),
                    Err(error) => {
                        tracing::error!(%error, "the media driver does not start again");
                        pause = (2 * pause).min(PAUSE_MAX);
                    }
                }
            }
        }
    }
}

/// How soon an end is noticed.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// Before it is started again; doubled with each end that comes early.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// An end after so long is not early.
const EARLY: Duration = Duration::from_secs(30);
