//! From configuration to stations: everything that can be wrong is found before anything runs.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use shuguan_policies::{Bundle, KeyRing, PolicySet};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::bundle::judge::Bench;
use crate::bundle::{BundleRefused, History, Vouched, folder, judge};
use crate::chain::Chain;
use crate::clock::{Clock, midnight_us};
use crate::config::{Config, KeysSection, ListenSection};
use crate::durable;
use crate::edge::listen::ListenSettings;
use crate::edge::revocation::RevocationSet;
use crate::edge::signers::Signers;
use crate::edge::tls::{self, TlsFault, TlsMaterial, TlsSettings};
use crate::exchange::Stations;
use crate::exchange::index_keys::IndexKeys;
use crate::exchange::inflight::KeysInFlight;
use crate::exchange::owed::Owed;
use crate::exchange::receipt_keys::ReceiptKeys;
use crate::exchange::signing::Signing;
use crate::exchange::tags::Tags;
use crate::extract::Extracts;
use crate::journal::{
    BACKUP_EVIDENCE_KEYS, IndexHistory, Journal, JournalFault, JournalSettings, Reader, SealError, Secret, names_of,
    own_trust,
};
use crate::limits::Admission;
use crate::limits::absences::{Absences, MINUTES};
use crate::limits::quota::Quotas;
use crate::limits::subjects::SubjectQuotas;
use crate::pki::PkiFault;
use crate::pki::keyfile;
use crate::pki::log_keys;
use crate::pki::period::PeriodKeys;
use crate::pki::receipt_keys::{self, ReceiptKeyFiles};
use crate::registry::schema::{self, TableSpec};
use crate::registry::{Registry, RegistryFault, RegistrySettings};
use crate::sha256;
use crate::signature::MessageKeys;
use crate::witnessing::{RolledBack, Witnessing};

use super::receipt_keys::Plan;
use super::written_under::{self, Compared};

/// Why the gateway does not start.
#[derive(Debug)]
pub enum StartFault {
    /// Certificates, keys, lists.
    Tls(Vec<TlsFault>),
    /// The policy bundle.
    Policies(Box<BundleRefused>),
    /// A reload that could not be carried through.
    Reload(String),
    /// The leaf that says which configuration or which policies are in force could not be sealed.
    Unsealed(SealError),
    /// Key files.
    Keys(Vec<PkiFault>),
    /// Several of them.
    Several(Vec<StartFault>),
    /// An address cannot be listened on.
    Address(SocketAddr, std::io::Error),
    /// The journal.
    Journal(JournalFault),
    /// A witness knows more of the log than the journal does.
    RolledBack(RolledBack),
    /// The registry.
    Registry(RegistryFault),
    /// The folder of extracts.
    Extracts(PathBuf, std::io::Error),
}

impl fmt::Display for StartFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn lines<T: fmt::Display>(out: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
            let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
            out.write_str(&texts.join("\n"))
        }
        match self {
            Self::Tls(faults) => lines(out, faults),
            Self::Policies(refused) => write!(out, "the policy bundle is refused: {refused}"),
            Self::Reload(what) => write!(out, "the policy bundle: {what}"),
            Self::Unsealed(error) => write!(
                out,
                "no leaf could say which configuration and policies are in force: {error}"
            ),
            Self::Keys(faults) => lines(out, faults),
            Self::Several(faults) => lines(out, faults),
            Self::Address(address, error) => write!(out, "cannot listen on {address}: {error}"),
            Self::Journal(fault) => write!(out, "the journal: {}", Chain(fault)),
            Self::RolledBack(fault) => write!(out, "the journal: {fault}"),
            Self::Registry(fault) => write!(out, "the registry: {}", Chain(fault)),
            Self::Extracts(path, error) => write!(out, "cannot use `{}`: {error}", path.display()),
        }
    }
}

impl std::error::Error for StartFault {}

/// The secrets of the key files; wiped when dropped.
pub(super) struct Secrets {
    log: Vec<Zeroizing<[u8; 32]>>,
    key_encryption: Zeroizing<[u8; 32]>,
    master: Zeroizing<[u8; 32]>,
    index: Zeroizing<[u8; 32]>,
    receipt: ReceiptKeyFiles,
}

/// Listening sockets.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) feed: TcpListener,
    pub(super) console: TcpListener,
    pub(super) health: TcpListener,
}

pub(super) fn tls_settings(config: &Config) -> TlsSettings {
    TlsSettings {
        certificate: config.tls.certificate.clone(),
        key: config.tls.key.clone(),
        client_ca: config.tls.client_ca.clone(),
        crls: config.tls.crls.clone(),
        message: config.tls.message.clone(),
    }
}

/// The folder of the authority: where the client authorities lie.
pub(super) fn pki_folder(tls: &TlsSettings) -> PathBuf {
    tls.client_ca.parent().unwrap_or(Path::new("")).to_owned()
}

/// What a gateway starts with.
pub(super) struct Material {
    pub(super) tls: TlsMaterial,
    pub(super) vouched: Vouched,
    pub(super) history: History,
    pub(super) secrets: Secrets,
}

/// Reads certificates, policies and keys; says everything that is wrong with any of them.
pub(super) fn material(config: &Config, tls: &TlsSettings, now_us: i64) -> Result<Material, StartFault> {
    let tls = tls::load(tls);
    let policies = vouched(config, tls.as_ref().ok().map(|tls| &*tls.signers), now_us);
    let secrets = secrets(&config.keys).map_err(StartFault::Keys);
    match (tls, policies, secrets) {
        (Ok(tls), Ok(Some((vouched, history))), Ok(secrets)) => Ok(Material {
            tls,
            vouched,
            history,
            secrets,
        }),
        (tls, policies, secrets) => {
            let faults = [tls.err().map(StartFault::Tls), policies.err(), secrets.err()];
            Err(StartFault::Several(faults.into_iter().flatten().collect()))
        }
    }
}

/// The bundle in its folder, judged by what the log knows. Without authorities nobody can judge it: then only its own faults are told.
fn vouched(config: &Config, signers: Option<&Signers>, now_us: i64) -> Result<Option<(Vouched, History)>, StartFault> {
    let refused = |refused: BundleRefused| StartFault::Policies(Box::new(refused));
    let folder = &config.policies.bundle;
    folder::recover(folder).map_err(|fault| StartFault::Reload(fault.to_string()))?;
    let bundle = Bundle::read(folder).map_err(|faults| refused(BundleRefused::faulty(&faults)))?;
    let Some(signers) = signers else {
        let compiled = bundle.compile();
        return compiled
            .map(|_| None)
            .map_err(|faults| refused(BundleRefused::faulty(&faults)));
    };
    let history = match History::read(&config.journal.place) {
        Ok(history) => history,
        // Opening it says so, with what to do.
        Err(JournalFault::Absent(_)) => History::default(),
        Err(fault) => return Err(StartFault::Journal(fault)),
    };
    let bench = Bench {
        signers,
        history: &history,
        table: None,
        now_s: now_us.div_euclid(1_000_000),
    };
    let vouched = judge(bundle, &bench).map_err(refused)?;
    Ok(Some((vouched, history)))
}

fn secrets(keys: &KeysSection) -> Result<Secrets, Vec<PkiFault>> {
    let mut faults = Vec::new();
    let mut read = |path: &Path| keyfile::read_random_key(path).map_err(|fault| faults.push(fault)).ok();
    let (key_encryption, master) = (read(&keys.key_encryption), read(&keys.master));
    let index = read(&keys.index);
    let receipt = receipt_keys::read(&keys.receipt)
        .map_err(|receipt| faults.extend(receipt))
        .ok();
    let log = log_keys::read(&keys.log).map_err(|log| faults.extend(log)).ok();
    let log = log.map(|log| log.seeds.into_iter().map(|(_, seed)| seed).collect());
    match (log, key_encryption, master, index, receipt) {
        (Some(log), Some(key_encryption), Some(master), Some(index), Some(receipt)) => Ok(Secrets {
            log,
            key_encryption,
            master,
            index,
            receipt,
        }),
        _ => Err(faults),
    }
}

/// How the journal of a configuration is opened, with the keys that are needed for it.
///
/// # Errors
/// Key files that cannot be used.
pub fn journal_settings(config: &Config) -> Result<JournalSettings, StartFault> {
    let secrets = secrets(&config.keys).map_err(StartFault::Keys)?;
    Ok(journal_settings_of(config, &secrets))
}

fn journal_settings_of(config: &Config, secrets: &Secrets) -> JournalSettings {
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

pub(super) async fn bind(listen: &ListenSection) -> Result<Sockets, StartFault> {
    let bind = async |address: SocketAddr| {
        TcpListener::bind(address)
            .await
            .map_err(|error| StartFault::Address(address, error))
    };
    Ok(Sockets {
        feed: bind(listen.feed).await?,
        console: bind(listen.console).await?,
        health: bind(listen.health).await?,
    })
}

pub(super) fn listen_settings(listen: &ListenSection) -> ListenSettings {
    let ms = |value: std::num::NonZeroU32| Duration::from_millis(value.get().into());
    ListenSettings {
        handshake_timeout: ms(listen.handshake_timeout_ms),
        first_request_timeout: ms(listen.first_request_timeout_ms),
        header_read_timeout: ms(listen.header_read_timeout_ms),
        idle_timeout: ms(listen.idle_timeout_ms),
        answer_rate_min: listen.body_rate_min_bytes_per_s,
        connection_age_max: Duration::from_secs(listen.connection_age_max_s.get().into()),
        connections_max: listen.connections_max.get() as usize,
        connections_per_partner_max: listen.connections_per_partner_max.get() as usize,
        handshakes_max: listen.handshakes_max.get() as usize,
        drain_timeout: ms(listen.drain_timeout_ms),
    }
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

/// The witnesses, and that none of them knows more than the journal, which is not open yet: opening it seals a leaf.
pub(super) async fn witnessing(config: &Config, secrets: &Secrets) -> Result<Witnessing, StartFault> {
    let witnessing = Witnessing::open(&config.witnessing).map_err(StartFault::Tls)?;
    if witnessing.is_on() && config.journal.place.may_be_there() {
        let settings = journal_settings_of(config, secrets);
        let known = tokio::task::spawn_blocking(move || Ok((names_of(&settings)?, own_trust(&settings)?))).await;
        let known = known.map_err(|_| StartFault::Journal(JournalFault::Worker))?;
        let (names, ours) = known.map_err(StartFault::Journal)?;
        for name in names {
            let compared = witnessing.compare(&config.journal.place, &name, &ours).await;
            compared.map_err(StartFault::Journal)?.map_err(StartFault::RolledBack)?;
        }
    }
    Ok(witnessing)
}

/// What is to be done about the keys that sign answers, judged before the journal is opened: opening it seals a leaf.
pub(super) fn receipt_plan(config: &Config, secrets: &Secrets) -> Result<Plan, StartFault> {
    let known = match Reader::open(&config.journal.place).and_then(|reader| reader.receipt_keys()) {
        Ok(known) => known,
        // Opening it says so, with what to do.
        Err(JournalFault::Absent(_)) => Vec::new(),
        Err(fault) => return Err(StartFault::Journal(fault)),
    };
    let plan = Plan::of(&config.keys.receipt, &secrets.receipt, known);
    plan.map_err(|fault| StartFault::Keys(vec![fault]))
}

/// Whether the log says that an operator paused the relay.
pub(super) fn relay_paused(config: &Config) -> Result<bool, StartFault> {
    let reader = Reader::open(&config.journal.place);
    reader
        .and_then(|reader| reader.relay_paused())
        .map_err(StartFault::Journal)
}

/// Opens the registry; a PostgreSQL server that does not answer is waited for by the relay.
pub(super) async fn registry(config: &Config, policies: &PolicySet) -> Result<Registry, StartFault> {
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

/// Message keys and revocations, as the last reload left them.
pub(super) type Certified = (Arc<ArcSwap<MessageKeys>>, Arc<ArcSwap<RevocationSet>>);

pub(super) fn stations(
    config: &Config,
    secrets: &Secrets,
    (clock, wall): (Clock, Clock),
    policies: Arc<ArcSwap<PolicySet>>,
    (journal, witnessing): (Journal, Arc<Witnessing>),
    (registry, index): (Registry, IndexKeys),
    ((keys, revoked), receipts): (Certified, ReceiptKeys),
) -> Result<Stations, StartFault> {
    let spool = &config.extracts.spool;
    let extracts =
        Extracts::open(&config.extracts, clock.clone()).map_err(|error| StartFault::Extracts(spool.clone(), error))?;
    let now_us = clock.now_us();
    // What was used today and asked within the hour stands in the log.
    let used = Reader::open(&config.journal.place).and_then(|reader| {
        let hour_us = now_us - MINUTES * 60_000_000;
        let refused = reader.refused_batches(now_us - 3_600_000_000)?;
        Ok((reader.spent(midnight_us(now_us))?, reader.compared(hour_us)?, refused))
    });
    let (spent, compared, refused) = used.map_err(StartFault::Journal)?;
    Ok(Stations {
        index,
        clock,
        wall,
        quotas: Quotas::restore(spent, now_us),
        told: SubjectQuotas::default(),
        absences: Absences::restore(compared),
        policies,
        keys: KeyRing::from_master(&secrets.master),
        limits: config.limits.clone(),
        layouts: config.layouts.clone(),
        admission: Admission::new(config.limits.clone()).with_refused(&refused, now_us),
        tags: Tags::new(&secrets.index),
        in_flight: KeysInFlight::default(),
        last_headers: Arc::default(),
        signing: Signing {
            keys,
            revoked,
            modes: config.signatures.clone(),
            receipts,
        },
        journal,
        witnessing,
        registry,
        extracts,
        owed: Owed::default(),
        tasks: TaskTracker::new(),
    })
}

/// The keys of the subject index; that of this year is made here, where a folder that cannot be written is still an answer. A gateway without the one that
/// exchanges of this year are indexed under does not start: under a second one they would not be found any more.
///
/// # Errors
/// [`StartFault::Keys`]; [`StartFault::Journal`] when the journal, which is not open yet, cannot be read.
pub(super) async fn index_keys(config: &Config, secrets: &Secrets, now_us: i64) -> Result<IndexKeys, StartFault> {
    let faulty = |fault| StartFault::Keys(vec![fault]);
    let settings = journal_settings_of(config, secrets);
    let history = tokio::task::spawn_blocking(move || IndexHistory::read(&settings)).await;
    let history = history.unwrap_or(Err(JournalFault::Worker)).map_err(unread)?;
    let folder = PeriodKeys::folder_of(&config.keys.index);
    let keys = PeriodKeys::open(folder, &secrets.index, IndexKeys::LABEL).map_err(faulty)?;
    let keys = IndexKeys::open(keys, history).map_err(faulty)?;
    keys.current(now_us).map_err(faulty)?;
    Ok(keys)
}

/// That the keys are those under which the journal, which is not open yet, was written.
///
/// # Errors
/// [`StartFault::Keys`]; [`StartFault::Journal`] when the journal cannot be read.
pub(super) async fn written_under(config: &Config, secrets: &Secrets) -> Result<(), StartFault> {
    let (files, settings) = (config.keys.clone(), journal_settings_of(config, secrets));
    let master = secrets.master.clone();
    let looked = tokio::task::spawn_blocking(move || written_under::compare(&files, &master, &settings)).await;
    let compared = looked.unwrap_or(Err(JournalFault::Worker)).map_err(unread)?;
    if compared.faults.is_empty() {
        Ok(())
    } else {
        Err(StartFault::Keys(compared.faults))
    }
}

/// A journal that could not be looked into; or a key file of it could not.
fn unread(fault: JournalFault) -> StartFault {
    match fault {
        JournalFault::Key(fault) => StartFault::Keys(vec![fault]),
        fault => StartFault::Journal(fault),
    }
}

/// The same for whoever only looks, with the keys of the subject index.
///
/// # Errors
/// Key files that cannot be used, and a journal that cannot be read.
pub fn compare_keys(config: &Config, now_us: i64) -> Result<Compared, StartFault> {
    let secrets = secrets(&config.keys).map_err(StartFault::Keys)?;
    let settings = journal_settings_of(config, &secrets);
    let compared = written_under::compare(&config.keys, &secrets.master, &settings);
    let mut compared = compared.map_err(unread)?;
    let history = IndexHistory::read(&settings).map_err(unread)?;
    let folder = PeriodKeys::folder_of(&config.keys.index);
    // None is made by whoever only looks.
    let keys = PeriodKeys::at(folder, &secrets.index, IndexKeys::LABEL);
    let judged = IndexKeys::open(keys, history).and_then(|keys| keys.judge(now_us));
    compared.faults.extend(judged.err());
    Ok(compared)
}

/// The process's metrics; one recorder for all gateways in it.
pub(super) fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            // A second recorder is refused; then the first one counts on.
            let _ = metrics::set_global_recorder(recorder);
            handle
        })
        .clone()
}
