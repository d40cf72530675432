//! The stores on which the conformance suite runs, and a registry of its own for each test.
//!
//! PostgreSQL is one cluster a test process, started from the installed binaries in a temporary folder, and a database a test. Without
//! PostgreSQL its half of the suite is skipped, loudly; with `SHUGUAN_POSTGRES=required` it fails.

use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::types::ValueRef as SqliteValue;
use sqlx::{AssertSqlSafe, Column, Row, TypeInfo, ValueRef};
use tempfile::TempDir;

use crate::registry::cluster::{Cluster, Keeping};
use crate::registry::dataset::Dialect;
use crate::registry::postgres::session::{self, Purpose};
use crate::registry::schema::TableSpec;
use crate::registry::{PostgresSettings, Registry, RegistrySettings, SqliteSettings, day};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
}

/// Makes each test, an `async fn(Store)`, one on SQLite and one on PostgreSQL.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::registry::tests::store::Store::Sqlite).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $test() {
                if $crate::registry::tests::store::Store::has_postgres() {
                    super::$test($crate::registry::tests::store::Store::Postgres).await;
                }
            })+
        }
    };
}
pub(crate) use on_both_stores;

static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(|| {
    if !Cluster::is_installed() {
        assert!(
            std::env::var_os("SHUGUAN_POSTGRES").is_none_or(|value| value != "required"),
            "PostgreSQL is required and not installed"
        );
        // Past the capture of test output, so that it is seen when all is well.
        let words = "SKIPPED: PostgreSQL is not installed; the registry was tested on SQLite alone (apt-get install postgresql)\n";
        std::io::stderr().write_all(words.as_bytes()).unwrap();
        return None;
    }
    let folder = std::env::temp_dir().join(format!("shuguan-test-{}", std::process::id()));
    Some(Cluster::start(&folder, Keeping::Nothing, &[]).unwrap())
});

impl Store {
    pub(crate) fn has_postgres() -> bool {
        CLUSTER.is_some()
    }

    pub(in crate::registry) fn dialect(self) -> Dialect {
        match self {
            Self::Sqlite => Dialect::Sqlite,
            Self::Postgres => Dialect::Postgres,
        }
    }

    fn settings(self, folder: &TempDir) -> RegistrySettings {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        if self == Self::Sqlite {
            return RegistrySettings::at(folder.path().join("registry").join("registry.db"));
        }
        let cluster = CLUSTER.as_ref().unwrap();
        let name = format!("registry_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        cluster.create_database(&name).unwrap();
        RegistrySettings::Postgres(PostgresSettings::at(cluster.address(&name)))
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
        let settings = store.settings(&folder);
        Self { folder, settings }
    }

    pub(crate) fn with(store: Store, tables: &[TableSpec]) -> (Self, Registry) {
        let place = Self::new(store);
        Registry::create(&place.settings, tables).unwrap();
        let registry = place.open(tables);
        (place, registry)
    }

    pub(crate) fn open(&self, tables: &[TableSpec]) -> Registry {
        Registry::open(&self.settings, tables.to_vec(), false).unwrap()
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

    /// Runs statements past the registry.
    pub(crate) fn execute(&self, sql: &str) {
        match &self.settings {
            RegistrySettings::Sqlite(settings) => {
                rusqlite::Connection::open(&settings.path)
                    .unwrap()
                    .execute_batch(sql)
                    .unwrap();
            }
            RegistrySettings::Postgres(settings) => session::run_once(settings, sql).unwrap(),
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
