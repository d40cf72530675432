//! `shuguan db recover`: an older copy of the journal goes back into service, as a log that succeeds the one whose end is lost.
//!
//! Takes a configuration that names the successor, an older journal, and what shows how far the old log had come: the head file, the witnesses, files. Gives a
//! journal that a gateway starts with, a key for it, the trust file that knows both logs, and what is lost, by index, and by exchange as far as receipts are
//! given. Refuses while a gateway runs, when nothing is lost, when a log has the successor's name already, and when the journal is another history than what
//! was signed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::note::{SigningKey, VerifyingKey};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::Trust;

use crate::chain::Chain;
use crate::client::deliver::load_trust;
use crate::clock::Clock;
use crate::command::cert::failure;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::command::verify::read_receipt;
use crate::command::{config, runtime};
use crate::config::Config;
use crate::journal::{NotSucceeded, Reader, Shown, Succession, succeed};
use crate::pki::{PkiFault, keyfile, log_keys};
use crate::serve::journal_settings;
use crate::witnessing::Witnessing;

/// Why the end of the journal is lost.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Why {
    /// The disk that held it is gone.
    DiskLost,
    /// It could not be read any more.
    LogDamaged,
    /// Somebody put an older copy back.
    Restored,
}

impl Why {
    fn code(self) -> &'static str {
        match self {
            Self::DiskLost => "disk-lost",
            Self::LogDamaged => "log-damaged",
            Self::Restored => "restored",
        }
    }
}

/// An entry of the old log that is lost, as a receipt has it.
#[derive(Debug, Serialize)]
struct Lost {
    index: u64,
    kind: String,
    exchange: Option<String>,
    partner: Option<String>,
}

pub(super) fn run(path: &Path, why: Why, files: &[PathBuf], output: &Output) -> Result<Exit, Failure> {
    let config = config::load(path)?;
    let newest = Reader::open(&config.journal.place).and_then(|reader| reader.checkpoint());
    let newest = newest.map_err(|fault| refused(NotSucceeded::Journal(fault)))?;
    let old = Checkpoint::unverified(&newest).map_or_else(|_| String::new(), |newest| newest.origin);
    let none_left = log_keys::read_any(&config.keys.log).is_ok_and(|files| files.seeds.is_empty());
    if none_left && old != config.gateway.log_origin {
        // Nothing of the old log is signed any more; the successor's seed is found again below.
        successors_key(&config).map_err(failure)?;
    }
    let settings = journal_settings(&config).map_err(|fault| Failure::local(fault.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("")).join("trust");
    let trust = load_trust(&folder.join("trust.txt"))?;
    let (mut seen, mut receipts) = (witnesses(&config, &old, &trust, output)?, Vec::new());
    for file in files {
        let text = read_receipt(file)?;
        let by = format!("`{}`", file.display());
        match Receipt::parse(&text) {
            Ok(receipt) => {
                seen.push((by, receipt.checkpoint.clone()));
                receipts.push(receipt);
            }
            Err(_) => seen.push((by, text)),
        }
    }
    let (notes, keys) = (&seen, trust.logs());
    let done = succeed(
        &settings,
        Shown { notes, keys },
        why.code(),
        || successors_key(&config),
        &Clock::system(),
    );
    let done = done.map_err(refused)?;
    let trust = trusted(&folder, &trust, &done.vkey)?;
    show(&done, &lost(&receipts, &trust, &done), output);
    Ok(Exit::Done)
}

/// A key of its own: one that was retired or stolen must not sign under another name what it may not sign under its own.
fn successors_key(config: &Config) -> Result<SigningKey, PkiFault> {
    let (first, origin) = (&config.keys.log, &config.gateway.log_origin);
    let files = log_keys::read_any(first).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        PkiFault::bad_file(first, lines.join("; "))
    })?;
    files.successor(first, origin)
}

/// What the witnesses that answer hold of the old log, and of one that has the successor's name.
fn witnesses(config: &Config, old: &str, trust: &Trust, output: &Output) -> Result<Vec<(String, String)>, Failure> {
    let Ok(witnessing) = Witnessing::open(&config.witnessing) else {
        return Err(Failure::local("the witnesses' files cannot be used").then("shuguan doctor"));
    };
    let (mut seen, new, runtime) = (Vec::new(), config.gateway.log_origin.as_str(), runtime()?);
    let shown = runtime.block_on(async {
        let mut shown = witnessing.shown(old).await;
        if new != old {
            // One that has signed nothing under that name says so by silence.
            let of_new = witnessing.shown(new).await;
            shown.extend(of_new.into_iter().filter(|(_, shown)| !matches!(shown, Ok(None))));
        }
        // A newer volume may be lost whole: who published its key named it in the trust file.
        let names: BTreeSet<&str> = trust.logs().iter().map(|span| span.key().name()).collect();
        for name in names.into_iter().filter(|name| *name != old && *name != new) {
            let of_name = witnessing.shown(name).await;
            shown.extend(of_name.into_iter().filter(|(_, shown)| !matches!(shown, Ok(None))));
        }
        shown
    });
    for (name, shown) in shown {
        match shown {
            Ok(Some(note)) => seen.push((format!("the witness `{name}`"), note)),
            Ok(None) => output.note(format!("the witness `{name}` has signed nothing of `{old}`")),
            // What it knows might be more than anybody else shows: the gap would be stated too small.
            Err(fault) => {
                return Err(
                    Failure::new(Exit::Unreached, format!("the witness `{name}` does not answer"))
                        .because(Chain(&fault))
                        .then("wait for it; it may have seen more than the head file says"),
                );
            }
        }
    }
    Ok(seen)
}

fn refused(fault: NotSucceeded) -> Failure {
    let (exit, next) = match &fault {
        NotSucceeded::Journal(_) => (
            Exit::Local,
            "stop the gateway; shuguan verify log says what is wrong with the journal",
        ),
        NotSucceeded::NothingLost { .. } => (
            Exit::Refused,
            "start the gateway under the name that the journal's log has; if entries are lost all the same, show a newer receipt or checkpoint with --seen",
        ),
        NotSucceeded::SameName(_) | NotSucceeded::NameTaken { .. } => (
            Exit::Refused,
            "name the successor in `log_origin` of the configuration, such as the old name with `/2` behind it, or the next number that no log has",
        ),
        NotSucceeded::Forked { .. } | NotSucceeded::Foreign { .. } | NotSucceeded::TooMany(_) => (
            Exit::NotProven,
            "look for the journal that this was signed of; keep everything for the auditors",
        ),
    };
    Failure::new(exit, "the journal is not taken back into service")
        .because(Chain(&fault))
        .then(next)
}

/// Verifiers believe the successor beside the log that ended. Of the old log no end is stated: a receipt of an entry that nobody showed here must go on
/// proving that more was lost than the successor says.
fn trusted(folder: &Path, trust: &Trust, vkey: &str) -> Result<Trust, Failure> {
    let key = VerifyingKey::parse(vkey).map_err(|fault| Failure::local(fault.to_string()))?;
    let trust = trust.with_log(&key);
    let files = [("trust.txt", trust.text()), ("log.vkey", format!("{vkey}\n"))];
    for (name, text) in files {
        keyfile::replace_public(&folder.join(name), text.as_bytes()).map_err(failure)?;
    }
    Ok(trust)
}

/// What receipts prove of the lost entries.
fn lost(receipts: &[Receipt], trust: &Trust, done: &Succession) -> Vec<Lost> {
    let proven = receipts.iter().filter_map(|receipt| receipt.verify(trust).ok());
    let gap = done.opened.kept..done.opened.size;
    let in_gap = proven.filter(|proven| proven.checkpoint.origin == done.opened.of && gap.contains(&proven.index));
    let lost = in_gap.map(|proven| Lost {
        index: proven.index,
        kind: proven.leaf.event.kind().to_owned(),
        exchange: proven.leaf.event.exchange().map(str::to_owned),
        partner: proven.leaf.event.partner().map(str::to_owned),
    });
    lost.collect()
}

fn show(done: &Succession, lost: &[Lost], output: &Output) {
    let opened = &done.opened;
    let (log, of, kept, size) = (&opened.log, &opened.of, opened.kept, opened.size);
    if output.is_json() {
        let document = json!({
            "log": log, "succeeds": of, "vkey": done.vkey, "kept": kept, "size": size, "lost": size - kept,
            "why": opened.why, "proved": lost,
        });
        output.json("shuguan.db-recover.v1", &document);
    } else {
        output.line(format!(
            "`{of}` is closed at {size} entries; `{log}` succeeds it with its first {kept}; {} are lost: {kept} to {}",
            size - kept,
            size - 1
        ));
        for one in lost {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
            let (exchange, partner) = (text(&one.exchange), text(&one.partner));
            output.line(format!("      lost {}  {}  {exchange}  {partner}", one.index, one.kind));
        }
    }
    output.note(format!("key of the successor: {}", done.vkey));
    output.note("next: give trust/trust.txt to partners and officers, and the key to the witnesses ([[log]] in witness.toml); start the gateway");
    output.note("then: shuguan db fsck     names what the registry holds of the lost entries; partners: shuguan reconcile, and push what is missing");
}
