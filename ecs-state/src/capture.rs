//! From living components to canonical rows, and back.

use std::marker::PhantomData;

use bevy_ecs::change_detection::{DetectChanges, Tick as ChangeTick};
use bevy_ecs::lifecycle::HookContext;
use bevy_ecs::prelude::{Component, Entity, QueryState, Ref, Resource, World};
use bevy_ecs::world::{DeferredWorld, EntityWorldMut};
use protocol::{EntityId, PlayerId};

use crate::{Identity, Replicated};

/// The entity that carries the rows of replicated resources; every match opens with it.
pub(crate) const MATCH_ENTITY: EntityId = EntityId(1);

/// What left the world since the last capture.
#[derive(Resource, Debug, Default)]
pub(crate) struct Removals {
    pub(crate) despawned: Vec<u32>,
    /// Component number and entity.
    pub(crate) components: Vec<(u16, u32)>,
}

impl Removals {
    pub(crate) fn sorted(mut self) -> Self {
        self.despawned.sort_unstable();
        self.despawned.dedup();
        self.components.sort_unstable();
        self.components.dedup();
        self
    }

    /// Removals of one component, once sorted.
    pub(crate) fn of(&self, number: u16) -> &[(u16, u32)] {
        let start = self.components.partition_point(|(other, _)| *other < number);
        let rest = &self.components[start..];
        &rest[..rest.partition_point(|(other, _)| *other == number)]
    }
}

/// Rows of one component: `(entity, place in bytes)` and the bytes, one width after another.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) present: Vec<(u32, u32)>,
    pub(crate) bytes: Vec<u8>,
}

impl Rows {
    pub(crate) fn clear(&mut self) {
        self.present.clear();
        self.bytes.clear();
    }

    /// Entities and rows of `width` bytes, ascending.
    pub(crate) fn iter(&self, width: usize) -> impl Iterator<Item = (u32, &[u8])> {
        self.present.iter().map(move |(id, place)| (*id, &self.bytes[*place as usize * width..][..width]))
    }

    #[inline]
    fn push(&mut self, entity: EntityId, put: impl FnOnce(&mut Vec<u8>)) {
        self.present.push((entity.0, self.present.len() as u32));
        put(&mut self.bytes);
    }

    fn sort(&mut self) {
        // Worlds are rebuilt in entity order, so that this is mostly sorted already.
        self.present.sort_unstable_by_key(|(id, _)| *id);
    }
}

/// Which rows to take.
#[derive(Clone, Copy)]
pub(crate) struct Since {
    /// Rows written after this; `None` takes all.
    pub(crate) last: Option<ChangeTick>,
    pub(crate) now: ChangeTick,
}

impl Since {
    #[inline]
    fn admits(self, written: ChangeTick) -> bool {
        self.last.is_none_or(|last| written.is_newer_than(last, self.now))
    }
}

/// One replicated component of a world.
pub(crate) trait Capture: Send + Sync {
    /// Takes the rows, ascending.
    fn capture(&mut self, world: &mut World, since: Since, rows: &mut Rows);
    /// Puts a row back.
    fn insert(&self, entity: &mut EntityWorldMut<'_>, row: &[u8]);
    /// Whether an entity has the component now.
    fn is_on(&self, world: &World, entity: Entity) -> bool;
}

/// Column 0.
#[derive(Default)]
pub(crate) struct IdentityCapture(Option<QueryState<Ref<'static, Identity>>>);

impl Capture for IdentityCapture {
    fn capture(&mut self, world: &mut World, since: Since, rows: &mut Rows) {
        rows.clear();
        let query = self.0.get_or_insert_with(|| world.query());
        for identity in query.iter(world) {
            if since.admits(identity.last_changed()) {
                rows.push(identity.id(), |bytes| bytes.extend_from_slice(&identity.owner.0.to_le_bytes()));
            }
        }
        rows.sort();
    }

    fn insert(&self, _: &mut EntityWorldMut<'_>, _: &[u8]) {
        unreachable!("entities are spawned with their identity");
    }

    fn is_on(&self, world: &World, entity: Entity) -> bool {
        world.get::<Identity>(entity).is_some()
    }
}

pub(crate) fn identity_row(id: EntityId, row: &[u8]) -> Identity {
    Identity::new(id, PlayerId(u32::from_le_bytes([row[0], row[1], row[2], row[3]])))
}

pub(crate) struct ComponentCapture<T: Replicated>(Option<QueryState<(&'static Identity, Ref<'static, T>)>>);

impl<T: Replicated> ComponentCapture<T> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }
}

impl<T: Replicated> Capture for ComponentCapture<T> {
    fn capture(&mut self, world: &mut World, since: Since, rows: &mut Rows) {
        rows.clear();
        let query = self.0.get_or_insert_with(|| world.query());
        for (identity, value) in query.iter(world) {
            if since.admits(value.last_changed()) {
                rows.push(identity.id(), |bytes| value.put(bytes));
            }
        }
        rows.sort();
    }

    fn insert(&self, entity: &mut EntityWorldMut<'_>, row: &[u8]) {
        entity.insert(T::take(row));
    }

    fn is_on(&self, world: &World, entity: Entity) -> bool {
        world.get::<T>(entity).is_some()
    }
}

/// A resource travels as a component of the match entity.
pub(crate) struct ResourceCapture<T>(PhantomData<fn() -> T>);

impl<T> ResourceCapture<T> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Replicated + Resource> Capture for ResourceCapture<T> {
    fn capture(&mut self, world: &mut World, since: Since, rows: &mut Rows) {
        rows.clear();
        if let Some(value) = world.get_resource_ref::<T>()
            && since.admits(value.last_changed())
        {
            rows.push(MATCH_ENTITY, |bytes| value.put(bytes));
        }
    }

    fn insert(&self, entity: &mut EntityWorldMut<'_>, row: &[u8]) {
        entity.world_scope(|world| world.insert_resource(T::take(row)));
    }

    fn is_on(&self, world: &World, _: Entity) -> bool {
        world.contains_resource::<T>()
    }
}

/// Notes that a component left an entity, or left with it.
pub(crate) fn note_removal<T: Replicated + Component>(mut world: DeferredWorld<'_>, context: HookContext) {
    if let Some(identity) = world.get::<Identity>(context.entity) {
        let id = identity.id();
        world.resource_mut::<Removals>().components.push((T::NUMBER, id.0));
    }
}
