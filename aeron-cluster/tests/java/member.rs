//! A member: the stock Java process, and a service of ours beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aeron_cluster::member::{MemberConfig, MemberEndpoints, Timeouts, properties, to_file};
use aeron_cluster::service::{ClusteredService, Container, ContainerConfig, ContainerError, Ended};
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};

use super::{Dirs, Java};

const LIMIT: Duration = Duration::from_secs(60);

/// For members whose failures are no part of a claim: a machine that stands still for seconds ends nobody.
pub(crate) fn patient() -> Timeouts {
    Timeouts {
        client_liveness_timeout: Duration::from_secs(6),
        publication_unblock_timeout: Duration::from_secs(8),
        ..Timeouts::fast()
    }
}

/// A member with our properties: the stock Java process, and a service of ours on a thread.
pub(crate) struct Member {
    pub(crate) config: MemberConfig,
    pub(crate) java: Java,
    stop: Arc<AtomicBool>,
    service: Option<JoinHandle<Result<Ended, ContainerError>>>,
}

impl Member {
    /// Starts both, for the first time or again.
    pub(crate) fn start<S: ClusteredService>(
        dirs: &Dirs,
        host: &str,
        service: impl FnOnce() -> S + Send + 'static,
    ) -> Self {
        Self::start_with(dirs, host, |_| {}, service)
    }

    /// As [`start`](Self::start), with other settings than the defaults.
    pub(crate) fn start_with<S: ClusteredService>(
        dirs: &Dirs,
        host: &str,
        adjust: impl FnOnce(&mut MemberConfig),
        service: impl FnOnce() -> S + Send + 'static,
    ) -> Self {
        let member = MemberEndpoints::in_a_row(0, host, 9_002);
        let mut config = MemberConfig::new(&dirs.data().join("member"), 0, vec![member.clone()]);
        config.directories.aeron = dirs.aeron("member");
        config.timeouts = patient();
        adjust(&mut config);
        std::fs::create_dir_all(&config.directories.data).expect("a folder");
        let table = properties(&config, &member);
        std::fs::write(config.directories.properties(), to_file(&table)).expect("properties");
        let properties = config.directories.properties().display().to_string();
        let java = Java::start(dirs.data(), "jvm", "io.aeron.cluster.ClusteredMediaDriver", &[], &[&properties]);
        let value = |name: &str| table.iter().find(|property| property.name == name).map(|one| one.value.clone());
        let mut container = ContainerConfig {
            aeron_dir: config.directories.aeron.clone(),
            cluster_dir: config.directories.cluster.clone(),
            service_name: "interop".into(),
            ..ContainerConfig::default()
        };
        if let Some(channel) = value("aeron.cluster.control.channel") {
            container.control_channel = channel;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let client = AeronConfig {
            connect_limit: LIMIT,
            stop: Arc::clone(&stop),
            ..AeronConfig::new(&config.directories.aeron)
        };
        let service = std::thread::spawn(move || {
            let transport = AeronTransport::connect(&client)?;
            Container::new(container, Box::new(transport), service()).run()
        });
        Self { config, java, stop, service: Some(service) }
    }

    /// Runs `ClusterTool` on it.
    pub(crate) fn tool(&self, arguments: &[&str]) -> (bool, String) {
        let dir = self.config.directories.cluster.display().to_string();
        let arguments: Vec<&str> = std::iter::once(&*dir).chain(arguments.iter().copied()).collect();
        // Those that ask the archive are told where it is, as no tool guesses that.
        let properties = [
            ("aeron.dir", self.config.directories.aeron.display().to_string()),
            ("aeron.archive.control.channel", "aeron:ipc?term-length=64k".into()),
            ("aeron.archive.control.response.channel", "aeron:ipc?term-length=64k".into()),
        ];
        let output = super::run("io.aeron.cluster.ClusterTool", &properties, &arguments);
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    }

    /// Whether both run.
    pub(crate) fn is_serving(&mut self) -> bool {
        self.java.is_running() && self.service.as_ref().is_some_and(|service| !service.is_finished())
    }

    /// Why it may not be serving: what the Java process said, and what the service ended with.
    pub(crate) fn last_words(&mut self) -> String {
        let ended = self.service.take_if(|service| service.is_finished()).map(JoinHandle::join);
        format!("{}\nservice: {ended:?}", self.java.log())
    }

    /// Asks the service to stop, and waits for its end.
    pub(crate) fn stop(&mut self) -> Result<Ended, ContainerError> {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until the Java process has ended by itself, as it does without its service.
    pub(crate) fn await_end(&mut self) {
        let began = Instant::now();
        while self.java.is_running() {
            assert!(began.elapsed() < LIMIT, "the member goes on without its service: {}", self.java.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the service's end.
    pub(crate) fn join(&mut self) -> Result<Ended, ContainerError> {
        self.service.take().expect("started").join().expect("the service does not panic")
    }
}
