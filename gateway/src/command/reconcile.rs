//! `shuguan reconcile DIR`: an agency's own receipts against the gateway's log.
//!
//! Takes a folder of receipts (`*.tlog-proof`; in a drop folder `*.ack`) and push states, a trust file, and the log: a journal or a copy of one, which is verified whole, or the gateway's
//! list of the partner's own exchanges, in which every entry is proved by itself. Names each exchange that is missing on either side, doubled, refused, not
//! answered, not relayed. A receipt that the log does not bear out, and a number of the partner's exchanges that the list lacks, are no differences but proofs against
//! the gateway: code 6.

mod numbers;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{Event, Leaf};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::time;
use shuguan_ledger::tree::{Edge, Hash, leaf_hash};
use shuguan_ledger::trust::Trust;

use self::numbers::Numbers;
use super::config;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::verify::{ReadLog, read_log};
use crate::client::deliver::load_trust;
use crate::client::outbox::is_feed;
use crate::client::state::{ENDING, PushState};
use crate::client::{Client, ClientSettings, Listener};
use crate::journal::Resting;
use crate::serve::chain;

/// Most files of a folder that are looked at.
const FILES_MAX: usize = 1_000_000;
/// Folders below the first.
const DEPTH_MAX: usize = 8;

/// Compare one's own receipts with the gateway's log.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("log_of").required(true),
    after_help = "EXAMPLES
  shuguan reconcile /data/outbox --trust trust.txt --server -c client.toml
  shuguan reconcile outbox --trust trust.txt --log journal-copy.db --partner health-ganyu --format json

WHAT IT NAMES
  missing-here   the log holds an exchange of ours, and there is no receipt of it here. In a drop folder a later file of the same name takes the place of
                 the .ack before it
  unanswered     a file was sent, and no answer is here: push it again. For 7 days its key makes that harmless; later push refuses it (8), so look
                 whether the log has it, as missing-here with this record type, length and time, and only otherwise send it --again
  doubled        one file under two exchanges
  refused        the gateway refused it
  not-relayed    accepted, not in the registry yet
  contradicted   a receipt that the log does not bear out: the log was changed, or cut
  withheld       the exchanges of a partner are numbered 1, 2, 3 …; the list lacks these numbers: something was sealed in our name and is kept from us

Each entry of the list of `--server` is proved by itself, and the numbers show that none was left out up to the last one. That one is relayed is the gateway's word:
its leaf says what became of the rows, which no partner is told; an auditor may show it. What is newer than that shows with the
next receipt; the whole log (`--log`) shows it at once.

EXIT CODES
  0 nothing to name · 1 a file cannot be read · 3 refused · 4 not reached · 5 something is named · 6 a receipt or the log is not proven"
)]
pub struct ReconcileArgs {
    /// The folder with receipts (*.tlog-proof, *.ack) and push states; its subfolders too.
    dir: PathBuf,
    /// Trust file with the log's public key.
    #[arg(long)]
    trust: PathBuf,
    /// A journal or a copy of one, or the configuration (`*.toml`) of a gateway that has it on PostgreSQL; verified whole.
    #[arg(long, value_name = "JOURNAL", group = "log_of")]
    log: Option<PathBuf>,
    /// Ask the gateway.
    #[arg(long, group = "log_of")]
    server: bool,
    /// The partner whose exchanges are compared; needed when no receipt says it.
    #[arg(long, value_name = "ID")]
    partner: Option<String>,
    /// The partner's client.toml, for `--server`.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

/// What is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Contradicted,
    Withheld,
    MissingHere,
    Unanswered,
    Doubled,
    Refused,
    Discarded,
    NotRelayed,
}

impl What {
    fn zh(self) -> &'static str {
        match self {
            Self::Contradicted => "与日志矛盾",
            Self::Withheld => "清单缺号",
            Self::MissingHere => "本地缺回执",
            Self::Unanswered => "无应答",
            Self::Doubled => "重复报送",
            Self::Refused => "被拒绝",
            Self::Discarded => "已放弃入库",
            Self::NotRelayed => "未入库",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Contradicted => "contradicted",
            Self::Withheld => "withheld",
            Self::MissingHere => "missing-here",
            Self::Unanswered => "unanswered",
            Self::Doubled => "doubled",
            Self::Refused => "refused",
            Self::Discarded => "discarded",
            Self::NotRelayed => "not-relayed",
        }
    }
}

/// One difference.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Named {
    what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Numbers of our exchanges, first and last.
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<(u64, u64)>,
    /// By which a batch without a receipt and a file without an answer are told to be one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    batch: Option<Batch>,
}

/// What was pushed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Batch {
    record: String,
    /// Its length; none of a file that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// When it was sealed, or sent first.
    at: String,
}

impl Named {
    fn only(what: What) -> Self {
        Self {
            what,
            exchange: None,
            index: None,
            file: None,
            code: None,
            numbers: None,
            batch: None,
        }
    }
}

impl Batch {
    fn logged(leaf: &Leaf) -> Option<Self> {
        let Event::Push(push) = &leaf.event else { return None };
        Some(Self {
            record: push.rec.clone(),
            bytes: Some(push.bytes),
            at: time::format(leaf.clk.unwrap_or(leaf.t)),
        })
    }

    fn shown(&self) -> String {
        let bytes = self.bytes.map_or_else(|| "-".into(), |bytes| bytes.to_string());
        format!("{} {bytes} bytes {}", self.record, self.at)
    }

    /// Of a file whose answer never came.
    fn open(state_file: &str, state: &PushState) -> Option<Self> {
        let file = state_file.strip_suffix(ENDING).unwrap_or(state_file);
        Some(Self {
            record: state.record.clone(),
            bytes: std::fs::metadata(file).ok().map(|file| file.len()),
            at: time::format(state.sent_us(Path::new(state_file))?),
        })
    }
}

/// A receipt of ours.
struct Own {
    file: String,
    index: u64,
    hash: Hash,
    leaf: Leaf,
}

/// An exchange as the log has it.
struct Logged {
    index: u64,
    hash: Hash,
    leaf: Leaf,
    fate: Fate,
}

/// What the log says became of an exchange. That its payload was erased says nothing: that happens to a discarded one as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A push of which no leaf says more.
    Open,
    /// In the registry, or nothing that would go there.
    Settled,
    /// An operator gave it up; its rows are not in the registry.
    Discarded,
}

impl Fate {
    /// What a later leaf says about the exchange that it names.
    fn told_by(event: &Event) -> Option<Self> {
        match event {
            Event::Relayed(_) => Some(Self::Settled),
            Event::Operator(act) if act.act == "discarded" => Some(Self::Discarded),
            _ => None,
        }
    }
}

/// What the folder holds.
#[derive(Default)]
struct Folder {
    receipts: Vec<Own>,
    states: Vec<(String, PushState)>,
    /// Files that are no receipts of a trusted log.
    unproven: Vec<(String, String)>,
}

/// What the log holds of one partner.
struct Log {
    size: u64,
    /// By exchange id.
    exchanges: BTreeMap<String, Logged>,
    /// The numbers that they have.
    numbers: Numbers,
    /// Whether it is the log itself, which was verified from its first entry to its last.
    whole: bool,
}

impl Log {
    /// Whether nothing can have been left out up to its last entry of the partner.
    fn is_complete(&self) -> bool {
        self.whole || self.numbers.are_whole()
    }
}

/// Runs the command.
pub fn run(args: &ReconcileArgs, output: &Output) -> Result<Exit, Failure> {
    let trust = load_trust(&args.trust)?;
    let mut folder = Folder::default();
    folder.read(&args.dir, &trust, DEPTH_MAX)?;
    let partner = partner(args, &folder)?;
    let log = match &args.log {
        Some(journal) => match of_journal(journal, &trust, &partner, output)? {
            Ok(log) => log,
            Err(why) => return Ok(not_proven(&why, output)),
        },
        None => match of_server(args, &trust, &partner)? {
            Ok(log) => log,
            Err(why) => return Ok(not_proven(&why, output)),
        },
    };
    let named = compare(&folder, &log, &partner);
    show(&folder, &log, &partner, &named, output);
    Ok(match named.first() {
        _ if !folder.unproven.is_empty() => Exit::NotProven,
        Some(first) if matches!(first.what, What::Contradicted | What::Withheld) => Exit::NotProven,
        Some(_) => Exit::Partial,
        None => Exit::Done,
    })
}

fn not_proven(why: &str, output: &Output) -> Exit {
    if output.is_json() {
        let document = serde_json::json!({ "verdict": "disproven", "why": why });
        output.json("shuguan.reconcile.v1", &document);
    } else {
        output.line(format!("无效  the log is not proven: {why}"));
    }
    Exit::NotProven
}

/// Whose exchanges: as stated, or as the receipts say.
fn partner(args: &ReconcileArgs, folder: &Folder) -> Result<String, Failure> {
    let mut partners: Vec<&str> = folder
        .receipts
        .iter()
        .filter_map(|own| own.leaf.event.partner())
        .collect();
    partners.sort_unstable();
    partners.dedup();
    match (&args.partner, partners.as_slice()) {
        (Some(stated), _) => Ok(stated.clone()),
        (None, [only]) => Ok((*only).to_owned()),
        (None, found) => Err(Failure::new(Exit::Usage, "whose exchanges are compared?")
            .because(format!("the receipts here are of {} partners", found.len()))
            .then("name it: --partner ID")),
    }
}

impl Folder {
    fn read(&mut self, dir: &Path, trust: &Trust, depth: usize) -> Result<(), Failure> {
        let unreadable =
            |error: std::io::Error| Failure::local(format!("cannot read `{}`", dir.display())).because(error);
        let mut entries: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            entries.push(entry.map_err(unreadable)?.path());
        }
        entries.sort();
        for path in entries {
            if self.receipts.len() + self.states.len() + self.unproven.len() >= FILES_MAX {
                return Err(Failure::local(format!("more than {FILES_MAX} receipts and states")));
            }
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() && depth > 0 {
                self.read(&path, trust, depth - 1)?;
            } else if ending == Some("tlog-proof") || (ending == Some("ack") && is_feed(&path.with_extension(""))) {
                self.receipt(&path, trust)?;
            } else if ending == Some("shuguan-push")
                && let Some(state) = PushState::load(&path)?
            {
                self.states.push((path.display().to_string(), state));
            }
        }
        Ok(())
    }

    fn receipt(&mut self, path: &Path, trust: &Trust) -> Result<(), Failure> {
        let text = super::verify::read_receipt(path)?;
        let file = path.display().to_string();
        match Receipt::parse(&text).and_then(|receipt| receipt.verify(trust)) {
            Ok(proven) => self.receipts.push(Own {
                file,
                index: proven.index,
                hash: proven.leaf_hash,
                leaf: proven.leaf,
            }),
            Err(fault) => self.unproven.push((file, fault.to_string())),
        }
        Ok(())
    }
}

/// The exchanges of a partner in a journal that verifies whole.
fn of_journal(journal: &Path, trust: &Trust, partner: &str, output: &Output) -> Result<Result<Log, String>, Failure> {
    match read_log(&config::journal_at(journal)?, trust, output) {
        Ok(report) => reread(journal, &report.checkpoint, partner).map(Ok),
        Err(ReadLog::Fault(fault)) => Ok(Err(fault.to_string())),
        Err(ReadLog::Unreadable(error)) => Err(unreadable(journal).because(chain(&error))),
        Err(ReadLog::Disturbed) => Err(disturbed(journal)),
    }
}

/// The exchanges of a partner in the leaves that were proved: they are read anew, and are compared only when they lead to the proved root.
fn reread(journal: &Path, proven: &Checkpoint, partner: &str) -> Result<Log, Failure> {
    let resting = Resting::open(&config::journal_at(journal)?);
    let resting = resting.map_err(|fault| unreadable(journal).because(chain(&fault)))?;
    let reader = &resting.reader;
    let (mut exchanges, mut numbers, mut edge) = (BTreeMap::new(), Numbers::default(), Edge::empty());
    while edge.size() < proven.size {
        let left = u32::try_from(proven.size - edge.size()).unwrap_or(u32::MAX);
        let leaves = reader.entries(edge.size(), left);
        let leaves = leaves.map_err(|error| unreadable(journal).because(error))?;
        if leaves.is_empty() {
            break;
        }
        for bytes in leaves {
            let leaf = Leaf::decode(&bytes).map_err(|error| unreadable(journal).because(error))?;
            let (index, hash) = (edge.size(), leaf_hash(&bytes));
            edge.append(hash);
            numbers.take(index, &leaf, partner);
            take(&mut exchanges, index, hash, leaf, partner);
        }
    }
    if edge.root() != proven.root || !resting.is_undisturbed() {
        return Err(disturbed(journal));
    }
    Ok(Log {
        size: proven.size,
        exchanges,
        numbers,
        whole: true,
    })
}

fn unreadable(journal: &Path) -> Failure {
    Failure::local(format!("cannot read `{}`", journal.display()))
}

fn disturbed(journal: &Path) -> Failure {
    unreadable(journal)
        .because("another program opened it meanwhile")
        .then("repeat")
}

/// Takes a leaf in the order of the log: an exchange of the partner, or what became of one.
fn take(exchanges: &mut BTreeMap<String, Logged>, index: u64, hash: Hash, leaf: Leaf, partner: &str) {
    // Who withdrew a batch knows that it is not there.
    if let Event::Recall(recall) = &leaf.event
        && let Some(logged) = exchanges.get_mut(&recall.push)
    {
        logged.fate = Fate::Settled;
    }
    let Some(exchange) = leaf.event.exchange().map(str::to_owned) else {
        return;
    };
    if let Some(fate) = Fate::told_by(&leaf.event) {
        if let Some(logged) = exchanges.get_mut(&exchange) {
            logged.fate = fate;
        }
        return;
    }
    let ours = matches!(
        leaf.event,
        Event::Push(_) | Event::Pull(_) | Event::Compare(_) | Event::Recall(_) | Event::Refusal(_) | Event::Aborted(_)
    ) && leaf.event.partner() == Some(partner);
    if ours {
        let fate = if matches!(leaf.event, Event::Push(_)) {
            Fate::Open
        } else {
            Fate::Settled
        };
        exchanges.entry(exchange).or_insert(Logged {
            index,
            hash,
            leaf,
            fate,
        });
    }
}

/// The gateway's list, each entry proved.
fn of_server(args: &ReconcileArgs, trust: &Trust, partner: &str) -> Result<Result<Log, String>, Failure> {
    let client = Client::open(&ClientSettings::load(&args.config)?, Listener::Feed)?;
    let runtime = super::runtime()?;
    let (mut exchanges, mut numbers, mut from, mut size) = (BTreeMap::new(), Numbers::default(), 0_u64, 0);
    loop {
        let path = format!("/v1/exchanges?from={from}");
        let page = runtime
            .block_on(client.get_json(&path))
            .map_err(|error| error.failure(&format!("GET {path}")))?;
        for item in page.get("items").and_then(Value::as_array).into_iter().flatten() {
            for member in ["receipt", "settled"] {
                let Some(text) = item.get(member).and_then(Value::as_str) else {
                    continue;
                };
                let proven = match Receipt::parse(text).and_then(|receipt| receipt.verify(trust)) {
                    Ok(proven) => proven,
                    Err(fault) => return Ok(Err(format!("an entry of the gateway's list: {fault}"))),
                };
                size = size.max(proven.checkpoint.size);
                numbers.take(proven.index, &proven.leaf, partner);
                take(&mut exchanges, proven.index, proven.leaf_hash, proven.leaf, partner);
            }
            let relayed = item.get("state").and_then(Value::as_str) == Some("relayed");
            let exchange = item.get("exchange").and_then(Value::as_str).filter(|_| relayed);
            if let Some(logged) = exchange.and_then(|exchange| exchanges.get_mut(exchange)) {
                logged.fate = Fate::Settled;
            }
        }
        match page.get("next").and_then(Value::as_u64) {
            Some(next) if next > from => from = next,
            _ => break,
        }
    }
    Ok(Ok(Log {
        size,
        exchanges,
        numbers,
        whole: false,
    }))
}

/// Everything to name, the gravest first.
fn compare(folder: &Folder, log: &Log, partner: &str) -> Vec<Named> {
    let mut named = Vec::new();
    let mut here: HashMap<&str, &Own> = HashMap::new();
    let ours = folder
        .receipts
        .iter()
        .filter(|own| own.leaf.event.partner() == Some(partner));
    for own in ours {
        let Some(exchange) = own.leaf.event.exchange() else {
            continue;
        };
        here.insert(exchange, own);
        let same = log
            .exchanges
            .get(exchange)
            .is_some_and(|logged| logged.hash == own.hash && logged.index == own.index);
        // A receipt is newer than a copy of the log that ends before it.
        if !same && (own.index < log.size || !log.whole) {
            named.push(of_receipt(What::Contradicted, own));
        }
    }
    named.extend(log.numbers.missing().into_iter().map(|missing| Named {
        numbers: Some((*missing.start(), *missing.end())),
        ..Named::only(What::Withheld)
    }));
    let states = folder.states.iter();
    let answered: HashMap<&str, &str> = states
        .clone()
        .filter_map(|(file, state)| Some((state.exchange.as_deref()?, file.as_str())))
        .collect();
    for (exchange, logged) in &log.exchanges {
        let file = here.get(exchange.as_str()).map(|own| own.file.clone());
        let file = file.or_else(|| answered.get(exchange.as_str()).map(|file| (*file).to_owned()));
        let one = |what, code: Option<String>| Named {
            exchange: Some(exchange.clone()),
            index: Some(logged.index),
            file: file.clone(),
            code,
            ..Named::only(what)
        };
        match &logged.leaf.event {
            Event::Refusal(refusal) => named.push(one(What::Refused, Some(refusal.code.clone()))),
            Event::Aborted(aborted) => named.push(one(What::Refused, Some(aborted.code.clone()))),
            _ if !here.contains_key(exchange.as_str()) => named.push(Named {
                batch: Batch::logged(&logged.leaf),
                ..one(What::MissingHere, None)
            }),
            _ => {}
        }
        match logged.fate {
            Fate::Open => named.push(one(What::NotRelayed, None)),
            Fate::Discarded => named.push(one(What::Discarded, None)),
            Fate::Settled => {}
        }
    }
    for (file, state) in states {
        if state.is_open() {
            named.push(Named {
                file: Some(file.clone()),
                batch: Batch::open(file, state),
                ..Named::only(What::Unanswered)
            });
        }
    }
    named.extend(doubled(folder));
    named.sort();
    named.dedup();
    named
}

fn of_receipt(what: What, own: &Own) -> Named {
    Named {
        exchange: own.leaf.event.exchange().map(str::to_owned),
        index: Some(own.index),
        file: Some(own.file.clone()),
        ..Named::only(what)
    }
}

/// One content, record type and purpose under two exchanges.
fn doubled(folder: &Folder) -> Vec<Named> {
    let mut seen: HashMap<(&str, &str, &str), &str> = HashMap::new();
    let mut named = Vec::new();
    for (file, state) in &folder.states {
        let Some(exchange) = state.exchange.as_deref() else {
            continue;
        };
        let content = (state.digest.as_str(), state.record.as_str(), state.purpose.as_str());
        if seen.insert(content, exchange).is_some_and(|before| before != exchange) {
            named.push(Named {
                exchange: Some(exchange.to_owned()),
                file: Some(file.clone()),
                ..Named::only(What::Doubled)
            });
        }
    }
    named
}

fn show(folder: &Folder, log: &Log, partner: &str, named: &[Named], output: &Output) {
    if output.is_json() {
        let document = serde_json::json!({
            "partner": partner, "receipts": folder.receipts.len(), "states": folder.states.len(),
            "logged": log.exchanges.len(), "size": log.size, "complete": log.is_complete(),
            "unproven": folder.unproven.iter().map(|(file, why)| serde_json::json!({ "file": file, "why": why })).collect::<Vec<_>>(),
            "items": named,
        });
        output.json("shuguan.reconcile.v1", &document);
        return;
    }
    for (file, why) in &folder.unproven {
        output.line(format!("无效  {file}: {why}"));
    }
    let or_dash = |text: Option<&String>| text.cloned().unwrap_or_else(|| "-".into());
    let rows = named.iter().map(|one| {
        vec![
            one.what.name().to_owned(),
            one.what.zh().to_owned(),
            or_dash(one.exchange.as_ref()),
            one.index.map_or_else(|| "-".into(), |index| index.to_string()),
            one.numbers.map_or_else(
                || or_dash(one.code.as_ref()),
                |(first, last)| format!("{first}..{last}"),
            ),
            or_dash(one.file.as_ref()),
            one.batch.as_ref().map_or_else(|| "-".into(), Batch::shown),
        ]
    });
    output.rows(
        &["WHAT", "说明", "EXCHANGE", "INDEX", "CODE", "FILE", "BATCH"],
        &rows.collect::<Vec<_>>(),
    );
    output.note(format!(
        "{} receipts of `{partner}`, {} exchanges in the log of {} entries, {} to name",
        folder.receipts.len(),
        log.exchanges.len(),
        log.size,
        named.len()
    ));
    if !log.whole && log.is_complete() {
        output.note("the list has every exchange up to its last one: their numbers have no gap");
    } else if !log.is_complete() {
        output.note("not proved: that the gateway left nothing out of its list (that takes the whole log, --log)");
    }
}

#[cfg(test)]
mod tests;
