//! `worldlog.toml`: what a member or an edge of a cluster is told.
//!
//! Responsible for reading, checking and writing the file. Each key can also be given as a variable
//! `WORLDLOG_SECTION_KEY`, which takes the place of the file's value. `settings` lists the keys with their units,
//! defaults and what raising them costs.
//!
//! Start from [`Config::load`].

mod error;
mod read;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod write;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aeron_cluster::member::{
    Directories, Durability, IdleProfile, MemberConfig, MemberEndpoints, TimeoutPreset, ingress_endpoints,
};

use net_edge::EdgeLimits;

pub use error::ConfigError;
pub use secret::SECRET_BYTES;
pub(crate) use secret::write_once;

/// A file that was read and checked. A process uses its own section and `cluster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What all must agree on.
    pub cluster: ClusterSection,
    /// For `worldlog node` and `worldlog service`.
    pub node: Option<NodeSection>,
    /// For `worldlog edge`.
    pub edge: Option<EdgeSection>,
}

/// `[cluster]`: the same in the file of each member and edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSection {
    /// Number of the cluster.
    pub id: i32,
    /// 1, 3 or 5 of them; ids and ports are known to differ.
    pub members: Vec<MemberEndpoints>,
    /// File with the secret by which members know edges; absolute.
    pub secret_file: PathBuf,
    /// Sessions at once.
    pub sessions_max: u32,
    /// Term of the log in MiB, a power of two.
    pub log_term_mib: u32,
    /// Longest frame on the wire in bytes, a multiple of 32.
    pub mtu_bytes: u32,
}

impl ClusterSection {
    /// As the cluster client takes it: `id=host:port`, joined by commas.
    #[must_use]
    pub fn ingress_endpoints(&self) -> String {
        ingress_endpoints(&self.members)
    }
}

/// `[node]`: one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSection {
    /// Which of the members it is; known to be one of them.
    pub id: i32,
    /// Its folder; absolute.
    pub dir: PathBuf,
    /// When a command is acknowledged.
    pub durability: Durability,
    /// How soon the silent are given up.
    pub timeouts: TimeoutPreset,
    /// How threads wait.
    pub idle: IdleProfile,
    /// Heap of the Java process in MiB.
    pub heap_mib: u32,
    /// Minutes between snapshots; 0 for none by time.
    pub snapshot_every_minutes: u32,
    /// MiB of log between snapshots; 0 for none by size.
    pub snapshot_every_log_mib: u32,
}

impl NodeSection {
    /// Where the service says what it is doing.
    #[must_use]
    pub fn status_file(&self) -> PathBuf {
        self.dir.join("status.json")
    }
}

/// `[edge]`: one edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSection {
    /// What members call it in their logs.
    pub name: String,
    /// Its folder; absolute.
    pub dir: PathBuf,
    /// Where players connect.
    pub listen: SocketAddr,
    /// Where operators connect.
    pub http: SocketAddr,
    /// Name or address by which the members reach it.
    pub egress_host: String,
    /// Ports at which the members reach it, both included; known to be in order.
    pub egress_ports: (u16, u16),
    /// Key of join tokens; absolute.
    pub token_key_file: PathBuf,
    /// Key of requests over HTTP that change something; absolute.
    pub admin_key_file: PathBuf,
    /// Files of an operator's certificate chain and its key, absolute; `None`: one is made.
    pub certificate_files: Option<(PathBuf, PathBuf)>,
    /// Web pages that may connect; empty: any.
    pub web_origins: Vec<String>,
    /// Threads that move packets; 0: one for every two cores.
    pub threads: usize,
    /// Whether whoever reaches `http` is given a join token.
    pub guests: bool,
    /// What players may take.
    pub limits: EdgeLimits,
    /// How threads wait.
    pub idle: IdleProfile,
    /// Whether it opens a match at its start when none is open.
    pub open_match: bool,
    /// Entities that belong to nobody in that match.
    pub population: u32,
    /// Seed of that match.
    pub seed: u64,
}

impl EdgeSection {
    /// Where the edge says at which addresses it is reached.
    #[must_use]
    pub fn addresses_file(&self) -> PathBuf {
        self.dir.join("edge.json")
    }
}

impl Config {
    /// Reads and checks a file, with the variables of this process's environment over it.
    ///
    /// # Errors
    /// Names the key and what it should be.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let path = std::path::absolute(path).map_err(failed)?;
        let folder = path.parent().unwrap_or(&path);
        // Names and values that are no text are none of ours.
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let ours = variables.filter(|(name, _)| settings::SECTIONS.iter().any(|(section, _)| is_of(name, section)));
        let ours = ours.map(|(name, value)| (name, value.to_string_lossy().into_owned())).collect();
        Self::parse(&text, folder, &ours).map_err(|error| ConfigError::In { path: path.clone(), source: error.into() })
    }

    /// The section of a member.
    ///
    /// # Errors
    /// When the file has none.
    pub fn require_node(&self) -> Result<&NodeSection, ConfigError> {
        self.node.as_ref().ok_or(ConfigError::NoSection { section: settings::NODE })
    }

    /// The section of an edge.
    ///
    /// # Errors
    /// When the file has none.
    pub fn require_edge(&self) -> Result<&EdgeSection, ConfigError> {
        self.edge.as_ref().ok_or(ConfigError::NoSection { section: settings::EDGE })
    }

    /// What the member's processes are told.
    ///
    /// # Errors
    /// When the file has no `[node]`.
    pub fn member(&self) -> Result<MemberConfig, ConfigError> {
        let node = self.require_node()?;
        Ok(MemberConfig {
            cluster_id: self.cluster.id,
            member_id: node.id,
            members: self.cluster.members.clone(),
            directories: Directories::below(&node.dir, node.id),
            durability: node.durability,
            timeouts: node.timeouts.timeouts(),
            idle: node.idle,
            sessions_max: self.cluster.sessions_max,
            log_term_mib: self.cluster.log_term_mib,
            mtu_bytes: self.cluster.mtu_bytes,
            heap_mib: node.heap_mib,
        })
    }
}

/// Whether a variable of the environment is a key of this section.
pub(crate) fn is_of(variable: &str, section: &str) -> bool {
    let rest = variable
        .strip_prefix("WORLDLOG_")
        .and_then(|rest| rest.strip_prefix(&section.to_uppercase().replace('.', "_")));
    rest.is_some_and(|rest| rest.starts_with('_'))
}

/// Whether a variable of the environment takes the place of a key.
pub(crate) fn is_override(variable: &str) -> bool {
    settings::SECTIONS.iter().any(|(section, _)| is_of(variable, section))
}
