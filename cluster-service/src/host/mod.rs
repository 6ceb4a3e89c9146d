//! What feeds a service: a log, a clock, timers, and those who are told.

pub mod local;
mod record;
pub mod sim;
mod timers;
