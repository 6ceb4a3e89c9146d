//! What a member is told before it starts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::transport::idle::IdleStrategy;

/// Everything that tells one member from another, and all of them from a cluster of somebody else.
///
/// What is marked *equal on all* must be so on every member, or they do not understand each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberConfig {
    /// Of the cluster; *equal on all*.
    pub cluster_id: i32,
    /// Which of `members` this one is.
    pub member_id: i32,
    /// All members, this one included; *equal on all*, also in order.
    pub members: Vec<MemberEndpoints>,
    /// Where its state and its shared memory are.
    pub directories: Directories,
    /// When an entry counts as kept.
    pub durability: Durability,
    /// How long to wait for whom.
    pub timeouts: Timeouts,
    /// How its threads wait for work.
    pub idle: IdleProfile,
    /// Sessions at once, those that are being opened included. Each costs the leader two publications.
    pub sessions_max: u32,
    /// Term of the log in MiB, a power of two; *equal on all* and frozen by the first start. A message may be an
    /// eighth of it, and each copy of the log in shared memory takes three.
    pub log_term_mib: u32,
    /// Frame on the wire in bytes, a multiple of 32; *equal on all* and frozen by the first start.
    pub mtu_bytes: u32,
    /// Heap of the JVM in MiB. Logs and terms are outside of it.
    pub heap_mib: u32,
}

impl MemberConfig {
    /// A member with the defaults of this crate, whose directories are below `data`.
    #[must_use]
    pub fn new(data: &Path, member_id: i32, members: Vec<MemberEndpoints>) -> Self {
        Self {
            cluster_id: 0,
            member_id,
            members,
            directories: Directories::below(data, member_id),
            durability: Durability::QuorumDisk,
            timeouts: Timeouts::fast(),
            idle: IdleProfile::Laptop,
            sessions_max: 64,
            log_term_mib: 16,
            mtu_bytes: 1408,
            heap_mib: 256,
        }
    }

    /// The endpoints of this member, if its id is one of `members`.
    #[must_use]
    pub fn own(&self) -> Option<&MemberEndpoints> {
        self.members.iter().find(|member| member.id == self.member_id)
    }

    /// How long this member stays away after a failure, while any of the [`others`](Self::others) runs: until they have
    /// noticed and elected.
    #[must_use]
    pub fn absence(&self) -> Duration {
        match self.members.len() {
            1 => Duration::ZERO,
            _ => self.timeouts.leader_heartbeat_timeout + 3 * self.timeouts.election_timeout,
        }
    }

    /// Where the other members hear each other: `host:port`.
    #[must_use]
    pub fn others(&self) -> Vec<String> {
        let others = self.members.iter().filter(|member| member.id != self.member_id);
        others.map(|member| format!("{}:{}", member.host, member.consensus_port)).collect()
    }

    /// What a client is told of the members: `id=host:port`, joined by commas.
    #[must_use]
    pub fn ingress_endpoints(&self) -> String {
        ingress_endpoints(&self.members)
    }
}

/// What a client is told of the members: `id=host:port`, joined by commas.
#[must_use]
pub fn ingress_endpoints(members: &[MemberEndpoints]) -> String {
    let of = |(id, endpoint): (i32, String)| format!("{id}={endpoint}");
    members.iter().map(|member| of(member.ingress())).collect::<Vec<_>>().join(",")
}

/// Where a member is reached. All ports are UDP and differ from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberEndpoints {
    /// Of the member; unique in the cluster, at least 0.
    pub id: i32,
    /// Name or address that all members and clients reach it by; it binds this address and no other.
    pub host: String,
    /// Messages of clients.
    pub ingress_port: u16,
    /// Votes and heartbeats of members.
    pub consensus_port: u16,
    /// The log, while somebody else leads.
    pub log_port: u16,
    /// The log's past, when the member has to catch up.
    pub catchup_port: u16,
    /// Requests to its archive.
    pub archive_port: u16,
}

impl MemberEndpoints {
    /// With five ports in a row from `first` on.
    #[must_use]
    pub fn in_a_row(id: i32, host: &str, first: u16) -> Self {
        Self {
            id,
            host: host.to_owned(),
            ingress_port: first,
            consensus_port: first + 1,
            log_port: first + 2,
            catchup_port: first + 3,
            archive_port: first + 4,
        }
    }

    /// Its id, and where it takes clients' messages, as [`ClientConfig`](crate::client::ClientConfig) wants them.
    #[must_use]
    pub fn ingress(&self) -> (i32, String) {
        (self.id, format!("{}:{}", self.host, self.ingress_port))
    }

    /// Its ports, in the order of the fields.
    #[must_use]
    pub const fn ports(&self) -> [u16; 5] {
        [self.ingress_port, self.consensus_port, self.log_port, self.catchup_port, self.archive_port]
    }
}

/// Where a member keeps what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Holds the others but `aeron`, the logs of the processes and `aeron.properties`.
    pub data: PathBuf,
    /// The log and snapshots. Losing it makes the member empty.
    pub archive: PathBuf,
    /// Which recordings are the log and the snapshots, and whom the member voted for. As precious as `archive`.
    pub cluster: PathBuf,
    /// The driver's shared memory; holds nothing that outlives a stop.
    pub aeron: PathBuf,
}

impl Directories {
    /// The usual places: state below `data`; shared memory in `/dev/shm` where there is one, under a name that no
    /// other data folder gets, as a disk would be written to for nothing.
    #[must_use]
    pub fn below(data: &Path, member_id: i32) -> Self {
        Self {
            archive: data.join("archive"),
            cluster: data.join("cluster"),
            aeron: shared_memory(data, &member_id.to_string()),
            data: data.to_owned(),
        }
    }

    /// What the JVM says.
    #[must_use]
    pub fn jvm_log(&self) -> PathBuf {
        self.data.join("logs").join("jvm.log")
    }

    /// What the service says.
    #[must_use]
    pub fn service_log(&self) -> PathBuf {
        self.data.join("logs").join("service.log")
    }

    /// What the JVM was told.
    #[must_use]
    pub fn properties(&self) -> PathBuf {
        self.data.join("aeron.properties")
    }
}

/// A directory for shared memory that belongs to `data` and `suffix` alone.
pub(super) fn shared_memory(data: &Path, suffix: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    if !memory.is_dir() {
        return data.join("aeron");
    }
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let hash = fnv1a(absolute.as_os_str().as_encoded_bytes());
    memory.join(format!("worldlog-{hash:016x}-{suffix}"))
}

/// FNV-1a: the same in each run and build, which the standard library's hashes do not promise.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// When an entry counts as kept, and may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// When most members have it in memory: it survives the loss of any minority, and of all processes, but not a
    /// power loss of all machines at once.
    QuorumMemory,
    /// When most members have forced it to disk.
    QuorumDisk,
}

impl Durability {
    /// Aeron's number for it.
    #[must_use]
    pub const fn file_sync_level(self) -> i32 {
        match self {
            Self::QuorumMemory => 0,
            Self::QuorumDisk => 1,
        }
    }
}

/// How threads wait for work, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleProfile {
    /// One driver thread and one archive thread, which sleep up to 1 ms when idle: an idle member costs a few per
    /// cent of a core, and a message waits for sleepers on its way.
    Laptop,
    /// Threads of their own for sending and receiving, which never sleep: lowest latency, and each keeps a core busy
    /// (about five for each member).
    Server,
}

/// A word that is none of those which are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is none of {known}")]
pub struct UnknownWord {
    found: String,
    known: &'static str,
}

macro_rules! words {
    ($type:ty, $known:literal, $($variant:ident = $word:literal),+) => {
        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { found: text.to_owned(), known: $known }),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(match self { $(Self::$variant => $word,)+ })
            }
        }
    };
}

words!(Durability, "quorum-memory, quorum-disk", QuorumMemory = "quorum-memory", QuorumDisk = "quorum-disk");
impl IdleProfile {
    /// How Rust processes beside such a member wait.
    #[must_use]
    pub const fn strategy(self) -> IdleStrategy {
        match self {
            Self::Laptop => IdleStrategy::Backoff,
            Self::Server => IdleStrategy::Yield,
        }
    }
}

words!(IdleProfile, "laptop, server", Laptop = "laptop", Server = "server");

/// How long a member waits for whom. Start from [`fast`](Self::fast) or [`aeron`](Self::aeron).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Without a heartbeat for so long, followers elect another leader; also how long a leader goes on without
    /// hearing from most members.
    pub leader_heartbeat_timeout: Duration,
    /// Between two heartbeats; at most a tenth of the timeout.
    pub leader_heartbeat_interval: Duration,
    /// For each step of an election.
    pub election_timeout: Duration,
    /// Between two messages of an election.
    pub election_status_interval: Duration,
    /// A start waits so long for all members; then most of them suffice. At least twice the heartbeat timeout.
    pub startup_canvass_timeout: Duration,
    /// A client that is silent for so long is gone. Above what a failover takes, or it ends all sessions.
    pub session_timeout: Duration,
    /// An orderly shutdown gives up on members that do not answer for so long.
    pub termination_timeout: Duration,
    /// A process that does not show up at the driver for so long is dead; also the longest pause of the service.
    pub client_liveness_timeout: Duration,
    /// A stream that is silent for so long is gone.
    pub image_liveness_timeout: Duration,
    /// A message that a dead process left unfinished is skipped after so long. Above the client liveness timeout.
    pub publication_unblock_timeout: Duration,
    /// A receiver that is silent for so long does not hold up the others.
    pub flow_control_receiver_timeout: Duration,
}

impl Timeouts {
    /// Ours: a dead leader is replaced in about two seconds. Machines that pause for a second (swapping, a stalled
    /// disk, an overbooked host) elect without need.
    #[must_use]
    pub const fn fast() -> Self {
        Self {
            leader_heartbeat_timeout: Duration::from_secs(1),
            leader_heartbeat_interval: Duration::from_millis(100),
            // A dead member does not answer the canvass, which then lasts this long; nominations wait for up to half of it.
            election_timeout: Duration::from_millis(300),
            election_status_interval: Duration::from_millis(30),
            startup_canvass_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(10),
            termination_timeout: Duration::from_secs(10),
            client_liveness_timeout: Duration::from_secs(2),
            image_liveness_timeout: Duration::from_secs(3),
            publication_unblock_timeout: Duration::from_secs(5),
            flow_control_receiver_timeout: Duration::from_secs(2),
        }
    }

    /// Aeron's: a dead leader is replaced in about eleven seconds.
    #[must_use]
    pub const fn aeron() -> Self {
        Self {
            leader_heartbeat_timeout: Duration::from_secs(10),
            leader_heartbeat_interval: Duration::from_millis(200),
            election_timeout: Duration::from_secs(1),
            election_status_interval: Duration::from_millis(100),
            startup_canvass_timeout: Duration::from_secs(60),
            session_timeout: Duration::from_secs(10),
            termination_timeout: Duration::from_secs(10),
            client_liveness_timeout: Duration::from_secs(10),
            image_liveness_timeout: Duration::from_secs(10),
            publication_unblock_timeout: Duration::from_secs(15),
            flow_control_receiver_timeout: Duration::from_secs(5),
        }
    }
}

/// The two sets of timeouts that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutPreset {
    /// [`Timeouts::fast`]
    Fast,
    /// [`Timeouts::aeron`]
    Aeron,
}

words!(TimeoutPreset, "fast, aeron", Fast = "fast", Aeron = "aeron");

impl TimeoutPreset {
    /// What the name stands for.
    #[must_use]
    pub const fn timeouts(self) -> Timeouts {
        match self {
            Self::Fast => Timeouts::fast(),
            Self::Aeron => Timeouts::aeron(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_of_each_member() {
        let members = vec![MemberEndpoints::in_a_row(0, "a", 9000), MemberEndpoints::in_a_row(1, "b", 9100)];
        assert_eq!(ingress_endpoints(&members), "0=a:9000,1=b:9100");
    }

    #[test]
    fn words_come_back() {
        for word in ["quorum-memory", "quorum-disk"] {
            assert_eq!(word.parse::<Durability>().map(|read| read.to_string()), Ok(word.to_owned()));
        }
        for word in ["laptop", "server"] {
            assert_eq!(word.parse::<IdleProfile>().map(|read| read.to_string()), Ok(word.to_owned()));
        }
        let unknown = "disk".parse::<Durability>().unwrap_err().to_string();
        assert_eq!(unknown, "\"disk\" is none of quorum-memory, quorum-disk");
    }

    #[test]
    fn two_data_folders_share_no_memory() {
        let (one, other) = (Directories::below(Path::new("/a"), 0), Directories::below(Path::new("/b"), 0));
        assert_ne!(one.aeron, other.aeron);
        assert_ne!(one.aeron, Directories::below(Path::new("/a"), 1).aeron);
        assert_eq!(one, Directories::below(Path::new("/a"), 0));
    }
}
