//! Commands have one outcome each, whatever the network does.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use protocol::frame::{PREFIX_BYTES, RawFrame};
use protocol::limits::OUTCOME_RING;
use protocol::session::{decode_client, encode_client};

use super::*;
use crate::messages;

fn up_to(newest: u64) -> impl Fn(u64) -> bool {
    move |tick| tick <= newest
}

/// The service's session table and the match behind it, as the protocol describes them.
#[derive(Default)]
struct Service {
    last_seq: u32,
    inbox: VecDeque<u32>,
    ring: VecDeque<Answer>,
    ran: Vec<Answer>,
    tick: u64,
    position: u64,
}

impl Service {
    fn take(&mut self, seq: u32) -> Option<Answer> {
        self.position += 1;
        assert!(seq <= self.last_seq + 1, "command {seq} leaves a gap after {}", self.last_seq);
        if seq == self.last_seq + 1 {
            self.last_seq = seq;
            self.inbox.push_back(seq);
            return None;
        }
        let stored = self.ring.iter().find(|answer| answer.seq == seq).copied();
        assert!(stored.is_some() || self.inbox.contains(&seq), "the outcome of {seq} is forgotten");
        stored
    }

    fn step(&mut self) -> Vec<Answer> {
        self.tick += 1;
        self.position += 1;
        let code = |seq: u32| if seq.is_multiple_of(3) { OutcomeCode::game(1) } else { OutcomeCode::APPLIED };
        let (tick, position) = (self.tick, self.position);
        let answers: Vec<_> = self.inbox.drain(..).map(|seq| Answer { seq, code: code(seq), tick, position }).collect();
        self.ran.extend(&answers);
        self.ring.extend(&answers);
        self.ring.drain(..self.ring.len().saturating_sub(OUTCOME_RING));
        answers
    }
}

#[derive(Debug)]
enum Down {
    Joined { last_seq: u32, resumed: bool },
    Baseline { tick: u64, answers: Vec<Answer> },
    Delta { tick: u64 },
    Outcomes(Vec<Answer>),
}

/// One player, one service and the network between them.
struct World {
    client: Outstanding<u32>,
    mirror_tick: u64,
    pushed: u32,
    delivered: BTreeMap<u32, Answer>,
    free: usize,
    up: VecDeque<Batch>,
    down: VecDeque<Down>,
    service: Service,
}

#[derive(Debug, Clone)]
enum Event {
    Push(u8),
    Send,
    Arrive,
    Step,
    Told,
    StateReset,
    /// The connection is lost after some of what is on its way arrived.
    Cut(u8),
}

impl World {
    fn new() -> Self {
        Self {
            client: Outstanding::new(),
            mirror_tick: 0,
            pushed: 0,
            delivered: BTreeMap::new(),
            free: COMMANDS_UNACKED_MAX,
            up: VecDeque::new(),
            down: [Down::Joined { last_seq: 0, resumed: false }, Down::Baseline { tick: 0, answers: vec![] }].into(),
            service: Service::default(),
        }
    }

    fn handle(&mut self, event: &Event) {
        match event {
            Event::Push(count) => (0..*count).for_each(|_| self.push()),
            Event::Send => self.up.extend(self.client.poll_batch()),
            Event::Arrive => self.arrive(),
            Event::Step => self.step(),
            Event::Told => self.told(),
            Event::StateReset => self.reset_state(),
            Event::Cut(arriving) => self.cut(*arriving),
        }
    }

    fn push(&mut self) {
        match self.client.push(vec![0; 3], self.pushed + 1) {
            Ok(seq) => {
                self.pushed += 1;
                assert_eq!(seq, self.pushed);
                self.free -= 1;
            }
            Err(error) => assert_eq!((error, self.free), (PushError::Full(vec![0; 3]), 0)),
        }
    }

    fn arrive(&mut self) {
        let Some(batch) = self.up.pop_front() else { return };
        let seqs = batch.first_seq..batch.first_seq + batch.payloads.len() as u32;
        let stored: Vec<_> = seqs.filter_map(|seq| self.service.take(seq)).collect();
        assert!(self.service.inbox.len() <= COMMANDS_UNACKED_MAX, "the edge closes with WindowExceeded");
        if !stored.is_empty() {
            self.down.push_back(Down::Outcomes(stored));
        }
    }

    fn step(&mut self) {
        let answers = self.service.step();
        self.down.push_back(Down::Delta { tick: self.service.tick });
        if !answers.is_empty() {
            self.down.push_back(Down::Outcomes(answers));
        }
    }

    fn reset_state(&mut self) {
        let joined = self.down.pop_front().filter(|first| matches!(first, Down::Joined { .. }));
        self.down = joined.into_iter().chain([self.baseline()]).collect();
    }

    fn baseline(&self) -> Down {
        Down::Baseline { tick: self.service.tick, answers: self.service.ring.iter().copied().collect() }
    }

    fn cut(&mut self, arriving: u8) {
        (0..arriving).for_each(|_| self.arrive());
        self.up.clear();
        self.client.handle_lost();
        self.down = [Down::Joined { last_seq: self.service.last_seq, resumed: true }, self.baseline()].into();
    }

    fn told(&mut self) {
        match self.down.pop_front() {
            None => return,
            Some(Down::Joined { last_seq, resumed }) => self.client.handle_joined(last_seq, resumed).unwrap(),
            Some(Down::Baseline { tick, answers }) => {
                self.mirror_tick = tick;
                answers.into_iter().for_each(|answer| self.client.handle_answer(answer));
                self.client.handle_baseline();
            }
            Some(Down::Delta { tick }) => {
                assert_eq!(tick, self.mirror_tick + 1);
                self.mirror_tick = tick;
            }
            Some(Down::Outcomes(answers)) => {
                answers.into_iter().for_each(|answer| self.client.handle_answer(answer));
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        let settled = self.client.settle(up_to(self.mirror_tick));
        self.free += settled.freed;
        for (waiter, answer) in settled.answers {
            assert_eq!(waiter, answer.seq);
            assert!(answer.tick <= self.mirror_tick, "told before the effect can be seen");
            assert_eq!(self.delivered.insert(waiter, answer), None, "told twice");
        }
    }

    fn check_everything_arrives(mut self) {
        for _ in 0..200 {
            while let Some(batch) = self.client.poll_batch() {
                self.up.push_back(batch);
            }
            while !self.up.is_empty() {
                self.arrive();
            }
            self.step();
            while !self.down.is_empty() {
                self.told();
            }
        }
        let ran: Vec<_> = self.service.ran.iter().map(|answer| answer.seq).collect();
        assert_eq!(ran, (1..=self.pushed).collect::<Vec<_>>(), "each command runs once, in order");
        let told: Vec<_> = self.delivered.values().copied().collect();
        assert_eq!(told, self.service.ran, "each outcome is told once, as it happened");
        assert!(self.client.is_empty());
        assert_eq!(self.free, COMMANDS_UNACKED_MAX);
        assert_eq!(self.client.counts().delivered, u64::from(self.pushed));
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1u8..12).prop_map(Event::Push),
        6 => Just(Event::Send),
        6 => Just(Event::Arrive),
        4 => Just(Event::Step),
        10 => Just(Event::Told),
        1 => Just(Event::StateReset),
        2 => (0u8..6).prop_map(Event::Cut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_command_has_one_outcome_through_cuts_and_resets(events in prop::collection::vec(event(), 0..250)) {
        let mut world = World::new();
        events.iter().for_each(|event| world.handle(event));
        world.check_everything_arrives();
    }

    #[test]
    fn frames_of_commands_pass_the_edge(sizes in prop::collection::vec(0usize..=512, 1..=32)) {
        let mut client = opened();
        for size in &sizes {
            client.push(vec![7; *size], ()).unwrap();
        }
        let mut next = 1;
        while let Some(batch) = client.poll_batch() {
            prop_assert_eq!(batch.first_seq, next);
            next += batch.payloads.len() as u32;
            let bytes = encode_client(messages::commands(batch));
            prop_assert!(decode_client(RawFrame(&bytes[PREFIX_BYTES..])).is_ok());
        }
        prop_assert_eq!(next as usize, sizes.len() + 1);
        prop_assert!(client.is_all_sent());
    }
}

fn opened<W>() -> Outstanding<W> {
    let mut client = Outstanding::new();
    client.handle_joined(0, false).unwrap();
    client
}

fn answer(seq: u32, code: OutcomeCode, tick: u64) -> Answer {
    Answer { seq, code, tick, position: 10 * tick }
}

#[test]
fn nothing_is_sent_between_a_resume_and_its_baseline() {
    let mut client = opened();
    client.push(vec![1], 'a').unwrap();
    client.push(vec![2], 'b').unwrap();
    assert_eq!(client.poll_batch().unwrap().payloads.len(), 2);
    client.handle_lost();
    client.push(vec![3], 'c').unwrap();
    client.handle_joined(2, true).unwrap();
    assert_eq!(client.poll_batch(), None);
    client.handle_answer(answer(1, OutcomeCode::APPLIED, 4));
    client.handle_baseline();
    assert_eq!(client.poll_batch(), Some(Batch { first_seq: 2, payloads: vec![vec![2], vec![3]] }));
    assert_eq!(client.counts().resent, 1);
}

#[test]
fn an_outcome_waits_for_the_mirror_to_hold_its_tick() {
    let mut client = opened();
    client.push(vec![1], 'a').unwrap();
    client.handle_answer(answer(1, OutcomeCode::APPLIED, 4));
    assert!(client.settle(up_to(3)).answers.is_empty());
    assert_eq!(client.settle(up_to(4)).answers, [('a', answer(1, OutcomeCode::APPLIED, 4))]);
    client.handle_answer(answer(1, OutcomeCode::APPLIED, 4));
    assert_eq!(client.counts().duplicates, 1);
}

#[test]
fn a_word_on_the_session_is_no_outcome() {
    let mut client = opened();
    client.push(vec![1], 'a').unwrap();
    for code in [OutcomeCode::GAP, OutcomeCode::STALE_EPOCH, OutcomeCode::NO_SESSION] {
        client.handle_answer(answer(1, code, 0));
    }
    assert!(client.settle(up_to(u64::MAX)).answers.is_empty());
    assert_eq!(client.end(), [('a', None)]);
}

#[test]
fn a_server_that_forgot_or_invents_commands_is_found_out() {
    let mut client = opened();
    client.push(vec![1], 'a').unwrap();
    client.handle_answer(answer(1, OutcomeCode::APPLIED, 1));
    client.handle_lost();
    assert_eq!(client.handle_joined(0, true), Err(Contradiction { last_seq: 0, lowest: 1, highest: 1 }));
    assert_eq!(client.handle_joined(2, true), Err(Contradiction { last_seq: 2, lowest: 1, highest: 1 }));
    assert_eq!(client.handle_joined(1, true), Ok(()));
}

#[test]
fn the_end_tells_the_outcomes_that_are_known() {
    let mut client = opened();
    client.push(vec![1], 'a').unwrap();
    client.push(vec![2], 'b').unwrap();
    let known = answer(2, OutcomeCode::APPLIED, 9);
    client.handle_answer(known);
    assert_eq!(client.end(), [('a', None), ('b', Some(known))]);
    assert!(client.is_empty());
}
