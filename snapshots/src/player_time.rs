//! How long players were in a match, all together: what sizes of matches are compared by.

use std::collections::BTreeSet;

use ecs_state::Input;

use crate::Step;

/// Adds up the time of players, tick by tick. Time is log time.
#[derive(Debug, Clone, Default)]
pub struct PlayerTime {
    present: BTreeSet<u32>,
    last_ms: Option<i64>,
    milliseconds: u64,
}

impl PlayerTime {
    /// Takes in the next tick. In a part of a match, who was there before is there from its first command on.
    pub fn see(&mut self, step: &Step) {
        let passed = self.last_ms.map_or(0, |last| step.time_ms.abs_diff(last));
        self.milliseconds += passed * self.present.len() as u64;
        self.last_ms = Some(step.time_ms);
        for input in &step.inputs {
            match input {
                Input::Join { player } | Input::Command { player, .. } => {
                    self.present.insert(*player);
                }
                Input::Leave { player } => {
                    self.present.remove(player);
                }
                Input::Edit { .. } | Input::Content { .. } => {}
            }
        }
    }

    /// Hours of all players together.
    #[must_use]
    pub fn hours(&self) -> f64 {
        self.milliseconds as f64 / 3_600_000.0
    }

    /// What a file of so many bytes takes for an hour of one player; `None` when there were no players.
    #[must_use]
    pub fn bytes_per_hour(&self, bytes: u64) -> Option<u64> {
        (self.milliseconds > 0).then(|| (bytes as f64 / self.hours()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_of_those_who_are_there_counts() {
        let mut time = PlayerTime::default();
        let mut see = |time_ms, inputs: Vec<Input>| {
            time.see(&Step { time_ms, inputs, origins: Vec::new(), hash: 0, columns: Vec::new() });
        };
        see(0, vec![Input::Join { player: 1 }]);
        see(1_800_000, vec![Input::Join { player: 2 }, Input::Command { player: 1, payload: Vec::new() }]);
        see(3_600_000, vec![Input::Leave { player: 1 }]);
        see(5_400_000, vec![Input::Leave { player: 2 }]);
        see(9_000_000, Vec::new());
        assert_eq!(time.hours(), 2.0);
        assert_eq!(time.bytes_per_hour(3_000), Some(1_500));
        assert_eq!(PlayerTime::default().bytes_per_hour(3_000), None);
    }
}
