//! Entities by numbers that mean the same everywhere.

use std::collections::BTreeMap;

use bevy_ecs::lifecycle::HookContext;
use bevy_ecs::prelude::{Bundle, Commands, Component, Entity, ResMut, Resource, World};
use bevy_ecs::system::SystemParam;
use bevy_ecs::world::DeferredWorld;
use protocol::{EntityId, PlayerId};

use crate::capture::{MATCH_ENTITY, Removals};

/// Number and owner of an entity: component 0 of every game.
///
/// Only [`spawn`] and [`Spawner`] make one; it may be read by any system. The owner may be changed.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
#[component(on_insert = index_identity, on_remove = forget_identity)]
pub struct Identity {
    id: EntityId,
    /// The player who owns the entity and sees its components of class owner; 0 is nobody.
    pub owner: PlayerId,
}

impl Identity {
    pub(crate) const fn new(id: EntityId, owner: PlayerId) -> Self {
        Self { id, owner }
    }

    /// The number; stable, never reused in a match.
    #[must_use]
    pub const fn id(&self) -> EntityId {
        self.id
    }
}

/// Finds bevy's entity of a number. The result must not be kept over a tick.
#[derive(Resource, Debug, Default)]
pub struct EntityIndex(BTreeMap<u32, Entity>);

impl EntityIndex {
    /// The entity, if it exists.
    #[must_use]
    pub fn get(&self, id: EntityId) -> Option<Entity> {
        self.0.get(&id.0).copied()
    }

    /// How many entities exist.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no entity exists.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The next number of an entity. Part of the state.
#[derive(Resource, Debug, Clone, Copy)]
pub(crate) struct NextEntity(pub(crate) u32);

impl NextEntity {
    fn allocate(&mut self) -> EntityId {
        let id = EntityId(self.0);
        self.0 = self.0.checked_add(1).expect("a match spawns fewer than 2^32 entities in its life");
        id
    }
}

/// Spawns entities from systems.
#[derive(SystemParam)]
pub struct Spawner<'w, 's> {
    commands: Commands<'w, 's>,
    next: ResMut<'w, NextEntity>,
}

impl Spawner<'_, '_> {
    /// Spawns an entity when the systems reach their next sync point; its number is known at once.
    pub fn spawn(&mut self, owner: PlayerId, bundle: impl Bundle) -> EntityId {
        let id = self.next.allocate();
        self.commands.spawn((Identity::new(id, owner), bundle));
        id
    }

    /// Despawns an entity at the next sync point. Nothing happens if it is gone by then.
    pub fn despawn(&mut self, entity: Entity) {
        if let Ok(mut commands) = self.commands.get_entity(entity) {
            commands.try_despawn();
        }
    }
}

/// Spawns an entity with exclusive access, as when a match opens or a player joins.
pub fn spawn(world: &mut World, owner: PlayerId, bundle: impl Bundle) -> EntityId {
    let id = world.resource_mut::<NextEntity>().allocate();
    world.spawn((Identity::new(id, owner), bundle));
    id
}

/// Despawns an entity with exclusive access. Returns whether it existed.
pub fn despawn(world: &mut World, id: EntityId) -> bool {
    world.resource::<EntityIndex>().get(id).is_some_and(|entity| world.despawn(entity))
}

fn index_identity(mut world: DeferredWorld<'_>, context: HookContext) {
    let id = world.get::<Identity>(context.entity).expect("it was just inserted").id;
    let other = world.resource_mut::<EntityIndex>().0.insert(id.0, context.entity);
    assert!(other.is_none_or(|other| other == context.entity), "entity {id} exists twice");
}

fn forget_identity(mut world: DeferredWorld<'_>, context: HookContext) {
    let id = world.get::<Identity>(context.entity).expect("it is about to be removed").id;
    assert!(id != MATCH_ENTITY, "entity {id} carries the match's resources and stays");
    world.resource_mut::<EntityIndex>().0.remove(&id.0);
    world.resource_mut::<Removals>().despawned.push(id.0);
}
