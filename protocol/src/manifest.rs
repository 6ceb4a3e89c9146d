//! The manifest: a game's replicated components, described so that others can read them.

mod interest;
mod layout;

pub use interest::{ComponentRule, Interest, Nearness, Reach, Rule, SideField};
pub use layout::{Field, FieldKind, FieldSpec, Layout, Sync, Visibility};

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::generated::manifest_generated::worldlog::manifest as fb;
use crate::limits::{COMPONENTS_MAX, FIELDS_MAX, MANIFEST_BYTES_MAX, NAME_BYTES_MAX, TICK_MILLIHERTZ_MAX};

/// FlatBuffers file identifier of a manifest.
pub const IDENTIFIER: &str = "WLMF";

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
    interest: Option<Interest>,
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
    /// Describes a game in which everybody hears of everything. `layouts` must begin with [`Layout::entity`] and
    /// ascend by number.
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
        Self::from_table(&table)
    }

    /// The same game, with hints on who hears of which entity.
    ///
    /// # Errors
    /// When the hints name what is not there, or a bound of [`crate::limits`] is broken.
    pub fn with_interest(&self, interest: &Interest) -> Result<Self, ManifestError> {
        // The bytes were verified when this was made of them.
        let mut table = flatbuffers::root::<fb::Manifest<'_>>(&self.bytes)
            .map_err(|error| ManifestError::Buffer(error.to_string()))?
            .unpack();
        table.interest = Some(Box::new(interest.pack()));
        Self::from_table(&table)
    }

    fn from_table(table: &fb::ManifestT) -> Result<Self, ManifestError> {
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
        let interest = table.interest().map(|interest| Interest::unpack(&interest)).transpose()?;
        if let Some(interest) = &interest {
            interest.check(&layouts)?;
        }
        Ok(Self {
            game: table.game().to_owned(),
            rules_version: table.rules_version(),
            tick_millihertz: table.tick_millihertz(),
            layouts,
            rejections,
            command_schema: table.command_schema().bytes().to_vec(),
            interest,
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

    /// Who hears of which entity; `None` when everybody hears of everything.
    #[must_use]
    pub const fn interest(&self) -> Option<&Interest> {
        self.interest.as_ref()
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
                // A manifest without steps is the same bytes as before there were any.
                step: if field.step == 1 { 0 } else { field.step },
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
            if field.step() > 1 && !kind.has_steps() {
                return Err(shape(format!(
                    "{}.{} is {kind:?} and has a step of {}; integers alone are told in steps",
                    component.name(),
                    field.name(),
                    field.step()
                )));
            }
            Ok(FieldSpec { name: field.name().to_owned(), kind: *kind, scale: field.scale(), step: field.step() })
        })
        .collect::<Result<Vec<_>, ManifestError>>()?;
    if fields.len() > FIELDS_MAX {
        return Err(shape(format!("{} has more than {FIELDS_MAX} fields", component.name())));
    }
    Ok(Layout::of(component.number(), component.name(), visibility, sync, fields))
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
