//! What feeds a service: a log, a clock, timers, and those who are told.

pub mod aeron;
mod figures;
pub mod local;
mod record;
pub mod sim;
mod timers;

pub use figures::MatchStatus;
