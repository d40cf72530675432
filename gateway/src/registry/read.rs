//! Reading a dataset as Arrow columns. Takes a dataset, the fields that a grant names, and a selection; gives batches of at most
//! 8,192 rows in order of the subject; memory does not grow with the dataset. Reads one snapshot, on the caller's blocking thread.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, Date32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field as ArrowField, Schema, SchemaRef};
use policies::dataset::Dataset;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params_from_iter};
use shuguan_policies as policies;

use super::dataset;
use super::day;
use super::fault::{RegistryFault, Step};
use super::schema::{ColumnType, TableSpec, kind_of};

/// Rows of a batch.
pub const BATCH_ROWS: usize = 1_024; // an extract asks between two of them whether its grant still holds

/// Which rows of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The first 2, 4 or 6 digits of the division code: `hukou_region` of a person, `region` of a unit.
    region_prefix: Option<String>,
    /// Rows of which something was received then or later, microseconds since the epoch.
    updated_since_us: Option<i64>,
}

impl Selection {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only a division and those below it; none when the code is not 2, 4 or 6 digits. `320700` means the whole city.
    #[must_use]
    pub fn within(mut self, region: &str) -> Option<Self> {
        if !matches!(region.len(), 2 | 4 | 6) || !region.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut prefix = region;
        while let Some(above) = prefix.strip_suffix("00").filter(|above| !above.is_empty()) {
            prefix = above;
        }
        self.region_prefix = Some(prefix.to_owned());
        Some(self)
    }

    /// Only what was received then or later.
    #[must_use]
    pub fn since(mut self, updated_since_us: i64) -> Self {
        self.updated_since_us = Some(updated_since_us);
        self
    }
}

/// The Arrow schema of those fields of a dataset, in that order, nullable.
pub fn schema(dataset: Dataset, fields: &[&str]) -> SchemaRef {
    let fields: Vec<ArrowField> = fields
        .iter()
        .filter_map(|name| dataset.fields().iter().find(|field| field.name == *name))
        .map(|field| ArrowField::new(field.name, field.kind.data_type(), true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// What to read.
pub(super) struct Reading<'a> {
    pub(super) dataset: Dataset,
    pub(super) fields: &'a [&'a str],
    pub(super) selection: &'a Selection,
}

impl Reading<'_> {
    /// Streams the rows; gives how many were handed over. Stops early when `each` breaks.
    pub(super) fn stream(
        &self,
        connection: &Connection,
        tables: &[TableSpec],
        each: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
    ) -> Result<u64, RegistryFault> {
        let schema = schema(self.dataset, self.fields);
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let (text, values) = self.query(&names, tables);
        let mut statement = connection.prepare(&text).step("prepare a reading")?;
        let mut rows = statement.query(params_from_iter(values)).step("read a dataset")?;
        let mut batch = Batch::new(self.dataset, &schema);
        let mut handed = 0;
        while let Some(row) = rows.next().step("read a dataset")? {
            batch.push(row)?;
            if batch.rows == BATCH_ROWS {
                handed += BATCH_ROWS as u64;
                if each(batch.finish(&schema)?).is_break() {
                    return Ok(handed);
                }
            }
        }
        if batch.rows > 0 {
            handed += batch.rows as u64;
            let _last = each(batch.finish(&schema)?);
        }
        Ok(handed)
    }

    fn query(&self, names: &[&str], tables: &[TableSpec]) -> (String, Vec<rusqlite::types::Value>) {
        let region = match self.dataset {
            Dataset::Population => "hukou_region",
            Dataset::Enterprises => "region",
        };
        let mut conditions = Vec::new();
        let mut values: Vec<rusqlite::types::Value> = Vec::new();
        if let Some(prefix) = &self.selection.region_prefix {
            conditions.push(format!("{region} >= ? AND {region} < ?"));
            values.push(prefix.clone().into());
            // `:` follows `9`.
            values.push(format!("{prefix}:").into());
        }
        if let Some(since_us) = self.selection.updated_since_us {
            conditions.push("updated_at >= ?".to_owned());
            values.push(since_us.into());
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let text = format!(
            "SELECT {} FROM ({}){filter} ORDER BY {}",
            names.join(", "),
            dataset::select(self.dataset, tables),
            dataset::SUBJECT
        );
        (text, values)
    }
}

enum Builder {
    Text(StringBuilder),
    Date(Date32Builder),
    Instant(TimestampMicrosecondBuilder),
    Integer(Int64Builder),
}

impl Builder {
    fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Date => Self::Date(Date32Builder::new()),
            ColumnType::Instant => Self::Instant(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            ColumnType::Integer | ColumnType::Boolean => Self::Integer(Int64Builder::new()),
        }
    }

    /// A value of another shape than the column's is a fault, never a silent null.
    fn push(&mut self, value: ValueRef<'_>) -> bool {
        match (self, value) {
            (Self::Text(column), ValueRef::Null) => column.append_null(),
            (Self::Date(column), ValueRef::Null) => column.append_null(),
            (Self::Instant(column), ValueRef::Null) => column.append_null(),
            (Self::Integer(column), ValueRef::Null) => column.append_null(),
            (Self::Text(column), ValueRef::Text(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => column.append_value(text),
                Err(_) => return false,
            },
            (Self::Date(column), ValueRef::Text(bytes)) => {
                match std::str::from_utf8(bytes).ok().and_then(day::from_text) {
                    Some(days) => column.append_value(days),
                    None => return false,
                }
            }
            (Self::Instant(column), ValueRef::Integer(micros)) => column.append_value(micros),
            (Self::Integer(column), ValueRef::Integer(number)) => column.append_value(number),
            _ => return false,
        }
        true
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => ArrayBuilder::finish(column),
            Self::Date(column) => ArrayBuilder::finish(column),
            Self::Instant(column) => ArrayBuilder::finish(column),
            Self::Integer(column) => ArrayBuilder::finish(column),
        }
    }
}

struct Batch {
    columns: Vec<(&'static str, Builder)>,
    rows: usize,
}

impl Batch {
    fn new(dataset: Dataset, schema: &Schema) -> Self {
        let columns = schema
            .fields()
            .iter()
            .filter_map(|wanted| dataset.fields().iter().find(|field| field.name == wanted.name()))
            .map(|field| (field.name, Builder::new(kind_of(&field.kind))))
            .collect();
        Self { columns, rows: 0 }
    }

    fn push(&mut self, row: &Row<'_>) -> Result<(), RegistryFault> {
        for (place, (name, column)) in self.columns.iter_mut().enumerate() {
            if !column.push(row.get_ref(place).step("read a dataset")?) {
                return Err(RegistryFault::Malformed { column: name });
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn finish(&mut self, schema: &SchemaRef) -> Result<RecordBatch, RegistryFault> {
        self.rows = 0;
        let columns = self.columns.iter_mut().map(|(_, column)| column.finish()).collect();
        RecordBatch::try_new(Arc::clone(schema), columns).map_err(RegistryFault::Batch)
    }
}
