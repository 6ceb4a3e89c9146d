//! Mistakes that an author could make, one at a time: what the tests must find.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "this is what is disallowed, planted")]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bevy_ecs::prelude::*;
use ecs_state::Identity;

use super::{Content, Tally};

static STEPS_OF_THE_PROCESS: AtomicU64 = AtomicU64::new(0);

/// A mistake, and what it needs.
#[derive(Clone)]
pub enum Hazard {
    None,
    /// State outside of the registry: content that changes. It survives barriers, but in no keyframe.
    HiddenState(Arc<AtomicU64>),
    /// State of the process.
    Static,
    /// Iteration of a map that is seeded anew in each process, and for each map.
    HashOrder,
    /// An address as a number.
    Address,
    /// A clock.
    Clock,
}

impl Hazard {
    pub fn all() -> [Self; 5] {
        [Self::HiddenState(Arc::default()), Self::Static, Self::HashOrder, Self::Address, Self::Clock]
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "",
            Self::HiddenState(_) => "hidden state",
            Self::Static => "static",
            Self::HashOrder => "hash order",
            Self::Address => "address",
            Self::Clock => "clock",
        }
    }

    pub fn read(content: &[u8]) -> Option<Self> {
        let named = Self::all().into_iter().find(|hazard| hazard.name().as_bytes() == content);
        named.or_else(|| content.is_empty().then_some(Self::None))
    }
}

pub fn misbehave(content: Res<'_, Content>, identities: Query<'_, '_, &Identity>, mut tally: ResMut<'_, Tally>) {
    let fold = |fold: u64, id: &u32| fold.wrapping_mul(31).wrapping_add(u64::from(*id));
    let noise = match &content.hazard {
        Hazard::None => return,
        Hazard::HiddenState(steps) => steps.fetch_add(1, Ordering::Relaxed),
        Hazard::Static => STEPS_OF_THE_PROCESS.fetch_add(1, Ordering::Relaxed),
        Hazard::HashOrder => {
            identities.iter().map(|identity| identity.id().0).collect::<HashSet<_>>().iter().fold(0, fold)
        }
        Hazard::Address => Box::into_raw(Box::new(0u8)).addr() as u64,
        Hazard::Clock => {
            let start = Instant::now();
            while start.elapsed().as_nanos() == 0 {}
            start.elapsed().as_nanos() as u64
        }
    };
    tally.order = tally.order.wrapping_add(noise);
}
