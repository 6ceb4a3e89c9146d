//! Rounds begin, end, and are counted.

use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::prelude::{Entity, Or, Query, Res, ResMut, With, World};
use ecs_state::{EntityId, Spawner, StepContext};

use crate::components::{Intent, Pickup, Score, Seat, Shot};
use crate::content::Content;

type BodyOrShot = Or<(With<Intent>, With<Shot>)>;

/// The first round begins with the match.
pub(crate) fn open(world: &mut World) {
    let ends_at = world.resource::<Content>().balance.round.ticks;
    world.insert_resource(Score { round: 1, ends_at, ..Score::default() });
}

/// Begins the next round when the pause is over: with new bodies, full ground, and nothing on the boards.
pub(crate) fn advance(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    mut score: ResMut<'_, Score>,
    mut seats: Query<'_, '_, &mut Seat>,
    mut pickups: Query<'_, '_, &mut Pickup>,
    old: Query<'_, '_, Entity, BodyOrShot>,
    mut spawner: Spawner<'_, '_>,
) {
    if !score.over || context.tick < score.ends_at {
        return;
    }
    *score = Score {
        teams: Default::default(),
        round: score.round + 1,
        over: false,
        ends_at: context.tick + content.balance.round.ticks,
        wins: score.wins,
    };
    old.iter().for_each(|entity| spawner.despawn(entity));
    for mut seat in &mut seats {
        let (player, team) = (seat.player, seat.team);
        *seat = Seat { player, team, avatar: EntityId(0), kills: 0, deaths: 0, score: 0, respawn_at: context.tick };
    }
    for mut pickup in &mut pickups {
        let there = Pickup { back_at: 0, ..*pickup };
        pickup.set_if_neq(there);
    }
}

/// Ends the round when its time is up or a team has enough points. Weapons rest then.
pub(crate) fn finish(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    mut score: ResMut<'_, Score>,
    mut intents: Query<'_, '_, &mut Intent>,
    shots: Query<'_, '_, Entity, With<Shot>>,
    mut spawner: Spawner<'_, '_>,
) {
    let best = score.teams.into_iter().max().unwrap_or_default();
    if score.over || (context.tick < score.ends_at && best < content.balance.round.score_limit) {
        return;
    }
    if let Some(winner) = winner(&score.teams) {
        score.wins[winner] = score.wins[winner].saturating_add(1);
    }
    score.over = true;
    score.ends_at = context.tick + content.balance.round.pause_ticks;
    shots.iter().for_each(|entity| spawner.despawn(entity));
    for mut intent in &mut intents {
        let rested = Intent { trigger: Intent::RELEASED, ..*intent };
        intent.set_if_neq(rested);
    }
}

/// The one team that is ahead of all others.
fn winner(teams: &[u32]) -> Option<usize> {
    let best = *teams.iter().max()?;
    let mut leading = (0..teams.len()).filter(|team| teams[*team] == best);
    let first = leading.next()?;
    (best > 0 && leading.next().is_none()).then_some(first)
}
