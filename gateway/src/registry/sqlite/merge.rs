//! One part into one table of SQLite, in the caller's transaction: look up, settle, write, note, index.

use rusqlite::types::Null;
use rusqlite::{CachedStatement, Connection};

use super::super::changes;
use super::super::day;
use super::super::discrepancy::rival::Met;
use super::super::discrepancy::touch::Touched;
use super::super::fault::{RegistryFault, Step};
use super::super::merge::fate::{Fate, Known, NO_CONTENT};
use super::super::merge::late::Later;
use super::super::merge::rows::Value;
use super::super::merge::{Arrival, Counts};
use super::super::numbers::at_once;
use super::super::schema::{TableSpec, replaced};
use super::numbers::Within;
use super::{discrepancy, index, note};

/// Rows a look-up statement.
const LOOKUP_ROWS: usize = 100;
/// Rows a writing statement: beyond 50, SQLite's gain is spent on preparing (performance.md section 2).
const WRITE_ROWS: usize = 50;

/// Merges a part; gives its counts.
pub(super) fn apply(
    connection: &Connection,
    tables: &[TableSpec],
    arrival: &Arrival<'_>,
) -> Result<Counts, RegistryFault> {
    let keys = || arrival.rows.groups().filter_map(|group| arrival.key(group).ok());
    let later = note::later(connection, arrival.table, &arrival.part.partner, arrival.leaf(), keys)?;
    let merge = Merge {
        connection,
        arrival,
        later: &later,
    };
    let (settled, counts) = merge.settle()?;
    let changed_us = at_once(changes::mark(&mut Within(connection)))?;
    let part = arrival.part;
    let mut touched = Touched::by(&part.record, part.received_us, part.exchange);
    let changed = settled.iter().filter(|settled| settled.changes_what_is_there());
    let changed: Vec<&str> = changed
        .map(|settled| arrival.key(settled.group))
        .collect::<Result<_, _>>()?;
    discrepancy::note_standing(connection, arrival.table, &changed, &mut touched)?;
    let mut met = Met::default();
    for settled in &settled {
        met.add(arrival, settled.group, &settled.before, settled.fate.content);
    }
    touched.met(at_once(met.ask(&mut Within(connection), arrival.table))?);
    let writes: Vec<(usize, i16)> = settled
        .iter()
        .filter_map(|settled| settled.fate.content.map(|row| (row, settled.after.state())))
        .collect();
    merge.write(&writes)?;
    for settled in settled.iter().filter(|settled| settled.fate.content.is_none()) {
        merge.mark(settled)?;
    }
    note::closings(connection, arrival, &settled)?;
    note::superseded(connection, arrival, &settled)?;
    note::history(connection, arrival, &settled)?;
    note::lacking(connection, arrival, &later, &settled)?;
    note::held(connection, arrival, &settled)?;
    let rows: Vec<usize> = writes.iter().map(|(row, _)| *row).collect();
    let known = index::enter(connection, arrival, &rows, changed_us)?;
    touched.rows(arrival.table, &arrival.rows, &rows, &known);
    discrepancy::compare(connection, tables, touched)?;
    Ok(counts)
}

/// One key with what was known of it before and after, and what becomes of it.
pub(super) struct Settled<'g> {
    pub(super) group: &'g [u32],
    pub(super) before: Known,
    pub(super) after: Known,
    pub(super) fate: Fate,
}

impl Settled<'_> {
    /// Whether a row of before says something else afterwards.
    fn changes_what_is_there(&self) -> bool {
        self.before.there && (self.fate.content.is_some() || self.after.state() != self.before.state())
    }
}

struct Merge<'m, 'a> {
    connection: &'m Connection,
    arrival: &'m Arrival<'a>,
    /// Snapshots of its partner that came after it and close already; nearly always none.
    later: &'m [Later],
}

impl Merge<'_, '_> {
    /// What becomes of each key, in key order.
    fn settle(&self) -> Result<(Vec<Settled<'_>>, Counts), RegistryFault> {
        let groups: Vec<&[u32]> = self.arrival.rows.groups().collect();
        let mut settled = Vec::with_capacity(groups.len());
        let mut counts = Counts::default();
        for chunk in groups.chunks(LOOKUP_ROWS) {
            for (group, before) in chunk.iter().zip(self.look_up(chunk)?) {
                let mut before = before;
                if before.noted {
                    let key = self.arrival.key(group)?;
                    before.closing = note::closing(self.connection, self.arrival, key)?;
                }
                let mut after = before;
                let fate = self.arrival.settle(group, &mut after, &mut counts, self.later);
                settled.push(Settled {
                    group,
                    before,
                    after,
                    fate,
                });
            }
        }
        Ok((settled, counts))
    }

    /// What the table has for each of up to [`LOOKUP_ROWS`] keys in ascending order.
    fn look_up(&self, groups: &[&[u32]]) -> Result<Vec<Known>, RegistryFault> {
        let mut statement = self.lookup_statement(groups.len())?;
        let keys: Vec<&[u8]> = groups.iter().map(|group| self.arrival.rows.key_of(group)).collect();
        for (place, key) in keys.iter().enumerate() {
            // INVARIANT: keys are made of strings, so this conversion cannot lose anything.
            let key = std::str::from_utf8(key).unwrap_or_default();
            statement.raw_bind_parameter(place + 2, key).step("bind a key")?;
        }
        let partner = self.arrival.part.partner.as_str();
        statement.raw_bind_parameter(1, partner).step("bind a partner")?;
        let mut found = statement.raw_query();
        let mut known = Vec::with_capacity(groups.len());
        let mut due = keys.iter();
        while let Some(row) = found.next().step("look up rows")? {
            let key = row.get_ref(0).step("look up rows")?.as_bytes().unwrap_or_default();
            for _ in due.by_ref().take_while(|expected| **expected != key) {
                known.push(Known::default());
            }
            let number = |place| row.get::<_, i64>(place).step("look up rows");
            let order = (number(2)?, number(3)?, number(4)?);
            let hash = row.get(1).step("look up rows")?;
            known.push(Known::row(hash, order, number(6)? != 0, number(5)?));
        }
        known.resize(groups.len(), Known::default());
        Ok(known)
    }

    fn lookup_statement(&self, keys: usize) -> Result<CachedStatement<'_>, RegistryFault> {
        let places = vec!["?"; keys].join(",");
        let text = format!(
            "SELECT _key, _hash, _source_us, _leaf, _row, _open, _partner = ?1 FROM {} WHERE _key IN ({places}) ORDER BY _key",
            self.arrival.table.name
        );
        self.connection.prepare_cached(&text).step("prepare a look-up")
    }

    fn write(&self, writes: &[(usize, i16)]) -> Result<(), RegistryFault> {
        let (many, rest) = writes.split_at(writes.len() - writes.len() % WRITE_ROWS);
        self.write_by(WRITE_ROWS, many)?;
        self.write_by(1, rest)
    }

    /// Writes as many rows a statement. A part of one row is common, and the text for many would cost more than the row.
    fn write_by(&self, rows: usize, writes: &[(usize, i16)]) -> Result<(), RegistryFault> {
        if writes.is_empty() {
            return Ok(());
        }
        let names = self.arrival.rows.names();
        let text = upsert_text(self.arrival.table, &names, rows);
        writes
            .chunks(rows)
            .try_for_each(|chunk| self.upsert(&text, &names, chunk))
    }

    /// A key whose content stays: its row says whether it is open. One that was closed before it came gets a row of its keys alone.
    fn mark(&self, settled: &Settled<'_>) -> Result<(), RegistryFault> {
        let state = settled.after.state();
        if let Some(row) = settled.fate.herald {
            let keys = self.arrival.table.keys.iter().copied().flatten();
            let mut names: Vec<&str> = keys
                .copied()
                .filter(|name| self.arrival.rows.column(name).is_some())
                .collect();
            names.sort_unstable();
            names.dedup();
            let text = upsert_text(self.arrival.table, &names, 1);
            return self.upsert(&text, &names, &[(row, HERALD)]);
        }
        if !settled.before.there || state == settled.before.state() {
            return Ok(());
        }
        let text = format!("UPDATE {} SET _open = ?1 WHERE _key = ?2", self.arrival.table.name);
        let mut statement = self.connection.prepare_cached(&text).step("prepare a closing")?;
        let key = self.arrival.key(settled.group)?;
        let marked = statement.execute((state, key)).step("close a row")?;
        debug_assert_eq!(marked, 1);
        Ok(())
    }

    fn upsert(&self, text: &str, names: &[&str], rows: &[(usize, i16)]) -> Result<(), RegistryFault> {
        let mut statement = self.connection.prepare_cached(text).step("prepare an upsert")?;
        let mut place = 1;
        for row in rows {
            self.bind(&mut statement, &mut place, names, *row).step("bind a row")?;
        }
        statement.raw_execute().step("write rows")?;
        Ok(())
    }

    fn bind(
        &self,
        statement: &mut CachedStatement<'_>,
        place: &mut usize,
        names: &[&str],
        (row, state): (usize, i16),
    ) -> rusqlite::Result<()> {
        for column in self.arrival.rows.columns() {
            if names.contains(&column.name) {
                bind(statement, *place, column.value(row))?;
                *place += 1;
            }
        }
        let mut next = || {
            *place += 1;
            *place - 1
        };
        let herald = state == HERALD;
        statement.raw_bind_parameter(next(), self.arrival.rows.key(row))?;
        if self.arrival.table.has_unit() {
            statement.raw_bind_parameter(next(), self.arrival.rows.unit(row).filter(|_| !herald))?;
        }
        statement.raw_bind_parameter(next(), self.arrival.part.exchange.as_bytes())?;
        statement.raw_bind_parameter(next(), self.arrival.row_no(row))?;
        statement.raw_bind_parameter(next(), self.arrival.part.partner.as_str())?;
        statement.raw_bind_parameter(next(), self.arrival.leaf())?;
        statement.raw_bind_parameter(next(), self.arrival.rows.source_us(row))?;
        statement.raw_bind_parameter(next(), self.arrival.part.received_us)?;
        let hash = if herald {
            NO_CONTENT
        } else {
            self.arrival.rows.hash(row)
        };
        statement.raw_bind_parameter(next(), hash)?;
        statement.raw_bind_parameter(next(), state.max(0))
    }
}

/// The state of a row that is written closed, before its content came.
const HERALD: i16 = -1;

fn bind(statement: &mut CachedStatement<'_>, place: usize, value: Value<'_>) -> rusqlite::Result<()> {
    match value {
        Value::Null => statement.raw_bind_parameter(place, Null),
        Value::Text(text) => statement.raw_bind_parameter(place, text),
        Value::Date(days) => statement.raw_bind_parameter(place, day::to_text(days).as_str()),
        Value::Instant(micros) => statement.raw_bind_parameter(place, micros),
        Value::Integer(number) => statement.raw_bind_parameter(place, number),
        Value::Boolean(flag) => statement.raw_bind_parameter(place, flag),
    }
}

/// The writing statement for a part with those columns, `rows` rows at once.
fn upsert_text(table: &TableSpec, columns: &[&str], rows: usize) -> String {
    let provenance = table.provenance();
    let names: Vec<&str> = columns.iter().chain(&provenance).copied().collect();
    let row = format!("({})", vec!["?"; names.len()].join(","));
    format!(
        "INSERT INTO {} ({}) VALUES {} ON CONFLICT (_key) DO UPDATE SET {}",
        table.name,
        names.join(","),
        vec![row; rows].join(","),
        replaced(table, &names)
    )
}
