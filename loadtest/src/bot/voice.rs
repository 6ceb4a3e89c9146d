//! Turns what a bot wants into commands: only what changed, and never more than its rate.
//!
//! A move, an aim and a trigger hold until they are changed, so saying them again would be noise. What was refused is
//! as if it had never been said, but is kept back for a moment.

use arena::Command;
use protocol::{EntityId, Tick};

use super::space::apart;

/// What a bot wants in a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wants {
    pub(crate) walk: (i8, i8),
    pub(crate) aim: u16,
    /// To hold the trigger ...
    pub(crate) fire: bool,
    /// ... which can be pressed when the weapon is ready, and held on while it is not.
    pub(crate) is_ready: bool,
    pub(crate) reload: bool,
    pub(crate) take: bool,
}

/// What the server was told, and how much more may be said.
#[derive(Debug, Clone)]
pub(crate) struct Voice {
    told: Told,
    /// For each kind of command: not before this tick.
    quiet_until: [Tick; KINDS],
    pace: Pace,
}

/// What was said for one avatar.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    avatar: EntityId,
    walk: Option<(i8, i8)>,
    aim: Option<u16>,
    fire: Option<bool>,
}

/// A bucket of commands that fills with ticks.
#[derive(Debug, Clone)]
struct Pace {
    per_tick: f64,
    burst: f64,
    allowance: f64,
    last: Option<Tick>,
}

impl Voice {
    pub(crate) fn new(commands_per_second: f64, tick_millihertz: u32) -> Self {
        Self {
            told: Told::default(),
            quiet_until: [Tick(0); KINDS],
            pace: Pace::new(commands_per_second, tick_millihertz),
        }
    }

    /// The commands to send now, at most `room`.
    pub(crate) fn say(&mut self, avatar: EntityId, wants: Wants, tick: Tick, room: usize) -> Vec<Command> {
        if self.told.avatar != avatar {
            // A new body has heard nothing yet.
            self.told = Told { avatar, ..Told::default() };
        }
        self.pace.pass(tick);
        let mut commands = Vec::new();
        for command in self.changes(wants) {
            if commands.len() == room || self.quiet_until[kind(command)] > tick || !self.pace.take() {
                continue;
            }
            self.note(command, tick);
            commands.push(command);
        }
        commands
    }

    /// A command was refused.
    pub(crate) fn handle_rejection(&mut self, command: Command, tick: Tick) {
        match command {
            Command::Move { .. } => self.told.walk = None,
            Command::Aim { .. } => self.told.aim = None,
            Command::Fire { .. } => self.told.fire = None,
            Command::Reload | Command::Use => {}
        }
        self.keep_back(command, Tick(tick.0 + REFUSED_TICKS));
    }

    /// What differs from what was told, the most pressing first.
    fn changes(&self, wants: Wants) -> impl Iterator<Item = Command> + use<> {
        let Told { walk, aim, fire, .. } = self.told;
        let (x, y) = wants.walk;
        let released = (!wants.fire && fire == Some(true)).then_some(Command::Fire { held: false });
        let walk = (walk.unwrap_or_default() != wants.walk).then_some(Command::Move { x, y });
        let aim =
            aim.is_none_or(|told| apart(told, wants.aim) > AIM_SLACK).then_some(Command::Aim { angle: wants.aim });
        let pressed = (wants.fire && wants.is_ready && fire != Some(true)).then_some(Command::Fire { held: true });
        let reload = wants.reload.then_some(Command::Reload);
        let take = wants.take.then_some(Command::Use);
        [released, walk, aim, pressed, reload, take].into_iter().flatten()
    }

    fn note(&mut self, command: Command, tick: Tick) {
        match command {
            Command::Move { x, y } => self.told.walk = Some((x, y)),
            Command::Aim { angle } => self.told.aim = Some(angle),
            Command::Fire { held } => self.told.fire = Some(held),
            // These hold for nothing; the wish may stand for some ticks until its effect is seen.
            Command::Reload | Command::Use => self.keep_back(command, Tick(tick.0 + ONCE_TICKS)),
        }
    }

    fn keep_back(&mut self, command: Command, until: Tick) {
        let quiet = &mut self.quiet_until[kind(command)];
        *quiet = until.max(*quiet);
    }
}

impl Pace {
    fn new(per_second: f64, tick_millihertz: u32) -> Self {
        let ticks_per_second = f64::from(if tick_millihertz == 0 { 30_000 } else { tick_millihertz }) / 1_000.0;
        let per_second = if per_second.is_finite() { per_second.max(0.0) } else { ticks_per_second };
        let per_tick = per_second / ticks_per_second;
        // The share of a command that is left over must not be lost while the bucket is full.
        let burst = (per_second / BURST_PER_SECOND).max(1.0) + per_tick;
        Self { per_tick, burst, allowance: 0.0, last: None }
    }

    /// Time passed; what was not used in a long silence is not made up for.
    fn pass(&mut self, tick: Tick) {
        let ticks = self.last.map_or(1, |last| tick.0.saturating_sub(last.0));
        self.allowance = (self.allowance + self.per_tick * ticks as f64).min(self.burst);
        self.last = Some(tick);
    }

    fn take(&mut self) -> bool {
        let is_allowed = self.allowance >= 1.0;
        if is_allowed {
            self.allowance -= 1.0;
        }
        is_allowed
    }
}

const fn kind(command: Command) -> usize {
    match command {
        Command::Move { .. } => 0,
        Command::Aim { .. } => 1,
        Command::Fire { .. } => 2,
        Command::Reload => 3,
        Command::Use => 4,
    }
}

const KINDS: usize = 5;
/// An aim this near is good enough: 0.7 degrees.
const AIM_SLACK: u16 = 128;
/// A refused wish waits this long.
const REFUSED_TICKS: u64 = 8;
/// So long does a wish that happens at once wait for its effect before it is said again.
const ONCE_TICKS: u64 = 30;
/// A bucket holds a fifth of a second's commands.
const BURST_PER_SECOND: f64 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;

    const AVATAR: EntityId = EntityId(7);

    fn wants() -> Wants {
        Wants { walk: (127, 0), aim: 1_000, fire: true, is_ready: true, ..Wants::default() }
    }

    /// Fast enough to say everything at once.
    fn voice() -> Voice {
        let mut voice = Voice::new(300.0, 30_000);
        voice.pace.allowance = voice.pace.burst;
        voice
    }

    #[test]
    fn what_did_not_change_is_not_said_again() {
        let mut voice = voice();
        let first = voice.say(AVATAR, wants(), Tick(1), 32);
        assert_eq!(
            first,
            [Command::Move { x: 127, y: 0 }, Command::Aim { angle: 1_000 }, Command::Fire { held: true }]
        );
        assert_eq!(voice.say(AVATAR, wants(), Tick(2), 32), []);
        let turned = Wants { aim: 2_000, fire: false, ..wants() };
        let second = voice.say(AVATAR, turned, Tick(3), 32);
        assert_eq!(second, [Command::Fire { held: false }, Command::Aim { angle: 2_000 }]);
    }

    #[test]
    fn a_new_body_is_told_everything_again() {
        let mut voice = voice();
        let _ = voice.say(AVATAR, wants(), Tick(1), 32);
        assert_eq!(voice.say(EntityId(9), wants(), Tick(2), 32).len(), 3);
    }

    #[test]
    fn what_has_no_room_is_said_later() {
        let mut voice = voice();
        assert_eq!(voice.say(AVATAR, wants(), Tick(1), 0), []);
        assert_eq!(voice.say(AVATAR, wants(), Tick(2), 1), [Command::Move { x: 127, y: 0 }]);
        assert_eq!(voice.say(AVATAR, wants(), Tick(3), 32).len(), 2);
    }

    #[test]
    fn what_was_refused_is_said_again_after_a_moment() {
        let mut voice = voice();
        let _ = voice.say(AVATAR, wants(), Tick(1), 32);
        voice.handle_rejection(Command::Fire { held: true }, Tick(3));
        assert_eq!(voice.say(AVATAR, wants(), Tick(4), 32), []);
        assert_eq!(voice.say(AVATAR, wants(), Tick(3 + REFUSED_TICKS), 32), [Command::Fire { held: true }]);
    }

    #[test]
    fn no_window_of_time_holds_more_than_the_rate_and_one_burst() {
        for rate in [0.0, 0.5, 5.0, 12.0, 30.0] {
            let mut voice = Voice::new(rate, 30_000);
            let mut said = Vec::new();
            for tick in 0..900u64 {
                // Everything changes in every tick.
                let walk = ((tick % 64) as i8, 1);
                let (aim, fire) = ((tick * 999) as u16, tick.is_multiple_of(2));
                let wants = Wants { walk, aim, fire, is_ready: true, reload: true, take: true };
                said.push(voice.say(AVATAR, wants, Tick(tick), 32).len() as f64);
            }
            for ticks in [1, 30, 300, 900] {
                let most = rate * (ticks + 1) as f64 / 30.0 + (rate / BURST_PER_SECOND).max(1.0);
                assert!(said.windows(ticks).all(|window| window.iter().sum::<f64>() <= most), "{rate} in {ticks}");
            }
            let total: f64 = said.iter().sum();
            assert!(total >= rate * 30.0 * 0.9, "{rate}: {total}");
        }
    }

    #[test]
    fn a_long_silence_is_not_made_up_for() {
        let mut voice = Voice::new(10.0, 30_000);
        let _ = voice.say(AVATAR, Wants::default(), Tick(1), 32);
        assert!(voice.say(AVATAR, wants(), Tick(10_000), 32).len() <= 2);
    }
}
