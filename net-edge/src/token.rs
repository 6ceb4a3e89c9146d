//! Join tokens: who may join which match, once, now. Section 12 of `protocol/README.md`.
//!
//! The edge checks all that needs no state; that a token is redeemed once is the log's to say.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fs, io};

use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519_PUBLIC_KEY_LEN, Ed25519KeyPair, KeyPair};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use protocol::MatchId;
use protocol::limits::{ACCOUNT_BYTES_MAX, NONCE_BYTES, TOKEN_BYTES_MAX, TOKEN_CLOCK_SLACK_MS, TOKEN_SECONDS_MAX};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::private_file;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The match that may be joined.
    pub match_id: MatchId,
    /// Who joins: 1 to 64 bytes. One account has one session in a match.
    pub account: String,
    /// Makes the token one of its kind.
    pub nonce: [u8; NONCE_BYTES],
    /// Unix seconds.
    pub issued: u64,
    /// Unix seconds; at most 60 after `issued`.
    pub expires: u64,
}

impl Claims {
    /// Claims of the longest life, with a nonce of their own.
    #[must_use]
    pub fn new(match_id: MatchId, account: impl Into<String>, issued: u64) -> Self {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).expect("the system has randomness");
        Self { match_id, account: account.into(), nonce, issued, expires: issued + TOKEN_SECONDS_MAX }
    }
}

/// The claims as they are written.
#[derive(Serialize, Deserialize)]
struct Written {
    // Checked by the library, which takes a list of audiences too.
    #[serde(skip_deserializing)]
    aud: String,
    #[serde(rename = "match")]
    match_id: u64,
    sub: String,
    jti: String,
    iat: u64,
    exp: u64,
}

const AUDIENCE: &str = "worldlog";

// ---- signing ------------------------------------------------------------------------------------------

/// The private key that makes tokens. Edges hold the public one alone.
pub struct TokenSigner {
    pkcs8: Vec<u8>,
    public: TokenPublicKey,
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Why a key file was not read or written.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{}: not an Ed25519 key in PKCS#8 (DER); restore it, or move it away to have a new one made", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
}

impl KeyError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_owned(), source }
    }
}

impl TokenSigner {
    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        let pair = Ed25519KeyPair::generate().expect("the system has randomness");
        let pkcs8 = pair.to_pkcs8().expect("a key that was just made can be written");
        Self { public: public_key(&pair), pkcs8: pkcs8.as_ref().to_vec() }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// When it cannot be read or is no such key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let pkcs8 = fs::read(path).map_err(KeyError::file(path))?;
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| KeyError::Content { path: path.to_owned() })?;
        Ok(Self { public: public_key(&pair), pkcs8 })
    }

    /// Writes a key file that its owner alone may read.
    ///
    /// # Errors
    /// When the file system says no. An existing file is then as it was.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        private_file::replace(path, &self.pkcs8).map_err(KeyError::file(path))
    }

    /// Reads a key file, or makes one where there is none: the `bool` says so.
    ///
    /// # Errors
    /// As [`TokenSigner::load`] and [`TokenSigner::write`].
    pub fn load_or_generate(path: &Path) -> Result<(Self, bool), KeyError> {
        if path.exists() {
            return Self::load(path).map(|signer| (signer, false));
        }
        let signer = Self::generate();
        signer.write(path)?;
        Ok((signer, true))
    }

    /// What edges need to check tokens of this key.
    #[must_use]
    pub const fn public_key(&self) -> TokenPublicKey {
        self.public
    }

    /// Makes a token. It says what it is told; whether that is acceptable is for [`verify`].
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let written = Written {
            aud: AUDIENCE.to_owned(),
            match_id: claims.match_id.0,
            sub: claims.account.clone(),
            jti: to_hex(&claims.nonce),
            iat: claims.issued,
            exp: claims.expires,
        };
        let key = EncodingKey::from_ed_der(&self.pkcs8);
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &written, &key)
            .expect("the key was checked when it was read")
    }
}

fn public_key(pair: &Ed25519KeyPair) -> TokenPublicKey {
    TokenPublicKey(pair.public_key().as_ref().try_into().expect("a public key has 32 bytes"))
}

// ---- verifying ----------------------------------------------------------------------------------------

/// The key that tokens are checked with; as text 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenPublicKey(pub [u8; ED25519_PUBLIC_KEY_LEN]);

impl fmt::Display for TokenPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for TokenPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenPublicKey({self})")
    }
}

/// The text is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a public key has 64 hexadecimal digits")]
pub struct ParseKeyError;

impl FromStr for TokenPublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        from_hex(text).map(Self).ok_or(ParseKeyError)
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is not one of ours, was changed, or says what it may not.
    #[error("{reason}")]
    Invalid {
        /// For the operator's log.
        reason: String,
    },
    /// It is past its time.
    #[error("it expired {seconds_ago} s ago")]
    Expired {
        /// How long ago.
        seconds_ago: u64,
    },
}

fn invalid(reason: impl Into<String>) -> TokenError {
    TokenError::Invalid { reason: reason.into() }
}

/// Checks a token against the keys that are good now. `now` in Unix milliseconds.
///
/// # Errors
/// [`TokenError::Expired`] when time alone is what it lacks.
pub fn verify(token: &str, keys: &[TokenPublicKey], now_ms: i64) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(invalid("it is too long"));
    }
    let written = keys
        .iter()
        .map(|key| verify_signature(token, key))
        .reduce(|one, other| one.or(other))
        .unwrap_or_else(|| Err(invalid("this edge has no keys")))?;
    check(written, now_ms)
}

fn verify_signature(token: &str, key: &TokenPublicKey) -> Result<Written, TokenError> {
    // Times are checked below: the library would read a clock of its own.
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false;
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "aud", "sub"]);
    jsonwebtoken::decode::<Written>(token, &DecodingKey::from_ed_der(&key.0), &validation)
        .map(|token| token.claims)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => invalid("it is signed by another key, or was changed"),
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => invalid("its algorithm is not EdDSA"),
            ErrorKind::InvalidAudience => invalid("it is for another audience"),
            _ => invalid(error.to_string()),
        })
}

fn check(written: Written, now_ms: i64) -> Result<Claims, TokenError> {
    let Written { match_id, sub, jti, iat, exp, .. } = written;
    let nonce = from_hex(&jti).ok_or_else(|| invalid("its jti is not 32 hexadecimal digits"))?;
    if sub.is_empty() || sub.len() > ACCOUNT_BYTES_MAX {
        return Err(invalid("its account name has not 1 to 64 bytes"));
    }
    if exp <= iat || exp - iat > TOKEN_SECONDS_MAX {
        return Err(invalid("it lives longer than 60 s, or not at all"));
    }
    let now_ms = u64::try_from(now_ms).unwrap_or_default();
    if iat.saturating_mul(1_000) > now_ms + TOKEN_CLOCK_SLACK_MS as u64 {
        return Err(invalid("it was issued in the future"));
    }
    if exp.saturating_mul(1_000) <= now_ms {
        return Err(TokenError::Expired { seconds_ago: now_ms / 1_000 - exp });
    }
    Ok(Claims { match_id: MatchId(match_id), account: sub, nonce, issued: iat, expires: exp })
}

// ---- hexadecimal --------------------------------------------------------------------------------------

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |letter: u8| char::from(letter).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}
