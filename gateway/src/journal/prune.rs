//! Keeping the journal within bounds: idempotency keys, answers of comparisons and checkpoints older than 7 days, reject reports older than configured.
//!
//! Takes the time; deletes a bounded number of rows a call, inside the sequencer's transaction, and says whether more are due. Leaves and tiles are never touched.

use super::statements;
use super::store::{Store, Stored, values};
use crate::clock::DAY_US;

/// How long an idempotency key and the checkpoint of its answer are kept, microseconds: 7 days.
pub(super) const IDEMPOTENCY_US: i64 = 7 * DAY_US;
const MINUTE_US: i64 = 60_000_000;

pub(super) fn run(store: &Store, now_us: i64, rejects_keep_days: u32) -> Stored<bool> {
    let answers = now_us.saturating_sub(IDEMPOTENCY_US);
    let rejects = now_us.saturating_sub(i64::from(rejects_keep_days.max(7)).saturating_mul(DAY_US));
    let size = store.one(statements::TREE, &[])?;
    let mut more = false;
    // At once as many as the statement deletes: there may be more of them.
    for (statement, before_us, at_once) in [
        (statements::PRUNE_IDEM, answers, 1000),
        (statements::PRUNE_ANSWER, answers, 1000),
        (statements::PRUNE_REJECT, rejects, 100),
    ] {
        let first_kept = first_since(store, size, before_us)?;
        more |= store.run(statement, values![first_kept])? >= at_once;
    }
    Ok(thin_checkpoints(store, answers)? || more)
}

/// Index of the first leaf at or after a moment, `size` when there is none. Rows say when their leaves were sealed; that decreases only where a step of the
/// clock was taken, so it is bisected between two of those. What was sealed by a clock that was ahead counts as later than it was, until the clock went back.
pub(super) fn first_since(store: &Store, size: u64, moment_us: i64) -> Stored<u64> {
    let (mut low, mut high) = (0, size);
    let taken: Vec<(u64, i64)> = store.rows(statements::STEPS_TAKEN, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // None of a later log: the log may have been shorter when this was asked before.
    for (index, when) in taken.into_iter().filter(|(index, _)| *index < size) {
        if when < moment_us {
            low = index.min(size);
            break;
        }
        high = index.min(high);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        let t: i64 = store.one(statements::FIRST_LEAF_SINCE, values![middle])?;
        if t < moment_us {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Of the checkpoints before the moment, keeps the last one of each minute; whether more are due.
fn thin_checkpoints(store: &Store, before_us: i64) -> Stored<bool> {
    let thinned: Option<i64> = store.cell(statements::THINNED, &[])?;
    let since = values![thinned.unwrap_or(0), before_us];
    let old: Vec<(i64, i64)> = store.rows(statements::OLD_CHECKPOINTS, since, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut done = None;
    for pair in old.windows(2) {
        let [(size, t), (_, later)] = pair else { continue };
        if t.div_euclid(MINUTE_US) == later.div_euclid(MINUTE_US) {
            store.run(statements::DELETE_CHECKPOINT, values![*size])?;
        }
        done = Some(*size);
    }
    if let Some(size) = done {
        store.run(statements::SET_THINNED, values![size])?;
    }
    Ok(old.len() >= 1000)
}
