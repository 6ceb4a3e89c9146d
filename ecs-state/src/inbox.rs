//! The commands of one tick, as systems see them.

use bevy_ecs::prelude::Resource;
use protocol::{OutcomeCode, PlayerId};

/// One command of a player.
#[derive(Debug)]
pub struct Order<C> {
    /// Who asks.
    pub player: PlayerId,
    /// For what.
    pub command: C,
    outcome: OutcomeCode,
}

impl<C> Order<C> {
    /// Refuses the command. The last refusal counts; without one the command counts as applied.
    pub const fn reject(&mut self, code: OutcomeCode) {
        self.outcome = code;
    }

    /// Whether no system refused it so far.
    #[must_use]
    pub const fn is_applied(&self) -> bool {
        self.outcome.is_applied()
    }

    pub(crate) const fn outcome(&self) -> OutcomeCode {
        self.outcome
    }
}

/// The commands of the tick, in log order. Empty outside of a step.
#[derive(Resource, Debug)]
pub struct Inbox<C: Send + Sync + 'static> {
    pub(crate) orders: Vec<Order<C>>,
}

impl<C: Send + Sync + 'static> Inbox<C> {
    pub(crate) const fn new() -> Self {
        Self { orders: Vec::new() }
    }

    pub(crate) fn push(&mut self, player: PlayerId, command: C) {
        self.orders.push(Order { player, command, outcome: OutcomeCode::APPLIED });
    }

    /// The commands, in log order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Order<C>> {
        self.orders.iter_mut()
    }
}
