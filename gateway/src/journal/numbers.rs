//! The number that each exchange of a partner gets: 1, 2, 3 … among his in this log, without a gap.
//!
//! Takes leaves to be; gives the number of each that is an exchange of a partner. It is counted in memory; what a partner had before is read from his
//! newest leaf when he comes for the first time since the start. Nothing is stored beside the leaves, so a crash can neither skip nor repeat a number:
//! a group that is not committed has given none. A volume goes on where the one before ended; what succeeds a log whose end is lost begins anew.

use std::collections::HashMap;

use shuguan_ledger::leaf::{Event, Leaf};

use super::statements;
use super::store::{Store, Stored, values};

/// The last number of each partner that came since the start.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    last: HashMap<String, u64>,
    /// Index of the leaf that opened the log after a loss: what stands before it was counted in another.
    since: u64,
}

impl Numbers {
    /// Of the log that a journal writes.
    pub(super) fn of(store: &Store) -> Stored<Self> {
        let opened: Vec<Vec<u8>> = store.column(statements::LOG_OPENED, &[])?;
        let leaves = opened.iter().filter_map(|bytes| Leaf::decode(bytes).ok());
        // It stands at the index of the first entry that is lost.
        let lost = leaves.filter_map(|leaf| match leaf.event {
            Event::LogOpen(open) if !open.is_turn() => Some(open.kept),
            _ => None,
        });
        Ok(Self {
            last: HashMap::new(),
            since: lost.max().unwrap_or(0),
        })
    }

    /// A group was committed.
    pub(super) fn take(&mut self, given: GivenNumbers) {
        self.last.extend(given.0);
    }

    fn of_partner(&self, partner: &str, store: &Store) -> Stored<u64> {
        if let Some(last) = self.last.get(partner) {
            return Ok(*last);
        }
        let newest: Option<Vec<u8>> = store.cell(statements::NEWEST_COUNTED, values![partner, self.since])?;
        let newest = newest.and_then(|bytes| Leaf::decode(&bytes).ok());
        // One that was sealed by a version that did not count has none.
        Ok(newest.and_then(|leaf| leaf.pn).unwrap_or(0))
    }
}

/// The last number that a group gives to each partner; it counts when the group is committed.
#[derive(Debug, Default)]
pub(super) struct GivenNumbers(HashMap<String, u64>);

impl GivenNumbers {
    /// The number of the next leaf; none when it is no exchange of a partner.
    pub(super) fn next(&mut self, event: &Event, before: &Numbers, store: &Store) -> Stored<Option<u64>> {
        let Some(partner) = event.counts_for() else {
            return Ok(None);
        };
        let last = match self.0.get(partner) {
            Some(last) => *last,
            None => before.of_partner(partner, store)?,
        };
        Ok(Some(last + 1))
    }

    /// The leaf is bound.
    pub(super) fn bound(&mut self, leaf: &Leaf) {
        if let (Some(partner), Some(number)) = (leaf.event.counts_for(), leaf.pn) {
            self.0.insert(partner.to_owned(), number);
        }
    }
}
