//! One process with a durable log: the default of `worldlog dev`.
//!
//! ```text
//! data/
//!   lock                      held while a host runs
//!   log/commands.wal          every entry, appended and synced before anyone is told
//!   snapshots/<position>.wls  the service at a position, to start from
//! ```
//!
//! One thread does everything that follows from the log, in this order: gather entries, append and
//! sync them as one record, apply them, tell edges. So whatever an edge was told is durable.

mod clock;
mod config;
mod export;
#[cfg(test)]
mod failing_disk;
mod follow;
#[cfg(test)]
#[path = "../../../tests/games/mod.rs"]
mod games;
mod handle;
mod log;
mod recovery;
mod run;
#[cfg(test)]
mod set_back;
mod snapshots;
mod status;

pub use config::LocalConfig;
pub(in crate::host) use export::Recorder;
pub use export::{ExportError, Exported, export_match, list_matches};
pub use follow::{FollowedMatch, LogFollower};
pub use handle::{EgressSink, HostError, LocalConnector, LocalHost, LocalIngress, OfferError, SinkFull};
pub use log::LogError;
pub use recovery::{Recovery, StartError};
pub use snapshots::{SnapshotInfo, VerifiedSnapshot, list_snapshots, verify_snapshot};
pub use status::HostStatus;
