//! Randomness that every member draws alike.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Numbers that are a function of (match seed, tick, purpose) and of how many were drawn.
///
/// ChaCha with 8 rounds, keyed by xxh3-128 of the three.
#[derive(Debug, Clone)]
pub struct MatchRng(ChaCha8Rng);

impl MatchRng {
    /// A generator of its own for each purpose, so that one system drawing more does not shift another's numbers.
    #[must_use]
    pub fn new(seed: u64, tick: u64, purpose: &str) -> Self {
        let low = xxh3_128_with_seed(purpose.as_bytes(), seed).to_le_bytes();
        let high = xxh3_128_with_seed(&tick.to_le_bytes(), seed).to_le_bytes();
        let mut key = [0u8; 32];
        key[..16].copy_from_slice(&low);
        key[16..].copy_from_slice(&high);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The next 32 bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0. Lemire's multiplication; the bias is
    /// below `bound / 2^32`.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.bits()) * u64::from(bound)) >> 32) as u32
    }

    /// A number from `low` to `high`, both included.
    ///
    /// # Panics
    /// When `low` is above `high`.
    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        assert!(low <= high, "the range {low} to {high} is empty");
        // At most 2^32, so that the product fits 64 bits without a sign.
        let span = (i64::from(high) - i64::from(low) + 1).unsigned_abs();
        (i64::from(low) + ((u64::from(self.bits()) * span) >> 32) as i64) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::MatchRng;

    #[test]
    fn numbers_are_those_of_every_other_build() {
        let mut rng = MatchRng::new(7, 99, "spawn");
        let drawn = [rng.bits(), rng.bits(), rng.below(100), rng.between(-5, 5) as u32];
        assert_eq!(drawn, GOLDEN, "outcomes of recorded matches change with these numbers");
        let mut other = MatchRng::new(7, 99, "loot");
        assert_ne!(other.bits(), GOLDEN[0]);
    }

    const GOLDEN: [u32; 4] = [1_252_142_969, 1_865_178_789, 48, 4_294_967_294];

    #[test]
    fn ranges_are_kept() {
        let mut rng = MatchRng::new(1, 2, "x");
        assert_eq!(rng.below(0), 0);
        assert!((0..10_000).all(|_| rng.below(6) < 6));
        assert!((0..10_000).all(|_| (-3..=3).contains(&rng.between(-3, 3))));
        assert_eq!(rng.between(i32::MIN, i32::MIN), i32::MIN);
        assert!((0..100).any(|_| rng.between(i32::MIN, i32::MAX) < 0));
    }
}
