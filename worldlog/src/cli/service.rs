//! `worldlog service`: what `worldlog node` runs beside the Java process of a member.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aeron_cluster::member::{MemberConfig, MemberEndpoints, die_with_parent};
use aeron_cluster::service::{ContainerConfig, Ended};
use aeron_cluster::transport::aeron::AeronConfig;
use clap::Args;
use cluster_service::{AeronHostConfig, EdgeKey, MemberService, SnapshotPlan, fingerprint, run_member};
use ecs_state::Game;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{Answer, Done, Failure};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What the member is told; assets/worldlog.toml explains each key
    #[arg(long, default_value = "worldlog.toml")]
    config: PathBuf,
}

pub(super) fn run<G: Game>(arguments: &Arguments, answer: Answer) -> Done {
    super::dev::abort_on_panic();
    if let Err(error) = die_with_parent() {
        tracing::warn!(%error, "this service may outlive its supervisor");
    }
    let config = Config::load(&arguments.config).map_err(|error| Failure::Usage(error.to_string()))?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop)?;
    let service = member_service(&config, &stop)?;
    announce::<G>(&service);
    let ended = run_member::<G>(service).map_err(|error| Failure::Failed(with_sources(&error)))?;
    let word = match ended {
        Ended::Terminated => "terminated",
        Ended::Stopped => "stopped",
        // The Java process failed or was killed: the member as a whole did.
        Ended::TerminatedUnexpectedly | Ended::ModuleGone => {
            return Err(Failure::Failed(
                "the consensus module of this member is gone; see its logs/jvm.log".to_owned(),
            ));
        }
    };
    answer.give(&json!({ "ended": word }), || format!("the service {word}"));
    Ok(())
}

fn member_service(config: &Config, stop: &Arc<AtomicBool>) -> Result<MemberService, Failure> {
    let usage = |error: crate::config::ConfigError| Failure::Usage(error.to_string());
    let node = config.require_node().map_err(usage)?;
    let member: MemberConfig = config.member().map_err(usage)?;
    let own = member.own().ok_or_else(|| Failure::Usage("node.id: no such member".to_owned()))?;
    let secret = config.cluster.read_secret().map_err(|error| Failure::Failed(error.to_string()))?;
    let edge_key = EdgeKey::of_secret(&secret);
    std::fs::create_dir_all(&node.dir).map_err(|error| Failure::Failed(format!("{}: {error}", node.dir.display())))?;
    let idle = member.idle.strategy();
    Ok(MemberService {
        host: AeronHostConfig {
            member: node.id as u32,
            members: member.members.iter().map(|member| member.id as u32).collect::<BTreeSet<_>>(),
            folder: node.dir.clone(),
            edge_key: edge_key.public(),
        },
        edge_key,
        container: ContainerConfig {
            cluster_id: member.cluster_id,
            service_name: "worldlog".to_owned(),
            cluster_dir: member.directories.cluster.clone(),
            aeron_dir: member.directories.aeron.clone(),
            ..ContainerConfig::default()
        },
        aeron: AeronConfig { idle, stop: Arc::clone(stop), ..AeronConfig::new(&member.directories.aeron) },
        ingress_endpoints: member.members.iter().map(MemberEndpoints::ingress).collect(),
        address: own.host.clone(),
        snapshots: SnapshotPlan {
            every: some(node.snapshot_every_minutes).map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
            log_bytes: some(node.snapshot_every_log_mib).map(|mib| u64::from(mib) << 20),
        },
    })
}

/// Zero stands for never.
fn some(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

/// What is in force, to the log of the service.
fn announce<G: Game>(service: &MemberService) {
    let host = &service.host;
    eprintln!(
        "worldlog: service of member {} of {}: {} rules {}, edges known by key {}, snapshots {:?}, idle {:?}, driver {}, \
         status in {}",
        host.member,
        host.members.len(),
        G::NAME,
        G::RULES_VERSION,
        fingerprint(&host.edge_key),
        service.snapshots,
        service.aeron.idle,
        service.aeron.dir.display(),
        host.folder.join("status.json").display(),
    );
}

/// TERM and Ctrl-C end the service in order, from a thread that does nothing else.
fn stop_on_signals(stop: &Arc<AtomicBool>) -> Result<(), Failure> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: std::io::Error| Failure::Failed(format!("{what}: {error}"))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed("a runtime"))?;
    let (mut term, mut interrupt) = {
        let _inside = runtime.enter();
        let hear = |kind| signal(kind).map_err(failed("listening to signals"));
        (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?)
    };
    let stop = Arc::clone(stop);
    let wait = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        eprintln!("worldlog: the service is stopping");
        stop.store(true, Ordering::Relaxed);
    };
    std::thread::Builder::new().name("worldlog-signals".to_owned()).spawn(wait).map_err(failed("a thread"))?;
    Ok(())
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Transparent errors say the same as their source.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
