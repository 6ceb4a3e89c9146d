//! Frames between a client and an edge. `README.md` of this crate explains each.

use std::sync::LazyLock;

use flatbuffers::{FlatBufferBuilder, VerifierOptions};

use crate::frame::{FrameError, RawFrame, build, verified};
pub use crate::generated::session_generated::worldlog::session::*;
use crate::limits as limit;
use crate::outcome::CloseCode;

/// Identifier of frames from client to edge.
pub const CLIENT_IDENTIFIER: &str = "WLCF";
/// Identifier of frames from edge to client.
pub const SERVER_IDENTIFIER: &str = "WLSF";

static CLIENT_OPTIONS: LazyLock<VerifierOptions> = LazyLock::new(|| VerifierOptions {
    max_depth: limit::CLIENT_FRAME_DEPTH_MAX,
    max_tables: limit::CLIENT_FRAME_TABLES_MAX,
    max_apparent_size: limit::CLIENT_FRAME_APPARENT_BYTES_MAX,
    ignore_missing_null_terminator: false,
});

static SERVER_OPTIONS: LazyLock<VerifierOptions> = LazyLock::new(|| VerifierOptions {
    max_depth: 8,
    max_tables: 64,
    max_apparent_size: 2 * limit::SERVER_FRAME_BYTES_MAX,
    ignore_missing_null_terminator: false,
});

/// Reads a frame of a client and checks every bound that needs no session.
///
/// # Errors
/// With place and reason; the connection must be closed.
pub fn decode_client(raw: RawFrame<'_>) -> Result<ClientFrame<'_>, FrameError> {
    let frame = verified::<ClientFrame<'_>>(raw, CLIENT_IDENTIFIER, limit::CLIENT_FRAME_BYTES_MAX, &CLIENT_OPTIONS)?;
    match frame.message_type() {
        ClientMessage::Hello => {
            let hello = frame.message_as_hello().expect("the type says so");
            bounded("client", hello.client().map_or(0, str::len), limit::CLIENT_NAME_BYTES_MAX)?;
        }
        ClientMessage::Join => {
            let join = frame.message_as_join().expect("the type says so");
            bounded("token", join.token().len(), limit::TOKEN_BYTES_MAX)?;
        }
        ClientMessage::Resume => {
            let resume = frame.message_as_resume().expect("the type says so");
            exact("secret", resume.secret().len(), limit::SECRET_BYTES)?;
        }
        ClientMessage::Commands => check_commands(&frame.message_as_commands().expect("the type says so"))?,
        ClientMessage::Resync | ClientMessage::Ping | ClientMessage::Leave => {}
        ClientMessage(kind) => return Err(FrameError::Unknown { kind }),
    }
    Ok(frame)
}

fn check_commands(commands: &Commands<'_>) -> Result<(), FrameError> {
    let items = commands.items();
    bounded("items", items.len(), limit::COMMANDS_PER_FRAME_MAX)?;
    if items.is_empty() {
        return Err(value("items", "a frame of commands carries at least one"));
    }
    if commands.first_seq() == 0 || commands.first_seq().checked_add(items.len() as u32).is_none() {
        return Err(value("first_seq", "command numbers start at 1 and end before 2^32"));
    }
    items.iter().try_for_each(|item| bounded("payload", item.payload().len(), limit::COMMAND_BYTES_MAX))
}

/// Reads a frame of an edge. A message type that this build does not know is the caller's to ignore.
///
/// # Errors
/// With place and reason.
pub fn decode_server(raw: RawFrame<'_>) -> Result<ServerFrame<'_>, FrameError> {
    verified::<ServerFrame<'_>>(raw, SERVER_IDENTIFIER, limit::SERVER_FRAME_BYTES_MAX, &SERVER_OPTIONS)
}

/// One frame from client to edge, prefix included.
#[must_use]
pub fn encode_client(message: ClientMessageT) -> Vec<u8> {
    let frame = ClientFrameT { message };
    build(CLIENT_IDENTIFIER, 256, |builder| offset(frame.pack(builder)))
}

/// One frame from edge to client, prefix included.
#[must_use]
pub fn encode_server(message: ServerMessageT) -> Vec<u8> {
    let frame = ServerFrameT { message };
    build(SERVER_IDENTIFIER, 256, |builder| offset(frame.pack(builder)))
}

/// The delta of a tick, without copying its columns twice.
#[must_use]
pub fn encode_delta(tick: u64, position: u64, hash: u64, columns: &[u8]) -> Vec<u8> {
    build(SERVER_IDENTIFIER, columns.len() + 128, |builder| {
        let columns = builder.create_vector(columns);
        let delta = Delta::create(builder, &DeltaArgs { tick, position, hash, columns: Some(columns) });
        server_root(builder, ServerMessage::Delta, delta.as_union_value())
    })
}

fn server_root<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    message_type: ServerMessage,
    message: flatbuffers::WIPOffset<flatbuffers::UnionWIPOffset>,
) -> flatbuffers::WIPOffset<flatbuffers::ForwardsUOffset<()>> {
    offset(ServerFrame::create(builder, &ServerFrameArgs { message_type, message: Some(message) }))
}

/// The frame that says why a connection closes.
#[must_use]
pub fn encode_closing(code: CloseCode, detail: &str) -> Vec<u8> {
    encode_server(ServerMessageT::Closing(Box::new(ClosingT {
        code: u32::from(code as u16),
        reason: Some(detail.to_owned()),
    })))
}

/// Forgets what an offset points to; the builder's `finish` asks for no more.
pub(crate) fn offset<T>(typed: flatbuffers::WIPOffset<T>) -> flatbuffers::WIPOffset<flatbuffers::ForwardsUOffset<()>> {
    flatbuffers::WIPOffset::new(typed.value())
}

fn value(field: &'static str, reason: &str) -> FrameError {
    FrameError::Value { field, reason: reason.to_owned() }
}

pub(crate) fn bounded(field: &'static str, len: usize, max: usize) -> Result<(), FrameError> {
    if len > max {
        return Err(FrameError::Value { field, reason: format!("{len} exceeds the maximum of {max}") });
    }
    Ok(())
}

pub(crate) fn exact(field: &'static str, len: usize, expected: usize) -> Result<(), FrameError> {
    if len != expected {
        return Err(FrameError::Value { field, reason: format!("has {len} bytes, expected {expected}") });
    }
    Ok(())
}
