//! Exact replay of match files.
//!
//! Responsible for playing a recorded match to any tick ([`Reel`]), for holding every tick against what was recorded
//! ([`verify`]), and for what people ask of it. Not responsible for reading files (`snapshots`) or for stepping
//! (`ecs-state`).
//!
//! Start from [`Source`] and [`Reel`].

mod capture;
mod cause;
mod compare;
mod diff;
mod expression;
mod find;
mod fork;
mod moments;
mod reel;
mod regress;
mod show;
mod shrink;
mod source;
mod tables;
mod traced;
mod value;
mod verify;
mod why;

pub use capture::{Captured, capture};
pub use cause::{ALONE_TRIED_MAX, CAUSE_TICKS_MAX, Cause};
pub use compare::{ColumnOutcome, Comparison, FieldSummary, Outcome, compare};
pub use diff::{Difference, diff};
pub use expression::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, Expression, ExpressionError, Seen};
pub use find::{Search, find};
pub use fork::{
    Change, FieldEdit, ForkCommand, ForkError, ForkPlan, Forked, PlanError, command_text, fork, parse_command,
};
pub use moments::{MomentAt, moments};
pub use reel::Reel;
pub use regress::{RegressError, RegressProgress, RegressReport, Regression, Suspect, Unplayable, regress};
pub use show::{EntityState, show};
pub use shrink::{KeptInput, ShrinkError, ShrinkProgress, Shrunk, Symptom, shrink};
pub use source::{ReplayError, Source};
pub use tables::{TableOptions, TableWritten, TablesError, TablesReport, export_tables};
pub use value::{FieldPath, Value, ValueError, field_value, put_value, row_values, value_of};
pub use verify::{FirstDifference, VerifyReport, verify, verify_source, verify_to};
pub use why::{WHY_WRITERS, WHY_WRITERS_MAX, Why, WhyError, WhyOptions, WhyProgress, Writer, WriterKind, why};
