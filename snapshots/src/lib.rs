//! Files that hold state: snapshots of a service (`.wls`) and matches (`.wlm`).
//!
//! Responsible for the container both are in (checksummed, compressed chunks: [`chunk`]), for
//! replacing files whole or not at all ([`write_file`]), and for what a match file holds
//! ([`MatchFile`]).
//!
//! Not responsible for what a service puts into its snapshot (`cluster-service`) nor for stepping
//! what a match file holds (`replay`).
//!
//! Start from [`ChunkFile`].
//!
//! # On disk
//!
//! ```text
//! file   := magic: 4 bytes | version: u16 | 0: u16 | chunk* | end
//! chunk  := tag: 4 bytes | stored: u32 | raw: u32 | checksum: u64 | bytes
//! end    := chunk with tag "END." that holds the number of chunks before it: u32
//! ```
//!
//! Integers are little-endian. `stored` bytes follow; when `stored` differs from `raw` they are zstd
//! of `raw` bytes. The checksum is xxh3-64 over tag, stored, raw and the stored bytes, seeded with
//! the chunk's place, so that chunks cannot change places unseen. Nothing follows the end.

pub mod chunk;
mod error;
mod file;
mod match_file;
mod player_time;
mod steps;

pub use chunk::{Chunk, ChunkFile, ChunkWriter, FileKind};
pub use error::FileError;
pub use file::{read_file, write_file};
pub use match_file::{ForkOrigin, MatchFile, MatchFileWriter, MatchHeader, Origin, Segment, Step};
pub use player_time::PlayerTime;
