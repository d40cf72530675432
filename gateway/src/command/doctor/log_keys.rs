//! What `doctor` finds about the keys that sign the log: orders that wait, two that sign, files of keys that have ended, a trust file that lags behind.

use std::path::Path;

use super::{Findings, Verdict};
use crate::client::deliver::load_trust;
use crate::config::Config;
use crate::journal::log_keys_of;
use crate::pki::log_keys;
use crate::serve::journal_settings;

const CHECK: &str = "log key";

/// Compares key files, log and trust file; what cannot be read has findings of its own.
pub(super) fn look(config: &Config, findings: &mut Findings) {
    let Ok(files) = log_keys::read(&config.keys.log) else {
        return;
    };
    let keys = journal_settings(config)
        .ok()
        .and_then(|settings| log_keys_of(&settings).ok());
    let Some(keys) = keys else { return };
    let before = findings.0.len();
    for (path, seed) in &files.seeds {
        let key = shuguan_ledger::note::SigningKey::from_seed(&config.gateway.log_origin, seed);
        let Ok(key) = key.map(|key| key.verifying_key()) else {
            continue;
        };
        let (id, path) = (key.id(), path.display());
        match keys.spans().iter().find(|span| *span.key() == key) {
            None => {
                let what = format!("{id} waits to sign beside the old key");
                findings.add(Verdict::Warn, CHECK, what, "reload the gateway (SIGHUP)");
            }
            Some(span) => {
                let Some(until) = span.until() else { continue };
                let what = format!("{id} signs nothing from {until} entries on, and `{path}` is still there");
                let next = format!("destroy it, in backups too, once `shuguan key publish` has run: shred -u {path}");
                findings.add(Verdict::Warn, CHECK, what, next);
            }
        }
    }
    let signing: Vec<_> = keys.spans().iter().filter(|span| span.until().is_none()).collect();
    for span in &signing {
        let id = span.key().id();
        if files.ends.iter().any(|(end, _, _)| *end == id) {
            let what = format!("{id} is ordered to end");
            findings.add(Verdict::Warn, CHECK, what, "reload the gateway (SIGHUP)");
        }
    }
    if let [_, newest] = signing.as_slice() {
        let what = format!("two keys sign the log since {} entries", newest.from());
        let next = "when witnesses and partners know the new one: shuguan key retire";
        findings.add(Verdict::Warn, CHECK, what, next);
    }
    trust_file(config, &keys, findings);
    if let ([one], true) = (signing.as_slice(), findings.0.len() == before) {
        findings.ok(CHECK, format!("{} signs the log", one.key().id()));
    }
}

/// Whether the trust file beside the gateway knows of every change.
fn trust_file(config: &Config, keys: &shuguan_ledger::keys::LogKeys, findings: &mut Findings) {
    let folder = config.journal.database.parent().and_then(Path::parent);
    let there = folder.and_then(|folder| load_trust(&folder.join("trust/trust.txt")).ok());
    let Some(there) = there else { return };
    let known = there.keys_of(&config.gateway.log_origin);
    let same = keys.spans().iter().all(|span| {
        let known = known.spans().iter().find(|known| known.key() == span.key());
        known.is_some_and(|known| (known.from(), known.until()) == (span.from(), span.until()))
    });
    if !same {
        let what = "the trust file does not know every change of the log's key";
        findings.add(Verdict::Warn, CHECK, what, "shuguan key publish");
    }
}
