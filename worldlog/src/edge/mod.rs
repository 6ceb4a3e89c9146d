//! An edge of its own, beside a real cluster.
//!
//! Responsible for the way between an edge and an Aeron Cluster ([`AeronCluster`]), and for putting edge, media
//! driver and HTTP into one process. Not responsible for what an edge does (`net_edge`) nor for how a client follows the
//! leader (`aeron_cluster::client`).

mod cluster;
mod driver;
mod http;
mod matches;
mod process;
mod session;
mod standing;

pub use cluster::{AeronCluster, AeronOptions};
pub use process::{EdgeProcess, PlayedGame, Serving};
pub use standing::ClusterStanding;
