//! How fields become canonical bytes: little-endian, fixed width, no padding.

use bevy_ecs::component::Component;
pub use protocol::manifest::{FieldKind, FieldSpec, Sync, Visibility};
use protocol::{EntityId, PlayerId};

/// A component (or resource) with a canonical form. Derive it.
///
/// Two values are the same state exactly when their canonical bytes are equal; what the bytes do
/// not hold is lost at the next keyframe barrier, on every member alike.
pub trait Replicated: Component + Sized {
    /// Number on the wire, in hashes and in files; unique in a game, never given away again.
    const NUMBER: u16;
    /// Name in the manifest.
    const NAME: &'static str;
    /// Who may know it.
    const VISIBILITY: Visibility;
    /// Advice for clients.
    const SYNC: Sync;
    /// Bytes of the canonical form.
    const WIDTH: usize;

    /// What others are told of each field, in order.
    fn describe() -> Vec<FieldSpec>;
    /// Appends the canonical bytes, [`Replicated::WIDTH`] of them.
    fn put(&self, row: &mut Vec<u8>);
    /// The value of canonical bytes.
    ///
    /// # Panics
    /// When `row` is shorter than [`Replicated::WIDTH`].
    fn take(row: &[u8]) -> Self;
}

/// A type that a field of a replicated component may have.
pub trait FieldValue: Sized {
    /// Bytes of the canonical form.
    const WIDTH: usize;

    /// Appends what others are told of each number in it. `scale` and `step` are those of [`FieldSpec`].
    fn describe(name: &str, scale: u32, step: u32, out: &mut Vec<FieldSpec>);
    /// Appends the canonical bytes.
    fn put(&self, row: &mut Vec<u8>);
    /// Takes the canonical bytes off the front.
    fn take(row: &mut &[u8]) -> Self;
}

fn split<const N: usize>(row: &mut &[u8]) -> [u8; N] {
    let (head, tail) = row.split_first_chunk::<N>().expect("a row has the width of its layout");
    *row = tail;
    *head
}

macro_rules! integer {
    ($($ty:ty => $kind:ident),*) => {$(
        impl FieldValue for $ty {
            const WIDTH: usize = size_of::<$ty>();

            fn describe(name: &str, scale: u32, step: u32, out: &mut Vec<FieldSpec>) {
                out.push(FieldSpec { name: name.to_owned(), kind: FieldKind::$kind, scale, step });
            }

            #[inline]
            fn put(&self, row: &mut Vec<u8>) {
                row.extend_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn take(row: &mut &[u8]) -> Self {
                Self::from_le_bytes(split(row))
            }
        }
    )*};
}

integer!(u8 => U8, u16 => U16, u32 => U32, u64 => U64, i8 => I8, i16 => I16, i32 => I32, i64 => I64);

impl FieldValue for bool {
    const WIDTH: usize = 1;

    fn describe(name: &str, scale: u32, step: u32, out: &mut Vec<FieldSpec>) {
        out.push(FieldSpec { name: name.to_owned(), kind: FieldKind::Bool, scale, step });
    }

    #[inline]
    fn put(&self, row: &mut Vec<u8>) {
        row.push(u8::from(*self));
    }

    #[inline]
    fn take(row: &mut &[u8]) -> Self {
        split::<1>(row)[0] != 0
    }
}

impl FieldValue for f32 {
    const WIDTH: usize = 4;

    fn describe(name: &str, scale: u32, step: u32, out: &mut Vec<FieldSpec>) {
        out.push(FieldSpec { name: name.to_owned(), kind: FieldKind::F32, scale, step });
    }

    #[inline]
    fn put(&self, row: &mut Vec<u8>) {
        assert!(!self.is_nan(), "a replicated f32 is NaN, whose bits differ between machines");
        // Both zeros are the same state.
        let canonical = if *self == 0.0 { 0.0f32 } else { *self };
        row.extend_from_slice(&canonical.to_bits().to_le_bytes());
    }

    #[inline]
    fn take(row: &mut &[u8]) -> Self {
        Self::from_bits(u32::from_le_bytes(split(row)))
    }
}

impl FieldValue for EntityId {
    const WIDTH: usize = 4;

    fn describe(name: &str, scale: u32, step: u32, out: &mut Vec<FieldSpec>) {
        out.push(FieldSpec { name: name.to_owned(), kind: FieldKind::Entity, scale, step });
    }

    #[inline]
    fn put(&self, row: &mut Vec<u8>) {
        self.0.put(row);
    }

    #[inline]
    fn take(row: &mut &[u8]) -> Self {
        Self(u32::take(row))
    }
}

impl FieldValue for PlayerId {
    const WIDTH: usize = 4;

    fn describe(name: &str, scale: u32, step: u32, out: &mut Vec<FieldSpec>) {
        out.push(FieldSpec { name: name.to_owned(), kind: FieldKind::Player, scale, step });
    }

    #[inline]
    fn put(&self, row: &mut Vec<u8>) {
        self.0.put(row);
    }

    #[inline]
    fn take(row: &mut &[u8]) -> Self {
        Self(u32::take(row))
    }
}

impl<T: FieldValue, const N: usize> FieldValue for [T; N] {
    const WIDTH: usize = T::WIDTH * N;

    fn describe(name: &str, scale: u32, step: u32, out: &mut Vec<FieldSpec>) {
        for index in 0..N {
            T::describe(&format!("{name}.{index}"), scale, step, out);
        }
    }

    #[inline]
    fn put(&self, row: &mut Vec<u8>) {
        self.iter().for_each(|item| item.put(row));
    }

    #[inline]
    fn take(row: &mut &[u8]) -> Self {
        std::array::from_fn(|_| T::take(row))
    }
}

/// Appends an `f32` as the nearest multiple of `1 / steps`, saturating where `i32` ends.
///
/// # Panics
/// When the value is NaN.
pub fn put_quantized(value: f32, steps: u32, row: &mut Vec<u8>) {
    assert!(!value.is_nan(), "a replicated f32 is NaN");
    // Multiplication and rounding of f64 are exactly specified; the cast saturates.
    let nearest = |value: f32| (f64::from(value) * f64::from(steps)).round_ties_even() as i32;
    let mut scaled = nearest(value);
    if scaled == i32::MAX || scaled == i32::MIN {
        // The end itself may be no f32; what a keyframe gives back must be put as the same number.
        scaled = nearest(take_quantized(&mut &scaled.to_le_bytes()[..], steps));
    }
    scaled.put(row);
}

/// Inverse of [`put_quantized`] for values that are multiples of `1 / steps`.
#[must_use]
pub fn take_quantized(row: &mut &[u8], steps: u32) -> f32 {
    (f64::from(i32::take(row)) / f64::from(steps)) as f32
}
