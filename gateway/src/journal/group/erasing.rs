//! Erasing: payloads whose hold is over, and keys of evidence that an officer has destroyed.
//!
//! Takes what goes; deletes it in the transaction of the leaf that says so. What is not to be erased, or is gone, has no leaf.

use shuguan_ledger::leaf::{Digest, ErasedEvent, Event, Leaf, Reference, ShredEvent};
use uuid::Uuid;

use super::super::inbox::{InboxState, RECALLED};
use super::super::sequencer::Target;
use super::super::statements;
use super::super::store::{Stored, values};
use super::moving::InboxRow;
use super::{Given, Group, Place};

impl Group<'_> {
    pub(super) fn erase(&mut self, exchange: Uuid, place: Place<'_>) -> Stored<Given> {
        match self.erasable(exchange)? {
            Some(row) => self.erase_row(exchange, &row, place),
            None => Ok(Given::NotSo),
        }
    }

    /// A batch that is done with, by its row and by a leaf. A row alone may have been edited, and a leaf that says of a batch which waits that it is erased
    /// would stand in the log for ever. A recall stands under an exchange of its own.
    fn erasable(&self, exchange: Uuid) -> Stored<Option<InboxRow>> {
        let row = self.find(exchange)?;
        let Some(row) = row.filter(|row| row.state.is_done()) else {
            return Ok(None);
        };
        let recalled = row.reason.as_deref() == Some(RECALLED) && self.is_recalled(&row)?;
        if recalled
            || self
                .store
                .cell(statements::DONE_WITH, values![&exchange])?
                .unwrap_or(false)
        {
            return Ok(Some(row));
        }
        tracing::error!(exchange.id = %exchange, "a batch is called done with and no leaf says so; it is not erased");
        Ok(None)
    }

    fn is_recalled(&self, row: &InboxRow) -> Stored<bool> {
        let recalls: Vec<Vec<u8>> = self
            .store
            .column(statements::RECALLS_AFTER, values![row.partner.as_str(), row.leaf])?;
        let mut recalls = recalls.iter().filter_map(|bytes| Leaf::decode(bytes).ok());
        Ok(recalls.any(|leaf| matches!(leaf.event, Event::Recall(recall) if recall.of.i == row.leaf)))
    }

    /// Key and content go in one transaction with the leaf that says so; a file is unlinked afterwards, or at the next start.
    fn erase_row(&mut self, exchange: Uuid, row: &InboxRow, place: Place<'_>) -> Stored<Given> {
        let event = Event::Erased(ErasedEvent {
            x: exchange.to_string(),
            of: Reference {
                i: row.leaf,
                h: Digest(row.hash),
            },
        });
        let given = self.leaf(&event, Some(exchange), None, place)?;
        if matches!(given, Given::Leaf { .. }) {
            self.store.run(statements::DELETE_PAYLOAD, values![row.leaf])?;
            let recalled = row.reason.as_deref().filter(|reason| *reason == RECALLED);
            self.move_row(row, InboxState::Erased, recalled)?;
        }
        Ok(given)
    }

    /// Payloads go in one transaction with the leaf of the officer's act and those of their erasure; none to erase has no leaf.
    pub(super) fn shred_payloads(&mut self, exchanges: &[Uuid], event: &ShredEvent, place: Place<'_>) -> Stored<Given> {
        let mut rows = Vec::new();
        for exchange in exchanges {
            rows.extend(self.erasable(*exchange)?.map(|row| (*exchange, row)));
        }
        if rows.is_empty() {
            return Ok(Given::NotSo);
        }
        let given = self.shred_leaf(event, rows.len(), place)?;
        if matches!(given, Given::Leaf { .. }) {
            for (exchange, row) in &rows {
                self.erase_row(*exchange, row, place)?;
            }
        }
        Ok(given)
    }

    /// Wrapped keys and records go in one transaction with the leaf that says so; nothing to destroy has no leaf.
    pub(super) fn shred(&mut self, target: &Target, event: &ShredEvent, place: Place<'_>) -> Stored<Given> {
        let mut keys = 0;
        for statement in [statements::DELETE_WRAPPED_KEYS, statements::DELETE_EVIDENCE] {
            let (first, end) = match target {
                Target::Leaf(leaf) => (*leaf, leaf + 1),
                Target::Before(leaf) => (0, *leaf),
            };
            keys = self.store.run(statement, values![first, end])?;
        }
        if keys == 0 {
            return Ok(Given::NotSo);
        }
        self.shred_leaf(event, keys, place)
    }

    fn shred_leaf(&mut self, event: &ShredEvent, keys: usize, place: Place<'_>) -> Stored<Given> {
        let exchange = event.x.as_deref().and_then(|exchange| Uuid::parse_str(exchange).ok());
        let event = ShredEvent {
            cnt: u64::try_from(keys).unwrap_or(u64::MAX),
            ..event.clone()
        };
        self.leaf(&Event::Shred(event), exchange, None, place)
    }
}
