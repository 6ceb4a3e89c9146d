//! A state as JSON, written from its columns without anything between.

use protocol::manifest::Layout;
use protocol::{Columns, EntityId};
use replay::row_values;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// Which components are told, by their place in the manifest's list.
#[derive(Debug, Clone)]
pub(super) struct Chosen(Vec<usize>);

impl Chosen {
    /// All but the first, which says who owns an entity.
    pub(super) fn all(columns: &Columns) -> Self {
        Self((1..columns.manifest().layouts().len()).collect())
    }

    /// Those of these names; names that the game does not have say nothing.
    pub(super) fn named(columns: &Columns, names: &str) -> Self {
        let layouts = columns.manifest().layouts().iter().enumerate().skip(1);
        let is_named = |layout: &Layout| names.split(',').any(|name| name.trim() == layout.name);
        Self(layouts.filter(|(_, layout)| is_named(layout)).map(|(place, _)| place).collect())
    }
}

/// The entities of a state, in their order.
pub(super) struct Entities<'a> {
    pub(super) columns: &'a Columns,
    pub(super) chosen: &'a Chosen,
}

impl Serialize for Entities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.columns.entity_count()))?;
        for (id, _) in self.columns.column(0).iter() {
            list.serialize_element(&Entity { id, of: self })?;
        }
        list.end()
    }
}

struct Entity<'a> {
    id: EntityId,
    of: &'a Entities<'a>,
}

impl Serialize for Entity<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("id", &self.id.0)?;
        map.serialize_entry("owner", &self.of.columns.owner(self.id).unwrap_or_default())?;
        map.serialize_entry("components", &Components(self))?;
        map.end()
    }
}

struct Components<'a>(&'a Entity<'a>);

impl Serialize for Components<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Entity { id, of: Entities { columns, chosen } } = self.0;
        let mut map = serializer.serialize_map(None)?;
        for place in &chosen.0 {
            if let Some(row) = columns.column(*place).row(*id) {
                let layout = &columns.manifest().layouts()[*place];
                map.serialize_entry(&layout.name, &Row { layout, row })?;
            }
        }
        map.end()
    }
}

struct Row<'a> {
    layout: &'a Layout,
    row: &'a [u8],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(row_values(self.layout, self.row))
    }
}
