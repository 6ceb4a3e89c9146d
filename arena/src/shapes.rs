//! Lengths in a tick, moving points against circles, and who is near whom.

use ecs_state::match_math::length_squared;

use crate::TICKS_PER_SECOND;
use crate::components::Position;
use crate::map::Map;

/// All of the way of one tick; a part of it is a number from 0 to this.
pub(crate) const WHOLE: i64 = 1 << 16;

/// The way in a tick of a speed in a second, rounded to the nearest unit alike in both directions.
pub(crate) const fn per_tick(speed: i32) -> i32 {
    let half = TICKS_PER_SECOND / 2;
    if speed < 0 { -((half - speed) / TICKS_PER_SECOND) } else { (speed + half) / TICKS_PER_SECOND }
}

/// Whether two places are at most so far apart.
pub(crate) fn is_near(one: Position, other: Position, distance: i32) -> bool {
    distance_squared(one, other) <= i64::from(distance).pow(2).unsigned_abs()
}

pub(crate) fn distance_squared(one: Position, other: Position) -> u64 {
    length_squared(one.x - other.x, one.y - other.y)
}

/// Where a point that moves along a line first touches a circle, as a part of [`WHOLE`].
pub(crate) fn meets(from: Position, by: (i32, i32), middle: Position, radius: i32) -> Option<i64> {
    let (dx, dy) = (i64::from(by.0), i64::from(by.1));
    let (x, y) = (i64::from(from.x - middle.x), i64::from(from.y - middle.y));
    let outside = x * x + y * y - i64::from(radius).pow(2);
    if outside <= 0 {
        return Some(0);
    }
    // |(x, y) + t (dx, dy)| = radius, solved for the smaller t; towards is its negative half sum.
    let towards = -(x * dx + y * dy);
    if towards <= 0 {
        return None;
    }
    let way = dx * dx + dy * dy;
    // Speeds and maps are bounded so that this stays far below 2^127, while 2^63 would not do.
    let root = i128::from(towards).pow(2) - i128::from(way) * i128::from(outside);
    let root = (root >= 0).then(|| root.isqrt() as i64)?;
    let part = (towards - root) * WHOLE / way;
    (part <= WHOLE).then_some(part)
}

/// Things by where they are. Made from scratch in each tick that needs one: state lives in components only.
pub(crate) struct Grid<T> {
    cell: i32,
    columns: i32,
    rows: i32,
    /// Beginning of each cell in `things`, and the end of the last.
    starts: Vec<u32>,
    things: Vec<(Position, T)>,
}

impl<T: Copy> Grid<T> {
    pub(crate) fn new(map: &Map, things: &[(Position, T)]) -> Self {
        let cell = 2 * map.tile;
        let (columns, rows) = (map.width / 2 + 1, map.height / 2 + 1);
        let mut starts = vec![0u32; (columns * rows + 1) as usize];
        let place = |at: Position| {
            let (x, y) = ((at.x / cell).clamp(0, columns - 1), (at.y / cell).clamp(0, rows - 1));
            (y * columns + x) as usize
        };
        for (at, _) in things {
            starts[place(*at) + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        // Each slot is written once; the first thing only fills them.
        let mut sorted = things.to_vec();
        for thing in things {
            let slot = &mut next[place(thing.0)];
            sorted[*slot as usize] = *thing;
            *slot += 1;
        }
        Self { cell, columns, rows, starts, things: sorted }
    }

    /// All things in a rectangle, and some around it.
    pub(crate) fn near(&self, low: (i32, i32), high: (i32, i32)) -> impl Iterator<Item = &(Position, T)> {
        let column = |x: i32| (x / self.cell).clamp(0, self.columns - 1);
        let row = |y: i32| (y / self.cell).clamp(0, self.rows - 1);
        let (left, right) = (column(low.0), column(high.0));
        (row(low.1)..=row(high.1)).flat_map(move |y| {
            let start = self.starts[(y * self.columns + left) as usize] as usize;
            let end = self.starts[(y * self.columns + right + 1) as usize] as usize;
            &self.things[start..end]
        })
    }

    /// All things within a distance of a place, and some around it.
    pub(crate) fn around(&self, at: Position, distance: i32) -> impl Iterator<Item = &(Position, T)> {
        self.near((at.x - distance, at.y - distance), (at.x + distance, at.y + distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_meets_a_circle_where_it_should() {
        let at = |x, y| Position { x, y };
        assert_eq!(meets(at(0, 0), (100, 0), at(60, 0), 10), Some(WHOLE / 2));
        assert_eq!(meets(at(0, 0), (100, 0), at(110, 0), 10), Some(WHOLE));
        assert_eq!(meets(at(0, 0), (100, 0), at(111, 0), 10), None, "too far");
        assert_eq!(meets(at(0, 0), (100, 0), at(50, 10), 10), Some(WHOLE / 2), "grazed");
        assert_eq!(meets(at(0, 0), (100, 0), at(50, 11), 10), None, "missed");
        assert_eq!(meets(at(0, 0), (-100, 0), at(60, 0), 10), None, "behind");
        assert_eq!(meets(at(0, 0), (0, 0), at(5, 5), 10), Some(0), "inside");
    }

    #[test]
    fn ways_are_rounded_alike_in_both_directions() {
        assert_eq!([per_tick(44), per_tick(45), per_tick(-44), per_tick(-45)], [1, 2, -1, -2]);
    }
}
