//! Orders about the log's keys, carried out at the start and at SIGHUP.
//!
//! Takes the key files (`pki/log_keys.rs`) and what the log says of its keys; seals a `key` leaf for each order that the log does not know yet: first a new
//! key begins, then an old one ends. A seed that was made for another log is no order. Refuses two new keys at once, and to end the only one. A crash before the leaf leaves the order for the next time,
//! after it an order that the log has answered.

use std::path::Path;
use std::sync::Arc;

use shuguan_ledger::note::SigningKey;

use super::StartFault;
use crate::journal::{Journal, KeyOrder};
use crate::pki::PkiFault;
use crate::pki::log_keys::{self, LogKeyFiles};

/// Carries out what is ordered.
pub(super) async fn carry_out(journal: &Journal, first: &Path) -> Result<(), StartFault> {
    let files = log_keys::read(first).map_err(StartFault::Keys)?;
    if let Some(key) = fresh(journal, &files)? {
        let id = key.verifying_key().id();
        let sealed = journal.turn_key(KeyOrder::Begin(Arc::new(key))).await;
        let sealed = sealed.map_err(StartFault::Unsealed)?;
        tracing::info!(
            key.id = id,
            leaf.index = sealed.index,
            "a new key signs the log beside the old one"
        );
    }
    for (id, why, path) in &files.ends {
        let keys = journal.log_keys();
        let Some(span) = keys.open_ended().find(|span| span.key().id() == *id) else {
            // Answered before, or about a key that this log never had.
            continue;
        };
        if keys.open_ended().count() < 2 {
            let what = "it orders the only key of the log to end: `shuguan key rotate` makes another first";
            return Err(StartFault::Keys(vec![PkiFault::bad_file(path, what)]));
        }
        let sealed = journal.turn_key(KeyOrder::End(span.key().clone(), why.clone())).await;
        let sealed = sealed.map_err(StartFault::Unsealed)?;
        tracing::info!(
            key.id = id,
            leaf.index = sealed.index,
            why,
            "a key of the log signs no more"
        );
    }
    Ok(())
}

/// The seed that the log does not know yet.
fn fresh(journal: &Journal, files: &LogKeyFiles) -> Result<Option<SigningKey>, StartFault> {
    let faulty = |fault: PkiFault| StartFault::Keys(vec![fault]);
    let mut waiting = files.waiting(&journal.origin(), &journal.log_keys()).map_err(faulty)?;
    let fresh = waiting.pop().map(|(_, key)| key);
    if let Some((path, _)) = waiting.pop() {
        let what = "another key waits to begin too: one at a time, so remove this file or that one";
        return Err(faulty(PkiFault::bad_file(path, what)));
    }
    Ok(fresh)
}
