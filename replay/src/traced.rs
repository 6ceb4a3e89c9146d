//! The writes of one tick, and whom they speak of.

use std::collections::BTreeMap;
use std::sync::Arc;

use ecs_state::{Game, Trace, Write};
use protocol::manifest::{FieldKind, Manifest};
use protocol::{Columns, EntityId};

use crate::value::FieldPath;
use crate::{Reel, ReplayError};

/// All writes of a tick, in order.
pub(crate) struct TracedTick {
    pub(crate) tick: u64,
    pub(crate) writes: Vec<Write>,
    manifest: Arc<Manifest>,
    /// Of entities that were written, and of those that rows name.
    owners: BTreeMap<u32, u32>,
}

/// One write, with what else its system wrote in that tick.
#[derive(Debug, Clone)]
pub(crate) struct TracedWrite {
    pub(crate) tick: u64,
    pub(crate) system: String,
    pub(crate) entity: EntityId,
    pub(crate) component: usize,
    pub(crate) old: Option<Vec<u8>>,
    pub(crate) new: Option<Vec<u8>>,
    /// Who owns the entity; 0 is nobody.
    pub(crate) owner: u32,
    /// Whether the system made the entity.
    pub(crate) is_birth: bool,
    /// Other players whom the entity's own rows name, of those that the system wrote.
    pub(crate) named: Vec<u32>,
    /// Other players whom rows of other entities name, of those that the system wrote.
    pub(crate) named_beside: Vec<u32>,
    /// Owners of other entities that the system wrote.
    pub(crate) beside: Vec<u32>,
    /// Rows that the system found and changed: of the entity or, when that is new, of its owner's others.
    pub(crate) found: Vec<(EntityId, usize)>,
}

/// Plays one recorded tick with its writes.
pub(crate) fn trace_tick<G: Game>(reel: &mut Reel<G>, tick: u64) -> Result<TracedTick, ReplayError> {
    reel.seek(tick - 1)?;
    let before = reel.columns().clone();
    let trace = reel.trace_step().unwrap_or_default();
    Ok(TracedTick::new(tick, trace, &before, reel.columns()))
}

impl TracedTick {
    pub(crate) fn new(tick: u64, trace: Trace, before: &Columns, after: &Columns) -> Self {
        let manifest = Arc::clone(after.manifest());
        let mut told = Self { tick, writes: trace.writes, manifest, owners: BTreeMap::new() };
        let entities = told.writes.iter().map(|write| write.entity.0);
        let named = told.writes.iter().flat_map(|write| told.names(write).filter_map(|name| name.entity()));
        let all: Vec<u32> = entities.chain(named).collect();
        told.owners = all
            .into_iter()
            .filter_map(|id| Some((id, after.owner(EntityId(id)).or_else(|| before.owner(EntityId(id)))?)))
            .collect();
        // Who came and went within the tick has an owner as well.
        for write in told.writes.iter().filter(|write| write.component == 0) {
            if let Some(row) = write.new.as_ref().or(write.old.as_ref()) {
                let owner = told.manifest.layouts()[0].fields[0].read(row) as u32;
                told.owners.entry(write.entity.0).or_insert(owner);
            }
        }
        told
    }

    fn owner(&self, entity: u32) -> u32 {
        self.owners.get(&entity).copied().unwrap_or_default()
    }

    /// Writes of a field, in order.
    pub(crate) fn of_field(&self, path: &FieldPath) -> Vec<TracedWrite> {
        let field = &self.manifest.layouts()[path.component].fields[path.field];
        let read = |row: &Option<Vec<u8>>| row.as_ref().map(|row| field.read(row));
        let is_it = |write: &&Write| {
            write.entity == path.entity && write.component == path.component && read(&write.old) != read(&write.new)
        };
        self.writes.iter().filter(is_it).map(|write| self.told(write)).collect()
    }

    /// Writes of a row, in order.
    pub(crate) fn of_row(&self, entity: EntityId, component: usize) -> Vec<TracedWrite> {
        let is_it = |write: &&Write| write.entity == entity && write.component == component;
        self.writes.iter().filter(is_it).map(|write| self.told(write)).collect()
    }

    /// Writes of a component by a system, with the entities that the system made.
    pub(crate) fn births(&self, system: &str, component: usize) -> Vec<TracedWrite> {
        let is_it = |write: &&Write| write.system == system && write.component == component && self.is_birth(write);
        self.writes.iter().filter(is_it).map(|write| self.told(write)).collect()
    }

    fn is_birth(&self, write: &Write) -> bool {
        let makes = |other: &&Write| {
            other.system == write.system && other.entity == write.entity && other.component == 0 && other.old.is_none()
        };
        write.old.is_none() && self.writes.iter().any(|other| makes(&other))
    }

    fn told(&self, write: &Write) -> TracedWrite {
        let owner = self.owner(write.entity.0);
        let is_birth = self.is_birth(write);
        let (mut named, mut named_beside, mut beside, mut found) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for other in self.writes.iter().filter(|other| other.system == write.system) {
            let theirs = self.owner(other.entity.0);
            let is_own = other.entity == write.entity;
            let list = if is_own { &mut named } else { &mut named_beside };
            for name in self.names(other) {
                let player = match name {
                    Name::Player(player) => player,
                    Name::Entity(entity) => self.owner(entity),
                };
                if player != 0 && player != theirs {
                    add(list, player);
                }
            }
            if !is_own && theirs != 0 && theirs != owner {
                add(&mut beside, theirs);
            }
            let is_of_interest = if is_birth { theirs == owner } else { is_own && other.component == write.component };
            if other.old.is_some() && is_of_interest {
                found.push((other.entity, other.component));
            }
        }
        TracedWrite {
            tick: self.tick,
            system: write.system.clone(),
            entity: write.entity,
            component: write.component,
            old: write.old.clone(),
            new: write.new.clone(),
            owner,
            is_birth,
            named,
            named_beside,
            beside,
            found,
        }
    }

    /// Players and entities in the fields of a row; of a row that is gone, of what it was.
    fn names(&self, write: &Write) -> impl Iterator<Item = Name> {
        let layout = &self.manifest.layouts()[write.component];
        let row = write.new.as_ref().or(write.old.as_ref());
        // Column 0 says who owns an entity, which is no deed of the owner.
        let fields = layout.fields.iter().filter(move |_| write.component != 0);
        fields.filter_map(move |field| {
            let number = field.read(row?) as u32;
            match field.kind {
                FieldKind::Player if number != 0 => Some(Name::Player(number)),
                FieldKind::Entity if number != 0 => Some(Name::Entity(number)),
                _ => None,
            }
        })
    }
}

enum Name {
    Player(u32),
    Entity(u32),
}

impl Name {
    const fn entity(&self) -> Option<u32> {
        match self {
            Self::Entity(entity) => Some(*entity),
            Self::Player(_) => None,
        }
    }
}

fn add(list: &mut Vec<u32>, player: u32) {
    if !list.contains(&player) {
        list.push(player);
    }
}
