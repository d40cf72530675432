//! `shuguan key … --receipt`: the keys that sign answers.
//!
//! Takes the gateway's configuration; reads its journal, writes orders beside the key files and, for partners, `trust/receipt.pem` with every key whose answers
//! may still come, and a receipt of each change. Refuses to begin a key while another waits, to end the only one, and to end one whose answers may still
//! be asked for again, unless it is stolen. The gateway carries an order out at its next start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use shuguan_ledger::time;

use super::{How, failure, refused, unreadable};
use crate::clock::Clock;
use crate::command::config;
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::config::Config;
use crate::journal::{JournalFault, Reader, ReceiptKeySpan, receipt_key_in_force};
use crate::pki::log_keys::end;
use crate::pki::receipt_keys::{self, ReceiptKeyFiles, ReceiptSeed, digits};
use crate::pki::{PkiFault, keyfile};
use crate::signature::MessageKey;
use crate::signature::profile::KEY_KNOWN_S;

/// How long an answer is given again, and so how long the key that signed it is kept.
const OVERLAP_US: i64 = KEY_KNOWN_S * 1_000_000;

/// What is there: the log's word, and the files.
pub(crate) struct Receipts {
    config: Config,
    known: Vec<ReceiptKeySpan>,
    files: ReceiptKeyFiles,
}

/// One line of the list.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    keyid: String,
    since: Option<String>,
    state: &'static str,
    file: Option<PathBuf>,
}

impl Receipts {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        Self::of(config::load(path)?)
    }

    pub(crate) fn of(config: Config) -> Result<Self, Failure> {
        let files = receipt_keys::read(&config.keys.receipt).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Failure::local("the key files cannot be used").because(lines.join("; "))
        })?;
        let known = Reader::open(&config.journal.place).and_then(|reader| reader.receipt_keys());
        Ok(Self {
            known: known.map_err(unreadable)?,
            config,
            files,
        })
    }

    /// The one that signs what is sealed now.
    pub(crate) fn in_force(&self) -> Option<&ReceiptKeySpan> {
        receipt_key_in_force(&self.known)
    }

    /// Those that have not ended beside it.
    pub(crate) fn others(&self) -> impl Iterator<Item = &ReceiptKeySpan> {
        let in_force = self.in_force().map(|span| &span.id);
        self.known
            .iter()
            .filter(move |span| span.is_kept() && Some(&span.id) != in_force)
    }

    /// Seeds that no leaf names yet.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &ReceiptSeed> {
        self.files.fresh(|id| self.known.iter().any(|span| span.id == id))
    }

    /// Seeds of keys that have ended.
    pub(crate) fn over(&self) -> impl Iterator<Item = &ReceiptSeed> {
        let is_over = |seed: &&ReceiptSeed| {
            let mut ended = self.known.iter().filter(|span| !span.is_kept());
            ended.any(|span| span.id == seed.key.public().id())
        };
        self.files.seeds.iter().filter(is_over)
    }

    /// Whether the time is over in which answers of the keys before come again.
    pub(crate) fn is_overlap_over(&self) -> bool {
        let since = self.in_force().map_or(0, |span| span.since_us);
        Clock::system().now_us().saturating_sub(since) >= OVERLAP_US
    }

    fn is_ending(&self, span: &ReceiptKeySpan) -> bool {
        self.files.ends.iter().any(|(id, ..)| id == digits(&span.id))
    }

    /// Every key whose answers may still come, the newest first: those that wait too, so that partners have them before.
    pub(crate) fn pem(&self) -> String {
        let is_kept = |seed: &&ReceiptSeed| {
            let mut kept = self.known.iter().filter(|span| span.is_kept());
            kept.any(|span| span.id == seed.key.public().id())
        };
        let kept = self.files.seeds.iter().filter(is_kept).chain(self.waiting());
        let mut keys: Vec<&Arc<MessageKey>> = kept.map(|seed| &seed.key).collect();
        let begun = |key: &Arc<MessageKey>| {
            let span = self.known.iter().find(|span| span.id == key.public().id());
            span.map_or(u64::MAX, |span| span.from)
        };
        keys.sort_by_key(|key| std::cmp::Reverse(begun(key)));
        keys.iter().map(|key| key.public().pem()).collect()
    }

    fn rows(&self) -> Vec<Row> {
        let in_force = self.in_force().map(|span| span.id.clone());
        let file = |id: &str| {
            let seed = self.files.seeds.iter().find(|seed| seed.key.public().id() == id);
            seed.map(|seed| seed.path.clone())
        };
        let known = self.known.iter().map(|span| Row {
            id: digits(&span.id).to_owned(),
            keyid: span.id.clone(),
            since: Some(time::format(span.since_us)),
            state: match span.retired {
                Some(_) => "retired",
                None if self.is_ending(span) => "its end waits for a start",
                None if in_force.as_ref() == Some(&span.id) => "signs",
                None => "signs what it signed before",
            },
            file: file(&span.id),
        });
        let waiting = self.waiting().map(|seed| Row {
            id: digits(seed.key.public().id()).to_owned(),
            keyid: seed.key.public().id().to_owned(),
            since: None,
            state: "waits for a start",
            file: Some(seed.path.clone()),
        });
        known.chain(waiting).collect()
    }
}

pub(super) fn list(receipts: &Receipts, output: &Output) {
    let rows = receipts.rows();
    if output.is_json() {
        output.json("shuguan.receipt-keys.v1", &rows);
        return;
    }
    let shown = |path: &PathBuf| path.display().to_string();
    let cells = |row: &Row| {
        let file = row.file.as_ref().map(shown).unwrap_or_default();
        let since = row.since.clone().unwrap_or_default();
        vec![row.id.clone(), since, row.state.to_owned(), file]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output.rows(&["RECEIPT KEY", "SINCE", "STATE", "FILE"], &rows);
}

pub(super) fn rotate(receipts: &Receipts, output: &Output) -> Result<(), Failure> {
    if receipts.known.is_empty() || receipts.waiting().next().is_some() {
        return Err(refused("a receipt key waits already").then("start the gateway anew"));
    }
    let key = receipt_keys::begin(&receipts.config.keys.receipt).map_err(failure)?;
    let keyid = key.public().id();
    if output.is_json() {
        let document = serde_json::json!({ "id": digits(keyid), "keyid": keyid });
        output.json("shuguan.receipt-key.v1", &document);
    } else {
        output.line(keyid);
    }
    output.note(
        "next: shuguan key publish, give trust/receipt.pem to the partners; when they have it, start the gateway anew",
    );
    Ok(())
}

pub(super) fn retire(receipts: &Receipts, id: Option<&str>, how: How, output: &Output) -> Result<(), Failure> {
    let mut kept = receipts.known.iter().filter(|span| span.is_kept());
    let found = match id {
        Some(id) => kept.find(|span| digits(&span.id) == id),
        None => kept.next(),
    };
    let Some(span) = found else {
        return Err(refused("no such receipt key signs answers").then("shuguan key list --receipt"));
    };
    let others = receipts
        .known
        .iter()
        .filter(|other| other.is_kept() && other.id != span.id);
    if others.count() == 0 && (!how.stolen || receipts.waiting().next().is_none()) {
        let next = "shuguan key rotate --receipt, and start the gateway anew";
        return Err(refused("it is the only receipt key").then(next));
    }
    if !how.is_at_once() && !receipts.is_overlap_over() {
        let since = receipts.in_force().map_or(0, |span| span.since_us);
        return Err(
            refused("what it signed may be asked for again for 7 days after the next key began")
                .because(format!("since {}", time::format(since)))
                .then("wait; --stolen or --now do not, and what is repeated is then signed by the other key"),
        );
    }
    let id = digits(&span.id);
    how.asked(
        id,
        "what it signed and is asked for again is signed by the other key then",
    )?;
    end(&receipts.config.keys.receipt, id, how.why()).map_err(failure)?;
    output.note(format!(
        "{id} is to end: start the gateway anew; then: shuguan key publish"
    ));
    Ok(())
}

/// Writes the keys for partners, and a receipt of each change.
pub(super) fn publish(receipts: &Receipts, folder: &Path, output: &Output) -> Result<(), Failure> {
    let write = |name: &str, text: &str| -> Result<(), PkiFault> {
        let path = folder.join(name);
        keyfile::replace_public(&path, text.as_bytes())?;
        output.note(format!("`{}` written", path.display()));
        Ok(())
    };
    write("receipt.pem", &receipts.pem()).map_err(failure)?;
    for (index, receipt) in changes(&receipts.config).map_err(unreadable)? {
        write(&format!("receipt-key-{index}.tlog-proof"), &receipt).map_err(failure)?;
    }
    Ok(())
}

fn changes(config: &Config) -> Result<Vec<(u64, String)>, JournalFault> {
    let reader = Reader::open(&config.journal.place)?;
    let mut changes = Vec::new();
    for (index, ..) in reader.receipt_key_leaves()? {
        changes.extend(reader.key_receipt(index, None)?.map(|receipt| (index, receipt)));
    }
    Ok(changes)
}
