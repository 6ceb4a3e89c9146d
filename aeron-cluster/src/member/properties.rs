//! What the Java process is told, in one table: the file that it reads and the print-out at the start come from it.
//!
//! Only what differs from Aeron's defaults, or must not change with them, is told. Two things are left as they are on
//! purpose: the authenticator (Aeron's accepts anyone, and another needs Java code; edges prove themselves to the
//! service instead), and the authorisation (Aeron's denies what only operators may do; snapshots are asked for through
//! the member's own counters, which needs access to its shared memory).

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::settings::{Durability, IdleProfile, MemberConfig, MemberEndpoints};

/// One thing that a Java process of Aeron is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// As Aeron knows it.
    pub name: &'static str,
    /// As Aeron reads it.
    pub value: String,
    /// Of the value, or what kind of thing it is.
    pub unit: &'static str,
    /// Why it is told.
    pub reason: &'static str,
}

/// Length of the streams between member and client in MiB, for a message of 1 MiB and its headers: a message may be an
/// eighth of a term. Sessions cost memory only as far as they write.
const SESSION_TERM_MIB: u32 = 16;
/// Least length of an archive's files in MiB; logs are purged by whole files.
const SEGMENT_MIB_MIN: u32 = 64;
/// Disk space in MiB below which an archive takes no new recordings.
const LOW_STORAGE_MIB: u32 = 128;

/// What the member's Java process is told.
#[must_use]
pub fn properties(config: &MemberConfig, own: &MemberEndpoints) -> Vec<Property> {
    let mut table = driver(&config.directories.aeron, config.idle, config.mtu_bytes);
    table.extend(liveness(config));
    table.extend(archive(config, own));
    table.extend(members(config, own));
    table.extend(cluster_timeouts(config));
    table.extend(streams(config));
    table
}

/// What a media driver is told, whoever it serves.
pub(super) fn driver(aeron: &Path, idle: IdleProfile, mtu_bytes: u32) -> Vec<Property> {
    let mut table = vec![
        property("aeron.dir", path(aeron), "directory", "shared memory of this driver alone"),
        property("aeron.dir.delete.on.start", true, "flag", "what a killed driver left there would mislead clients"),
        property("aeron.dir.delete.on.shutdown", true, "flag", "an orderly stop leaves nothing in shared memory"),
        property("aeron.term.buffer.sparse.file", true, "flag", "memory is taken as streams are written, not before"),
        property("aeron.mtu.length", mtu_bytes, "bytes", "longest frame on the wire; frozen by the first start"),
        property(
            "aeron.ipc.term.buffer.length",
            mib(SESSION_TERM_MIB),
            "bytes",
            "snapshots go in messages of up to 2m",
        ),
    ];
    table.extend(match idle {
        IdleProfile::Laptop => vec![
            property("aeron.threading.mode", "SHARED", "mode", "one thread for the driver"),
            property(
                "aeron.shared.idle.strategy",
                BACKOFF,
                "strategy",
                "sleeps up to 1 ms when there is nothing to do",
            ),
        ],
        IdleProfile::Server => vec![
            property("aeron.threading.mode", "DEDICATED", "mode", "sending does not wait for receiving"),
            property("aeron.conductor.idle.strategy", BACKOFF, "strategy", "its work is rare and waits well"),
            property("aeron.sender.idle.strategy", YIELD, "strategy", "each message passes it: never sleeps"),
            property("aeron.receiver.idle.strategy", YIELD, "strategy", "each message passes it: never sleeps"),
        ],
    });
    table
}

/// Sleeps longer and longer, up to 1 ms.
const BACKOFF: &str = "backoff";
/// Gives the core away to whoever wants it, and never sleeps.
const YIELD: &str = "yield";

fn liveness(config: &MemberConfig) -> Vec<Property> {
    let timeouts = &config.timeouts;
    vec![
        property(
            "aeron.client.liveness.timeout",
            duration(timeouts.client_liveness_timeout),
            "time",
            "a service that died takes its member down after it; also the service's longest pause",
        ),
        property(
            "aeron.image.liveness.timeout",
            duration(timeouts.image_liveness_timeout),
            "time",
            "a stream that is silent for so long is gone",
        ),
        property(
            "aeron.publication.unblock.timeout",
            duration(timeouts.publication_unblock_timeout),
            "time",
            "skips what a dead client left unfinished; must be above the client liveness timeout",
        ),
        property(
            "aeron.flow.control.receiver.timeout",
            duration(timeouts.flow_control_receiver_timeout),
            "time",
            "a silent follower holds up the others no longer than that",
        ),
    ]
}

fn archive(config: &MemberConfig, own: &MemberEndpoints) -> Vec<Property> {
    let level = config.durability.file_sync_level();
    let reason = match config.durability {
        Durability::QuorumDisk => "quorum-disk: an entry counts once most members have forced it to disk",
        Durability::QuorumMemory => "quorum-memory: an entry counts once most members have it in memory",
    };
    let (control, any) = (endpoint(&own.host, own.archive_port), endpoint(&own.host, 0));
    let segment = mib(config.log_term_mib.max(SEGMENT_MIB_MIN));
    let mut table = vec![
        property("aeron.archive.dir", path(&config.directories.archive), "directory", "log and snapshots"),
        property("aeron.archive.file.sync.level", level, "level", reason),
        property("aeron.archive.catalog.file.sync.level", level, "level", "may not be below that of the files"),
        property("aeron.cluster.file.sync.level", level, "level", "votes and the list of recordings, as the log"),
        property(
            "aeron.archive.record.checksum",
            "CRC-32C",
            "checksum",
            "a torn end of the log is found, not believed",
        ),
        property(
            "aeron.archive.replay.checksum",
            "CRC-32C",
            "checksum",
            "damage on disk is found before it is applied",
        ),
        property("aeron.archive.segment.file.length", segment, "bytes", "files of the log; purged as a whole"),
        property(
            "aeron.archive.low.storage.space.threshold",
            mib(LOW_STORAGE_MIB),
            "bytes",
            "with less disk no new recording begins: watch the disk far earlier",
        ),
        property("aeron.archive.control.channel", control, "channel", "requests of other members"),
        property(
            "aeron.archive.local.control.channel",
            LOCAL_CONTROL,
            "channel",
            "requests of this member's processes",
        ),
        property(
            "aeron.archive.control.response.channel",
            any.clone(),
            "channel",
            "answers of other archives, any port",
        ),
        property("aeron.archive.replication.channel", any, "channel", "copies from other archives, any port"),
        property("aeron.archive.recording.events.enabled", false, "flag", "nobody listens"),
    ];
    table.extend(match config.idle {
        IdleProfile::Laptop => vec![
            property("aeron.archive.threading.mode", "SHARED", "mode", "one thread for the archive"),
            property(
                "aeron.archive.idle.strategy",
                BACKOFF,
                "strategy",
                "sleeps up to 1 ms when there is nothing to do",
            ),
        ],
        IdleProfile::Server => vec![
            property("aeron.archive.threading.mode", "DEDICATED", "mode", "a replay does not hold up the recording"),
            property("aeron.archive.idle.strategy", BACKOFF, "strategy", "its work is rare and waits well"),
            property(
                "aeron.archive.recorder.idle.strategy",
                YIELD,
                "strategy",
                "each commit waits for it: never sleeps",
            ),
            property(
                "aeron.archive.replayer.idle.strategy",
                BACKOFF,
                "strategy",
                "nobody waits for a replay's first byte",
            ),
        ],
    });
    table
}

/// As the service's archive client expects it.
const LOCAL_CONTROL: &str = "aeron:ipc?term-length=64k";

fn members(config: &MemberConfig, own: &MemberEndpoints) -> Vec<Property> {
    let all: Vec<_> = config.members.iter().map(of_member).collect();
    vec![
        property("aeron.cluster.id", config.cluster_id, "number", "equal on all members"),
        property(
            "aeron.cluster.dir",
            path(&config.directories.cluster),
            "directory",
            "votes and the list of recordings",
        ),
        property("aeron.cluster.member.id", config.member_id, "number", "which of the members this one is"),
        property("aeron.cluster.members", all.join("|"), "endpoints", "equal on all members"),
        property("aeron.cluster.ingress.channel", "aeron:udp", "channel", "gets the member's endpoint"),
        property(
            "aeron.cluster.replication.channel",
            endpoint(&own.host, 0),
            "channel",
            "snapshots of others, any port",
        ),
        property("aeron.cluster.max.sessions", config.sessions_max, "sessions", "those that are being opened included"),
        property(
            "aeron.cluster.idle.strategy",
            if config.idle == IdleProfile::Laptop { BACKOFF } else { YIELD },
            "strategy",
            "of the thread that each message passes, as the driver's",
        ),
    ]
}

fn of_member(member: &MemberEndpoints) -> String {
    let host = &member.host;
    let ports: Vec<_> = member.ports().iter().map(|port| format!("{host}:{port}")).collect();
    format!("{},{}", member.id, ports.join(","))
}

fn cluster_timeouts(config: &MemberConfig) -> Vec<Property> {
    let timeouts = &config.timeouts;
    vec![
        property(
            "aeron.cluster.leader.heartbeat.timeout",
            duration(timeouts.leader_heartbeat_timeout),
            "time",
            "without a heartbeat for so long followers elect another leader",
        ),
        property(
            "aeron.cluster.leader.heartbeat.interval",
            duration(timeouts.leader_heartbeat_interval),
            "time",
            "at most a tenth of the timeout, so that a few may be lost",
        ),
        property(
            "aeron.cluster.election.timeout",
            duration(timeouts.election_timeout),
            "time",
            "each step of an election",
        ),
        property(
            "aeron.cluster.election.status.interval",
            duration(timeouts.election_status_interval),
            "time",
            "between messages of an election",
        ),
        property(
            "aeron.cluster.startup.canvass.timeout",
            duration(timeouts.startup_canvass_timeout),
            "time",
            "a start waits so long for all members, then most suffice; at least twice the heartbeat timeout",
        ),
        property(
            "aeron.cluster.session.timeout",
            duration(timeouts.session_timeout),
            "time",
            "must outlast a failover, or it ends all sessions",
        ),
        property(
            "aeron.cluster.termination.timeout",
            duration(timeouts.termination_timeout),
            "time",
            "an orderly shutdown gives up on silent members after it; longer than a snapshot",
        ),
        // A wheel of 128 ticks of 8 ms finds what is overdue when it comes round: up to a second after a new leader's election,
        // all timers of the service would stand still.
        property(
            "aeron.cluster.timer.service.supplier",
            "io.aeron.cluster.PriorityHeapTimerServiceSupplier",
            "class",
            "overdue timers fire at once, others to the millisecond; equal on all members",
        ),
    ]
}

fn streams(config: &MemberConfig) -> Vec<Property> {
    let log = format!("aeron:udp?term-length={}", mib(config.log_term_mib));
    let egress = format!("aeron:udp?term-length={}", mib(SESSION_TERM_MIB));
    vec![
        property(
            "aeron.cluster.log.channel",
            log,
            "channel",
            "an entry may be an eighth of a term; frozen by the first start",
        ),
        property(
            "aeron.cluster.egress.channel",
            egress,
            "channel",
            "over what clients ask for, who else could have us fill our memory",
        ),
        property(
            "aeron.cluster.consensus.channel",
            "aeron:udp?term-length=1m",
            "channel",
            "votes and heartbeats are short",
        ),
        property(
            "aeron.cluster.control.channel",
            "aeron:ipc?term-length=128k",
            "channel",
            "only short acks and timers go there; as the service expects it",
        ),
    ]
}

fn property(name: &'static str, value: impl ToString, unit: &'static str, reason: &'static str) -> Property {
    Property { name, value: value.to_string(), unit, reason }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn mib(count: u32) -> String {
    format!("{count}m")
}

fn endpoint(host: &str, port: u16) -> String {
    format!("aeron:udp?endpoint={host}:{port}")
}

/// As Aeron reads lengths of time: a whole number and a unit.
fn duration(length: Duration) -> String {
    let micros = length.as_micros();
    if micros.is_multiple_of(1_000_000) {
        format!("{}s", micros / 1_000_000)
    } else if micros.is_multiple_of(1_000) {
        format!("{}ms", micros / 1_000)
    } else {
        format!("{micros}us")
    }
}

/// The table as a file of Java properties, each with its unit and reason.
#[must_use]
pub fn to_file(table: &[Property]) -> String {
    let mut text = String::from("# Written at each start from worldlog.toml; changes here are lost.\n");
    for Property { name, value, unit, reason } in table {
        let _ = writeln!(text, "\n# {unit}: {reason}\n{name}={}", escaped(value));
    }
    text
}

/// The table for people: a property a line, aligned.
#[must_use]
pub fn to_text(table: &[Property]) -> String {
    let width = |of: fn(&Property) -> usize| table.iter().map(of).max().unwrap_or_default();
    let (names, values) = (width(|property| property.name.len()), width(|property| property.value.len()).min(48));
    let line = |Property { name, value, unit, reason }: &Property| {
        format!("{name:<names$}  {value:<values$}  {unit}: {reason}\n")
    };
    table.iter().map(line).collect()
}

/// A value as Java reads it: `\` escapes, other letters than ASCII are numbers.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    for (index, unit) in value.encode_utf16().enumerate() {
        match u8::try_from(unit) {
            Ok(b'\\') => text += "\\\\",
            // Java skips blanks before a value.
            Ok(b' ') if index == 0 => text += "\\ ",
            Ok(byte @ 0x20..0x7f) => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\u{unit:04X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Timeouts;

    fn member() -> (MemberConfig, MemberEndpoints) {
        let members = (0..3).map(|id| MemberEndpoints::in_a_row(id, "10.0.0.1", 20_110 + 10 * id as u16)).collect();
        let mut config = MemberConfig::new(Path::new("/srv/member-1"), 1, members);
        config.directories.aeron = "/dev/shm/worldlog-1".into();
        let own = config.own().unwrap().clone();
        (config, own)
    }

    fn value_of(table: &[Property], name: &str) -> String {
        table.iter().find(|property| property.name == name).map(|property| property.value.clone()).unwrap()
    }

    #[test]
    fn what_a_member_is_told_is_what_was_agreed_on() {
        let (config, own) = member();
        let told = to_file(&properties(&config, &own));
        if std::env::var_os("WORLDLOG_WRITE_GOLDEN").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/member/golden.properties"), &told).unwrap();
        }
        assert_eq!(
            told,
            include_str!("golden.properties"),
            "write it anew with WORLDLOG_WRITE_GOLDEN=1 if it is meant"
        );
    }

    #[test]
    fn nothing_is_told_twice() {
        for idle in [IdleProfile::Laptop, IdleProfile::Server] {
            let (mut config, own) = member();
            config.idle = idle;
            let mut names: Vec<_> = properties(&config, &own).iter().map(|property| property.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }

    #[test]
    fn both_sets_of_timeouts_hold_what_aeron_demands() {
        for timeouts in [Timeouts::fast(), Timeouts::aeron()] {
            assert!(timeouts.startup_canvass_timeout >= 2 * timeouts.leader_heartbeat_timeout);
            assert!(timeouts.leader_heartbeat_timeout >= 10 * timeouts.leader_heartbeat_interval);
            assert!(timeouts.publication_unblock_timeout > timeouts.client_liveness_timeout);
            assert!(timeouts.session_timeout >= timeouts.leader_heartbeat_timeout);
        }
    }

    #[test]
    fn memory_durability_syncs_nothing_and_disk_durability_everything() {
        for (durability, level) in [(Durability::QuorumMemory, "0"), (Durability::QuorumDisk, "1")] {
            let (mut config, own) = member();
            config.durability = durability;
            let table = properties(&config, &own);
            for name in [
                "aeron.archive.file.sync.level",
                "aeron.archive.catalog.file.sync.level",
                "aeron.cluster.file.sync.level",
            ] {
                assert_eq!(value_of(&table, name), level, "{name}");
            }
        }
    }

    #[test]
    fn segments_hold_whole_terms() {
        let (mut config, own) = member();
        for term in [16, 64, 512] {
            config.log_term_mib = term;
            let segment = value_of(&properties(&config, &own), "aeron.archive.segment.file.length");
            let segment: u32 = segment.trim_end_matches('m').parse().unwrap();
            assert!(segment.is_multiple_of(term), "{segment} of {term}");
        }
    }

    #[test]
    fn java_reads_back_what_was_escaped() {
        assert_eq!(escaped("/a b/c"), "/a b/c");
        assert_eq!(escaped(" /a\\b"), "\\ /a\\\\b");
        assert_eq!(escaped("/tmp/ü\n"), "/tmp/\\u00FC\\u000A");
        assert_eq!(duration(Duration::from_micros(1_500)), "1500us");
        assert_eq!(duration(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(duration(Duration::from_secs(60)), "60s");
    }
}
