//! What a bot sees of the match: the few rows it decides by, read from the mirror once a tick.
//!
//! Costs one look at each seat, pick-up and shot; drones are looked at when there is nobody else to shoot at.

use std::sync::Arc;

use arena::components::{Kind, Pickup};
use protocol::manifest::{Field, Manifest};
use protocol::{Columns, EntityId, PlayerId, Tick};
use thiserror::Error;

use super::space::Vector;

/// The match is another game than the arena, or an arena that this build does not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the game {game} has no {component}.{field}; these bots play the arena alone")]
pub struct NotTheArena {
    /// The game's name.
    pub game: String,
    /// What is missed.
    pub component: &'static str,
    /// Its field.
    pub field: &'static str,
}

/// Where the fields stand that a bot reads; found once for each manifest.
#[derive(Debug, Clone)]
pub(crate) struct Lens {
    manifest: Arc<Manifest>,
    kind: Place,
    position: [Place; 2],
    velocity: [Place; 2],
    facing: Place,
    health: [Place; 2],
    seat: [Place; 3],
    tally: Place,
    loadout: [Place; 4],
    shot_by: Place,
    pickup: [Place; 2],
    is_over: Place,
}

#[derive(Debug, Clone)]
struct Place {
    column: usize,
    field: Field,
}

/// One tick as a bot sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scene {
    pub(crate) me: Body,
    pub(crate) facing: u16,
    /// Health left, 0 to 1.
    pub(crate) health: f64,
    pub(crate) weapon: Weapon,
    /// Living players of other teams.
    pub(crate) enemies: Vec<Body>,
    /// What can be taken, and which kind of item it is.
    pub(crate) pickups: Vec<(Vector, u8)>,
    /// Speed of one of my shots in flight.
    pub(crate) shot_speed: Option<f64>,
    /// Whether weapons rest until the next round.
    pub(crate) is_round_over: bool,
}

/// What is in hand. A mirror that does not know it yet takes it for ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weapon {
    /// Shots in the magazine.
    pub(crate) loaded: i64,
    /// Shots to reload from.
    pub(crate) reserve: i64,
    pub(crate) is_reloading: bool,
    /// Tick from which it can shoot.
    pub(crate) ready_at: Tick,
}

/// Something that moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Body {
    pub(crate) entity: EntityId,
    pub(crate) place: Vector,
    pub(crate) velocity: Vector,
}

impl Lens {
    pub(crate) fn new(manifest: &Arc<Manifest>) -> Result<Self, NotTheArena> {
        let place = |component, field| {
            let (column, layout) = manifest.layout_of(component)?;
            let field = layout.fields.iter().find(|candidate| candidate.name == field)?.clone();
            Some(Place { column, field })
        };
        let find = |component, field| {
            let missing = || NotTheArena { game: manifest.game().to_owned(), component, field };
            place(component, field).ok_or_else(missing)
        };
        Ok(Self {
            manifest: Arc::clone(manifest),
            kind: find("Kind", "kind")?,
            position: [find("Position", "x")?, find("Position", "y")?],
            velocity: [find("Velocity", "x")?, find("Velocity", "y")?],
            facing: find("Facing", "angle")?,
            health: [find("Health", "points")?, find("Health", "max")?],
            seat: [find("Seat", "player")?, find("Seat", "team")?, find("Seat", "avatar")?],
            tally: find("Tally", "applied")?,
            loadout: [
                find("Loadout", "ammo")?,
                find("Loadout", "reserve")?,
                find("Loadout", "reloading")?,
                find("Loadout", "ready_at")?,
            ],
            shot_by: find("Shot", "by")?,
            pickup: [find("Pickup", "item")?, find("Pickup", "back_at")?],
            is_over: find("Score", "over")?,
        })
    }

    /// Whether the columns are of another manifest by now: the server was updated.
    pub(crate) fn is_stale(&self, columns: &Columns) -> bool {
        !Arc::ptr_eq(&self.manifest, columns.manifest()) && self.manifest.hash() != columns.manifest().hash()
    }

    /// Applied commands of a player, as the match counts them.
    pub(crate) fn tally(&self, columns: &Columns, player: PlayerId) -> Option<u64> {
        let [player_of, ..] = &self.seat;
        let seats = columns.column(player_of.column).iter();
        let (seat, _) = seats.into_iter().find(|(_, row)| player_of.field.read(row) == i64::from(player.0))?;
        self.tally.read(columns, seat).and_then(|applied| u64::try_from(applied).ok())
    }

    /// What the player sees; `None` while it is dead or has no seat yet.
    pub(crate) fn look(&self, columns: &Columns, player: PlayerId) -> Option<Scene> {
        let [player_of, team_of, avatar_of] = &self.seat;
        let seats = || columns.column(player_of.column).iter();
        let (_, mine) = seats().find(|(_, row)| player_of.field.read(row) == i64::from(player.0))?;
        let (team, avatar) = (team_of.field.read(mine), EntityId(avatar_of.field.read(mine) as u32));
        let me = self.body(columns, avatar)?;
        let enemies = seats()
            .filter(|(_, row)| team_of.field.read(row) != team)
            .filter_map(|(_, row)| self.body(columns, EntityId(avatar_of.field.read(row) as u32)))
            .collect();
        let [points, max] = &self.health;
        let health =
            points.read(columns, avatar).unwrap_or(1) as f64 / max.read(columns, avatar).unwrap_or(1).max(1) as f64;
        Some(Scene {
            me,
            facing: self.facing.read(columns, avatar).unwrap_or(0) as u16,
            health,
            weapon: self.weapon(columns, avatar),
            enemies,
            pickups: self.pickups(columns),
            shot_speed: self.shot_speed(columns, player),
            is_round_over: columns.column(self.is_over.column).iter().any(|(_, row)| self.is_over.field.read(row) != 0),
        })
    }

    /// Neutral machines. There may be a thousand of them.
    pub(crate) fn drones(&self, columns: &Columns) -> impl Iterator<Item = Body> {
        let drones = columns.column(self.kind.column).iter();
        let drones = drones.filter(|(_, row)| self.kind.field.read(row) == i64::from(Kind::DRONE.kind));
        drones.filter_map(|(entity, _)| self.body(columns, entity))
    }

    /// Something that is somewhere; `None` once it is gone.
    pub(crate) fn body(&self, columns: &Columns, entity: EntityId) -> Option<Body> {
        let [x, y] = &self.position;
        let place = pair(x, y, columns, entity)?;
        let [x, y] = &self.velocity;
        Some(Body { entity, place, velocity: pair(x, y, columns, entity).unwrap_or_default() })
    }

    fn weapon(&self, columns: &Columns, avatar: EntityId) -> Weapon {
        let [loaded, reserve, reloading, ready_at] = &self.loadout;
        let Some(row) = columns.column(loaded.column).row(avatar) else {
            return Weapon { loaded: 1, reserve: DRY_SHOTS, is_reloading: false, ready_at: Tick(0) };
        };
        Weapon {
            loaded: loaded.field.read(row),
            reserve: reserve.field.read(row),
            is_reloading: reloading.field.read(row) != 0,
            ready_at: Tick(ready_at.field.read(row) as u64),
        }
    }

    fn pickups(&self, columns: &Columns) -> Vec<(Vector, u8)> {
        let ([item, back_at], [x, y]) = (&self.pickup, &self.position);
        let all = columns.column(item.column).iter();
        all.filter(|(_, row)| back_at.field.read(row) == 0)
            .filter_map(|(entity, row)| Some((pair(x, y, columns, entity)?, item.field.read(row) as u8)))
            .collect()
    }

    fn shot_speed(&self, columns: &Columns, player: PlayerId) -> Option<f64> {
        let mut shots = columns.column(self.shot_by.column).iter();
        let (shot, _) = shots.find(|(_, row)| self.shot_by.field.read(row) == i64::from(player.0))?;
        let [x, y] = &self.velocity;
        pair(x, y, columns, shot).map(Vector::length).filter(|speed| *speed > 0.0)
    }
}

impl Place {
    fn read(&self, columns: &Columns, entity: EntityId) -> Option<i64> {
        columns.column(self.column).row(entity).map(|row| self.field.read(row))
    }
}

/// Two fields of one component: one search for the row.
fn pair(x: &Place, y: &Place, columns: &Columns, entity: EntityId) -> Option<Vector> {
    let row = columns.column(x.column).row(entity)?;
    Some(Vector::new(x.field.read(row) as f64, y.field.read(row) as f64))
}

impl Scene {
    pub(crate) fn is_enemy(&self, entity: EntityId) -> bool {
        self.enemies.iter().any(|enemy| enemy.entity == entity)
    }

    /// The nearest thing to take of one kind, and how far it is.
    pub(crate) fn nearest_pickup(&self, item: u8) -> Option<(Vector, f64)> {
        let of_kind = self.pickups.iter().filter(|(_, other)| *other == item);
        let ways = of_kind.map(|(place, _)| (*place, (*place - self.me.place).length()));
        ways.min_by(|one, other| one.1.total_cmp(&other.1))
    }

    /// What a bot in this condition needs most.
    pub(crate) fn need(&self) -> Option<(Vector, f64)> {
        let is_dry = self.weapon.loaded + self.weapon.reserve < DRY_SHOTS;
        if self.health < 0.5 {
            self.nearest_pickup(Pickup::HEALTH)
        } else if is_dry {
            self.nearest_pickup(Pickup::AMMO)
        } else {
            None
        }
    }
}

/// Who has fewer shots looks for more.
const DRY_SHOTS: i64 = 10;
