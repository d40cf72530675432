//! Reading what the gateway left on disk, with SQLite alone.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database")
}

/// Every leaf of a journal, in order.
pub fn leaves(journal: &Path) -> Vec<serde_json::Value> {
    let connection = open(journal);
    let mut statement = connection
        .prepare("SELECT bytes FROM leaf ORDER BY idx")
        .expect("a journal");
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).expect("leaves");
    rows.map(|bytes| serde_json::from_slice(&bytes.expect("a leaf")).expect("JSON"))
        .collect()
}

/// How many rows a table of the registry has; 0 when there is no such table.
pub fn registry_count(registry: &Path, table: &str) -> u64 {
    let connection = open(registry);
    connection
        .query_row(&format!("SELECT count(*) FROM \"{table}\""), [], |row| {
            row.get::<_, i64>(0)
        })
        .map_or(0, |count| count as u64)
}

/// One column of a table or view of the registry, as text, sorted.
pub fn registry_rows(registry: &Path, sql: &str) -> Vec<String> {
    let connection = open(registry);
    let mut statement = connection.prepare(sql).expect("a query");
    let rows = statement
        .query_map([], |row| {
            row.get_ref(0).map(|value| match value {
                rusqlite::types::ValueRef::Null => String::new(),
                rusqlite::types::ValueRef::Integer(n) => n.to_string(),
                rusqlite::types::ValueRef::Real(n) => n.to_string(),
                rusqlite::types::ValueRef::Text(text) | rusqlite::types::ValueRef::Blob(text) => {
                    String::from_utf8_lossy(text).into_owned()
                }
            })
        })
        .expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}
