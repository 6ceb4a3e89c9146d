//! One match in the service: its simulation, what waits for its next tick, and what a restore needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use ecs_state::{ContentError, Game, Input, Keyframe, KeyframeError, MatchSetup, Simulation, StepOutput};
use protocol::OutcomeCode;
use protocol::limits::ENTITIES_MAX;
use serde::{Deserialize, Serialize};

/// A tick as it can be run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Log time, in milliseconds.
    pub time_ms: i64,
    /// What it took in.
    pub inputs: Vec<Input>,
}

/// Something that waits for the next tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    /// `None` for a command that is one too many: it has its outcome in the order of the others.
    input: Option<Input>,
    /// Who wants to know the outcome: session, number, and the entry that carried the command.
    from: Option<Origin>,
}

/// Where a command came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) session: u32,
    pub(crate) seq: u32,
    pub(crate) position: u64,
}

/// One match.
pub struct Match<G: Game> {
    simulation: Simulation<G>,
    label: String,
    opened_ms: i64,
    last_player: u32,
    player_count: u32,
    /// Players that were there when it opened: they stay, whoever plays them.
    kept: BTreeSet<u32>,
    /// Where the entry of the last tick ends in the log.
    position: u64,
    waiting: Vec<Waiting>,
    /// Ticks after the last keyframe; the last tick too when it was a barrier. Shared, so that a
    /// snapshot copies no commands.
    steps: Vec<Arc<StepRecord>>,
    /// Where the commands of the last tick stood. Of this process, not of the state.
    last_origins: Vec<Origin>,
}

/// A match for a snapshot: shared or copied, so that it can be written without the service.
pub(crate) struct Captured {
    pub(crate) state: MatchState,
    pub(crate) keyframe: Arc<Keyframe>,
    /// Ticks behind those of the state, in parts: all together may be more than a chunk holds.
    pub(crate) more: Vec<Vec<Arc<StepRecord>>>,
}

/// All of a match but its keyframe.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MatchState {
    setup: MatchSetup,
    label: String,
    opened_ms: i64,
    last_player: u32,
    player_count: u32,
    position: u64,
    waiting: Vec<Waiting>,
    /// The first ticks after the keyframe.
    steps: Vec<Arc<StepRecord>>,
    tick: u64,
    hash: u64,
}

impl MatchState {
    /// How many of the ticks after the keyframe are not among its own.
    pub(crate) fn missing_steps(&self, keyframe: &Keyframe) -> u64 {
        self.tick.saturating_sub(keyframe.tick).saturating_sub(self.steps.len() as u64)
    }

    pub(crate) fn add_steps(&mut self, steps: Vec<Arc<StepRecord>>) {
        self.steps.extend(steps);
    }
}

/// Ticks are counted on from a state that somebody gives: far from where they would end.
const OPEN_TICK_MAX: u64 = u64::MAX >> 1;

/// Bytes of commands in one part of a match's ticks; a tick alone may have more.
const STEPS_PART_BYTES: usize = 1024 * 1024;

/// Ticks in parts, of which at least one; none but the last tick of each exceeds [`STEPS_PART_BYTES`].
fn in_parts(steps: &[Arc<StepRecord>]) -> Vec<Vec<Arc<StepRecord>>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for step in steps {
        if bytes >= STEPS_PART_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += step.inputs.iter().map(input_bytes).sum::<usize>();
        parts.last_mut().expect("there is one").push(Arc::clone(step));
    }
    parts
}

/// About what an input takes.
fn input_bytes(input: &Input) -> usize {
    match input {
        Input::Command { payload, .. } => payload.len() + 8,
        _ => 8,
    }
}

impl<G: Game> Match<G> {
    pub(crate) fn open(setup: MatchSetup, label: &str, time_ms: i64, position: u64) -> Result<Self, ContentError> {
        Ok(Self {
            simulation: Simulation::open(setup, time_ms)?,
            label: label.to_owned(),
            opened_ms: time_ms,
            last_player: 0,
            player_count: 0,
            kept: BTreeSet::new(),
            position,
            waiting: Vec::new(),
            steps: Vec::new(),
            last_origins: Vec::new(),
        })
    }

    /// A match that begins with a state of another, in which these players are.
    pub(crate) fn open_from(
        setup: MatchSetup,
        mut keyframe: Keyframe,
        players: BTreeSet<u32>,
        label: &str,
        time_ms: i64,
        position: u64,
    ) -> Result<Self, KeyframeError> {
        let tick = keyframe.tick;
        let no_world = |reason: String| KeyframeError::NoWorld { tick, reason };
        if tick > OPEN_TICK_MAX {
            return Err(no_world(format!("a match begins with tick {OPEN_TICK_MAX} at most")));
        }
        // The state is of another time; this match is of now.
        keyframe.time_ms = time_ms;
        let simulation = Simulation::restore(setup, Arc::new(keyframe))?;
        if simulation.columns().entity_count() > ENTITIES_MAX {
            return Err(no_world(format!("more than {ENTITIES_MAX} entities")));
        }
        let mut opened = Self {
            simulation,
            label: label.to_owned(),
            opened_ms: time_ms,
            last_player: players.last().copied().unwrap_or_default(),
            player_count: players.len() as u32,
            kept: BTreeSet::new(),
            position,
            waiting: Vec::new(),
            steps: Vec::new(),
            last_origins: Vec::new(),
        };
        opened.keep(players);
        Ok(opened)
    }

    /// These players stay.
    pub(crate) fn keep(&mut self, players: BTreeSet<u32>) {
        self.kept = players;
    }

    /// Players that stay.
    pub(crate) const fn kept(&self) -> &BTreeSet<u32> {
        &self.kept
    }

    /// The world.
    #[must_use]
    pub const fn simulation(&self) -> &Simulation<G> {
        &self.simulation
    }

    /// The operator's word for it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Log time of its opening, in milliseconds.
    #[must_use]
    pub const fn opened_ms(&self) -> i64 {
        self.opened_ms
    }

    /// Players in it.
    #[must_use]
    pub const fn player_count(&self) -> u32 {
        self.player_count
    }

    /// Where the entry of the last tick ends in the log.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The last tick as it can be run again; `None` when none ran in this process.
    #[must_use]
    pub fn last_step(&self) -> Option<&StepRecord> {
        self.steps.last().map(Arc::as_ref)
    }

    /// Where the commands of the last tick stood in the log, in the order in which they ran.
    pub(crate) fn last_origins(&self) -> impl Iterator<Item = snapshots::Origin> {
        self.last_origins.iter().map(|Origin { session, seq, position }| snapshots::Origin {
            session: (*session).into(),
            seq: (*seq).into(),
            position: *position as i64,
        })
    }

    pub(crate) fn join(&mut self) -> u32 {
        self.last_player += 1;
        self.player_count += 1;
        self.waiting.push(Waiting { input: Some(Input::Join { player: self.last_player }), from: None });
        self.last_player
    }

    pub(crate) fn leave(&mut self, player: u32) {
        if self.kept.contains(&player) {
            return;
        }
        self.player_count -= 1;
        self.waiting.push(Waiting { input: Some(Input::Leave { player }), from: None });
    }

    /// Puts a command before the next tick.
    pub(crate) fn enqueue(&mut self, player: u32, payload: &[u8], origin: Origin) {
        let input = Some(Input::Command { player, payload: payload.to_vec() });
        self.waiting.push(Waiting { input, from: Some(origin) });
    }

    /// Lets the next tick say of a command that it was one too many.
    pub(crate) fn enqueue_rejected(&mut self, origin: Origin) {
        self.waiting.push(Waiting { input: None, from: Some(origin) });
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes what waits, for a match that will not step again.
    pub(crate) fn drain_origins(&mut self) -> Vec<Origin> {
        std::mem::take(&mut self.waiting).into_iter().filter_map(|waiting| waiting.from).collect()
    }

    /// Runs one tick; gives what it changed and what became of each command, in their order.
    pub(crate) fn step(&mut self, time_ms: i64, position: u64) -> (StepOutput, Vec<(Origin, OutcomeCode)>) {
        if self.simulation.keyframe().tick == self.simulation.tick() {
            self.steps.clear();
        }
        let (mut inputs, mut origins) = (Vec::with_capacity(self.waiting.len()), Vec::new());
        for Waiting { input, from } in self.waiting.drain(..) {
            origins.extend(from.map(|from| (from, input.is_some())));
            inputs.extend(input);
        }
        let output = self.simulation.step(time_ms, &inputs);
        self.last_origins.clear();
        self.last_origins.extend(origins.iter().filter(|(_, runs)| *runs).map(|(from, _)| *from));
        let mut ran = output.outcomes.iter();
        let outcomes = origins
            .into_iter()
            .map(|(from, runs)| match runs {
                true => (from, *ran.next().expect("each command has an outcome")),
                false => (from, OutcomeCode::TOO_MANY),
            })
            .collect();
        self.position = position;
        self.steps.push(Arc::new(StepRecord { time_ms, inputs }));
        (output, outcomes)
    }

    pub(crate) fn capture(&self) -> Captured {
        let keyframe = Arc::clone(self.simulation.keyframe());
        let after_keyframe = (self.simulation.tick() - keyframe.tick) as usize;
        let mut parts = in_parts(&self.steps[self.steps.len() - after_keyframe..]);
        let more = parts.split_off(1);
        let state = MatchState {
            setup: self.simulation.setup().clone(),
            label: self.label.clone(),
            opened_ms: self.opened_ms,
            last_player: self.last_player,
            player_count: self.player_count,
            position: self.position,
            waiting: self.waiting.clone(),
            steps: parts.remove(0),
            tick: self.simulation.tick(),
            hash: self.simulation.columns().total_hash(),
        };
        Captured { state, keyframe, more }
    }

    /// Brings a match back: its keyframe, and the ticks after it run again. Calls `between` after each.
    pub(crate) fn restore(
        state: MatchState,
        keyframe: Keyframe,
        between: &mut dyn FnMut(),
    ) -> Result<Self, RestoreMatchError> {
        let match_id = state.setup.match_id;
        let keyframe_tick = keyframe.tick;
        let mut simulation = Simulation::restore(state.setup, Arc::new(keyframe))
            .map_err(|source| RestoreMatchError::Keyframe { match_id, source })?;
        for step in &state.steps {
            simulation.step(step.time_ms, &step.inputs);
            between();
        }
        let (tick, found) = (simulation.tick(), simulation.columns().total_hash());
        if tick != state.tick || found != state.hash {
            return Err(RestoreMatchError::Diverged {
                match_id,
                tick: state.tick,
                expected: state.hash,
                found,
                from: keyframe_tick,
            });
        }
        Ok(Self {
            simulation,
            label: state.label,
            opened_ms: state.opened_ms,
            last_player: state.last_player,
            player_count: state.player_count,
            kept: BTreeSet::new(),
            position: state.position,
            waiting: state.waiting,
            steps: state.steps,
            last_origins: Vec::new(),
        })
    }
}

/// Why a match of a snapshot does not come back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreMatchError {
    #[error("match {match_id}: {source}")]
    Keyframe {
        match_id: u64,
        #[source]
        source: KeyframeError,
    },
    #[error(
        "match {match_id}: running again from tick {from} gives hash {found:#018x} at tick {tick}, expected {expected:#018x}: \
         these are not the rules that it was played with"
    )]
    Diverged { match_id: u64, tick: u64, expected: u64, found: u64, from: u64 },
}
