//! The lights of `/readyz`.
//!
//! Takes how the stations stand; gives a colour and words for people, once a second, when something changed, and what the registry kept once a minute. Refuses nothing. Waits for nobody, so that no light
//! stands still with what it is about; one that must be waited for has a task of its own.

mod clock;
mod crl;
mod inbox;
mod journal;
mod kept;
mod registry;
mod volume;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::bundle::Keeper;
use crate::edge::health::{Light, Readiness};
use crate::exchange::Stations;
use crate::relay::RelayStatus;

/// What the lights are about.
pub(super) struct Watched {
    pub(super) stations: Arc<Stations>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) relay: RelayStatus,
    pub(super) draining: Arc<AtomicBool>,
}

/// Sets tasks to show them, without end.
pub(super) fn show(watched: Watched, readiness: &Readiness, workers: &mut JoinSet<()>) {
    // Before anybody can ask.
    watched.show(readiness);
    let stations = Arc::clone(&watched.stations);
    workers.spawn(watch(watched, readiness.clone()));
    workers.spawn(journal::watch(stations.journal.clone(), readiness.clone()));
    workers.spawn(volume::watch(Arc::clone(&stations), readiness.clone()));
    workers.spawn(kept::watch(Arc::clone(&stations), readiness.clone()));
    workers.spawn(kept::watch_aside(stations, readiness.clone()));
}

/// Once a second those that need no waiting.
async fn watch(watched: Watched, readiness: Readiness) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        watched.show(&readiness);
    }
}

impl Watched {
    fn show(&self, readiness: &Readiness) {
        let stations = &self.stations;
        let (now_us, wall_s) = (stations.clock.now_us(), stations.wall.now_us() / 1_000_000);
        let (light, said) = clock::describe(stations.journal.time().standing());
        readiness.report("clock", light, said);
        let (light, said) = crl::describe(&stations.signing.revoked.load(), wall_s);
        readiness.report("crl", light, said);
        let (light, said) = self.keeper.in_force().describe(wall_s);
        readiness.report("policies", light, said);
        let (light, said) = inbox::describe(&stations.journal, now_us);
        readiness.report("inbox", light, said);
        let (light, said) = registry::describe(stations, &self.relay, now_us);
        readiness.report("registry", light, said);
        if self.draining.load(Ordering::Relaxed) {
            readiness.report("draining", Light::Red, STOPPING);
        }
    }
}

/// What is said while the gateway stops.
pub(super) const STOPPING: &str = "the gateway is stopping";
