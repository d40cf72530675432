//! Building every station once, running them, and ending them in order.
//!
//! Takes a parsed configuration; gives a running [`Gateway`]. Refuses to start on any fault of keys, certificates, lists, policies,
//! journal or registry, and says all of them. Ending: stop accepting, finish what is in flight, stop the relay between two parts, seal the
//! `stop` leaf. A crash at any point is safe by C3; the next start reads what is there.

mod clock_light;
mod inbox_light;
mod journal_light;
mod kept;
mod log_keys;
mod receipt_keys;
mod start;
mod volumes;
mod written_under;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use shuguan_ledger::leaf::{ConfigEvent, Digest, Event};
use shuguan_policies::Role;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::gate::Gate;
use crate::api::places::Places;
use crate::api::{self, Api};
use crate::bundle::{BundleRefused, Keeper};
use crate::chain::Chain;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::console;
use crate::edge::deadline::BodyLimits;
use crate::edge::health::{self, Light, Readiness};
use crate::edge::listen::{Edge, listen};
use crate::edge::revocation::RevocationSet;
use crate::edge::tls::{self, TlsSettings};
use crate::exchange::owed::TURN_MAX;
use crate::exchange::{Stations, Stop, pull};
use crate::journal::{Entry, Journal, RefusalDraft, SealError};
use crate::pki::acts;
use crate::refusal::Refusal;
use crate::registry::Standing;
use crate::relay::{self, RecallApart, RelaySettings, RelayStatus};
use crate::witnessing;

pub use start::{StartFault, compare_keys, journal_settings, tables};
pub use written_under::Compared;

/// Roles that the feed listener admits (design 10.1).
const FEED_ROLES: &[Role] = &[Role::Agency, Role::Registry];
/// Roles that the console listener admits.
const CONSOLE_ROLES: &[Role] = &[
    Role::Auditor,
    Role::SecurityOfficer,
    Role::PolicyOfficer,
    Role::Operator,
];
/// Connection refusals that may wait to be counted.
const REFUSED_QUEUE: usize = 1_024;
/// `/readyz` warns so long before a revocation list runs out.
const CRL_WARN_S: i64 = 7 * 86_400;

/// A gateway that serves.
#[derive(Debug)]
pub struct Gateway {
    stations: Arc<Stations>,
    feed: Arc<Edge>,
    console: Arc<Edge>,
    revoked: Arc<ArcSwap<RevocationSet>>,
    keeper: Arc<Keeper>,
    readiness: Readiness,
    tls: TlsSettings,
    pki: PathBuf,
    log_key: PathBuf,
    draining: Arc<AtomicBool>,
    stop_listening: CancellationToken,
    stop_relay: CancellationToken,
    listeners: JoinSet<()>,
    workers: JoinSet<()>,
    relay: JoinSet<bool>,
}

impl Gateway {
    /// Starts everything; when this returns, the gateway accepts connections.
    ///
    /// # Errors
    /// Every fault that was found; nothing runs then.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartFault> {
        // Before anything is counted: without a recorder it would be lost.
        start::metrics();
        let tls = start::tls_settings(&config);
        let start::Material {
            tls: material,
            vouched,
            history,
            secrets,
        } = start::material(&config, &tls, clock.now_us())?;
        let sockets = start::bind(&config.listen).await?;
        // The journal last: opening it seals the `start` leaf, and a gateway that does not start has not started.
        let registry = start::registry(&config, &vouched.set()).await?;
        let witnessing = start::witnessing(&config, &secrets).await?;
        let index = start::index_keys(&config, &secrets, clock.now_us()).await?;
        start::written_under(&config, &secrets).await?;
        let receipts = start::receipt_plan(&config, &secrets)?;
        let journal = start::journal(&config, &secrets, clock.clone()).await?;
        // From here on by the time that the log goes on by.
        let (clock, wall) = (journal.time().clock(), clock);
        let restored = witnessing.restore(&journal, clock.now_us()).await;
        restored.map_err(StartFault::Journal)?;
        let receipts = receipt_keys::carry_out(&journal, receipts).await?;
        let paused = start::relay_paused(&config)?;
        let policies = Arc::new(ArcSwap::new(vouched.set()));
        let revoked = Arc::new(ArcSwap::new(material.revoked));
        let message_keys = Arc::new(ArcSwap::new(material.message_keys));
        let stations = Arc::new(start::stations(
            &config,
            &secrets,
            (clock.clone(), wall.clone()),
            Arc::clone(&policies),
            (journal.clone(), Arc::new(witnessing)),
            (registry, index),
            ((message_keys, Arc::clone(&revoked)), receipts),
        )?);
        let (folder, signers) = (&config.policies.bundle, Arc::clone(&material.signers));
        let keeper = Keeper::start(folder, Arc::clone(&stations), signers, &vouched, history).await;
        let keeper = keeper.map_err(StartFault::Unsealed)?;
        let (refused, refusals) = mpsc::channel(REFUSED_QUEUE);
        let edge = |config_tls, roles| {
            let (revoked, policies) = (Arc::clone(&revoked), Arc::clone(&policies));
            Arc::new(Edge::new(
                config_tls,
                revoked,
                policies,
                roles,
                start::listen_settings(&config.listen),
                refused.clone(),
                wall.clone(),
            ))
        };
        let mut gateway = Self {
            feed: edge(material.feed, FEED_ROLES),
            console: edge(material.console, CONSOLE_ROLES),
            revoked,
            keeper: Arc::new(keeper),
            readiness: Readiness::new(clock),
            pki: start::pki_folder(&tls),
            log_key: config.keys.log.clone(),
            tls,
            draining: Arc::default(),
            stop_listening: CancellationToken::new(),
            stop_relay: CancellationToken::new(),
            listeners: JoinSet::new(),
            workers: JoinSet::new(),
            relay: JoinSet::new(),
            stations,
        };
        gateway.seal_configuration(config.sha256).await?;
        log_keys::carry_out(&journal, &gateway.log_key).await?;
        gateway.seal_certificate_acts().await;
        gateway.run(&config, sockets, refusals, journal, paused);
        Ok(gateway)
    }

    fn run(
        &mut self,
        config: &Config,
        sockets: start::Sockets,
        refusals: mpsc::Receiver<Refusal>,
        journal: Journal,
        paused: bool,
    ) {
        let relay_status = RelayStatus::default();
        // A pause outlives a restart: the log says that nobody resumed it.
        relay_status.pause(paused);
        let api = Api {
            stations: Arc::clone(&self.stations),
            body: BodyLimits {
                bytes_max: config.limits.body_bytes_max.get(),
                idle: Duration::from_millis(config.listen.body_idle_timeout_ms.get().into()),
                rate_min: config.listen.body_rate_min_bytes_per_s,
            },
        };
        let gate = Gate::new(
            journal.clone(),
            Places::new(config.limits.clone()),
            Arc::clone(&self.draining),
        );
        // Places of its own: officers are not shut out by what partners have in flight.
        let desk = Gate::new(
            journal.clone(),
            Places::new(config.limits.clone()),
            Arc::clone(&self.draining),
        );
        let console_state = console::Console {
            api: api.clone(),
            relay: relay_status.clone(),
            readiness: self.readiness.clone(),
            keeper: Arc::clone(&self.keeper),
            log_key: self.log_key.clone(),
        };
        let console_router = console::router(console_state, desk.with_help(console::help));
        let health = health::router(self.readiness.clone(), start::metrics());
        let stop = &self.stop_listening;
        self.listeners.spawn(listen(
            sockets.feed,
            Arc::clone(&self.feed),
            api::router(api, gate),
            stop.clone(),
        ));
        self.listeners.spawn(listen(
            sockets.console,
            Arc::clone(&self.console),
            console_router,
            stop.clone(),
        ));
        // Health goes on while the rest drains, so that it can say so.
        self.workers
            .spawn(health::listen(sockets.health, health, self.stop_relay.clone()));
        self.workers.spawn(count_refused(journal.clone(), refusals));
        self.workers
            .spawn(kept::watch(Arc::clone(&self.stations), self.readiness.clone()));
        self.workers
            .spawn(kept::watch_aside(Arc::clone(&self.stations), self.readiness.clone()));
        self.workers
            .spawn(tend(Arc::clone(&self.stations), self.readiness.clone()));
        self.workers
            .spawn(journal_light::watch(journal.clone(), self.readiness.clone()));
        self.workers.spawn(watch(
            Arc::clone(&self.stations),
            Arc::clone(&self.revoked),
            Arc::clone(&self.keeper),
            self.readiness.clone(),
            Arc::clone(&self.draining),
            relay_status.clone(),
        ));
        if self.stations.witnessing.is_on() {
            self.workers.spawn(witnessing::run(
                Arc::clone(&self.stations.witnessing),
                journal.clone(),
                self.stations.clock.clone(),
                self.readiness.clone(),
            ));
        }
        let settings = RelaySettings {
            rows_per_s: Some(config.registry.rows_per_s),
            rates: config.relay.rows_per_s.clone(),
            weights: config.relay.shares.clone(),
            part_target_ms: config.relay.part_target_ms,
            payload_hold_hours: config.journal.payload_hold_hours,
            snapshot_close_percent_max: config.registry.snapshot_close_percent_max,
            snapshot_close_rows_min: config.registry.snapshot_close_rows_min,
            ..RelaySettings::default()
        };
        let (registry, clock) = (self.stations.registry.clone(), self.stations.clock.clone());
        let stop = self.stop_relay.clone();
        self.relay.spawn(async move {
            let ended = relay::run(journal, registry, settings, clock, relay_status, stop).await;
            if let Err(fault) = &ended {
                tracing::error!(code = fault.code(), error = ?fault, "the relay cannot go on");
            }
            ended.is_ok()
        });
    }

    /// The stations, for those who serve in the same process.
    pub fn stations(&self) -> &Arc<Stations> {
        &self.stations
    }

    /// Who holds the policies in force.
    pub fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// Reads certificates and revocation lists anew, all or nothing, then the policy bundle, all or nothing, then what is ordered about the log's keys;
    /// what is bad keeps what is in force.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub async fn reload(&self) -> Result<(), StartFault> {
        let edge = self.reload_edge().await;
        // Whatever the certificates are like: a revocation by policy does not wait for them.
        let policies = match self.keeper.reload().await {
            Ok(_loaded) => Ok(()),
            Err(Stop::Refused(refused)) => {
                let (refusal, detail) = (refused.refusal, refused.detail.unwrap_or_default());
                Err(StartFault::Policies(Box::new(BundleRefused::new(refusal, detail))))
            }
            Err(Stop::Fault(fault)) => Err(StartFault::Reload(fault.chain())),
        };
        let keys = log_keys::carry_out(&self.stations.journal, &self.log_key).await;
        let faults = [edge, policies, keys].into_iter().filter_map(Result::err);
        let mut faults: Vec<StartFault> = faults.collect();
        match (faults.pop(), faults.is_empty()) {
            (None, _) => Ok(()),
            (Some(fault), true) => Err(fault),
            (Some(fault), false) => {
                faults.push(fault);
                Err(StartFault::Several(faults))
            }
        }
    }

    async fn reload_edge(&self) -> Result<(), StartFault> {
        let material = match tls::reload(&self.tls, &self.revoked.load()) {
            Ok(material) => material,
            Err(faults) => {
                let fault = StartFault::Tls(faults);
                self.readiness.report(
                    "reload",
                    Light::Yellow,
                    "the last reload was refused; what was in force stays",
                );
                return Err(fault);
            }
        };
        // First the list, so that no live connection is judged by the old one after a handshake was judged by the new.
        self.revoked.store(material.revoked);
        self.stations.signing.keys.store(material.message_keys);
        self.keeper.trust(material.signers);
        self.feed.tls.store(material.feed);
        self.console.tls.store(material.console);
        self.readiness
            .report("reload", Light::Green, "certificates and revocation lists are in force");
        self.seal_certificate_acts().await;
        Ok(())
    }

    /// Seals by which configuration this gateway runs, when it is another than the log knows; nothing is accepted before. A crash after it
    /// leaves a leaf that the next start agrees with.
    async fn seal_configuration(&self, sha256: [u8; 32]) -> Result<(), StartFault> {
        let journal = &self.stations.journal;
        let known = journal.last_config().await.map_err(StartFault::Journal)?;
        if known == Some(sha256) {
            return Ok(());
        }
        let event = Event::Config(ConfigEvent {
            cfg: Digest(sha256),
            prev: known.map(Digest),
        });
        journal.seal_own(event).await.map_err(StartFault::Unsealed)?;
        Ok(())
    }

    /// Seals what `cert` and `crl` did to the folder since the last time; a crash in between seals it twice, never not at all.
    async fn seal_certificate_acts(&self) {
        self.seal_spooled_acts().await;
        self.show_unfit_acts();
    }

    async fn seal_spooled_acts(&self) {
        let taken = match acts::take(&self.pki) {
            Ok(Some(taken)) => taken,
            Ok(None) => return,
            Err(fault) => {
                tracing::error!(error = %fault, "the certificate acts cannot be read");
                return;
            }
        };
        for act in &taken.acts {
            let Ok(id) = clock::exchange_id(&self.stations.clock) else {
                return;
            };
            let entry = Entry::new(id, Event::Certificate(act.into()));
            let aside = match self.stations.journal.seal(entry).await {
                Ok(_) => continue,
                // It never will be: what follows it, a revocation perhaps, must not wait for it.
                Err(SealError::Unfit(why)) => {
                    tracing::error!(error = %why, act = %act.act, "no leaf can hold a certificate act; it is set aside");
                    taken.set_aside(act)
                }
                Err(error) => {
                    tracing::error!(error = %error, "a certificate act could not be sealed; it stays spooled");
                    return;
                }
            };
            if let Err(fault) = aside {
                tracing::error!(error = %fault, "a certificate act could not be set aside; it stays spooled");
                return;
            }
        }
        if let Err(fault) = taken.sealed() {
            tracing::error!(error = %fault, "sealed certificate acts could not be removed from the spool");
        }
    }

    /// Shows that a certificate act was set aside; until a start without its file.
    fn show_unfit_acts(&self) {
        if acts::set_aside_in(&self.pki).exists() {
            let said =
                "acts.unfit.ndjson holds certificate acts that no leaf can hold: note them elsewhere, then remove it";
            self.readiness.report("certificate-acts", Light::Yellow, said);
        }
    }

    /// Waits until the journal or the relay can no longer be trusted; the process must end then.
    pub async fn failed(&mut self) {
        tokio::select! {
            () = self.stations.journal.failed() => {}
            Some(ended) = self.relay.join_next() => {
                if matches!(ended, Ok(true)) {
                    // It ended because it was told to.
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Ends in order: no new connection, requests and extracts in flight end, the relay stops between two parts, the `stop` leaf.
    pub async fn stop(mut self) {
        self.draining.store(true, Ordering::Relaxed);
        self.readiness.report("draining", Light::Red, "the gateway is stopping");
        self.stop_listening.cancel();
        while self.listeners.join_next().await.is_some() {}
        self.stations.tasks.close();
        // An extract that is not ready by then is not offered; the registry asks again.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.stations.tasks.wait()).await;
        self.stop_relay.cancel();
        while self.relay.join_next().await.is_some() {}
        self.workers.shutdown().await;
        let journal = self.stations.journal.clone();
        self.stations.owed.settle(&journal, usize::MAX).await;
        if let Err(error) = journal.close().await {
            tracing::error!(error = %error, "the stop leaf could not be sealed");
        }
    }
}

/// Counts connections that were refused before an identity was known; they become one leaf a minute.
async fn count_refused(journal: Journal, mut refusals: mpsc::Receiver<Refusal>) {
    while let Some(refusal) = refusals.recv().await {
        // A journal that cannot commit counts none; the metric does.
        let _ = journal.refuse(RefusalDraft::new(None, refusal, "tls")).await;
    }
}

/// Once a second: what time demands of the journal and of what is owed to it. All of it may wait for the journal.
async fn tend(stations: Arc<Stations>, readiness: Readiness) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut volume = None;
    loop {
        tick.tick().await;
        let now_us = stations.clock.now_us();
        stations.extracts.sweep();
        // An agreement can end without another bundle.
        pull::end_unheld(&stations).await;
        settle(&stations).await;
        // A year that is over is a notice and no fault: the volume goes on until an operator turns it.
        if let Some((light, said)) = volumes::describe(&stations.journal, &mut volume, now_us).await {
            readiness.report("volume", light, said);
        }
        // Whether it commits, its own light says.
        let _ = stations.journal.tick(now_us).await;
    }
}

/// Once a second: the lights of `/readyz`. Waits for nobody, so that none stands still with what it is about.
async fn watch(
    stations: Arc<Stations>,
    revoked: Arc<ArcSwap<RevocationSet>>,
    keeper: Arc<Keeper>,
    readiness: Readiness,
    draining: Arc<AtomicBool>,
    relay: RelayStatus,
) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        let (now_us, wall_us) = (stations.clock.now_us(), stations.wall.now_us());
        let (light, said) = clock_light::describe(stations.journal.time().standing());
        readiness.report("clock", light, said);
        let (light, detail) = crl_light(&revoked.load(), wall_us / 1_000_000);
        readiness.report("crl", light, detail);
        let (light, detail) = keeper.in_force().describe(wall_us / 1_000_000);
        readiness.report("policies", light, detail);
        let (light, said) = inbox_light::describe(&stations.journal, now_us);
        readiness.report("inbox", light, said);
        let snapshot = relay.snapshot(now_us);
        let owes_s = stations.registry.unanswered_for().map_or(0, |owes| owes.as_secs());
        let (light, standing) = match stations.registry.standing() {
            Standing::Awaited(code) => (
                Light::Red,
                format!("it has not answered since the start ({code}); feeds are accepted; "),
            ),
            Standing::Lost(code) => (
                Light::Yellow,
                format!("it does not answer ({code}); feeds are accepted; "),
            ),
            Standing::Ready if owes_s >= OWING_S => (
                Light::Yellow,
                format!("it has not answered an order for {owes_s} s; feeds are accepted; "),
            ),
            Standing::Ready if snapshot.last_error.is_some() || !snapshot.recalls_apart.is_empty() => {
                (Light::Yellow, String::new())
            }
            Standing::Ready => (Light::Green, String::new()),
        };
        let (light, rests) = if relay.is_paused() {
            (
                light.max(Light::Yellow),
                "an operator paused the relay: shuguan relay resume; ",
            )
        } else {
            (light, "")
        };
        let detail = format!(
            "{standing}{rests}{}{} exchanges wait, the oldest for {} s{}; {} rows/s; pace {} %; last error {}{}",
            apart(&snapshot.recalls_apart),
            snapshot.backlog_exchanges,
            snapshot.lag_s,
            recalls(stations.journal.backlog().recalls, snapshot.recalls_apart.len()),
            snapshot.rows_per_s,
            snapshot.pace_percent,
            snapshot.last_error.unwrap_or("none"),
            snapshot.last_told.map_or_else(String::new, |told| format!(" ({told})"))
        );
        readiness.report("registry", light, detail);
        if draining.load(Ordering::Relaxed) {
            readiness.report("draining", Light::Red, "the gateway is stopping");
        }
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

/// So long may the registry owe an answer before it is said to hang, seconds.
const OWING_S: u64 = 5;

/// What is said of recalls that wait, besides those that the registry refuses.
fn recalls(open: u64, apart: usize) -> String {
    match open.saturating_sub(apart as u64) {
        0 => String::new(),
        waiting => format!("; {waiting} recalls wait"),
    }
}

/// What is said of recalls that the registry refuses.
fn apart(recalls: &[RecallApart]) -> String {
    match recalls.first() {
        None => String::new(),
        Some(first) => format!(
            "{} recalls cannot be carried out ({}): shuguan relay list; ",
            recalls.len(),
            first.reason
        ),
    }
}

fn crl_light(revoked: &RevocationSet, now_s: i64) -> (Light, String) {
    let Some(next) = revoked.next_update_s() else {
        return (Light::Red, "there is no revocation list".into());
    };
    let until = shuguan_ledger::time::format(next.saturating_mul(1_000_000));
    if next <= now_s {
        (
            Light::Red,
            format!("ran out at {until}; nobody is let in: shuguan crl issue"),
        )
    } else if next - now_s < CRL_WARN_S {
        (Light::Yellow, format!("runs out at {until}: shuguan crl issue"))
    } else {
        (Light::Green, format!("current until {until}"))
    }
}
