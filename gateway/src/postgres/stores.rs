//! The stores on which a conformance suite runs, for the tests of journal and registry.
//!
//! PostgreSQL is one cluster a test process, started from the installed binaries in a temporary folder, and a database a test. Without
//! PostgreSQL its half of a suite is skipped, loudly; with `SHUGUAN_POSTGRES=required` it fails.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::PostgresSettings;
use super::cluster::{Cluster, Keeping};
use super::link::run_once;

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
                super::$test($crate::postgres::stores::Store::Sqlite).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $test() {
                if $crate::postgres::stores::Store::has_postgres() {
                    super::$test($crate::postgres::stores::Store::Postgres).await;
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
        let words = "SKIPPED: PostgreSQL is not installed; journal and registry were tested on SQLite alone (apt-get install postgresql)\n";
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
}

/// An empty database of its own.
pub(crate) fn database(prefix: &str) -> PostgresSettings {
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let cluster = CLUSTER.as_ref().unwrap();
    let name = format!("{prefix}_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    cluster.create_database(&name).unwrap();
    PostgresSettings::at(cluster.address(&name))
}

/// A copy of a database, in the place of `to`; whoever is connected to either is cut off.
pub(crate) fn copy_database(from: &PostgresSettings, to: &PostgresSettings) {
    let cluster = CLUSTER.as_ref().unwrap();
    let postgres = PostgresSettings::at(cluster.address("postgres"));
    let (from, to) = (&from.address.database, &to.address.database);
    run_once(&postgres, &format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)")).unwrap();
    run_once(
        &postgres,
        &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'"),
    )
    .unwrap();
    // The server waits for the last sessions to end.
    run_once(&postgres, &format!("CREATE DATABASE {to} TEMPLATE {from}")).unwrap();
}
