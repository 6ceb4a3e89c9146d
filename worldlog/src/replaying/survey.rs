//! What is known of a match as a whole: it is run again once, from its beginning, while others look at it.
//!
//! The run compares every hash, and keeps what a timeline and heat maps are made of. A match that goes on is run on
//! from where the last run ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use ecs_state::{Game, Input, Moment};
use protocol::{Columns, EntityId};
use replay::{Reel, Source};
use serde::Serialize;

use super::aside::aside;
use super::library::{Recording, lock};
use super::limits::{MOMENTS_MAX, SPOTS_EVERY_TICKS, SPOTS_MAX};

/// A moment and when it was.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stamped {
    pub(crate) tick: u64,
    #[serde(flatten)]
    pub(crate) moment: Moment,
}

/// A player's time in the match. Who comes back has two.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stay {
    pub(crate) player: u32,
    pub(crate) joined: u64,
    pub(crate) left: Option<u64>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Every tick up to here was compared.
    pub(crate) verified_to: u64,
    /// Ticks that came out otherwise than recorded.
    pub(crate) mismatches: Vec<u64>,
    pub(crate) moments: Vec<Stamped>,
    pub(crate) stays: Vec<Stay>,
    /// Where players were, now and then.
    pub(crate) spots: Vec<[f32; 2]>,
    /// Why it went no further.
    pub(crate) failure: Option<String>,
    has_begun: bool,
}

/// The run through one match.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    findings: Mutex<Findings>,
    is_running: AtomicBool,
}

impl Survey {
    pub(crate) fn findings(&self) -> MutexGuard<'_, Findings> {
        lock(&self.findings)
    }

    /// Sees to it that the match is looked at up to its end, in a thread of its own.
    pub(crate) fn begin<G: Game>(recording: &Arc<Recording<G>>) {
        let survey = &recording.survey;
        let is_done = {
            let findings = survey.findings();
            findings.failure.is_some() || (findings.has_begun && findings.verified_to >= recording.source().last_tick())
        };
        if is_done || survey.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let recording = Arc::clone(recording);
        let started = std::thread::Builder::new().name("survey".to_owned()).spawn(move || {
            let survey = &recording.survey;
            if let Err(failure) = aside(|| survey.run::<G>(&recording.source())) {
                tracing::warn!(recording = recording.name, failure, "a match cannot be looked at as a whole");
                survey.findings().failure = Some(failure);
            }
            survey.is_running.store(false, Ordering::Release);
        });
        if let Err(error) = started {
            tracing::error!(%error, "no thread to look at a match as a whole");
        }
    }

    fn run<G: Game>(&self, source: &Arc<Source>) -> Result<(), String> {
        let mut reel = Reel::<G>::new(Arc::clone(source)).map_err(|error| error.to_string())?;
        let begun_at = {
            let mut findings = self.findings();
            if !std::mem::replace(&mut findings.has_begun, true) {
                findings.verified_to = source.first_tick();
            }
            findings.verified_to
        };
        reel.seek(begun_at).map_err(|error| error.to_string())?;
        let place = Place::of(reel.columns());
        let mut before = reel.columns().clone();
        while let Some(output) = reel.step() {
            let after = reel.columns();
            let tick = reel.tick();
            let Some(step) = source.step_of(tick) else { break };
            let moments = G::moments(&before, after);
            let mut findings = self.findings();
            if output.hash() != step.hash {
                findings.mismatches.push(tick);
            }
            note_stays(&mut findings.stays, tick, &step.inputs);
            let room = MOMENTS_MAX.saturating_sub(findings.moments.len());
            findings.moments.extend(moments.into_iter().take(room).map(|moment| Stamped { tick, moment }));
            if tick.is_multiple_of(SPOTS_EVERY_TICKS)
                && findings.spots.len() < SPOTS_MAX
                && let Some(place) = &place
            {
                place.spots(after, &mut findings.spots);
            }
            findings.verified_to = tick;
            drop(findings);
            before.clone_from(after);
        }
        Ok(())
    }
}

fn note_stays(stays: &mut Vec<Stay>, tick: u64, inputs: &[Input]) {
    for input in inputs {
        match input {
            Input::Join { player } => stays.push(Stay { player: *player, joined: tick, left: None }),
            Input::Leave { player } => {
                let stay = stays.iter_mut().rev().find(|stay| stay.player == *player && stay.left.is_none());
                if let Some(stay) = stay {
                    stay.left = Some(tick);
                }
            }
            Input::Command { .. } | Input::Edit { .. } | Input::Content { .. } => {}
        }
    }
}

/// Where entities are, as the manifest says it.
struct Place {
    component: usize,
    axes: [usize; 2],
}

impl Place {
    /// `None` for games whose manifest names no place.
    fn of(columns: &Columns) -> Option<Self> {
        let manifest = columns.manifest();
        let near = manifest.interest()?.nearness.as_ref()?;
        let component = manifest.layouts().iter().position(|layout| layout.number == near.component)?;
        Some(Self { component, axes: [usize::from(near.axes[0]), usize::from(near.axes[1])] })
    }

    /// Of each player the entity that it owns longest, of those that are somewhere.
    fn spots(&self, columns: &Columns, spots: &mut Vec<[f32; 2]>) {
        let layout = &columns.manifest().layouts()[self.component];
        let mut seen = Vec::new();
        for (entity, row) in columns.column(self.component).iter() {
            let owner = columns.owner(EntityId(entity.0)).unwrap_or_default();
            if owner != 0 && !seen.contains(&owner) {
                seen.push(owner);
                spots.push(self.axes.map(|axis| layout.fields[axis].value(row) as f32));
            }
        }
    }
}
