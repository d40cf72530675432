//! Reading a dataset from SQLite, on the caller's blocking thread.

use std::ops::ControlFlow;

use arrow_array::RecordBatch;
use rusqlite::types::{Value as Bindable, ValueRef};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::super::changes;
use super::super::day;
use super::super::dialect::Dialect;
use super::super::fault::{RegistryFault, Step};
use super::super::merge::rows::Value;
use super::super::read::{BATCH_ROWS, Batch, Bound, Reached, Reading};
use super::super::schema::{ColumnType, TableSpec};

/// Hands the rows over in batches; gives how many, and as of when.
pub(in crate::registry) fn stream(
    reading: &Reading<'_>,
    connection: &mut Connection,
    tables: &[TableSpec],
    each: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
) -> Result<Reached, RegistryFault> {
    // One state for the mark and for all rows.
    let connection = connection.transaction().step("begin a reading")?;
    let as_of_us = as_of(&connection)?;
    let reached = |rows| Reached { rows, as_of_us };
    let (text, bounds) = reading.query(Dialect::Sqlite, tables);
    let mut statement = connection.prepare(&text).step("prepare a reading")?;
    let values = bounds.into_iter().map(|bound| match bound {
        Bound::Text(text) => Bindable::Text(text),
        Bound::Instant(micros) | Bound::Mark(micros) => Bindable::Integer(micros),
    });
    let mut rows = statement.query(params_from_iter(values)).step("read a dataset")?;
    let mut batch = Batch::new(reading.dataset, reading.schema());
    let mut handed = 0;
    while let Some(row) = rows.next().step("read a dataset")? {
        batch.push(|place, kind| Ok(value(row.get_ref(place).step("read a dataset")?, kind)))?;
        if batch.rows() == BATCH_ROWS {
            handed += BATCH_ROWS as u64;
            if each(batch.finish()?).is_break() {
                return Ok(reached(handed));
            }
        }
    }
    if batch.rows() > 0 {
        handed += batch.rows() as u64;
        let _last = each(batch.finish()?);
    }
    Ok(reached(handed))
}

fn as_of(connection: &Connection) -> Result<Option<i64>, RegistryFault> {
    const STEP: &str = "read the mark";
    let mark = connection.query_row(changes::NEWEST, [], |row| row.get::<_, String>(0));
    let mark = mark.optional().step(STEP)?;
    mark.map(|mark| changes::read(Some(&mark))).transpose()
}

fn value(value: ValueRef<'_>, kind: ColumnType) -> Option<Value<'_>> {
    match (value, kind) {
        (ValueRef::Null, _) => Some(Value::Null),
        (ValueRef::Text(bytes), ColumnType::Text) => std::str::from_utf8(bytes).ok().map(Value::Text),
        (ValueRef::Text(bytes), ColumnType::Date) => std::str::from_utf8(bytes)
            .ok()
            .and_then(day::from_text)
            .map(Value::Date),
        (ValueRef::Integer(micros), ColumnType::Instant) => Some(Value::Instant(micros)),
        (ValueRef::Integer(number), ColumnType::Integer | ColumnType::Boolean) => Some(Value::Integer(number)),
        _ => None,
    }
}
