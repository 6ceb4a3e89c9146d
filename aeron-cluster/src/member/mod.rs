//! One member of a cluster on this machine: a stock Java process and a service beside it.
//!
//! Responsible for finding the jar, for what the Java process is told ([`properties`]), and for
//! the one fate of both processes ([`Supervisor`]). Not responsible for what the service does; any program that
//! becomes a client of the member's driver will do.
//!
//! Start from [`MemberConfig`].

mod settings;

pub use settings::{
    Directories, Durability, IdleProfile, MemberConfig, MemberEndpoints, TimeoutPreset, Timeouts, UnknownWord,
    ingress_endpoints,
};
