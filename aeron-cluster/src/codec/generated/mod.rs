//! Made by `cargo xtask sbe`; this file alone is written by hand.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    unused_imports,
    rust_2018_idioms,
    clippy::all,
    clippy::restriction,
    reason = "sbe-tool decides what this looks like"
)]

pub(crate) mod archive;
pub(crate) mod cluster;
pub(crate) mod mark;
