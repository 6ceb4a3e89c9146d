//! How an edge shows to the service that it is one of ours.
//!
//! Whoever holds the cluster's secret has an Ed25519 key pair: the private key's seed is
//! SHA-256([`SEED_DOMAIN`] ‖ the secret). [`EdgeHello`](crate::cluster::EdgeHello) carries the public key and the
//! signature of [`statement`]. The first pair that the log accepts is the log's for good; each later hello must show the
//! same key.
//!
//! Why a signature and not a keyed hash: every member judges a hello, and what it judges becomes state. With a keyed
//! hash a member that was given another secret would judge otherwise and diverge. A signature needs nothing but the log.
//! What a member was configured with is compared with the log's key beside the state: a member that was given another
//! secret stops and says so.
//!
//! Why the session's number suffices as challenge: the leader chooses it, says it to none but the client before the
//! hello, and never gives it out twice. A hello that was overheard is therefore good for the session that it opened
//! and for no other. It does not stop who can write into the network between edges and members: Aeron's messages
//! are not authenticated, so that one can speak in an open session. That network must be closed to others.
//!
//! Responsible for the bytes only. Signing and verifying need a cryptographic library and are where one is at hand.

use crate::ClusterSessionId;

/// Before the secret, in the hash that is the private key's seed.
pub const SEED_DOMAIN: &[u8] = b"worldlog edge key 1";
/// Before the session's number, in what is signed.
pub const STATEMENT_DOMAIN: &[u8] = b"worldlog edge hello 1";

/// What is signed: [`STATEMENT_DOMAIN`], then the number of the cluster session (u64, little-endian).
#[must_use]
pub fn statement(session: ClusterSessionId) -> Vec<u8> {
    [STATEMENT_DOMAIN, &session.0.to_le_bytes()].concat()
}
