//! FlatBuffers code, made by `cargo xtask codegen`. Read the schemas instead.
#![allow(warnings, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::undocumented_unsafe_blocks, unsafe_code)]

pub(crate) mod cluster_generated;
pub(crate) mod manifest_generated;
pub(crate) mod session_generated;
