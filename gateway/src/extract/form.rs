//! Columns to the forms of an extract: NDJSON and CSV, exact bytes for machines.
//!
//! Takes record batches; appends text. Null is an absent member in NDJSON and an empty cell in CSV. Dates are `yyyy-MM-dd`, moments RFC
//! 3339 UTC with six decimals. CSV follows RFC 4180 with LF line ends and a header row.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use serde::{Deserialize, Serialize};

/// The form of an extract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values with a header row.
    Csv,
}

impl Form {
    /// The name, as in leaves and requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// The form of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Ndjson, Self::Csv].into_iter().find(|form| form.name() == name)
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// What comes before the rows.
    pub fn head(self, schema: &Schema) -> String {
        match self {
            Self::Ndjson => String::new(),
            Self::Csv => {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                format!("{}\n", names.join(","))
            }
        }
    }

    /// Appends the rows of a batch.
    pub fn write(self, batch: &RecordBatch, out: &mut Vec<u8>) {
        let schema = batch.schema();
        let columns: Vec<(&str, Cells<'_>)> = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| (field.name().as_str(), Cells::of(column.as_ref())))
            .collect();
        // Text output is made of rows, so this is one of the few loops over rows.
        for row in 0..batch.num_rows() {
            match self {
                Self::Ndjson => ndjson_row(&columns, row, out),
                Self::Csv => csv_row(&columns, row, out),
            }
        }
    }
}

/// One column, by the types that a dataset can have.
enum Cells<'a> {
    Text(&'a arrow_array::StringArray),
    Day(&'a arrow_array::Date32Array),
    Moment(&'a arrow_array::TimestampMicrosecondArray),
    Number(&'a arrow_array::Int64Array),
    Flag(&'a arrow_array::BooleanArray),
    Empty,
}

enum Cell<'a> {
    Quoted(&'a str),
    Plain(String),
}

impl<'a> Cells<'a> {
    fn of(column: &'a dyn Array) -> Self {
        match column.data_type() {
            DataType::Utf8 => Self::Text(column.as_string()),
            DataType::Date32 => Self::Day(column.as_primitive::<Date32Type>()),
            DataType::Timestamp(..) => Self::Moment(column.as_primitive::<TimestampMicrosecondType>()),
            DataType::Int64 => Self::Number(column.as_primitive::<Int64Type>()),
            DataType::Boolean => Self::Flag(column.as_boolean()),
            _ => Self::Empty,
        }
    }

    fn cell(&self, row: usize) -> Option<Cell<'a>> {
        match self {
            Self::Text(column) => column.is_valid(row).then(|| Cell::Quoted(column.value(row))),
            Self::Day(column) => column.is_valid(row).then(|| {
                let midnight = i64::from(column.value(row)) * 86_400_000_000;
                let text = shuguan_ledger::time::format(midnight);
                Cell::Plain(format!("\"{}\"", text.get(..10).unwrap_or(&text)))
            }),
            Self::Moment(column) => column
                .is_valid(row)
                .then(|| Cell::Plain(format!("\"{}\"", shuguan_ledger::time::format(column.value(row))))),
            Self::Number(column) => column.is_valid(row).then(|| Cell::Plain(column.value(row).to_string())),
            Self::Flag(column) => column.is_valid(row).then(|| Cell::Plain(column.value(row).to_string())),
            Self::Empty => None,
        }
    }
}

fn ndjson_row(columns: &[(&str, Cells<'_>)], row: usize, out: &mut Vec<u8>) {
    let mut separator = b'{';
    for (name, cells) in columns {
        let Some(cell) = cells.cell(row) else { continue };
        out.push(separator);
        separator = b',';
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        match cell {
            // Writing JSON to a Vec cannot fail.
            Cell::Quoted(text) => serde_json::to_writer(&mut *out, text).unwrap_or_default(),
            Cell::Plain(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
    if separator == b'{' {
        out.push(b'{');
    }
    out.extend_from_slice(b"}\n");
}

fn csv_row(columns: &[(&str, Cells<'_>)], row: usize, out: &mut Vec<u8>) {
    for (at, (_, cells)) in columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match cells.cell(row) {
            Some(Cell::Quoted(text)) => csv_text(text, out),
            Some(Cell::Plain(text)) => out.extend_from_slice(text.trim_matches('"').as_bytes()),
            None => {}
        }
    }
    out.push(b'\n');
}

/// An empty text is quoted, so that it is not read as null.
fn csv_text(text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() && !text.contains(['"', ',', '\n', '\r']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::Arc;

    use arrow_array::{ArrayRef, Date32Array, RecordBatch, StringArray};

    use super::Form;

    fn batch() -> RecordBatch {
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("甲,\"乙\"\n"), None, Some("")]));
        let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), Some(-1), None]));
        RecordBatch::try_from_iter_with_nullable([("name", names, true), ("day", days, true)]).unwrap()
    }

    fn written(form: Form) -> String {
        let mut out = form.head(&batch().schema()).into_bytes();
        form.write(&batch(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn ndjson_leaves_null_members_out() {
        let expected =
            "{\"name\":\"甲,\\\"乙\\\"\\n\",\"day\":\"1970-01-01\"}\n{\"day\":\"1969-12-31\"}\n{\"name\":\"\"}\n";
        assert_eq!(written(Form::Ndjson), expected);
    }

    #[test]
    fn csv_quotes_what_would_be_read_otherwise() {
        let expected = "name,day\n\"甲,\"\"乙\"\"\n\",1970-01-01\n,1969-12-31\n\"\",\n";
        assert_eq!(written(Form::Csv), expected);
    }
}
