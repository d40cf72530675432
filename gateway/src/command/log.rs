//! `shuguan log export`: the whole log as static files, for auditors and whoever mirrors it.
//!
//! Takes the journal's file and a folder; reads only, with or without a running gateway. Refuses to continue a folder that holds another log.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::config;
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::journal::{ExportError, Exported, Resting, export};
use crate::serve::chain;

/// The log as files.
#[derive(Debug, clap::Args)]
pub struct LogArgs {
    #[command(subcommand)]
    action: LogAction,
}

#[derive(Debug, clap::Subcommand)]
enum LogAction {
    /// Write the log into a folder: `checkpoint`, hash tiles and entry bundles (C2SP tlog-tiles). Run again, it goes on from there.
    ///
    /// The folder holds every entry: ids, codes and counts, no personal value. It is made for its owner alone.
    #[command(after_help = "EXAMPLES
  shuguan log export --journal demo/journal/journal.db -o log
  shuguan verify log log --trust demo/trust/trust.txt

The journal is opened read-only; the gateway may go on running.

EXIT CODES
  0 written · 1 a file cannot be read or written, or the journal is damaged · 6 the folder holds another log")]
    Export {
        /// The journal's SQLite file, or a copy of it with its -wal file.
        #[arg(long)]
        journal: PathBuf,
        /// The folder; made when it is not there.
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read or written, or the folder holds another log.
pub fn run(args: LogArgs, output: &Output) -> Result<Exit, Failure> {
    let LogAction::Export {
        journal,
        output: folder,
    } = args.action;
    let exported = write(&journal, &folder, output)?;
    show(&exported, &folder, output);
    Ok(Exit::Done)
}

fn write(journal: &Path, folder: &Path, output: &Output) -> Result<Exported, Failure> {
    let unreadable = || Failure::local(format!("cannot read `{}`", journal.display()));
    if !journal.is_file() {
        return Err(unreadable().because("there is no such file"));
    }
    let resting = Resting::open(&config::journal_at(journal)?).map_err(|fault| unreadable().because(chain(&fault)))?;
    let bar = bar(output);
    let exported = export(&resting.reader, folder, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let exported = exported.map_err(|error| failed(&error, folder))?;
    if !resting.is_undisturbed() {
        return Err(unreadable()
            .because("another program opened it meanwhile")
            .then("remove the folder and run the command again"));
    }
    Ok(exported)
}

fn failed(error: &ExportError, folder: &Path) -> Failure {
    let what = format!("cannot export the log to `{}`", folder.display());
    let (exit, next) = match error {
        ExportError::OtherLog(_) => (
            Exit::NotProven,
            "name another folder, and find out which of the two logs is the true one",
        ),
        ExportError::Journal(_) => (
            Exit::Local,
            "shuguan verify log JOURNAL --trust trust.txt     says what is wrong with the journal",
        ),
    };
    Failure::new(exit, what).because(chain(error)).then(next)
}

fn bar(output: &Output) -> ProgressBar {
    if !output.shows_progress() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} files {per_sec} {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(exported: &Exported, folder: &Path, output: &Output) {
    let (origin, size) = (&exported.checkpoint.origin, exported.checkpoint.size);
    if output.is_json() {
        let document = json!({
            "folder": folder.display().to_string(), "origin": origin, "size": size, "before": exported.before,
            "files_written": exported.written, "files_kept": exported.kept,
        });
        output.json("shuguan.log-export.v1", &document);
        return;
    }
    output.line(format!("the log `{origin}`, {size} entries, in `{}`", folder.display()));
    output.line(format!(
        "{} files written, {} were there",
        exported.written, exported.kept
    ));
    output.note(format!(
        "next: shuguan verify log {} --trust trust.txt",
        folder.display()
    ));
}
