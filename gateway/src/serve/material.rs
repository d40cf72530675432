//! The files that a gateway starts with: certificates and lists, the policy bundle, the keys.
//!
//! Takes the configuration; gives what is in its files, read and judged. Refuses what is wrong with any of them, and says all of it. Writes nothing, but ends
//! an exchange of bundles that a crash cut short.

use std::path::{Path, PathBuf};

use shuguan_policies::Bundle;
use zeroize::Zeroizing;

use super::StartFault;
use crate::bundle::judge::Bench;
use crate::bundle::{BundleRefused, History, Vouched, folder, judge};
use crate::config::{Config, KeysSection};
use crate::edge::signers::Signers;
use crate::edge::tls::{self, TlsMaterial, TlsSettings};
use crate::journal::JournalFault;
use crate::pki::receipt_keys::{self, ReceiptKeyFiles};
use crate::pki::{PkiFault, keyfile, log_keys};

/// What a gateway starts with.
pub(super) struct Material {
    pub(super) tls: TlsMaterial,
    pub(super) vouched: Vouched,
    pub(super) history: History,
    pub(super) secrets: Secrets,
}

/// The secrets of the key files; wiped when dropped.
pub(super) struct Secrets {
    pub(super) log: Vec<Zeroizing<[u8; 32]>>,
    pub(super) key_encryption: Zeroizing<[u8; 32]>,
    pub(super) master: Zeroizing<[u8; 32]>,
    pub(super) index: Zeroizing<[u8; 32]>,
    pub(super) receipt: ReceiptKeyFiles,
}

/// Reads certificates, policies and keys; says everything that is wrong with any of them.
pub(super) fn read(config: &Config, tls: &TlsSettings, now_us: i64) -> Result<Material, StartFault> {
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

pub(super) fn secrets(keys: &KeysSection) -> Result<Secrets, Vec<PkiFault>> {
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
