//! Identity: from a client certificate to a partner of the bundle.
//!
//! The chain was verified before; that proves an authority, not an identity. Takes the leaf certificate; gives a [`Peer`]. Refuses what
//! does not follow the partner profile (`certs-example/README.md`): exactly one URI SAN, a SPIFFE id that the bundle lists byte for byte,
//! extended key usage with clientAuth, digitalSignature, no authority, no longer life than allowed. The subject name decides nothing, nor
//! does any header.

use ring::digest::{SHA256, digest};
use shuguan_policies::{Partner, PolicySet};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::refusal::Refusal;

/// Longest life of a partner certificate.
const CERTIFICATE_DAYS_MAX: i64 = 825;

/// An identified partner. Made by the edge only.
#[derive(Clone, Debug)]
pub struct Peer {
    partner: Partner,
    certificate_sha256: [u8; 32],
    issuer: Vec<u8>,
    serial: Vec<u8>,
}

impl Peer {
    /// The partner.
    pub fn partner(&self) -> &Partner {
        &self.partner
    }

    /// SHA-256 of the certificate.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        self.certificate_sha256
    }

    /// Raw name of the issuer.
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Raw serial number.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Reads the identity out of a verified leaf certificate.
    ///
    /// # Errors
    /// [`Refusal::CertificateProfile`], [`Refusal::UnknownPartner`].
    pub(crate) fn identify(der: &[u8], policies: &PolicySet) -> Result<Self, Refusal> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| Refusal::CertificateProfile)?;
        if !rest.is_empty() || !follows_profile(&certificate) {
            return Err(Refusal::CertificateProfile);
        }
        let spiffe = only_uri(&certificate).ok_or(Refusal::CertificateProfile)?;
        let partner = policies.partner_by_spiffe(spiffe).ok_or(Refusal::UnknownPartner)?;
        let mut certificate_sha256 = [0; 32];
        certificate_sha256.copy_from_slice(digest(&SHA256, der).as_ref());
        Ok(Self {
            partner: partner.clone(),
            certificate_sha256,
            issuer: certificate.issuer().as_raw().to_vec(),
            serial: certificate.raw_serial().to_vec(),
        })
    }
}

fn follows_profile(certificate: &X509Certificate<'_>) -> bool {
    let client_auth = certificate
        .extended_key_usage()
        .ok()
        .flatten()
        .is_some_and(|usage| usage.value.client_auth && !usage.value.any && !usage.value.code_signing);
    let signs = certificate.key_usage().ok().flatten().is_some_and(|usage| {
        let usage = usage.value;
        usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign()
    });
    let validity = certificate.validity();
    let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400;
    client_auth && signs && !certificate.is_ca() && days <= CERTIFICATE_DAYS_MAX
}

/// The URI SAN, when there is exactly one.
fn only_uri<'c>(certificate: &'c X509Certificate<'_>) -> Option<&'c str> {
    let names = certificate.subject_alternative_name().ok().flatten()?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let uri = uris.next()?;
    uris.next().is_none().then_some(uri)
}
