//! A media driver alone, for a machine or process that runs no member: clients of a cluster need one.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::java::Java;
use super::mark::is_alive;
use super::process::{Process, end_of};
use super::properties::{Property, driver, to_file};
use super::settings::{IdleProfile, shared_memory};

/// What a driver is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverConfig {
    /// Its log and `aeron.properties` go there.
    pub data: PathBuf,
    /// Its shared memory; removed at each start and end.
    pub aeron: PathBuf,
    /// How its threads wait.
    pub idle: IdleProfile,
    /// Longest frame on the wire in bytes, as the members'.
    pub mtu_bytes: u32,
    /// Heap of the JVM in MiB.
    pub heap_mib: u32,
    /// Clients that are silent for so long are gone, and what they held is free.
    pub client_liveness_timeout: Duration,
    /// A stream that is silent for so long is gone; so a client notices that all members are. Above what a member pauses.
    pub image_liveness_timeout: Duration,
}

impl DriverConfig {
    /// A driver with the defaults of this crate, whose files are below `data`. `name` tells drivers of one folder apart.
    #[must_use]
    pub fn new(data: &Path, name: &str) -> Self {
        Self {
            data: data.to_owned(),
            aeron: shared_memory(data, name),
            idle: IdleProfile::Laptop,
            mtu_bytes: 1408,
            heap_mib: 64,
            client_liveness_timeout: Duration::from_secs(5),
            image_liveness_timeout: Duration::from_secs(1),
        }
    }

    /// The table of what it is told.
    #[must_use]
    pub fn properties(&self) -> Vec<Property> {
        let mut table = driver(&self.aeron, self.idle, self.mtu_bytes);
        let time = |name, value: Duration, reason| {
            let value = format!("{}ms", value.as_millis());
            Property { name, value, unit: "time", reason }
        };
        table.push(time(
            "aeron.client.liveness.timeout",
            self.client_liveness_timeout,
            "a client that died is forgotten after it; also a client's longest pause",
        ));
        table.push(time("aeron.timer.interval", TIMER_INTERVAL, "how late the driver may be in noticing any of these"));
        table.push(time(
            "aeron.rcv.status.message.timeout",
            STATUS_INTERVAL,
            "how often a sender is told how much is read; a stream that fell silent is closed five of these later",
        ));
        let silence = self.image_liveness_timeout;
        table.push(time("aeron.image.liveness.timeout", silence, "who sends nothing for so long is gone"));
        table.push(time("aeron.publication.connection.timeout", silence, "who reads nothing for so long is gone"));
        table
    }
}

/// Aeron's own is four times that, and a second after silence is noticed nothing would have been closed.
const STATUS_INTERVAL: Duration = Duration::from_millis(50);
/// Aeron's own is a second, which would be added to each timeout.
const TIMER_INTERVAL: Duration = Duration::from_millis(100);

/// A running driver. Ends when dropped, and with the thread that started it: start it from one that lives as long.
pub struct Driver {
    process: Process,
    aeron: PathBuf,
}

/// What a driver may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(3);

impl Driver {
    /// Starts it. Clients that connect at once wait for it.
    ///
    /// # Errors
    /// When its files cannot be written or Java not be run.
    pub fn start(java: &Java, config: &DriverConfig) -> io::Result<Self> {
        fs::create_dir_all(&config.data)?;
        let properties = config.data.join("aeron.properties");
        fs::write(&properties, to_file(&config.properties()))?;
        remove(&config.aeron)?;
        let command = java.run("io.aeron.driver.MediaDriver", config.heap_mib, &[properties.as_os_str()]);
        let process = Process::spawn(command, &config.data.join("logs").join("driver.log"))?;
        Ok(Self { process, aeron: config.aeron.clone() })
    }

    /// Its shared memory, which clients are given.
    #[must_use]
    pub fn aeron(&self) -> &Path {
        &self.aeron
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How it ended with its last words, if it has. Its clients are of no use then.
    pub fn has_ended(&mut self) -> Option<String> {
        match self.process.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => {
                Some(format!("the media driver {}: {}", end_of(status), self.process.last_words(LAST_LINES)))
            }
            Err(error) => Some(format!("the media driver: {error}")),
        }
    }

    /// Tells it to end, and waits for it.
    ///
    /// # Errors
    /// When its shared memory cannot be removed.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.process.end(GRACE)?;
        remove(&self.aeron)
    }
}

const LAST_LINES: usize = 12;

impl Drop for Driver {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::debug!(%error, "a media driver left something");
        }
    }
}

fn remove(aeron: &Path) -> io::Result<()> {
    match fs::remove_dir_all(aeron) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The driver that runs on a directory, if one does. Also of a member: its Java process is one.
#[must_use]
pub fn running_driver(aeron: &Path) -> Option<u32> {
    pid_of(&aeron.join("cnc.dat")).filter(|pid| is_driver(*pid, aeron))
}

/// The process that made a driver's file: `pid:i64@40`, after the lengths of its buffers and two times.
fn pid_of(cnc: &Path) -> Option<u32> {
    let mut bytes = [0; 48];
    fs::File::open(cnc).ok()?.read_exact(&mut bytes).ok()?;
    let pid = i64::from_le_bytes(bytes[40..48].try_into().expect("eight bytes"));
    u32::try_from(pid).ok()
}

/// Whether a process is the driver on a directory: process numbers are given out anew, so it must be a Java process
/// that has the file open in memory.
fn is_driver(pid: u32, aeron: &Path) -> bool {
    is_alive(pid)
        && fs::read_to_string(format!("/proc/{pid}/maps"))
            .is_ok_and(|maps| maps.contains(&*aeron.join("cnc.dat").to_string_lossy()))
}
