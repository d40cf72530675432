//! The usual way: rusqlite, one upsert a row, into the registry's own table under its own pragmas.
//!
//! Takes released parts; gives the seconds that they took, one transaction a part. What it leaves out (history, the comparison of sources, what a repeat
//! changes) would only make it slower.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use rusqlite::Connection;
use rusqlite::types::Value;

const TABLE: &str = "public_security_resident";

/// Seconds to write the parts into a registry that is there and empty.
pub fn seconds(registry: &Path, parts: &[RecordBatch]) -> f64 {
    let mut connection = Connection::open(registry).expect("a registry");
    let pragmas =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=16384; PRAGMA secure_delete=ON;
        PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536;";
    connection.execute_batch(pragmas).expect("pragmas");
    let schema = parts.first().expect("a part").schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let upsert = upsert(&names);
    let key = schema.index_of("citizen_id").expect("residents have one");
    let (begun, mut row_number) = (Instant::now(), 0);
    for part in parts {
        let transaction = connection.transaction().expect("a transaction");
        let mut rows = transaction.prepare_cached(&upsert).expect("a statement");
        let person = "INSERT INTO person (citizen_id, first_us) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let mut people = transaction.prepare_cached(person).expect("a statement");
        for row in 0..part.num_rows() {
            row_number += 1;
            let mut values: Vec<Value> = part.columns().iter().map(|column| value(column, row)).collect();
            let id = value(part.column(key), row);
            values.push(id.clone());
            values.push(row_number.into());
            rows.execute(rusqlite::params_from_iter(values)).expect("an upsert");
            people
                .execute(rusqlite::params![id, 1_700_000_000_000_000_i64])
                .expect("a person");
        }
        drop((rows, people));
        transaction.commit().expect("a commit");
    }
    begun.elapsed().as_secs_f64()
}

/// The columns, then key and row as parameters; the rest of the provenance is the same in every row.
fn upsert(names: &[&str]) -> String {
    let mut sql = format!("INSERT INTO {TABLE} ({}, _key, _row, ", names.join(", "));
    sql.push_str("_exchange, _partner, _leaf, _source_us, _received_us, _hash) VALUES (");
    for place in 1..=names.len() + 2 {
        let _ = write!(sql, "?{place}, ");
    }
    let _ = write!(
        sql,
        "zeroblob(16), 'public-security-city', 1, 1700000000000000, 1700000000000000, randomblob(16)) ON CONFLICT (_key) DO UPDATE SET "
    );
    let sets = names
        .iter()
        .chain(&["_row"])
        .map(|name| format!("{name} = excluded.{name}"));
    sql + &sets.collect::<Vec<_>>().join(", ")
}

fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        Value::Null
    } else if let Some(texts) = column.as_string_opt::<i32>() {
        texts.value(row).to_owned().into()
    } else if let Some(days) = column.as_primitive_opt::<Date32Type>() {
        days.value_as_date(row).expect("a day").to_string().into()
    } else if let Some(micros) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        micros.value(row).into()
    } else if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        numbers.value(row).into()
    } else {
        i64::from(column.as_boolean().value(row)).into()
    }
}
