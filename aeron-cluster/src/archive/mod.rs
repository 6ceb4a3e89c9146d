//! An Aeron archive: a client of a running one, and readers of a stopped one's files.
//!
//! - [`ArchiveClient`]: records, replays, lists and deletes through an archive's control protocol.
//! - [`ReplayStream`]: the messages of a recording, as they are or as they come.
//! - [`RecordingCounter`]: how far an archive has written what it is recording.
//! - [`ArchiveDir`]: an archive's directory while nobody writes it, and [`RecordingLog`], which tells what of a
//!   consensus module's log is agreed.

mod catalog;
mod client;
mod counter;
mod directory;
mod error;
mod reading;
mod recording_log;
mod recording_reader;
mod recordings;
mod replay;
mod segment;

pub use client::{ArchiveClient, ArchiveConfig};
pub use counter::RecordingCounter;
pub use directory::ArchiveDir;
pub use error::{ArchiveError, ErrorCode};
pub use reading::{ReadError, RecordChecksum};
pub use recording_log::{EntryKind, RECORDING_LOG_FILE, RecordingLog, RecordingLogEntry, SnapshotGroup};
pub use recording_reader::{RecordingEnd, RecordingReader};
pub use recordings::DESCRIPTORS_MAX;
pub use replay::{Next, Replay, ReplayExtent, ReplayStream};

pub use crate::codec::archive::{RecordingDescriptor, SourceLocation};
