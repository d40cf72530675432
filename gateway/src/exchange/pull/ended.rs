//! Extracts that end without having been fetched: they failed on the way, or the policies and the day do not uphold them any more.
//!
//! Takes what stopped one; gives the `refusal` leaf that says so, at `query` of one that was being prepared, at `kept` of one that was ready.

use std::sync::Arc;

use uuid::Uuid;

use super::super::asked::Granted;
use super::super::compare::REGISTRY_RETRY_AFTER_S;
use super::super::owed::OwedLeaf;
use super::super::{Refused, Stations, Stop};
use crate::chain::Chain;
use crate::extract::Failure;
use crate::journal::RefusalDraft;
use crate::refusal::Refusal;

/// Ends the extracts that the policies in force, or the day, do not uphold any more: their content goes, and each that was ready has a leaf that says why.
/// Gives their number. The leaves are sealed whoever goes on waiting for it, and the gateway waits for them when it stops.
pub async fn end_unheld(stations: &Arc<Stations>) -> usize {
    let policies = stations.policies.load_full();
    let ended = stations.extracts.end_unheld(&policies, stations.wall.now_us());
    if ended.is_empty() {
        return 0;
    }
    let count = ended.len();
    let sealing = Arc::clone(stations);
    let sealed = stations.tasks.spawn(async move {
        for one in ended.iter().filter(|one| one.was_ready) {
            seal_end(&sealing, one.exchange, &one.granted, one.why).await;
        }
    });
    if let Err(error) = sealed.await {
        tracing::error!(error = %Chain(&error), "that extracts were ended could not be sealed");
    }
    count
}

/// One leaf an extract: there are no more of them than were prepared, each with a leaf of its own. The state and the content are gone by now, so it is owed
/// when the journal does not take it.
pub(super) async fn seal_end(stations: &Stations, exchange: Uuid, granted: &Granted, why: Refusal) {
    let draft = RefusalDraft {
        exchange: Some(exchange),
        dataset: Some(granted.dataset().to_owned()),
        purpose: Some(granted.purpose().to_owned()),
        bundle: Some(stations.policies.load().hash()),
        ..RefusalDraft::new(Some(granted.partner.clone()), why, "kept")
    };
    let leaf = OwedLeaf::of_refusal(exchange, &draft);
    stations.owed.seal(&stations.journal, leaf).await;
}

/// A pull that was begun and gave nothing: a refusal is a leaf, a fault is logged. Gives what its caller is told.
pub(super) async fn ended_early(stations: &Stations, exchange: Uuid, granted: &Granted, stop: Stop) -> Failure {
    let refused = match stop {
        Stop::Refused(refused) => refused,
        Stop::Fault(fault) => {
            tracing::error!(exchange.id = %exchange, cause = %fault.chain(), "an extract failed");
            Box::new(Refused::new(Refusal::RegistryUnavailable).retry_after(REGISTRY_RETRY_AFTER_S))
        }
    };
    let mut draft = RefusalDraft::new(Some(granted.partner.clone()), refused.refusal, "query");
    draft.exchange = Some(exchange);
    draft.dataset = Some(granted.dataset().to_owned());
    let leaf = OwedLeaf::of_refusal(exchange, &draft);
    if stations.journal.refuse(draft).await.is_err() {
        // Within the bounds of a minute already: it has a leaf of its own.
        stations.owed.owe(leaf);
    }
    let wait_us = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    Failure {
        why: refused.refusal,
        fits_no_day: refused.fits_no_day,
        // A moment, because the state may be asked for long after.
        retry_at_us: refused
            .retry_after_s
            .map(|seconds| stations.clock.now_us().saturating_add(wait_us(seconds))),
    }
}
