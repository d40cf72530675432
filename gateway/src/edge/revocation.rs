//! Who is revoked, for connections that were open before the list changed.
//!
//! The handshake asks the verifier; a connection that lives on is asked here at each request, by issuer and serial number.

use std::collections::{HashMap, HashSet};

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// Revoked serial numbers by issuer, and until when the lists are current.
#[derive(Debug, Default)]
pub struct RevocationSet {
    revoked: HashMap<Vec<u8>, HashSet<Vec<u8>>>,
    next_update_s: Option<i64>,
}

impl RevocationSet {
    /// Reads lists that were parsed as DER; a list that x509-parser cannot read counts as absent, so its authority is not covered.
    pub fn read(lists: &[CertificateRevocationListDer<'_>]) -> Self {
        let mut set = Self::default();
        for list in lists {
            let Ok((_, list)) = CertificateRevocationList::from_der(list) else {
                continue;
            };
            let serials = set.revoked.entry(list.issuer().as_raw().to_vec()).or_default();
            for entry in list.iter_revoked_certificates() {
                serials.insert(entry.raw_serial().to_vec());
            }
            let next = list.next_update().map_or(0, |time| time.timestamp());
            set.next_update_s = Some(set.next_update_s.map_or(next, |known| known.min(next)));
        }
        set
    }

    /// Whether there is a list of this authority.
    pub fn covers(&self, authority: &CertificateDer<'_>) -> bool {
        X509Certificate::from_der(authority)
            .is_ok_and(|(_, certificate)| self.revoked.contains_key(certificate.subject().as_raw()))
    }

    /// Whether a certificate is revoked, by the raw issuer name and the raw serial number.
    pub fn is_revoked(&self, issuer: &[u8], serial: &[u8]) -> bool {
        self.revoked.get(issuer).is_some_and(|serials| serials.contains(serial))
    }

    /// The earliest `nextUpdate` of all lists, seconds since 1970; after it nobody is let in.
    pub fn next_update_s(&self) -> Option<i64> {
        self.next_update_s
    }
}
