//! Building every station once, running them, and ending them in order.
//!
//! Takes a parsed configuration; gives a running [`Gateway`]. Refuses to start on any fault of keys, certificates, lists, policies, journal or registry.
//!
//! | # | A start, and its room | A crash after it, or a fault in what follows, leaves |
//! |---|---|---|
//! | 1 | `material`: certificates, policies and keys are read and judged, and all that is wrong with them is told; `edges`: sockets are bound | a folder of policies that a broken installation had left was put right |
//! | 2 | `fitting`: the registry is compared with the plans, the journal with what witnesses hold and with the keys, while it is not open yet | views of the registry as the plans have them; the key of this year's index, when it is new, made last |
//! | 3 | `opening`: the journal is opened, and the `start` leaf sealed | the leaf, and no payload without one; another start seals another |
//! | 4 | `receipt_keys`: `key` leaves of what is ordered about receipt keys | those that are there; the next start seals the rest |
//! | 5 | `stations` are built; the `policy` leaf says which bundle is in force (`bundle/keeper.rs`) | the leaf, and what its plans release, kept; what was in force was in force for nobody |
//! | 6 | `configuration`, `log_keys`, `certificate_acts`: leaves of what changed meanwhile | those that are there; the next start seals the rest, a certificate act perhaps again. An act that cannot be sealed stays where it is written down, and holds up no start |
//! | 7 | `running`: connections are accepted, `tending` and `lights` go on once a second, the relay works | what C3 says: the next start reads what is there |
//!
//! An end: no new connection, what is in flight is finished, the relay stops between two parts, the `stop` leaf.

mod certificate_acts;
mod configuration;
mod edges;
mod fault;
mod fitting;
mod key_files;
mod lights;
mod log_keys;
mod material;
mod opening;
mod receipt_keys;
mod recorder;
mod reload;
mod running;
mod stations;
mod tending;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::bundle::Keeper;
use crate::clock::Clock;
use crate::config::Config;
use crate::edge::health::{Light, Readiness};
use crate::edge::tls::TlsSettings;
use crate::exchange::Stations;

pub use fault::StartFault;
pub use fitting::{compare_keys, tables};
pub use key_files::Compared;
pub use opening::journal_settings;

use edges::{Edges, Sockets};
use fitting::Fitting;
use material::Material;
use running::Running;
use stations::Opened;

/// So long may extracts be prepared and acts be carried out after the last connection ended.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// A gateway that serves.
#[derive(Debug)]
pub struct Gateway {
    stations: Arc<Stations>,
    keeper: Arc<Keeper>,
    edges: Edges,
    readiness: Readiness,
    /// Read anew at SIGHUP.
    tls: TlsSettings,
    pki: PathBuf,
    log_key: PathBuf,
    draining: Arc<AtomicBool>,
    running: Running,
}

impl Gateway {
    /// Starts everything; when this returns, the gateway accepts connections.
    ///
    /// # Errors
    /// Every fault that was found; nothing runs then.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartFault> {
        // Before anything is counted: without a recorder it would be lost.
        recorder::handle();
        let tls_settings = material::tls_settings(&config);
        let Material {
            tls,
            vouched,
            history,
            secrets,
        } = material::read(&config, &tls_settings, clock.now_us())?;
        let sockets = Sockets::bind(&config.listen).await?;
        let fitting = Fitting::found(&config, &secrets, &vouched.set(), clock.now_us()).await?;
        let journal = opening::journal(&config, &secrets, clock.clone()).await?;
        let restored = fitting.witnessing.restore(&journal, journal.time().clock().now_us());
        restored.await.map_err(StartFault::Journal)?;
        let receipts = receipt_keys::carry_out(&journal, fitting.receipts).await?;
        let paused = opening::relay_paused(&config)?;
        let opened = Opened {
            wall: clock,
            policies: vouched.set(),
            revoked: tls.revoked,
            message_keys: tls.message_keys,
            journal,
            witnessing: fitting.witnessing,
            registry: fitting.registry,
            index: fitting.index,
            receipts,
        };
        let stations = Arc::new(stations::build(&config, &secrets, opened)?);
        let (folder, keeping) = (&config.policies.bundle, Arc::clone(&stations));
        let keeper = Keeper::start(folder, keeping, tls.signers, &vouched, history).await;
        let keeper = keeper.map_err(StartFault::Unsealed)?;
        let (edges, refusals) = Edges::new(&config.listen, (tls.feed, tls.console), &stations);
        let mut gateway = Self {
            keeper: Arc::new(keeper),
            edges,
            readiness: Readiness::new(stations.clock.clone()),
            pki: material::pki_folder(&tls_settings),
            log_key: config.keys.log.clone(),
            tls: tls_settings,
            draining: Arc::default(),
            running: Running::default(),
            stations,
        };
        gateway.seal_changes(config.sha256).await?;
        gateway.run(&config, sockets, refusals, paused);
        Ok(gateway)
    }

    /// Leaves of what changed since the last time; nothing is accepted before.
    async fn seal_changes(&self, config_sha256: [u8; 32]) -> Result<(), StartFault> {
        configuration::seal(&self.stations.journal, config_sha256).await?;
        log_keys::carry_out(&self.stations.journal, &self.log_key).await?;
        certificate_acts::seal(&self.pki, &self.stations, &self.readiness).await;
        Ok(())
    }

    /// The stations, for those who serve in the same process.
    pub fn stations(&self) -> &Arc<Stations> {
        &self.stations
    }

    /// Who holds the policies in force.
    pub fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// Waits until the journal can no longer be trusted or a task has ended that must not; the process must end then.
    pub async fn failed(&mut self) {
        tokio::select! {
            () = self.stations.journal.failed() => {}
            () = self.running.failed() => {}
        }
    }

    /// Ends in order: no new connection, requests and extracts in flight end, the relay stops between two parts, the `stop` leaf.
    pub async fn stop(mut self) {
        self.draining.store(true, Ordering::Relaxed);
        self.readiness.report("draining", Light::Red, lights::STOPPING);
        self.running.stop_listening().await;
        self.stations.tasks.close();
        // An extract that is not ready by then is not offered; the registry asks again.
        let _ = tokio::time::timeout(LAST_TASKS, self.stations.tasks.wait()).await;
        self.running.stop_working().await;
        let journal = &self.stations.journal;
        self.stations.owed.settle(journal, usize::MAX).await;
        if let Err(error) = journal.clone().close().await {
            tracing::error!(error = %error, "the stop leaf could not be sealed");
        }
    }
}
