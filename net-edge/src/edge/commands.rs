//! Which bytes are commands of the game: a FlatBuffers verifier that learns its schema at run time.
//!
//! The schema is read once, checked whole, and kept as plain lists, so that nothing about it can fail
//! when a player's bytes are held against it. `flatbuffers-reflection` has a verifier too; it is not used
//! on players' bytes, because a union type beyond the schema makes it panic, and a table that was
//! verified as one type passes as any other.
//!
//! Invariants:
//! - What passes can be read by generated code of the same schema without leaving the buffer.
//! - A union holds a type that the schema lists, with its value; a newer type is no command.
//! - Work is bounded by [`COMMAND_TABLES_MAX`], [`COMMAND_DEPTH_MAX`] and the apparent size.

use flatbuffers::{ForwardsUOffset, InvalidFlatbuffer, Verifiable, Verifier, VerifierOptions};
use flatbuffers_reflection::reflection;
use protocol::limits::{COMMAND_BYTES_MAX, COMMAND_DEPTH_MAX, COMMAND_TABLES_MAX, MANIFEST_BYTES_MAX};
use thiserror::Error;

/// What commands of one game look like.
#[derive(Debug)]
pub(crate) enum CommandSchema {
    /// The game takes any bytes.
    Opaque,
    /// Commands are tables of this shape.
    Tables(Shapes),
}

#[derive(Debug)]
pub(crate) struct Shapes {
    objects: Vec<Object>,
    unions: Vec<Vec<Variant>>,
    root: usize,
}

#[derive(Debug)]
enum Object {
    Table(Vec<Field>),
    Struct { bytes: usize, alignment: usize },
}

#[derive(Debug)]
struct Field {
    name: String,
    /// Place in the vtable.
    slot: u16,
    required: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Scalar { bytes: usize },
    Text,
    Object(usize),
    Union(usize),
    Scalars { bytes: usize },
    Texts,
    Objects(usize),
}

#[derive(Debug)]
struct Variant {
    number: u8,
    kind: Option<Kind>,
}

/// Why a command schema cannot be used. The operator's game must be built anew.
#[derive(Debug, Error)]
pub(crate) enum SchemaError {
    /// Not a binary schema.
    #[error("the command schema is no .bfbs buffer ({0}); build it with flatc --binary --schema")]
    Buffer(String),
    /// A part that commands may not have.
    #[error("the command schema: {place} {problem}")]
    Part { place: String, problem: &'static str },
}

/// Why a payload is no command.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// The verifier refused it.
    #[error("{0}")]
    Buffer(String),
    /// A union whose type and value do not fit.
    #[error("{field}: {problem}")]
    Union { field: String, problem: &'static str },
    /// A struct out of place.
    #[error("byte {position}: a struct is not aligned to {alignment}")]
    Unaligned { position: usize, alignment: usize },
}

impl From<InvalidFlatbuffer> for CommandError {
    fn from(error: InvalidFlatbuffer) -> Self {
        Self::Buffer(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl CommandSchema {
    /// Reads the schema of a manifest.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        if bytes.is_empty() {
            return Ok(Self::Opaque);
        }
        if bytes.len() < 8 || !reflection::schema_buffer_has_identifier(bytes) {
            return Err(SchemaError::Buffer("the identifier BFBS is missing".to_owned()));
        }
        let options = VerifierOptions { max_apparent_size: 16 * MANIFEST_BYTES_MAX, ..VerifierOptions::default() };
        let schema = reflection::root_as_schema_with_opts(&options, bytes)
            .map_err(|error| SchemaError::Buffer(error.to_string()))?;
        Shapes::read(&schema).map(Self::Tables)
    }

    /// Checks one payload.
    pub(crate) fn verify(&self, payload: &[u8]) -> Result<(), CommandError> {
        let Self::Tables(shapes) = self else { return Ok(()) };
        let options = VerifierOptions {
            max_depth: COMMAND_DEPTH_MAX,
            max_tables: COMMAND_TABLES_MAX,
            // Builders share equal vtables, which then count for each table: allow that, not much more.
            max_apparent_size: 4 * COMMAND_BYTES_MAX,
            ignore_missing_null_terminator: false,
        };
        let mut verifier = Verifier::new(&options, payload);
        let root = verifier.get_uoffset(0)? as usize;
        shapes.verify_object(&mut verifier, shapes.root, root)
    }
}

// ---- held against bytes -----------------------------------------------------------------------------

impl Shapes {
    fn verify_object(&self, verifier: &mut Verifier<'_, '_>, object: usize, at: usize) -> Result<(), CommandError> {
        match &self.objects[object] {
            Object::Table(fields) => self.verify_table(verifier, fields, at),
            Object::Struct { bytes, alignment } => verify_struct(verifier, *bytes, *alignment, at),
        }
    }

    fn verify_table(&self, verifier: &mut Verifier<'_, '_>, fields: &[Field], at: usize) -> Result<(), CommandError> {
        let mut table = verifier.visit_table(at)?;
        for field in fields {
            let place = table.deref(field.slot)?;
            if let Kind::Union(union) = field.kind {
                // The type of a union stands in the slot before its value.
                let number = match table.deref(field.slot - 2)? {
                    Some(place) => table.verifier().get_u8(place)?,
                    None => 0,
                };
                self.verify_union(table.verifier(), field, &self.unions[union], number, place)?;
            } else if let Some(place) = place {
                self.verify_field(table.verifier(), field.kind, place)?;
            } else if field.required {
                return Err(InvalidFlatbuffer::MissingRequiredField {
                    required: field.name.clone().into(),
                    error_trace: Default::default(),
                }
                .into());
            }
        }
        table.finish();
        Ok(())
    }

    fn verify_union(
        &self,
        verifier: &mut Verifier<'_, '_>,
        field: &Field,
        variants: &[Variant],
        number: u8,
        place: Option<usize>,
    ) -> Result<(), CommandError> {
        let wrong = |problem| CommandError::Union { field: field.name.clone(), problem };
        let variant = variants.iter().find(|variant| variant.number == number);
        match (variant.ok_or(wrong("the schema does not list this type"))?.kind, place) {
            (Some(kind), Some(place)) => {
                let target = follow(verifier, place)?;
                match kind {
                    Kind::Text => Ok(<&str>::run_verifier(verifier, target)?),
                    Kind::Object(object) => self.verify_object(verifier, object, target),
                    _ => Err(wrong("the schema gives this type no value")),
                }
            }
            (Some(_), None) => Err(wrong("a type without a value")),
            (None, Some(_)) => Err(wrong("a value without a type")),
            (None, None) if field.required => Err(wrong("is required")),
            (None, None) => Ok(()),
        }
    }

    fn verify_field(&self, verifier: &mut Verifier<'_, '_>, kind: Kind, at: usize) -> Result<(), CommandError> {
        match kind {
            Kind::Scalar { bytes } => verify_scalar(verifier, bytes, at),
            Kind::Text => Ok(<ForwardsUOffset<&str>>::run_verifier(verifier, at)?),
            Kind::Object(object) => match &self.objects[object] {
                // Structs lie inside their table, tables behind an offset.
                Object::Struct { bytes, alignment } => verify_struct(verifier, *bytes, *alignment, at),
                Object::Table(fields) => {
                    let target = follow(verifier, at)?;
                    self.verify_table(verifier, fields, target)
                }
            },
            Kind::Scalars { bytes } => verify_elements(verifier, at, bytes, bytes).map(|_| ()),
            Kind::Texts => {
                Ok(<ForwardsUOffset<flatbuffers::Vector<'_, ForwardsUOffset<&str>>>>::run_verifier(verifier, at)?)
            }
            Kind::Objects(object) => self.verify_objects(verifier, object, at),
            Kind::Union(_) => unreachable!("a union is verified with its type, by `verify_table`"),
        }
    }

    fn verify_objects(&self, verifier: &mut Verifier<'_, '_>, object: usize, at: usize) -> Result<(), CommandError> {
        match &self.objects[object] {
            Object::Struct { bytes, alignment } => verify_elements(verifier, at, *bytes, *alignment).map(|_| ()),
            Object::Table(fields) => {
                for element in verify_elements(verifier, at, OFFSET_BYTES, OFFSET_BYTES)?.step_by(OFFSET_BYTES) {
                    let target = follow(verifier, element)?;
                    self.verify_table(verifier, fields, target)?;
                }
                Ok(())
            }
        }
    }
}

fn follow(verifier: &mut Verifier<'_, '_>, at: usize) -> Result<usize, CommandError> {
    Ok(at.saturating_add(verifier.get_uoffset(at)? as usize))
}

fn verify_scalar(verifier: &mut Verifier<'_, '_>, bytes: usize, at: usize) -> Result<(), CommandError> {
    verify_struct(verifier, bytes, bytes, at)
}

fn verify_struct(
    verifier: &mut Verifier<'_, '_>,
    bytes: usize,
    alignment: usize,
    position: usize,
) -> Result<(), CommandError> {
    if !position.is_multiple_of(alignment) {
        return Err(CommandError::Unaligned { position, alignment });
    }
    Ok(verifier.range_in_buffer(position, bytes)?)
}

/// Checks the extent of a vector behind an offset, and gives it.
fn verify_elements(
    verifier: &mut Verifier<'_, '_>,
    at: usize,
    bytes: usize,
    alignment: usize,
) -> Result<std::ops::Range<usize>, CommandError> {
    let vector = follow(verifier, at)?;
    let count = verifier.get_uoffset(vector)? as usize;
    let start = vector.saturating_add(OFFSET_BYTES);
    let size = count.saturating_mul(bytes);
    verify_struct(verifier, size, alignment, start)?;
    Ok(start..start + size)
}

// ---- read from the schema ---------------------------------------------------------------------------

impl Shapes {
    fn read(schema: &reflection::Schema<'_>) -> Result<Self, SchemaError> {
        let names: Vec<&str> = schema.objects().iter().map(|object| object.name()).collect();
        let limits = Limits { objects: names.len(), enums: schema.enums().len() };
        let root = schema.root_table().ok_or_else(|| part("root_type", "is missing"))?;
        let root = names.iter().position(|name| *name == root.name());
        let unions = schema.enums().iter().map(|item| limits.read_variants(&item)).collect::<Result<Vec<_>, _>>()?;
        let objects = schema.objects().iter().map(|item| limits.read_object(&item)).collect::<Result<Vec<_>, _>>()?;
        let root = root.ok_or_else(|| part("root_type", "is none of the schema's tables"))?;
        match objects[root] {
            Object::Table(_) => Ok(Self { objects, unions, root }),
            Object::Struct { .. } => Err(part("root_type", "must be a table")),
        }
    }
}

/// How many of each the schema has: every index is checked against them.
struct Limits {
    objects: usize,
    enums: usize,
}

impl Limits {
    fn read_object(&self, object: &reflection::Object<'_>) -> Result<Object, SchemaError> {
        if object.is_struct() {
            let bytes = usize::try_from(object.bytesize()).unwrap_or_default();
            let alignment = usize::try_from(object.minalign()).unwrap_or_default();
            if bytes == 0 || !alignment.is_power_of_two() || alignment > 16 {
                return Err(part(object.name(), "is a struct of impossible size or alignment"));
            }
            return Ok(Object::Struct { bytes, alignment });
        }
        object
            .fields()
            .iter()
            .map(|field| self.read_field(object.name(), &field))
            .collect::<Result<_, _>>()
            .map(Object::Table)
    }

    fn read_field(&self, owner: &str, field: &reflection::Field<'_>) -> Result<Field, SchemaError> {
        let name = format!("{owner}.{}", field.name());
        let kind = self.read_kind(&name, &field.type_())?;
        // Slots begin after the two lengths of a vtable; a union's is preceded by that of its type.
        let first = if matches!(kind, Kind::Union(_)) { 6 } else { 4 };
        if field.offset() < first || field.offset64() {
            return Err(part(&name, "has an impossible place in its table"));
        }
        Ok(Field { name, slot: field.offset(), required: field.required(), kind })
    }

    fn read_kind(&self, name: &str, kind: &reflection::Type<'_>) -> Result<Kind, SchemaError> {
        use reflection::BaseType as Base;
        match kind.base_type() {
            Base::String => Ok(Kind::Text),
            Base::Obj => self.object(name, kind).map(Kind::Object),
            Base::Union => self.union(name, kind).map(Kind::Union),
            Base::Vector => match kind.element() {
                Base::String => Ok(Kind::Texts),
                Base::Obj => self.object(name, kind).map(Kind::Objects),
                element => scalar_bytes(element)
                    .map(|bytes| Kind::Scalars { bytes })
                    .ok_or_else(|| part(name, "is a vector of something that commands may not hold")),
            },
            base => scalar_bytes(base)
                .map(|bytes| Kind::Scalar { bytes })
                .ok_or_else(|| part(name, "is of a kind that commands may not hold")),
        }
    }

    fn read_variants(&self, item: &reflection::Enum<'_>) -> Result<Vec<Variant>, SchemaError> {
        if !item.is_union() {
            return Ok(Vec::new());
        }
        item.values().iter().map(|value| self.read_variant(item.name(), &value)).collect()
    }

    fn read_variant(&self, owner: &str, value: &reflection::EnumVal<'_>) -> Result<Variant, SchemaError> {
        let name = format!("{owner}.{}", value.name());
        let number = u8::try_from(value.value()).map_err(|_| part(&name, "has a number above 255"))?;
        let kind = match value.union_type() {
            Some(kind) if kind.base_type() == reflection::BaseType::Obj => {
                Some(Kind::Object(self.object(&name, &kind)?))
            }
            Some(kind) if kind.base_type() == reflection::BaseType::String => Some(Kind::Text),
            Some(kind) if kind.base_type() != reflection::BaseType::None => {
                return Err(part(&name, "is of a kind that unions of commands may not hold"));
            }
            _ => None,
        };
        Ok(Variant { number, kind })
    }

    fn object(&self, name: &str, kind: &reflection::Type<'_>) -> Result<usize, SchemaError> {
        index(name, kind.index(), self.objects)
    }

    fn union(&self, name: &str, kind: &reflection::Type<'_>) -> Result<usize, SchemaError> {
        index(name, kind.index(), self.enums)
    }
}

fn index(name: &str, index: i32, count: usize) -> Result<usize, SchemaError> {
    usize::try_from(index)
        .ok()
        .filter(|index| *index < count)
        .ok_or_else(|| part(name, "names a type that is not there"))
}

fn scalar_bytes(base: reflection::BaseType) -> Option<usize> {
    use reflection::BaseType as Base;
    match base {
        Base::UType | Base::Bool | Base::Byte | Base::UByte => Some(1),
        Base::Short | Base::UShort => Some(2),
        Base::Int | Base::UInt | Base::Float => Some(4),
        Base::Long | Base::ULong | Base::Double => Some(8),
        _ => None,
    }
}

fn part(place: &str, problem: &'static str) -> SchemaError {
    SchemaError::Part { place: place.to_owned(), problem }
}

/// Bytes of an offset, and of the length before a vector.
const OFFSET_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use flatbuffers::FlatBufferBuilder;
    use proptest::prelude::*;

    /// A schema as games have it: a required union of five tables, of scalars or empty.
    const SCHEMA: &[u8] = include_bytes!("../../../arena/src/generated/arena.bfbs");

    fn schema() -> CommandSchema {
        CommandSchema::decode(SCHEMA).unwrap()
    }

    /// A command of a union type, with or without its table of two bytes.
    fn command(kind: u8, has_value: bool) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        let value = builder.start_table();
        builder.push_slot_always::<i8>(4, 1);
        let value = builder.end_table(value);
        let root = builder.start_table();
        if kind != 0 {
            builder.push_slot_always::<u8>(4, kind);
        }
        if has_value {
            builder.push_slot_always(6, value);
        }
        let root = builder.end_table(root);
        builder.finish(root, None);
        builder.finished_data().to_vec()
    }

    #[test]
    fn commands_of_the_schema_pass_and_others_do_not() {
        let schema = schema();
        assert!(schema.verify(&command(1, true)).is_ok());
        assert!(schema.verify(&command(4, true)).is_ok(), "a table may have fields that are newer");
        assert!(matches!(schema.verify(&command(6, true)), Err(CommandError::Union { .. })), "an unknown type");
        assert!(matches!(schema.verify(&command(1, false)), Err(CommandError::Union { .. })), "no value");
        assert!(matches!(schema.verify(&command(0, true)), Err(CommandError::Union { .. })), "no type");
        assert!(matches!(schema.verify(&command(0, false)), Err(CommandError::Union { .. })), "required");
        assert!(schema.verify(&[]).is_err());
    }

    #[test]
    fn every_truncated_command_is_refused() {
        let (schema, whole) = (schema(), command(1, true));
        let refused = (0..whole.len()).filter(|end| schema.verify(&whole[..*end]).is_err()).count();
        assert_eq!(refused, whole.len());
    }

    #[test]
    fn damaged_schema_is_an_error() {
        assert!(matches!(CommandSchema::decode(b"what is this"), Err(SchemaError::Buffer(_))));
        for end in 1..SCHEMA.len() {
            // The last bytes may be padding that nobody misses.
            let is_refused = CommandSchema::decode(&SCHEMA[..end]).is_err();
            assert!(is_refused || end > SCHEMA.len() - 16, "{end} of {} bytes", SCHEMA.len());
        }
        for place in 0..SCHEMA.len() {
            let mut damaged = SCHEMA.to_vec();
            damaged[place] ^= 0x41;
            // Some bytes are names: what counts is that nothing panics, now or later.
            if let Ok(schema) = CommandSchema::decode(&damaged) {
                let _ = schema.verify(&command(1, true));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn no_bytes_make_the_verifier_panic(bytes in proptest::collection::vec(any::<u8>(), 0..COMMAND_BYTES_MAX)) {
            let _ = schema().verify(&bytes);
        }

        #[test]
        fn no_flip_makes_the_verifier_panic(flips in proptest::collection::vec((0..64usize, 0..8u8), 1..6)) {
            let mut bytes = command(1, true);
            for (place, bit) in flips {
                let place = place % bytes.len();
                bytes[place] ^= 1 << bit;
            }
            let _ = schema().verify(&bytes);
        }
    }
}
