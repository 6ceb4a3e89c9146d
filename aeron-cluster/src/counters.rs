//! Type ids and keys of the counters that Aeron's archive and consensus module publish
//! (`AeronCounters.java` in Aeron 1.51). In all cluster counters the key begins with the cluster id.

use crate::transport::{CounterRecord, Counters};

/// Channel status with the address a port-0 endpoint was bound to.
pub const LOCAL_SOCKET_ADDRESS: i32 = 14;
/// How far an archive has written a recording.
pub const RECORDING_POSITION: i32 = 100;
/// State of the consensus module, see [`ModuleState`].
pub const MODULE_STATE: i32 = 200;
/// Role of the member: 0 follower, 1 candidate, 2 leader.
pub const NODE_ROLE: i32 = 201;
/// An operator's requests, see [`Toggle`].
pub const CONTROL_TOGGLE: i32 = 202;
/// Up to where the log is agreed.
pub const COMMIT_POSITION: i32 = 203;
/// What a service is to recover from; exists only until all services have.
pub const RECOVERY_STATE: i32 = 204;
/// Snapshots taken by the consensus module since it started.
pub const SNAPSHOT_COUNT: i32 = 205;
/// State of an election; 17 when there is none.
pub const ELECTION_STATE: i32 = 207;
/// Errors of the consensus module.
pub const MODULE_ERRORS: i32 = 212;
/// Clients whose session timed out.
pub const TIMED_OUT_CLIENTS: i32 = 213;
/// Errors of a service container.
pub const SERVICE_ERRORS: i32 = 215;
/// Longest duty cycle of a service container, in nanoseconds.
pub const SERVICE_MAX_CYCLE: i32 = 218;
/// Duty cycles of a service container that took longer than their threshold.
pub const SERVICE_SLOW_CYCLES: i32 = 219;
/// Longest snapshot of a service container, in nanoseconds.
pub const SERVICE_MAX_SNAPSHOT: i32 = 236;
/// Snapshots of a service container that took longer than their threshold.
pub const SERVICE_SLOW_SNAPSHOTS: i32 = 237;
/// The leadership term.
pub const LEADERSHIP_TERM: i32 = 239;

/// `CONTROL_TOGGLE`'s values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Toggle {
    /// Not a leader, or an election is running.
    Inactive = 0,
    /// Ready for a request.
    Neutral = 1,
    /// Stop taking ingress.
    Suspend = 2,
    /// Take ingress again.
    Resume = 3,
    /// Take a snapshot on every member.
    Snapshot = 4,
    /// Snapshot, then end every member.
    Shutdown = 5,
    /// End every member without a snapshot.
    Abort = 6,
}

/// `MODULE_STATE`'s values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum ModuleState {
    /// Starting.
    Init = 0,
    /// At work.
    Active = 1,
    /// An operator stopped ingress.
    Suspended = 2,
    /// A snapshot is being taken.
    Snapshot = 3,
    /// Leaving.
    Quitting = 4,
    /// Ending.
    Terminating = 5,
    /// Ended.
    Closed = 6,
}

/// The counter of a type that belongs to this cluster.
pub fn of_cluster(counters: &dyn Counters, type_id: i32, cluster_id: i32) -> Option<CounterRecord> {
    counters.find(type_id, &|record| key_i32(&record.key, 0) == Some(cluster_id))
}

/// A 32-bit number in a counter's key.
pub fn key_i32(key: &[u8], offset: usize) -> Option<i32> {
    Some(i32::from_le_bytes(key.get(offset..offset + 4)?.try_into().ok()?))
}

/// A 64-bit number in a counter's key.
pub fn key_i64(key: &[u8], offset: usize) -> Option<i64> {
    Some(i64::from_le_bytes(key.get(offset..offset + 8)?.try_into().ok()?))
}
