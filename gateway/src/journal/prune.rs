//! Keeping the journal within bounds: idempotency keys, answers of comparisons and checkpoints older than 7 days, reject reports older than configured.
//!
//! Takes the time; deletes a bounded number of rows a call, inside the sequencer's transaction. Leaves and tiles are never touched.

use rusqlite::{Connection, OptionalExtension, params};

use super::sqlite::{self, sql, unsigned};

/// How long an idempotency key and the checkpoint of its answer are kept, microseconds: 7 days.
pub(super) const IDEMPOTENCY_US: i64 = 7 * DAY_US;
const DAY_US: i64 = 86_400_000_000;
const MINUTE_US: i64 = 60_000_000;

pub(super) fn run(connection: &Connection, now_us: i64, rejects_keep_days: u32) -> rusqlite::Result<()> {
    let answers = now_us.saturating_sub(IDEMPOTENCY_US);
    let rejects = now_us.saturating_sub(i64::from(rejects_keep_days.max(7)).saturating_mul(DAY_US));
    let size = connection.query_row(sqlite::TREE, [], |row| row.get::<_, i64>(0))?;
    for (statement, before_us) in [
        (sqlite::PRUNE_IDEM, answers),
        (sqlite::PRUNE_ANSWER, answers),
        (sqlite::PRUNE_REJECT, rejects),
    ] {
        let first_kept = first_since(connection, unsigned(size), before_us)?;
        connection.prepare_cached(statement)?.execute([sql(first_kept)])?;
    }
    thin_checkpoints(connection, answers)
}

/// Index of the first leaf at or after a moment, `size` when there is none: time never decreases in the log, so it is bisected.
pub(super) fn first_since(connection: &Connection, size: u64, moment_us: i64) -> rusqlite::Result<u64> {
    let mut time_of = connection.prepare_cached(sqlite::FIRST_LEAF_SINCE)?;
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let t: i64 = time_of.query_row([sql(middle)], |row| row.get(0))?;
        if t < moment_us {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Of the checkpoints before the moment, keeps the last one of each minute.
fn thin_checkpoints(connection: &Connection, before_us: i64) -> rusqlite::Result<()> {
    let thinned: Option<i64> = connection.query_row(sqlite::THINNED, [], |row| row.get(0)).optional()?;
    let mut old = connection.prepare_cached(sqlite::OLD_CHECKPOINTS)?;
    let rows = old.query_map(params![thinned.unwrap_or(0), before_us], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    let old: Vec<(i64, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    let mut done = None;
    for pair in old.windows(2) {
        let [(size, t), (_, later)] = pair else { continue };
        if t.div_euclid(MINUTE_US) == later.div_euclid(MINUTE_US) {
            connection.prepare_cached(sqlite::DELETE_CHECKPOINT)?.execute([size])?;
        }
        done = Some(*size);
    }
    if let Some(size) = done {
        connection.prepare_cached(sqlite::SET_THINNED)?.execute([size])?;
    }
    Ok(())
}
