//! A container on a driver in memory, with a consensus module that says what a test wants, and an archive.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::time::Duration;

use aeron_cluster::counters::{COMMIT_POSITION, RECOVERY_STATE};
use aeron_cluster::service::{Container, ContainerConfig, ContainerError, Ended};
use aeron_cluster::transport::memory::{Driver, MemoryTransport};
use aeron_cluster::transport::{
    Assembler, Publication, Subscription, Transport, await_publication, await_subscription, uri,
};

use crate::recorder::{Notes, Recorder};
use crate::store::{self, Store};
use crate::wire::{Egress, Join, Said, drain, egress, said};

pub(crate) const FOLLOWER: i32 = 0;
pub(crate) const LEADER: i32 = 2;

/// What the module recovers from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovery {
    pub(crate) term: i64,
    pub(crate) position: i64,
    pub(crate) time: i64,
    pub(crate) recordings: &'static [i64],
}

pub(crate) const NOTHING: Recovery = Recovery { term: -1, position: 0, time: 0, recordings: &[] };

pub(crate) struct Rig {
    pub(crate) driver: Driver,
    pub(crate) container: Container<Recorder>,
    pub(crate) notes: Rc<RefCell<Notes>>,
    pub(crate) archive: Rc<RefCell<Store>>,
    pub(crate) client_id: i64,
    /// The cluster directory.
    pub(crate) dir: tempfile::TempDir,
    pub(crate) commit: i32,
    recovery: i32,
    transport: MemoryTransport,
    control: Box<dyn Publication>,
    module: Box<dyn Subscription>,
    assembler: Assembler,
    log: Option<Box<dyn Publication>>,
    next_log_session: i32,
    egress: Vec<(String, Box<dyn Subscription>)>,
}

impl Rig {
    /// A rig whose container has not started.
    pub(crate) fn recovering(from: Recovery) -> Self {
        let driver = Driver::new();
        let archive = store::start(&driver);
        Self::on(driver, archive, from)
    }

    /// The member started again, over the same archive: a new module, a new container.
    pub(crate) fn restarted(self, from: Recovery) -> Self {
        let (driver, archive) = (self.driver.clone(), Rc::clone(&self.archive));
        driver.free_counter(self.commit);
        driver.free_counter(self.recovery);
        drop(self);
        Self::on(driver, archive, from)
    }

    fn on(driver: Driver, archive: Rc<RefCell<Store>>, from: Recovery) -> Self {
        let mut transport = driver.client();
        let mut key = Vec::new();
        for field in [from.term, from.position, from.time] {
            key.extend(field.to_le_bytes());
        }
        key.extend(0_i32.to_le_bytes());
        key.extend((from.recordings.len() as i32).to_le_bytes());
        from.recordings.iter().for_each(|recording| key.extend(recording.to_le_bytes()));
        let recovery = driver.allocate_counter(RECOVERY_STATE, &key, "recovery", 0);
        let commit = driver.allocate_counter(COMMIT_POSITION, &0_i32.to_le_bytes(), "commit", from.position);
        let control = await_publication(&mut transport, "aeron:ipc?term-length=128k", 104).unwrap();
        let module = await_subscription(&mut transport, "aeron:ipc?term-length=128k", 105).unwrap();
        let (dir, client, recorder) = (tempfile::tempdir().unwrap(), driver.client(), Recorder::default());
        let client_id = client.client_id();
        let config = ContainerConfig { cluster_dir: dir.path().to_owned(), ..ContainerConfig::default() };
        Self {
            driver,
            notes: Rc::clone(&recorder.0),
            container: Container::new(config, Box::new(client), recorder),
            archive,
            client_id,
            dir,
            commit,
            recovery,
            transport,
            control,
            module,
            assembler: Assembler::default(),
            log: None,
            next_log_session: 500,
            egress: Vec::new(),
        }
    }

    /// A container that has started without a snapshot; its first acknowledgement is heard.
    pub(crate) fn started() -> Self {
        let mut rig = Self::recovering(NOTHING);
        rig.container.start().unwrap();
        assert_eq!(rig.heard().len(), 1);
        rig
    }

    /// As [`started`](Self::started), with a log open at 0, acknowledged.
    pub(crate) fn joined(role: i32) -> Self {
        let mut rig = Self::started();
        rig.join(role);
        assert_eq!(rig.heard().len(), 1);
        rig
    }

    // ---- the module -----------------------------------------------------------------------------------

    pub(crate) fn say(&mut self, message: &[u8]) {
        self.control.offer(&[message]).unwrap();
    }

    /// What the service has said since.
    pub(crate) fn heard(&mut self) -> Vec<Said> {
        let mut heard = Vec::new();
        for mut image in self.module.images() {
            heard.extend(drain(image.as_mut(), &mut self.assembler).iter().map(|message| said(message)));
        }
        heard
    }

    /// A new log stream at a position, and how the module names it.
    pub(crate) fn new_log(&mut self, role: i32, position: i64) -> Join {
        self.next_log_session += 1;
        let session_id = self.next_log_session;
        let channel = format!("aeron:udp?tags=4|session-id={session_id}|init-position={position}");
        self.log = Some(await_publication(&mut self.transport, &channel, 100).unwrap());
        Join {
            position,
            position_max: i64::MAX,
            session_id,
            stream_id: 100,
            is_startup: false,
            role,
            is_standby: false,
            channel: format!("aeron-spy:aeron:udp?tags=4|session-id={session_id}|alias=log"),
        }
    }

    /// Lets the container join a new log where the old one ended.
    pub(crate) fn join(&mut self, role: i32) {
        let position = self.log_end();
        let join = self.new_log(role, position);
        self.say(&join.bytes());
        self.step();
    }

    pub(crate) fn log_end(&self) -> i64 {
        self.log.as_ref().map_or(0, |log| log.position())
    }

    pub(crate) fn log_session(&self) -> i32 {
        self.next_log_session
    }

    /// Appends an entry that is not agreed yet. Gives its end.
    pub(crate) fn append(&mut self, entry: &[u8]) -> i64 {
        self.log.as_mut().unwrap().offer(&[entry]).unwrap()
    }

    /// Ends the stream of the log.
    pub(crate) fn end_log(&mut self) {
        self.log = None;
    }

    pub(crate) fn commit_to(&mut self, position: i64) {
        self.transport.counters().set(self.commit, position);
    }

    /// Appends entries, agrees on them, and lets the container apply them.
    pub(crate) fn apply(&mut self, entries: &[Vec<u8>]) {
        for entry in entries {
            self.append(entry);
        }
        self.commit_to(self.log_end());
        self.step();
    }

    // ---- the container --------------------------------------------------------------------------------

    /// One duty cycle, a millisecond later.
    pub(crate) fn try_step(&mut self) -> Result<usize, ContainerError> {
        self.driver.advance(Duration::from_millis(1));
        self.container.duty_cycle()
    }

    pub(crate) fn step(&mut self) {
        self.try_step().unwrap();
    }

    /// Steps until there is nothing to do.
    pub(crate) fn settle(&mut self) {
        while self.try_step().unwrap() > 0 {}
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.container.ended()
    }

    pub(crate) fn notes(&self) -> Ref<'_, Notes> {
        self.notes.borrow()
    }

    /// What the service was called with since.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.borrow_mut().calls)
    }

    // ---- clients --------------------------------------------------------------------------------------

    /// A client that listens; gives its channel.
    pub(crate) fn client(&mut self, name: &str) -> String {
        let channel = uri::with_param("aeron:udp", "endpoint", &format!("{name}:1"));
        let subscription = await_subscription(&mut self.transport, &channel, 102).unwrap();
        self.egress.push((channel.clone(), subscription));
        channel
    }

    /// How many streams come to a client.
    pub(crate) fn streams_to(&self, channel: &str) -> usize {
        let (_, subscription) = self.egress.iter().find(|(of, _)| of == channel).unwrap();
        subscription.image_count()
    }

    /// What a client has heard since.
    pub(crate) fn heard_by(&mut self, channel: &str) -> Vec<Egress> {
        let (_, subscription) = self.egress.iter().find(|(of, _)| of == channel).unwrap();
        let images = subscription.images();
        let messages = images.into_iter().flat_map(|mut image| drain(image.as_mut(), &mut Assembler::default()));
        messages.map(|message| egress(&message)).collect()
    }
}

/// An acknowledgement of service 0.
pub(crate) fn ack(id: i64, position: i64, time: i64, relevant: i64) -> Said {
    Said::Ack { position, time, id, relevant, service: 0 }
}
