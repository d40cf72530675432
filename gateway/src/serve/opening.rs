//! Opening the journal: the first step of a start that leaves something in the log, the `start` leaf.
//!
//! Takes the configuration and the keys; gives the journal, and what of it a gateway asks at its start. Refuses a journal that is damaged or is not the one that
//! was signed last (`journal/recovery.rs`).

use std::path::Path;
use std::sync::OnceLock;

use super::StartFault;
use super::material::{Secrets, secrets};
use crate::clock::Clock;
use crate::config::Config;
use crate::durable;
use crate::journal::{BACKUP_EVIDENCE_KEYS, Journal, JournalFault, JournalSettings, Reader, Secret};
use crate::pki::period::PeriodKeys;
use crate::registry::RegistrySettings;
use crate::sha256;

/// How the journal of a configuration is opened, with the keys that are needed for it.
///
/// # Errors
/// Key files that cannot be used.
pub fn journal_settings(config: &Config) -> Result<JournalSettings, StartFault> {
    let secrets = secrets(&config.keys).map_err(StartFault::Keys)?;
    Ok(journal_settings_of(config, &secrets))
}

pub(super) fn journal_settings_of(config: &Config, secrets: &Secrets) -> JournalSettings {
    let mut settings = JournalSettings::at(
        Path::new(""),
        &config.gateway.log_origin,
        secrets.log.iter().cloned().map(Secret::from).collect::<Vec<_>>(),
        Secret::from(secrets.key_encryption.clone()),
    );
    settings.place = config.journal.place.clone();
    settings.payloads.clone_from(&config.journal.payloads);
    settings.month_keys = PeriodKeys::folder_of(&config.keys.key_encryption);
    settings.head.clone_from(&config.journal.head);
    settings.node.clone_from(&config.gateway.node);
    settings.inbox_bytes_max = config.journal.inbox_bytes_max.get();
    settings.inbox_age_max_us = i64::from(config.journal.inbox_age_max_hours.get()) * 3_600_000_000;
    settings.clock_settle_us = i64::from(config.journal.clock_settle_minutes.get()) * 60_000_000;
    settings.rejects_keep_days = config.journal.rejects_keep_days.get();
    settings
}

/// Proving the newest leaves takes a while, so it does not hold up the runtime.
pub(super) async fn journal(config: &Config, secrets: &Secrets, clock: Clock) -> Result<Journal, StartFault> {
    let mut settings = journal_settings_of(config, secrets);
    let opened = tokio::task::spawn_blocking(move || {
        settings.program = program();
        Journal::open(&settings, clock)
    });
    let opened = opened.await;
    let opened = opened
        .map_err(|_| StartFault::Journal(JournalFault::Worker))?
        .map_err(StartFault::Journal)?;
    remove_unfinished(config);
    Ok(opened)
}

/// SHA-256 of the file that this process runs from, also when another one has its name by now. A gateway that cannot read it starts all the same, and its `start`
/// leaf does not state it.
fn program() -> Option<[u8; 32]> {
    // Hundreds of megabytes where it is not stripped, and the same for every gateway in this process.
    static PROGRAM: OnceLock<Option<[u8; 32]>> = OnceLock::new();
    *PROGRAM.get_or_init(|| {
        let digest = sha256::of_file(Path::new("/proc/self/exe"));
        digest
            .inspect_err(|error| tracing::warn!(%error, "the program's own file cannot be read"))
            .ok()
    })
}

/// The copies of a restore that was killed, of which that of the registry can be read by anybody who has the file. The journal is locked, so no restore runs.
fn remove_unfinished(config: &Config) {
    let registry = match &config.registry.store {
        RegistrySettings::Sqlite(registry) => Some(registry.path.as_path()),
        RegistrySettings::Postgres(_) => None,
    };
    let journal = config.journal.place.file();
    let keys = journal.map(|journal| journal.with_file_name(BACKUP_EVIDENCE_KEYS));
    for database in [journal, keys.as_deref(), registry].into_iter().flatten() {
        if let Err(error) = durable::remove(&durable::unfinished(database)) {
            tracing::warn!(error = %error, "what a restore left is not removed");
        }
    }
}

/// Whether the log says that an operator paused the relay.
pub(super) fn relay_paused(config: &Config) -> Result<bool, StartFault> {
    let reader = Reader::open(&config.journal.place);
    reader
        .and_then(|reader| reader.relay_paused())
        .map_err(StartFault::Journal)
}
