//! What a service container does, against a consensus module and an archive in memory that say what a test wants.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]

#[path = "container/applying.rs"]
mod applying;
#[path = "container/egress.rs"]
mod egress;
#[path = "container/ending.rs"]
mod ending;
#[path = "container/joining.rs"]
mod joining;
#[path = "container/recorder.rs"]
mod recorder;
#[path = "container/requests.rs"]
mod requests;
#[path = "container/rig.rs"]
mod rig;
#[allow(dead_code, reason = "the archive's own tests use the rest")]
mod scripted_archive;
#[path = "container/snapshots.rs"]
mod snapshots;
#[path = "container/starting.rs"]
mod starting;
#[path = "container/store.rs"]
mod store;
#[path = "container/wire.rs"]
mod wire;
