//! A client and the members that it may meet, on one driver in memory, in virtual time.

use std::time::Duration;

use aeron_cluster::client::{ClientConfig, ClientEvent, CloseCause, ClusterClient};
use aeron_cluster::codec::cluster::AdminCode;
use aeron_cluster::transport::Transport;
use aeron_cluster::transport::memory::{Driver, MemoryTransport};

use crate::member::{Event, Heard, Member, OK, endpoint};

pub(crate) const EGRESS: &str = "aeron:udp?endpoint=client:1|term-length=64k";
pub(crate) const SESSION: i64 = 77;
pub(crate) const TERM: i64 = 3;
/// What members of the rig say about silent leaders.
pub(crate) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(4);

/// [`ClientEvent`], to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Connected { session: i64, leader: i32, term: i64 },
    Message { timestamp: i64, payload: Vec<u8> },
    LeaderLost,
    NewLeader { leader: i32, term: i64 },
    Challenge(Vec<u8>),
    Admin { correlation: i64, code: AdminCode, message: String },
    Closed(CloseCause),
}

impl From<ClientEvent<'_>> for Seen {
    fn from(event: ClientEvent<'_>) -> Self {
        match event {
            ClientEvent::Connected { session_id, leader_member_id, leadership_term_id } => {
                Self::Connected { session: session_id, leader: leader_member_id, term: leadership_term_id }
            }
            ClientEvent::Message { timestamp, payload, .. } => Self::Message { timestamp, payload: payload.to_vec() },
            ClientEvent::LeaderLost => Self::LeaderLost,
            ClientEvent::NewLeader { leader_member_id, leadership_term_id } => {
                Self::NewLeader { leader: leader_member_id, term: leadership_term_id }
            }
            ClientEvent::Challenge { encoded_challenge } => Self::Challenge(encoded_challenge.to_vec()),
            ClientEvent::Admin { correlation_id, code, message } => {
                Self::Admin { correlation: correlation_id, code, message: message.to_owned() }
            }
            ClientEvent::Closed { reason } => Self::Closed(reason),
        }
    }
}

pub(crate) struct Rig {
    pub(crate) driver: Driver,
    pub(crate) transport: MemoryTransport,
    pub(crate) client: ClusterClient,
    pub(crate) members: Vec<Member>,
    seen: Vec<Seen>,
}

pub(crate) fn config() -> ClientConfig {
    ClientConfig {
        endpoints: (0..3).map(|id| (id, endpoint(id))).collect(),
        egress_channel: EGRESS.into(),
        credentials: b"who".to_vec(),
        client_info: "a test".into(),
        ..ClientConfig::default()
    }
}

impl Rig {
    /// Three members, of which none listens.
    pub(crate) fn new(config: ClientConfig) -> Self {
        let driver = Driver::new();
        Self {
            transport: driver.client(),
            client: ClusterClient::new(config),
            members: (0..3).map(|id| Member::new(&driver, id)).collect(),
            driver,
            seen: Vec::new(),
        }
    }

    /// A client whose session is open with a member as leader. All members listen.
    pub(crate) fn connected_to(leader: i32) -> Self {
        let mut rig = Self::new(config());
        rig.members[leader as usize].listen();
        let correlation = rig.ask(leader as usize);
        rig.members[leader as usize].says(&opened(leader, correlation).bytes());
        rig.members.iter_mut().filter(|member| member.id != leader).for_each(Member::listen);
        rig.run(5);
        assert_eq!(rig.seen(), [Seen::Connected { session: SESSION, leader, term: TERM }]);
        rig
    }

    /// Runs until a member has the client's request; opens the member's streams to the client. Returns the
    /// request's correlation id.
    pub(crate) fn ask(&mut self, member: usize) -> i64 {
        for _ in 0..1_000 {
            self.run(1);
            if let Some(Heard::Connect { correlation, channel, .. }) = self.members[member].heard().pop() {
                self.members[member].open_egress(&channel);
                return correlation;
            }
        }
        panic!("member {member} was not asked")
    }

    pub(crate) fn poll(&mut self) -> usize {
        let Self { client, transport, seen, .. } = self;
        client.poll(transport, &mut |event| seen.push(event.into())).unwrap()
    }

    /// Rounds of the client's loop, in each of which a millisecond passes unless there is work.
    pub(crate) fn run(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let work = self.poll();
            self.transport.idle(work).unwrap();
        }
    }

    /// The client's loop for at least this long.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.transport.now() + time;
        while self.transport.now() < end {
            self.run(1);
        }
    }

    /// What the client has told since the last time this was asked.
    pub(crate) fn seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// Runs until the client has told something; how long that took, and what.
    pub(crate) fn next(&mut self) -> (Duration, Vec<Seen>) {
        let begin = self.transport.now();
        while self.seen.is_empty() {
            self.run(1);
            assert!(self.transport.now() - begin < Duration::from_secs(3_600), "nothing happens any more");
        }
        (self.transport.now() - begin, self.seen())
    }
}

/// A leader's consent.
pub(crate) fn opened(leader: i32, correlation: i64) -> Event<'static> {
    Event {
        session: SESSION,
        correlation,
        term: TERM,
        leader,
        code: OK,
        heartbeat_timeout_ns: HEARTBEAT_TIMEOUT.as_nanos() as i64,
        detail: "",
    }
}
