//! Drones: neutral, of little mind, in the way.

use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::prelude::{Bundle, Query, Res, With, World};
use ecs_state::match_math::{UNIT, direction};
use ecs_state::{MatchRng, PlayerId, Spawner, StepContext};

use crate::components::{Drone, Facing, Health, Kind, Position, Velocity, Wound};
use crate::content::Content;

/// Spreads the population over the map.
pub(crate) fn open(world: &mut World) {
    let content = world.resource::<Content>().clone();
    let mut rng = world.resource::<StepContext>().rng("drones");
    for _ in 0..content.population {
        let drone = drone(&content, &mut rng);
        ecs_state::spawn(world, PlayerId(0), drone);
    }
}

/// Replaces what was shot: an eighth of what is missing at a time, so that a busy match stays as full as a quiet one.
pub(crate) fn replenish(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    drones: Query<'_, '_, (), With<Drone>>,
    mut spawner: Spawner<'_, '_>,
) {
    let is_due = context.tick.is_multiple_of(content.balance.drone.refill_ticks);
    if !is_due {
        return;
    }
    let missing = (content.population as usize).saturating_sub(drones.iter().count());
    let mut rng = context.rng("replenish");
    for _ in 0..missing.div_ceil(8) {
        spawner.spawn(PlayerId(0), drone(&content, &mut rng));
    }
}

/// Lets those think who have done one thing for long enough, or were just hurt.
pub(crate) fn steer(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    mut drones: Query<'_, '_, (&mut Drone, &Wound, &mut Velocity, &mut Facing)>,
) {
    let balance = &content.balance.drone;
    let mut rng = context.rng("steer");
    for (mut drone, wound, mut velocity, mut facing) in &mut drones {
        let startled = wound.by != PlayerId(0) && wound.tick + 1 == context.tick;
        if context.tick < drone.until && !startled {
            continue;
        }
        drone.until = context.tick + rng.between(balance.think_ticks_min, balance.think_ticks_max) as u64;
        let eager = if drone.lazy { balance.lazy_roam_percent } else { balance.roam_percent };
        let roams = rng.below(100) < eager;
        if !roams && !startled {
            velocity.set_if_neq(Velocity::default());
            continue;
        }
        let angle = rng.bits() as u16;
        let (x, y) = direction(angle);
        // The hurt ones flee at full speed, whatever their nature.
        let speed = if drone.lazy && !startled { balance.speed / 2 } else { balance.speed };
        *velocity = Velocity { x: x * speed / UNIT, y: y * speed / UNIT };
        *facing = Facing { angle };
    }
}

fn drone(content: &Content, rng: &mut MatchRng) -> impl Bundle + use<> {
    let balance = &content.balance.drone;
    let middle = content.map.floor[rng.below(content.map.floor.len() as u32) as usize];
    let at: Position = content.map.scatter(middle, balance.radius, rng);
    let lazy = rng.below(100) < balance.lazy_percent;
    (
        Kind::DRONE,
        at,
        Velocity::default(),
        Facing { angle: rng.bits() as u16 },
        Health::full(balance.health),
        Wound::default(),
        Drone { lazy, until: 0 },
    )
}
