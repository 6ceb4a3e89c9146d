//! Which connections are worth a handshake: by address, before anything of them is believed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use protocol::limits::PREFIXES_MAX;

use crate::config::EdgeLimits;
use crate::rate::Bucket;

/// A /24 or a /56: what one customer of a provider can be expected to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Prefix([u8; 8]);

impl Prefix {
    pub(crate) fn of(address: IpAddr) -> Self {
        let mut prefix = [0; 8];
        match address.to_canonical() {
            IpAddr::V4(address) => prefix[..3].copy_from_slice(&address.octets()[..3]),
            IpAddr::V6(address) => {
                prefix[..7].copy_from_slice(&address.octets()[..7]);
                prefix[7] = 6;
            }
        }
        Self(prefix)
    }
}

#[derive(Debug)]
struct Neighbours {
    connections: usize,
    connects: Bucket,
}

/// What becomes of a connection that somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    /// Whoever it is must show that packets reach it.
    Retry,
    Refuse,
}

/// Counts connections and handshakes by where they come from.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: EdgeLimits,
    prefixes: HashMap<Prefix, Neighbours>,
    connections: usize,
}

impl Gate {
    pub(crate) fn new(limits: EdgeLimits) -> Self {
        Self { limits, prefixes: HashMap::new(), connections: 0 }
    }

    /// `handshakes` are in flight; `validated` says that the address is no forgery. What is accepted must be
    /// given back with [`Gate::leave`].
    pub(crate) fn judge(&mut self, now: Instant, from: IpAddr, validated: bool, handshakes: usize) -> Verdict {
        if self.prefixes.len() >= PREFIXES_MAX {
            self.prefixes.retain(|_, known| known.connections > 0 || !known.connects.is_full(now));
        }
        let is_crowded = self.prefixes.len() >= PREFIXES_MAX;
        let prefix = Prefix::of(from);
        if self.connections >= self.limits.connections || is_crowded && !self.prefixes.contains_key(&prefix) {
            return Verdict::Refuse;
        }
        if !validated && handshakes >= self.limits.handshakes_before_retry {
            return Verdict::Retry;
        }
        let limits = self.limits;
        let fresh = || Neighbours {
            connections: 0,
            connects: Bucket::new(now, limits.connects_per_prefix_per_second, limits.connects_per_prefix_burst),
        };
        let known = self.prefixes.entry(prefix).or_insert_with(fresh);
        if known.connections >= limits.connections_per_prefix {
            return Verdict::Refuse;
        }
        if !known.connects.take(now) {
            // A forged address must not lock out whom it belongs to.
            return if validated { Verdict::Refuse } else { Verdict::Retry };
        }
        known.connections += 1;
        self.connections += 1;
        Verdict::Accept
    }

    /// A connection that was accepted is gone.
    pub(crate) fn leave(&mut self, from: IpAddr) {
        self.connections -= 1;
        if let Some(known) = self.prefixes.get_mut(&Prefix::of(from)) {
            known.connections -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::limits::{
        CONNECTIONS_MAX, CONNECTIONS_PER_PREFIX_MAX, CONNECTS_PER_PREFIX_BURST, HANDSHAKES_BEFORE_RETRY,
    };
    use std::time::Duration;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn prefixes_are_of_24_and_56_bits() {
        let same = |one: &str, other: &str| Prefix::of(address(one)) == Prefix::of(address(other));
        assert!(same("192.0.2.1", "192.0.2.200") && !same("192.0.2.1", "192.0.3.1"));
        assert!(same("2001:db8:0:12::1", "2001:db8:0:34::1") && !same("2001:db8:0:112::1", "2001:db8:0:34::1"));
        assert!(same("::ffff:192.0.2.9", "192.0.2.1"), "a mapped address is the address it maps");
    }

    #[test]
    fn one_prefix_is_held_to_its_rate_and_number_and_others_are_not() {
        let mut gate = Gate::new(EdgeLimits::default());
        let start = Instant::now();
        let judge = |gate: &mut Gate, now, from: &str| gate.judge(now, address(from), true, 0);
        let accepted = (0..2_000).filter(|_| judge(&mut gate, start, "192.0.2.1") == Verdict::Accept).count();
        assert_eq!(accepted, CONNECTS_PER_PREFIX_BURST as usize);
        assert_eq!(judge(&mut gate, start, "198.51.100.1"), Verdict::Accept);
        assert_eq!(gate.judge(start, address("192.0.2.1"), false, 0), Verdict::Retry, "an address that may be forged");

        let later = start + Duration::from_secs(60);
        let more = (0..2_000).filter(|_| judge(&mut gate, later, "192.0.2.1") == Verdict::Accept).count();
        assert_eq!(accepted + more, CONNECTIONS_PER_PREFIX_MAX);
        gate.leave(address("192.0.2.77"));
        assert_eq!(judge(&mut gate, later + Duration::from_secs(1), "192.0.2.1"), Verdict::Accept);
    }

    #[test]
    fn addresses_are_validated_when_many_handshakes_are_in_flight() {
        let mut gate = Gate::new(EdgeLimits::default());
        let now = Instant::now();
        let judge = |gate: &mut Gate, validated, handshakes| gate.judge(now, address("::1"), validated, handshakes);
        assert_eq!(judge(&mut gate, false, HANDSHAKES_BEFORE_RETRY - 1), Verdict::Accept);
        assert_eq!(judge(&mut gate, false, HANDSHAKES_BEFORE_RETRY), Verdict::Retry);
        assert_eq!(judge(&mut gate, true, HANDSHAKES_BEFORE_RETRY), Verdict::Accept);
    }

    #[test]
    fn live_connections_and_known_prefixes_are_bounded() {
        let mut gate = Gate::new(EdgeLimits::default());
        let now = Instant::now();
        let from = |number: u32| IpAddr::V4(std::net::Ipv4Addr::from_bits(number << 8));
        let accepted = (0..20_000).filter(|n| gate.judge(now, from(*n), true, 0) == Verdict::Accept).count();
        assert_eq!(accepted, CONNECTIONS_MAX);
        assert!(gate.prefixes.len() <= PREFIXES_MAX);
    }
}
