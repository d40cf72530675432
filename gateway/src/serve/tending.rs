//! What time demands of the stations, and what waits for the journal.
//!
//! Takes the stations; gives turns, once a second, and counts who was refused before an identity was known. Refuses nothing; all of it may wait for the journal.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::chain::Chain;
use crate::exchange::owed::TURN_MAX;
use crate::exchange::{Stations, pull};
use crate::journal::{Journal, RefusalDraft};
use crate::refusal::Refusal;

/// Counts connections that were refused before an identity was known; they become one leaf a minute.
pub(super) async fn count_refused(journal: Journal, mut refusals: mpsc::Receiver<Refusal>) {
    while let Some(refusal) = refusals.recv().await {
        // A journal that cannot commit counts none; the metric does.
        let _ = journal.refuse(RefusalDraft::new(None, refusal, "tls")).await;
    }
}

/// Once a second, without end.
pub(super) async fn tend(stations: Arc<Stations>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        let now_us = stations.clock.now_us();
        stations.extracts.sweep();
        // An agreement can end without another bundle.
        pull::end_unheld(&stations).await;
        settle(&stations).await;
        // Whether it commits, its own light says.
        let _ = stations.journal.tick(now_us).await;
    }
}

/// Tries the leaves again that are owed; to the end of the turn, though the gateway stop meanwhile.
async fn settle(stations: &Arc<Stations>) {
    if stations.owed.is_empty() {
        return;
    }
    let owing = Arc::clone(stations);
    let settled = stations
        .tasks
        .spawn(async move { owing.owed.settle(&owing.journal, TURN_MAX).await });
    if let Err(error) = settled.await {
        tracing::error!(error = %Chain(&error), "what is owed to the log could not be tried again");
    }
}
