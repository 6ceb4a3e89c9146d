//! Where the processes of a cluster on one machine are: folders, ports, keys, files of settings.
//!
//! ```text
//! DATA/
//!   cluster.json            ports, so that a later start uses the same
//!   keys/                   cluster.secret, token.key, admin.key
//!   member-0/worldlog.toml  aeron.properties  status.json  logs/  archive/  cluster/
//!   edge-0/worldlog.toml    edge.json  logs/
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use aeron_cluster::member::{Durability, IdleProfile, MemberEndpoints, TimeoutPreset};
use net_edge::{EdgeLimits, TokenSigner};
use serde::{Deserialize, Serialize};

use crate::config::{ClusterSection, Config, EdgeSection, NodeSection};

/// The ports that a data folder has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layout {
    /// First of the five UDP ports of each member.
    members: Vec<u16>,
    edges: Vec<EdgePlace>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct EdgePlace {
    quic: SocketAddr,
    http: SocketAddr,
    /// First of [`EGRESS_PORTS`].
    egress: u16,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) nodes: usize,
    pub(super) edges: usize,
    /// Of the first edge; the others follow. Port 0 takes any that is free.
    pub(super) listen: SocketAddr,
    pub(super) http: SocketAddr,
    /// Where the search for free ports begins.
    pub(super) port: Option<u16>,
    pub(super) durability: Durability,
    pub(super) timeouts: TimeoutPreset,
    pub(super) idle: IdleProfile,
    pub(super) population: u32,
    pub(super) seed: u64,
}

/// Ports of a member.
const MEMBER_PORTS: u16 = 5;
/// Ports of an edge at which members reach it: each start takes another one.
const EGRESS_PORTS: u16 = 32;
/// Where free ports are looked for: below those that the system gives to whoever asks for any.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const HOST: &str = "127.0.0.1";
/// Frames between processes of one machine, in bytes. Loopback carries 64 KiB at once, and a message costs a system call for
/// each frame; members on a network keep the default, which fits into an Ethernet frame.
const LOOPBACK_MTU: u32 = 8_192;

/// Folders and files, ready to be started.
#[derive(Debug)]
pub(super) struct Files {
    /// `worldlog.toml` of each member, with its content.
    pub(super) members: Vec<(PathBuf, Config)>,
    /// `worldlog.toml` of each edge, with its content.
    pub(super) edges: Vec<(PathBuf, Config)>,
}

/// Makes what is not there, and writes what each process is told.
///
/// # Errors
/// As text for people.
pub(super) fn prepare(data: &Path, wanted: &Wanted) -> Result<Files, String> {
    let data = std::path::absolute(data).map_err(|error| format!("{}: {error}", data.display()))?;
    fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    let layout = place(&data, wanted)?;
    let keys = data.join("keys");
    let cluster = ClusterSection { members: layout.endpoints(), ..defaults(&keys) };
    cluster.make_secret().map_err(|error| error.to_string())?;
    TokenSigner::load_or_generate(&keys.join("token.key")).map_err(|error| error.to_string())?;
    let members = (0..wanted.nodes).map(|id| {
        let dir = data.join(format!("member-{id}"));
        let node = node(id as i32, &dir, wanted);
        write(&dir, Config { cluster: cluster.clone(), node: Some(node), edge: None })
    });
    let members = members.collect::<Result<_, _>>()?;
    let edges = layout.edges.iter().take(wanted.edges).enumerate().map(|(index, place)| {
        let dir = data.join(format!("edge-{index}"));
        let edge = edge(index, place, &dir, &keys, wanted);
        write(&dir, Config { cluster: cluster.clone(), node: None, edge: Some(edge) })
    });
    Ok(Files { members, edges: edges.collect::<Result<_, _>>()? })
}

fn defaults(keys: &Path) -> ClusterSection {
    ClusterSection {
        id: 0,
        members: Vec::new(),
        secret_file: keys.join("cluster.secret"),
        sessions_max: 64,
        log_term_mib: 16,
        mtu_bytes: LOOPBACK_MTU,
    }
}

fn node(id: i32, dir: &Path, wanted: &Wanted) -> NodeSection {
    NodeSection {
        id,
        dir: dir.to_owned(),
        durability: wanted.durability,
        timeouts: wanted.timeouts,
        idle: wanted.idle,
        heap_mib: 256,
        snapshot_every_minutes: 10,
        snapshot_every_log_mib: 256,
    }
}

fn edge(index: usize, place: &EdgePlace, dir: &Path, keys: &Path, wanted: &Wanted) -> EdgeSection {
    EdgeSection {
        certificate_files: None,
        web_origins: Vec::new(),
        threads: 0,
        // The keys of such a cluster are in its folder, for whoever is on this machine.
        guests: true,
        limits: EdgeLimits::default(),
        name: format!("edge-{index}"),
        dir: dir.to_owned(),
        listen: place.quic,
        http: place.http,
        egress_host: HOST.to_owned(),
        egress_ports: (place.egress, place.egress + EGRESS_PORTS - 1),
        token_key_file: keys.join("token.key"),
        admin_key_file: keys.join("admin.key"),
        idle: wanted.idle,
        // One of them, or each would open its own.
        open_match: index == 0,
        population: wanted.population,
        seed: wanted.seed,
    }
}

fn write(dir: &Path, config: Config) -> Result<(PathBuf, Config), String> {
    let path = dir.join("worldlog.toml");
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(dir).map_err(failed)?;
    fs::write(&path, config.to_toml()).map_err(failed)?;
    Ok((path, config))
}

/// The ports of the folder: those of before, and new ones for what is new.
fn place(data: &Path, wanted: &Wanted) -> Result<Layout, String> {
    let path = data.join("cluster.json");
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let before: Option<Layout> = match fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| failed(&error))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&error)),
    };
    if let Some(before) = before.as_ref().filter(|before| before.members.len() != wanted.nodes) {
        return Err(format!(
            "{} holds a cluster of {count} members, which stays one of {count}: give --nodes {count}, or another --data",
            data.display(),
            count = before.members.len()
        ));
    }
    let mut layout = before.unwrap_or(Layout { members: Vec::new(), edges: Vec::new() });
    let mut ports = Ports::new(data, wanted.port, &layout);
    while layout.members.len() < wanted.nodes {
        layout.members.push(ports.take(MEMBER_PORTS)?);
    }
    for index in 0..wanted.edges {
        let (quic, http) = (ports.address(wanted.listen, index)?, ports.address(wanted.http, index)?);
        match layout.edges.get_mut(index) {
            // A port that was asked for counts; one that was found stays.
            Some(edge) => {
                edge.quic = if wanted.listen.port() == 0 { edge.quic } else { quic };
                edge.http = if wanted.http.port() == 0 { edge.http } else { http };
            }
            None => layout.edges.push(EdgePlace { quic, http, egress: ports.take(EGRESS_PORTS)? }),
        }
    }
    let text = serde_json::to_vec_pretty(&layout).map_err(|error| failed(&error))?;
    snapshots::write_file(&path, &text).map_err(|error| failed(&error))?;
    Ok(layout)
}

impl Layout {
    fn endpoints(&self) -> Vec<MemberEndpoints> {
        let in_a_row = |(id, first): (usize, &u16)| MemberEndpoints::in_a_row(id as i32, HOST, *first);
        self.members.iter().enumerate().map(in_a_row).collect()
    }
}

/// Finds ports that nobody uses, and gives none twice.
struct Ports {
    next: u16,
    taken: BTreeSet<u16>,
}

impl Ports {
    /// Begins at a place that depends on the folder, so that two folders seldom want the same.
    fn new(data: &Path, first: Option<u16>, layout: &Layout) -> Self {
        let hash = data
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(5_381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(*byte));
        let somewhere = PORTS.start + (hash % u32::from(PORTS.end - PORTS.start)) as u16;
        let members = layout.members.iter().flat_map(|first| *first..first + MEMBER_PORTS);
        let edges = layout.edges.iter().flat_map(|edge| edge.egress..edge.egress + EGRESS_PORTS);
        Self { next: first.unwrap_or(somewhere), taken: members.chain(edges).collect() }
    }

    /// The first of so many in a row.
    fn take(&mut self, count: u16) -> Result<u16, String> {
        for _ in 0..PORTS.end - PORTS.start {
            let first = self.next;
            if first.checked_add(count).is_none_or(|end| end > PORTS.end.max(first.saturating_add(1))) {
                self.next = PORTS.start;
                continue;
            }
            match (first..first + count).rev().find(|port| self.taken.contains(port) || !is_free(*port)) {
                Some(used) => self.next = used + 1,
                None => {
                    self.next = first + count;
                    self.taken.extend(first..first + count);
                    return Ok(first);
                }
            }
        }
        Err(format!(
            "no {count} free UDP ports in a row from {} to {}; name a place with --port",
            PORTS.start, PORTS.end
        ))
    }

    /// The address of one of several edges.
    fn address(&mut self, first: SocketAddr, index: usize) -> Result<SocketAddr, String> {
        let port = match first.port() {
            0 => self.take(1)?,
            port => port.checked_add(index as u16).ok_or_else(|| format!("there is no port {index} after {port}"))?,
        };
        Ok(SocketAddr::new(first.ip(), port))
    }
}

fn is_free(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port);
    UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn wanted(nodes: usize, edges: usize) -> Wanted {
        Wanted {
            nodes,
            edges,
            listen: "127.0.0.1:0".parse().unwrap(),
            http: "127.0.0.1:0".parse().unwrap(),
            port: None,
            durability: Durability::QuorumDisk,
            timeouts: TimeoutPreset::Fast,
            idle: IdleProfile::Laptop,
            population: 7,
            seed: 1,
        }
    }

    #[test]
    fn each_process_is_told_of_all_members_and_of_ports_of_its_own() {
        let data = tempfile::tempdir().unwrap();
        let files = prepare(data.path(), &wanted(3, 2)).unwrap();
        let mut ports = Vec::new();
        for (path, config) in files.members.iter().chain(&files.edges) {
            let read = Config::parse(&fs::read_to_string(path).unwrap(), path.parent().unwrap(), &BTreeMap::new());
            assert_eq!(&read.unwrap(), config, "{}", path.display());
            assert_eq!(config.cluster.members, files.members[0].1.cluster.members);
            if let Some(edge) = &config.edge {
                ports.extend([edge.listen.port(), edge.http.port()]);
                ports.extend(edge.egress_ports.0..=edge.egress_ports.1);
            }
        }
        ports.extend(files.members[0].1.cluster.members.iter().flat_map(MemberEndpoints::ports));
        let count = ports.len();
        assert_eq!(ports.into_iter().collect::<BTreeSet<_>>().len(), count, "no port is given twice");
        let opened: Vec<_> = files.edges.iter().map(|(_, config)| config.edge.as_ref().unwrap().open_match).collect();
        assert_eq!(opened, [true, false], "one edge opens the match");
    }

    #[test]
    fn a_later_start_uses_the_same_ports_and_secret() {
        let data = tempfile::tempdir().unwrap();
        let first = prepare(data.path(), &wanted(3, 1)).unwrap();
        let secret = first.members[0].1.cluster.read_secret().unwrap();
        let more = prepare(data.path(), &wanted(3, 2)).unwrap();
        assert_eq!(more.members, first.members);
        assert_eq!(more.edges[0], first.edges[0]);
        assert_eq!(more.members[0].1.cluster.read_secret().unwrap(), secret);
        for key in ["cluster.secret", "token.key"] {
            let mode = fs::metadata(data.path().join("keys").join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{key} is its owner's");
        }
        let mut moved = wanted(3, 1);
        moved.listen = "127.0.0.1:4500".parse().unwrap();
        let moved = prepare(data.path(), &moved).unwrap().edges[0].1.edge.clone().unwrap();
        assert_eq!(moved.listen.port(), 4500, "what is asked for counts");
        assert_eq!(moved.http, first.edges[0].1.edge.as_ref().unwrap().http);
    }

    #[test]
    fn a_cluster_does_not_become_one_of_another_size() {
        let data = tempfile::tempdir().unwrap();
        prepare(data.path(), &wanted(1, 1)).unwrap();
        let said = prepare(data.path(), &wanted(3, 1)).unwrap_err();
        assert!(said.contains("give --nodes 1"), "{said}");
    }

    #[test]
    fn ports_that_somebody_uses_are_passed_over() {
        let data = tempfile::tempdir().unwrap();
        let empty = Layout { members: Vec::new(), edges: Vec::new() };
        let first = Ports::new(data.path(), None, &empty).take(MEMBER_PORTS).unwrap();
        let _used = UdpSocket::bind((Ipv4Addr::LOCALHOST, first + 2)).unwrap();
        let next = Ports::new(data.path(), Some(first), &empty).take(MEMBER_PORTS).unwrap();
        assert!(!(next..next + MEMBER_PORTS).contains(&(first + 2)), "{next}");
    }
}
