//! What would have been if: a match is played again from a tick on, with something changed.
//!
//! Up to tick T a fork is the match itself. It comes to T by stepping, never by a restore at T: a world that was
//! restored at a tick that is no keyframe iterates in another order, and what follows would differ for that reason
//! alone. What is changed is changed in the living world, as inputs ([`Input::Edit`], [`Input::Content`]) of tick T,
//! after its systems; commands change from T + 1 on. So a fork with no change is the match to the last bit, and the
//! file of a fork is verified by plain stepping, like any other.
//!
//! At the first tick of a file there is nothing to step: the file of the fork begins with an edited keyframe then.
//!
//! **Other content** (map, balance) counts from tick T + 1 on; the state at T is as it was. It is put in place of the
//! old one as systems see it. A game that keeps something it made of its content elsewhere, in a transient resource or
//! a `Local`, sees the new one from the next keyframe barrier on.
//!
//! **Other rules**: when the file was played with other rules than this build's, what was recorded is not what this
//! build computes. Its fork begins at the last keyframe at or before T, and is compared with this build's own way of
//! playing the match unchanged from there ([`Forked::original`]).

mod access;
mod plan;
mod recorder;

use std::ops::RangeInclusive;
use std::sync::Arc;

use ecs_state::{EditError, Game, Input, Keyframe, OutcomeCode, Simulation};
use protocol::manifest::Manifest;
use protocol::{Columns, EntityId};
use serde::Serialize;
use snapshots::{ForkOrigin, MatchHeader};
use thiserror::Error;

use plan::Taken;
pub use plan::{Change, FieldEdit, ForkPlan, PlanError, command_text, parse_command};
pub(crate) use plan::{describe, with_origins};
pub(crate) use recorder::Recorder;

use crate::value::{FieldPath, ValueError, put_value};
use crate::{Comparison, Reel, ReplayError, Source, compare};

/// Why there is no fork.
#[derive(Debug, Error)]
pub enum ForkError {
    /// The match cannot be played.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The tick is not in the match.
    #[error("tick {tick} is not in the match, which has ticks {first} to {last}")]
    Tick {
        /// What was asked for.
        tick: u64,
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A change changes nothing.
    #[error("{change}: {reason}")]
    NothingToChange {
        /// The change, as people write it.
        change: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A field cannot be set.
    #[error("{field}: {source}")]
    Edit {
        /// The field.
        field: String,
        /// Why.
        #[source]
        source: EditError,
    },
    /// A field does not take the value.
    #[error("{field}: {source}")]
    Value {
        /// The field.
        field: String,
        /// Why.
        #[source]
        source: ValueError,
    },
    /// The game cannot be played with the content.
    #[error("the content of the fork: {0}")]
    Content(#[from] ecs_state::ContentError),
}

/// What became of a command that the fork adds or changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForkCommand {
    /// The tick.
    pub tick: u64,
    /// Whose.
    pub player: u32,
    /// The command as people read it.
    pub text: String,
    /// `applied`, or the word of the rules for why not.
    pub outcome: String,
}

/// A fork: a match of its own.
#[derive(Debug, Clone)]
pub struct Forked {
    /// The fork, playable.
    pub source: Arc<Source>,
    /// The match that it is compared with.
    pub original: Arc<Source>,
    /// The fork's file.
    pub file: Vec<u8>,
    /// Commands that were added or changed, in order.
    pub commands: Vec<ForkCommand>,
}

impl Forked {
    /// Holds the fork against the match it comes from.
    ///
    /// # Errors
    /// When one of them cannot be played.
    pub fn compare<G: Game>(&self, limit: usize) -> Result<Comparison, ReplayError> {
        compare::<G>(&self.original, &self.source, limit)
    }
}

/// Plays a match again with something changed. `progress` is told (ticks done, ticks in all) now and then.
///
/// # Errors
/// When a change cannot be made; nothing is made then.
pub fn fork<G: Game>(
    source: &Arc<Source>,
    plan: &ForkPlan,
    progress: impl FnMut(u64, u64),
) -> Result<Forked, ForkError> {
    let (first, last) = (source.first_tick(), source.last_tick());
    let to = plan.to.unwrap_or(last);
    for tick in [plan.tick, to] {
        if !(first..=last).contains(&tick) {
            return Err(ForkError::Tick { tick, first, last });
        }
    }
    if to < plan.tick {
        return Err(ForkError::Tick { tick: to, first: plan.tick, last });
    }
    plan.check::<G>(source, to)?;
    let unchanged = ForkPlan { tick: plan.tick, to: plan.to, ..ForkPlan::default() };
    let original = if source.is_drifting::<G>() {
        let (file, _) = play::<G>(source, &unchanged, to, |_, _| {})?;
        Arc::new(Source::decode::<G>(source.path(), &file)?)
    } else {
        Arc::clone(source)
    };
    let (file, commands) = play::<G>(source, plan, to, progress)?;
    Ok(Forked { source: Arc::new(Source::decode::<G>(source.path(), &file)?), original, file, commands })
}

/// Records the fork.
fn play<G: Game>(
    source: &Arc<Source>,
    plan: &ForkPlan,
    to: u64,
    mut progress: impl FnMut(u64, u64),
) -> Result<(Vec<u8>, Vec<ForkCommand>), ForkError> {
    let first = source.first_tick();
    let begins_anew = plan.tick == first || source.is_drifting::<G>();
    let keyframe = source.keyframe_at(if begins_anew { plan.tick } else { plan.tick - 1 })?;
    let edits = edits::<G>(source, plan)?;
    // At a keyframe with which a file begins there is no step that could hold the change.
    let at_once = begins_anew && keyframe.tick == plan.tick;
    let keyframe = if at_once { edited(&keyframe, source.manifest(), &edits)? } else { keyframe };
    let mut content = source.content_at(keyframe.tick);
    if let Some(other) = plan.content.as_ref().filter(|_| at_once) {
        content = other.as_slice().into();
    }
    let mut header = header_of::<G>(source, plan.tick, plan.describe::<G>(source.manifest()))?;
    header.content_hash = xxhash_rust::xxh3::xxh3_64(&content);
    if let (Some(fork), Some(_), false) = (&mut header.fork, &plan.content, at_once) {
        fork.swaps.push(plan.tick);
    }
    let mut recorder = if begins_anew {
        Recorder::new(&header, &content)
    } else {
        let whole = source.content_at(first);
        header.content_hash = xxhash_rust::xxh3::xxh3_64(&whole);
        Recorder::new(&header, &whole)
    };
    if begins_anew {
        recorder.keyframe(&keyframe);
    } else {
        recorder.copy(source, first, keyframe.tick)?;
    }
    let mut simulation = source.restore_with::<G>(&keyframe, content)?;
    let mut commands = Vec::new();
    for tick in keyframe.tick + 1..=to {
        let step = source.step_of(tick).expect("the tick is in the match");
        let mut taken = if tick > plan.tick { plan.change(tick, step) } else { Taken::unchanged(step) };
        if tick == plan.tick {
            taken.inputs.extend(edits.iter().map(|edit| edit.input(source.manifest())));
            taken.inputs.extend(plan.content.clone().map(|content| Input::Content { content }));
        }
        let changed = std::mem::take(&mut taken.changed);
        let asked = taken.commands(&changed);
        let output = recorder.step(&mut simulation, step.time_ms, taken.inputs, taken.origins);
        commands.extend(asked.into_iter().zip(changed).map(|((player, payload), place)| ForkCommand {
            tick,
            player,
            text: command_text::<G>(&payload),
            outcome: outcome_name(source.manifest(), output.outcomes[place]),
        }));
        progress(tick - keyframe.tick, to - keyframe.tick);
    }
    Ok((recorder.finish(), commands))
}

/// A row as it is to be.
struct RowEdit {
    index: usize,
    entity: EntityId,
    row: Vec<u8>,
}

impl RowEdit {
    fn input(&self, manifest: &Manifest) -> Input {
        let component = manifest.layouts()[self.index].number;
        Input::Edit { entity: self.entity.0, component, row: self.row.clone() }
    }
}

/// The rows that the plan sets, each with all its fields as they are at that tick.
fn edits<G: Game>(source: &Arc<Source>, plan: &ForkPlan) -> Result<Vec<RowEdit>, ForkError> {
    let mut edits: Vec<RowEdit> = Vec::new();
    if plan.sets.is_empty() {
        return Ok(edits);
    }
    let mut reel = Reel::<G>::new(Arc::clone(source))?;
    reel.seek(plan.tick)?;
    for FieldEdit { path, value } in &plan.sets {
        let layout = &source.manifest().layouts()[path.component];
        let name = || path.named(source.manifest());
        let known = edits.iter().position(|edit| (edit.index, edit.entity) == (path.component, path.entity));
        let place = match known {
            Some(place) => place,
            None => {
                let row = row_of(reel.columns(), path);
                let row = row.map_err(|source| ForkError::Edit { field: name(), source })?;
                edits.push(RowEdit { index: path.component, entity: path.entity, row });
                edits.len() - 1
            }
        };
        put_value(layout, &mut edits[place].row, path.field, value)
            .map_err(|source| ForkError::Value { field: name(), source })?;
    }
    Ok(edits)
}

fn row_of(columns: &Columns, path: &FieldPath) -> Result<Vec<u8>, EditError> {
    if columns.owner(path.entity).is_none() {
        return Err(EditError::NoEntity { entity: path.entity });
    }
    let component = || columns.manifest().layouts()[path.component].name.clone();
    let row = columns.column(path.component).row(path.entity);
    row.map(<[u8]>::to_vec).ok_or_else(|| EditError::NoRow { entity: path.entity, component: component() })
}

fn edited(keyframe: &Keyframe, manifest: &Arc<Manifest>, edits: &[RowEdit]) -> Result<Arc<Keyframe>, ForkError> {
    let mut keyframe = keyframe.clone();
    for RowEdit { index, entity, row } in edits {
        let field = || format!("{entity}.{}", manifest.layouts()[*index].name);
        keyframe = keyframe
            .edited(manifest, *index, *entity, row)
            .map_err(|source| ForkError::Edit { field: field(), source })?;
    }
    Ok(Arc::new(keyframe))
}

/// `applied`, or the game's word for why not.
fn outcome_name(manifest: &Manifest, outcome: OutcomeCode) -> String {
    if outcome.is_applied() {
        return "applied".to_owned();
    }
    let known = manifest.rejections().iter().find(|rejection| rejection.code == outcome.0);
    known.map_or_else(|| format!("{outcome:?}"), |rejection| rejection.name.clone())
}

/// The header of a file that is made of another.
pub(crate) fn header_of<G: Game>(source: &Source, tick: u64, edits: Vec<String>) -> Result<MatchHeader, ReplayError> {
    let manifest = Simulation::<G>::manifest()?;
    let header = &source.file().header;
    let swaps = header.fork.as_ref().map_or_else(Vec::new, |fork| fork.swaps.clone());
    let file = source.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(MatchHeader {
        rules_version: G::RULES_VERSION,
        manifest: manifest.bytes().to_vec(),
        fork: Some(ForkOrigin { file, tick, edits, swaps }),
        ..header.clone()
    })
}

impl ForkPlan {
    /// What it changes, as people read it.
    #[must_use]
    pub fn describe<G: Game>(&self, manifest: &Manifest) -> Vec<String> {
        let sets = self.sets.iter().map(|FieldEdit { path, value }| format!("set {}={value}", path.named(manifest)));
        let content = self.content.as_ref().map(|content| format!("content of {} bytes", content.len()));
        sets.chain(self.changes.iter().map(Change::describe::<G>)).chain(content).collect()
    }

    /// Whether everything that is to change is there to be changed.
    fn check<G: Game>(&self, source: &Source, to: u64) -> Result<(), ForkError> {
        if let Some(content) = &self.content {
            G::load_content(content)?;
        }
        let nothing = |change: &Change, reason: String| {
            Err(ForkError::NothingToChange { change: change.describe::<G>(), reason })
        };
        for change in &self.changes {
            if let Change::Add { tick, .. } = change {
                if *tick <= self.tick || *tick > to {
                    return nothing(change, format!("a command can come in ticks {} to {to}", self.tick + 1));
                }
                continue;
            }
            let ticks_of = |range: RangeInclusive<u64>| {
                let hits = |tick: &u64| source.step_of(*tick).map_or(0, |step| change.hits(*tick, step));
                range.flat_map(|tick| std::iter::repeat_n(tick, hits(&tick))).collect::<Vec<_>>()
            };
            let found = ticks_of(self.tick + 1..=to);
            let is_one = matches!(change, Change::Drop { .. } | Change::Replace { .. });
            if found.len() > 1 && is_one {
                let reason = format!("several sessions of the player have it, in ticks {found:?}; name ticks instead");
                return nothing(change, reason);
            }
            if !found.is_empty() {
                continue;
            }
            if is_one && !source.has_origins() {
                return nothing(
                    change,
                    "the file does not know the numbers of commands; name ticks instead".to_owned(),
                );
            }
            return match ticks_of(source.first_tick() + 1..=self.tick).last() {
                Some(tick) if is_one => {
                    nothing(change, format!("it came in tick {tick}; fork at a tick before that to change it"))
                }
                Some(tick) => nothing(
                    change,
                    format!("the last of it came in tick {tick}; fork at a tick before that to change it"),
                ),
                None => nothing(change, format!("there is no such command in the match up to tick {to}")),
            };
        }
        Ok(())
    }
}
