//! Identity: from a client certificate to a partner of the bundle.
//!
//! The chain was verified before; that proves an authority, not an identity. Takes the leaf certificate; gives a [`Peer`]. Refuses what
//! does not follow the partner profile (`certs-example/README.md`): exactly one URI SAN, a SPIFFE id that the bundle lists byte for byte,
//! extended key usage with clientAuth, digitalSignature, no authority, no longer life than allowed. The subject name decides nothing, nor
//! does any header.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::CertificateDer;
use shuguan_policies::envelope::Algorithm;
use shuguan_policies::{Partner, PolicySet};
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_SIG_ED25519};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::refusal::Refusal;
use crate::sha256;

/// Longest life of a partner certificate.
const CERTIFICATE_DAYS_MAX: i64 = 825;

/// An identified partner. Made by the edge only.
#[derive(Clone, Debug)]
pub struct Peer {
    partner: Partner,
    certificate_sha256: [u8; 32],
    /// DER in Base64, a blank between certificates: each exchange notes it.
    chain: Arc<str>,
    issuer: Vec<u8>,
    serial: Vec<u8>,
    /// The last second in which its own certificate is valid, since 1970.
    valid_until_s: i64,
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

    /// The chain that the handshake verified, each certificate as DER in Base64, the partner's own first: kept in the evidence record.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The same peer with the whole chain of its handshake.
    ///
    /// What it sent beside its own certificate is kept and not judged: the handshake built the path that it needed, perhaps past an old intermediate that a
    /// partner still sends.
    pub(super) fn with_chain(self, chain: &[CertificateDer<'_>]) -> Self {
        Self {
            chain: told(chain.iter().map(AsRef::as_ref)),
            ..self
        }
    }

    /// Raw name of the issuer.
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Raw serial number.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Whether its certificate has ended by then, seconds since 1970.
    pub(super) fn has_expired(&self, now_s: i64) -> bool {
        self.valid_until_s < now_s
    }

    /// The same certificate under what the partner table says now.
    pub(crate) fn with_partner(&self, partner: Partner) -> Self {
        Self {
            partner,
            ..self.clone()
        }
    }

    /// Reads the identity out of a verified leaf certificate.
    ///
    /// # Errors
    /// [`Refusal::CertificateProfile`], [`Refusal::UnknownPartner`].
    pub(crate) fn identify(der: &[u8], policies: &PolicySet) -> Result<Self, Refusal> {
        let claim = Claim::read(der)?;
        if !is_ours(&claim.spiffe, policies.trust_domain()) {
            return Err(Refusal::CertificateProfile);
        }
        let partner = policies
            .partner_by_spiffe(&claim.spiffe)
            .ok_or(Refusal::UnknownPartner)?;
        Ok(Self {
            partner: partner.clone(),
            certificate_sha256: sha256::of(der),
            chain: told([der]),
            issuer: claim.issuer,
            serial: claim.serial,
            valid_until_s: claim.valid_until_s,
        })
    }
}

fn told<'c>(chain: impl IntoIterator<Item = &'c [u8]>) -> Arc<str> {
    let certificates: Vec<String> = chain.into_iter().map(|der| BASE64.encode(der)).collect();
    certificates.join(" ").into()
}

/// What a leaf certificate that follows the profile says of its holder; nobody has verified its chain here.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Its one URI name.
    pub(crate) spiffe: String,
    /// Kind of its key, when it is one that signs bundles.
    pub(crate) algorithm: Option<Algorithm>,
    /// Its public key: 32 bytes of Ed25519, an uncompressed point of a curve.
    pub(crate) public_key: Vec<u8>,
    issuer: Vec<u8>,
    serial: Vec<u8>,
    valid_until_s: i64,
}

impl Claim {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`Refusal::CertificateProfile`].
    pub(crate) fn read(der: &[u8]) -> Result<Self, Refusal> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| Refusal::CertificateProfile)?;
        if !rest.is_empty() || !follows_profile(&certificate) {
            return Err(Refusal::CertificateProfile);
        }
        let spiffe = only_uri(&certificate).ok_or(Refusal::CertificateProfile)?;
        let key = certificate.public_key();
        Ok(Self {
            spiffe: spiffe.to_owned(),
            algorithm: algorithm(key),
            public_key: key.subject_public_key.data.to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            serial: certificate.raw_serial().to_vec(),
            valid_until_s: certificate.validity().not_after.timestamp(),
        })
    }

    /// Whether a signature over a message is this key's; ECDSA as ASN.1.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.algorithm {
            Some(Algorithm::Ed25519) => &ED25519,
            Some(Algorithm::EcdsaP256) => &ECDSA_P256_SHA256_ASN1,
            None => return false,
        };
        let key = UnparsedPublicKey::new(algorithm, &self.public_key);
        key.verify(message, signature).is_ok()
    }
}

fn algorithm(key: &SubjectPublicKeyInfo<'_>) -> Option<Algorithm> {
    if key.algorithm.algorithm == OID_SIG_ED25519 {
        return Some(Algorithm::Ed25519);
    }
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
    (curve == OID_EC_P256).then_some(Algorithm::EcdsaP256)
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
    let is_leaf = certificate
        .basic_constraints()
        .is_ok_and(|constraints| constraints.is_none_or(|constraints| !constraints.value.ca));
    let validity = certificate.validity();
    let life_s = validity
        .not_after
        .timestamp()
        .saturating_sub(validity.not_before.timestamp());
    client_auth && signs && is_leaf && life_s <= CERTIFICATE_DAYS_MAX * 86_400 && has_good_key(certificate)
}

/// P-256, P-384, Ed25519, or RSA of at least 2048 bits.
fn has_good_key(certificate: &X509Certificate<'_>) -> bool {
    let key = certificate.public_key();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => rsa.key_size() >= 2_048,
        Ok(PublicKey::EC(_)) => key
            .algorithm
            .parameters
            .as_ref()
            .and_then(|curve| curve.as_oid().ok())
            .is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384),
        _ => key.algorithm.algorithm == OID_SIG_ED25519,
    }
}

/// A SPIFFE id of this trust domain, byte for byte: no other spelling of scheme or host, nothing encoded, no port, no query.
fn is_ours(uri: &str, trust_domain: &str) -> bool {
    let path = uri
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.strip_prefix(trust_domain))
        .and_then(|rest| rest.strip_prefix('/'));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_');
    path.is_some_and(|path| !path.is_empty() && path.bytes().all(plain))
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

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn an_identity_has_one_spelling() {
        assert!(is_ours("spiffe://lyg.example/agency/health/city", "lyg.example"));
        for other in [
            "SPIFFE://lyg.example/agency/health/city",
            "spiffe://LYG.example/agency/health/city",
            "spiffe://lyg.example./agency/health/city",
            "spiffe://lyg.example:443/agency/health/city",
            "spiffe://lyg.example/agency/health/*",
            "spiffe://lyg.example/agency/health/city?x",
            "spiffe://lyg.example/agency/health/%63ity",
            "spiffe://lyg.example/agency/health/city\0",
            "spiffe://lyg.example.org/agency/health/city",
            "spiffe://lyg.example/",
            "spiffe://lyg.example",
            "https://lyg.example/agency/health/city",
        ] {
            assert!(!is_ours(other, "lyg.example"), "{other:?}");
        }
    }
}
