//! Does the registry hold what the log says it was given?
//!
//! Takes the registry's progress of an exchange and its `relayed` leaf; says whether they agree. A registry that was put back from a backup lacks
//! what was relayed since, and its own progress says so, because it is written in the transaction of the rows.

use shuguan_ledger::leaf::RelayedEvent;

use crate::registry::Progress;

/// Whether all parts are in and became what the leaf says: inserted, updated, unchanged, closed. Of an exchange that had no row to give there is no progress.
pub fn holds_whole(progress: Option<&Progress>, relayed: &RelayedEvent) -> bool {
    let progress = progress.copied().unwrap_or_default();
    let counts = progress.counts;
    u64::from(progress.parts) == relayed.batch
        && (counts.ins, counts.upd, counts.same) == (relayed.ins, relayed.upd, relayed.same)
        && relayed.del.is_none_or(|del| counts.del == del)
}
