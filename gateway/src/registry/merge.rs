//! What merging means on every store. Takes released parts; says which row of a key stays and what is counted.
//!
//! Newest wins by (source time, leaf, row); equal content is left alone, so that an unchanged record costs a look-up and no page
//! write, and keeps the provenance of the exchange that first brought it. A store looks up what it has for a part's keys, asks
//! [`Arrival::settle`], and writes what is left; because it has one writer, what was looked up still holds then.

pub(super) mod rows;

use arrow_array::RecordBatch;
use uuid::Uuid;

use self::rows::{HASH_BYTES, Rows};
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
    /// Index of the exchange's leaf.
    pub leaf: u64,
    /// Name of the record type.
    pub record: String,
    /// The partner that sent it.
    pub partner: String,
    /// When the gateway received it, microseconds since the epoch.
    pub received_us: i64,
    /// The rows.
    pub batch: RecordBatch,
}

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not there before.
    pub ins: u64,
    /// There with other content, and older.
    pub upd: u64,
    /// Nothing to write: equal content, or what is there is newer.
    pub same: u64,
}

impl Counts {
    /// All rows.
    pub fn rows(&self) -> u64 {
        self.ins + self.upd + self.same
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.ins += other.ins;
        self.upd += other.upd;
        self.same += other.same;
    }
}

/// What decides which of two rows with one key stays.
#[derive(Clone, Copy)]
pub(super) struct Version {
    pub(super) hash: [u8; HASH_BYTES],
    /// Source time, leaf, row.
    pub(super) order: (i64, i64, i64),
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

    /// Goes through the rows of one key as if each were merged by itself; gives the one that stays.
    pub(super) fn settle(
        &self,
        group: &[u32],
        known: Option<Version>,
        counts: &mut Counts,
    ) -> Option<(usize, Version)> {
        let mut known = known;
        let mut winner = None;
        for row in group.iter().map(|row| *row as usize) {
            let sent = Version {
                hash: self.rows.hash(row),
                order: (self.rows.source_us(row), self.leaf(), self.row_no(row)),
            };
            match known {
                None => counts.ins += 1,
                Some(version) if version.hash == sent.hash || version.order >= sent.order => {
                    counts.same += 1;
                    continue;
                }
                Some(_) => counts.upd += 1,
            }
            known = Some(sent);
            winner = Some((row, sent));
        }
        winner
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
pub(super) fn merged(counts: Counts, before: Progress) -> Merged {
    let mut progress = before;
    progress.parts += 1;
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
