//! Aeron Cluster for Rust.
//!
//! A stock Aeron Cluster member is a Java process: media driver, archive, consensus module. This crate puts a service
//! written in Rust beside it, and makes Rust programs clients of such a cluster:
//!
//! - [`service`]: the container of a clustered service. Start from [`service::ClusteredService`];
//!   `examples/echo_service.rs` is a whole one.
//! - [`client`]: a client of a cluster, which follows its leader. Start from [`client::ClusterClient`];
//!   `examples/echo_client.rs` is a whole one.
//! - [`archive`]: a client of an Aeron archive, and readers of a stopped archive's files.
//! - [`member`]: starts and supervises a member: the Java process and the service as one fate.
//! - [`toggle`]: an operator's requests to a running member.
//! - [`transport`]: what all of them need of an Aeron client; over a media driver, and in memory for tests.
//!
//! Knows nothing of games. Nothing of Aeron is changed: the jar is the one that Maven has, at the version that
//! `pom.xml` pins.
//!
//! # What is spoken
//!
//! Aeron 1.51.0: cluster schema 111 version 16, archive schema 101 version 13, mark file schema 110 version 2. Codecs are made
//! from the schemas in that jar (`cargo xtask sbe`). Readers accept older versions of the schemas: what their writers did
//! not know is null.
//!
//! | of a service container | |
//! |---|---|
//! | recovery from counters, snapshot, log replay, live log; as leader, follower, and through changes of leader | yes |
//! | session messages, opens, closes, timers, leadership terms, snapshot actions; fragmented up to the stream's longest message | yes |
//! | egress on the leader; timers, closing sessions, messages of the service itself, each retried until taken | yes |
//! | snapshots through the archive, with the wait until they are written; a failed one is acknowledged as failed | yes |
//! | orderly and unexpected termination, `requestServiceAck`, standby flag of actions | yes |
//! | mark file (readable by `ClusterTool`), error counter, duty cycle and snapshot counters | yes |
//! | several services on one member | container takes a service id; not tried |
//! | being a standby member, extensions of the consensus module | no |
//!
//! | of a cluster client | |
//! |---|---|
//! | connect to any member, redirect, challenge, keep-alive, close | yes |
//! | change of leader, with the session kept; the application is told to send again what has no answer | yes |
//! | admin request for a snapshot (stock members deny it unless told otherwise) | yes |
//! | ingress over UDP to each member's endpoint | yes |
//! | ingress over IPC or multicast, response channels | no |
//!
//! | of an archive client | |
//! |---|---|
//! | connect with challenge, list, record, extend, stop, replay (bounded, following), positions, truncate, purge | yes |
//! | recording signals, as far as they end a request | yes |
//! | replication between archives, attach and migrate of segments, recording events | no |
//! | files of a stopped archive: catalog, segments with CRC-32C, `recording.log` | read only |
//!
//! # What it stands on
//!
//! [`aeron-rs`](https://docs.rs/aeron-rs) 0.1.8, whose conductor ends the process on driver events newer than
//! itself; it is run behind a filter (`transport/conductor.rs`), so that Java tools and clients on the same driver do no
//! harm. One thread owns a client and all its streams; nothing here is `Send`.
//!
//! # Security
//!
//! Aeron has no encryption, and open members take anybody as a client. Keep all ports of members and drivers in a network
//! of their own; let applications prove themselves in their own messages.

pub mod archive;
pub mod client;
pub mod codec;
pub mod counters;
pub mod member;
pub mod service;
pub mod toggle;
pub mod transport;
