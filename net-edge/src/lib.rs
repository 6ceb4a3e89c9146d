//! The QUIC front end: admission, mirrors, fan-out.
//!
//! Responsible for players' connections: who may enter ([`token`]), what may come in (frames, rates, sizes,
//! shapes of commands), the way of commands into the log in batches, a verified mirror of each match that has
//! players here, and what each player hears of every tick.
//!
//! Not responsible for the rules of a game (it knows the manifest alone), for sessions (they live in the log;
//! an edge that falls loses none) or for how messages reach the cluster ([`Cluster`]).
//!
//! Start from [`EdgeServer::start`]. What an edge decides is in [`edge::Edge`], which knows no socket and no
//! clock; `io` moves bytes for it.
//!
//! ```text
//!  client ══QUIC══ io/connection ──► edge: session → admission → uplink ──► io/cluster ──► log
//!                        ▲                                                      │
//!                        └────────── resync, fanout ◄── interest ◄── mirror ◄───┘
//! ```

mod certificate;
mod certificates;
mod cluster;
mod config;
pub mod edge;
pub mod interest;
mod io;
mod metrics;
mod private_file;
mod rate;
pub mod token;
pub mod view;

pub use certificate::{Certificate, CertificateError};
pub use certificates::Certificates;
pub use cluster::{Cluster, ClusterLink, Ingress, LinkEvent, OfferError};
pub use config::{EdgeConfig, EdgeLimits};
pub use io::{EdgeServer, Questions, StartError, Unanswered};
pub use metrics::{AckLatency, Counters, EdgeStats};
pub use token::{Claims, TokenPublicKey, TokenSigner};
