//! A service that notes how it is called, keeps what it is told, and does what messages say.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use aeron_cluster::codec::cluster::CloseReason;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, LeadershipTerm, Role, ServiceError, SnapshotError, SnapshotReader,
    SnapshotWriter,
};
use aeron_cluster::transport::memory::Driver;

/// What a test sees of the service, and tells it beside the log.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) calls: Vec<String>,
    /// The replicated state.
    pub(crate) state: Vec<Vec<u8>>,
    pub(crate) fails_to_start: bool,
    pub(crate) fails_to_snapshot: bool,
    pub(crate) should_stop: bool,
    /// Sent to a session in the next background work.
    pub(crate) held_back: Option<(i64, Vec<u8>)>,
    /// Asked of the cluster in the next background work.
    pub(crate) background_request: Option<String>,
    pub(crate) start_request: Option<String>,
    /// How long each message takes it.
    pub(crate) slowness: Option<(Driver, Duration)>,
}

#[derive(Clone, Default)]
pub(crate) struct Recorder(pub(crate) Rc<RefCell<Notes>>);

const LAST: &[u8] = b"the last message of a snapshot";

impl Recorder {
    fn note(&self, cluster: &dyn Cluster, call: String) {
        self.0.borrow_mut().calls.push(format!("{call} @{}", cluster.log_position()));
    }
}

/// `timer 7 100`, `cancel 7`, `close 7`, `offer text`, `send 7 text`; anything else is only kept.
fn obey(cluster: &mut dyn Cluster, request: &str) -> Option<String> {
    let words: Vec<&str> = request.split(' ').collect();
    match words[..] {
        ["timer", correlation, deadline] => {
            cluster.schedule_timer(correlation.parse().unwrap(), deadline.parse().unwrap());
        }
        ["cancel", correlation] => cluster.cancel_timer(correlation.parse().unwrap()),
        ["close", session] => cluster.close_session(session.parse().unwrap()),
        ["offer", text] => cluster.offer(&[b"of", b"fered ", text.as_bytes()]),
        ["offer-bytes", count] => cluster.offer(&[&vec![0; count.parse().unwrap()]]),
        ["send", session, text] => {
            let sent = cluster.send(session.parse().unwrap(), &[b"echo ", text.as_bytes()]);
            return Some(format!("{sent:?}"));
        }
        ["send-parts", session] => {
            let parts: Vec<[u8; 1]> = (b'a'..=b'z').map(|letter| [letter]).collect();
            let parts: Vec<&[u8]> = parts.iter().map(|part| &part[..]).collect();
            return Some(format!("{:?}", cluster.send(session.parse().unwrap(), &parts)));
        }
        _ => {}
    }
    None
}

impl ClusteredService for Recorder {
    fn on_start(
        &mut self,
        cluster: &mut dyn Cluster,
        snapshot: Option<&mut dyn SnapshotReader>,
    ) -> Result<(), ServiceError> {
        if self.0.borrow().fails_to_start {
            return Err(ServiceError("as the test says".into()));
        }
        let request = self.0.borrow_mut().start_request.take();
        request.map(|request| obey(cluster, &request));
        self.note(cluster, format!("start sessions {:?} time {}", cluster.session_ids(), cluster.time()));
        let Some(snapshot) = snapshot else { return Ok(()) };
        let mut message = Vec::new();
        while snapshot.read(&mut message)? {
            if message == LAST {
                return Ok(());
            }
            self.0.borrow_mut().state.push(message.clone());
        }
        Err(ServiceError("the snapshot ends before its last message".into()))
    }

    fn on_session_open(&mut self, cluster: &mut dyn Cluster, session: &ClientSession, timestamp: i64) {
        assert_eq!(cluster.session(session.id), Some(session));
        self.note(cluster, format!("open {} at {timestamp}", session.id));
    }

    fn on_session_close(
        &mut self,
        cluster: &mut dyn Cluster,
        session: &ClientSession,
        timestamp: i64,
        reason: CloseReason,
    ) {
        assert_eq!(cluster.session(session.id), None);
        self.note(cluster, format!("close {} at {timestamp} {reason:?}", session.id));
    }

    fn on_message(&mut self, cluster: &mut dyn Cluster, session_id: i64, timestamp: i64, payload: &[u8]) {
        assert_eq!(cluster.time(), timestamp);
        self.0.borrow_mut().state.push(payload.to_vec());
        if let Some((driver, time)) = &self.0.borrow().slowness {
            driver.advance(*time);
        }
        let done = std::str::from_utf8(payload).ok().and_then(|request| obey(cluster, request));
        let outcome = done.map(|done| format!(" {done}")).unwrap_or_default();
        self.note(cluster, format!("message {session_id} at {timestamp} of {}{outcome}", payload.len()));
    }

    fn on_timer(&mut self, cluster: &mut dyn Cluster, correlation_id: i64, timestamp: i64) {
        self.note(cluster, format!("timer {correlation_id} at {timestamp}"));
    }

    fn on_take_snapshot(
        &mut self,
        cluster: &mut dyn Cluster,
        snapshot: &mut dyn SnapshotWriter,
    ) -> Result<(), SnapshotError> {
        self.note(cluster, "snapshot".into());
        let notes = self.0.borrow();
        for message in &notes.state {
            snapshot.write(message)?;
        }
        if notes.fails_to_snapshot {
            return Err(SnapshotError("as the test says".into()));
        }
        snapshot.write(LAST)
    }

    fn on_role_change(&mut self, role: Role) {
        self.0.borrow_mut().calls.push(format!("role {role:?}"));
    }

    fn on_new_term(&mut self, cluster: &mut dyn Cluster, term: &LeadershipTerm) {
        assert_eq!((cluster.leadership_term_id(), cluster.time_unit()), (term.id, term.time_unit));
        let LeadershipTerm { id, base_log_position, leader_member_id, time_unit } = term;
        self.note(cluster, format!("term {id} from {base_log_position} of {leader_member_id} in {time_unit:?}"));
    }

    fn on_terminate(&mut self) {
        self.0.borrow_mut().calls.push("terminate".into());
    }

    fn do_background_work(&mut self, cluster: &mut dyn Cluster) -> usize {
        let request = self.0.borrow_mut().background_request.take();
        request.map(|request| obey(cluster, &request));
        let Some((session, message)) = self.0.borrow_mut().held_back.take() else { return 0 };
        let sent = cluster.send(session, &[&message]);
        self.0.borrow_mut().calls.push(format!("held back {sent:?}"));
        1
    }

    fn should_stop(&self) -> bool {
        self.0.borrow().should_stop
    }
}
