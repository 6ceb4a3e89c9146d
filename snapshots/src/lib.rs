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
//!
//! # What is checked when
//!
//! On opening, before anything is given out, and every byte of the file: magic, version and the two zeros after it by
//! comparison; each chunk, its header included, by its checksum; the end by the number of chunks and by being the last
//! bytes. The version is the one thing that no checksum covers: in its place stands that what the chunks of a match hold
//! does not decode as another version's. A chunk's size when it is unpacked is compared when it is taken.
//!
//! On opening a match, too: that each chunk unpacks, that each value decodes and leaves nothing over, that the content
//! has the hash in the header, that each keyframe decodes and is of the tick after the steps before it, and that the
//! index names these keyframes. [`Steps`] are read through to their last byte, but made only when somebody looks at them.
//! [`MatchFile::salvage`] checks the same in the same order, but gives what came before the first error: whole segments,
//! and the keyframe of one whose steps are not whole.
//!
//! On playing (`replay`): that a keyframe's rows have its hash, and, when a match is verified, that each
//! step comes to the hash it was recorded with.

pub mod chunk;
mod error;
mod file;
mod match_file;
mod player_time;
mod salvage;
mod segment;
mod steps;

pub use chunk::{Chunk, ChunkFile, ChunkWriter, FileKind};
pub use error::FileError;
pub use file::{read_file, write_file};
pub use match_file::{ForkOrigin, MatchFile, MatchFileWriter, MatchHeader, Origin, Step};
pub use player_time::PlayerTime;
pub use salvage::{Damage, Salvaged};
pub use segment::{Segment, Steps};
