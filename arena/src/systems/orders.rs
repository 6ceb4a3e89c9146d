//! Commands become intents, or are refused.

use std::collections::BTreeMap;

use bevy_ecs::change_detection::DetectChangesMut;
use bevy_ecs::prelude::{Query, Res, ResMut};
use ecs_state::{EntityId, EntityIndex, Inbox, StepContext};

use crate::commands::{Command, Rejection};
use crate::components::{Facing, Intent, Loadout, Score, Seat, Tally};
use crate::content::Content;

/// Reads the inbox. Taking a weapon needs to know what lies around and is decided by `pickups::take_weapons`.
pub(crate) fn obey(
    context: Res<'_, StepContext>,
    content: Res<'_, Content>,
    score: Res<'_, Score>,
    index: Res<'_, EntityIndex>,
    mut inbox: ResMut<'_, Inbox<Command>>,
    seats: Query<'_, '_, &Seat>,
    mut avatars: Query<'_, '_, (&mut Intent, &mut Facing, &mut Loadout)>,
) {
    let seated: BTreeMap<_, _> = seats.iter().map(|seat| (seat.player, seat.avatar)).collect();
    for order in inbox.iter_mut() {
        let Some(avatar) = seated.get(&order.player) else {
            order.reject(Rejection::NotSeated.code());
            continue;
        };
        let Some((mut intent, mut facing, mut loadout)) =
            index.get(*avatar).and_then(|avatar| avatars.get_mut(avatar).ok())
        else {
            order.reject(Rejection::Dead.code());
            continue;
        };
        let mut wanted = Wanted { intent: *intent, facing: *facing, loadout: *loadout };
        match wanted.want(order.command, context.tick, &content, score.over) {
            Ok(()) => {
                intent.set_if_neq(wanted.intent);
                facing.set_if_neq(wanted.facing);
                loadout.set_if_neq(wanted.loadout);
            }
            Err(rejection) => order.reject(rejection.code()),
        }
    }
}

/// Counts what was applied, after every system had its say.
pub(crate) fn count(mut inbox: ResMut<'_, Inbox<Command>>, mut seats: Query<'_, '_, (&Seat, &mut Tally)>) {
    let mut applied = BTreeMap::<_, u32>::new();
    for order in inbox.iter_mut().filter(|order| order.is_applied()) {
        *applied.entry(order.player).or_default() += 1;
    }
    if applied.is_empty() {
        return;
    }
    for (seat, mut tally) in &mut seats {
        if let Some(count) = applied.get(&seat.player) {
            tally.applied += count;
        }
    }
}

struct Wanted {
    intent: Intent,
    facing: Facing,
    loadout: Loadout,
}

impl Wanted {
    fn want(&mut self, command: Command, tick: u64, content: &Content, over: bool) -> Result<(), Rejection> {
        match command {
            Command::Move { x: i8::MIN, .. } | Command::Move { y: i8::MIN, .. } => Err(Rejection::BadDirection),
            Command::Move { x, y } => {
                (self.intent.x, self.intent.y) = (x, y);
                Ok(())
            }
            Command::Aim { angle } => {
                self.facing.angle = angle;
                Ok(())
            }
            Command::Fire { held: true } => self.press(tick, over),
            Command::Fire { held: false } => {
                self.release();
                Ok(())
            }
            Command::Reload => self.reload(tick, content),
            Command::Use => Ok(()),
        }
    }

    fn press(&mut self, tick: u64, over: bool) -> Result<(), Rejection> {
        if over {
            return Err(Rejection::RoundOver);
        }
        if self.loadout.ammo == 0 && self.loadout.reserve == 0 {
            return Err(Rejection::NoAmmo);
        }
        if tick < self.loadout.ready_at {
            return Err(Rejection::CoolingDown);
        }
        self.intent.trigger = Intent::PRESSED;
        Ok(())
    }

    const fn release(&mut self) {
        self.intent.trigger = match self.intent.trigger {
            Intent::PRESSED | Intent::TAPPED => Intent::TAPPED,
            _ => Intent::RELEASED,
        };
    }

    fn reload(&mut self, tick: u64, content: &Content) -> Result<(), Rejection> {
        let weapon = content.balance.weapon(self.loadout.weapon);
        if self.loadout.reloading {
            return Err(Rejection::CoolingDown);
        }
        if self.loadout.ammo >= weapon.magazine {
            return Err(Rejection::MagazineFull);
        }
        if self.loadout.reserve == 0 {
            return Err(Rejection::NoAmmo);
        }
        self.loadout.start_reload(tick, weapon);
        Ok(())
    }
}

/// The body of a player, if it lives.
pub(crate) fn avatar_of(seats: &Query<'_, '_, &Seat>, player: ecs_state::PlayerId) -> Option<EntityId> {
    seats.iter().find(|seat| seat.player == player).map(|seat| seat.avatar)
}
