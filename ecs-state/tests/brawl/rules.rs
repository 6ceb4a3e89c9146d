//! The rules: ordinary systems over ordinary queries, in whatever order they iterate.

use bevy_ecs::prelude::*;
use ecs_state::{EntityIndex, Identity, Inbox, OutcomeCode, PlayerId, Spawner, StepContext, WakeUp};

use super::{Body, Coin, Command, DAZED, Dazed, Fighter, Fuse, Glow, NOBODY_NEAR, Newest, Purse, Scratch};
use super::{TOO_MANY_BOMBS, Tally};

const EDGE: i32 = 2_000;
const REACH: i32 = 60;

type Fighters<'w, 's> = Query<'w, 's, (Entity, &'static Identity, &'static mut Body, &'static mut Fighter, Has<Dazed>)>;

pub fn obey(
    mut inbox: ResMut<'_, Inbox<Command>>,
    mut fighters: Fighters<'_, '_>,
    mut purses: Query<'_, '_, (&Identity, &mut Purse)>,
    mut newest: ResMut<'_, Newest>,
    mut spawner: Spawner<'_, '_>,
) {
    for order in inbox.iter_mut() {
        let own = fighters.iter_mut().find(|(_, _, _, fighter, _)| fighter.player == order.player);
        let Some((_, identity, mut body, mut fighter, false)) = own else {
            order.reject(OutcomeCode::game(DAZED));
            continue;
        };
        match order.command {
            Command::Run(x, y) => (body.vx, body.vy) = (f32::from(x) / 3.0, f32::from(y) / 7.0),
            Command::Toss(_) if fighter.tossed >= 2 => order.reject(OutcomeCode::game(TOO_MANY_BOMBS)),
            Command::Toss(ticks) => {
                fighter.tossed += 1;
                newest.id = spawner.spawn(order.player, (*body, Fuse { ticks: u16::from(ticks % 20) + 1 }));
            }
            Command::Rob => {
                let own = identity.id();
                // The first of the others that has anything.
                let victim = purses.iter_mut().find(|(other, purse)| other.id() != own && purse.coins > 0);
                let Some((other, mut purse)) = victim else {
                    order.reject(OutcomeCode::game(NOBODY_NEAR));
                    continue;
                };
                purse.coins -= 1;
                purse.rival = own;
                let robbed = other.id();
                if let Some((_, mut purse)) = purses.iter_mut().find(|(identity, _)| identity.id() == own) {
                    purse.coins += 1;
                    purse.rival = robbed;
                }
            }
        }
    }
}

pub fn run(mut bodies: Query<'_, '_, &mut Body, Without<Dazed>>) {
    for mut body in &mut bodies {
        if body.vx == 0.0 && body.vy == 0.0 {
            continue;
        }
        body.x = (body.x + (body.vx * 3.0) as i32).rem_euclid(EDGE);
        body.y = (body.y + (body.vy * 3.0) as i32).rem_euclid(EDGE);
        // Wears away in steps finer than what a keyframe holds.
        body.vx *= 0.97;
        body.vy *= 0.99;
        if body.vx.abs() < 0.3 {
            (body.vx, body.vy) = (0.0, 0.0);
        }
    }
}

pub fn take_coins(
    coins: Query<'_, '_, (Entity, &Body, &Coin)>,
    mut takers: Query<'_, '_, (&Body, &mut Purse)>,
    mut spawner: Spawner<'_, '_>,
) {
    for (entity, at, coin) in &coins {
        // First come, first served: the first in iteration order.
        let taker = takers.iter_mut().find(|(body, _)| is_near(body, at));
        if let Some((_, mut purse)) = taker {
            purse.coins += u32::from(coin.worth) + 1;
            purse.mood = purse.mood * 0.5 + f32::from(coin.worth);
            spawner.despawn(entity);
        }
    }
}

pub fn burn_fuses(
    mut fuses: Query<'_, '_, (Entity, &Identity, &Body, &mut Fuse, Has<Purse>)>,
    mut fighters: Query<'_, '_, (Entity, &Body, &mut Fighter)>,
    mut commands: Commands<'_, '_>,
) {
    for (entity, identity, at, mut fuse, fights) in &mut fuses {
        fuse.ticks = fuse.ticks.saturating_sub(1);
        if fuse.ticks > 0 {
            continue;
        }
        for (hit, body, mut fighter) in &mut fighters {
            if is_near(body, at) {
                commands.entity(hit).try_insert((Dazed, Glow(fuse.ticks.into())));
            }
            if fighter.player == identity.owner {
                fighter.tossed = fighter.tossed.saturating_sub(1);
            }
        }
        if fights || identity.owner == PlayerId(0) {
            commands.entity(entity).try_remove::<Fuse>();
        } else {
            commands.entity(entity).try_despawn();
        }
    }
}

type Things<'w, 's> = Query<'w, 's, (Entity, &'static mut Identity, Has<Coin>, Has<Fuse>, Has<Dazed>, Has<Fighter>)>;

/// Moves entities between archetypes, spawns and despawns. What it does to whom depends on the order.
pub fn shuffle(
    context: Res<'_, StepContext>,
    tally: Res<'_, Tally>,
    mut newest: ResMut<'_, Newest>,
    mut things: Things<'_, '_>,
    mut commands: Commands<'_, '_>,
    mut spawner: Spawner<'_, '_>,
) {
    let mut rng = context.rng("shuffle");
    let count = things.iter().count();
    for (entity, mut identity, has_coin, has_fuse, dazed, fights) in &mut things {
        if identity.id().0 == 1 {
            continue;
        }
        match rng.below(64) ^ (tally.order as u32 & 1) {
            0..=1 if !fights && count > 20 => commands.entity(entity).despawn(),
            2..=4 if has_coin => {
                commands.entity(entity).remove::<Coin>();
            }
            5..=7 if !fights => {
                commands.entity(entity).insert(Coin { worth: rng.below(9) as u8 });
            }
            8..=10 if !has_fuse => {
                commands.entity(entity).insert(Fuse { ticks: 1 + rng.below(12) as u16 });
            }
            11..=14 | 24..=47 if dazed => {
                commands.entity(entity).remove::<(Dazed, Glow)>();
            }
            15 if !fights => identity.owner = PlayerId(rng.below(4)),
            // Taken off and put on again within one tick.
            16 if has_coin => {
                commands.entity(entity).remove::<Coin>().insert(Coin { worth: 3 });
            }
            17..=19 if count < 90 => {
                let at = |number: u32| (number % EDGE as u32) as i32;
                let body = Body { x: at(rng.bits()), y: at(rng.bits()), vx: 2.25, vy: -1.0 };
                newest.id = spawner.spawn(PlayerId(0), (body, Coin { worth: 1 }));
            }
            _ => {}
        }
    }
    // Born and gone within one tick.
    if rng.below(8) == 0 {
        newest.id = spawner.spawn(PlayerId(0), Dazed);
        let id = newest.id;
        commands.queue(move |world: &mut World| {
            ecs_state::despawn(world, id);
        });
    }
}

pub fn collide(mut fighters: Query<'_, '_, (&Identity, &mut Body, &mut Purse)>) {
    let mut pairs = fighters.iter_combinations_mut();
    while let Some([(one, mut a, mut purse), (other, mut b, _)]) = pairs.fetch_next() {
        if is_near(&a, &b) {
            // Not symmetric: the first of the pair gives way.
            (a.vx, b.vx) = (b.vx - 1.0, a.vx * 0.5);
            purse.rival = if purse.coins % 2 == 0 { other.id() } else { one.id() };
            purse.last = [a.x as i16, b.y as i16];
        }
    }
}

/// Uses what does not survive a barrier: locals, change filters, removal events, transient state. Every member
/// loses it at the same tick.
pub fn remember(
    mut seen: Local<'_, u64>,
    changed: Query<'_, '_, &Identity, Changed<Body>>,
    mut gone: RemovedComponents<'_, '_, Coin>,
    glows: Query<'_, '_, &Glow>,
    mut scratch: ResMut<'_, Scratch>,
    mut tally: ResMut<'_, Tally>,
) {
    *seen += changed.iter().count() as u64;
    scratch.0 += gone.read().count() as u64 + glows.iter().map(|glow| u64::from(glow.0) + 1).sum::<u64>();
    tally.order = tally.order.wrapping_mul(31).wrapping_add(*seen ^ (scratch.0 << 32));
}

pub fn tally(
    everything: Query<'_, '_, (&Identity, Option<&Body>, Has<Coin>)>,
    index: Res<'_, EntityIndex>,
    mut wake: ResMut<'_, WakeUp>,
    mut tally: ResMut<'_, Tally>,
) {
    for (identity, body, has_coin) in &everything {
        let x = body.map_or(0, |body| body.x as u64);
        let word = (u64::from(identity.id().0) << 20) ^ x ^ u64::from(has_coin);
        tally.order = tally.order.wrapping_mul(0x0000_0100_0000_01b3) ^ word;
    }
    tally.rounds -= index.len() as i64;
    if tally.order.is_multiple_of(3) {
        wake.after_ms((tally.order % 1_000) as u32);
    }
}

fn is_near(a: &Body, b: &Body) -> bool {
    (a.x - b.x).abs() < REACH && (a.y - b.y).abs() < REACH
}
