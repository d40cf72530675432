//! The client verifier of a listener, and why it said no.
//!
//! Takes the TLS library's verifier; gives the same verdicts and keeps, for the connection at hand, which certificate was refused and
//! why. Alone the library leaves an I/O error without a serial number. A certificate whose chain is good is not yet a partner: `peer.rs`.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::refusal::Refusal;

tokio::task_local! {
    /// What this connection showed. A verifier is shared by all connections of a listener and is called inside the handshake's task.
    static SHOWN: RefCell<Option<Vec<u8>>>;
}

/// Runs a handshake; gives its result and the raw serial number of the certificate that was refused in it.
pub(super) async fn watch<F: Future>(handshake: F) -> (F::Output, Option<Vec<u8>>) {
    SHOWN
        .scope(RefCell::default(), async {
            let result = handshake.await;
            (result, SHOWN.with(RefCell::take))
        })
        .await
}

/// Delegates, and remembers refused certificates.
pub(super) struct Watching(pub(super) Arc<dyn ClientCertVerifier>);

impl fmt::Debug for Watching {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Watching")
    }
}

impl ClientCertVerifier for Watching {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = self.0.verify_client_cert(leaf, intermediates, now);
        if verdict.is_err() {
            // Outside a watched handshake there is nobody to tell.
            let _ = SHOWN.try_with(|shown| shown.replace(serial(leaf)));
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// The raw serial number, when it is one that a certificate may have (RFC 5280, 4.1.2.2: at most 20 octets).
fn serial(leaf: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let serial = certificate.raw_serial();
    (serial.len() <= 21).then(|| serial.to_vec())
}

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
