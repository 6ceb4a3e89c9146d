//! What a client of a cluster does, against members in memory that say what a test wants.
#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

#[path = "client/connecting.rs"]
mod connecting;
#[path = "client/following.rs"]
mod following;
#[path = "client/member.rs"]
mod member;
#[path = "client/messages.rs"]
mod messages;
#[path = "client/rig.rs"]
mod rig;
