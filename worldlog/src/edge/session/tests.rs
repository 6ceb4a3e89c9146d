//! A session against members in memory, in virtual time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use aeron_cluster::client::{ClientConfig, CloseCause, ClusterClient};
use aeron_cluster::transport::Transport as _;
use aeron_cluster::transport::memory::{Driver, MemoryTransport};
use net_edge::LinkEvent;
use protocol::ClusterSessionId;
use protocol::limits::LINK_BACKLOG_MAX;
use protocol::parts::part;
use tokio::sync::mpsc;

use super::{Ends, Offered, Over, Session};
use crate::edge::standing::Standing;
use member::{Event, Heard, Member, OK, endpoint, new_leader, session_message};

#[allow(dead_code, reason = "each user needs a part of it")]
#[path = "../../../../aeron-cluster/tests/client/member.rs"]
mod member;

const SESSION: i64 = 77;
const TERM: i64 = 3;

struct Rig {
    driver: Driver,
    transport: MemoryTransport,
    session: Session,
    members: Vec<Member>,
    offers: Option<SyncSender<Offered>>,
    egress: mpsc::Receiver<LinkEvent>,
    opened: Receiver<ClusterSessionId>,
    standing: Arc<Standing>,
    over: Option<Over>,
}

impl Rig {
    fn connected() -> Self {
        let driver = Driver::new();
        let client = ClusterClient::new(ClientConfig {
            endpoints: (0..3).map(|id| (id, endpoint(id))).collect(),
            egress_channel: "aeron:udp?endpoint=edge:1|term-length=4m".to_owned(),
            ..ClientConfig::default()
        });
        let (offers, ingress) = sync_channel(LINK_BACKLOG_MAX);
        let (events, egress) = mpsc::channel(LINK_BACKLOG_MAX);
        let (tell, opened) = sync_channel(1);
        let standing = Arc::<Standing>::default();
        let ends = Ends { ingress, egress: events, opened: tell, standing: Arc::clone(&standing) };
        let mut rig = Self {
            transport: driver.client(),
            session: Session::new(client, ends),
            members: (0..3).map(|id| Member::new(&driver, id)).collect(),
            driver,
            offers: Some(offers),
            egress,
            opened,
            standing,
            over: None,
        };
        rig.members.iter_mut().for_each(Member::listen);
        let (leader, correlation) = rig.asked();
        rig.members[leader].says(
            &Event {
                session: SESSION,
                correlation,
                term: TERM,
                leader: leader as i32,
                code: OK,
                heartbeat_timeout_ns: 4_000_000_000,
                detail: "",
            }
            .bytes(),
        );
        rig.run(20);
        assert_eq!(rig.opened.try_recv(), Ok(ClusterSessionId(SESSION as u64)));
        rig.members.swap(0, leader);
        rig
    }

    /// Who was asked for a session, under which number.
    fn asked(&mut self) -> (usize, i64) {
        for _ in 0..1_000 {
            self.run(1);
            for (index, member) in self.members.iter_mut().enumerate() {
                if let Some(Heard::Connect { correlation, channel, .. }) = member.heard().pop() {
                    member.open_egress(&channel);
                    return (index, correlation);
                }
            }
        }
        panic!("nobody was asked")
    }

    fn run(&mut self, rounds: usize) {
        for _ in 0..rounds {
            if self.over.is_some() {
                return;
            }
            match self.session.step(&mut self.transport) {
                Ok(work) => self.transport.idle(work).unwrap(),
                Err(over) => self.over = Some(over),
            }
        }
    }

    fn offer(&mut self, term: u64, message: &[u8]) {
        let offered = Offered { term, message: message.to_vec() };
        self.offers.as_ref().unwrap().try_send(offered).ok().unwrap();
    }

    fn says(&mut self, payload: &[u8]) {
        self.members[0].service_says(&session_message(TERM, SESSION, 1, payload));
    }

    /// Payloads that a member was sent.
    fn payloads(&mut self, member: usize) -> Vec<Vec<u8>> {
        let heard = self.members[member].heard().into_iter();
        heard
            .filter_map(|heard| if let Heard::Message { payload, .. } = heard { Some(payload) } else { None })
            .collect()
    }

    fn events(&mut self) -> Vec<LinkEvent> {
        std::iter::from_fn(|| self.egress.try_recv().ok()).collect()
    }

    /// Another member begins to lead.
    fn lead(&mut self, member: usize) {
        let leader = self.members[member].id;
        self.members[member].open_egress("aeron:udp?endpoint=edge:1|term-length=4m");
        self.members[member].says(&new_leader(TERM + 1, SESSION, leader, ""));
        self.run(20);
    }
}

fn message(payload: &[u8]) -> LinkEvent {
    LinkEvent::Message(payload.into())
}

#[test]
fn messages_go_to_the_leader_and_come_from_the_service_in_their_order() {
    let mut rig = Rig::connected();
    (0..200u8).for_each(|number| rig.offer(0, &[number]));
    (0..200u8).for_each(|number| rig.says(&[number]));
    rig.run(20);
    assert_eq!(rig.payloads(0), (0..200u8).map(|number| vec![number]).collect::<Vec<_>>());
    assert_eq!(rig.events(), (0..200u8).map(|number| message(&[number])).collect::<Vec<_>>());
}

#[test]
fn what_was_meant_for_a_leader_that_fell_never_reaches_the_next() {
    let mut rig = Rig::connected();
    rig.members[0].stop();
    rig.run(5_000);
    assert_eq!(rig.events(), [LinkEvent::LeaderLost]);
    assert_eq!(rig.standing.get().leader, None);
    rig.offer(0, b"held");
    rig.offer(0, b"queued");
    rig.run(5);
    rig.lead(1);
    assert_eq!(rig.events(), [LinkEvent::LeaderChanged { term: 1 }]);
    rig.offer(0, b"offered before the edge knew");
    rig.offer(1, b"again");
    rig.run(5);
    assert_eq!(rig.payloads(1), [b"again"]);
    let standing = rig.standing.get();
    assert_eq!((standing.leader, standing.leader_changes_total), (Some(rig.members[1].id), 1));
}

#[test]
fn messages_in_parts_are_put_together_and_what_a_leader_left_unfinished_is_dropped() {
    let mut rig = Rig::connected();
    let long: Vec<u8> = (0..900_000u32).map(|at| (at % 251) as u8).collect();
    let parts = |message: &[u8]| {
        let (mut parts, mut offset) = (Vec::new(), 0);
        while let Some((header, bytes)) = part(message, offset) {
            offset += bytes.len();
            parts.push([&header[..], bytes].concat());
        }
        parts
    };
    let parts = parts(&long);
    parts.iter().for_each(|part| rig.says(part));
    rig.run(200);
    assert_eq!(rig.events(), [message(&long)]);

    rig.says(&parts[0]);
    rig.run(50);
    rig.lead(1);
    assert_eq!(rig.events(), [LinkEvent::LeaderLost, LinkEvent::LeaderChanged { term: 1 }]);
    parts[1..].iter().for_each(|part| rig.says(part));
    rig.run(200);
    rig.members[1].service_says(&session_message(TERM + 1, SESSION, 2, b"short"));
    rig.run(20);
    assert_eq!(rig.events(), [message(b"short")]);
}

#[test]
fn a_leader_that_wakes_up_does_not_interrupt_its_successor() {
    let mut rig = Rig::connected();
    rig.lead(1);
    assert_eq!(rig.events(), [LinkEvent::LeaderLost, LinkEvent::LeaderChanged { term: 1 }]);
    let long: Vec<u8> = (0..600_000u32).map(|at| (at % 251) as u8).collect();
    let mut offset = 0;
    while let Some((header, bytes)) = part(&long, offset) {
        offset += bytes.len();
        rig.members[1].service_says(&session_message(TERM + 1, SESSION, 2, &[&header[..], bytes].concat()));
        rig.run(100);
        rig.says(b"of the term before");
        rig.run(20);
    }
    assert_eq!(rig.events(), [message(&long)]);
    assert!(rig.over.is_none(), "{:?}", rig.over);
}

#[test]
fn an_edge_that_takes_nothing_leaves_the_rest_in_the_stream() {
    let mut rig = Rig::connected();
    let count = 2 * LINK_BACKLOG_MAX as u32;
    (0..count).for_each(|number| rig.says(&number.to_le_bytes()));
    rig.run(1_000);
    let mut heard = rig.events();
    assert!(heard.len() <= LINK_BACKLOG_MAX, "{}", heard.len());
    for _ in 0..10 {
        rig.run(100);
        heard.extend(rig.events());
    }
    assert_eq!(heard, (0..count).map(|number| message(&number.to_le_bytes())).collect::<Vec<_>>());
    assert!(rig.over.is_none());
}

#[test]
fn an_edge_that_lets_go_says_goodbye() {
    let mut rig = Rig::connected();
    rig.offer(0, b"last");
    rig.offers = None;
    rig.run(100);
    assert!(matches!(rig.over, Some(Over::Asked)), "{:?}", rig.over);
    let heard = rig.members[0].heard();
    let is_message = |heard: &Heard| matches!(heard, Heard::Message { payload, .. } if payload == b"last");
    assert!(
        heard.iter().any(is_message) && heard.contains(&Heard::Close { term: TERM, session: SESSION }),
        "{heard:?}"
    );
}

#[test]
fn a_cluster_that_finds_no_leader_ends_the_session() {
    let mut rig = Rig::connected();
    rig.members.iter_mut().for_each(Member::stop);
    rig.run(60_000);
    assert!(matches!(rig.over, Some(Over::Closed(CloseCause::NoLeader))), "{:?}", rig.over);
    assert_eq!(rig.events(), [LinkEvent::LeaderLost]);
    drop(rig.session);
    assert_eq!(rig.standing.get().session, None);
}

#[test]
fn a_driver_that_dies_ends_the_session() {
    let mut rig = Rig::connected();
    rig.driver.die();
    rig.driver.advance(Duration::from_secs(1));
    assert!(rig.session.step(&mut rig.transport).is_err() || rig.transport.idle(0).is_err());
}
