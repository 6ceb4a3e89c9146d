//! Fields by name, as people read and write them.

use std::fmt;

use protocol::manifest::{Field, FieldKind, Layout, Manifest};
use protocol::{Columns, EntityId};
use serde::Serialize;
use thiserror::Error;

/// What a field holds. Fixed-point numbers are in units: a place in metres, not in 1/256 m.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// An integer. One above `i64::MAX` is a [`Value::Number`].
    Int(i64),
    /// A fraction.
    Number(f64),
    /// Yes or no.
    Bool(bool),
    /// An entity of the match; 0 is none.
    Entity(u32),
    /// A player of the match; 0 is nobody.
    Player(u32),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Bool(is_so) => is_so.fmt(f),
            Self::Entity(number) | Self::Player(number) => number.fmt(f),
        }
    }
}

/// Why a text names no field, or a field cannot hold a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Not of the form of a path.
    #[error("{text:?} names no field; write ENTITY.Component.field, as in 12.Health.points")]
    Path {
        /// As given.
        text: String,
    },
    /// No such component.
    #[error("there is no component {name}; this game has {known}")]
    Component {
        /// As given.
        name: String,
        /// What there is.
        known: String,
    },
    /// No such field.
    #[error("{component} has no field {name}; it has {known}")]
    Field {
        /// The component.
        component: String,
        /// As given.
        name: String,
        /// What there is.
        known: String,
    },
    /// The field cannot hold it.
    #[error("{component}.{field} cannot be {value}: it holds {holds}")]
    Unfit {
        /// The component.
        component: String,
        /// The field.
        field: String,
        /// As given.
        value: String,
        /// What it holds.
        holds: String,
    },
}

/// One field of one entity, with component and field by their places in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldPath {
    /// The entity.
    pub entity: EntityId,
    /// Place in [`Manifest::layouts`].
    pub component: usize,
    /// Place in [`Layout::fields`].
    pub field: usize,
}

impl FieldPath {
    /// Reads `12.Health.points`.
    ///
    /// # Errors
    /// When it names nothing of this game; the error says what there is. Whether the entity exists is not asked.
    pub fn parse(text: &str, manifest: &Manifest) -> Result<Self, ValueError> {
        let malformed = || ValueError::Path { text: text.to_owned() };
        let (entity, rest) = text.split_once('.').ok_or_else(malformed)?;
        let (name, field) = rest.split_once('.').ok_or_else(malformed)?;
        let entity = EntityId(entity.parse().map_err(|_| malformed())?);
        let (component, layout) = manifest.layout_of(name).ok_or_else(|| ValueError::Component {
            name: name.to_owned(),
            known: list(manifest.layouts().iter().map(|layout| layout.name.as_str())),
        })?;
        let place = layout.fields.iter().position(|candidate| candidate.name == field);
        let field = place.ok_or_else(|| ValueError::Field {
            component: name.to_owned(),
            name: field.to_owned(),
            known: list(layout.fields.iter().map(|field| field.name.as_str())),
        })?;
        Ok(Self { entity, component, field })
    }

    /// The path as it is read.
    #[must_use]
    pub fn named(&self, manifest: &Manifest) -> String {
        let layout = &manifest.layouts()[self.component];
        format!("{}.{}.{}", self.entity.0, layout.name, layout.fields[self.field].name)
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The value of a field in a row.
#[must_use]
pub fn field_value(field: &Field, row: &[u8]) -> Value {
    let number = field.read(row);
    match field.kind {
        FieldKind::Bool => Value::Bool(number != 0),
        FieldKind::Entity => Value::Entity(number as u32),
        FieldKind::Player => Value::Player(number as u32),
        FieldKind::F32 => Value::Number(field.value(row)),
        FieldKind::U64 if number < 0 => Value::Number(field.value(row)),
        _ if field.scale > 1 => Value::Number(field.value(row)),
        _ => Value::Int(number),
    }
}

/// The value of a field in a state; `None` when the entity has no such component.
#[must_use]
pub fn value_of(columns: &Columns, path: &FieldPath) -> Option<Value> {
    let layout = columns.manifest().layouts().get(path.component)?;
    let row = columns.column(path.component).row(path.entity)?;
    Some(field_value(layout.fields.get(path.field)?, row))
}

/// All fields of a row, in the manifest's order.
#[must_use]
pub fn row_values<'a>(layout: &'a Layout, row: &[u8]) -> Vec<(&'a str, Value)> {
    layout.fields.iter().map(|field| (field.name.as_str(), field_value(field, row))).collect()
}

/// Puts a value into a row. A fraction goes to the nearest number that a fixed-point field has.
///
/// # Errors
/// When the field cannot hold it; the row is as it was.
///
/// # Panics
/// When the component has no field of that place.
pub fn put_value(layout: &Layout, row: &mut [u8], field: usize, value: &Value) -> Result<(), ValueError> {
    let field = &layout.fields[field];
    let number = number_for(field, value).ok_or_else(|| ValueError::Unfit {
        component: layout.name.clone(),
        field: field.name.clone(),
        value: value.to_string(),
        holds: holds(field),
    })?;
    field.write(row, number);
    Ok(())
}

/// The number that stands for a value in a row, if the field has one.
fn number_for(field: &Field, value: &Value) -> Option<i64> {
    let fraction = match *value {
        Value::Bool(is_so) => return (field.kind == FieldKind::Bool).then_some(i64::from(is_so)),
        Value::Int(number) if field.scale == 1 && field.kind != FieldKind::F32 => return fitting(field.kind, number),
        Value::Entity(number) | Value::Player(number) => return fitting(field.kind, number.into()),
        Value::Int(number) => number as f64,
        Value::Number(number) => number,
    };
    if field.kind == FieldKind::F32 {
        let float = fraction as f32;
        // Both zeros are the same state, and NaN is none.
        let canonical = if float == 0.0 { 0.0 } else { float };
        return (!float.is_nan()).then(|| i64::from(canonical.to_bits()));
    }
    let scaled = (fraction * f64::from(field.scale)).round();
    let is_whole = field.scale > 1 || scaled == fraction;
    if field.kind == FieldKind::U64 && (0.0..18_446_744_073_709_551_616.0).contains(&scaled) {
        return is_whole.then_some(scaled as u64 as i64);
    }
    let is_in_range = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&scaled);
    if is_whole && is_in_range { fitting(field.kind, scaled as i64) } else { None }
}

fn fitting(kind: FieldKind, number: i64) -> Option<i64> {
    let bits = 8 * kind.width() as u32;
    let fits = match kind {
        FieldKind::Bool => (0..=1).contains(&number),
        FieldKind::I64 => true,
        FieldKind::U64 => number >= 0,
        kind if kind.is_signed() => (-(1i64 << (bits - 1))..1i64 << (bits - 1)).contains(&number),
        _ => (0..1i64 << bits).contains(&number),
    };
    fits.then_some(number)
}

fn holds(field: &Field) -> String {
    let bits = 8 * field.kind.width();
    match field.kind {
        FieldKind::Bool => "true or false".to_owned(),
        FieldKind::F32 => "a number".to_owned(),
        FieldKind::Entity => "the number of an entity, or 0".to_owned(),
        FieldKind::Player => "the number of a player, or 0".to_owned(),
        kind => {
            let sign = if kind.is_signed() { "with" } else { "without" };
            let scale = if field.scale > 1 { format!(" in steps of 1/{}", field.scale) } else { String::new() };
            format!("integers of {bits} bits {sign} a sign{scale}")
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::manifest::{Sync, Visibility};

    use super::*;

    fn layout() -> Layout {
        let fields = [
            ("whole", FieldKind::U16, 1),
            ("signed", FieldKind::I8, 1),
            ("place", FieldKind::I32, 256),
            ("float", FieldKind::F32, 1),
            ("is_so", FieldKind::Bool, 1),
            ("owner", FieldKind::Player, 1),
            ("long", FieldKind::U64, 1),
        ];
        let fields = fields.map(|(name, kind, scale)| (name.to_owned(), kind, scale));
        Layout::new(1, "Thing", Visibility::Everyone, Sync::Plain, fields)
    }

    #[test]
    fn what_is_put_is_read_again() {
        let layout = layout();
        let mut row = vec![0; layout.width];
        let values = [
            Value::Int(65_535),
            Value::Int(-128),
            Value::Number(-3.25),
            Value::Number(0.5),
            Value::Bool(true),
            Value::Player(7),
            Value::Int(i64::MAX),
        ];
        for (field, value) in values.iter().enumerate() {
            put_value(&layout, &mut row, field, value).unwrap();
        }
        let read: Vec<_> = row_values(&layout, &row).into_iter().map(|(_, value)| value).collect();
        assert_eq!(read, values);
        put_value(&layout, &mut row, 6, &Value::Number(1e19)).unwrap();
        assert_eq!(row_values(&layout, &row)[6].1, Value::Number(1e19));
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused_and_change_nothing() {
        let layout = layout();
        let mut row = vec![7; layout.width];
        let unfit = [
            (0, Value::Int(65_536)),
            (0, Value::Int(-1)),
            (0, Value::Number(1.5)),
            (0, Value::Bool(true)),
            (1, Value::Int(128)),
            (2, Value::Number(1e12)),
            (2, Value::Number(f64::NAN)),
            (3, Value::Number(f64::NAN)),
            (4, Value::Int(2)),
            (5, Value::Int(-1)),
            (6, Value::Number(2e19)),
        ];
        for (field, value) in unfit {
            let error = put_value(&layout, &mut row, field, &value).unwrap_err();
            assert!(error.to_string().contains("Thing."), "{error}");
        }
        assert_eq!(row, vec![7; layout.width]);
    }
}
