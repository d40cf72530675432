//! `shuguan verify receipt | record | policy | log | consistency | keys`: proofs checked offline, with public keys alone.
//!
//! Takes a receipt, a journal or an exported log, and a trust file; says 有效 or 无效 first and then, in one sentence, what is proved or what is not, and
//! whether an independent witness saw it. Uses no network, no clock, no key that signs. What does not verify ends with code 6 and names the
//! first leaf that is not proven; so does what the log alone signed when the trust file asks for witnesses (`quorum-missing`).

use std::path::{Path, PathBuf};

use serde_json::json;
use shuguan_ledger::audit::LogReport;
use shuguan_ledger::exported::CHECKPOINT;
use shuguan_ledger::leaf::Event;
use shuguan_ledger::receipt::{Proven, Receipt};
use shuguan_ledger::time;
use shuguan_ledger::trust::{Quorum, Trust, Witnessed};

use super::config;
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::client::deliver::load_trust;
use crate::signature::digest;

pub(super) mod consistency;
mod folder;
mod journal;
mod keys;
mod opening;
mod policy;
mod record;
mod volumes;

use folder::FolderFault;
use journal::Expected;
pub use journal::{ReadLog, read_log};

/// Longest receipt that is read, bytes: a leaf, 64 hashes and a note, each of the greatest length.
const RECEIPT_BYTES_MAX: u64 = 128 * 1024;

/// A gateway asks its witnesses every few seconds; after a day nobody has looked whether they sign.
const UNWITNESSED_H: u32 = 24;
const HOUR_US: i64 = 3_600_000_000;

/// Verify a receipt or a whole log offline.
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
  shuguan verify receipt feed.tlog-proof --trust trust.txt --opening opening.json --feed feed.csv
  shuguan verify receipt feed.tlog-proof --trust trust.txt --opening opening.json --feed feed.csv --disclose sex,birth_date --package show.json
  shuguan verify receipt feed.tlog-proof --trust trust.txt --opening show.json

With an opening, each column is proved, withheld, or holds other values than were sealed (code 6); witnesses are asked for as without one.

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
    /// A policy bundle: it is the one under which an exchange was decided.
    #[command(after_help = "EXAMPLES
  shuguan verify policy policies --receipt feed.csv.0199a3c4-….tlog-proof --trust trust.txt

EXIT CODES
  0 有效, proven · 1 a file cannot be read · 2 the entry names no bundle · 6 无效, another bundle, one that was offered and refused, or not signed by the witnesses that the trust file asks for")]
    Policy(policy::PolicyArgs),
    /// A whole log: every leaf, their order, every signed root over them, and what the journal stores beside them; or every file of an exported log.
    ///
    /// Leaves cut off the end together with their checkpoints leave no trace in the journal itself: give receipts that are newer.
    #[command(after_help = "EXAMPLES
  shuguan verify log demo/journal/journal.db --trust demo/trust/trust.txt
  shuguan verify log exported-log --trust demo/trust/trust.txt
  shuguan verify log copy.db --trust trust.txt --receipt feed.csv.0199a3c4-….tlog-proof
  shuguan verify log exported-log --trust trust.txt --unwitnessed-h 0                       witnesses must have signed all of it
  shuguan verify log 2026 2027 2028 --trust trust.txt       volumes, each alone, and that they follow each other

A volume's folder holds its own entries, and of those before it the hashes: they are under the same root, and what they say is not proved by it.

The journal is opened read-only; the gateway may go on running.

EXIT CODES
  0 有效, proven · 1 a file cannot be read · 6 无效, not proven: the first leaf concerned is named; or not signed, or too long ago, by the witnesses that the trust file asks for")]
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
        } => receipt(&file, &believed(&trust)?, (manifest.as_deref(), &columns), output),
        What::Record(args) => record::run(&args, &believed(&args.trust)?, output),
        What::Policy(args) => policy::run(&args, &believed(&args.trust)?, output),
        What::Log {
            journal,
            trust,
            receipt,
            unwitnessed_h,
        } => {
            let within_us = i64::from(unwitnessed_h) * HOUR_US;
            logs(&journal, &believed(&trust)?, (&receipt, within_us), output)
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

/// The text of a receipt, bounded.
pub(super) fn read_receipt(file: &Path) -> Result<String, Failure> {
    read_bounded(file, RECEIPT_BYTES_MAX, "receipt")
}

/// The text of a file that has no more bytes than the longest of its kind.
fn read_bounded(file: &Path, bytes_max: u64, kind: &str) -> Result<String, Failure> {
    let unreadable = |error| Failure::local(format!("cannot read `{}`", file.display())).because(error);
    let bytes = std::fs::metadata(file).map_err(unreadable)?.len();
    if bytes > bytes_max {
        return Err(Failure::local(format!("`{}` is no {kind}", file.display()))
            .because(format!("{bytes} bytes are more than the longest {kind} has")));
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    // It is ASCII but for the dashes of signatures; a replacement character makes it fail to verify, as any other change does.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn receipt(
    file: &Path,
    trust: &Trust,
    (manifest, columns): (Option<&Path>, &opening::OpeningArgs),
    output: &Output,
) -> Result<Exit, Failure> {
    let text = read_receipt(file)?;
    match Receipt::parse(&text).and_then(|receipt| receipt.verify(trust)) {
        Ok(proven) if columns.asked() => opening::run(columns, &proven, trust, output),
        Ok(proven) => {
            if let Some(manifest) = manifest
                && !is_sealed_manifest(&proven, manifest)?
            {
                let why = "the manifest is not the one that was sealed with this exchange";
                return Ok(not_proven(output, why, None));
            }
            show_receipt(&proven, trust, output);
            Ok(exit(proven.witnessed.quorum))
        }
        Err(error) => Ok(not_proven(output, &chain(&error), None)),
    }
}

/// Whether a file is, byte for byte, the manifest that the leaf of an extract states.
fn is_sealed_manifest(proven: &Proven, file: &Path) -> Result<bool, Failure> {
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::local(format!("cannot read `{}`", file.display())).because(error))?;
    let stated = match &proven.leaf.event {
        Event::Pull(event) => event.man,
        _ => None,
    };
    Ok(stated.is_some_and(|stated| stated.0 == digest::sha256(&bytes)))
}

fn sentence(proven: &Proven) -> String {
    let (origin, index) = (&proven.checkpoint.origin, proven.index);
    match &proven.leaf.event {
        Event::Push(event) => format!(
            "the log `{origin}` holds as entry {index} that `{}` delivered {} records of `{}` for `{}` and {} were accepted",
            event.p, event.r#in, event.rec, event.pur, event.ok
        ),
        Event::Pull(event) => format!(
            "the log `{origin}` holds as entry {index} that {} rows of `{}` were prepared for `{}`, for `{}`",
            event.rows, event.ds, event.p, event.pur
        ),
        Event::Compare(event) => format!(
            "the log `{origin}` holds as entry {index} that `{}` had {} rows of claims compared with `{}` for `{}`",
            event.p, event.rows, event.ds, event.pur
        ),
        Event::Recall(event) => format!(
            "the log `{origin}` holds as entry {index} that `{}` withdrew its exchange {} of `{}`: {}",
            event.p, event.push, event.rec, event.why
        ),
        Event::Ticket(event) => format!(
            "the log `{origin}` holds as entry {index} that `{}` was asked to check `{}` of row {} of its exchange {}",
            event.p, event.fld, event.row, event.push
        ),
        Event::TicketAnswer(event) => format!(
            "the log `{origin}` holds as entry {index} that `{}` answered the ticket {}: {}",
            event.p, event.x, event.say
        ),
        Event::Refusal(event) => format!(
            "the log `{origin}` holds as entry {index} that `{}` was refused: {}",
            event.p, event.code
        ),
        Event::Aborted(event) => format!(
            "the log `{origin}` holds as entry {index} that `{}` began to deliver `{}` and was gone before the end: nothing was accepted",
            event.p, event.rec
        ),
        Event::SetAside(event) => format!(
            "the log `{origin}` holds as entry {index} that the batch {} was set aside on its way to the registry: {}",
            event.x, event.code
        ),
        Event::LogClose(event) => format!("the log `{origin}` holds as entry {index}: {}", keys::closing(event)),
        Event::LogOpen(event) if event.is_turn() => format!(
            "the log `{origin}` holds as entry {index} that it succeeds the volume `{}`, which was closed at {} entries; none is lost",
            event.of, event.size
        ),
        Event::LogOpen(event) => format!(
            "the log `{origin}` holds as entry {index} that it succeeds `{}`, which was closed at {} entries, and that {} of those are lost",
            event.of,
            event.size,
            event.size.saturating_sub(event.kept)
        ),
        Event::Key(event) => format!("the log `{origin}` holds as entry {index}: {}", keys::sentence(event)),
        other => format!(
            "the log `{origin}` holds this `{}` entry as number {index}",
            other.kind()
        ),
    }
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

/// Each witness with the time of its own clock.
fn witnesses(witnessed: &Witnessed) -> String {
    let one = |(name, time_s): (&str, u64)| {
        let moment = i64::try_from(time_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        format!("`{name}` at {}", time::format(moment))
    };
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

fn show_receipt(proven: &Proven, trust: &Trust, output: &Output) {
    let (event, witnessed) = (&proven.leaf.event, &proven.witnessed);
    let sentence = format!("{}; {}", sentence(proven), seen_by(witnessed, trust));
    let (size, at) = (proven.checkpoint.size, time::format(proven.leaf.when()));
    if output.is_json() {
        let document = json!({
            "verdict": witnessed.verdict(), "sentence": sentence, "witnesses": witnesses_json(witnessed), "index": proven.index, "kind": event.kind(), "exchange": event.exchange(),
            "partner": event.partner(), "at": at, "origin": proven.checkpoint.origin, "size": size,
        });
        output.json("shuguan.verdict.v1", &document);
        return;
    }
    output.line(headline(witnessed.quorum, &sentence));
    output.line(format!("      sealed at {at}"));
    if let Some(exchange) = event.exchange() {
        output.line(format!("      exchange {exchange}"));
    }
    output.line(format!("      under the signed checkpoint of {size} entries"));
    match witnessed.quorum {
        Quorum::Met => {}
        Quorum::NotAsked => output.line(
            "      not proved: that no other checkpoint of this size was shown to somebody else (that takes a witness)",
        ),
        Quorum::Missing => output.line(format!(
            "      next: fetch the newer receipt, which the witnesses have signed: shuguan receipt {} -o FILE",
            event.exchange().unwrap_or("EXCHANGE")
        )),
    }
}

/// The verdict that something is not so.
fn not_proven(output: &Output, why: &str, index: Option<u64>) -> Exit {
    verdict(output, "disproven", why, index)
}

/// A verdict other than `proven`: `disproven`, `incomplete`.
fn verdict(output: &Output, verdict: &str, why: &str, index: Option<u64>) -> Exit {
    if output.is_json() {
        output.json(
            "shuguan.verdict.v1",
            &json!({ "verdict": verdict, "why": why, "index": index }),
        );
        return Exit::NotProven;
    }
    output.line(match index {
        Some(index) => format!("无效  not valid: entry {index} and what follows are not proven: {why}"),
        None => format!("无效  not valid: {why}"),
    });
    Exit::NotProven
}

/// One log, or volumes that follow each other.
fn logs(journals: &[PathBuf], trust: &Trust, asked: (&[PathBuf], i64), output: &Output) -> Result<Exit, Failure> {
    match journals {
        [journal] => log(journal, trust, asked, output),
        folders => volumes::run(folders, trust, asked, output),
    }
}

/// One log, with the receipts that it must contain, and how far back the entries may reach that no witness signed, microseconds.
fn log(
    journal: &Path,
    trust: &Trust,
    (receipts, within_us): (&[PathBuf], i64),
    output: &Output,
) -> Result<Exit, Failure> {
    let place = || format!("cannot read `{}`", journal.display());
    if journal.is_dir() {
        return exported(journal, trust, (receipts, within_us), output);
    }
    if !journal.is_file() {
        return Err(Failure::local(place()).because("there is no such file"));
    }
    match journal::compare_log(
        &config::journal_at(journal)?,
        trust,
        &expected(receipts, trust)?,
        output,
    ) {
        Ok(mut report) => {
            report.quorum = report.witnessed_within(within_us);
            show_log(&report, trust, receipts.len(), None, output);
            Ok(exit(report.quorum))
        }
        Err(ReadLog::Fault(fault)) => Ok(not_proven(output, &chain(&fault), Some(fault.index()))),
        Err(ReadLog::Unreadable(error)) => Err(Failure::local(place())
            .because(error)
            .then("name the journal's SQLite file, or a copy of it with its -wal file")),
        Err(ReadLog::Disturbed) => Err(Failure::local(place())
            .because("another program opened it meanwhile")
            .then("run the command again")),
    }
}

fn exported(
    folder: &Path,
    trust: &Trust,
    (receipts, within_us): (&[PathBuf], i64),
    output: &Output,
) -> Result<Exit, Failure> {
    match folder::read(folder, trust, &expected(receipts, trust)?, output) {
        Ok(mut report) => {
            report.log.quorum = report.log.witnessed_within(within_us);
            show_log(
                &report.log,
                trust,
                receipts.len(),
                Some((report.tiles, report.bundles)),
                output,
            );
            Ok(exit(report.log.quorum))
        }
        Err(fault) => folder_fault(fault, folder, output),
    }
}

/// What is said of a folder that does not verify.
fn folder_fault(fault: FolderFault, folder: &Path, output: &Output) -> Result<Exit, Failure> {
    match fault {
        FolderFault::Absent { path, .. } if path == CHECKPOINT => {
            Err(Failure::local(format!("cannot read `{}`", folder.display()))
                .because("there is no `checkpoint` in it, so it is no exported log")
                .then("shuguan log export --journal JOURNAL -o DIR     writes one"))
        }
        fault @ FolderFault::Unreadable { .. } => {
            Err(Failure::local(format!("cannot read `{}`", folder.display())).because(chain(&fault)))
        }
        fault @ FolderFault::Absent { .. } => Ok(verdict(output, "incomplete", &chain(&fault), fault.index())),
        fault => Ok(not_proven(output, &chain(&fault), fault.index())),
    }
}

fn expected(receipts: &[PathBuf], trust: &Trust) -> Result<Expected, Failure> {
    let mut expected = Expected::default();
    for path in receipts {
        let text = read_receipt(path)?;
        let proven = Receipt::parse(&text).and_then(|receipt| Ok((receipt.verify(trust)?, receipt.checkpoint)));
        let (proven, checkpoint) = proven.map_err(|error| {
            Failure::new(Exit::NotProven, "a receipt to compare with is itself not valid")
                .at(path.display().to_string())
                .because(chain(&error))
        })?;
        expected.add(&proven, checkpoint);
    }
    Ok(expected)
}

/// The witnesses' part of the sentence about a log.
fn log_seen_by(report: &LogReport, trust: &Trust) -> String {
    match (&report.witnessed, report.quorum) {
        (Some((size, by)), Quorum::Missing) => format!(
            "independent witnesses saw its first {size} entries and none for too long after: {}; the trust file asks for `{}`",
            witnesses(by),
            trust.quorum().unwrap_or("none")
        ),
        (Some((size, by)), _) => format!("independent witnesses saw its first {size} entries: {}", witnesses(by)),
        (None, Quorum::NotAsked) => "the trust file asks for no witness".into(),
        (None, Quorum::Met | Quorum::Missing) => format!(
            "no independent witness signed any checkpoint of it, and the trust file asks for `{}`",
            trust.quorum().unwrap_or("none")
        ),
    }
}

fn show_log(report: &LogReport, trust: &Trust, receipts: usize, files: Option<(u64, u64)>, output: &Output) {
    let (origin, size) = (&report.checkpoint.origin, report.checkpoint.size);
    if output.is_json() {
        let document = json!({
            "verdict": report.verdict(), "witnessed": report.witnessed.as_ref().map(|(size, _)| size),
            "unwitnessed": unwitnessed(report), "unwitnessed_since": report.unwitnessed_since.map(time::format),
            "witnesses": report.witnessed.as_ref().map(|(_, by)| witnesses_json(by)), "origin": origin, "size": size,
            "checkpoints": report.checkpoints, "kinds": report.kinds, "partners": report.partners, "waiting": report.waiting, "receipts": receipts,
            "tiles": files.map(|files| files.0), "bundles": files.map(|files| files.1),
            "unwitnessed_ends": report.unwitnessed_ends.iter().map(|(log, size)| json!({ "log": log, "size": size })).collect::<Vec<_>>(),
            "hashed": report.hashed, "closed_for": report.closed.as_ref().map(|closed| &closed.next),
            "succeeded": report.succeeded.iter().map(|one| json!({ "log": one.of, "size": one.size, "kept": one.kept, "why": one.why })).collect::<Vec<_>>(),
            "keys": report.keys.iter().map(|span| json!({ "vkey": span.key().vkey(), "from": span.from(), "until": span.until() })).collect::<Vec<_>>(),
            "from": report.span.map(|(from, _)| time::format(from)), "to": report.span.map(|(_, to)| time::format(to)),
        });
        output.json("shuguan.verdict.v1", &document);
        return;
    }
    let hashed = report.hashed;
    let which = if hashed == 0 {
        format!("{size} entries")
    } else {
        format!("the entries {hashed} to {} of the tree", size.saturating_sub(1))
    };
    let sentence = format!(
        "the log `{origin}` holds {which}, none changed, dropped, inserted or reordered since they were signed; {}",
        log_seen_by(report, trust)
    );
    output.line(headline(report.quorum, &sentence));
    if let Some((from, to)) = report.span {
        output.line(format!("      from {} to {}", time::format(from), time::format(to)));
    }
    for (kind, count) in &report.kinds {
        output.line(format!("      {count:>8}  {kind}"));
    }
    for (partner, last) in &report.partners {
        output.line(format!(
            "      {last:>8}  exchanges of `{partner}`, numbered without a gap"
        ));
    }
    output.line(format!("      {} signed checkpoints agree with it", report.checkpoints));
    show_keys(report, output);
    show_succeeded(report, output);
    if let Some((tiles, bundles)) = files {
        output.line(format!(
            "      {tiles} hash tiles and {bundles} entry bundles are those of the entries"
        ));
    }
    if hashed > 0 {
        output.line(format!(
            "      the {hashed} entries before are under the same root by their hashes alone; not proved: what they say (that takes the folders of their volumes)"
        ));
    }
    if let Some(closed) = &report.closed {
        output.line(format!("      it is closed: `{}` succeeds it", closed.next));
    }
    if report.waiting > 0 {
        output.line(format!("      {} pushes wait for the relay", report.waiting));
    }
    if report.recalling > 0 {
        output.line(format!("      {} recalls wait for the relay", report.recalling));
    }
    if receipts > 0 {
        output.line(format!("      {receipts} receipts are contained in it"));
    } else {
        output
            .line("      not proved: that no newer entries were cut off its end (give a newer receipt with --receipt)");
    }
    for (log, size) in &report.unwitnessed_ends {
        output.line(format!(
            "      not proved: that no other history of `{log}` was shown before its end at {size} entries (no quorum signed that checkpoint as given here)"
        ));
    }
    match &report.witnessed {
        Some((seen, _)) if *seen == size => {}
        Some((seen, _)) => output.line(format!(
            "      not proved: that no other log was shown to somebody else after these first {seen} entries{}",
            match (unwitnessed(report), report.unwitnessed_since) {
                (Some(count), Some(since)) =>
                    format!(": of the {count} since {} the log says so alone", time::format(since)),
                _ => String::new(),
            }
        )),
        None => output.line("      not proved: that no other log was shown to somebody else (that takes a witness)"),
    }
}

/// How many entries no quorum signed, when one is asked for.
fn unwitnessed(report: &LogReport) -> Option<u64> {
    let seen = report.witnessed.as_ref().map_or(0, |(size, _)| *size);
    (report.quorum != Quorum::NotAsked).then(|| report.checkpoint.size.saturating_sub(seen))
}

/// What was lost of the logs before this one, in words.
fn show_succeeded(report: &LogReport, output: &Output) {
    for one in &report.succeeded {
        let (of, size, kept) = (&one.of, one.size, one.kept);
        if one.is_turn() {
            output.line(format!(
                "      `{}` follows `{of}`, closed at {size} entries; nothing is lost between the two",
                one.log
            ));
            continue;
        }
        output.line(format!(
            "      it succeeds `{of}`, closed at {size} entries, whose first {kept} it begins with"
        ));
        output.line(format!(
            "      not proved: what the entries {kept} to {} of `{of}` were; they are lost ({}), and a receipt is all that shows one",
            size.saturating_sub(1),
            one.why
        ));
    }
}

/// Which key signed from where to where, when there is more than one.
fn show_keys(report: &LogReport, output: &Output) {
    if report.keys.len() < 2 {
        return;
    }
    for span in &report.keys {
        let (id, from) = (span.key().id(), span.from());
        output.line(match span.until() {
            Some(until) => format!(
                "      the key {id} signs every checkpoint from {from} entries to {}",
                until - 1
            ),
            None => format!("      the key {id} signs every checkpoint from {from} entries on"),
        });
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests;
