//! Exact replay of match files.
//!
//! Responsible for playing a recorded match to any tick ([`Reel`]), for holding every tick against what was recorded
//! ([`verify`]), and for what people ask of it. Not responsible for reading files (`snapshots`) or for stepping
//! (`ecs-state`).
//!
//! Start from [`Source`] and [`Reel`].

mod diff;
mod expression;
mod find;
mod moments;
mod reel;
mod show;
mod source;
mod value;
mod verify;

pub use diff::{Difference, diff};
pub use expression::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, Expression, ExpressionError, Seen};
pub use moments::{MomentAt, moments};
pub use find::{Search, find};
pub use reel::Reel;
pub use show::{EntityState, show};
pub use source::{ReplayError, Source};
pub use value::{FieldPath, Value, ValueError, field_value, put_value, row_values, value_of};
pub use verify::{FirstDifference, VerifyReport, verify};
