//! Stock Java programs out of the pinned jar, each in directories of its own; killed and cleaned up when dropped.
#![allow(dead_code, reason = "each test binary uses some of it")]

pub(crate) mod member;

use std::fs::File;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The pinned jar; fetched the first time. Tests that need Java fail without it, and say how to get it.
pub(crate) fn jar() -> PathBuf {
    aeron_cluster::member::Java::find().unwrap_or_else(|error| panic!("{error}")).jar
}

/// Opens what Agrona and the checksums need of Java 17.
pub(crate) const OPENS: [&str; 6] = [
    "--add-opens",
    "java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-opens",
    "java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens",
    "java.base/java.util.zip=ALL-UNNAMED",
];

/// A running program; killed when dropped.
pub(crate) struct Java {
    child: Child,
    log: PathBuf,
}

impl Java {
    /// Starts a class of the jar; its output goes into `<dir>/<name>.log`.
    pub(crate) fn start(
        dir: &Path,
        name: &str,
        class: &str,
        properties: &[(&str, String)],
        arguments: &[&str],
    ) -> Self {
        let log = dir.join(format!("{name}.log"));
        let out = File::create(&log).expect("log file");
        let err = out.try_clone().expect("log file");
        let child = command(class, properties, arguments).stdout(out).stderr(err).spawn().expect("start java");
        Self { child, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn command(class: &str, properties: &[(&str, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xms64m", "-Xmx192m", "-XX:+UseSerialGC"]).args(OPENS);
    command.args(properties.iter().map(|(name, value)| format!("-D{name}={value}")));
    command.arg("-cp").arg(jar()).arg(class).args(arguments).stdin(Stdio::null());
    command
}

/// Runs a tool of the jar to its end.
pub(crate) fn run(class: &str, properties: &[(&str, String)], arguments: &[&str]) -> Output {
    command(class, properties, arguments).output().expect("run java")
}

/// Directories of one test: data below a temporary folder, `aeron.dir`s in memory; all gone when dropped.
pub(crate) struct Dirs {
    data: tempfile::TempDir,
    memory: PathBuf,
}

impl Dirs {
    pub(crate) fn new(test: &str) -> Self {
        let data = tempfile::Builder::new().prefix(&format!("worldlog-{test}-")).tempdir().expect("temporary folder");
        let shm = Path::new("/dev/shm");
        let name = data.path().file_name().expect("a name").to_owned();
        let memory = if shm.is_dir() { shm.join(name) } else { data.path().join("memory") };
        std::fs::create_dir_all(&memory).expect("folder in memory");
        Self { data, memory }
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn aeron(&self, name: &str) -> PathBuf {
        self.memory.join(name)
    }
}

impl Drop for Dirs {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.memory);
    }
}

/// Addresses of this machine that no other test uses: Java's samples have fixed ports.
pub(crate) fn addresses(count: usize) -> Vec<String> {
    static TAKEN: AtomicUsize = AtomicUsize::new(1);
    let pid = std::process::id();
    let first = TAKEN.fetch_add(count, Ordering::Relaxed);
    (first..first + count).map(|host| format!("127.{}.{}.{host}", 1 + pid / 250 % 250, 1 + pid % 250)).collect()
}

/// UDP ports that were free a moment ago, below those that the system gives to whoever asks for any: Java's own sockets
/// with port 0 take none of them.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    const RANGE: std::ops::Range<u32> = 10_000..20_000;
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let is_free = |port: &u16| UdpSocket::bind(("127.0.0.1", *port)).is_ok();
    let mut candidates = std::iter::repeat_with(|| {
        let next = std::process::id().wrapping_mul(97) % 10_000 + TAKEN.fetch_add(1, Ordering::Relaxed) as u32;
        (RANGE.start + next % (RANGE.end - RANGE.start)) as u16
    });
    candidates.by_ref().filter(is_free).take(count).collect()
}

/// A media driver alone.
pub(crate) fn media_driver(dirs: &Dirs, name: &str) -> Java {
    let properties = driver_properties(&dirs.aeron(name));
    Java::start(dirs.data(), name, "io.aeron.driver.MediaDriver", &properties, &[])
}

pub(crate) fn driver_properties(aeron_dir: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("aeron.dir", aeron_dir.display().to_string()),
        ("aeron.dir.delete.on.start", "true".into()),
        ("aeron.dir.delete.on.shutdown", "true".into()),
        ("aeron.threading.mode", "SHARED".into()),
        ("aeron.term.buffer.sparse.file", "true".into()),
        ("aeron.term.buffer.length", "16m".into()),
        ("aeron.ipc.term.buffer.length", "16m".into()),
    ]
}
