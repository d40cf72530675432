//! The registry's tables. Takes the columns that the compiled push plans release; gives one STRICT table a record type with
//! provenance, the commented columns and the additive migration; refuses plans that contradict each other or the database.
//!
//! A row is found by `_key`: the first natural key of its record type that is complete in the row (design 10.8). `_key` is the
//! primary key of a table without rowid, so a look-up and the write after it touch the same page.

use std::collections::BTreeMap;
use std::sync::Arc;

use adapters::catalogue::{Field, FieldType, RecordType, Subject};
use arrow_schema::{DataType, TimeUnit};
use policies::operator::date::DateTo;
use policies::{Direction, Operator, OutputColumn, Plan, Target};
use rusqlite::Connection;
use {shuguan_adapters as adapters, shuguan_policies as policies};

use super::fault::{RegistryFault, Step};

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text as it is.
    Text,
    /// A calendar day, stored as `YYYY-MM-DD`.
    Date,
    /// Microseconds since 1970-01-01, UTC, stored as an integer.
    Instant,
    /// A whole number.
    Integer,
    /// Yes or no, stored as 1 or 0; what `exists` leaves of a field.
    Boolean,
}

impl ColumnType {
    /// The column type for an Arrow type that a plan can release.
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Utf8 => Some(Self::Text),
            DataType::Date32 => Some(Self::Date),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Some(Self::Instant),
            DataType::Int64 => Some(Self::Integer),
            DataType::Boolean => Some(Self::Boolean),
            _ => None,
        }
    }

    /// The word in comments and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Date => "date",
            Self::Instant => "instant",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
        }
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Text | Self::Date => "TEXT",
            Self::Instant | Self::Integer | Self::Boolean => "INTEGER",
        }
    }
}

/// One column that push plans release.
#[derive(Clone, Debug)]
pub struct ColumnSpec {
    /// English name of the field.
    pub name: &'static str,
    /// Chinese name; becomes the column's comment.
    pub zh: &'static str,
    /// What its values are.
    pub kind: ColumnType,
    /// Different records keep different values in it (`keep`, a pseudonym or a token), so it may be part of a key.
    pub identifies: bool,
}

/// The table of one record type.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Whose records these are.
    pub record: &'static RecordType,
    /// Name of the table, e.g. `public_security_resident`.
    pub name: String,
    /// Columns in catalogue order.
    pub columns: Vec<ColumnSpec>,
    /// Natural keys in order of preference, those whose fields are all columns here.
    pub keys: Vec<&'static [&'static str]>,
}

impl TableSpec {
    /// The table for those columns of a record type.
    ///
    /// # Errors
    /// [`RegistryFault::NoKey`] when no natural key is among them.
    pub fn new(record: &'static RecordType, columns: Vec<ColumnSpec>) -> Result<Self, RegistryFault> {
        let identifying = |name: &&str| columns.iter().any(|column| column.name == *name && column.identifies);
        let keys: Vec<_> = record
            .keys
            .iter()
            .copied()
            .filter(|key| key.iter().all(identifying))
            .collect();
        if keys.is_empty() {
            return Err(RegistryFault::NoKey {
                record: record.name.into(),
            });
        }
        Ok(Self {
            record,
            name: table_name(record.name),
            columns,
            keys,
        })
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnSpec> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns that hold the person whom a row is about, in order of preference; the first that a row has counts.
    pub(super) fn person_columns(&self) -> impl Iterator<Item = &'static str> {
        self.record.subjects.iter().filter_map(|subject| match subject {
            Subject::Person(field) if self.column(field).is_some_and(|column| column.identifies) => Some(*field),
            Subject::Person(_) | Subject::Enterprise(_) => None,
        })
    }

    /// The first of them, by which datasets join.
    pub fn person_column(&self) -> Option<&'static str> {
        self.person_columns().next()
    }

    /// Whether rows are about units and carry `_unit`.
    pub fn has_unit(&self) -> bool {
        self.record
            .subjects
            .iter()
            .any(|subject| matches!(subject, Subject::Enterprise(_)))
    }

    /// Whether `_key` is exactly the person's number, so that one row a person exists and needs no further index.
    pub(super) fn keyed_by_person(&self) -> bool {
        match (self.person_column(), self.keys.first()) {
            (Some(person), Some([only])) => *only == person,
            _ => false,
        }
    }

    pub(super) fn provenance(&self) -> Vec<&'static str> {
        let mut names = vec!["_key"];
        if self.has_unit() {
            names.push("_unit");
        }
        names.extend([
            "_exchange",
            "_row",
            "_partner",
            "_leaf",
            "_source_us",
            "_received_us",
            "_hash",
        ]);
        names
    }

    fn comments(&self) -> impl Iterator<Item = Comment> {
        PROVENANCE
            .iter()
            .filter(|(name, ..)| *name != "_unit" || self.has_unit())
            .map(|(name, zh, word)| (self.name.clone(), *name, *zh, *word))
    }

    fn create_sql(&self) -> Vec<String> {
        let mut text = format!("CREATE TABLE {} (\n  _key TEXT NOT NULL PRIMARY KEY", self.name);
        for column in &self.columns {
            for piece in [",\n  ", column.name, " ", column.kind.sql()] {
                text.push_str(piece);
            }
        }
        if self.has_unit() {
            text.push_str(",\n  _unit TEXT");
        }
        text.push_str(
            ",\n  _exchange BLOB NOT NULL,\n  _row INTEGER NOT NULL,\n  _partner TEXT NOT NULL,\n  _leaf INTEGER NOT NULL,\n  \
             _source_us INTEGER NOT NULL,\n  _received_us INTEGER NOT NULL,\n  _hash BLOB NOT NULL\n) STRICT, WITHOUT ROWID",
        );
        let mut statements = vec![text];
        statements.extend(self.index_sql());
        statements
    }

    fn index_sql(&self) -> Vec<String> {
        let mut statements = Vec::new();
        if let Some(person) = self.person_column().filter(|_| !self.keyed_by_person()) {
            statements.push(format!(
                "CREATE INDEX IF NOT EXISTS {0}_by_person ON {0} ({person})",
                self.name
            ));
        }
        if self.has_unit() {
            statements.push(format!(
                "CREATE INDEX IF NOT EXISTS {0}_by_unit ON {0} (_unit)",
                self.name
            ));
        }
        statements
    }
}

/// The table name of a record type: `public-security/resident` becomes `public_security_resident`.
pub fn table_name(record: &str) -> String {
    record.replace(['-', '/'], "_")
}

/// Columns of a record type as a push plan releases them, collected over all plans.
#[derive(Debug, Default)]
pub struct TableBuilder {
    tables: BTreeMap<&'static str, (Option<&'static RecordType>, Vec<ColumnSpec>)>,
}

impl TableBuilder {
    /// Adds one released column.
    ///
    /// # Errors
    /// [`RegistryFault::PlansDiffer`] when another plan gives the same column another type.
    pub fn add(&mut self, record: &'static RecordType, column: ColumnSpec) -> Result<(), RegistryFault> {
        let (of, columns) = self.tables.entry(record.name).or_default();
        *of = Some(record);
        match columns.iter_mut().find(|known| known.name == column.name) {
            None => columns.push(column),
            Some(known) if known.kind == column.kind => known.identifies &= column.identifies,
            Some(known) => {
                return Err(RegistryFault::PlansDiffer {
                    table: table_name(record.name),
                    column: column.name.into(),
                    one: known.kind.word(),
                    other: column.kind.word(),
                });
            }
        }
        Ok(())
    }

    /// The tables, in order of the record types' names, columns in catalogue order.
    ///
    /// # Errors
    /// [`RegistryFault::NoKey`].
    pub fn finish(self) -> Result<Vec<TableSpec>, RegistryFault> {
        self.tables
            .into_values()
            .filter_map(|(record, columns)| record.map(|record| (record, columns)))
            .map(|(record, mut columns)| {
                let place = |name: &str| record.fields.iter().position(|field: &Field| field.name == name);
                columns.sort_by_key(|column| place(column.name));
                TableSpec::new(record, columns)
            })
            .collect()
    }
}

/// The tables that those plans need: one for each record type that a push plan releases, over all its plans (design 10.8).
///
/// # Errors
/// [`RegistryFault::PlansDiffer`], [`RegistryFault::NoKey`].
pub fn tables<'p>(plans: impl IntoIterator<Item = &'p Arc<Plan>>) -> Result<Vec<TableSpec>, RegistryFault> {
    let mut builder = TableBuilder::default();
    for plan in plans {
        let (Target::Record(record), Direction::Push) = (plan.target(), plan.direction()) else {
            continue;
        };
        for output in plan.output() {
            builder.add(record, released(record, output)?)?;
        }
    }
    builder.finish()
}

fn released(record: &'static RecordType, output: &OutputColumn) -> Result<ColumnSpec, RegistryFault> {
    let kind = ColumnType::of(&output.data_type).ok_or_else(|| RegistryFault::UnknownColumn {
        record: record.name.into(),
        column: output.name.into(),
    })?;
    Ok(ColumnSpec {
        name: output.name,
        zh: output.zh,
        kind,
        identifies: identifies(&output.kind.operator),
    })
}

/// The new tables, and what the old ones had besides: a batch that was sealed under the old plans still has its columns. Keys are the new ones.
pub(super) fn both(old: &[TableSpec], mut new: Vec<TableSpec>) -> Vec<TableSpec> {
    for known in old {
        let Some(table) = new.iter_mut().find(|table| table.name == known.name) else {
            new.push(known.clone());
            continue;
        };
        for column in &known.columns {
            if table.column(column.name).is_none() {
                table.columns.push(ColumnSpec {
                    identifies: false,
                    ..column.clone()
                });
            }
        }
    }
    new
}

/// A day out of a moment may stand in a key; whatever is coarser or covered would merge records that are not the same.
fn identifies(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::Keep | Operator::Pseudonym(_) | Operator::Token(_) | Operator::Date(DateTo::Day)
    )
}

/// The whole record type kept as it is: what a plan that keeps every field releases.
///
/// # Errors
/// [`RegistryFault::NoKey`].
pub fn keep_all(record: &'static RecordType) -> Result<TableSpec, RegistryFault> {
    let columns = record.fields.iter().map(kept).collect();
    TableSpec::new(record, columns)
}

fn kept(field: &Field) -> ColumnSpec {
    ColumnSpec {
        name: field.name,
        zh: field.zh,
        kind: kind_of(&field.kind),
        identifies: true,
    }
}

pub(super) fn kind_of(field: &FieldType) -> ColumnType {
    match field {
        FieldType::Date => ColumnType::Date,
        FieldType::Instant => ColumnType::Instant,
        FieldType::Integer(_) => ColumnType::Integer,
        _ => ColumnType::Text,
    }
}

/// Table, column, Chinese comment, type.
type Comment = (String, &'static str, &'static str, &'static str);

/// What every record table has besides the record: where a row comes from.
const PROVENANCE: &[(&str, &str, &str)] = &[
    ("_key", "记录主键(自然键)", "text"),
    ("_unit", "单位标识", "text"),
    ("_exchange", "来源交换编号", "uuid"),
    ("_row", "在该交换中的行号", "integer"),
    ("_partner", "来源单位", "text"),
    ("_leaf", "存证条目序号", "integer"),
    ("_source_us", "来源更新时间(微秒)", "instant"),
    ("_received_us", "接收时间(微秒)", "instant"),
    ("_hash", "内容摘要", "sha-256/128"),
];

/// Statements that bring a database to those tables and views, in order; empty when it is there already.
#[derive(Debug, Default)]
pub(super) struct Migration {
    pub(super) missing: Vec<String>,
    pub(super) views_differ: bool,
    pub(super) statements: Vec<String>,
    pub(super) comments: Vec<Comment>,
}

impl Migration {
    /// What must be added. Only adds; what the plans no longer name stays.
    ///
    /// # Errors
    /// [`RegistryFault::ColumnDiffers`] when a column has another type than the plans give it.
    pub(super) fn plan(
        connection: &Connection,
        tables: &[TableSpec],
        views: &[(&'static str, String)],
    ) -> Result<Self, RegistryFault> {
        let mut migration = Self::default();
        for table in tables {
            migration.table(table, &columns_of(connection, &table.name)?)?;
        }
        for (name, sql) in views {
            migration.view(name, sql, view_of(connection, name)?.as_deref());
        }
        Ok(migration)
    }

    fn table(&mut self, table: &TableSpec, known: &BTreeMap<String, String>) -> Result<(), RegistryFault> {
        if known.is_empty() {
            self.missing.push(table.name.clone());
            self.statements.extend(table.create_sql());
            self.comments.extend(table.comments());
        }
        for column in &table.columns {
            match known.get(column.name).map(String::as_str) {
                Some(word) if word == column.kind.word() => continue,
                Some(word) => return Err(differs(table, column, word)),
                None if known.is_empty() => {}
                None => {
                    self.missing.push(format!("{}.{}", table.name, column.name));
                    let kind = column.kind.sql();
                    self.statements
                        .push(format!("ALTER TABLE {} ADD COLUMN {} {kind}", table.name, column.name));
                }
            }
            self.comments
                .push((table.name.clone(), column.name, column.zh, column.kind.word()));
        }
        if !known.is_empty() {
            // An added column can be the one that an index is for.
            self.statements.extend(table.index_sql());
        }
        Ok(())
    }

    fn view(&mut self, name: &str, sql: &str, known: Option<&str>) {
        if known != Some(sql) {
            self.views_differ = true;
            self.statements.push(format!("DROP VIEW IF EXISTS {name}"));
            self.statements.push(sql.to_owned());
        }
    }

    /// Whether a table or a column is missing.
    pub(super) fn is_due(&self) -> bool {
        !self.missing.is_empty()
    }

    /// What to tell somebody who has to run it.
    pub(super) fn behind(self) -> RegistryFault {
        RegistryFault::Behind {
            migration: self.text(),
            missing: self.missing,
        }
    }

    pub(super) fn text(&self) -> String {
        self.statements.join(";\n") + ";"
    }

    /// Runs inside the caller's transaction.
    pub(super) fn run(&self, connection: &Connection) -> Result<(), RegistryFault> {
        for statement in &self.statements {
            connection.execute_batch(statement).step("migrate the registry")?;
        }
        let mut insert = connection
            .prepare("INSERT INTO column_comment (table_name, column_name, zh, data_type) VALUES (?1, ?2, ?3, ?4)")
            .step("prepare the comments")?;
        for (table, column, zh, word) in &self.comments {
            insert.execute((table, column, zh, word)).step("comment a column")?;
        }
        Ok(())
    }
}

fn differs(table: &TableSpec, column: &ColumnSpec, registry: &str) -> RegistryFault {
    let (name, field) = (&table.name, column.name);
    RegistryFault::ColumnDiffers {
        table: name.clone(),
        column: field.into(),
        registry: registry.into(),
        plans: column.kind.word(),
        migration: format!(
            "ALTER TABLE {name} RENAME COLUMN {field} TO {field}_as_{registry}; \
             UPDATE column_comment SET column_name = '{field}_as_{registry}' WHERE table_name = '{name}' AND column_name = '{field}'; \
             then `shuguan db migrate`"
        ),
    }
}

/// Columns with their types, as the comments have them; empty when there is no such table.
fn columns_of(connection: &Connection, table: &str) -> Result<BTreeMap<String, String>, RegistryFault> {
    let mut select = connection
        .prepare("SELECT column_name, data_type FROM column_comment WHERE table_name = ?1")
        .step("read the comments")?;
    let rows = select
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))
        .step("read the comments")?;
    rows.collect::<Result<_, _>>().step("read the comments")
}

fn view_of(connection: &Connection, name: &str) -> Result<Option<String>, RegistryFault> {
    use rusqlite::OptionalExtension;
    connection
        .query_row(
            "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1",
            [name],
            |row| row.get(0),
        )
        .optional()
        .step("read the views")
}

/// Tables that every registry has.
pub(super) const BASE: &str = "
CREATE TABLE column_comment (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, zh TEXT NOT NULL, data_type TEXT NOT NULL,
  PRIMARY KEY (table_name, column_name)
) STRICT, WITHOUT ROWID;
CREATE TABLE relay_progress (
  exchange BLOB NOT NULL PRIMARY KEY, leaf INTEGER NOT NULL, record TEXT NOT NULL, partner TEXT NOT NULL,
  received_us INTEGER NOT NULL, parts INTEGER NOT NULL, row_count INTEGER NOT NULL,
  inserted INTEGER NOT NULL, updated INTEGER NOT NULL, same INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE person (
  citizen_id TEXT NOT NULL PRIMARY KEY, first_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE enterprise (
  unit TEXT NOT NULL PRIMARY KEY, uscc TEXT, org_code TEXT, reg_no TEXT, taxpayer_id TEXT, first_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO column_comment VALUES
  ('relay_progress', 'exchange', '交换编号', 'uuid'), ('relay_progress', 'leaf', '存证条目序号', 'integer'),
  ('relay_progress', 'record', '数据类', 'text'), ('relay_progress', 'partner', '对接单位', 'text'),
  ('relay_progress', 'received_us', '接收时间(微秒)', 'instant'), ('relay_progress', 'parts', '已入库分片数', 'integer'),
  ('relay_progress', 'row_count', '已处理记录数', 'integer'), ('relay_progress', 'inserted', '新增', 'integer'),
  ('relay_progress', 'updated', '更新', 'integer'), ('relay_progress', 'same', '未变', 'integer'),
  ('person', 'citizen_id', '公民身份号码', 'text'), ('person', 'first_us', '首次出现时间(微秒)', 'instant'),
  ('enterprise', 'unit', '单位标识', 'text'), ('enterprise', 'uscc', '统一社会信用代码', 'text'),
  ('enterprise', 'org_code', '组织机构代码', 'text'), ('enterprise', 'reg_no', '注册号', 'text'),
  ('enterprise', 'taxpayer_id', '纳税人识别号', 'text'), ('enterprise', 'first_us', '首次出现时间(微秒)', 'instant');
PRAGMA user_version = 1;
";
