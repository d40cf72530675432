//! Certificates that deviate from the profile, for tests of the edge and for the demo. Nothing here is recorded.
//!
//! Takes an authority's folder (so only whoever holds its key can use this) and a [`Deviation`]; gives a key and a
//! certificate. The default deviates in nothing.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};

use super::authority::{Authority, Tier};
use super::{DAY_US, PkiFault, Subject, fingerprint, template, x509_time};

/// In what a certificate differs from the profile (edge.md 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// Start of validity relative to now, days.
    pub starts_days: i64,
    /// End of validity relative to now, days; below 0 is expired.
    pub ends_days: i64,
    /// URI names instead of the subject's SPIFFE id; an empty list leaves the extension out unless there are DNS names.
    pub uris: Option<Vec<String>>,
    /// DNS names.
    pub dns: Vec<String>,
    /// Extended key usages; empty leaves the extension out.
    pub extended_key_usages: Vec<ExtendedKeyUsagePurpose>,
    /// Key usages; empty leaves the extension out.
    pub key_usages: Vec<KeyUsagePurpose>,
    /// Basic constraints; a CA as leaf, for one.
    pub is_ca: IsCa,
    /// Extensions that nobody knows.
    pub extensions: Vec<rcgen::CustomExtension>,
}

impl Default for Deviation {
    fn default() -> Self {
        Self {
            starts_days: -1,
            ends_days: 30,
            uris: None,
            dns: Vec::new(),
            extended_key_usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
            key_usages: vec![KeyUsagePurpose::DigitalSignature],
            is_ca: IsCa::ExplicitNoCa,
            extensions: Vec::new(),
        }
    }
}

impl Deviation {
    /// Expired yesterday.
    pub fn expired() -> Self {
        Self {
            starts_days: -30,
            ends_days: -1,
            ..Self::default()
        }
    }

    /// Valid from tomorrow.
    pub fn not_yet_valid() -> Self {
        Self {
            starts_days: 1,
            ..Self::default()
        }
    }

    /// Valid for longer than any edge accepts.
    pub fn long_lived() -> Self {
        Self {
            ends_days: 9_000,
            ..Self::default()
        }
    }

    /// These extended key usages.
    pub fn with_extended(usages: Vec<ExtendedKeyUsagePurpose>) -> Self {
        Self {
            extended_key_usages: usages,
            ..Self::default()
        }
    }

    /// These key usages.
    pub fn with_usages(usages: Vec<KeyUsagePurpose>) -> Self {
        Self {
            key_usages: usages,
            ..Self::default()
        }
    }

    /// These URI names.
    pub fn with_uris(uris: &[&str]) -> Self {
        Self {
            uris: Some(uris.iter().map(|uri| (*uri).to_owned()).collect()),
            ..Self::default()
        }
    }

    /// A certificate that says it is an authority.
    pub fn authority_as_leaf() -> Self {
        Self {
            is_ca: IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
            ..Self::default()
        }
    }
}

/// Who signs.
#[derive(Debug)]
pub enum Signer<'a> {
    /// One of the folder's authorities.
    Tier(&'a Authority, Tier),
    /// A certificate that was minted before: a leaf as issuer, an authority that nobody knows.
    Minted(&'a Minted),
}

/// A key and its certificate.
#[derive(Clone)]
pub struct Minted {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The certificate with the issuers up to the root's child, PEM.
    pub chain_pem: String,
    /// The private key, PKCS #8 PEM.
    pub key_pem: String,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 of the DER in hexadecimal.
    pub sha256: String,
}

impl std::fmt::Debug for Minted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Minted")
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

/// An authority that no gateway knows; it lives in memory only.
pub fn unknown_authority(name: &str, now_us: i64) -> Result<Minted, PkiFault> {
    let pair = KeyPair::generate().map_err(PkiFault::crypto("make a key"))?;
    let mut subject = rcgen::DistinguishedName::new();
    subject.push(rcgen::DnType::CommonName, name);
    let params = template::authority(subject, rcgen::BasicConstraints::Constrained(0), 3_650, now_us)?;
    let certificate = params
        .self_signed(&pair)
        .map_err(PkiFault::crypto("sign an authority"))?;
    Ok(minted(&params, &certificate, &pair, String::new()))
}

/// Mints a certificate for `subject` with a fresh P-256 key.
pub fn mint(signer: &Signer<'_>, subject: &Subject, deviation: &Deviation, now_us: i64) -> Result<Minted, PkiFault> {
    let pair = KeyPair::generate().map_err(PkiFault::crypto("make a key"))?;
    let params = params(subject, deviation, now_us)?;
    let (issuer, above) = match signer {
        Signer::Tier(authority, tier) => {
            let above = if *tier == Tier::Issuing {
                authority.read("issuing.pem")?
            } else {
                String::new()
            };
            (authority.issuer(*tier)?, above)
        }
        Signer::Minted(minted) => {
            let key = KeyPair::from_pem(&minted.key_pem).map_err(PkiFault::crypto("read a key"))?;
            let issuer =
                Issuer::from_ca_cert_pem(&minted.certificate_pem, key).map_err(PkiFault::crypto("read an issuer"))?;
            (issuer, minted.chain_pem.clone())
        }
    };
    let certificate = params
        .signed_by(&pair, &issuer)
        .map_err(PkiFault::crypto("sign the certificate"))?;
    Ok(minted(&params, &certificate, &pair, above))
}

fn params(subject: &Subject, deviation: &Deviation, now_us: i64) -> Result<CertificateParams, PkiFault> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, subject.id.as_str());
    params.not_before = x509_time(now_us + deviation.starts_days * DAY_US)?.to_datetime();
    params.not_after = x509_time(now_us + deviation.ends_days * DAY_US)?.to_datetime();
    let uris = deviation.uris.clone().unwrap_or_else(|| vec![subject.spiffe.clone()]);
    for uri in uris {
        params
            .subject_alt_names
            .push(SanType::URI(uri.try_into().map_err(PkiFault::crypto("write a URI"))?));
    }
    for dns in &deviation.dns {
        let name = dns.as_str().try_into().map_err(PkiFault::crypto("write a name"))?;
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    params.extended_key_usages.clone_from(&deviation.extended_key_usages);
    params.key_usages.clone_from(&deviation.key_usages);
    params.is_ca = deviation.is_ca;
    params.custom_extensions.clone_from(&deviation.extensions);
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&template::serial()?));
    Ok(params)
}

fn minted(params: &CertificateParams, certificate: &rcgen::Certificate, pair: &KeyPair, above: String) -> Minted {
    let certificate_pem = certificate.pem();
    Minted {
        chain_pem: certificate_pem.clone() + &above,
        certificate_pem,
        key_pem: pair.serialize_pem(),
        serial: template::serial_of(params),
        sha256: fingerprint(certificate.der()),
    }
}
