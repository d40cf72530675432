//! Does what was configured fit the stores? Asked before the journal is opened, since opening it seals a `start` leaf. What can fail behind that, the folder of extracts and an
//! order about the log's key, leaves one at every try.
//!
//! Takes the configuration, the keys and the policies; gives what was opened meanwhile and what is to be sealed about receipt keys. Refuses a registry whose
//! columns are others, a journal that is older than what a witness signed, and keys other than those that the journal was written under.

use std::sync::Arc;

use shuguan_policies::PolicySet;

use super::StartFault;
use super::key_files::{self, Compared};
use super::material::{Secrets, secrets};
use super::opening::journal_settings_of;
use super::receipt_keys::Plan;
use crate::config::Config;
use crate::exchange::index_keys::IndexKeys;
use crate::journal::{Journal, JournalFault, Reader, WrittenUnder, names_of, own_trust};
use crate::pki::PkiFault;
use crate::pki::period::PeriodKeys;
use crate::registry::schema::{self, TableSpec};
use crate::registry::{Registry, RegistryFault};
use crate::witnessing::Witnessing;

/// What fits.
pub(super) struct Fitting {
    pub(super) registry: Registry,
    pub(super) witnessing: Witnessing,
    pub(super) index: IndexKeys,
    /// What is to be done about the keys that sign answers.
    pub(super) receipts: Plan,
}

impl Fitting {
    /// Looks at one after the other, and stops at the first that does not fit.
    ///
    /// # Errors
    /// What does not fit, or cannot be read.
    pub(super) async fn found(
        config: &Config,
        secrets: &Secrets,
        policies: &PolicySet,
        now_us: i64,
    ) -> Result<Self, StartFault> {
        Journal::is_there(&journal_settings_of(config, secrets)).map_err(StartFault::Journal)?;
        Ok(Self {
            registry: registry(config, policies).await?,
            witnessing: witnessing(config, secrets).await?,
            receipts: receipt_plan(config, secrets)?,
            // Last: where it is new, the key of the year is made by it.
            index: same_keys(config, secrets, now_us).await?,
        })
    }
}

/// Opens the registry; a PostgreSQL server that does not answer is waited for by the relay.
async fn registry(config: &Config, policies: &PolicySet) -> Result<Registry, StartFault> {
    let settings = config.registry.store.clone();
    let tables = tables(policies).map_err(StartFault::Registry)?;
    let opened = tokio::task::spawn_blocking(move || Registry::start(&settings, tables)).await;
    opened
        .unwrap_or(Err(RegistryFault::Closed))
        .map_err(StartFault::Registry)
}

/// The registry's tables under these policies.
///
/// # Errors
/// Plans that contradict each other.
pub fn tables(policies: &PolicySet) -> Result<Vec<TableSpec>, RegistryFault> {
    let plans: Vec<_> = policies.plans().map(Arc::clone).collect();
    schema::tables(&plans)
}

/// The witnesses, and that none of them knows more than the journal.
async fn witnessing(config: &Config, secrets: &Secrets) -> Result<Witnessing, StartFault> {
    let witnessing = Witnessing::open(&config.witnessing).map_err(StartFault::Tls)?;
    if witnessing.is_on() && config.journal.place.may_be_there() {
        let settings = journal_settings_of(config, secrets);
        let known = tokio::task::spawn_blocking(move || Ok((names_of(&settings)?, own_trust(&settings)?))).await;
        let known = known.map_err(|_| StartFault::Journal(JournalFault::Worker))?;
        let (names, ours) = known.map_err(StartFault::Journal)?;
        for name in names {
            let compared = witnessing.compare(&config.journal.place, &name, &ours).await;
            if let Err((rolled_back, note)) = compared.map_err(StartFault::Journal)? {
                // The next start may be one at which no witness answers.
                Journal::note_shown(&journal_settings_of(config, secrets), &note).map_err(StartFault::Journal)?;
                return Err(StartFault::RolledBack(rolled_back));
            }
        }
    }
    Ok(witnessing)
}

/// That the keys are those under which the journal was written; gives those of the subject index. That of this year is made here, where a folder that cannot
/// be written is still an answer. A gateway without the one that exchanges of this year are indexed under does not start: under a second one they would not be
/// found any more.
///
/// # Errors
/// [`StartFault::Keys`]; [`StartFault::Journal`] when the journal cannot be read.
async fn same_keys(config: &Config, secrets: &Secrets, now_us: i64) -> Result<IndexKeys, StartFault> {
    let settings = journal_settings_of(config, secrets);
    let written = tokio::task::spawn_blocking(move || WrittenUnder::read(&settings)).await;
    let written = written.unwrap_or(Err(JournalFault::Worker)).map_err(unread)?;
    let compared = key_files::compare(&config.keys, &secrets.master, &written);
    if !compared.faults.is_empty() {
        return Err(StartFault::Keys(compared.faults));
    }
    let folder = PeriodKeys::folder_of(&config.keys.index);
    let keys = PeriodKeys::open(folder, &secrets.index, IndexKeys::LABEL).map_err(faulty)?;
    let keys = IndexKeys::open(keys, written.index).map_err(faulty)?;
    keys.current(now_us).map_err(faulty)?;
    Ok(keys)
}

/// The same for whoever only looks, and makes no key.
///
/// # Errors
/// Key files that cannot be used, and a journal that cannot be read.
pub fn compare_keys(config: &Config, now_us: i64) -> Result<Compared, StartFault> {
    let secrets = secrets(&config.keys).map_err(StartFault::Keys)?;
    let written = WrittenUnder::read(&journal_settings_of(config, &secrets)).map_err(unread)?;
    let mut compared = key_files::compare(&config.keys, &secrets.master, &written);
    let folder = PeriodKeys::folder_of(&config.keys.index);
    let keys = PeriodKeys::at(folder, &secrets.index, IndexKeys::LABEL);
    let judged = IndexKeys::open(keys, written.index).and_then(|keys| keys.judge(now_us));
    compared.faults.extend(judged.err());
    Ok(compared)
}

/// What is to be done about the keys that sign answers.
fn receipt_plan(config: &Config, secrets: &Secrets) -> Result<Plan, StartFault> {
    let known = match Reader::open(&config.journal.place).and_then(|reader| reader.receipt_keys()) {
        Ok(known) => known,
        // Opening it says so, with what to do.
        Err(JournalFault::Absent(_)) => Vec::new(),
        Err(fault) => return Err(StartFault::Journal(fault)),
    };
    Plan::of(&config.keys.receipt, &secrets.receipt, known).map_err(faulty)
}

fn faulty(fault: PkiFault) -> StartFault {
    StartFault::Keys(vec![fault])
}

/// A journal that could not be looked into; or a key file of it could not.
fn unread(fault: JournalFault) -> StartFault {
    match fault {
        JournalFault::Key(fault) => faulty(fault),
        fault => StartFault::Journal(fault),
    }
}
