//! A registry of its own for each test, on one of the two stores.

use std::sync::{Mutex, PoisonError};

use rusqlite::types::ValueRef as SqliteValue;
use sqlx::{AssertSqlSafe, Column, Row, TypeInfo, ValueRef};
use tempfile::TempDir;

use crate::postgres::PostgresSettings;
use crate::postgres::stores;
pub(crate) use crate::postgres::stores::{Store, on_both_stores};
use crate::registry::dialect::Dialect;
use crate::registry::postgres::session::{self, Purpose};
use crate::registry::schema::TableSpec;
use crate::registry::{Missing, Registry, RegistrySettings, SqliteSettings, day};

pub(in crate::registry) fn dialect(store: Store) -> Dialect {
    match store {
        Store::Sqlite => Dialect::Sqlite,
        Store::Postgres => Dialect::Postgres,
    }
}

fn settings(store: Store, folder: &TempDir) -> RegistrySettings {
    match store {
        Store::Sqlite => RegistrySettings::at(folder.path().join("registry").join("registry.db")),
        Store::Postgres => RegistrySettings::Postgres(stores::database("registry")),
    }
}

/// A registry of its own, and a folder.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) settings: RegistrySettings,
}

impl Place {
    pub(crate) fn new(store: Store) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = settings(store, &folder);
        Self { folder, settings }
    }

    pub(crate) fn with(store: Store, tables: &[TableSpec]) -> (Self, Registry) {
        let place = Self::new(store);
        Registry::create(&place.settings, tables).unwrap();
        let registry = place.open(tables);
        (place, registry)
    }

    pub(crate) fn open(&self, tables: &[TableSpec]) -> Registry {
        Registry::open(&self.settings, tables.to_vec(), Missing::Refuse).unwrap()
    }

    pub(crate) fn sqlite(&self) -> &SqliteSettings {
        match &self.settings {
            RegistrySettings::Sqlite(settings) => settings,
            RegistrySettings::Postgres(_) => unreachable!("it is not on SQLite"),
        }
    }

    pub(crate) fn postgres(&self) -> &PostgresSettings {
        match &self.settings {
            RegistrySettings::Postgres(settings) => settings,
            RegistrySettings::Sqlite(_) => unreachable!("it is not on PostgreSQL"),
        }
    }

    /// Gives the roles their rights, twice. Roles are the server's and not a database's, so that two tests may not do it at once.
    pub(crate) fn give_roles(&self, tables: &[TableSpec]) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let script = Registry::roles(&self.settings, tables).unwrap();
        for _ in 0..2 {
            self.execute(&script);
        }
    }

    /// Runs statements past the registry.
    pub(crate) fn execute(&self, sql: &str) {
        match &self.settings {
            RegistrySettings::Sqlite(settings) => {
                rusqlite::Connection::open(&settings.path)
                    .unwrap()
                    .execute_batch(sql)
                    .unwrap();
            }
            RegistrySettings::Postgres(settings) => crate::postgres::link::run_once(settings, sql).unwrap(),
        }
    }

    /// The rows of a query, cells apart by a blank; `-` for null, a day as `YYYY-MM-DD`, a moment in microseconds, bytes in hexadecimal.
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        match &self.settings {
            RegistrySettings::Sqlite(settings) => query_sqlite(settings, sql),
            RegistrySettings::Postgres(settings) => query_postgres(settings, sql),
        }
    }

    /// Names of a table's or view's columns, in order.
    pub(crate) fn columns(&self, table: &str) -> Vec<String> {
        match &self.settings {
            RegistrySettings::Sqlite(_) => self.query(&format!("SELECT name FROM pragma_table_info('{table}')")),
            RegistrySettings::Postgres(_) => self.query(&format!(
                "SELECT column_name::text FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
            )),
        }
    }
}

fn query_sqlite(settings: &SqliteSettings, sql: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(&settings.path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let cell = |value: SqliteValue<'_>| match value {
        SqliteValue::Null => "-".into(),
        SqliteValue::Integer(number) => number.to_string(),
        SqliteValue::Text(text) => String::from_utf8_lossy(text).into_owned(),
        SqliteValue::Blob(bytes) => hex(bytes),
        SqliteValue::Real(_) => unreachable!("the registry has no such column"),
    };
    let rows = statement
        .query_map([], |row| {
            let cells: Vec<String> = (0..columns).map(|place| cell(row.get_ref(place).unwrap())).collect();
            Ok(cells.join(" "))
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn query_postgres(settings: &PostgresSettings, sql: &str) -> Vec<String> {
    let rows = session::aside(async || {
        let mut connection = session::connect(settings, Purpose::Read).await?;
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection);
        Ok(rows.await.unwrap())
    });
    let line = |row: sqlx::postgres::PgRow| {
        let cells = row.columns().iter().map(|column| {
            let raw = row.try_get_raw(column.ordinal()).unwrap();
            if raw.is_null() {
                return "-".to_owned();
            }
            cell(column.type_info().name(), raw.as_bytes().unwrap())
        });
        cells.collect::<Vec<_>>().join(" ")
    };
    rows.unwrap().into_iter().map(line).collect()
}

fn cell(kind: &str, bytes: &[u8]) -> String {
    match kind {
        "BOOL" => u8::from(bytes[0] != 0).to_string(),
        "INT2" => i16::from_be_bytes(bytes.try_into().unwrap()).to_string(),
        "INT4" => i32::from_be_bytes(bytes.try_into().unwrap()).to_string(),
        "INT8" => i64::from_be_bytes(bytes.try_into().unwrap()).to_string(),
        "DATE" => day::to_text(i32::from_be_bytes(bytes.try_into().unwrap()) + 10_957)
            .as_str()
            .to_owned(),
        "TIMESTAMPTZ" => (i64::from_be_bytes(bytes.try_into().unwrap()) + 946_684_800_000_000).to_string(),
        "BYTEA" | "UUID" => hex(bytes),
        "TEXT" | "NAME" | "VARCHAR" => String::from_utf8_lossy(bytes).into_owned(),
        other => unreachable!("{other}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
