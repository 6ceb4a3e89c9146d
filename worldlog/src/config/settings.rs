//! The one list of settings: what the file, the environment, the example and the errors agree on.

use protocol::limits::{
    CONNECTIONS_CEILING, CONNECTS_PER_PREFIX_PER_SECOND_CEILING, DATAGRAMS_PER_SECOND, DATAGRAMS_PER_SECOND_CEILING,
    EDGE_THREADS_MAX, FRAMES_PER_SECOND, FRAMES_PER_SECOND_CEILING, INCOMING_MAX,
};

/// A key of `worldlog.toml`.
pub(super) struct Setting {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    /// As it would stand in the file; without one the key must be given.
    pub(super) default: Option<&'static str>,
    /// What it is, with its unit.
    pub(super) about: &'static str,
    /// What raising or changing it costs.
    pub(super) cost: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Text that may be empty.
    Optional,
    /// Relative to the folder of the file.
    Path,
    Flag,
    /// Bounds included.
    Whole(u64, u64),
    OneOf(&'static [&'static str]),
    /// Address and port; no name, as it is bound.
    Address,
}

impl Setting {
    /// The variable that takes the place of the file's value.
    pub(super) fn variable(&self) -> String {
        format!("WORLDLOG_{}_{}", self.section.to_uppercase().replace('.', "_"), self.key.to_uppercase())
    }
}

const fn setting(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    about: &'static str,
    cost: &'static str,
) -> Setting {
    Setting { section, key, kind, default, about, cost }
}

pub(super) const CLUSTER: &str = "cluster";
pub(super) const NODE: &str = "node";
pub(super) const EDGE: &str = "edge";
pub(super) const LIMITS: &str = "edge.limits";

/// Sections, in the order in which they are written, with what each is for.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    (CLUSTER, "What members and edges must agree on: the same in the file of each."),
    (NODE, "This member; for `worldlog node`."),
    (EDGE, "This edge; for `worldlog edge`."),
    (LIMITS, "What players may take of this edge. A network is a /24 of IPv4 or a /56 of IPv6."),
];

const I32_MAX: u64 = i32::MAX as u64;

pub(super) const SETTINGS: &[Setting] = &[
    setting(
        CLUSTER,
        "id",
        Kind::Whole(0, I32_MAX),
        Some("0"),
        "Number of the cluster.",
        "Costs nothing; members of another number are not heard.",
    ),
    setting(
        CLUSTER,
        "secret_file",
        Kind::Path,
        Some("\"keys/cluster.secret\""),
        "File with the secret by which members know edges; readable by its owner alone.",
        "Whoever reads it can speak for any player.",
    ),
    setting(
        CLUSTER,
        "sessions_max",
        Kind::Whole(2, 1024),
        Some("64"),
        "Edges and tools that are connected at once, those that are just connecting included.",
        "Each costs the leader two streams in shared memory.",
    ),
    setting(
        CLUSTER,
        "log_term_mib",
        Kind::Whole(16, 1024),
        Some("16"),
        "Term of the log in MiB, a power of two; frozen by the first start. A message may be an eighth of it.",
        "A member holds up to three terms in shared memory, for its own log and while it catches up for another.",
    ),
    setting(
        CLUSTER,
        "mtu_bytes",
        Kind::Whole(512, 65_504),
        Some("1408"),
        "Longest frame on the wire in bytes, a multiple of 32; frozen by the first start.",
        "Above what the network carries whole (its MTU less 28), one lost packet costs all of a frame.",
    ),
    setting(
        NODE,
        "id",
        Kind::Whole(0, I32_MAX),
        None,
        "Which of the members this one is.",
        "Never give the directory of one member to another.",
    ),
    setting(
        NODE,
        "dir",
        Kind::Path,
        Some("\".\""),
        "Folder of its log, snapshots, logs of its processes and status.json; made when it is not there.",
        "It holds the log: on a full disk the member stops.",
    ),
    setting(
        NODE,
        "durability",
        Kind::OneOf(&["quorum-disk", "quorum-memory"]),
        Some("\"quorum-disk\""),
        "When a command is acknowledged: once most members have forced it to disk, or once most have it in memory.",
        "quorum-disk waits for a disk; quorum-memory loses what was acknowledged when all machines lose power at once.",
    ),
    setting(
        NODE,
        "timeouts",
        Kind::OneOf(&["fast", "aeron"]),
        Some("\"fast\""),
        "How soon the silent are given up: fast replaces a dead leader in about 2 s, aeron in about 11 s.",
        "fast elects without need on machines that pause for a second.",
    ),
    setting(
        NODE,
        "idle",
        Kind::OneOf(&["laptop", "server"]),
        Some("\"laptop\""),
        "How threads wait: laptop sleeps up to 1 ms, server never sleeps.",
        "server keeps about five cores busy, whatever the load.",
    ),
    setting(
        NODE,
        "heap_mib",
        Kind::Whole(64, 65_536),
        Some("256"),
        "Heap of the Java process in MiB; the log is outside of it.",
        "Memory; a member does not need more of it with more players.",
    ),
    setting(
        NODE,
        "snapshot_every_minutes",
        Kind::Whole(0, 60 * 24),
        Some("10"),
        "Minutes between snapshots that the leader asks for; 0 for none by time.",
        "Longer makes a start slower, as more of the log is run again.",
    ),
    setting(
        NODE,
        "snapshot_every_log_mib",
        Kind::Whole(0, 1024 * 1024),
        Some("256"),
        "MiB of log between snapshots; 0 for none by size.",
        "More makes a start slower, as more of the log is run again.",
    ),
    setting(
        EDGE,
        "name",
        Kind::Text,
        Some("\"edge\""),
        "What members call it in their logs.",
        "Costs nothing; two edges of one name are hard to tell apart.",
    ),
    setting(
        EDGE,
        "dir",
        Kind::Path,
        Some("\".\""),
        "Folder of its certificate, logs and edge.json; made when it is not there.",
        "Holds nothing that matters but the certificate.",
    ),
    setting(
        EDGE,
        "listen",
        Kind::Address,
        Some("\"127.0.0.1:4433\""),
        "Where players connect, UDP; port 0 takes any.",
        "Another address than that of this machine opens it to the world.",
    ),
    setting(
        EDGE,
        "http",
        Kind::Address,
        Some("\"127.0.0.1:7777\""),
        "Where operators connect, TCP; port 0 takes any.",
        "Status and figures are open to whoever reaches it.",
    ),
    setting(
        EDGE,
        "egress_host",
        Kind::Text,
        Some("\"127.0.0.1\""),
        "Name or address by which the members reach this edge.",
        "127.0.0.1 serves one machine only.",
    ),
    setting(
        EDGE,
        "egress_port_min",
        Kind::Whole(1, 65_535),
        Some("20400"),
        "First UDP port at which members reach it. Each start takes another one, so that it does not hear its past.",
        "Open the range to members and to nobody else.",
    ),
    setting(
        EDGE,
        "egress_port_max",
        Kind::Whole(1, 65_535),
        Some("20499"),
        "Last UDP port at which members reach it.",
        "Open the range to members and to nobody else.",
    ),
    setting(
        EDGE,
        "token_key_file",
        Kind::Path,
        Some("\"keys/token.key\""),
        "Key by which join tokens are checked, and signed on a development machine.",
        "Whoever reads it can join as anyone.",
    ),
    setting(
        EDGE,
        "admin_key_file",
        Kind::Path,
        Some("\"keys/admin.key\""),
        "Key that a request over HTTP must show to change something.",
        "Whoever reads it can open and close matches.",
    ),
    setting(
        EDGE,
        "certificate_file",
        Kind::Optional,
        Some("\"\""),
        "Certificate chain, PEM; empty: one for this machine is made, and made anew every nine days.",
        "Players of an edge without one must be told its hash. What replaces the file is in force within 10 s.",
    ),
    setting(
        EDGE,
        "certificate_key_file",
        Kind::Optional,
        Some("\"\""),
        "Its key, PEM; may be the same file. Empty together with certificate_file.",
        "Whoever reads it can stand in for this edge.",
    ),
    setting(
        EDGE,
        "threads",
        Kind::Whole(0, EDGE_THREADS_MAX as u64),
        Some("0"),
        "Threads that move packets; 0: one for every two cores.",
        "A second one makes each packet dearer, as it is handed from thread to thread; it pays when one is always busy.",
    ),
    setting(
        EDGE,
        "web_origins",
        Kind::Optional,
        Some("\"\""),
        "Web pages that may connect, as https://game.example, with commas between; empty: any.",
        "Costs nothing. Players need a token either way.",
    ),
    setting(
        EDGE,
        "guests",
        Kind::Flag,
        Some("false"),
        "Whether whoever reaches the HTTP address is given a join token, as the page at /play asks for one.",
        "Anybody there can join as anyone, and take places.",
    ),
    setting(
        EDGE,
        "idle",
        Kind::OneOf(&["laptop", "server"]),
        Some("\"laptop\""),
        "How threads wait: laptop sleeps up to 1 ms, server never sleeps.",
        "server keeps about four cores busy, whatever the load.",
    ),
    setting(
        EDGE,
        "open_match",
        Kind::Flag,
        Some("false"),
        "Whether it opens a match at its start when none is open.",
        "Costs a match.",
    ),
    setting(
        EDGE,
        "population",
        Kind::Whole(0, 1_000_000),
        Some("0"),
        "Entities that belong to nobody in that match.",
        "Time of each tick, and bytes to each player.",
    ),
    setting(EDGE, "seed", Kind::Whole(0, i64::MAX as u64), Some("1"), "Seed of that match.", "Costs nothing."),
    setting(
        LIMITS,
        "connections",
        Kind::Whole(1, CONNECTIONS_CEILING as u64),
        Some("8192"),
        "Live connections.",
        "Memory: up to 750 KB for each who takes nothing of what is sent.",
    ),
    setting(
        LIMITS,
        "connections_per_network",
        Kind::Whole(1, CONNECTIONS_CEILING as u64),
        Some("1024"),
        "Live connections from one network.",
        "One network can take so many of the places. Raise it for players behind one address, and for load tests.",
    ),
    setting(
        LIMITS,
        "connects_per_network_per_second",
        Kind::Whole(1, CONNECTS_PER_PREFIX_PER_SECOND_CEILING as u64),
        Some("100"),
        "New connections a second from one network, in the long run.",
        "Processor time: each is a signature and an exchange of keys.",
    ),
    setting(
        LIMITS,
        "connects_per_network_at_once",
        Kind::Whole(1, CONNECTIONS_CEILING as u64),
        Some("512"),
        "New connections from one network at once.",
        "As much processor time, in one piece: ticks of all players wait for it.",
    ),
    setting(
        LIMITS,
        "handshakes_before_retry",
        Kind::Whole(0, INCOMING_MAX as u64),
        Some("256"),
        "Handshakes under way from which on addresses must be shown to be real first; 0: always.",
        "Forged addresses can hold so many handshakes, each for 3 s. Lowering it costs players who come a round trip.",
    ),
    setting(
        LIMITS,
        "frames_per_second",
        Kind::Whole(FRAMES_PER_SECOND as u64, FRAMES_PER_SECOND_CEILING as u64),
        Some("120"),
        "Frames a second from one player in the long run, and twice as many at once; each holds up to 32 commands.",
        "Processor time of the edge and of the leader. Clients keep to 120 whatever is set here.",
    ),
    setting(
        LIMITS,
        "datagrams_per_second",
        Kind::Whole(DATAGRAMS_PER_SECOND as u64, DATAGRAMS_PER_SECOND_CEILING as u64),
        Some("240"),
        "Datagrams a second from one player in the long run, and twice as many at once.",
        "Processor time of the edge.",
    ),
];

/// Keys of a member in `[[cluster.members]]`: its name and what it is.
pub(super) const MEMBER_KEYS: &[(&str, &str)] = &[
    ("id", "Number, unique in the cluster."),
    ("host", "Name or address by which members and edges reach it; it binds this address and no other."),
    ("ingress_port", "UDP: messages of edges."),
    ("consensus_port", "UDP: votes and heartbeats of members."),
    ("log_port", "UDP: the log of another leader."),
    ("catchup_port", "UDP: the log's past, when the member has been away."),
    ("archive_port", "UDP: requests of other members to its archive."),
];

/// Takes the place of all of `[[cluster.members]]`: for each member the values of [`MEMBER_KEYS`] in their order,
/// joined by commas; members joined by `|`.
pub(super) const MEMBERS_VARIABLE: &str = "WORLDLOG_CLUSTER_MEMBERS";
