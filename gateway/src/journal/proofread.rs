//! Reading a group back before its checkpoint is signed: what the database gives is what will be proved.
//!
//! Takes the edge before the group; gives the edge over the leaves as they are stored, computed anew from their bytes. A bit that flipped in memory after
//! a leaf was hashed makes another edge; then nothing is signed, and the group is rolled back.

use std::ops::ControlFlow;

use shuguan_ledger::tree::{Edge, leaf_hash};

use super::statements;
use super::store::{Store, StoreFault, Stored, values};

/// What is stored is not what was hashed.
#[derive(Debug, thiserror::Error)]
#[error("the leaves as they are stored do not have the root that was to be signed")]
struct StoredOtherwise;

/// Whether the leaves after `before`, as they are stored, lead to `edge`.
pub(super) fn check(store: &Store, mut before: Edge, edge: &Edge) -> Stored<()> {
    // All of them: how many leaves one piece of work has is not for this file to know.
    let most = i64::MAX;
    store.each(statements::ENTRIES, values![before.size(), most], |row| {
        before.append(leaf_hash(row.blob(0)?));
        Ok(ControlFlow::Continue(()))
    })?;
    if before == *edge {
        Ok(())
    } else {
        Err(StoreFault::Unsealed(Box::new(StoredOtherwise)))
    }
}
