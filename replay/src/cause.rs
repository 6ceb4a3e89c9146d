//! Which command caused a write, found by leaving commands out.
//!
//! A command is a **cause** of a write when the match, played again without that one command, does not have the write:
//! the same system does not write the same row in that tick, leaves another value, or names another player in the
//! entity's rows (who hurt it: the same damage done by somebody else is another write). Numbers of entities count as
//! there or not there alone, since each one depends on everything that was ever spawned.
//!
//! By that measure a hit has many causes: the shot, but also the last step of who was hit. Which of them is told
//! follows from **who has to do with the write**, in this order:
//!
//! 1. other players whom the system names in the entity's rows (who hurt it, who shot it),
//! 2. other players whom the system names in other rows in that tick (the dead body that brings a point),
//! 3. the entity's owner,
//! 4. owners of other entities that the system wrote in that tick (who took what lay there),
//! 5. anybody who commanded something in that very tick.
//!
//! Of the first of these with a cause at all, the **newest** cause is told. It is found by leaving out all their
//! commands from one on, which is bisected for, and then by leaving out that one alone, or up to [`ALONE_TRIED_MAX`]
//! older ones, one at a time. When only several commands of one player together make the difference (it asks for the
//! same again before it happened), the oldest of the shortest such tail is told and [`Cause::alone`] is false: without
//! it and what came after, the write is gone, and with it, it is there.
//!
//! What something new, like a shot, does before anybody commands it has the cause of its making.
//!
//! There is **no command** behind a write when none of these players' commands of the last
//! [`CAUSE_TICKS_MAX`] ticks makes a difference: drones and clocks. There is none either behind what a rule does in its
//! own time because of something another player did before: a player comes back after being shot; [`Caused::follows`]
//! says the tick of that earlier write, which has a cause of its own. Chance is no cause: in a game whose machines
//! share seeded dice, each command changes what they throw next. Ask for `anyone` to search all players' commands all
//! the same.

use std::sync::Arc;

use ecs_state::{Game, Input};
use protocol::EntityId;
use protocol::manifest::FieldKind;
use serde::Serialize;

use crate::traced::{TracedTick, TracedWrite, trace_tick};
use crate::{Reel, ReplayError, Source};

/// How far back causes are searched. At 30 ticks a second, 100 seconds.
pub const CAUSE_TICKS_MAX: u64 = 3_000;

/// How many commands are left out one at a time, from the newest that may be it.
pub const ALONE_TRIED_MAX: usize = 64;

/// Windows that are tried one after the other: most causes are near, and playing a short one again is quick.
const WINDOWS: [u64; 3] = [150, 600, CAUSE_TICKS_MAX];

/// A command that caused a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Whose.
    pub player: u32,
    /// The player session that sent it; null in files of version 1.
    pub session: Option<u64>,
    /// Its number in the session; null in files of version 1.
    pub seq: Option<u64>,
    /// Position in the log; null in files of version 1.
    pub position: Option<i64>,
    /// The tick that took it in.
    pub tick: u64,
    /// As people read it.
    pub text: String,
    /// Whether the write is gone when this command alone is left out.
    pub alone: bool,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caused {
    /// The cause.
    pub(crate) command: Option<Cause>,
    /// The tick of an earlier write that has another player's command for its cause, and this one follows by itself.
    pub(crate) follows: Option<u64>,
    /// Commands from this tick on were searched.
    pub(crate) searched_from: u64,
}

impl Caused {
    pub(crate) const fn direct(command: Option<Cause>, searched_from: u64) -> Self {
        Self { command, follows: None, searched_from }
    }
}

/// A command of the record: its tick, its place among the inputs of the tick, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Recorded {
    tick: u64,
    place: usize,
    player: u32,
}

/// What of a write must be the same for it to be the same write.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    owner: u32,
    value: Option<i64>,
    named: Vec<u32>,
}

/// A cause, and whether the write is gone without it alone.
type Found = (Recorded, bool);

/// Searches the causes of writes of one match.
pub(crate) struct CauseSearch<G: Game> {
    source: Arc<Source>,
    reel: Reel<G>,
    anyone: bool,
    searched_from: u64,
}

impl<G: Game> CauseSearch<G> {
    pub(crate) fn new(source: &Arc<Source>, anyone: bool) -> Result<Self, ReplayError> {
        let reel = Reel::tracing(Arc::clone(source))?;
        Ok(Self { source: Arc::clone(source), reel, anyone, searched_from: 0 })
    }

    /// The cause of a write of a field.
    pub(crate) fn cause(&mut self, write: &TracedWrite, field: usize) -> Result<Caused, ReplayError> {
        self.searched_from = write.tick;
        let (found, follows) = self.search(write, field)?;
        let command = found.map(|(command, alone)| self.told(command, alone));
        Ok(Caused { command, follows, searched_from: self.searched_from })
    }

    fn search(&mut self, write: &TracedWrite, field: usize) -> Result<(Option<Found>, Option<u64>), ReplayError> {
        let oldest = self.oldest(write);
        let birth = if write.is_birth { None } else { self.birth(write.entity, write.tick, oldest)? };
        let from = birth.unwrap_or(oldest + 1);
        for named in [&write.named, &write.named_beside] {
            if let Some(cause) = self.newest(write, field, from, |player| named.contains(&player))? {
                return Ok((Some(cause), None));
            }
        }
        for group in [&[write.owner][..], &write.beside] {
            let is_in = |player| player != 0 && group.contains(&player);
            if let Some(cause) = self.newest(write, field, from, is_in)? {
                return Ok(match self.earlier(write, cause.0)? {
                    Some((earlier, by)) if earlier == write.tick => (Some(by), None),
                    Some((earlier, _)) => (None, Some(earlier)),
                    None => (Some(cause), None),
                });
            }
        }
        if let Some(cause) = self.newest(write, field, write.tick, |_| true)? {
            return Ok((Some(cause), None));
        }
        if let Some(birth) = birth {
            let making = trace_tick::<G>(&mut self.reel, birth)?.of_row(write.entity, write.component);
            if let Some(making) = making.into_iter().find(|making| making.is_birth)
                && let Some(cause) = self.by_others(&making, field)?
            {
                return Ok((Some(cause), None));
            }
        }
        if self.anyone {
            return Ok((self.newest(write, field, from, |_| true)?, None));
        }
        Ok((None, None))
    }

    /// The tick after which commands are searched.
    fn oldest(&self, write: &TracedWrite) -> u64 {
        write.tick.saturating_sub(CAUSE_TICKS_MAX).max(self.source.first_tick())
    }

    /// The entity's first tick, unless it was there at `oldest` already.
    fn birth(&mut self, entity: EntityId, tick: u64, oldest: u64) -> Result<Option<u64>, ReplayError> {
        let exists = |reel: &Reel<G>| reel.columns().column(0).row(entity).is_some();
        self.reel.seek(oldest)?;
        if exists(&self.reel) {
            return Ok(None);
        }
        while self.reel.tick() < tick && self.reel.step().is_some() {
            if exists(&self.reel) {
                return Ok(Some(self.reel.tick()));
            }
        }
        Ok(None)
    }

    /// The cause among other players whom the write names.
    fn by_others(&mut self, write: &TracedWrite, field: usize) -> Result<Option<Found>, ReplayError> {
        let from = self.oldest(write) + 1;
        for named in [&write.named, &write.named_beside] {
            if let Some(cause) = self.newest(write, field, from, |player| named.contains(&player))? {
                return Ok(Some(cause));
            }
        }
        Ok(None)
    }

    /// The newest cause among some players' commands of the ticks from `from` up to the write's.
    fn newest(
        &mut self,
        write: &TracedWrite,
        field: usize,
        from: u64,
        is_in: impl Fn(u32) -> bool,
    ) -> Result<Option<Found>, ReplayError> {
        let commands = self.commands(from, write.tick, is_in);
        // Without all from `low` on it is gone, without all from `high` on it is not.
        let (mut low, mut high) = (commands.len(), commands.len());
        for window in WINDOWS {
            let begin = commands.partition_point(|command| command.tick + window <= write.tick);
            if begin == high {
                continue;
            }
            self.searched_from = self.searched_from.min((write.tick + 1).saturating_sub(window).max(from));
            if self.is_gone(write, field, &commands[begin..])? {
                low = begin;
                break;
            }
            high = begin;
        }
        if low >= high {
            return Ok(None);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.is_gone(write, field, &commands[middle..])? {
                low = middle;
            } else {
                high = middle;
            }
        }
        // Where that one alone makes no difference, an older one may: a trigger that is held, and a hand that steadies.
        for older in commands[..=low].iter().rev().take(ALONE_TRIED_MAX) {
            self.searched_from = self.searched_from.min(older.tick);
            if self.is_gone(write, field, &[*older])? {
                return Ok(Some((*older, true)));
            }
        }
        let tail = &commands[low..];
        let is_of_one = tail.iter().all(|command| command.player == tail[0].player);
        Ok(is_of_one.then_some((tail[0], false)))
    }

    fn commands(&self, from: u64, to: u64, is_in: impl Fn(u32) -> bool) -> Vec<Recorded> {
        let mut commands = Vec::new();
        for tick in from..=to {
            let inputs = self.source.step_of(tick).map(|step| step.inputs.as_slice()).unwrap_or_default();
            for (place, input) in inputs.iter().enumerate() {
                if let Input::Command { player, .. } = input
                    && is_in(*player)
                {
                    commands.push(Recorded { tick, place, player: *player });
                }
            }
        }
        commands
    }

    /// Plays the match again without some commands, given in order: whether the write is gone then.
    fn is_gone(&mut self, write: &TracedWrite, field: usize, left_out: &[Recorded]) -> Result<bool, ReplayError> {
        let Some(first) = left_out.first() else { return Ok(false) };
        self.reel.seek(first.tick - 1)?;
        while self.reel.tick() + 1 < write.tick {
            step_without(&mut self.reel, left_out);
        }
        let before = self.reel.columns().clone();
        let (time_ms, inputs) = inputs_without(&self.source, write.tick, left_out);
        let trace = self.reel.trace_step_with(time_ms, &inputs);
        let played = TracedTick::new(write.tick, trace, &before, self.reel.columns());
        let wanted = self.outcome(write, field);
        let candidates = if write.is_birth {
            played.births(&write.system, write.component)
        } else {
            played.of_row(write.entity, write.component)
        };
        let mut same = candidates.iter().filter(|other| other.system == write.system);
        Ok(!same.any(|other| self.outcome(other, field) == wanted))
    }

    fn outcome(&self, write: &TracedWrite, field: usize) -> Outcome {
        let field = &self.source.manifest().layouts()[write.component].fields[field];
        let value = write.new.as_ref().map(|row| field.read(row)).map(|number| match field.kind {
            FieldKind::Entity => i64::from(number != 0),
            _ => number,
        });
        Outcome { owner: write.owner, value, named: write.named.clone() }
    }

    /// The first earlier write of a row that the system found, by which the command makes its difference, if another
    /// player caused that one: its tick, and the cause.
    fn earlier(&mut self, write: &TracedWrite, left_out: Recorded) -> Result<Option<(u64, Found)>, ReplayError> {
        let Some((tick, entity, component)) = self.first_unequal(write, left_out)? else { return Ok(None) };
        let writes = trace_tick::<G>(&mut self.reel, tick)?.of_row(entity, component);
        let is_before = |earlier: &&TracedWrite| tick < write.tick || earlier.system != write.system;
        for earlier in writes.iter().take_while(is_before) {
            if let Some(field) = self.changed_field(earlier)
                && let Some(by) = self.by_others(earlier, field)?
            {
                return Ok(Some((tick, by)));
            }
        }
        Ok(None)
    }

    /// The first field that a write changed.
    fn changed_field(&self, write: &TracedWrite) -> Option<usize> {
        let fields = &self.source.manifest().layouts()[write.component].fields;
        let read = |row: &Option<Vec<u8>>, place: usize| row.as_ref().map(|row| fields[place].read(row));
        (0..fields.len()).find(|place| read(&write.old, *place) != read(&write.new, *place))
    }

    /// The first tick after which a row that the system found is not what it is without the command, and the row; the
    /// tick of the write when there is none before.
    fn first_unequal(
        &mut self,
        write: &TracedWrite,
        left_out: Recorded,
    ) -> Result<Option<(u64, EntityId, usize)>, ReplayError> {
        let mut without = Reel::<G>::new(Arc::clone(&self.source))?;
        self.reel.seek(left_out.tick - 1)?;
        without.seek(left_out.tick - 1)?;
        while self.reel.tick() + 1 < write.tick && self.reel.step().is_some() {
            step_without(&mut without, &[left_out]);
            for (entity, component) in &write.found {
                let (real, other) = (self.reel.columns(), without.columns());
                if real.column(*component).row(*entity) != other.column(*component).row(*entity) {
                    return Ok(Some((self.reel.tick(), *entity, *component)));
                }
            }
        }
        Ok(write.found.first().map(|(entity, component)| (write.tick, *entity, *component)))
    }

    fn told(&self, command: Recorded, alone: bool) -> Cause {
        let step = self.source.step_of(command.tick).expect("the command was read from there");
        let commands = step.inputs[..command.place].iter().filter(|input| matches!(input, Input::Command { .. }));
        let origin = step.origins.get(commands.count());
        let text = match &step.inputs[command.place] {
            Input::Command { payload, .. } => match G::decode_command(payload) {
                Ok(decoded) => G::command_to_text(&decoded),
                Err(error) => error.to_string(),
            },
            other => format!("{other:?}"),
        };
        Cause {
            player: command.player,
            session: origin.map(|origin| origin.session),
            seq: origin.map(|origin| origin.seq),
            position: origin.map(|origin| origin.position),
            tick: command.tick,
            text,
            alone,
        }
    }
}

fn step_without<G: Game>(reel: &mut Reel<G>, left_out: &[Recorded]) {
    let (time_ms, inputs) = inputs_without(&Arc::clone(reel.source()), reel.tick() + 1, left_out);
    reel.step_with(time_ms, &inputs);
}

/// Log time and inputs of a tick without some commands.
fn inputs_without(source: &Source, tick: u64, left_out: &[Recorded]) -> (i64, Vec<Input>) {
    let step = source.step_of(tick).expect("ticks up to the write are in the file");
    let from = left_out.partition_point(|command| command.tick < tick);
    let here = left_out[from..].iter().take_while(|command| command.tick == tick);
    let places: Vec<_> = here.map(|command| command.place).collect();
    let kept = step.inputs.iter().enumerate().filter(|(place, _)| !places.contains(place));
    (step.time_ms, kept.map(|(_, input)| input.clone()).collect())
}
