//! One direction of a bad link: what becomes of each packet, and when. No sockets and no clocks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::LinkFaults;

/// A direction. Packets of equal seeds meet equal fates, by their number.
#[derive(Debug)]
pub(super) struct Wire<P> {
    faults: LinkFaults,
    random: SplitMix,
    /// By the time at which they come out; those of the same time in the order in which they went in.
    under_way: BTreeMap<(Instant, u64), P>,
    entered: u64,
}

impl<P: Clone> Wire<P> {
    /// `direction` tells the two directions of a link apart.
    pub(super) fn new(faults: LinkFaults, direction: u64) -> Self {
        let random = SplitMix(faults.seed ^ direction.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { faults, random, under_way: BTreeMap::new(), entered: 0 }
    }

    /// A packet goes in. Whatever its fate, as many numbers are drawn.
    pub(super) fn push(&mut self, now: Instant, packet: P) {
        let LinkFaults { loss_ppm, duplicate_ppm, reorder_ppm, delay, .. } = self.faults;
        let [is_lost, is_doubled, is_late] = [loss_ppm, duplicate_ppm, reorder_ppm].map(|ppm| self.random.hits(ppm));
        let waits = [(); 2].map(|()| delay + self.random.up_to(self.faults.jitter));
        let late = if is_late { LATE } else { Duration::ZERO };
        if is_lost {
            return;
        }
        if is_doubled {
            self.enter(now + waits[1], packet.clone());
        }
        self.enter(now + waits[0] + late, packet);
    }

    /// Takes out the next packet whose time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<P> {
        let first = self.under_way.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    /// When the next packet comes out.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    fn enter(&mut self, at: Instant, packet: P) {
        self.entered += 1;
        self.under_way.insert((at, self.entered), packet);
    }
}

/// How much later a packet comes that others are to overtake.
const LATE: Duration = Duration::from_millis(30);

/// Steele, Lea and Flood's generator: enough for fates.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn hits(&mut self, ppm: u32) -> bool {
        // The bias of the remainder is below 10^-13.
        self.next() % 1_000_000 < u64::from(ppm)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(((u128::from(self.next()) * u128::from(nanos)) >> 64) as u64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const PACKETS: usize = 20_000;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Sends a packet each millisecond; gives what comes out, with the millisecond of each.
    fn through(faults: LinkFaults) -> Vec<(usize, u64)> {
        let start = Instant::now();
        let mut wire = Wire::new(faults, 1);
        let mut out = Vec::new();
        for milli in 0..PACKETS as u64 + 1_000 {
            let now = start + ms(milli);
            if (milli as usize) < PACKETS {
                wire.push(now, milli as usize);
            }
            while let Some(packet) = wire.pop(now) {
                out.push((packet, milli));
            }
        }
        assert_eq!(wire.next_at(), None);
        out
    }

    #[test]
    fn a_link_without_faults_changes_nothing() {
        let out = through(LinkFaults::default());
        assert!(out.iter().copied().eq((0..PACKETS).map(|packet| (packet, packet as u64))));
    }

    #[test]
    fn faults_come_as_often_as_they_are_asked_for() {
        let faults = LinkFaults { seed: 7, loss_ppm: 200_000, duplicate_ppm: 50_000, ..LinkFaults::default() };
        let out = through(faults);
        let mut distinct: Vec<_> = out.iter().map(|(packet, _)| *packet).collect();
        distinct.dedup();
        let share = |count: usize| count as f64 / PACKETS as f64;
        assert!((share(distinct.len()) - 0.8).abs() < 0.01, "{}", distinct.len());
        assert!((share(out.len() - distinct.len()) - 0.8 * 0.05).abs() < 0.01);
    }

    #[test]
    fn delay_and_jitter_are_kept_to() {
        let out = through(LinkFaults { delay: ms(50), jitter: ms(20), ..LinkFaults::default() });
        let waits: Vec<_> = out.iter().map(|(packet, at)| at - *packet as u64).collect();
        assert!(waits.iter().all(|wait| (50..=70).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 53) && waits.iter().any(|wait| *wait > 67));
    }

    #[test]
    fn late_packets_are_overtaken() {
        let out = through(LinkFaults { reorder_ppm: 100_000, ..LinkFaults::default() });
        let overtaken = out.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
        assert!((overtaken as f64 / PACKETS as f64 - 0.1).abs() < 0.03, "{overtaken}");
    }

    #[test]
    fn equal_seeds_give_equal_fates_and_others_do_not() {
        let of = |seed| through(LinkFaults { seed, loss_ppm: 100_000, jitter: ms(9), ..LinkFaults::default() });
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
