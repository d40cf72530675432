//! Message certificates (报文签名证书): which key belongs to which partner.
//!
//! Takes a folder of certificates, `pki/message`, and our authorities; gives keys by id. Refuses a certificate that does not lead to one of
//! our authorities, is no message certificate, or has a key of another kind. One that is revoked or over stays in the list, so that its use
//! is refused by its name. Revocation is asked at each message, not here.
//!
//! A message certificate has the extended key usage `id-kp-documentSigning` (RFC 9336) and no other. TLS asks for `clientAuth`, so neither
//! kind can be used as the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::key::PublicKey;
use crate::sha256;

/// `id-kp-documentSigning`, 1.3.6.1.5.5.7.3.36, as its DER content.
pub const DOCUMENT_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x24];
/// The same as numbers.
pub const DOCUMENT_SIGNING_OID: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 36];
/// Longest life of a message certificate, as of any partner's.
const CERTIFICATE_DAYS_MAX: i64 = 825;

/// Keys by id. One key may have several certificates: a renewed one for the same key.
#[derive(Debug, Default)]
pub struct MessageKeys {
    holders: BTreeMap<String, Vec<Holder>>,
}

/// Who holds a key, as its certificate says.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The key.
    pub key: PublicKey,
    /// SPIFFE id.
    pub spiffe: String,
    /// Raw name of the issuer.
    pub issuer: Vec<u8>,
    /// Raw serial number.
    pub serial: Vec<u8>,
    /// Start of validity, seconds since 1970.
    pub not_before_s: i64,
    /// End of validity, seconds since 1970.
    pub not_after_s: i64,
    /// SHA-256 of the certificate.
    pub sha256: [u8; 32],
}

/// One certificate that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryFault {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

impl MessageKeys {
    /// Reads every `.pem` of a folder; a folder that is not there holds none.
    ///
    /// # Errors
    /// Every file that cannot be used.
    pub fn load(folder: &Path, authorities: &[CertificateDer<'_>]) -> Result<Self, Vec<DirectoryFault>> {
        let (mut keys, mut faults) = (Self::default(), Vec::new());
        let files = match files(folder) {
            Ok(files) => files,
            Err(error) => {
                let file = folder.to_owned();
                return Err(vec![DirectoryFault {
                    file,
                    what: error.to_string(),
                }]);
            }
        };
        for file in files {
            match read(&file, authorities) {
                Ok(holder) => {
                    let id = holder.key.id().to_owned();
                    keys.holders.entry(id).or_default().push(holder);
                }
                Err(what) => faults.push(DirectoryFault { file, what }),
            }
        }
        if faults.is_empty() { Ok(keys) } else { Err(faults) }
    }

    /// Keys whose certificates were judged elsewhere.
    #[cfg(test)]
    pub(super) fn of(holders: Vec<Holder>) -> Self {
        let mut keys = Self::default();
        for holder in holders {
            let id = holder.key.id().to_owned();
            keys.holders.entry(id).or_default().push(holder);
        }
        keys
    }

    /// The certificates of a key.
    pub fn holders(&self, keyid: &str) -> &[Holder] {
        self.holders.get(keyid).map_or(&[], Vec::as_slice)
    }

    /// The ids in it.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.holders.keys().map(String::as_str)
    }

    /// Whether nobody has a key.
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "pem") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path, authorities: &[CertificateDer<'_>]) -> Result<Holder, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    // An expired one is no fault of the folder: it is judged as at its start, and refused by its dates when it is used.
    judged(&chain.map_err(|error| error.to_string())?, authorities, None)
}

/// Judges a message certificate with the chain behind it, as at a moment (seconds since 1970) or at its own start. Whether it is revoked is not asked.
///
/// # Errors
/// Why it is none of these authorities' message certificates at that moment.
pub fn judged(
    chain: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'_>],
    at_s: Option<i64>,
) -> Result<Holder, String> {
    let (leaf, intermediates) = chain.split_first().ok_or("it holds no certificate")?;
    let holder = holder(leaf).map_err(str::to_owned)?;
    leads_to(leaf, intermediates, authorities, at_s.unwrap_or(holder.not_before_s))?;
    Ok(holder)
}

fn leads_to(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'_>],
    at_s: i64,
) -> Result<(), String> {
    let anchors: Result<Vec<TrustAnchor<'_>>, _> = authorities.iter().map(anchor_from_trusted_cert).collect();
    let anchors = anchors.map_err(|error| error.to_string())?;
    let end = EndEntityCert::try_from(leaf).map_err(|error| error.to_string())?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at_s).unwrap_or(0)));
    let usage = KeyUsage::required(DOCUMENT_SIGNING);
    end.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        intermediates,
        at,
        usage,
        None,
        None,
    )
    .map(drop)
    .map_err(|error| format!("it does not lead to one of our authorities as a message certificate: {error}"))
}

/// What a leaf says of its holder; its chain is not judged here.
fn holder(der: &CertificateDer<'_>) -> Result<Holder, &'static str> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| "it is no certificate")?;
    let usage = certificate.extended_key_usage().ok().flatten();
    let signs_only = usage.is_some_and(|usage| {
        let usage = usage.value;
        let tls = usage.any || usage.client_auth || usage.server_auth;
        let (mail, code) = (usage.email_protection, usage.code_signing);
        let known = tls || mail || code || usage.time_stamping || usage.ocsp_signing;
        !known && usage.other.len() == 1 && usage.other.iter().all(|oid| oid.as_bytes() == DOCUMENT_SIGNING)
    });
    if !signs_only {
        return Err("its extended key usage is not documentSigning alone: shuguan cert issue --message");
    }
    let digital_signature = certificate
        .key_usage()
        .ok()
        .flatten()
        .is_some_and(|usage| usage.value.digital_signature() && !usage.value.key_cert_sign());
    if !digital_signature || certificate.is_ca() {
        return Err("it may not sign messages: key usage digitalSignature, and no authority");
    }
    let validity = certificate.validity();
    let (not_before_s, not_after_s) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if not_after_s.saturating_sub(not_before_s) > CERTIFICATE_DAYS_MAX * 86_400 {
        return Err("it lives longer than 825 days");
    }
    let key = PublicKey::from_spki(certificate.public_key().raw).ok_or("its key is neither Ed25519 nor P-256")?;
    Ok(Holder {
        key,
        spiffe: only_name(&certificate).ok_or("it has not exactly one name, a URI")?,
        issuer: certificate.issuer().as_raw().to_vec(),
        serial: certificate.raw_serial().to_vec(),
        not_before_s,
        not_after_s,
        sha256: sha256::of(der),
    })
}

/// The one name of a certificate, a URI; whether it is anybody's is not judged.
pub fn named(der: &[u8]) -> Option<String> {
    only_name(&X509Certificate::from_der(der).ok()?.1)
}

fn only_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let names = certificate.subject_alternative_name().ok().flatten()?;
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => Some((*uri).to_owned()),
        _ => None,
    }
}
