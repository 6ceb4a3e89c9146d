//! The ground: tiles that are wall or floor, and where things begin.
//!
//! A map is drawn in rows of characters, the top row first:
//!
//! | character | is |
//! |---|---|
//! | `#` | wall |
//! | `.` | floor |
//! | `1` to `4` | floor, and a spawn of that team |
//! | `h` `a` `s` | floor with health, ammunition, a shield |
//! | `A` to `P` | floor with a weapon, by its place in the balance |
//!
//! What lies outside is wall.

use std::collections::BTreeSet;

use ecs_state::{ContentError, MatchRng};
use serde::Deserialize;

use crate::balance::{Balance, units};
use crate::components::{Pickup, Position, TEAMS_MAX, Velocity};
use crate::content::within;
use crate::shapes::{WHOLE, per_tick};

/// Most rows, and most characters in a row.
pub const SIDE_TILES_MAX: usize = 256;
/// Most pick-ups of a map.
pub const PICKUPS_MAX: usize = 512;

/// The ground.
#[derive(Debug, Clone)]
pub struct Map {
    /// For people.
    pub name: String,
    /// Tiles across.
    pub width: i32,
    /// Tiles up.
    pub height: i32,
    /// Side of a tile, in 1/256 m.
    pub tile: i32,
    /// Where each team comes in.
    pub spawns: Vec<Vec<Position>>,
    /// What lies where.
    pub pickups: Vec<(Position, Pickup)>,
    /// Middles of all floor tiles that can be reached.
    pub floor: Vec<Position>,
    /// From the lower left, row by row.
    walls: Vec<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MapFile {
    name: String,
    teams: i64,
    tile_cm: i64,
    rows: Vec<String>,
}

impl Map {
    pub(crate) fn check(file: &MapFile, balance: &Balance) -> Result<Self, ContentError> {
        within("the length of map.name", file.name.len() as i64, 1, 32)?;
        if file.teams != 2 && file.teams != 4 {
            return Err(ContentError(format!("map.teams is {}; it must be 2 or 4", file.teams)));
        }
        let tile = units(within("map.tile_cm", file.tile_cm, 100, 1_000)?);
        let width_of_body = 2 * balance.avatar.radius.max(balance.drone.radius);
        if tile <= width_of_body {
            return Err(ContentError(format!(
                "map.tile_cm is {}; a body of the balance does not fit through such a gap",
                file.tile_cm
            )));
        }
        let height = within("the number of map.rows", file.rows.len() as i64, 1, SIDE_TILES_MAX as i64)? as i32;
        let width = within("the length of map.rows[0]", file.rows[0].len() as i64, 1, SIDE_TILES_MAX as i64)? as i32;
        let mut map = Self {
            name: file.name.clone(),
            width,
            height,
            tile,
            spawns: vec![Vec::new(); file.teams as usize],
            pickups: Vec::new(),
            floor: Vec::new(),
            walls: vec![false; (width * height) as usize],
        };
        for (row, line) in file.rows.iter().enumerate() {
            if line.len() != width as usize {
                return Err(ContentError(format!("map.rows[{row}] has {} characters, not {width}", line.len())));
            }
            for (column, drawn) in line.chars().enumerate() {
                map.put(column as i32, height - 1 - row as i32, drawn, balance)
                    .map_err(|problem| ContentError(format!("map.rows[{row}], column {column}: {problem}")))?;
            }
        }
        map.check_places()?;
        Ok(map)
    }

    fn put(&mut self, x: i32, y: i32, drawn: char, balance: &Balance) -> Result<(), String> {
        let middle = self.middle(x, y);
        let pickup = |item, weapon| Pickup { item, weapon, back_at: 0 };
        match drawn {
            '#' => self.walls[(y * self.width + x) as usize] = true,
            '.' => {}
            '1'..='4' => {
                let team = drawn as usize - '1' as usize;
                let teams = self.spawns.len();
                self.spawns
                    .get_mut(team)
                    .ok_or(format!("a spawn of team {drawn}, but map.teams is {teams}"))?
                    .push(middle);
            }
            'h' => self.pickups.push((middle, pickup(Pickup::HEALTH, 0))),
            'a' => self.pickups.push((middle, pickup(Pickup::AMMO, 0))),
            's' => self.pickups.push((middle, pickup(Pickup::SHIELD, 0))),
            'A'..='P' => {
                let weapon = drawn as usize - 'A' as usize;
                if weapon >= balance.weapons.len() {
                    return Err(format!("weapon {drawn}, but the balance has {} weapons", balance.weapons.len()));
                }
                self.pickups.push((middle, pickup(Pickup::WEAPON, weapon as u8)));
            }
            _ => return Err(format!("{drawn:?} is nothing that a map can be drawn with")),
        }
        Ok(())
    }

    /// Finds the floor, and sees that everything on it can be reached from everywhere.
    fn check_places(&mut self) -> Result<(), ContentError> {
        if let Some(team) = self.spawns.iter().position(Vec::is_empty) {
            return Err(ContentError(format!("map.rows draw no spawn of team {}", team + 1)));
        }
        within("the number of pick-ups in map.rows", self.pickups.len() as i64, 0, PICKUPS_MAX as i64)?;
        let first = self.spawns[0][0];
        let reached = self.reached((self.tile_of(first.x), self.tile_of(first.y)));
        let places = self.spawns.iter().flatten().chain(self.pickups.iter().map(|(place, _)| place));
        for place in places {
            let (x, y) = (self.tile_of(place.x), self.tile_of(place.y));
            if !reached.contains(&(y, x)) {
                let row = self.height - 1 - y;
                return Err(ContentError(format!(
                    "map.rows[{row}], column {x}: cannot be reached from the first spawn of team 1"
                )));
            }
        }
        self.floor = reached.into_iter().map(|(y, x)| self.middle(x, y)).collect();
        Ok(())
    }

    /// The tiles, as (y, x), that one can walk to.
    fn reached(&self, from: (i32, i32)) -> BTreeSet<(i32, i32)> {
        let mut reached = BTreeSet::from([(from.1, from.0)]);
        let mut open = vec![from];
        while let Some((x, y)) = open.pop() {
            for (x, y) in [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)] {
                if !self.is_wall(x, y) && reached.insert((y, x)) {
                    open.push((x, y));
                }
            }
        }
        reached
    }

    /// How many teams play.
    #[must_use]
    pub const fn teams(&self) -> usize {
        let teams = self.spawns.len();
        assert!(teams <= TEAMS_MAX, "the map was checked");
        teams
    }

    /// Whether a tile is wall.
    #[must_use]
    pub fn is_wall(&self, x: i32, y: i32) -> bool {
        let inside = (0..self.width).contains(&x) && (0..self.height).contains(&y);
        !inside || self.walls[(y * self.width + x) as usize]
    }

    /// The tile of a coordinate.
    #[must_use]
    pub const fn tile_of(&self, coordinate: i32) -> i32 {
        coordinate.div_euclid(self.tile)
    }

    fn middle(&self, x: i32, y: i32) -> Position {
        Position { x: x * self.tile + self.tile / 2, y: y * self.tile + self.tile / 2 }
    }

    /// A place near the middle of a tile where a body of this radius touches no wall.
    pub(crate) fn scatter(&self, middle: Position, radius: i32, rng: &mut MatchRng) -> Position {
        let slack = self.tile / 2 - radius;
        Position { x: middle.x + rng.between(-slack, slack), y: middle.y + rng.between(-slack, slack) }
    }

    /// Moves a body by one tick. It is a square for walls: it slides along them and stops at them.
    #[must_use]
    pub fn slide(&self, from: Position, velocity: Velocity, radius: i32) -> (Position, Velocity) {
        let x = self.advance(from.x, per_tick(velocity.x), radius, |tile_x| {
            self.is_wall_across(from.y, radius, |y| (tile_x, y))
        });
        let y = self
            .advance(from.y, per_tick(velocity.y), radius, |tile_y| self.is_wall_across(x.0, radius, |x| (x, tile_y)));
        let left = |speed, blocked| if blocked { 0 } else { speed };
        (Position { x: x.0, y: y.0 }, Velocity { x: left(velocity.x, x.1), y: left(velocity.y, y.1) })
    }

    /// One axis: the new coordinate, and whether a wall is in the way.
    fn advance(&self, from: i32, by: i32, radius: i32, is_blocked: impl Fn(i32) -> bool) -> (i32, bool) {
        let to = from + by;
        if by > 0 {
            let tile = self.tile_of(to + radius - 1);
            if is_blocked(tile) {
                return (tile * self.tile - radius, true);
            }
        } else if by < 0 {
            let tile = self.tile_of(to - radius);
            if is_blocked(tile) {
                return ((tile + 1) * self.tile + radius, true);
            }
        }
        (to, false)
    }

    fn is_wall_across(&self, middle: i32, radius: i32, tile: impl Fn(i32) -> (i32, i32)) -> bool {
        (self.tile_of(middle - radius)..=self.tile_of(middle + radius - 1)).any(|across| {
            let (x, y) = tile(across);
            self.is_wall(x, y)
        })
    }

    /// Where a point that moves along a line meets the first wall, as a part of `WHOLE`.
    #[must_use]
    pub(crate) fn wall_ahead(&self, from: Position, by: (i32, i32)) -> Option<i64> {
        let (mut x, mut y) = (self.tile_of(from.x), self.tile_of(from.y));
        loop {
            let next_x = self.border(from.x, by.0, x);
            let next_y = self.border(from.y, by.1, y);
            let next = next_x.min(next_y);
            if next > WHOLE {
                return None;
            }
            if next_x <= next_y {
                x += by.0.signum();
            } else {
                y += by.1.signum();
            }
            if self.is_wall(x, y) {
                return Some(next);
            }
        }
    }

    /// When the point leaves a tile on one axis.
    fn border(&self, from: i32, by: i32, tile: i32) -> i64 {
        match by {
            0 => i64::MAX,
            1.. => i64::from((tile + 1) * self.tile - from) * WHOLE / i64::from(by),
            _ => i64::from(from - tile * self.tile) * WHOLE / -i64::from(by),
        }
    }
}
