//! What may be asked of recorded matches at once. One request more than these costs memory or time that others need.

use std::time::Duration;

/// Frames of one answer.
pub(super) const FRAMES_MAX: u64 = 64;
/// Ticks that one request for frames or commands may span.
pub(super) const SPAN_TICKS_MAX: u64 = 9_000;
/// Commands of one answer.
pub(super) const COMMANDS_MAX: usize = 20_000;
/// Differences of one answer.
pub(super) const DIFFERENCES_MAX: usize = 10_000;
/// Ticks of one answer to when something is so.
pub(super) const TICKS_FOUND_MAX: usize = 100_000;
/// Changes of one fork.
pub(super) const CHANGES_MAX: usize = 1_000;
/// Matches of one library.
pub(super) const RECORDINGS_MAX: usize = 4_096;
/// Forks that are kept; the oldest goes.
pub(super) const FORKS_MAX: usize = 32;
/// Playheads that rest in one match. More make going back and forth between more places quick, at a world each.
pub(super) const REELS_MAX: usize = 4;
/// Answers that are kept, in bytes of all together.
pub(super) const ANSWERS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Moments of one match that are kept.
pub(super) const MOMENTS_MAX: usize = 200_000;
/// Places of one match that are kept for heat maps.
pub(super) const SPOTS_MAX: usize = 1_000_000;
/// Ticks between two places of an entity that are kept.
pub(super) const SPOTS_EVERY_TICKS: u64 = 15;
/// Cells of a heat map.
pub(super) const HEAT_CELLS_MAX: usize = 1_000_000;
/// Bytes of a request's body.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1024;
/// How much slower and faster than real time recordings are shown.
pub(super) const SPEED_MIN: f64 = 0.1;
pub(super) const SPEED_MAX: f64 = 32.0;
/// Ticks that are shown in one go before anything else is looked at.
pub(super) const STEPS_AT_ONCE: u64 = 64;
/// A playhead that is later than this goes on from now.
pub(super) const CATCH_UP_MAX: Duration = Duration::from_millis(250);
/// Messages for which there must be room on the way to the edge.
pub(super) const EGRESS_ROOM_MIN: usize = 256;
/// Viewers of a process.
pub(super) const VIEWERS_MAX: usize = 1_024;
/// Messages of the edge that may wait.
pub(super) const INGRESS_MAX: usize = 4_096;

const _: () = assert!(EGRESS_ROOM_MIN > STEPS_AT_ONCE as usize);
