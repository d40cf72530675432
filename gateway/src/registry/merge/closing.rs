//! What closes a row: the newest delete of one partner for a key, and the last snapshot of his that lacked it.
//!
//! The end of a snapshot goes through the table in key order, at most [`STRIDE`] keys a transaction, with its place in the progress: killed
//! anywhere, it goes on there. It closes rows of its partner, within its scope, that came before it and that it does not hold. Before,
//! the same walk counts them and writes nothing; where it found nothing to do, nobody looks a second time.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use super::super::Progress;
use super::super::fault::RegistryFault;
use super::super::schema::TableSpec;
use super::held::Held;

/// Keys that are looked at in one transaction; in tests few, so that there are many.
pub(in crate::registry) const STRIDE: usize = if cfg!(test) { 3 } else { 8_192 };

/// The place of a walk that is at its end; no key of a natural field begins with this. Said again, it closes nothing, and goes through stamps of older
/// snapshots where some are left. What stands behind it says how far the snapshot's own stamps are gone through ([`super::stamps`]).
pub(in crate::registry) const BEHIND_ALL: &str = "\u{10FFFF}";

/// A snapshot whose parts are all in.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The exchange.
    pub exchange: Uuid,
    /// Index of its leaf.
    pub leaf: u64,
    /// Name of the record type.
    pub record: String,
    /// The partner that sent it.
    pub partner: String,
    /// When the gateway received it, microseconds since the epoch.
    pub received_us: i64,
    /// The field that its scope goes by, and the codes inside; none: all rows of the partner.
    pub scope: Option<(String, Vec<String>)>,
    /// An older batch of its partner and record type is set aside: what it holds is kept after its end, for when that one is let go.
    pub keep: bool,
    /// What it holds and did not write: the store reads it at the first stride, and whoever ends it keeps it until the last.
    pub held: Arc<OnceLock<Held>>,
}

/// What one stride of counting found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Keys that were looked at.
    pub looked: u64,
    /// Open rows of the partner within the scope.
    pub held: u64,
    /// Those that would be closed.
    pub due: u64,
    /// Nothing is to be closed or stamped in it.
    pub idle: bool,
    /// The key up to which was counted; none at the end.
    pub after: Option<String>,
}

impl Weighed {
    /// Of a snapshot that is known to hold all the rows that it speaks for.
    pub(in crate::registry) fn whole(held: u64) -> Self {
        Self {
            held,
            idle: true,
            ..Self::default()
        }
    }
}

/// What one stride of closing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The exchange after it.
    pub progress: Progress,
    /// Keys that were looked at, stamps among them.
    pub looked: u64,
    /// Rows that this stride closed.
    pub rows: u64,
    /// The key up to which is closed, or [`BEHIND_ALL`] when only stamps are left; none at the end.
    pub after: Option<String>,
}

/// Where a walk that closes has something to do.
#[derive(Debug, Default)]
pub struct Walk {
    /// Behind which key, and up to which; none: to the end.
    busy: VecDeque<(String, Option<String>)>,
}

impl Walk {
    /// Nothing was counted, or it no longer holds.
    pub fn everywhere() -> Self {
        let busy = VecDeque::from([(String::new(), None)]);
        Self { busy }
    }

    /// Adds the stride that was counted behind `behind`.
    pub fn counted(&mut self, behind: String, weighed: &Weighed) {
        if !weighed.idle {
            self.busy.push_back((behind, weighed.after.clone()));
        }
    }

    /// Behind which key the next stride is to begin when all up to `place` is closed. Keys that came meanwhile make strides end earlier, so what is
    /// left of one is gone through as well.
    pub fn resume(&mut self, place: &str) -> String {
        let is_over = |(_, upto): &(String, Option<String>)| upto.as_deref().is_some_and(|upto| upto <= place);
        while self.busy.pop_front_if(|stride| is_over(stride)).is_some() {}
        let from = self.busy.front().map_or(BEHIND_ALL, |(behind, _)| behind);
        from.max(place).to_owned()
    }
}

/// A row of a stride.
pub(in crate::registry) struct Looked<'r> {
    pub(in crate::registry) key: &'r str,
    pub(in crate::registry) open: bool,
    /// The snapshot speaks for it: of its partner, within its scope, and not of a later exchange.
    pub(in crate::registry) spoken_for: bool,
    /// It came before the snapshot.
    pub(in crate::registry) older: bool,
}

/// Keys in a row, by what the end of a snapshot does with them.
#[derive(Debug, Default)]
pub(in crate::registry) struct Stride {
    keys: usize,
    last: String,
    held: u64,
    /// Open rows that it lacks, in the order of their keys.
    pub(in crate::registry) lacking: Vec<String>,
    /// Rows that are closed and that it holds. They are stamped: no recall of another closing may take them for lacking.
    pub(in crate::registry) to_stamp: Vec<String>,
    /// Of a snapshot that comes late: rows that are closed and that it lacks. In its turn it had been the first to close them.
    pub(in crate::registry) lacking_closed: Vec<String>,
    /// A newer one of its partner has begun to close.
    late: bool,
}

impl Stride {
    /// None yet, of a snapshot that may be late.
    pub(in crate::registry) fn new(late: bool) -> Self {
        Self {
            late,
            ..Self::default()
        }
    }

    /// Adds the next row.
    pub(in crate::registry) fn add(&mut self, row: &Looked<'_>, held: &Held) {
        self.keys += 1;
        if self.keys == STRIDE {
            row.key.clone_into(&mut self.last);
        }
        self.held += u64::from(row.open && row.spoken_for);
        let lacks = || row.spoken_for && row.older && !held.has(row.key);
        if row.open && lacks() {
            self.lacking.push(row.key.to_owned());
        } else if !row.open && held.has(row.key) {
            self.to_stamp.push(row.key.to_owned());
        } else if !row.open && self.late && lacks() {
            self.lacking_closed.push(row.key.to_owned());
        }
    }

    /// How many keys it has.
    pub(in crate::registry) fn looked(&self) -> u64 {
        self.keys as u64
    }

    /// The last key; none: the table is at its end.
    pub(in crate::registry) fn upto(&self) -> Option<&str> {
        (self.keys >= STRIDE).then_some(&self.last)
    }

    /// What counting says of it.
    pub(in crate::registry) fn weighed(&self) -> Weighed {
        Weighed {
            looked: self.looked(),
            held: self.held,
            due: self.lacking.len() as u64,
            idle: self.lacking.is_empty() && self.to_stamp.is_empty() && self.lacking_closed.is_empty(),
            after: self.upto().map(str::to_owned),
        }
    }
}

impl Ending {
    /// Whether an exchange of that leaf, or a recall (leaf 0), may leave rows to be closed where counting found none. Who writes its rows between counting
    /// and closing has to let the closing go through everything ([`Walk::everywhere`]).
    pub fn is_upset_by(&self, record: &str, leaf: u64) -> bool {
        self.record == record && self.leaf > leaf
    }

    /// Its leaf as stores have it.
    pub(in crate::registry) fn leaf(&self) -> i64 {
        i64::try_from(self.leaf).unwrap_or(i64::MAX)
    }

    /// What it says of a row that it lacks.
    pub(in crate::registry) fn closing(&self) -> Closing {
        Closing {
            snapshot_leaf: Some(self.leaf()),
            deleted: None,
        }
    }

    /// Its scope as it stands in `snapshot`; none: all rows of the partner.
    pub(in crate::registry) fn scope_text(&self) -> Option<String> {
        let (field, codes) = self.scope.as_ref()?;
        Some(format!("{field}={}", codes.join(",")))
    }

    /// The column of its scope, with the codes.
    ///
    /// # Errors
    /// [`RegistryFault::UnknownColumn`]: the table has no such column.
    pub(in crate::registry) fn scope(
        &self,
        table: &TableSpec,
    ) -> Result<Option<(&'static str, &[String])>, RegistryFault> {
        let Some((field, codes)) = &self.scope else {
            return Ok(None);
        };
        let column = table.held_column(field).ok_or_else(|| RegistryFault::UnknownColumn {
            record: table.record.name.into(),
            column: field.clone(),
        })?;
        Ok(Some((column.name, codes)))
    }
}

/// The closings of one key by one partner, as far as they matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::registry) struct Closing {
    /// Leaf of the last snapshot that lacked it.
    pub(in crate::registry) snapshot_leaf: Option<i64>,
    /// Source time, leaf and row of the newest delete.
    pub(in crate::registry) deleted: Option<(i64, i64, i64)>,
}

impl Closing {
    /// Whether it closes a row of that source time, leaf and row. A snapshot speaks for the moment at which it was received: what came after it,
    /// whatever its source time, is not closed by it.
    pub(in crate::registry) fn closes(&self, order: (i64, i64, i64)) -> bool {
        self.snapshot_leaf.is_some_and(|leaf| leaf > order.1) || self.deletes(order)
    }

    /// Whether the delete does.
    pub(in crate::registry) fn deletes(&self, order: (i64, i64, i64)) -> bool {
        self.deleted.is_some_and(|deleted| deleted > order)
    }

    /// Of the noted delete and the newest that an exchange says, the one that the other takes the place of; none when both are that exchange's.
    /// It is kept, because it holds again when the other is recalled.
    pub(in crate::registry) fn superseded(&self, said: Option<(i64, i64, i64)>) -> Option<(i64, i64, i64)> {
        let (noted, said) = (self.deleted?, said?);
        (noted.1 != said.1).then(|| noted.min(said))
    }

    /// Notes a delete; false when a newer one is noted already.
    pub(in crate::registry) fn note_delete(&mut self, order: (i64, i64, i64)) -> bool {
        let newer = self.deleted.is_none_or(|known| known < order);
        if newer {
            self.deleted = Some(order);
        }
        newer
    }
}

#[cfg(test)]
mod tests {
    use super::{BEHIND_ALL, Walk, Weighed};

    fn weighed(idle: bool, after: Option<&str>) -> Weighed {
        Weighed {
            idle,
            after: after.map(str::to_owned),
            ..Weighed::default()
        }
    }

    #[test]
    fn a_walk_goes_through_what_is_not_idle_to_its_end_and_passes_over_the_rest() {
        let mut walk = Walk::default();
        walk.counted(String::new(), &weighed(true, Some("c")));
        walk.counted("c".into(), &weighed(false, Some("f")));
        walk.counted("f".into(), &weighed(true, Some("i")));
        walk.counted("i".into(), &weighed(false, None));
        assert_eq!(walk.resume(""), "c");
        // Keys came in between: its stride ended before the one that was counted.
        assert_eq!(walk.resume("d"), "d");
        assert_eq!(walk.resume("f"), "i");
        assert_eq!(walk.resume("k"), "k");
    }

    #[test]
    fn a_walk_without_work_is_at_its_end_at_once_and_one_that_was_not_counted_begins_at_the_first_key() {
        let mut idle = Walk::default();
        idle.counted(String::new(), &weighed(true, None));
        assert_eq!(idle.resume(""), BEHIND_ALL);
        assert_eq!(Walk::everywhere().resume(""), "");
        assert_eq!(Walk::everywhere().resume("x"), "x");
    }
}
