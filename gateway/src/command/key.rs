//! `shuguan key list | rotate | retire | publish`: the keys that sign the log, and with `--receipt` those that sign answers (`receipt.rs`).
//!
//! Takes the gateway's configuration; reads its journal, writes orders beside the key files and, for verifiers, the trust file and a receipt of each
//! change. Refuses to begin a key while another waits or two sign, to end the only one, and to end one before the other has signed beside it for a day,
//! unless it is stolen. The running gateway carries an order out at SIGHUP, another at its next start; between any two steps the log goes on.

mod receipt;

use std::path::{Path, PathBuf};

use serde::Serialize;
use shuguan_ledger::keys::{KeySpan, LogKeys};
use shuguan_ledger::leaf::{KeyEvent, LogCloseEvent};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::time;
use shuguan_ledger::trust::{Quorum, Trust};

use super::cert::failure;
use super::config;
use super::exit::{Exit, Failure};
use super::output::{Columns, Output};
use super::sure::Sure;
use crate::chain::Chain;
use crate::client::deliver::load_trust;
use crate::clock::Clock;
use crate::config::Config;
use crate::journal::{JournalFault, Reader, log_keys_of};
use crate::pki::keyfile;
use crate::pki::log_keys::{self, LogKeyFiles, ROTATION, STOLEN};
use crate::serve::journal_settings;

pub(crate) use receipt::Receipts;

/// How long two keys sign side by side, so that witnesses and partners learn of the new one.
const OVERLAP_US: i64 = 86_400_000_000;

/// The keys that sign the log, and those that sign answers: list, rotate, retire, publish.
#[derive(Debug, clap::Args)]
#[command(after_help = "ROTATION
  shuguan key rotate       a new key; reload the gateway (SIGHUP): both keys sign from then on
  shuguan key publish      the new key for verifiers; send trust/ to partners and the vkey to the witnesses
  shuguan key retire       a day later; reload: the old key signs no more
  shuguan key publish      where the old key ends, for verifiers; then destroy its file, as `doctor` says

THE KEY OF SIGNED ANSWERS
  shuguan key rotate --receipt    a new key, which signs from the next start on
  shuguan key publish             trust/receipt.pem holds both: give it to the partners, then start the gateway anew
  shuguan key retire --receipt    7 days later, when no answer of the old key comes again; start anew, publish, destroy its file

A STOLEN KEY
  shuguan key rotate, reload, shuguan key retire --stolen --yes, reload, shuguan key publish; tell witnesses and partners by telephone at which size
  it ended: whoever has it can sign another history up to there, and only what a witness signed before tells the two apart")]
pub struct KeyArgs {
    #[command(subcommand)]
    action: KeyAction,
}

#[derive(Debug, clap::Subcommand)]
enum KeyAction {
    /// The keys of the log, each with the sizes of the checkpoints that it signs, and what is ordered.
    #[command(
        after_help = "EXAMPLES\n  shuguan key list -c demo/shuguan.toml\n\nEXIT CODES\n  0 shown · 1 journal or key files cannot be read"
    )]
    List {
        /// Those that sign answers.
        #[arg(long)]
        receipt: bool,
        #[command(flatten)]
        gateway: At,
    },
    /// Make a new key for the log. From the next reload or start on it signs each checkpoint beside the old one.
    #[command(
        after_help = "EXAMPLES\n  shuguan key rotate -c demo/shuguan.toml\n\nEXIT CODES\n  0 made, an order for the gateway · 1 a file cannot be read or written · 3 another key waits, or two sign already"
    )]
    Rotate {
        /// For answers instead: the gateway signs them with it from its next start on.
        #[arg(long)]
        receipt: bool,
        #[command(flatten)]
        gateway: At,
    },
    /// End an old key of the log. From the next reload or start on it signs no more.
    #[command(
        after_help = "EXAMPLES\n  shuguan key retire -c demo/shuguan.toml\n  shuguan key retire 88ab01d3 --stolen --yes -c demo/shuguan.toml\n\nEXIT CODES\n  0 an order for the gateway · 1 a file cannot be read or written · 2 --stolen or --now without --yes\n  3 it is the only key, is none that signs, or the overlap is too short"
    )]
    Retire {
        /// Its id, as `list` shows it; without one the oldest that signs.
        id: Option<String>,
        /// Somebody else may have it: at once, and the leaf says so.
        #[arg(long)]
        stolen: bool,
        /// Before the new key has signed beside it for a day: witnesses and partners that do not know the new key refuse the log then.
        #[arg(long)]
        now: bool,
        /// One that signs answers, at the next start; not before 7 days have passed since the next one began.
        #[arg(long)]
        receipt: bool,
        #[command(flatten)]
        sure: Sure,
        #[command(flatten)]
        gateway: At,
    },
    /// Write what verifiers need into trust/: the trust file with each key and its sizes, the newest vkey, the keys of signed answers, and a receipt of each
    /// change.
    #[command(
        after_help = "EXAMPLES\n  shuguan key publish -c demo/shuguan.toml\n  shuguan verify keys key-*.tlog-proof --trust trust.txt -o trust.new     at the partner\n\nEXIT CODES\n  0 written · 1 a file cannot be read or written · 6 the trust file contradicts the log"
    )]
    Publish {
        #[command(flatten)]
        gateway: At,
    },
}

/// Which gateway's.
#[derive(Debug, clap::Args)]
struct At {
    /// The gateway's configuration.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
    config: PathBuf,
}

/// What is there: the log's own word, and the files.
struct Known {
    config: Config,
    /// Name of the volume that is written.
    origin: String,
    reader: Reader,
    keys: LogKeys,
    /// Those of the volumes before.
    past: Vec<KeySpan>,
    files: LogKeyFiles,
}

/// How a key ends.
#[derive(Clone, Copy)]
struct How {
    stolen: bool,
    now: bool,
    sure: Sure,
}

impl How {
    /// Without the time in which both sign.
    fn is_at_once(self) -> bool {
        self.stolen || self.now
    }

    fn why(self) -> &'static str {
        if self.stolen { STOLEN } else { ROTATION }
    }

    /// What ends by plan is announced; what ends at once asks whether it is meant.
    fn asked(self, id: &str, follows: &str) -> Result<(), Failure> {
        if !self.is_at_once() {
            return Ok(());
        }
        let says = if self.stolen {
            ", and the log says that it is stolen"
        } else {
            ""
        };
        self.sure
            .of(|| format!("{id} would sign nothing more for ever{says}; {follows}"))
    }
}

/// One line of the list.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    vkey: String,
    from: u64,
    until: Option<u64>,
    state: &'static str,
    file: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// See the exit codes of each.
pub fn run(args: KeyArgs, output: &Output) -> Result<Exit, Failure> {
    match args.action {
        KeyAction::List { receipt: true, gateway } => receipt::list(&Receipts::read(&gateway.config)?, output),
        KeyAction::List { gateway, .. } => list(&Known::read(&gateway.config)?, output),
        KeyAction::Rotate { receipt: true, gateway } => receipt::rotate(&Receipts::read(&gateway.config)?, output)?,
        KeyAction::Rotate { gateway, .. } => rotate(&Known::read(&gateway.config)?, output)?,
        KeyAction::Retire {
            id,
            stolen,
            now,
            receipt,
            sure,
            gateway,
        } => {
            let how = How { stolen, now, sure };
            if receipt {
                receipt::retire(&Receipts::read(&gateway.config)?, id.as_deref(), how, output)?;
            } else {
                retire(&Known::read(&gateway.config)?, id.as_deref(), how, output)?;
            }
        }
        KeyAction::Publish { gateway } => {
            let folder = gateway.config.parent().unwrap_or(Path::new("")).join("trust");
            publish(&Known::read(&gateway.config)?, &folder, output)?;
            receipt::publish(&Receipts::read(&gateway.config)?, &folder, output)?;
        }
    }
    Ok(Exit::Done)
}

/// What verifiers are to learn of.
enum Change {
    Key(KeyEvent),
    Volume(LogCloseEvent),
}

impl Known {
    /// The changes of the keys of every volume that was closed by plan, and of the one that is written; and the ends of those.
    fn changes(&self) -> Result<Vec<(u64, Change)>, JournalFault> {
        let closed = self.reader.logs_closed()?;
        let mut changes = Vec::new();
        for origin in closed.iter().map(|(_, close)| &close.log).chain([&self.origin]) {
            let keys = self.reader.key_leaves(origin)?.into_iter();
            changes.extend(keys.map(|(index, event)| (index, Change::Key(event))));
        }
        changes.extend(closed.into_iter().map(|(index, event)| (index, Change::Volume(event))));
        changes.sort_by_key(|(index, _)| *index);
        Ok(changes)
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let config = config::load(path)?;
        let files = log_keys::read(&config.keys.log).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Failure::local("the key files cannot be used").because(lines.join("; "))
        })?;
        let unreadable = |cause: String| Failure::local("the log's keys cannot be told").because(cause);
        let settings = journal_settings(&config).map_err(|fault| unreadable(fault.to_string()))?;
        let keys = log_keys_of(&settings).map_err(|fault| unreadable(Chain(&fault).to_string()))?;
        let reader = Reader::open(&settings.place).map_err(|fault| unreadable(Chain(&fault).to_string()))?;
        let origin = reader.name_from(&config.gateway.log_origin);
        Ok(Self {
            origin: origin.map_err(|fault| unreadable(Chain(&fault).to_string()))?,
            config,
            past: reader
                .past_keys()
                .map_err(|fault| unreadable(Chain(&fault).to_string()))?,
            reader,
            keys,
            files,
        })
    }

    fn signing(&self) -> Vec<&KeySpan> {
        self.keys.open_ended().collect()
    }

    fn rows(&self) -> Vec<Row> {
        let origin = &self.origin;
        // The log has that name already, so it is one.
        let seeds = self.files.keys_of(origin).unwrap_or_default();
        let waiting = self.files.waiting(origin, &self.keys).unwrap_or_default();
        let ends = |id: &str| self.files.ends.iter().any(|(end, _, _)| end == id);
        let known = self.keys.spans().iter().map(|span| {
            let id = span.key().id();
            let state = match span.until() {
                Some(_) => "retired",
                None if ends(&id) => "signs; its end waits for a reload",
                None => "signs",
            };
            let file = seeds.iter().find(|(_, key)| key.verifying_key() == *span.key());
            Row {
                vkey: span.key().vkey(),
                from: span.from(),
                until: span.until(),
                state,
                file: file.map(|(path, _)| (*path).to_owned()),
                id,
            }
        });
        let waiting = waiting.iter().map(|(path, key)| {
            let key = key.verifying_key();
            Row {
                id: key.id(),
                vkey: key.vkey(),
                from: 0,
                until: None,
                state: "waits for a reload",
                file: Some((*path).to_owned()),
            }
        });
        known.chain(waiting).collect()
    }
}

fn list(known: &Known, output: &Output) {
    let rows = known.rows();
    if output.is_json() {
        output.json("shuguan.keys.v1", &rows);
        return;
    }
    let cells = |row: &Row| {
        let waits = row.state == "waits for a reload";
        vec![
            row.id.clone(),
            if waits { String::new() } else { row.from.to_string() },
            row.until.map_or_else(String::new, |until| until.to_string()),
            row.state.to_owned(),
            row.file
                .as_ref()
                .map_or_else(String::new, |path| path.display().to_string()),
        ]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output.rows(&["KEY", "FROM SIZE", "UNTIL SIZE", "STATE", "FILE"], &rows);
}

fn refused(what: impl Into<String>) -> Failure {
    Failure::new(Exit::Refused, what)
}

fn rotate(known: &Known, output: &Output) -> Result<(), Failure> {
    if known.rows().iter().any(|row| row.state == "waits for a reload") {
        return Err(refused("a new key waits already").then("reload the gateway (SIGHUP) or start it"));
    }
    if known.signing().len() > 1 {
        return Err(refused("two keys sign already").then("shuguan key retire     ends the older one"));
    }
    let key = log_keys::begin(&known.config.keys.log, &known.origin).map_err(failure)?;
    let key = key.verifying_key();
    if output.is_json() {
        output.json(
            "shuguan.key.v1",
            &serde_json::json!({ "id": key.id(), "vkey": key.vkey() }),
        );
    } else {
        output.line(key.vkey());
    }
    output.note("next: reload the gateway (SIGHUP) or start it; then: shuguan key publish");
    Ok(())
}

fn retire(known: &Known, id: Option<&str>, how: How, output: &Output) -> Result<(), Failure> {
    let signing = known.signing();
    let found = match id {
        Some(id) => signing.iter().find(|span| span.key().id() == id),
        None => signing.first(),
    };
    let Some(span) = found else {
        return Err(refused("no such key signs the log").then("shuguan key list"));
    };
    let others = signing.iter().filter(|other| other.key() != span.key());
    let Some(newest) = others.max_by_key(|other| other.from()) else {
        return Err(refused("it is the only key that signs the log").then("shuguan key rotate, and reload the gateway"));
    };
    let began = newest.from().max(span.from()).saturating_sub(1);
    let leaf = known
        .reader
        .leaf(began)
        .map_err(|fault| Failure::local(Chain(&fault).to_string()))?;
    let since = leaf.map_or(0, |leaf| leaf.t_us);
    let (is_short, id) = (
        Clock::system().now_us().saturating_sub(since) < OVERLAP_US,
        span.key().id(),
    );
    if is_short && !how.is_at_once() {
        return Err(refused("the two keys have not signed side by side for a day")
            .because(format!("since {}", time::format(since)))
            .then("wait, so that witnesses and partners learn of the new key; --stolen or --now do not wait"));
    }
    how.asked(
        &id,
        "whoever does not know the new key yet, witness or partner, refuses the log then",
    )?;
    log_keys::end(&known.config.keys.log, &id, how.why()).map_err(failure)?;
    output.note(format!(
        "{id} is to end: reload the gateway (SIGHUP) or start it; then: shuguan key publish"
    ));
    Ok(())
}

/// Writes the receipt of a change, unless one is there that proves it to who trusts what was known before: later checkpoints may not be signed by the
/// old key any more, and of those that were only one a minute is kept.
fn prove(
    known: &Known,
    (index, event): (u64, &Change),
    before: &Trust,
    folder: &Path,
    output: &Output,
) -> Result<(), Failure> {
    let path = folder.join(match event {
        Change::Key(_) => format!("key-{index}.tlog-proof"),
        Change::Volume(_) => format!("volume-{index}.tlog-proof"),
    });
    let is_proven = |receipt: &str| {
        let proven = Receipt::parse(receipt)
            .ok()
            .and_then(|receipt| receipt.verify(before).ok());
        proven.is_some_and(|proven| proven.index == index && proven.witnessed.quorum != Quorum::Missing)
    };
    if keyfile::read_public(&path).is_ok_and(|there| is_proven(&there)) {
        return Ok(());
    }
    // Who is to believe a new key knows the one that ends, so the receipt lies under a checkpoint that this one signed too.
    let until = match event {
        Change::Key(event) => {
            let all = known.past.iter().chain(known.keys.spans());
            let mut of = all.filter(|span| span.key().vkey() == event.of);
            of.next().and_then(KeySpan::until)
        }
        // Under the last checkpoint of the volume.
        Change::Volume(_) => Some(index + 2),
    };
    let receipt = known.reader.key_receipt(index, until);
    let receipt = receipt.map_err(unreadable)?.unwrap_or_default();
    keyfile::replace_public(&path, receipt.as_bytes()).map_err(failure)?;
    output.note(format!("`{}` written", path.display()));
    if !is_proven(&receipt) {
        output.note(
            "the witnesses have not signed it yet: run this again in some seconds, before it is given to anybody",
        );
    }
    Ok(())
}

fn unreadable(fault: JournalFault) -> Failure {
    Failure::local("the log cannot be read").because(Chain(&fault))
}

fn publish(known: &Known, folder: &Path, output: &Output) -> Result<(), Failure> {
    let path = folder.join("trust.txt");
    let mut trust = load_trust(&path)?;
    for (index, event) in &known.changes().map_err(unreadable)? {
        prove(known, (*index, event), &trust, folder, output)?;
        let extended = match event {
            Change::Key(event) => trust.extended(event.log(), *index, event),
            Change::Volume(event) => trust.succeeded(&event.log, *index, event),
        };
        trust = extended.map_err(|fault| {
            Failure::new(Exit::NotProven, "the trust file contradicts the log")
                .at(path.display().to_string())
                .because(format!("leaf {index}: {fault}"))
        })?;
    }
    keyfile::replace_public(&path, trust.text().as_bytes()).map_err(failure)?;
    output.note(format!("`{}` written", path.display()));
    if let Some(newest) = known.signing().last() {
        let vkey = format!("{}\n", newest.key().vkey());
        keyfile::replace_public(&folder.join("log.vkey"), vkey.as_bytes()).map_err(failure)?;
    }
    let says_sizes = |line: &&str| line.split_ascii_whitespace().next() == Some("sizes");
    let text = trust.text();
    let sizes: Vec<&str> = text.lines().filter(says_sizes).collect();
    if output.is_told() {
        for line in sizes {
            output.line(line);
        }
    } else {
        show_sizes(&sizes, output);
    }
    output.note("next: each witness takes the vkey and its sizes into [[log]] of its witness.toml (from, until); partners: shuguan verify keys");
    Ok(())
}

/// The keys with the sizes of the checkpoints that they sign, for a program.
fn show_sizes(lines: &[&str], output: &Output) {
    let cells = |line: &&str| line.split_ascii_whitespace().skip(1).map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = lines.iter().map(cells).collect();
    if output.is_json() {
        let number = |cell: Option<&String>| cell.and_then(|cell| cell.parse::<u64>().ok());
        let keys = rows.iter().map(
            |row| serde_json::json!({ "vkey": row.first(), "from": number(row.get(1)), "until": number(row.get(2)) }),
        );
        let document = serde_json::json!({ "sizes": keys.collect::<Vec<_>>() });
        output.json("shuguan.published-keys.v1", &document);
        return;
    }
    let header = ["VKEY", "FROM", "UNTIL"];
    output.table(&Columns::of(&header).with_numbers(&["FROM", "UNTIL"]), &rows);
}
