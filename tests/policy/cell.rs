//! Cells: what one field of one record holds, and batches made of them and read back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, Date32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema};
use shuguan_policies::Target;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Null,
    Text(String),
    /// Days, microseconds or a whole number, by the field's type.
    Number(i64),
    Flag(bool),
}

/// One record: every field of its target.
pub type Row = BTreeMap<&'static str, Cell>;

/// The batch of these columns of these rows.
pub fn batch(target: Target, columns: &[&'static str], rows: &[Row]) -> RecordBatch {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for name in columns {
        let kind = target.field(name).unwrap().kind;
        let numbers = rows.iter().map(|row| match &row[name] {
            Cell::Number(number) => Some(*number),
            _ => None,
        });
        let texts = rows.iter().map(|row| match &row[name] {
            Cell::Text(text) => Some(text.as_str()),
            _ => None,
        });
        arrays.push(match kind.data_type() {
            DataType::Date32 => Arc::new(
                numbers
                    .map(|n| n.map(|n| i32::try_from(n).unwrap()))
                    .collect::<Date32Array>(),
            ),
            DataType::Int64 => Arc::new(numbers.collect::<Int64Array>()),
            DataType::Timestamp(..) => Arc::new(numbers.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
            _ => Arc::new(texts.collect::<StringArray>()),
        });
        fields.push(Field::new(*name, kind.data_type(), true));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).unwrap()
}

/// Name and cell of each column of each row.
pub fn rows(batch: &RecordBatch) -> Vec<Vec<(String, Cell)>> {
    let schema = batch.schema();
    (0..batch.num_rows())
        .map(|row| {
            let columns = schema.fields().iter().zip(batch.columns());
            columns
                .map(|(field, column)| (field.name().clone(), cell(column, row)))
                .collect()
        })
        .collect()
}

fn cell(column: &ArrayRef, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(row).into()),
        DataType::Date32 => Cell::Number(column.as_primitive::<Date32Type>().value(row).into()),
        DataType::Int64 => Cell::Number(column.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(..) => Cell::Number(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Boolean => Cell::Flag(column.as_boolean().value(row)),
        other => panic!("no column is a {other}"),
    }
}
