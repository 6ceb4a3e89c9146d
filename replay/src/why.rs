//! Who wrote a field: the last systems that changed it, and the command behind each.
//!
//! A **writer** is a system that leaves the field with another value than it found, in a tick after which the value is
//! not what it was before the tick. What a later system of the same tick takes back is not told. When a row comes, or
//! goes with its entity, the value before, or after, is null.
//!
//! The **command** behind a write is found by playing the match again without commands: see [`crate::cause`] for what
//! counts as a cause, and for when there is none.

use std::sync::Arc;

use ecs_state::{Game, Input};
use serde::Serialize;
use thiserror::Error;

use crate::cause::{Cause, CauseSearch, Caused};
use crate::traced::{TracedWrite, trace_tick};
use crate::value::{FieldPath, Value, field_value, value_of};
use crate::{Reel, ReplayError, Source};

/// Writers that are told when nobody says how many.
pub const WHY_WRITERS: usize = 5;

/// Most writers of one answer.
pub const WHY_WRITERS_MAX: usize = 1_000;

/// How to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhyOptions {
    /// How many writers to tell, at most [`WHY_WRITERS_MAX`].
    pub depth: usize,
    /// Take also commands of players for causes who have nothing to do with the write; see [`crate::cause`].
    pub anyone: bool,
}

impl Default for WhyOptions {
    fn default() -> Self {
        Self { depth: WHY_WRITERS, anyone: false }
    }
}

/// What made a write happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WriterKind {
    /// A player's command.
    Command,
    /// A player came.
    Join,
    /// A player left.
    Leave,
    /// A fork sets it.
    Edit,
    /// The rules alone: a timer, a machine.
    Rule,
}

/// A write of the field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Writer {
    /// In which tick.
    pub tick: u64,
    /// Which system, as `combat::shoot`; `join` and `leave` are not systems but write as well.
    pub system: String,
    /// The command that caused it; null when none did.
    pub command: Option<Cause>,
    /// The value that the system found; null when there was no such row.
    pub old: Option<Value>,
    /// The value that it left; null when the row is gone.
    pub new: Option<Value>,
    /// What made it happen.
    pub kind: WriterKind,
    /// Whose command, coming or going it was; 0 is nobody's.
    pub player: u32,
    /// The tick of an earlier write that this one follows from, by the rules alone and in their time: a dead player
    /// comes back because of the death. Ask about that tick for its cause.
    pub follows: Option<u64>,
    /// Commands from this tick on were searched for the cause.
    pub searched_from: u64,
}

/// Why a field is what it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    /// The tick that was asked about.
    pub tick: u64,
    /// The field, as `12.Health.points`.
    pub field: String,
    /// Its value at that tick; null when there is no such row.
    pub value: Option<Value>,
    /// Its last writers, newest first.
    pub writers: Vec<Writer>,
    /// Ticks after this one were searched for writers.
    pub looked_back_to: u64,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum WhyError {
    /// The match cannot be played.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The tick is not in the file.
    #[error("tick {tick} is not in the match, which has ticks {first} to {last}")]
    Tick {
        /// Asked about.
        tick: u64,
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
}

/// Tells the last writers of a field up to a tick. `progress` is told the tick down to which the match was searched,
/// and then how many writers have their cause.
///
/// # Errors
/// When the tick is not in the match, or the match cannot be played.
pub fn why<G: Game>(
    source: &Arc<Source>,
    tick: u64,
    path: &FieldPath,
    options: WhyOptions,
    mut progress: impl FnMut(WhyProgress),
) -> Result<Why, WhyError> {
    let (first, last) = (source.first_tick(), source.last_tick());
    if !(first..=last).contains(&tick) {
        return Err(WhyError::Tick { tick, first, last });
    }
    let mut reel = Reel::<G>::tracing(Arc::clone(source))?;
    reel.seek(tick)?;
    let value = value_of(reel.columns(), path);
    let depth = options.depth.min(WHY_WRITERS_MAX);
    let (writes, looked_back_to) = last_writes(&mut reel, tick, path, depth, &mut progress)?;
    let mut search = CauseSearch::<G>::new(source, options.anyone)?;
    let mut writers = Vec::new();
    let of = writes.len();
    for write in &writes {
        writers.push(writer(&mut search, source, path, write)?);
        progress(WhyProgress::Causes { found: writers.len(), of });
    }
    Ok(Why { tick, field: path.named(source.manifest()), value, writers, looked_back_to })
}

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyProgress {
    /// Writers were searched back to this tick.
    Searched {
        /// The tick.
        tick: u64,
    },
    /// Causes are being searched.
    Causes {
        /// Done.
        found: usize,
        /// In all.
        of: usize,
    },
}

/// Writes of the field in the ticks up to `tick`, newest first, and the tick after which the match was searched.
fn last_writes<G: Game>(
    reel: &mut Reel<G>,
    tick: u64,
    path: &FieldPath,
    depth: usize,
    progress: &mut impl FnMut(WhyProgress),
) -> Result<(Vec<TracedWrite>, u64), ReplayError> {
    let source = Arc::clone(reel.source());
    let mut begins = source.keyframes();
    begins.retain(|begin| *begin < tick);
    let (mut writes, mut end, mut was_there) = (Vec::new(), tick, false);
    for begin in begins.into_iter().rev() {
        if writes.len() >= depth {
            return Ok((writes, end));
        }
        reel.seek(begin)?;
        let exists = |reel: &Reel<G>| reel.columns().column(0).row(path.entity).is_some();
        let existed = exists(reel);
        let mut changed = Vec::new();
        let mut before = field_at(reel, path);
        while reel.tick() < end && reel.step().is_some() {
            was_there |= exists(reel);
            let now = field_at(reel, path);
            if now != before {
                changed.push(reel.tick());
            }
            before = now;
        }
        for tick in changed.into_iter().rev() {
            if writes.len() >= depth {
                return Ok((writes, tick));
            }
            let mut found = trace_tick::<G>(reel, tick)?.of_field(path);
            found.reverse();
            writes.append(&mut found);
            writes.truncate(depth);
        }
        end = begin;
        progress(WhyProgress::Searched { tick: begin });
        if was_there && !existed {
            // Numbers are not given to two entities: before its birth there is nothing of it.
            return Ok((writes, source.first_tick()));
        }
    }
    Ok((writes, source.first_tick()))
}

/// The field's number; `None` when there is no row.
fn field_at<G: Game>(reel: &Reel<G>, path: &FieldPath) -> Option<i64> {
    let columns = reel.columns();
    let field = &columns.manifest().layouts()[path.component].fields[path.field];
    columns.column(path.component).row(path.entity).map(|row| field.read(row))
}

fn writer<G: Game>(
    search: &mut CauseSearch<G>,
    source: &Source,
    path: &FieldPath,
    write: &TracedWrite,
) -> Result<Writer, ReplayError> {
    let field = &source.manifest().layouts()[path.component].fields[path.field];
    let value = |row: &Option<Vec<u8>>| row.as_ref().map(|row| field_value(field, row));
    let (old, new) = (value(&write.old), value(&write.new));
    let (tick, system) = (write.tick, write.system.clone());
    let outside = |kind, player| (kind, player, Caused::direct(None, tick));
    let (kind, player, caused) = match system.as_str() {
        "join" => outside(WriterKind::Join, write.owner),
        "leave" => outside(WriterKind::Leave, write.owner),
        "edit" => outside(WriterKind::Edit, 0),
        _ => {
            let caused = search.cause(write, path.field)?;
            match &caused.command {
                Some(cause) => (WriterKind::Command, cause.player, caused),
                None if joins(source, tick, write.owner) => (WriterKind::Join, write.owner, caused),
                None => (WriterKind::Rule, 0, caused),
            }
        }
    };
    let Caused { command, follows, searched_from } = caused;
    Ok(Writer { tick, system, command, old, new, kind, player, follows, searched_from })
}

/// Whether a player comes in a tick: what happens to its things then happens for that reason.
fn joins(source: &Source, tick: u64, player: u32) -> bool {
    let inputs = source.step_of(tick).map(|step| step.inputs.as_slice()).unwrap_or_default();
    player != 0 && inputs.iter().any(|input| matches!(input, Input::Join { player: who } if *who == player))
}
