//! Extracts that end without having been fetched: they failed on the way, or the policies and the day do not uphold them any more.
//!
//! Takes what stopped one; gives the `refusal` leaf that says so, at `query` of one that was being prepared, at `kept` of one that was ready.

use shuguan_ledger::leaf::Event;
use uuid::Uuid;

use super::super::asked::Granted;
use super::super::{Stations, Stop};
use crate::journal::{Entry, RefusalDraft};
use crate::refusal::Refusal;

/// Ends the extracts that the policies in force, or the day, do not uphold any more: their content goes, and each that was ready has a leaf that says why.
/// Gives their number.
pub async fn end_unheld(stations: &Stations) -> usize {
    let policies = stations.policies.load_full();
    let ended = stations.extracts.end_unheld(&policies, stations.wall.now_us());
    for one in ended.iter().filter(|one| one.was_ready) {
        seal_end(stations, one.exchange, &one.granted, one.why).await;
    }
    ended.len()
}

/// One leaf an extract: there are no more of them than were prepared, each with a leaf of its own.
pub(super) async fn seal_end(stations: &Stations, exchange: Uuid, granted: &Granted, why: Refusal) {
    let draft = RefusalDraft {
        exchange: Some(exchange),
        dataset: Some(granted.dataset().to_owned()),
        purpose: Some(granted.purpose().to_owned()),
        bundle: Some(stations.policies.load().hash()),
        ..RefusalDraft::new(Some(granted.partner.clone()), why, "kept")
    };
    let mut entry = Entry::new(exchange, Event::Refusal(draft.event()));
    entry.partner = Some(granted.partner.clone());
    if stations.journal.seal(entry).await.is_err() {
        tracing::warn!(exchange.id = %exchange, error.code = why.code(), "that an extract was ended could not be sealed");
    }
}

/// A pull that was begun and gave nothing: a refusal is a leaf, a fault is logged.
pub(super) async fn ended_early(stations: &Stations, exchange: Uuid, granted: &Granted, stop: Stop) {
    let code = match stop {
        Stop::Refused(refused) => refused.refusal,
        Stop::Fault(fault) => {
            tracing::error!(exchange.id = %exchange, cause = %fault.chain(), "an extract failed");
            Refusal::RegistryUnavailable
        }
    };
    let mut draft = RefusalDraft::new(Some(granted.partner.clone()), code, "query");
    draft.exchange = Some(exchange);
    draft.dataset = Some(granted.dataset().to_owned());
    if stations.journal.refuse(draft).await.is_err() {
        tracing::warn!(exchange.id = %exchange, "the end of an extract could not be sealed");
    }
}
