//! A stock member with our service at its bounds: the longest messages, as many sessions as it takes, clients that
//! fall silent.

mod java;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_cluster::client::{ClientConfig, ClientEvent, CloseCause, ClusterClient};
use aeron_cluster::codec::cluster::CloseReason;
use aeron_cluster::member::MemberConfig;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Ended, Sent, ServiceError, SnapshotError, SnapshotReader, SnapshotWriter,
};
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use aeron_cluster::transport::{OfferError, Transport};
use java::Dirs;
use java::member::Member;

const LIMIT: Duration = Duration::from_secs(60);
/// Longer than this machine's pauses under load, and short enough to wait for.
const SESSION_TIMEOUT: Duration = Duration::from_secs(5);
const MIB: usize = 1 << 20;

// ---- the service --------------------------------------------------------------------------------------

/// What a service has noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Noticed {
    /// Messages that the snapshot counts, and the sessions that are open in it.
    Started(u64, Vec<i64>),
    Opened(i64),
    Closed(i64, CloseReason),
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Noticed>>>);

impl Notes {
    fn add(&self, noticed: Noticed) {
        self.0.lock().expect("no panic").push(noticed);
    }

    fn all(&self) -> Vec<Noticed> {
        self.0.lock().expect("no panic").clone()
    }

    fn closed(&self) -> BTreeMap<i64, CloseReason> {
        let closed = |noticed| if let Noticed::Closed(id, reason) = noticed { Some((id, reason)) } else { None };
        self.all().into_iter().filter_map(closed).collect()
    }

    fn opened_count(&self) -> usize {
        self.all().iter().filter(|noticed| matches!(noticed, Noticed::Opened(_))).count()
    }
}

/// Sends back what it is told.
struct Echo {
    count: u64,
    notes: Notes,
    /// Answers that clients had no room for, or no stream yet. No part of the replicated state.
    held_back: BTreeMap<i64, VecDeque<Vec<u8>>>,
}

impl Echo {
    fn new(notes: Notes) -> Self {
        Self { count: 0, notes, held_back: BTreeMap::new() }
    }
}

impl ClusteredService for Echo {
    fn on_start(
        &mut self,
        cluster: &mut dyn Cluster,
        from: Option<&mut dyn SnapshotReader>,
    ) -> Result<(), ServiceError> {
        if let Some(snapshot) = from {
            let mut message = Vec::new();
            assert!(snapshot.read(&mut message)?, "a snapshot has one message");
            self.count = u64::from_le_bytes(message.as_slice().try_into().expect("8 bytes"));
        }
        self.notes.add(Noticed::Started(self.count, cluster.session_ids()));
        Ok(())
    }

    fn on_take_snapshot(&mut self, _: &mut dyn Cluster, to: &mut dyn SnapshotWriter) -> Result<(), SnapshotError> {
        to.write(&self.count.to_le_bytes())
    }

    fn on_session_open(&mut self, _: &mut dyn Cluster, session: &ClientSession, _: i64) {
        self.notes.add(Noticed::Opened(session.id));
    }

    fn on_session_close(&mut self, _: &mut dyn Cluster, session: &ClientSession, _: i64, reason: CloseReason) {
        self.held_back.remove(&session.id);
        self.notes.add(Noticed::Closed(session.id, reason));
    }

    fn on_message(&mut self, cluster: &mut dyn Cluster, session_id: i64, _: i64, payload: &[u8]) {
        self.count += 1;
        let waiting = self.held_back.entry(session_id).or_default();
        if !waiting.is_empty() || matches!(cluster.send(session_id, &[payload]), Sent::Refused(_)) {
            waiting.push_back(payload.to_vec());
        }
    }

    fn do_background_work(&mut self, cluster: &mut dyn Cluster) -> usize {
        let mut sent_count = 0;
        for (session_id, waiting) in &mut self.held_back {
            while let Some(payload) = waiting.front()
                && !matches!(cluster.send(*session_id, &[payload]), Sent::Refused(_))
            {
                waiting.pop_front();
                sent_count += 1;
            }
        }
        sent_count
    }

    fn on_timer(&mut self, _: &mut dyn Cluster, _: i64, _: i64) {}
}

// ---- clients ------------------------------------------------------------------------------------------

/// A client with a transport of its own.
struct Talk {
    transport: AeronTransport,
    client: ClusterClient,
    heard: VecDeque<Vec<u8>>,
    closed: Option<CloseCause>,
}

impl Talk {
    fn new(member: &Member, host: &str) -> Self {
        let config = AeronConfig { connect_limit: LIMIT, ..AeronConfig::new(&member.config.directories.aeron) };
        let client = ClientConfig {
            endpoints: vec![(0, format!("{host}:9002"))],
            egress_channel: "aeron:udp?endpoint=127.0.0.1:0|term-length=16m".into(),
            ingress_channel: "aeron:udp?term-length=16m".into(),
            message_timeout: LIMIT,
            keep_alive_interval: SESSION_TIMEOUT / 10,
            ..ClientConfig::default()
        };
        Self {
            transport: AeronTransport::connect(&config).expect("a client of the driver"),
            client: ClusterClient::new(client),
            heard: VecDeque::new(),
            closed: None,
        }
    }

    fn step(&mut self) -> usize {
        let Self { transport, client, heard, closed } = self;
        let worked = transport.work().expect("a live driver");
        let polled = client.poll(transport, &mut |event| match event {
            ClientEvent::Message { payload, .. } => heard.push_back(payload.to_vec()),
            ClientEvent::Closed { reason } => *closed = Some(reason),
            _ => {}
        });
        worked + polled.expect("a live driver")
    }

    fn is_over(&self) -> bool {
        self.closed.is_some()
    }
}

/// Steps all clients until it is so. Those that are closed are left alone.
fn until(talks: &mut [Talk], what: &str, mut is_done: impl FnMut(&mut [Talk]) -> bool) {
    let deadline = talks[0].transport.now() + LIMIT;
    while !is_done(talks) {
        assert!(talks[0].transport.now() < deadline, "no {what} within {LIMIT:?}");
        let work_count = talks.iter_mut().filter(|talk| !talk.is_over()).map(Talk::step).sum();
        talks[0].transport.idle(work_count).expect("a live driver");
    }
}

/// Opens so many sessions at once.
fn crowd(member: &Member, host: &str, count: usize) -> Vec<Talk> {
    let mut talks: Vec<Talk> = (0..count).map(|_| Talk::new(member, host)).collect();
    until(&mut talks, "sessions", |talks| {
        let refused = talks.iter().find_map(|talk| talk.closed);
        assert_eq!(refused, None, "one of {count} sessions did not open");
        talks.iter().all(|talk| talk.client.is_connected())
    });
    talks
}

fn send(talks: &mut [Talk], at: usize, payload: &[u8]) {
    until(talks, "room", |talks| match talks[at].client.offer(&[payload]) {
        Ok(_) => true,
        Err(error) if error.is_retryable() => false,
        Err(error) => panic!("{error}"),
    });
}

/// Each client says something else, twice, and hears just that.
fn all_echo(talks: &mut [Talk], word: &str) {
    let of = |at: usize, turn: usize| format!("{word} {turn} of {at}").into_bytes();
    for turn in 0..2 {
        for at in 0..talks.len() {
            send(talks, at, &of(at, turn));
        }
    }
    until(talks, "echoes", |talks| talks.iter().all(|talk| talk.heard.len() >= 2 || talk.is_over()));
    for (at, talk) in talks.iter_mut().enumerate() {
        assert_eq!(talk.closed, None, "client {at} at {word:?}");
        assert_eq!(talk.heard.drain(..).collect::<Vec<_>>(), [of(at, 0), of(at, 1)]);
    }
}

fn shorter_timeout(config: &mut MemberConfig) {
    config.timeouts.session_timeout = SESSION_TIMEOUT;
}

fn sessions(talks: &[Talk]) -> Vec<i64> {
    let mut ids: Vec<i64> = talks.iter().map(|talk| talk.client.session_id()).collect();
    ids.sort_unstable();
    ids
}

fn stop(mut member: Member) {
    assert!(matches!(member.stop(), Ok(Ended::Stopped)));
}

// ---- claims -------------------------------------------------------------------------------------------

#[test]
fn a_mebibyte_passes_both_ways_whole_and_in_its_order_among_short_messages() {
    let (dirs, host, notes) = (Dirs::new("long"), java::addresses(1).remove(0), Notes::default());
    let member = Member::start(&dirs, &host, move || Echo::new(notes));
    let mut talks = crowd(&member, &host, 2);
    let long = |seed: usize, length: usize| (0..length).map(|at| ((at + seed) % 251) as u8).collect::<Vec<u8>>();

    // More than any window or buffer on the way holds at once.
    let said: Vec<Vec<u8>> =
        (0..24).map(|turn| if turn % 3 == 2 { vec![turn as u8; turn] } else { long(turn, MIB) }).collect();
    for (turn, message) in said.iter().enumerate() {
        send(&mut talks, 0, message);
        send(&mut talks, 1, &[turn as u8]);
    }
    until(&mut talks, "echoes", |talks| talks[0].heard.len() == said.len() && talks[1].heard.len() == said.len());
    assert!(talks[0].heard.drain(..).eq(said), "what came back is what was said");
    assert!(talks[1].heard.drain(..).flatten().eq(0..24), "another session's messages are not touched");

    // What the stream to the leader takes passes log and egress too; one byte more is refused before it is sent.
    let max = talks[0].client.max_message_length();
    assert!(max > MIB, "{max}");
    let too_long = talks[0].client.offer(&[&long(0, max + 1)]);
    assert_eq!(too_long, Err(OfferError::TooLong { length: max + 1, max }));
    let longest = long(1, max);
    send(&mut talks, 0, &longest);
    until(&mut talks, "the longest", |talks| !talks[0].heard.is_empty());
    assert!(talks[0].heard.pop_front() == Some(longest), "the longest message comes back");
    all_echo(&mut talks, "after the longest");
    drop(talks);
    stop(member);
}

#[test]
fn as_many_sessions_as_configured_are_served_and_one_more_is_refused_alone() {
    let (dirs, host, notes) = (Dirs::new("crowd"), java::addresses(1).remove(0), Notes::default());
    let start = || {
        let notes = notes.clone();
        Member::start_with(&dirs, &host, shorter_timeout, move || Echo::new(notes))
    };
    let mut member = start();
    let count = member.config.sessions_max as usize;
    assert_eq!(count, 64);
    let mut talks = crowd(&member, &host, count);
    all_echo(&mut talks, "all");

    talks.push(Talk::new(&member, &host));
    until(&mut talks, "refusal", |talks| talks[count].is_over());
    assert_eq!(talks.pop().and_then(|talk| talk.closed), Some(CloseCause::Refused));
    all_echo(&mut talks, "the others");
    assert_eq!((notes.opened_count(), notes.closed()), (count, BTreeMap::new()), "the service hears nothing of it");

    // Who says goodbye makes room for another one.
    let gone = talks[7].client.session_id();
    talks[7].client.close();
    until(&mut talks, "goodbye", |talks| talks[7].is_over() && !notes.closed().is_empty());
    assert_eq!(talks[7].closed, Some(CloseCause::Asked));
    assert_eq!(notes.closed(), [(gone, CloseReason::ClientAction)].into());
    talks[7] = Talk::new(&member, &host);
    until(&mut talks, "another one", |talks| talks[7].client.is_connected() || talks[7].is_over());
    all_echo(&mut talks, "with another one");

    let tool = std::thread::spawn(move || {
        let told = member.tool(&["snapshot"]);
        (member, told)
    });
    until(&mut talks, "snapshot", |_| tool.is_finished());
    let (is_done, said);
    (member, (is_done, said)) = tool.join().expect("the tool ran");
    assert!(is_done && said.contains("SNAPSHOT applied successfully"), "{said}");
    all_echo(&mut talks, "after the snapshot");

    // All are gone without a word, and the member with them. It comes back with their sessions, and ends them.
    let before = sessions(&talks);
    assert_eq!((before.len(), notes.closed().len()), (count, 1));
    drop(talks);
    assert!(matches!(member.stop(), Ok(Ended::Stopped)));
    member.await_end();
    let mut member = start();
    let mut talks = crowd_when_there_is_room(&member, &host, count);
    let started = notes.all().into_iter().rev().find(|noticed| matches!(noticed, Noticed::Started(..)));
    // Three times all had said two things each.
    assert_eq!(started, Some(Noticed::Started(3 * 2 * count as u64, before.clone())));
    let closed = notes.closed();
    assert!(before.iter().all(|id| closed.get(id) == Some(&CloseReason::Timeout)), "{before:?} {closed:?}");
    all_echo(&mut talks, "after the start");
    assert!(member.is_serving());
    drop(talks);
    stop(member);
}

/// Opens so many sessions; who is refused asks again, as sessions of before take up room until they are closed.
fn crowd_when_there_is_room(member: &Member, host: &str, count: usize) -> Vec<Talk> {
    let mut talks: Vec<Talk> = (0..count).map(|_| Talk::new(member, host)).collect();
    until(&mut talks, "sessions again", |talks| {
        for talk in talks.iter_mut().filter(|talk| talk.is_over()) {
            assert_eq!(talk.closed, Some(CloseCause::Refused));
            *talk = Talk::new(member, host);
        }
        talks.iter().all(|talk| talk.client.is_connected())
    });
    talks
}

#[test]
fn who_falls_silent_is_closed_by_the_cluster_and_nobody_else_is() {
    let (dirs, host, notes) = (Dirs::new("silent"), java::addresses(1).remove(0), Notes::default());
    let of_service = notes.clone();
    let member = Member::start_with(&dirs, &host, shorter_timeout, move || Echo::new(of_service));
    let mut talks = crowd(&member, &host, 4);
    all_echo(&mut talks, "all");

    // One whose process lives and says nothing, and one that is gone without a goodbye.
    let mut silent = talks.pop().expect("four");
    let dead = talks.pop().expect("four");
    let expected: BTreeMap<_, _> = [&silent, &dead].map(|talk| (talk.client.session_id(), CloseReason::Timeout)).into();
    drop(dead);
    until(&mut talks, "end of the silent", |_| {
        silent.transport.work().expect("a live driver");
        notes.closed().len() >= expected.len()
    });
    assert_eq!(notes.closed(), expected, "the others had sent nothing but signs of life");
    all_echo(&mut talks, "who is left");

    // It is told so once it listens again.
    let mut silent = [silent];
    until(&mut silent, "end of the session", |silent| silent[0].is_over());
    assert_eq!(silent[0].closed, Some(CloseCause::ByCluster));
    assert_eq!(silent[0].client.offer(&[b"too late"]), Err(OfferError::Closed));
    drop(talks);
    stop(member);
}
