//! Recorded matches, for people who look at them: over HTTP, and over the client protocol.
//!
//! Responsible for which matches a process shows (`library`), for playheads that are quick to move (`reels`), for what is
//! known of a match as a whole (`survey`, `heat`), for answers (`http` and what it routes to), and for viewers who connect
//! as players do (`stage`, run by `theatre`). Not responsible for what is asked (`replay`) or for how players are told
//! (`net-edge`).
//!
//! Start from [`ReplayServer::start`]; `dev` has the routes alone, for its own matches.

mod answers;
mod aside;
mod causes;
mod commands;
mod control;
mod frames;
mod heat;
mod http;
mod library;
mod limits;
mod opening;
mod page;
mod questions;
mod reels;
mod server;
mod stage;
mod survey;
mod telling;
mod theatre;

pub(crate) use aside::is_aside;
pub(crate) use http::Desk;
pub(crate) use library::{Growing, GrowingMatch, Library, lock, players_in};
pub(crate) use opening::Opening;
pub(crate) use page::routes as page_routes;
pub(crate) use server::{ReplayOptions, ReplayServer};
