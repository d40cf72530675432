//! Certificates of officers who sign: the same authorities and revocation lists as at the listeners, asked outside a handshake.
//!
//! Takes a chain as DER and a moment; refuses a chain that does not lead to one of our authorities, is outside its validity, or is revoked.

use std::sync::Arc;
use std::time::Duration;

use rustls::Error;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::verifier;
use crate::refusal::Refusal;

/// Judges chains of certificates.
#[derive(Clone, Debug)]
pub struct Signers {
    /// With the lists of this moment.
    current: Arc<dyn ClientCertVerifier>,
    /// Without lists, and with authorities that were revoked since.
    ever: Arc<dyn ClientCertVerifier>,
}

impl Signers {
    pub(super) fn new(current: Arc<dyn ClientCertVerifier>, ever: Arc<dyn ClientCertVerifier>) -> Self {
        Self { current, ever }
    }

    /// Whether a chain is good now, seconds since 1970, and nobody revoked it.
    ///
    /// # Errors
    /// [`Refusal::UnknownIssuer`], [`Refusal::CertificateExpired`], [`Refusal::CertificateRevoked`], [`Refusal::RevocationListExpired`],
    /// [`Refusal::CertificateProfile`].
    pub fn good_now(&self, chain: &[Vec<u8>], now_s: i64) -> Result<(), Refusal> {
        verify(&*self.current, chain, now_s)
    }

    /// Whether a chain was good at a moment that is over, whatever was revoked since: for what the log says was accepted then.
    ///
    /// # Errors
    /// As [`Signers::good_now`], without revocation.
    pub fn good_then(&self, chain: &[Vec<u8>], then_s: i64) -> Result<(), Refusal> {
        verify(&*self.ever, chain, then_s)
    }
}

fn verify(verifier: &dyn ClientCertVerifier, chain: &[Vec<u8>], at_s: i64) -> Result<(), Refusal> {
    let (leaf, issuers) = chain.split_first().ok_or(Refusal::NoCertificate)?;
    let leaf = CertificateDer::from(leaf.as_slice());
    let issuers: Vec<CertificateDer<'_>> = issuers.iter().map(|der| der.as_slice().into()).collect();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at_s).unwrap_or(0)));
    match verifier.verify_client_cert(&leaf, &issuers, at) {
        Ok(_verified) => Ok(()),
        Err(Error::InvalidCertificate(fault)) => Err(verifier::refusal(&fault)),
        Err(_) => Err(Refusal::CertificateProfile),
    }
}
