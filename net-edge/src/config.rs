//! Settings of an edge. What bounds them is in [`protocol::limits`].

use std::net::SocketAddr;

use protocol::limits::{
    CONNECTIONS_MAX, CONNECTIONS_PER_PREFIX_MAX, CONNECTS_PER_PREFIX_BURST, CONNECTS_PER_PREFIX_PER_SECOND,
    DATAGRAMS_PER_SECOND, FRAMES_PER_SECOND, HANDSHAKES_BEFORE_RETRY,
};

use crate::certificates::Certificates;
use crate::token::TokenPublicKey;

/// Settings of one edge.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// Where players connect, UDP. Port 0 takes any. All addresses of IPv6 are those of IPv4 as well.
    pub listen: SocketAddr,
    /// Name and version, told to players and to the service.
    pub name: String,
    /// Whose join tokens are good. More than one while keys are exchanged.
    pub token_keys: Vec<TokenPublicKey>,
    /// What players recognise the edge by.
    pub certificates: Certificates,
    /// Web pages that may connect, as browsers name them (`https://game.example`). Empty: any.
    pub web_origins: Vec<String>,
    /// What one player, one network and all together may take.
    pub limits: EdgeLimits,
    /// Threads that move packets; 0: one for every two cores, as the others run matches and write what players are told.
    /// One is cheapest for as many players as it can serve: nothing is handed from thread to thread.
    pub threads: usize,
}

impl EdgeConfig {
    /// An edge of the default name and limits, for all web pages.
    #[must_use]
    pub fn new(listen: SocketAddr, token_keys: Vec<TokenPublicKey>, certificates: Certificates) -> Self {
        let name = concat!("worldlog-edge/", env!("CARGO_PKG_VERSION")).to_owned();
        let (web_origins, limits) = (Vec::new(), EdgeLimits::default());
        Self { listen, name, token_keys, certificates, web_origins, limits, threads: 0 }
    }
}

/// What an operator may set within the bounds of [`protocol::limits`]. A prefix is a /24 or a /56.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLimits {
    /// Live connections. Each costs up to about 700 KiB: what QUIC holds both ways and what waits for it.
    pub connections: usize,
    /// Live connections from one prefix. Raising it lets one network take more of the places.
    pub connections_per_prefix: usize,
    /// New connections a second from one prefix, sustained. Each costs two signatures' worth of time.
    pub connects_per_prefix_per_second: u32,
    /// New connections from one prefix at once.
    pub connects_per_prefix_burst: u32,
    /// Handshakes in flight from which addresses must be validated first, which costs a new player one more round trip;
    /// 0 validates always. Raising it lets forged addresses take as many handshakes' time and memory.
    pub handshakes_before_retry: usize,
    /// Frames a second from one client, sustained; twice as many at once. Each may carry 32 commands.
    pub frames_per_second: u32,
    /// Datagrams a second from one client, sustained; twice as many at once.
    pub datagrams_per_second: u32,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            connections_per_prefix: CONNECTIONS_PER_PREFIX_MAX,
            connects_per_prefix_per_second: CONNECTS_PER_PREFIX_PER_SECOND,
            connects_per_prefix_burst: CONNECTS_PER_PREFIX_BURST,
            handshakes_before_retry: HANDSHAKES_BEFORE_RETRY,
            frames_per_second: FRAMES_PER_SECOND,
            datagrams_per_second: DATAGRAMS_PER_SECOND,
        }
    }
}
