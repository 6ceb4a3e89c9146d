//! A child process with a log, that does not outlive the thread that started it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
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
/// a service to call first thing, where its supervisor may not have seen to it; a second call changes nothing.
///
/// # Errors
/// When the system does not know how.
pub fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// A running child. Killed when dropped, and (where `setpriv` is there) when the thread that started it ends.
pub struct Process {
    child: Child,
    log: PathBuf,
    /// Where in the log this process began to write.
    log_from: u64,
}

impl Process {
    /// Starts it, with what it says appended to `log`. It gets a group of its own, so that Ctrl-C in a terminal reaches
    /// its supervisor alone.
    ///
    /// # Errors
    /// When the log cannot be written or the program not be run.
    pub fn spawn(command: Command, log: &Path) -> io::Result<Self> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        if fs::metadata(log).is_ok_and(|found| found.len() > LOG_BYTES_MAX) {
            fs::rename(log, log.with_extension("log.old"))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(log)?;
        let log_from = file.metadata()?.len();
        let mut command = tied(command);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        Ok(Self { child: command.spawn()?, log: log.to_owned(), log_from })
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
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
    ///
    /// # Errors
    /// When the system does not say.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Tells it to end (TERM), and kills it after `grace`. Returns how it ended.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn end(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(Signal::TERM);
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
    #[must_use]
    pub fn last_words(&self, lines_max: usize) -> String {
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
#[must_use]
pub fn end_of(status: ExitStatus) -> String {
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
