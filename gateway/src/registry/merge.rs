//! One released part into one table, in the caller's transaction. Takes columns; gives counts; refuses columns that the table lacks.
//!
//! Newest wins by (source time, leaf, row); equal content is left alone, so that an unchanged record costs a look-up and no page
//! write, and keeps the provenance of the exchange that first brought it. Because there is one writer, what is looked up still
//! holds when it is written: the statements need no condition.

pub(super) mod rows;

use arrow_array::RecordBatch;
use rusqlite::{CachedStatement, Connection};
use uuid::Uuid;

use self::rows::{HASH_BYTES, Rows};
use super::fault::{RegistryFault, Step};
use super::schema::TableSpec;
use super::{enterprise, person};

/// At most 8,192 released rows of one exchange, with where they came from.
#[derive(Clone, Debug)]
pub struct Part {
    /// The exchange.
    pub exchange: Uuid,
    /// Which part of it, from 0.
    pub number: u32,
    /// Index of the exchange's leaf.
    pub leaf: u64,
    /// Name of the record type.
    pub record: String,
    /// The partner that sent it.
    pub partner: String,
    /// When the gateway received it, microseconds since the epoch.
    pub received_us: i64,
    /// The rows.
    pub batch: RecordBatch,
}

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not there before.
    pub ins: u64,
    /// There with other content, and older.
    pub upd: u64,
    /// Nothing to write: equal content, or what is there is newer.
    pub same: u64,
}

impl Counts {
    /// All rows.
    pub fn rows(&self) -> u64 {
        self.ins + self.upd + self.same
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.ins += other.ins;
        self.upd += other.upd;
        self.same += other.same;
    }
}

/// Merges a part; `before` rows of the same exchange came in earlier parts.
pub(super) fn apply(
    connection: &Connection,
    table: &TableSpec,
    part: &Part,
    before: u64,
) -> Result<Counts, RegistryFault> {
    let rows = Rows::read(table, part)?;
    let mut merge = Merge {
        connection,
        table,
        part,
        rows: &rows,
        before: i64::try_from(before).unwrap_or(i64::MAX),
        counts: Counts::default(),
    };
    let writes = merge.choose()?;
    merge.write(&writes)?;
    person::index(connection, table, part, &rows, &writes)?;
    enterprise::index(connection, part, &rows, &writes)?;
    Ok(merge.counts)
}

/// Rows a look-up statement.
const LOOKUP_ROWS: usize = 100;
/// Rows a writing statement: beyond 50, SQLite's gain is spent on preparing (performance.md section 2).
const WRITE_ROWS: usize = 50;

/// What decides which of two rows with one key stays.
#[derive(Clone, Copy)]
struct Version {
    hash: [u8; HASH_BYTES],
    order: (i64, i64, i64),
}

struct Merge<'a> {
    connection: &'a Connection,
    table: &'a TableSpec,
    part: &'a Part,
    rows: &'a Rows<'a>,
    before: i64,
    counts: Counts,
}

impl Merge<'_> {
    /// The rows to write, in key order: for each key the last that is newer than what is there.
    fn choose(&mut self) -> Result<Vec<usize>, RegistryFault> {
        let groups: Vec<&[u32]> = self.rows.groups().collect();
        let mut writes = Vec::with_capacity(groups.len());
        for chunk in groups.chunks(LOOKUP_ROWS) {
            let known = self.look_up(chunk)?;
            for (group, known) in chunk.iter().zip(known) {
                writes.extend(self.settle(group, known));
            }
        }
        Ok(writes)
    }

    /// Goes through the rows of one key as if each were merged by itself; gives the one that stays.
    fn settle(&mut self, group: &[u32], known: Option<Version>) -> Option<usize> {
        let mut known = known;
        let mut winner = None;
        for row in group.iter().map(|row| *row as usize) {
            let sent = Version {
                hash: self.rows.hash(row),
                order: (self.rows.source_us(row), self.leaf(), self.row_no(row)),
            };
            match known {
                None => self.counts.ins += 1,
                Some(version) if version.hash == sent.hash || version.order >= sent.order => {
                    self.counts.same += 1;
                    continue;
                }
                Some(_) => self.counts.upd += 1,
            }
            known = Some(sent);
            winner = Some(row);
        }
        winner
    }

    /// What the table has for each of up to [`LOOKUP_ROWS`] keys in ascending order.
    fn look_up(&self, groups: &[&[u32]]) -> Result<Vec<Option<Version>>, RegistryFault> {
        let mut statement = self.lookup_statement(groups.len())?;
        let keys: Vec<&[u8]> = groups.iter().map(|group| self.rows.key_of(group)).collect();
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
            self.table.name
        );
        self.connection.prepare_cached(&text).step("prepare a look-up")
    }

    fn write(&self, writes: &[usize]) -> Result<(), RegistryFault> {
        let chunks = writes.chunks_exact(WRITE_ROWS);
        let rest = chunks.remainder();
        let many = self.upsert_text(WRITE_ROWS);
        for chunk in chunks {
            self.upsert(&many, chunk)?;
        }
        let one = self.upsert_text(1);
        for row in rest {
            self.upsert(&one, &[*row])?;
        }
        Ok(())
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
        for column in self.rows.columns() {
            column.bind(statement, *place, row)?;
            *place += 1;
        }
        let mut next = || {
            *place += 1;
            *place - 1
        };
        statement.raw_bind_parameter(next(), self.rows.key(row))?;
        if self.table.has_unit() {
            statement.raw_bind_parameter(next(), self.rows.unit(row))?;
        }
        statement.raw_bind_parameter(next(), self.part.exchange.as_bytes())?;
        statement.raw_bind_parameter(next(), self.row_no(row))?;
        statement.raw_bind_parameter(next(), self.part.partner.as_str())?;
        statement.raw_bind_parameter(next(), self.leaf())?;
        statement.raw_bind_parameter(next(), self.rows.source_us(row))?;
        statement.raw_bind_parameter(next(), self.part.received_us)?;
        statement.raw_bind_parameter(next(), self.rows.hash(row))
    }

    fn upsert_text(&self, rows: usize) -> String {
        upsert_text(self.table, &self.rows.names(), rows)
    }

    fn row_no(&self, row: usize) -> i64 {
        self.before.saturating_add(i64::try_from(row + 1).unwrap_or(i64::MAX))
    }

    fn leaf(&self) -> i64 {
        i64::try_from(self.part.leaf).unwrap_or(i64::MAX)
    }
}

/// The writing statement for a part with those columns, `rows` rows at once.
pub(super) fn upsert_text(table: &TableSpec, columns: &[&str], rows: usize) -> String {
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
