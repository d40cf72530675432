//! Reading a group back before its checkpoint is signed: what the database gives is what will be proved.
//!
//! Takes the edge before the group; gives the edge over the leaves as they are stored, computed anew from their bytes. A bit that flipped in memory after
//! a leaf was hashed makes another edge; then nothing is signed, and the group is rolled back.

use rusqlite::{Connection, params};
use shuguan_ledger::tree::{Edge, leaf_hash};

use super::sqlite::{self, sql};

/// What is stored is not what was hashed.
#[derive(Debug, thiserror::Error)]
#[error("the leaves as they are stored do not have the root that was to be signed")]
struct StoredOtherwise;

/// Whether the leaves after `before`, as they are stored, lead to `edge`.
pub(super) fn check(connection: &Connection, mut before: Edge, edge: &Edge) -> rusqlite::Result<()> {
    let mut find = connection.prepare_cached(sqlite::ENTRIES)?;
    // All of them: how many leaves one piece of work has is not for this file to know.
    let most = i64::MAX;
    let mut rows = find.query(params![sql(before.size()), most])?;
    while let Some(row) = rows.next()? {
        before.append(leaf_hash(row.get_ref(0)?.as_blob()?));
    }
    if before == *edge {
        Ok(())
    } else {
        Err(rusqlite::Error::ToSqlConversionFailure(Box::new(StoredOtherwise)))
    }
}
