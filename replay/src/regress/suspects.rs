//! Which system made the difference?
//!
//! The file says which components differ, not which rows, nor what the rows should be. Where one row of each differs,
//! what it should be can be found out ([`super::recorded`]), and who wrote it is known for certain. Elsewhere all systems
//! that wrote one of these components in the first different tick are suspects, ranked by what speaks for them:
//!
//! 1. how many of the differing components the system wrote in this tick: one cause for all is likelier than several;
//! 2. in how few of the ticks before (of the same segment) it wrote them, because then it was right: a changed rule shows
//!    as soon as it is used, and one that was used before and was right is a worse guess than one that runs first now;
//! 3. how few rows it wrote.
//!
//! When nobody wrote these components in this tick, a rule does less than it did: then those who wrote them in the
//! ticks before are suspects, the latest first.
//!
//! The limit of this: of two systems that write the same component in the same ticks from the beginning, the order is a
//! guess. That is why all are listed.

use std::collections::BTreeMap;

use ecs_state::{Game, Trace};
use protocol::Columns;
use serde::Serialize;
use snapshots::Step;

use super::recorded;
use crate::{Difference, ReplayError, Source};

/// A system that may have made the difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suspect {
    /// The system, or `join`, `leave`, `edit`.
    pub system: String,
    /// Which of the differing components it wrote: in this tick, or, if nobody did, in the last in which somebody did.
    pub components: Vec<String>,
    /// How many rows of them.
    pub rows: usize,
    /// In how many ticks before, of the same segment, it wrote them and all was as recorded.
    pub ticks_right: usize,
    /// Whether what it wrote, and no other row, is what differs: then it was this system. See [`super::Regression::values`].
    pub is_certain: bool,
}

/// What playing up to the first different tick shows.
pub(super) struct Suspects {
    /// This build's state after the tick.
    pub(super) columns: Columns,
    /// What the file has of the tick.
    pub(super) recorded: Vec<u16>,
    /// The likeliest first.
    pub(super) ranked: Vec<Suspect>,
    /// What was recorded, where that can be told.
    pub(super) values: Vec<Difference>,
}

/// Components of a state that are not as recorded.
pub(super) fn differing_columns(ours: &Columns, recorded: &[u16]) -> impl Iterator<Item = usize> {
    let ours = Step::column_hashes(ours);
    let differs: Vec<_> = ours.iter().zip(recorded).map(|(one, other)| one != other).collect();
    differs.into_iter().enumerate().filter_map(|(index, differs)| differs.then_some(index))
}

/// When more components differ, more than one thing is wrong, and trying is of no use.
const COMPONENTS_TRIED: usize = 4;

/// What a system wrote in one tick: rows by component.
type Written = BTreeMap<usize, usize>;

impl Suspects {
    pub(super) fn of<G: Game>(source: &Source, tick: u64) -> Result<Self, ReplayError> {
        let keyframe = source.keyframe_at((tick - 1).max(source.first_tick()))?;
        let mut simulation = source.restore::<G>(&keyframe)?;
        let mut ticks: Vec<BTreeMap<String, Written>> = Vec::new();
        let mut last = Trace::default();
        for at in keyframe.tick + 1..=tick {
            let step = source.step_of(at).expect("the tick is in the match");
            let (_, trace) = simulation.step_traced(step.time_ms, &step.inputs);
            ticks.push(by_system(&trace));
            last = trace;
        }
        let columns = simulation.columns().clone();
        let (hash, recorded) = source.step_of(tick).map_or((0, Vec::new()), |step| (step.hash, step.columns.clone()));
        let differing: Vec<_> = differing_columns(&columns, &recorded).collect();
        let names = columns.manifest().layouts();
        let named = |index: usize| names[index].name.clone();
        let mut ranked = rank(&ticks, &differing, named);
        let mut values = Vec::new();
        let is_told = !differing.is_empty() && differing.len() <= COMPONENTS_TRIED;
        if let Some(found) = is_told.then(|| recorded::recorded(&columns, &last, hash, &recorded, &differing)).flatten()
        {
            values = found.differences;
            // The sort is stable: the others stay in their order.
            ranked.iter_mut().for_each(|suspect| suspect.is_certain = suspect.system == found.system);
            ranked.sort_by_key(|suspect| !suspect.is_certain);
        }
        Ok(Self { ranked, columns, recorded, values })
    }
}

fn by_system(trace: &Trace) -> BTreeMap<String, Written> {
    let mut systems: BTreeMap<String, Written> = BTreeMap::new();
    for write in &trace.writes {
        *systems.entry(write.system.clone()).or_default().entry(write.component).or_default() += 1;
    }
    systems
}

/// `ticks` are those of the segment up to the one that differs.
fn rank(ticks: &[BTreeMap<String, Written>], differing: &[usize], name: impl Fn(usize) -> String) -> Vec<Suspect> {
    let wrote = |written: &Written| differing.iter().any(|component| written.contains_key(component));
    // This tick, or, if nobody wrote, the last in which somebody did.
    let Some(at) = ticks.iter().rposition(|systems| systems.values().any(wrote)) else { return Vec::new() };
    let mut suspects: Vec<_> = ticks[at]
        .iter()
        .filter(|(_, written)| wrote(written))
        .map(|(system, written)| {
            let in_question = || written.iter().filter(|(component, _)| differing.contains(component));
            Suspect {
                system: system.clone(),
                components: in_question().map(|(component, _)| name(*component)).collect(),
                rows: in_question().map(|(_, rows)| rows).sum(),
                ticks_right: ticks[..at].iter().filter(|systems| systems.get(system).is_some_and(wrote)).count(),
                is_certain: false,
            }
        })
        .collect();
    suspects.sort_by_key(|suspect| (std::cmp::Reverse(suspect.components.len()), suspect.ticks_right, suspect.rows));
    suspects
}
