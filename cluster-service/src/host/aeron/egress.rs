//! What the leader tells edges, and what it holds for those that do not take it at once.
//!
//! None of this is state: followers compute the same messages and send none, and what becomes of a message is known to
//! the leader alone. An edge that is too far behind has its cluster session closed, by the leader only. That is safe
//! although the service asks for it outside of what follows from the log: a consensus module acts on the request of its
//! own service by appending the close to the log if it leads, and it is that entry that closes the session for everyone.
//! An edge whose session was closed opens a new one and begins with new baselines, so that a message that was dropped
//! here, of whatever kind, is never missed without notice.
//!
//! Invariant: what an edge receives is a prefix of what it was told in this term; nothing is left out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use aeron_cluster::service::{Cluster, Role, Sent};
use aeron_cluster::transport::OfferError;
use protocol::ClusterSessionId;
use protocol::limits::{EGRESS_BACKLOG_BYTES_MAX, EGRESS_TERM_BYTES_MIN};
use protocol::parts::{is_divided, part};

/// Tries of one offer against what passes at once: the stream's turn to its next term.
const TRIES: usize = 3;
/// Messages and parts that are sent to one session between two looks at the log.
const PARTS_PER_ROUND: usize = 64;

/// How far an edge is behind.
#[derive(Debug, Default)]
struct Backlog {
    messages: VecDeque<Arc<[u8]>>,
    /// How much of the first is sent.
    offset: usize,
    bytes: usize,
}

/// The streams to edges.
#[derive(Debug, Default)]
pub(super) struct Egress {
    backlogs: BTreeMap<i64, Backlog>,
    /// Nothing more is sent to these; they are closed with the next entry.
    given_up: BTreeSet<i64>,
    /// Those of them that the consensus module was asked to close.
    asked: BTreeSet<i64>,
    lagging: u64,
}

/// How sending went.
enum Progress {
    Done,
    /// Sent up to here; the rest later.
    Later(usize),
    /// The session takes nothing more.
    Never,
}

impl Egress {
    /// Sends a message, or holds it until it can be sent.
    pub(super) fn send(&mut self, cluster: &mut dyn Cluster, to: ClusterSessionId, message: &Arc<[u8]>) {
        let session = to.0 as i64;
        if cluster.role() != Role::Leader || self.given_up.contains(&session) {
            return;
        }
        if let Some(backlog) = self.backlogs.get_mut(&session) {
            if backlog.bytes + message.len() > EGRESS_BACKLOG_BYTES_MAX {
                tracing::warn!(
                    session,
                    held = backlog.bytes,
                    "an edge does not take what it is sent; its session is closed"
                );
                return self.give_up(session);
            }
            backlog.bytes += message.len();
            backlog.messages.push_back(Arc::clone(message));
            return;
        }
        match transmit(cluster, session, message, 0, usize::MAX) {
            Progress::Done => {}
            Progress::Later(offset) => {
                let backlog = Backlog { messages: [Arc::clone(message)].into(), offset, bytes: message.len() };
                self.backlogs.insert(session, backlog);
            }
            Progress::Never => self.give_up(session),
        }
    }

    /// Sends what was held back. Returns how much was sent.
    pub(super) fn drain(&mut self, cluster: &mut dyn Cluster) -> usize {
        let mut sent = 0;
        let mut lost = Vec::new();
        self.backlogs.retain(|session, backlog| {
            for _ in 0..PARTS_PER_ROUND {
                let Some(first) = backlog.messages.front() else { return false };
                match transmit(cluster, *session, first, backlog.offset, 1) {
                    Progress::Done => {
                        backlog.bytes -= first.len();
                        backlog.offset = 0;
                        backlog.messages.pop_front();
                    }
                    Progress::Later(offset) if offset > backlog.offset => backlog.offset = offset,
                    Progress::Later(_) => return true,
                    Progress::Never => {
                        lost.push(*session);
                        return false;
                    }
                }
                sent += 1;
            }
            !backlog.messages.is_empty()
        });
        for session in lost {
            self.give_up(session);
        }
        sent
    }

    /// Asks for the end of sessions that were given up. Only within an entry: what changes the log is refused between
    /// entries. One that is found to be behind between them is closed with the next.
    pub(super) fn close_given_up(&mut self, cluster: &mut dyn Cluster) {
        if cluster.role() != Role::Leader {
            return;
        }
        for session in self.given_up.difference(&self.asked.clone()).copied().collect::<Vec<_>>() {
            self.asked.insert(session);
            cluster.close_session(session);
        }
    }

    /// The session is gone.
    pub(super) fn forget(&mut self, session: ClusterSessionId) {
        let session = session.0 as i64;
        self.backlogs.remove(&session);
        self.given_up.remove(&session);
        self.asked.remove(&session);
    }

    /// The member leads no more, or anew: streams begin anew.
    pub(super) fn clear(&mut self) {
        self.backlogs.clear();
        self.given_up.clear();
        self.asked.clear();
    }

    /// Bytes that are held back, of all edges.
    pub(super) fn held_bytes(&self) -> usize {
        self.backlogs.values().map(|backlog| backlog.bytes).sum()
    }

    /// Sessions that were closed because they did not take what they were sent.
    pub(super) const fn lagging(&self) -> u64 {
        self.lagging
    }

    fn give_up(&mut self, session: i64) {
        self.backlogs.remove(&session);
        if self.given_up.insert(session) {
            self.lagging += 1;
        }
    }
}

/// Sends a message from `offset` on, at most `parts_max` parts of it.
fn transmit(cluster: &mut dyn Cluster, session: i64, message: &[u8], offset: usize, parts_max: usize) -> Progress {
    if !is_divided(message) {
        return match offer(cluster, session, &[message]) {
            Some(true) => Progress::Done,
            Some(false) => Progress::Later(0),
            None => Progress::Never,
        };
    }
    let mut offset = offset;
    for _ in 0..parts_max {
        let Some((header, bytes)) = part(message, offset) else { return Progress::Done };
        match offer(cluster, session, &[&header, bytes]) {
            Some(true) => offset += bytes.len(),
            Some(false) => return Progress::Later(offset),
            None => return Progress::Never,
        }
    }
    if offset == message.len() { Progress::Done } else { Progress::Later(offset) }
}

/// Whether the session took it, will later (false), or never (`None`).
fn offer(cluster: &mut dyn Cluster, session: i64, parts: &[&[u8]]) -> Option<bool> {
    for _ in 0..TRIES {
        match cluster.send(session, parts) {
            // Followers send nothing, and who is gone misses nothing.
            Sent::Yes | Sent::NotLeader | Sent::NoSession => return Some(true),
            Sent::Refused(OfferError::AdminAction) => {}
            // A new leader's stream is not connected at first. Who never connects is closed by the cluster.
            Sent::Refused(OfferError::BackPressured | OfferError::NotConnected) => return Some(false),
            Sent::Refused(error) => {
                tracing::warn!(
                    session,
                    %error,
                    "an edge cannot be sent to; its session is closed. Its egress channel needs a term of at least \
                     {EGRESS_TERM_BYTES_MIN} bytes"
                );
                return None;
            }
        }
    }
    Some(false)
}

#[cfg(test)]
#[path = "../../../tests/aeron/fake.rs"]
mod fake;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aeron_cluster::service::Role;
    use aeron_cluster::transport::OfferError;
    use protocol::ClusterSessionId;
    use protocol::limits::{EGRESS_BACKLOG_BYTES_MAX, EGRESS_PART_BYTES_MAX};
    use protocol::parts::Assembly;

    use super::Egress;
    use super::fake::Fake;

    const EDGE: ClusterSessionId = ClusterSessionId(7);
    const OTHER: ClusterSessionId = ClusterSessionId(8);

    fn cluster() -> Fake {
        let mut cluster = Fake::leader();
        cluster.open(7);
        cluster.open(8);
        cluster
    }

    fn message(number: u8, bytes: usize) -> Arc<[u8]> {
        vec![number; bytes].into()
    }

    /// First byte of each message that a session got.
    fn numbers(cluster: &mut Fake, session: i64) -> Vec<u8> {
        cluster.take_sent(session).iter().map(|message| message[0]).collect()
    }

    #[test]
    fn what_was_refused_comes_later_in_its_order_and_others_do_not_wait() {
        let (mut cluster, mut egress) = (cluster(), Egress::default());
        cluster.room.insert(7, 1);
        for number in 0..4 {
            egress.send(&mut cluster, EDGE, &message(number, 10));
            egress.send(&mut cluster, OTHER, &message(number, 10));
        }
        assert_eq!((numbers(&mut cluster, 7), numbers(&mut cluster, 8)), (vec![0], vec![0, 1, 2, 3]));
        assert_eq!(egress.held_bytes(), 30);
        assert_eq!(egress.drain(&mut cluster), 0);
        cluster.room.insert(7, 2);
        egress.drain(&mut cluster);
        // What comes now must not pass what waits.
        cluster.room.clear();
        egress.send(&mut cluster, EDGE, &message(4, 10));
        egress.drain(&mut cluster);
        assert_eq!(numbers(&mut cluster, 7), [1, 2, 3, 4]);
        assert_eq!(egress.held_bytes(), 0);
    }

    #[test]
    fn who_is_not_connected_yet_misses_nothing() {
        let (mut cluster, mut egress) = (cluster(), Egress::default());
        cluster.refuses.insert(7, OfferError::NotConnected);
        egress.send(&mut cluster, EDGE, &message(1, 10));
        cluster.refuses.clear();
        egress.drain(&mut cluster);
        assert_eq!(numbers(&mut cluster, 7), [1]);
    }

    #[test]
    fn a_long_message_goes_in_parts_with_nothing_between_them_however_it_is_interrupted() {
        let whole: Arc<[u8]> = (0..10 * EGRESS_PART_BYTES_MAX).map(|at| at as u8).collect();
        for room in 0..12 {
            let (mut cluster, mut egress) = (cluster(), Egress::default());
            cluster.room.insert(7, room);
            egress.send(&mut cluster, EDGE, &whole);
            egress.send(&mut cluster, EDGE, &message(9, 10));
            cluster.room.insert(7, 2);
            egress.drain(&mut cluster);
            cluster.room.clear();
            egress.drain(&mut cluster);
            let mut assembly = Assembly::default();
            let got: Vec<Vec<u8>> = cluster
                .take_sent(7)
                .iter()
                .filter_map(|part| assembly.take(part).unwrap().map(std::borrow::Cow::into_owned))
                .collect();
            assert_eq!(got.len(), 2, "room {room}");
            assert_eq!((&got[0][..], &got[1][..]), (&whole[..], &[9; 10][..]));
        }
    }

    #[test]
    fn an_edge_too_far_behind_is_closed_once_and_hears_nothing_more() {
        let (mut cluster, mut egress) = (cluster(), Egress::default());
        cluster.room.insert(7, 0);
        let large = message(1, 1 << 20);
        for _ in 0..EGRESS_BACKLOG_BYTES_MAX / large.len() {
            egress.send(&mut cluster, EDGE, &large);
            egress.send(&mut cluster, OTHER, &message(2, 10));
            egress.close_given_up(&mut cluster);
        }
        assert_eq!((egress.held_bytes(), egress.lagging(), cluster.closes.len()), (EGRESS_BACKLOG_BYTES_MAX, 0, 0));
        for _ in 0..3 {
            egress.send(&mut cluster, EDGE, &large);
            egress.close_given_up(&mut cluster);
        }
        assert_eq!((egress.held_bytes(), egress.lagging(), &cluster.closes[..]), (0, 1, &[7][..]));
        cluster.room.clear();
        egress.send(&mut cluster, EDGE, &message(3, 10));
        egress.drain(&mut cluster);
        assert!(cluster.take_sent(7).is_empty(), "after a gap nothing may follow");
        assert_eq!(cluster.take_sent(8).len(), EGRESS_BACKLOG_BYTES_MAX / large.len());
        egress.forget(EDGE);
        egress.close_given_up(&mut cluster);
        assert_eq!(cluster.closes, [7]);
    }

    #[test]
    fn an_edge_whose_stream_is_too_narrow_is_closed_with_the_next_entry() {
        let (mut cluster, mut egress) = (cluster(), Egress::default());
        cluster.refuses.insert(7, OfferError::BackPressured);
        egress.send(&mut cluster, EDGE, &message(1, 10));
        cluster.refuses.insert(7, OfferError::TooLong { length: 10, max: 5 });
        cluster.may_change_log = false;
        egress.drain(&mut cluster);
        assert!(cluster.closes.is_empty());
        cluster.may_change_log = true;
        egress.close_given_up(&mut cluster);
        assert_eq!(cluster.closes, [7]);
    }

    #[test]
    fn a_follower_sends_holds_and_closes_nothing() {
        let (mut cluster, mut egress) = (cluster(), Egress::default());
        cluster.room.insert(7, 0);
        egress.send(&mut cluster, EDGE, &message(1, 10));
        egress.clear();
        cluster.role = Role::Follower;
        for _ in 0..100 {
            egress.send(&mut cluster, EDGE, &message(1, 1 << 20));
        }
        egress.drain(&mut cluster);
        egress.close_given_up(&mut cluster);
        assert_eq!((egress.held_bytes(), cluster.sent.len(), cluster.closes.len()), (0, 0, 0));
    }
}
