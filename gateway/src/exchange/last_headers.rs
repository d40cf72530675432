//! Which columns the last batch of each partner and record type had: an export that was cut to its first columns empties the others without a fault in any row.
//!
//! Takes the wanted fields that a batch has a header for; gives those that the one before had and it has not. In memory alone: the first batch after a start is
//! compared with nothing. Small batches say nothing of a file's shape. Refuses nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

/// A batch of fewer rows is a correction by hand or the change of a day, with the fields that changed.
const ROWS_MIN: u64 = 20;

type Fields = BTreeSet<&'static str>;

/// The columns of the last batches, by partner and record type.
#[derive(Debug, Default)]
pub struct LastHeaders(Mutex<HashMap<(String, &'static str), Fields>>);

impl LastHeaders {
    /// The fields that the last batch had and this one has not; it is the last one from now on.
    pub(super) fn lost(&self, partner: &str, record: &'static str, (rows, fields): (u64, Fields)) -> Fields {
        if rows < ROWS_MIN {
            return Fields::new();
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.entry((partner.to_owned(), record)).or_default();
        let lost = before.difference(&fields).copied().collect();
        *before = fields;
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, LastHeaders};

    #[test]
    fn what_the_batch_before_had_is_lost_once_and_by_its_own_partner_and_record_type() {
        let last = LastHeaders::default();
        let all: Fields = ["citizen_id", "name", "sex"].into();
        let few: Fields = ["citizen_id"].into();
        assert_eq!(last.lost("a", "r", (20, all.clone())), Fields::new());
        assert_eq!(last.lost("a", "r", (19, few.clone())), Fields::new(), "a small one");
        assert_eq!(last.lost("b", "r", (20, few.clone())), Fields::new());
        assert_eq!(last.lost("a", "s", (20, few.clone())), Fields::new());
        assert_eq!(last.lost("a", "r", (20, few.clone())), ["name", "sex"].into());
        assert_eq!(last.lost("a", "r", (20, few)), Fields::new());
        assert_eq!(last.lost("a", "r", (20, all)), Fields::new());
    }
}
