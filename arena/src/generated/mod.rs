//! FlatBuffers code, made by `cargo xtask codegen`. Read the schema instead.
#![allow(warnings, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::undocumented_unsafe_blocks, unsafe_code)]

pub(crate) mod arena_generated;
