//! Stamps that go: keys that a snapshot held, rejected, and nobody has a row of. The key of a rejected record may be a person's number.
//!
//! Of the snapshots that have ended before the newest [`KEPT_MAX`](super::late::KEPT_MAX), the oldest first, such stamps are of no use any more, because
//! only an older batch could still bring one, and none is set aside. A stamp whose key has a row stays; no row is ever deleted, and a snapshot that has
//! ended stamps no key without a row, so each is gone through once, [`STAMPS_STRIDE`] stamps a transaction. How far, stands behind [`BEHIND_ALL`] in its
//! own progress; a stride asks it of every older snapshot, one look-up by key each, and reads no stamp twice. A snapshot that
//! has closed everything has ended, whatever is left of them: its end goes on in transactions that do nothing else, and what it does not get through, cut
//! off or for a fault of theirs, the next end takes.

use super::closing::BEHIND_ALL;
use crate::registry::schema::TableSpec;

/// Stamps that are looked at in one transaction; in tests few, so that there are many.
pub(in crate::registry) const STAMPS_STRIDE: usize = if cfg!(test) { 3 } else { 8_192 };

/// The place of a snapshot whose stamps are gone through.
pub(in crate::registry) const GONE_THROUGH: &str = "\u{10FFFF}\u{10FFFF}";

/// The two oldest snapshots whose stamps are to be gone through: exchange, place. Progress is asked for as a value, because PostgreSQL may otherwise read all
/// of it. Parameters: record, partner, leaf of the one that ends, the place of a walk at its end, how many of the newest are left out, [`GONE_THROUGH`].
pub(in crate::registry) const TO_GO_THROUGH: &str = "SELECT o.exchange, \
    (SELECT e.close_after FROM relay_progress e WHERE e.exchange = o.exchange) FROM snapshot o \
    WHERE o.record = $1 AND o.partner = $2 AND o.leaf <= (SELECT s.leaf FROM snapshot s \
    WHERE s.record = $1 AND s.partner = $2 AND s.leaf <= $3 \
    AND (SELECT p.close_after >= $4 FROM relay_progress p WHERE p.exchange = s.exchange) \
    ORDER BY s.leaf DESC LIMIT 1 OFFSET $5) \
    AND (SELECT e.close_after >= $4 AND e.close_after < $6 FROM relay_progress e WHERE e.exchange = o.exchange) \
    ORDER BY o.leaf LIMIT 2";

/// Notes how far a snapshot is. Parameters: the place, its exchange.
pub(in crate::registry) const NOTE_PLACE: &str = "UPDATE relay_progress SET close_after = $1 WHERE exchange = $2";

/// The last of the next stamps of a snapshot; none: fewer than a stride are left. Parameters: its exchange, the key behind which.
pub(in crate::registry) fn last_of_stride() -> String {
    format!(
        "SELECT row_key FROM snapshot_seen WHERE exchange = $1 AND row_key > $2 ORDER BY row_key LIMIT 1 OFFSET {}",
        STAMPS_STRIDE - 1
    )
}

/// Forgets, of the stamps between two keys, those of keys that nobody has a row of. A row is asked for as a value, because PostgreSQL may answer a NOT
/// EXISTS by reading the whole table. Parameters: the exchange, the key behind which, the key up to which.
pub(in crate::registry) fn forget_stamps(table: &TableSpec) -> String {
    format!(
        "DELETE FROM snapshot_seen WHERE exchange = $1 AND row_key > $2 AND row_key <= $3 \
         AND (SELECT t._key FROM {} t WHERE t._key = snapshot_seen.row_key) IS NULL",
        table.name
    )
}

/// What one stride did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::registry) struct WentThrough {
    /// Stamps that were looked at, or, in the last stride of a snapshot, that went.
    pub(in crate::registry) looked: u64,
    /// More are to be gone through.
    pub(in crate::registry) goes_on: bool,
}

impl WentThrough {
    /// After a stride up to `upto` (none: to the end of its snapshot) in which so many went; `another` snapshot is to be gone through besides.
    pub(in crate::registry) fn of(upto: Option<&str>, went: u64, another: bool) -> Self {
        Self {
            looked: upto.map_or(went, |_| STAMPS_STRIDE as u64),
            goes_on: upto.is_some() || another,
        }
    }
}

/// The key behind which the stamps of a snapshot at that place are to be gone through.
pub(in crate::registry) fn behind(place: &str) -> &str {
    place.strip_prefix(BEHIND_ALL).unwrap_or_default()
}

/// The place of a snapshot whose stamps are gone through up to there; none: to the end.
pub(in crate::registry) fn place(upto: Option<&str>) -> String {
    upto.map_or(GONE_THROUGH.to_owned(), |upto| format!("{BEHIND_ALL}{upto}"))
}
