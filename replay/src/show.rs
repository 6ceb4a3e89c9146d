//! A state as people read it.

use std::collections::BTreeMap;

use protocol::{Columns, EntityId};
use serde::Serialize;

use crate::value::{Value, row_values};

/// One entity with all its components.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntityState {
    /// Its number.
    pub id: u32,
    /// The player who owns it; 0 is nobody.
    pub owner: u32,
    /// Components by name, their fields by name.
    pub components: BTreeMap<String, BTreeMap<String, Value>>,
}

/// The entities of a state, ascending, or only one of them.
#[must_use]
pub fn show(columns: &Columns, only: Option<EntityId>) -> Vec<EntityState> {
    let is_wanted = |entity: EntityId| only.is_none_or(|only| only == entity);
    let mut shown: Vec<EntityState> = columns
        .column(0)
        .iter()
        .filter(|(entity, _)| is_wanted(*entity))
        .map(|(entity, _)| EntityState {
            id: entity.0,
            owner: columns.owner(entity).unwrap_or_default(),
            components: BTreeMap::new(),
        })
        .collect();
    // The first component is the entity itself.
    for (index, layout) in columns.manifest().layouts().iter().enumerate().skip(1) {
        let mut states = shown.iter_mut().peekable();
        for (entity, row) in columns.column(index).iter().filter(|(entity, _)| is_wanted(*entity)) {
            while states.next_if(|state| state.id < entity.0).is_some() {}
            if let Some(state) = states.peek_mut() {
                let fields = row_values(layout, row).into_iter().map(|(name, value)| (name.to_owned(), value));
                state.components.insert(layout.name.clone(), fields.collect());
            }
        }
    }
    shown
}
