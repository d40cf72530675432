//! What the numbers of a partner's exchanges say of a list: whether one was left out of it.
//!
//! Takes proved entries; gives the numbers that are missing between the first and the last of them. What is newer than the last entry nothing tells: the
//! receipt of the partner's next exchange will.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use shuguan_ledger::leaf::Leaf;

/// The numbers of a partner's exchanges by their index in the log.
#[derive(Debug, Default)]
pub(super) struct Numbers(BTreeMap<u64, Option<u64>>);

impl Numbers {
    pub(super) fn take(&mut self, index: u64, leaf: &Leaf, partner: &str) {
        if leaf.event.counts_for() == Some(partner) {
            self.0.insert(index, leaf.pn);
        }
    }

    /// The numbers that exist, because a greater one does, and that no entry has. Entries without a number are of a version that did not count; where a
    /// number is not above the one before it, a log was lost and its successor counts anew.
    pub(super) fn missing(&self) -> Vec<RangeInclusive<u64>> {
        let mut missing = Vec::new();
        let mut last = 0;
        for number in self.0.values().copied().flatten() {
            let due = if number > last { last + 1 } else { 1 };
            if due < number {
                missing.push(due..=number - 1);
            }
            last = number;
        }
        missing
    }

    /// Whether every exchange up to the last entry is in the list: each has a number, the first is 1, none is missing, and nothing was lost in between.
    pub(super) fn are_whole(&self) -> bool {
        !self.0.is_empty() && self.0.values().zip(1..).all(|(number, due)| *number == Some(due))
    }
}

#[cfg(test)]
mod tests {

    use super::Numbers;

    fn of(numbers: &[Option<u64>]) -> Numbers {
        Numbers((10..).zip(numbers.iter().copied()).collect())
    }

    #[test]
    fn a_list_from_one_on_without_a_gap_is_whole() {
        let list = of(&[Some(1), Some(2), Some(3)]);
        assert!(list.are_whole());
        assert_eq!(list.missing(), []);
    }

    #[test]
    fn what_is_left_out_before_or_between_is_missing() {
        for (numbers, missing) in [
            (vec![Some(2)], vec![1..=1]),
            (vec![Some(1), Some(3), Some(7)], vec![2..=2, 4..=6]),
            (vec![None, Some(2)], vec![1..=1]),
            // The end of the log before is lost; in this one the first two are kept from us.
            (vec![Some(1), Some(2), Some(3)], vec![]),
            (vec![Some(4), Some(3)], vec![1..=3, 1..=2]),
        ] {
            let list = of(&numbers);
            assert_eq!(list.missing(), missing, "{numbers:?}");
            assert_eq!(list.are_whole(), missing.is_empty(), "{numbers:?}");
        }
    }

    #[test]
    fn nothing_is_claimed_of_an_empty_list_of_what_was_not_counted_and_of_a_log_that_was_lost() {
        for numbers in [vec![], vec![None, None], vec![None, Some(1)], vec![Some(1), Some(1)]] {
            let list = of(&numbers);
            assert_eq!(list.missing(), [], "{numbers:?}");
            assert!(!list.are_whole(), "{numbers:?}");
        }
    }
}
