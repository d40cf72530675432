//! Why a client's certificate was refused, in our words.
//!
//! Takes what the TLS library says of a handshake or a chain; gives the refusal. A certificate whose chain is good is not yet a partner:
//! `peer.rs`.

use rustls::{CertificateError, Error};

use crate::refusal::Refusal;

/// Why a handshake failed, from our side of it; the peer sees only an alert.
pub(super) fn reason(error: &std::io::Error) -> Refusal {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::NoCertificatesPresented) => Refusal::NoCertificate,
        Some(Error::InvalidCertificate(certificate)) => refusal(certificate),
        _ => Refusal::HandshakeFailed,
    }
}

/// What is wrong with a certificate, in our words.
pub(super) fn refusal(certificate: &CertificateError) -> Refusal {
    match certificate {
        CertificateError::Revoked => Refusal::CertificateRevoked,
        // Without a list of its issuer a certificate cannot have come from an authority of ours: each of ours has one.
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnknownRevocationStatus => Refusal::UnknownIssuer,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Refusal::CertificateExpired,
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            Refusal::RevocationListExpired
        }
        _ => Refusal::CertificateProfile,
    }
}
