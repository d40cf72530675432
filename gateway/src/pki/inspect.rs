//! Certificates, requests and revocation lists as people read them; what deviates from the partner profile is said.
//!
//! Takes a PEM file; gives one view for each block. Checks no signature and decides nothing: the edge does.

use std::path::Path;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use serde::Serialize;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::signature::directory::DOCUMENT_SIGNING;

use super::profile::PARTNER_DAYS_MAX;
use super::request::key_label;
use super::{PkiFault, fingerprint, hex, keyfile, rfc3339};

/// One block of a PEM file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct View {
    /// `certificate` or `request`.
    pub kind: &'static str,
    /// Distinguished name of the subject; for people only.
    pub subject: String,
    /// Distinguished name of the issuer; empty for a request.
    pub issuer: String,
    /// Serial number in hexadecimal; empty for a request.
    pub serial: String,
    /// Subject alternative names, e.g. `URI:spiffe://…`, `DNS:…`, `IP:…`.
    pub names: Vec<String>,
    /// Start of validity, RFC 3339; empty for a request.
    pub not_before: String,
    /// End of validity, RFC 3339; empty for a request.
    pub not_after: String,
    /// Kind of key, e.g. `P-256`; `other` when the edge refuses it.
    pub key: String,
    /// Key usages.
    pub key_usage: Vec<String>,
    /// Extended key usages.
    pub extended_key_usage: Vec<&'static str>,
    /// Whether it may sign certificates.
    pub is_ca: bool,
    /// SHA-256 of the DER, hexadecimal.
    pub sha256: String,
    /// In what it deviates from the partner profile (edge.md 2.2); empty for authorities and the gateway's own.
    pub deviations: Vec<String>,
}

/// Reads every certificate and request of a PEM file.
///
/// # Errors
/// [`PkiFault::BadFile`] when there is neither, or one cannot be parsed.
pub fn read(path: &Path, now_us: i64) -> Result<Vec<View>, PkiFault> {
    let text = keyfile::read_public(path)?;
    let bad = |error: &dyn std::fmt::Display| PkiFault::bad_file(path, error);
    let mut views = Vec::new();
    for der in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let der = der.map_err(|error| bad(&error))?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|error| bad(&error))?;
        views.push(certificate_view(&certificate, &der, now_us));
    }
    for der in CertificateSigningRequestDer::pem_slice_iter(text.as_bytes()) {
        let der = der.map_err(|error| bad(&error))?;
        let (_, request) = X509CertificationRequest::from_der(&der).map_err(|error| bad(&error))?;
        views.push(request_view(&request, &der));
    }
    if views.is_empty() {
        Err(bad(&"there is no certificate and no request in it"))
    } else {
        Ok(views)
    }
}

fn request_view(request: &X509CertificationRequest<'_>, der: &[u8]) -> View {
    let info = &request.certification_request_info;
    let names = request
        .requested_extensions()
        .into_iter()
        .flatten()
        .find_map(|extension| match extension {
            ParsedExtension::SubjectAlternativeName(san) => Some(san.general_names.iter().map(name).collect()),
            _ => None,
        });
    let mut deviations = Vec::new();
    if request.verify_signature().is_err() {
        deviations.push("its signature does not verify with its own key".to_owned());
    }
    let label = key_label(&info.subject_pki);
    if label.is_none() {
        deviations.push("the key is none of P-256, P-384, Ed25519, RSA of 2048 bits or more".to_owned());
    }
    View {
        kind: "request",
        subject: info.subject.to_string(),
        names: names.unwrap_or_default(),
        key: label.unwrap_or_else(|| "other".to_owned()),
        sha256: fingerprint(der),
        deviations,
        ..View::default()
    }
}

fn certificate_view(certificate: &X509Certificate<'_>, der: &[u8], now_us: i64) -> View {
    let san = certificate.subject_alternative_name().ok().flatten();
    let usage = certificate.key_usage().ok().flatten();
    let view = View {
        kind: "certificate",
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: hex(certificate.raw_serial()),
        names: san
            .map(|san| san.value.general_names.iter().map(name).collect())
            .unwrap_or_default(),
        not_before: rfc3339(certificate.validity().not_before.timestamp() * 1_000_000),
        not_after: rfc3339(certificate.validity().not_after.timestamp() * 1_000_000),
        key: key_label(certificate.public_key()).unwrap_or_else(|| "other".to_owned()),
        key_usage: usage
            .map(|usage| usage.value.to_string().split(", ").map(str::to_owned).collect())
            .unwrap_or_default(),
        extended_key_usage: extended(certificate),
        is_ca: certificate.is_ca(),
        sha256: fingerprint(der),
        deviations: Vec::new(),
    };
    let is_our_own = view.is_ca || view.extended_key_usage == ["serverAuth"];
    let deviations = if is_our_own {
        Vec::new()
    } else {
        deviations(certificate, &view, now_us)
    };
    View { deviations, ..view }
}

fn deviations(certificate: &X509Certificate<'_>, view: &View, now_us: i64) -> Vec<String> {
    let (start, end) = (
        certificate.validity().not_before.timestamp(),
        certificate.validity().not_after.timestamp(),
    );
    let now = now_us.div_euclid(1_000_000);
    let uris: Vec<&String> = view.names.iter().filter(|name| name.starts_with("URI:")).collect();
    let checks = [
        (
            uris.len() != 1,
            format!("it has {} URI names, not exactly one", uris.len()),
        ),
        (
            uris.iter().any(|uri| !uri.starts_with("URI:spiffe://")),
            "its URI name is not a SPIFFE id".to_owned(),
        ),
        (
            !view.extended_key_usage.contains(&"clientAuth") && view.extended_key_usage != ["documentSigning"],
            "the extended key usage clientAuth is missing".to_owned(),
        ),
        (
            view.extended_key_usage != ["documentSigning"]
                && view
                    .extended_key_usage
                    .iter()
                    .any(|usage| !["clientAuth", "serverAuth"].contains(usage)),
            "it has an extended key usage beside clientAuth".to_owned(),
        ),
        (
            certificate
                .key_usage()
                .ok()
                .flatten()
                .is_none_or(|usage| !usage.value.digital_signature()),
            "the key usage digitalSignature is missing".to_owned(),
        ),
        (
            certificate
                .key_usage()
                .ok()
                .flatten()
                .is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign()),
            "it may sign certificates or lists".to_owned(),
        ),
        (
            view.key == "other",
            "the key is none of P-256, P-384, Ed25519, RSA of 2048 bits or more".to_owned(),
        ),
        (
            end - start > i64::from(PARTNER_DAYS_MAX) * 86_400,
            format!("it lives longer than {PARTNER_DAYS_MAX} days"),
        ),
        (now < start, "it is not valid yet".to_owned()),
        (now > end, "it has expired".to_owned()),
    ];
    checks
        .into_iter()
        .filter(|(wrong, _)| *wrong)
        .map(|(_, what)| what)
        .collect()
}

fn extended(certificate: &X509Certificate<'_>) -> Vec<&'static str> {
    let Some(usage) = certificate.extended_key_usage().ok().flatten() else {
        return Vec::new();
    };
    let usage = usage.value;
    let signs = usage.other.iter().any(|oid| oid.as_bytes() == DOCUMENT_SIGNING);
    let others = usage.other.len() - usize::from(signs);
    [
        (signs, "documentSigning"),
        (usage.any, "anyExtendedKeyUsage"),
        (usage.client_auth, "clientAuth"),
        (usage.server_auth, "serverAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
        (others > 0, "other"),
    ]
    .into_iter()
    .filter_map(|(set, label)| set.then_some(label))
    .collect()
}

fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::DNSName(dns) => format!("DNS:{dns}"),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(v4), _) => format!("IP:{}", std::net::Ipv4Addr::from(v4)),
            (_, Ok(v6)) => format!("IP:{}", std::net::Ipv6Addr::from(v6)),
            _ => "IP:?".to_owned(),
        },
        _ => "other".to_owned(),
    }
}
