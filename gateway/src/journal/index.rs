//! Finding the exchanges of one person or unit by a keyed tag, without reading a person.
//!
//! Takes a tag (16 bytes of an HMAC); gives leaf indices. Small exchanges are rows; larger ones are sorted runs of 8,192 tags, which are
//! bisected in place, so that a monthly snapshot of millions is not millions of rows.

use rusqlite::{Connection, params};

use super::fault::JournalFault;
use super::sqlite::{self, unsigned};
use super::views::collect;

const TAG_BYTES: usize = 16;

/// Newest first.
pub(super) fn leaves_of(connection: &Connection, tag: [u8; 16], limit: u32) -> Result<Vec<u64>, JournalFault> {
    let failed = || JournalFault::store("search the subject index");
    let mut find = connection.prepare_cached(sqlite::SUBJECT_LEAVES).map_err(failed())?;
    let rows = find.query_map(params![tag, limit], |row| row.get::<_, i64>(0));
    let mut leaves: Vec<u64> = collect(rows, "search the subject index")?
        .into_iter()
        .map(unsigned)
        .collect();
    let mut runs = connection.prepare_cached(sqlite::SUBJECT_RUNS).map_err(failed())?;
    let mut rows = runs.query([]).map_err(failed())?;
    while let Some(row) = rows.next().map_err(failed())? {
        let (run, leaf, bytes): (i64, i64, i64) = (
            row.get(0).map_err(failed())?,
            row.get(1).map_err(failed())?,
            row.get(2).map_err(failed())?,
        );
        let count = usize::try_from(bytes).unwrap_or(0) / TAG_BYTES;
        if holds(connection, run, count, tag).map_err(failed())? {
            leaves.push(unsigned(leaf));
        }
    }
    leaves.sort_unstable_by(|one, other| other.cmp(one));
    leaves.dedup();
    leaves.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(leaves)
}

fn holds(connection: &Connection, run: i64, count: usize, tag: [u8; 16]) -> rusqlite::Result<bool> {
    let blob = connection.blob_open("main", "subject_run", "tags", run, true)?;
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut found = [0; TAG_BYTES];
        blob.read_at_exact(&mut found, middle * TAG_BYTES)?;
        match found.cmp(&tag) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(false)
}
