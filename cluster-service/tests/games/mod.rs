//! A tiny game with opaque commands, once on command and once at a rate, sharing their rules: purses.

#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part of it")]

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use ecs_state::{
    ContentError, Game, Identity, Inbox, InvalidCommand, MatchRng, OutcomeCode, PlayerId, Registry, Replicated,
    StepContext, Ticking, WakeUp, despawn, spawn,
};
use protocol::Columns;

/// What a player has.
#[derive(Component, Replicated, Debug, Clone, Copy, PartialEq, Eq)]
#[replicated(number = 1)]
pub struct Purse {
    pub coins: u64,
    /// Commands that ran.
    pub applied: u32,
    /// Folds the commands in their order: another order is another number.
    pub order: u32,
}

/// Rings when somebody asked for it.
#[derive(Resource, Replicated, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[replicated(number = 2)]
pub struct Bell {
    pub due_ms: i64,
    pub rung: u32,
    pub ticks: u64,
    pub mood: u32,
}

/// Opaque to everyone else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Deposit(u32),
    Withdraw(u32),
    Ring(u32),
}

impl Command {
    pub fn encode(self) -> Vec<u8> {
        let (kind, number) = match self {
            Self::Deposit(coins) => (0, coins),
            Self::Withdraw(coins) => (1, coins),
            Self::Ring(ms) => (2, ms),
        };
        [&[kind][..], &number.to_le_bytes()].concat()
    }
}

/// The purse holds less.
pub const SHORT: u8 = 3;
/// The player has no purse (any more).
pub const NO_PURSE: u8 = 4;

/// Content that a game refuses.
pub const BAD_CONTENT: &[u8] = b"not a bank";
/// Content with which the rules use state of the process: what the tests must find.
pub const PLANTED: &[u8] = b"planted";

/// Content with which the rules ask whether this member is the odd one.
pub const ODD: &[u8] = b"odd";

#[derive(Resource, Clone)]
pub struct Content {
    is_planted: bool,
    asks_for_odd: bool,
}

thread_local! {
    static IS_ODD: Cell<bool> = const { Cell::new(false) };
}

/// What follows on this thread is done by the member that diverges.
pub fn set_odd(is_odd: bool) {
    IS_ODD.set(is_odd);
}

static TICKS_OF_THE_PROCESS: AtomicU64 = AtomicU64::new(1);

/// The game on command with rate 0, else at a rate.
#[derive(Debug)]
pub struct Bank<const MILLIHERTZ: u32, const RULES: u32>;

pub type OnCommand = Bank<0, 1>;
/// 30 Hz, a barrier every 300 ticks.
pub type AtRate = Bank<30_000, 1>;
/// A barrier every 25 ticks.
pub type Slow = Bank<2_500, 1>;
pub type NewRules = Bank<30_000, 2>;

impl<const MILLIHERTZ: u32, const RULES: u32> Game for Bank<MILLIHERTZ, RULES> {
    const NAME: &'static str = "bank";
    const RULES_VERSION: u32 = RULES;
    const COMMAND_SCHEMA: &'static [u8] = &[];
    const TICKING: Ticking =
        if MILLIHERTZ == 0 { Ticking::OnCommand } else { Ticking::Rate { millihertz: MILLIHERTZ } };
    const REJECTIONS: &'static [(u8, &'static str)] = &[(SHORT, "short"), (NO_PURSE, "no purse")];

    type Command = Command;
    type Content = Content;

    fn register(registry: &mut Registry) {
        registry.component::<Purse>().resource::<Bell>();
    }

    fn systems() -> ScheduleConfigs<ScheduleSystem> {
        (obey, ring).chain()
    }

    fn decode_command(payload: &[u8]) -> Result<Command, InvalidCommand> {
        let invalid = || InvalidCommand("a kind and four bytes".to_owned());
        let (kind, number) = payload.split_first().ok_or_else(invalid)?;
        let number = u32::from_le_bytes(number.try_into().map_err(|_| invalid())?);
        match kind {
            0 => Ok(Command::Deposit(number)),
            1 => Ok(Command::Withdraw(number)),
            2 => Ok(Command::Ring(number)),
            _ => Err(invalid()),
        }
    }

    fn load_content(content: &[u8]) -> Result<Content, ContentError> {
        match content {
            BAD_CONTENT => Err(ContentError("this is no bank".to_owned())),
            _ => Ok(Content { is_planted: content == PLANTED, asks_for_odd: content == ODD }),
        }
    }

    fn open(world: &mut World) {
        world.insert_resource(Bell::default());
    }

    fn join(world: &mut World, player: PlayerId) {
        spawn(world, player, Purse { coins: 0, applied: 0, order: 0 });
    }

    fn leave(world: &mut World, player: PlayerId) {
        let mut owned = world.query::<&Identity>();
        let ids: Vec<_> = owned.iter(world).filter(|identity| identity.owner == player).map(Identity::id).collect();
        for id in ids {
            despawn(world, id);
        }
    }
}

fn obey(
    context: Res<'_, StepContext>,
    mut inbox: ResMut<'_, Inbox<Command>>,
    mut purses: Query<'_, '_, (&Identity, &mut Purse)>,
    mut bell: ResMut<'_, Bell>,
    mut wake: ResMut<'_, WakeUp>,
) {
    for order in inbox.iter_mut() {
        let Some((_, mut purse)) = purses.iter_mut().find(|(identity, _)| identity.owner == order.player) else {
            order.reject(OutcomeCode::game(NO_PURSE));
            continue;
        };
        match order.command {
            Command::Deposit(coins) => purse.coins += u64::from(coins),
            Command::Withdraw(coins) if purse.coins < u64::from(coins) => {
                order.reject(OutcomeCode::game(SHORT));
                continue;
            }
            Command::Withdraw(coins) => purse.coins -= u64::from(coins),
            Command::Ring(ms) => {
                bell.due_ms = context.time_ms + i64::from(ms);
                wake.after_ms(ms);
            }
        }
        purse.applied += 1;
        let word = order.command.encode();
        purse.order = word.iter().fold(purse.order, |fold, byte| fold.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    }
}

fn ring(context: Res<'_, StepContext>, content: Res<'_, Content>, mut bell: ResMut<'_, Bell>) {
    bell.ticks += 1;
    bell.mood = context.rng("mood").bits();
    if content.is_planted {
        bell.mood ^= TICKS_OF_THE_PROCESS.fetch_add(1, Ordering::Relaxed) as u32;
    }
    if content.asks_for_odd && IS_ODD.get() {
        bell.mood ^= 1;
    }
    if bell.due_ms != 0 && bell.due_ms <= context.time_ms {
        bell.due_ms = 0;
        bell.rung += 1;
    }
}

/// What a player has, from a match's columns.
pub fn purse(columns: &Columns, player: u32) -> Option<Purse> {
    let (index, layout) = columns.manifest().layout_of("Purse").expect("the game has it");
    let (_, row) = columns.column(index).iter().find(|(id, _)| columns.owner(*id) == Some(player))?;
    let field = |index: usize| layout.fields[index].read(row);
    Some(Purse { coins: field(0) as u64, applied: field(1) as u32, order: field(2) as u32 })
}

/// The bell of a match.
pub fn bell(columns: &Columns) -> Bell {
    let (index, layout) = columns.manifest().layout_of("Bell").expect("the game has it");
    let (_, row) = columns.column(index).iter().next().expect("it is there from the beginning");
    let field = |index: usize| layout.fields[index].read(row);
    Bell { due_ms: field(0), rung: field(1) as u32, ticks: field(2) as u64, mood: field(3) as u32 }
}

/// Any command, rejected and malformed ones among them.
pub fn any_command(rng: &mut MatchRng) -> Vec<u8> {
    match rng.below(12) {
        0..=6 => Command::Deposit(rng.below(1_000)).encode(),
        7..=9 => Command::Withdraw(rng.below(2_000)).encode(),
        10 => Command::Ring(rng.below(3_000)).encode(),
        _ => vec![9, rng.bits() as u8],
    }
}
