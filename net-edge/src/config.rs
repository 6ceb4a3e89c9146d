//! Settings of an edge. Bounds are not among them: those are in [`protocol::limits`].

use std::net::SocketAddr;

use crate::certificate::Certificate;
use crate::token::TokenPublicKey;

/// Settings of one edge.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// Where players connect, UDP. Port 0 takes any.
    pub listen: SocketAddr,
    /// Name and version, told to players and to the service.
    pub name: String,
    /// Whose join tokens are good. More than one while keys are exchanged.
    pub token_keys: Vec<TokenPublicKey>,
    /// What players recognise the edge by.
    pub certificate: Certificate,
}

impl EdgeConfig {
    /// An edge of the default name.
    #[must_use]
    pub fn new(listen: SocketAddr, token_keys: Vec<TokenPublicKey>, certificate: Certificate) -> Self {
        let name = concat!("worldlog-edge/", env!("CARGO_PKG_VERSION")).to_owned();
        Self { listen, name, token_keys, certificate }
    }
}
