//! What differs between two states.

use std::collections::BTreeSet;

use protocol::{Columns, EntityId};
use serde::Serialize;

use crate::value::{Value, field_value};

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The entity.
    pub entity: u32,
    /// The component.
    pub component: String,
    /// The field.
    pub field: String,
    /// In the first state; `None` when the entity has no such component there.
    pub a: Option<Value>,
    /// In the second.
    pub b: Option<Value>,
}

/// The fields that differ, by entity, then in the manifest's order. Both states must be of one game.
///
/// # Panics
/// When the manifests have different components.
#[must_use]
pub fn diff(a: &Columns, b: &Columns) -> Vec<Difference> {
    let layouts = a.manifest().layouts();
    assert_eq!(layouts, b.manifest().layouts(), "states of one game are compared");
    let unequal: Vec<usize> = (0..layouts.len()).filter(|index| a.column(*index) != b.column(*index)).collect();
    let mut entities = BTreeSet::new();
    for index in &unequal {
        let (of_a, of_b) = (a.column(*index), b.column(*index));
        entities.extend(of_a.iter().filter(|(id, row)| of_b.row(*id) != Some(row)).map(|(id, _)| id));
        entities.extend(of_b.iter().filter(|(id, _)| of_a.row(*id).is_none()).map(|(id, _)| id));
    }
    let mut found = Vec::new();
    for entity in entities {
        unequal.iter().for_each(|index| differ(a, b, *index, entity, &mut found));
    }
    found
}

fn differ(a: &Columns, b: &Columns, index: usize, entity: EntityId, found: &mut Vec<Difference>) {
    let layout = &a.manifest().layouts()[index];
    let rows = [a, b].map(|columns| columns.column(index).row(entity));
    if rows[0] == rows[1] {
        return;
    }
    for field in &layout.fields {
        let [a, b] = rows.map(|row| row.map(|row| field_value(field, row)));
        if a != b {
            let (component, field) = (layout.name.clone(), field.name.clone());
            found.push(Difference { entity: entity.0, component, field, a, b });
        }
    }
}
