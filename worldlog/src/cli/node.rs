//! `worldlog node`

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;

use aeron_cluster::member::{Java, MemberConfig, MemberEvent, Plan, Supervisor, properties, to_file, to_text};
use clap::Args;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{Answer, Done, Failure, runtime, table};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What the member is told; assets/worldlog.toml explains each key
    #[arg(long, default_value = "worldlog.toml")]
    config: PathBuf,
}

pub(super) fn run(arguments: &Arguments, answer: Answer) -> Done {
    let config = Config::load(&arguments.config).map_err(|error| Failure::Usage(error.to_string()))?;
    let member = config.member().map_err(|error| Failure::Usage(error.to_string()))?;
    // Before anything runs, as the service would end over it again and again.
    config.cluster.read_secret().map_err(|error| Failure::Failed(error.to_string()))?;
    let java = Java::find().map_err(|error| Failure::Failed(error.to_string()))?;
    java.prepare();
    announce(&member, answer);
    warn_of_few_cores(&member);
    let (supervisor, mut events) = start(&member, &arguments.config, &java, &[])?;
    let ended = runtime()?.block_on(follow(&member, &mut events, answer));
    eprintln!("worldlog: stopping the member");
    match (ended, supervisor.stop()) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(failure), _) => Err(failure),
        (Ok(()), Err(error)) => Err(Failure::Failed(error.to_string())),
    }
}

/// Starts a member whose service reads `config`; `without` are variables that its processes do not get.
pub(super) fn start(
    member: &MemberConfig,
    config: &Path,
    java: &Java,
    without: &[String],
) -> Result<(Supervisor, UnboundedReceiver<MemberEvent>), Failure> {
    let failed = |what: &Path| {
        let what = what.display().to_string();
        move |error: std::io::Error| Failure::Failed(format!("{what}: {error}"))
    };
    let own = member.own().ok_or_else(|| Failure::Usage("node.id: no such member".to_owned()))?;
    let data = &member.directories.data;
    std::fs::create_dir_all(data).map_err(failed(data))?;
    let file = member.directories.properties();
    std::fs::write(&file, to_file(&properties(member, own))).map_err(failed(&file))?;
    let config = std::path::absolute(config).map_err(failed(config))?;
    let program = std::env::current_exe().map_err(failed(Path::new("/proc/self/exe")))?;
    let (of_jvm, java, without) = (member.clone(), java.clone(), without.to_vec());
    let service = move || {
        let mut command = Command::new(&program);
        command.arg("service").arg("--config").arg(&config);
        for name in &without {
            command.env_remove(name);
        }
        command
    };
    let plan = Plan {
        directories: member.directories.clone(),
        jvm: Box::new(move || java.member(&of_jvm)),
        service: Box::new(service),
        absence: member.absence(),
        others: member.others(),
    };
    let (sender, events) = channel();
    let supervisor = Supervisor::start(plan, sender).map_err(|error| Failure::Failed(error.to_string()))?;
    let (forward, forwarded) = unbounded_channel();
    // Ends with the supervisor, whose end of the channel it waits at.
    std::thread::spawn(move || events.into_iter().try_for_each(|event| forward.send(event)));
    Ok((supervisor, forwarded))
}

/// Tells what happens until it is to end, or cannot go on.
async fn follow(member: &MemberConfig, events: &mut UnboundedReceiver<MemberEvent>, answer: Answer) -> Done {
    let hear = |kind| signal(kind).map_err(|error| Failure::Failed(format!("listening to signals: {error}")));
    let (mut term, mut interrupt) = (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
    let mut pids = None;
    loop {
        let event = tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            event = events.recv() => event,
        };
        match event {
            Some(MemberEvent::GaveUp { reason }) => return Err(Failure::Failed(reason)),
            Some(event) => tell(member, &mut pids, &event, answer),
            None => return Ok(()),
        }
    }
}

/// Java process and service, while they run.
pub(super) type Pids = Option<(u32, u32)>;

/// An event as a line: an object, or words. Keeps `pids`, as who went down is told too.
pub(super) fn tell(member: &MemberConfig, pids: &mut Pids, event: &MemberEvent, answer: Answer) {
    let id = member.member_id;
    let before = *pids;
    *pids = pids_after(before, event);
    let (object, text) = match event {
        MemberEvent::Up { jvm_pid, service_pid } => (
            with_event("member_up", described(member, *jvm_pid, *service_pid)),
            format!("member {id} is up: Java process {jvm_pid}, service {service_pid}"),
        ),
        MemberEvent::Down { reason } => {
            let (jvm_pid, service_pid) = before.unwrap_or_default();
            let mut object = with_event("member_down", described(member, jvm_pid, service_pid));
            object["reason"] = reason.as_str().into();
            (object, format!("member {id} is down: {reason}"))
        }
        MemberEvent::Waiting { left } => (
            json!({ "event": "member_waiting", "id": id, "seconds": left.as_secs_f64() }),
            format!(
                "member {id} starts again in {:.0} s: mark files of what was killed keep it out",
                left.as_secs_f64()
            ),
        ),
        MemberEvent::GaveUp { reason } => (
            json!({ "event": "member_gave_up", "id": id, "reason": reason }),
            format!("member {id} is given up: {reason}"),
        ),
        MemberEvent::Stopped => (json!({ "event": "member_stopped", "id": id }), format!("member {id} has stopped")),
    };
    answer.give(&object, || text);
}

/// Who runs after an event.
pub(super) fn pids_after(before: Pids, event: &MemberEvent) -> Pids {
    match event {
        MemberEvent::Up { jvm_pid, service_pid } => Some((*jvm_pid, *service_pid)),
        MemberEvent::Waiting { .. } => before,
        MemberEvent::Down { .. } | MemberEvent::GaveUp { .. } | MemberEvent::Stopped => None,
    }
}

fn with_event(event: &str, mut object: Value) -> Value {
    object["event"] = event.into();
    object
}

/// A member for programs.
pub(super) fn described(member: &MemberConfig, jvm_pid: u32, service_pid: u32) -> Value {
    let directories = &member.directories;
    json!({
        "id": member.member_id,
        "jvm_pid": jvm_pid,
        "service_pid": service_pid,
        "dir": directories.data,
        "cluster_dir": directories.cluster,
        "aeron_dir": directories.aeron,
    })
}

/// What is in force.
fn announce(member: &MemberConfig, answer: Answer) {
    let table_of = member.own().map(|own| properties(member, own)).unwrap_or_default();
    let named: serde_json::Map<_, _> =
        table_of.iter().map(|property| (property.name.to_owned(), property.value.clone().into())).collect();
    let object = json!({
        "event": "starting",
        "id": member.member_id,
        "members": member.members.len(),
        "durability": member.durability.to_string(),
        "idle": member.idle.to_string(),
        "properties": named,
    });
    answer.give(&object, || {
        let head = table(&[
            ("member", format!("{} of {}", member.member_id, member.members.len())),
            ("durability", durability(member)),
            ("idle", member.idle.to_string()),
            ("data", member.directories.data.display().to_string()),
            ("logs", member.directories.data.join("logs").display().to_string()),
        ]);
        format!("{head}\n{}", to_text(&table_of))
    });
}

/// When something counts as kept, in words.
pub(super) fn durability(member: &MemberConfig) -> String {
    use aeron_cluster::member::Durability;
    let quorum = member.members.len() / 2 + 1;
    let of = member.members.len();
    match member.durability {
        Durability::QuorumDisk => format!("quorum-disk: acknowledged once {quorum} of {of} have forced it to disk"),
        Durability::QuorumMemory => {
            format!("quorum-memory: acknowledged once {quorum} of {of} have it in memory; a power loss of all loses it")
        }
    }
}

/// Threads that never sleep must not share cores: they would keep each other from what they wait for.
pub(super) fn warn_of_few_cores(member: &MemberConfig) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if member.idle == aeron_cluster::member::IdleProfile::Server && cores < SERVER_CORES {
        eprintln!(
            "worldlog: the idle profile `server` wants {SERVER_CORES} cores for each member, and this machine has {cores}: \
             use `laptop`"
        );
    }
}

/// Sender, receiver, recorder, consensus module and service.
const SERVER_CORES: usize = 5;
