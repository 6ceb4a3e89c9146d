//! The rule of versions.
//!
//! A major version that differs is refused with both numbers. Within one major version an edge
//! accepts every minor: fields are only added, at the end of tables, and what a peer does not
//! know it ignores.

/// Protocol version of this build.
pub const MAJOR: u16 = 1;
/// Newest additions this build knows.
pub const MINOR: u16 = 0;
/// ALPN of native QUIC. The number is the major version.
pub const ALPN: &[u8] = b"worldlog/1";
/// Path of WebTransport, whose ALPN says nothing of versions.
pub const WEBTRANSPORT_PATH: &str = "/worldlog/1";
