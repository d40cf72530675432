//! The log of one partner: of a journal that verifies whole, or of the gateway's list, in which every entry is proved by itself.
//!
//! Takes a journal, an exported log or a gateway, and a trust file; gives the partner's exchanges with what became of each, and how many entries the log alone vouches for. Refuses a journal
//! that cannot be read, and says which entry is not proven; a journal of which the witnesses that the trust file asks for have signed nothing is not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use shuguan_ledger::audit::LogReport;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::exported::{self, Entry, ExportFault, ExportVerifier};
use shuguan_ledger::leaf::{Event, Leaf};
use shuguan_ledger::receipt::{Receipt, ReceiptError};
use shuguan_ledger::tree::{Edge, Hash, leaf_hash};
use shuguan_ledger::trust::{Quorum, Trust};
use tokio::runtime::Runtime;

use super::ReconcileArgs;
use super::folder::Own;
use super::numbers::Numbers;
use super::refusals::Refusals;
use crate::chain::Chain;
use crate::client::{Client, ClientSettings, Listener};
use crate::command::config;
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::command::verify::{ReadLog, is_of_another, read_log};
use crate::journal::Resting;

/// What is said of a log that no quorum saw.
const UNSEEN: &str = "the witnesses that the trust file asks for have signed none of its checkpoints";
/// A log that is not proven, in a verdict's word, and why.
#[derive(Debug)]
pub(super) struct Unproven {
    pub(super) verdict: &'static str,
    pub(super) why: String,
}

impl Unproven {
    fn disproven(why: String) -> Self {
        Self {
            verdict: "disproven",
            why,
        }
    }

    fn unseen() -> Self {
        Self {
            verdict: "quorum-missing",
            why: UNSEEN.into(),
        }
    }
}

/// How often the gateway is asked for its list while witnesses have not signed the newest entries, and how long after each other: they sign about once a second.
const TRIES: u32 = 3;
const BETWEEN: Duration = Duration::from_secs(2);

/// An exchange as the log has it.
pub(super) struct Logged {
    pub(super) index: u64,
    pub(super) hash: Hash,
    pub(super) leaf: Leaf,
    pub(super) fate: Fate,
}

/// What the log says became of an exchange. That its payload was erased says nothing: that happens to a discarded one as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A push of which no leaf says more.
    Open,
    /// In the registry, or nothing that would go there.
    Settled,
    /// An operator gave it up; its rows are not in the registry.
    Discarded,
}

impl Fate {
    /// What a later leaf says about the exchange that it names.
    pub(super) fn told_by(event: &Event) -> Option<Self> {
        match event {
            Event::Relayed(_) => Some(Self::Settled),
            Event::Operator(act) if act.act == "discarded" => Some(Self::Discarded),
            _ => None,
        }
    }
}

/// What the log holds of one partner.
pub(super) struct Log {
    pub(super) size: u64,
    /// By exchange id.
    pub(super) exchanges: BTreeMap<String, Logged>,
    /// The numbers that they have.
    pub(super) numbers: Numbers,
    /// What was refused without one.
    pub(super) refusals: Refusals,
    /// Whether it is the log itself, which was verified from its first entry to its last.
    pub(super) whole: bool,
    /// Entries that the log alone vouches for, when the trust file asks for witnesses: of the whole log, or of those that the gateway listed.
    pub(super) unwitnessed: u64,
    /// What was proved of a whole log: which one it is, and which are before it.
    pub(super) report: Option<LogReport>,
    /// Of the gateway's list: whose it is, as its first entry says. It is of whom the client's certificate names.
    pub(super) listed_of: Option<String>,
}

impl Log {
    /// Whether a receipt is of another log, and says nothing of this one.
    pub(super) fn is_another(&self, own: &Own) -> bool {
        let report = self.report.as_ref();
        report.is_some_and(|report| is_of_another(report, &own.origin, own.size))
    }

    /// Whether nothing can have been left out up to its last entry of the partner.
    pub(super) fn is_complete(&self) -> bool {
        self.whole || self.numbers.are_whole()
    }
}

/// The exchanges of a partner in a journal that verifies whole.
pub(super) fn of_journal(
    journal: &Path,
    trust: &Trust,
    partner: &str,
    output: &Output,
) -> Result<Result<Log, Unproven>, Failure> {
    if journal.is_dir() {
        return of_folder(journal, trust, partner);
    }
    match read_log(&config::journal_at(journal)?, trust, output) {
        Ok(report) if report.quorum == Quorum::Missing => Ok(Err(Unproven::unseen())),
        Ok(report) => {
            let log = reread(journal, &report.checkpoint, partner)?;
            let unwitnessed = report.unwitnessed().unwrap_or(0);
            let report = Some(report);
            Ok(Ok(Log {
                unwitnessed,
                report,
                ..log
            }))
        }
        Err(ReadLog::Fault(fault)) => Ok(Err(Unproven::disproven(fault.to_string()))),
        Err(ReadLog::Unreadable(error)) => Err(unreadable(journal).because(Chain(&error))),
        Err(ReadLog::Disturbed) => Err(disturbed(journal)),
    }
}

/// The same in a folder that `shuguan log export` wrote: its entries are taken while they are proved.
fn of_folder(folder: &Path, trust: &Trust, partner: &str) -> Result<Result<Log, Unproven>, Failure> {
    let (files, mut log) = (exported::Folder(folder.to_owned()), Log::listed());
    let verified = ExportVerifier::new(&files, trust).and_then(|mut verifier| {
        while verifier.bundle(|verifier, entry| {
            if let (Entry::Leaf(taken), Some(hash)) = (entry, entry.hash()) {
                let index = verifier.edge().size().saturating_sub(1);
                log.entry((index, *hash), taken.leaf.clone(), partner);
            }
            Ok(())
        })? {}
        verifier.finish()
    });
    let report = match verified {
        Ok(report) => report.log,
        Err(ExportFault::Absent { path, .. }) if path == exported::CHECKPOINT => {
            return Err(unreadable(folder)
                .because("there is no `checkpoint` in it, so it is no exported log")
                .then("name the journal's SQLite file, or a folder that shuguan log export wrote"));
        }
        Err(fault @ ExportFault::Unreadable { .. }) => return Err(unreadable(folder).because(Chain(&fault))),
        Err(fault) => {
            let verdict = match &fault {
                ExportFault::Absent { .. } => "incomplete",
                _ => "disproven",
            };
            let why = Chain(&fault).to_string();
            return Ok(Err(Unproven { verdict, why }));
        }
    };
    if report.quorum == Quorum::Missing {
        return Ok(Err(Unproven::unseen()));
    }
    if report.hashed > 0 {
        return Err(unreadable(folder)
            .because(format!(
                "it is a volume: of its first {} entries it has the hashes",
                report.hashed
            ))
            .then(
                "name the journal's SQLite file, or export the whole log: shuguan log export --journal JOURNAL -o DIR",
            ));
    }
    log.size = report.checkpoint.size;
    log.whole = true;
    log.unwitnessed = report.unwitnessed().unwrap_or(0);
    log.report = Some(report);
    Ok(Ok(log))
}

/// The exchanges of a partner in the leaves that were proved: they are read anew, and are compared only when they lead to the proved root.
pub(super) fn reread(journal: &Path, proven: &Checkpoint, partner: &str) -> Result<Log, Failure> {
    let resting = Resting::open(&config::journal_at(journal)?);
    let resting = resting.map_err(|fault| unreadable(journal).because(Chain(&fault)))?;
    let reader = &resting.reader;
    let (mut log, mut edge) = (Log::listed(), Edge::empty());
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
            log.entry((index, hash), leaf, partner);
        }
    }
    if edge.root() != proven.root || !resting.is_undisturbed() {
        return Err(disturbed(journal));
    }
    log.size = proven.size;
    log.whole = true;
    Ok(log)
}

pub(super) fn unreadable(journal: &Path) -> Failure {
    Failure::local(format!("cannot read `{}`", journal.display()))
}

pub(super) fn disturbed(journal: &Path) -> Failure {
    unreadable(journal)
        .because("another program opened it meanwhile")
        .then("repeat")
}

/// Takes a leaf in the order of the log: an exchange of the partner, or what became of one.
pub(super) fn take(exchanges: &mut BTreeMap<String, Logged>, index: u64, hash: Hash, leaf: Leaf, partner: &str) {
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

/// The gateway's list, each entry proved; asked for again while witnesses have not signed its newest entries.
pub(super) fn of_server(
    args: &ReconcileArgs,
    trust: &Trust,
    stated: Option<&str>,
) -> Result<Result<Log, Unproven>, Failure> {
    let client = Client::open(&ClientSettings::load(&args.config)?, Listener::Feed)?;
    let runtime = crate::command::runtime()?;
    let mut tries = 0;
    loop {
        let listed = listed(&client, &runtime, trust, stated)?;
        tries += 1;
        match listed {
            Ok(log) if log.unwitnessed > 0 && tries < TRIES => {
                // Made inside: a timer that is made outside of a runtime has nothing to wake it, and panics.
                runtime.block_on(async { tokio::time::sleep(BETWEEN).await });
            }
            listed => return Ok(listed),
        }
    }
}

fn listed(
    client: &Client,
    runtime: &Runtime,
    trust: &Trust,
    stated: Option<&str>,
) -> Result<Result<Log, Unproven>, Failure> {
    let (mut log, mut from) = (Log::listed(), 0_u64);
    loop {
        let path = format!("/v1/exchanges?from={from}");
        let page = runtime
            .block_on(client.get_json(&path))
            .map_err(|error| error.failure(&format!("GET {path}")))?;
        for item in page.get("items").and_then(Value::as_array).into_iter().flatten() {
            if let Err(why) = log.item(item, trust, stated) {
                let why = format!("an entry of the gateway's list: {why}");
                return Ok(Err(Unproven::disproven(why)));
            }
        }
        match page.get("next").and_then(Value::as_u64) {
            Some(next) if next > from => from = next,
            _ => return Ok(Ok(log)),
        }
    }
}

impl Log {
    /// A list of which nothing is there yet.
    fn listed() -> Self {
        Self {
            size: 0,
            exchanges: BTreeMap::new(),
            numbers: Numbers::default(),
            refusals: Refusals::default(),
            whole: false,
            unwitnessed: 0,
            report: None,
            listed_of: None,
        }
    }

    /// Takes a proved leaf in the order of the log.
    fn entry(&mut self, (index, hash): (u64, Hash), leaf: Leaf, partner: &str) {
        self.numbers.take(index, &leaf, partner);
        self.refusals.take(&leaf, partner);
        take(&mut self.exchanges, index, hash, leaf, partner);
    }

    /// Takes an item of the gateway's list: its receipts, then what the gateway says became of it.
    ///
    /// Where nobody stated a partner, and no receipt does, it is compared with whom the list is of.
    fn item(&mut self, item: &Value, trust: &Trust, stated: Option<&str>) -> Result<(), ReceiptError> {
        for member in ["receipt", "settled"] {
            let Some(text) = item.get(member).and_then(Value::as_str) else {
                continue;
            };
            let proven = Receipt::parse(text).and_then(|receipt| receipt.verify(trust))?;
            self.size = self.size.max(proven.checkpoint.size);
            self.unwitnessed += u64::from(proven.witnessed.quorum == Quorum::Missing);
            if self.listed_of.is_none() {
                self.listed_of = proven.leaf.event.counts_for().map(str::to_owned);
            }
            let partner = stated.map(str::to_owned).or(self.listed_of.clone()).unwrap_or_default();
            self.entry((proven.index, proven.leaf_hash), proven.leaf, &partner);
        }
        let relayed = item.get("state").and_then(Value::as_str) == Some("relayed");
        let exchange = item.get("exchange").and_then(Value::as_str).filter(|_| relayed);
        if let Some(logged) = exchange.and_then(|exchange| self.exchanges.get_mut(exchange)) {
            logged.fate = Fate::Settled;
        }
        Ok(())
    }
}
