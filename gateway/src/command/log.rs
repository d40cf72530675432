//! `shuguan log export | prove | volumes | turn | clock`: the log or a volume of it as static files, for auditors and whoever mirrors it; a proof that it only grew; its
//! volumes; the next one; the clock that it goes by.
//!
//! `export` and `volumes` take the journal's file; they read only, with or without a running gateway, and refuse to continue a folder that holds another log.
//! `prove`, `turn` and `clock` ask the running gateway, with a partner's or officer's certificate, and the latter two with the operator's.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::config;
use super::exit::{Exit, Failure};
use super::output::{Columns, Output};
use super::sure::Sure;
use crate::chain::Chain;
use crate::client::{Client, ClientSettings, Listener};
use crate::journal::{ExportError, Exported, Extent, Reader, Resting, Volume, export};

mod clock;
mod prove;

/// The log: as files, its volumes, its clock, proofs that it only grew.
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
  shuguan log export --journal demo/journal/journal.db -o 2026 --volume gw1.lyg.example/log

The journal is opened read-only; the gateway may go on running. The folder ends where the witnesses' signatures do, so that it can be proved by itself;
run again, it goes on.

EXIT CODES
  0 written · 1 a file cannot be read or written, the journal is damaged, or has no such volume · 6 the folder holds another log")]
    Export {
        /// The journal's SQLite file, a copy of it with its -wal file, or the configuration (`*.toml`) of a gateway that has it on PostgreSQL.
        #[arg(long)]
        journal: PathBuf,
        /// The folder; made when it is not there.
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Only this volume, by its name, under its last checkpoint: its entries, and of those before it the hashes.
        #[arg(long, value_name = "NAME")]
        volume: Option<String>,
        /// Up to the newest entry, although no quorum of witnesses has signed it yet.
        #[arg(long)]
        newest: bool,
    },
    /// Fetch the proof that the log of now is that of an earlier checkpoint with entries added; `verify consistency` judges it, offline.
    ///
    /// It asks the gateway for its newest checkpoint and a few hash tiles. Keep the newest one: it is the earlier one of the next time.
    #[command(after_help = "EXAMPLES
  shuguan log prove june.checkpoint -o june-to-now.proof -c client.toml
  shuguan log prove feed.csv.0199a3c4-….tlog-proof -o now.proof -c client.toml     since a receipt of our own
  shuguan verify consistency june.checkpoint --proof june-to-now.proof --trust trust.txt

The file is what a C2SP witness is asked: `old SIZE`, the hashes, an empty line, the newest checkpoint.

EXIT CODES
  0 written · 1 a file cannot be read or written · 3 refused · 4 not reached
  6 the log shows fewer entries than the earlier checkpoint has, or its tiles prove nothing")]
    Prove {
        /// The earlier checkpoint, or a receipt, which has one in it.
        old: PathBuf,
        /// The proof.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// The kit's client.toml.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
        config: PathBuf,
    },
    /// The volumes of the log: name, first entry, entries under its last checkpoint.
    #[command(after_help = "EXAMPLES
  shuguan log volumes --journal demo/journal/journal.db

EXIT CODES
  0 shown · 1 the file cannot be read")]
    Volumes {
        /// The journal's SQLite file, a copy of it with its -wal file, or the configuration (`*.toml`) of a gateway that has it on PostgreSQL.
        #[arg(long)]
        journal: PathBuf,
    },
    /// End the volume that is written and open the next one, on the running gateway. Without --open: the name that is proposed, and nothing is done.
    ///
    /// One leaf closes the old volume and names the next with its key, the next begins with a leaf that names the old one; the tree goes on, and every receipt stays
    /// valid. With --prepare first, so that witnesses and partners know the new key before it signs.
    #[command(after_help = "EXAMPLES
  shuguan log turn -c officers/operator-li.toml
  shuguan log turn --open gw1.lyg.example/log/2027 --prepare -c officers/operator-li.toml     the key, for the witnesses' [[log]]
  shuguan log turn --open gw1.lyg.example/log/2027 --yes -c officers/operator-li.toml
  shuguan key publish -c shuguan.toml                                                          on the host: the trust file knows both

EXIT CODES
  0 done · 2 without --yes · 3 refused: a log had that name, it is not this log's with a year, or only operators
  4 not reached, a witness does not answer, or no leaf could be sealed")]
    Turn {
        /// Name of the next volume: the log's own and a year, as it is proposed.
        #[arg(long, value_name = "NAME")]
        open: Option<String>,
        /// Only make its key and show it.
        #[arg(long, requires = "open")]
        prepare: bool,
        #[command(flatten)]
        sure: Sure,
        /// The operator's client.toml.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
        config: PathBuf,
    },
    /// How the machine's clock stands against the time that the log goes on by; with --confirm, that a step which is held is the time.
    ///
    /// A step of more than 2 s is not followed until the clock is put right, a witness agrees with it, it has stood for `journal.clock_settle_minutes`, or an operator
    /// confirms it. Look at another clock first: what was sealed by a wrong one stays in the log.
    #[command(after_help = "EXAMPLES
  shuguan log clock -c officers/operator-li.toml
  shuguan log clock --confirm --yes -c officers/operator-li.toml

EXIT CODES
  0 shown or confirmed · 2 --confirm without --yes · 3 refused: no step is held, or only operators · 4 not reached, or no leaf could be sealed")]
    Clock {
        /// The machine's clock is right.
        #[arg(long)]
        confirm: bool,
        #[command(flatten)]
        sure: Sure,
        /// The operator's client.toml.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
        config: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read or written, or the folder holds another log.
pub fn run(args: LogArgs, output: &Output) -> Result<Exit, Failure> {
    match args.action {
        LogAction::Export {
            journal,
            output: folder,
            volume,
            newest,
        } => {
            let volume = volume.as_deref();
            let exported = write(&journal, &folder, Extent { volume, newest }, output)?;
            show(&exported, &folder, output);
        }
        LogAction::Prove {
            old,
            output: file,
            config,
        } => prove::run(&old, &file, &config, output)?,
        LogAction::Volumes { journal } => volumes(&journal, output)?,
        LogAction::Clock { confirm, sure, config } => {
            if confirm {
                sure.of(|| {
                    "the machine's clock would be the time of the log: no later entry can bear an earlier one"
                        .to_owned()
                })?;
            }
            clock::run(confirm, &config, output)?;
        }
        LogAction::Turn {
            open,
            prepare,
            sure,
            config,
        } => turn(open.as_deref(), prepare, sure, &config, output)?,
    }
    Ok(Exit::Done)
}

/// Reads the journal's file; what it gives is of no use when another program opened a file at rest meanwhile.
fn reading<T>(journal: &Path, read: impl FnOnce(&Reader) -> Result<T, Failure>) -> Result<T, Failure> {
    let unreadable = || Failure::local(format!("cannot read `{}`", journal.display()));
    if !journal.is_file() {
        return Err(unreadable().because("there is no such file"));
    }
    let resting = Resting::open(&config::journal_at(journal)?).map_err(|fault| unreadable().because(Chain(&fault)))?;
    let found = read(&resting.reader)?;
    if !resting.is_undisturbed() {
        return Err(unreadable()
            .because("another program opened it meanwhile")
            .then("run the command again, with a new folder"));
    }
    Ok(found)
}

fn write(journal: &Path, folder: &Path, extent: Extent<'_>, output: &Output) -> Result<Exported, Failure> {
    reading(journal, |reader| {
        let bar = bar(output);
        let exported = export(reader, folder, extent, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        exported.map_err(|error| failed(&error, folder))
    })
}

fn volumes(journal: &Path, output: &Output) -> Result<(), Failure> {
    let volumes = reading(journal, |reader| {
        reader
            .volumes()
            .map_err(|fault| Failure::local("the log cannot be read").because(Chain(&fault)))
    })?;
    let state = |volume: &Volume| match (volume.size, volume.is_whole) {
        (None, _) => "is written",
        (Some(_), true) => "closed",
        (Some(_), false) => "its end is lost",
    };
    if output.is_json() {
        let volumes = volumes.iter().map(|volume| {
            json!({ "volume": volume.origin, "from": volume.from, "size": volume.size, "state": state(volume) })
        });
        output.json("shuguan.volumes.v1", &json!({ "volumes": volumes.collect::<Vec<_>>() }));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = volumes
        .iter()
        .map(|volume| {
            let size = volume.size.map_or_else(String::new, |size| size.to_string());
            vec![
                volume.origin.clone(),
                volume.from.to_string(),
                size,
                state(volume).to_owned(),
            ]
        })
        .collect();
    let header = ["VOLUME", "FROM", "SIZE", "STATE"];
    output.table(&Columns::of(&header).with_numbers(&["FROM", "SIZE"]), &rows);
    Ok(())
}

/// Asks the gateway; shows its volumes, and what comes next.
fn turn(open: Option<&str>, prepare: bool, sure: Sure, config: &Path, output: &Output) -> Result<(), Failure> {
    let client = Client::open(&ClientSettings::load(config)?, Listener::Console)?;
    let path = "/console/api/log";
    let document = super::runtime()?
        .block_on(async {
            match open {
                Some(name) if prepare || sure.is_said() => {
                    client
                        .post_json(path, &json!({ "open": name, "prepare": prepare }))
                        .await
                }
                _ => client.get_json(path).await,
            }
        })
        .map_err(|error| error.failure(path))?;
    if let (Some(name), false) = (open, prepare) {
        sure.of(|| would(name, &document))?;
    }
    if output.is_json() {
        output.json("shuguan.log-volumes.v1", &document);
        return Ok(());
    }
    let listed = document.get("volumes").and_then(Value::as_array);
    let rows = listed.into_iter().flatten();
    let rows: Vec<Vec<String>> = rows
        .map(|one| {
            ["origin", "from", "size", "since"]
                .map(|member| text(one, member))
                .to_vec()
        })
        .collect();
    output.rows(&["VOLUME", "FROM", "SIZE", "SINCE"], &rows);
    match (open, document.get("leaf").and_then(Value::as_u64)) {
        (None, _) => {
            let (due, name) = (text(&document, "due"), text(&document, "proposal"));
            let is_over = document.get("year_is_over").and_then(Value::as_bool) == Some(true);
            output.note(if is_over {
                format!("next: shuguan log turn --open {name} --yes")
            } else {
                format!("nothing is due before {due}; then: shuguan log turn --open {name} --yes")
            });
        }
        (Some(name), None) => {
            output.note(format!("key of `{name}`: {}", text(&document, "vkey")));
            output.note(
                "next: witnesses take it as a [[log]] of their witness.toml; then the same command with --yes instead of --prepare",
            );
        }
        (Some(name), Some(leaf)) => {
            output.note(format!(
                "`{name}` begins with leaf {leaf}; its key: {}",
                text(&document, "vkey")
            ));
            output.note("next: shuguan key publish on the gateway's host, and trust/ to partners and witnesses");
        }
    }
    Ok(())
}

/// What a turn closes, and what an operator may not have meant.
fn would(name: &str, document: &Value) -> String {
    let volumes = document.get("volumes").and_then(Value::as_array);
    let written = volumes
        .and_then(|volumes| volumes.last())
        .map(|last| text(last, "origin"))
        .unwrap_or_default();
    let mut told = format!("`{written}` would be closed for ever, and every later entry stand in `{name}`");
    if document.get("year_is_over").and_then(Value::as_bool) == Some(false) {
        told = format!("{told}; its year is not over before {}", text(document, "due"));
    }
    let proposal = text(document, "proposal");
    if proposal != name {
        told = format!("{told}; the name that is proposed is `{proposal}`");
    }
    told
}

fn text(value: &Value, member: &str) -> String {
    match value.get(member) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn failed(error: &ExportError, folder: &Path) -> Failure {
    let what = format!("cannot export the log to `{}`", folder.display());
    let (exit, next) = match error {
        ExportError::OtherLog(_) => (
            Exit::NotProven,
            "name another folder, and find out which of the two logs is the true one",
        ),
        ExportError::NoVolume(_) | ExportError::NotWhole(_) => (Exit::Local, "shuguan log volumes --journal JOURNAL"),
        ExportError::Journal(_) => (
            Exit::Local,
            "shuguan verify log JOURNAL --trust trust.txt     says what is wrong with the journal",
        ),
    };
    Failure::new(exit, what).because(Chain(error)).then(next)
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
    let document = json!({
        "folder": folder.display().to_string(), "origin": origin, "size": size, "before": exported.before,
        "files_written": exported.written, "files_kept": exported.kept, "from": exported.from, "behind": exported.behind,
    });
    if output.document("shuguan.log-export.v1", &document) {
        return;
    }
    output.line(format!("the log `{origin}`, {size} entries, in `{}`", folder.display()));
    output.line(format!(
        "{} files written, {} were there",
        exported.written, exported.kept
    ));
    if exported.behind > 0 {
        output.line(format!(
            "{} newer entries are not in it: no quorum of witnesses has signed them (--newest writes them as well)",
            exported.behind
        ));
    }
    if exported.from > 0 {
        output.line(format!("entries before {} by their hashes alone", exported.from));
    }
    output.note(format!(
        "next: shuguan verify log {} --trust trust.txt",
        folder.display()
    ));
}
