//! Components as others read them: their fields, where these stand in a row, and who may know them.

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
    pub(super) const ALL: [Self; 12] = [
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

    /// Whether its values are integers that may be told in steps: neither floats nor names of things.
    #[must_use]
    pub const fn has_steps(self) -> bool {
        !matches!(self, Self::Bool | Self::F32 | Self::Entity | Self::Player)
    }

    /// The largest magnitude of a value, on one side of 0.
    const fn magnitude_max(self, is_negative: bool) -> u64 {
        let bits = 8 * self.width() as u32;
        match (self.is_signed(), is_negative) {
            (false, true) => 0,
            (false, false) => u64::MAX >> (64 - bits),
            (true, false) => (1 << (bits - 1)) - 1,
            (true, true) => 1 << (bits - 1),
        }
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
    /// Players may be told the nearest multiple of this instead of the number; 1 when they are told the number.
    /// Members, hashes of the state and keyframes always have the number itself.
    pub step: u32,
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

    /// The number that players are told: the nearest multiple of [`Field::step`] that is a value of this type, of
    /// two equally near ones the one farther from 0. A number that was told is told as itself.
    #[inline]
    #[must_use]
    pub const fn quantise(&self, number: i64) -> i64 {
        if self.step <= 1 {
            return number;
        }
        let step = self.step as u64;
        let is_negative = self.kind.is_signed() && number < 0;
        let magnitude = if is_negative { number.unsigned_abs() } else { number as u64 };
        let nearest = magnitude.saturating_add(step / 2) / step;
        let most = self.kind.magnitude_max(is_negative) / step;
        let told = if nearest < most { nearest } else { most } * step;
        if is_negative { told.wrapping_neg() as i64 } else { told as i64 }
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

    /// Puts a number into a row; one that the type does not have is cut to its width.
    #[inline]
    pub fn write(&self, row: &mut [u8], number: i64) {
        let width = self.kind.width();
        row[self.offset..][..width].copy_from_slice(&number.to_le_bytes()[..width]);
    }
}

/// A field as a game describes it; its place in a row follows from its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpec {
    /// Name in the game.
    pub name: String,
    /// Type.
    pub kind: FieldKind,
    /// See [`Field::scale`]; 0 means 1.
    pub scale: u32,
    /// See [`Field::step`]; 0 means 1.
    pub step: u32,
}

impl From<(String, FieldKind, u32)> for FieldSpec {
    /// Name, kind and scale; players are told the number itself.
    fn from((name, kind, scale): (String, FieldKind, u32)) -> Self {
        Self { name, kind, scale, step: 1 }
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
        Self::of(number, name, visibility, sync, fields.into_iter().map(FieldSpec::from))
    }

    /// A component from all that its fields say, whose offsets follow from their order.
    #[must_use]
    pub fn of(
        number: u16,
        name: &str,
        visibility: Visibility,
        sync: Sync,
        fields: impl IntoIterator<Item = FieldSpec>,
    ) -> Self {
        let mut width = 0;
        let fields = fields
            .into_iter()
            .map(|FieldSpec { name, kind, scale, step }| {
                let offset = width;
                width += kind.width();
                Field { name, kind, scale: scale.max(1), step: step.max(1), offset }
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
