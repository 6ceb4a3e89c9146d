//! One member of a cluster on this machine: a stock Java process and a service beside it.
//!
//! Responsible for finding the jar, for what the Java process is told ([`properties()`]), and for
//! the one fate of both processes ([`Supervisor`]). Not responsible for what the service does; any program that
//! becomes a client of the member's driver will do.
//!
//! Start from [`MemberConfig`].

mod classes;
mod driver;
#[cfg(test)]
mod fate;
mod java;
mod mark;
mod others;
mod process;
mod properties;
mod settings;
mod supervise;

pub use driver::{Driver, DriverConfig, running_driver};
pub use java::{AERON_VERSION, Java, JavaError};
pub use process::{Process, die_with_parent, end_of};
pub use properties::{Property, properties, to_file, to_text};
pub use settings::{
    Directories, Durability, IdleProfile, MemberConfig, MemberEndpoints, TimeoutPreset, Timeouts, UnknownWord,
    ingress_endpoints,
};
pub use supervise::{MakeCommand, MemberEvent, Plan, SuperviseError, Supervisor, is_supervised};
