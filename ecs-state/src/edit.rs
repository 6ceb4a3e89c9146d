//! Changes to a match from outside of its rules: what would have been if.
//!
//! No log ever holds them; copies of matches (forks) do. They are inputs like any other, so that a copy is played,
//! recorded and verified like the match it comes from. They are made in the living world, in place: what the world
//! iterates over stays in its order, and an edit that changes nothing changes nothing later either.

use std::sync::Arc;

use bevy_ecs::prelude::World;
use protocol::manifest::{FieldKind, Layout, Manifest};
use protocol::{Columns, EntityId, PlayerId, delta};
use thiserror::Error;

use crate::capture::Capture;
use crate::{EntityIndex, Identity, Keyframe};

/// Why a row cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// There is no such entity.
    #[error("entity {entity} does not exist at this tick")]
    NoEntity {
        /// Which.
        entity: EntityId,
    },
    /// The entity has no such component; an edit changes values, it adds and removes nothing.
    #[error("entity {entity} has no {component} at this tick; a value can be set where there is one")]
    NoRow {
        /// Which entity.
        entity: EntityId,
        /// Which component.
        component: String,
    },
    /// The bytes are no row of the component.
    #[error("{component}: {reason}")]
    Row {
        /// Which component.
        component: String,
        /// What is wrong with them.
        reason: String,
    },
}

/// Checks that bytes are a canonical row.
pub(crate) fn check_row(layout: &Layout, row: &[u8]) -> Result<(), EditError> {
    let wrong = |reason: String| Err(EditError::Row { component: layout.name.clone(), reason });
    if row.len() != layout.width {
        return wrong(format!("a row has {} bytes, these are {}", layout.width, row.len()));
    }
    for field in &layout.fields {
        let number = field.read(row);
        let is_canonical = match field.kind {
            FieldKind::Bool => number == 0 || number == 1,
            FieldKind::F32 => {
                let value = f32::from_bits(number as u32);
                !value.is_nan() && value.to_bits() != (-0.0f32).to_bits()
            }
            _ => true,
        };
        if !is_canonical {
            return wrong(format!("{number} is no value of {}", field.name));
        }
    }
    Ok(())
}

/// Sets a row of a living world. `index` is the component's place in the manifest.
pub(crate) fn set_row(
    world: &mut World,
    captures: &[Box<dyn Capture>],
    layout: &Layout,
    index: usize,
    id: EntityId,
    row: &[u8],
) -> Result<(), EditError> {
    check_row(layout, row)?;
    let entity = world.resource::<EntityIndex>().get(id).ok_or(EditError::NoEntity { entity: id })?;
    if !captures[index].is_on(world, entity) {
        return Err(EditError::NoRow { entity: id, component: layout.name.clone() });
    }
    if index == 0 {
        let mut identity = world.get_mut::<Identity>(entity).expect("it is on the entity");
        identity.owner = PlayerId(u32::from_le_bytes([row[0], row[1], row[2], row[3]]));
        return Ok(());
    }
    captures[index].insert(&mut world.entity_mut(entity), row);
    Ok(())
}

impl Keyframe {
    /// The same with another value of a row that it has. `index` is the component's place in the manifest.
    ///
    /// # Errors
    /// When there is no such row.
    ///
    /// # Panics
    /// When the keyframe is not one of the manifest's game: see [`Keyframe::columns`].
    pub fn edited(
        &self,
        manifest: &Arc<Manifest>,
        index: usize,
        entity: EntityId,
        row: &[u8],
    ) -> Result<Self, EditError> {
        let layout = &manifest.layouts()[index];
        check_row(layout, row)?;
        let mut columns: Columns = self.columns(manifest).expect("whoever edits a keyframe has read it");
        if columns.owner(entity).is_none() {
            return Err(EditError::NoEntity { entity });
        }
        if columns.column(index).row(entity).is_none() {
            return Err(EditError::NoRow { entity, component: layout.name.clone() });
        }
        let mut writer = delta::Writer::new();
        writer.begin(&mut columns, &[]);
        writer.component(&mut columns, index, &[(entity.0, 0)], row, &[]);
        Ok(Self::of(&columns, self.tick, self.time_ms, self.next_entity))
    }
}
