//! What players recognise an edge by: a certificate and its key.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs, io};

use aws_lc_rs::digest;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use crate::certificates::{CURRENT, NEXT};
use crate::io::clock;
use crate::private_file;

/// A chain of certificates, the edge's own first, and the key of that.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Clone for Certificate {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The text does not hold what it should.
    #[error("the certificate: {reason}")]
    Pem {
        /// What is wrong.
        reason: String,
    },
    /// A new one could not be made.
    #[error("making a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

impl Certificate {
    /// Reads an operator's certificate chain and key (PKCS#8, SEC1 or PKCS#1), both PEM.
    ///
    /// # Errors
    /// When either is missing in its text.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let refused = |reason: String| CertificateError::Pem { reason };
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| refused(error.to_string()))?;
        if chain.is_empty() {
            return Err(refused("the text holds none".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| refused(format!("its key: {error}")))?;
        Ok(Self { chain, key })
    }

    /// The certificate of a development edge: for this machine's names, signed by itself, kept in
    /// `dir/edge.pem` and made anew when fewer than 3 of its 13 days are left. Browsers pin certificates by hash
    /// if they live 14 days at most, and are of P-256.
    ///
    /// # Errors
    /// When the file cannot be read or written. One that is damaged is replaced.
    pub fn self_signed(dir: &Path) -> Result<Self, CertificateError> {
        let path = dir.join(CURRENT);
        let now = clock::unix_seconds();
        let failed = |source| CertificateError::File { path: path.clone(), source };
        // The one that was to follow has been named already.
        for held in [path.clone(), dir.join(NEXT)] {
            match fs::read(&held) {
                Ok(text) if good_until(&text).is_some_and(|until| until > now + RENEW_SECONDS) => {
                    if let Ok(certificate) = Self::from_pem(&text, &text) {
                        fs::rename(&held, &path).map_err(failed)?;
                        return Ok(certificate);
                    }
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        let text = make(now)?;
        fs::create_dir_all(dir).map_err(failed)?;
        private_file::replace(&path, text.as_bytes()).map_err(failed)?;
        Self::from_pem(text.as_bytes(), text.as_bytes())
    }

    /// SHA-256 of the certificate (DER): what clients pin.
    #[must_use]
    pub fn sha256(&self) -> [u8; digest::SHA256_OUTPUT_LEN] {
        let hash = digest::digest(&digest::SHA256, &self.chain[0]);
        hash.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// As TLS takes it. Fails when the key is not that of the certificate.
    pub(crate) fn certified(&self) -> Result<CertifiedKey, CertificateError> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), &provider)
            .map_err(|error| CertificateError::Pem { reason: error.to_string() })
    }
}

/// The file: a line that says how long it is good, the certificate, its key.
pub(crate) fn make(now: u64) -> Result<String, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    params.subject_alt_names.extend(loopback.map(SanType::IpAddress));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "worldlog development edge");
    // Clocks of players may be behind.
    let (from, until) = (now - 3_600, now - 3_600 + LIFE_SECONDS);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(from);
    params.not_after = epoch + Duration::from_secs(until);
    let certificate = params.self_signed(&key)?;
    Ok(format!("{GOOD_UNTIL}{until}\n{}{}", certificate.pem(), key.serialize_pem()))
}

pub(crate) fn good_until(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.lines().next()?.strip_prefix(GOOD_UNTIL)?.parse().ok()
}

pub(crate) const DAY_SECONDS: u64 = 24 * 60 * 60;
const LIFE_SECONDS: u64 = 13 * DAY_SECONDS;
pub(crate) const RENEW_SECONDS: u64 = 3 * DAY_SECONDS;
const GOOD_UNTIL: &str = "Made for development. Good until Unix second ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_is_kept_until_it_is_old_or_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let first = Certificate::self_signed(dir.path()).unwrap();
        assert_eq!(Certificate::self_signed(dir.path()).unwrap().sha256(), first.sha256());

        let path = dir.path().join("edge.pem");
        let old = make(clock::unix_seconds() - 11 * DAY_SECONDS).unwrap();
        fs::write(&path, &old).unwrap();
        let renewed = Certificate::self_signed(dir.path()).unwrap();
        assert_ne!(renewed.sha256(), Certificate::from_pem(old.as_bytes(), old.as_bytes()).unwrap().sha256());

        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert_ne!(Certificate::self_signed(dir.path()).unwrap().sha256(), renewed.sha256());
    }

    #[cfg(unix)]
    #[test]
    fn key_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        Certificate::self_signed(dir.path()).unwrap();
        let mode = fs::metadata(dir.path().join("edge.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
