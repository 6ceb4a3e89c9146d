//! Mathematics with one result on every machine.
//!
//! Angles are `u16`, 65,536 to a full turn, counter-clockwise from the x axis. Sines have 15
//! fractional bits. Transcendental functions come from the pinned `libm`, which is plain Rust on
//! exactly specified operations; the platform's differ in the last bit.

use std::f64::consts::TAU;

/// 1.0 as a sine or cosine.
pub const UNIT: i32 = 1 << 15;

/// Cosine and sine of an angle, each from -[`UNIT`] to [`UNIT`].
#[must_use]
pub fn direction(angle: u16) -> (i32, i32) {
    let radians = f64::from(angle) * (TAU / 65_536.0);
    let scale = f64::from(UNIT);
    (libm::rint(libm::cos(radians) * scale) as i32, libm::rint(libm::sin(radians) * scale) as i32)
}

/// Angle of a vector; 0 for the zero vector.
#[must_use]
pub fn angle_of(x: i32, y: i32) -> u16 {
    let radians = libm::atan2(f64::from(y), f64::from(x));
    (libm::rint(radians * (65_536.0 / TAU)) as i32) as u16
}

/// Length of a vector, rounded down.
#[must_use]
pub fn length(x: i32, y: i32) -> u32 {
    length_squared(x, y).isqrt() as u32
}

/// Square of the length of a vector; cannot overflow.
#[must_use]
pub fn length_squared(x: i32, y: i32) -> u64 {
    let (x, y) = (i64::from(x).unsigned_abs(), i64::from(y).unsigned_abs());
    x * x + y * y
}

/// The vector shortened to `max`, direction kept; unchanged when it is not longer.
#[must_use]
pub fn clamp_length(x: i32, y: i32, max: u32) -> (i32, i32) {
    let length = i64::from(length(x, y));
    let max = i64::from(max);
    if length <= max {
        return (x, y);
    }
    ((i64::from(x) * max / length) as i32, (i64::from(y) * max / length) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_have_unit_length_and_come_back_as_angles() {
        for angle in (0..=u16::MAX).step_by(7) {
            let (x, y) = direction(angle);
            let length = length(x, y) as i32;
            assert!((length - UNIT).abs() <= 1, "{angle}: {length}");
            assert!(angle_of(x, y).wrapping_sub(angle).wrapping_add(1) <= 2, "{angle}");
        }
        assert_eq!([direction(0), direction(16_384), direction(32_768)], [(UNIT, 0), (0, UNIT), (-UNIT, 0)]);
    }

    #[test]
    fn clamping_keeps_direction() {
        assert_eq!(clamp_length(300, 400, 50), (30, 40));
        assert_eq!(clamp_length(3, 4, 50), (3, 4));
        assert_eq!(length(i32::MIN, i32::MIN), 3_037_000_499);
    }
}
