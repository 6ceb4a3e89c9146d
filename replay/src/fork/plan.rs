//! What a fork changes, and how people write it down.

use std::ops::RangeInclusive;
use std::str::FromStr;

use ecs_state::{Game, Input};
use protocol::manifest::Manifest;
use snapshots::{Origin, Step};
use thiserror::Error;

use crate::{FieldPath, Value};

/// What would have been if.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ForkPlan {
    /// The last tick that stays as it was. State is set at its end; commands change from the next tick on.
    pub tick: u64,
    /// Fields to set at the end of the tick.
    pub sets: Vec<FieldEdit>,
    /// Commands that do not come, come otherwise, or come in addition.
    pub changes: Vec<Change>,
    /// Map and balance of the ticks that follow, in the game's own form.
    pub content: Option<Vec<u8>>,
    /// The last tick to play; that of the match when `None`.
    pub to: Option<u64>,
}

/// What people wrote is no change of a match.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?}: {reason}")]
pub struct PlanError {
    /// What was written.
    pub text: String,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

fn wrong(text: &str, reason: impl ToString) -> PlanError {
    PlanError { text: text.to_owned(), reason: reason.to_string() }
}

/// A field with the value that it gets.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldEdit {
    /// The field.
    pub path: FieldPath,
    /// The value.
    pub value: Value,
}

impl FieldEdit {
    /// Reads `12.Health.points=50`.
    ///
    /// # Errors
    /// When the text is none, or the game has no such field.
    pub fn parse(text: &str, manifest: &Manifest) -> Result<Self, PlanError> {
        let (path, value) = text.split_once('=').ok_or_else(|| wrong(text, "write ENTITY.Component.field=VALUE"))?;
        let path = FieldPath::parse(path.trim(), manifest).map_err(|error| wrong(text, error))?;
        let value = parse_value(value.trim());
        let value = value.ok_or_else(|| wrong(text, "a value is a number, true or false"))?;
        Ok(Self { path, value })
    }
}

fn parse_value(text: &str) -> Option<Value> {
    let yes_or_no = text.parse().ok().map(Value::Bool);
    yes_or_no
        .or_else(|| text.parse().ok().map(Value::Int))
        .or_else(|| text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Number))
}

/// A change to the commands of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// One command does not come.
    Drop {
        /// Whose.
        player: u32,
        /// Its number in the player's session.
        seq: u64,
    },
    /// The commands of a player do not come, in some ticks.
    DropSpan {
        /// Whose.
        player: u32,
        /// In which.
        ticks: RangeInclusive<u64>,
    },
    /// From the fork on a player does nothing and neither joins nor leaves.
    DropPlayer {
        /// Who.
        player: u32,
    },
    /// A player asks for something else.
    Replace {
        /// Who.
        player: u32,
        /// The number of the command in the player's session.
        seq: u64,
        /// What for, in the game's own form.
        payload: Vec<u8>,
    },
    /// A player asks for something in addition, after all that the tick took in.
    Add {
        /// When.
        tick: u64,
        /// Who.
        player: u32,
        /// What for, in the game's own form.
        payload: Vec<u8>,
    },
}

impl FromStr for Change {
    type Err = PlanError;

    /// Reads what does not come: `PLAYER:SEQ` or `PLAYER@FROM..TO` (ticks, the last one too).
    fn from_str(text: &str) -> Result<Self, PlanError> {
        let usage = "write PLAYER:SEQ for one command, PLAYER@FROM..TO for those of some ticks";
        let number = |digits: &str| digits.trim().parse::<u64>().map_err(|_| wrong(text, usage));
        let player = |digits: &str| digits.trim().parse::<u32>().map_err(|_| wrong(text, usage));
        if let Some((who, ticks)) = text.split_once('@') {
            let (from, to) = ticks.split_once("..").ok_or_else(|| wrong(text, usage))?;
            return Ok(Self::DropSpan { player: player(who)?, ticks: number(from)?..=number(to)? });
        }
        let (who, seq) = text.split_once(':').ok_or_else(|| wrong(text, usage))?;
        Ok(Self::Drop { player: player(who)?, seq: number(seq)? })
    }
}

impl Change {
    /// Reads `TICK:PLAYER:COMMAND`; the command as [`parse_command`] takes it.
    ///
    /// # Errors
    /// When the text is none, or the game does not know the command.
    pub fn parse_added<G: Game>(text: &str) -> Result<Self, PlanError> {
        let usage = || wrong(text, "write TICK:PLAYER:COMMAND");
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().map(str::trim).ok_or_else(usage);
        let (tick, player, command) = (next()?, next()?, next()?);
        Ok(Self::Add {
            tick: tick.parse().map_err(|_| usage())?,
            player: player.parse().map_err(|_| usage())?,
            payload: parse_command::<G>(command)?,
        })
    }

    /// Reads `PLAYER:SEQ=COMMAND`; the command as [`parse_command`] takes it.
    ///
    /// # Errors
    /// When the text is none, or the game does not know the command.
    pub fn parse_replaced<G: Game>(text: &str) -> Result<Self, PlanError> {
        let usage = || wrong(text, "write PLAYER:SEQ=COMMAND");
        let (which, command) = text.split_once('=').ok_or_else(usage)?;
        let (player, seq) = which.split_once(':').ok_or_else(usage)?;
        Ok(Self::Replace {
            player: player.trim().parse().map_err(|_| usage())?,
            seq: seq.trim().parse().map_err(|_| usage())?,
            payload: parse_command::<G>(command.trim())?,
        })
    }

    /// For people, and for the header of the fork's file.
    #[must_use]
    pub fn describe<G: Game>(&self) -> String {
        match self {
            Self::Drop { player, seq } => format!("drop {player}:{seq}"),
            Self::DropSpan { player, ticks } => format!("drop {player}@{}..{}", ticks.start(), ticks.end()),
            Self::DropPlayer { player } => format!("drop player {player}"),
            Self::Replace { player, seq, payload } => {
                format!("edit {player}:{seq}={}", command_text::<G>(payload))
            }
            Self::Add { tick, player, payload } => format!("command {tick}:{player}:{}", command_text::<G>(payload)),
        }
    }
}

/// Reads a command as people write it: in the words of the game, or its bytes in hexadecimal.
///
/// # Errors
/// When it is neither.
pub fn parse_command<G: Game>(text: &str) -> Result<Vec<u8>, PlanError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_hexadecimal =
        !digits.is_empty() && digits.len().is_multiple_of(2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_hexadecimal {
        let pairs = digits.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
        return Ok(pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect());
    }
    G::command_from_text(text).map_err(|error| wrong(text, error))
}

/// A command as people read it: in the words of the game, or its bytes in hexadecimal when the game does not know it.
#[must_use]
pub fn command_text<G: Game>(payload: &[u8]) -> String {
    match G::decode_command(payload) {
        Ok(command) => G::command_to_text(&command),
        Err(_) => payload.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// An input as people read it, and whose it is (0 for nobody's).
pub(crate) fn describe<G: Game>(input: &Input) -> (u32, String) {
    match input {
        Input::Join { player } => (*player, "join".to_owned()),
        Input::Leave { player } => (*player, "leave".to_owned()),
        Input::Command { player, payload } => (*player, command_text::<G>(payload)),
        Input::Edit { entity, component, .. } => (0, format!("edit of component {component} of entity {entity}")),
        Input::Content { content } => (0, format!("content of {} bytes", content.len())),
    }
}

/// What a tick takes in.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) inputs: Vec<Input>,
    /// Of each command.
    pub(super) origins: Vec<Option<Origin>>,
    /// Which commands are not the match's own, by their place among the commands.
    pub(super) changed: Vec<usize>,
}

impl Taken {
    /// What the match took in.
    pub(super) fn unchanged(step: &Step) -> Self {
        let origins = with_origins(step).filter(|(input, _)| is_command(input)).map(|(_, origin)| origin).collect();
        Self { inputs: step.inputs.clone(), origins, changed: Vec::new() }
    }

    /// Player and payload of some commands.
    pub(super) fn commands(&self, places: &[usize]) -> Vec<(u32, Vec<u8>)> {
        let commands: Vec<_> = self
            .inputs
            .iter()
            .filter_map(|input| match input {
                Input::Command { player, payload } => Some((*player, payload)),
                _ => None,
            })
            .collect();
        places.iter().map(|place| (commands[*place].0, commands[*place].1.clone())).collect()
    }

    fn push(&mut self, input: Input, origin: Option<Origin>, is_changed: bool) {
        if is_command(&input) {
            if is_changed {
                self.changed.push(self.origins.len());
            }
            self.origins.push(origin);
        }
        self.inputs.push(input);
    }
}

const fn is_command(input: &Input) -> bool {
    matches!(input, Input::Command { .. })
}

/// Inputs of a tick, each command with where it stood in the log, if the file knows.
pub(crate) fn with_origins(step: &Step) -> impl Iterator<Item = (&Input, Option<Origin>)> {
    let mut origins = step.origins.iter().copied();
    step.inputs.iter().map(move |input| (input, if is_command(input) { origins.next() } else { None }))
}

impl ForkPlan {
    /// What a tick takes in, changed.
    pub(super) fn change(&self, tick: u64, step: &Step) -> Taken {
        let mut taken = Taken::default();
        for (input, origin) in with_origins(step) {
            let change = self.changes.iter().find(|change| change.concerns(tick, input, origin));
            match (change, input) {
                (None, _) => taken.push(input.clone(), origin, false),
                (Some(Change::Replace { payload, .. }), Input::Command { player, .. }) => {
                    taken.push(Input::Command { player: *player, payload: payload.clone() }, origin, true);
                }
                (Some(_), _) => {}
            }
        }
        for change in &self.changes {
            if let Change::Add { tick: at, player, payload } = change
                && *at == tick
            {
                taken.push(Input::Command { player: *player, payload: payload.clone() }, None, true);
            }
        }
        taken
    }
}

impl Change {
    /// How many inputs of a tick it takes away or replaces.
    pub(super) fn hits(&self, tick: u64, step: &Step) -> usize {
        with_origins(step).filter(|(input, origin)| self.concerns(tick, input, *origin)).count()
    }

    /// Whether it takes this input away or replaces it.
    fn concerns(&self, tick: u64, input: &Input, origin: Option<Origin>) -> bool {
        match (self, input) {
            (Self::Drop { player, seq } | Self::Replace { player, seq, .. }, Input::Command { player: whose, .. }) => {
                player == whose && origin.is_some_and(|origin| origin.seq == *seq)
            }
            (Self::DropSpan { player, ticks }, Input::Command { player: whose, .. }) => {
                player == whose && ticks.contains(&tick)
            }
            (
                Self::DropPlayer { player },
                Input::Command { player: whose, .. } | Input::Join { player: whose } | Input::Leave { player: whose },
            ) => player == whose,
            _ => false,
        }
    }
}
