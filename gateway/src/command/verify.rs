//! `shuguan verify receipt | log`: offline, with public keys only; no server, no gateway key.
//!
//! Says first 有效 or 无效 and then, in a sentence, what is proved. A journal is opened read-only.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use shuguan_ledger::audit::{LogFault, LogReport, LogVerifier};
use shuguan_ledger::leaf::Event;
use shuguan_ledger::receipt::{Proven, Receipt};
use shuguan_ledger::time;
use shuguan_ledger::trust::Trust;

use super::exit::{Exit, Failure};
use super::output::Output;
use super::push::load_trust;

/// Verify a receipt or a whole log offline.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan verify receipt feed.csv.0199a3c4-….tlog-proof --trust trust.txt
  shuguan verify log demo/journal/journal.db --trust demo/trust/trust.txt

EXIT CODES
  0 proven · 1 a file cannot be read · 6 not proven")]
pub struct VerifyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// A receipt: this leaf stands in the log under a signed checkpoint.
    Receipt {
        /// The tlog-proof file.
        file: PathBuf,
        /// Trust file with the log's public key.
        #[arg(long)]
        trust: PathBuf,
    },
    /// A whole log: every leaf, their order, and the signed root over them.
    Log {
        /// The journal, or a copy of it.
        journal: PathBuf,
        /// Trust file with the log's public key.
        #[arg(long)]
        trust: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: VerifyArgs, output: &Output) -> Result<Exit, Failure> {
    match args.what {
        What::Receipt { file, trust } => receipt(&file, &load_trust(&trust)?, output),
        What::Log { journal, trust } => log(&journal, &load_trust(&trust)?, output),
    }
}

fn receipt(file: &Path, trust: &Trust, output: &Output) -> Result<Exit, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::local(format!("cannot read `{}`", file.display())).because(error))?;
    let verdict = Receipt::parse(&text).and_then(|receipt| receipt.verify(trust));
    match verdict {
        Ok(proven) => {
            show_receipt(&proven, output);
            Ok(Exit::Done)
        }
        Err(error) => Ok(not_proven(output, &error.to_string(), None)),
    }
}

fn show_receipt(proven: &Proven, output: &Output) {
    let event = &proven.leaf.event;
    let sentence = match event {
        Event::Push(event) => format!(
            "the log `{}` holds as entry {} that `{}` delivered {} records of `{}` for `{}` and {} were accepted",
            proven.checkpoint.origin, proven.index, event.p, event.r#in, event.rec, event.pur, event.ok
        ),
        Event::Pull(event) => format!(
            "the log `{}` holds as entry {} that `{}` was given {} rows of `{}` for `{}`",
            proven.checkpoint.origin, proven.index, event.p, event.rows, event.ds, event.pur
        ),
        other => format!(
            "the log `{}` holds this `{}` entry as number {}",
            proven.checkpoint.origin,
            other.kind(),
            proven.index
        ),
    };
    if output.is_json() {
        let document = json!({
            "verdict": "proven", "sentence": sentence, "index": proven.index, "kind": event.kind(),
            "exchange": event.exchange(), "at": time::format(proven.leaf.t),
            "origin": proven.checkpoint.origin, "size": proven.checkpoint.size,
        });
        output.json("shuguan.verdict.v1", &document);
        return;
    }
    output.line(format!("有效  valid: {sentence}"));
    output.line(format!("      sealed at {}", time::format(proven.leaf.t)));
    if let Some(exchange) = event.exchange() {
        output.line(format!("      exchange {exchange}"));
    }
    output.line(format!(
        "      under the signed checkpoint of {} entries",
        proven.checkpoint.size
    ));
    output.line(
        "      not proved: that no other checkpoint of this size was shown to somebody else (that takes a witness)",
    );
}

/// The verdict that something is not proven.
fn not_proven(output: &Output, why: &str, index: Option<u64>) -> Exit {
    if output.is_json() {
        output.json(
            "shuguan.verdict.v1",
            &json!({ "verdict": "disproven", "why": why, "index": index }),
        );
    } else {
        output.line(format!("无效  not valid: {why}"));
    }
    Exit::NotProven
}

fn log(journal: &Path, trust: &Trust, output: &Output) -> Result<Exit, Failure> {
    match read_log(journal, trust, output) {
        Ok(report) => {
            show_log(&report, output);
            Ok(Exit::Done)
        }
        Err(ReadLog::Unreadable(error)) => Err(Failure::local(format!("cannot read `{}`", journal.display()))
            .because(error)
            .then("name the journal's SQLite file, or a copy of it with its -wal file")),
        Err(ReadLog::Fault(fault)) => {
            let index = match fault {
                LogFault::Leaf { index, .. } => Some(index),
                _ => None,
            };
            Ok(not_proven(output, &fault.to_string(), index))
        }
    }
}

/// Why a log was not read to its end.
#[derive(Debug)]
pub enum ReadLog {
    /// The file.
    Unreadable(rusqlite::Error),
    /// The log.
    Fault(LogFault),
}

impl From<rusqlite::Error> for ReadLog {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<LogFault> for ReadLog {
    fn from(fault: LogFault) -> Self {
        Self::Fault(fault)
    }
}

/// Verifies every leaf of a journal against its newest checkpoint.
///
/// # Errors
/// See [`ReadLog`].
pub fn read_log(journal: &Path, trust: &Trust, output: &Output) -> Result<LogReport, ReadLog> {
    let connection = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // One snapshot, so that a log that is being written can be verified.
    connection.execute_batch("BEGIN")?;
    let newest = "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1";
    let note: String = connection.query_row(newest, [], |row| row.get(0))?;
    let mut verifier = LogVerifier::new(&note, trust)?;
    let bar = ProgressBar::with_draw_target(Some(verifier.signed_size()), ProgressDrawTarget::hidden());
    if output.shows_progress() {
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    }
    let mut statement = connection.prepare("SELECT idx, bytes FROM leaf ORDER BY idx")?;
    let mut rows = statement.query([])?;
    let mut expected = 0;
    while let Some(row) = rows.next()? {
        let index = row.get::<_, i64>(0)?.cast_unsigned();
        if index != expected {
            let what = format!("leaf {expected} is missing");
            return Err(LogFault::Leaf { index: expected, what }.into());
        }
        verifier.leaf(row.get_ref(1)?.as_blob().unwrap_or_default())?;
        expected += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(verifier.finish()?)
}

fn show_log(report: &LogReport, output: &Output) {
    let size = report.checkpoint.size;
    if output.is_json() {
        let document = json!({
            "verdict": "proven", "origin": report.checkpoint.origin, "size": size, "kinds": report.kinds,
            "waiting": report.waiting, "unsigned": report.unsigned,
            "from": report.span.map(|(from, _)| time::format(from)), "to": report.span.map(|(_, to)| time::format(to)),
        });
        output.json("shuguan.verdict.v1", &document);
        return;
    }
    output.line(format!(
        "有效  valid: the log `{}` holds {size} entries, none changed, dropped, inserted or reordered since it was signed",
        report.checkpoint.origin
    ));
    for (kind, count) in &report.kinds {
        output.line(format!("      {count:>8}  {kind}"));
    }
    if report.waiting > 0 {
        output.line(format!("      {} pushes wait for the relay", report.waiting));
    }
    output.line("      not proved: that no other log was shown to somebody else (that takes a witness)");
}
