//! What a service may ask while it is being called.

use super::attended::Attended;
use super::module::Module;
use super::sessions::Sessions;
use super::{ClientSession, Cluster, ContainerError, Role, Sent};
use crate::codec::cluster::TimeUnit;
use crate::transport::Transport;

/// Where the state is, and what the member is.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) member_id: i32,
    pub(super) role: Role,
    pub(super) log_position: i64,
    pub(super) cluster_time: i64,
    pub(super) time_unit: TimeUnit,
    pub(super) leadership_term_id: i64,
    pub(super) sessions: Sessions,
    /// What went wrong inside a callback. The container ends with it as soon as the callback returns.
    pub(super) failure: Option<ContainerError>,
}

/// The way to the consensus module, in callbacks that may change the log.
pub(super) struct Way<'a> {
    pub(super) transport: &'a mut Attended,
    pub(super) module: &'a mut Module,
}

/// [`Cluster`] for the time of one callback.
pub(super) struct Context<'a> {
    standing: &'a mut Standing,
    way: Option<Way<'a>>,
    /// As of the callback's begin, where there is no way to ask.
    epoch_ms: i64,
}

impl<'a> Context<'a> {
    /// For entries of the log.
    pub(super) fn of_entry(standing: &'a mut Standing, transport: &'a mut Attended, module: &'a mut Module) -> Self {
        Self { standing, way: Some(Way { transport, module }), epoch_ms: 0 }
    }

    /// For callbacks that may not change the log.
    pub(super) fn reading(standing: &'a mut Standing, epoch_ms: i64) -> Self {
        Self { standing, way: None, epoch_ms }
    }

    /// Asks the module; what fails is kept for the container, and nothing is asked after it.
    fn ask(&mut self, what: &str, ask: impl FnOnce(&mut Way<'_>) -> Result<(), ContainerError>) {
        let way = self.way.as_mut();
        let way = way.unwrap_or_else(|| panic!("{what} where the log may not be changed: only entries of the log may"));
        if self.standing.failure.is_none() {
            self.standing.failure = ask(way).err();
        }
    }
}

impl Cluster for Context<'_> {
    fn member_id(&self) -> i32 {
        self.standing.member_id
    }

    fn role(&self) -> Role {
        self.standing.role
    }

    fn log_position(&self) -> i64 {
        self.standing.log_position
    }

    fn time(&self) -> i64 {
        self.standing.cluster_time
    }

    fn time_unit(&self) -> TimeUnit {
        self.standing.time_unit
    }

    fn leadership_term_id(&self) -> i64 {
        self.standing.leadership_term_id
    }

    fn session(&self, session_id: i64) -> Option<&ClientSession> {
        self.standing.sessions.get(session_id)
    }

    fn session_ids(&self) -> Vec<i64> {
        self.standing.sessions.iter().map(|session| session.id).collect()
    }

    fn send(&mut self, session_id: i64, parts: &[&[u8]]) -> Sent {
        let Standing { role, leadership_term_id, cluster_time, sessions, .. } = &mut *self.standing;
        match role {
            Role::Leader => sessions.send(session_id, *leadership_term_id, *cluster_time, parts),
            Role::Follower | Role::Candidate => Sent::NotLeader,
        }
    }

    fn schedule_timer(&mut self, correlation_id: i64, deadline: i64) {
        self.ask("a timer", |way| way.module.schedule_timer(way.transport, correlation_id, deadline));
    }

    fn cancel_timer(&mut self, correlation_id: i64) {
        self.ask("the end of a timer", |way| way.module.cancel_timer(way.transport, correlation_id));
    }

    fn close_session(&mut self, session_id: i64) {
        let is_news = self.standing.sessions.begin_closing(session_id);
        self.ask("the end of a session", |way| {
            if is_news { way.module.close_session(way.transport, session_id) } else { Ok(()) }
        });
    }

    fn offer(&mut self, parts: &[&[u8]]) {
        self.ask("a message of the service", |way| way.module.offer(way.transport, parts));
    }

    fn epoch_ms(&self) -> i64 {
        self.way.as_ref().map_or(self.epoch_ms, |way| way.transport.epoch_ms())
    }
}
