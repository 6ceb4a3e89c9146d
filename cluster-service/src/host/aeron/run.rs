//! The process of a member's service: one thread for the container, two beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aeron_cluster::service::{Container, ContainerConfig, ContainerError, Ended};
use aeron_cluster::transport::TransportError;
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use aeron_cluster::transport::idle::IdleStrategy;
use ecs_state::{Game, RegistryError};
use thiserror::Error;

use super::reporter::{Reach, report};
use super::status::write_status;
use super::{AeronHost, AeronHostConfig, AeronView, SnapshotPlan};
use crate::EdgeKey;

/// How often `status.json` is replaced.
const STATUS_FILE_EVERY: Duration = Duration::from_millis(200);
/// How long one attempt to reach the driver may take before that is said.
const DRIVER_NOTICE_EVERY: Duration = Duration::from_secs(10);
/// How long the driver may take to appear: a member that replays nothing yet is up within seconds.
const DRIVER_WAIT_MAX: Duration = Duration::from_secs(120);

/// A member's service.
#[derive(Debug)]
pub struct MemberService {
    /// What the host is told.
    pub host: AeronHostConfig,
    /// The secret that edges share with members.
    pub edge_key: EdgeKey,
    /// How the container finds its consensus module.
    pub container: ContainerConfig,
    /// The member's driver. `stop` ends the service in order.
    pub aeron: AeronConfig,
    /// Where members take ingress: (member id, `host:port`).
    pub ingress_endpoints: Vec<(i32, String)>,
    /// Name or address of this member that the others reach.
    pub address: String,
    /// When this member, once it leads, asks for snapshots.
    pub snapshots: SnapshotPlan,
}

/// Why a member's service ended other than in order.
#[derive(Debug, Error)]
pub enum RunError {
    /// The game is wrong.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The container cannot go on.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The driver did not appear.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// This member must not go on.
    #[error("{0}")]
    Failed(String),
    /// A thread could not be started.
    #[error("starting a thread")]
    Thread(#[source] std::io::Error),
}

/// Runs a member's service until the member ends or `stop` is set. What it is doing stands in `status.json` in the
/// member's folder.
///
/// # Errors
/// When it ended other than in order: the member must be started again as a whole, or its cause be mended.
pub fn run_member<G: Game>(service: MemberService) -> Result<Ended, RunError> {
    let MemberService { host, edge_key, container, aeron, ingress_endpoints, address, snapshots } = service;
    let cluster_id = container.cluster_id;
    let (member, folder) = (host.member, host.folder.clone());
    let host = AeronHost::<G>::new(host)?;
    let view = host.view();
    let is_over = Arc::new(AtomicBool::new(false));
    let beside = Beside::start(&view, folder.join("status.json"), &is_over)?;
    let ran = serve(host, edge_key, container, &aeron, |aeron| {
        // It has all the time in the world, and a core of its own is not one of its needs.
        let aeron = AeronConfig { idle: IdleStrategy::Sleep, stop: Arc::clone(&is_over), ..aeron.clone() };
        Reach { aeron, endpoints: ingress_endpoints, host: address, member, cluster_id, snapshots }
    });
    if let Err(error) = &ran {
        view.update(|status| status.failure = Some(error.to_string()));
    }
    is_over.store(true, Ordering::Relaxed);
    beside.join();
    ran
}

fn serve<G: Game>(
    host: AeronHost<G>,
    key: EdgeKey,
    container: ContainerConfig,
    aeron: &AeronConfig,
    reach: impl FnOnce(&AeronConfig) -> Reach,
) -> Result<Ended, RunError> {
    let view = host.view();
    let transport = connect(aeron)?;
    let mut container = Container::new(container, Box::new(transport), host);
    container.start()?;
    let reach = reach(aeron);
    let is_over = Arc::clone(&reach.aeron.stop);
    let reports = move || match report(&reach, &key, &view) {
        Ok(()) | Err(TransportError::Stopped { .. }) => {}
        Err(error) => tracing::warn!(%error, "this member reports no hashes any more"),
    };
    let reports = std::thread::Builder::new().name("worldlog-reports".to_owned()).spawn(reports);
    let reports = reports.map_err(RunError::Thread)?;
    let ended = container.run();
    is_over.store(true, Ordering::Relaxed);
    let failure = container.service().failure().map(str::to_owned);
    drop(container);
    let _ = reports.join();
    match failure {
        Some(failure) => Err(RunError::Failed(failure)),
        None => Ok(ended?),
    }
}

/// Waits for the driver, and says so.
fn connect(aeron: &AeronConfig) -> Result<AeronTransport, TransportError> {
    let attempt = AeronConfig { connect_limit: DRIVER_NOTICE_EVERY, ..aeron.clone() };
    let begun = Instant::now();
    loop {
        match AeronTransport::connect(&attempt) {
            Err(TransportError::DriverGone { dir, reason }) if begun.elapsed() < DRIVER_WAIT_MAX => {
                let waited = begun.elapsed().as_secs();
                tracing::warn!(dir, reason, waited, "still no media driver; waiting for it");
            }
            connected => return connected,
        }
    }
}

/// The thread that writes the status file, so that a slow disk delays nobody.
struct Beside(JoinHandle<()>);

impl Beside {
    fn start(view: &AeronView, path: std::path::PathBuf, is_over: &Arc<AtomicBool>) -> Result<Self, RunError> {
        let (view, is_over) = (view.clone(), Arc::clone(is_over));
        let mut has_failed = false;
        let work = move || {
            loop {
                // Asked before writing, so that the last state is written.
                let is_last = is_over.load(Ordering::Relaxed);
                let written = write_status(&path, &view.status());
                if let (Err(error), false) = (&written, has_failed) {
                    tracing::warn!(%error, "the status file was not written");
                }
                has_failed = written.is_err();
                if is_last {
                    return;
                }
                std::thread::park_timeout(STATUS_FILE_EVERY);
            }
        };
        let thread = std::thread::Builder::new().name("worldlog-status".to_owned()).spawn(work);
        Ok(Self(thread.map_err(RunError::Thread)?))
    }

    fn join(self) {
        self.0.thread().unpark();
        let _ = self.0.join();
    }
}
