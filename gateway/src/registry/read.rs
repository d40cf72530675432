//! Reading a dataset as Arrow columns. Takes a dataset, the fields that a grant names, and a selection; gives batches of at most
//! 8,192 rows in order of the subject; memory does not grow with the dataset. A store reads one snapshot: `sqlite/read.rs`,
//! `postgres/read.rs`.

use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, Date32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field as ArrowField, Schema, SchemaRef};
use policies::dataset::Dataset;
use shuguan_policies as policies;

use super::dataset;
use super::dialect::Dialect;
use super::enterprise;
use super::fault::RegistryFault;
use super::merge::rows::Value;
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
    /// Only those persons or units, by what the index knows them under.
    subjects: Option<Vec<String>>,
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

    /// Only the persons or units with those numbers: resident ids, credit codes. A unit is known by the organisation code in its credit code, so that one
    /// whose credit code is another may come as well.
    pub fn about<'s>(dataset: Dataset, numbers: impl Iterator<Item = &'s str>) -> Self {
        let subject = |number: &'s str| match dataset {
            Dataset::Population => number,
            Dataset::Enterprises => enterprise::unit_of(number),
        };
        Self {
            subjects: Some(numbers.map(|number| subject(number).to_owned()).collect()),
            ..Self::default()
        }
    }

    /// Only what changed then or later.
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

/// How far a reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Rows that were handed over.
    pub rows: u64,
    /// The newest change that it saw, microseconds since the epoch: a reading since then misses nothing. None in a registry that nothing was written to yet.
    pub as_of_us: Option<i64>,
}

/// What to read.
pub(super) struct Reading<'a> {
    pub(super) dataset: Dataset,
    pub(super) fields: &'a [&'a str],
    pub(super) selection: &'a Selection,
}

/// What a condition of a reading compares with.
pub(super) enum Bound {
    Text(String),
    Instant(i64),
    /// Microseconds as the index keeps them.
    Mark(i64),
}

impl Reading<'_> {
    pub(super) fn schema(&self) -> SchemaRef {
        schema(self.dataset, self.fields)
    }

    /// The statement and its parameters, in order.
    pub(super) fn query(&self, dialect: Dialect, tables: &[TableSpec]) -> (String, Vec<Bound>) {
        let schema = self.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let region = match self.dataset {
            Dataset::Population => "hukou_region",
            Dataset::Enterprises => "region",
        };
        let mut fields = names.clone();
        fields.extend(self.selection.region_prefix.as_ref().map(|_| region));
        fields.extend(self.selection.updated_since_us.map(|_| "updated_at"));
        let (mut conditions, mut values) = (Vec::new(), Vec::new());
        let mut place = |value| {
            values.push(value);
            dialect.place(values.len())
        };
        let derived = match self.selection.updated_since_us {
            // Places are numbered as they stand in the text, and this one stands in what is selected from.
            Some(since_us) => {
                let place = place(Bound::Mark(since_us));
                dataset::select_changed(dialect, self.dataset, tables, &fields, &place)
            }
            None => dataset::select(dialect, self.dataset, tables, &fields),
        };
        if let Some(prefix) = &self.selection.region_prefix {
            // `:` follows `9`.
            let (from, below) = (
                place(Bound::Text(prefix.clone())),
                place(Bound::Text(format!("{prefix}:"))),
            );
            conditions.push(format!("{region} >= {from} AND {region} < {below}"));
        }
        if let Some(since_us) = self.selection.updated_since_us {
            conditions.push(format!("updated_at >= {}", place(Bound::Instant(since_us))));
        }
        if let Some(subjects) = &self.selection.subjects {
            let places = subjects.iter().map(|subject| place(Bound::Text(subject.clone())));
            let places = places.collect::<Vec<_>>().join(", ");
            conditions.push(format!("{} IN ({places})", dataset::SUBJECT));
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let text = format!(
            "SELECT {} FROM ({derived}){}{filter} ORDER BY {}",
            names.join(", "),
            dialect.derived(),
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
    fn push(&mut self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(column), Value::Null) => column.append_null(),
            (Self::Date(column), Value::Null) => column.append_null(),
            (Self::Instant(column), Value::Null) => column.append_null(),
            (Self::Integer(column), Value::Null) => column.append_null(),
            (Self::Text(column), Value::Text(text)) => column.append_value(text),
            (Self::Date(column), Value::Date(days)) => column.append_value(days),
            (Self::Instant(column), Value::Instant(micros)) => column.append_value(micros),
            (Self::Integer(column), Value::Integer(number)) => column.append_value(number),
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

/// A batch that grows row by row.
pub(super) struct Batch {
    schema: SchemaRef,
    columns: Vec<(&'static str, ColumnType, Builder)>,
    rows: usize,
}

impl Batch {
    pub(super) fn new(dataset: Dataset, schema: SchemaRef) -> Self {
        let columns = schema
            .fields()
            .iter()
            .filter_map(|wanted| dataset.fields().iter().find(|field| field.name == wanted.name()))
            .map(|field| {
                let kind = kind_of(&field.kind);
                (field.name, kind, Builder::new(kind))
            })
            .collect();
        Self {
            schema,
            columns,
            rows: 0,
        }
    }

    /// Adds a row; `value` gives what the store has at a place for a type, none when it is not of it.
    pub(super) fn push<'v>(
        &mut self,
        mut value: impl FnMut(usize, ColumnType) -> Result<Option<Value<'v>>, RegistryFault>,
    ) -> Result<(), RegistryFault> {
        for (place, (name, kind, column)) in self.columns.iter_mut().enumerate() {
            let fits = value(place, *kind)?.is_some_and(|value| column.push(value));
            if !fits {
                return Err(RegistryFault::Malformed { column: name });
            }
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn finish(&mut self) -> Result<RecordBatch, RegistryFault> {
        self.rows = 0;
        let columns = self.columns.iter_mut().map(|(_, _, column)| column.finish()).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(RegistryFault::Batch)
    }
}
