//! A link that loses, doubles, delays and reorders, in ticks.

use rand_chacha::ChaCha8Rng;

use super::world::{below, chance};

/// What a link does to packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// In a hundred.
    pub(super) loss: u32,
    pub(super) doubling: u32,
    /// Ticks one way, and how many more at most.
    pub(super) delay: u64,
    pub(super) jitter: u64,
}

#[derive(Debug, Default)]
pub(super) struct Link {
    /// Arrival, order of sending, bytes.
    packets: Vec<(u64, Vec<u8>)>,
}

impl Link {
    pub(super) fn send(&mut self, dice: &mut ChaCha8Rng, weather: &Weather, now: u64, bytes: &[u8]) {
        let copies = if chance(dice, weather.loss) { 0 } else { 1 + u32::from(chance(dice, weather.doubling)) };
        for _ in 0..copies {
            let arrival = now + weather.delay + u64::from(below(dice, weather.jitter as u32 + 1));
            self.packets.push((arrival, bytes.to_vec()));
        }
    }

    /// What arrives by now, in the order of arrival.
    pub(super) fn arrivals(&mut self, now: u64) -> Vec<Vec<u8>> {
        self.packets.sort_by_key(|(arrival, _)| *arrival);
        let count = self.packets.partition_point(|(arrival, _)| *arrival <= now);
        self.packets.drain(..count).map(|(_, bytes)| bytes).collect()
    }
}
