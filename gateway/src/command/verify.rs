//! `shuguan verify receipt | record | policy | log | consistency | keys`: proofs checked offline, with public keys alone.
//!
//! Takes a receipt, a journal or an exported log, and a trust file; says 有效 or 无效 first and then, in one sentence, what is proved or what is not, and
//! whether an independent witness saw it. Uses no network, no clock, no key that signs. What does not verify ends with code 6 and names the
//! first leaf that is not proven; so does what the log alone signed when the trust file asks for witnesses (`quorum-missing`).

use std::path::{Path, PathBuf};

use serde_json::json;
use shuguan_ledger::receipt::{Proven, Receipt};
use shuguan_ledger::time;
use shuguan_ledger::trust::{Quorum, Trust, Witnessed};

use super::exit::{Exit, Failure};
use super::output::Output;
use crate::chain::Chain;
use crate::client::deliver::load_trust;

pub(super) mod consistency;
mod folder;
mod journal;
mod keys;
mod log;
mod once;
mod opening;
mod policy;
mod receipt;
mod record;
mod sentence;
mod volumes;

pub(super) use journal::is_of_another;
pub use journal::{ReadLog, read_log};

/// Longest receipt that is read, bytes: a leaf, 64 hashes and a note, each of the greatest length.
const RECEIPT_BYTES_MAX: u64 = 128 * 1024;

/// A gateway asks its witnesses every few seconds; after a day nobody has looked whether they sign.
const UNWITNESSED_H: u32 = 24;
const HOUR_US: i64 = 3_600_000_000;

/// Verify receipts, records, bundles, keys or a whole log, offline.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// A receipt: this leaf stands in the log under a signed checkpoint, which the witnesses of the trust file have seen.
    ///
    /// The receipt that a push was answered with is older than any witness's signature; `shuguan receipt EXCHANGE` fetches the newer one.
    #[command(after_help = "EXAMPLES
  shuguan verify receipt feed.csv.0199a3c4-….tlog-proof --trust trust.txt
  shuguan verify receipt population.ndjson.tlog-proof --trust trust.txt --opening population.ndjson.opening.json --content population.ndjson
  shuguan verify receipt population.ndjson.tlog-proof --trust trust.txt --opening population.ndjson.opening.json --content kept.ndjson    columns were dropped
  shuguan verify receipt population.ndjson.tlog-proof --trust trust.txt --opening opening.json --content population.ndjson --disclose sex --package show.json
  shuguan verify receipt feed.tlog-proof --trust trust.txt --opening opening.json --feed feed.csv
  shuguan verify receipt feed.tlog-proof --trust trust.txt --opening opening.json --feed feed.csv --disclose sex,birth_date --package show.json
  shuguan verify receipt feed.tlog-proof --trust trust.txt --opening show.json

With an opening, each column is proved, withheld, or holds other values than were sealed (code 6); witnesses are asked for as without one.
An opening tells whoever has it whether a guess of any column is right: keep it as you keep the file, delete it with it, and hand on packages only.

TRUST FILE
  log <vkey>                     the log
  sizes <vkey> <from> <until>    that key signs from this size on and below that one (-: no end)
  witness <name> <vkey>          a witness, and what it is called below
  group <name> <k> <name> …      k of these (any, all)
  quorum <name>                  who must have signed; none: the log's own signature is enough

EXIT CODES
  0 有效, proven · 1 a file cannot be read · 6 无效, not proven, or not signed by the witnesses that the trust file asks for")]
    Receipt {
        /// The tlog-proof file.
        file: PathBuf,
        /// The manifest of an extract: is it the one that was sealed with it?
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
        /// Trust file with the log's public key.
        #[arg(long)]
        trust: PathBuf,
        #[command(flatten)]
        columns: opening::OpeningArgs,
    },
    /// An evidence record that two officers opened: it is the one that was sealed, and this is what the sender signed.
    #[command(after_help = "EXAMPLES
  shuguan audit unseal open 0199a3c4-… -o record.json -c officer.toml
  shuguan verify record record.json --receipt feed.csv.0199a3c4-….tlog-proof --trust trust.txt
  shuguan verify record record.json --receipt feed.tlog-proof --trust trust.txt --key partners/health-city/message.pem

It takes no key of the gateway: the secret behind the commitments is in the record.

EXIT CODES
  0 有效, proven · 1 a file cannot be read · 6 无效, another record, another key, or not signed by the witnesses that the trust file asks for")]
    Record(record::RecordArgs),
    /// A policy bundle: it is the one that an entry names, and these officers signed it.
    #[command(after_help = "EXAMPLES
  shuguan verify policy policies --receipt feed.csv.0199a3c4-….tlog-proof --trust trust.txt

Whose the signatures in its `bundle.sig` are the authorities (`ca`) of the trust file say.
That the bundle came into force a receipt of the `policy` entry shows.

EXIT CODES
  0 有效, proven · 1 a file cannot be read · 2 the entry names no bundle
  6 无效, another bundle, other files than were signed, one that was offered and refused, or not signed by the witnesses that the trust file asks for")]
    Policy(policy::PolicyArgs),
    /// A whole log: every leaf, their order, every signed root over them, and what the journal stores beside them; or every file of an exported log.
    ///
    /// Leaves cut off the end together with their checkpoints leave no trace in the journal itself: give receipts that are newer.
    #[command(after_help = "EXAMPLES
  shuguan verify log demo/journal/journal.db --trust demo/trust/trust.txt
  shuguan verify log exported-log --trust demo/trust/trust.txt
  shuguan verify log copy.db --trust trust.txt --receipt feed.csv.0199a3c4-….tlog-proof
  shuguan verify log copy.db --trust trust.txt --checkpoint june.checkpoint                 it continues what a witness or partner kept
  shuguan verify log exported-log --trust trust.txt --unwitnessed-h 0                       witnesses must have signed all of it
  shuguan verify log 2026 2027 2028 --trust trust.txt       volumes, each alone, and that they follow each other

A volume's folder holds its own entries, and of those before it the hashes: they are under the same root, and what they say is not proved by it.

Entries that the witnesses have not signed yet are the log's own word, whatever their times say: the first line tells up to where it is proved
(--format json: `proven-in-part`, `witnessed`, `unwitnessed`). So it does of entries that were lost at a recovery (`proven-in-part`, `lost`, `succeeded`).

The journal is opened read-only; the gateway may go on running.

EXIT CODES
  0 有效, proven · 1 a file cannot be read
  6 无效, not proven: the first leaf concerned is named; or not signed, or too long ago, by the witnesses that the trust file asks for")]
    Log {
        /// The journal's SQLite file, a copy of it with its -wal file, the configuration (`*.toml`) of a gateway that has it on PostgreSQL, or a folder that `shuguan log export` wrote; of volumes several, oldest first.
        #[arg(required = true)]
        journal: Vec<PathBuf>,
        /// Trust file with the log's first public key; for an exported log that changed it, with all of them.
        #[arg(long)]
        trust: PathBuf,
        /// A receipt whose leaf and checkpoint the log must contain; may be repeated.
        #[arg(long)]
        receipt: Vec<PathBuf>,
        /// A signed checkpoint that the log must continue, such as a witness or a partner has kept; may be repeated.
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        /// When the trust file asks for witnesses: the entries that they have not signed yet may reach back so many hours before the newest; 0: there may be none.
        #[arg(long, value_name = "HOURS", default_value_t = UNWITNESSED_H)]
        unwitnessed_h: u32,
    },
    /// Two checkpoints of a log, of earlier and of now: the later log is the earlier one with entries added; nothing was changed, dropped or reordered.
    ///
    /// Whoever keeps a checkpoint, or a receipt of his own, can ask this of any later one. It reads a few hashes only, however long the log is.
    #[command(after_help = "EXAMPLES
  shuguan verify consistency june.checkpoint --tiles exported-log --trust trust.txt          to the checkpoint of that folder
  shuguan verify consistency june.checkpoint july.checkpoint --tiles log --trust trust.txt
  shuguan verify consistency feed.csv.0199a3c4-….tlog-proof --tiles log --trust trust.txt    from the checkpoint of a receipt
  shuguan log prove june.checkpoint -o june-to-now.proof -c client.toml                      without tiles: ask the gateway, then
  shuguan verify consistency june.checkpoint --proof june-to-now.proof --trust trust.txt

A checkpoint is a C2SP signed note, as `/log/checkpoint` serves it; tiles are C2SP tlog-tiles; a proof is what a C2SP witness is asked: `old SIZE`, the
hashes, an empty line, the later checkpoint.

VERDICTS (--format json)
  proven             the later log continues the earlier one
  quorum-missing     so says the log alone; the trust file asks for witnesses on the later checkpoint
  disproven          two histories were signed, a signature is not good, or the proof leads elsewhere: `why` says which
  older-than-known   the later checkpoint has fewer entries
  incomplete         a tile is missing

EXIT CODES
  0 有效, proven · 1 a file cannot be read · 6 无效, not proven, or not signed by the witnesses that the trust file asks for")]
    Consistency(consistency::ConsistencyArgs),
    /// That the log changed its key, or ended a volume for another: receipts of that, each under a key that is trusted by then, give the trust file that knows the new one.
    #[command(after_help = "EXAMPLES
  shuguan verify keys key-*.tlog-proof --trust trust.txt -o trust.new && mv trust.new trust.txt
  shuguan verify keys volume-*.tlog-proof --trust trust.txt -o trust.new

The gateway's operator makes the receipts with `shuguan key publish` and sends them.

EXIT CODES
  0 有效, proven · 1 a file cannot be read · 6 无效, not proven, contradicts the trust file, or not signed by the witnesses that it asks for")]
    Keys {
        /// The tlog-proof files, in any order.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Trust file with a public key of the log, and with the witnesses that must have signed.
        #[arg(long)]
        trust: PathBuf,
        /// Write the trust file that knows the changes.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read or is not what it should be. What does not verify is no error but [`Exit::NotProven`].
pub fn run(args: VerifyArgs, output: &Output) -> Result<Exit, Failure> {
    match args.what {
        What::Receipt {
            file,
            trust,
            manifest,
            columns,
        } => receipt::run(&file, &believed(&trust)?, (manifest.as_deref(), &columns), output),
        What::Record(args) => record::run(&args, &believed(&args.trust)?, output),
        What::Policy(args) => policy::run(&args, &believed(&args.trust)?, output),
        What::Log {
            journal,
            trust,
            receipt,
            checkpoint,
            unwitnessed_h,
        } => {
            let within_us = i64::from(unwitnessed_h) * HOUR_US;
            let kept = log::Kept {
                receipts: &receipt,
                checkpoints: &checkpoint,
            };
            log::run(&journal, &believed(&trust)?, (&kept, within_us), output)
        }
        What::Consistency(args) => consistency::run(&args, &believed(&args.trust)?, output),
        What::Keys {
            files,
            trust,
            output: new,
        } => keys::run(&files, believed(&trust)?, new.as_deref(), output),
    }
}

fn believed(path: &Path) -> Result<Trust, Failure> {
    let trust = load_trust(path)?;
    if trust.logs().is_empty() {
        return Err(Failure::local("the trust file names no log")
            .at(path.display().to_string())
            .then("it needs a line `log <vkey>`, as in the trust.txt of the kit"));
    }
    Ok(trust)
}

/// The text of a receipt, bounded, for who has no verdict to give.
pub(super) fn read_receipt(file: &Path) -> Result<String, Failure> {
    bounded(file, RECEIPT_BYTES_MAX, "receipt")?.map_err(|why| Failure::local(format!("`{}`: {why}", file.display())))
}

/// The text of a file that has no more bytes than the longest of its kind; the inner error: it has more.
fn bounded(file: &Path, bytes_max: u64, kind: &str) -> Result<Result<String, String>, Failure> {
    let unreadable = |error| Failure::local(format!("cannot read `{}`", file.display())).because(error);
    let bytes = std::fs::metadata(file).map_err(unreadable)?.len();
    if bytes > bytes_max {
        return Ok(Err(format!(
            "it is no {kind}: {bytes} bytes are more than the longest {kind} has"
        )));
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    // It is ASCII but for the dashes of signatures; a replacement character makes it fail to verify, as any other change does.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if text.contains("\r\n") {
        return Ok(Err(
            "its line ends were changed to CRLF, as a mail program or an editor does, so its signatures do not hold: fetch it again, or change them back to LF"
                .into(),
        ));
    }
    Ok(Ok(text))
}

/// The receipt of a file; the inner error: why it is none.
fn parsed(file: &Path) -> Result<Result<Receipt, String>, Failure> {
    let text = match bounded(file, RECEIPT_BYTES_MAX, "receipt")? {
        Ok(text) => text,
        Err(why) => return Ok(Err(why)),
    };
    Ok(Receipt::parse(&text).map_err(|error| Chain(&error).to_string()))
}

/// A receipt and what it proves; the inner error: why it proves nothing.
pub(super) fn prove(file: &Path, trust: &Trust) -> Result<Result<(Proven, Receipt), String>, Failure> {
    let receipt = match parsed(file)? {
        Ok(receipt) => receipt,
        Err(why) => return Ok(Err(why)),
    };
    Ok(match receipt.verify(trust) {
        Ok(proven) => Ok((proven, receipt)),
        Err(error) => Err(Chain(&error).to_string()),
    })
}

/// What is only the log's word is not proven to who asks for witnesses.
fn exit(quorum: Quorum) -> Exit {
    match quorum {
        Quorum::NotAsked | Quorum::Met => Exit::Done,
        Quorum::Missing => Exit::NotProven,
    }
}

/// The witnesses' part of the sentence.
fn seen_by(witnessed: &Witnessed, trust: &Trust) -> String {
    let quorum = trust.quorum().unwrap_or("none");
    match witnessed.quorum {
        Quorum::NotAsked if witnessed.by.is_empty() => "the trust file asks for no witness".into(),
        Quorum::NotAsked | Quorum::Met => format!("an independent witness saw it: {}", witnesses(witnessed)),
        Quorum::Missing if witnessed.by.is_empty() => {
            format!("no independent witness has signed this checkpoint, and the trust file asks for `{quorum}`")
        }
        Quorum::Missing => format!(
            "only {} signed this checkpoint, and the trust file asks for `{quorum}`",
            witnessed.names()
        ),
    }
}

/// The last second of the year 9999, since 1970: what a date can say.
const LAST_S: u64 = 253_402_300_799;

/// Seconds since 1970, where a clock shows them.
pub(crate) fn clock_shows(time_s: u64) -> Option<i64> {
    let shown = (1..=LAST_S).contains(&time_s);
    i64::try_from(time_s).ok().filter(|_| shown)
}

/// When a witness says that it signed. What no clock shows is not told as a time.
fn witness_time(time_s: u64) -> String {
    match clock_shows(time_s) {
        Some(time_s) => format!("at {}", time::format(time_s * 1_000_000)),
        None => format!("(the time that it states, {time_s} s since 1970, is none that a clock shows)"),
    }
}

/// Each witness with the time of its own clock.
fn witnesses(witnessed: &Witnessed) -> String {
    let one = |(name, time_s): (&str, u64)| format!("`{name}` {}", witness_time(time_s));
    let all = witnessed.by.iter().map(|by| one((&by.name, by.time_s)));
    all.collect::<Vec<_>>().join(", ")
}

fn witnesses_json(witnessed: &Witnessed) -> serde_json::Value {
    let all = witnessed.by.iter();
    all.map(|by| json!({ "name": by.name, "time": by.time_s })).collect()
}

/// The first line: 有效 or 无效, and what is proved.
fn headline(quorum: Quorum, sentence: &str) -> String {
    match quorum {
        Quorum::NotAsked | Quorum::Met => format!("有效  valid: {sentence}"),
        Quorum::Missing => format!("无效  not proven: the log says so alone: {sentence}"),
    }
}

/// What a verdict is about.
#[derive(Clone, Copy, Debug)]
struct At<'f> {
    file: &'f Path,
    /// The first entry that is not proven, in a log.
    index: Option<u64>,
}

impl<'f> At<'f> {
    fn file(file: &'f Path) -> Self {
        Self { file, index: None }
    }

    fn entry(file: &'f Path, index: u64) -> Self {
        Self {
            file,
            index: Some(index),
        }
    }
}

/// The verdict that something is not so.
fn not_proven(output: &Output, why: &str, at: At<'_>) -> Exit {
    verdict(output, "disproven", why, at)
}

/// A verdict other than `proven`: `disproven`, `incomplete`, `older-than-known`.
fn verdict(output: &Output, verdict: &str, why: &str, at: At<'_>) -> Exit {
    let document = json!({ "verdict": verdict, "why": why, "index": at.index, "file": at.file.display().to_string() });
    if output.document("shuguan.verdict.v1", &document) {
        return Exit::NotProven;
    }
    output.line(match at.index {
        Some(index) => format!("无效  not valid: entry {index} and what follows are not proven: {why}"),
        None => format!("无效  not valid: {why}"),
    });
    Exit::NotProven
}

#[cfg(test)]
mod tests;
