//! What `doctor` finds about the witnesses: who answers, what each holds, and whether the journal contains it.

use super::{Findings, Verdict};
use crate::chain::Chain;
use crate::client::deliver::load_trust;
use crate::config::Config;
use crate::journal::{names_of, own_trust};
use crate::serve::journal_settings;
use crate::witnessing::{Witnessing, trust};
use shuguan_ledger::trust::Trust;

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
    // Key files and a journal that cannot be read have findings of their own.
    let ours = journal_settings(config)
        .ok()
        .and_then(|settings| own_trust(&settings).ok());
    let (Some(ours), Ok(runtime)) = (ours, crate::command::runtime()) else {
        return;
    };
    let names = journal_settings(config)
        .ok()
        .and_then(|settings| names_of(&settings).ok())
        .unwrap_or_default();
    let Some(origin) = names.first() else { return };
    runtime.block_on(async {
        for (name, shown) in witnessing.look(origin, &ours).await {
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
                    format!("`{name}`: {}", Chain(&fault)),
                    "look at [[witness]] and at the witness",
                ),
            }
        }
        for name in &names {
            contained(config, name, &witnessing, &ours, findings).await;
        }
    });
    trust_file(config, &ours, findings);
}

/// Verifiers ask for no witness that their trust file does not name.
fn trust_file(config: &Config, ours: &Trust, findings: &mut Findings) {
    let folder = config.journal.beside();
    let Some(path) = folder.map(|folder| folder.join("trust/trust.txt")) else {
        return;
    };
    let Some(first) = ours.logs().first() else { return };
    let wanted = trust(&first.key().vkey(), &config.witnessing);
    let (Ok(there), Ok(wanted)) = (load_trust(&path), wanted) else {
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

async fn contained(config: &Config, log: &str, witnessing: &Witnessing, ours: &Trust, findings: &mut Findings) {
    // That it cannot be read is a finding of the journal's own.
    if let Ok(Err((rolled_back, _))) = witnessing.compare(&config.journal.place, log, ours).await {
        findings.add(Verdict::Fail, CHECK, rolled_back.to_string(), rolled_back.next());
    }
}
