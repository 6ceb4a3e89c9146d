//! Claims about the one fate of two processes, with stand-ins for both.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::mark::is_alive;
use super::process::Process;
use super::settings::Directories;
use super::supervise::{MakeCommand, MemberEvent, Plan, SuperviseError, Supervisor};

/// Longer than anything here takes; reached only when a claim is false.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    folder: tempfile::TempDir,
}

struct Running {
    supervisor: Supervisor,
    events: Receiver<MemberEvent>,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn directories(&self) -> Directories {
        let data = self.folder.path();
        Directories { aeron: data.join("memory"), ..Directories::below(data, 0) }
    }

    fn plan(&self, jvm: &str, service: &str) -> Plan {
        let (jvm, service) = (self.shell(jvm), self.shell(service));
        Plan { directories: self.directories(), jvm, service, absence: Duration::ZERO, others: Vec::new() }
    }

    /// A stand-in: a script that runs in the bench's folder.
    fn shell(&self, script: &str) -> MakeCommand {
        let (script, folder) = (script.to_owned(), self.folder.path().to_owned());
        Box::new(move || {
            let mut command = Command::new("sh");
            command.arg("-c").arg(&script).current_dir(&folder);
            command
        })
    }

    fn start(&self, jvm: &str, service: &str) -> Running {
        let (sender, events) = channel();
        Running { supervisor: Supervisor::start(self.plan(jvm, service), sender).unwrap(), events }
    }
}

impl Running {
    fn next(&self) -> MemberEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    fn up(&self) -> (u32, u32) {
        match self.next() {
            MemberEvent::Up { jvm_pid, service_pid } => (jvm_pid, service_pid),
            other => panic!("it should be up: {other:?}"),
        }
    }

    fn down(&self) -> String {
        match self.next() {
            MemberEvent::Down { reason } => reason,
            other => panic!("it should be down: {other:?}"),
        }
    }
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

const LIVES: &str = "exec sleep 1000";

#[test]
fn a_dead_service_takes_the_java_process_with_it_and_both_come_back() {
    let bench = Bench::new();
    let running = bench.start(LIVES, LIVES);
    let (jvm, service) = running.up();
    kill(service);
    assert_eq!(running.down(), "the service was ended by signal 9");
    assert!(!is_alive(jvm) && !is_alive(service));
    let (new_jvm, new_service) = running.up();
    assert!(is_alive(new_jvm) && is_alive(new_service));
    assert!(new_jvm != jvm && new_service != service);
    running.supervisor.stop().unwrap();
    assert!(!is_alive(new_jvm) && !is_alive(new_service));
    assert_eq!(running.events.recv_timeout(PATIENCE), Ok(MemberEvent::Stopped));
}

#[test]
fn a_dead_java_process_takes_a_service_with_it_that_does_not_want_to() {
    let bench = Bench::new();
    let running = bench.start(LIVES, "trap '' TERM; while true; do sleep 0.1; done");
    let (jvm, service) = running.up();
    kill(jvm);
    assert_eq!(running.down(), "the Java process was ended by signal 9");
    assert!(!is_alive(jvm) && !is_alive(service));
    running.up();
    drop(running);
}

#[test]
fn a_member_stays_away_as_long_as_another_one_runs_and_no_longer() {
    let bench = Bench::new();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let others = vec![other.local_addr().unwrap().to_string()];
    let (sender, events) = channel();
    let plan = Plan { absence: Duration::from_secs(86_400), others, ..bench.plan(LIVES, LIVES) };
    let running = Running { supervisor: Supervisor::start(plan, sender).unwrap(), events };
    let (_, service) = running.up();
    kill(service);
    running.down();
    // The second question comes after what was said to the first.
    for _ in 0..2 {
        assert_eq!(other.recv(&mut [0; 8]).unwrap(), 0, "a driver has nothing to read in it");
    }
    assert!(running.events.try_recv().is_err());
    drop(other);
    running.up();
    running.supervisor.stop().unwrap();
}

#[test]
fn repeated_early_ends_are_given_up_with_the_last_words_of_both() {
    let bench = Bench::new();
    let running = bench.start("echo out of terms; exec sleep 1000", "echo the snapshot is torn >&2; exit 7");
    for _ in 0..5 {
        running.up();
        assert_eq!(running.down(), "the service ended with code 7");
    }
    let MemberEvent::GaveUp { reason } = running.next() else { panic!("it goes on") };
    assert!(reason.contains("ended with code 7, 5 times"), "{reason}");
    assert!(reason.contains("the snapshot is torn"), "{reason}");
    let ended = running.supervisor.stop().unwrap_err();
    assert!(matches!(ended, SuperviseError::GaveUp(_)), "{ended}");
}

#[test]
fn a_start_that_a_mark_file_refuses_is_tried_again_and_is_no_failure() {
    let bench = Bench::new();
    let refuses =
        "echo x >> starts; test $(wc -l < starts) -gt 6 && exec sleep 1000; echo active mark file detected; exit 1";
    let running = bench.start(refuses, LIVES);
    for _ in 0..6 {
        running.up();
        running.down();
    }
    let (jvm, _) = running.up();
    assert!(is_alive(jvm));
    running.supervisor.stop().unwrap();
}

#[test]
fn a_mark_whose_process_number_is_somebody_elses_by_now_is_waited_out() {
    let bench = Bench::new();
    let cluster = bench.directories().cluster;
    fs::create_dir_all(&cluster).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let written_ms = i64::try_from(now.as_millis()).unwrap() - 6_000;
    let mut mark = vec![0; 64];
    for (offset, half) in [(0, 128_u16), (2, 200), (4, 110), (6, 2)] {
        mark[offset..offset + 2].copy_from_slice(&half.to_le_bytes());
    }
    mark[16..24].copy_from_slice(&written_ms.to_le_bytes());
    mark[32..40].copy_from_slice(&i64::from(std::process::id()).to_le_bytes());
    fs::write(cluster.join("cluster-mark-service-0.dat"), mark).unwrap();
    let running = bench.start(LIVES, LIVES);
    running.up();
    running.supervisor.stop().unwrap();
}

#[test]
fn memory_of_a_dead_driver_is_gone_before_a_start_and_after_a_stop() {
    let bench = Bench::new();
    let memory = bench.directories().aeron;
    fs::create_dir_all(&memory).unwrap();
    fs::write(memory.join("cnc.dat"), [0xff; 64]).unwrap();
    let running = bench.start("test -e memory && exit 9; mkdir memory; touch ready; exec sleep 1000", LIVES);
    running.up();
    while !bench.folder.path().join("ready").exists() {
        assert!(!running.supervisor.has_ended());
        std::thread::yield_now();
    }
    assert!(memory.exists());
    running.supervisor.stop().unwrap();
    assert!(!memory.exists());
    assert_eq!(running.events.try_iter().collect::<Vec<_>>(), [MemberEvent::Stopped]);
}

#[test]
fn a_directory_has_one_supervisor() {
    let bench = Bench::new();
    let running = bench.start(LIVES, LIVES);
    let second = Supervisor::start(bench.plan(LIVES, LIVES), channel().0);
    assert!(matches!(second.err(), Some(SuperviseError::InUse(data)) if data == bench.folder.path()));
    running.supervisor.stop().unwrap();
    assert!(Supervisor::start(bench.plan(LIVES, LIVES), channel().0).is_ok(), "and another one after it");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let bench = Bench::new();
    let (sender, events) = channel();
    let nowhere: MakeCommand = Box::new(|| Command::new("/nowhere/java"));
    let plan = Plan { jvm: nowhere, ..bench.plan(LIVES, LIVES) };
    let running = Running { supervisor: Supervisor::start(plan, sender).unwrap(), events };
    // With `setpriv` it is a child that cannot become the program, else a start that fails.
    let said = std::iter::from_fn(|| running.events.recv_timeout(PATIENCE).ok()).find_map(|event| match event {
        MemberEvent::GaveUp { reason } => Some(reason),
        _ => None,
    });
    assert!(said.as_ref().is_some_and(|reason| reason.contains("/nowhere/java")), "{said:?}");
}

#[test]
fn a_child_ends_with_the_thread_that_started_it() {
    let setpriv = Command::new("setpriv").args(["--pdeathsig", "KILL", "--", "true"]).status();
    assert!(setpriv.is_ok_and(|status| status.success()), "this claim needs setpriv: apt-get install util-linux");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("child.log");
    let pid = std::thread::spawn(move || spawn_and_forget(&log)).join().unwrap();
    while is_alive(pid) {
        std::thread::yield_now();
    }
}

/// The number of a child that has become its program, and that nobody kills or waits for.
fn spawn_and_forget(log: &Path) -> u32 {
    let mut command = Command::new("sh");
    command.args(["-c", "echo here; exec sleep 1000"]);
    let process = Process::spawn(command, log).unwrap();
    while process.last_words(1) != "here" {
        std::thread::yield_now();
    }
    let pid = process.id();
    std::mem::forget(process);
    pid
}
