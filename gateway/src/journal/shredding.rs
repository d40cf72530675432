//! Destroying the keys of evidence records, with a leaf for each act; every proof goes on verifying.

use std::sync::Arc;

use shuguan_ledger::leaf::ShredEvent;
use uuid::Uuid;

use super::sequencer::{Target, Work};
use super::{Journal, SealError, Sealed};

impl Journal {
    /// Destroys the key of the evidence record of an exchange. None: there is nothing to destroy.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; then nothing was destroyed.
    pub async fn shred_one(&self, exchange: Uuid, event: ShredEvent) -> Result<Option<Sealed>, SealError> {
        let first = self
            .read(move |reader| Ok(reader.leaves_of(exchange)?.first().map(|row| row.index)))
            .await?;
        let Some(leaf) = first else { return Ok(None) };
        let target = Target::Leaf(leaf);
        self.sealed(Work::Shred { target, event }, Some(exchange)).await
    }

    /// Destroys the keys of all evidence records that were sealed before a moment, at most 5,000 a leaf, then the keys of months in which nothing is
    /// left. Gives the leaves.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; what was destroyed before has its leaf.
    pub async fn shred_before(&self, moment_us: i64, event: ShredEvent) -> Result<Vec<Sealed>, SealError> {
        let first_kept = self.read(move |reader| reader.first_since(moment_us)).await?;
        let mut leaves = Vec::new();
        loop {
            let (target, event) = (Target::Before(first_kept), event.clone());
            match self.sealed(Work::Shred { target, event }, None).await? {
                Some(sealed) => leaves.push(sealed),
                None => break,
            }
        }
        let vault = Arc::clone(&self.inner.vault);
        self.read(move |reader| vault.destroy_months(moment_us, &reader.months_in_use()?))
            .await?;
        Ok(leaves)
    }
}
