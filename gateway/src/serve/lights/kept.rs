//! What nobody would hear of otherwise: whether the registry still holds what was relayed to it, and which batches are set aside.
//!
//! Takes what is set aside, when that changed, and the newest exchanges that the journal says are relayed, once a minute; gives two lights of `/readyz`. A registry that was put back from a backup
//! lacks them, and nothing else would say so. It is looked at while it answers; what exactly it lacks, `shuguan db fsck` tells.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::inbox;
use crate::edge::health::{Light, Readiness};
use crate::exchange::Stations;
use crate::registry::Standing;
use crate::relay::holds_whole;

/// Exchanges that are looked at.
const NEWEST: u32 = 64;
const EVERY: Duration = Duration::from_mins(1);

/// What is set aside, told within a second of when it is: it is read when something in the inbox moved, and once a minute for its age.
pub(super) async fn watch_aside(stations: Arc<Stations>, readiness: Readiness) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut told: Option<(u64, Instant)> = None;
    loop {
        tick.tick().await;
        // Before it is read: what moves meanwhile is read the next time.
        let moves = stations.journal.inbox_moves();
        if told.is_some_and(|(known, at)| known == moves && at.elapsed() < EVERY) {
            continue;
        }
        if let Ok(aside) = stations.journal.list_set_aside(None).await {
            let (light, said) = inbox::of_aside(&aside, stations.clock.now_us());
            readiness.report("set-aside", light, said);
            told = Some((moves, Instant::now()));
        }
    }
}

/// Looks, and looks again after a minute, without end.
pub(super) async fn watch(stations: Arc<Stations>, readiness: Readiness) {
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tick.tick().await;
        if stations.registry.standing() != Standing::Ready {
            continue;
        }
        match lacking(&stations).await {
            Some(0) => readiness.report("registry-kept", Light::Green, "it holds what was relayed last"),
            Some(count) => {
                let what =
                    format!("it lacks {count} of the newest {NEWEST} exchanges that were relayed: shuguan db fsck");
                tracing::error!(
                    count,
                    "the registry lacks exchanges that were relayed; shuguan db fsck names them"
                );
                readiness.report("registry-kept", Light::Yellow, what);
            }
            // It is said elsewhere that one of the two does not answer; what was last known stands.
            None => {}
        }
    }
}

/// How many the registry lacks; none when one of the two cannot be read.
async fn lacking(stations: &Stations) -> Option<usize> {
    let newest = stations.journal.newest_done(NEWEST).await.ok()?;
    let mut lacking = 0;
    for push in newest.into_iter().filter(|push| !push.recalled) {
        let Some(relayed) = &push.relayed else { continue };
        let progress = stations.registry.progress(push.exchange).await.ok()?;
        if !holds_whole(progress.as_ref(), relayed) {
            lacking += 1;
        }
    }
    Some(lacking)
}
