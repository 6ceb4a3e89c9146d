//! A cluster as a service sees it, with everything that a test wants to know or to go wrong.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};

use aeron_cluster::codec::cluster::TimeUnit;
use aeron_cluster::service::{ClientSession, Cluster, Role, Sent};
use aeron_cluster::transport::OfferError;

#[derive(Default)]
pub struct Fake {
    pub member: i32,
    pub role: Role,
    pub position: i64,
    pub time: i64,
    pub unit: TimeUnit,
    pub sessions: BTreeMap<i64, ClientSession>,
    /// Deadlines in the cluster's unit.
    pub timers: BTreeMap<i64, i64>,
    /// Sessions that were asked to be closed.
    pub closes: Vec<i64>,
    /// What each session was sent.
    pub sent: BTreeMap<i64, Vec<Vec<u8>>>,
    /// Sessions that take nothing, and why.
    pub refuses: BTreeMap<i64, OfferError>,
    /// Sessions that take so many more messages.
    pub room: BTreeMap<i64, usize>,
    pub has_ended: BTreeSet<i64>,
    /// Within an entry.
    pub may_change_log: bool,
}

impl Fake {
    pub fn leader() -> Self {
        Self { role: Role::Leader, may_change_log: true, ..Self::default() }
    }

    /// Opens a session, as the container knows it.
    pub fn open(&mut self, id: i64) -> ClientSession {
        let session = ClientSession {
            id,
            response_stream_id: 102,
            response_channel: String::new(),
            encoded_principal: Vec::new(),
        };
        self.sessions.insert(id, session.clone());
        session
    }

    pub fn take_sent(&mut self, id: i64) -> Vec<Vec<u8>> {
        self.sent.remove(&id).unwrap_or_default()
    }
}

impl Cluster for Fake {
    fn member_id(&self) -> i32 {
        self.member
    }

    fn role(&self) -> Role {
        self.role
    }

    fn log_position(&self) -> i64 {
        self.position
    }

    fn time(&self) -> i64 {
        self.time
    }

    fn time_unit(&self) -> TimeUnit {
        self.unit
    }

    fn leadership_term_id(&self) -> i64 {
        0
    }

    fn session(&self, session_id: i64) -> Option<&ClientSession> {
        self.sessions.get(&session_id)
    }

    fn session_ids(&self) -> Vec<i64> {
        self.sessions.keys().copied().collect()
    }

    fn send(&mut self, session_id: i64, parts: &[&[u8]]) -> Sent {
        if self.role != Role::Leader {
            return Sent::NotLeader;
        }
        if !self.sessions.contains_key(&session_id) {
            return Sent::NoSession;
        }
        if let Some(error) = self.refuses.get(&session_id) {
            return Sent::Refused(*error);
        }
        if let Some(room) = self.room.get_mut(&session_id) {
            let Some(left) = room.checked_sub(1) else { return Sent::Refused(OfferError::BackPressured) };
            *room = left;
        }
        self.sent.entry(session_id).or_default().push(parts.concat());
        Sent::Yes
    }

    fn schedule_timer(&mut self, correlation_id: i64, deadline: i64) {
        assert!(self.may_change_log, "a timer outside of an entry");
        self.timers.insert(correlation_id, deadline);
    }

    fn cancel_timer(&mut self, correlation_id: i64) {
        assert!(self.may_change_log, "a timer outside of an entry");
        self.timers.remove(&correlation_id);
    }

    fn close_session(&mut self, session_id: i64) {
        assert!(self.may_change_log, "a close outside of an entry");
        self.closes.push(session_id);
    }

    fn offer(&mut self, _parts: &[&[u8]]) {
        panic!("the service appends nothing itself");
    }

    fn epoch_ms(&self) -> i64 {
        0
    }
}
