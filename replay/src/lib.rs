//! Exact replay of match files.
//!
//! Responsible for running a recorded match again and holding every tick against what was recorded
//! ([`verify`]). Not responsible for reading files (`snapshots`) or for stepping (`ecs-state`).
//!
//! Start from [`verify`].

mod expression;
mod source;
mod verify;

pub use expression::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, Expression, ExpressionError, Seen};
pub use source::{ReplayError, Source};
pub use verify::{FirstDifference, VerifyReport, verify};
