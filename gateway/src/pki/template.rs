//! What certificates say: profile and subject → parameters, for the authorities, the gateway and partners (edge.md 2.2).

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, SerialNumber,
};
use x509_parser::prelude::X509Certificate;

use super::profile::Profile;
use super::{DAY_US, PkiFault, Subject, hex, keyfile, x509_time};
use crate::signature::directory::DOCUMENT_SIGNING_OID;

/// The gateway's own certificate: its names and addresses, for TLS servers only.
pub(crate) fn server(profile: &Profile, names: &[String], now_us: i64) -> Result<CertificateParams, PkiFault> {
    let mut params = CertificateParams::new(names).map_err(PkiFault::crypto("write the server's names"))?;
    params.distinguished_name = profile.server_name()?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf(&mut params, profile.server_days(), now_us)?;
    Ok(params)
}

/// A partner's or officer's certificate: exactly one URI name, for TLS clients only.
pub(crate) fn partner(
    profile: &Profile,
    subject: &Subject,
    days: u32,
    now_us: i64,
) -> Result<CertificateParams, PkiFault> {
    let mut params = CertificateParams::default();
    params.distinguished_name = profile.partner_name(subject)?;
    let uri = subject
        .spiffe
        .as_str()
        .try_into()
        .map_err(PkiFault::crypto("write the SPIFFE id"))?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    leaf(&mut params, days, now_us)?;
    Ok(params)
}

/// A partner's message certificate: the same name, for signing messages only. TLS asks for clientAuth and takes none of these.
pub(crate) fn message(
    profile: &Profile,
    subject: &Subject,
    days: u32,
    now_us: i64,
) -> Result<CertificateParams, PkiFault> {
    let mut params = partner(profile, subject, days, now_us)?;
    params.extended_key_usages = vec![message_usage()];
    Ok(params)
}

/// `id-kp-documentSigning` (RFC 9336).
pub(crate) fn message_usage() -> ExtendedKeyUsagePurpose {
    ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING_OID.to_vec())
}

/// What every certificate of ours has: lifetime, serial number, authority key identifier.
fn stamp(params: &mut CertificateParams, days: u32, now_us: i64) -> Result<(), PkiFault> {
    // Five minutes back, for partners whose clocks are slow; the life counts from there.
    let start_us = now_us - 300_000_000;
    params.not_before = x509_time(start_us)?.to_datetime();
    params.not_after = x509_time(start_us + i64::from(days) * DAY_US)?.to_datetime();
    params.serial_number = Some(SerialNumber::from_slice(&serial()?));
    params.use_authority_key_identifier_extension = true;
    Ok(())
}

fn leaf(params: &mut CertificateParams, days: u32, now_us: i64) -> Result<(), PkiFault> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // Explicit, so that the subject key identifier and `CA:FALSE` are written.
    params.is_ca = IsCa::ExplicitNoCa;
    stamp(params, days, now_us)
}

/// An authority: signs certificates and lists.
pub(crate) fn authority(
    name: rcgen::DistinguishedName,
    length: BasicConstraints,
    days: u32,
    now_us: i64,
) -> Result<CertificateParams, PkiFault> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(length);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    stamp(&mut params, days, now_us)?;
    Ok(params)
}

/// 16 random bytes, positive and without a leading zero, so that every tool prints the same 32 digits
/// (RFC 5280 4.1.2.2 allows 20 octets; 126 bits are random).
pub(crate) fn serial() -> Result<[u8; 16], PkiFault> {
    let mut bytes = keyfile::random::<16>()?;
    let [first, ..] = &mut bytes;
    *first = (*first & 0x7f) | 0x40;
    Ok(bytes)
}

/// Serial number as it is written everywhere: 32 hexadecimal digits.
pub(crate) fn serial_of(params: &CertificateParams) -> String {
    params
        .serial_number
        .as_ref()
        .map_or_else(String::new, |serial| hex(&serial.to_bytes()))
}

/// The names of a server certificate, for the one that follows it.
pub(crate) fn server_names_of(path: &Path, parsed: &X509Certificate<'_>) -> Result<Vec<SanType>, PkiFault> {
    use x509_parser::extensions::GeneralName;
    let extension = parsed
        .subject_alternative_name()
        .map_err(|error| PkiFault::bad_file(path, error))?;
    let names = extension.map(|san| san.value.general_names.clone()).unwrap_or_default();
    names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(dns) => {
                let name = (*dns).try_into().map_err(PkiFault::crypto("write a name"))?;
                Ok(SanType::DnsName(name))
            }
            GeneralName::IPAddress([a, b, c, d]) => Ok(SanType::IpAddress([*a, *b, *c, *d].into())),
            GeneralName::IPAddress(bytes) => <[u8; 16]>::try_from(*bytes)
                .map(|octets| SanType::IpAddress(octets.into()))
                .map_err(|_| PkiFault::bad_file(path, "an address has a wrong length")),
            _ => Err(PkiFault::bad_file(path, "a name is neither DNS nor IP")),
        })
        .collect()
}
