//! Which system writes what.
//!
//! A match that is to be traced has a **probe** after each system: another system that, while a tick is traced, reads
//! all rows and compares them with what they were before. Probes touch nothing, and what they know is kept outside of
//! the world, so that a world with probes steps exactly like one without; `replay/tests/trace.rs` says so. Matches that
//! are played have none.

#![expect(
    clippy::disallowed_types,
    reason = "what probes see is no state of a match: kept in the world, it would change in which order that iterates"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bevy_ecs::prelude::{IntoScheduleConfigs, World};
use bevy_ecs::schedule::{Schedule, ScheduleConfigs};
use bevy_ecs::system::ScheduleSystem;
use protocol::{Columns, EntityId};

use crate::capture::{Capture, Rows, Since};

/// What one tick wrote, in the order of writing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// One for each row that a system left otherwise than it found it; those of one system by component and entity.
    pub writes: Vec<Write>,
}

/// A row that a system left otherwise than it found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The system, as `combat::shoot`; `join`, `leave` and `edit` are inputs that write.
    pub system: String,
    /// Place of the component in the manifest's layouts; 0 is the entity itself.
    pub component: usize,
    /// Whose row.
    pub entity: EntityId,
    /// Canonical bytes before; `None` when there was no row.
    pub old: Option<Vec<u8>>,
    /// Canonical bytes after; `None` when there is none any more.
    pub new: Option<Vec<u8>>,
}

/// What probes write to, while a tick is traced.
#[derive(Clone, Default)]
pub(crate) struct Tracer(Arc<Mutex<Option<Traced>>>);

struct Traced {
    captures: Vec<Box<dyn Capture>>,
    widths: Vec<usize>,
    /// Rows of each component as they were last seen.
    known: Vec<BTreeMap<u32, Vec<u8>>>,
    rows: Rows,
    /// Probes that looked.
    looked: usize,
    /// What probes found, each with its number; names come at the end.
    found: Vec<(usize, Write)>,
    writes: Vec<Write>,
}

impl Tracer {
    fn with<T>(&self, work: impl FnOnce(&mut Option<Traced>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From here on everything is noted that differs from `columns`.
    pub(crate) fn begin(&self, captures: Vec<Box<dyn Capture>>, columns: &Columns) {
        let layouts = columns.manifest().layouts();
        let rows = |index| columns.column(index).iter().map(|(id, row)| (id.0, row.to_vec())).collect();
        let traced = Traced {
            captures,
            widths: layouts.iter().map(|layout| layout.width).collect(),
            known: (0..layouts.len()).map(rows).collect(),
            rows: Rows::default(),
            looked: 0,
            found: Vec::new(),
            writes: Vec::new(),
        };
        self.with(|open| *open = Some(traced));
    }

    /// Notes what an input wrote.
    pub(crate) fn look(&self, world: &mut World, system: &str) {
        self.with(|open| {
            let Some(traced) = open else { return };
            for mut write in traced.differences(world) {
                system.clone_into(&mut write.system);
                traced.writes.push(write);
            }
        });
    }

    fn probe(&self, world: &mut World) {
        self.with(|open| {
            let Some(traced) = open else { return };
            let found = traced.differences(world);
            traced.found.extend(found.into_iter().map(|write| (traced.looked, write)));
            traced.looked += 1;
        });
    }

    /// The systems have run: gives what probes found its names.
    pub(crate) fn name(&self, schedule: &Schedule) {
        self.with(|open| {
            let Some(traced) = open else { return };
            let names = probed(schedule);
            assert_eq!(names.len(), traced.looked, "a group of systems with a condition cannot be traced");
            for (probe, mut write) in std::mem::take(&mut traced.found) {
                write.system.clone_from(&names[probe]);
                traced.writes.push(write);
            }
        });
    }

    pub(crate) fn finish(&self) -> Trace {
        let writes = self.with(|open| open.take().map(|traced| traced.writes));
        Trace { writes: writes.unwrap_or_default() }
    }
}

impl Traced {
    /// Rows that are not what they were, which they are from now on.
    fn differences(&mut self, world: &mut World) -> Vec<Write> {
        let mut writes = Vec::new();
        let since = Since { last: None, now: world.change_tick() };
        for (component, capture) in self.captures.iter_mut().enumerate() {
            capture.capture(world, since, &mut self.rows);
            let known = &mut self.known[component];
            let mut differ = |entity: u32, old: Option<Vec<u8>>, new: Option<Vec<u8>>| {
                writes.push(Write { system: String::new(), component, entity: EntityId(entity), old, new });
            };
            let mut present = Vec::with_capacity(self.rows.present.len());
            for (entity, row) in self.rows.iter(self.widths[component]) {
                present.push(entity);
                if known.get(&entity).map(Vec::as_slice) != Some(row) {
                    let old = known.insert(entity, row.to_vec());
                    differ(entity, old, Some(row.to_vec()));
                }
            }
            if known.len() > present.len() {
                let gone: Vec<_> =
                    known.keys().copied().filter(|entity| present.binary_search(entity).is_err()).collect();
                for entity in gone {
                    let old = known.remove(&entity);
                    differ(entity, old, None);
                }
            }
        }
        writes
    }
}

/// The same systems with a probe after each.
pub(crate) fn with_probes(
    systems: ScheduleConfigs<ScheduleSystem>,
    tracer: &Tracer,
) -> ScheduleConfigs<ScheduleSystem> {
    match systems {
        ScheduleConfigs::Configs { configs, collective_conditions, metadata } => {
            let configs = configs.into_iter().map(|inner| with_probes(inner, tracer)).collect();
            ScheduleConfigs::Configs { configs, collective_conditions, metadata }
        }
        system @ ScheduleConfigs::ScheduleConfig(_) => {
            let tracer = tracer.clone();
            // Reads everything, and so would conflict with all that is not in a chain.
            let probe = (move |world: &mut World| tracer.probe(world)).ambiguous_with_all();
            (system, probe).chain()
        }
    }
}

/// The system before each probe, in the order of running.
fn probed(schedule: &Schedule) -> Vec<String> {
    let probe = concat!(module_path!(), "::with_probes");
    let mut last = String::new();
    let mut names = Vec::new();
    for (_, system) in schedule.systems().expect("the systems have run") {
        let name = system.name().to_string();
        if name.starts_with(probe) {
            names.push(short(&last));
        } else if !name.ends_with("apply_deferred") && !name.ends_with("ApplyDeferred") {
            last = name;
        }
    }
    names
}

/// `combat::shoot` of `arena::systems::combat::shoot`.
fn short(name: &str) -> String {
    let path = name.split('<').next().unwrap_or(name);
    let mut parts = path.rsplitn(3, "::");
    match (parts.next(), parts.next()) {
        (Some(system), Some(module)) => format!("{module}::{system}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short() {
        assert_eq!(short("arena::systems::combat::shoot"), "combat::shoot");
        assert_eq!(short("games::ring"), "games::ring");
        assert_eq!(short("a::b::ring<games::Kind, u8>"), "b::ring");
        assert_eq!(short("ring"), "ring");
    }
}
