//! What merging means on every store. Takes released parts; says which row of a key stays, whether it is open, and what is counted.
//!
//! Newest wins by (source time, leaf, row); equal content of the same partner is left alone, so that an unchanged record costs a look-up and
//! no page write, and keeps the provenance of the exchange that first brought it. Where an exchange with an earlier leaf may still come
//! ([`Part::confirm`]) it is written all the same: else the late one would pass for newer. A row is closed, never deleted, and only by the
//! partner whose it is: by a delete that is newer than it, or by a snapshot with a later leaf that lacks it. What is closed is noted by key and partner
//! (`closing`), also before its row came, so that a late older row does not open it again. A store looks up what it has for a part's
//! keys, asks [`Arrival::settle`], and writes what is left; because it has one writer, what was looked up still holds then.

pub(super) mod closing;
pub(super) mod fate;
pub(super) mod held;
pub(super) mod late;
pub(super) mod recall;
pub(super) mod rows;
pub(super) mod stamps;

use std::sync::Arc;

use arrow_array::RecordBatch;
use uuid::Uuid;

use self::rows::{Keyed, Rows};
use super::fault::RegistryFault;
use super::schema::{TableSpec, table_of};
use super::{Merged, Progress};

/// At most 8,192 released rows of one exchange, with where they came from.
#[derive(Clone, Debug)]
pub struct Part {
    /// The exchange.
    pub exchange: Uuid,
    /// Which part of it, from 0.
    pub number: u32,
    /// Of how many.
    pub parts: u32,
    /// Index of the exchange's leaf.
    pub leaf: u64,
    /// Name of the record type.
    pub record: String,
    /// The partner that sent it.
    pub partner: String,
    /// When the gateway received it, microseconds since the epoch.
    pub received_us: i64,
    /// It is part of a snapshot: what it holds is noted, so that its end does not close it.
    pub snapshot: bool,
    /// An exchange of the record type with an earlier leaf may still come.
    pub confirm: bool,
    /// The rows; a column `_op` says what each is about.
    pub batch: RecordBatch,
    /// What was made ready of them.
    pub ahead: Ahead,
}

/// What [`super::Registry::prepare`] made ready of a part; nothing: it is made when the part is merged.
#[derive(Clone, Debug, Default)]
pub struct Ahead(pub(super) Option<Arc<Keyed>>);

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not there before, or closed.
    pub ins: u64,
    /// There with other content, and older.
    pub upd: u64,
    /// Nothing to see: equal content, what is there is newer, or nothing of the partner's to close.
    pub same: u64,
    /// Closed.
    pub del: u64,
}

impl Counts {
    /// All rows.
    pub fn rows(&self) -> u64 {
        self.ins + self.upd + self.same + self.del
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.ins += other.ins;
        self.upd += other.upd;
        self.same += other.same;
        self.del += other.del;
    }
}

/// A part that is due, its rows made ready.
pub(super) struct Arrival<'a> {
    pub(super) table: &'a TableSpec,
    pub(super) part: &'a Part,
    pub(super) rows: Rows<'a>,
    /// Rows of the same exchange that came in earlier parts.
    before: i64,
}

impl<'a> Arrival<'a> {
    /// Reads a part after `parts` parts and `rows` rows of its exchange; none when it is in already.
    ///
    /// # Errors
    /// Out of order, of an unknown record type, or with columns that the table lacks.
    pub(super) fn due(
        tables: &'a [TableSpec],
        part: &'a Part,
        parts: u32,
        rows: u64,
    ) -> Result<Option<Self>, RegistryFault> {
        if part.number < parts {
            return Ok(None);
        }
        if part.number > parts {
            return Err(RegistryFault::OutOfOrder {
                due: parts,
                got: part.number,
            });
        }
        let table = table_of(tables, &part.record)?;
        Ok(Some(Self {
            table,
            part,
            rows: Rows::read(table, part)?,
            before: i64::try_from(rows).unwrap_or(i64::MAX),
        }))
    }

    /// The row's number in its exchange, from 1.
    pub(super) fn row_no(&self, row: usize) -> i64 {
        self.before.saturating_add(i64::try_from(row + 1).unwrap_or(i64::MAX))
    }

    pub(super) fn leaf(&self) -> i64 {
        i64::try_from(self.part.leaf).unwrap_or(i64::MAX)
    }
}

/// What became of a part, and of its exchange with it.
pub(super) fn merged(counts: Counts, rows: usize, before: Progress) -> Merged {
    let mut progress = before;
    progress.parts += 1;
    progress.rows += u64::try_from(rows).unwrap_or(u64::MAX);
    progress.counts += counts;
    Merged {
        counts,
        repeated: false,
        progress,
    }
}

/// What became of a part that is in already.
pub(super) fn repeated(progress: Progress) -> Merged {
    Merged {
        counts: Counts::default(),
        repeated: true,
        progress,
    }
}
