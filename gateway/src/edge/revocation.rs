//! Who is revoked, for connections that were open before the list changed, and how old the lists are.
//!
//! Takes revocation lists as DER; gives a set that is asked at each request, by issuer and serial number (the handshake asks the TLS
//! verifier). Refuses a list that cannot be read, and two lists of one authority: of two the verifier would believe the first.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::num_bigint::BigUint;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// So many days before `nextUpdate` the operator is told.
pub const WARN_DAYS: i64 = 7;

/// Revoked serial numbers by issuer, and until when the lists are current.
#[derive(Debug, Default)]
pub struct RevocationSet {
    /// By the issuer's raw name.
    lists: BTreeMap<Vec<u8>, List>,
    /// Raw names of authorities that another authority's list revokes.
    fallen: BTreeSet<Vec<u8>>,
    /// The lists in words: each exchange notes them.
    told: Arc<str>,
}

#[derive(Debug)]
struct List {
    /// Sorted; a list of a million entries stays a flat 21 MiB.
    serials: Vec<Serial>,
    number: Vec<u8>,
    next_update_s: i64,
    issuer: String,
    der: CertificateRevocationListDer<'static>,
}

impl List {
    fn told(&self) -> String {
        let number = crate::pki::hex(&self.number);
        let until = shuguan_ledger::time::format(self.next_update_s.saturating_mul(1_000_000));
        format!("{} number {number} until {until}", self.issuer)
    }
}

/// A raw serial number: its length, then its bytes. RFC 5280, 4.1.2.2 allows 20 octets; DER may put a zero before them.
type Serial = [u8; 22];

/// Why a list cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// Not a revocation list in DER, or with bytes after it.
    #[error("it is not a readable revocation list")]
    Unreadable,
    /// Without an end it could never be told that it is too old.
    #[error("it says no `nextUpdate`, so nobody could tell when it is too old")]
    NoEnd,
    /// Two lists of one authority.
    #[error("another list of the same authority is loaded; the verifier would believe only one of them")]
    Twice,
}

/// How current the lists are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// More than [`WARN_DAYS`] are left.
    Current,
    /// A new list is due: whole days left.
    EndsSoon(i64),
    /// A list is too old; nobody is let in.
    Expired,
}

impl RevocationSet {
    /// Reads lists.
    ///
    /// # Errors
    /// Each list that cannot be used, by its place in `lists`.
    pub fn read(lists: &[CertificateRevocationListDer<'_>]) -> Result<Self, Vec<(usize, ListFault)>> {
        let (mut set, mut faults) = (Self::default(), Vec::new());
        for (place, list) in lists.iter().enumerate() {
            if let Err(fault) = set.add(list) {
                faults.push((place, fault));
            }
        }
        set.told = set.lists.values().map(List::told).collect::<Vec<_>>().join("; ").into();
        if faults.is_empty() { Ok(set) } else { Err(faults) }
    }

    fn add(&mut self, der: &CertificateRevocationListDer<'_>) -> Result<(), ListFault> {
        let (rest, list) = CertificateRevocationList::from_der(der).map_err(|_| ListFault::Unreadable)?;
        if !rest.is_empty() {
            return Err(ListFault::Unreadable);
        }
        let next_update_s = list.next_update().ok_or(ListFault::NoEnd)?.timestamp();
        let mut serials: Vec<Serial> = list
            .iter_revoked_certificates()
            .filter_map(|entry| fixed(entry.raw_serial()))
            .collect();
        serials.sort_unstable();
        let issuer = list.issuer().as_raw().to_vec();
        if self.lists.contains_key(&issuer) {
            return Err(ListFault::Twice);
        }
        let list = List {
            serials,
            number: list.crl_number().map(BigUint::to_bytes_be).unwrap_or_default(),
            next_update_s,
            issuer: list.issuer().to_string(),
            der: der.as_ref().to_vec().into(),
        };
        self.lists.insert(issuer, list);
        Ok(())
    }

    /// Whether no authority is covered.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Whether there is a list of this authority, signed with its key.
    pub fn covers(&self, authority: &CertificateDer<'_>) -> bool {
        let Ok((_, authority)) = X509Certificate::from_der(authority) else {
            return false;
        };
        self.lists.get(authority.subject().as_raw()).is_some_and(|list| {
            CertificateRevocationList::from_der(&list.der)
                .is_ok_and(|(_, list)| list.verify_signature(authority.public_key()).is_ok())
        })
    }

    /// Keeps in mind an authority that a list revokes, so that what it issued is refused on open connections too. Returns whether it is.
    pub(super) fn judge_authority(&mut self, authority: &CertificateDer<'_>) -> bool {
        let Ok((_, authority)) = X509Certificate::from_der(authority) else {
            return false;
        };
        let revoked = self.is_revoked(authority.issuer().as_raw(), authority.raw_serial());
        if revoked {
            self.fallen.insert(authority.subject().as_raw().to_vec());
        }
        revoked
    }

    /// Whether a certificate is revoked, or its issuer is; by the raw issuer name and the raw serial number.
    pub fn is_revoked(&self, issuer: &[u8], serial: &[u8]) -> bool {
        let listed = || {
            let (list, serial) = (self.lists.get(issuer)?, fixed(serial)?);
            list.serials.binary_search(&serial).ok()
        };
        self.fallen.contains(issuer) || listed().is_some()
    }

    /// Whether the list of an authority, by its raw name, is too old to be believed.
    pub(super) fn is_too_old_for(&self, issuer: &[u8], now_s: i64) -> bool {
        self.lists.get(issuer).is_some_and(|list| list.next_update_s < now_s)
    }

    /// The earliest `nextUpdate` of all lists, seconds since 1970; after it nobody is let in.
    pub fn next_update_s(&self) -> Option<i64> {
        self.lists.values().map(|list| list.next_update_s).min()
    }

    /// Issuer, number and end of each list, for the evidence record.
    pub fn lists(&self) -> Arc<str> {
        Arc::clone(&self.told)
    }

    /// How current the lists are at a time, seconds since 1970. Without any list: expired.
    pub fn standing(&self, now_s: i64) -> Standing {
        let left_s = self.next_update_s().map_or(-1, |next| next.saturating_sub(now_s));
        match left_s {
            i64::MIN..0 => Standing::Expired,
            _ if left_s < WARN_DAYS * 86_400 => Standing::EndsSoon(left_s / 86_400),
            _ => Standing::Current,
        }
    }

    /// The authority whose list here has a lower number than the one before: somebody put an old list back.
    pub fn stepped_back(&self, before: &Self) -> Option<&str> {
        self.lists.iter().find_map(|(issuer, list)| {
            let known = before.lists.get(issuer)?;
            (compare(&list.number, &known.number) == Ordering::Less).then_some(list.issuer.as_str())
        })
    }
}

/// Big-endian numbers without leading zeros.
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn fixed(raw: &[u8]) -> Option<Serial> {
    let mut serial = [0; 22];
    let (length, bytes) = serial.split_first_mut()?;
    *length = u8::try_from(raw.len()).ok()?;
    bytes.get_mut(..raw.len())?.copy_from_slice(raw);
    Some(serial)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{compare, fixed};

    #[test]
    fn serial_numbers_of_other_length_are_other_numbers() {
        assert_ne!(fixed(&[0, 1]), fixed(&[1]));
        assert_ne!(fixed(&[1, 0]), fixed(&[1]));
        assert_eq!(fixed(&[7; 22]), None);
        assert!(fixed(&[7; 21]).is_some());
    }

    #[test]
    fn list_numbers_compare_as_numbers() {
        assert_eq!(compare(&[1, 0], &[255]), Ordering::Greater);
        assert_eq!(compare(&[2], &[3]), Ordering::Less);
        assert_eq!(compare(&[], &[]), Ordering::Equal);
    }
}
