//! What `doctor` finds about the witnesses: who answers, what each holds, and whether the journal contains it.

use std::path::Path;

use super::{Findings, Verdict};
use crate::client::deliver::load_trust;
use crate::config::Config;
use crate::pki::keyfile;
use crate::serve::chain;
use crate::witnessing::{Witnessing, trust};

const CHECK: &str = "witnesses";

/// Asks every witness; changes nothing.
pub(super) fn look(config: &Config, findings: &mut Findings) {
    if config.witnessing.witnesses.is_empty() {
        let what = "there is none: receipts prove what the log says, not that it says the same to everybody";
        findings.add(
            Verdict::Warn,
            CHECK,
            what,
            "let another authority run one: shuguan witness --help",
        );
        return;
    }
    let witnessing = match Witnessing::open(&config.witnessing) {
        Ok(witnessing) => witnessing,
        Err(faults) => {
            for fault in faults {
                let what = format!("{}: {}", fault.file.display(), fault.what);
                findings.add(Verdict::Fail, CHECK, what, "name its authority's file under `ca`");
            }
            return;
        }
    };
    // Key files that cannot be read have findings of their own.
    let key = keyfile::read_random_key(&config.keys.log).ok();
    let origin = &config.gateway.log_origin;
    let key = key.and_then(|seed| shuguan_ledger::note::SigningKey::from_seed(origin, &seed).ok());
    let (Some(key), Ok(runtime)) = (key, crate::command::runtime()) else {
        return;
    };
    let key = key.verifying_key();
    runtime.block_on(async {
        for (name, shown) in witnessing.look(&key).await {
            match shown {
                Ok(Some(size)) => findings.ok(CHECK, format!("`{name}` signed {size} entries last")),
                Ok(None) => findings.add(
                    Verdict::Warn,
                    CHECK,
                    format!("`{name}` answers and has signed nothing of this log"),
                    "is the log's key in its witness.toml?",
                ),
                Err(fault) => findings.add(
                    Verdict::Warn,
                    CHECK,
                    format!("`{name}`: {}", chain(&fault)),
                    "look at [[witness]] and at the witness",
                ),
            }
        }
        contained(config.journal.database.as_path(), &witnessing, &key, findings).await;
    });
    trust_file(config, &key.vkey(), findings);
}

/// Verifiers ask for no witness that their trust file does not name.
fn trust_file(config: &Config, log: &str, findings: &mut Findings) {
    let folder = config.journal.database.parent().and_then(Path::parent);
    let Some(path) = folder.map(|folder| folder.join("trust/trust.txt")) else {
        return;
    };
    let (Ok(there), Ok(wanted)) = (load_trust(&path), trust(log, &config.witnessing)) else {
        return;
    };
    if there.quorum().is_none() {
        let lines: Vec<String> = wanted.text().lines().skip(1).map(str::to_owned).collect();
        let what = format!(
            "`{}` asks for no witness, so no receipt is checked for one",
            path.display()
        );
        let next = format!("add to it, and to the partners': {}", lines.join(" / "));
        findings.add(Verdict::Warn, CHECK, what, next);
    }
}

async fn contained(
    database: &Path,
    witnessing: &Witnessing,
    key: &shuguan_ledger::note::VerifyingKey,
    findings: &mut Findings,
) {
    // That it cannot be read is a finding of the journal's own.
    if let Ok(Err(rolled_back)) = witnessing.compare(database, key).await {
        findings.add(Verdict::Fail, CHECK, rolled_back.to_string(), rolled_back.next());
    }
}
