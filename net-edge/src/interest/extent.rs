//! How far is near.

use protocol::manifest::{Nearness, Reach};

use super::grid::At;

/// Where something is, seen from a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// Heard of.
    Near,
    /// Heard of by who heard of it before.
    Margin,
    /// Not heard of.
    Far,
}

/// Reach and margin on each axis; 0 on the third one where places have two.
#[derive(Debug)]
pub(super) struct Extent {
    near: [i64; 3],
    far: [i64; 3],
    /// Squares of the two radii, where near is a distance.
    squares: Option<(u64, u64)>,
}

impl Extent {
    pub(super) fn new(nearness: Option<&Nearness>) -> Self {
        let Some(nearness) = nearness else { return Self { near: [0; 3], far: [0; 3], squares: None } };
        let axes = nearness.axes.len();
        let mut near = [0; 3];
        match &nearness.reach {
            Reach::Radius(radius) => near[..axes].fill(i64::from(*radius)),
            Reach::Rectangle(halves) => {
                near.iter_mut().zip(halves).for_each(|(near, half)| *near = i64::from(*half));
            }
        }
        let mut far = near;
        far[..axes].iter_mut().for_each(|far| *far += i64::from(nearness.margin));
        let square = |side: i64| side.unsigned_abs().pow(2);
        let is_round = matches!(nearness.reach, Reach::Radius(_));
        Self { near, far, squares: is_round.then(|| (square(near[0]), square(far[0]))) }
    }

    /// Reach and margin on each axis.
    pub(super) const fn far(&self) -> [i64; 3] {
        self.far
    }

    #[inline]
    pub(super) fn zone(&self, from: At, at: At) -> Zone {
        let apart: [i64; 3] = std::array::from_fn(|axis| (i64::from(from[axis]) - i64::from(at[axis])).abs());
        let is_within = |reach: &[i64; 3]| apart.iter().zip(reach).all(|(apart, reach)| apart <= reach);
        if !is_within(&self.far) {
            return Zone::Far;
        }
        let Some((near, far)) = self.squares else {
            return if is_within(&self.near) { Zone::Near } else { Zone::Margin };
        };
        // Within the limits of a manifest, the squares of three sides are one word.
        match apart.iter().map(|apart| (*apart as u64).pow(2)).sum::<u64>() {
            square if square <= near => Zone::Near,
            square if square <= far => Zone::Margin,
            _ => Zone::Far,
        }
    }
}
