//! Plays a match with some of its inputs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ecs_state::{Game, Input, Keyframe, Simulation};
use snapshots::Origin;

use super::{KeptInput, ShrinkError, Symptom};
use crate::fork::{Recorder, header_of, with_origins};
use crate::{ReplayError, Seen, Source};

/// A match with all that it took in, in order; an input is named by its place in that order.
pub(super) struct Trials<'a, G: Game> {
    source: Arc<Source>,
    symptom: Symptom<'a>,
    inputs: Vec<Recorded>,
    /// Log time of each tick after the first.
    times_ms: Vec<i64>,
    first: Arc<Keyframe>,
    game: std::marker::PhantomData<fn() -> G>,
}

struct Recorded {
    tick: u64,
    input: Input,
    origin: Option<Origin>,
}

/// A way the match can go and show the symptom.
pub(super) struct Course {
    /// Places of the inputs, ascending.
    pub(super) kept: Vec<usize>,
    /// When the symptom shows.
    pub(super) tick: u64,
    /// What a rule said when it panicked.
    pub(super) panic: Option<String>,
    /// Where others that begin like this one can begin, in order.
    keyframes: Vec<Arc<Keyframe>>,
}

/// How a try ended.
enum Ended {
    Shown(u64),
    NotShown,
}

impl<'a, G: Game> Trials<'a, G> {
    pub(super) fn new(source: &Arc<Source>, symptom: Symptom<'a>) -> Result<Self, ReplayError> {
        let first = source.keyframe_at(source.first_tick())?;
        let (mut inputs, mut times_ms) = (Vec::new(), Vec::new());
        for tick in first.tick + 1..=source.last_tick() {
            let Some(step) = source.step_of(tick) else { break };
            times_ms.push(step.time_ms);
            inputs.extend(with_origins(step).map(|(input, origin)| Recorded { tick, input: input.clone(), origin }));
        }
        Ok(Self { source: Arc::clone(source), symptom, inputs, times_ms, first, game: std::marker::PhantomData })
    }

    pub(super) fn input(&self, place: usize) -> &Input {
        &self.inputs[place].input
    }

    pub(super) fn tick(&self, place: usize) -> u64 {
        self.inputs[place].tick
    }

    pub(super) fn describe(&self, place: usize) -> KeptInput {
        let Recorded { tick, input, .. } = &self.inputs[place];
        let (player, text) = crate::fork::describe::<G>(input);
        KeptInput { tick: *tick, player, text }
    }

    /// The match as it was, up to where the symptom shows first.
    pub(super) fn play_all(&self) -> Result<Course, ShrinkError> {
        let last = self.first.tick + self.times_ms.len() as u64;
        if let Symptom::Holds(holds) = self.symptom {
            let simulation = self.source.restore::<G>(&self.first)?;
            if holds(&Seen { tick: self.first.tick, now: simulation.columns(), before: None }) {
                return Err(ShrinkError::HoldsAtOnce { tick: self.first.tick });
            }
        }
        let mut course = self
            .play_from(&self.first, (0..self.inputs.len()).collect(), last)
            .ok_or(ShrinkError::DoesNotShow { first: self.first.tick, last })?;
        course.kept.retain(|place| self.tick(*place) <= course.tick);
        Ok(course)
    }

    /// The match with these inputs alone; `None` when it does not show the symptom by the tick at which the best one
    /// does.
    pub(super) fn play(&self, kept: &[usize], best: &Course) -> Option<Course> {
        let equal = kept.iter().zip(&best.kept).take_while(|(one, other)| one == other).count();
        let differs =
            [kept.get(equal), best.kept.get(equal)].into_iter().flatten().map(|place| self.tick(*place)).min();
        // Nothing was left out: as the best one, to the letter.
        let differs = differs?;
        let begin = best.keyframes.iter().rposition(|keyframe| keyframe.tick < differs)?;
        let mut course = self.play_from(&best.keyframes[begin], kept.to_vec(), best.tick)?;
        course.keyframes.splice(..0, best.keyframes[..begin].iter().cloned());
        course.kept.retain(|place| self.tick(*place) <= course.tick);
        Some(course)
    }

    /// Plays from a keyframe up to `last`.
    fn play_from(&self, keyframe: &Arc<Keyframe>, kept: Vec<usize>, last: u64) -> Option<Course> {
        let mut keyframes = vec![Arc::clone(keyframe)];
        let mut tick = keyframe.tick;
        let played = catch_unwind(AssertUnwindSafe(|| {
            let mut simulation = self.source.restore::<G>(keyframe).ok()?;
            let mut before = simulation.columns().clone();
            while simulation.tick() < last {
                tick = simulation.tick() + 1;
                let output = simulation.step(self.time_ms(tick), &self.inputs_of(&kept, tick));
                if output.is_barrier {
                    keyframes.push(Arc::clone(simulation.keyframe()));
                }
                if let Symptom::Holds(holds) = self.symptom {
                    if holds(&Seen { tick, now: simulation.columns(), before: Some(&before) }) {
                        return Some(Ended::Shown(tick));
                    }
                    before.clone_from(simulation.columns());
                }
            }
            Some(Ended::NotShown)
        }));
        let (tick, panic) = match (played, self.symptom) {
            (Ok(Some(Ended::Shown(tick))), _) => (tick, None),
            (Err(panic), Symptom::Panic) => (tick, Some(said(&*panic))),
            // A panic is not what was looked for: without a join, say, a rule may not know what to do.
            _ => return None,
        };
        Some(Course { kept, tick, panic, keyframes })
    }

    fn time_ms(&self, tick: u64) -> i64 {
        self.times_ms[(tick - self.first.tick - 1) as usize]
    }

    fn places_of<'k>(&self, kept: &'k [usize], tick: u64) -> &'k [usize] {
        let from = kept.partition_point(|place| self.tick(*place) < tick);
        let rest = &kept[from..];
        &rest[..rest.partition_point(|place| self.tick(*place) == tick)]
    }

    fn inputs_of(&self, kept: &[usize], tick: u64) -> Vec<Input> {
        self.places_of(kept, tick).iter().map(|place| self.input(*place).clone()).collect()
    }

    /// A course as a match file.
    pub(super) fn file(&self, course: &Course) -> Result<Vec<u8>, ReplayError> {
        let mut simulation: Simulation<G> = self.source.restore(&self.first)?;
        let edits = vec![format!("shrunk to {} inputs", course.kept.len())];
        let header = header_of::<G>(&self.source, self.first.tick, edits)?;
        let mut recorder = Recorder::new(&header, &self.source.content_at(self.first.tick));
        recorder.keyframe(&self.first);
        for tick in self.first.tick + 1..=course.tick {
            let places = self.places_of(&course.kept, tick);
            let inputs: Vec<_> = places.iter().map(|place| self.input(*place).clone()).collect();
            let commands = places.iter().map(|place| &self.inputs[*place]);
            let commands = commands.filter(|recorded| matches!(recorded.input, Input::Command { .. }));
            let origins = commands.map(|recorded| recorded.origin).collect();
            if tick == course.tick && course.panic.is_some() {
                recorder.step_that_panics(self.time_ms(tick), inputs, origins);
            } else {
                recorder.step(&mut simulation, self.time_ms(tick), inputs, origins);
            }
        }
        Ok(recorder.finish())
    }
}

/// The words of a panic.
pub(crate) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
