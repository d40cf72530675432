//! One part into one table of SQLite, in the caller's transaction: look up, settle, write, index.

use rusqlite::types::Null;
use rusqlite::{CachedStatement, Connection};

use super::super::day;
use super::super::fault::{RegistryFault, Step};
use super::super::merge::rows::Value;
use super::super::merge::{Arrival, Counts, Version};
use super::super::schema::TableSpec;
use super::index;

/// Rows a look-up statement.
const LOOKUP_ROWS: usize = 100;
/// Rows a writing statement: beyond 50, SQLite's gain is spent on preparing (performance.md section 2).
const WRITE_ROWS: usize = 50;

/// Merges a part; gives its counts.
pub(super) fn apply(connection: &Connection, arrival: &Arrival<'_>) -> Result<Counts, RegistryFault> {
    let merge = Merge { connection, arrival };
    let (writes, counts) = merge.choose()?;
    merge.write(&writes)?;
    index::enter(connection, arrival, &writes)?;
    Ok(counts)
}

struct Merge<'m, 'a> {
    connection: &'m Connection,
    arrival: &'m Arrival<'a>,
}

impl Merge<'_, '_> {
    /// The rows to write, in key order: for each key the last that is newer than what is there.
    fn choose(&self) -> Result<(Vec<usize>, Counts), RegistryFault> {
        let groups: Vec<&[u32]> = self.arrival.rows.groups().collect();
        let mut writes = Vec::with_capacity(groups.len());
        let mut counts = Counts::default();
        for chunk in groups.chunks(LOOKUP_ROWS) {
            let known = self.look_up(chunk)?;
            for (group, known) in chunk.iter().zip(known) {
                let winner = self.arrival.settle(group, known, &mut counts);
                writes.extend(winner.map(|(row, _)| row));
            }
        }
        Ok((writes, counts))
    }

    /// What the table has for each of up to [`LOOKUP_ROWS`] keys in ascending order.
    fn look_up(&self, groups: &[&[u32]]) -> Result<Vec<Option<Version>>, RegistryFault> {
        let mut statement = self.lookup_statement(groups.len())?;
        let keys: Vec<&[u8]> = groups.iter().map(|group| self.arrival.rows.key_of(group)).collect();
        for (place, key) in keys.iter().enumerate() {
            // INVARIANT: keys are made of strings, so this conversion cannot lose anything.
            let key = std::str::from_utf8(key).unwrap_or_default();
            statement.raw_bind_parameter(place + 1, key).step("bind a key")?;
        }
        let mut found = statement.raw_query();
        let mut known = Vec::with_capacity(groups.len());
        let mut due = keys.iter();
        while let Some(row) = found.next().step("look up rows")? {
            let key = row.get_ref(0).step("look up rows")?.as_bytes().unwrap_or_default();
            for _ in due.by_ref().take_while(|expected| **expected != key) {
                known.push(None);
            }
            known.push(Some(Version {
                hash: row.get(1).step("look up rows")?,
                order: (
                    row.get(2).step("look up rows")?,
                    row.get(3).step("look up rows")?,
                    row.get(4).step("look up rows")?,
                ),
            }));
        }
        known.resize(groups.len(), None);
        Ok(known)
    }

    fn lookup_statement(&self, keys: usize) -> Result<CachedStatement<'_>, RegistryFault> {
        let places = vec!["?"; keys].join(",");
        let text = format!(
            "SELECT _key, _hash, _source_us, _leaf, _row FROM {} WHERE _key IN ({places}) ORDER BY _key",
            self.arrival.table.name
        );
        self.connection.prepare_cached(&text).step("prepare a look-up")
    }

    fn write(&self, writes: &[usize]) -> Result<(), RegistryFault> {
        let (many, rest) = writes.split_at(writes.len() - writes.len() % WRITE_ROWS);
        self.write_by(WRITE_ROWS, many)?;
        self.write_by(1, rest)
    }

    /// Writes as many rows a statement. A part of one row is common, and the text for many would cost more than the row.
    fn write_by(&self, rows: usize, writes: &[usize]) -> Result<(), RegistryFault> {
        if writes.is_empty() {
            return Ok(());
        }
        let text = self.upsert_text(rows);
        writes.chunks(rows).try_for_each(|chunk| self.upsert(&text, chunk))
    }

    fn upsert(&self, text: &str, rows: &[usize]) -> Result<(), RegistryFault> {
        let mut statement = self.connection.prepare_cached(text).step("prepare an upsert")?;
        let mut place = 1;
        for row in rows {
            self.bind(&mut statement, &mut place, *row).step("bind a row")?;
        }
        statement.raw_execute().step("write rows")?;
        Ok(())
    }

    fn bind(&self, statement: &mut CachedStatement<'_>, place: &mut usize, row: usize) -> rusqlite::Result<()> {
        for column in self.arrival.rows.columns() {
            bind(statement, *place, column.value(row))?;
            *place += 1;
        }
        let mut next = || {
            *place += 1;
            *place - 1
        };
        statement.raw_bind_parameter(next(), self.arrival.rows.key(row))?;
        if self.arrival.table.has_unit() {
            statement.raw_bind_parameter(next(), self.arrival.rows.unit(row))?;
        }
        statement.raw_bind_parameter(next(), self.arrival.part.exchange.as_bytes())?;
        statement.raw_bind_parameter(next(), self.arrival.row_no(row))?;
        statement.raw_bind_parameter(next(), self.arrival.part.partner.as_str())?;
        statement.raw_bind_parameter(next(), self.arrival.leaf())?;
        statement.raw_bind_parameter(next(), self.arrival.rows.source_us(row))?;
        statement.raw_bind_parameter(next(), self.arrival.part.received_us)?;
        statement.raw_bind_parameter(next(), self.arrival.rows.hash(row))
    }

    fn upsert_text(&self, rows: usize) -> String {
        upsert_text(self.arrival.table, &self.arrival.rows.names(), rows)
    }
}

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
    let sets: Vec<String> = names
        .iter()
        .filter(|name| **name != "_key")
        .map(|name| format!("{name}=excluded.{name}"))
        .collect();
    format!(
        "INSERT INTO {} ({}) VALUES {} ON CONFLICT (_key) DO UPDATE SET {}",
        table.name,
        names.join(","),
        vec![row; rows].join(","),
        sets.join(",")
    )
}
