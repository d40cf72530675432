//! The tasks of a gateway, from the first connection to the last.
//!
//! Takes stations, edges and bound sockets; gives tasks that accept, tend, show and relay, and the orders by which they end. Refuses nothing. All are in a
//! [`JoinSet`] that is watched: one that ends before it is told to, by a panic too, ends the gateway.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::edges::Sockets;
use super::lights::{self, Watched};
use super::{Gateway, recorder, tending};
use crate::api::gate::Gate;
use crate::api::places::Places;
use crate::api::{self, Api};
use crate::config::Config;
use crate::console;
use crate::edge::deadline::BodyLimits;
use crate::edge::health;
use crate::edge::listen::listen;
use crate::refusal::Refusal;
use crate::relay::{self, RelaySettings, RelayStatus};
use crate::witnessing;

/// The tasks, and how each kind is told to end.
#[derive(Debug, Default)]
pub(super) struct Running {
    stop_listening: CancellationToken,
    stop_relay: CancellationToken,
    listeners: JoinSet<()>,
    workers: JoinSet<()>,
    /// True: it ended because it was told to.
    relay: JoinSet<bool>,
}

impl Running {
    /// Waits until a task ends that was not told to; without end otherwise.
    pub(super) async fn failed(&mut self) {
        let what = tokio::select! {
            Some(ended) = self.relay.join_next() => match ended {
                Ok(true) => std::future::pending().await,
                Ok(false) | Err(_) => "the relay",
            },
            Some(_) = self.listeners.join_next() => "a listener",
            Some(_) = self.workers.join_next() => "what tends the stations and shows their lights",
            else => std::future::pending().await,
        };
        tracing::error!(what, "a task ended that was not told to");
    }

    /// No connection is accepted any more; returns when what is in flight has been answered.
    pub(super) async fn stop_listening(&mut self) {
        self.stop_listening.cancel();
        while self.listeners.join_next().await.is_some() {}
    }

    /// The relay stops between two parts, then what tends and shows.
    pub(super) async fn stop_working(&mut self) {
        self.stop_relay.cancel();
        while self.relay.join_next().await.is_some() {}
        self.workers.shutdown().await;
    }
}

impl Gateway {
    /// Sets everything to work, and opens the doors: whoever asks how it stands is told. `paused`: a pause outlives a restart, because the log says that nobody resumed it.
    pub(super) fn run(&mut self, config: &Config, sockets: Sockets, refusals: mpsc::Receiver<Refusal>, paused: bool) {
        let relay = RelayStatus::default();
        relay.pause(paused);
        self.tend(refusals, &relay);
        self.listen(config, sockets, &relay);
        self.relay(config, relay);
    }

    fn listen(&mut self, config: &Config, sockets: Sockets, relay: &RelayStatus) {
        let api = Api {
            stations: Arc::clone(&self.stations),
            body: BodyLimits {
                bytes_max: config.limits.body_bytes_max.get(),
                idle: Duration::from_millis(config.listen.body_idle_timeout_ms.get().into()),
                rate_min: config.listen.body_rate_min_bytes_per_s,
            },
        };
        let console = console::Console {
            api: api.clone(),
            relay: relay.clone(),
            readiness: self.readiness.clone(),
            keeper: Arc::clone(&self.keeper),
            log_key: self.log_key.clone(),
        };
        let feed = api::router(api, self.gate(config));
        // A gate with places of its own: officers are not shut out by what partners have in flight.
        let console = console::router(console, self.gate(config).with_help(console::help));
        let health = health::router(self.readiness.clone(), recorder::handle());
        let running = &mut self.running;
        let stop = || running.stop_listening.clone();
        let feed = listen(sockets.feed, Arc::clone(&self.edges.feed), feed, stop());
        let console = listen(sockets.console, Arc::clone(&self.edges.console), console, stop());
        running.listeners.spawn(feed);
        running.listeners.spawn(console);
        // Health goes on while the rest drains, so that it can say so.
        let health = health::listen(sockets.health, health, running.stop_relay.clone());
        running.workers.spawn(health);
    }

    fn gate(&self, config: &Config) -> Gate {
        Gate::new(
            self.stations.journal.clone(),
            Places::new(config.limits.clone()),
            Arc::clone(&self.draining),
        )
    }

    fn tend(&mut self, refusals: mpsc::Receiver<Refusal>, relay: &RelayStatus) {
        let (stations, readiness) = (&self.stations, &self.readiness);
        let journal = &stations.journal;
        let watched = Watched {
            stations: Arc::clone(stations),
            keeper: Arc::clone(&self.keeper),
            relay: relay.clone(),
            draining: Arc::clone(&self.draining),
        };
        let workers = &mut self.running.workers;
        workers.spawn(tending::count_refused(journal.clone(), refusals));
        workers.spawn(tending::tend(Arc::clone(stations)));
        lights::show(watched, readiness, workers);
        if stations.witnessing.is_on() {
            workers.spawn(witnessing::run(
                Arc::clone(&stations.witnessing),
                journal.clone(),
                stations.clock.clone(),
                readiness.clone(),
            ));
        }
    }

    fn relay(&mut self, config: &Config, status: RelayStatus) {
        let (journal, registry) = (self.stations.journal.clone(), self.stations.registry.clone());
        let (settings, clock) = (relay_settings(config), self.stations.clock.clone());
        let stop = self.running.stop_relay.clone();
        self.running.relay.spawn(async move {
            let ended = relay::run(journal, registry, settings, clock, status, stop).await;
            if let Err(fault) = &ended {
                tracing::error!(code = fault.code(), error = ?fault, "the relay cannot go on");
            }
            ended.is_ok()
        });
    }
}

fn relay_settings(config: &Config) -> RelaySettings {
    RelaySettings {
        rows_per_s: Some(config.registry.rows_per_s),
        rates: config.relay.rows_per_s.clone(),
        weights: config.relay.shares.clone(),
        part_target_ms: config.relay.part_target_ms,
        payload_hold_hours: config.journal.payload_hold_hours,
        snapshot_close_percent_max: config.registry.snapshot_close_percent_max,
        snapshot_close_rows_min: config.registry.snapshot_close_rows_min,
        ..RelaySettings::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Running;

    /// Whether it is told within a moment.
    async fn has_failed(running: &mut Running) -> bool {
        tokio::time::timeout(Duration::from_millis(200), running.failed())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn a_task_that_breaks_off_is_told_whichever_it_is_and_a_relay_that_was_told_to_end_is_not() {
        let mut running = Running::default();
        assert!(!has_failed(&mut running).await, "nothing runs, nothing has failed");
        running.workers.spawn(std::future::pending());
        running.listeners.spawn(std::future::pending());
        running.relay.spawn(async { true });
        assert!(!has_failed(&mut running).await, "it ended because it was told to");
        running.relay.spawn(async { false });
        assert!(has_failed(&mut running).await);
        for tasks in [&mut running.workers, &mut running.listeners] {
            tasks.spawn(async { std::panic::resume_unwind(Box::new("broken")) });
        }
        assert!(has_failed(&mut running).await);
        assert!(has_failed(&mut running).await, "the other one");
    }
}
