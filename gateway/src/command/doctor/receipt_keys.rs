//! What `doctor` finds about the keys that sign answers: which is in force, orders that wait, one whose time is over, files of keys that have ended, a
//! `trust/receipt.pem` that lags behind.

use super::{Findings, Verdict};
use crate::command::key::Receipts;
use crate::config::Config;
use crate::pki::keyfile;
use crate::pki::receipt_keys::digits;
use crate::signature::PublicKey;

const CHECK: &str = "receipt key";

/// Compares key files, log and the published keys; what cannot be read has findings of its own.
pub(super) fn look(config: &Config, findings: &mut Findings) {
    let Ok(receipts) = Receipts::of(config.clone()) else {
        return;
    };
    let Some(in_force) = receipts.in_force() else {
        return findings.ok(CHECK, "the log learns of it at the next start");
    };
    findings.ok(CHECK, format!("{} signs answers", digits(&in_force.id)));
    for seed in receipts.waiting() {
        if seed.is_first {
            let what = format!(
                "the log does not know the key of `{}`: the gateway will not start",
                seed.path.display()
            );
            findings.add(
                Verdict::Fail,
                CHECK,
                what,
                "put the seed back that the log knows; `shuguan key rotate --receipt` makes a new one",
            );
        } else {
            let what = format!("{} waits to sign answers", digits(seed.key.public().id()));
            let next = "shuguan key publish; when partners have trust/receipt.pem, start the gateway anew";
            findings.add(Verdict::Warn, CHECK, what, next);
        }
    }
    for span in receipts.others().filter(|_| receipts.is_overlap_over()) {
        let what = format!("what {} signed is not asked for again any more", digits(&span.id));
        findings.add(
            Verdict::Warn,
            CHECK,
            what,
            "shuguan key retire --receipt, and start the gateway anew",
        );
    }
    for seed in receipts.over() {
        let shown = seed.path.display();
        let what = format!("`{shown}` signs nothing any more");
        let next = format!("destroy it, in backups too, once `shuguan key publish` has run: shred -u {shown}");
        findings.add(Verdict::Warn, CHECK, what, next);
    }
    published(config, &receipts, findings);
}

fn published(config: &Config, receipts: &Receipts, findings: &mut Findings) {
    let folder = config.journal.beside();
    let there = folder.and_then(|folder| keyfile::read_public(&folder.join("trust/receipt.pem")).ok());
    let Some(there) = there.and_then(|text| PublicKey::from_pem(&text)) else {
        return;
    };
    let wanted = PublicKey::from_pem(&receipts.pem()).unwrap_or_default();
    let ids = |keys: &[PublicKey]| {
        let mut ids: Vec<String> = keys.iter().map(|key| key.id().to_owned()).collect();
        ids.sort();
        ids
    };
    if ids(&there) != ids(&wanted) {
        let what = "trust/receipt.pem does not hold the keys that sign answers";
        findings.add(
            Verdict::Warn,
            CHECK,
            what,
            "shuguan key publish, and give it to the partners",
        );
    }
}
