//! Destroying the keys of evidence records and of payloads, with a leaf for each act in the transaction of the act; every proof goes on verifying.

use std::sync::Arc;

use shuguan_ledger::leaf::ShredEvent;
use uuid::Uuid;

use super::inbox::DuePlace;
use super::sequencer::{Target, Work};
use super::{Journal, SealError, Sealed};

/// Payloads erased with one leaf: a group holds them all.
const PAYLOADS_A_LEAF: u32 = 256;

impl Journal {
    /// Destroys the key of the evidence record of an exchange. None: there is nothing to destroy.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; then nothing was destroyed.
    pub async fn shred_one(&self, exchange: Uuid, event: ShredEvent) -> Result<Option<Sealed>, SealError> {
        let first = self.read(move |reader| reader.first_leaf(exchange)).await?;
        let Some(first) = first else { return Ok(None) };
        let target = Target::Leaf(first.index);
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

    /// Deletes payload and key of an exchange that was relayed or discarded, whatever its hold. None: there is none, or it still waits.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; then nothing was destroyed.
    pub async fn shred_payload(&self, exchange: Uuid, event: ShredEvent) -> Result<Option<Sealed>, SealError> {
        let exchanges = vec![exchange];
        let sealed = self
            .sealed(Work::ShredPayloads { exchanges, event }, Some(exchange))
            .await?;
        if sealed.is_some() {
            self.unlink(exchange).await;
        }
        Ok(sealed)
    }

    /// Deletes payload and key of all exchanges that were relayed or discarded no later than a moment, whatever their hold. Gives the leaves. A crash
    /// after a commit leaves files that nobody can open; the next start removes them.
    ///
    /// # Errors
    /// [`SealError::Unavailable`]; what was destroyed before has its leaf.
    pub async fn shred_payloads_before(&self, moment_us: i64, event: ShredEvent) -> Result<Vec<Sealed>, SealError> {
        let (mut leaves, mut from) = (Vec::new(), DuePlace::default());
        loop {
            let due = self
                .read(move |reader| reader.due(moment_us, from, PAYLOADS_A_LEAF))
                .await?;
            let Some((_, last)) = due.last() else {
                return Ok(leaves);
            };
            from = *last;
            let due = due.into_iter().map(|(exchange, _)| exchange).collect();
            leaves.extend(self.shred_due(due, event.clone()).await?);
        }
    }

    /// Erases these payloads with one leaf; none: the relay erased them meanwhile. One that an operator let wait again since they were listed keeps its file.
    pub(super) async fn shred_due(&self, due: Vec<Uuid>, event: ShredEvent) -> Result<Option<Sealed>, SealError> {
        let exchanges = due.clone();
        let sealed = self.sealed(Work::ShredPayloads { exchanges, event }, None).await?;
        let gone = self.read(move |reader| reader.without_file(due)).await?;
        for exchange in gone {
            self.unlink(exchange).await;
        }
        Ok(sealed)
    }
}
