//! `--deep`: the rows themselves beside what log and registry say of each exchange.
//!
//! Takes what rows and history say of where they come from, in one state of the registry, and then the journal, which so is never the older one; gives what
//! does not fit, by exchange and by record type, as numbers. A part's rows and its counts are committed together, so the rows that are open must be as many
//! as all counts make: that is told exactly, by record type. Which exchange lacks rows is not told: one whose rows another exchange updated, confirmed or took
//! back has fewer than it brought. A recall that waits is named, with the rows that it will take back.

use std::path::Path;

use indicatif::ProgressBar;
use uuid::Uuid;

use super::{Finding, Report, What, unanswered, unreadable, waiting_recalls};
use crate::command::exit::Failure;
use crate::config::Config;
use crate::journal::Reader;
use crate::registry::{OpenRows, Registry, Trace, Traces};

pub(super) fn compare(
    path: &Path,
    config: &Config,
    reader: &Reader,
    (bar, report): (&ProgressBar, &mut Report),
) -> Result<(), Failure> {
    let tables = super::super::registry(path, None)?.1;
    bar.set_message("rows");
    let traces = Registry::traces(&config.registry.store, &tables, &mut || bar.inc(1)).map_err(unanswered)?;
    of_tables(&traces, report);
    strangers(&traces, report);
    bar.set_message("exchanges");
    recalls_that_wait(config, reader, (&traces, report))?;
    pushes(config, reader, &traces, (bar, report))?;
    recalls(config, reader, (&traces, report))?;
    report.rows = Some(traces.tables.iter().map(|table| table.rows).sum());
    report.unread.clone_from(&traces.unread);
    Ok(())
}

/// Names the recalls that wait, with the rows that bear the name of what they will take back.
fn recalls_that_wait(
    config: &Config,
    reader: &Reader,
    (traces, report): (&Traces, &mut Report),
) -> Result<(), Failure> {
    for recall in waiting_recalls(config, reader)? {
        let trace = traces.exchanges.get(&recall.push);
        let (sent, held) = trace.map_or((0, 0), |trace| (trace.sent, trace.rows));
        report.explain(Finding::of_recall(What::RecallWaits, &recall).counted(number(sent), number(held)));
    }
    Ok(())
}

fn pushes(
    config: &Config,
    reader: &Reader,
    traces: &Traces,
    (bar, report): (&ProgressBar, &mut Report),
) -> Result<(), Failure> {
    let mut from = 0;
    loop {
        let pushes = reader.pushes_from(from).map_err(|fault| unreadable(config, &fault))?;
        let Some(last) = pushes.last() else {
            return Ok(());
        };
        from = last.leaf + 1;
        for push in &pushes {
            let Some(trace) = traces.exchanges.get(&push.exchange) else {
                continue;
            };
            let said = (push.leaf, push.record.as_str(), push.partner.as_str(), push.received_us);
            let add = |what, states, holds| report.add(Finding::of(what, push).counted(states, holds));
            judge(trace, said, add);
        }
        bar.inc(pushes.len() as u64);
    }
}

fn recalls(config: &Config, reader: &Reader, (traces, report): (&Traces, &mut Report)) -> Result<(), Failure> {
    let mut from = 0;
    loop {
        let recalls = reader.recalls_from(from).map_err(|fault| unreadable(config, &fault))?;
        let Some(last) = recalls.last() else {
            return Ok(());
        };
        from = last.leaf + 1;
        for recall in &recalls {
            let Some(trace) = traces.exchanges.get(&recall.exchange) else {
                continue;
            };
            let event = &recall.event;
            let said = (recall.leaf, event.rec.as_str(), event.p.as_str(), recall.sealed_us);
            let add = |what, states, holds| report.add(Finding::of_recall(what, recall).counted(states, holds));
            judge(trace, said, add);
        }
    }
}

/// Tables in which other rows are open than the counts make.
fn of_tables(traces: &Traces, report: &mut Report) {
    let differ = |table: &&OpenRows| table.held != table.stated;
    for table in traces.tables.iter().filter(differ) {
        report.add(Finding::about(What::OpenRows, None, Some(&table.record)).counted(table.stated, table.held));
    }
}

/// What bears the name of an exchange that the registry says nothing of.
fn strangers(traces: &Traces, report: &mut Report) {
    let mut strangers: Vec<(&Uuid, &u64)> = traces.strangers.iter().collect();
    strangers.sort_unstable();
    for (exchange, count) in strangers {
        report.add(Finding::about(What::Stray, Some(*exchange), None).counted(0, number(*count)));
    }
    if traces.leafless > 0 {
        report.add(Finding::about(What::Stray, None, None).counted(0, number(traces.leafless)));
    }
}

/// Leaf, record type, partner and time as the log has them.
type Said<'s> = (u64, &'s str, &'s str, i64);

/// One exchange. A recall that waits excuses nothing: it will empty whatever bears the name of its batch, whoever wrote that there.
fn judge(trace: &Trace, said: Said<'_>, mut add: impl FnMut(What, i64, i64)) {
    let leaf = u64::try_from(trace.leaf).unwrap_or(u64::MAX);
    let held = (leaf, &*trace.record, &*trace.partner, trace.received_us);
    if held != said {
        add(What::Provenance, 0, number(trace.rows.max(1)));
    } else if trace.odd > 0 {
        add(What::Provenance, 0, number(trace.odd));
    }
    if trace.rows > trace.sent {
        add(What::More, number(trace.sent), number(trace.rows));
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
