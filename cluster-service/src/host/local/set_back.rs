//! What a host does whose clock is behind its log: it goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs::File;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use ecs_state::Game;
use protocol::cluster::{IngressMessageT, OpenMatchT, encode_ingress};
use protocol::{ClusterSessionId, LogPosition};
use wal_db::MemStore;

use super::handle::Word;
use super::log::CommandLog;
use super::recovery::{Recovered, Recovery};
use super::run::Runner;
use super::status::HostStatus;
use super::{LocalConfig, config, games};
use crate::host::timers::Timers;
use crate::{EdgeKey, Event, LogEntry, Outbox, Service};

/// Long enough for any machine, and less than the clock is behind.
const LONG: Duration = Duration::from_secs(60);
const BEHIND_MS: i64 = 3_600_000;

fn hello(session: ClusterSessionId) -> Vec<u8> {
    encode_ingress(IngressMessageT::EdgeHello(Box::new(EdgeKey::in_process().hello(session, "test"))))
}

/// A service with a match, and its timers, as of an hour from now.
fn of_the_future<G: Game>() -> (Service<G>, Timers, u64) {
    let (mut service, mut timers, mut outbox) = (Service::<G>::new().unwrap(), Timers::default(), Outbox::default());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let session = ClusterSessionId(1);
    let (hello, open) = (hello(session), encode_ingress(IngressMessageT::OpenMatch(Box::<OpenMatchT>::default())));
    let said = [&hello, &open].map(|bytes| Event::Message { session, bytes });
    let events = [&[Event::SessionOpen { session }], &said[..], &[Event::SessionClose { session }]].concat();
    let last = events.len() as u64;
    for (position, event) in (1..).zip(events) {
        let time_ms = now.as_millis() as i64 + BEHIND_MS;
        service.on_entry(&LogEntry { position: LogPosition(position), time_ms, event }, &mut outbox);
    }
    timers.apply(&outbox.timers);
    (service, timers, last)
}

#[test]
fn a_host_whose_clock_is_an_hour_behind_its_log_ticks_and_its_log_time_does_not_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let (service, timers, position) = of_the_future::<games::AtRate>();
    let before_ms = service.now_ms();
    let recovered = Recovered {
        service,
        log: CommandLog::in_store(MemStore::new()),
        timers,
        position,
        unlogged: Vec::new(),
        report: Recovery::default(),
        lock: File::create(config::lock_file(folder.path())).unwrap(),
    };
    let (words, inbox) = mpsc::sync_channel(16);
    let status = Arc::new(Mutex::new(HostStatus::default()));
    let runner = Runner::new(LocalConfig::new(folder.path()), recovered, inbox, Arc::clone(&status));
    let thread = std::thread::spawn(move || runner.run());
    // Nobody says anything: timers alone must bring it about.
    let (began, mut seen) = (Instant::now(), HostStatus::default());
    while seen.ticks < 10 {
        assert!(began.elapsed() < LONG, "no ticks: {seen:?}");
        std::thread::yield_now();
        seen = status.lock().unwrap().clone();
    }
    words.send(Word::Stop).unwrap();
    thread.join().unwrap().unwrap();
    let went_ms = status.lock().unwrap().time_ms - before_ms;
    assert!(went_ms >= 300, "{went_ms} ms for ten ticks at 30 Hz");
}
