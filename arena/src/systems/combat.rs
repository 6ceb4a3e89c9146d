//! Weapons shoot, and what has no health left is taken away.

use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::prelude::{Entity, Query, Res, ResMut, With};
use ecs_state::match_math::{UNIT, direction};
use ecs_state::{EntityId, Identity, MatchRng, PlayerId, Spawner, StepContext};

use crate::balance::Weapon;
use crate::components::{
    Drone, Facing, Health, Intent, Kind, Loadout, Position, Score, Seat, Shot, Team, Velocity, Wound,
};
use crate::content::Content;

type Shooter =
    (&'static Identity, &'static Position, &'static Facing, &'static Team, &'static mut Intent, &'static mut Loadout);

/// Shoots with every weapon that is ready and whose trigger is not at rest.
pub(crate) fn shoot(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    mut shooters: Query<'_, '_, Shooter>,
    mut spawner: Spawner<'_, '_>,
) {
    let mut rng = context.rng("spread");
    for (identity, position, facing, team, mut intent, mut loadout) in &mut shooters {
        let weapon = content.balance.weapon(loadout.weapon);
        let (mut wanted, mut carried) = (*intent, *loadout);
        if pull(&mut wanted, &mut carried, weapon, context.tick) {
            let shot =
                Shot { by: identity.owner, weapon: loadout.weapon, ends_at: context.tick + weapon.flight_ticks - 1 };
            for _ in 0..weapon.pellets {
                let (velocity, angle) = spread(weapon, facing.angle, &mut rng);
                // From the middle of the body, which is never in a wall; the own team is not hit.
                let pellet = (Kind::PROJECTILE, *position, velocity, Facing { angle }, *team, shot);
                spawner.spawn(PlayerId(0), pellet);
            }
        }
        intent.set_if_neq(wanted);
        loadout.set_if_neq(carried);
    }
}

/// Moves one weapon on. Returns whether it shoots.
fn pull(intent: &mut Intent, loadout: &mut Loadout, weapon: &Weapon, tick: u64) -> bool {
    if tick < loadout.ready_at {
        return false;
    }
    if loadout.reloading {
        loadout.finish_reload(weapon);
    }
    if intent.trigger == Intent::RELEASED {
        return false;
    }
    let shoots = loadout.ammo > 0;
    if shoots {
        loadout.ammo -= 1;
        loadout.ready_at = tick + weapon.cooldown_ticks;
        intent.trigger = if intent.trigger == Intent::TAPPED { Intent::RELEASED } else { Intent::HELD };
    }
    if loadout.ammo == 0 {
        if loadout.reserve > 0 {
            loadout.start_reload(tick, weapon);
        } else {
            intent.trigger = Intent::RELEASED;
        }
    }
    shoots
}

fn spread(weapon: &Weapon, angle: u16, rng: &mut MatchRng) -> (Velocity, u16) {
    let off = match weapon.spread {
        0 => 0,
        spread => rng.between(-i32::from(spread), spread.into()),
    };
    let angle = angle.wrapping_add(off as u16);
    let (x, y) = direction(angle);
    let along = |part: i32| (i64::from(part) * i64::from(weapon.speed) / i64::from(UNIT)) as i32;
    (Velocity { x: along(x), y: along(y) }, angle)
}

/// Takes away dead players' bodies, and gives the points to who hurt them last.
pub(crate) fn bury_players(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    mut score: ResMut<'_, Score>,
    dead: Query<'_, '_, (Entity, &Identity, &Health, &Wound), With<Intent>>,
    mut seats: Query<'_, '_, &mut Seat>,
    mut spawner: Spawner<'_, '_>,
) {
    for (entity, identity, _, wound) in dead.iter().filter(|(_, _, health, _)| health.points == 0) {
        spawner.despawn(entity);
        if let Some(mut seat) = seats.iter_mut().find(|seat| seat.player == identity.owner) {
            seat.avatar = EntityId(0);
            seat.deaths = seat.deaths.saturating_add(1);
            seat.respawn_at = context.tick + content.balance.avatar.respawn_ticks;
        }
        if let Some(killer) = reward(&mut seats, &mut score, wound.by, content.balance.round.kill_points) {
            let kills = &mut killer.into_inner().kills;
            *kills = kills.saturating_add(1);
        }
    }
}

/// Takes away broken drones.
pub(crate) fn bury_drones(
    content: Res<'_, Content>,
    mut score: ResMut<'_, Score>,
    dead: Query<'_, '_, (Entity, &Health, &Wound), With<Drone>>,
    mut seats: Query<'_, '_, &mut Seat>,
    mut spawner: Spawner<'_, '_>,
) {
    for (entity, _, wound) in dead.iter().filter(|(_, health, _)| health.points == 0) {
        spawner.despawn(entity);
        reward(&mut seats, &mut score, wound.by, content.balance.round.drone_points);
    }
}

/// Gives points to a player and its team. A player who left makes no points.
fn reward<'a>(
    seats: &'a mut Query<'_, '_, &mut Seat>,
    score: &mut ResMut<'_, Score>,
    player: PlayerId,
    points: u32,
) -> Option<bevy_ecs::prelude::Mut<'a, Seat>> {
    let mut seat = seats.iter_mut().find(|seat| seat.player == player)?;
    if points > 0 {
        seat.score += points;
        score.teams[usize::from(seat.team)] += points;
    }
    Some(seat)
}
