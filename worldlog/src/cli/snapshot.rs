//! `worldlog snapshot list | verify | take`

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aeron_cluster::archive::{ArchiveDir, RecordingLog, SnapshotGroup};
use aeron_cluster::toggle::{ControlRequest, ControlToggle, ToggleError};
use aeron_cluster::transport::{Transport, TransportError};
use clap::Subcommand;
use ecs_state::Game;
use hyper::Method;
use serde_json::{Value, json};

use super::members::{Member, Members};
use super::office::{Source, Where, existing};
use super::{Answer, Done, Failure, live, table};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The snapshots of a data folder, or of members of a cluster
    List {
        #[command(flatten)]
        source: Source,
    },
    /// Restore a snapshot in memory and check that each match comes to its hash again
    Verify {
        /// The file (.wls)
        file: PathBuf,
    },
    /// Take a snapshot in a running process, or in all members of a running cluster
    Take {
        #[command(flatten)]
        at: Where,
    },
}

pub(super) fn run<G: Game>(verb: Verb, answer: Answer) -> Done {
    match verb {
        Verb::List { source } => match source.members()? {
            Some(members) => list_of_members(&members, answer),
            None => list(&source, answer),
        },
        Verb::Verify { file } => {
            let verified = cluster_service::verify_snapshot::<G>(&file).map_err(Failure::Failed)?;
            answer.give(&verified, || {
                table(&[
                    ("file", verified.path.display().to_string()),
                    ("game", format!("{} rules {}", verified.game, verified.rules_version)),
                    ("position", verified.position.to_string()),
                    ("matches", format!("{}, each came to its hash again", verified.matches)),
                    ("sessions", verified.sessions.to_string()),
                ])
            });
            Ok(())
        }
        Verb::Take { at } => match at.source.members()? {
            Some(members) => take(members.require_leader()?, answer),
            None => {
                let taken = at.require()?.change(Method::POST, "/snapshots", None)?;
                answer.give(&taken, || taken["path"].as_str().unwrap_or_default().to_owned());
                Ok(())
            }
        },
    }
}

fn list(source: &Source, answer: Answer) -> Done {
    let found =
        cluster_service::list_snapshots(existing(&source.data)?).map_err(|error| Failure::Failed(error.to_string()))?;
    answer.give(&json!({ "snapshots": found }), || {
        let mut text = format!("{:>20} {:>10}  file\n", "position", "size");
        for info in &found {
            let size = live::bytes(info.bytes as f64);
            text += &format!("{:>20} {size:>10}  {}\n", info.position, info.path.display());
        }
        text
    });
    Ok(())
}

// ---- members of a cluster -----------------------------------------------------------------------------

/// How long all members may take for a snapshot. Players wait meanwhile, so one that takes longer is a fault.
const TAKE_MAX: Duration = Duration::from_secs(300);
/// How long a length may be missing. The module is done when the recording is as far as the snapshot; its archive
/// writes where the recording stopped into the catalog after that, when it has heard that the publication is gone.
const LENGTH_MAX: Duration = Duration::from_secs(5);
const LENGTH_POLL: Duration = Duration::from_millis(5);
/// Between two words about a snapshot that is being taken.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Asks the leader's consensus module, and waits.
fn take(leader: &Member, answer: Answer) -> Done {
    let mut transport = leader.connect()?;
    let before = newest(leader)?.map_or(-1, |snapshot| snapshot.log_position);
    let cluster_id = leader.config.cluster_id;
    let begun = Instant::now();
    let toggle = ControlToggle::find(transport.counters(), cluster_id).map_err(|error| refused(leader, &error))?;
    toggle.request(transport.counters(), ControlRequest::Snapshot).map_err(|error| refused(leader, &error))?;
    wait(&toggle, &mut transport, begun, answer).map_err(|error| refused(leader, &error))?;
    // Its index has the snapshot before the module says that it is done; one that failed is not in it.
    let taken = newest(leader)?.filter(|snapshot| snapshot.log_position > before);
    let taken = taken.ok_or_else(|| refused(leader, &ToggleError::SnapshotFailed))?;
    let seconds = begun.elapsed().as_secs_f64();
    let (member, position, term) = (leader.config.member_id, taken.log_position, taken.leadership_term_id);
    let object = json!({
        "member": member,
        "position": position,
        "term": term,
        "seconds": seconds,
        "recordings": taken.recording_ids,
        "bytes": bytes_when_known(leader, &taken),
    });
    answer.give(&object, || {
        format!(
            "snapshot at position {position} of term {term}, {} in {seconds:.2} s (on member {member}, which leads; the \
             others may take a moment longer)",
            size(&object["bytes"])
        )
    });
    Ok(())
}

/// Waits until the cluster is done with it, and says every now and then that it is not.
fn wait(
    toggle: &ControlToggle,
    transport: &mut dyn Transport,
    begun: Instant,
    answer: Answer,
) -> Result<(), ToggleError> {
    loop {
        match toggle.await_neutral(transport, PROGRESS_EVERY) {
            Err(ToggleError::Transport(TransportError::Timeout { .. })) if begun.elapsed() < TAKE_MAX => {
                if !answer.json || std::io::stderr().is_terminal() {
                    eprintln!("worldlog: the members are taking a snapshot, {:.0} s", begun.elapsed().as_secs_f64());
                }
            }
            ended => return ended,
        }
    }
}

fn refused(member: &Member, error: &ToggleError) -> Failure {
    let id = member.config.member_id;
    let hint = match error {
        ToggleError::NotLeader => ": the folder of the whole cluster finds who leads",
        ToggleError::NoModule { .. } => "; it may be starting yet, or its folder be of another cluster",
        ToggleError::Transport(TransportError::Timeout { .. }) => "; see logs/ in the members' folders",
        _ => "",
    };
    Failure::Failed(format!("member {id} in {}: {error}{hint}", member.folder().display()))
}

fn newest(member: &Member) -> Result<Option<SnapshotGroup>, Failure> {
    Ok(index_of(member)?.latest_snapshot(cluster_service::SERVICE_COUNT))
}

fn index_of(member: &Member) -> Result<RecordingLog, Failure> {
    let read = RecordingLog::read(&member.config.directories.cluster);
    read.map_err(|error| Failure::Failed(format!("member {}: {error}", member.config.member_id)))
}

/// As [`bytes_of`], for a snapshot that was taken just now.
fn bytes_when_known(member: &Member, snapshot: &SnapshotGroup) -> Option<i64> {
    let begun = Instant::now();
    loop {
        let found = bytes_of(member, snapshot);
        if found.is_some() || begun.elapsed() > LENGTH_MAX {
            return found;
        }
        std::thread::sleep(LENGTH_POLL);
    }
}

/// Length of both parts of a snapshot, if the archive's catalog says so.
fn bytes_of(member: &Member, snapshot: &SnapshotGroup) -> Option<i64> {
    let files = member.files();
    let archive = ArchiveDir::open(files.archive, files.checksum).ok()?;
    let length = |id: &i64| {
        let recording = archive.recording(*id).ok()?;
        (recording.stop_position >= 0).then(|| recording.stop_position - recording.start_position)
    };
    snapshot.recording_ids.iter().map(length).sum()
}

fn list_of_members(members: &Members, answer: Answer) -> Done {
    let mut found = Vec::new();
    for member in members.all() {
        let id = member.config.member_id;
        let index = index_of(member)?;
        for snapshot in index.snapshots(cluster_service::SERVICE_COUNT) {
            let entry = index.entries.iter().find(|entry| Some(&entry.recording_id) == snapshot.recording_ids.first());
            found.push(json!({
                "member": id,
                "position": snapshot.log_position,
                "term": snapshot.leadership_term_id,
                "taken_ms": entry.map(|entry| entry.timestamp),
                "recordings": snapshot.recording_ids,
                "bytes": bytes_of(member, &snapshot),
            }));
        }
    }
    answer.give(&json!({ "snapshots": found }), || {
        let mut text = format!("{:>6} {:>20} {:>6} {:>10} {:>12}\n", "member", "position", "term", "size", "age");
        for snapshot in &found {
            text += &format!(
                "{:>6} {:>20} {:>6} {:>10} {:>12}\n",
                snapshot["member"],
                snapshot["position"],
                snapshot["term"],
                size(&snapshot["bytes"]),
                age(&snapshot["taken_ms"])
            );
        }
        text
    });
    Ok(())
}

fn size(bytes: &Value) -> String {
    bytes.as_f64().map_or_else(|| "size unknown".to_owned(), live::bytes)
}

/// The cluster counts milliseconds of the Unix epoch.
fn age(taken_ms: &Value) -> String {
    let taken_s = taken_ms.as_u64().unwrap_or_default() / 1_000;
    match super::swarm::unix_seconds().saturating_sub(taken_s) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}
