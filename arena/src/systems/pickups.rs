//! Things to take, and their return.

use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::prelude::{Entity, Query, Res, ResMut, With, World};
use ecs_state::{EntityIndex, Identity, Inbox, PlayerId, StepContext};

use crate::commands::{Command, Rejection};
use crate::components::{Health, Intent, Kind, Loadout, Pickup, Position, Seat};
use crate::content::Content;
use crate::shapes::{Grid, distance_squared, is_near};
use crate::systems::orders::avatar_of;

/// Puts everything where the map says.
pub(crate) fn open(world: &mut World) {
    let pickups = world.resource::<Content>().map.pickups.clone();
    for (position, pickup) in pickups {
        ecs_state::spawn(world, PlayerId(0), (Kind::PICKUP, position, pickup));
    }
}

/// Lets those who ask for it take the nearest weapon. The old one is dropped and gone.
pub(crate) fn take_weapons(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    index: Res<'_, EntityIndex>,
    mut inbox: ResMut<'_, Inbox<Command>>,
    seats: Query<'_, '_, &Seat>,
    mut avatars: Query<'_, '_, (&Position, &mut Loadout)>,
    mut pickups: Query<'_, '_, (&Identity, &Position, &mut Pickup)>,
) {
    for order in inbox.iter_mut().filter(|order| order.command == Command::Use && order.is_applied()) {
        let avatar = avatar_of(&seats, order.player).and_then(|avatar| index.get(avatar));
        let (at, mut loadout) = avatar
            .and_then(|avatar| avatars.get_mut(avatar).ok())
            .expect("only the living have orders that are not refused");
        let nearest = pickups
            .iter_mut()
            .filter(|(_, place, pickup)| {
                pickup.item == Pickup::WEAPON
                    && pickup.is_there()
                    && is_near(*at, **place, content.balance.avatar.reach)
            })
            .min_by_key(|(identity, place, _)| (distance_squared(*at, **place), identity.id().0));
        let Some((_, _, mut pickup)) = nearest else {
            order.reject(Rejection::NothingInReach.code());
            continue;
        };
        *loadout = Loadout::full(pickup.weapon, content.balance.weapon(pickup.weapon));
        pickup.back_at = context.tick + content.balance.pickup.restock_ticks;
    }
}

/// Gives health, ammunition and shields to those who walk over them and have use for them.
pub(crate) fn take(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    mut avatars: Query<'_, '_, (&Position, &mut Health, &mut Loadout), With<Intent>>,
    mut pickups: Query<'_, '_, (Entity, &Position, &mut Pickup)>,
) {
    let lying: Vec<_> = pickups
        .iter()
        .filter(|(_, _, pickup)| pickup.is_there() && pickup.item != Pickup::WEAPON)
        .map(|(entity, position, _)| (*position, entity))
        .collect();
    let lying = Grid::new(&content.map, &lying);
    let reach = content.balance.avatar.reach;
    for (at, mut health, mut loadout) in avatars.iter_mut().filter(|(_, health, _)| health.points > 0) {
        for (_, entity) in lying.around(*at, reach).filter(|(place, _)| is_near(*at, *place, reach)) {
            let (_, _, mut pickup) = pickups.get_mut(*entity).expect("it lies there");
            if !pickup.is_there() {
                // Another one took it in this tick.
                continue;
            }
            let (mut better, mut fuller) = (*health, *loadout);
            apply(pickup.item, &content, &mut better, &mut fuller);
            if health.set_if_neq(better) | loadout.set_if_neq(fuller) {
                pickup.back_at = context.tick + content.balance.pickup.restock_ticks;
            }
        }
    }
}

fn apply(item: u8, content: &Content, health: &mut Health, loadout: &mut Loadout) {
    let balance = &content.balance.pickup;
    match item {
        Pickup::HEALTH => health.points = (health.points + balance.health).min(health.max),
        Pickup::SHIELD => health.shield = (health.shield + balance.shield).min(content.balance.avatar.shield_max),
        _ => {
            let weapon = content.balance.weapon(loadout.weapon);
            let more = u32::from(loadout.reserve) + u32::from(balance.magazines) * u32::from(weapon.magazine);
            loadout.reserve = more.min(weapon.reserve.into()) as u16;
        }
    }
}

/// Brings back what was taken long enough ago.
pub(crate) fn restock(context: Res<'_, StepContext>, mut pickups: Query<'_, '_, &mut Pickup>) {
    for mut pickup in &mut pickups {
        if !pickup.is_there() && context.tick >= pickup.back_at {
            pickup.back_at = 0;
        }
    }
}
