//! What the relay and the operator ask of the journal, and what they tell it.
//!
//! Gives what waits, lane by lane, with its parts in clear; takes outcomes, each a leaf. Payloads are erased here, with a leaf, before their files go.

use std::sync::Arc;

use arrow_array::RecordBatch;
use shuguan_ledger::leaf::{OperatorEvent, RelayedEvent};
use uuid::Uuid;

use super::inbox::{DuePlace, Opener};
use super::payload::spill_path;
use super::sequencer::Work;
use super::{InboxItem, Journal, JournalFault, KeptPush, Lane, Reader, SealError, Sealed, SetAside};

/// Exchanges that one call of [`Journal::erase_due`] looks at.
const ERASE_BATCH: u32 = 64;

/// What one call of [`Journal::erase_due`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Payloads erased.
    pub payloads: u64,
    /// Where to go on; none: all that is due was looked at.
    pub next: Option<DuePlace>,
}

impl Journal {
    /// The lanes in which something waits, by name.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn lanes(&self) -> Result<Vec<Lane>, JournalFault> {
        self.read(Reader::lanes).await
    }

    /// The oldest exchanges that wait in a lane: one at least if any does, at most `limit`, and together no more than `bytes_max` bytes. A
    /// payload is opened with its first part, so that a damaged one can be set aside.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn waiting(&self, lane: &str, limit: u32, bytes_max: u64) -> Result<Vec<InboxItem>, JournalFault> {
        let (kek, folder) = (Arc::clone(&self.inner.kek), Arc::clone(&self.inner.payloads));
        let (opener, lane) = (Opener { kek, folder }, lane.to_owned());
        self.read(move |reader| reader.waiting(&lane, limit, bytes_max, &opener))
            .await
    }

    /// Whether an exchange of that partner and record type waits that has an earlier leaf.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn waits_before(&self, item: &InboxItem) -> Result<bool, JournalFault> {
        let (partner, record, leaf) = (item.partner.clone(), item.record.clone(), item.leaf_index);
        self.read(move |reader| reader.waits_before(&partner, &record, leaf))
            .await
    }

    /// Whether an exchange of that partner and record type is set aside that has an earlier leaf: an operator may let it go.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn aside_before(&self, item: &InboxItem) -> Result<bool, JournalFault> {
        let (partner, record, leaf) = (item.partner.clone(), item.record.clone(), item.leaf_index);
        self.read(move |reader| reader.aside_before(&partner, &record, leaf))
            .await
    }

    /// The first part of each, in one go.
    ///
    /// # Errors
    /// For each batch on its own, as [`Journal::read_part`]; for all of them when the reading thread is gone.
    pub async fn read_first_parts(
        &self,
        items: &[InboxItem],
    ) -> Result<Vec<Result<RecordBatch, JournalFault>>, JournalFault> {
        let items = items.to_vec();
        let read = move || items.iter().map(|item| item.part(0)).collect();
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| JournalFault::Worker)
    }

    /// Part `n` of a batch, from 0; in order each costs one read. The last one is `item.parts - 1`.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when it was changed or cut.
    pub async fn read_part(&self, item: &InboxItem, n: u32) -> Result<RecordBatch, JournalFault> {
        let item = item.clone();
        let part = tokio::task::spawn_blocking(move || item.part(n)).await;
        part.map_err(|_| JournalFault::Worker)?
    }

    /// Seals the `relayed` leaf and begins the payload's hold. Said twice, the first leaf is the answer.
    ///
    /// # Errors
    /// [`SealError::Unfit`] when the event names another push, or there is none that waits.
    pub async fn relayed(&self, exchange: Uuid, event: RelayedEvent) -> Result<Sealed, SealError> {
        let sealed = self.sealed(Work::Relayed { exchange, event }, Some(exchange)).await?;
        sealed.ok_or_else(|| SealError::Unfit("this exchange does not wait".into()))
    }

    /// Takes a batch out of the relay's way, with a reason code and a leaf that says so. False: it does not wait.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn set_aside(&self, exchange: Uuid, reason: &str) -> Result<bool, SealError> {
        let reason = reason.to_owned();
        let sealed = self.sealed(Work::SetAside { exchange, reason }, Some(exchange)).await?;
        Ok(sealed.is_some())
    }

    /// Seals an operator's act, and with it lets a batch that is set aside wait again, or gives it up for the reason that the act states; its payload is
    /// erased after the hold. None: it is not set aside.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn operate(&self, exchange: Option<Uuid>, event: OperatorEvent) -> Result<Option<Sealed>, SealError> {
        self.sealed(Work::Operate { exchange, event }, exchange).await
    }

    /// Lets a batch that was relayed wait again, because the registry lost it, with the leaf that says who ordered it. None: it was not relayed,
    /// or its payload is erased.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn feed_again(&self, exchange: Uuid, who: &str) -> Result<Option<Sealed>, SealError> {
        let who = who.to_owned();
        self.sealed(Work::FeedAgain { exchange, who }, Some(exchange)).await
    }

    /// The pushes that were relayed or given up last, the newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn newest_done(&self, count: u32) -> Result<Vec<KeptPush>, JournalFault> {
        self.read(move |reader| reader.newest_done(count)).await
    }

    /// Batches set aside, oldest first, after the given leaf.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn list_set_aside(&self, after: Option<u64>) -> Result<Vec<SetAside>, JournalFault> {
        self.read(move |reader| reader.set_aside(after)).await
    }

    /// Deletes payload and key of exchanges that were relayed or discarded `hold_us` microseconds ago, each with its `erased` leaf; looks at
    /// 64 a call, by the earlier of the log's time and the machine's. A crash after the commit leaves a file that nobody can open; the next start removes it.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn erase_due(&self, hold_us: i64, from: DuePlace) -> Result<Erased, SealError> {
        let before_us = self.time().careful_us().saturating_sub(hold_us.max(0));
        let due = self
            .read(move |reader| reader.due(before_us, from, ERASE_BATCH))
            .await?;
        let next = due.last().map(|(_, place)| *place);
        let erasing = due
            .iter()
            .map(|(exchange, _)| self.sealed(Work::Erase { exchange: *exchange }, Some(*exchange)));
        let mut payloads = 0;
        for (result, (exchange, _)) in futures_util::future::join_all(erasing).await.into_iter().zip(due) {
            if result?.is_some() {
                payloads += 1;
                self.unlink(exchange).await;
            }
        }
        Ok(Erased { payloads, next })
    }

    pub(super) async fn unlink(&self, exchange: Uuid) {
        let path = spill_path(&self.inner.payloads, exchange);
        let removed = tokio::fs::remove_file(&path).await;
        if removed.is_err_and(|error| error.kind() != std::io::ErrorKind::NotFound) {
            tracing::warn!(exchange.id = %exchange, "an erased payload's file cannot be removed; the next start tries again");
        }
    }
}
