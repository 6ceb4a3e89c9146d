//! A child process with a log, that does not outlive the thread that started it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A log that is longer is put aside before the next start, so that two of them at most take space.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What is read of a log to say why its process ended.
const TAIL_BYTES_MAX: u64 = 16 * 1024;

/// Lets this process be killed when the thread that started it ends, so that no service outlives its supervisor. For
/// a service to call first thing; a second call changes nothing.
///
/// # Errors
/// When the system does not know how, or the parent is gone already.
pub fn die_with_parent() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended just before. Whoever lost its parent is given to process 1 or a reaper; only the former shows.
    match rustix::process::getppid() {
        Some(parent) if !parent.is_init() => Ok(()),
        // Started by process 1, as in a container; or orphaned, in which case process 1 will not end before us.
        _ => Ok(()),
    }
}

/// A running child.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
    /// Where in the log this process began to write.
    log_from: u64,
}

impl Process {
    /// Starts it, with what it says appended to `log`.
    pub(super) fn spawn(command: Command, log: &Path) -> io::Result<Self> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        if fs::metadata(log).is_ok_and(|found| found.len() > LOG_BYTES_MAX) {
            fs::rename(log, log.with_extension("log.old"))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(log)?;
        let log_from = file.metadata()?.len();
        let mut command = tied(command);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self { child: command.spawn()?, log: log.to_owned(), log_from })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal. The child is reaped by this object only, so its number is still its own.
    pub(super) fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) else { return };
        if let Err(error) = kill_process(pid, signal) {
            tracing::debug!(pid = self.id(), %error, "a signal was not sent");
        }
    }

    /// Calls `ended` from a thread of its own once the process has ended; it is not reaped by that.
    pub(super) fn watch(&self, ended: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
        std::thread::Builder::new().name("member-watch".to_owned()).spawn(move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
            ended();
        })?;
        Ok(())
    }

    /// Its end, if it has ended.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends `first`, and after `grace` what cannot be refused. Returns how it ended.
    pub(super) fn end(&mut self, first: Signal, grace: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(first);
        self.wait(Instant::now() + grace)
    }

    /// Waits until `limit` for a process that was told to end, then kills it.
    pub(super) fn wait(&mut self, limit: Instant) -> io::Result<ExitStatus> {
        while Instant::now() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.signal(Signal::KILL);
        self.child.wait()
    }

    /// The last of what it said, at most so many lines.
    pub(super) fn last_words(&self, lines_max: usize) -> String {
        tail(&self.log, self.log_from, lines_max)
    }
}

/// A child that is forgotten is killed: it holds directories that its successor needs.
impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// What was written to a log from a position on: at most so many of the last lines.
fn tail(log: &Path, from: u64, lines_max: usize) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL_BYTES_MAX))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(lines_max)..].join("\n")
}

/// How a process ended, for people.
pub(super) fn end_of(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The same command, killed by the system when the thread that starts it ends. `setpriv` becomes the program, so the
/// process number is the program's. Without it the child has to see to that itself ([`die_with_parent`]).
fn tied(command: Command) -> Command {
    if !has_setpriv() {
        return command;
    }
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    tied
}

fn has_setpriv() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let arguments = ["--pdeathsig", "KILL", "--", "true"].map(OsString::from);
        let mut probe = Command::new("setpriv");
        let probe = probe.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let has = probe.status().is_ok_and(|status| status.success());
        if !has {
            tracing::warn!(
                "setpriv is missing (apt-get install util-linux): a Java process may outlive a killed supervisor"
            );
        }
        has
    })
}
