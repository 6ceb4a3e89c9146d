//! Members of a cluster on this machine, as an operator names them: by the folder of one, or the folder of them all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aeron_cluster::archive::{ArchiveConfig, RecordChecksum};
use aeron_cluster::member::{MemberConfig, is_supervised, running_driver};
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use cluster_service::MemberFiles;
use serde_json::Value;

use super::Failure;
use crate::config::Config;

/// The members of a folder, in order of their ids.
pub(super) struct Members {
    folder: PathBuf,
    members: Vec<Member>,
    /// Whether the folder is that of a cluster.
    is_cluster: bool,
}

/// One member.
pub(super) struct Member {
    pub(super) config: MemberConfig,
    folder: PathBuf,
    status_file: PathBuf,
}

/// Whether a member's processes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its driver lives.
    Running,
    /// They ended, and their supervisor is about to start them again.
    Restarting,
    /// Nobody works on its files.
    Stopped,
}

/// The file in each folder of a process.
const SETTINGS: &str = "worldlog.toml";
/// How long a driver that lives may take to take a client.
const CONNECT_MAX: Duration = Duration::from_secs(5);

impl Standing {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
        }
    }
}

impl Members {
    /// Reads the settings of a member's folder, or of each member's below the folder of a cluster.
    pub(super) fn below(folder: &Path) -> Result<Self, Failure> {
        if folder.join(SETTINGS).is_file() {
            // As `worldlog node` reads it: variables count.
            let config = Config::load(&folder.join(SETTINGS)).map_err(|error| Failure::Failed(error.to_string()))?;
            let member = Member::of(folder, &config)?.ok_or_else(|| {
                Failure::Failed(format!("{}: the folder of an edge; name that of a member", folder.display()))
            })?;
            return Ok(Self { folder: folder.to_owned(), members: vec![member], is_cluster: false });
        }
        let mut members = Vec::new();
        for (path, config) in configs_below(folder)? {
            members.extend(Member::of(&path, &config)?);
        }
        if members.is_empty() {
            return Err(Failure::Failed(format!(
                "{}: no {SETTINGS} of a member there or in a folder below; name the folder of a member, or the data \
                 folder of `worldlog cluster`",
                folder.display()
            )));
        }
        members.sort_by_key(|member| member.config.member_id);
        Ok(Self { folder: folder.to_owned(), members, is_cluster: true })
    }

    pub(super) fn all(&self) -> &[Member] {
        &self.members
    }

    /// The folder, when it is that of a whole cluster.
    pub(super) fn cluster_folder(&self) -> Option<&Path> {
        self.is_cluster.then_some(self.folder.as_path())
    }

    /// Who leads, among those that run.
    pub(super) fn leader(&self) -> Option<&Member> {
        let leading = self.members.iter().filter_map(|member| {
            let said = member.says()?;
            (said["role"] == "leader").then(|| (said["term"].as_i64().unwrap_or_default(), member))
        });
        // Of two that think they lead, the one of the earlier term was not told yet.
        leading.max_by_key(|(term, _)| *term).map(|(_, member)| member)
    }

    /// The member that is asked for what only a leader does: the one that was named, or who leads.
    pub(super) fn require_leader(&self) -> Result<&Member, Failure> {
        if !self.is_cluster {
            let member = &self.members[0];
            member.require_running()?;
            return Ok(member);
        }
        self.leader().ok_or_else(|| {
            let standings: Vec<_> = self
                .members
                .iter()
                .map(|member| format!("member {} {}", member.config.member_id, member.standing().word()))
                .collect();
            Failure::Failed(format!(
                "no member of {} leads now ({}); wait for an election, or start the cluster",
                self.folder.display(),
                standings.join(", ")
            ))
        })
    }

    /// The member whose log is read: the one that was named; else one that runs, but leads nobody if that can be, as
    /// reading takes processor time; else who came farthest.
    pub(super) fn reader(&self) -> &Member {
        let leader = self.leader().map(|member| member.config.member_id);
        let worth = |member: &&Member| {
            let position = member.said().and_then(|said| said["position"].as_i64());
            let is_running = member.standing() == Standing::Running;
            (is_running, is_running && Some(member.config.member_id) != leader, position)
        };
        self.members.iter().max_by_key(worth).expect("there is at least one")
    }

    /// The member that knows what is going on: who leads, or one that runs, or who came farthest.
    pub(super) fn informed(&self) -> &Member {
        self.leader().unwrap_or_else(|| self.reader())
    }
}

impl Member {
    /// `None` when the settings are of something else.
    fn of(folder: &Path, config: &Config) -> Result<Option<Self>, Failure> {
        let Some(node) = &config.node else { return Ok(None) };
        let status_file = node.status_file();
        let config = config.member().map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(Some(Self { config, folder: folder.to_owned(), status_file }))
    }

    pub(super) fn standing(&self) -> Standing {
        if running_driver(&self.config.directories.aeron).is_some() {
            return Standing::Running;
        }
        if is_supervised(&self.config.directories) { Standing::Restarting } else { Standing::Stopped }
    }

    /// What its service said last, maybe before it ended.
    pub(super) fn said(&self) -> Option<Value> {
        serde_json::from_slice(&std::fs::read(&self.status_file).ok()?).ok()
    }

    /// What its service says, while the member runs.
    pub(super) fn says(&self) -> Option<Value> {
        self.said().filter(|_| self.standing() == Standing::Running)
    }

    /// Its files, which nobody writes.
    pub(super) fn files(&self) -> MemberFiles {
        let directories = &self.config.directories;
        // As `aeron_cluster::member::properties` tells each member.
        let checksum = RecordChecksum::Crc32c;
        MemberFiles { archive: directories.archive.clone(), cluster: directories.cluster.clone(), checksum }
    }

    /// The folder by which people know it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn require_running(&self) -> Result<(), Failure> {
        let what = match self.standing() {
            Standing::Running => return Ok(()),
            Standing::Restarting => "is just being started again; try again in a moment",
            Standing::Stopped => "does not run; start it with `worldlog node`, or its cluster with `worldlog cluster`",
        };
        Err(Failure::Failed(format!("member {} in {} {what}", self.config.member_id, self.folder.display())))
    }

    /// Becomes a client of its driver.
    pub(super) fn connect(&self) -> Result<AeronTransport, Failure> {
        self.require_running()?;
        let config = AeronConfig { connect_limit: CONNECT_MAX, ..AeronConfig::new(&self.config.directories.aeron) };
        AeronTransport::connect(&config).map_err(|error| Failure::Failed(error.to_string()))
    }

    /// How its archive is asked from the same driver.
    pub(super) fn archive(&self) -> ArchiveConfig {
        ArchiveConfig { client_info: "worldlog operator".to_owned(), ..ArchiveConfig::default() }
    }
}

/// The settings in the folders right below one, with those folders.
pub(super) fn configs_below(folder: &Path) -> Result<Vec<(PathBuf, Config)>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| failed(&error))? {
        let below = entry.map_err(|error| failed(&error))?.path();
        let file = below.join(SETTINGS);
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let absolute = std::path::absolute(&below).map_err(|error| failed(&error))?;
        // A variable for one process is none for all of them.
        let config = Config::parse(&text, &absolute, &BTreeMap::new())
            .map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))?;
        found.push((below, config));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "[[cluster.members]]\nid = 0\nhost = \"127.0.0.1\"\ningress_port = 20001\n\
        consensus_port = 20002\nlog_port = 20003\ncatchup_port = 20004\narchive_port = 20005\n\
        [[cluster.members]]\nid = 1\nhost = \"127.0.0.1\"\ningress_port = 20011\n\
        consensus_port = 20012\nlog_port = 20013\ncatchup_port = 20014\narchive_port = 20015\n\
        [[cluster.members]]\nid = 2\nhost = \"127.0.0.1\"\ningress_port = 20021\n\
        consensus_port = 20022\nlog_port = 20023\ncatchup_port = 20024\narchive_port = 20025\n";

    fn cluster() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, section) in
            [("a", "[node]\nid = 2\n"), ("b", "[node]\nid = 0\n"), ("edge", "[edge]\nname = \"e\"\n")]
        {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join(SETTINGS), format!("{section}{CLUSTER}")).unwrap();
        }
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        folder
    }

    fn failure(failed: Result<impl Sized, Failure>) -> String {
        match failed {
            Err(Failure::Failed(text)) => text,
            _ => panic!("it did not fail"),
        }
    }

    #[test]
    fn the_members_of_a_cluster_are_found_below_its_folder() {
        let folder = cluster();
        let members = Members::below(folder.path()).unwrap_or_else(|_| panic!("two members"));
        let ids: Vec<_> = members.all().iter().map(|member| member.config.member_id).collect();
        assert_eq!(ids, [0, 2]);
        assert!(members.all().iter().all(|member| member.standing() == Standing::Stopped));
        assert!(failure(members.require_leader()).contains("member 0 stopped, member 2 stopped"));
        std::fs::write(folder.path().join("a/status.json"), r#"{"role":"leader","position":7}"#).unwrap();
        assert_eq!(members.reader().config.member_id, 2, "what came farthest is read");
        assert!(members.leader().is_none(), "who does not run leads nobody");
    }

    #[test]
    fn one_member_is_named_by_its_own_folder_and_an_edge_is_none() {
        let folder = cluster();
        let members = Members::below(&folder.path().join("b")).unwrap_or_else(|_| panic!("one member"));
        assert_eq!(members.all().len(), 1);
        assert!(failure(members.require_leader()).contains("member 0"));
        assert!(failure(Members::below(&folder.path().join("edge"))).contains("name that of a member"));
        assert!(failure(Members::below(&folder.path().join("keys"))).contains("data folder of `worldlog cluster`"));
    }
}
