//! How the registry is opened: on SQLite or on PostgreSQL. Takes parsed values from the configuration; refuses addresses that are not
//! complete, or that hold what must not stand in a configuration.

use std::path::PathBuf;
use std::time::Duration;

use crate::postgres::PostgresSettings;

/// Where the registration database is and what it may use.
#[derive(Clone, Debug)]
pub enum RegistrySettings {
    /// A file of this machine.
    Sqlite(SqliteSettings),
    /// A PostgreSQL server.
    Postgres(PostgresSettings),
}

impl RegistrySettings {
    /// A registry in that file with the defaults for the rest.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(SqliteSettings::at(path))
    }

    /// Where it is, for people; holds no secret.
    pub fn whereabouts(&self) -> String {
        match self {
            Self::Sqlite(settings) => settings.path.display().to_string(),
            Self::Postgres(settings) => settings.address.to_string(),
        }
    }
}

/// A registry on SQLite.
#[derive(Clone, Debug)]
pub struct SqliteSettings {
    /// The SQLite file; its folder is made with mode 0700, the file with 0600.
    pub path: PathBuf,
    /// How long a statement waits for a lock, milliseconds; default 5,000. Only a foreign process can hold one.
    pub busy_timeout_ms: u32,
    /// Pages in the write-ahead log before the writer copies them back, 4 KiB each; default 16,384 (64 MiB).
    pub wal_autocheckpoint_pages: u32,
    /// Page cache of the writer, MiB; default 64. A reader takes 8.
    pub cache_mib: u32,
}

impl SqliteSettings {
    /// A registry in that file with the defaults for the rest.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            busy_timeout_ms: 5_000,
            wal_autocheckpoint_pages: 16_384,
            cache_mib: 64,
        }
    }

    pub(super) fn busy_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.busy_timeout_ms))
    }
}
