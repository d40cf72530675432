//! Recalls: batches that their partners withdrew, on their way out of the registry.
//!
//! Takes the entry of a recall, which the sequencer seals together with the batch's end in the inbox; gives the relay what it has to undo, oldest
//! first and each with what the log says became of it, and seals that it is undone. All of it is read from the leaves, so a crash anywhere forgets nothing. Refuses a second recall of a batch.

use std::ops::ControlFlow;

use shuguan_ledger::leaf::{Digest, Event, Leaf, PushEvent, RecallEvent, RecalledEvent, Reference};
use shuguan_ledger::tree::Hash;
use uuid::Uuid;

use super::fault::JournalFault;
use super::sequencer::{Answer, Work};
use super::statements;
use super::store::{Row, values};
use super::views::Reader;
use super::{Entry, Journal, Outcome, SealError, Sealed};

/// A recall and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptRecall {
    /// Index of its leaf.
    pub leaf: u64,
    /// Hash of that leaf.
    pub hash: Hash,
    /// Its exchange.
    pub exchange: Uuid,
    /// The exchange that it withdraws.
    pub push: Uuid,
    /// When it was sealed, microseconds UTC.
    pub sealed_us: i64,
    /// What its leaf says.
    pub event: RecallEvent,
    /// What its `recalled` leaf says.
    pub done: Option<RecalledEvent>,
}

/// What became of the recall of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecallStanding {
    /// Its exchange.
    pub exchange: Uuid,
    /// A leaf says that the registry has carried it out.
    pub is_done: bool,
}

impl KeptRecall {
    /// The recall's leaf, as `recalled` refers to it.
    pub fn reference(&self) -> Reference {
        Reference {
            i: self.leaf,
            h: Digest(self.hash),
        }
    }
}

impl Journal {
    /// Seals a recall, and with it takes the batch out of the inbox. None: it was recalled before, or there is no such push.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn recall(&self, entry: Entry) -> Result<Option<Outcome>, SealError> {
        let exchange = entry.exchange;
        let prepared = entry.prepare(&self.inner.kek, &self.inner.vault, self.inner.time.now_us())?;
        match self.submit(Work::Seal(Box::new(prepared))).await? {
            Answer::NotSo => Ok(None),
            answer => self.outcome(answer, exchange).await.map(Some),
        }
    }

    /// Recalls from a leaf on, at most 1,000, in the order of the log.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn recalls(&self, from: u64) -> Result<Vec<KeptRecall>, JournalFault> {
        self.read(move |reader| reader.recalls_from(from)).await
    }

    /// Seals that a recall is carried out. Said twice, the first leaf is the answer.
    ///
    /// # Errors
    /// [`SealError::Unavailable`].
    pub async fn recalled(&self, exchange: Uuid, event: RecalledEvent) -> Result<Option<Sealed>, SealError> {
        self.sealed(Work::Recalled { exchange, event }, Some(exchange)).await
    }
}

/// Leaf, index, hash, and the leaf that says it is carried out.
type Columns = (Vec<u8>, u64, Hash, Option<Vec<u8>>);

impl Reader {
    /// Recalls from a leaf on, at most 1,000, in the order of the log.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn recalls_from(&self, leaf: u64) -> Result<Vec<KeptRecall>, JournalFault> {
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let rows: Vec<Columns> = self.rows("read the recalls", statements::RECALLS_FROM, values![leaf], columns)?;
        let kept = |(bytes, leaf, hash, done): Columns| {
            let (sealed_us, event, exchange) = recall(&bytes)?;
            let done = done.map(|bytes| Leaf::decode(&bytes)).transpose()?;
            Ok(KeptRecall {
                leaf,
                hash,
                exchange,
                push: id(&event.push)?,
                sealed_us,
                event,
                done: done.and_then(|leaf| match leaf.event {
                    Event::Recalled(event) => Some(event),
                    _ => None,
                }),
            })
        };
        rows.into_iter().map(kept).collect()
    }

    /// The pushes of one partner and record type behind a leaf that were recalled: what they had written over of an earlier push is not in the registry any more.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) fn recalled_behind(&self, leaf: u64, push: &PushEvent) -> Result<Vec<String>, JournalFault> {
        let about = values![leaf, push.p.as_str(), push.rec.as_str()];
        let leaves: Vec<Vec<u8>> = self.rows("read the recalls", statements::RECALLS_OF, about, |row| row.get(0))?;
        let mut recalled = Vec::new();
        for bytes in leaves {
            let (_, event, _) = recall(&bytes)?;
            if event.of.i > leaf {
                recalled.push(event.push);
            }
        }
        Ok(recalled)
    }

    /// The recall of a push, and whether the registry has carried it out.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) fn recall_of(&self, leaf: u64, push: &PushEvent) -> Result<Option<RecallStanding>, JournalFault> {
        let about = values![leaf, push.p.as_str(), push.rec.as_str()];
        let mut standing = None;
        self.each("read the recalls", statements::RECALLS_OF, about, |row| {
            let cells = || Ok((row.get(0)?, row.get(1)?));
            let (bytes, done): (Vec<u8>, Option<u64>) = cells().map_err(JournalFault::store("read the recalls"))?;
            let (_, event, exchange) = recall(&bytes)?;
            if event.of.i != leaf {
                return Ok(ControlFlow::Continue(()));
            }
            standing = Some(RecallStanding {
                exchange,
                is_done: done.is_some(),
            });
            Ok(ControlFlow::Break(()))
        })?;
        Ok(standing)
    }
}

/// When a recall was sealed, what it says, and its exchange.
fn recall(bytes: &[u8]) -> Result<(i64, RecallEvent, Uuid), JournalFault> {
    let leaf = Leaf::decode(bytes)?;
    let when_us = leaf.when();
    let Event::Recall(event) = leaf.event else {
        return Err(JournalFault::damaged("a recall is none"));
    };
    let exchange = id(&event.x)?;
    Ok((when_us, event, exchange))
}

fn id(text: &str) -> Result<Uuid, JournalFault> {
    Uuid::parse_str(text).map_err(|_| JournalFault::damaged("a recall has no exchange id"))
}
