//! The replicated service: sessions, matches, ticks; and the hosts that run it.
//!
//! Responsible for what follows from the log, equally on every member: who may speak for a player,
//! that each command runs once, when matches step, what edges are told ([`Service`]); and for the
//! hosts that feed it: [`host::local`], one process with a durable log, [`host::aeron`], a member of an
//! Aeron cluster, and [`host::sim`], in memory with virtual time.
//!
//! Not responsible for the rules of a game (`ecs-state` and the game), for players' connections
//! (`net-edge`), or for how files are laid out (`snapshots`).
//!
//! Start from [`Service::on_entry`]; to run one, from [`LocalHost::start`].

mod alarms;
mod clock;
mod edge_key;
mod egress;
mod entry;
pub mod host;
mod matches;
mod outbox;
mod reports;
mod service;
mod sessions;
mod snapshot;
mod ticker;

pub use edge_key::{EdgeKey, fingerprint};
pub use entry::{Event, LogEntry, TimerId};
pub use host::MatchStatus;
pub use host::aeron::{
    AeronHost, AeronHostConfig, AeronStatus, AeronView, Desync, HistoryError, HistoryExtent, MemberFiles,
    MemberService, RunError, SERVICE_COUNT, SnapshotPlan, Verdict, export_member_match, export_running_match,
    list_member_matches, log_entry, run_member,
};
pub use host::local::{
    EgressSink, ExportError, Exported, FollowedMatch, HostError, HostStatus, LocalConfig, LocalConnector, LocalHost,
    LocalIngress, LogError, LogFollower, OfferError, Recovery, SinkFull, SnapshotInfo, StartError, VerifiedSnapshot,
    export_match, list_matches, list_snapshots, verify_snapshot,
};
pub use host::sim::SimHost;
pub use matches::{Match, StepRecord};
pub use outbox::{Outbox, TickHash};
pub use reports::{MemberHash, Reports};
pub use service::Service;
