//! What the system says of a process.

use std::collections::BTreeMap;
use std::fs;

/// Linux tells user programs times in hundredths of a second, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time that a process used so far.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    seconds_in(&fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default())
}

/// The same by name of thread.
pub(crate) fn cpu_seconds_by_thread(pid: u32) -> BTreeMap<String, f64> {
    let mut by_name = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let read = |name| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        *by_name.entry(read("comm").trim().to_owned()).or_default() += seconds_in(&read("stat"));
    }
    by_name
}

/// Memory that is resident, in MiB.
pub(crate) fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0
}

/// Mean number of processes that wanted to run, over the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// The name is in brackets and may hold anything; what follows the last bracket is regular.
fn seconds_in(stat: &str) -> f64 {
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let mut fields = rest.split_whitespace().skip(11).map(|word| word.parse::<f64>().unwrap_or(0.0));
    (fields.next().unwrap_or(0.0) + fields.next().unwrap_or(0.0)) / TICKS_PER_SECOND
}
