//! Networks beside the machine's own, for whoever may make them: processes in one reach nothing but the test.

use std::process::Command;
use std::time::{Duration, Instant};

const UP_MAX: Duration = Duration::from_secs(20);

/// A network with a cable to the machine's; it is gone with this.
pub(crate) struct Namespace {
    pub(crate) name: String,
    /// Of the processes in it.
    pub(crate) address: String,
    /// Of the machine, seen from there.
    pub(crate) outer: String,
}

impl Namespace {
    /// `None` where this process may not, or `ip` is missing, with the reason on stderr. `number` tells those of a test
    /// apart.
    pub(crate) fn new(number: u8) -> Option<Self> {
        let id = std::process::id();
        let (name, cable, end) =
            (format!("worldlog-{id}-{number}"), format!("wl{id}-{number}"), format!("we{id}-{number}"));
        // Of the range for benchmarks between networks (RFC 2544): nobody is there.
        let net = format!("198.{}.{}", 18 + id / 256 % 2, id % 256);
        let host = |place: u8| format!("{net}.{}", u32::from(number) * 4 + u32::from(place));
        let (outer, address) = (host(1), host(2));
        if let Err(why) = ip(&format!("netns add {name}")) {
            eprintln!("no networks of one's own here: {why}");
            return None;
        }
        let made = Self { name: name.clone(), address: address.clone(), outer: outer.clone() };
        let steps = [
            format!("link add {cable} type veth peer name {end} netns {name}"),
            format!("addr add {outer}/30 dev {cable}"),
            format!("link set {cable} up"),
            format!("-n {name} addr add {address}/30 dev {end}"),
            format!("-n {name} link set {end} up"),
            format!("-n {name} link set lo up"),
        ];
        match steps.iter().try_for_each(|step| ip(step).map(drop)) {
            Ok(()) => {
                // The kernel looks at new cables about once a second, and drops what is sent before.
                await_up(&format!("link show dev {cable}"));
                await_up(&format!("-n {name} link show dev {end}"));
                Some(made)
            }
            Err(why) => {
                eprintln!("no networks of one's own here: {why}");
                None
            }
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(why) = ip(&format!("netns del {}", self.name)) {
            eprintln!("{why}");
        }
    }
}

/// Runs a program in a network. It is the process that is started.
pub(crate) fn command(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

fn await_up(show: &str) {
    let begun = Instant::now();
    while !ip(show).unwrap().contains("state UP") {
        assert!(begun.elapsed() < UP_MAX, "{show}: it does not come up");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ip(arguments: &str) -> Result<String, String> {
    let output = Command::new("ip").args(arguments.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("ip {arguments}: {}", said.trim()))
    }
}
