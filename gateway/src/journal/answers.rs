//! What the journal tells: receipts, exchanges, evidence records, leaves and tiles.
//!
//! Each question runs on a reader of its own and sees one committed state. Changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use shuguan_ledger::leaf::{Digest, Leaf};
use shuguan_ledger::tile::Tile;
use shuguan_ledger::tree::Hash;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::kek::Kind;
use super::packing;
use super::{ExchangeView, Journal, JournalFault, LeafRow, QUALITY, Query, Sealed, Tag, Tally, opening_of, statements};
use crate::opening::Opening;

impl Journal {
    /// The receipt of an exchange's first leaf: for 7 days the same bytes as its answer carried, later perhaps under a newer checkpoint.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn receipt(&self, exchange: Uuid) -> Result<Option<String>, JournalFault> {
        Ok(self.sealed_entry(exchange).await?.map(|sealed| sealed.receipt))
    }

    /// The first leaf of an exchange with its receipt, as it was sealed.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn sealed_entry(&self, exchange: Uuid) -> Result<Option<Sealed>, JournalFault> {
        self.read(move |reader| match reader.first_leaf(exchange)? {
            Some(row) => reader.sealed(row.index),
            None => Ok(None),
        })
        .await
    }

    /// The exchanges of a partner from a leaf on, oldest first, at most 200: each with the leaf that settled a push, both under the newest checkpoint.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn exchanges_of(
        &self,
        partner: String,
        from: u64,
    ) -> Result<Vec<(Sealed, Option<Sealed>)>, JournalFault> {
        self.read(move |reader| reader.exchanges_of(&partner, from)).await
    }

    /// One exchange with its first 100 leaves, and what became of it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn exchange(&self, exchange: Uuid) -> Result<Option<ExchangeView>, JournalFault> {
        self.read(move |reader| reader.exchange(exchange)).await
    }

    /// What was asked and approved under one statement about an exchange, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn unsealing(&self, exchange: Uuid, statement: Digest) -> Result<Vec<LeafRow>, JournalFault> {
        self.read(move |reader| reader.unsealing(exchange, statement)).await
    }

    /// The reject report of an exchange, clear NDJSON; none when there were no rejects or they are kept no longer.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when it was changed.
    pub async fn rejects(&self, exchange: Uuid) -> Result<Option<Vec<u8>>, JournalFault> {
        let Some(stored) = self.unseal(exchange, statements::REJECTS, Kind::Rejects).await? else {
            return Ok(None);
        };
        // Reports of earlier versions are not packed: they begin as JSON does.
        let unpacked = packing::unpacked(&stored).map_err(|_| JournalFault::Unopened("a reject report"))?;
        Ok(Some(unpacked.unwrap_or(stored)))
    }

    /// What a comparison answered; none when that was longer ago than its key is answered.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when it was changed.
    pub async fn answers(&self, exchange: Uuid) -> Result<Option<Vec<u8>>, JournalFault> {
        self.unseal(exchange, statements::ANSWERS, Kind::Answers).await
    }

    /// The evidence record of an exchange, JSON. For disputes only: with it, commitments can be opened. None when it was destroyed, also where rows are there
    /// again.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when it was changed.
    pub async fn evidence(&self, exchange: Uuid) -> Result<Option<Zeroizing<Vec<u8>>>, JournalFault> {
        let vault = Arc::clone(&self.inner.vault);
        self.read(move |reader| {
            let Some(first) = reader.first_leaf(exchange)? else {
                return Ok(None);
            };
            reader.opened(&vault, exchange, first.index)
        })
        .await
    }

    /// The evidence record of one leaf of an exchange, JSON.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when it was changed.
    pub async fn evidence_at(&self, exchange: Uuid, leaf: u64) -> Result<Option<Zeroizing<Vec<u8>>>, JournalFault> {
        let vault = Arc::clone(&self.inner.vault);
        self.read(move |reader| reader.opened(&vault, exchange, leaf)).await
    }

    /// The quality report of a batch that was read, JSON: counts only. None for any other exchange.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when the evidence record was changed.
    pub async fn quality(&self, exchange: Uuid) -> Result<Option<serde_json::Value>, JournalFault> {
        let evidence = self.evidence(exchange).await?.unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&evidence).unwrap_or_default();
        let report = record.get(QUALITY).and_then(serde_json::Value::as_str);
        Ok(report.and_then(|report| serde_json::from_str(report).ok()))
    }

    /// What opens the columns of a push; none when its evidence record was destroyed, or is of a version that kept no columns.
    ///
    /// # Errors
    /// [`JournalFault::Unopened`] when the evidence record was changed.
    pub async fn opening(&self, exchange: Uuid) -> Result<Option<Opening>, JournalFault> {
        let record = self.evidence(exchange).await?;
        Ok(record.and_then(|record| opening_of(exchange, &record)))
    }

    async fn unseal(
        &self,
        exchange: Uuid,
        statement: &'static str,
        kind: Kind,
    ) -> Result<Option<Vec<u8>>, JournalFault> {
        let kek = Arc::clone(&self.inner.kek);
        self.read(move |reader| {
            let Some(sealed) = reader.blob_of(exchange, statement)? else {
                return Ok(None);
            };
            Ok(Some(kek.open(kind, exchange, &sealed)?.to_vec()))
        })
        .await
    }

    /// A leaf with its receipt under the newest checkpoint.
    ///
    /// # Errors
    /// When the journal cannot be read, or the hashes on the way to the root are not all there.
    pub async fn sealed_newest(&self, leaf: u64) -> Result<Option<Sealed>, JournalFault> {
        self.read(move |reader| reader.sealed_newest(leaf)).await
    }

    /// Counts of the leaves since a moment, by hour, kind and partner; of the newest 100,000 leaves at most.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn tally(&self, since_us: i64) -> Result<Vec<Tally>, JournalFault> {
        self.read(move |reader| reader.tally(since_us)).await
    }

    /// Leaves that match, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn search(&self, query: Query) -> Result<Vec<LeafRow>, JournalFault> {
        self.read(move |reader| reader.search(&query)).await
    }

    /// The newest leaf of a kind that each of these exchanges has; those that have none are left out.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn newest_of(
        &self,
        kind: &'static str,
        exchanges: Vec<Uuid>,
    ) -> Result<HashMap<Uuid, Leaf>, JournalFault> {
        self.read(move |reader| reader.newest_of(kind, exchanges)).await
    }

    /// One leaf.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn leaf(&self, index: u64) -> Result<Option<LeafRow>, JournalFault> {
        self.read(move |reader| reader.leaf(index)).await
    }

    /// Bytes of the leaves from an index on, at most [`ROWS_MAX`].
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn entries(&self, from: u64, count: u32) -> Result<Vec<Vec<u8>>, JournalFault> {
        self.read(move |reader| reader.entries(from, count)).await
    }

    /// The bytes of a tile or an entry bundle (C2SP tlog-tiles); none while the log is not long enough for it. A partial one is given also when
    /// the full one is there.
    ///
    /// # Errors
    /// When the journal cannot be read, or does not hold what its size says.
    pub async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, JournalFault> {
        self.read(move |reader| reader.tile(tile)).await
    }

    /// Hashes of a tile: `width` of the row at `level`, from `start` on; fewer when there are not as many.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn hashes(&self, level: u8, start: u64, width: u64) -> Result<Vec<Hash>, JournalFault> {
        self.read(move |reader| reader.hashes(level, start, width)).await
    }

    /// SHA-256 of the configuration that the gateway last started with, as the log says.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn last_config(&self) -> Result<Option<Hash>, JournalFault> {
        self.read(super::views::Reader::last_config).await
    }

    /// Indices of the leaves whose exchange holds a subject, newest first. The caller has sealed an `officer-query` before (C5).
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn by_subject(&self, tags: Vec<Tag>) -> Result<Vec<u64>, JournalFault> {
        let folder = Arc::clone(&self.inner.payloads);
        self.read(move |reader| reader.by_subject(&folder, &tags)).await
    }
}
