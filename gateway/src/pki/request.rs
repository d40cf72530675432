//! Certificate requests (PKCS #10): made at the partner, checked at the gateway.
//!
//! Takes a PEM request; gives its public key. Refuses a signature that does not verify (no proof of possession) and weak or
//! odd keys. Names, extensions and attributes in a request are ignored: the identity comes from the partner table.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData, SanType, SubjectPublicKeyInfo};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo as ParsedKey;
use zeroize::Zeroizing;

use super::{PkiFault, keyfile};

/// A checked request: a public key whose owner has proved that it holds the private one.
#[derive(Clone, Debug)]
pub struct Csr {
    key: SubjectPublicKeyInfo,
    key_label: String,
}

impl Csr {
    /// Reads and checks a PEM request.
    ///
    /// # Errors
    /// [`PkiFault::BadRequest`]: no request in the text, trailing bytes, a signature that does not verify, a key other than
    /// P-256, P-384, Ed25519 or RSA of 2048 to 8192 bits (edge.md 2.2).
    pub fn parse_pem(pem: &str) -> Result<Self, PkiFault> {
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| PkiFault::BadRequest("there is no `CERTIFICATE REQUEST` block in it"))?;
        let (rest, request) = X509CertificationRequest::from_der(&der)
            .map_err(|_| PkiFault::BadRequest("it is not a PKCS #10 request"))?;
        if !rest.is_empty() {
            return Err(PkiFault::BadRequest("bytes follow the request"));
        }
        request
            .verify_signature()
            .map_err(|_| PkiFault::BadRequest("its signature does not verify with its own key"))?;
        let public = &request.certification_request_info.subject_pki;
        let key_label = key_label(public).ok_or(PkiFault::BadRequest(
            "its key is none of P-256, P-384, Ed25519, RSA of 2048 to 8192 bits",
        ))?;
        let key = SubjectPublicKeyInfo::from_der(public.raw).map_err(PkiFault::crypto("read the request's key"))?;
        Ok(Self { key, key_label })
    }

    /// A request whose key we have ourselves: the demo's partners, renewal for the same key.
    pub(crate) fn for_key(spki_der: &[u8]) -> Result<Self, PkiFault> {
        let (_, public) = ParsedKey::from_der(spki_der).map_err(|_| PkiFault::BadRequest("its key cannot be read"))?;
        let key_label = key_label(&public).ok_or(PkiFault::BadRequest("its key is of a kind that is not taken"))?;
        let key = SubjectPublicKeyInfo::from_der(spki_der).map_err(PkiFault::crypto("read a public key"))?;
        Ok(Self { key, key_label })
    }

    /// The public key.
    pub fn key(&self) -> &impl PublicKeyData {
        &self.key
    }

    /// Kind and size of the key for people, e.g. `P-256`.
    pub fn key_label(&self) -> &str {
        &self.key_label
    }
}

/// Kind and size of a key that a partner may have; `None` for all others.
pub(crate) fn key_label(public: &ParsedKey<'_>) -> Option<String> {
    let kind = public.algorithm.algorithm.to_id_string();
    match public.parsed().ok()? {
        PublicKey::EC(_) => {
            let curve = public.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
            match curve.as_str() {
                "1.2.840.10045.3.1.7" => Some("P-256".to_owned()),
                "1.3.132.0.34" => Some("P-384".to_owned()),
                _ => None,
            }
        }
        PublicKey::RSA(rsa) if (2048..=8192).contains(&rsa.key_size()) => Some(format!("RSA-{}", rsa.key_size())),
        // RFC 8410: the key of Ed25519 is 32 octets.
        PublicKey::Unknown(octets) if kind == "1.3.101.112" && octets.len() == 32 => Some("Ed25519".to_owned()),
        _ => None,
    }
}

/// Where a partner's new key and request were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFiles {
    /// The private key, PKCS #8 PEM, mode 0400. It stays here.
    pub key: PathBuf,
    /// The request that goes to the gateway.
    pub csr: PathBuf,
}

/// What a request says about its owner. Only people read it: the gateway certifies what its partner table says.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    /// Partner id: the common name.
    pub id: &'a str,
    /// Name of the organisation.
    pub organization: Option<&'a str>,
    /// SPIFFE id.
    pub spiffe: Option<&'a str>,
}

/// Makes a P-256 key and a request in `folder` (0700 if it is made): `client.key` (0400) and `client.csr`.
///
/// # Errors
/// [`PkiFault::Exists`] when either file is there; nothing is written then.
pub fn create(folder: &Path, applicant: Applicant<'_>) -> Result<RequestFiles, PkiFault> {
    let files = RequestFiles {
        key: folder.join("client.key"),
        csr: folder.join("client.csr"),
    };
    for path in [&files.key, &files.csr] {
        if path.exists() {
            return Err(PkiFault::Exists { path: path.clone() });
        }
    }
    if !folder.exists() {
        keyfile::secret_folder(folder)?;
    }
    let pair = KeyPair::generate().map_err(PkiFault::crypto("make a key"))?;
    let pem = sign(&pair, applicant)?;
    // The key first: a request without its key would be certified for nobody.
    keyfile::create_secret(&files.key, Zeroizing::new(pair.serialize_pem()).as_bytes())?;
    keyfile::create_public(&files.csr, pem.as_bytes())?;
    Ok(files)
}

/// Makes an Ed25519 message key and a request for it in `folder`: `message.key` (0400) and `message.csr`. Separate from the TLS key: one key
/// never signs two formats, and a key that signs for the record may be kept elsewhere.
///
/// # Errors
/// [`PkiFault::Exists`] when either file is there; nothing is written then.
pub fn create_message(folder: &Path, applicant: Applicant<'_>) -> Result<RequestFiles, PkiFault> {
    let files = RequestFiles {
        key: folder.join("message.key"),
        csr: folder.join("message.csr"),
    };
    for path in [&files.key, &files.csr] {
        if path.exists() {
            return Err(PkiFault::Exists { path: path.clone() });
        }
    }
    if !folder.exists() {
        keyfile::secret_folder(folder)?;
    }
    let key = message_key_pem()?;
    let pair = KeyPair::from_pem(&key).map_err(PkiFault::crypto("read a key"))?;
    let pem = sign(&pair, applicant)?;
    keyfile::create_secret(&files.key, key.as_bytes())?;
    keyfile::create_public(&files.csr, pem.as_bytes())?;
    Ok(files)
}

/// A fresh Ed25519 key as PKCS #8 of version 1 (RFC 8410, 7), which every tool reads; ring's own files are of version 2.
pub(crate) fn message_key_pem() -> Result<Zeroizing<String>, PkiFault> {
    use base64::Engine as _;
    const HEAD: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ];
    let seed = Zeroizing::new(keyfile::random::<32>()?);
    let der = Zeroizing::new([HEAD.as_slice(), seed.as_slice()].concat());
    let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(&*der));
    Ok(Zeroizing::new(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        &*encoded
    )))
}

fn sign(pair: &KeyPair, applicant: Applicant<'_>) -> Result<String, PkiFault> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(organization) = applicant.organization {
        params.distinguished_name.push(DnType::OrganizationName, organization);
    }
    params.distinguished_name.push(DnType::CommonName, applicant.id);
    if let Some(spiffe) = applicant.spiffe {
        let uri = spiffe.try_into().map_err(PkiFault::crypto("write the SPIFFE id"))?;
        params.subject_alt_names = vec![SanType::URI(uri)];
    }
    params
        .serialize_request(pair)
        .and_then(|request| request.pem())
        .map_err(PkiFault::crypto("sign the request"))
}
