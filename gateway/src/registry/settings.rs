//! How the registry is opened. Takes parsed values from the configuration; refuses nothing itself.

use std::path::PathBuf;
use std::time::Duration;

/// Where the registration database lies and what it may use.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// The SQLite file; its folder is made with mode 0700, the file with 0600.
    pub path: PathBuf,
    /// How long a statement waits for a lock, milliseconds; default 5,000. Only a foreign process can hold one.
    pub busy_timeout_ms: u32,
    /// Pages in the write-ahead log before the writer copies them back, 4 KiB each; default 16,384 (64 MiB).
    pub wal_autocheckpoint_pages: u32,
    /// Page cache of the writer, MiB; default 64. A reader takes 8.
    pub cache_mib: u32,
}

impl RegistrySettings {
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
