//! Aeron Cluster for Rust.
//!
//! A stock Aeron Cluster member (Java: media driver, archive, consensus module) with a service written in Rust beside
//! it, and Rust clients of such a cluster:
//!
//! - [`service`]: the container of a clustered service. Start from [`service::ClusteredService`].
//! - [`client`]: a client of a cluster, which follows its leader. Start from [`client::ClusterClient`].
//! - [`archive`]: a client of an Aeron archive, and readers of an archive's files.
//! - [`member`]: starts and supervises a member: the JVM and the service as one fate.
//! - [`toggle`]: an operator's requests to a cluster: snapshot, suspend, shut down.
//! - [`transport`]: what all of them need of an Aeron client.
//!
//! Knows nothing of games. Speaks the protocols of Aeron 1.51.

pub mod archive;
pub mod client;
pub mod codec;
pub mod counters;
pub mod member;
pub mod service;
pub mod toggle;
pub mod transport;
