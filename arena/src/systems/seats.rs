//! Players come, get a body, and leave.

use bevy_ecs::prelude::{Query, Res, With, World};
use ecs_state::{EntityId, MatchRng, PlayerId, Spawner, StepContext};

use crate::components::{Facing, Health, Intent, Kind, Loadout, Position, Seat, Tally, Team, Velocity, Wound};
use crate::content::Content;
use crate::shapes::is_near;

/// A player joins the smallest team, and has a body in the same tick.
pub(crate) fn join(world: &mut World, player: PlayerId) {
    let teams = world.resource::<Content>().map.teams();
    let mut sizes = vec![0u32; teams];
    for seat in world.query::<&Seat>().iter(world) {
        assert_ne!(seat.player, player, "a player joins once");
        sizes[usize::from(seat.team)] += 1;
    }
    let team = (0..teams).min_by_key(|team| sizes[*team]).expect("a map has teams") as u8;
    let respawn_at = world.resource::<StepContext>().tick;
    let seat = Seat { player, team, avatar: EntityId(0), kills: 0, deaths: 0, score: 0, respawn_at };
    ecs_state::spawn(world, player, (seat, Tally::default()));
}

/// A player leaves, and takes its body along. What it shot flies on.
pub(crate) fn leave(world: &mut World, player: PlayerId) {
    let found = world
        .query::<(&ecs_state::Identity, &Seat)>()
        .iter(world)
        .find(|(_, seat)| seat.player == player)
        .map(|(identity, seat)| (identity.id(), seat.avatar));
    if let Some((seat, avatar)) = found {
        ecs_state::despawn(world, avatar);
        ecs_state::despawn(world, seat);
    }
}

/// Gives a body to players who have waited long enough.
pub(crate) fn respawn(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    mut seats: Query<'_, '_, &mut Seat>,
    avatars: Query<'_, '_, (&Position, &Team), With<Intent>>,
    mut spawner: Spawner<'_, '_>,
) {
    let waits = |seat: &Seat| seat.avatar == EntityId(0) && context.tick >= seat.respawn_at;
    if !seats.iter().any(waits) {
        return;
    }
    let mut rng = context.rng("respawn");
    for mut seat in &mut seats {
        if waits(&seat) {
            let place = choose_spawn(&content, seat.team, &avatars, &mut rng);
            seat.avatar = spawner.spawn(seat.player, avatar(&content, seat.team, place));
        }
    }
}

/// One of the team's spawns by chance, without an enemy near if there is such a one.
fn choose_spawn(
    content: &Content,
    team: u8,
    avatars: &Query<'_, '_, (&Position, &Team), With<Intent>>,
    rng: &mut MatchRng,
) -> Position {
    let spawns = &content.map.spawns[usize::from(team)];
    let clearance = content.balance.avatar.spawn_clearance;
    let is_safe =
        |spawn: &&Position| !avatars.iter().any(|(at, other)| other.team != team && is_near(*at, **spawn, clearance));
    let safe: Vec<&Position> = spawns.iter().filter(is_safe).collect();
    let middle = match safe.len() {
        0 => spawns[rng.below(spawns.len() as u32) as usize],
        count => *safe[rng.below(count as u32) as usize],
    };
    content.map.scatter(middle, content.balance.avatar.radius, rng)
}

type Avatar = (Kind, Position, Velocity, Facing, Team, Health, Loadout, Intent, Wound);

fn avatar(content: &Content, team: u8, at: Position) -> Avatar {
    let balance = &content.balance.avatar;
    (
        Kind::AVATAR,
        at,
        Velocity::default(),
        Facing { angle: 0 },
        Team { team },
        Health { shield: balance.spawn_shield, ..Health::full(balance.health) },
        Loadout::full(0, content.balance.weapon(0)),
        Intent::default(),
        Wound::default(),
    )
}
