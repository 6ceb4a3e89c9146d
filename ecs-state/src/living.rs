//! The living half of a match: a world and its schedule, made anew from canonical rows at each barrier.

use bevy_ecs::change_detection::Tick as ChangeTick;
use bevy_ecs::prelude::World;
use bevy_ecs::schedule::{LogLevel, Schedule, ScheduleBuildSettings, Schedules, SingleThreadedExecutor};
use protocol::Columns;

use crate::capture::{Capture, MATCH_ENTITY, Removals, Rows, Since, identity_row};
use crate::identity::NextEntity;
use crate::inbox::Inbox;
use crate::simulation::{MatchSetup, StepContext, WakeUp};
use crate::trace::{Tracer, with_probes};
use crate::{EntityIndex, Game, Keyframe, Registry};

/// The part that a keyframe barrier replaces: a world, its schedule, and the captures' query caches.
pub(crate) struct Living {
    pub(crate) world: World,
    pub(crate) schedule: Schedule,
    pub(crate) captures: Vec<Box<dyn Capture>>,
    /// Components with a lower id are known to the registry or to bevy itself.
    known_components: usize,
    archetypes_checked: usize,
    pub(crate) since: ChangeTick,
}

impl Living {
    /// An empty world with everything but entities. With a tracer, systems have probes.
    pub(crate) fn new<G: Game>(registry: &Registry, content: &G::Content, tracer: Option<&Tracer>) -> Self {
        let mut world = World::new();
        // Bevy makes it when a schedule first runs; it is no state of a game.
        world.init_resource::<Schedules>();
        world.init_resource::<EntityIndex>();
        world.init_resource::<Removals>();
        world.init_resource::<WakeUp>();
        world.insert_resource(NextEntity(MATCH_ENTITY.0));
        world.insert_resource(StepContext { tick: 0, time_ms: 0, seed: 0 });
        world.insert_resource(Inbox::<G::Command>::new());
        world.insert_resource(content.clone());
        let captures = registry.prepare(&mut world);
        let known_components = world.components().len();
        let mut schedule = Schedule::default();
        schedule.set_executor(SingleThreadedExecutor::new());
        schedule.set_build_settings(ScheduleBuildSettings {
            ambiguity_detection: LogLevel::Error,
            ..ScheduleBuildSettings::default()
        });
        schedule.add_systems(match tracer {
            Some(tracer) => with_probes(G::systems(), tracer),
            None => G::systems(),
        });
        // What follows is newer than everything up to here, also when it happens at once.
        let since = world.increment_change_tick();
        Self { world, schedule, captures, known_components, archetypes_checked: 0, since }
    }

    /// A world made of canonical rows, in entity order.
    pub(crate) fn rebuild<G: Game>(
        registry: &Registry,
        content: &G::Content,
        setup: &MatchSetup,
        columns: &Columns,
        keyframe: &Keyframe,
        tracer: Option<&Tracer>,
    ) -> Self {
        let mut living = Self::new::<G>(registry, content, tracer);
        let world = &mut living.world;
        world.insert_resource(NextEntity(keyframe.next_entity));
        world.insert_resource(StepContext { tick: keyframe.tick, time_ms: keyframe.time_ms, seed: setup.seed });
        let mut rest: Vec<_> =
            (1..living.captures.len()).map(|index| columns.column(index).iter().peekable()).collect();
        for (id, row) in columns.column(0).iter() {
            let mut entity = world.spawn(identity_row(id, row));
            for (capture, rows) in living.captures[1..].iter().zip(&mut rest) {
                if let Some((_, row)) = rows.next_if(|(other, _)| *other == id) {
                    capture.insert(&mut entity, row);
                }
            }
        }
        living.check_components();
        living.mark_captured();
        living
    }

    /// What changes from here on belongs to the next capture.
    pub(crate) fn mark_captured(&mut self) {
        *self.world.resource_mut::<Removals>() = Removals::default();
        self.since = self.world.increment_change_tick();
    }

    /// Refuses state that no keyframe would hold.
    pub(crate) fn check_components(&mut self) {
        let archetypes = self.world.archetypes();
        if archetypes.len() == self.archetypes_checked {
            return;
        }
        let unknown = archetypes
            .iter()
            .skip(self.archetypes_checked)
            .flat_map(|archetype| archetype.iter_components())
            .find(|component| component.index() >= self.known_components);
        if let Some(component) = unknown {
            let name = self.world.components().get_info(component).map(|info| info.name().to_string());
            panic!(
                "{} is in the world but neither registered nor transient: add it in Game::register",
                name.unwrap_or_default()
            );
        }
        self.archetypes_checked = archetypes.len();
    }

    /// Checks that the columns hold exactly what the world holds. Names the first difference.
    pub(crate) fn check_captured(&mut self, columns: &Columns, rows: &mut Rows) -> Result<(), String> {
        let since = Since { last: None, now: self.world.change_tick() };
        for (index, (capture, layout)) in self.captures.iter_mut().zip(columns.manifest().layouts()).enumerate() {
            capture.capture(&mut self.world, since, rows);
            let in_columns = columns.column(index).iter().map(|(id, row)| (id.0, row));
            let mut pairs = rows.iter(layout.width).zip(in_columns);
            if let Some((world, column)) = pairs.find(|(world, column)| world != column) {
                let id = world.0.min(column.0);
                return Err(format!("{} of entity {id} differs between the world and its columns", layout.name));
            }
            let (world, column) = (rows.present.len(), columns.column(index).len());
            if world != column {
                return Err(format!("{}: the world has {world} rows, its columns {column}", layout.name));
            }
        }
        Ok(())
    }
}
