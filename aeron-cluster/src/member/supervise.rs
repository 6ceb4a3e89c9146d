//! One fate: the Java process and the service of a member live and die together.
//!
//! A service that starts anew cannot join a running consensus module, and a consensus module without its service
//! answers nobody. So whichever ends takes the other with it, and both are started again: at once when they were our
//! children, after the time that mark files demand when they were a dead supervisor's ([`mark`](super::mark)), and slower
//! each time that they end early.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use thiserror::Error;

use super::driver::running_driver;
use super::mark::{self, Guard};
use super::others::Others;
use super::process::{Process, end_of};
use super::settings::Directories;

/// What a service may take to end when it is told to, when its Java process is gone.
const SERVICE_GRACE: Duration = Duration::from_secs(2);
/// What the Java process may take to close its files when its service is gone. It closes at once, and then leaves mark
/// files that let its successor start without a wait; no longer, as it answers nobody meanwhile.
const JVM_GRACE: Duration = Duration::from_secs(1);
/// What both may take at an orderly stop.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Between two starts that a mark file refused.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// So many early ends within [`FAILURES_WITHIN`] are no accident.
const FAILURES_MAX: usize = 5;
/// See [`FAILURES_MAX`].
const FAILURES_WITHIN: Duration = Duration::from_secs(60);
/// An end after so long is not early, and the pause before the next start is the least again.
const EARLY: Duration = Duration::from_secs(10);
/// The pause after the first early end; doubled with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A live process on the member's directories is waited for so long. A killed supervisor's children end with it, but may
/// have a disk to wait for; and a process number may be somebody else's by now, as after a restart of a container: who
/// does not keep the mark alive is no owner of it.
const ALIVE_MAX: Duration = Duration::from_secs(11);
const _: () = assert!(ALIVE_MAX.as_millis() > mark::LIVENESS.as_millis(), "an old mark must have run out");
/// Between two looks at mark files that keep a start out.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Between two questions whether the others run, and how long their machines have for an answer.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// Of each log, when the supervisor gives up.
const LAST_LINES: usize = 12;

/// Makes the command of a child, once for each start.
pub type MakeCommand = Box<dyn Fn() -> Command + Send>;

/// The two processes of a member, and where.
pub struct Plan {
    /// Where state, logs and shared memory are.
    pub directories: Directories,
    /// The Java process.
    pub jvm: MakeCommand,
    /// The service.
    pub service: MakeCommand,
    /// How long a member stays away after a failure. Others notice that their leader is gone after the heartbeat timeout; one
    /// that is back before stands for election with what it remembers, and its clients' sessions are lost.
    pub absence: Duration,
    /// Where the other members hear each other: `host:port`, UDP. When none of them runs there is nobody to stay away for,
    /// and sessions are lost either way.
    pub others: Vec<String>,
}

/// What happens to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberEvent {
    /// Both processes run. They still have to find their peers.
    Up {
        /// Of the Java process.
        jvm_pid: u32,
        /// Of the service.
        service_pid: u32,
    },
    /// Both processes have ended; they are started again.
    Down {
        /// Who ended, and how.
        reason: String,
    },
    /// The next start has to wait, as mark files say that somebody may still work on the directories.
    Waiting {
        /// How long yet.
        left: Duration,
    },
    /// They ended too often, or cannot be started; nothing more happens.
    GaveUp {
        /// What was seen, with the last words of both.
        reason: String,
    },
    /// They were told to end, and did.
    Stopped,
}

/// Why a supervisor did not start, or ended.
#[derive(Debug, Error)]
pub enum SuperviseError {
    /// Another supervisor works on the directory.
    #[error("{} is in use by another `worldlog node`; stop it, or give this one another directory", .0.display())]
    InUse(PathBuf),
    /// A directory cannot be made or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// From the system.
        #[source]
        source: io::Error,
    },
    /// It gave up; see [`MemberEvent::GaveUp`].
    #[error("{0}")]
    GaveUp(String),
}

/// Keeps one member running until it is stopped or dropped.
pub struct Supervisor {
    orders: Sender<Order>,
    thread: Option<JoinHandle<Result<(), SuperviseError>>>,
}

/// What wakes the thread. Ends carry the number of the start that they are of.
enum Order {
    Stop,
    Ended { start: u64, who: Who },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Jvm,
    Service,
}

impl Supervisor {
    /// Takes the directories and starts a thread that starts the processes. What happens is told to `events`; whoever
    /// does not want to know drops the receiver.
    ///
    /// # Errors
    /// When the directories cannot be made, or belong to another supervisor.
    pub fn start(plan: Plan, events: Sender<MemberEvent>) -> Result<Self, SuperviseError> {
        let lock = lock(&plan.directories)?;
        let (orders, inbox) = channel();
        let run =
            Run { plan, events, orders: orders.clone(), inbox, start: 0, failures: Failures::default(), _lock: lock };
        // The system kills the children when the thread that started them ends, so it lives as long as they do.
        let thread = std::thread::Builder::new().name("member".to_owned()).spawn(move || run.run());
        let thread = thread.map_err(|source| SuperviseError::Io { path: "thread".into(), source })?;
        Ok(Self { orders, thread: Some(thread) })
    }

    /// Whether it has ended by itself, which is [`MemberEvent::GaveUp`].
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Tells both processes to end, kills them after ten seconds, and removes the shared memory.
    ///
    /// # Errors
    /// When it had given up before.
    pub fn stop(mut self) -> Result<(), SuperviseError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), SuperviseError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // Fails when the thread has ended, which is what is wanted.
        let _ = self.orders.send(Order::Stop);
        thread.join().unwrap_or_else(|_| Err(SuperviseError::GaveUp("the supervisor's thread panicked".to_owned())))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "a supervised member had ended");
        }
    }
}

/// Whether a supervisor works on the directories now: if its processes do not run, it is about to start them again.
#[must_use]
pub fn is_supervised(directories: &Directories) -> bool {
    let file = File::open(directories.data.join(LOCK_FILE));
    // Given back at once, as the file is closed here.
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Held by the supervisor of the directory.
const LOCK_FILE: &str = "node.lock";

fn lock(directories: &Directories) -> Result<File, SuperviseError> {
    let data = &directories.data;
    let path = data.join(LOCK_FILE);
    let failed = |source| SuperviseError::Io { path: path.clone(), source };
    fs::create_dir_all(data).map_err(failed)?;
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SuperviseError::InUse(data.clone())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The thread's state.
struct Run {
    plan: Plan,
    events: Sender<MemberEvent>,
    orders: Sender<Order>,
    inbox: Receiver<Order>,
    /// Number of the current start.
    start: u64,
    failures: Failures,
    /// Given up when the thread ends.
    _lock: File,
}

/// How a run of both processes ended.
enum End {
    /// They were told to.
    Stopped,
    /// One of them ended.
    Down { reason: String, is_refused: bool, last_words: String },
}

impl Run {
    fn run(mut self) -> Result<(), SuperviseError> {
        let ended = self.keep_up();
        let event = match &ended {
            Ok(()) => MemberEvent::Stopped,
            Err(error) => MemberEvent::GaveUp { reason: error.to_string() },
        };
        self.tell(event);
        ended
    }

    fn keep_up(&mut self) -> Result<(), SuperviseError> {
        let others = Others::of(&self.plan.others);
        loop {
            if self.is_stopped_before_free()? {
                return Ok(());
            }
            // Not before: the driver of a supervisor that was killed may be about to end.
            remove_memory(&self.plan.directories.aeron)?;
            let begun = Instant::now();
            match self.run_once()? {
                End::Stopped => return remove_memory(&self.plan.directories.aeron),
                End::Down { reason, is_refused, last_words } => {
                    tracing::info!(reason, "a member went down");
                    self.tell(MemberEvent::Down { reason: reason.clone() });
                    // At once: whoever looks for the driver must not find the file of the dead one, nor is it left behind
                    // when this was one end too many.
                    remove_memory(&self.plan.directories.aeron)?;
                    let pause = if is_refused {
                        REFUSED_PAUSE
                    } else {
                        let pause = self.failures.add(begun.elapsed(), Instant::now());
                        let many = format!("{reason}, {FAILURES_MAX} times within {FAILURES_WITHIN:?}");
                        let last = || SuperviseError::GaveUp(format!("{many}; last words:\n{last_words}"));
                        pause.ok_or_else(last)?
                    };
                    if self.is_stopped_within(pause) || (!is_refused && self.is_stopped_while_away(&others, pause)) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Waits until the mark files allow a start.
    fn is_stopped_before_free(&mut self) -> Result<bool, SuperviseError> {
        let begun = Instant::now();
        let mut is_told = false;
        loop {
            let pause = match mark::guard(&self.plan.directories) {
                Guard::Free => return Ok(false),
                Guard::Wait(left) => left,
                Guard::Alive { pid, file } if begun.elapsed() > ALIVE_MAX => {
                    return Err(SuperviseError::GaveUp(format!(
                        "process {pid} works on this member ({}); stop it first",
                        file.display()
                    )));
                }
                Guard::Alive { .. } => Duration::from_millis(100),
            };
            if !is_told && pause >= REFUSED_PAUSE {
                is_told = true;
                self.tell(MemberEvent::Waiting { left: pause });
            }
            // Looked at again now and then, as an operator may have mended something.
            if self.is_stopped_within(pause.min(LOOK_AGAIN)) {
                return Ok(true);
            }
        }
    }

    /// Waits for as long as the member is to stay away, less what it has waited, or until no other member runs.
    fn is_stopped_while_away(&self, others: &Others, waited: Duration) -> bool {
        let limit = Instant::now() + self.plan.absence.saturating_sub(waited);
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let asked = others.ask();
            if self.is_stopped_within(left.min(ASK_AGAIN)) {
                return true;
            }
            if asked.are_all_down() {
                return false;
            }
        }
    }

    fn is_stopped_within(&self, pause: Duration) -> bool {
        let limit = Instant::now() + pause;
        loop {
            match self.inbox.recv_timeout(limit.saturating_duration_since(Instant::now())) {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                // Of a start that is over.
                Ok(Order::Ended { .. }) => {}
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    fn run_once(&mut self) -> Result<End, SuperviseError> {
        self.start += 1;
        let directories = &self.plan.directories;
        // The Java process first: the service waits for its counters.
        let mut jvm = self.spawn(Who::Jvm, (self.plan.jvm)(), &directories.jvm_log())?;
        let mut service = self.spawn(Who::Service, (self.plan.service)(), &directories.service_log())?;
        self.tell(MemberEvent::Up { jvm_pid: jvm.id(), service_pid: service.id() });
        let who = loop {
            match self.inbox.recv() {
                Ok(Order::Ended { start, who }) if start == self.start => break who,
                Ok(Order::Ended { .. }) => {}
                Ok(Order::Stop) | Err(_) => {
                    stop(&mut jvm, &mut service)?;
                    return Ok(End::Stopped);
                }
            }
        };
        // Both may have ended at about the same time; the reason names the one that was seen first.
        let (first, status) = match who {
            Who::Service => {
                jvm.end(JVM_GRACE).map_err(failed_to_end)?;
                ("the service", service.try_wait())
            }
            Who::Jvm => {
                service.end(SERVICE_GRACE).map_err(failed_to_end)?;
                ("the Java process", jvm.try_wait())
            }
        };
        // Both are reaped: their marks need keep nobody out for ten seconds.
        if let Err(error) = mark::retire(&self.plan.directories, &[jvm.id(), service.id()]) {
            tracing::debug!(%error, "a mark file stays as it is; the next start waits for it");
        }
        let how = status.map_err(failed_to_end)?.map_or_else(|| "ended".to_owned(), end_of);
        let (of_jvm, of_service) = (jvm.last_words(LAST_LINES), service.last_words(LAST_LINES));
        Ok(End::Down {
            reason: format!("{first} {how}"),
            is_refused: is_refusal(&of_jvm) || is_refusal(&of_service),
            last_words: format!("Java process:\n{of_jvm}\nservice:\n{of_service}"),
        })
    }

    fn spawn(&self, who: Who, command: Command, log: &Path) -> Result<Process, SuperviseError> {
        let (start, orders) = (self.start, self.orders.clone());
        let program = PathBuf::from(command.get_program());
        let failed = |source| SuperviseError::Io { path: program.clone(), source };
        let process = Process::spawn(command, log).map_err(failed)?;
        // Fails when the supervisor has ended; nobody is interested then.
        let ended = move || drop(orders.send(Order::Ended { start, who }));
        process.watch(ended).map_err(failed)?;
        Ok(process)
    }

    fn tell(&self, event: MemberEvent) {
        // Whoever does not listen any more need not be told.
        let _ = self.events.send(event);
    }
}

fn failed_to_end(source: io::Error) -> SuperviseError {
    SuperviseError::Io { path: "ending a child".into(), source }
}

/// The service first, so that it ends as a client of a driver that still answers; both within the same grace.
fn stop(jvm: &mut Process, service: &mut Process) -> Result<(), SuperviseError> {
    let limit = Instant::now() + STOP_GRACE;
    service.signal(Signal::TERM);
    jvm.signal(Signal::TERM);
    service.wait(limit).map_err(failed_to_end)?;
    jvm.wait(limit).map_err(failed_to_end)?;
    Ok(())
}

/// As Aeron's processes say it, and ours after them.
fn is_refusal(last_words: &str) -> bool {
    last_words.to_lowercase().contains("active mark file")
}

/// Removes the shared memory of a driver that is gone. Clients would take it for a driver that does not answer.
fn remove_memory(aeron: &Path) -> Result<(), SuperviseError> {
    if let Some(pid) = running_driver(aeron) {
        return Err(SuperviseError::GaveUp(format!(
            "process {pid} runs a media driver on {}; stop it, or give this member another directory",
            aeron.display()
        )));
    }
    match fs::remove_dir_all(aeron) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(SuperviseError::Io { path: aeron.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Early ends, and what follows from them.
#[derive(Default)]
struct Failures {
    times: VecDeque<Instant>,
    /// In a row.
    early: u32,
}

impl Failures {
    /// Counts an end after `lived`. Gives the pause before the next start, or none when it is too often.
    fn add(&mut self, lived: Duration, now: Instant) -> Option<Duration> {
        if lived >= EARLY {
            self.early = 0;
            self.times.clear();
            return Some(Duration::ZERO);
        }
        self.times.push_back(now);
        while self.times.front().is_some_and(|time| now.duration_since(*time) > FAILURES_WITHIN) {
            self.times.pop_front();
        }
        let pause = (PAUSE_MIN * 2_u32.saturating_pow(self.early)).min(PAUSE_MAX);
        self.early = (self.early + 1).min(16);
        (self.times.len() < FAILURES_MAX).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_early_ends_and_shrink_after_a_long_life() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let early = Duration::from_secs(1);
        assert_eq!(failures.add(early, now), Some(PAUSE_MIN));
        assert_eq!(failures.add(early, now), Some(2 * PAUSE_MIN));
        assert_eq!(failures.add(EARLY, now), Some(Duration::ZERO));
        assert_eq!(failures.add(early, now), Some(PAUSE_MIN));
    }

    #[test]
    fn five_early_ends_within_a_minute_are_too_many_and_over_more_time_are_not() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let early = Duration::from_secs(1);
        let paused: Vec<_> = (0..5).map(|_| failures.add(early, now)).collect();
        assert!(paused[..4].iter().all(Option::is_some) && paused[4].is_none(), "{paused:?}");
        let mut failures = Failures::default();
        for round in 0..20 {
            let pause = failures.add(early, now + round * Duration::from_secs(16));
            assert!(pause.is_some_and(|pause| pause <= PAUSE_MAX), "{round}");
        }
    }

    #[test]
    fn refusals_are_known_by_their_words() {
        assert!(is_refusal("java.lang.IllegalStateException: active Mark file detected"));
        assert!(is_refusal("active mark file /d/cluster-mark-service-0.dat, written 400 ms ago"));
        assert!(!is_refusal("java.net.BindException: Address already in use"));
    }
}
