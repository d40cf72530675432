//! What the rows of a registry say of where they come from, beside what the registry says of each exchange.
//!
//! Takes tables; gives the progress of every exchange with the rows and the history that bear its name, and of each table how many rows are open and how
//! many the counts of its exchanges make. One state of the registry, in which both must agree, for a part's rows are committed with its progress: rows that
//! were added, removed, opened or closed past the relay show, and so does a provenance that is not that of its exchange. Reads every row once, and of
//! it the provenance alone; holds the progress of all exchanges meanwhile, one to two hundred bytes each. What it cannot see: a value that was changed in its
//! place, an open row that was removed where another was added, and that closed rows or lines of the history were removed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::fault::RegistryFault;
use super::schema::TableSpec;

/// What one exchange left, by its progress and by what bears its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Index of its leaf.
    pub leaf: i64,
    /// Record type.
    pub record: Arc<str>,
    /// Whose it is.
    pub partner: Arc<str>,
    /// When it was received, microseconds since the epoch.
    pub received_us: i64,
    /// Rows that it held.
    pub sent: u64,
    /// Rows whose content is still its own.
    pub rows: u64,
    /// Rows and lines of the history that bear its name, and another leaf, record type, partner or time.
    pub odd: u64,
}

/// The open rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRows {
    /// Record type.
    pub record: String,
    /// Rows, open or not.
    pub rows: u64,
    /// As many as there are.
    pub held: i64,
    /// As many as its exchanges inserted and opened, without those that they closed.
    pub stated: i64,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Traces {
    /// By exchange.
    pub exchanges: HashMap<Uuid, Trace>,
    /// By table.
    pub tables: Vec<OpenRows>,
    /// Rows and lines of the history that bear the name of an exchange without progress.
    pub strangers: HashMap<Uuid, u64>,
    /// Lines of the history that name a leaf of none, as what brought a row's content before.
    pub leafless: u64,
    /// Record types of exchanges whose table is not among those that were asked for.
    pub unread: Vec<String>,
    leaves: HashSet<i64>,
    /// Record types and partners, each once.
    names: HashSet<Arc<str>>,
}

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Progress,
    /// The table with that place.
    Table(usize),
    History,
}

/// Exchange, record type, partner, and numbers: leaf and receiving time; then of progress its rows, and how many more it inserted than it closed; of a row whether it is
/// open; of the history the leaf of what was there before (-1: none).
pub(super) struct Line<'l> {
    pub(super) exchange: Uuid,
    pub(super) record: &'l str,
    pub(super) partner: &'l str,
    pub(super) numbers: [i64; NUMBERS],
}

pub(super) const NUMBERS: usize = 4;

/// What a store reads, in this order and in one snapshot; the same text on each.
pub(super) fn statements(tables: &[TableSpec]) -> Vec<(Source, String)> {
    let numbers = |numbers: [&str; NUMBERS]| numbers.map(|number| format!("CAST({number} AS bigint)")).join(", ");
    let progress = numbers(["leaf", "received_us", "row_count", "inserted - deleted"]);
    let row = numbers(["_leaf", "_received_us", "CASE WHEN _open <> 0 THEN 1 ELSE 0 END", "0"]);
    let line = numbers(["leaf", "at_us", "coalesce(was_leaf, -1)", "0"]);
    let mut all = vec![(
        Source::Progress,
        format!("SELECT exchange, record, partner, {progress} FROM relay_progress"),
    )];
    all.extend(tables.iter().enumerate().map(|(place, table)| {
        let (name, record) = (&table.name, table.record.name);
        let text = format!("SELECT _exchange, '{record}', _partner, {row} FROM {name}");
        (Source::Table(place), text)
    }));
    all.push((
        Source::History,
        format!("SELECT exchange, record, partner, {line} FROM history"),
    ));
    all
}

impl Traces {
    pub(super) fn of(tables: &[TableSpec]) -> Self {
        let open = |table: &TableSpec| OpenRows {
            record: table.record.name.into(),
            rows: 0,
            held: 0,
            stated: 0,
        };
        Self {
            tables: tables.iter().map(open).collect(),
            ..Self::default()
        }
    }

    /// Adds a line; lines come in the order of [`statements`].
    pub(super) fn add(&mut self, source: Source, line: &Line<'_>) {
        match source {
            Source::Progress => self.progress(line),
            Source::Table(place) => {
                let [_, _, open, _] = line.numbers;
                if let Some(table) = self.tables.get_mut(place) {
                    table.rows += 1;
                    table.held = table.held.saturating_add(open);
                }
                if let Some(trace) = self.trace(line) {
                    trace.rows += 1;
                }
            }
            Source::History => {
                self.trace(line);
                let [_, _, was, _] = line.numbers;
                if was >= 0 && !self.leaves.contains(&was) {
                    self.leafless += 1;
                }
            }
        }
    }

    fn progress(&mut self, line: &Line<'_>) {
        let [leaf, received_us, sent, opened] = line.numbers;
        match self.tables.iter_mut().find(|table| table.record == line.record) {
            // Numbers that somebody wrote past the relay may be any.
            Some(table) => table.stated = table.stated.saturating_add(opened),
            None if self.unread.iter().any(|record| record == line.record) => {}
            None => self.unread.push(line.record.to_owned()),
        }
        self.leaves.insert(leaf);
        let trace = Trace {
            leaf,
            record: self.name(line.record),
            partner: self.name(line.partner),
            received_us,
            sent: sent.unsigned_abs(),
            rows: 0,
            odd: 0,
        };
        self.exchanges.insert(line.exchange, trace);
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(held) = self.names.get(name) {
            return Arc::clone(held);
        }
        let name = Arc::<str>::from(name);
        self.names.insert(Arc::clone(&name));
        name
    }

    /// What is known of the line's exchange; there it is counted when it says otherwise.
    fn trace(&mut self, line: &Line<'_>) -> Option<&mut Trace> {
        let Some(trace) = self.exchanges.get_mut(&line.exchange) else {
            *self.strangers.entry(line.exchange).or_default() += 1;
            return None;
        };
        let [leaf, received_us, ..] = line.numbers;
        let said = (leaf, received_us, line.record, line.partner);
        if said != (trace.leaf, trace.received_us, &*trace.record, &*trace.partner) {
            trace.odd += 1;
        }
        Some(trace)
    }
}

/// A line that cannot be read is damage.
pub(super) fn malformed() -> RegistryFault {
    RegistryFault::Malformed { column: "_exchange" }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::{RESIDENT, kept};
    use super::{Line, Source, Traces};
    use uuid::Uuid;

    #[test]
    fn counts_that_somebody_wrote_past_the_relay_are_told_whatever_they_are() {
        let tables = kept(&[&RESIDENT]);
        let mut traces = Traces::of(&tables);
        for exchange in 1..=2 {
            let line = Line {
                exchange: Uuid::from_u128(exchange),
                record: tables.first().map(|table| table.record.name).unwrap_or_default(),
                partner: "somebody",
                numbers: [1, 0, i64::MIN, i64::MAX],
            };
            traces.add(Source::Progress, &line);
        }
        assert_eq!(
            traces.tables.first().map(|table| (table.held, table.stated)),
            Some((0, i64::MAX))
        );
    }
}
