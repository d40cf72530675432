//! The keys that sign answers, as the log says: which came when, and which has ended.
//!
//! Takes the `key` leaves of the suite of receipt keys; gives the keys in their order. A key signs the answers about leaves after its own `new` leaf, up to
//! the `new` leaf of the next: so who signs an answer is a function of the log (C4). Refuses a leaf that neither begins nor ends one.

use shuguan_ledger::keys::{NEW, RECEIPT_SUITE, RETIRED};
use shuguan_ledger::leaf::{Event, KeyEvent, Leaf};

use super::fault::JournalFault;
use super::statements;
use super::store::Row;
use super::views::Reader;

/// A key that signs answers, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptKeySpan {
    /// Its id, as `keyid` names it.
    pub id: String,
    /// Index of its `new` leaf.
    pub from: u64,
    /// Index of its `retired` leaf.
    pub retired: Option<u64>,
    /// When it began, µs since 1970.
    pub since_us: i64,
}

impl ReceiptKeySpan {
    /// Whether it has not ended.
    pub fn is_kept(&self) -> bool {
        self.retired.is_none()
    }
}

/// The one that signs what is sealed now: the newest that has not ended.
pub fn receipt_key_in_force(keys: &[ReceiptKeySpan]) -> Option<&ReceiptKeySpan> {
    keys.iter().rfind(|key| key.is_kept())
}

fn apply(keys: &mut Vec<ReceiptKeySpan>, index: u64, t_us: i64, event: &KeyEvent) -> Result<(), JournalFault> {
    let known = keys.iter().position(|key| key.id == event.key);
    match (event.act.as_str(), known.and_then(|place| keys.get_mut(place))) {
        (NEW, None) => keys.push(ReceiptKeySpan {
            id: event.key.clone(),
            from: index,
            retired: None,
            since_us: t_us,
        }),
        (RETIRED, Some(key)) if key.is_kept() => key.retired = Some(index),
        // The leaf that began it went with an older volume.
        (RETIRED, None) => {}
        _ => {
            let what = format!("leaf {index}: it begins or ends a receipt key that began or ended before");
            return Err(JournalFault::damaged(what));
        }
    }
    Ok(())
}

impl Reader {
    /// The keys that sign answers, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read, or its leaves contradict each other.
    pub fn receipt_keys(&self) -> Result<Vec<ReceiptKeySpan>, JournalFault> {
        let mut keys = Vec::new();
        for (index, t_us, event) in self.receipt_key_leaves()? {
            apply(&mut keys, index, t_us, &event)?;
        }
        Ok(keys)
    }

    /// Their leaves, oldest first, each with its index and time.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn receipt_key_leaves(&self) -> Result<Vec<(u64, i64, KeyEvent)>, JournalFault> {
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let rows: Vec<(u64, Vec<u8>)> = self.rows("read the key leaves", statements::KEY_LEAVES, &[], columns)?;
        let mut leaves = Vec::new();
        for (index, bytes) in rows {
            let leaf = Leaf::decode(&bytes)?;
            match leaf.event {
                Event::Key(event) if event.suite == RECEIPT_SUITE => leaves.push((index, leaf.t, event)),
                _ => {}
            }
        }
        Ok(leaves)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use shuguan_ledger::keys::{NEW, RECEIPT_SUITE, RETIRED};
    use shuguan_ledger::leaf::KeyEvent;

    use super::{ReceiptKeySpan, apply, receipt_key_in_force};

    fn said(act: &str, key: &str) -> KeyEvent {
        KeyEvent {
            act: act.into(),
            suite: RECEIPT_SUITE.into(),
            key: key.into(),
            of: "-".into(),
            from: 0,
            why: "rotation".into(),
        }
    }

    fn read(leaves: &[(&str, &str)]) -> Option<Vec<ReceiptKeySpan>> {
        let mut keys = Vec::new();
        for (index, (act, key)) in (3..).zip(leaves) {
            apply(&mut keys, index, 0, &said(act, key)).ok()?;
        }
        Some(keys)
    }

    #[test]
    fn the_newest_that_has_not_ended_is_in_force() {
        let of = |leaves: &[(&str, &str)]| {
            let keys = read(leaves).unwrap();
            receipt_key_in_force(&keys).map(|key| key.id.clone())
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(NEW, "a"), (NEW, "b")]).as_deref(), Some("b"));
        assert_eq!(of(&[(NEW, "a"), (NEW, "b"), (RETIRED, "a")]).as_deref(), Some("b"));
        assert_eq!(of(&[(NEW, "a"), (NEW, "b"), (RETIRED, "b")]).as_deref(), Some("a"));
        let keys = read(&[(NEW, "a"), (NEW, "b"), (RETIRED, "a")]).unwrap();
        assert_eq!((keys[0].from, keys[0].retired, keys[1].from), (3, Some(5), 4));
    }

    #[test]
    fn a_key_begins_once_and_ends_once() {
        for leaves in [
            &[(NEW, "a"), (NEW, "a")][..],
            &[(NEW, "a"), (RETIRED, "a"), (RETIRED, "a")],
            &[(NEW, "a"), (RETIRED, "a"), (NEW, "a")],
            &[("lost", "a")],
        ] {
            assert_eq!(read(leaves), None, "{leaves:?}");
        }
    }
}
