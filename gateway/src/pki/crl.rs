//! Revocation lists: signed from the register, read back for people.
//!
//! One list for each authority, complete, with reasons (RFC 5280 5). `CRLNumber` only grows: it is the highest of the register and
//! of the list on disk, plus one. Revoked certificates leave the list one list's life after they expired (RFC 5280 3.3).

use std::path::Path;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber};
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::acts::{self, Act};
use super::authority::{Authority, Tier};
use super::register::{CrlLine, Line, Lock, Row};
use super::{DAY_US, PkiFault, fingerprint, hex, keyfile, rfc3339, x509_time};

/// Why a certificate is revoked (RFC 5280 5.3.1). `certificateHold` is not offered: nothing here lifts a hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Reason {
    /// No reason given.
    #[default]
    Unspecified,
    /// The key was or may have been seen by others.
    KeyCompromise,
    /// The organisation or its name changed.
    AffiliationChanged,
    /// A newer certificate is in use.
    Superseded,
    /// The partner no longer exchanges data.
    CessationOfOperation,
    /// The partner or officer may no longer do this.
    PrivilegeWithdrawn,
}

impl Reason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// Name in commands, register and leaves.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }

    fn parse(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.slug() == slug)
    }

    fn code(self) -> Option<RevocationReason> {
        match self {
            // RFC 5280 5.3.1: absent rather than unspecified.
            Self::Unspecified => None,
            Self::KeyCompromise => Some(RevocationReason::KeyCompromise),
            Self::AffiliationChanged => Some(RevocationReason::AffiliationChanged),
            Self::Superseded => Some(RevocationReason::Superseded),
            Self::CessationOfOperation => Some(RevocationReason::CessationOfOperation),
            Self::PrivilegeWithdrawn => Some(RevocationReason::PrivilegeWithdrawn),
        }
    }
}

/// A list as it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CrlView {
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// `CRLNumber`.
    pub number: u64,
    /// When it was signed, RFC 3339.
    pub this_update: String,
    /// When it expires, RFC 3339; empty when it does not say.
    pub next_update: String,
    /// The revoked certificates.
    pub revoked: Vec<RevokedView>,
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevokedView {
    /// Serial number in hexadecimal.
    pub serial: String,
    /// When, RFC 3339.
    pub at: String,
    /// Why, as RFC 5280 names it.
    pub reason: String,
}

impl Authority {
    /// Signs and publishes the list of one tier: `pki/root.crl.pem` or `pki/issuing.crl.pem`. Gives its `CRLNumber`.
    ///
    /// # Errors
    /// [`PkiFault::File`] when the tier's key is not here (a root kept offline); the list on disk stays as it was.
    pub fn crl(&self, tier: Tier, now_us: i64) -> Result<u64, PkiFault> {
        let issuer = self.issuer(tier)?;
        let _lock = Lock::take(self.folder())?;
        let path = self.folder().join(format!("{}.crl.pem", tier.name()));
        let on_disk = if path.exists() { read(&path)?.number } else { 0 };
        let number = on_disk.max(self.register().crl_number(tier.name())?) + 1;
        let next_us = now_us + i64::from(self.profile().crl_days()) * DAY_US;
        let params = CertificateRevocationListParams {
            this_update: x509_time(now_us)?.to_datetime(),
            next_update: x509_time(next_us)?.to_datetime(),
            crl_number: SerialNumber::from_slice(&number.to_be_bytes()),
            issuing_distribution_point: None,
            revoked_certs: self.revoked_of(tier, now_us)?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params
            .signed_by(&issuer)
            .map_err(PkiFault::crypto("sign the revocation list"))?;
        let (this_update, next_update) = (rfc3339(now_us), rfc3339(next_us));
        acts::spool(
            self.folder(),
            &Act {
                act: "crl".to_owned(),
                partner: tier.name().to_owned(),
                serial: number.to_string(),
                fingerprint: fingerprint(list.der()),
                at: this_update.clone(),
                reason: None,
            },
        )?;
        // Recorded before it is published: a crash in between wastes a number, and never uses one twice.
        self.register().append(&Line::Crl(CrlLine {
            issuer: tier.name().to_owned(),
            number,
            this_update,
            next_update,
        }))?;
        let pem = list.pem().map_err(PkiFault::crypto("encode the revocation list"))?;
        keyfile::replace_public(&path, pem.as_bytes())?;
        Ok(number)
    }

    fn revoked_of(&self, tier: Tier, now_us: i64) -> Result<Vec<RevokedCertParams>, PkiFault> {
        let oldest = rfc3339(now_us - i64::from(self.profile().crl_days()) * DAY_US);
        let rows = self.register().rows()?;
        let listed = rows.iter().filter(|row| {
            row.issued.issuer == tier.name() && row.revoked_at.is_some() && row.issued.not_after > oldest
        });
        listed.map(|row| self.entry(row)).collect()
    }

    fn entry(&self, row: &Row) -> Result<RevokedCertParams, PkiFault> {
        let bad = |what| PkiFault::bad_file(self.folder().join("issued.ndjson"), what);
        let at = row.revoked_at.as_deref().unwrap_or_default();
        let at: jiff::Timestamp = at.parse().map_err(|_| bad("a revocation has no readable time"))?;
        let reason =
            Reason::parse(row.reason.as_deref().unwrap_or_default()).ok_or_else(|| bad("a reason is unknown"))?;
        let serial =
            u128::from_str_radix(&row.issued.serial, 16).map_err(|_| bad("a serial number is not hexadecimal"))?;
        Ok(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial.to_be_bytes()),
            revocation_time: x509_time(at.as_microsecond())?.to_datetime(),
            reason_code: reason.code(),
            invalidity_date: None,
        })
    }
}

/// Reads a list from a PEM file. Does not check its signature.
pub fn read(path: &Path) -> Result<CrlView, PkiFault> {
    let bad = |what: String| PkiFault::bad_file(path, what);
    let der = CertificateRevocationListDer::from_pem_slice(keyfile::read_public(path)?.as_bytes())
        .map_err(|error| bad(error.to_string()))?;
    let (_, list) = CertificateRevocationList::from_der(&der).map_err(|error| bad(error.to_string()))?;
    let digits = list.crl_number().map(ToString::to_string).unwrap_or_default();
    let number = digits
        .parse()
        .map_err(|_| bad("it has no CRLNumber below 2^64".to_owned()))?;
    let revoked = list.iter_revoked_certificates().map(|entry| RevokedView {
        serial: hex(entry.raw_serial()),
        at: rfc3339(entry.revocation_date.timestamp() * 1_000_000),
        reason: entry
            .reason_code()
            .map_or_else(|| "unspecified".to_owned(), |(_, reason)| reason.to_string()),
    });
    Ok(CrlView {
        issuer: list.issuer().to_string(),
        number,
        this_update: rfc3339(list.last_update().timestamp() * 1_000_000),
        next_update: list
            .next_update()
            .map_or_else(String::new, |next| rfc3339(next.timestamp() * 1_000_000)),
        revoked: revoked.collect(),
    })
}
