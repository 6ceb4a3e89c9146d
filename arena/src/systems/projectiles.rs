//! Shots fly until they meet something.

use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::prelude::{Entity, Has, Query, Res, With, Without};
use ecs_state::{EntityId, Identity, Spawner, StepContext};

use crate::components::{Drone, Health, Position, Shot, Team, Velocity, Wound};
use crate::content::Content;
use crate::shapes::{Grid, WHOLE, meets, per_tick};

#[derive(Clone, Copy)]
struct Target {
    entity: Entity,
    id: EntityId,
    /// Drones have none.
    team: Option<u8>,
    radius: i32,
}

type Bodies<'w, 's> = Query<
    'w,
    's,
    (Entity, &'static Identity, &'static Position, Option<&'static Team>, Has<Drone>),
    (With<Health>, Without<Shot>),
>;
type Shots<'w, 's> =
    Query<'w, 's, (Entity, &'static Shot, &'static Velocity, &'static Team, &'static mut Position), Without<Health>>;

/// Moves each shot along its whole way of the tick: nothing is too thin to be met.
pub(crate) fn fly(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    bodies: Bodies<'_, '_>,
    mut shots: Shots<'_, '_>,
    mut hurt: Query<'_, '_, (&mut Health, &mut Wound)>,
    mut spawner: Spawner<'_, '_>,
) {
    if shots.is_empty() {
        return;
    }
    let targets = targets(&content, &bodies);
    let reach = content.balance.avatar.radius.max(content.balance.drone.radius);
    for (entity, shot, velocity, team, mut position) in &mut shots {
        let by = (per_tick(velocity.x), per_tick(velocity.y));
        let wall = content.map.wall_ahead(*position, by);
        let is_alive = |entity| hurt.get(entity).is_ok_and(|(health, _)| health.points > 0);
        let struck = first_struck(&targets, *position, by, reach, wall.unwrap_or(WHOLE), |target| {
            target.team != Some(team.team) && is_alive(target.entity)
        });
        if let Some(target) = struck {
            let (mut health, mut wound) = hurt.get_mut(target).expect("it is alive");
            *health = health.hurt(content.balance.weapon(shot.weapon).damage);
            wound.set_if_neq(Wound { by: shot.by, tick: context.tick });
        }
        if struck.is_some() || wall.is_some() || context.tick >= shot.ends_at {
            spawner.despawn(entity);
        } else {
            position.set_if_neq(Position { x: position.x + by.0, y: position.y + by.1 });
        }
    }
}

fn targets(content: &Content, bodies: &Bodies<'_, '_>) -> Grid<Target> {
    let found: Vec<_> = bodies
        .iter()
        .map(|(entity, identity, position, team, is_drone)| {
            let radius = if is_drone { content.balance.drone.radius } else { content.balance.avatar.radius };
            (*position, Target { entity, id: identity.id(), team: team.map(|team| team.team), radius })
        })
        .collect();
    Grid::new(&content.map, &found)
}

/// The target that a shot meets first, not later than at `end`. Of two at once, the older one.
fn first_struck(
    targets: &Grid<Target>,
    from: Position,
    by: (i32, i32),
    reach: i32,
    end: i64,
    is_foe: impl Fn(&Target) -> bool,
) -> Option<Entity> {
    let to = (from.x + by.0, from.y + by.1);
    let low = (from.x.min(to.0) - reach, from.y.min(to.1) - reach);
    let high = (from.x.max(to.0) + reach, from.y.max(to.1) + reach);
    targets
        .near(low, high)
        .filter_map(|(at, target)| Some((meets(from, by, *at, target.radius)?, target)))
        .filter(|(part, target)| *part <= end && is_foe(target))
        .min_by_key(|(part, target)| (*part, target.id.0))
        .map(|(_, target)| target.entity)
}
