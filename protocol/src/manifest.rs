//! The manifest: a game's replicated components, described so that others can read them.

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::generated::manifest_generated::worldlog::manifest as fb;
use crate::limits::{COMPONENTS_MAX, FIELDS_MAX, MANIFEST_BYTES_MAX, NAME_BYTES_MAX, TICK_MILLIHERTZ_MAX};

/// FlatBuffers file identifier of a manifest.
pub const IDENTIFIER: &str = "WLMF";

/// Who may know a component's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Every player of the match (as far as interest reaches).
    Everyone = 0,
    /// The player who owns the entity.
    Owner = 1,
    /// Members alone; never leaves them but in snapshots and match files.
    Server = 2,
}

/// What a client is advised to do between two ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sync {
    /// Show the newest value.
    Plain = 0,
    /// Blend between the last two values.
    Interpolate = 1,
    /// Run the game's own rules ahead for entities the player owns.
    Predict = 2,
}

/// Type of a field. All are little-endian in a row's canonical bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// One byte, 0 or 1.
    Bool = 0,
    /// One byte.
    U8 = 1,
    /// Two bytes.
    U16 = 2,
    /// Four bytes.
    U32 = 3,
    /// Eight bytes.
    U64 = 4,
    /// One byte, two's complement.
    I8 = 5,
    /// Two bytes, two's complement.
    I16 = 6,
    /// Four bytes, two's complement.
    I32 = 7,
    /// Eight bytes, two's complement.
    I64 = 8,
    /// Four bytes, IEEE 754; never NaN, never negative zero.
    F32 = 9,
    /// Four bytes: an entity of the same match, or 0.
    Entity = 10,
    /// Four bytes: a player of the same match, or 0.
    Player = 11,
}

impl FieldKind {
    const ALL: [Self; 12] = [
        Self::Bool,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::F32,
        Self::Entity,
        Self::Player,
    ];

    /// Bytes of the canonical form.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 | Self::Entity | Self::Player => 4,
            Self::U64 | Self::I64 => 8,
        }
    }

    /// Whether the number is signed; on the wire it is zigzag encoded then.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64)
    }
}

/// One field of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name in the game.
    pub name: String,
    /// Type.
    pub kind: FieldKind,
    /// The number divided by this is the number meant; 1 for plain numbers.
    pub scale: u32,
    /// Place in the row's canonical bytes.
    pub offset: usize,
}

impl Field {
    /// The field's number in a row; `F32` gives its bits, `U64` its two's complement.
    #[inline]
    #[must_use]
    pub fn read(&self, row: &[u8]) -> i64 {
        let bytes = &row[self.offset..][..self.kind.width()];
        let mut word = [0u8; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        let raw = u64::from_le_bytes(word);
        match self.kind {
            FieldKind::I8 => i64::from(raw as i8),
            FieldKind::I16 => i64::from(raw as i16),
            FieldKind::I32 => i64::from(raw as i32),
            _ => raw as i64,
        }
    }

    /// The number meant: scaled, or the float.
    #[must_use]
    pub fn value(&self, row: &[u8]) -> f64 {
        let number = self.read(row);
        match self.kind {
            FieldKind::F32 => f64::from(f32::from_bits(number as u32)),
            FieldKind::U64 => number as u64 as f64 / f64::from(self.scale),
            _ => number as f64 / f64::from(self.scale),
        }
    }

    /// Whether `number` is a value of this type.
    #[inline]
    pub(crate) const fn admits(&self, number: i64) -> bool {
        match self.kind {
            FieldKind::Bool => number == 0 || number == 1,
            FieldKind::U8 => number >= 0 && number <= u8::MAX as i64,
            FieldKind::U16 => number >= 0 && number <= u16::MAX as i64,
            FieldKind::U32 | FieldKind::Entity | FieldKind::Player => number >= 0 && number <= u32::MAX as i64,
            // Neither NaN nor the second zero is canonical.
            FieldKind::F32 => {
                let bits = number as u32;
                number >= 0 && number <= u32::MAX as i64 && bits != 1 << 31 && bits & !(1 << 31) <= 0x7f80_0000
            }
            FieldKind::I8 => number >= i8::MIN as i64 && number <= i8::MAX as i64,
            FieldKind::I16 => number >= i16::MIN as i64 && number <= i16::MAX as i64,
            FieldKind::I32 => number >= i32::MIN as i64 && number <= i32::MAX as i64,
            FieldKind::U64 | FieldKind::I64 => true,
        }
    }

    #[inline]
    pub(crate) fn write(&self, row: &mut [u8], number: i64) {
        let width = self.kind.width();
        row[self.offset..][..width].copy_from_slice(&number.to_le_bytes()[..width]);
    }
}

/// One component: its place, its fields, who may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Number on the wire and in hashes; stable over versions of the game.
    pub number: u16,
    /// Name in the game.
    pub name: String,
    /// Who may know its rows.
    pub visibility: Visibility,
    /// What a client is advised to do.
    pub sync: Sync,
    /// Fields in order.
    pub fields: Vec<Field>,
    /// Bytes of a row.
    pub width: usize,
}

impl Layout {
    /// A component from its fields (name, kind, scale), whose offsets follow from their order.
    #[must_use]
    pub fn new(
        number: u16,
        name: &str,
        visibility: Visibility,
        sync: Sync,
        fields: impl IntoIterator<Item = (String, FieldKind, u32)>,
    ) -> Self {
        let mut width = 0;
        let fields = fields
            .into_iter()
            .map(|(name, kind, scale)| {
                let offset = width;
                width += kind.width();
                Field { name, kind, scale: scale.max(1), offset }
            })
            .collect();
        Self { number, name: name.to_owned(), visibility, sync, fields, width }
    }

    /// Column 0 of every game: the entity itself, with its owner.
    #[must_use]
    pub fn entity() -> Self {
        Self::new(0, "Entity", Visibility::Everyone, Sync::Plain, [("owner".to_owned(), FieldKind::Player, 1)])
    }
}

/// A named rejection of the game.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// From 256.
    pub code: u16,
    /// The word for people.
    pub name: String,
}

/// A game as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    game: String,
    rules_version: u32,
    tick_millihertz: u32,
    layouts: Vec<Layout>,
    rejections: Vec<Rejection>,
    command_schema: Vec<u8>,
    bytes: Vec<u8>,
    hash: u64,
}

/// Why a manifest is not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Not a FlatBuffer of this schema.
    #[error("the manifest is no valid buffer: {0}")]
    Buffer(String),
    /// Too many of something, or a number out of place.
    #[error("manifest: {0}")]
    Shape(String),
}

fn shape(text: impl Into<String>) -> ManifestError {
    ManifestError::Shape(text.into())
}

impl Manifest {
    /// Describes a game. `layouts` must begin with [`Layout::entity`] and ascend by number.
    ///
    /// # Errors
    /// When a bound of [`crate::limits`] or the order is broken.
    pub fn new(
        game: &str,
        rules_version: u32,
        tick_millihertz: u32,
        layouts: Vec<Layout>,
        rejections: Vec<Rejection>,
        command_schema: &[u8],
    ) -> Result<Self, ManifestError> {
        let table = fb::ManifestT {
            game: game.to_owned(),
            rules_version,
            tick_millihertz,
            components: layouts.iter().map(pack_layout).collect(),
            rejections: rejections.iter().map(|r| fb::RejectionT { code: r.code, name: r.name.clone() }).collect(),
            command_schema: command_schema.to_vec(),
            interest: None,
        };
        let mut builder = flatbuffers::FlatBufferBuilder::new();
        let root = table.pack(&mut builder);
        builder.finish(root, Some(IDENTIFIER));
        Self::decode(builder.finished_data())
    }

    /// Reads a manifest that a server sent.
    ///
    /// # Errors
    /// When the buffer does not verify or a bound is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(shape(format!("{} bytes exceed the maximum of {MANIFEST_BYTES_MAX}", bytes.len())));
        }
        if bytes.len() < 8 || !flatbuffers::buffer_has_identifier(bytes, IDENTIFIER, false) {
            return Err(ManifestError::Buffer(format!("the identifier {IDENTIFIER} is missing")));
        }
        let options = flatbuffers::VerifierOptions {
            max_depth: 8,
            max_tables: COMPONENTS_MAX * (FIELDS_MAX + 1) + 1024,
            max_apparent_size: 2 * MANIFEST_BYTES_MAX,
            ..Default::default()
        };
        let table = flatbuffers::root_with_opts::<fb::Manifest<'_>>(&options, bytes)
            .map_err(|error| ManifestError::Buffer(error.to_string()))?;
        let layouts = table.components().iter().map(|c| unpack_layout(&c)).collect::<Result<Vec<_>, _>>()?;
        check_layouts(&layouts)?;
        if table.tick_millihertz() > TICK_MILLIHERTZ_MAX {
            return Err(shape("the tick rate is above the limit"));
        }
        check_name(table.game())?;
        let rejections = table
            .rejections()
            .iter()
            .map(|r| check_name(r.name()).map(|()| Rejection { code: r.code(), name: r.name().to_owned() }))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            game: table.game().to_owned(),
            rules_version: table.rules_version(),
            tick_millihertz: table.tick_millihertz(),
            layouts,
            rejections,
            command_schema: table.command_schema().bytes().to_vec(),
            bytes: bytes.to_vec(),
            hash: xxh3_64(bytes),
        })
    }

    /// Name of the game.
    #[must_use]
    pub fn game(&self) -> &str {
        &self.game
    }

    /// Version of the rules; another version may compute another state from the same commands.
    #[must_use]
    pub const fn rules_version(&self) -> u32 {
        self.rules_version
    }

    /// Ticks in 1,000 seconds; 0 when matches step on command.
    #[must_use]
    pub const fn tick_millihertz(&self) -> u32 {
        self.tick_millihertz
    }

    /// Components, ascending by number, the entity itself first.
    #[must_use]
    pub fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    /// A component by its name, with its place in [`Manifest::layouts`].
    #[must_use]
    pub fn layout_of(&self, name: &str) -> Option<(usize, &Layout)> {
        self.layouts.iter().enumerate().find(|(_, layout)| layout.name == name)
    }

    /// Place of a component number in [`Manifest::layouts`].
    #[must_use]
    pub fn index_of(&self, number: u16) -> Option<usize> {
        self.layouts.binary_search_by_key(&number, |layout| layout.number).ok()
    }

    /// The game's rejections.
    #[must_use]
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    /// FlatBuffers binary schema of the command union; empty when commands are opaque.
    #[must_use]
    pub fn command_schema(&self) -> &[u8] {
        &self.command_schema
    }

    /// The encoded form that travels.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// xxh3-64 of [`Manifest::bytes`].
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }
}

fn pack_layout(layout: &Layout) -> fb::ComponentT {
    fb::ComponentT {
        number: layout.number,
        name: layout.name.clone(),
        visibility: fb::Visibility(layout.visibility as u8),
        sync: fb::Sync(layout.sync as u8),
        fields: layout
            .fields
            .iter()
            .map(|field| fb::FieldT {
                name: field.name.clone(),
                kind: fb::FieldKind(field.kind as u8),
                scale: field.scale,
                step: 1,
            })
            .collect(),
    }
}

fn unpack_layout(component: &fb::Component<'_>) -> Result<Layout, ManifestError> {
    check_name(component.name())?;
    let visibility = match component.visibility() {
        fb::Visibility::Everyone => Visibility::Everyone,
        fb::Visibility::Owner => Visibility::Owner,
        fb::Visibility::Server => Visibility::Server,
        other => return Err(shape(format!("visibility {} is unknown", other.0))),
    };
    let sync = match component.sync() {
        fb::Sync::Interpolate => Sync::Interpolate,
        fb::Sync::Predict => Sync::Predict,
        _ => Sync::Plain,
    };
    let fields = component
        .fields()
        .iter()
        .map(|field| {
            check_name(field.name())?;
            let kind = FieldKind::ALL
                .get(usize::from(field.kind().0))
                .ok_or_else(|| shape(format!("field kind {} is unknown", field.kind().0)))?;
            Ok((field.name().to_owned(), *kind, field.scale()))
        })
        .collect::<Result<Vec<_>, ManifestError>>()?;
    if fields.len() > FIELDS_MAX {
        return Err(shape(format!("{} has more than {FIELDS_MAX} fields", component.name())));
    }
    Ok(Layout::new(component.number(), component.name(), visibility, sync, fields))
}

fn check_layouts(layouts: &[Layout]) -> Result<(), ManifestError> {
    if layouts.first() != Some(&Layout::entity()) {
        return Err(shape("component 0 must be the entity with its owner"));
    }
    if layouts.len() > COMPONENTS_MAX {
        return Err(shape(format!("more than {COMPONENTS_MAX} components")));
    }
    match layouts.windows(2).find(|pair| pair[0].number >= pair[1].number) {
        Some(pair) => Err(shape(format!("component {} must come after {}", pair[1].name, pair[0].name))),
        None => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), ManifestError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(shape(format!("a name has {} bytes; 1 to {NAME_BYTES_MAX} are allowed", name.len())));
    }
    Ok(())
}
