//! Which certificate is in force: changed while the edge runs, without a word to those who are connected.
//!
//! ```text
//!  made here: 13 days    |------------------------------------|---|---|
//!                        made                        next is made   ^ end
//!                                                    and named  next is in force
//!  of an operator: whatever the files hold, looked at now and then
//! ```
//!
//! Invariants:
//! - A certificate that is made here is named a day before it is in force, so that whoever asks for hashes and connects
//!   later than that has it.
//! - Files that do not fit each other change nothing: what was in force stays so.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use aws_lc_rs::rand;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificate::{Certificate, CertificateError, DAY_SECONDS, RENEW_SECONDS, good_until, make};
use crate::io::clock;
use crate::private_file;

/// What players recognise an edge by, now and soon. Clones are the same.
#[derive(Clone)]
pub struct Certificates(Arc<Shared>);

struct Shared {
    source: Source,
    /// Equal after a restart, whatever became of certificates.
    seed: Vec<u8>,
    held: Mutex<Held>,
    in_force: RwLock<Arc<CertifiedKey>>,
}

enum Source {
    /// Signed by itself, in a folder.
    Made { dir: PathBuf },
    /// An operator's.
    Files { chain: PathBuf, key: PathBuf },
}

struct Held {
    current: Certificate,
    /// Unix seconds; those of an operator are the operator's to watch.
    until: u64,
    next: Option<(Certificate, u64)>,
    /// As the files were.
    text: (Vec<u8>, Vec<u8>),
}

impl Certificates {
    /// Those of a development edge: for this machine's names, signed by themselves, kept in `dir`, each good for 13 days
    /// and replaced 3 days before its end.
    ///
    /// # Errors
    /// When files in `dir` cannot be read or written. One that is damaged is replaced.
    pub fn self_signed(dir: impl Into<PathBuf>) -> Result<Self, CertificateError> {
        let dir = dir.into();
        let current = Certificate::self_signed(&dir)?;
        let until = good_until(&read(&dir.join(CURRENT))?).unwrap_or(u64::MAX);
        let seed = seed_of(&dir)?;
        let made =
            Self::new(Source::Made { dir }, seed, Held { current, until, next: None, text: Default::default() })?;
        made.refresh(clock::unix_seconds())?;
        Ok(made)
    }

    /// An operator's certificate chain and key, both PEM, from two files or twice the same one. What replaces them is in
    /// force within ten seconds. `dir` keeps what must outlive a restart.
    ///
    /// # Errors
    /// When a file cannot be read, holds no PEM, or the key is of another certificate.
    pub fn from_files(chain: PathBuf, key: PathBuf, dir: impl Into<PathBuf>) -> Result<Self, CertificateError> {
        let text = (read(&chain)?, read(&key)?);
        let current = Certificate::from_pem(&text.0, &text.1)?;
        let seed = seed_of(&dir.into())?;
        Self::new(Source::Files { chain, key }, seed, Held { current, until: u64::MAX, next: None, text })
    }

    fn new(source: Source, seed: Vec<u8>, held: Held) -> Result<Self, CertificateError> {
        let in_force = RwLock::new(Arc::new(held.current.certified()?));
        Ok(Self(Arc::new(Shared { source, seed, held: Mutex::new(held), in_force })))
    }

    /// SHA-256 of the certificates (DER) that are in force or will be: what clients pin. The one in force comes first.
    #[must_use]
    pub fn sha256(&self) -> Vec<[u8; 32]> {
        let held = self.held();
        let next = held.next.as_ref().map(|(certificate, _)| certificate.sha256());
        [Some(held.current.sha256()), next].into_iter().flatten().collect()
    }

    /// Whether no authority vouches for it, so that clients must pin it.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        !matches!(self.0.source, Source::Files { .. })
    }

    /// Looks whether another certificate is to be in force at this Unix second; `true` when one is now. An edge does it
    /// every ten seconds.
    ///
    /// # Errors
    /// When files cannot be read or written, or do not fit each other. What was in force stays so.
    pub fn refresh(&self, unix_seconds: u64) -> Result<bool, CertificateError> {
        let mut held = self.held();
        let changed = match &self.0.source {
            Source::Made { dir } => {
                if held.next.is_none() && held.until <= unix_seconds + ANNOUNCE_SECONDS {
                    held.next = Some(next(dir, unix_seconds)?);
                }
                let is_due = held.until <= unix_seconds + RENEW_SECONDS;
                match held.next.take_if(|_| is_due) {
                    Some((certificate, until)) => {
                        let path = dir.join(NEXT);
                        let renamed = std::fs::rename(&path, dir.join(CURRENT));
                        renamed.map_err(|source| CertificateError::File { path, source })?;
                        (held.current, held.until) = (certificate, until);
                        true
                    }
                    None => false,
                }
            }
            Source::Files { chain, key } => {
                let text = (read(chain)?, read(key)?);
                let is_new = text != held.text;
                if is_new {
                    let certificate = Certificate::from_pem(&text.0, &text.1)?;
                    certificate.certified()?;
                    (held.current, held.text) = (certificate, text);
                }
                is_new
            }
        };
        if changed {
            let certified = Arc::new(held.current.certified()?);
            *self.0.in_force.write().unwrap_or_else(PoisonError::into_inner) = certified;
        }
        Ok(changed)
    }

    /// What no one else can derive keys from, equal after a restart.
    pub(crate) fn seed(&self) -> &[u8] {
        &self.0.seed
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.in_force.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("current", &self.held().current).finish_non_exhaustive()
    }
}

/// The next one: from its file, when that was made before this process began.
fn next(dir: &std::path::Path, now: u64) -> Result<(Certificate, u64), CertificateError> {
    let path = dir.join(NEXT);
    if let Ok(text) = read(&path)
        && let Some(until) = good_until(&text).filter(|until| *until > now + ANNOUNCE_SECONDS)
        && let Ok(certificate) = Certificate::from_pem(&text, &text)
    {
        return Ok((certificate, until));
    }
    let text = make(now)?;
    let failed = |source| CertificateError::File { path: path.clone(), source };
    private_file::replace(&path, text.as_bytes()).map_err(failed)?;
    let until = good_until(text.as_bytes()).unwrap_or(u64::MAX);
    Ok((Certificate::from_pem(text.as_bytes(), text.as_bytes())?, until))
}

fn seed_of(dir: &std::path::Path) -> Result<Vec<u8>, CertificateError> {
    let path = dir.join(SEED);
    let failed = |source| CertificateError::File { path: path.clone(), source };
    match std::fs::read(&path) {
        Ok(seed) if seed.len() >= SEED_BYTES => return Ok(seed),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut seed = vec![0; SEED_BYTES];
    rand::fill(&mut seed).expect("the system has randomness");
    std::fs::create_dir_all(dir).map_err(failed)?;
    private_file::replace(&path, &seed).map_err(failed)?;
    Ok(seed)
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|source| CertificateError::File { path: path.to_owned(), source })
}

/// How long before its end the next one is made and named.
const ANNOUNCE_SECONDS: u64 = RENEW_SECONDS + DAY_SECONDS;
pub(crate) const CURRENT: &str = "edge.pem";
pub(crate) const NEXT: &str = "edge-next.pem";
const SEED: &str = "endpoint.key";
const SEED_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn next_certificate_is_named_a_day_before_it_is_in_force_and_each_change_is_a_step() {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::self_signed(dir.path()).unwrap();
        let start = clock::unix_seconds();
        let (mut known, mut in_force, mut changes) = (certificates.sha256(), certificates.sha256()[0], 0);
        // Sixty days, looked at every hour, by a client who asks for hashes once a day.
        for hour in 0..60 * 24 {
            let changed = certificates.refresh(start + hour * 3_600).unwrap();
            let now = certificates.sha256();
            assert_eq!(changed, now[0] != in_force);
            changes += u32::from(changed);
            in_force = now[0];
            assert!(known.contains(&in_force), "hour {hour}: what is in force was named a day before");
            let restarted = Certificate::from_pem(
                &read(&dir.path().join(CURRENT)).unwrap(),
                &read(&dir.path().join(CURRENT)).unwrap(),
            );
            assert_eq!(restarted.unwrap().sha256(), in_force, "a restart finds what is in force");
            if hour % 24 == 23 {
                known = now;
            }
        }
        assert_eq!(changes, 6, "each is in force for nine days");
    }

    #[test]
    fn restart_keeps_the_certificate_that_was_named_and_the_seed() {
        let dir = tempfile::tempdir().unwrap();
        let first = Certificates::self_signed(dir.path()).unwrap();
        let soon = clock::unix_seconds() + 9 * DAY_SECONDS + 7_200;
        first.refresh(soon).unwrap();
        let named = first.sha256();
        assert_eq!(named.len(), 2);
        let second = Certificates::self_signed(dir.path()).unwrap();
        second.refresh(soon).unwrap();
        assert_eq!((second.sha256(), second.seed()), (named, first.seed()));
    }

    #[test]
    fn files_that_change_are_taken_and_those_that_do_not_fit_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (chain, key) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
        let now = clock::unix_seconds();
        let split = |text: &str| {
            let at = text.find("-----BEGIN PRIVATE").unwrap();
            (text[..at].to_owned(), text[at..].to_owned())
        };
        let (first, second) = (split(&make(now).unwrap()), split(&make(now).unwrap()));
        let put = |pair: (&str, &str)| {
            fs::write(&chain, pair.0).unwrap();
            fs::write(&key, pair.1).unwrap();
        };
        put((&first.0, &first.1));
        let certificates = Certificates::from_files(chain.clone(), key.clone(), dir.path()).unwrap();
        let before = certificates.sha256();
        assert!(!certificates.is_self_signed() && !certificates.refresh(now).unwrap());

        for broken in [(second.0.as_str(), first.1.as_str()), ("", &second.1), (&second.0, "no key")] {
            put(broken);
            assert!(certificates.refresh(now).is_err(), "half of a change");
            assert_eq!(certificates.sha256(), before);
        }
        put((&second.0, &second.1));
        assert!(certificates.refresh(now).unwrap() && !certificates.refresh(now).unwrap());
        assert_ne!(certificates.sha256(), before);
    }
}
