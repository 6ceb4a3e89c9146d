//! The host of a cluster member: the same states as every other host, and what it does beside them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod aeron;
mod edge;
mod games;

use aeron::{Member, Tape};
use aeron_cluster::codec::cluster::TimeUnit;
use aeron_cluster::service::{ClusteredService, ServiceError, SnapshotError, SnapshotReader, SnapshotWriter};
use cluster_service::{EdgeKey, Event, LogEntry, SimHost, TickHash, TimerId};
use ecs_state::{Game, MatchRng};
use edge::{Edge, Token, commands};
use games::{AtRate, OnCommand, any_command};
use protocol::cluster::{EgressMessageT, IngressMessageT, encode_ingress};
use protocol::limits::HASH_REPORT_TICKS;
use protocol::{ClusterSessionId, LogPosition};
use tempfile::tempdir;

const START_MS: i64 = 1_800_000_000_000;

/// A history on a host in memory: two matches, players that come, play, resume and leave, an edge that goes.
fn history<G: Game>() -> SimHost<G> {
    let mut host = SimHost::<G>::new(START_MS);
    let mut rng = MatchRng::new(11, 0, "history");
    let edges = [Edge::connect(&mut host), Edge::connect(&mut host)];
    let matches = [edges[0].open(&mut host), edges[1].open(&mut host)];
    let mut seqs = Vec::new();
    for nonce in 0..4u64 {
        let edge = edges[nonce as usize % 2];
        let expires_ms = host.now_ms() + 30_000;
        let match_id = matches[nonce as usize % 2];
        let joined = edge.join(&mut host, &Token { match_id, account: format!("account {nonce}"), nonce, expires_ms });
        seqs.push((joined.unwrap().session, edge, 0));
    }
    for turn in 0..300 {
        for (session, edge, seq) in &mut seqs {
            *seq += 1;
            edge.say(&mut host, commands(&[(*session, 1, *seq, any_command(&mut rng))]));
        }
        host.advance(i64::from(rng.below(80)));
        if turn == 100 {
            edges[0].say(&mut host, edge::leave(seqs[0].0, 1));
        }
        if turn == 150 {
            host.outage(5_000);
        }
        if turn == 200 {
            host.close_session(edges[1].0);
        }
    }
    host.advance(70_000);
    host
}

/// Applies a whole history to a member; in its middle it is replaced by one that starts from its snapshot.
fn applied<G: Game>(history: &SimHost<G>, unit: TimeUnit) -> Vec<TickHash> {
    let folder = tempdir().unwrap();
    let mut member = Member::<G>::new(0, 1, folder.path()).with_unit(unit).lead();
    member.start(None).unwrap();
    let middle = history.entries().count() / 2;
    for (place, entry) in history.entries().enumerate() {
        member.apply(&entry);
        if place == middle {
            let mut fresh = Member::<G>::new(0, 1, folder.path()).with_unit(unit).lead();
            fresh.start(Some(member.snapshot().unwrap())).unwrap();
            // What the consensus module keeps: sessions and timers.
            (fresh.cluster.sessions, fresh.cluster.timers) = (member.cluster.sessions, member.cluster.timers);
            fresh.hashes = member.hashes;
            member = fresh;
        }
    }
    assert_eq!(member.host.failure(), None);
    member.hashes
}

fn same_hashes_as_in_memory<G: Game>() {
    let history = history::<G>();
    assert!(history.hashes().len() > 500, "{}", history.hashes().len());
    for unit in [TimeUnit::Millis, TimeUnit::Micros, TimeUnit::Nanos] {
        let mut found = applied(&history, unit);
        let mut expected = history.hashes().to_vec();
        found.sort_by_key(|hash| (hash.match_id, hash.tick));
        expected.sort_by_key(|hash| (hash.match_id, hash.tick));
        assert_eq!(found, expected, "{unit:?}");
    }
}

#[test]
fn the_entries_of_a_host_in_memory_give_the_same_hashes_in_a_member_on_command() {
    same_hashes_as_in_memory::<OnCommand>();
}

#[test]
fn the_entries_of_a_host_in_memory_give_the_same_hashes_in_a_member_at_a_rate() {
    same_hashes_as_in_memory::<AtRate>();
}

#[test]
fn a_leader_sends_what_a_host_in_memory_sends_and_a_follower_nothing() {
    let folder = tempdir().unwrap();
    let mut sim = SimHost::<AtRate>::new(START_MS);
    let edge = Edge::connect(&mut sim);
    sim.offer(edge.0, edge::open_match(1, b""));
    sim.offer(edge.0, edge::watch(1));
    sim.advance(2_000);
    let expected: Vec<Vec<u8>> = sim.take_messages(edge.0).iter().map(|message| message.to_vec()).collect();
    assert!(expected.len() > 60);
    let mut leader = Member::<AtRate>::new(0, 2, folder.path()).lead();
    let mut follower = Member::<AtRate>::new(1, 2, folder.path());
    for entry in sim.entries() {
        leader.apply(&entry);
        follower.apply(&entry);
    }
    let sent = leader.cluster.take_sent(1);
    // The first one answers the hello, which the edge took already.
    assert_eq!(sent[1..], expected);
    assert!(follower.cluster.sent.is_empty());
    assert_eq!(follower.hashes, leader.hashes);
    assert_eq!(follower.cluster.timers, leader.cluster.timers);
}

/// A recording that counts how often the container behind it is let live.
#[derive(Default)]
struct Counted {
    tape: Tape,
    count: usize,
}

impl SnapshotWriter for Counted {
    fn write(&mut self, message: &[u8]) -> Result<(), SnapshotError> {
        self.tape.write(message)
    }

    fn message_bytes_max(&self) -> usize {
        self.tape.message_bytes_max()
    }

    fn keep_alive(&mut self) {
        self.count += 1;
    }
}

impl SnapshotReader for Counted {
    fn read(&mut self, into: &mut Vec<u8>) -> Result<bool, ServiceError> {
        self.tape.read(into)
    }

    fn keep_alive(&mut self) {
        self.count += 1;
    }
}

#[test]
fn a_container_is_let_live_with_each_match_of_a_snapshot_and_each_tick_that_runs_again() {
    let folder = tempdir().unwrap();
    let mut sim = SimHost::<AtRate>::new(START_MS);
    let edge = Edge::connect(&mut sim);
    for _ in 0..3 {
        edge.open(&mut sim);
    }
    // Less than a keyframe's time.
    sim.advance(2_000);
    let mut member = Member::<AtRate>::new(0, 1, folder.path());
    sim.entries().for_each(|entry| member.apply(&entry));
    let mut recording = Counted::default();
    member.host.on_take_snapshot(&mut member.cluster, &mut recording).unwrap();
    assert_eq!(std::mem::take(&mut recording.count), 3);
    let mut fresh = Member::<AtRate>::new(0, 1, folder.path());
    fresh.host.on_start(&mut fresh.cluster, Some(&mut recording)).unwrap();
    assert!(recording.count >= 3 * 60, "{}", recording.count);
}

// ---- entries by hand -------------------------------------------------------------------------------

/// The log that all members of a test share.
struct Log<'a> {
    members: Vec<&'a mut Member<AtRate>>,
    position: u64,
    now_ms: i64,
}

impl<'a> Log<'a> {
    fn new(members: Vec<&'a mut Member<AtRate>>) -> Self {
        Self { members, position: 0, now_ms: START_MS }
    }

    fn append(&mut self, event: Event<'_>) {
        self.position += 64;
        let entry = LogEntry { position: LogPosition(self.position), time_ms: self.now_ms, event };
        for (number, member) in self.members.iter_mut().enumerate() {
            games::set_odd(number == 2);
            member.apply(&entry);
            games::set_odd(false);
        }
    }

    fn open(&mut self, session: u64, key: &EdgeKey) {
        let session = ClusterSessionId(session);
        self.append(Event::SessionOpen { session });
        let hello = encode_ingress(IngressMessageT::EdgeHello(Box::new(key.hello(session, "test"))));
        self.say(session.0, &hello);
    }

    fn say(&mut self, session: u64, bytes: &[u8]) {
        self.append(Event::Message { session: ClusterSessionId(session), bytes });
    }

    /// Ticks until so many ran; each member reports its hashes as its process would.
    fn tick(&mut self, count: u64) {
        for _ in 0..count {
            self.now_ms = self.members[0].cluster.timers[&(TimerId::TICK.0 as i64)];
            self.append(Event::Timer { id: TimerId::TICK });
            let reports: Vec<(usize, TickHash)> = self
                .members
                .iter()
                .enumerate()
                .filter(|(_, member)| member.host.failure().is_none())
                .filter_map(|(number, member)| Some((number, *member.hashes.last()?)))
                .filter(|(_, hash)| hash.tick % HASH_REPORT_TICKS == 0)
                .collect();
            for (number, TickHash { match_id, tick, hash }) in reports {
                self.say(1, &edge::hash_report(number as u32, match_id, tick, hash));
            }
        }
    }
}

#[test]
fn a_planted_divergence_stops_the_odd_member_within_64_ticks_and_no_other() {
    let folders = [tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap()];
    let [mut one, mut two, mut three] =
        [0, 1, 2].map(|number| Member::<AtRate>::new(number, 3, folders[number as usize].path()));
    let mut log = Log::new(vec![&mut one, &mut two, &mut three]);
    log.open(1, &EdgeKey::in_process());
    log.say(1, &edge::open_match(1, games::ODD));
    log.tick(HASH_REPORT_TICKS);
    assert!(one.host.failure().is_none() && two.host.failure().is_none() && !one.host.should_stop());
    let failure = three.host.failure().unwrap().to_owned();
    assert!(failure.contains("match 1") && failure.contains("tick 64"), "{failure}");
    assert!(three.host.should_stop());
    assert!(three.snapshot().is_err(), "what is wrong must not outlive the process");
    let bundle = folders[2].path().join("desync/match-1-tick-64");
    assert!(failure.contains(bundle.to_str().unwrap()), "{failure}");
    let summary = std::fs::read_to_string(bundle.join("desync.json")).unwrap();
    assert!(summary.contains("\"this-member\""), "{summary}");
    // What the bundle holds is what this member computed: it comes back to the same hash, which is not the others'.
    games::set_odd(true);
    let verified = cluster_service::verify_snapshot::<AtRate>(&bundle.join("service.wls")).unwrap();
    games::set_odd(false);
    assert_eq!(verified.matches, 1);
    cluster_service::verify_snapshot::<AtRate>(&bundle.join("service.wls")).unwrap_err();
    let view = three.host.view().status();
    assert_eq!(view.failure, Some(failure));
    assert_eq!(view.desync.unwrap().others.len(), 2);
}

#[test]
fn a_member_that_stopped_applies_nothing_more() {
    let folder = tempdir().unwrap();
    let [mut one, mut two, mut three] = [0, 1, 2].map(|number| Member::<AtRate>::new(number, 3, folder.path()));
    let mut log = Log::new(vec![&mut one, &mut two, &mut three]);
    log.open(1, &EdgeKey::in_process());
    log.say(1, &edge::open_match(1, games::ODD));
    log.tick(HASH_REPORT_TICKS + 10);
    let tick = |member: &Member<AtRate>| member.host.service().get_match(1).unwrap().simulation().tick();
    assert_eq!((tick(&one), tick(&two), tick(&three)), (74, 74, 64));
}

#[test]
fn members_of_which_none_agree_raise_an_alarm_and_go_on() {
    let folder = tempdir().unwrap();
    let [mut one, mut two, mut three] = [0, 1, 2].map(|number| Member::<AtRate>::new(number, 3, folder.path()));
    let mut log = Log::new(vec![&mut one, &mut two, &mut three]);
    log.open(1, &EdgeKey::in_process());
    // Its rules count ticks of the process, which these members share.
    log.say(1, &edge::open_match(1, games::PLANTED));
    log.tick(2 * HASH_REPORT_TICKS);
    for member in [&mut one, &mut two, &mut three] {
        assert_eq!(member.host.failure(), None);
        let desync = member.host.view().status().desync.unwrap();
        assert_eq!(desync.verdict, cluster_service::Verdict::Nobody, "{desync:?}");
    }
}

#[test]
fn members_that_agree_notice_nothing_through_snapshots_and_restarts() {
    let folder = tempdir().unwrap();
    let [mut one, mut two, mut three] = [0, 1, 2].map(|number| Member::<AtRate>::new(number, 3, folder.path()));
    let mut log = Log::new(vec![&mut one, &mut two, &mut three]);
    log.open(1, &EdgeKey::in_process());
    log.say(1, &edge::open_match(1, b""));
    log.tick(3 * HASH_REPORT_TICKS + 5);
    let (position, now_ms) = (log.position, log.now_ms);
    let mut back = Member::<AtRate>::new(2, 3, folder.path());
    back.start(Some(three.snapshot().unwrap())).unwrap();
    assert_eq!(back.host.service().reports().of(1, 3 * HASH_REPORT_TICKS).len(), 3);
    (back.cluster.sessions, back.cluster.timers) = (three.cluster.sessions, three.cluster.timers);
    let mut log = Log { members: vec![&mut one, &mut two, &mut back], position, now_ms };
    log.tick(3 * HASH_REPORT_TICKS);
    for member in [one, two, back] {
        let status = member.host.view().status();
        assert_eq!((member.host.failure(), status.desync), (None, None));
        assert_eq!(member.host.service().reports().of(1, 6 * HASH_REPORT_TICKS).len(), 3);
    }
}

// ---- who is an edge --------------------------------------------------------------------------------

#[test]
fn every_member_asks_for_the_end_of_a_session_without_a_good_proof() {
    let folder = tempdir().unwrap();
    let mut leader = Member::<AtRate>::new(0, 2, folder.path()).lead();
    let mut follower = Member::<AtRate>::new(1, 2, folder.path());
    let mut log = Log::new(vec![&mut leader, &mut follower]);
    log.open(1, &EdgeKey::in_process());
    log.open(2, &EdgeKey::of_secret(b"another"));
    assert_eq!((&leader.cluster.closes, &follower.cluster.closes), (&vec![2], &vec![2]));
    let told = leader.cluster.take_sent(2).into_iter().map(Into::into).collect();
    assert!(matches!(edge::heard(told)[..], [EgressMessageT::EdgeRefused(_)]));
}

#[test]
fn a_member_with_another_secret_stops_and_its_state_is_that_of_the_others() {
    let folder = tempdir().unwrap();
    let mut right = Member::<AtRate>::new(0, 2, folder.path());
    let mut wrong = Member::<AtRate>::with_key(1, 2, folder.path(), &EdgeKey::of_secret(b"another"));
    let mut log = Log::new(vec![&mut right, &mut wrong]);
    log.open(1, &EdgeKey::in_process());
    assert_eq!(right.host.service().edge_key(), wrong.host.service().edge_key());
    assert!(!right.host.should_stop() && wrong.host.should_stop());
    assert!(wrong.host.failure().unwrap().contains("cluster.secret_file"));
    let snapshot = right.snapshot().unwrap();
    let mut again = Member::<AtRate>::with_key(1, 2, folder.path(), &EdgeKey::of_secret(b"another"));
    let error = again.start(Some(snapshot)).unwrap_err();
    assert!(error.to_string().contains("cluster.secret_file"), "{error}");
}

// ---- snapshots -------------------------------------------------------------------------------------

#[test]
fn a_snapshot_that_was_cut_short_is_not_started_from() {
    let folder = tempdir().unwrap();
    let mut member = Member::<AtRate>::new(0, 1, folder.path());
    let mut log = Log::new(vec![&mut member]);
    log.open(1, &EdgeKey::in_process());
    log.say(1, &edge::open_match(1, b""));
    log.tick(30);
    let whole = member.snapshot().unwrap();
    for kept in 0..whole.0.len() {
        let mut fresh = Member::<AtRate>::new(0, 1, folder.path());
        let cut = Tape(whole.0.iter().take(kept).cloned().collect());
        assert!(fresh.start(Some(cut)).is_err(), "{kept} of {}", whole.0.len());
    }
    let mut fresh = Member::<AtRate>::new(0, 1, folder.path());
    fresh.start(Some(whole)).unwrap();
    assert!(fresh.cluster.timers.is_empty(), "timers are in the consensus module's own snapshot");
    let hash =
        |member: &Member<AtRate>| member.host.service().get_match(1).unwrap().simulation().columns().total_hash();
    assert_eq!(hash(&fresh), hash(&member));
}

#[test]
fn a_snapshot_of_other_rules_is_refused_by_name() {
    let folder = tempdir().unwrap();
    let mut member = Member::<AtRate>::new(0, 1, folder.path());
    let snapshot = member.snapshot().unwrap();
    let mut other = Member::<games::NewRules>::new(0, 1, folder.path());
    let error = other.start(Some(snapshot)).unwrap_err();
    assert!(error.to_string().contains("bank rules 1"), "{error}");
}
