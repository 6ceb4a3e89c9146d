//! When matches step.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod edge;
mod games;

use std::collections::BTreeMap;

use cluster_service::{Event, LogEntry, Outbox, Service, SimHost, TickHash, TimerId};
use edge::{Edge, Token, commands, outcomes};
use games::{AtRate, Command, OnCommand, Slow, bell};
use protocol::{ClusterSessionId, LogPosition};

const START_MS: i64 = 1_800_000_000_000;

fn token(match_id: u64, nonce: u64) -> Token {
    Token { match_id, account: format!("account {nonce}"), nonce, expires_ms: START_MS + 30_000 }
}

fn ticks<G: ecs_state::Game>(host: &SimHost<G>, match_id: u64) -> u64 {
    host.service().get_match(match_id).unwrap().simulation().tick()
}

/// A service that is given its entries by hand.
struct Hand<G: ecs_state::Game> {
    service: Service<G>,
    outbox: Outbox,
    position: u64,
}

impl<G: ecs_state::Game> Hand<G> {
    fn new() -> Self {
        let mut hand = Self { service: Service::new().unwrap(), outbox: Outbox::default(), position: 0 };
        hand.put(0, Event::SessionOpen { session: ClusterSessionId(1) });
        hand.say(0, &edge::hello(ClusterSessionId(1)));
        hand
    }

    fn put(&mut self, time_ms: i64, event: Event<'_>) -> (Vec<(TimerId, Option<i64>)>, Vec<TickHash>) {
        self.position += 1;
        self.outbox.clear();
        self.service.on_entry(&LogEntry { position: LogPosition(self.position), time_ms, event }, &mut self.outbox);
        (self.outbox.timers.clone(), self.outbox.ticks.clone())
    }

    fn say(&mut self, time_ms: i64, bytes: &[u8]) -> (Vec<(TimerId, Option<i64>)>, Vec<TickHash>) {
        self.put(time_ms, Event::Message { session: ClusterSessionId(1), bytes })
    }
}

#[test]
fn a_match_with_a_rate_steps_at_it() {
    let mut host = SimHost::<AtRate>::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    host.advance(60_000);
    assert_eq!(ticks(&host, 1), 30 * 60);
    let times: Vec<_> = edge::deltas(&edge.hear(&mut host)).iter().map(|delta| delta.tick).collect();
    assert_eq!(times, (1..=1_800).collect::<Vec<_>>());

    let mut host = SimHost::<Slow>::new(START_MS);
    Edge::connect(&mut host).open(&mut host);
    host.advance(399);
    assert_eq!(ticks(&host, 1), 0);
    host.advance(1);
    assert_eq!(ticks(&host, 1), 1);
}

#[test]
fn ticks_of_an_outage_are_skipped_and_the_rhythm_is_kept() {
    let mut host = SimHost::<Slow>::new(START_MS);
    Edge::connect(&mut host).open(&mut host);
    host.advance(4_000);
    assert_eq!(ticks(&host, 1), 10);
    host.outage(3_600_100);
    host.advance(0);
    assert_eq!(ticks(&host, 1), 11, "one tick, however long it was");
    host.advance(299);
    assert_eq!(ticks(&host, 1), 11);
    host.advance(1);
    assert_eq!(ticks(&host, 1), 12, "due where it would have been without the outage");
}

#[test]
fn matches_of_one_rate_step_with_one_timer_in_order_of_their_numbers() {
    let mut host = SimHost::<AtRate>::new(START_MS);
    let edge = Edge::connect(&mut host);
    for _ in 0..5 {
        edge.open(&mut host);
    }
    host.advance(1_000);
    let seen: Vec<_> = host.hashes().iter().map(|tick| (tick.tick, tick.match_id)).collect();
    let expected: Vec<_> = (1..=30).flat_map(|tick| (1..=5).map(move |match_id| (tick, match_id))).collect();
    assert_eq!(seen, expected);
    edge.say(&mut host, edge::close_match(1, 2));
    edge.open(&mut host);
    host.advance(34);
    let last: Vec<_> = host.hashes()[150..].iter().map(|tick| (tick.match_id, tick.tick)).collect();
    assert_eq!(last, [(1, 31), (3, 31), (4, 31), (5, 31), (6, 1)], "no number is used again");
}

#[test]
fn no_timer_is_armed_while_no_match_of_a_rate_is_open() {
    let mut hand = Hand::<AtRate>::new();
    assert_eq!(hand.say(1_000, &edge::watch(1)).0, []);
    assert_eq!(hand.say(1_000, &edge::open_match(1, b"")).0, [(TimerId::TICK, Some(1_034))]);
    assert_eq!(hand.say(1_010, &edge::open_match(2, b"")).0, [], "the second shares it");
    assert_eq!(hand.say(1_020, &edge::close_match(3, 1)).0, []);
    assert_eq!(hand.say(1_030, &edge::close_match(4, 2)).0, [], "it ends when it fires");
    assert_eq!(hand.put(1_034, Event::Timer { id: TimerId::TICK }), (vec![], vec![]));
    assert_eq!(hand.say(2_000, &edge::open_match(5, b"")).0, [(TimerId::TICK, Some(2_034))]);
}

#[test]
fn a_tick_that_fired_for_matches_that_are_gone_does_not_step_new_ones_early() {
    let mut hand = Hand::<Slow>::new();
    hand.say(0, &edge::open_match(1, b""));
    hand.say(300, &edge::close_match(2, 1));
    hand.say(390, &edge::open_match(3, b""));
    let (timers, ran) = hand.put(400, Event::Timer { id: TimerId::TICK });
    assert_eq!((timers, ran), (vec![(TimerId::TICK, Some(790))], vec![]));
    let (timers, ran) = hand.put(790, Event::Timer { id: TimerId::TICK });
    assert_eq!((timers, ran.len()), (vec![(TimerId::TICK, Some(1_190))], 1));
}

/// A consensus module's account of timers while it follows: it reads the log, and takes the requests of its service. A
/// timer that it reads of while none is set is one that its service is yet to ask for.
#[derive(Default)]
struct Follower {
    set: BTreeMap<TimerId, i64>,
    ahead: BTreeMap<TimerId, u32>,
}

impl Follower {
    fn reads(&mut self, event: Event<'_>) {
        if let Event::Timer { id } = event
            && self.set.remove(&id).is_none()
        {
            *self.ahead.entry(id).or_default() += 1;
        }
    }

    fn is_asked(&mut self, id: TimerId, at_ms: Option<i64>) {
        let Some(at_ms) = at_ms else {
            self.set.remove(&id);
            return;
        };
        match self.ahead.get_mut(&id).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            None => {
                self.set.insert(id, at_ms);
            }
        }
    }
}

#[test]
fn whoever_follows_has_the_tick_set_once_all_is_applied_however_far_its_service_is_behind() {
    let session = ClusterSessionId(1);
    let (open, close) = (edge::open_match(1, b""), |match_id| edge::close_match(2, match_id));
    let (close_first, close_second) = (close(1), close(2));
    let say = |bytes| Event::Message { session, bytes };
    let tick = Event::Timer { id: TimerId::TICK };
    // The one of the next generation: it was set when the clock had gone back.
    let tick_anew = Event::Timer { id: TimerId(TimerId::TICK.0 | 1 << 48) };
    let watch = edge::watch(1);
    // Each tick fired on the leader before its service had applied the entry before it.
    let histories: [&[(i64, Event<'_>)]; 5] = [
        &[(0, say(&open)), (400, tick), (790, say(&close_first)), (800, tick), (900, say(&open))],
        &[(0, say(&open)), (390, say(&close_first)), (395, say(&open)), (400, tick)],
        &[
            (0, say(&open)),
            (390, say(&close_first)),
            (395, say(&open)),
            (399, say(&close_second)),
            (400, tick),
            (700, say(&open)),
        ],
        &[(1_000, say(&open)), (1_400, tick), (100, say(&watch)), (500, tick_anew)],
        // The old one crosses the entry that says so, and fires all the same.
        &[(1_000, say(&open)), (900, say(&watch)), (1_400, tick), (1_500, tick_anew), (1_900, tick_anew)],
    ];
    for (number, history) in histories.into_iter().enumerate() {
        for behind in 0..=history.len() {
            let (mut hand, mut module) = (Hand::<Slow>::new(), Follower::default());
            for at in 0..history.len() + behind {
                if let Some((_, event)) = history.get(at) {
                    module.reads(*event);
                }
                if let Some((time_ms, event)) = at.checked_sub(behind).and_then(|at| history.get(at)) {
                    let (timers, _) = hand.put(*time_ms, *event);
                    timers.into_iter().for_each(|(id, at_ms)| module.is_asked(id, at_ms));
                }
            }
            let is_set = module.set.keys().any(|id| id.without_generation() == TimerId::TICK);
            assert!(is_set, "history {number}, {behind} entries behind");
            assert!(module.ahead.values().all(|count| *count == 0), "history {number}, {behind} entries behind");
        }
    }
}

#[test]
fn an_idle_match_on_command_costs_no_entry_and_no_timer() {
    let mut host = SimHost::<OnCommand>::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    edge.join(&mut host, &token(1, 1)).unwrap();
    edge.say(&mut host, commands(&[(1, 1, 1, Command::Deposit(5).encode())]));
    let (before, ran) = (host.snapshot(), host.hashes().len());
    host.advance(24 * 3_600_000);
    assert_eq!(host.hashes().len(), ran);
    assert_eq!(host.snapshot(), before, "not even log time moved");
}

#[test]
fn a_match_on_command_steps_with_the_entry_that_gave_it_something_to_do() {
    let mut host = SimHost::<OnCommand>::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    edge.open(&mut host);
    edge.join(&mut host, &token(1, 1)).unwrap();
    edge.join(&mut host, &token(2, 2)).unwrap();
    assert_eq!((ticks(&host, 1), ticks(&host, 2)), (1, 1));
    let batch = commands(&[
        (1, 1, 1, Command::Deposit(1).encode()),
        (2, 1, 1, Command::Deposit(2).encode()),
        (1, 1, 2, Command::Deposit(3).encode()),
    ]);
    edge.hear(&mut host);
    let told = edge.say(&mut host, batch);
    let deltas = edge::deltas(&told);
    assert_eq!(deltas.iter().map(|delta| (delta.match_id, delta.tick)).collect::<Vec<_>>(), [(1, 2), (2, 2)]);
    assert_eq!(edge::codes(&outcomes(&told)), [(1, 1, 0), (1, 2, 0), (2, 1, 0)]);
    edge.say(&mut host, edge::leave(1, 1));
    assert_eq!((ticks(&host, 1), ticks(&host, 2)), (3, 2));
}

#[test]
fn a_rule_of_a_match_on_command_is_woken_when_it_asked_for_it() {
    let mut host = SimHost::<OnCommand>::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    edge.join(&mut host, &token(1, 1)).unwrap();
    let rung = |host: &SimHost<OnCommand>| bell(host.service().get_match(1).unwrap().simulation().columns()).rung;
    edge.say(&mut host, commands(&[(1, 1, 1, Command::Ring(5_000).encode())]));
    host.advance(4_999);
    assert_eq!((rung(&host), ticks(&host, 1)), (0, 2));
    host.advance(1);
    assert_eq!((rung(&host), ticks(&host, 1)), (1, 3));
    host.advance(100_000);
    assert_eq!(ticks(&host, 1), 3, "once");
    edge.say(&mut host, commands(&[(1, 1, 2, Command::Ring(5_000).encode())]));
    host.advance(1_000);
    edge.say(&mut host, commands(&[(1, 1, 3, Command::Ring(9_000).encode())]));
    host.advance(8_999);
    assert_eq!((rung(&host), ticks(&host, 1)), (1, 5), "a later wish moves it");
    host.advance(1);
    assert_eq!((rung(&host), ticks(&host, 1)), (2, 6));
}

#[test]
fn a_wake_up_that_was_asked_for_later_after_it_was_set_is_set_again_when_it_fires_and_not_early() {
    let mut hand = Hand::<OnCommand>::new();
    let wake = TimerId::wake(1);
    hand.say(0, &edge::open_match(1, b""));
    hand.say(0, &edge::join(1, &Token { expires_ms: 30_000, ..token(1, 1) }, 1));
    let ring = |seq, ms| commands(&[(1, 1, seq, Command::Ring(ms).encode())]);
    assert_eq!(hand.say(0, &ring(1, 1_000)).0, [(wake, Some(1_000))]);
    assert_eq!(hand.say(999, &ring(2, 1_000)).0, [], "the one that is set comes first");
    let (timers, ran) = hand.put(1_000, Event::Timer { id: wake });
    assert_eq!((timers, ran), (vec![(wake, Some(1_999))], vec![]));
    assert_eq!(hand.put(1_999, Event::Timer { id: wake }).1.len(), 1);
    assert_eq!(hand.put(2_500, Event::Timer { id: wake }), (vec![], vec![]));
}

#[test]
fn timers_are_set_again_after_a_restart() {
    for with_snapshot in [false, true] {
        let mut host = SimHost::<Slow>::new(START_MS);
        Edge::connect(&mut host).open(&mut host);
        host.advance(1_000);
        let snapshot = with_snapshot.then(|| host.snapshot());
        host.crash_and_recover(snapshot.as_deref()).unwrap();
        host.advance(199);
        assert_eq!(ticks(&host, 1), 2);
        host.advance(1);
        assert_eq!(ticks(&host, 1), 3);
        host.advance(20_000);
        assert_eq!(ticks(&host, 1), 53);

        let mut host = SimHost::<OnCommand>::new(START_MS);
        let edge = Edge::connect(&mut host);
        edge.open(&mut host);
        edge.join(&mut host, &token(1, 1)).unwrap();
        edge.say(&mut host, commands(&[(1, 1, 1, Command::Ring(5_000).encode())]));
        let snapshot = with_snapshot.then(|| host.snapshot());
        host.advance(1_000);
        host.crash_and_recover(snapshot.as_deref()).unwrap();
        host.advance(3_999);
        let rung = |host: &SimHost<OnCommand>| bell(host.service().get_match(1).unwrap().simulation().columns()).rung;
        assert_eq!(rung(&host), 0);
        host.advance(1);
        assert_eq!(rung(&host), 1);
    }
}
