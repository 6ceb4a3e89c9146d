//! A real Java process under the supervisor: it takes what it is told, binds what it may, and comes back when it may.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

mod java;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use aeron_cluster::member::{
    Driver, DriverConfig, Java, MemberConfig, MemberEndpoints, MemberEvent, Plan, Supervisor, properties, to_file,
};

/// Longer than anything here takes; reached only when a claim is false.
const PATIENCE: Duration = Duration::from_secs(120);

struct Running {
    config: MemberConfig,
    supervisor: Supervisor,
    events: Receiver<MemberEvent>,
}

/// A member of one, on an address of its own, whose service does nothing.
fn start(folder: &tempfile::TempDir, address: &str) -> Running {
    let config = MemberConfig::new(folder.path(), 0, vec![MemberEndpoints::in_a_row(0, address, 9_000)]);
    fs::write(config.directories.properties(), to_file(&properties(&config, config.own().unwrap()))).unwrap();
    let (java, of_jvm) = (Java::find().unwrap_or_else(|error| panic!("{error}")), config.clone());
    let service = || {
        let mut command = Command::new("sleep");
        command.arg("1000");
        command
    };
    let plan = Plan {
        directories: config.directories.clone(),
        jvm: Box::new(move || java.member(&of_jvm)),
        service: Box::new(service),
        absence: config.absence(),
        others: config.others(),
    };
    let (sender, events) = channel();
    Running { config, supervisor: Supervisor::start(plan, sender).unwrap(), events }
}

impl Running {
    fn next(&self) -> MemberEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// The Java process, as soon as Aeron's own tool says that it runs.
    fn up(&self) -> u32 {
        let MemberEvent::Up { jvm_pid, .. } = self.next() else { panic!("it should be up") };
        let cluster = self.config.directories.cluster.display().to_string();
        loop {
            let output = java::run("io.aeron.cluster.ClusterTool", &[], &[&cluster, "pid"]);
            if String::from_utf8_lossy(&output.stdout).trim() == jvm_pid.to_string() {
                return jvm_pid;
            }
            if let Ok(event) = self.events.try_recv() {
                let log = fs::read_to_string(self.config.directories.jvm_log());
                panic!("it did not stay up: {event:?}\n{}", log.unwrap_or_default());
            }
        }
    }
}

/// Local addresses of a process's UDP sockets, as the system writes them: hexadecimal.
fn addresses_of(pid: u32) -> BTreeSet<String> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok()).map(|path| path.display().to_string());
    let sockets: BTreeSet<String> = targets
        .filter_map(|target| target.strip_prefix("socket:[").map(|inode| inode.trim_end_matches(']').to_owned()))
        .collect();
    let lines = ["/proc/net/udp", "/proc/net/udp6"].map(|path| fs::read_to_string(path).unwrap_or_default()).concat();
    let columns = lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let own = columns.filter(|columns| columns.get(9).is_some_and(|inode| sockets.contains(*inode)));
    own.map(|columns| columns[1].split(':').next().unwrap().to_owned()).collect()
}

#[test]
fn a_killed_java_process_comes_back_at_once_and_binds_one_address_only() {
    let folder = tempfile::tempdir().unwrap();
    let address = java::addresses(1).remove(0);
    let running = start(&folder, &address);
    let pid = running.up();
    let octets: Vec<u8> = address.split('.').map(|octet| octet.parse().unwrap()).collect();
    let hexadecimal: String = octets.iter().rev().map(|octet| format!("{octet:02X}")).collect();
    let bound = addresses_of(pid);
    assert!(!bound.is_empty() && bound.iter().all(|bound| bound.ends_with(&hexadecimal)), "{bound:?} of {address}");

    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    assert_eq!(running.next(), MemberEvent::Down { reason: "the Java process was ended by signal 9".to_owned() });
    // Its mark files, written within the last second, keep nobody out: the supervisor knows that it is dead.
    let again = running.up();
    assert_ne!(again, pid);
    running.supervisor.stop().unwrap();
    assert_eq!(
        running.events.try_iter().collect::<Vec<_>>(),
        [MemberEvent::Stopped],
        "the first start was not refused"
    );
    assert!(!running.config.directories.aeron.exists());
}

#[test]
fn after_an_orderly_stop_a_start_need_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let address = java::addresses(1).remove(0);
    for _ in 0..2 {
        let running = start(&folder, &address);
        running.up();
        running.supervisor.stop().unwrap();
        assert_eq!(running.events.try_iter().collect::<Vec<_>>(), [MemberEvent::Stopped]);
        assert!(!running.config.directories.aeron.exists());
    }
}

#[test]
fn a_driver_alone_leaves_nothing_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let config = DriverConfig::new(folder.path(), "edge");
    let java = Java::find().unwrap_or_else(|error| panic!("{error}"));
    let mut driver = Driver::start(&java, &config).unwrap();
    while !driver.aeron().join("cnc.dat").exists() {
        assert_eq!(driver.has_ended(), None);
        std::thread::yield_now();
    }
    driver.stop().unwrap();
    assert!(!config.aeron.exists());
}
