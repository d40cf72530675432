//! `shuguan db fsck`: do journal and registry agree?
//!
//! Takes a configuration; gives what one of them holds and the other lacks, by exchange, with what to do. Reads both a thousand exchanges at a time
//! while the gateway may run, the journal first: what it says is relayed by then must be in the registry. That is what the registry says of each exchange;
//! `--deep` reads its rows too, which takes as long as there are many, and is asked for when somebody may have written past the relay. Opens no payload,
//! shows no record, and changes nothing.

mod deep;

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shuguan_ledger::leaf::RelayedEvent;
use shuguan_ledger::time;
use uuid::Uuid;

use crate::chain::Chain;
use crate::command::config;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::config::Config;
use crate::journal::{InboxState, JournalFault, KeptPush, KeptRecall, Reader};
use crate::registry::{Progress, Registry, RegistryFault, RegistrySettings};
use crate::relay::holds_whole;

/// Findings that are listed; more are counted.
const LISTED_MAX: usize = 10_000;

/// What is wrong with an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Missing,
    Lost,
    Differs,
    Misplaced,
    Unknown,
    InGap,
    NoPayload,
    NotRecalled,
    RecallWaits,
    GivenUp,
    OpenRows,
    More,
    Stray,
    Provenance,
}

/// Somebody wrote to the registry past the relay, or a disk lost what it had. A snapshot is counted like any other push, so it does not make up for what was
/// never counted.
fn past_the_relay(store: &RegistrySettings) -> String {
    let restore = match store {
        RegistrySettings::Sqlite(_) => "shuguan db restore",
        RegistrySettings::Postgres(_) => "pg_restore",
    };
    format!(
        "somebody wrote to the registry past the relay: {restore}, then feed again what fsck names. Without a backup a snapshot of its sender puts the rows right, and the finding remains"
    )
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Lost => "lost",
            Self::Differs => "differs",
            Self::Misplaced => "misplaced",
            Self::Unknown => "unknown",
            Self::InGap => "in-gap",
            Self::NoPayload => "no-payload",
            Self::NotRecalled => "not-recalled",
            Self::RecallWaits => "recall-waits",
            Self::GivenUp => "given-up",
            Self::OpenRows => "open-rows",
            Self::More => "more",
            Self::Stray => "stray",
            Self::Provenance => "provenance",
        }
    }

    fn next(self, store: &RegistrySettings) -> String {
        let next = match self {
            Self::Missing => "shuguan relay feed-again EXCHANGE …     in the order of this list",
            Self::Lost => "its sender must push it again: shuguan reconcile tells him the same",
            Self::Differs => "keep both as they are; somebody wrote to `relay_progress`, or a part was lost",
            Self::Misplaced => {
                "its row in the journal's `inbox` calls it done with, and no leaf does: somebody edited the journal (shuguan verify log names the place). Stop the gateway, set `state` back to `waiting` where its payload is held, and start it; without a payload its sender must push it again"
            }
            Self::Unknown => {
                "find out which of the two was put back from a backup; an older journal goes back into service by `shuguan db recover` alone: then its sender pushes it again"
            }
            Self::InGap => {
                "known, and no fault: the log says that the entries of these are lost (`log-open`, `log-gap`). Their senders push them again as new exchanges: shuguan reconcile tells them the same"
            }
            Self::NotRecalled => {
                "start the gateway again: it takes back what was recalled before a registry was put back"
            }
            Self::RecallWaits => {
                "known, and no fault: its sender took it back, and the registry still holds it (HOLDS: so many rows of it). A gateway that runs carries it out by itself: shuguan relay list tells what holds it up, shuguan relay resume ends a pause"
            }
            Self::GivenUp => {
                "an operator gave it up when it had written or closed rows; what is left of that stays until its sender takes it back: shuguan recall EXCHANGE --why CODE --yes"
            }
            Self::OpenRows | Self::More | Self::Stray | Self::Provenance => return past_the_relay(store),
            Self::NoPayload => {
                "put the payload file back from a backup; else discard it, and its sender must push it again"
            }
        };
        next.to_owned()
    }
}

/// One of them.
#[derive(Debug, Serialize)]
struct Finding {
    what: What,
    exchange: Option<Uuid>,
    record: Option<String>,
    partner: Option<String>,
    received: Option<String>,
    /// Rows as log and counts state them.
    #[serde(skip_serializing_if = "Option::is_none")]
    states: Option<i64>,
    /// Rows as the registry holds them.
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<i64>,
}

impl Finding {
    fn about(what: What, exchange: Option<Uuid>, record: Option<&str>) -> Self {
        Self {
            what,
            exchange,
            record: record.map(str::to_owned),
            partner: None,
            received: None,
            states: None,
            holds: None,
        }
    }

    fn of(what: What, push: &KeptPush) -> Self {
        Self {
            partner: Some(push.partner.clone()),
            received: Some(time::format(push.received_us)),
            ..Self::about(what, Some(push.exchange), Some(&push.record))
        }
    }

    fn of_recall(what: What, recall: &KeptRecall) -> Self {
        Self {
            partner: Some(recall.event.p.clone()),
            received: Some(time::format(recall.sealed_us)),
            ..Self::about(what, Some(recall.exchange), Some(&recall.event.rec))
        }
    }

    fn counted(self, states: i64, holds: i64) -> Self {
        Self {
            states: Some(states),
            holds: Some(holds),
            ..self
        }
    }

    fn row(&self) -> Vec<String> {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        vec![
            self.what.word().into(),
            or_dash(&self.exchange.map(|exchange| exchange.to_string())),
            or_dash(&self.record),
            or_dash(&self.partner),
            or_dash(&self.received),
            or_dash(&self.states.map(|states| states.to_string())),
            or_dash(&self.holds.map(|holds| holds.to_string())),
        ]
    }
}

/// What was compared and found.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Pushes in the journal.
    pushes: u64,
    /// Exchanges in the registry.
    arrived: u64,
    /// Rows that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// Record types whose rows were not read, because no policy in force releases any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
    found: u64,
    findings: Vec<Finding>,
    /// What the log itself explains: nothing is wrong.
    explained: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    known: Vec<Finding>,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        self.found += 1;
        if self.findings.len() < LISTED_MAX {
            self.findings.push(finding);
        }
    }
}

impl Report {
    fn explain(&mut self, finding: Finding) {
        self.explained += 1;
        if self.known.len() < LISTED_MAX {
            self.known.push(finding);
        }
    }
}

pub(super) fn run(path: &Path, is_deep: bool, output: &Output) -> Result<Exit, Failure> {
    let config = config::load(path)?;
    let (reader, bar) = (Reader::open(&config.journal.place), bar(output));
    let reader = reader.map_err(|fault| unreadable(&config, &fault))?;
    let mut report = compare(&config, &reader, &bar)?;
    if !is_deep {
        for recall in waiting_recalls(&config, &reader)? {
            report.explain(Finding::of_recall(What::RecallWaits, &recall));
        }
    }
    if is_deep {
        deep::compare(path, &config, &reader, (&bar, &mut report))?;
    }
    bar.finish_and_clear();
    if output.is_json() {
        output.json("shuguan.db-fsck.v1", &report);
    } else {
        show(&report, &config.registry.store, output);
    }
    Ok(if report.found == 0 { Exit::Done } else { Exit::NotProven })
}

fn bar(output: &Output) -> ProgressBar {
    if !output.shows_progress() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} {msg} {per_sec}");
    let bar = ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.with_message("exchanges")
}

fn compare(config: &Config, reader: &Reader, bar: &ProgressBar) -> Result<Report, Failure> {
    let unreadable = |fault: &JournalFault| unreadable(config, fault);
    let mut report = Report::default();
    let mut from = 0;
    loop {
        let pushes = reader.pushes_from(from).map_err(|fault| unreadable(&fault))?;
        let Some(last) = pushes.last() else { break };
        from = last.leaf + 1;
        journal_page(config, &pushes, &mut report)?;
        bar.inc(u64::try_from(pushes.len()).unwrap_or(0));
    }
    let mut from = 0;
    loop {
        let recalls = reader.recalls_from(from).map_err(|fault| unreadable(&fault))?;
        let Some(last) = recalls.last() else { break };
        from = last.leaf + 1;
        recalls_page(config, &recalls, &mut report)?;
    }
    let opened = reader.logs_opened().map_err(|fault| unreadable(&fault))?;
    let in_gap = |leaf: &u64| opened.iter().any(|log| (log.kept..log.size).contains(leaf));
    let mut last = None;
    loop {
        let arrived = Registry::exchanges_behind(&config.registry.store, last).map_err(unanswered)?;
        let Some(newest) = arrived.last() else { break };
        last = Some(newest.0);
        for (exchange, leaf) in &arrived {
            report.arrived += 1;
            let known = reader.first_leaf(*exchange).map_err(|fault| unreadable(&fault))?;
            match known {
                Some(_) => {}
                // The place in the log that the registry noted of it is one of those that the log lost.
                None if in_gap(leaf) => report.explain(Finding::about(What::InGap, Some(*exchange), None)),
                None => report.add(Finding::about(What::Unknown, Some(*exchange), None)),
            }
        }
        bar.inc(u64::try_from(arrived.len()).unwrap_or(0));
    }
    Ok(report)
}

fn journal_page(config: &Config, pushes: &[KeptPush], report: &mut Report) -> Result<(), Failure> {
    let ids: Vec<Uuid> = pushes.iter().map(|push| push.exchange).collect();
    let progress = Registry::progress_of(&config.registry.store, &ids).map_err(unanswered)?;
    for push in pushes {
        report.pushes += 1;
        let there = progress.get(&push.exchange);
        let what = match (&push.relayed, push.state) {
            _ if push.recalled => None,
            _ if push.is_misplaced() => Some(What::Misplaced),
            // The relay seals the leaf of what is whole in the registry, and opens nothing for that.
            (_, state) if state.is_pending() && there.is_some_and(|there| there.parts >= push.parts) => None,
            (_, state) if state.is_pending() => (!push.is_held(&config.journal.payloads)).then_some(What::NoPayload),
            (Some(relayed), _) if holds_whole(there, relayed) => None,
            (Some(relayed), _)
                if there.is_some_and(|there| u64::from(there.parts) >= relayed.batch && !is_ending(there, relayed)) =>
            {
                Some(What::Differs)
            }
            (Some(_), InboxState::Relayed) if push.is_held(&config.journal.payloads) => Some(What::Missing),
            (Some(_), _) => Some(What::Lost),
            // It was given up before it was relayed whole.
            (None, _) => there.filter(|there| there.written() > 0).map(|_| What::GivenUp),
        };
        if let Some(what) = what {
            let finding = Finding::of(what, push);
            report.add(match there.filter(|_| what == What::GivenUp) {
                Some(there) => finding.counted(0, i64::try_from(there.written()).unwrap_or(i64::MAX)),
                None => finding,
            });
        }
    }
    Ok(())
}

/// A snapshot whose rows are in and of which not all was closed that it lacked: the backup was made before its last stride. Fed again, it goes on there.
fn is_ending(there: &Progress, relayed: &RelayedEvent) -> bool {
    let counts = there.counts;
    u64::from(there.parts) == relayed.batch
        && (counts.ins, counts.upd, counts.same) == (relayed.ins, relayed.upd, relayed.same)
        && relayed.del.is_some_and(|del| counts.del < del)
}

/// Recalls that the log took and of which no leaf says that they are carried out, in its order.
fn waiting_recalls(config: &Config, reader: &Reader) -> Result<Vec<KeptRecall>, Failure> {
    let (mut waiting, mut from) = (Vec::new(), 0);
    loop {
        let recalls = reader.recalls_from(from).map_err(|fault| unreadable(config, &fault))?;
        let Some(last) = recalls.last() else { break };
        from = last.leaf + 1;
        waiting.extend(recalls.into_iter().filter(|recall| recall.done.is_none()));
    }
    Ok(waiting)
}

/// What the log says is taken back must be so in the registry.
fn recalls_page(config: &Config, recalls: &[KeptRecall], report: &mut Report) -> Result<(), Failure> {
    let ids: Vec<Uuid> = recalls.iter().map(|recall| recall.exchange).collect();
    let progress = Registry::progress_of(&config.registry.store, &ids).map_err(unanswered)?;
    let is_undone = |recall: &KeptRecall| {
        progress
            .get(&recall.exchange)
            .is_some_and(|progress| progress.parts > 0)
    };
    for recall in recalls
        .iter()
        .filter(|recall| recall.done.is_some() && !is_undone(recall))
    {
        report.add(Finding::of_recall(What::NotRecalled, recall));
    }
    Ok(())
}

fn unreadable(config: &Config, fault: &JournalFault) -> Failure {
    Failure::local(format!("cannot read `{}`", config.journal.place)).because(Chain(fault))
}

fn unanswered(fault: RegistryFault) -> Failure {
    Failure::local("the registry cannot be read")
        .coded(fault.code())
        .because(Chain(&fault))
}

fn show(report: &Report, store: &RegistrySettings, output: &Output) {
    let listed = || report.findings.iter().chain(&report.known);
    let rows: Vec<Vec<String>> = listed().map(Finding::row).collect();
    if !rows.is_empty() {
        output.rows(
            &["FINDING", "EXCHANGE", "DATA", "PARTNER", "RECEIVED", "STATES", "HOLDS"],
            &rows,
        );
    }
    let (pushes, arrived, found) = (report.pushes, report.arrived, report.found);
    output.note(format!(
        "{pushes} pushes in the journal, {arrived} exchanges in the registry, {found} findings"
    ));
    if let Some(rows) = report.rows {
        output.note(format!("{rows} rows of the registry were read"));
    }
    if !report.unread.is_empty() {
        let unread = report.unread.join(", ");
        output.note(format!("not read, because no policy in force releases it: {unread}"));
    }
    let all = found.saturating_add(report.explained);
    let more = all.saturating_sub(u64::try_from(listed().count()).unwrap_or(u64::MAX));
    if more > 0 {
        output.note(format!("{more} more are not listed"));
    }
    for what in [
        What::Missing,
        What::Lost,
        What::Differs,
        What::Unknown,
        What::InGap,
        What::NoPayload,
        What::NotRecalled,
        What::RecallWaits,
        What::GivenUp,
        What::OpenRows,
        What::More,
        What::Stray,
        What::Provenance,
    ] {
        if listed().any(|finding| finding.what == what) {
            output.note(format!("{}: {}", what.word(), what.next(store)));
        }
    }
}
