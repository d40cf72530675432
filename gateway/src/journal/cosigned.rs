//! Checkpoints that witnesses signed: kept beside the log's own, which stay as they are.
//!
//! Takes a note with its cosignature lines, already verified; gives the newest one, and receipts under it. Bounded: of each minute the last
//! one stays.

use std::sync::Arc;

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::Event;
use shuguan_ledger::tree::{self, Hash, consistency_path};
use uuid::Uuid;

use super::Journal;
use super::entry::{Entry, Outcome};
use super::fault::{JournalFault, SealError};
use super::sequencer::Work;
use super::statements;
use super::store::{Row, Store, Stored, values};
use super::views::Reader;
use crate::clock;

const MINUTE_US: i64 = 60_000_000;

/// A checkpoint with the signatures of a quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// Leaves under it.
    pub size: u64,
    /// When it was the newest, microseconds UTC; every leaf sealed before is under it.
    pub t_us: i64,
    /// The note: text, the log's line, the witnesses' lines.
    pub note: Arc<str>,
}

impl Cosigned {
    /// Inside the sequencer's transaction.
    pub(super) fn store(&self, store: &Store) -> Stored<()> {
        let minute = self.t_us.div_euclid(MINUTE_US) * MINUTE_US;
        let row = values![self.size, self.t_us, self.note.as_ref()];
        store.run(statements::STORE_COSIGNED, row)?;
        store.run(statements::THIN_COSIGNED, values![self.size, minute])?;
        Ok(())
    }
}

/// For witnesses.
impl Journal {
    /// Keeps a checkpoint that a quorum signed; durable when this returns.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn keep_cosigned(&self, cosigned: Cosigned) -> Result<(), SealError> {
        self.submit(Work::Cosigned(cosigned)).await.map(drop)
    }

    /// The newest checkpoint that a quorum signed.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn newest_cosigned(&self) -> Result<Option<Cosigned>, JournalFault> {
        self.read(Reader::newest_cosigned).await
    }

    /// When a gap began that no later leaf ended, microseconds UTC.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn open_gap(&self) -> Result<Option<i64>, JournalFault> {
        self.read(|reader| {
            let step = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let found: Option<(Option<String>, i64)> =
                reader.first("look for a gap", statements::LAST_GAP, &[], step)?;
            Ok(found
                .filter(|(step, _)| step.as_deref() == Some("begin"))
                .map(|(_, t)| t))
        })
        .await
    }

    /// The newest checkpoint as it was published, and what it says.
    pub fn head(&self) -> (String, Checkpoint) {
        let note = self.checkpoint();
        // Our own note, which recovery has read and the sequencer has written.
        let checkpoint = Checkpoint::unverified(&note).unwrap_or_else(|_| Checkpoint {
            origin: self.origin().as_ref().to_owned(),
            size: 0,
            root: tree::empty_root(),
        });
        (note, checkpoint)
    }

    /// The proof that the log of `old` leaves is a prefix of that of `new` leaves.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, JournalFault> {
        self.read(move |reader| consistency_path(reader, old, new)).await
    }

    /// Root of the first `size` leaves.
    ///
    /// # Errors
    /// When the journal cannot be read, or has fewer leaves.
    pub async fn root_of(&self, size: u64) -> Result<Hash, JournalFault> {
        self.read(move |reader| tree::root(reader, size)).await
    }

    /// The receipt of an exchange's first leaf under a cosigned checkpoint; none when that does not cover it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn cosigned_receipt(&self, exchange: Uuid, cosigned: &Cosigned) -> Result<Option<String>, JournalFault> {
        let (size, note) = (cosigned.size, cosigned.note.as_ref().to_owned());
        self.read(move |reader| match reader.first_leaf(exchange)? {
            Some(row) if row.index < size => Ok(Some(reader.prove(row, size, note)?.receipt)),
            _ => Ok(None),
        })
        .await
    }

    /// Seals an event of the node itself.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn seal_own(&self, event: Event) -> Result<Outcome, SealError> {
        let id = clock::exchange_id(&self.time().clock()).map_err(JournalFault::from)?;
        self.seal(Entry::new(id, event)).await
    }
}

impl Reader {
    /// The newest checkpoint that a quorum signed.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn newest_cosigned(&self) -> Result<Option<Cosigned>, JournalFault> {
        const STEP: &str = "read the newest cosigned checkpoint";
        self.first(STEP, statements::NEWEST_COSIGNED, &[], cosigned)
    }

    /// The checkpoint of this size that a quorum signed.
    pub(super) fn cosigned_at(&self, size: u64) -> Result<Option<Cosigned>, JournalFault> {
        const STEP: &str = "read a cosigned checkpoint";
        self.first(STEP, statements::COSIGNED_AT, values![size], cosigned)
    }

    /// The first checkpoint over a leaf that a quorum signed, of those that are kept.
    pub(super) fn first_cosigned(&self, leaf: u64) -> Result<Option<Cosigned>, JournalFault> {
        const STEP: &str = "read a cosigned checkpoint";
        self.first(STEP, statements::FIRST_COSIGNED, values![leaf], cosigned)
    }
}

fn cosigned(row: &Row<'_>) -> Stored<Cosigned> {
    Ok(Cosigned {
        size: row.get(0)?,
        t_us: row.get(1)?,
        note: row.get::<String>(2)?.into(),
    })
}
