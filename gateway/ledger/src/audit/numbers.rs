//! The numbers of each partner's exchanges: 1, 2, 3 …, so that who has some of them sees which are kept from him.
//!
//! Takes leaves in order; refuses one whose number is not the next of its partner, one without a number behind one that has it, and a number where
//! there is no exchange of a partner. Leaves of versions that did not count may stand before the first number. Where a log succeeds one whose end is
//! lost, each partner is counted anew; of a volume that is looked at alone, his first number may be any.

use std::collections::BTreeMap;

use crate::leaf::{Event, Leaf};

/// The last number of each partner.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    last: BTreeMap<String, u64>,
    /// Entries before the first leaf were not read.
    are_later: bool,
}

impl Numbers {
    /// What stands before the first leaf is not read.
    pub(super) fn begin_later(&mut self) {
        self.are_later = true;
    }

    pub(super) fn take(&mut self, leaf: &Leaf) -> Result<(), String> {
        if matches!(&leaf.event, Event::LogOpen(open) if !open.is_turn()) {
            *self = Self::default();
        }
        let Some(partner) = leaf.event.counts_for() else {
            return match leaf.pn {
                None => Ok(()),
                Some(_) => Err("it has a partner's number, and is no exchange".into()),
            };
        };
        let last = self.last.get(partner).copied();
        let Some(number) = leaf.pn else {
            return match last {
                None => Ok(()),
                Some(last) => Err(format!(
                    "it has no number, and exchange {last} of `{partner}` is before it"
                )),
            };
        };
        let due = last.unwrap_or(0) + 1;
        if number != due && !(last.is_none() && self.are_later && number > 0) {
            return Err(format!("it is exchange {number} of `{partner}`, and {due} is due"));
        }
        self.last.insert(partner.to_owned(), number);
        Ok(())
    }

    /// The last number of each partner.
    pub(super) fn into_last(self) -> BTreeMap<String, u64> {
        self.last
    }
}
