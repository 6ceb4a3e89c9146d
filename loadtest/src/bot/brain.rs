//! Decides what a bot wants: whom to shoot at, where to go. Plays like a person who is not very good at it.
//!
//! Knows no walls: who walks against one for a moment tries another way.

use arena::components::Pickup;
use protocol::{Columns, EntityId, Tick};

use super::random::Random;
use super::scene::{Body, Lens, Scene};
use super::space::{METRE, Vector, apart, lead};
use super::voice::Wants;

/// What one bot has in mind.
#[derive(Debug, Clone)]
pub(crate) struct Brain {
    random: Random,
    target: Option<EntityId>,
    /// Seen once, then known.
    shot_speed: f64,
    /// Added to each aim: nobody aims perfectly.
    error: Whim<i16>,
    /// Where to stroll without anything to do.
    heading: Whim<u16>,
    /// Round the target to the left or to the right.
    is_left: Whim<bool>,
    /// Looks about this much while strolling.
    glance: Whim<i16>,
    /// A way round what stands in the way, while it is tried.
    detour: Whim<Option<u16>>,
    /// Where the bot was, to notice that it does not get on.
    mark: (Tick, Vector),
    /// Drones are many; they are not looked through in each tick.
    drones_at: Tick,
}

/// Something decided by chance, until a tick.
#[derive(Debug, Clone, Copy, Default)]
struct Whim<T> {
    value: T,
    until: Tick,
}

impl<T: Copy> Whim<T> {
    /// The value; decided anew when its time is over.
    fn at(
        &mut self,
        tick: Tick,
        random: &mut Random,
        ticks: (u64, u64),
        decide: impl FnOnce(&mut Random, T) -> T,
    ) -> T {
        if tick >= self.until {
            self.value = decide(random, self.value);
            self.until = Tick(tick.0 + random.between(ticks.0, ticks.1));
        }
        self.value
    }
}

impl Brain {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            target: None,
            shot_speed: SHOT_SPEED_GUESS,
            error: Whim::default(),
            heading: Whim::default(),
            is_left: Whim::default(),
            glance: Whim::default(),
            detour: Whim::default(),
            mark: (Tick(0), Vector::default()),
            drones_at: Tick(0),
        }
    }

    pub(crate) fn decide(&mut self, scene: &Scene, lens: &Lens, columns: &Columns, tick: Tick) -> Wants {
        if let Some(speed) = scene.shot_speed {
            self.shot_speed = speed;
        }
        let target = self.pick_target(scene, lens, columns, tick);
        self.target = target.map(|target| target.entity);
        let way = self.pick_way(scene, target, tick);
        let (aim, fire) = match target {
            Some(target) => self.aim_at(scene, target, tick),
            None => (self.look_about(way, tick), false),
        };
        let weapon = scene.weapon;
        // With nobody to shoot at there is time to fill up.
        let spare = if target.is_some() { 1 } else { SPARE_SHOTS };
        Wants {
            walk: walk(way),
            aim,
            fire: fire && weapon.loaded > 0 && !scene.is_round_over,
            is_ready: weapon.ready_at <= tick,
            reload: weapon.loaded < spare && weapon.reserve > 0 && !weapon.is_reloading,
            take: scene.nearest_pickup(Pickup::WEAPON).is_some_and(|(_, distance)| distance < REACH),
        }
    }

    /// The nearest enemy, but not another one every moment; a drone when there is none.
    fn pick_target(&mut self, scene: &Scene, lens: &Lens, columns: &Columns, tick: Tick) -> Option<Body> {
        let distance = |body: &Body| (body.place - scene.me.place).length();
        let in_sight = || scene.enemies.iter().copied().filter(|body| distance(body) < SIGHT);
        let nearest = in_sight().min_by(|one, other| distance(one).total_cmp(&distance(other)));
        let kept = in_sight().find(|body| Some(body.entity) == self.target);
        match (kept, nearest) {
            (Some(kept), Some(nearest)) if distance(&kept) < FAITHFUL * distance(&nearest) => Some(kept),
            (_, Some(nearest)) => Some(nearest),
            (_, None) => self.pick_drone(scene, lens, columns, tick),
        }
    }

    fn pick_drone(&mut self, scene: &Scene, lens: &Lens, columns: &Columns, tick: Tick) -> Option<Body> {
        let distance = |body: &Body| (body.place - scene.me.place).length();
        if tick < self.drones_at {
            let kept = self.target.and_then(|drone| lens.body(columns, drone));
            return kept.filter(|body| distance(body) < RANGE);
        }
        self.drones_at = Tick(tick.0 + DRONES_EVERY_TICKS);
        let near = lens.drones(columns).filter(|body| distance(body) < RANGE);
        near.min_by(|one, other| distance(one).total_cmp(&distance(other)))
    }

    /// The angle that hits, more or less, and whether to shoot now.
    fn aim_at(&mut self, scene: &Scene, target: Body, tick: Tick) -> (u16, bool) {
        let meeting = lead(scene.me.place, target.place, target.velocity, self.shot_speed);
        let error = self
            .error
            .at(tick, &mut self.random, (8, 24), |random, _| random.below(2 * AIM_ERROR + 1) as i16 - AIM_ERROR as i16);
        let aim = (meeting - scene.me.place).angle().wrapping_add_signed(error);
        let distance = (target.place - scene.me.place).length();
        // As wide as the target looks.
        let width = Vector::new(distance, BODY).angle().clamp(AIM_TOLERANCE, 8_192);
        (aim, distance < RANGE && apart(scene.facing, aim) <= width)
    }

    /// Where to go; the zero vector means to stand.
    fn pick_way(&mut self, scene: &Scene, target: Option<Body>, tick: Tick) -> Vector {
        if let Some(detour) = self.pick_detour(scene, tick) {
            return Vector::towards(detour);
        }
        match (scene.need(), target) {
            (Some((place, _)), _) => place - scene.me.place,
            (None, Some(target)) if scene.is_enemy(target.entity) => self.dance(target.place - scene.me.place, tick),
            // A drone is shot at in passing.
            (None, _) => self.stroll(scene, tick),
        }
    }

    /// Keeps its distance from what it shoots at, and never stands still before it.
    fn dance(&mut self, way: Vector, tick: Tick) -> Vector {
        let is_left = self.is_left.at(tick, &mut self.random, (12, 45), |random, _| random.below(2) == 0);
        let distance = way.length().max(1.0);
        let ahead = way * (1.0 / distance);
        let aside = if is_left { ahead.turned() } else { ahead.turned() * -1.0 };
        let closer = if distance > FAR {
            1.0
        } else if distance < NEAR {
            -1.0
        } else {
            0.0
        };
        ahead * closer + aside * 0.8
    }

    /// Mostly towards the nearest enemy in sight; now and then anywhere, which leads round walls in the end. With nobody in
    /// sight straight on for a while: who turns all the time meets nobody.
    fn stroll(&mut self, scene: &Scene, tick: Tick) -> Vector {
        let ways = scene.enemies.iter().map(|enemy| enemy.place - scene.me.place);
        let nearest = ways.min_by(|one, other| one.length().total_cmp(&other.length()));
        let ticks = if nearest.is_some() { (15, 60) } else { (90, 180) };
        let heading = self.heading.at(tick, &mut self.random, ticks, |random, _| {
            let anywhere = random.next() as u16;
            let is_drawn = random.share() < 0.85;
            nearest.filter(|_| is_drawn).map_or(anywhere, Vector::angle)
        });
        Vector::towards(heading)
    }

    fn look_about(&mut self, way: Vector, tick: Tick) -> u16 {
        let glance = self.glance.at(tick, &mut self.random, (4, 12), |random, before| {
            // Left and right in turn, so that each look is a new one.
            let width = random.between(600, 6_000) as i16;
            if before > 0 { -width } else { width }
        });
        way.angle().wrapping_add_signed(glance)
    }

    /// Tries another way for a moment when the last one led against something.
    fn pick_detour(&mut self, scene: &Scene, tick: Tick) -> Option<u16> {
        let (since, place) = self.mark;
        if tick.0 >= since.0 + STUCK_TICKS || tick < since {
            let is_stuck =
                (scene.me.place - place).length() < STUCK_WAY && since.0 > 0 && tick.0 < since.0 + 2 * STUCK_TICKS;
            self.mark = (tick, scene.me.place);
            if is_stuck {
                let heading = self.random.next() as u16;
                self.detour = Whim { value: Some(heading), until: Tick(tick.0 + self.random.between(10, 30)) };
            }
        }
        self.detour.value.filter(|_| tick < self.detour.until)
    }
}

/// A direction as a command has it: one of 16, at full speed, so that small turns are no news.
fn walk(way: Vector) -> (i8, i8) {
    if way.length() < 1e-6 {
        return (0, 0);
    }
    let sixteenth = way.angle().wrapping_add(2_048) & !4_095;
    let direction = Vector::towards(sixteenth) * 127.0;
    (direction.x.round() as i8, direction.y.round() as i8)
}

/// Enemies farther off are walked to, not shot at.
const SIGHT: f64 = 30.0 * METRE;
/// Shots at more are wasted.
const RANGE: f64 = 22.0 * METRE;
/// Too far for a fight.
const FAR: f64 = 12.0 * METRE;
/// Too near for one.
const NEAR: f64 = 5.0 * METRE;
/// Where a weapon on the ground can be taken.
const REACH: f64 = METRE;
/// Half a body's width.
const BODY: f64 = 0.5 * METRE;
/// A target is kept until another is this much nearer.
const FAITHFUL: f64 = 1.5;
/// No magazine is full with fewer shots than this.
const SPARE_SHOTS: i64 = 4;
/// Until one of the bot's own shots was seen.
const SHOT_SPEED_GUESS: f64 = 25.0 * METRE;
/// Most that an aim is off: 1.6 degrees.
const AIM_ERROR: u64 = 300;
/// A bot whose aim is this near shoots: 2 degrees.
const AIM_TOLERANCE: u16 = 364;
const DRONES_EVERY_TICKS: u64 = 10;
/// Who moved less than this ...
const STUCK_WAY: f64 = 0.4 * METRE;
/// ... in so many ticks stands before something.
const STUCK_TICKS: u64 = 12;
