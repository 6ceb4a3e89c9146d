//! What happened, in a designer's words, read from two states that follow each other.
//!
//! | kind | entity | player | by | value |
//! |---|---|---|---|---|
//! | `hit` | the body or drone | who was hit, 0 for a drone | who shot last | what was lost of health and shield |
//! | `death` | the body or drone | who died, 0 for a drone | the killer | 1 |
//! | `pickup` | what was taken | who took it | 0 | 1 health, 2 ammunition, 3 shield, 4 and more: 4 + number of the weapon |
//! | `score` | the seat | whose points | 0 | points |
//! | `round` | 1 | 0 | 0 | number of the round that begins; below 0: of the one that ended |
//!
//! A body that is hit more than once in a tick tells of one hit. Of a killer the seat tells: its kills rose. Where
//! several die in one tick, the shots that ended near a body say whose it was.

use std::collections::BTreeMap;

use ecs_state::{EntityId, Moment, Replicated};
use protocol::Columns;
use protocol::columns::Column;

use crate::components::{Drone, Health, Loadout, METRE, Pickup, Position, Score, Seat, Shot, Team, Velocity, Wound};
use crate::shapes::{distance_squared, per_tick};

/// Tells all moments of a tick: hits, deaths, points, what was taken, rounds.
pub(crate) fn between(before: &Columns, after: &Columns) -> Vec<Moment> {
    let change = Change { before: State(before), after: State(after) };
    let mut told = Vec::new();
    if change.touches::<Wound>() {
        change.hits(&mut told);
        change.deaths(&mut told);
    }
    if change.touches::<Seat>() {
        change.points(&mut told);
    }
    if change.touches::<Pickup>() {
        change.taken(&mut told);
    }
    change.rounds(&mut told);
    told
}

/// A state, by the types of the rules.
#[derive(Clone, Copy)]
struct State<'a>(&'a Columns);

impl<'a> State<'a> {
    fn column<T: Replicated>(self) -> &'a Column {
        let index = self.0.manifest().index_of(T::NUMBER).expect("states of the arena have its components");
        self.0.column(index)
    }

    fn get<T: Replicated>(self, entity: EntityId) -> Option<T> {
        self.column::<T>().row(entity).map(T::take)
    }

    fn rows<T: Replicated>(self) -> impl Iterator<Item = (EntityId, T)> + 'a {
        self.column::<T>().iter().map(|(entity, row)| (entity, T::take(row)))
    }

    fn score(self) -> Score {
        self.rows::<Score>().next().map_or_else(Score::default, |(_, score)| score)
    }

    fn owner(self, entity: EntityId) -> u32 {
        self.0.owner(entity).unwrap_or_default()
    }

    fn metres(self, entity: EntityId) -> Option<[f64; 2]> {
        self.get::<Position>(entity).map(|at| [at.x, at.y].map(|part| f64::from(part) / f64::from(METRE)))
    }
}

struct Change<'a> {
    before: State<'a>,
    after: State<'a>,
}

impl Change<'_> {
    fn touches<T: Replicated>(&self) -> bool {
        self.before.column::<T>().hash() != self.after.column::<T>().hash()
    }

    fn is_new_round(&self) -> bool {
        self.before.score().round != self.after.score().round
    }

    /// Bodies and drones that were hurt and live.
    fn hits(&self, told: &mut Vec<Moment>) {
        for (entity, wound) in self.after.rows::<Wound>() {
            if wound.tick == 0 || self.before.get::<Wound>(entity) == Some(wound) {
                continue;
            }
            let (old, new) = (self.before.get::<Health>(entity), self.after.get::<Health>(entity));
            let lost = old
                .zip(new)
                .map_or(0, |(old, new)| old.points.saturating_sub(new.points) + old.shield.saturating_sub(new.shield));
            told.push(Moment {
                kind: "hit",
                entity: entity.0,
                player: self.after.owner(entity),
                by: wound.by.0,
                at: self.after.metres(entity),
                value: lost.into(),
            });
        }
    }

    /// Each death, and the hit that it came from.
    fn deaths(&self, told: &mut Vec<Moment>) {
        let mut dead: Vec<_> = self.dead_players();
        let drones = self.before.rows::<Drone>().map(|(drone, _)| drone);
        dead.extend(drones.filter(|drone| self.after.get::<Drone>(*drone).is_none()).map(|drone| (drone, 0)));
        if dead.is_empty() {
            return;
        }
        let killers = self.killers(&dead);
        for ((entity, player), by) in dead.into_iter().zip(killers) {
            let left = self.before.get::<Health>(entity).map_or(0, |health| i64::from(health.points + health.shield));
            let at = self.before.metres(entity);
            told.push(Moment { kind: "hit", entity: entity.0, player, by, at, value: left });
            told.push(Moment { kind: "death", entity: entity.0, player, by, at, value: 1 });
        }
    }

    /// Bodies of those whose deaths rose. A body that came and went within the tick has no number here.
    fn dead_players(&self) -> Vec<(EntityId, u32)> {
        self.risen(|seat| u32::from(seat.deaths))
            .map(|(entity, seat, _)| {
                let body = self.before.get::<Seat>(entity).map_or(EntityId(0), |seat| seat.avatar);
                (body, seat.player.0)
            })
            .collect()
    }

    /// Seats of which something is more than before, and how much more. Rounds begin with nothing.
    fn risen(&self, what: impl Fn(&Seat) -> u32) -> impl Iterator<Item = (EntityId, Seat, u32)> {
        let is_new_round = self.is_new_round();
        self.after.rows::<Seat>().filter_map(move |(entity, seat)| {
            let old = self.before.get::<Seat>(entity).filter(|_| !is_new_round);
            let more = what(&seat).saturating_sub(old.as_ref().map_or(0, &what));
            (more > 0).then_some((entity, seat, more))
        })
    }

    /// Who killed each of the dead: nearest shots first, and nobody more often than its kills rose.
    fn killers(&self, dead: &[(EntityId, u32)]) -> Vec<u32> {
        let mut kills: BTreeMap<u32, u32> =
            self.risen(|seat| seat.kills.into()).map(|(_, seat, more)| (seat.player.0, more)).collect();
        let seated: Vec<u32> = self.after.rows::<Seat>().map(|(_, seat)| seat.player.0).collect();
        let mut found = vec![None; dead.len()];
        let mut near = self.shots_at(dead);
        near.sort_unstable_by_key(|(distance, victim, by)| (*distance, *victim, *by));
        for (_, victim, by) in near {
            let is_drone = dead[victim].1 == 0;
            // Drones count as no kill, nor does a killer who has left.
            let may = is_drone || !seated.contains(&by) || kills.get(&by).is_some_and(|left| *left > 0);
            if found[victim].is_none() && may {
                found[victim] = Some(by);
                if let Some(left) = kills.get_mut(&by).filter(|_| !is_drone) {
                    *left = left.saturating_sub(1);
                }
            }
        }
        // A shot from so near that no state has seen it.
        for (victim, (entity, _)) in dead.iter().enumerate().filter(|(_, (_, player))| *player != 0) {
            if found[victim].is_none() {
                let team = self.before.get::<Team>(*entity);
                let is_foe = |player: u32| self.team_of(player).is_none_or(|other| Some(other) != team);
                let by = kills.iter().find(|(player, left)| **left > 0 && is_foe(**player)).map(|(player, _)| *player);
                if let Some(by) = by {
                    kills.entry(by).and_modify(|left| *left -= 1);
                }
                found[victim] = by;
            }
        }
        found.into_iter().map(Option::unwrap_or_default).collect()
    }

    fn team_of(&self, player: u32) -> Option<Team> {
        let seat = self.after.rows::<Seat>().find(|(_, seat)| seat.player.0 == player);
        seat.map(|(_, seat)| Team { team: seat.team })
    }

    /// How near the ways of this tick's last shots came to the dead: squared distance, place in `dead`, shooter.
    fn shots_at(&self, dead: &[(EntityId, u32)]) -> Vec<(u64, usize, u32)> {
        let ended = self.before.rows::<Shot>().filter(|(shot, _)| self.after.get::<Shot>(*shot).is_none());
        let mut near = Vec::new();
        for (entity, shot) in ended {
            let (Some(from), Some(speed)) = (self.before.get(entity), self.before.get::<Velocity>(entity)) else {
                continue;
            };
            let team = self.before.get::<Team>(entity);
            for (place, (victim, _)) in dead.iter().enumerate() {
                let is_foe = self.before.get::<Team>(*victim).is_none_or(|other| Some(other) != team);
                let at = self.before.get::<Position>(*victim).filter(|_| is_foe);
                let distance = at.map(|at| distance_of_way(from, speed, at));
                near.extend(distance.filter(|far| *far <= NEAR_SQUARED).map(|far| (far, place, shot.by.0)));
            }
        }
        near
    }

    fn points(&self, told: &mut Vec<Moment>) {
        told.extend(self.risen(|seat| seat.score).map(|(entity, seat, more)| Moment {
            kind: "score",
            entity: entity.0,
            player: seat.player.0,
            by: 0,
            at: self.after.metres(seat.avatar),
            value: more.into(),
        }));
    }

    fn taken(&self, told: &mut Vec<Moment>) {
        for (entity, pickup) in self.after.rows::<Pickup>().filter(|(_, pickup)| !pickup.is_there()) {
            if self.before.get::<Pickup>(entity).is_none_or(|old| !old.is_there()) {
                continue;
            }
            let which = if pickup.item == Pickup::WEAPON { pickup.item + pickup.weapon } else { pickup.item };
            told.push(Moment {
                kind: "pickup",
                entity: entity.0,
                player: self.taker(entity, pickup),
                by: 0,
                at: self.after.metres(entity),
                value: which.into(),
            });
        }
    }

    /// The nearest of those who have more of what was taken; else the nearest of all.
    fn taker(&self, entity: EntityId, pickup: Pickup) -> u32 {
        let Some(place) = self.after.get::<Position>(entity) else { return 0 };
        let bodies = self.after.rows::<Loadout>().filter_map(|(body, loadout)| {
            let far = distance_squared(self.after.get(body)?, place);
            Some((!self.has_more(body, loadout, pickup), far, self.after.owner(body)))
        });
        bodies.min().map_or(0, |(_, _, player)| player)
    }

    fn has_more(&self, body: EntityId, loadout: Loadout, pickup: Pickup) -> bool {
        let (Some(old), Some(new)) = (self.before.get::<Health>(body), self.after.get::<Health>(body)) else {
            return false;
        };
        let carried = self.before.get::<Loadout>(body);
        match pickup.item {
            Pickup::HEALTH => new.points > old.points,
            Pickup::SHIELD => new.shield > old.shield,
            Pickup::AMMO => carried.is_some_and(|carried| loadout.reserve > carried.reserve),
            _ => loadout.weapon == pickup.weapon && carried.is_some_and(|carried| carried != loadout),
        }
    }

    fn rounds(&self, told: &mut Vec<Moment>) {
        let (old, new) = (self.before.score(), self.after.score());
        let round = |value| Moment { kind: "round", entity: 1, player: 0, by: 0, at: None, value };
        if new.over && !old.over {
            told.push(round(-i64::from(new.round)));
        }
        if new.round != old.round {
            told.push(round(new.round.into()));
        }
    }
}

/// Square of the smallest distance between the way of a shot in one tick and a place.
fn distance_of_way(from: Position, speed: Velocity, at: Position) -> u64 {
    let (dx, dy) = (i64::from(per_tick(speed.x)), i64::from(per_tick(speed.y)));
    let (x, y) = (i64::from(at.x - from.x), i64::from(at.y - from.y));
    let way = (dx * dx + dy * dy).max(1);
    let along = (x * dx + y * dy).clamp(0, way);
    let nearest = Position { x: from.x + (dx * along / way) as i32, y: from.y + (dy * along / way) as i32 };
    distance_squared(nearest, at)
}

/// A body's radius and its way in a tick are less than a metre together.
const NEAR_SQUARED: u64 = (METRE as u64).pow(2);
