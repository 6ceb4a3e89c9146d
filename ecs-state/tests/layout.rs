//! What the derive makes of a struct.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use bevy_ecs::prelude::Component;
use ecs_state::field::{FieldKind, FieldSpec, FieldValue, Sync, Visibility, put_quantized, take_quantized};
use ecs_state::{EntityId, PlayerId, Replicated};
use proptest::prelude::*;

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq)]
#[replicated(number = 1)]
struct Everything {
    flag: bool,
    a: u8,
    b: u16,
    c: u32,
    d: u64,
    e: i8,
    f: i16,
    g: i32,
    h: i64,
    exact: f32,
    #[replicated(quantize = 100)]
    coarse: f32,
    #[replicated(scale = 256, step = 4)]
    fixed: i32,
    entity: EntityId,
    player: PlayerId,
    pair: [u16; 2],
    #[replicated(scale = 10)]
    grid: [[i8; 2]; 2],
}

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 65_535, visibility = "owner", sync = "predict")]
struct Single(u16);

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 3, visibility = "server", sync = "interpolate")]
struct Pair(u8, [bool; 2]);

#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 4)]
struct Marker;

// Known when the game is compiled.
const _: () = {
    assert!(Everything::NUMBER == 1 && Everything::WIDTH == 1 + 1 + 2 + 4 + 8 + 1 + 2 + 4 + 8 + 4 * 5 + 4 + 4);
    assert!(Single::NUMBER == u16::MAX && Single::WIDTH == 2);
    assert!(Pair::WIDTH == 3 && Marker::WIDTH == 0);
    assert!(<[[i8; 2]; 2]>::WIDTH == 4);
};

fn bytes_of(value: &impl Replicated) -> Vec<u8> {
    let mut row = Vec::new();
    value.put(&mut row);
    row
}

#[test]
fn fields_are_described_in_order_with_kind_scale_and_step() {
    let of = |name: &str, kind, scale| FieldSpec::from((name.to_owned(), kind, scale));
    assert_eq!(
        Everything::describe(),
        [
            of("flag", FieldKind::Bool, 1),
            of("a", FieldKind::U8, 1),
            of("b", FieldKind::U16, 1),
            of("c", FieldKind::U32, 1),
            of("d", FieldKind::U64, 1),
            of("e", FieldKind::I8, 1),
            of("f", FieldKind::I16, 1),
            of("g", FieldKind::I32, 1),
            of("h", FieldKind::I64, 1),
            of("exact", FieldKind::F32, 1),
            of("coarse", FieldKind::I32, 100),
            FieldSpec { step: 4, ..of("fixed", FieldKind::I32, 256) },
            of("entity", FieldKind::Entity, 1),
            of("player", FieldKind::Player, 1),
            of("pair.0", FieldKind::U16, 1),
            of("pair.1", FieldKind::U16, 1),
            of("grid.0.0", FieldKind::I8, 10),
            of("grid.0.1", FieldKind::I8, 10),
            of("grid.1.0", FieldKind::I8, 10),
            of("grid.1.1", FieldKind::I8, 10),
        ]
    );
    assert_eq!(Single::describe(), [of("value", FieldKind::U16, 1)]);
    assert_eq!(
        Pair::describe(),
        [of("v0", FieldKind::U8, 1), of("v1.0", FieldKind::Bool, 1), of("v1.1", FieldKind::Bool, 1)]
    );
    assert_eq!(Marker::describe(), []);
}

#[test]
fn class_and_advice_are_as_written_or_everyone_and_plain() {
    assert_eq!((Everything::VISIBILITY, Everything::SYNC), (Visibility::Everyone, Sync::Plain));
    assert_eq!((Single::VISIBILITY, Single::SYNC), (Visibility::Owner, Sync::Predict));
    assert_eq!((Pair::VISIBILITY, Pair::SYNC), (Visibility::Server, Sync::Interpolate));
    assert_eq!((Everything::NAME, Marker::NAME), ("Everything", "Marker"));
}

#[test]
fn canonical_bytes_are_little_endian_without_padding() {
    assert_eq!(bytes_of(&Single(0x1234)), [0x34, 0x12]);
    assert_eq!(bytes_of(&Pair(7, [true, false])), [7, 1, 0]);
    assert_eq!(bytes_of(&Marker), []);
    assert_eq!(Marker::take(&[]), Marker);
}

#[test]
fn both_zeros_are_one_state() {
    let mut row = Vec::new();
    (-0.0f32).put(&mut row);
    assert_eq!(row, [0; 4]);
}

#[test]
#[should_panic(expected = "a replicated f32 is NaN")]
fn nan_is_no_state() {
    f32::NAN.put(&mut Vec::new());
}

#[test]
#[should_panic(expected = "a replicated f32 is NaN")]
fn nan_is_no_state_in_steps_either() {
    put_quantized(f32::NAN, 16, &mut Vec::new());
}

#[test]
fn steps_end_where_their_number_ends() {
    // The f32 nearest to i32::MAX / 100.
    let end = 2_147_483_600i32;
    for (value, expected) in [(f32::INFINITY, end), (f32::NEG_INFINITY, -end), (1e30, end), (2.5, 250)] {
        let mut row = Vec::new();
        put_quantized(value, 100, &mut row);
        assert_eq!(row, expected.to_le_bytes());
    }
}

proptest! {
    #[test]
    fn what_was_put_is_taken(
        (flag, a, b, c, d) in any::<(bool, u8, u16, u32, u64)>(),
        (e, f, g, h, fixed) in any::<(i8, i16, i32, i64, i32)>(),
        exact in any::<f32>().prop_filter("NaN is no state", |value| !value.is_nan()),
        steps in -1_000_000i32..1_000_000,
        (entity, player, pair, grid) in any::<(u32, u32, [u16; 2], [[i8; 2]; 2])>(),
    ) {
        let coarse = (f64::from(steps) / 100.0) as f32;
        let (entity, player) = (EntityId(entity), PlayerId(player));
        let value = Everything { flag, a, b, c, d, e, f, g, h, exact, coarse, fixed, entity, player, pair, grid };
        let row = bytes_of(&value);
        prop_assert_eq!(row.len(), Everything::WIDTH);
        let taken = Everything::take(&row);
        prop_assert_eq!(taken, value);
        prop_assert_eq!(bytes_of(&taken), row);
    }

    /// A keyframe of a world that came from a keyframe is that keyframe.
    #[test]
    fn what_steps_hold_survives_any_number_of_barriers(bits in any::<u32>(), steps in 1u32..=u32::MAX, fine in 1u32..5_000) {
        for (value, steps) in [(f32::from_bits(bits), steps), (f32::from_bits(bits), fine)] {
            if value.is_nan() {
                continue;
            }
            let mut row = Vec::new();
            put_quantized(value, steps, &mut row);
            let mut again = Vec::new();
            put_quantized(take_quantized(&mut &row[..], steps), steps, &mut again);
            prop_assert_eq!(&again, &row, "{} in steps of 1/{}", value, steps);
        }
    }
}
