//! The key by which edges prove to the service that they are ours; see [`protocol::proof`].

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use protocol::ClusterSessionId;
use protocol::cluster::EdgeHelloT;
use protocol::limits::EDGE_KEY_BYTES;
use protocol::proof::{SEED_DOMAIN, statement};

/// What edges hold of the cluster's secret, and members compare with the log.
pub struct EdgeKey {
    pair: Ed25519KeyPair,
    public: [u8; EDGE_KEY_BYTES],
}

impl EdgeKey {
    /// The key of a secret. Equal secrets give equal keys.
    ///
    /// # Panics
    /// Never: any 32 bytes are a seed.
    #[must_use]
    pub fn of_secret(secret: &[u8]) -> Self {
        let mut seed = Context::new(&SHA256);
        seed.update(SEED_DOMAIN);
        seed.update(secret);
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.finish().as_ref()).expect("any 32 bytes are a seed");
        let public = pair.public_key().as_ref().try_into().expect("a public key has 32 bytes");
        Self { pair, public }
    }

    /// The key of edges and tools that live in the host's own process. It is no secret: nobody else can reach the host.
    #[must_use]
    pub fn in_process() -> Self {
        Self::of_secret(b"in process")
    }

    /// What the log holds of it.
    #[must_use]
    pub const fn public(&self) -> [u8; EDGE_KEY_BYTES] {
        self.public
    }

    /// The first message of a cluster session; good in no other.
    #[must_use]
    pub fn hello(&self, session: ClusterSessionId, name: &str) -> EdgeHelloT {
        let mut hello = EdgeHelloT::default();
        hello.name = Some(name.to_owned());
        hello.key = self.public.to_vec();
        hello.proof = self.pair.sign(&statement(session)).as_ref().to_vec();
        hello
    }
}

impl fmt::Debug for EdgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EdgeKey({})", fingerprint(&self.public))
    }
}

/// Whether `proof` is `key`'s signature for this session. A function of its arguments, so every member judges alike.
pub(crate) fn is_proven(key: &[u8], proof: &[u8], session: ClusterSessionId) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(&statement(session), proof).is_ok()
}

/// A key as people compare it: its first eight bytes, in hexadecimal.
#[must_use]
pub fn fingerprint(key: &[u8]) -> String {
    key.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use protocol::ClusterSessionId;

    use super::{EdgeKey, is_proven};

    #[test]
    fn a_proof_is_good_for_its_session_and_key_alone() {
        let (ours, other) = (EdgeKey::of_secret(b"ours"), EdgeKey::of_secret(b"other"));
        let hello = ours.hello(ClusterSessionId(7), "edge");
        assert!(is_proven(&hello.key, &hello.proof, ClusterSessionId(7)));
        assert!(!is_proven(&hello.key, &hello.proof, ClusterSessionId(8)));
        assert!(!is_proven(&other.public(), &hello.proof, ClusterSessionId(7)));
        for bit in 0..hello.proof.len() * 8 {
            let mut proof = hello.proof.clone();
            proof[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_proven(&hello.key, &proof, ClusterSessionId(7)), "bit {bit}");
        }
    }

    #[test]
    fn equal_secrets_give_equal_keys() {
        assert_eq!(EdgeKey::of_secret(b"ours").public(), EdgeKey::of_secret(b"ours").public());
        assert_ne!(EdgeKey::of_secret(b"ours").public(), EdgeKey::of_secret(b"ours ").public());
    }
}
