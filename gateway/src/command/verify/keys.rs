//! `shuguan verify keys`: that the log itself changed its key, or ended a volume for another, as a chain of receipts from a key that is trusted.
//!
//! Takes the receipts of `key` and `log-close` leaves and a trust file; each is proved under what is trusted so far, witnesses included, and then believed: gives the
//! trust file that knows the new keys and where old ones ended. Refuses a receipt that does not verify, is about something else, or contradicts the trust file.

use std::path::{Path, PathBuf};

use serde_json::json;
use shuguan_ledger::keys::{NEW, RECEIPT_SUITE};
use shuguan_ledger::leaf::{Event, KeyEvent, LogCloseEvent};
use shuguan_ledger::note::VerifyingKey;
use shuguan_ledger::receipt::Proven;
use shuguan_ledger::trust::{Quorum, Trust};

use super::{At, not_proven, parsed, verdict};
use crate::chain::Chain;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;

/// What is no change.
const OTHER: &str = "it proves another entry than one about the log's key or the end of a volume";

/// What a change says, in words.
pub(super) fn sentence(event: &KeyEvent) -> String {
    if event.suite == RECEIPT_SUITE {
        return receipt_sentence(event);
    }
    let short = |vkey: &str| VerifyingKey::parse(vkey).map_or_else(|_| "no key".to_owned(), |key| key.id());
    let (key, of, from) = (short(&event.key), short(&event.of), event.from);
    if event.act == NEW {
        return format!("the log's key `{key}` signs it from {from} entries on, beside `{of}`");
    }
    let why = because(event);
    format!("the log's key `{key}` signs nothing from {from} entries on, because {why}; `{of}` does")
}

/// What a change of the key that signs answers says, in words.
fn receipt_sentence(event: &KeyEvent) -> String {
    let key = &event.key;
    if event.act == NEW {
        return format!("the receipt key `{key}` signs the gateway's answers about the entries after this one");
    }
    let why = because(event);
    format!(
        "the receipt key `{key}` signs no answer any more, because {why}; `{}` does",
        event.of
    )
}

fn because(event: &KeyEvent) -> &'static str {
    if event.why == "stolen" {
        "it may be stolen"
    } else {
        "its time is over"
    }
}

/// What the end of a volume says, in words.
pub(super) fn closing(event: &LogCloseEvent) -> String {
    let key = VerifyingKey::parse(&event.key).map_or_else(|_| "no key".to_owned(), |key| key.id());
    format!(
        "the volume `{}` ends here; `{}` succeeds it, with the key `{key}`",
        event.log, event.next
    )
}

/// Runs the command.
pub(super) fn run(files: &[PathBuf], mut trust: Trust, new: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let mut receipts = Vec::new();
    for file in files {
        match parsed(file)? {
            Ok(receipt) => receipts.push((file, receipt)),
            Err(why) => {
                return Ok(not_proven(
                    output,
                    &format!("`{}`: {why}", file.display()),
                    At::file(file),
                ));
            }
        }
    }
    receipts.sort_by_key(|(_, receipt)| receipt.index);
    let mut said = Vec::new();
    for (file, receipt) in receipts {
        let refuse = |why: &str| {
            Ok(not_proven(
                output,
                &format!("`{}`: {why}", file.display()),
                At::file(file),
            ))
        };
        let Proven {
            leaf,
            index,
            checkpoint,
            witnessed,
            ..
        } = match receipt.verify(&trust) {
            Ok(proven) => proven,
            Err(error) => return refuse(&Chain(&error).to_string()),
        };
        if !says_who_signs_the_log(&leaf.event) {
            return refuse(OTHER);
        }
        if witnessed.quorum == Quorum::Missing {
            // Whoever stole the old key could name a new one; what a witness signed he could not.
            let why = format!(
                "`{}`: the witnesses that the trust file asks for (`{}`) have not signed its checkpoint",
                file.display(),
                trust.quorum().unwrap_or("none")
            );
            return Ok(verdict(output, "quorum-missing", &why, At::entry(file, index)));
        }
        let (extended, words) = match &leaf.event {
            Event::Key(event) => (trust.extended(&checkpoint.origin, index, event), sentence(event)),
            Event::LogClose(event) => (trust.succeeded(&checkpoint.origin, index, event), closing(event)),
            _ => return refuse(OTHER),
        };
        trust = match extended {
            Ok(extended) => extended,
            Err(fault) => return refuse(&fault.to_string()),
        };
        said.push(words);
    }
    show(&said, &trust, output);
    if let Some(new) = new {
        output.file(new, trust.text().as_bytes())?;
    }
    Ok(Exit::Done)
}

/// A `key` leaf about the key of answers changes nothing of that.
fn says_who_signs_the_log(event: &Event) -> bool {
    match event {
        Event::Key(event) => event.suite != RECEIPT_SUITE,
        other => matches!(other, Event::LogClose(_)),
    }
}

fn show(said: &[String], trust: &Trust, output: &Output) {
    let document = json!({ "verdict": "proven", "sentences": said, "trust": trust.text() });
    if output.document("shuguan.verdict.v1", &document) {
        return;
    }
    output.line(format!("有效  valid: {}", said.join("; ")));
    if trust.quorum().is_none() {
        output.line("      not proved: that nobody who stole the old key says so (that takes a witness; compare the key by telephone)");
    }
}
