//! The registry's tables, whatever the store. Takes the columns that the compiled push plans release; gives one table a record type
//! with provenance and Chinese names; refuses plans that contradict each other. How a store makes them: `sqlite/schema.rs`,
//! `postgres/schema.rs`.
//!
//! A row is found by `_key`: the first natural key of its record type that is complete in the row (design 10.8).

mod base;

use std::collections::BTreeMap;
use std::sync::Arc;

use adapters::catalogue::{Field, FieldType, RecordType, Subject};
use arrow_schema::{DataType, TimeUnit};
use policies::operator::date::DateTo;
use policies::{Direction, Operator, OutputColumn, Plan, Target};
use {shuguan_adapters as adapters, shuguan_policies as policies};

pub(super) use self::base::{BASE_TABLES, BaseTable};
use super::fault::RegistryFault;

/// What becomes of what a database lacks for its tables. A column of another type is refused in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is added.
    Add,
    /// The database is refused, with the migration to run.
    Refuse,
}

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

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Text, Self::Date, Self::Instant, Self::Integer, Self::Boolean];
        all.into_iter().find(|kind| kind.word() == word)
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
    /// Every plan keeps it as the source sent it, so that it may be compared with what another source sent.
    pub plain: bool,
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
    /// What the database has besides, of plans that released more. No reading, key or comparison knows of them: what was sealed under such plans still
    /// fills them, and every other row that is written empties them.
    pub(super) withdrawn: Vec<ColumnSpec>,
    /// Natural keys in order of preference, those whose fields are all columns here.
    pub keys: Vec<&'static [&'static str]>,
}

impl TableSpec {
    /// Whether it is the same table, with every column of the other and the same keys, and takes no column for plain that the other reduces: what is
    /// reduced now must not be compared with what others send whole.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let has = |column: &ColumnSpec| {
            self.column(column.name)
                .is_some_and(|own| own.kind == column.kind && (column.plain || !own.plain))
        };
        self.name == other.name && self.keys == other.keys && other.columns.iter().all(has)
    }

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
            withdrawn: Vec::new(),
            keys,
        })
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnSpec> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// All columns of the record type that the database has.
    pub(super) fn held(&self) -> impl Iterator<Item = &ColumnSpec> {
        self.columns.iter().chain(&self.withdrawn)
    }

    /// One of them.
    pub(super) fn held_column(&self, name: &str) -> Option<&ColumnSpec> {
        self.held().find(|column| column.name == name)
    }

    /// Takes up a column that the database has and the plans do not release.
    fn withdraw(&mut self, name: &'static str, zh: &'static str, kind: ColumnType) {
        if self.held_column(name).is_none() {
            self.withdrawn.push(ColumnSpec {
                name,
                zh,
                kind,
                identifies: false,
                plain: false,
            });
        }
    }

    /// The columns that the database has besides, among those with their types' words.
    pub(super) fn found(&mut self, known: &BTreeMap<String, String>) {
        for field in self.record.fields {
            let kind = known.get(field.name).and_then(|word| ColumnType::parse(word));
            if let Some(kind) = kind {
                self.withdraw(field.name, field.zh, kind);
            }
        }
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
            "_open",
        ]);
        names
    }

    /// What the table has besides the record: name, Chinese name, type.
    pub(super) fn origin(&self) -> impl Iterator<Item = Described> {
        PROVENANCE
            .iter()
            .copied()
            .filter(|(name, ..)| *name != "_unit" || self.has_unit())
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
            Some(known) if known.kind == column.kind => {
                known.identifies &= column.identifies;
                known.plain &= column.plain;
            }
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
        plain: matches!(output.kind.operator, Operator::Keep),
    })
}

/// What a row that is written becomes where one of its key is there: those columns as they came, and every other empty, also what the plans release no
/// longer. A row says nothing but what the exchange brought that it names.
pub(super) fn replaced(table: &TableSpec, written: &[&str]) -> String {
    let came = written.iter().filter(|name| **name != "_key");
    let came = came.map(|name| format!("{name} = excluded.{name}"));
    let lacking = table.held().filter(|column| !written.contains(&column.name));
    let emptied = lacking.map(|column| format!("{} = NULL", column.name));
    came.chain(emptied).collect::<Vec<String>>().join(", ")
}

/// The new tables, and what the old ones had besides: a batch that was sealed under the old plans still has its columns. Keys are the new ones.
pub(super) fn both(old: &[TableSpec], mut new: Vec<TableSpec>) -> Vec<TableSpec> {
    for known in old {
        let Some(table) = new.iter_mut().find(|table| table.name == known.name) else {
            new.push(known.clone());
            continue;
        };
        for column in known.held() {
            table.withdraw(column.name, column.zh, column.kind);
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
        plain: true,
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

/// The table of a record type.
///
/// # Errors
/// [`RegistryFault::UnknownRecord`].
pub(super) fn table_of<'a>(tables: &'a [TableSpec], record: &str) -> Result<&'a TableSpec, RegistryFault> {
    let found = tables.iter().find(|table| table.record.name == record);
    found.ok_or_else(|| RegistryFault::UnknownRecord { record: record.into() })
}

/// A column: name, Chinese name, type.
pub(super) type Described = (&'static str, &'static str, &'static str);

/// What every record table has besides the record: where a row comes from.
const PROVENANCE: &[Described] = &[
    ("_key", "记录主键(自然键)", "text"),
    ("_unit", "单位标识", "text"),
    ("_exchange", "来源交换编号", "uuid"),
    ("_row", "在该交换中的行号", "integer"),
    ("_partner", "来源单位", "text"),
    ("_leaf", "存证条目序号", "integer"),
    ("_source_us", "来源更新时间(微秒)", "instant"),
    ("_received_us", "接收时间(微秒)", "instant"),
    ("_hash", "内容摘要", "sha-256/128"),
    OPEN,
];

/// Whether a row holds: 0 closed, and then no dataset shows it; 1 open; 2 open, and a closing of its key is noted in `closing`.
pub(super) const OPEN: Described = ("_open", "有效(0已关闭,1有效,2有效且曾有关闭)", "smallint");

/// Notices of what was changed or corrected in the register.
pub(super) const CHANGE: &str = "public-security/change";

/// One line of a description of the registry: table, column, type, Chinese name of table or column.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ColumnLine {
    /// The table.
    pub table: String,
    /// The column; empty for the table itself.
    pub column: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Chinese name.
    pub zh: String,
}

/// Every table and column with its Chinese name, whatever the store.
pub fn describe(tables: &[TableSpec]) -> Vec<ColumnLine> {
    let mut lines = Vec::new();
    let mut line = |table: &str, column: &str, kind: &'static str, zh: &str| {
        lines.push(ColumnLine {
            table: table.into(),
            column: column.into(),
            kind,
            zh: zh.into(),
        });
    };
    for table in tables {
        line(&table.name, "", "table", table.record.zh);
        for column in &table.columns {
            line(&table.name, column.name, column.kind.word(), column.zh);
        }
        for (name, zh, word) in table.origin() {
            line(&table.name, name, word, zh);
        }
    }
    for table in &BASE_TABLES {
        line(table.name, "", "table", table.zh);
        for (name, zh, word) in table.columns {
            line(table.name, name, word.trim_end_matches('?'), zh);
        }
    }
    lines
}
