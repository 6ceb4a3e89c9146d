//! Whom a client believes to be an edge.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::ConnectError;

/// How an edge proves that it is one.
#[derive(Clone)]
#[non_exhaustive]
pub enum Trust {
    /// Its certificate (DER) has this SHA-256 hash. Name and dates are not looked at.
    Pinned([u8; 32]),
    /// Its certificate is signed by one of these CAs (PEM, one or more) and carries the name that
    /// was asked for: [`crate::ClientOptions::server_name`], or else its IP address.
    CaPem(Vec<u8>),
    /// Anyone, as long as all addresses are of this machine. For development.
    DevInsecureLoopback,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pinned(_) => "Pinned",
            Self::CaPem(_) => "CaPem",
            Self::DevInsecureLoopback => "DevInsecureLoopback",
        })
    }
}

impl Trust {
    /// Checks what can be checked before a connection, and builds the verifier.
    pub(crate) fn verifier(
        &self,
        addresses: &[SocketAddr],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, ConnectError> {
        match self {
            Self::Pinned(hash) => Ok(Arc::new(OneCertificate { hash: Some(*hash), provider: Arc::clone(provider) })),
            Self::CaPem(pem) => ca_verifier(pem, provider),
            Self::DevInsecureLoopback => match addresses.iter().find(|address| !address.ip().is_loopback()) {
                Some(address) => Err(ConnectError::NotLoopback { address: *address }),
                None => Ok(Arc::new(OneCertificate { hash: None, provider: Arc::clone(provider) })),
            },
        }
    }
}

fn ca_verifier(pem: &[u8], provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, ConnectError> {
    let refused = |reason: String| ConnectError::Trust { reason };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("the PEM text holds no certificate".to_owned()));
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().map(|verifier| verifier as Arc<dyn ServerCertVerifier>).map_err(|error| refused(error.to_string()))
}

/// Accepts the certificate of one hash; of any when there is none. The peer must hold its key in
/// either case.
#[derive(Debug)]
struct OneCertificate {
    hash: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OneCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = digest::digest(&digest::SHA256, end_entity);
        match self.hash {
            Some(hash) if found.as_ref() != hash.as_slice() => {
                Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
