//! The numbers of the game, in the units that the rules use.
//!
//! The file writes centimetres, milliseconds and whole points, with the unit in the key; here they are 1/256 m and
//! ticks, and within bounds that no rule can overflow.

use ecs_state::ContentError;
use serde::Deserialize;

use crate::TICKS_PER_SECOND;
use crate::components::METRE;
use crate::content::within;

/// Most weapons of a balance.
pub const WEAPONS_MAX: usize = 16;

/// Numbers of all rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// How rounds go.
    pub round: Round,
    /// Bodies of players.
    pub avatar: AvatarBalance,
    /// Drones.
    pub drone: DroneBalance,
    /// What lies around.
    pub pickup: PickupBalance,
    /// By number; players come with the first.
    pub weapons: Vec<Weapon>,
}

/// How rounds go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Length.
    pub ticks: u64,
    /// From the end of one to the next.
    pub pause_ticks: u64,
    /// Points that end it early.
    pub score_limit: u32,
    /// Points for a player killed.
    pub kill_points: u32,
    /// Points for a drone.
    pub drone_points: u32,
}

/// Bodies of players.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvatarBalance {
    /// Half of the width, for walls and for shots.
    pub radius: i32,
    /// Points.
    pub health: u16,
    /// Most shield.
    pub shield_max: u16,
    /// Shield to come with.
    pub spawn_shield: u16,
    /// In a second.
    pub speed: i32,
    /// Gain of speed in a tick.
    pub acceleration: u32,
    /// Loss of speed in a tick, with no wish to go.
    pub friction: u32,
    /// From death to return.
    pub respawn_ticks: u64,
    /// A spawn with an enemy nearer than this is avoided.
    pub spawn_clearance: i32,
    /// How far away a pick-up can lie.
    pub reach: i32,
}

/// Drones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroneBalance {
    /// Half of the width.
    pub radius: i32,
    /// Points.
    pub health: u16,
    /// In a second.
    pub speed: i32,
    /// How many of a hundred are lazy.
    pub lazy_percent: u32,
    /// How often of a hundred times a lazy one that thinks decides to move, and then at half speed.
    pub lazy_roam_percent: u32,
    /// How often others do.
    pub roam_percent: u32,
    /// Shortest time from one thought to the next.
    pub think_ticks_min: i32,
    /// Longest.
    pub think_ticks_max: i32,
    /// Time in which one lost drone is replaced.
    pub refill_ticks: u64,
}

/// What lies around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PickupBalance {
    /// Points that one heals.
    pub health: u16,
    /// Points of shield in one.
    pub shield: u16,
    /// Magazines in one.
    pub magazines: u16,
    /// From taken to back.
    pub restock_ticks: u64,
}

/// A weapon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weapon {
    /// For people.
    pub name: String,
    /// Points of one pellet.
    pub damage: u16,
    /// Pellets of one shot.
    pub pellets: u8,
    /// Largest deviation to either side, as an angle.
    pub spread: u16,
    /// Of a pellet, in a second.
    pub speed: i32,
    /// Life of a pellet.
    pub flight_ticks: u64,
    /// From shot to shot.
    pub cooldown_ticks: u64,
    /// Filling the magazine.
    pub reload_ticks: u64,
    /// Shots in a magazine.
    pub magazine: u16,
    /// Most shots in reserve, and those that come with it.
    pub reserve: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BalanceFile {
    round: RoundFile,
    avatar: AvatarFile,
    drone: DroneFile,
    pickup: PickupFile,
    weapon: Vec<WeaponFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoundFile {
    seconds: i64,
    pause_seconds: i64,
    score_limit: i64,
    kill_points: i64,
    drone_points: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AvatarFile {
    radius_cm: i64,
    health: i64,
    shield_max: i64,
    spawn_shield: i64,
    speed_cm_s: i64,
    acceleration_cm_s2: i64,
    friction_cm_s2: i64,
    respawn_ms: i64,
    spawn_clearance_cm: i64,
    reach_cm: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DroneFile {
    radius_cm: i64,
    health: i64,
    speed_cm_s: i64,
    lazy_percent: i64,
    lazy_roam_percent: i64,
    roam_percent: i64,
    think_ms_min: i64,
    think_ms_max: i64,
    refill_ms: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PickupFile {
    health: i64,
    shield: i64,
    magazines: i64,
    restock_ms: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WeaponFile {
    name: String,
    damage: i64,
    pellets: i64,
    spread_degrees: i64,
    speed_cm_s: i64,
    range_cm: i64,
    cooldown_ms: i64,
    reload_ms: i64,
    magazine: i64,
    reserve: i64,
}

impl Balance {
    pub(crate) fn check(file: &BalanceFile) -> Result<Self, ContentError> {
        within("the number of balance.weapon", file.weapon.len() as i64, 1, WEAPONS_MAX as i64)?;
        Ok(Self {
            round: Round::check(&file.round)?,
            avatar: AvatarBalance::check(&file.avatar)?,
            drone: DroneBalance::check(&file.drone)?,
            pickup: PickupBalance::check(&file.pickup)?,
            weapons: file.weapon.iter().enumerate().map(Weapon::check).collect::<Result<_, _>>()?,
        })
    }

    /// The weapon of a number.
    ///
    /// # Panics
    /// When there is none: numbers come from the content, which was checked.
    #[must_use]
    pub fn weapon(&self, number: u8) -> &Weapon {
        &self.weapons[usize::from(number)]
    }
}

impl Round {
    fn check(file: &RoundFile) -> Result<Self, ContentError> {
        let seconds = within("balance.round.seconds", file.seconds, 1, 24 * 3_600)?;
        let pause = within("balance.round.pause_seconds", file.pause_seconds, 1, 600)?;
        Ok(Self {
            ticks: ticks(seconds * 1_000),
            pause_ticks: ticks(pause * 1_000),
            score_limit: within("balance.round.score_limit", file.score_limit, 1, 1_000_000)? as u32,
            kill_points: within("balance.round.kill_points", file.kill_points, 0, 1_000)? as u32,
            drone_points: within("balance.round.drone_points", file.drone_points, 0, 1_000)? as u32,
        })
    }
}

impl AvatarBalance {
    fn check(file: &AvatarFile) -> Result<Self, ContentError> {
        let shield_max = points("balance.avatar.shield_max", file.shield_max, 0)?;
        let rate = |key, value| Ok((units(within(key, value, 100, 100_000)?) / TICKS_PER_SECOND).unsigned_abs());
        Ok(Self {
            radius: radius("balance.avatar.radius_cm", file.radius_cm)?,
            health: points("balance.avatar.health", file.health, 1)?,
            shield_max,
            spawn_shield: within("balance.avatar.spawn_shield", file.spawn_shield, 0, shield_max.into())? as u16,
            speed: body_speed("balance.avatar.speed_cm_s", file.speed_cm_s)?,
            acceleration: rate("balance.avatar.acceleration_cm_s2", file.acceleration_cm_s2)?,
            friction: rate("balance.avatar.friction_cm_s2", file.friction_cm_s2)?,
            respawn_ticks: time("balance.avatar.respawn_ms", file.respawn_ms)?,
            spawn_clearance: units(within("balance.avatar.spawn_clearance_cm", file.spawn_clearance_cm, 0, 100_000)?),
            reach: units(within("balance.avatar.reach_cm", file.reach_cm, 1, 1_000)?),
        })
    }
}

impl DroneBalance {
    fn check(file: &DroneFile) -> Result<Self, ContentError> {
        let think_min = time("balance.drone.think_ms_min", file.think_ms_min)?;
        let think_max = time("balance.drone.think_ms_max", file.think_ms_max)?;
        if think_min > think_max {
            return Err(ContentError("balance.drone.think_ms_min is more than think_ms_max".into()));
        }
        Ok(Self {
            radius: radius("balance.drone.radius_cm", file.radius_cm)?,
            health: points("balance.drone.health", file.health, 1)?,
            speed: body_speed("balance.drone.speed_cm_s", file.speed_cm_s)?,
            lazy_percent: within("balance.drone.lazy_percent", file.lazy_percent, 0, 100)? as u32,
            lazy_roam_percent: within("balance.drone.lazy_roam_percent", file.lazy_roam_percent, 0, 100)? as u32,
            roam_percent: within("balance.drone.roam_percent", file.roam_percent, 0, 100)? as u32,
            think_ticks_min: think_min as i32,
            think_ticks_max: think_max as i32,
            refill_ticks: time("balance.drone.refill_ms", file.refill_ms)?,
        })
    }
}

impl PickupBalance {
    fn check(file: &PickupFile) -> Result<Self, ContentError> {
        Ok(Self {
            health: points("balance.pickup.health", file.health, 1)?,
            shield: points("balance.pickup.shield", file.shield, 1)?,
            magazines: within("balance.pickup.magazines", file.magazines, 1, 100)? as u16,
            restock_ticks: time("balance.pickup.restock_ms", file.restock_ms)?,
        })
    }
}

impl Weapon {
    fn check((number, file): (usize, &WeaponFile)) -> Result<Self, ContentError> {
        let key = |name: &str| format!("balance.weapon[{number}].{name}");
        within(&key("name's length"), file.name.len() as i64, 1, 32)?;
        let speed = within(&key("speed_cm_s"), file.speed_cm_s, 100, 30_000)?;
        let range = within(&key("range_cm"), file.range_cm, 10, 100_000)?;
        Ok(Self {
            name: file.name.clone(),
            damage: points(&key("damage"), file.damage, 1)?,
            pellets: within(&key("pellets"), file.pellets, 1, 32)? as u8,
            spread: (within(&key("spread_degrees"), file.spread_degrees, 0, 90)? * 65_536 / 360) as u16,
            speed: units(speed),
            flight_ticks: ticks(range * 1_000 / speed),
            cooldown_ticks: time(&key("cooldown_ms"), file.cooldown_ms)?,
            reload_ticks: time(&key("reload_ms"), file.reload_ms)?,
            magazine: within(&key("magazine"), file.magazine, 1, 1_000)? as u16,
            reserve: within(&key("reserve"), file.reserve, 0, 10_000)? as u16,
        })
    }
}

fn points(key: &str, value: i64, low: i64) -> Result<u16, ContentError> {
    Ok(within(key, value, low, 10_000)? as u16)
}

fn radius(key: &str, centimetres: i64) -> Result<i32, ContentError> {
    Ok(units(within(key, centimetres, 5, 500)?))
}

/// A body moves less than the smallest tile in a tick, or it could jump through a wall.
fn body_speed(key: &str, centimetres: i64) -> Result<i32, ContentError> {
    Ok(units(within(key, centimetres, 10, 2_900)?))
}

fn time(key: &str, milliseconds: i64) -> Result<u64, ContentError> {
    Ok(ticks(within(key, milliseconds, 1, 600_000)?))
}

/// Centimetres as 1/256 m.
pub(crate) const fn units(centimetres: i64) -> i32 {
    (centimetres * METRE as i64 / 100) as i32
}

/// Milliseconds as ticks, at least one.
const fn ticks(milliseconds: i64) -> u64 {
    let ticks = (milliseconds * TICKS_PER_SECOND as i64 + 500) / 1_000;
    if ticks < 1 { 1 } else { ticks as u64 }
}
