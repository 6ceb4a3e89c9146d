//! What comes in, tick by tick: a function of the seed.

use ecs_state::{Input, MatchRng};

/// Time and inputs of each tick, from tick 1.
pub struct Script(Vec<(i64, Vec<Input>)>);

impl Script {
    pub fn new(seed: u64, ticks: u64) -> Self {
        let (mut players, mut next, mut time_ms) = (Vec::new(), 1u32, 1_000_000i64);
        let tick = |tick| {
            let mut rng = MatchRng::new(seed, tick, "script");
            // Log time stands still at times; a step that goes back counts as standing still.
            time_ms += i64::from(rng.between(-2, 40));
            let mut inputs = Vec::new();
            if players.len() < 8 && rng.below(12) == 0 {
                inputs.push(Input::Join { player: next });
                players.push(next);
                next += 1;
            }
            for _ in 0..rng.below(5) {
                if players.is_empty() {
                    break;
                }
                let player = players[rng.below(players.len() as u32) as usize];
                inputs.push(Input::Command { player, payload: payload(&mut rng) });
            }
            if players.len() > 2 && rng.below(40) == 0 {
                let player = players.remove(rng.below(players.len() as u32) as usize);
                inputs.push(Input::Leave { player });
            }
            (time_ms, inputs)
        };
        Self((1..=ticks).map(tick).collect())
    }

    pub fn at(&self, tick: u64) -> (i64, &[Input]) {
        let (time_ms, inputs) = &self.0[tick as usize - 1];
        (*time_ms, inputs)
    }
}

fn payload(rng: &mut MatchRng) -> Vec<u8> {
    match rng.below(8) {
        0..=3 => vec![0, rng.bits() as u8, rng.bits() as u8],
        4..=5 => vec![1, rng.bits() as u8],
        6 => vec![2],
        _ => (0..rng.below(6)).map(|_| rng.bits() as u8).collect(),
    }
}
