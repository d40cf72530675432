//! `shuguan verify log`: a journal, an exported log, or volumes that follow each other.
//!
//! Takes where they are and the receipts and checkpoints that they must contain; says what holds, what is counted in it and what is not proved. Refuses what cannot be
//! read; what does not hold ends with code 6 and names the first entry that is not proven.

use std::path::{Path, PathBuf};

use serde_json::json;
use shuguan_ledger::audit::LogReport;
use shuguan_ledger::exported::CHECKPOINT;
use shuguan_ledger::time;
use shuguan_ledger::trust::{Quorum, Trust};

use super::super::config;
use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use super::folder::FolderFault;
use super::journal::{Beyond, Expected, ReadLog};
use super::{
    At, RECEIPT_BYTES_MAX, bounded, exit, folder, headline, journal, not_proven, prove, verdict, volumes, witnesses,
    witnesses_json,
};
use crate::chain::Chain;
use crate::hex::hex;

/// One log, or volumes that follow each other.
pub(super) fn run(
    journals: &[PathBuf],
    trust: &Trust,
    asked: (&Kept<'_>, i64),
    output: &Output,
) -> Result<Exit, Failure> {
    match journals {
        [journal] => journal_or_folder(journal, trust, asked, output),
        folders => volumes::run(folders, trust, asked, output),
    }
}

/// One log, with the receipts that it must contain, and how far back the entries may reach that no witness signed, microseconds.
fn journal_or_folder(
    journal: &Path,
    trust: &Trust,
    (kept, within_us): (&Kept<'_>, i64),
    output: &Output,
) -> Result<Exit, Failure> {
    let place = || format!("cannot read `{}`", journal.display());
    if journal.is_dir() {
        return exported(journal, trust, (kept, within_us), output);
    }
    if !journal.is_file() {
        return Err(Failure::local(place()).because("there is no such file"));
    }
    let expected = match expected(kept, trust)? {
        Ok(expected) => expected,
        Err((file, why)) => return Ok(not_proven(output, &why, At::file(file))),
    };
    match journal::compare_log(&config::journal_at(journal)?, trust, &expected, output) {
        Ok(mut report) => {
            if let Some(beyond) = expected.beyond(&report) {
                return behind(journal, &report, beyond, output);
            }
            report.quorum = report.witnessed_within(within_us);
            show_log(&report, trust, kept.receipts.len(), None, output);
            Ok(exit(report.quorum))
        }
        Err(ReadLog::Fault(fault)) => Ok(not_proven(
            output,
            &Chain(&fault).to_string(),
            At::entry(journal, fault.index()),
        )),
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
    (kept, within_us): (&Kept<'_>, i64),
    output: &Output,
) -> Result<Exit, Failure> {
    let expected = match expected(kept, trust)? {
        Ok(expected) => expected,
        Err((file, why)) => return Ok(not_proven(output, &why, At::file(file))),
    };
    match folder::read(folder, trust, &expected, output) {
        Ok(mut report) => {
            if let Some(beyond) = expected.beyond(&report.log) {
                return behind(folder, &report.log, beyond, output);
            }
            report.log.quorum = report.log.witnessed_within(within_us);
            show_log(
                &report.log,
                trust,
                kept.receipts.len(),
                Some((report.tiles, report.bundles)),
                output,
            );
            Ok(exit(report.log.quorum))
        }
        Err(fault) => folder_fault(fault, folder, output),
    }
}

/// What is said when what was kept signs more entries than the log has. Of another log's that is no verdict: also one that follows a closed volume has more.
fn behind(log: &Path, report: &LogReport, beyond: Beyond, output: &Output) -> Result<Exit, Failure> {
    match beyond {
        Beyond::Older(signed) => Ok(older_than_known(log, report.checkpoint.size, signed, output)),
        Beyond::Another(origin) => Err(
            Failure::new(Exit::Usage, "what was kept is of another log than the one given")
                .because(format!(
                    "the receipt is of `{origin}`, and this is `{}`",
                    report.checkpoint.origin
                ))
                .then(format!("give that log, `{origin}`"))
                .at(log.display().to_string()),
        ),
    }
}

/// What is said of a log that holds together and has fewer entries than somebody was shown: nothing in it tells an older copy from one whose end was cut off.
fn older_than_known(log: &Path, found: u64, signed: u64, output: &Output) -> Exit {
    let why = format!("the log has {found} entries, and what was kept of it signs {signed}: the end is missing");
    let exit = verdict(output, "older-than-known", &why, At::entry(log, found));
    output.note("next: verify a newer copy; if the newest there is ends before it too, its end was cut off, and the receipt or checkpoint proves it");
    exit
}

/// What is said of a folder that does not verify.
pub(super) fn folder_fault(fault: FolderFault, folder: &Path, output: &Output) -> Result<Exit, Failure> {
    match fault {
        FolderFault::Absent { path, .. } if path == CHECKPOINT => {
            Err(Failure::local(format!("cannot read `{}`", folder.display()))
                .because("there is no `checkpoint` in it, so it is no exported log")
                .then("shuguan log export --journal JOURNAL -o DIR     writes one"))
        }
        fault @ FolderFault::Unreadable { .. } => {
            Err(Failure::local(format!("cannot read `{}`", folder.display())).because(Chain(&fault)))
        }
        fault => {
            let kind = match fault {
                FolderFault::Absent { .. } => "incomplete",
                _ => "disproven",
            };
            let file = named(&fault).map_or_else(|| folder.to_owned(), |path| folder.join(path));
            let (file, index) = (file.as_path(), fault.index());
            Ok(verdict(output, kind, &Chain(&fault).to_string(), At { file, index }))
        }
    }
}

/// The file of a folder that is at fault.
fn named(fault: &FolderFault) -> Option<&str> {
    match fault {
        FolderFault::Unreadable { path, .. }
        | FolderFault::Absent { path, .. }
        | FolderFault::Form { path, .. }
        | FolderFault::Differs { path, .. } => Some(path),
        FolderFault::Log(_) => None,
    }
}

/// What somebody kept of the log, and what it must therefore contain.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept<'a> {
    pub(super) receipts: &'a [PathBuf],
    /// Signed checkpoints, such as a witness or a partner has.
    pub(super) checkpoints: &'a [PathBuf],
}

/// What the log must contain; the inner error: which file says nothing, because it is itself not valid.
fn expected<'k>(kept: &Kept<'k>, trust: &Trust) -> Result<Result<Expected, (&'k Path, String)>, Failure> {
    let mut expected = Expected::default();
    for path in kept.checkpoints {
        let opened = bounded(path, RECEIPT_BYTES_MAX, "checkpoint")?.and_then(|note| {
            let checkpoint = trust.open(&note).map_err(|error| Chain(&error).to_string())?;
            Ok((checkpoint, note))
        });
        match opened {
            Ok((checkpoint, note)) => expected.add_checkpoint(&checkpoint, note),
            Err(why) => return Ok(Err((path, itself("checkpoint", path, &why)))),
        }
    }
    for path in kept.receipts {
        match prove(path, trust)? {
            Ok((proven, receipt)) => expected.add(&proven, receipt.checkpoint),
            Err(why) => return Ok(Err((path, itself("receipt", path, &why)))),
        }
    }
    Ok(Ok(expected))
}

fn itself(kind: &str, path: &Path, why: &str) -> String {
    format!(
        "the {kind} to compare with, `{}`, is itself not valid: {why}",
        path.display()
    )
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

/// How many entries the witnesses saw, when that is enough and not all.
pub(super) fn in_part(report: &LogReport) -> Option<u64> {
    let seen = report.witnessed.as_ref().map(|(size, _)| *size)?;
    (report.quorum == Quorum::Met && seen < report.checkpoint.size).then_some(seen)
}

/// Entries of logs before this one that are lost: a later leaf stands at the index of each, and what stood there is not proved. An index counts once, also where a
/// successor lost its own end with what stood for lost ones there.
pub(super) fn lost(report: &LogReport) -> u64 {
    let mut gaps: Vec<(u64, u64)> = report.succeeded.iter().map(|one| (one.kept, one.size)).collect();
    gaps.sort_unstable();
    let (mut lost, mut known) = (0_u64, 0);
    for (kept, size) in gaps {
        lost = lost.saturating_add(size.saturating_sub(kept.max(known)));
        known = known.max(size);
    }
    lost
}

/// The verdict: that of the signatures, and no log is proven whole of which entries are lost.
pub(super) fn verdict_of(report: &LogReport) -> &'static str {
    match report.verdict() {
        "proven" if lost(report) > 0 => "proven-in-part",
        verdict => verdict,
    }
}

/// The first line: what is not proved of it comes before what is.
fn first_line(report: &LogReport, sentence: &str) -> String {
    let lost = match lost(report) {
        0 => String::new(),
        1 => ", and 1 entry was lost at a recovery".into(),
        lost => format!(", and {lost} entries were lost at a recovery"),
    };
    match in_part(report) {
        Some(seen) => format!(
            "有效  valid up to entry {}, and behind it the log speaks alone{lost}: {sentence}",
            seen.saturating_sub(1)
        ),
        None if report.quorum != Quorum::Missing && !lost.is_empty() => {
            format!("有效  valid in what is there{lost}: {sentence}")
        }
        None => headline(report.quorum, sentence),
    }
}

/// What is said of the entries: those that stand for lost ones are none of which anything was kept.
fn holds(report: &LogReport) -> String {
    let size = report.checkpoint.size;
    let which = match report.hashed {
        0 => format!("{size} entries"),
        hashed => format!("the entries {hashed} to {} of the tree", size.saturating_sub(1)),
    };
    let others = match lost(report) {
        0 => ", none".into(),
        lost => format!("; {lost} entries of the logs before it are lost, and of the others none was"),
    };
    format!(
        "the log `{}` holds {which}{others} changed, dropped, inserted or reordered since they were signed",
        report.checkpoint.origin
    )
}

/// What holds, and what is not proved.
pub(super) fn show_log(report: &LogReport, trust: &Trust, receipts: usize, files: Option<(u64, u64)>, output: &Output) {
    let (origin, size) = (&report.checkpoint.origin, report.checkpoint.size);
    let sentence = format!("{}; {}", holds(report), log_seen_by(report, trust));
    let document = json!({
        "verdict": verdict_of(report), "sentence": sentence, "lost": lost(report), "witnessed": report.witnessed.as_ref().map(|(size, _)| size),
        "unwitnessed": report.unwitnessed(), "unwitnessed_since": report.unwitnessed_since.map(time::format),
        "witnesses": report.witnessed.as_ref().map(|(_, by)| witnesses_json(by)), "origin": origin, "size": size,
        "checkpoints": report.checkpoints, "kinds": report.kinds, "partners": report.partners, "waiting": report.waiting, "receipts": receipts,
        "tiles": files.map(|files| files.0), "bundles": files.map(|files| files.1),
        "unwitnessed_ends": report.unwitnessed_ends.iter().map(|(log, size)| json!({ "log": log, "size": size })).collect::<Vec<_>>(),
        "programs": report.programs.iter().map(|program| json!({
            "version": program.version, "sha256": program.bin.map(|bin| hex(&bin.0)), "from": program.from,
        })).collect::<Vec<_>>(),
        "hashed": report.hashed, "closed_for": report.closed.as_ref().map(|closed| &closed.next),
        "succeeded": report.succeeded.iter().map(|one| json!({ "log": one.of, "size": one.size, "kept": one.kept, "why": one.why })).collect::<Vec<_>>(),
        "keys": report.keys.iter().map(|span| json!({ "vkey": span.key().vkey(), "from": span.from(), "until": span.until() })).collect::<Vec<_>>(),
        "from": report.span.map(|(from, _)| time::format(from)), "to": report.span.map(|(_, to)| time::format(to)),
    });
    if output.document("shuguan.verdict.v1", &document) {
        return;
    }
    let hashed = report.hashed;
    output.line(first_line(report, &sentence));
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
    show_programs(report, output);
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
            match (report.unwitnessed(), report.unwitnessed_since) {
                (Some(count), Some(since)) =>
                    format!(": of the {count} since {} the log says so alone", time::format(since)),
                _ => String::new(),
            }
        )),
        None => output.line("      not proved: that no other log was shown to somebody else (that takes a witness)"),
    }
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

/// Which programs sealed it, as they say themselves: to be compared with what was to be installed.
fn show_programs(report: &LogReport, output: &Output) {
    for program in &report.programs {
        let (version, from) = (&program.version, program.from);
        let file = program.bin.map_or_else(
            || "which did not state the SHA-256 of its file".into(),
            |bin| format!("SHA-256 {}", hex(&bin.0)),
        );
        output.line(format!("      from entry {from} on by version {version}, {file}"));
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
