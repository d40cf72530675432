//! Volumes as evidence: folders that `shuguan log export --volume` wrote, each proved alone, and that they follow each other.
//!
//! Takes the folders, oldest first; gives each verdict, and the chain: the last leaf of a volume names the next with its key, whose first leaf names it, its
//! size and its root. Refuses folders of one volume, of volumes in another order, and where one between them is missing.

use std::path::{Path, PathBuf};

use serde_json::json;
use shuguan_ledger::audit::LogReport;
use shuguan_ledger::leaf::Digest;
use shuguan_ledger::trust::{Quorum, Trust};

use super::journal::Expected;
use super::log::{Kept, folder_fault, in_part, lost, show_log, verdict_of};
use super::{At, exit, folder, not_proven};
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;

/// Runs the command.
pub(super) fn run(
    folders: &[PathBuf],
    trust: &Trust,
    (kept, within_us): (&Kept<'_>, i64),
    output: &Output,
) -> Result<Exit, Failure> {
    if !kept.receipts.is_empty() || !kept.checkpoints.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "receipts and checkpoints are compared with one log at a time",
        )
        .then("shuguan verify log DIR --receipt FILE"));
    }
    let (mut reports, mut files) = (Vec::new(), Vec::new());
    for path in folders {
        let mut report = match folder::read(path, trust, &Expected::default(), output) {
            Ok(report) => report,
            Err(fault) => {
                output.note(format!("`{}`:", path.display()));
                return folder_fault(fault, path, output);
            }
        };
        report.log.quorum = report.log.witnessed_within(within_us);
        files.push((report.tiles, report.bundles));
        reports.push((path.as_path(), report.log));
    }
    for pair in reports.windows(2) {
        let [(before, old), (after, new)] = pair else { continue };
        if let Err(why) = follows(old, new) {
            let why = format!("`{}` and `{}`: {why}", before.display(), after.display());
            return Ok(not_proven(output, &why, At::entry(after, old.checkpoint.size)));
        }
    }
    // What each is by itself is of use once they are known to follow each other; said before, it would read as the verdict.
    if output.is_told() {
        for ((_, report), files) in reports.iter().zip(files) {
            show_log(report, trust, 0, Some(files), output);
        }
    }
    Ok(show(&reports, output))
}

/// Whether one volume is what the other says of the one before it.
fn follows(old: &LogReport, new: &LogReport) -> Result<(), String> {
    let origin = &new.checkpoint.origin;
    let closed = old
        .closed
        .as_ref()
        .ok_or_else(|| format!("`{}` is not closed", old.checkpoint.origin))?;
    if closed.next != *origin {
        return Err(format!(
            "`{}` is succeeded by `{}`, not by `{origin}`",
            closed.log, closed.next
        ));
    }
    let opened = new.succeeded.last().filter(|opened| opened.log == *origin);
    let opened = opened.ok_or_else(|| format!("`{origin}` does not say what it succeeds"))?;
    let last = &old.checkpoint;
    if (&opened.of, opened.size, opened.root) != (&last.origin, last.size, Digest(last.root)) {
        return Err(format!(
            "`{origin}` succeeds another end of `{}` than this",
            last.origin
        ));
    }
    Ok(())
}

fn show(reports: &[(&Path, LogReport)], output: &Output) -> Exit {
    let missing = reports.iter().any(|(_, report)| report.quorum == Quorum::Missing);
    let quorum = if missing { Quorum::Missing } else { Quorum::Met };
    let volumes = reports.iter().map(|(path, report)| {
        json!({
            "folder": path.display().to_string(), "origin": report.checkpoint.origin, "size": report.checkpoint.size,
            "hashed": report.hashed, "verdict": verdict_of(report), "lost": lost(report),
        })
    });
    // The worst of them is that of all.
    let of = |verdict: &&str| reports.iter().any(|(_, report)| verdict_of(report) == *verdict);
    let verdict = ["quorum-missing", "proven-in-part"].into_iter().find(of);
    let verdict = verdict.unwrap_or("proven");
    let document = json!({ "verdict": verdict, "volumes": volumes.collect::<Vec<_>>() });
    if output.document("shuguan.verdict.v1", &document) {
        return exit(quorum);
    }
    let names: Vec<String> = reports
        .iter()
        .map(|(_, report)| format!("`{}`", report.checkpoint.origin))
        .collect();
    let alone: u64 = reports
        .iter()
        .filter_map(|(_, report)| in_part(report))
        .count()
        .try_into()
        .unwrap_or(u64::MAX);
    let valid = match alone {
        0 => "有效  valid",
        _ => "有效  valid up to where witnesses saw each",
    };
    // The newest names every loss before it.
    let losses = match reports.iter().map(|(_, report)| lost(report)).max() {
        None | Some(0) => String::new(),
        Some(lost) => format!(", and {lost} entries were lost at a recovery"),
    };
    output.line(format!(
        "{}{losses}: {} follow each other; each names the next with its key, and the next its end",
        if missing {
            "无效  not proven: the log says so alone"
        } else {
            valid
        },
        names.join(", ")
    ));
    exit(quorum)
}
