//! One match: a world, and the only way to move it.

use std::sync::Arc;

use bevy_ecs::prelude::Resource;
use protocol::columns::CLASSES;
use protocol::delta::Writer;
use protocol::limits::{BARRIER_SECONDS, ENTITIES_MAX, ON_COMMAND_BARRIER_TICKS};
use protocol::manifest::{Manifest, Visibility};
use protocol::{Columns, EntityId, MatchId, OutcomeCode, PlayerId};
use serde::{Deserialize, Serialize};

use crate::capture::{MATCH_ENTITY, Removals, Rows, Since};
use crate::edit::{self, EditError};
use crate::identity::NextEntity;
use crate::inbox::Inbox;
use crate::living::Living;
use crate::trace::{Trace, Tracer};
use crate::{
    ContentError, EntityIndex, Game, InvalidCommand, Keyframe, KeyframeError, MatchRng, Registry, RegistryError,
    Ticking,
};

/// What a match is opened with. With it and the inputs, everything else follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchSetup {
    /// The match. Staggers keyframe barriers, so that matches do not reach theirs at once.
    pub match_id: u64,
    /// Source of all randomness.
    pub seed: u64,
    /// Map and balance, in the game's own form.
    pub content: Arc<[u8]>,
}

/// Something that a tick takes in, in log order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A player joins.
    Join {
        /// Number in the match.
        player: u32,
    },
    /// A player leaves for good.
    Leave {
        /// Number in the match.
        player: u32,
    },
    /// A player asks for something.
    Command {
        /// Number in the match.
        player: u32,
        /// In the game's own form; not checked yet.
        payload: Vec<u8>,
    },
    /// A value is set from outside, after the systems of the tick. In copies of matches only, see [`crate::EditError`];
    /// without effect where there is no such row.
    Edit {
        /// Which entity.
        entity: u32,
        /// Number of the component.
        component: u16,
        /// Its canonical bytes from now on.
        row: Vec<u8>,
    },
    /// The ticks that follow are played with another map or balance. In copies of matches only; without effect when
    /// the game refuses it.
    Content {
        /// In the game's own form.
        content: Vec<u8>,
    },
}

/// What a tick brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutput {
    /// The tick.
    pub tick: u64,
    /// Changes that every player may know, as a delta.
    pub everyone: Vec<u8>,
    /// Changes that owners may know, as a delta.
    pub owner: Vec<u8>,
    /// Hashes after the tick, by class of visibility.
    pub sums: [u64; CLASSES],
    /// One for each [`Input::Command`], in order.
    pub outcomes: Vec<OutcomeCode>,
    /// When a match on command asks to be stepped again, in milliseconds of log time from this tick.
    pub wake_after_ms: Option<u32>,
    /// Whether the world was rebuilt after this tick; [`Simulation::keyframe`] is of this tick then.
    pub is_barrier: bool,
}

impl StepOutput {
    /// Hash of all classes.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.sums.iter().fold(0, |sum, class| sum.wrapping_add(*class))
    }
}

/// What systems may know of time and chance.
#[derive(Resource, Debug, Clone, Copy)]
pub struct StepContext {
    /// The tick that runs, from 1.
    pub tick: u64,
    /// Log time in milliseconds; never goes back.
    pub time_ms: i64,
    pub(crate) seed: u64,
}

impl StepContext {
    /// Random numbers for one purpose in this tick.
    #[must_use]
    pub fn rng(&self, purpose: &str) -> MatchRng {
        MatchRng::new(self.seed, self.tick, purpose)
    }
}

/// Lets a rule of a match on command ask for a tick without a command. Cleared before each tick.
#[derive(Resource, Debug, Default)]
pub struct WakeUp {
    after_ms: Option<u32>,
}

impl WakeUp {
    /// Asks for a tick in `ms` milliseconds of log time; the soonest request of a tick counts.
    pub fn after_ms(&mut self, ms: u32) {
        self.after_ms = Some(self.after_ms.map_or(ms, |other| other.min(ms)));
    }
}

/// One match.
pub struct Simulation<G: Game> {
    setup: MatchSetup,
    content: G::Content,
    registry: Registry,
    living: Living,
    columns: Columns,
    writer: Writer,
    rows: Rows,
    tick: u64,
    time_ms: i64,
    keyframe: Arc<Keyframe>,
    tracer: Option<Tracer>,
}

impl<G: Game> Simulation<G> {
    /// The game's manifest.
    ///
    /// # Errors
    /// When the game registers its components wrongly.
    pub fn manifest() -> Result<Arc<Manifest>, RegistryError> {
        Registry::of::<G>()?.manifest::<G>()
    }

    /// Opens a match at tick 0.
    ///
    /// # Errors
    /// When the game cannot be played with the content.
    ///
    /// # Panics
    /// When the game registers its components wrongly: see [`Simulation::manifest`].
    pub fn open(setup: MatchSetup, time_ms: i64) -> Result<Self, ContentError> {
        let content = G::load_content(&setup.content)?;
        let registry = Registry::of::<G>().expect("the game's components are registered rightly");
        let manifest = registry.manifest::<G>().expect("the game's manifest is within bounds");
        let columns = Columns::new(manifest);
        let mut living = Living::new::<G>(&registry, &content, None);
        let context = StepContext { tick: 0, time_ms, seed: setup.seed };
        living.world.insert_resource(context);
        living.world.insert_resource(NextEntity(MATCH_ENTITY.0));
        crate::spawn(&mut living.world, PlayerId(0), ());
        G::open(&mut living.world);
        let keyframe = Arc::new(Keyframe::of(&columns, 0, time_ms, MATCH_ENTITY.0));
        let (writer, rows) = (Writer::new(), Rows::default());
        let mut simulation =
            Self { setup, content, registry, living, columns, writer, rows, tick: 0, time_ms, keyframe, tracer: None };
        simulation.living.check_components();
        simulation.capture();
        simulation.pass_barrier();
        Ok(simulation)
    }

    /// Continues a match from a keyframe, as if it had lived through.
    ///
    /// # Errors
    /// When the keyframe is not one of this game and content.
    pub fn restore(setup: MatchSetup, keyframe: Arc<Keyframe>) -> Result<Self, KeyframeError> {
        let content = G::load_content(&setup.content)?;
        let registry = Registry::of::<G>().expect("the game's components are registered rightly");
        let manifest = registry.manifest::<G>().expect("the game's manifest is within bounds");
        let columns = keyframe.columns(&manifest)?;
        let mut living = Living::rebuild::<G>(&registry, &content, &setup, &columns, &keyframe, None);
        let (writer, mut rows) = (Writer::new(), Rows::default());
        let (tick, time_ms) = (keyframe.tick, keyframe.time_ms);
        living.check_captured(&columns, &mut rows).map_err(|reason| KeyframeError::NoWorld { tick, reason })?;
        Ok(Self { setup, content, registry, living, columns, writer, rows, tick, time_ms, keyframe, tracer: None })
    }

    /// Moves the match by one tick. `time_ms` is log time; an earlier one than before counts as the same.
    ///
    /// # Panics
    /// When the game breaks a rule of `DETERMINISM.md` that shows here: unregistered state, a
    /// component changed behind change detection's back, NaN in a replicated field. The process must
    /// not go on: a member that stops can be restored, one that diverges cannot.
    pub fn step(&mut self, time_ms: i64, inputs: &[Input]) -> StepOutput {
        self.tick += 1;
        self.time_ms = self.time_ms.max(time_ms);
        let context = StepContext { tick: self.tick, time_ms: self.time_ms, seed: self.setup.seed };
        self.living.world.insert_resource(context);
        self.living.world.insert_resource(WakeUp::default());
        let places = self.admit(inputs);
        self.living.schedule.run(&mut self.living.world);
        if let Some(tracer) = &self.tracer {
            tracer.name(&self.living.schedule);
        }
        self.take_edits(inputs);
        if let Some(tracer) = &self.tracer {
            tracer.look(&mut self.living.world, "edit");
        }
        let outcomes = self.outcomes(&places);
        let wake_after_ms = self.living.world.resource::<WakeUp>().after_ms;
        self.living.check_components();
        self.capture();
        let is_barrier = self.is_barrier(self.tick);
        if is_barrier {
            self.pass_barrier();
        }
        StepOutput {
            tick: self.tick,
            everyone: self.writer.finish(Visibility::Everyone),
            owner: self.writer.finish(Visibility::Owner),
            sums: self.columns.sums(),
            outcomes,
            wake_after_ms,
            is_barrier,
        }
    }

    /// Puts probes between the systems, for [`Simulation::step_traced`]. The match goes on as it would have. Possible at
    /// a keyframe alone, where the world is made anew anyway; gives whether there are probes now.
    pub fn make_traceable(&mut self) -> bool {
        if self.tracer.is_none() && self.tick == self.keyframe.tick {
            let tracer = Tracer::default();
            let (columns, keyframe) = (&self.columns, &self.keyframe);
            self.living =
                Living::rebuild::<G>(&self.registry, &self.content, &self.setup, columns, keyframe, Some(&tracer));
            self.tracer = Some(tracer);
        }
        self.tracer.is_some()
    }

    /// Moves the match by one tick as [`Simulation::step`] does, and tells which system wrote what. Ten times slower.
    ///
    /// # Panics
    /// As `step`; and when the match has no probes and is not at a keyframe: see [`Simulation::make_traceable`].
    pub fn step_traced(&mut self, time_ms: i64, inputs: &[Input]) -> (StepOutput, Trace) {
        assert!(self.make_traceable(), "tick {} is no keyframe: make the match traceable at one", self.tick);
        let tracer = self.tracer.clone().expect("it was made traceable");
        tracer.begin(self.registry.captures(), &self.columns);
        let output = self.step(time_ms, inputs);
        (output, tracer.finish())
    }

    /// The last tick that ran.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }

    /// Log time of the last tick.
    #[must_use]
    pub const fn time_ms(&self) -> i64 {
        self.time_ms
    }

    /// The state in canonical form.
    #[must_use]
    pub const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The keyframe of the last barrier.
    #[must_use]
    pub const fn keyframe(&self) -> &Arc<Keyframe> {
        &self.keyframe
    }

    /// A keyframe of the last tick, for another match to begin with. This one goes on as if it had not been taken, and
    /// the other in an order of its own: it is a new match with this state, not a copy that stays equal.
    #[must_use]
    pub fn keyframe_now(&self) -> Keyframe {
        let next_entity = self.living.world.resource::<NextEntity>().0;
        Keyframe::of(&self.columns, self.tick, self.time_ms, next_entity)
    }

    /// What the match was opened with.
    #[must_use]
    pub const fn setup(&self) -> &MatchSetup {
        &self.setup
    }

    /// The match this is.
    #[must_use]
    pub const fn match_id(&self) -> MatchId {
        MatchId(self.setup.match_id)
    }

    /// Ticks from one keyframe barrier to the next.
    #[must_use]
    pub fn barrier_ticks() -> u64 {
        match G::TICKING {
            Ticking::Rate { millihertz } => (BARRIER_SECONDS * u64::from(millihertz) / 1_000).max(1),
            Ticking::OnCommand => ON_COMMAND_BARRIER_TICKS,
        }
    }

    fn is_barrier(&self, tick: u64) -> bool {
        (tick.wrapping_add(self.setup.match_id)).is_multiple_of(Self::barrier_ticks())
    }

    /// Lets players come and go and fills the inbox; gives each command's place in it.
    fn admit(&mut self, inputs: &[Input]) -> Vec<Option<usize>> {
        let world = &mut self.living.world;
        let mut inbox = Inbox::<G::Command>::new();
        let mut places = Vec::new();
        for input in inputs {
            match input {
                Input::Join { player } => {
                    G::join(world, PlayerId(*player));
                    self.tracer.iter().for_each(|tracer| tracer.look(world, "join"));
                }
                Input::Leave { player } => {
                    G::leave(world, PlayerId(*player));
                    self.tracer.iter().for_each(|tracer| tracer.look(world, "leave"));
                }
                Input::Command { player, payload } => match G::decode_command(payload) {
                    Ok(command) => {
                        places.push(Some(inbox.orders.len()));
                        inbox.push(PlayerId(*player), command);
                    }
                    Err(InvalidCommand { .. }) => places.push(None),
                },
                // After the systems.
                Input::Edit { .. } | Input::Content { .. } => {}
            }
        }
        world.flush();
        // What they left for the flush.
        self.tracer.iter().for_each(|tracer| tracer.look(world, "join"));
        world.insert_resource(inbox);
        places
    }

    /// Does what copies of matches are changed by, in place.
    fn take_edits(&mut self, inputs: &[Input]) {
        for input in inputs {
            match input {
                Input::Edit { entity, component, row } => {
                    // A copy of a copy may have lost what is set here; then there is nothing to set.
                    if let Some(index) = self.columns.manifest().index_of(*component) {
                        let _ = self.set_row(index, EntityId(*entity), row);
                    }
                }
                Input::Content { content } => {
                    if let Ok(read) = G::load_content(content) {
                        self.living.world.insert_resource(read.clone());
                        self.content = read;
                        self.setup.content = content.as_slice().into();
                    }
                }
                Input::Join { .. } | Input::Leave { .. } | Input::Command { .. } => {}
            }
        }
    }

    /// Sets a row of the living world. The columns know of it after the next capture.
    fn set_row(&mut self, index: usize, entity: EntityId, row: &[u8]) -> Result<(), EditError> {
        let Living { world, captures, .. } = &mut self.living;
        let layout = &self.columns.manifest().layouts()[index];
        edit::set_row(world, captures, layout, index, entity, row)
    }

    fn outcomes(&mut self, places: &[Option<usize>]) -> Vec<OutcomeCode> {
        let inbox = std::mem::replace(&mut *self.living.world.resource_mut::<Inbox<G::Command>>(), Inbox::new());
        places.iter().map(|place| place.map_or(OutcomeCode::MALFORMED, |place| inbox.orders[place].outcome())).collect()
    }

    /// Brings the columns up to date with the world, and the writer to the delta between them.
    fn capture(&mut self) {
        let Living { world, captures, since, .. } = &mut self.living;
        let removals = std::mem::take(&mut *world.resource_mut::<Removals>()).sorted();
        self.writer.begin(&mut self.columns, &removals.despawned);
        let since_last = Since { last: Some(*since), now: world.change_tick() };
        let manifest = Arc::clone(self.columns.manifest());
        let mut gone = Vec::new();
        for (index, (capture, layout)) in captures.iter_mut().zip(manifest.layouts()).enumerate() {
            capture.capture(world, since_last, &mut self.rows);
            gone.clear();
            for (_, id) in removals.of(layout.number) {
                let entity = world.resource::<EntityIndex>().get(EntityId(*id));
                if entity.is_some_and(|entity| !capture.is_on(world, entity)) {
                    gone.push(*id);
                }
            }
            self.writer.component(&mut self.columns, index, &self.rows.present, &self.rows.bytes, &gone);
        }
        assert!(self.columns.entity_count() <= ENTITIES_MAX, "more than {ENTITIES_MAX} entities in one match");
        self.living.mark_captured();
    }

    /// The keyframe barrier: from here on the match is what its own bytes say.
    fn pass_barrier(&mut self) {
        if let Err(difference) = self.living.check_captured(&self.columns, &mut self.rows) {
            panic!("{difference}; was it changed behind change detection's back?");
        }
        let next_entity = self.living.world.resource::<NextEntity>().0;
        let keyframe = Keyframe::of(&self.columns, self.tick, self.time_ms, next_entity);
        let columns = keyframe.columns(self.columns.manifest()).expect("a keyframe can be read back");
        let tracer = self.tracer.as_ref();
        let mut living = Living::rebuild::<G>(&self.registry, &self.content, &self.setup, &columns, &keyframe, tracer);
        if let Err(difference) = living.check_captured(&columns, &mut self.rows) {
            panic!("{difference} after a rebuild; does a hook or a required component change state?");
        }
        self.living = living;
        self.columns = columns;
        self.keyframe = Arc::new(keyframe);
    }
}
