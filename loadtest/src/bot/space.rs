//! Places, directions and angles, as far as a bot reckons with them. In the units of the wire, as floats: a bot may
//! be wrong by a bit.

use std::f64::consts::TAU;
use std::ops::{Add, Mul, Sub};

/// One metre.
pub(crate) const METRE: f64 = arena::components::METRE as f64;

/// A place or a direction.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Vector {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

impl Vector {
    pub(crate) const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// Of length 1, in a direction.
    pub(crate) fn towards(angle: u16) -> Self {
        let radians = f64::from(angle) * (TAU / 65_536.0);
        Self::new(radians.cos(), radians.sin())
    }

    pub(crate) fn length(self) -> f64 {
        self.x.hypot(self.y)
    }

    /// Its direction, 65,536 to a full turn; 0 for no length.
    pub(crate) fn angle(self) -> u16 {
        let turns = self.y.atan2(self.x) / TAU;
        (turns * 65_536.0).round() as i32 as u16
    }

    /// A quarter turn counter-clockwise.
    pub(crate) const fn turned(self) -> Self {
        Self::new(-self.y, self.x)
    }
}

impl Add for Vector {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y)
    }
}

impl Sub for Vector {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y)
    }
}

impl Mul<f64> for Vector {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self::new(self.x * factor, self.y * factor)
    }
}

/// How far two angles are apart, either way round.
pub(crate) const fn apart(one: u16, other: u16) -> u16 {
    (one.wrapping_sub(other) as i16).unsigned_abs()
}

/// Where to aim from `from` to hit what moves: the place where a shot of that speed meets it.
pub(crate) fn lead(from: Vector, target: Vector, velocity: Vector, shot_speed: f64) -> Vector {
    let way = target - from;
    // |way + velocity t| = speed t
    let a = velocity.x * velocity.x + velocity.y * velocity.y - shot_speed * shot_speed;
    let b = 2.0 * (way.x * velocity.x + way.y * velocity.y);
    let c = way.x * way.x + way.y * way.y;
    let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
    let time = if a.abs() < 1.0 { -c / b } else { (-b - root) / (2.0 * a) };
    // What outruns the shot is aimed at as it stands.
    if time.is_finite() && time > 0.0 { target + velocity * time } else { target }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_led_shot_meets_its_target() {
        let (from, target, velocity) =
            (Vector::new(100.0, 50.0), Vector::new(3_000.0, 900.0), Vector::new(-300.0, 900.0));
        let meeting = lead(from, target, velocity, 5_000.0);
        let time = (meeting - from).length() / 5_000.0;
        assert!((target + velocity * time - meeting).length() < 1e-6);
    }

    #[test]
    fn what_outruns_a_shot_is_aimed_at_as_it_stands() {
        let target = Vector::new(1_000.0, 0.0);
        assert_eq!(lead(Vector::default(), target, Vector::new(9_000.0, 0.0), 5_000.0), target);
    }

    #[test]
    fn angles_and_directions_agree() {
        for angle in (0..=u16::MAX).step_by(97) {
            assert!(apart((Vector::towards(angle) * 1_000.0).angle(), angle) <= 1);
        }
        assert_eq!([apart(10, 65_530), apart(0, 32_768), apart(5, 5)], [16, 32_768, 0]);
    }
}
