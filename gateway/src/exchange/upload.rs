//! An upload that breaks off: nothing of it is accepted, and the log says so (C5).
//!
//! Takes what came of reading an admitted push; gives it back. A body that ends before its end, and a sender that is gone while he is waited for or paced, become an
//! `aborted` leaf, unless the push states itself to be the repeat of what is in the log: about that nothing is said anew. A crash here leaves no leaf, as before it.

use shuguan_ledger::leaf::{AbortedEvent, Digest};

use super::admit::Admitted;
use super::{RefusalLeaf, Stations, Stop, seal};
use crate::journal::Known;
use crate::refusal::Refusal;

/// Notes one that broke off.
///
/// # Errors
/// What stopped the reading; of one that broke off with its leaf.
pub(super) async fn ended<T>(stations: &Stations, admitted: &Admitted, read: Result<T, Stop>) -> Result<T, Stop> {
    match read {
        Err(Stop::Refused(mut refused)) if refused.refusal == Refusal::BodyIncomplete => {
            refused.leaf = note(stations, admitted).await;
            refused.exchange = Some(admitted.exchange);
            Err(Stop::Refused(refused))
        }
        read => read,
    }
}

/// Its leaf; waived of a repeat, where there were too many like it, and when the journal cannot commit.
async fn note(stations: &Stations, admitted: &Admitted) -> RefusalLeaf {
    if let Some(digest) = admitted.digest {
        let stated = seal::idempotency(stations, admitted, &digest);
        let known = stations.journal.idempotent(stated.tag, stated.content).await;
        if matches!(known, Ok(Some(Known::Repeated(_)))) {
            return RefusalLeaf::Waived;
        }
    }
    let event = AbortedEvent {
        x: admitted.exchange.to_string(),
        p: admitted.peer.partner().id.clone(),
        rec: admitted.record.name.to_owned(),
        pur: admitted.plan.purpose().to_owned(),
        bun: Digest(admitted.bundle),
        code: INCOMPLETE.into(),
    };
    match stations.journal.abort(event).await {
        Ok(Some(sealed)) => RefusalLeaf::Sealed(Some(Box::new(sealed))),
        Ok(None) => RefusalLeaf::Waived,
        Err(_) => {
            tracing::warn!(exchange.id = %admitted.exchange, "that an upload broke off could not be sealed");
            RefusalLeaf::Waived
        }
    }
}

/// The body broke off, as the reader saw.
const INCOMPLETE: &str = "body-incomplete";
