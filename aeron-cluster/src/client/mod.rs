//! A client of a cluster: finds the leader, follows it, and says when it cannot.
//!
//! [`ClusterClient`] is a state machine that is polled: it never waits and reads no clock but its transport's. After
//! [`ClientEvent::Closed`] it is of no use any more; make a new one, with a fresh egress port. What was offered before a
//! change of leader may be lost or may be applied: the application numbers its messages and sends again what it has no
//! answer to.

mod connect;
mod egress;
mod ingress;
mod lookout;
mod machine;
mod session;

pub use machine::ClusterClient;

use std::time::Duration;

use crate::codec::cluster::AdminCode;

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where members take ingress: `(member id, "host:port")`. Replaced by what members say later. The first in this
    /// order that can be reached is asked first. Empty: whoever listens on [`ingress_channel`](Self::ingress_channel)
    /// as it is (multicast, or IPC on the leader's own driver).
    pub endpoints: Vec<(i32, String)>,
    /// Ingress channel without endpoint, e.g. `aeron:udp` or `aeron:udp?term-length=16m`.
    pub ingress_channel: String,
    /// Ingress stream; 101 on stock members.
    pub ingress_stream_id: i32,
    /// Where members answer, e.g. `aeron:udp?endpoint=127.0.0.1:24100|term-length=8m`; members resolve it, so it names an
    /// address they can reach. A port of its own for each client process; with port 0 the driver finds one.
    pub egress_channel: String,
    /// Egress stream; 102 by custom.
    pub egress_stream_id: i32,
    /// For the cluster's authenticator; empty without one.
    pub credentials: Vec<u8>,
    /// For operators, among the member's session labels.
    pub client_info: String,
    /// How long connecting may take, and a new leader may take to be reachable.
    pub message_timeout: Duration,
    /// After how long without a message a sign of life is sent; well below the cluster's session timeout.
    pub keep_alive_interval: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            ingress_channel: "aeron:udp".into(),
            ingress_stream_id: 101,
            egress_channel: String::new(),
            egress_stream_id: 102,
            credentials: Vec::new(),
            client_info: String::new(),
            message_timeout: Duration::from_secs(5),
            keep_alive_interval: Duration::from_secs(1),
        }
    }
}

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// Looks for the leader.
    Connecting,
    /// Has a leader that takes offers.
    Connected,
    /// Has lost its leader, or waits for the stream to a new one.
    AwaitingLeader,
    /// Will be closed within the next polls.
    Closing,
    /// Of no use any more.
    Closed,
}

/// What happened to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent<'a> {
    /// The session is open.
    Connected {
        /// Its number.
        session_id: i64,
        /// Who leads.
        leader_member_id: i32,
        /// In which term.
        leadership_term_id: i64,
    },
    /// The service's message.
    Message {
        /// In which term it was said. A leader that fell may be heard for a while beside its successor, and may say what
        /// it had agreed on in its term: order holds within a term only.
        leadership_term_id: i64,
        /// Cluster time of the entry that caused it.
        timestamp: i64,
        /// What it says.
        payload: &'a [u8],
    },
    /// The leader is not heard any more; a new one is awaited. Offers are refused until [`NewLeader`](Self::NewLeader).
    LeaderLost,
    /// Another member leads, and takes offers now. What was offered before and not answered must be sent again.
    NewLeader {
        /// Who.
        leader_member_id: i32,
        /// In which term.
        leadership_term_id: i64,
    },
    /// The authenticator asks for a proof; answer with [`ClusterClient::answer_challenge`].
    Challenge {
        /// What it asks.
        encoded_challenge: &'a [u8],
    },
    /// What became of [`ClusterClient::request_snapshot`].
    Admin {
        /// As returned by the request.
        correlation_id: i64,
        /// The verdict. Ok: taken, not done.
        code: AdminCode,
        /// For people.
        message: &'a str,
    },
    /// The client is of no use any more.
    Closed {
        /// Why.
        reason: CloseCause,
    },
}

/// Why a client closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// [`ClusterClient::close`].
    Asked,
    /// No member answered within the message timeout.
    NoAnswer,
    /// The cluster refused the session (too many, or an incompatible version).
    Refused,
    /// The authenticator refused.
    AuthenticationRejected,
    /// The cluster closed the session (timeout, or the service asked for it).
    ByCluster,
    /// No new leader within the time that the cluster names for it.
    NoLeader,
    /// There is a new leader, and it does not know the session: all members had been down.
    Forgotten,
    /// The stream to the leader has come to its last position.
    MaxPosition,
}
