//! The evidence vault: each record sealed under a key of its own, and that key wrapped by the key-encryption key of the month.
//!
//! Takes a record; gives ciphertext and wrapped key, which live in two tables. Deleting the wrapped key is shredding: the record cannot be opened any
//! more, whatever copies of the record are about, as long as no copy of that key is: a backup keeps those in a file of its own. When a month has nothing left to open, its key-encryption key is destroyed too, and with it the wrapped keys in
//! old backups. Refuses to open what was changed; gives nothing for what was shredded.

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::fault::JournalFault;
use super::kek::{Kek, Kind};
use super::packing;
use super::settings::Secret;
use crate::clock;
use crate::pki::period::{self, PeriodKeys};

/// Label of the months' key-encryption keys.
const LABEL: &str = "shuguan.month-key.v1";

/// Seals and opens evidence records.
#[derive(Debug)]
pub(super) struct Vault {
    root: Arc<Kek>,
    months: PeriodKeys,
}

/// A record as it is stored.
pub(super) struct SealedRecord {
    pub(super) body: Vec<u8>,
    pub(super) month: String,
    pub(super) wrapped: Vec<u8>,
}

impl std::fmt::Debug for SealedRecord {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SealedRecord")
    }
}

/// What the tables hold of a record.
pub(super) struct StoredRecord {
    pub(super) body: Vec<u8>,
    /// None: sealed by a version that had no vault, under the root key itself.
    pub(super) key: Option<(String, Vec<u8>)>,
}

impl Vault {
    /// Opens the vault, with a key for this month: a folder that cannot be written is found now and not when the month ends.
    pub(super) fn open(root: &Secret, kek: Arc<Kek>, folder: PathBuf, now_us: i64) -> Result<Self, JournalFault> {
        let months = PeriodKeys::open(folder, root.bytes(), LABEL)?;
        months.current(&period::month(now_us))?;
        Ok(Self { root: kek, months })
    }

    /// A vault that is only read.
    pub(super) fn at(root: &Secret, kek: Arc<Kek>, folder: PathBuf) -> Self {
        let months = PeriodKeys::at(folder, root.bytes(), LABEL);
        Self { root: kek, months }
    }

    /// Seals a record.
    pub(super) fn seal(&self, exchange: Uuid, record: &[u8], now_us: i64) -> Result<SealedRecord, JournalFault> {
        let month = period::month(now_us);
        let key = Zeroizing::new(clock::random::<32>()?);
        let own = Kek::new(&Secret::from(key.clone()))?;
        let wrapping = Kek::new(&Secret::from(self.months.current(&month)?))?;
        let packed = packing::packed(record).map(Zeroizing::new);
        Ok(SealedRecord {
            body: own.seal(
                Kind::Evidence,
                exchange,
                packed.as_deref().map_or(record, Vec::as_slice),
            )?,
            wrapped: wrapping.seal(Kind::EvidenceKey, exchange, key.as_ref())?,
            month,
        })
    }

    /// Opens a record; none when the key of its month was destroyed, or its own is not there, as when a backup went back without them.
    pub(super) fn open_record(
        &self,
        exchange: Uuid,
        stored: &StoredRecord,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, JournalFault> {
        let Some((month, wrapped)) = &stored.key else {
            return match self.root.open(Kind::Evidence, exchange, &stored.body) {
                Err(JournalFault::Unopened(_)) => Ok(None),
                opened => opened.map(Some),
            };
        };
        let Some(key) = self.months.find(month)? else {
            return Ok(None);
        };
        let key = Kek::new(&Secret::from(key))?.open(Kind::EvidenceKey, exchange, wrapped)?;
        let key: [u8; 32] = key
            .as_slice()
            .try_into()
            .map_err(|_| JournalFault::Unopened("the key of an evidence record"))?;
        let own = Kek::new(&Secret::new(key))?;
        let record = own.open(Kind::Evidence, exchange, &stored.body)?;
        let unpacked = packing::unpacked(&record).map_err(|_| JournalFault::Unopened("the evidence record"))?;
        Ok(Some(unpacked.map_or(record, Zeroizing::new)))
    }

    /// Destroys the key-encryption keys of months before that of a moment, except those in which something can still be opened.
    pub(super) fn destroy_months(&self, before_us: i64, in_use: &[String]) -> Result<u64, JournalFault> {
        let first_kept = period::month(before_us);
        let mut destroyed = 0;
        for month in self.months.periods()? {
            if month < first_kept && !in_use.contains(&month) {
                destroyed += u64::from(self.months.destroy(&month)?);
            }
        }
        Ok(destroyed)
    }
}
