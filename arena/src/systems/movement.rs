//! Bodies gain and lose speed and stop at walls.

use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::prelude::{Query, Res, With};
use ecs_state::match_math::{angle_of, clamp_length};

use crate::components::{Drone, Facing, Intent, Position, Velocity};
use crate::content::Content;

/// The longest wish.
const WISH: i32 = 127;

/// Moves players towards the speed they wish for.
pub(crate) fn walk(content: Res<'_, Content>, mut avatars: Query<'_, '_, (&Intent, &mut Position, &mut Velocity)>) {
    let balance = &content.balance.avatar;
    for (intent, mut position, mut velocity) in &mut avatars {
        let wish = |part: i8| i32::from(part) * balance.speed / WISH;
        let aim = clamp_length(wish(intent.x), wish(intent.y), balance.speed.unsigned_abs());
        let rate = if aim == (0, 0) { balance.friction } else { balance.acceleration };
        let change = clamp_length(aim.0 - velocity.x, aim.1 - velocity.y, rate);
        let wanted = Velocity { x: velocity.x + change.0, y: velocity.y + change.1 };
        let (to, left) = content.map.slide(*position, wanted, balance.radius);
        position.set_if_neq(to);
        velocity.set_if_neq(left);
    }
}

/// Moves drones straight on; walls turn them around.
pub(crate) fn roam(
    content: Res<'_, Content>,
    mut drones: Query<'_, '_, (&mut Position, &mut Velocity, &mut Facing), With<Drone>>,
) {
    for (mut position, mut velocity, mut facing) in &mut drones {
        if *velocity == Velocity::default() {
            continue;
        }
        let (to, left) = content.map.slide(*position, *velocity, content.balance.drone.radius);
        position.set_if_neq(to);
        if left != *velocity {
            let bounced = |before: i32, after: i32| if before == after { after } else { -before };
            let turned = Velocity { x: bounced(velocity.x, left.x), y: bounced(velocity.y, left.y) };
            *velocity = turned;
            *facing = Facing { angle: angle_of(turned.x, turned.y) };
        }
    }
}
