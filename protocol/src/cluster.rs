//! Messages between an edge and the service: into the log ([`Ingress`]) and out of it ([`Egress`]).

use std::sync::LazyLock;

use flatbuffers::VerifierOptions;

use crate::frame::{FrameError, PREFIX_BYTES, RawFrame, build, verified};
pub use crate::generated::cluster_generated::worldlog::cluster::*;
use crate::limits as limit;
use crate::session::{bounded, exact, offset};

/// Identifier of messages into the log.
pub const INGRESS_IDENTIFIER: &str = "WLIN";
/// Identifier of messages out of the service.
pub const EGRESS_IDENTIFIER: &str = "WLEG";

static INGRESS_OPTIONS: LazyLock<VerifierOptions> = LazyLock::new(|| VerifierOptions {
    max_depth: 8,
    max_tables: 16,
    max_apparent_size: 2 * limit::INGRESS_BYTES_MAX,
    ignore_missing_null_terminator: false,
});

static EGRESS_OPTIONS: LazyLock<VerifierOptions> = LazyLock::new(|| VerifierOptions {
    max_depth: 8,
    // The longest list: a table for each match.
    max_tables: 16 + limit::MATCHES_MAX,
    max_apparent_size: 2 * limit::SERVER_FRAME_BYTES_MAX,
    ignore_missing_null_terminator: false,
});

/// Reads a message into the log and checks every bound that needs no state.
///
/// # Errors
/// With place and reason; every member computes the same.
pub fn decode_ingress(bytes: &[u8]) -> Result<Ingress<'_>, FrameError> {
    let ingress =
        verified::<Ingress<'_>>(RawFrame(bytes), INGRESS_IDENTIFIER, limit::INGRESS_BYTES_MAX, &INGRESS_OPTIONS)?;
    if let Some(hello) = ingress.message_as_edge_hello() {
        bounded("name", hello.name().map_or(0, str::len), limit::EDGE_NAME_BYTES_MAX)?;
        exact("key", hello.key().len(), limit::EDGE_KEY_BYTES)?;
        exact("proof", hello.proof().len(), limit::EDGE_PROOF_BYTES)?;
    }
    if let Some(join) = ingress.message_as_join_session() {
        bounded("account", join.account().len(), limit::ACCOUNT_BYTES_MAX)?;
        exact("nonce", join.nonce().len(), limit::NONCE_BYTES)?;
        exact("secret_hash", join.secret_hash().len(), limit::SECRET_HASH_BYTES)?;
    }
    if let Some(resume) = ingress.message_as_resume_session() {
        exact("secret_hash", resume.secret_hash().len(), limit::SECRET_HASH_BYTES)?;
        exact("next_secret_hash", resume.next_secret_hash().len(), limit::SECRET_HASH_BYTES)?;
    }
    if let Some(open) = ingress.message_as_open_match() {
        bounded("content", open.content().len(), limit::CONTENT_BYTES_MAX)?;
        bounded("label", open.label().map_or(0, str::len), limit::LABEL_BYTES_MAX)?;
        bounded("keyframe", open.keyframe().map_or(0, |keyframe| keyframe.len()), limit::OPEN_KEYFRAME_BYTES_MAX)?;
        bounded("players", open.players().map_or(0, |players| players.len()), limit::PLAYERS_PER_MATCH_MAX)?;
    }
    if let Some(batch) = ingress.message_as_command_batch() {
        let mut bytes = 0usize;
        for head in batch.heads() {
            bounded("heads.bytes", head.bytes() as usize, limit::COMMAND_BYTES_MAX)?;
            bytes += head.bytes() as usize;
        }
        exact("payload", batch.payload().len(), bytes)?;
    }
    match ingress.message_type() {
        IngressMessage::NONE => Err(FrameError::Unknown { kind: 0 }),
        IngressMessage(kind) if kind > IngressMessage::AskMatches.0 => Err(FrameError::Unknown { kind }),
        _ => Ok(ingress),
    }
}

/// Reads a message of the service.
///
/// # Errors
/// With place and reason.
pub fn decode_egress(bytes: &[u8]) -> Result<Egress<'_>, FrameError> {
    verified::<Egress<'_>>(RawFrame(bytes), EGRESS_IDENTIFIER, limit::SERVER_FRAME_BYTES_MAX, &EGRESS_OPTIONS)
}

/// One message into the log. It is a message of its own there, so it has no length prefix.
#[must_use]
pub fn encode_ingress(message: IngressMessageT) -> Vec<u8> {
    let ingress = IngressT { message };
    let mut bytes = build(INGRESS_IDENTIFIER, 256, |builder| offset(ingress.pack(builder)));
    bytes.drain(..PREFIX_BYTES);
    bytes
}

/// One message of the service, without length prefix.
#[must_use]
pub fn encode_egress(message: EgressMessageT) -> Vec<u8> {
    let egress = EgressT { message };
    let mut bytes = build(EGRESS_IDENTIFIER, 256, |builder| offset(egress.pack(builder)));
    bytes.drain(..PREFIX_BYTES);
    bytes
}
