//! What a host does when its disk fails: it stops, and tells nobody of what is not durable.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use protocol::ClusterSessionId;
use protocol::cluster::{IngressMessageT, encode_ingress};
use wal_db::{MemStore, WalError, WalStore};

use super::handle::{EgressSink, SinkFull, Word};
use super::log::{CommandLog, LogError};
use super::recovery::{Recovered, Recovery};
use super::run::Runner;
use super::status::HostStatus;
use super::{LocalConfig, config, games};
use crate::host::timers::Timers;
use crate::{EdgeKey, Service};

/// What a disk does from some moment on.
#[derive(Debug, Clone, Default)]
struct Fault {
    no_write: Arc<AtomicBool>,
    no_sync: Arc<AtomicBool>,
}

struct Disk {
    memory: MemStore,
    fault: Fault,
}

fn unless(fault: &AtomicBool) -> wal_db::Result<()> {
    match fault.load(Ordering::SeqCst) {
        true => Err(WalError::from(io::Error::other("the disk is gone"))),
        false => Ok(()),
    }
}

impl WalStore for Disk {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> wal_db::Result<()> {
        unless(&self.fault.no_write)?;
        self.memory.write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> wal_db::Result<usize> {
        self.memory.read_at(offset, buffer)
    }

    fn truncate(&self, len: u64) -> wal_db::Result<()> {
        self.memory.truncate(len)
    }

    fn sync(&self) -> wal_db::Result<()> {
        unless(&self.fault.no_sync)?;
        self.memory.sync()
    }

    fn len(&self) -> wal_db::Result<u64> {
        self.memory.len()
    }
}

struct Ear(SyncSender<()>);

impl EgressSink for Ear {
    fn send(&mut self, _: &Arc<[u8]>) -> Result<(), SinkFull> {
        self.0.send(()).map_err(|_| SinkFull)
    }
}

const LONG: Duration = Duration::from_secs(20);

fn hello() -> Word {
    let message =
        encode_ingress(IngressMessageT::EdgeHello(Box::new(EdgeKey::in_process().hello(ClusterSessionId(1), "test"))));
    Word::Offer { session: ClusterSessionId(1), message }
}

fn check(break_it: impl FnOnce(&Fault)) {
    let folder = tempfile::tempdir().unwrap();
    let fault = Fault::default();
    let disk = Disk { memory: MemStore::new(), fault: fault.clone() };
    let recovered = Recovered {
        service: Service::<games::OnCommand>::new().unwrap(),
        log: CommandLog::in_store(disk),
        timers: Timers::default(),
        position: 0,
        unlogged: Vec::new(),
        report: Recovery::default(),
        lock: File::create(config::lock_file(folder.path())).unwrap(),
    };
    let (words, inbox) = mpsc::sync_channel(16);
    let status = Arc::new(Mutex::new(HostStatus::default()));
    let runner = Runner::new(LocalConfig::new(folder.path()), recovered, inbox, Arc::clone(&status));
    let thread = std::thread::spawn(move || runner.run());
    let (ear, heard): (_, Receiver<()>) = mpsc::sync_channel(16);
    words.send(Word::Open { session: ClusterSessionId(1), sink: Box::new(Ear(ear)) }).unwrap();
    words.send(hello()).unwrap();
    heard.recv_timeout(LONG).expect("a disk that works lets the service answer");
    break_it(&fault);
    words.send(hello()).unwrap();
    assert_eq!(heard.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected), "nobody is told, and all are cut");
    let ended = thread.join().unwrap();
    assert!(matches!(ended, Err(LogError::Io { operation: "appending", .. })), "{ended:?}");
    let status = status.lock().unwrap().clone();
    assert!(status.failure.is_some_and(|failure| failure.contains("the disk is gone")));
    assert!(words.send(hello()).is_err(), "offers are refused from then on");
    assert_eq!(super::list_snapshots(folder.path()).unwrap(), [], "no snapshot of what is not in the log");
}

#[test]
fn a_write_that_fails_stops_the_host_and_nobody_is_told() {
    check(|disk| disk.no_write.store(true, Ordering::SeqCst));
}

#[test]
fn a_sync_that_fails_stops_the_host_and_nobody_is_told() {
    check(|disk| disk.no_sync.store(true, Ordering::SeqCst));
}
